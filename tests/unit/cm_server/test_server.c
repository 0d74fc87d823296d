/* Joined masters: election, commands through the log, crashes, disk identities. */
#include <check.h>

#include "tests/unit/cm_server/masters.h"

static struct masters *masters;

static void setup(void)
{
    masters = masters_new(3);
}

static void teardown(void)
{
    masters_free(masters);
}

static enum err ask(uint32_t id, uint64_t conn, uint32_t op, uint64_t a, const char *text,
                    uint64_t *ret_value)
{
    struct wire_admin admin = {.op = op, .a = a, .nonce = masters->next_conn, .wall_ms = 1};
    if (text != NULL)
        admin.text = slice_of_text(text);
    enum err err = ERR_INTERNAL;
    uint64_t value = 0;
    ck_assert(masters_ask(masters, id, conn, &admin, &err, &value));
    if (ret_value != NULL)
        *ret_value = value;
    return err;
}

/* Opens a session at the leader; returns its number. */
static uint64_t open_session(void)
{
    uint32_t leader = masters_wait_leader(masters);
    ck_assert_uint_ne(leader, 0);
    uint64_t value = 0;
    enum err err =
        ask(leader, masters_client(masters, leader), WIRE_ADMIN_SESSION_OPEN, 0, NULL, &value);
    ck_assert_msg(err == ERR_OK, "%s", err_name(err));
    return value;
}

static uint32_t follower_of(uint32_t leader)
{
    return 1 + leader % 3;
}

START_TEST(three_masters_elect_one_leader_and_connect)
{
    uint32_t leader = masters_wait_leader(masters);
    ck_assert_uint_ne(leader, 0);
    masters_run(masters, 500000);
    for (uint32_t id = 1; id <= 3; id++) {
        struct server_status status;
        server_status(masters_get(masters, id)->server, &status);
        ck_assert_uint_eq(status.leader, leader);
        ck_assert_uint_eq(status.masters_count, 3);
        for (uint32_t i = 0; i < 3; i++) {
            ck_assert(status.masters[i].reachable);
            ck_assert_uint_eq(status.masters[i].pid, 1000 + status.masters[i].master);
            ck_assert_int_eq(status.masters[i].is_leader, status.masters[i].master == leader);
        }
    }
}
END_TEST

START_TEST(a_command_goes_through_the_log_of_all_masters)
{
    ck_assert_uint_eq(open_session(), 1);
    ck_assert_uint_eq(open_session(), 2);
    masters_run(masters, 300000);
    struct server_status leader;
    server_status(masters_get(masters, masters_leader(masters))->server, &leader);
    for (uint32_t id = 1; id <= 3; id++) {
        struct server_status status;
        server_status(masters_get(masters, id)->server, &status);
        ck_assert_uint_eq(status.applied_index, leader.applied_index);
    }
}
END_TEST

START_TEST(a_follower_names_the_leader)
{
    uint32_t leader = masters_wait_leader(masters);
    masters_run(masters, 300000);
    uint32_t other = follower_of(leader);
    enum err err =
        ask(other, masters_client(masters, other), WIRE_ADMIN_SESSION_OPEN, 0, NULL, NULL);
    ck_assert_int_eq(err, ERR_NOT_LEADER);
}
END_TEST

START_TEST(a_crash_of_the_leader_loses_nothing_and_is_short)
{
    ck_assert_uint_eq(open_session(), 1);
    uint32_t old = masters_leader(masters);
    uint64_t before_us = masters->now_us;
    masters_crash(masters, old);
    uint32_t leader = masters_wait_leader(masters);
    ck_assert_uint_ne(leader, 0);
    ck_assert_uint_ne(leader, old);
    ck_assert_uint_lt(masters->now_us - before_us, 1500000);
    ck_assert_uint_eq(open_session(), 2);
    masters_start(masters, old);
    masters_run(masters, 1000000);
    struct server_status a;
    struct server_status b;
    server_status(masters_get(masters, old)->server, &a);
    server_status(masters_get(masters, masters_leader(masters))->server, &b);
    ck_assert_uint_eq(a.applied_index, b.applied_index);
}
END_TEST

START_TEST(all_masters_restart_from_disk)
{
    ck_assert_uint_eq(open_session(), 1);
    masters_run(masters, 300000);
    for (uint32_t id = 1; id <= 3; id++)
        masters_crash(masters, id);
    for (uint32_t id = 1; id <= 3; id++)
        masters_start(masters, id);
    ck_assert_uint_eq(open_session(), 2);
}
END_TEST

START_TEST(each_masters_disk_is_recorded_everywhere)
{
    ck_assert_uint_ne(masters_wait_leader(masters), 0);
    masters_run(masters, 1000000);
    for (uint32_t at = 1; at <= 3; at++)
        for (uint32_t id = 1; id <= 3; id++) {
            struct uuid disk;
            ck_assert(server_disk(masters_get(masters, at)->server, id, &disk));
            ck_assert(uuid_equal(&disk, &masters_get(masters, id)->disk_id));
        }
}
END_TEST

START_TEST(identities_and_state_survive_in_snapshots)
{
    for (uint32_t id = 1; id <= 3; id++) {
        masters_crash(masters, id);
        masters->snapshot_after_entries = 8;
        masters_start(masters, id);
    }
    for (uint64_t i = 1; i <= 40; i++)
        ck_assert_uint_eq(open_session(), i);
    masters_run(masters, 500000);
    for (uint32_t id = 1; id <= 3; id++)
        masters_crash(masters, id);
    for (uint32_t id = 1; id <= 3; id++)
        masters_start(masters, id);
    masters_run(masters, 100);
    struct server_event tick = {.kind = SERVER_EVENT_TICK};
    masters_event(masters, 1, &tick);
    struct server_status status;
    server_status(masters_get(masters, 1)->server, &status);
    ck_assert_uint_gt(status.applied_index, 30); /* from the snapshot, before any leader */
    struct uuid disk;
    ck_assert(server_disk(masters_get(masters, 1)->server, 3, &disk));
    ck_assert_uint_eq(open_session(), 41);
}
END_TEST

/* The master comes back under its id with another disk. */
static void replace(uint32_t leader, uint32_t lost, const char *address)
{
    uint64_t client = masters_client(masters, leader);
    ck_assert_int_eq(ask(leader, client, WIRE_ADMIN_MASTER_REMOVE, lost, NULL, NULL), ERR_OK);
    ck_assert_int_eq(ask(leader, client, WIRE_ADMIN_MASTER_ADD, lost, address, NULL), ERR_OK);
}

START_TEST(a_master_that_lost_its_disk_is_refused_until_added_again)
{
    ck_assert_uint_eq(open_session(), 1);
    masters_run(masters, 1000000);
    uint32_t leader = masters_leader(masters);
    uint32_t lost = follower_of(leader);
    masters_crash(masters, lost);
    masters_wipe(masters, lost);
    masters_start(masters, lost);
    masters_run(masters, 3000000);
    leader = masters_leader(masters);
    struct server_status status;
    server_status(masters_get(masters, leader)->server, &status);
    ck_assert_uint_gt(status.refused_disks, 0);
    for (uint32_t i = 0; i < status.masters_count; i++)
        ck_assert_int_eq(status.masters[i].reachable, status.masters[i].master != lost);
    server_status(masters_get(masters, lost)->server, &status);
    ck_assert_uint_eq(status.last_index, 0); /* nothing was sent to it */
    ck_assert_uint_eq(open_session(), 2);    /* the others go on */

    replace(leader, lost, "127.0.0.1:7009");
    masters_run(masters, 2000000);
    server_status(masters_get(masters, lost)->server, &status);
    ck_assert_uint_eq(status.masters_count, 3);
    struct server_status at_leader;
    server_status(masters_get(masters, leader)->server, &at_leader);
    ck_assert_uint_eq(status.applied_index, at_leader.applied_index);
    struct uuid disk;
    ck_assert(server_disk(masters_get(masters, leader)->server, lost, &disk));
    ck_assert(uuid_equal(&disk, &masters_get(masters, lost)->disk_id));
    ck_assert_uint_eq(open_session(), 3);
}
END_TEST

/* Simulator seed 2195. What a master that starts has applied is its snapshot, and that names the
 * old disk; that it is to be forgotten stands in the log behind it, and whether that is committed
 * is learnt from a leader, which may need this master's vote. */
START_TEST(a_master_that_starts_from_its_snapshot_knows_who_was_replaced_since)
{
    for (uint32_t id = 1; id <= 3; id++) {
        masters_crash(masters, id);
        masters->snapshot_after_entries = 40;
        masters_start(masters, id);
    }
    struct server_status status;
    do {
        (void)open_session();
        masters_run(masters, 100000);
        server_status(masters_get(masters, masters_leader(masters))->server, &status);
    } while (status.applied_index < 45); /* a snapshot was taken: all three disks are in it */
    uint32_t leader = masters_leader(masters);
    uint32_t lost = follower_of(leader);
    uint32_t other = 6 - leader - lost;
    masters_crash(masters, lost);
    masters_wipe(masters, lost);
    masters_start(masters, lost);
    replace(leader, lost, "127.0.0.1:7009");
    masters_run(masters, 1000000);
    masters_crash(masters, leader);
    masters_crash(masters, other);
    masters_start(masters, other);
    masters_run(masters, 5000000);
    uint32_t next = masters_leader(masters);
    ck_assert_msg(next == other || next == lost, "they refuse each other: leader %u", next);
    struct uuid disk;
    ck_assert(server_disk(masters_get(masters, other)->server, lost, &disk));
    ck_assert(uuid_equal(&disk, &masters_get(masters, lost)->disk_id));
}
END_TEST

/* Master 3 came once with another disk, which is gone; that connection is dead, but nobody has
 * noticed. Once that disk were written down, the one that follows would be refused for ever. */
START_TEST(the_disk_of_a_dead_connection_is_not_recorded)
{
    masters_crash(masters, 3);
    struct wire_hello hello = {.wire_version = WIRE_VERSION,
                               .role = WIRE_ROLE_MASTER,
                               .id = 3,
                               .incarnation = 1003,
                               .disk = {.bytes = {3, 99}}};
    for (uint32_t id = 1; id <= 2; id++) {
        struct server_event connected = {
            .kind = SERVER_EVENT_CONNECTED, .conn = masters->next_conn++, .hello = &hello};
        masters_event(masters, id, &connected);
    }
    uint32_t leader = masters_wait_leader(masters);
    ck_assert_uint_ne(leader, 0);
    masters_run(masters, 1000000);
    struct uuid disk;
    ck_assert(server_disk(masters_get(masters, leader)->server, 3 - leader, &disk));
    ck_assert(!server_disk(masters_get(masters, leader)->server, 3, &disk));
    masters_start(masters, 3);
    masters_run(masters, 1000000);
    ck_assert(server_disk(masters_get(masters, leader)->server, 3, &disk));
    ck_assert(uuid_equal(&disk, &masters_get(masters, 3)->disk_id));
}
END_TEST

START_TEST(a_copied_log_on_another_disk_is_refused)
{
    ck_assert_uint_eq(open_session(), 1);
    masters_run(masters, 1000000);
    uint32_t leader = masters_leader(masters);
    uint32_t clone = follower_of(leader);
    masters_crash(masters, clone);
    masters_get(masters, clone)->disk_id.bytes[5] = 0x77; /* all rows, another identity */
    masters_start(masters, clone);
    struct server_status before;
    server_status(masters_get(masters, clone)->server, &before);
    masters_run(masters, 3000000);
    ck_assert_uint_eq(open_session(), 2);
    struct server_status status;
    server_status(masters_get(masters, masters_leader(masters))->server, &status);
    ck_assert_uint_gt(status.refused_disks, 0);
    ck_assert_uint_ne(masters_leader(masters), clone);
    server_status(masters_get(masters, clone)->server, &status);
    ck_assert_uint_eq(status.last_index, before.last_index);
}
END_TEST

START_TEST(a_new_master_waits_until_it_is_added)
{
    masters_start(masters, 4);
    ck_assert_uint_eq(open_session(), 1);
    masters_run(masters, 5000000);
    struct server_status status;
    server_status(masters_get(masters, 4)->server, &status);
    ck_assert_uint_eq(status.term, 0);
    ck_assert_uint_eq(status.masters_count, 0);
    uint32_t leader = masters_leader(masters);
    uint64_t client = masters_client(masters, leader);
    ck_assert_int_eq(ask(leader, client, WIRE_ADMIN_MASTER_ADD, 4, "127.0.0.1:7004", NULL), ERR_OK);
    masters_run(masters, 1000000);
    server_status(masters_get(masters, 4)->server, &status);
    ck_assert_uint_eq(status.masters_count, 4);
    ck_assert_uint_eq(status.leader, leader);
}
END_TEST

START_TEST(the_leader_can_be_removed_and_leadership_handed_over)
{
    ck_assert_uint_eq(open_session(), 1);
    uint32_t leader = masters_leader(masters);
    uint64_t client = masters_client(masters, leader);
    uint32_t next = follower_of(leader);
    masters_run(masters, 300000);
    ck_assert_int_eq(ask(leader, client, WIRE_ADMIN_TRANSFER_LEADER, next, NULL, NULL), ERR_OK);
    masters_run(masters, 300000);
    ck_assert_uint_eq(masters_leader(masters), next);
    client = masters_client(masters, next);
    (void)ask(next, client, WIRE_ADMIN_MASTER_REMOVE, next, NULL, NULL);
    masters_run(masters, 1500000);
    uint32_t last = masters_leader(masters);
    ck_assert_uint_ne(last, 0);
    ck_assert_uint_ne(last, next);
    struct server_status status;
    server_status(masters_get(masters, last)->server, &status);
    ck_assert_uint_eq(status.masters_count, 2);
    ck_assert_uint_eq(open_session(), 2);
}
END_TEST

START_TEST(a_failed_fsync_halts_the_master)
{
    ck_assert_uint_ne(masters_wait_leader(masters), 0);
    struct server_event event = {.kind = SERVER_EVENT_STORED, .token = 1, .err = ERR_DISK_LOST};
    masters_event(masters, 1, &event);
    ck_assert_ptr_nonnull(masters_get(masters, 1)->halted);
    ck_assert_uint_eq(server_deadline_us(masters_get(masters, 1)->server), UINT64_MAX);
}
END_TEST

START_TEST(raft_messages_of_clients_and_under_false_names_are_refused)
{
    ck_assert_uint_ne(masters_wait_leader(masters), 0);
    masters_run(masters, 300000);
    struct wire_message message = {.type = WIRE_RAFT_VOTE};
    message.u.raft_vote = (struct wire_raft_vote){
        .term = 99, .sender = 2, .last_index = 999, .last_term = 98, .is_transfer = true};
    struct server_status before;
    server_status(masters_get(masters, 1)->server, &before);
    struct server_event event = {
        .kind = SERVER_EVENT_RECEIVE, .conn = masters_client(masters, 1), .message = &message};
    masters_event(masters, 1, &event);
    event.conn = masters_get(masters, 3)->conn[1]; /* master 3 speaks for master 2 */
    masters_event(masters, 1, &event);
    struct server_status after;
    server_status(masters_get(masters, 1)->server, &after);
    ck_assert_uint_eq(after.term, before.term);
    ck_assert_uint_eq(after.refused_messages, before.refused_messages + 2);
}
END_TEST

START_TEST(a_master_with_our_own_id_is_refused)
{
    struct wire_hello hello = {
        .wire_version = WIRE_VERSION, .role = WIRE_ROLE_MASTER, .id = 1, .disk = {{5}}};
    struct server_event event = {
        .kind = SERVER_EVENT_CONNECTED, .conn = masters->next_conn++, .hello = &hello};
    masters_event(masters, 1, &event);
    ck_assert_int_eq(masters->refusal.type, WIRE_REFUSED);
    ck_assert_uint_eq(masters->refusal.u.refused.err, ERR_DUPLICATE_ID);
    ck_assert_uint_eq(masters->closed_conn, event.conn);
}
END_TEST

START_TEST(one_master_alone_serves)
{
    masters_free(masters);
    masters = masters_new(1);
    ck_assert_uint_eq(open_session(), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_server");
    TCase *tcase = tcase_create("masters");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, three_masters_elect_one_leader_and_connect);
    tcase_add_test(tcase, a_command_goes_through_the_log_of_all_masters);
    tcase_add_test(tcase, a_follower_names_the_leader);
    tcase_add_test(tcase, a_crash_of_the_leader_loses_nothing_and_is_short);
    tcase_add_test(tcase, all_masters_restart_from_disk);
    tcase_add_test(tcase, each_masters_disk_is_recorded_everywhere);
    tcase_add_test(tcase, identities_and_state_survive_in_snapshots);
    tcase_add_test(tcase, a_master_that_lost_its_disk_is_refused_until_added_again);
    tcase_add_test(tcase, a_master_that_starts_from_its_snapshot_knows_who_was_replaced_since);
    tcase_add_test(tcase, the_disk_of_a_dead_connection_is_not_recorded);
    tcase_add_test(tcase, a_copied_log_on_another_disk_is_refused);
    tcase_add_test(tcase, a_new_master_waits_until_it_is_added);
    tcase_add_test(tcase, the_leader_can_be_removed_and_leadership_handed_over);
    tcase_add_test(tcase, a_failed_fsync_halts_the_master);
    tcase_add_test(tcase, raft_messages_of_clients_and_under_false_names_are_refused);
    tcase_add_test(tcase, a_master_with_our_own_id_is_refused);
    tcase_add_test(tcase, one_master_alone_serves);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
