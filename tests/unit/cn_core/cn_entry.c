/* The log in memory and its indexes. */
#include <check.h>
#include <stdlib.h>

#include "chainnode/core/cn_internal.h"
#include "tests/lib/kv_memory.h"

static struct kv_memory *store;
static struct kv kv;
static struct cn_core *core;
static struct cn_chain *chain;

static void set_up(void)
{
    store = kv_memory_new(CN_FAMILY_COUNT);
    kv = kv_memory_interface(store);
    struct cn_options options = {.node = 1, .incarnation = 1, .heartbeat_us = 1, .idle_us = 1};
    ck_assert_int_eq(cn_core_new(&options, 1, 1, &kv, &core), ERR_OK);
    chain = cn_chain_make(core, 2);
}

static void tear_down(void)
{
    cn_core_free(core);
    kv_memory_free(store);
}

static struct cn_entry *append(enum wire_entry_kind kind, const char *key, uint64_t seq)
{
    struct wire_forward f = {
        .chain = 2,
        .kind = (uint8_t)kind,
        .previous = chain->applied,
        .origin = {.epoch = 1, .lsn = chain->applied.lsn + 1},
        .session = 7,
        .seq = seq,
        .bucket = 1,
        .key = slice_of_text(key),
        .upload_low = kind == WIRE_ENTRY_STAGE ? 9 : 0,
        .chunk_count = (uint32_t)seq,
    };
    struct cn_entry *entry = cn_entry_new(&f, NULL);
    cn_entry_append(core, chain, entry);
    return entry;
}

START_TEST(the_newest_entry_of_a_key_up_to_a_position_is_found)
{
    struct cn_entry *first = append(WIRE_ENTRY_PUT, "a", 1);
    append(WIRE_ENTRY_PUT, "b", 2);
    struct cn_entry *last = append(WIRE_ENTRY_DELETE, "a", 3);
    append(WIRE_ENTRY_NOTE, "a", 4); /* a refusal has no effect on the key */
    struct slice key = slice_of_text("a");
    ck_assert_ptr_eq(cn_index_key(core, chain, 1, key, UINT64_MAX), last);
    ck_assert_ptr_eq(cn_index_key(core, chain, 1, key, 2), first);
    ck_assert_ptr_null(cn_index_key(core, chain, 1, key, 0));
    ck_assert_ptr_null(cn_index_key(core, chain, 2, key, UINT64_MAX));
    ck_assert_ptr_null(cn_index_key(core, chain, 1, slice_of_text("ab"), UINT64_MAX));
}
END_TEST

START_TEST(entries_are_found_by_session_and_by_chunk)
{
    struct cn_entry *stage = append(WIRE_ENTRY_STAGE, "a", 5);
    ck_assert_ptr_eq(cn_index_session(core, chain, 7, 5), stage);
    ck_assert_ptr_null(cn_index_session(core, chain, 7, 6));
    ck_assert_ptr_eq(cn_index_stage(core, chain, 0, 9, 5), stage);
    ck_assert_ptr_null(cn_index_stage(core, chain, 0, 9, 4));
    ck_assert_ptr_eq(cn_index_upload(core, chain, 0, 9, UINT64_MAX), stage);
    ck_assert_ptr_null(cn_index_upload(core, chain, 1, 9, UINT64_MAX));
}
END_TEST

START_TEST(trimming_and_dropping_leave_exact_counts)
{
    for (uint64_t i = 0; i < 200; i++)
        append(WIRE_ENTRY_PUT, i % 2 ? "a" : "b", i + 1);
    ck_assert_uint_eq(chain->bytes, core->bytes);
    chain->settled = (struct origin){.epoch = 1, .lsn = 150};
    cn_entries_trim(core, chain);
    ck_assert_uint_eq(chain->trimmed.lsn, 150);
    ck_assert_ptr_null(cn_entry_at(chain, 150));
    ck_assert_uint_eq(cn_entry_at(chain, 151)->f.origin.lsn, 151);
    ck_assert_ptr_null(cn_entry_at(chain, 201));
    ck_assert_ptr_null(cn_index_key(core, chain, 1, slice_of_text("a"), 150));
    cn_entries_drop(core, chain);
    ck_assert_uint_eq(chain->bytes, 0);
    ck_assert_uint_eq(core->bytes, 0);
    ck_assert_uint_eq(chain->applied.lsn, 150);
    for (unsigned kind = 0; kind < CN_INDEX_COUNT; kind++)
        ck_assert_uint_eq(core->keys[kind].count, 0);
}
END_TEST

START_TEST(a_waiter_is_added_once)
{
    struct cn_entry *entry = append(WIRE_ENTRY_PUT, "a", 1);
    cn_entry_add_waiter(entry, 1, 2);
    cn_entry_add_waiter(entry, 1, 2);
    cn_entry_add_waiter(entry, 1, 3);
    ck_assert_ptr_nonnull(entry->waiters->next);
    ck_assert_ptr_null(entry->waiters->next->next);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cn_entry");
    TCase *tests = tcase_create("cn_entry");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_newest_entry_of_a_key_up_to_a_position_is_found);
    tcase_add_test(tests, entries_are_found_by_session_and_by_chunk);
    tcase_add_test(tests, trimming_and_dropping_leave_exact_counts);
    tcase_add_test(tests, a_waiter_is_added_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
