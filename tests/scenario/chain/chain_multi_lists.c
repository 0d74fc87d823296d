/* Listings of multipart uploads, of their parts, and of objects with their metadata (D18, R18, D2).
 */
#include <stdlib.h>

#include "tests/scenario/chain/chain_assert.h"
#include "tests/scenario/chain/world_multi.h"
#include "wire/codec/codec.h"

static struct world *world;

static void set_up(void)
{
    world = world_new(3, 2);
    world_row_push(world, 0, "123", 0);
    world_row_push(world, 1, "123", 0);
    world_run(world);
    world_advance(world, 200000);
}

static void tear_down(void)
{
    world_free(world);
}

/* ---- parts ---- */

static const struct wire_parts_listed *parts_of(uint64_t request)
{
    world_run(world);
    const struct wire_message *reply = world_reply(world, request);
    ck_assert_ptr_nonnull(reply);
    if (reply->type == WIRE_REFUSED)
        ck_abort_msg("refused: %s", err_name((enum err)reply->u.refused.err));
    ck_assert_int_eq(reply->type, WIRE_PARTS_LISTED);
    return &reply->u.parts_listed;
}

START_TEST(parts_are_listed_by_number_in_pages)
{
    world_open(world, 0, "big", 7);
    static const uint32_t numbers[] = {10000, 2, 255, 256, 1};
    for (uint32_t i = 0; i < 5; i++)
        world_part(world, 0, "big", 7, numbers[i], 100 + numbers[i], "aa");
    world_run(world);
    const struct wire_parts_listed *all = parts_of(world_parts(world, 0, "big", 7, 0, 0));
    ck_assert_uint_eq(all->parts_count, 5);
    ck_assert(!all->truncated);
    ck_assert(slice_equal(all->meta, slice_of_text("opened")));
    ck_assert_uint_gt(all->mtime_ms, 0);
    static const uint32_t sorted[] = {1, 2, 255, 256, 10000};
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_eq(all->parts[i].number, sorted[i]);
    ck_assert_uint_eq(all->parts[0].size, 2);
    ck_assert(slice_equal(all->parts[0].meta, slice_of_text("p")));
    const struct wire_parts_listed *page = parts_of(world_parts(world, 0, "big", 7, 1, 2));
    ck_assert_uint_eq(page->parts_count, 2);
    ck_assert_uint_eq(page->parts[0].number, 2);
    ck_assert(page->truncated);
    page = parts_of(world_parts(world, 0, "big", 7, 256, 1));
    ck_assert_uint_eq(page->parts[0].number, 10000);
    ck_assert(!page->truncated);
    page = parts_of(world_parts(world, 0, "big", 7, 10000, 0));
    ck_assert_uint_eq(page->parts_count, 0);
    page = parts_of(world_parts(world, 0, "big", 7, UINT32_MAX, 0));
    ck_assert_uint_eq(page->parts_count, 0);
}
END_TEST

START_TEST(the_parts_of_no_upload_are_not_an_empty_list)
{
    uint64_t list = world_parts(world, 0, "big", 7, 0, 0);
    world_run(world);
    assert_refused(world, list, ERR_UPLOAD_GONE);
}
END_TEST

START_TEST(a_committed_part_is_listed_before_it_is_in_the_rows)
{
    world_open(world, 0, "big", 7);
    world_advance(world, 300000);
    uint64_t part = world_part(world, 0, "big", 7, 1, 100, "aa");
    uint64_t list = 0;
    for (unsigned i = 0; list == 0 && i < 100; i++) {
        (void)world_step_message(world);
        world_flush(world);
        for (uint32_t node = 1; node <= 3; node++)
            world_complete_store(world, node);
        if (world_reply(world, part) != NULL)
            list = world_parts(world, 0, "big", 7, 0, 0);
    }
    ck_assert_uint_ne(list, 0);
    ck_assert_uint_eq(parts_of(list)->parts_count, 1);
}
END_TEST

START_TEST(parts_are_listed_under_a_lease_only)
{
    world_open(world, 0, "big", 7);
    world_run(world);
    world->are_leases_off = true;
    world_advance(world, 2000000);
    assert_refused(world, world_parts(world, 0, "big", 7, 0, 0), ERR_NO_LEASE);
}
END_TEST

START_TEST(only_the_tail_lists_parts)
{
    world_open(world, 0, "big", 7);
    world_run(world);
    struct wire_message message = {.type = WIRE_PARTS_LIST};
    message.u.parts_list = (struct wire_parts_list){
        .request = 900,
        .epoch = world->rows[0].epoch,
        .map_version = world->version,
        .bucket = WORLD_BUCKET,
        .key = slice_of_text("big"),
        .multi_low = 7,
    };
    world_client(world, 2, 1, &message);
    assert_refused(world, 900, ERR_WRONG_ROLE);
}
END_TEST

/* ---- uploads ---- */

static const struct wire_listed *listed(struct wire_list list)
{
    uint64_t request = world_list_by(world, 3, list);
    world_run(world);
    const struct wire_message *reply = world_reply(world, request);
    ck_assert_ptr_nonnull(reply);
    if (reply->type == WIRE_REFUSED)
        ck_abort_msg("refused: %s", err_name((enum err)reply->u.refused.err));
    ck_assert_int_eq(reply->type, WIRE_LISTED);
    return &reply->u.listed;
}

static void assert_item(const struct wire_listed *page, uint32_t at, struct slice key, uint64_t id)
{
    ck_assert_uint_lt(at, page->items_count);
    ck_assert(slice_equal(page->items[at].key, key));
    ck_assert_uint_eq(page->items[at].multi_low, id);
}

/* A key of the bytes before the zero, then zero bytes. */
static struct slice zeros(const char *text, size_t count, char *bytes)
{
    size_t length = strlen(text);
    memcpy(bytes, text, length);
    memset(bytes + length, 0, count);
    return slice_of((const uint8_t *)bytes, length + count);
}

static void open_key(uint32_t chain, struct slice key, uint64_t id)
{
    struct wire_put put = {
        .key = key, .step = WIRE_PUT_OPEN, .multi_low = id, .meta = slice_of_text("opened")};
    uint64_t request = world_send_put(world, chain, put, NULL);
    world_run(world);
    assert_outcome(world, request, ERR_OK);
}

START_TEST(uploads_are_listed_by_key_and_id_over_all_chains)
{
    char zero[16];
    char zeros_two[16];
    open_key(1, slice_of_text("b"), 5);
    open_key(0, slice_of_text("a"), 9);
    open_key(0, slice_of_text("a"), 3);
    open_key(1, zeros("a", 1, zero), 4);
    open_key(0, zeros("a", 2, zeros_two), 8);
    open_key(0, slice_of_text("a\x01"), 2);
    open_key(0, slice_of_text("\xf4\x8f\xbf\xbf"), 6);
    world_part(world, 0, "a", 3, 1, 100, "xx");
    world_part(world, 0, "a", 3, 2, 101, "xx");
    world_run(world);
    const struct wire_listed *all = listed((struct wire_list){.uploads = true});
    ck_assert_uint_eq(all->items_count, 7);
    ck_assert(!all->truncated);
    assert_item(all, 0, slice_of_text("a"), 3);
    assert_item(all, 1, slice_of_text("a"), 9);
    assert_item(all, 2, zeros("a", 1, zero), 4);
    assert_item(all, 3, zeros("a", 2, zeros_two), 8);
    assert_item(all, 4, slice_of_text("a\x01"), 2);
    assert_item(all, 5, slice_of_text("b"), 5);
    assert_item(all, 6, slice_of_text("\xf4\x8f\xbf\xbf"), 6);
    ck_assert(slice_equal(all->items[0].meta, slice_of_text("opened")));
    ck_assert_uint_gt(all->items[0].mtime_ms, 0);
    ck_assert_uint_eq(listed((struct wire_list){.prefix = slice_of_text("")})->items_count, 0);
}
END_TEST

START_TEST(a_page_of_uploads_goes_on_after_key_and_id)
{
    for (uint64_t id = 1; id <= 4; id++)
        open_key(0, slice_of_text("a"), id);
    open_key(1, slice_of_text("b"), 1);
    const struct wire_listed *page = listed((struct wire_list){.uploads = true, .limit = 2});
    ck_assert_uint_eq(page->items_count, 2);
    ck_assert(page->truncated);
    assert_item(page, 1, slice_of_text("a"), 2);
    struct wire_list next = {
        .uploads = true, .start_after = slice_of_text("a"), .after_low = 2, .limit = 3};
    page = listed(next);
    ck_assert_uint_eq(page->items_count, 3);
    assert_item(page, 0, slice_of_text("a"), 3);
    assert_item(page, 2, slice_of_text("b"), 1);
    ck_assert(!page->truncated);
    next.after_low = 0; /* after all uploads of the key */
    page = listed(next);
    ck_assert_uint_eq(page->items_count, 1);
    assert_item(page, 0, slice_of_text("b"), 1);
}
END_TEST

START_TEST(uploads_are_folded_by_a_delimiter_and_cut_by_a_prefix)
{
    open_key(0, slice_of_text("a/1"), 1);
    open_key(1, slice_of_text("a/2"), 2);
    open_key(0, slice_of_text("b"), 3);
    open_key(1, slice_of_text("c/x"), 4);
    const struct wire_listed *page =
        listed((struct wire_list){.uploads = true, .delimiter = slice_of_text("/")});
    ck_assert_uint_eq(page->items_count, 3);
    assert_item(page, 0, slice_of_text("a/"), 0);
    assert_item(page, 1, slice_of_text("b"), 3);
    assert_item(page, 2, slice_of_text("c/"), 0);
    page = listed((struct wire_list){
        .uploads = true, .delimiter = slice_of_text("/"), .start_after = slice_of_text("a/")});
    ck_assert_uint_eq(page->items_count, 2);
    page = listed((struct wire_list){.uploads = true, .prefix = slice_of_text("a/")});
    ck_assert_uint_eq(page->items_count, 2);
    static const uint8_t wild[] = {'a', 0xff};
    page = listed((struct wire_list){.uploads = true, .prefix = slice_of(wild, 2)});
    ck_assert_uint_eq(page->items_count, 0);
    page = listed((struct wire_list){.uploads = true, .start_after = slice_of(wild, 2)});
    ck_assert_uint_eq(page->items_count, 2);
}
END_TEST

/* ---- metadata ---- */

static void put_with_meta(uint32_t number, size_t meta_bytes)
{
    char key[16];
    (void)text_format(key, sizeof key, "key%04u", number);
    uint8_t meta[BOUND_META_BYTES];
    memset(meta, 'm', sizeof meta);
    meta[0] = (uint8_t)number;
    struct wire_put put = {.key = slice_of_text(key), .meta = slice_of(meta, meta_bytes)};
    put.checksum = 0x2d06800538d394c2u; /* XXH3-64 of nothing */
    uint64_t request = world_send_put(world, number % 2, put, NULL);
    world_run(world);
    assert_outcome(world, request, ERR_OK);
}

START_TEST(metadata_is_listed_when_it_is_asked_for)
{
    put_with_meta(1, 10);
    put_with_meta(2, 0);
    const struct wire_listed *page = listed((struct wire_list){.want_meta = true});
    ck_assert_uint_eq(page->items_count, 2);
    ck_assert_uint_eq(page->items[0].meta.length, 10);
    ck_assert_uint_eq(page->items[0].meta.data[0], 1);
    ck_assert_uint_eq(page->items[1].meta.length, 0);
    page = listed((struct wire_list){.want_meta = false});
    ck_assert_uint_eq(page->items[0].meta.length, 0);
}
END_TEST

START_TEST(a_page_that_would_not_fit_one_message_is_cut)
{
    enum { COUNT = 300 };
    for (uint32_t number = 0; number < COUNT; number++)
        put_with_meta(number, BOUND_META_BYTES);
    char after[16] = "";
    uint32_t seen = 0;
    bool is_truncated = true;
    for (unsigned pages = 0; is_truncated; pages++) {
        uint64_t request = world_list_by(
            world, 3, (struct wire_list){.want_meta = true, .start_after = slice_of_text(after)});
        world_run(world);
        const struct wire_message *reply = world_reply(world, request);
        ck_assert_int_eq(reply->type, WIRE_LISTED);
        struct buf *header;
        ck_assert_int_eq(wire_encode_buf(reply, &header), ERR_OK);
        buf_unref(header);
        const struct wire_listed *page = &reply->u.listed;
        ck_assert(!page->truncated || page->items_count > 100);
        const struct wire_list_item *last = &page->items[page->items_count - 1];
        memcpy(after, last->key.data, last->key.length);
        seen += page->items_count;
        is_truncated = page->truncated;
        ck_assert_uint_lt(pages, 4);
    }
    ck_assert_uint_eq(seen, COUNT);
}
END_TEST

START_TEST(the_part_count_is_listed)
{
    world_open(world, 0, "big", 7);
    world_part(world, 0, "big", 7, 1, 100, "aaaa");
    world_part(world, 0, "big", 7, 2, 101, "bb");
    world_complete(world, 0, "big", 7, (const uint32_t[]){1, 2, 0});
    world_put(world, 1, "small", "value");
    world_run(world);
    const struct wire_listed *page = listed((struct wire_list){.want_meta = true});
    ck_assert_uint_eq(page->items_count, 2);
    ck_assert_uint_eq(page->items[0].part_count, 2);
    ck_assert_uint_eq(page->items[0].size, 6);
    ck_assert(slice_equal(page->items[0].meta, slice_of_text("completed")));
    ck_assert_uint_eq(page->items[1].part_count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_multi_lists");
    TCase *tests = tcase_create("chain_multi_lists");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, parts_are_listed_by_number_in_pages);
    tcase_add_test(tests, the_parts_of_no_upload_are_not_an_empty_list);
    tcase_add_test(tests, a_committed_part_is_listed_before_it_is_in_the_rows);
    tcase_add_test(tests, parts_are_listed_under_a_lease_only);
    tcase_add_test(tests, only_the_tail_lists_parts);
    tcase_add_test(tests, uploads_are_listed_by_key_and_id_over_all_chains);
    tcase_add_test(tests, a_page_of_uploads_goes_on_after_key_and_id);
    tcase_add_test(tests, uploads_are_folded_by_a_delimiter_and_cut_by_a_prefix);
    tcase_add_test(tests, metadata_is_listed_when_it_is_asked_for);
    tcase_add_test(tests, a_page_that_would_not_fit_one_message_is_cut);
    tcase_add_test(tests, the_part_count_is_listed);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
