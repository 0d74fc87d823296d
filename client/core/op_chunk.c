/* CHUNK_GET: which member of the chain is asked, and what its refusals prove.
 *
 * A chunk is immutable, so any member's good copy will do; the tail is asked first, then the
 * others. That one member's copy is damaged or gone says nothing about the others': the chunk is
 * given up only when each member of the present row has said so itself. Members that are not
 * connected are dialed and waited for until the deadline (or until the map drops them). */
#include "client/core/internal.h"

_Static_assert(BOUND_CHAIN_MEMBERS < 32, "members are counted in 32 bits");

/* Places are those of one row; under another one everything is asked anew. */
static void begin_row(struct op *op, const struct cl_row *row)
{
    if (op->chunk_epoch == row->epoch)
        return;
    op->chunk_epoch = row->epoch;
    op->asked = op->damaged = op->absent = 0;
}

static uint32_t place_of(const struct cl_row *row, uint32_t node)
{
    uint32_t place = 0;
    while (place < row->members_count && row->members[place].node != node)
        place++;
    return place;
}

struct peer *chunk_choose(struct cl_core *core, struct op *op, const struct cl_row *row)
{
    struct peer *again = NULL;
    uint32_t again_bit = 0;
    begin_row(op, row);
    for (uint32_t i = row->members_count; i-- > 0;) {
        uint32_t bit = 1u << i;
        if (((op->damaged | op->absent) & bit) != 0)
            continue;
        struct peer *peer = peer_node(core, row->members[i].node);
        if (peer == NULL || !peer_want(core, peer))
            continue;
        if ((op->asked & bit) == 0) {
            op->asked |= bit;
            return peer;
        }
        if (again == NULL) {
            again = peer;
            again_bit = bit;
        }
    }
    if (again != NULL) {
        op->asked = again_bit;
        op->tries++;
    }
    return again;
}

bool chunk_wants(const struct cl_core *core, const struct op *op, const struct peer *peer)
{
    const struct cl_row *row = map_row(core, op->chain);
    if (op->tries == 0 || row == NULL || row->epoch != op->chunk_epoch)
        return false;
    uint32_t place = place_of(row, peer->id);
    return place < row->members_count &&
           ((op->asked | op->damaged | op->absent) & (1u << place)) == 0;
}

bool chunk_lost_its_server(const struct cl_core *core, const struct op *op)
{
    const struct cl_row *row = map_row(core, op->chain);
    return op->state == OP_WAIT_ANSWER && row != NULL &&
           place_of(row, op->target) == row->members_count;
}

void chunk_refused(struct cl_core *core, struct op *op, uint32_t node, enum err err,
                   bool is_awaited)
{
    const struct cl_row *row = map_row(core, op->chain);
    bool is_absent = err == ERR_NOT_FOUND || err == ERR_NO_KEY || err == ERR_UPLOAD_GONE;
    if (row != NULL && (is_absent || err == ERR_CORRUPT)) {
        begin_row(op, row);
        uint32_t place = place_of(row, node);
        if (place < row->members_count)
            *(is_absent ? &op->absent : &op->damaged) |= 1u << place;
        if ((op->absent | op->damaged) == (1u << row->members_count) - 1) {
            op_fail(core, op, op->damaged != 0 ? ERR_CORRUPT : ERR_NOT_FOUND);
            return;
        }
    }
    if (is_awaited)
        retry_later(core, op, !is_absent);
}

void chunk_explain(const struct cl_core *core, const struct op *op, struct text *text)
{
    const struct cl_row *row = map_row(core, op->chain);
    if (row == NULL)
        return;
    bool is_same = row->epoch == op->chunk_epoch;
    for (uint32_t i = row->members_count; i-- > 0;) {
        char name[BOUND_ADDRESS_BYTES + 64];
        uint32_t bit = is_same ? 1u << i : 0;
        const struct peer *peer = peer_find(core, row->members[i].node);
        text_append(text, "; %s: ", peer_describe(core, row->members[i].node, name, sizeof name));
        if ((op->damaged & bit) != 0)
            text_append(text, "damaged");
        else if ((op->absent & bit) != 0)
            text_append(text, "not there");
        else if (peer != NULL && peer->is_up)
            text_append(text, "no usable answer");
        else if (peer != NULL && peer->has_failed)
            text_append(text, "not reached: %s", peer->down_text);
        else
            text_append(text, "not connected");
    }
    if (row->members_count < row->replicas) /* one that is down may have it whole */
        text_append(text, "; %u of %u replicas are in service", row->members_count, row->replicas);
}
