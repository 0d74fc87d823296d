/* PARTS_LIST: the parts of a multipart upload, as the tail knows them (D18). */
#include "base/planted.h"
#include "client/core/internal.h"

static uint32_t limit_of(const struct op *op)
{
    return op->in.limit == 0 || op->in.limit > BOUND_LIST_ITEMS ? BOUND_LIST_ITEMS : op->in.limit;
}

void parts_fill(struct cl_core *core, struct op *op, const struct cl_row *row,
                struct wire_message *message)
{
    message->type = WIRE_PARTS_LIST;
    message->u.parts_list = (struct wire_parts_list){
        .chain = op->chain,
        .epoch = row->epoch,
        .map_version = op_map_version(core, op),
        .bucket = op->bucket_id,
        .key = op->in.key,
        .multi_high = op->in.multi_high,
        .multi_low = op->in.multi_low,
        .after = op->in.part,
        .limit = limit_of(op),
    };
}

/* In order, after what was asked, no more than asked, and a cut list says where to go on. */
static bool parts_are_sound(const struct op *op, const struct wire_parts_listed *listed)
{
    uint32_t last = op->in.part;
    if (listed->chain != op->chain || listed->parts_count > limit_of(op) ||
        (listed->truncated && listed->parts_count == 0))
        return false;
    for (uint32_t i = 0; i < listed->parts_count; i++) {
        const struct wire_part_item *part = &listed->parts[i];
        if (part->number <= last || part->number > BOUND_PARTS || origin_is_none(part->version))
            return false;
        last = part->number;
    }
    return true;
}

void parts_receive(struct cl_core *core, struct request *request,
                   const struct wire_parts_listed *listed)
{
    struct op *op = request->op;
    if (!parts_are_sound(op, listed)) {
        core->stats.nonsense++;
        retry_refused(core, request, ERR_INTERNAL, slice_of_text("a list of parts out of order"),
                      false);
        return;
    }
    if (listed->epoch < core->map.rows[op->chain].seen_epoch && !PLANTED(R19_OLDER_ANSWER)) {
        core->stats.stale_reads++;
        retry_refused(core, request, ERR_WRONG_EPOCH, slice_of_text("an answer of an older epoch"),
                      false);
        return;
    }
    map_note_epoch(core, op->chain, listed->epoch);
    struct cl_result result = {
        .err = ERR_OK,
        .mtime_ms = listed->mtime_ms,
        .meta = listed->meta,
        .parts = listed->parts,
        .parts_count = listed->parts_count,
        .truncated = listed->truncated,
    };
    op_end(core, op, &result, NULL);
}
