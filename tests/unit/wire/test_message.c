#include <check.h>
#include <stdlib.h>

#include "base/text.h"
#include "tests/lib/wire_random.h"
#include "wire/schema.h"

START_TEST(every_type_has_a_name_and_a_schema)
{
    uint32_t count;
    const enum wire_type *types = wire_types(&count);
    ck_assert_uint_gt(count, 30);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert(wire_type_is_valid(types[i]));
        ck_assert_str_ne(wire_type_name(types[i]), "UNKNOWN");
        ck_assert_uint_gt(wire_schema_of(types[i])->field_count, 0);
    }
    ck_assert(!wire_type_is_valid(WIRE_NONE));
    ck_assert(!wire_type_is_valid(9));
    ck_assert(!wire_type_is_valid(4000000000u));
    ck_assert_str_eq(wire_type_name(9), "UNKNOWN");
    ck_assert_str_eq(wire_type_name(WIRE_PUT), "PUT");
}
END_TEST

START_TEST(schema_offsets_name_the_struct_members)
{
    const struct wire_schema *schema = wire_schema_of(WIRE_LIST);
    struct wire_list list = {.limit = 77, .chains_count = 3};
    const struct wire_field *limit = &schema->fields[6];
    const struct wire_field *chains = &schema->fields[7];
    ck_assert_str_eq(limit->name, "limit");
    ck_assert_uint_eq(*(const uint32_t *)wire_field_const(&list, limit), 77);
    ck_assert_str_eq(chains->name, "chains");
    ck_assert_uint_eq(wire_field_count(&list, chains), 3);
    ck_assert_uint_eq(chains->max, BOUND_CHAINS);
    ck_assert_str_eq(chains->type()->name, "chain_at");
}
END_TEST

START_TEST(copy_is_deep_and_equal)
{
    struct prng prng;
    prng_init(&prng, 7);
    uint32_t count;
    const enum wire_type *types = wire_types(&count);
    for (uint32_t i = 0; i < count; i++) {
        struct wire_message message;
        struct wire_message reference;
        struct wire_message copy;
        struct prng again = prng;
        wire_random_message(&prng, types[i], 12, &message);
        wire_random_message(&again, types[i], 12, &reference);
        message.payload = buf_copy(slice_of_text("payload"));
        reference.payload = buf_ref(message.payload);
        wire_message_copy(&message, &copy);
        ck_assert_ptr_eq(copy.payload, message.payload);
        wire_message_release(&message); /* the copy must not need it */
        ck_assert(wire_message_equal(&copy, &reference));
        wire_message_release(&copy);
        wire_message_release(&reference);
    }
}
END_TEST

START_TEST(copy_without_references_takes_no_memory)
{
    struct wire_message message = {.type = WIRE_MARK, .u.mark = {.chain = 3, .stable = 9}};
    struct wire_message copy;
    wire_message_copy(&message, &copy);
    ck_assert_ptr_null(copy.backing);
    ck_assert_uint_eq(copy.u.mark.stable, 9);
    wire_message_release(&copy);
}
END_TEST

START_TEST(request_is_found_where_there_is_one)
{
    struct wire_message put = {.type = WIRE_PUT, .u.put = {.request = 41}};
    struct wire_message mark = {.type = WIRE_MARK, .u.mark = {.chain = 41}};
    struct wire_message beat = {.type = WIRE_BEAT_REPLY, .u.beat_reply = {.beat = 41}};
    ck_assert_uint_eq(wire_message_request(&put), 41);
    ck_assert_uint_eq(wire_message_request(&mark), 0);
    ck_assert_uint_eq(wire_message_request(&beat), 0);
}
END_TEST

START_TEST(print_is_one_readable_line)
{
    struct wire_message message = {
        .type = WIRE_GET,
        .u.get = {.request = 5, .chain = 3, .key = slice_of_text("a\"\n"), .want_value = true},
    };
    struct text text;
    text_init(&text);
    wire_message_print(&message, &text);
    ck_assert_str_eq(text_cstr(&text), "GET request=5 chain=3 epoch=0 map_version=0 bucket=0 "
                                       "key=\"a\\x22\\x0a\" want_value=yes");
    text_release(&text);
}
END_TEST

START_TEST(print_shows_nested_structs_and_payload_size_only)
{
    struct wire_member member = {.node = 2, .incarnation = 8};
    struct wire_row row = {.chain = 1, .members = &member, .members_count = 1};
    struct wire_message message = {.type = WIRE_DECIDED, .u.decided = {.row = row}};
    message.payload = buf_copy(slice_of_text("secret"));
    struct text text;
    text_init(&text);
    wire_message_print(&message, &text);
    ck_assert_ptr_nonnull(strstr(text_cstr(&text), "members=[{node=2 incarnation=8}]"));
    ck_assert_ptr_nonnull(strstr(text_cstr(&text), " payload=6B"));
    ck_assert_ptr_null(strstr(text_cstr(&text), "secret"));
    text_release(&text);
    wire_message_release(&message);
}
END_TEST

START_TEST(print_hides_metadata_and_log_entries)
{
    struct wire_raft_entry entry = {.term = 1, .data = slice_of_text("hidden")};
    struct wire_message message = {.type = WIRE_RAFT_APPEND,
                                   .u.raft_append = {.entries = &entry, .entries_count = 1}};
    struct text text;
    text_init(&text);
    wire_message_print(&message, &text);
    ck_assert_ptr_null(strstr(text_cstr(&text), "hidden"));
    ck_assert_ptr_nonnull(strstr(text_cstr(&text), "data=6B"));
    text_release(&text);
}
END_TEST

START_TEST(print_of_every_random_message_has_no_newline)
{
    struct prng prng;
    prng_init(&prng, 3);
    for (unsigned i = 0; i < 300; i++) {
        struct wire_message message;
        wire_random_message(&prng, wire_random_type(&prng), 40, &message);
        struct text text;
        text_init(&text);
        wire_message_print(&message, &text);
        ck_assert_ptr_null(strchr(text_cstr(&text), '\n'));
        ck_assert_uint_eq(strlen(text_cstr(&text)), text.length);
        text_release(&text);
        wire_message_release(&message);
    }
}
END_TEST

START_TEST(backing_grows_and_keeps_buffers)
{
    struct buf *buf = buf_copy(slice_of_text("kept"));
    struct wire_backing *backing = wire_backing_new(0);
    for (size_t i = 0; i < 200; i++) {
        uint8_t *memory = wire_backing_alloc(backing, i * 13);
        memset(memory, (int)i, i * 13);
        ck_assert_uint_eq((uintptr_t)memory % _Alignof(max_align_t), 0);
    }
    wire_backing_keep(backing, buf);
    ck_assert_uint_eq(atomic_load(&buf->references), 2);
    wire_backing_free(backing);
    ck_assert_uint_eq(atomic_load(&buf->references), 1);
    buf_unref(buf);
    wire_backing_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message");
    TCase *tcase = tcase_create("message");
    tcase_add_test(tcase, every_type_has_a_name_and_a_schema);
    tcase_add_test(tcase, schema_offsets_name_the_struct_members);
    tcase_add_test(tcase, copy_is_deep_and_equal);
    tcase_add_test(tcase, copy_without_references_takes_no_memory);
    tcase_add_test(tcase, request_is_found_where_there_is_one);
    tcase_add_test(tcase, print_is_one_readable_line);
    tcase_add_test(tcase, print_shows_nested_structs_and_payload_size_only);
    tcase_add_test(tcase, print_hides_metadata_and_log_entries);
    tcase_add_test(tcase, print_of_every_random_message_has_no_newline);
    tcase_add_test(tcase, backing_grows_and_keeps_buffers);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
