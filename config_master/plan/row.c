#include <string.h>

#include "config_master/plan/chain_plan.h"

static bool nodes_are_distinct(const struct wire_member *members, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].node == 0)
            return false;
        for (uint32_t j = 0; j < i; j++) {
            if (members[j].node == members[i].node)
                return false;
        }
    }
    return true;
}

enum err plan_row_from_wire(const struct wire_row *wire, struct plan_row *ret_row)
{
    if (wire->epoch == 0 || wire->members_count > BOUND_CHAIN_MEMBERS ||
        wire->serving_count > BOUND_CHAIN_MEMBERS)
        return ERR_PROTOCOL;
    if (!nodes_are_distinct(wire->members, wire->members_count) ||
        !nodes_are_distinct(wire->serving, wire->serving_count))
        return ERR_PROTOCOL;
    struct plan_row row = {
        .chain = wire->chain,
        .epoch = wire->epoch,
        .version = wire->version,
        .members_count = wire->members_count,
        .joiner = wire->joiner,
        .frozen = wire->frozen,
        .any_replica = wire->any_replica,
        .write_floor = wire->write_floor,
        .replicas = wire->replicas,
        .serving_count = wire->serving_count,
    };
    for (uint32_t i = 0; i < wire->members_count; i++) {
        if (wire->joiner.node != 0 && wire->members[i].node == wire->joiner.node)
            return ERR_PROTOCOL;
        row.members[i] = wire->members[i];
    }
    for (uint32_t i = 0; i < wire->serving_count; i++)
        row.serving[i] = wire->serving[i];
    *ret_row = row;
    return ERR_OK;
}

struct wire_row plan_row_to_wire(const struct plan_row *row)
{
    return (struct wire_row){
        .chain = row->chain,
        .epoch = row->epoch,
        .version = row->version,
        .members = row->members,
        .members_count = row->members_count,
        .joiner = row->joiner,
        .frozen = row->frozen,
        .any_replica = row->any_replica,
        .write_floor = row->write_floor,
        .replicas = row->replicas,
        .serving = row->serving,
        .serving_count = row->serving_count,
    };
}
