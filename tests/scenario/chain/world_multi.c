#include "tests/scenario/chain/world_multi.h"

#include "base/hash.h"

uint64_t world_send_put(struct world *world, uint32_t chain, struct wire_put put,
                        struct buf *payload)
{
    put.request = ++world->next_request;
    put.chain = chain;
    put.epoch = put.epoch == 0 ? world->rows[chain].epoch : put.epoch;
    put.map_version = world->version;
    put.session = put.session == 0 ? world->session : put.session;
    put.seq = put.seq == 0 ? ++world->seq[chain] : put.seq;
    put.seq_floor = put.seq > 100 ? put.seq - 100 : 0;
    put.bucket = put.bucket == 0 ? WORLD_BUCKET : put.bucket;
    struct wire_message message = {.type = WIRE_PUT, .payload = payload};
    message.u.put = put;
    world_client(world, world_head(world, chain), 1, &message);
    return put.request;
}

uint64_t world_publish(struct world *world, uint32_t chain, const char *key, uint64_t upload,
                       uint32_t chunks, uint32_t chunk_bytes, uint64_t size)
{
    struct wire_put put = {.key = slice_of_text(key),
                           .size = size,
                           .upload_low = upload,
                           .chunk_count = chunks,
                           .chunk_bytes = chunk_bytes};
    return world_send_put(world, chain, put, NULL);
}

uint64_t world_open(struct world *world, uint32_t chain, const char *key, uint64_t multi)
{
    struct wire_put put = {.key = slice_of_text(key),
                           .step = WIRE_PUT_OPEN,
                           .multi_low = multi,
                           .meta = slice_of_text("opened")};
    return world_send_put(world, chain, put, NULL);
}

uint64_t world_part(struct world *world, uint32_t chain, const char *key, uint64_t multi,
                    uint32_t number, uint64_t upload, const char *bytes)
{
    struct wire_put put = {.key = slice_of_text(key),
                           .step = WIRE_PUT_PART,
                           .multi_low = multi,
                           .part = number,
                           .meta = slice_of_text("p")};
    put.size = strlen(bytes);
    put.checksum = checksum_bytes(slice_of_text(bytes));
    if (put.size > 0) {
        (void)world_stage(world, chain, key, upload, 0, bytes);
        put.upload_low = upload;
        put.chunk_count = 1;
        put.chunk_bytes = (uint32_t)put.size;
    }
    return world_send_put(world, chain, put, NULL);
}

uint64_t world_complete_put(struct world *world, uint32_t chain, struct wire_put put,
                            const struct wire_choice *choices, uint32_t count)
{
    struct buf *payload = buf_new(count * WIRE_CHOICE_BYTES);
    for (uint32_t i = 0; i < count; i++)
        wire_choice_encode(&choices[i], payload->data + i * WIRE_CHOICE_BYTES);
    put.step = WIRE_PUT_COMPLETE;
    put.part = count;
    put.checksum = checksum_bytes(buf_slice(payload));
    return world_send_put(world, chain, put, payload);
}

uint64_t world_complete(struct world *world, uint32_t chain, const char *key, uint64_t multi,
                        const uint32_t *numbers)
{
    struct wire_choice choices[16];
    uint32_t count = 0;
    for (; numbers[count] != 0 && count < 16; count++)
        choices[count] = (struct wire_choice){.number = numbers[count]};
    struct wire_put put = {
        .key = slice_of_text(key), .multi_low = multi, .meta = slice_of_text("completed")};
    return world_complete_put(world, chain, put, choices, count);
}

uint64_t world_close(struct world *world, uint32_t chain, const char *key, uint64_t multi)
{
    struct wire_message message = {.type = WIRE_DELETE};
    message.u.delete = (struct wire_delete){
        .request = ++world->next_request,
        .chain = chain,
        .epoch = world->rows[chain].epoch,
        .map_version = world->version,
        .session = world->session,
        .seq = ++world->seq[chain],
        .bucket = WORLD_BUCKET,
        .key = slice_of_text(key),
        .multi_low = multi,
    };
    if (message.u.delete.seq > 100)
        message.u.delete.seq_floor = message.u.delete.seq - 100;
    world_client(world, world_head(world, chain), 1, &message);
    return world->next_request;
}

uint64_t world_delete(struct world *world, uint32_t chain, const char *key)
{
    return world_close(world, chain, key, 0);
}

uint64_t world_restamp(struct world *world, uint32_t chain, const char *key, const char *meta,
                       bool keep_mtime)
{
    struct wire_put put = {.key = slice_of_text(key),
                           .step = WIRE_PUT_RESTAMP,
                           .meta = slice_of_text(meta),
                           .keep_mtime = keep_mtime};
    return world_send_put(world, chain, put, NULL);
}

uint64_t world_parts(struct world *world, uint32_t chain, const char *key, uint64_t multi,
                     uint32_t after, uint32_t limit)
{
    struct wire_message message = {.type = WIRE_PARTS_LIST};
    message.u.parts_list = (struct wire_parts_list){
        .request = ++world->next_request,
        .chain = chain,
        .epoch = world->rows[chain].epoch,
        .map_version = world->version,
        .bucket = WORLD_BUCKET,
        .key = slice_of_text(key),
        .multi_low = multi,
        .after = after,
        .limit = limit,
    };
    world_client(world, world_tail(world, chain), 1, &message);
    return world->next_request;
}

uint64_t world_list_by(struct world *world, uint32_t node, struct wire_list list)
{
    struct wire_chain_at chains[WORLD_CHAINS];
    for (uint32_t i = 0; i < world->chains; i++)
        chains[i] = (struct wire_chain_at){.chain = i, .epoch = world->rows[i].epoch};
    struct wire_message message = {.type = WIRE_LIST};
    list.request = ++world->next_request;
    list.map_version = world->version;
    list.bucket = list.bucket == 0 ? WORLD_BUCKET : list.bucket;
    list.chains = chains;
    list.chains_count = world->chains;
    message.u.list = list;
    world_client(world, node, 1, &message);
    return world->next_request;
}

uint64_t world_list(struct world *world, uint32_t node, const char *prefix, const char *after,
                    const char *delimiter, uint32_t limit)
{
    const struct wire_list list = {.prefix = slice_of_text(prefix),
                                   .start_after = slice_of_text(after),
                                   .delimiter = slice_of_text(delimiter),
                                   .limit = limit};
    return world_list_by(world, node, list);
}
