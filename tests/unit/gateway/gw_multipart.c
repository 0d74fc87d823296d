#include "tools/gateway/multipart.h"

#include "tests/unit/base/suite.h"
#include "tools/gateway/encode.h"

static struct gw_part part_of(const char *text, enum gw_checksum_kind kind)
{
    struct gw_part part = {.checksum_kind = kind};
    struct gw_checksum *md5 = gw_checksum_new(GW_CHECKSUM_MD5);
    uint8_t value[GW_CHECKSUM_BYTES_MAX];
    gw_checksum_update(md5, slice_of_text(text));
    (void)gw_checksum_final(md5, value);
    memcpy(part.md5, value, 16);
    gw_checksum_free(md5);
    if (kind != GW_CHECKSUM_NONE) {
        struct gw_checksum *sum = gw_checksum_new(kind);
        gw_checksum_update(sum, slice_of_text(text));
        (void)gw_checksum_final(sum, part.checksum);
        gw_checksum_free(sum);
    }
    return part;
}

START_TEST(a_part_comes_back_from_its_blob)
{
    for (int i = GW_CHECKSUM_NONE; i <= GW_CHECKSUM_LAST_NAMED; i++) {
        struct gw_part part = part_of("abc", (enum gw_checksum_kind)i);
        struct gw_part back;
        uint8_t blob[GW_PART_BLOB_MAX];
        size_t length = gw_part_encode(&part, blob);
        ck_assert_uint_le(length, GW_PART_BLOB_MAX);
        gw_part_decode(slice_of(blob, length), 1, 2, 3, &back);
        ck_assert_mem_eq(&back, &part, sizeof part);
    }
}
END_TEST

START_TEST(a_foreign_or_damaged_part_still_has_an_identity)
{
    struct gw_part part = part_of("abc", GW_CHECKSUM_SHA256);
    struct gw_part back;
    struct gw_part other;
    uint8_t blob[GW_PART_BLOB_MAX];
    size_t length = gw_part_encode(&part, blob);
    gw_part_decode(slice_of("", 0), 1, 2, 3, &back);
    gw_part_decode(slice_of("", 0), 1, 2, 4, &other);
    ck_assert_mem_ne(back.md5, other.md5, 16);
    ck_assert_int_eq(back.checksum_kind, GW_CHECKSUM_NONE);
    for (size_t cut = 0; cut < length; cut++) {
        gw_part_decode(slice_of(blob, cut), 1, 2, 3, &back);
        ck_assert_int_eq(back.checksum_kind, GW_CHECKSUM_NONE);
    }
    blob[17] = GW_CHECKSUM_LAST_NAMED + 1;
    gw_part_decode(slice_of(blob, length), 1, 2, 3, &back);
    ck_assert_int_eq(back.checksum_kind, GW_CHECKSUM_NONE);
    ck_assert_mem_eq(back.md5, part.md5, 16);
}
END_TEST

/* Computed by independent code (Python's hashlib, and CRCs bit by bit) over "hello ", "wor", "ld".
 */
START_TEST(published_rules_give_the_values_of_the_object)
{
    static const struct {
        enum gw_checksum_kind kind;
        const char *full;
        const char *composite;
    } cases[] = {
        {GW_CHECKSUM_CRC32, "DUoRhQ==", "9Epnzg==-3"},
        {GW_CHECKSUM_CRC32C, "yZRlqg==", "qMOeUg==-3"},
        {GW_CHECKSUM_CRC64NVME, "jSnVw/bqjr4=", "yKJ8vD+jlII=-3"},
        {GW_CHECKSUM_SHA1, NULL, "Zu42ScqVvHjax4EmDdDWvibG/xQ=-3"},
        {GW_CHECKSUM_SHA256, NULL, "vKDmuIymAoRsSW68dLoEVGZROZBQbLTKn/ogE/z4u2k=-3"},
        {GW_CHECKSUM_NONE, "", NULL},
    };
    static const char *const pieces[] = {"hello ", "wor", "ld"};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        enum gw_checksum_type type = i % 2 == 0 ? GW_CHECKSUM_FULL_OBJECT : GW_CHECKSUM_COMPOSITE;
        const char *wanted = i % 2 == 0 ? cases[i / 2].full : cases[i / 2].composite;
        struct gw_assembly assembly;
        char etag[GW_UPLOAD_ETAG_SIZE];
        char checksum[GW_CHECKSUM_TEXT_SIZE];
        if (wanted == NULL)
            continue;
        gw_assembly_begin(&assembly, cases[i / 2].kind, type);
        for (size_t j = 0; j < 3; j++) {
            struct gw_part part = part_of(pieces[j], cases[i / 2].kind);
            gw_assembly_add(&assembly, &part, strlen(pieces[j]));
        }
        gw_assembly_end(&assembly, etag, checksum);
        ck_assert_uint_eq(assembly.size, 11);
        ck_assert_str_eq(etag, "c7b83b6e9499400fa2d28421b2940822-3");
        ck_assert_str_eq(checksum, wanted);
        gw_assembly_release(&assembly);
    }
}
END_TEST

START_TEST(a_part_without_checksum_leaves_the_object_without)
{
    for (int type = GW_CHECKSUM_FULL_OBJECT; type <= GW_CHECKSUM_COMPOSITE; type++) {
        struct gw_assembly assembly;
        char etag[GW_UPLOAD_ETAG_SIZE];
        char checksum[GW_CHECKSUM_TEXT_SIZE];
        struct gw_part with = part_of("a", GW_CHECKSUM_CRC32);
        struct gw_part without = part_of("b", GW_CHECKSUM_NONE);
        gw_assembly_begin(&assembly, GW_CHECKSUM_CRC32, (enum gw_checksum_type)type);
        gw_assembly_add(&assembly, &with, 1);
        gw_assembly_add(&assembly, &without, 1);
        gw_assembly_add(&assembly, &with, 1);
        gw_assembly_end(&assembly, etag, checksum);
        ck_assert_str_eq(checksum, "");
        gw_assembly_release(&assembly);
    }
}
END_TEST

static enum s3_error read_choices(const char *document, struct gw_choices *choices)
{
    return gw_choices_read(slice_of_text(document), choices);
}

#define MD5_A "0cc175b9c0f1b6a831c399e269772661"
#define MD5_B "92eb5ffee6ae2fec3ad71c777531578f"
#define PART(number, etag) "<Part><PartNumber>" number "</PartNumber><ETag>" etag "</ETag></Part>"
#define COMPLETE(parts) "<CompleteMultipartUpload>" parts "</CompleteMultipartUpload>"

START_TEST(etags_may_be_quoted_and_numbers_may_have_gaps)
{
    struct gw_choices choices;
    ck_assert_int_eq(
        read_choices(
            "<?xml version=\"1.0\"?><CompleteMultipartUpload "
            "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n" PART(
                "2", "&quot;" MD5_A
                     "&quot;") " <Part><ETag>" MD5_B
                               "</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32><ChecksumXXHASH3>x"
                               "</ChecksumXXHASH3><PartNumber>10000</PartNumber></Part>"
                               "</CompleteMultipartUpload>",
            &choices),
        S3_OK);
    ck_assert_uint_eq(choices.count, 2);
    ck_assert_uint_eq(choices.items[0].number, 2);
    ck_assert_uint_eq(choices.items[1].number, 10000);
    ck_assert_int_eq(choices.items[0].checksum_kind, GW_CHECKSUM_NONE);
    ck_assert_int_eq(choices.items[1].checksum_kind, GW_CHECKSUM_CRC32);
    struct gw_part a = part_of("a", GW_CHECKSUM_CRC32);
    struct gw_part b = part_of("b", GW_CHECKSUM_CRC32);
    ck_assert(gw_choice_fits(&choices.items[0], &a));
    ck_assert(!gw_choice_fits(&choices.items[0], &b));
    memcpy(b.checksum, "\xcb\xf4\x39\x26", 4);
    ck_assert(gw_choice_fits(&choices.items[1], &b));
    b.checksum[3] ^= 1;
    ck_assert(!gw_choice_fits(&choices.items[1], &b));
    b.checksum_kind = GW_CHECKSUM_NONE;
    ck_assert(!gw_choice_fits(&choices.items[1], &b));
    gw_choices_release(&choices);
}
END_TEST

START_TEST(bad_completions_are_refused)
{
    static const struct {
        const char *document;
        enum s3_error error;
    } cases[] = {
        {"", S3_MalformedXML},
        {"<CompleteMultipartUpload/>", S3_MalformedXML},
        {"<CompleteMultipartUpload>", S3_MalformedXML},
        {"<Other>" PART("1", MD5_A) "</Other>", S3_MalformedXML},
        {COMPLETE("<Part><PartNumber>1</PartNumber></Part>"), S3_MalformedXML},
        {COMPLETE("<Part><ETag>" MD5_A "</ETag></Part>"), S3_MalformedXML},
        {COMPLETE(PART("0", MD5_A)), S3_InvalidArgument},
        {COMPLETE(PART("10001", MD5_A)), S3_InvalidArgument},
        {COMPLETE(PART("-1", MD5_A)), S3_InvalidArgument},
        {COMPLETE(PART("x", MD5_A)), S3_InvalidArgument},
        {COMPLETE(PART("1", "wrong")), S3_InvalidPart},
        {COMPLETE(PART("1", "\"" MD5_A)), S3_InvalidPart},
        {COMPLETE(PART("1", "zcc175b9c0f1b6a831c399e269772661")), S3_InvalidPart},
        {COMPLETE("<Part><PartNumber>1</PartNumber><ETag>" MD5_A
                  "</ETag><ChecksumCRC32>!</ChecksumCRC32></Part>"),
         S3_InvalidPart},
        {COMPLETE(PART("2", MD5_A) PART("1", MD5_B)), S3_InvalidPartOrder},
        {COMPLETE(PART("1", MD5_A) PART("1", MD5_A)), S3_InvalidPartOrder},
        {"<!DOCTYPE a [<!ENTITY b \"c\">]>" COMPLETE(PART("1", MD5_A)), S3_MalformedXML},
        {COMPLETE(PART("1", MD5_A)), S3_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_choices choices;
        enum s3_error error = read_choices(cases[i].document, &choices);
        ck_assert_msg(error == cases[i].error, "%s: %s", cases[i].document, s3_error_code(error));
        gw_choices_release(&choices);
    }
}
END_TEST

START_TEST(ten_thousand_parts_are_the_most)
{
    for (int count = GW_PARTS_MAX; count <= GW_PARTS_MAX + 1; count++) {
        struct gw_choices choices;
        struct text text;
        text_init(&text);
        text_append(&text, "<CompleteMultipartUpload>");
        for (int i = 1; i <= count; i++)
            text_append(&text, PART("%d", MD5_A), i);
        text_append(&text, "</CompleteMultipartUpload>");
        ck_assert_int_eq(read_choices(text_cstr(&text), &choices),
                         count == GW_PARTS_MAX ? S3_OK : S3_MalformedXML);
        gw_choices_release(&choices);
        text_release(&text);
    }
}
END_TEST

START_TEST(only_crcs_are_of_the_full_object)
{
    static const struct {
        const char *algorithm;
        const char *type;
        enum s3_error error;
        enum gw_checksum_kind kind;
        enum gw_checksum_type wanted;
    } cases[] = {
        {NULL, NULL, S3_OK, GW_CHECKSUM_NONE, GW_CHECKSUM_FULL_OBJECT},
        {"CRC32", NULL, S3_OK, GW_CHECKSUM_CRC32, GW_CHECKSUM_COMPOSITE},
        {"crc32c", "FULL_OBJECT", S3_OK, GW_CHECKSUM_CRC32C, GW_CHECKSUM_FULL_OBJECT},
        {"CRC64NVME", NULL, S3_OK, GW_CHECKSUM_CRC64NVME, GW_CHECKSUM_FULL_OBJECT},
        {"SHA256", NULL, S3_OK, GW_CHECKSUM_SHA256, GW_CHECKSUM_COMPOSITE},
        {"SHA1", "COMPOSITE", S3_OK, GW_CHECKSUM_SHA1, GW_CHECKSUM_COMPOSITE},
        {"SHA1", "FULL_OBJECT", S3_InvalidRequest, GW_CHECKSUM_NONE, GW_CHECKSUM_FULL_OBJECT},
        {"CRC64NVME", "COMPOSITE", S3_InvalidRequest, GW_CHECKSUM_NONE, GW_CHECKSUM_FULL_OBJECT},
        {"CRC32", "OTHER", S3_InvalidRequest, GW_CHECKSUM_NONE, GW_CHECKSUM_FULL_OBJECT},
        {"XXHASH3", NULL, S3_InvalidRequest, GW_CHECKSUM_NONE, GW_CHECKSUM_FULL_OBJECT},
        {NULL, "COMPOSITE", S3_InvalidRequest, GW_CHECKSUM_NONE, GW_CHECKSUM_FULL_OBJECT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum gw_checksum_kind kind;
        enum gw_checksum_type type;
        const char *detail = NULL;
        ck_assert_int_eq(
            gw_upload_checksum(cases[i].algorithm, cases[i].type, &kind, &type, &detail),
            cases[i].error);
        ck_assert_int_eq(kind, cases[i].kind);
        ck_assert_int_eq(type, cases[i].wanted);
        ck_assert(cases[i].error == S3_OK || detail != NULL);
    }
}
END_TEST

SUITE_MAIN("gw_multipart", a_part_comes_back_from_its_blob,
           a_foreign_or_damaged_part_still_has_an_identity,
           published_rules_give_the_values_of_the_object,
           a_part_without_checksum_leaves_the_object_without,
           etags_may_be_quoted_and_numbers_may_have_gaps, bad_completions_are_refused,
           ten_thousand_parts_are_the_most, only_crcs_are_of_the_full_object)
