/* Every row that a storage node may find on its disk, and the packed rows of a copy. */
#include <string.h>

#include "base/bytes.h"
#include "chainnode/core/cn_internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/kv_memory.h"

/* What was read is written as the same bytes. */
static void decode_multi_key(struct slice key)
{
    struct cn_multi_key at;
    if (!cn_multi_key_decode(key, &at))
        return;
    uint32_t chain = bytes_get_u32(key.data);
    struct cn_key again = at.number == 0
                              ? cn_key_multi(chain, at.bucket, at.name, at.high, at.low)
                              : cn_key_part(chain, at.bucket, at.name, at.high, at.low, at.number);
    PRE(slice_equal(cn_key_slice(&again), key));
}

static void decode_each(struct slice key, struct slice value)
{
    struct cn_state_row state;
    struct cn_object_row object;
    struct cn_upload_row upload;
    struct cn_session_state session;
    struct cn_outcome_row outcome;
    struct wire_forward f;
    uint64_t lsn;
    uint64_t high;
    uint64_t low;
    size_t offset;
    if (cn_state_row_decode(value, &state))
        PRE(!(state.is_complete && state.is_syncing) || value.length > 0);
    if (cn_object_row_decode(value, &object))
        PRE(object.value_offset <= value.length && object.meta.length <= BOUND_META_BYTES);
    if (cn_upload_row_decode(value, &upload))
        PRE(upload.key.length <= BOUND_KEY_BYTES);
    (void)cn_session_row_decode(value, &session);
    if (cn_outcome_row_decode(value, &outcome))
        PRE(err_is_valid(outcome.outcome));
    struct cn_multi_row multi;
    struct cn_part part;
    struct cn_token_age age;
    if (cn_multi_row_decode(value, &multi))
        PRE(multi.meta.length <= BOUND_META_BYTES);
    if (cn_part_row_decode(value, &part))
        PRE(part.part.number != 0 && part.part.meta.length <= BOUND_PART_META_BYTES);
    if (cn_token_row_decode(value, &outcome))
        PRE(err_is_valid(outcome.outcome));
    if (cn_token_age_decode(key, value, &age))
        PRE(age.lsn <= CN_LSN_MAX);
    decode_multi_key(key);
    (void)cn_purge_row_decode(value, &lsn);
    (void)cn_purge_key(key, &high, &low);
    if (!cn_pending_row_decode(key, value, &f, &offset))
        return;
    PRE(offset <= value.length && err_is_valid(f.outcome) && f.kind <= WIRE_ENTRY_CLOSE);
    /* What was read is written as the same bytes. */
    struct buf *payload = offset < value.length
                              ? buf_copy(slice_of(value.data + offset, value.length - offset))
                              : NULL;
    struct cn_entry *entry = cn_entry_new(&f, payload);
    struct kv_batch *batch = kv_batch_new();
    cn_pending_row_put(batch, entry);
    PRE(slice_equal(batch->ops[0].key, key) && batch->ops[0].value.length == offset &&
        memcmp(batch->ops[0].value.data, value.data, offset) == 0);
    kv_batch_free(batch);
    buf_unref(entry->payload);
    mem_free(entry);
    buf_unref(payload);
}

static void walk_packed(struct fuzz_input *input)
{
    uint8_t from[24];
    uint8_t to[24];
    struct cn_key chain = cn_key_chain(fuzz_below(input, 3));
    memcpy(from, chain.bytes, chain.length);
    memcpy(to, chain.bytes, chain.length);
    from[4] = fuzz_u8(input);
    to[4] = fuzz_u8(input);
    struct wire_sync_items items = {.chain = bytes_get_u32(chain.bytes),
                                    .family = fuzz_u8(input),
                                    .from = slice_of(from, 4 + fuzz_below(input, 2)),
                                    .to = slice_of(to, 4 + fuzz_below(input, 2))};
    struct slice rows = slice_of(input->data, input->length);
    bool is_valid = cn_sync_is_valid(&items, rows);
    struct cn_sync_cursor cursor = {.rest = rows};
    struct slice key;
    struct slice value;
    while (cn_sync_next(&cursor, &key, &value)) {
        PRE(key.length + value.length + 8 <= rows.length);
        decode_each(key, value);
    }
    PRE(!is_valid || cursor.rest.length == 0);
}

/* A disk with one strange row: the start gives a clear answer. */
static void start_on(unsigned family, struct slice key, struct slice value)
{
    struct kv_memory *store = kv_memory_new(CN_FAMILY_COUNT);
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, family, key, value, NULL);
    PRE(kv_memory_apply(store, batch) == ERR_OK);
    kv_batch_free(batch);
    struct kv kv = kv_memory_interface(store);
    struct cn_options options = {.node = 1,
                                 .incarnation = 1,
                                 .heartbeat_us = 100000,
                                 .idle_us = 100000,
                                 .trace = fuzz_trace()};
    struct cn_core *core = NULL;
    enum err err = cn_core_new(&options, 1, 1, &kv, &core);
    PRE(err == ERR_OK || err == ERR_CORRUPT);
    if (err == ERR_OK)
        cn_core_check(core);
    cn_core_free(core);
    kv_memory_free(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    uint32_t choice = fuzz_below(&input, 8);
    if (choice == 7) {
        walk_packed(&input);
        return 0;
    }
    struct slice key = fuzz_bytes(&input, fuzz_below(&input, 64));
    struct slice value = slice_of(input.data, input.length);
    decode_each(key, value);
    start_on(choice, key, value);
    return 0;
}
