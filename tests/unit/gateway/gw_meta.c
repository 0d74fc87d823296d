#include "tools/gateway/meta.h"

#include "tests/unit/base/suite.h"

START_TEST(headers_come_back_from_the_blob)
{
    const struct gw_header headers[] = {
        {"Content-Type", "text/plain"},     {"content-encoding", "aws-chunked, gzip"},
        {"Cache-Control", "no-cache"},      {"X-Amz-Meta-Mtime", "1.5"},
        {"x-amz-meta-name", "caf\xc3\xa9"}, {"x-amz-date", "ignored"},
        {"x-amz-meta-mtime", "again"},
    };
    struct gw_request request = {.headers = headers, .header_count = 7};
    struct gw_meta meta;
    struct gw_meta back;
    uint8_t blob[GW_META_BYTES_MAX];
    size_t length = 0;
    ck_assert_int_eq(gw_meta_from_headers(&request, &meta), S3_OK);
    (void)text_format(meta.etag, sizeof meta.etag, "900150983cd24fb0d6963f7d28e17f72");
    meta.checksum_kind = GW_CHECKSUM_CRC32C;
    (void)text_format(meta.checksum, sizeof meta.checksum, "sOO8/Q==");
    ck_assert(gw_meta_encode(&meta, blob, &length));
    gw_meta_decode(slice_of(blob, length), 0, 0, 0, &back);
    ck_assert_str_eq(back.etag, meta.etag);
    ck_assert_str_eq(back.content[GW_CONTENT_TYPE], "text/plain");
    ck_assert_str_eq(back.content[GW_CONTENT_ENCODING], "gzip");
    ck_assert_str_eq(back.content[GW_CONTENT_CACHE_CONTROL], "no-cache");
    ck_assert_ptr_null(back.content[GW_CONTENT_EXPIRES]);
    ck_assert_uint_eq(back.user_count, 2);
    ck_assert_str_eq(back.user[0].name, "mtime");
    ck_assert_str_eq(back.user[0].value, "1.5,again");
    ck_assert_str_eq(back.user[1].value, "caf\xc3\xa9");
    ck_assert_int_eq(back.checksum_kind, GW_CHECKSUM_CRC32C);
    ck_assert_str_eq(back.checksum, "sOO8/Q==");
    gw_meta_release(&back);
    gw_meta_release(&meta);
}
END_TEST

START_TEST(aws_chunked_alone_leaves_no_encoding)
{
    const struct gw_header headers[] = {{"Content-Encoding", "aws-chunked"}};
    struct gw_request request = {.headers = headers, .header_count = 1};
    struct gw_meta meta;
    ck_assert_int_eq(gw_meta_from_headers(&request, &meta), S3_OK);
    ck_assert_ptr_null(meta.content[GW_CONTENT_ENCODING]);
    gw_meta_release(&meta);
}
END_TEST

START_TEST(encodings_of_several_headers_are_one_list)
{
    const struct gw_header headers[] = {{"Content-Encoding", "aws-chunked"},
                                        {"content-encoding", "br , gzip"},
                                        {"Content-Encoding", "AWS-Chunked,zstd"}};
    struct gw_request request = {.headers = headers, .header_count = 3};
    struct gw_meta meta;
    ck_assert_int_eq(gw_meta_from_headers(&request, &meta), S3_OK);
    ck_assert_str_eq(meta.content[GW_CONTENT_ENCODING], "br,gzip,zstd");
    gw_meta_release(&meta);
}
END_TEST

START_TEST(tags_and_composite_checksums_come_back)
{
    const struct gw_header headers[] = {{"X-Amz-Tagging", "colour=blue&empty="}};
    struct gw_request request = {.headers = headers, .header_count = 1};
    struct gw_meta meta = {.etag = "e-10000"};
    struct gw_meta back;
    uint8_t blob[GW_META_BYTES_MAX];
    size_t length = 0;
    const char *detail = NULL;
    ck_assert_int_eq(gw_meta_take_tags(&request, &meta, &detail), S3_OK);
    meta.checksum_kind = GW_CHECKSUM_SHA256;
    meta.checksum_type = GW_CHECKSUM_COMPOSITE;
    (void)text_format(meta.checksum, sizeof meta.checksum,
                      "vKDmuIymAoRsSW68dLoEVGZROZBQbLTKn/ogE/z4u2k=-10000");
    ck_assert(gw_meta_encode(&meta, blob, &length));
    ck_assert(gw_meta_is_ours(slice_of(blob, length)));
    ck_assert(!gw_meta_is_ours(slice_of(blob, 3)));
    gw_meta_decode(slice_of(blob, length), 0, 0, 0, &back);
    ck_assert_uint_eq(back.tags.count, 2);
    ck_assert_str_eq(back.tags.items[0].key, "colour");
    ck_assert_str_eq(back.tags.items[0].value, "blue");
    ck_assert_str_eq(back.tags.items[1].key, "empty");
    ck_assert_str_eq(back.tags.items[1].value, "");
    ck_assert_int_eq(back.checksum_type, GW_CHECKSUM_COMPOSITE);
    ck_assert_str_eq(back.checksum, meta.checksum);
    gw_meta_release(&back);
    gw_meta_release(&meta);
}
END_TEST

START_TEST(a_blob_without_the_newer_records_is_read_as_before)
{
    static const uint8_t blob[] = {
        'S', '3', 0,   1,   1,   0,   1,   'e', 2, 0, 9, GW_CHECKSUM_CRC32,
        'D', 'U', 'o', 'R', 'h', 'Q', '=', '='};
    struct gw_meta meta;
    gw_meta_decode(slice_of(blob, sizeof blob), 0, 0, 0, &meta);
    ck_assert_str_eq(meta.etag, "e");
    ck_assert_str_eq(meta.checksum, "DUoRhQ==");
    ck_assert_int_eq(meta.checksum_type, GW_CHECKSUM_FULL_OBJECT);
    ck_assert_uint_eq(meta.tags.count, 0);
    gw_meta_release(&meta);
}
END_TEST

START_TEST(user_metadata_over_two_kibibytes_is_refused)
{
    static char value[2049];
    memset(value, 'v', 2047);
    struct gw_header header = {"x-amz-meta-k", value};
    struct gw_request request = {.headers = &header, .header_count = 1};
    struct gw_meta meta;
    ck_assert_int_eq(gw_meta_from_headers(&request, &meta), S3_OK);
    gw_meta_release(&meta);
    value[2047] = 'v';
    ck_assert_int_eq(gw_meta_from_headers(&request, &meta), S3_MetadataTooLarge);
    gw_meta_release(&meta);
}
END_TEST

START_TEST(names_that_are_no_headers_are_refused)
{
    static const char *const names[] = {"x-amz-meta-", "x-amz-meta-a b",
                                        "x-amz-meta-a:", "x-amz-meta-a: 1\r\nSet-Cookie"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct gw_header headers[] = {{names[i], "v"}};
        struct gw_request request = {.headers = headers, .header_count = 1};
        struct gw_meta meta;
        ck_assert_int_eq(gw_meta_from_headers(&request, &meta), S3_InvalidArgument);
        gw_meta_release(&meta);
    }
}
END_TEST

START_TEST(an_object_of_another_writer_gets_an_etag_that_is_no_md5)
{
    struct gw_meta meta;
    gw_meta_decode(slice_of("other", 5), 0xabcd, 3, 14, &meta);
    ck_assert_str_eq(meta.etag, "000000000000abcd-3-14");
    gw_meta_release(&meta);
    gw_meta_decode(slice_of(NULL, 0), 1, 2, 3, &meta);
    ck_assert_str_eq(meta.etag, "0000000000000001-2-3");
    gw_meta_release(&meta);
}
END_TEST

START_TEST(damaged_blobs_are_read_as_far_as_they_go)
{
    uint8_t blob[GW_META_BYTES_MAX];
    size_t length = 0;
    struct gw_meta meta = {.etag = "e"};
    char type[] = "text/plain";
    meta.content[GW_CONTENT_TYPE] = type;
    ck_assert(gw_meta_encode(&meta, blob, &length));
    for (size_t cut = 0; cut <= length; cut++) {
        struct gw_meta back;
        gw_meta_decode(slice_of(blob, cut), 1, 1, 1, &back);
        ck_assert(back.etag[0] != '\0');
        gw_meta_release(&back);
    }
    for (size_t i = 4; i < length; i++) {
        struct gw_meta back;
        blob[i] ^= 0xff;
        gw_meta_decode(slice_of(blob, length), 1, 1, 1, &back);
        blob[i] ^= 0xff;
        gw_meta_release(&back);
    }
}
END_TEST

START_TEST(what_does_not_fit_is_said)
{
    static char value[9000];
    uint8_t blob[GW_META_BYTES_MAX];
    size_t length = 0;
    struct gw_meta meta = {.etag = "e"};
    memset(value, 'v', sizeof value - 1);
    meta.content[GW_CONTENT_EXPIRES] = value;
    ck_assert(!gw_meta_encode(&meta, blob, &length));
}
END_TEST

SUITE_MAIN("gw_meta", headers_come_back_from_the_blob, tags_and_composite_checksums_come_back,
           a_blob_without_the_newer_records_is_read_as_before, aws_chunked_alone_leaves_no_encoding,
           encodings_of_several_headers_are_one_list, user_metadata_over_two_kibibytes_is_refused,
           names_that_are_no_headers_are_refused,
           an_object_of_another_writer_gets_an_etag_that_is_no_md5,
           damaged_blobs_are_read_as_far_as_they_go, what_does_not_fit_is_said)
