/* Multipart uploads while members die, return and join (D18, R10, R12, R24, R25). */
#include <stdlib.h>

#include "base/hash.h"
#include "tests/lib/chunk_census.h"
#include "tests/scenario/chain/chain_assert.h"
#include "tests/scenario/chain/world_multi.h"

static struct world *world;
static const uint32_t one[] = {1, 0};

static void set_up(void)
{
    world = world_new(4, 1);
    world_row_push(world, 0, "123", 0);
    world_run(world);
    world_advance(world, 200000);
}

static void tear_down(void)
{
    world_free(world);
}

static void assert_no_orphans(uint32_t node)
{
    struct kv kv = kv_memory_interface(world->nodes[node].store);
    struct text fault;
    text_init(&fault);
    if (!chunk_census(&kv, 0, &fault))
        ck_abort_msg("node %u: %s", node, text_cstr(&fault));
    text_release(&fault);
    ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_PURGE, 0), 0);
}

/* ---- deaths ---- */

START_TEST(the_next_head_goes_on_with_an_open_upload)
{
    uint64_t open = world_open(world, 0, "big", 7);
    world_run(world);
    assert_outcome(world, open, ERR_OK);
    world_crash(world, 1, 0);
    world_row_push(world, 0, "23", 0);
    world_advance(world, 200000);
    uint64_t part = world_part(world, 0, "big", 7, 1, 100, "aaaa");
    uint64_t complete = world_complete(world, 0, "big", 7, one);
    world_run(world);
    assert_outcome(world, part, ERR_OK);
    assert_outcome(world, complete, ERR_OK);
}
END_TEST

START_TEST(an_inherited_completion_keeps_its_outcome)
{
    world_open(world, 0, "big", 7);
    world_part(world, 0, "big", 7, 1, 100, "aaaa");
    world_run(world);
    world->nodes[3].are_stores_held = true;
    struct wire_put put = {.key = slice_of_text("big"), .multi_low = 7, .seq = 50};
    struct wire_choice choice = {.number = 1};
    uint64_t complete = world_complete_put(world, 0, put, &choice, 1);
    world_run(world);
    assert_no_reply(world, complete);
    world_crash(world, 1, 0);
    world->nodes[3].are_stores_held = false;
    world_row_push(world, 0, "23", 0);
    uint64_t close = world_close(world, 0, "big", 7); /* R20: not before the head knows its log */
    world_advance(world, 200000);
    uint64_t later = world_close(world, 0, "big", 7);
    uint64_t again = world_complete_put(world, 0, put, &choice, 1);
    uint64_t stranger = world_complete(world, 0, "big", 7, one);
    world_run(world);
    assert_refused(world, close, ERR_NOT_READY);
    assert_outcome(world, later, ERR_UPLOAD_GONE);
    assert_outcome(world, again, ERR_OK);
    assert_outcome(world, stranger, ERR_UPLOAD_GONE);
}
END_TEST

START_TEST(a_completion_that_only_the_head_had_did_not_happen)
{
    world_open(world, 0, "big", 7);
    world_part(world, 0, "big", 7, 1, 100, "aaaa");
    world_run(world);
    world->is_link_cut[1][2] = true;
    uint64_t lost = world_complete(world, 0, "big", 7, one);
    world_run(world);
    assert_no_reply(world, lost);
    world_crash(world, 1, 0);
    world_row_push(world, 0, "23", 0);
    world_advance(world, 200000);
    assert_refused(world, world_get(world, 0, "big"), ERR_NO_KEY);
    uint64_t part = world_part(world, 0, "big", 7, 2, 101, "bb");
    uint64_t complete = world_complete(world, 0, "big", 7, (const uint32_t[]){1, 2, 0});
    world_run(world);
    assert_outcome(world, part, ERR_OK);
    assert_outcome(world, complete, ERR_OK);
}
END_TEST

START_TEST(steps_that_wait_on_disk_survive_a_power_cut)
{
    world->nodes[3].are_stores_held = true;
    world_open(world, 0, "big", 7);
    world_part(world, 0, "big", 7, 1, 100, "aaaa");
    world_part(world, 0, "big", 7, 2, 101, "bb");
    struct wire_put put = {.key = slice_of_text("big"), .multi_low = 7, .seq = 50};
    struct wire_choice choice = {.number = 1};
    world_complete_put(world, 0, put, &choice, 1);
    world_run(world);
    world_lose_messages(world);
    for (uint32_t node = 1; node <= 3; node++)
        world_crash(world, node, SIZE_MAX);
    world_restart(world, 2);
    world_row_push(world, 0, "2", 0);
    world_advance(world, 200000);
    uint64_t again = world_complete_put(world, 0, put, &choice, 1);
    world_run(world);
    assert_outcome(world, again, ERR_OK);
    world_advance(world, 3000000);
    ck_assert_uint_eq(world_rows(world, 2, CN_FAMILY_MULTI, 0), 0);
    assert_no_orphans(2);
}
END_TEST

/* ---- joiners ---- */

static void join(uint32_t joiner, const char *before, const char *after)
{
    world_row_push(world, 0, before, joiner);
    for (unsigned i = 0; i < 200 && !world->rows[0].is_synced; i++)
        world_advance(world, 50000);
    ck_assert(world->rows[0].is_synced);
    world_row_push(world, 0, after, 0);
    world_advance(world, 300000);
}

START_TEST(a_joiner_gets_open_uploads)
{
    world_open(world, 0, "big", 7);
    world_part(world, 0, "big", 7, 1, 100, "aaaa");
    world_run(world);
    join(4, "123", "1234");
    world_advance(world, 600000);
    ck_assert(world_same_rows(world, 0, 1, 4));
    ck_assert_uint_eq(world_rows(world, 4, CN_FAMILY_MULTI, 0), 2);
    ck_assert_uint_eq(world_rows(world, 4, CN_FAMILY_CHUNKS, 0), 1);
    world_crash(world, 1, 0);
    world_crash(world, 2, 0);
    world_crash(world, 3, 0);
    world_row_push(world, 0, "4", 0);
    world_advance(world, 200000);
    uint64_t complete = world_complete(world, 0, "big", 7, one);
    world_run(world);
    assert_outcome(world, complete, ERR_OK);
}
END_TEST

/* One client's random life: uploads of three keys. Ids are used once. */
struct life {
    uint64_t next_id;
    uint64_t open[3]; /* multipart upload of each key, 0 = none */
};

static void live(struct life *life, struct prng *prng)
{
    static const char *const keys[] = {"a", "b", "c"};
    unsigned at = (unsigned)prng_below(prng, 3);
    const char *key = keys[at];
    uint64_t *open = &life->open[at];
    uint32_t number = 1 + (uint32_t)prng_below(prng, 3);
    unsigned what = (unsigned)prng_below(prng, 12);
    if (*open == 0) {
        *open = ++life->next_id;
        world_open(world, 0, key, *open);
    } else if (what < 6) {
        world_part(world, 0, key, *open, number, ++life->next_id, what == 0 ? "" : "some bytes");
    } else if (what == 6) {
        world_close(world, 0, key, *open);
        *open = 0;
    } else if (what <= 8) {
        world_complete(world, 0, key, *open, number == 3 ? (const uint32_t[]){1, 2, 0} : one);
        if (prng_once_in(prng, 2)) /* it failed, or this part comes too late */
            world_part(world, 0, key, *open, number, ++life->next_id, "late");
        if (prng_once_in(prng, 3))
            *open = 0;
    } else if (what == 9) {
        world_restamp(world, 0, key, "meta", true);
    } else if (what == 10) {
        world_delete(world, 0, key);
    } else {
        struct wire_put put = {.key = slice_of_text(key),
                               .token_low = 1 + prng_below(prng, 20),
                               .checksum = checksum_bytes(slice_of_text(""))};
        world_send_put(world, 0, put, NULL);
    }
}

static void live_for(struct life *life, struct prng *prng, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        live(life, prng);
        world_flush(world);
        for (uint64_t moves = prng_below(prng, 20); moves > 0; moves--)
            (void)world_step_message(world);
        for (uint32_t node = 1; node <= 4; node++)
            if (prng_once_in(prng, 2))
                world_complete_store(world, node);
        if (prng_once_in(prng, 6))
            world_advance(world, 10000 + prng_below(prng, 1500000));
    }
}

/* Staged uploads that no part took are collected when they are old enough. */
static void come_to_rest(void)
{
    for (unsigned i = 0; i < 30; i++)
        world_advance(world, 1000000);
}

static void assert_replicas(const char *members)
{
    for (; *members != '\0'; members++) {
        uint32_t node = (uint32_t)(*members - '0');
        ck_assert(world_same_rows(world, 0, world_head(world, 0), node));
        assert_no_orphans(node);
        ck_assert_uint_eq(world_rows(world, node, CN_FAMILY_UPLOADS, 0), 0);
    }
}

START_TEST(a_joiner_in_the_middle_of_uploads_ends_equal_to_the_others)
{
    struct prng prng;
    prng_init(&prng, 1000 + (uint64_t)_i);
    struct life life = {.next_id = 0};
    bool has_stale_disk = _i % 2 == 1;
    live_for(&life, &prng, 30);
    if (has_stale_disk) {
        world_crash(world, 3, (size_t)prng_below(&prng, 4));
        world_row_push(world, 0, "12", 0);
        live_for(&life, &prng, 30);
        world_restart(world, 3);
    } else {
        world_row_push(world, 0, "12", 0);
    }
    uint32_t joiner = has_stale_disk ? 3 : 4;
    world_row_push(world, 0, "12", joiner);
    for (unsigned i = 0; i < 400 && !world->rows[0].is_synced; i++)
        live_for(&life, &prng, 2);
    for (unsigned i = 0; i < 200 && !world->rows[0].is_synced; i++)
        world_advance(world, 50000);
    ck_assert(world->rows[0].is_synced);
    world_row_push(world, 0, has_stale_disk ? "123" : "124", 0);
    live_for(&life, &prng, 10);
    come_to_rest();
    assert_replicas(has_stale_disk ? "123" : "124");
}
END_TEST

START_TEST(uploads_outlive_a_head_that_dies_at_any_moment)
{
    struct prng prng;
    prng_init(&prng, 5000 + (uint64_t)_i);
    struct life life = {.next_id = 0};
    live_for(&life, &prng, 10 + (unsigned)_i);
    world_crash(world, 1, (size_t)prng_below(&prng, 4));
    world_row_push(world, 0, "23", 0);
    world_advance(world, prng_below(&prng, 300000));
    live_for(&life, &prng, 20);
    come_to_rest();
    assert_replicas("23");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_multi_faults");
    TCase *tests = tcase_create("chain_multi_faults");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_next_head_goes_on_with_an_open_upload);
    tcase_add_test(tests, an_inherited_completion_keeps_its_outcome);
    tcase_add_test(tests, a_completion_that_only_the_head_had_did_not_happen);
    tcase_add_test(tests, steps_that_wait_on_disk_survive_a_power_cut);
    tcase_add_test(tests, a_joiner_gets_open_uploads);
    tcase_add_loop_test(tests, a_joiner_in_the_middle_of_uploads_ends_equal_to_the_others, 0, 60);
    tcase_add_loop_test(tests, uploads_outlive_a_head_that_dies_at_any_moment, 0, 40);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
