/* GET, STAT and CHUNK_GET: what is sent, and how answers are checked before anybody sees them. */
#include "base/planted.h"
#include "client/core/internal.h"
#include "wire/manifest.h"

void get_fill(struct cl_core *core, struct op *op, const struct cl_row *row,
              struct wire_message *message)
{
    if (op->in.kind == CL_OP_CHUNK) {
        message->type = WIRE_CHUNK_GET;
        message->u.chunk_get = (struct wire_chunk_get){
            .chain = op->chain,
            .upload_high = op->in.upload_high,
            .upload_low = op->in.upload_low,
            .index = op->in.index,
        };
        return;
    }
    message->type = WIRE_GET;
    message->u.get = (struct wire_get){
        .chain = op->chain,
        .epoch = row->epoch,
        .map_version = op_map_version(core, op),
        .bucket = op->bucket_id,
        .key = op->in.key,
        .want_value = op->in.kind == CL_OP_GET,
    };
}

/* Do the parts of the answer agree with each other? */
static bool object_is_sound(const struct op *op, const struct wire_message *message)
{
    const struct wire_object *object = &message->u.object;
    if (object->chain != op->chain || origin_is_none(object->version))
        return false;
    if (object->part_count != 0) {
        bool has_chunks = (object->upload_high | object->upload_low | object->chunk_count) != 0;
        bool has_id = (object->multi_high | object->multi_low) != 0;
        return has_id && !has_chunks && object->part_count <= BOUND_PARTS;
    }
    if (object->upload_high == 0 && object->upload_low == 0) {
        if (object->size > BOUND_INLINE_BYTES)
            return false;
        return op->in.kind == CL_OP_STAT || buf_slice(message->payload).length == object->size;
    }
    if (object->chunk_bytes == 0 || object->chunk_bytes > BOUND_CHUNK_BYTES)
        return false;
    uint64_t count = object->size / object->chunk_bytes + (object->size % object->chunk_bytes != 0);
    return count == object->chunk_count && count <= BOUND_CHUNKS;
}

/* S12: what the writer computed is what the reader checks. Of an assembled value this is the list
 * of its parts; each part has a checksum of its own, which whoever reads it checks. */
static bool value_is_intact(const struct op *op, const struct wire_message *message)
{
    const struct wire_object *object = &message->u.object;
    if (op->in.kind == CL_OP_STAT || object->upload_high != 0 || object->upload_low != 0)
        return true;
    struct slice payload = buf_slice(message->payload);
    return checksum_bytes(payload) == object->checksum &&
           (object->part_count == 0 ||
            wire_manifest_check(payload, object->part_count, object->size) == ERR_OK);
}

static void refuse_answer(struct cl_core *core, struct request *request, enum err err,
                          const char *why)
{
    retry_refused(core, request, err, slice_of_text(why), false);
}

void get_receive_object(struct cl_core *core, struct request *request,
                        const struct wire_message *message)
{
    struct op *op = request->op;
    const struct wire_object *object = &message->u.object;
    if (!object_is_sound(op, message)) {
        core->stats.nonsense++;
        refuse_answer(core, request, ERR_INTERNAL, "an answer that contradicts itself");
        return;
    }
    /* R19: an answer of an older epoch than one we have seen may show an older value. */
    if (object->epoch < core->map.rows[op->chain].seen_epoch && !PLANTED(R19_OLDER_ANSWER)) {
        core->stats.stale_reads++;
        refuse_answer(core, request, ERR_WRONG_EPOCH, "an answer of an older epoch");
        return;
    }
    map_note_epoch(core, op->chain, object->epoch);
    if (!value_is_intact(op, message)) {
        bool is_last = ++op->tries >= CL_CORRUPT_TRIES;
        refuse_answer(core, request, is_last ? ERR_CORRUPT : ERR_IO,
                      "the value does not match its checksum");
        return;
    }
    struct cl_result result = {
        .err = ERR_OK,
        .version = object->version,
        .size = object->size,
        .checksum = object->checksum,
        .mtime_ms = object->mtime_ms,
        .meta = object->meta,
        .upload_high = object->upload_high,
        .upload_low = object->upload_low,
        .chunk_count = object->chunk_count,
        .chunk_bytes = object->chunk_bytes,
        .part_count = object->part_count,
        .multi_high = object->multi_high,
        .multi_low = object->multi_low,
    };
    op_end(core, op, &result, message->payload);
}

void get_receive_chunk(struct cl_core *core, struct request *request,
                       const struct wire_message *message)
{
    struct op *op = request->op;
    const struct wire_chunk *chunk = &message->u.chunk;
    struct slice bytes = buf_slice(message->payload);
    if (chunk->index != op->in.index || bytes.length != op->in.size ||
        checksum_bytes(bytes) != chunk->checksum) {
        refuse_answer(core, request, ERR_CORRUPT, "the chunk does not match its checksum");
        return;
    }
    struct cl_result result = {.err = ERR_OK, .size = bytes.length, .checksum = chunk->checksum};
    op_end(core, op, &result, message->payload);
}
