/* AppendEntries at the receiver: Figure 2 of the Raft paper, sections 5.1 and 5.3. */
#include <check.h>

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

static const struct wire_raft_appended *answer(void)
{
    const struct wire_message *message = single_sent(&s, WIRE_RAFT_APPENDED, 0);
    ck_assert_ptr_nonnull(message);
    return &message->u.raft_appended;
}

static const uint64_t TWOS[] = {2, 2, 2, 2, 2, 2, 2, 2};
static const uint64_t THREES[] = {3, 3, 3, 3};

/* AppendEntries rule 1, section 5.1. */
START_TEST(append_of_an_older_term_is_rejected_with_the_newer_term)
{
    single_append_from(&s, 2, 3, 1, 1, NULL, 0, 0);
    single_append_from(&s, 3, 2, 1, 1, TWOS, 1, 1);
    ck_assert(!answer()->success);
    ck_assert_uint_eq(answer()->term, 3);
    ck_assert_uint_eq(raft_last_index(s.raft), 1);
    ck_assert_uint_eq(raft_leader(s.raft), 2);
}
END_TEST

/* AppendEntries rule 2, section 5.3. */
START_TEST(append_without_the_previous_entry_is_rejected)
{
    single_append_from(&s, 2, 2, 5, 2, TWOS, 1, 0);
    ck_assert(!answer()->success);
    ck_assert_uint_eq(answer()->conflict_term, 0);
    ck_assert_uint_eq(answer()->conflict_index, 2);
    ck_assert_uint_eq(raft_last_index(s.raft), 1);
}
END_TEST

START_TEST(append_with_another_term_at_the_previous_entry_names_the_start_of_that_term)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 4, 0);
    single_append_from(&s, 3, 3, 4, 3, THREES, 1, 0);
    ck_assert(!answer()->success);
    ck_assert_uint_eq(answer()->conflict_term, 2);
    ck_assert_uint_eq(answer()->conflict_index, 2);
    ck_assert_uint_eq(raft_last_index(s.raft), 5);
}
END_TEST

/* AppendEntries rule 3, section 5.3. */
START_TEST(conflicting_entries_and_all_after_them_are_deleted)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 4, 0);
    single_append_from(&s, 3, 3, 2, 2, THREES, 1, 0);
    ck_assert(answer()->success);
    ck_assert_uint_eq(raft_last_index(s.raft), 3);
    ck_assert_uint_eq(raft_log_term(&s.raft->log, 3), 3);
    single_restart(&s);
    ck_assert_uint_eq(raft_last_index(s.raft), 3);
    ck_assert_uint_eq(raft_log_term(&s.raft->log, 3), 3);
}
END_TEST

START_TEST(an_old_append_that_matches_does_not_cut_the_log)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 4, 0);
    single_append_from(&s, 2, 2, 1, 1, TWOS, 2, 0);
    ck_assert(answer()->success);
    ck_assert_uint_eq(answer()->match_index, 3);
    ck_assert_uint_eq(raft_last_index(s.raft), 5);
}
END_TEST

/* AppendEntries rule 4. */
START_TEST(new_entries_are_appended_and_survive_a_restart)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 3, 0);
    ck_assert_uint_eq(answer()->match_index, 4);
    single_restart(&s);
    ck_assert_uint_eq(raft_last_index(s.raft), 4);
    ck_assert_uint_eq(raft_term(s.raft), 2);
}
END_TEST

/* AppendEntries rule 5. */
START_TEST(commit_is_the_lesser_of_the_leaders_and_the_last_new_entry)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 4, 0);
    single_append_from(&s, 2, 2, 1, 1, TWOS, 1, 9);
    ck_assert_uint_eq(raft_commit_index(s.raft), 2);
    single_append_from(&s, 2, 2, 5, 2, NULL, 0, 4);
    ck_assert_uint_eq(raft_commit_index(s.raft), 4);
}
END_TEST

/* All servers, section 5.3: lastApplied follows commitIndex, in order. */
START_TEST(committed_commands_are_applied_in_order_without_gaps)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 4, 5);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_APPLY), 4);
    for (uint32_t i = 0; i < 4; i++) {
        const struct raft_effect *effect = single_effect(&s, RAFT_EFFECT_APPLY, i);
        ck_assert_uint_eq(effect->index, 2 + i);
        ck_assert_uint_eq(effect->data->data[0], 2 + i);
    }
}
END_TEST

/* Persistent state is updated before responding (Figure 2). */
START_TEST(an_append_is_not_acknowledged_before_it_is_durable)
{
    s.auto_store = false;
    single_append_from(&s, 2, 2, 1, 1, TWOS, 1, 0);
    ck_assert_ptr_null(single_sent(&s, WIRE_RAFT_APPENDED, 0));
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_STORE), 1);
    single_stored(&s);
    ck_assert(answer()->success);
    ck_assert_uint_eq(answer()->match_index, 2);
}
END_TEST

START_TEST(a_heartbeat_is_answered_while_an_append_is_being_written)
{
    single_append_from(&s, 2, 2, 1, 1, NULL, 0, 0);
    s.auto_store = false;
    single_append_from(&s, 2, 2, 1, 1, TWOS, 1, 0);
    single_append_from(&s, 2, 2, 1, 1, NULL, 0, 0);
    ck_assert_uint_eq(answer()->match_index, 1);
}
END_TEST

START_TEST(an_answer_of_an_older_term_is_dropped_not_sent_late)
{
    s.auto_store = false;
    single_append_from(&s, 2, 2, 1, 1, TWOS, 1, 0);
    single_append_from(&s, 3, 3, 1, 1, THREES, 1, 0);
    single_stored(&s);
    ck_assert_ptr_null(single_sent(&s, WIRE_RAFT_APPENDED, 2));
    single_stored(&s);
    ck_assert_ptr_nonnull(single_sent(&s, WIRE_RAFT_APPENDED, 3));
}
END_TEST

/* A batch that wrote what was cut off later makes nothing of it durable. */
START_TEST(a_truncation_lowers_what_batches_under_way_make_durable)
{
    s.auto_store = false;
    single_append_from(&s, 2, 2, 1, 1, TWOS, 3, 0);
    single_append_from(&s, 3, 3, 1, 1, THREES, 1, 0);
    single_stored(&s);
    ck_assert_uint_eq(s.raft->durable_index, 1);
    single_stored(&s);
    ck_assert_uint_eq(s.raft->durable_index, 2);
}
END_TEST

START_TEST(a_leader_that_contradicts_a_committed_entry_halts_the_server)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 2, 3);
    single_append_from(&s, 3, 3, 1, 1, THREES, 1, 0);
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_HALT), 1);
    single_append_from(&s, 3, 3, 1, 1, NULL, 0, 0);
    ck_assert_uint_eq(s.effects.count, 0);
}
END_TEST

START_TEST(malformed_appends_are_refused_and_counted)
{
    static const uint64_t back[] = {3, 2};
    static const uint64_t above[] = {9};
    uint64_t before = raft_refused_messages(s.raft);
    single_append_from(&s, 2, 4, 1, 1, back, 2, 0);
    single_append_from(&s, 2, 4, 1, 1, above, 1, 0);
    single_append_from(&s, 2, 4, UINT64_MAX, 1, back, 1, 0);
    single_append_from(&s, 1, 4, 1, 1, NULL, 0, 0);
    single_append_from(&s, 0, 4, 1, 1, NULL, 0, 0);
    ck_assert_uint_eq(raft_refused_messages(s.raft), before + 5);
    ck_assert_uint_eq(raft_term(s.raft), 1);
    ck_assert_uint_eq(raft_last_index(s.raft), 1);
}
END_TEST

START_TEST(a_configuration_entry_that_cannot_be_decoded_is_refused)
{
    struct wire_raft_entry entry = {
        .term = 2, .kind = RAFT_ENTRY_CONFIGURATION, .data = slice_of_text("nonsense")};
    struct wire_message message = {.type = WIRE_RAFT_APPEND};
    message.u.raft_append = (struct wire_raft_append){.term = 2,
                                                      .sender = 2,
                                                      .previous_index = 1,
                                                      .previous_term = 1,
                                                      .entries = &entry,
                                                      .entries_count = 1};
    single_receive(&s, &message);
    ck_assert_uint_eq(raft_refused_messages(s.raft), 1);
    ck_assert_uint_eq(raft_last_index(s.raft), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("raft_follow");
    TCase *tcase = tcase_create("append");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, append_of_an_older_term_is_rejected_with_the_newer_term);
    tcase_add_test(tcase, append_without_the_previous_entry_is_rejected);
    tcase_add_test(tcase,
                   append_with_another_term_at_the_previous_entry_names_the_start_of_that_term);
    tcase_add_test(tcase, conflicting_entries_and_all_after_them_are_deleted);
    tcase_add_test(tcase, an_old_append_that_matches_does_not_cut_the_log);
    tcase_add_test(tcase, new_entries_are_appended_and_survive_a_restart);
    tcase_add_test(tcase, commit_is_the_lesser_of_the_leaders_and_the_last_new_entry);
    tcase_add_test(tcase, committed_commands_are_applied_in_order_without_gaps);
    tcase_add_test(tcase, an_append_is_not_acknowledged_before_it_is_durable);
    tcase_add_test(tcase, a_heartbeat_is_answered_while_an_append_is_being_written);
    tcase_add_test(tcase, an_answer_of_an_older_term_is_dropped_not_sent_late);
    tcase_add_test(tcase, a_truncation_lowers_what_batches_under_way_make_durable);
    tcase_add_test(tcase, a_leader_that_contradicts_a_committed_entry_halts_the_server);
    tcase_add_test(tcase, malformed_appends_are_refused_and_counted);
    tcase_add_test(tcase, a_configuration_entry_that_cannot_be_decoded_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
