#include "tools/gateway/form.h"

#include "tests/unit/base/suite.h"

#define TYPE "multipart/form-data; boundary=XY"
#define FIELD(name, value)                                                                         \
    "--XY\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FILE_PART(name, content)                                                                   \
    "--XY\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" name                      \
    "\"\r\nContent-Type: text/plain\r\n\r\n" content "\r\n"

static struct gw_form form;

/* Feeds pieces; returns the last event, and the file's bytes in out. */
static enum gw_form_event read_form(const void *bytes, size_t length, size_t piece,
                                    struct text *out)
{
    enum gw_form_event event = GW_FORM_MORE;
    gw_form_release(&form);
    text_clear(out);
    ck_assert(gw_form_init(&form, TYPE));
    for (size_t at = 0; at < length && event != GW_FORM_BAD; at += piece) {
        struct slice input =
            slice_of((const uint8_t *)bytes + at, at + piece < length ? piece : length - at);
        struct slice data;
        do {
            event = gw_form_next(&form, &input, &data);
            if (event == GW_FORM_DATA)
                text_append_bytes(out, data);
        } while (event == GW_FORM_DATA || event == GW_FORM_FILE);
    }
    return event;
}

START_TEST(fields_and_file_are_read_in_pieces_of_any_length)
{
    const char *text = FIELD("key", "a b") FIELD("Empty", "")
        FILE_PART("f.txt", "one\r\n--X two\r\n\r\n--X\r\r\n-")
            FIELD("submit", "later") "--XY--\r\n";
    struct text out;
    text_init(&out);
    for (size_t piece = 1; piece < 120; piece++) {
        ck_assert_int_eq(read_form(text, strlen(text), piece, &out), GW_FORM_END);
        ck_assert_str_eq(text_cstr(&out), "one\r\n--X two\r\n\r\n--X\r\r\n-");
        ck_assert_uint_eq(form.field_count, 2); /* what follows the file is ignored */
        ck_assert_str_eq(gw_form_field(&form, "KEY"), "a b");
        ck_assert_str_eq(gw_form_field(&form, "empty"), "");
        ck_assert_str_eq(form.filename, "f.txt");
    }
    gw_form_release(&form);
    text_release(&out);
}
END_TEST

START_TEST(an_empty_file_is_a_file)
{
    struct text out;
    text_init(&out);
    const char *text = FILE_PART("", "") "--XY--";
    ck_assert_int_eq(read_form(text, strlen(text), 7, &out), GW_FORM_END);
    ck_assert_str_eq(form.filename, "");
    ck_assert_uint_eq(out.length, 0);
    gw_form_release(&form);
    text_release(&out);
}
END_TEST

static void named(const char *written, const char *meant)
{
    struct text text;
    struct text out;
    text_init(&text);
    text_init(&out);
    text_append(&text,
                "--XY\r\ncontent-disposition:form-data; filename=\"%s\"; name=file\r\n\r\n\r\n"
                "--XY--",
                written);
    ck_assert_msg(read_form(text.data, text.length, 1000, &out) == GW_FORM_END, "%s", written);
    ck_assert_str_eq(form.filename, meant);
    text_release(&text);
    text_release(&out);
}

START_TEST(file_names_are_what_the_browser_meant)
{
    named("a b.txt", "a b.txt");
    named("say \\\"hi\\\".txt", "say \"hi\".txt");
    named("say %22hi%22.txt", "say \"hi\".txt");
    named("100%.txt", "100%.txt");
    named("%2e%0d%0A", "%2e\r\n");
    named("C:\\dir\\name.txt", "name.txt");
    named("/dir/name.txt", "name.txt");
    named("; name=other", "; name=other");
    named("d\xc3\xa4.txt", "d\xc3\xa4.txt");
}
END_TEST

static void refused(const char *text)
{
    struct text out;
    text_init(&out);
    for (size_t piece = 1; piece < 5; piece++)
        ck_assert_msg(read_form(text, strlen(text), piece, &out) == GW_FORM_BAD, "%s", text);
    text_release(&out);
}

START_TEST(malformed_forms_are_refused)
{
    refused("preamble\r\n--XY\r\n");
    refused("--XYZ");
    refused("--XY\nContent-Disposition: form-data; name=\"a\"\n\n\n--XY--");
    refused("--XY\r\nContent-Disposition: form-data\r\n\r\n");
    refused("--XY\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n");
    refused("--XY\r\nX: y\r\n\r\nbody\r\n--XY--");
    refused("--XY\r\n\r\nbody\r\n--XY--");
    refused("--XY-+");
    refused("--XY\r\nContent-Disposition: form-data; name=\"a\"\n\r\n\r\n");
}
END_TEST

START_TEST(a_form_that_is_cut_does_not_end)
{
    struct text out;
    text_init(&out);
    const char *text = FIELD("a", "b") FILE_PART("f", "content") "--XY--";
    for (size_t length = 0; length < strlen(text); length++)
        ck_assert_int_ne(read_form(text, length, 1000, &out), GW_FORM_END);
    text_release(&out);
}
END_TEST

START_TEST(fields_are_bounded)
{
    struct text text;
    struct text out;
    text_init(&text);
    text_init(&out);
    for (int i = 0; i <= GW_FORM_FIELDS_MAX; i++)
        text_append(&text, FIELD("a", "b"));
    ck_assert_int_eq(read_form(text.data, text.length, 1000, &out), GW_FORM_BAD);
    text_clear(&text);
    text_append(&text, "--XY\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n");
    for (int i = 0; i <= GW_FORM_FIELD_BYTES_MAX; i++)
        text_append(&text, "x");
    ck_assert_int_eq(read_form(text.data, text.length, 1000, &out), GW_FORM_BAD);
    text_clear(&text);
    text_append(&text, "--XY\r\n");
    for (int i = 0; i <= GW_FORM_HEADER_BYTES_MAX / 4; i++)
        text_append(&text, "a:\r\n");
    ck_assert_int_eq(read_form(text.data, text.length, 1000, &out), GW_FORM_BAD);
    static const char nul[] = "--XY\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\na\0b\r\n";
    ck_assert_int_eq(read_form(nul, sizeof nul - 1, 1000, &out), GW_FORM_BAD); /* in a field */
    text_release(&text);
    text_release(&out);
}
END_TEST

START_TEST(the_boundary_has_to_be_good)
{
    static const char *const bad[] = {
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=a\x01",
        "multipart/mixed; boundary=a",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!gw_form_init(&form, bad[i]), "%s", bad[i]);
        gw_form_release(&form);
    }
    char type[128] = "multipart/form-data; boundary=";
    memset(type + strlen(type), 'x', GW_FORM_BOUNDARY_MAX);
    ck_assert(gw_form_init(&form, type));
    gw_form_release(&form);
    type[strlen(type)] = 'x';
    ck_assert(!gw_form_init(&form, type));
    gw_form_release(&form);
    ck_assert(gw_form_init(&form, "Multipart/Form-Data;charset=utf-8; Boundary=\"a b\"; x=y"));
    ck_assert_str_eq(form.delimiter, "\r\n--a b");
    gw_form_release(&form);
}
END_TEST

SUITE_MAIN("gw_form", fields_and_file_are_read_in_pieces_of_any_length, an_empty_file_is_a_file,
           file_names_are_what_the_browser_meant, malformed_forms_are_refused,
           a_form_that_is_cut_does_not_end, fields_are_bounded, the_boundary_has_to_be_good)
