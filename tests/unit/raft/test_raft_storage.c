/* Rows: what is written, what is read back, and what is refused as corrupt. */
#include <check.h>

#include "base/bytes.h"
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

static const uint64_t TWOS[] = {2, 2, 2};

static enum err load(void)
{
    struct kv kv = kv_memory_interface(s.disk);
    struct raft *raft = NULL;
    enum err err = raft_new(&s.options, 1, s.now_us, &kv, &raft);
    ck_assert_int_eq(err == ERR_OK, raft != NULL);
    raft_free(raft);
    return err;
}

static void put(unsigned family, struct slice key, struct slice value)
{
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, family, key, value, NULL);
    ck_assert_int_eq(kv_memory_apply(s.disk, batch), ERR_OK);
    kv_batch_free(batch);
}

static void put_entry(uint64_t index, uint64_t term, uint8_t kind)
{
    uint8_t key[8];
    uint8_t value[9];
    bytes_put_u64(key, index);
    bytes_put_u64(value, term);
    value[8] = kind;
    put(RAFT_FAMILY_LOG, slice_of(key, 8), slice_of(value, 9));
}

START_TEST(an_empty_store_is_not_bootstrapped)
{
    struct kv_memory *disk = kv_memory_new(2);
    struct kv kv = kv_memory_interface(disk);
    enum err err = ERR_INTERNAL;
    ck_assert(raft_store_is_empty(&kv, &err));
    ck_assert_int_eq(err, ERR_OK);
    struct raft *raft = NULL;
    ck_assert_int_eq(raft_new(&s.options, 1, 0, &kv, &raft), ERR_NOT_FOUND);
    kv_memory_fail_get(disk, 1, ERR_IO);
    ck_assert(!raft_store_is_empty(&kv, &err));
    ck_assert_int_eq(err, ERR_IO);
    kv_memory_free(disk);
    kv = kv_memory_interface(s.disk);
    ck_assert(!raft_store_is_empty(&kv, &err));
}
END_TEST

START_TEST(term_vote_log_and_configuration_are_read_back)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 3, 0);
    s.raft->leader_heard_us = 0;
    single_vote_from(&s, 3, 5, 9, 4);
    single_restart(&s);
    ck_assert_uint_eq(raft_term(s.raft), 5);
    ck_assert_uint_eq(s.raft->vote, 3);
    ck_assert_uint_eq(raft_last_index(s.raft), 4);
    ck_assert_uint_eq(raft_log_at(&s.raft->log, 4)->data->data[0], 4);
    ck_assert_uint_eq(raft_configuration(s.raft)->count, 3);
    ck_assert_str_eq(raft_configuration(s.raft)->servers[2].address, "host:1");
}
END_TEST

START_TEST(what_was_not_synced_is_gone_after_a_power_cut)
{
    s.auto_store = false;
    single_append_from(&s, 2, 2, 1, 1, TWOS, 3, 0);
    single_restart(&s);
    ck_assert_uint_eq(raft_last_index(s.raft), 1);
    ck_assert_uint_eq(raft_term(s.raft), 1);
}
END_TEST

START_TEST(a_hole_in_the_log_is_corrupt)
{
    put_entry(3, 1, 0);
    ck_assert_int_eq(load(), ERR_CORRUPT);
}
END_TEST

START_TEST(terms_that_go_back_or_beyond_the_servers_are_corrupt)
{
    put_entry(2, 9, 0);
    ck_assert_int_eq(load(), ERR_CORRUPT);
    put_entry(2, 0, 0);
    ck_assert_int_eq(load(), ERR_CORRUPT);
    put_entry(2, 1, 0);
    ck_assert_int_eq(load(), ERR_OK);
}
END_TEST

START_TEST(rows_of_unknown_shape_are_corrupt)
{
    put_entry(2, 1, 77);
    ck_assert_int_eq(load(), ERR_CORRUPT);
    put_entry(2, 1, RAFT_ENTRY_CONFIGURATION); /* without a configuration */
    ck_assert_int_eq(load(), ERR_CORRUPT);
    put_entry(2, 1, 0);
    put(RAFT_FAMILY_META, slice_of_text("snapshot"), slice_of_text("short"));
    ck_assert_int_eq(load(), ERR_CORRUPT);
}
END_TEST

START_TEST(a_damaged_term_row_is_corrupt)
{
    put(RAFT_FAMILY_META, slice_of_text("hard"), slice_of_text("?"));
    ck_assert_int_eq(load(), ERR_CORRUPT);
}
END_TEST

START_TEST(every_failing_read_is_reported)
{
    single_append_from(&s, 2, 2, 1, 1, TWOS, 3, 0);
    uint64_t n = 1;
    for (; n < 10; n++) {
        uint64_t before = kv_memory_gets(s.disk);
        kv_memory_fail_get(s.disk, n, ERR_IO);
        enum err err = load();
        if (kv_memory_gets(s.disk) - before < n)
            break;
        ck_assert_int_eq(err, ERR_IO);
    }
    ck_assert_uint_eq(n, 3); /* two gets */
    kv_memory_fail_get(s.disk, 0, ERR_OK);
    ck_assert_int_eq(load(), ERR_OK);
}
END_TEST

START_TEST(configurations_round_trip_and_damaged_ones_are_refused)
{
    struct raft_configuration configuration = {.count = BOUND_MASTERS};
    for (uint32_t i = 0; i < BOUND_MASTERS; i++) {
        configuration.servers[i].id = 100 + i;
        memset(configuration.servers[i].address, 'a' + (int)i, BOUND_ADDRESS_BYTES - i);
    }
    uint8_t bytes[RAFT_CONFIGURATION_BYTES_MAX + 1];
    size_t length = raft_configuration_encode(&configuration, bytes);
    struct raft_configuration back;
    ck_assert(raft_configuration_decode(slice_of(bytes, length), &back));
    ck_assert_int_eq(memcmp(&back, &configuration, sizeof back), 0);
    for (size_t cut = 0; cut < length; cut++)
        ck_assert(!raft_configuration_decode(slice_of(bytes, cut), &back));
    bytes[length] = 0;
    ck_assert(!raft_configuration_decode(slice_of(bytes, length + 1), &back));
    bytes[1] = BOUND_MASTERS + 1;
    ck_assert(!raft_configuration_decode(slice_of(bytes, length), &back));
    configuration.servers[1].id = 100; /* twice */
    length = raft_configuration_encode(&configuration, bytes);
    ck_assert(!raft_configuration_decode(slice_of(bytes, length), &back));
}
END_TEST

START_TEST(one_step_writes_one_batch)
{
    s.auto_store = false;
    single_append_from(&s, 2, 2, 1, 1, TWOS, 3, 0); /* term, vote and three entries */
    ck_assert_uint_eq(single_count(&s, RAFT_EFFECT_STORE), 1);
    ck_assert_uint_eq(single_effect(&s, RAFT_EFFECT_STORE, 0)->batch->count, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("raft_storage");
    TCase *tcase = tcase_create("rows");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_empty_store_is_not_bootstrapped);
    tcase_add_test(tcase, term_vote_log_and_configuration_are_read_back);
    tcase_add_test(tcase, what_was_not_synced_is_gone_after_a_power_cut);
    tcase_add_test(tcase, a_hole_in_the_log_is_corrupt);
    tcase_add_test(tcase, terms_that_go_back_or_beyond_the_servers_are_corrupt);
    tcase_add_test(tcase, rows_of_unknown_shape_are_corrupt);
    tcase_add_test(tcase, a_damaged_term_row_is_corrupt);
    tcase_add_test(tcase, every_failing_read_is_reported);
    tcase_add_test(tcase, configurations_round_trip_and_damaged_ones_are_refused);
    tcase_add_test(tcase, one_step_writes_one_batch);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
