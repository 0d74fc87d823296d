/* Golden traces: the story that the cores tell of each reconfiguration. A reviewer reads them as
 * the protocol's behaviour. After a wanted change: CATENA_REWRITE_GOLDEN=1 rewrites the files. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/scenario/chain/chain_assert.h"

static struct world *world;

static void set_up(void)
{
    world = world_new(3, 1);
    world->is_telling = true;
}

static void tear_down(void)
{
    world_free(world);
}

static void note(const char *what)
{
    text_append(&world->story, "-- %s\n", what);
}

static void start(const char *members)
{
    note("three nodes get the first row");
    world_row_push(world, 0, members, 0);
    world_run(world);
    world_advance(world, 200000);
}

static void note_reply(const char *what, uint64_t request)
{
    const struct wire_message *reply = world_reply(world, request);
    if (reply == NULL)
        text_append(&world->story, "-- %s: no answer\n", what);
    else if (reply->type == WIRE_UPDATED)
        text_append(&world->story, "-- %s: %s, version %llu.%llu\n", what,
                    err_name((enum err)reply->u.updated.outcome),
                    (unsigned long long)reply->u.updated.version.epoch,
                    (unsigned long long)reply->u.updated.version.lsn);
    else if (reply->type == WIRE_REFUSED)
        text_append(&world->story, "-- %s: refused, %s\n", what,
                    err_name((enum err)reply->u.refused.err));
    else
        text_append(&world->story, "-- %s: read version %llu.%llu\n", what,
                    (unsigned long long)reply->u.object.version.epoch,
                    (unsigned long long)reply->u.object.version.lsn);
}

static void compare(const char *name)
{
    char path[512];
    (void)text_format(path, sizeof path, "%s/%s.txt", CHAIN_GOLDEN_DIRECTORY, name);
    const char *told = text_cstr(&world->story);
    if (getenv("CATENA_REWRITE_GOLDEN") != NULL) {
        FILE *file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fwrite(told, 1, strlen(told), file), strlen(told));
        ck_assert_int_eq(fclose(file), 0);
        return;
    }
    FILE *file = fopen(path, "r");
    if (file == NULL)
        ck_abort_msg("no golden trace %s", path);
    struct text wanted;
    text_init(&wanted);
    char line[2048];
    while (fgets(line, sizeof line, file) != NULL)
        text_append(&wanted, "%s", line);
    (void)fclose(file);
    ck_assert_str_eq(told, text_cstr(&wanted));
    text_release(&wanted);
}

/* A put that every member holds and that nobody has committed yet, and one that only the head
 * holds. */
static void leave_pending(uint64_t *ret_first, uint64_t *ret_second)
{
    note("a put reaches all members, its marks are lost; another one stays at the head");
    world->nodes[2].are_stores_held = true;
    *ret_first = world_put(world, 0, "key", "one");
    world_run(world);
    world->is_link_cut[1][2] = true;
    *ret_second = world_put(world, 0, "key", "two");
    world_run(world);
}

START_TEST(head_lost)
{
    start("123");
    uint64_t first;
    uint64_t second;
    leave_pending(&first, &second);
    note("the head is killed");
    world_crash(world, 1, 0);
    world->nodes[2].are_stores_held = false;
    world_row_push(world, 0, "23", 0);
    world_advance(world, 300000);
    note_reply("get at the new tail", world_get(world, 0, "key"));
    uint64_t retry = world_put_at(world, 2, 0, 1, 1, "key", "one", 0, (struct origin){0});
    world_run(world);
    note_reply("retry of the first put", retry);
    uint64_t again = world_put_at(world, 2, 0, 1, 2, "key", "two", 0, (struct origin){0});
    world_run(world);
    note_reply("retry of the second put", again);
    compare("head_lost");
}
END_TEST

START_TEST(middle_lost)
{
    start("123");
    uint64_t first;
    uint64_t second;
    leave_pending(&first, &second);
    note("the middle is killed");
    world_crash(world, 2, 0);
    world->is_link_cut[1][2] = false;
    world_row_push(world, 0, "13", 0);
    world_advance(world, 300000);
    note_reply("first put", first);
    note_reply("second put", second);
    note_reply("get", world_get(world, 0, "key"));
    compare("middle_lost");
}
END_TEST

START_TEST(tail_lost)
{
    start("123");
    note("a put is committed at the tail, which dies before its ack arrives");
    world->is_link_cut[3][2] = true;
    uint64_t put = world_put(world, 0, "key", "one");
    world_run(world);
    note_reply("get at the old tail", world_get(world, 0, "key"));
    world_crash(world, 3, 0);
    world->is_link_cut[1][2] = true;
    world_row_push(world, 0, "12", 0);
    world_advance(world, 150000);
    uint64_t get = world_get(world, 0, "key");
    note_reply("get at the new tail", get);
    note("the link to the new tail heals");
    world->is_link_cut[1][2] = false;
    world_advance(world, 300000);
    note_reply("the same get", get);
    note_reply("put", put);
    compare("tail_lost");
}
END_TEST

static void wait_synced(void)
{
    for (unsigned i = 0; i < 100 && !world->rows[0].is_synced; i++)
        world_advance(world, 10000);
    ck_assert(world->rows[0].is_synced);
}

START_TEST(join)
{
    start("12");
    for (unsigned i = 0; i < 5; i++) {
        char key[16];
        (void)text_format(key, sizeof key, "key%u", i);
        world_put(world, 0, key, "value");
    }
    world_run(world);
    note("node 3 is to join");
    world_row_push(world, 0, "12", 3);
    wait_synced();
    note("the master appends it");
    world_row_push(world, 0, "123", 0);
    world_advance(world, 200000);
    note_reply("get at the new tail", world_get(world, 0, "key3"));
    compare("join");
}
END_TEST

START_TEST(rejoin)
{
    start("123");
    world_put(world, 0, "kept", "value");
    world_put(world, 0, "deleted", "value");
    world_run(world);
    note("the tail is killed; an object is deleted while it is away");
    world_crash(world, 3, SIZE_MAX);
    world_row_push(world, 0, "12", 0);
    world_advance(world, 200000);
    world_delete(world, 0, "deleted");
    world_run(world);
    note("it returns and is told to join");
    world_restart(world, 3);
    world_advance(world, 100000);
    world_row_push(world, 0, "12", 3);
    wait_synced();
    world_row_push(world, 0, "123", 0);
    world_advance(world, 200000);
    note_reply("get of the deleted object", world_get(world, 0, "deleted"));
    note_reply("get of the other", world_get(world, 0, "kept"));
    compare("rejoin");
}
END_TEST

START_TEST(whole_chain_restart)
{
    start("123");
    uint64_t first;
    uint64_t second;
    leave_pending(&first, &second);
    note("power fails everywhere; the tail returns first and starts the chain");
    world_lose_messages(world);
    for (uint32_t node = 1; node <= 3; node++)
        world_crash(world, node, 0);
    memset(world->is_link_cut, 0, sizeof world->is_link_cut);
    world->nodes[2].are_stores_held = false;
    world_restart(world, 3);
    world_row_push(world, 0, "3", 0);
    world_advance(world, 200000);
    note_reply("get", world_get(world, 0, "key"));
    note("the others return and join");
    world_restart(world, 1);
    world_row_push(world, 0, "3", 1);
    wait_synced();
    world_row_push(world, 0, "31", 0);
    world_advance(world, 200000);
    world_restart(world, 2);
    world_row_push(world, 0, "31", 2);
    wait_synced();
    world_row_push(world, 0, "312", 0);
    world_advance(world, 200000);
    uint64_t retry = world_put_at(world, 3, 0, 1, 1, "key", "one", 0, (struct origin){0});
    world_run(world);
    note_reply("retry of the first put", retry);
    compare("whole_chain_restart");
}
END_TEST

START_TEST(drain_and_swap)
{
    start("123");
    world->nodes[3].are_stores_held = true;
    uint64_t put = world_put(world, 0, "key", "one");
    world_run(world);
    note("the chain is frozen with one put pending");
    world->rows[0].frozen = true;
    world_row_push(world, 0, "123", 0);
    world_run(world);
    note_reply("put during the freeze", world_put(world, 0, "key", "two"));
    world->nodes[3].are_stores_held = false;
    world_advance(world, 200000);
    note_reply("the pending put", put);
    text_append(&world->story, "-- drained: %s\n", world->rows[0].is_drained ? "yes" : "no");
    world->rows[0].frozen = false;
    world_row_push(world, 0, "312", 0);
    world_advance(world, 200000);
    uint64_t next = world_put(world, 0, "key", "three");
    world_run(world);
    note_reply("put at the new head", next);
    compare("drain_and_swap");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_golden");
    TCase *tests = tcase_create("chain_golden");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, head_lost);
    tcase_add_test(tests, middle_lost);
    tcase_add_test(tests, tail_lost);
    tcase_add_test(tests, join);
    tcase_add_test(tests, rejoin);
    tcase_add_test(tests, whole_chain_restart);
    tcase_add_test(tests, drain_and_swap);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
