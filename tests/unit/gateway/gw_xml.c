#include "tools/gateway/xml.h"

#include "tests/unit/base/suite.h"
#include "tools/gateway/xml_read.h"

START_TEST(values_are_escaped)
{
    struct text text;
    text_init(&text);
    gw_xml_element(&text, "Key", "a&<b>\"c\"\n\xc3\xa9");
    ck_assert_str_eq(text_cstr(&text), "<Key>a&amp;&lt;b&gt;&quot;c&quot;&#10;\xc3\xa9</Key>");
    text_clear(&text);
    gw_xml_element(&text, "Key", "");
    gw_xml_element_u64(&text, "Size", UINT64_MAX);
    ck_assert_str_eq(text_cstr(&text), "<Key></Key><Size>18446744073709551615</Size>");
    text_release(&text);
}
END_TEST

START_TEST(what_is_not_utf8_does_not_break_a_document)
{
    struct text text;
    text_init(&text);
    gw_xml_element(&text, "Resource", "/\xff<\xc3\xa9");
    ck_assert_str_eq(text_cstr(&text), "<Resource>/&#65533;&lt;&#65533;&#65533;</Resource>");
    text_clear(&text);
    gw_xml_element(&text, "Prefix", "\xc3");
    ck_assert_str_eq(text_cstr(&text), "<Prefix>&#65533;</Prefix>");
    text_release(&text);
}
END_TEST

START_TEST(delete_is_read)
{
    struct gw_delete request;
    ck_assert(gw_xml_read_delete(
        slice_of_text("<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/"
                      "2006-03-01/\"><Object><Key>a&amp;b</Key></Object>\n<Object><Key>c</Key>"
                      "<VersionId>null</VersionId><ETag>\"x\"</ETag></Object>"
                      "<Quiet>true</Quiet></Delete>"),
        &request));
    ck_assert_uint_eq(request.count, 2);
    ck_assert(request.is_quiet);
    ck_assert_str_eq(request.objects[0].key, "a&b");
    ck_assert_ptr_null(request.objects[0].etag);
    ck_assert_str_eq(request.objects[1].version_id, "null");
    ck_assert_str_eq(request.objects[1].etag, "\"x\"");
    ck_assert(!request.objects[1].has_other_condition);
    gw_delete_release(&request);
}
END_TEST

START_TEST(conditions_of_a_delete_by_time_or_size_are_noticed)
{
    struct gw_delete request;
    ck_assert(gw_xml_read_delete(
        slice_of_text("<Delete><Object><Key>a</Key><Size>5</Size></Object>"
                      "<Object><Key>b</Key></Object><Object><LastModifiedTime>2020-01-01T00:00:00Z"
                      "</LastModifiedTime><Key>c</Key></Object></Delete>"),
        &request));
    ck_assert(request.objects[0].has_other_condition);
    ck_assert(!request.objects[1].has_other_condition);
    ck_assert(request.objects[2].has_other_condition);
    gw_delete_release(&request);
}
END_TEST

START_TEST(bad_deletes_are_refused)
{
    static const char deep[] =
        "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a>"
        "</a></a></a></a></a></a></a></a>";
    const char *const bad[] = {
        "",
        "<Delete>",
        "<Delete></Delete>",
        "<Delete><Object></Object></Delete>",
        "<Delete><Object><Key></Key></Object></Delete>",
        "<Other><Object><Key>a</Key></Object></Other>",
        "no xml",
        "<!DOCTYPE Delete [<!ENTITY a \"b\">]><Delete><Object><Key>&a;</Key></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object></Delete><More/>",
        deep,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gw_delete request;
        ck_assert_msg(!gw_xml_read_delete(slice_of_text(bad[i]), &request), "%s", bad[i]);
        gw_delete_release(&request);
    }
}
END_TEST

START_TEST(more_than_a_thousand_objects_are_refused)
{
    for (int count = 1000; count <= 1001; count++) {
        struct text text;
        struct gw_delete request;
        text_init(&text);
        text_append(&text, "<Delete>");
        for (int i = 0; i < count; i++)
            text_append(&text, "<Object><Key>k%d</Key></Object>", i);
        text_append(&text, "</Delete>");
        ck_assert_int_eq(gw_xml_read_delete(slice_of(text.data, text.length), &request),
                         count == 1000);
        gw_delete_release(&request);
        text_release(&text);
    }
}
END_TEST

START_TEST(text_is_bounded)
{
    struct text text;
    struct gw_delete request;
    text_init(&text);
    text_append(&text, "<Delete><Object><Key>");
    for (int i = 0; i < GW_XML_TEXT_MAX; i++)
        text_append(&text, "x");
    text_append(&text, "</Key></Object></Delete>");
    ck_assert(!gw_xml_read_delete(slice_of(text.data, text.length), &request));
    gw_delete_release(&request);
    text_release(&text);
}
END_TEST

START_TEST(create_bucket_names_a_location)
{
    char location[16];
    bool has_more = true;
    ck_assert(gw_xml_read_create_bucket(slice_of_text(""), location, sizeof location, &has_more));
    ck_assert_str_eq(location, "");
    ck_assert(gw_xml_read_create_bucket(
        slice_of_text("<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/"
                      "\"><LocationConstraint>eu-west-1</LocationConstraint>"
                      "</CreateBucketConfiguration>"),
        location, sizeof location, &has_more));
    ck_assert_str_eq(location, "eu-west-1");
    ck_assert(!has_more);
    ck_assert(gw_xml_read_create_bucket(
        slice_of_text("<CreateBucketConfiguration><LocationConstraint>a</LocationConstraint><Tags/>"
                      "</CreateBucketConfiguration>"),
        location, sizeof location, &has_more));
    ck_assert(!has_more);
    ck_assert(gw_xml_read_create_bucket(
        slice_of_text("<CreateBucketConfiguration><Tags><Tag><Key>k</Key><Value>v</Value></Tag>"
                      "</Tags></CreateBucketConfiguration>"),
        location, sizeof location, &has_more));
    ck_assert(has_more);
    ck_assert(!gw_xml_read_create_bucket(slice_of_text("<Wrong/>"), location, sizeof location,
                                         &has_more));
    ck_assert(!gw_xml_read_create_bucket(
        slice_of_text("<CreateBucketConfiguration><LocationConstraint>sixteen-or-more-"
                      "</LocationConstraint></CreateBucketConfiguration>"),
        location, sizeof location, &has_more));
}
END_TEST

SUITE_MAIN("gw_xml", values_are_escaped, what_is_not_utf8_does_not_break_a_document, delete_is_read,
           conditions_of_a_delete_by_time_or_size_are_noticed, bad_deletes_are_refused,
           more_than_a_thousand_objects_are_refused, text_is_bounded,
           create_bucket_names_a_location)
