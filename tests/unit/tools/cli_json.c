#include "tools/catena/json.h"

#include <string.h>

#include "tests/unit/base/suite.h"

static char *written(void (*write)(struct json *json))
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    struct json json;
    json_begin(&json, out);
    write(&json);
    json_finish(&json);
    (void)fclose(out);
    return text;
}

static void write_everything(struct json *json)
{
    json_text(json, "text", "a \"quoted\" \\ line\n");
    json_bytes(json, "bytes", "\xff\xc3\xa4", 3);
    json_number(json, "number", UINT64_MAX);
    json_bool(json, "yes", true);
    json_bool(json, "no", false);
    json_text(json, "nothing", NULL);
    json_array(json, "empty");
    json_end(json);
    json_array(json, "list");
    json_object(json, NULL);
    json_number(json, "one", 1);
    json_end(json);
    json_object(json, NULL);
    json_end(json);
}

START_TEST(what_is_written_can_be_read)
{
    char *text = written(write_everything);
    struct json_value *root = json_read(text);
    ck_assert_ptr_nonnull(root);
    ck_assert_str_eq(json_member(root, "text", JSON_TEXT)->text, "a \"quoted\" \\ line\n");
    ck_assert_str_eq(json_member(root, "bytes", JSON_TEXT)->text, "\xef\xbf\xbd\xc3\xa4");
    ck_assert_uint_eq(json_member(root, "number", JSON_NUMBER)->number, UINT64_MAX);
    ck_assert_uint_eq(json_member(root, "yes", JSON_BOOL)->number, 1);
    ck_assert_uint_eq(json_member(root, "no", JSON_BOOL)->number, 0);
    ck_assert_ptr_nonnull(json_member(root, "nothing", JSON_NULL));
    ck_assert_ptr_null(json_member(root, "empty", JSON_ARRAY)->first);
    const struct json_value *first = json_member(root, "list", JSON_ARRAY)->first;
    ck_assert_uint_eq(json_member(first, "one", JSON_NUMBER)->number, 1);
    ck_assert_int_eq(first->next->kind, JSON_OBJECT);
    ck_assert_ptr_null(first->next->next);
    json_value_free(root);
    free(text);
}
END_TEST

START_TEST(member_of_another_kind_is_not_found)
{
    struct json_value *root = json_read("{\"a\": 1}");
    ck_assert_ptr_null(json_member(root, "a", JSON_TEXT));
    ck_assert_ptr_null(json_member(root, "b", JSON_NUMBER));
    ck_assert_ptr_null(json_member(NULL, "a", JSON_NUMBER));
    json_value_free(root);
}
END_TEST

/* cluster.json cut at any byte, as after a crash of something else that wrote it. */
START_TEST(every_truncation_is_refused)
{
    char *text = written(write_everything);
    size_t length = strlen(text) - 1; /* without the last newline */
    for (size_t cut = 0; cut < length; cut++) {
        char *copy = strndup(text, cut);
        ck_assert_msg(json_read(copy) == NULL, "cut at %zu", cut);
        free(copy);
    }
    free(text);
}
END_TEST

START_TEST(what_is_not_json_is_refused)
{
    static const char *const bad[] = {
        "",
        "{",
        "}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "[1,]",
        "[1 2]",
        "{} x",
        "\"\\q\"",
        "\"\n\"",
        "-1",
        "1.5",
        "nul",
        "truex",
        "\"\\u0000\"",
        "\"\\u12\"",
        "99999999999999999999",
        "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(json_read(bad[i]) == NULL, "%s", bad[i]);
}
END_TEST

SUITE_MAIN("cli_json", what_is_written_can_be_read, member_of_another_kind_is_not_found,
           every_truncation_is_refused, what_is_not_json_is_refused)
