/* Snapshots and log compaction: section 7 of the Raft paper. */
#include <check.h>

#include "tests/unit/raft/cluster.h"
#include "tests/unit/raft/single.h"

static struct single s;

static void setup(void)
{
    single_init(&s, 3);
}

static void teardown(void)
{
    single_release(&s);
}

static const uint64_t TWOS[] = {2, 2, 2, 2, 2, 2, 2, 2, 2, 2};

static void taken(uint64_t index, const char *text)
{
    struct buf *data = buf_copy(slice_of_text(text));
    struct raft_event event = {.kind = RAFT_EVENT_SNAPSHOT_TAKEN, .index = index, .data = data};
    single_step(&s, &event);
    buf_unref(data);
}

static uint8_t configuration_bytes[RAFT_CONFIGURATION_BYTES_MAX];

static void chunk(uint64_t term, uint64_t last_index, uint64_t last_term, uint64_t offset,
                  const char *whole, size_t length)
{
    struct raft_configuration configuration = {.count = 2};
    configuration.servers[0].id = 1;
    configuration.servers[1].id = 2;
    struct wire_message message = {.type = WIRE_RAFT_SNAPSHOT};
    message.u.raft_snapshot = (struct wire_raft_snapshot){
        .term = term,
        .sender = 2,
        .last_index = last_index,
        .last_term = last_term,
        .configuration = slice_of(configuration_bytes,
                                  raft_configuration_encode(&configuration, configuration_bytes)),
        .offset = offset,
        .total = strlen(whole),
        .last = offset + length == strlen(whole),
        .round = 4,
    };
    message.payload = buf_copy(slice_of(whole + offset, length));
    single_receive(&s, &message);
    wire_message_release(&message);
}

static uint64_t received(void)
{
    const struct wire_message *message = single_sent(&s, WIRE_RAFT_SNAPSHOT_ACK, 2);
    ck_assert_ptr_nonnull(message);
    return message->u.raft_snapshot_ack.received;
}

START_TEST(a_snapshot_is_wanted_when_the_log_is_long)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 6, 7);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_SNAPSHOT_WANTED), 0);
    single_append_from(&s, 2, 2, 7, 2, TWOS, 1, 8);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_SNAPSHOT_WANTED), 1);
    single_append_from(&s, 2, 2, 8, 2, TWOS, 1, 9);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_SNAPSHOT_WANTED), 0); /* asked once */
}
END_TEST

START_TEST(compaction_keeps_some_entries_and_survives_a_restart)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 9, 9);
    taken(9, "state");
    ck_assert_uint_eq(s.raft->log.base_index, 5);
    ck_assert_uint_eq(raft_last_index(s.raft), 10);
    single_restart(&s);
    ck_assert_uint_eq(raft_commit_index(s.raft), 9);
    ck_assert_uint_eq(raft_last_index(s.raft), 10);
    ck_assert_uint_eq(raft_log_term(&s.raft->log, 5), 2);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 3);
    single_advance(&s, 0);
    const struct raft_effect *restore = single_effect(&s, RAFT_EFFECT_RESTORE, 0);
    ck_assert_ptr_nonnull(restore);
    ck_assert_uint_eq(restore->index, 9);
    ck_assert(slice_equal(buf_slice(restore->data), slice_of_text("state")));
}
END_TEST

START_TEST(an_older_snapshot_than_the_one_we_have_is_ignored)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 9, 9);
    taken(9, "new");
    taken(8, "old");
    ck_assert_uint_eq(s.raft->snapshot.index, 9);
}
END_TEST

START_TEST(chunks_in_order_install_a_snapshot)
{
    chunk(3, 50, 2, 0, "abcdefgh", 4);
    ck_assert_uint_eq(received(), 4);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_RESTORE), 0);
    chunk(3, 50, 2, 4, "abcdefgh", 4);
    ck_assert_uint_eq(received(), 8);
    const struct raft_effect *restore = single_effect(&s, RAFT_EFFECT_RESTORE, 0);
    ck_assert(slice_equal(buf_slice(restore->data), slice_of_text("abcdefgh")));
    ck_assert_uint_eq(raft_last_index(s.raft), 50);
    ck_assert_uint_eq(raft_commit_index(s.raft), 50);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 2);
    single_restart(&s);
    ck_assert_uint_eq(raft_last_index(s.raft), 50);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 2);
}
END_TEST

START_TEST(a_gap_or_a_repetition_of_chunks_tells_where_to_go_on)
{
    chunk(3, 50, 2, 4, "abcdefgh", 4);
    ck_assert_uint_eq(received(), 0);
    chunk(3, 50, 2, 0, "abcdefgh", 4);
    chunk(3, 50, 2, 0, "abcdefgh", 4);
    ck_assert_uint_eq(received(), 4);
    chunk(3, 60, 2, 0, "12345678", 4); /* a newer one replaces it */
    ck_assert_uint_eq(received(), 4);
    chunk(3, 60, 2, 4, "12345678", 4);
    ck_assert_uint_eq(raft_last_index(s.raft), 60);
}
END_TEST

START_TEST(an_installed_snapshot_is_acknowledged_only_when_durable)
{
    s.auto_store = false;
    chunk(3, 50, 2, 0, "abcdefgh", 8);
    ck_assert_ptr_null(single_sent(&s, WIRE_RAFT_SNAPSHOT_ACK, 2));
    chunk(3, 50, 2, 0, "abcdefgh", 8); /* repeated meanwhile: not earlier either */
    ck_assert_ptr_null(single_sent(&s, WIRE_RAFT_SNAPSHOT_ACK, 2));
    single_stored_all(&s);
    ck_assert_uint_eq(received(), 8);
}
END_TEST

/* Section 7: entries after a matching one are kept, else the whole log goes. */
START_TEST(a_snapshot_of_a_prefix_keeps_the_log_after_it)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 9, 3);
    chunk(2, 6, 2, 0, "abc", 3);
    ck_assert_uint_eq(raft_last_index(s.raft), 10);
    ck_assert_uint_eq(raft_commit_index(s.raft), 6);
    single_restart(&s);
    ck_assert_uint_eq(raft_last_index(s.raft), 10);
}
END_TEST

START_TEST(a_snapshot_that_contradicts_the_log_replaces_it)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 9, 3);
    chunk(4, 6, 3, 0, "abc", 3);
    ck_assert_uint_eq(raft_last_index(s.raft), 6);
    single_restart(&s);
    ck_assert_uint_eq(raft_last_index(s.raft), 6);
    ck_assert_uint_eq(raft_log_term(&s.raft->log, 6), 3);
}
END_TEST

START_TEST(malformed_chunks_are_refused)
{
    struct wire_message message = {.type = WIRE_RAFT_SNAPSHOT};
    struct wire_raft_snapshot good = {.term = 3,
                                      .sender = 2,
                                      .last_index = 5,
                                      .last_term = 2,
                                      .total = 4,
                                      .last = false,
                                      .configuration = slice_of_text("nonsense")};
    message.u.raft_snapshot = good;
    single_receive(&s, &message);
    message.u.raft_snapshot.configuration = slice_of("\x01\x00", 2);
    message.u.raft_snapshot.offset = 9;
    single_receive(&s, &message);
    message.u.raft_snapshot.offset = 0;
    message.u.raft_snapshot.total = RAFT_SNAPSHOT_BYTES_MAX + 1;
    single_receive(&s, &message);
    message.u.raft_snapshot.total = 4;
    message.u.raft_snapshot.last_term = 9;
    single_receive(&s, &message);
    ck_assert_uint_eq(raft_refused_messages(s.raft), 4);
    ck_assert_uint_eq(raft_term(s.raft), 1);
}
END_TEST

START_TEST(a_follower_too_far_behind_gets_the_snapshot_in_chunks)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 9, 10);
    taken(10, "0123456789");
    single_lead(&s);
    single_rejected_from(&s, 2, 0, 2);
    const struct wire_message *message = single_sent(&s, WIRE_RAFT_SNAPSHOT, 2);
    ck_assert_ptr_nonnull(message);
    uint64_t offset = 0;
    while (offset < 10) {
        ck_assert_uint_eq(message->u.raft_snapshot.offset, offset);
        ck_assert_uint_eq(message->u.raft_snapshot.last_index, 10);
        offset += message->payload->length;
        ck_assert_int_eq(message->u.raft_snapshot.last, offset == 10);
        struct wire_message ack = {.type = WIRE_RAFT_SNAPSHOT_ACK};
        ack.u.raft_snapshot_ack = (struct wire_raft_snapshot_ack){.term = raft_term(s.raft),
                                                                  .sender = 2,
                                                                  .last_index = 10,
                                                                  .received = offset,
                                                                  .round = s.raft->round};
        single_receive(&s, &ack);
        message = single_sent(&s, WIRE_RAFT_SNAPSHOT, 2);
    }
    ck_assert_uint_eq(raft_match_index(s.raft, 2), 10);
    const struct wire_message *append = single_sent(&s, WIRE_RAFT_APPEND, 2);
    ck_assert_ptr_nonnull(append);
    ck_assert_uint_eq(append->u.raft_append.previous_index, 10);
}
END_TEST

static uint64_t behind_since;

static bool all_have(struct cluster *cluster)
{
    return cluster_is_converged(cluster) && cluster->committed_max > behind_since;
}

START_TEST(a_server_away_for_long_comes_back_by_snapshot)
{
    struct cluster *cluster = cluster_new(3, 3);
    ck_assert(cluster_run_until(cluster, cluster_has_leader, 5000000));
    uint32_t away = 1 + cluster_leader(cluster) % 3;
    cluster_crash(cluster, away);
    for (int i = 0; i < 200; i++) {
        (void)cluster_propose(cluster, cluster_leader(cluster));
        cluster_run(cluster, 10000);
    }
    behind_since = 200;
    cluster_start(cluster, away);
    uint64_t installed = cluster->snapshots_installed;
    ck_assert(cluster_run_until(cluster, all_have, 5000000));
    ck_assert_uint_gt(cluster->snapshots_installed, installed);
    cluster_free(cluster);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("raft_snapshot");
    TCase *tcase = tcase_create("snapshots");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_snapshot_is_wanted_when_the_log_is_long);
    tcase_add_test(tcase, compaction_keeps_some_entries_and_survives_a_restart);
    tcase_add_test(tcase, an_older_snapshot_than_the_one_we_have_is_ignored);
    tcase_add_test(tcase, chunks_in_order_install_a_snapshot);
    tcase_add_test(tcase, a_gap_or_a_repetition_of_chunks_tells_where_to_go_on);
    tcase_add_test(tcase, an_installed_snapshot_is_acknowledged_only_when_durable);
    tcase_add_test(tcase, a_snapshot_of_a_prefix_keeps_the_log_after_it);
    tcase_add_test(tcase, a_snapshot_that_contradicts_the_log_replaces_it);
    tcase_add_test(tcase, malformed_chunks_are_refused);
    tcase_add_test(tcase, a_follower_too_far_behind_gets_the_snapshot_in_chunks);
    tcase_add_test(tcase, a_server_away_for_long_comes_back_by_snapshot);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
