/* A master's store with strange rows: the start says CORRUPT, NOT_FOUND, or starts and is sane.
 *
 * The bytes are rows: kind, length, value. Log rows get ascending indexes unless the bytes say
 * otherwise, so that some stores are whole. */
#include <string.h>

#include "base/bytes.h"
#include "config_master/raft/internal.h"
#include "config_master/server/internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/kv_memory.h"

static void fill_store(struct fuzz_input *input, struct kv_batch *batch)
{
    uint64_t index = 1;
    while (input->length > 0) {
        uint8_t kind = fuzz_u8(input);
        uint8_t key[8];
        struct slice value = fuzz_bytes(input, fuzz_u8(input));
        if (kind < 0x20) {
            kv_batch_put(batch, RAFT_FAMILY_META, slice_of_text("hard"), value, NULL);
        } else if (kind < 0x40) {
            kv_batch_put(batch, RAFT_FAMILY_META, slice_of_text("snapshot"), value, NULL);
        } else if (kind < 0x50) {
            index = fuzz_number(input, 64);
        } else if (kind < 0xf0) { /* a log row with a sane head */
            uint8_t head[9];
            bytes_put_u64(head, kind & 3u);
            head[8] = (uint8_t)((kind >> 2) % 3);
            struct buf *data = buf_copy(value);
            bytes_put_u64(key, index++);
            kv_batch_put(batch, RAFT_FAMILY_LOG, slice_of(key, 8), slice_of(head, 9), data);
            buf_unref(data);
        } else {
            bytes_put_u64(key, index++);
            kv_batch_put(batch, RAFT_FAMILY_LOG, slice_of(key, kind & 0x0fu ? 8 : 3), value, NULL);
        }
    }
}

static const struct raft_options raft_options = {.id = 1,
                                                 .election_min_us = 300000,
                                                 .election_max_us = 600000,
                                                 .heartbeat_us = 100000,
                                                 .append_entries_max = 16,
                                                 .append_bytes_max = 4096,
                                                 .append_inflight_max = 4,
                                                 .snapshot_chunk_bytes = 64,
                                                 .snapshot_after_entries = 8};

static const struct cm_options cm_options = {.id = 1,
                                             .cluster = {{0xca}},
                                             .heartbeat_us = 100000,
                                             .silence_us = 400000,
                                             .lease_us = 1000000,
                                             .election_min_us = 300000,
                                             .drift_ppm = 1000,
                                             .restart_grace_us = 500000,
                                             .readmit_min_us = 500000,
                                             .readmit_max_us = 60000000,
                                             .joins_per_node_max = 2};

static void start_raft(const struct kv *kv)
{
    struct raft_options options = raft_options;
    options.trace = fuzz_trace();
    struct raft *raft = NULL;
    enum err err = raft_new(&options, 1, 1000000, kv, &raft);
    PRE(err == ERR_OK || err == ERR_CORRUPT || err == ERR_NOT_FOUND);
    if (err != ERR_OK)
        return;
    raft_check(raft);
    struct raft_effects effects;
    raft_effects_init(&effects);
    struct raft_event tick = {.kind = RAFT_EVENT_TICK, .now_us = 1000000};
    raft_step(raft, &tick, &effects);
    raft_check(raft);
    raft_effects_release(&effects);
    raft_free(raft);
}

static void start_server(const struct kv *kv)
{
    struct server_options options = {.raft = raft_options, .cm = cm_options, .disk = {{1}}};
    options.trace = fuzz_trace();
    options.raft.trace = fuzz_trace();
    options.cm.trace = fuzz_trace();
    struct server *server = NULL;
    enum err err = server_new(&options, 1, 1000000, kv, &server);
    PRE(err == ERR_OK || err == ERR_CORRUPT || err == ERR_NOT_FOUND);
    if (err != ERR_OK)
        return;
    struct server_effects effects;
    server_effects_init(&effects);
    for (unsigned i = 0; i < 4; i++) {
        struct server_event tick = {.kind = SERVER_EVENT_TICK,
                                    .now_us = 1000000 + (uint64_t)i * 700000};
        server_step(server, &tick, &effects);
        server_check(server);
        server_effects_clear(&effects);
    }
    server_effects_release(&effects);
    server_free(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    struct raft_configuration configuration;
    if (raft_configuration_decode(slice_of(data, size), &configuration)) {
        uint8_t again[RAFT_CONFIGURATION_BYTES_MAX];
        size_t length = raft_configuration_encode(&configuration, again);
        PRE(slice_equal(slice_of(again, length), slice_of(data, size)));
    }
    bool has_hard = fuzz_below(&input, 4) != 0;
    struct kv_memory *store = kv_memory_new(2);
    struct kv_batch *batch = kv_batch_new();
    fill_store(&input, batch);
    if (has_hard) {
        uint8_t row[13] = {1};
        bytes_put_u64(row + 1, 3);
        kv_batch_put(batch, RAFT_FAMILY_META, slice_of_text("hard"), slice_of(row, sizeof row),
                     NULL);
    }
    PRE(kv_memory_apply(store, batch) == ERR_OK);
    kv_batch_free(batch);
    struct kv kv = kv_memory_interface(store);
    enum err err = ERR_OK;
    (void)server_store_is_empty(&kv, &err);
    PRE(err == ERR_OK);
    start_raft(&kv);
    start_server(&kv);
    kv_memory_free(store);
    return 0;
}
