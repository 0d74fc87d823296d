/* Reads that fail at the N-th call, for N = 1, 2, 3 ... until nothing fails any more: starting a
 * core says the error, a running one halts, and nothing wrong is on the disk or in an answer. */
#include <check.h>
#include <stdlib.h>

#include "chainnode/core/cn_internal.h"
#include "config_master/server/server.h"
#include "tests/scenario/chain/chain_world.h"
#include "tests/unit/faults/kv_failing.h"

enum { READS_MAX = 100000 };

static const enum err disk_errors[] = {ERR_IO, ERR_CORRUPT};

/* ---- masters ---- */

static const struct server_options master_options = {.raft = {.id = 1,
                                                              .election_min_us = 300000,
                                                              .election_max_us = 600000,
                                                              .heartbeat_us = 100000,
                                                              .append_entries_max = 16,
                                                              .append_bytes_max = 4096,
                                                              .append_inflight_max = 4,
                                                              .snapshot_chunk_bytes = 256,
                                                              .snapshot_after_entries = 8},
                                                     .cm = {.id = 1,
                                                            .cluster = {{0xca}},
                                                            .heartbeat_us = 100000,
                                                            .silence_us = 400000,
                                                            .lease_us = 1000000,
                                                            .election_min_us = 300000,
                                                            .drift_ppm = 1000,
                                                            .restart_grace_us = 500000,
                                                            .readmit_min_us = 500000,
                                                            .readmit_max_us = 60000000,
                                                            .joins_per_node_max = 2},
                                                     .disk = {{0xd1}}};

/* A master that led itself for a while, so that its store holds a log and a snapshot. */
static struct kv_memory *master_disk(void)
{
    struct kv_memory *disk = kv_memory_new(2);
    struct kv_batch *batch = kv_batch_new();
    struct raft_configuration configuration = {.count = 1};
    configuration.servers[0] = (struct raft_server){.id = 1, .address = "host:1"};
    server_bootstrap(batch, &configuration);
    ck_assert_int_eq(kv_memory_apply(disk, batch), ERR_OK);
    kv_batch_free(batch);
    struct kv kv = kv_memory_interface(disk);
    struct server *server = NULL;
    uint64_t now_us = 1000000;
    ck_assert_int_eq(server_new(&master_options, 1, now_us, &kv, &server), ERR_OK);
    struct server_effects effects;
    server_effects_init(&effects);
    struct wire_hello hello = {.wire_version = WIRE_VERSION, .role = WIRE_ROLE_CLIENT};
    struct server_event event = {
        .kind = SERVER_EVENT_CONNECTED, .now_us = now_us, .conn = 1, .hello = &hello};
    server_step(server, &event, &effects);
    for (uint64_t turn = 0; turn < 60; turn++) {
        uint64_t tokens[64];
        uint32_t tokens_count = 0;
        for (uint32_t i = 0; i < effects.count; i++) {
            if (effects.items[i].kind != SERVER_EFFECT_STORE)
                continue;
            ck_assert_int_eq(kv_memory_apply(disk, effects.items[i].batch), ERR_OK);
            tokens[tokens_count++] = effects.items[i].token;
        }
        server_effects_clear(&effects);
        now_us += 50000;
        struct wire_message message = {.type = WIRE_ADMIN};
        message.u.admin = (struct wire_admin){.request = turn + 1, .op = WIRE_ADMIN_SESSION_OPEN};
        event = (struct server_event){.kind = SERVER_EVENT_TICK, .now_us = now_us};
        if (tokens_count > 0)
            event = (struct server_event){
                .kind = SERVER_EVENT_STORED, .now_us = now_us, .token = tokens[0]};
        else if (turn % 2 == 0)
            event = (struct server_event){
                .kind = SERVER_EVENT_RECEIVE, .now_us = now_us, .conn = 1, .message = &message};
        ck_assert_uint_le(tokens_count, 1);
        server_step(server, &event, &effects);
    }
    server_effects_release(&effects);
    server_free(server);
    kv_memory_sync(disk);
    ck_assert_uint_gt(kv_memory_count(disk, RAFT_FAMILY_LOG), 3);
    ck_assert_uint_gt(kv_memory_count(disk, RAFT_FAMILY_META), 1);
    return disk;
}

START_TEST(a_master_whose_store_cannot_be_read_does_not_start)
{
    struct kv_memory *disk = master_disk();
    uint64_t digest = kv_memory_digest(disk);
    enum err told = disk_errors[_i];
    uint64_t refused = 0;
    for (uint64_t n = 1; n < READS_MAX; n++) {
        struct kv_failing failing = {.inner = kv_memory_interface(disk), .fail_at = n, .err = told};
        struct kv kv = kv_failing_interface(&failing);
        struct server *server = NULL;
        enum err err = server_new(&master_options, 1, 1000000, &kv, &server);
        if (err == ERR_OK) {
            ck_assert(!failing.has_failed);
            server_check(server);
            server_free(server);
            break;
        }
        ck_assert_int_eq(err, told);
        ck_assert(failing.has_failed && server == NULL);
        refused++;
    }
    ck_assert_uint_gt(refused, 4);
    ck_assert_uint_eq(kv_memory_digest(disk), digest);
    kv_memory_free(disk);
}
END_TEST

START_TEST(a_raft_store_that_cannot_be_read_is_not_taken_for_an_empty_one)
{
    struct kv_memory *disk = kv_memory_new(2);
    for (uint64_t n = 1; n <= 2; n++) {
        struct kv_failing failing = {
            .inner = kv_memory_interface(disk), .fail_at = n, .err = ERR_IO};
        struct kv kv = kv_failing_interface(&failing);
        enum err err = ERR_OK;
        ck_assert(!server_store_is_empty(&kv, &err));
        ck_assert_int_eq(err, ERR_IO);
    }
    struct kv kv = kv_memory_interface(disk);
    enum err err = ERR_IO;
    ck_assert(server_store_is_empty(&kv, &err));
    ck_assert_int_eq(err, ERR_OK);
    kv_memory_free(disk);
}
END_TEST

/* ---- nodes ---- */

/* What the life of a lone member looks like; stops where it halts. Returns how many of the puts
 * that were answered, in order. */
static unsigned live(struct world *world)
{
    static const char *const keys[] = {"a", "b", "c", "d"};
    unsigned answered = 0;
    world_row_push(world, 0, "1", 0);
    world_advance(world, 200000);
    for (unsigned i = 0; i < ARRAY_COUNT(keys); i++) {
        uint64_t request = world_put(world, 0, keys[i], keys[i]);
        world_run(world);
        const struct wire_message *reply = world_reply(world, request);
        if (reply == NULL || world->nodes[1].halted != ERR_OK)
            return answered;
        ck_assert_int_eq(reply->type, WIRE_UPDATED);
        ck_assert_uint_eq(reply->u.updated.outcome, ERR_OK);
        answered++;
    }
    (void)world_get(world, 0, "a");
    (void)world_stage(world, 0, "big", 7, 0, "chunk0");
    (void)world_stage(world, 0, "big", 7, 1, "chunk1");
    world_run(world);
    (void)world_publish(world, 0, "big", 7, 2, 6, 12);
    (void)world_stage(world, 0, "other", 8, 0, "chunk0");
    (void)world_list(world, 1, "", "", "", 10);
    world_run(world);
    (void)world_abort(world, 0, "other", 8);
    (void)world_put_at(world, 1, 0, 1, 1, "a", "a", WIRE_CONDITION_NONE, (struct origin){0});
    world_run(world);
    world_advance(world, 1000000);
    return answered;
}

static void expect_value(struct world *world, const char *key)
{
    uint64_t request = world_get(world, 0, key);
    world_run(world);
    const struct wire_message *reply = world_reply(world, request);
    ck_assert_ptr_nonnull(reply);
    ck_assert_int_eq(reply->type, WIRE_OBJECT);
    ck_assert(slice_equal(buf_slice(reply->payload), slice_of_text(key)));
}

START_TEST(a_node_whose_store_cannot_be_read_halts_and_has_promised_nothing_wrong)
{
    enum err told = disk_errors[_i];
    unsigned halted = 0;
    bool is_through = false;
    for (uint64_t n = 1; n < READS_MAX && !is_through; n++) {
        struct world *world = world_new(1, 1);
        struct world_node *node = &world->nodes[1];
        struct kv_failing failing = {.inner = node->kv, .fail_at = n, .err = told};
        node->core->kv = kv_failing_interface(&failing);
        unsigned answered = live(world);
        is_through = !failing.has_failed;
        if (failing.has_failed) {
            ck_assert_int_eq(node->halted, ERR_DISK_LOST);
            halted++;
        }
        /* The disk was only unreadable for a while: everything that was promised is there. */
        world_crash(world, 1, 0);
        world_restart(world, 1);
        world_row_push(world, 0, "1", 0);
        world_advance(world, 500000);
        static const char *const keys[] = {"a", "b", "c", "d"};
        for (unsigned i = 0; i < answered; i++)
            expect_value(world, keys[i]);
        cn_core_check(node->core);
        world_free(world);
    }
    ck_assert(is_through);
    ck_assert_uint_gt(halted, 4);
}
END_TEST

START_TEST(a_node_whose_store_cannot_be_read_does_not_start)
{
    enum err told = disk_errors[_i];
    struct world *world = world_new(1, 1);
    (void)live(world);
    struct world_node *node = &world->nodes[1];
    uint64_t digest = kv_memory_digest(node->store);
    struct cn_options options = node->core->options;
    uint64_t refused = 0;
    for (uint64_t n = 1; n < READS_MAX; n++) {
        struct kv_failing failing = {.inner = node->kv, .fail_at = n, .err = told};
        struct kv kv = kv_failing_interface(&failing);
        struct cn_core *core = NULL;
        enum err err = cn_core_new(&options, 1, world->now_us, &kv, &core);
        if (err == ERR_OK) {
            ck_assert(!failing.has_failed);
            cn_core_free(core);
            break;
        }
        ck_assert_int_eq(err, told);
        ck_assert(failing.has_failed && core == NULL);
        refused++;
    }
    ck_assert_uint_gt(refused, 1);
    ck_assert_uint_eq(kv_memory_digest(node->store), digest);
    world_free(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fault_store_reads");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 120);
    int kinds = (int)ARRAY_COUNT(disk_errors);
    tcase_add_loop_test(tcase, a_master_whose_store_cannot_be_read_does_not_start, 0, kinds);
    tcase_add_test(tcase, a_raft_store_that_cannot_be_read_is_not_taken_for_an_empty_one);
    tcase_add_loop_test(
        tcase, a_node_whose_store_cannot_be_read_halts_and_has_promised_nothing_wrong, 0, kinds);
    tcase_add_loop_test(tcase, a_node_whose_store_cannot_be_read_does_not_start, 0, kinds);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
