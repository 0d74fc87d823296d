/* MASTER_ADD, MASTER_REMOVE, TRANSFER_LEADER: handed to Raft (R32); it says how they ended. */
#include "base/planted.h"
#include "config_master/core/leader.h"

static const struct wire_master_info *find_master(const struct cm_core *core, uint64_t id)
{
    for (uint32_t i = 0; i < core->masters_count; i++) {
        if (core->masters[i].master == id)
            return &core->masters[i];
    }
    return NULL;
}

static struct cm_effect *start_change(struct cm_core *core, struct cm_request *request,
                                      enum cm_effect_kind kind)
{
    struct cm_effect *effect = cm_emit(core, kind);
    effect->id = core->next_id++;
    effect->target = (uint32_t)request->a;
    request->id = effect->id;
    request->stage = CM_STAGE_CHANGING;
    return effect;
}

void cm_op_master_add(struct cm_core *core, struct cm_request *request)
{
    struct slice address = cm_request_text(request);
    if (request->a == 0 || request->a > UINT32_MAX) {
        cm_request_reply(core, request, ERR_INVALID, 0, 0, "a master's id is 1 to 4294967295");
    } else if (address.length == 0 || memchr(address.data, ':', address.length) == NULL) {
        cm_request_reply(core, request, ERR_INVALID, 0, 0,
                         "a master's address is HOST:PORT, as it is told to the other masters");
    } else if (find_master(core, request->a) != NULL) {
        cm_request_reply(core, request, ERR_EXISTS, 0, 0,
                         "master %llu is a member already; remove it first if its disk is lost",
                         (unsigned long long)request->a);
    } else if (core->masters_count == BOUND_MASTERS) {
        cm_request_reply(core, request, ERR_TOO_LARGE, 0, 0,
                         "the cluster has %u masters, which is the limit", BOUND_MASTERS);
    } else {
        struct cm_effect *effect = start_change(core, request, CM_EFFECT_MASTERS_CHANGE);
        effect->add = true;
        effect->address = address; /* the request lives until CHANGED */
    }
}

/* A copy of an order that comes late, when that master was removed and added again, means the disk
 * of before. */
void cm_op_master_remove(struct cm_core *core, struct cm_request *request)
{
    const struct wire_master_info *master = find_master(core, request->a);
    if (master == NULL) {
        cm_request_reply(core, request, ERR_NOT_FOUND, 0, 0, "master %llu is not a member",
                         (unsigned long long)request->a);
    } else if (request->b != 0 && request->b != uuid_tag(&master->disk) &&
               !PLANTED(R32_LATE_ORDER_OBEYED)) {
        cm_request_reply(core, request, ERR_CONDITION, 0, 0,
                         "master %llu has another disk by now than the order means; look again",
                         (unsigned long long)request->a);
    } else if (core->masters_count == 1) {
        cm_request_reply(core, request, ERR_INVALID, 0, 0,
                         "master %llu is the only one; add another first",
                         (unsigned long long)request->a);
    } else {
        start_change(core, request, CM_EFFECT_MASTERS_CHANGE);
    }
}

void cm_op_transfer_leader(struct cm_core *core, struct cm_request *request)
{
    if (request->a != 0 && find_master(core, request->a) == NULL) {
        cm_request_reply(core, request, ERR_NOT_FOUND, 0, 0, "master %llu is not a member",
                         (unsigned long long)request->a);
    } else if (request->a == core->options.id) {
        cm_request_reply(core, request, ERR_OK, 0, 0, "master %u leads already", core->options.id);
    } else {
        start_change(core, request, CM_EFFECT_TRANSFER);
    }
}
