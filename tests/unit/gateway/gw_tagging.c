#include "tools/gateway/tagging.h"

#include "tests/unit/base/suite.h"

static enum s3_error of_header(const char *header, struct gw_tags *tags)
{
    const char *detail = NULL;
    enum s3_error error = gw_tags_from_header(header, GW_TAGS_OBJECT_MAX, tags, &detail);
    ck_assert_int_eq(detail == NULL, error == S3_OK);
    return error;
}

static enum s3_error of_xml(const char *document, size_t count_max, struct gw_tags *tags)
{
    const char *detail = NULL;
    return gw_tags_from_xml(slice_of_text(document), count_max, tags, &detail);
}

START_TEST(a_header_is_a_query)
{
    struct gw_tags tags;
    ck_assert_int_eq(of_header("colour=blue&a%20b=c%2Bd&empty=&bare", &tags), S3_OK);
    ck_assert_uint_eq(tags.count, 4);
    ck_assert_str_eq(tags.items[0].key, "colour");
    ck_assert_str_eq(tags.items[0].value, "blue");
    ck_assert_str_eq(tags.items[1].key, "a b");
    ck_assert_str_eq(tags.items[1].value, "c+d");
    ck_assert_str_eq(tags.items[2].value, "");
    ck_assert_str_eq(tags.items[3].key, "bare");
    gw_tags_release(&tags);
    ck_assert_int_eq(of_header("", &tags), S3_OK);
    ck_assert_uint_eq(tags.count, 0);
    gw_tags_release(&tags);
}
END_TEST

START_TEST(what_no_tag_may_be_is_refused)
{
    static const struct {
        const char *header;
        enum s3_error error;
    } cases[] = {
        {"a=%zz", S3_InvalidArgument}, {"=value", S3_InvalidTag},
        {"a=1&a=2", S3_InvalidTag},    {"aws:a=1", S3_InvalidTag},
        {"AWS:a=1", S3_InvalidTag},    {"a=%0a", S3_InvalidTag},
        {"a=%ff", S3_InvalidTag},      {"a=%3Cb%3E", S3_InvalidTag},
        {"a=b;c", S3_InvalidTag},      {"1&2&3&4&5&6&7&8&9&10&11", S3_InvalidTag},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_tags tags;
        enum s3_error error = of_header(cases[i].header, &tags);
        ck_assert_msg(error == cases[i].error, "%s: %s", cases[i].header, s3_error_code(error));
        gw_tags_release(&tags);
    }
}
END_TEST

static void repeat(struct text *text, const char *piece, int times)
{
    for (int i = 0; i < times; i++)
        text_append(text, "%s", piece);
}

START_TEST(lengths_are_those_of_characters)
{
    for (int over = 0; over < 4; over++) {
        struct text text;
        struct gw_tags tags;
        text_init(&text);
        repeat(&text, "%C3%A9", GW_TAG_KEY_MAX + (over & 1));
        text_append(&text, "=");
        repeat(&text, "%F0%9F%98%80", GW_TAG_VALUE_MAX + (over >> 1));
        ck_assert_int_eq(of_header(text_cstr(&text), &tags), over == 0 ? S3_OK : S3_InvalidTag);
        gw_tags_release(&tags);
        text_release(&text);
    }
}
END_TEST

START_TEST(a_document_comes_back_as_it_was)
{
    struct gw_tags tags;
    struct gw_tags copy;
    struct text text;
    text_init(&text);
    ck_assert_int_eq(of_xml("<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>"
                            "<Tag><Key>k</Key><Value>v</Value></Tag>"
                            "<Tag><Value></Value><Key>caf\xc3\xa9</Key></Tag></TagSet></Tagging>",
                            10, &tags),
                     S3_OK);
    gw_tags_copy(&tags, &copy);
    gw_tags_release(&tags);
    gw_tags_to_xml(&copy, &text);
    ck_assert_ptr_nonnull(strstr(text_cstr(&text),
                                 "<TagSet><Tag><Key>k</Key><Value>v</Value></Tag><Tag><Key>caf\xc3"
                                 "\xa9</Key><Value></Value></Tag></TagSet></Tagging>"));
    gw_tags_release(&copy);
    text_release(&text);
}
END_TEST

START_TEST(bad_documents_are_refused)
{
    static const struct {
        const char *document;
        enum s3_error error;
    } cases[] = {
        {"", S3_MalformedXML},
        {"<Tagging/>", S3_MalformedXML},
        {"<Tagging><TagSet>", S3_MalformedXML},
        {"<Tags><TagSet/></Tags>", S3_MalformedXML},
        {"<Tagging><TagSet/><TagSet/></Tagging>", S3_MalformedXML},
        {"<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>", S3_MalformedXML},
        {"<Tagging><TagSet><Tag><Value>v</Value></Tag></TagSet></Tagging>", S3_MalformedXML},
        {"<Tagging><TagSet><Tag><Key>k</Key><Key>l</Key><Value>v</Value></Tag></TagSet></Tagging>",
         S3_MalformedXML},
        {"<!DOCTYPE a [<!ENTITY b \"c\">]><Tagging><TagSet/></Tagging>", S3_MalformedXML},
        {"<Tagging><TagSet><Tag><Key></Key><Value>v</Value></Tag></TagSet></Tagging>",
         S3_InvalidTag},
        {"<Tagging><TagSet><Tag><Key>k</Key><Value>1</Value></Tag><Tag><Key>k</Key>"
         "<Value>2</Value></Tag></TagSet></Tagging>",
         S3_InvalidTag},
        {"<Tagging><TagSet/></Tagging>", S3_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_tags tags;
        enum s3_error error = of_xml(cases[i].document, 10, &tags);
        ck_assert_msg(error == cases[i].error, "%s: %s", cases[i].document, s3_error_code(error));
        gw_tags_release(&tags);
    }
}
END_TEST

START_TEST(buckets_have_fifty_and_objects_ten)
{
    for (int count = 10; count <= 60; count += 10) {
        struct text text;
        struct gw_tags tags;
        text_init(&text);
        text_append(&text, "<Tagging><TagSet>");
        for (int i = 0; i < count; i++)
            text_append(&text, "<Tag><Key>k%d</Key><Value/></Tag>", i);
        text_append(&text, "</TagSet></Tagging>");
        ck_assert_int_eq(of_xml(text_cstr(&text), GW_TAGS_OBJECT_MAX, &tags),
                         count == 10 ? S3_OK : S3_InvalidTag);
        gw_tags_release(&tags);
        ck_assert_int_eq(of_xml(text_cstr(&text), GW_TAGS_BUCKET_MAX, &tags),
                         count <= 50 ? S3_OK : S3_InvalidTag);
        ck_assert_uint_le(tags.count, GW_TAGS_BUCKET_MAX + 1);
        gw_tags_release(&tags);
        text_release(&text);
    }
}
END_TEST

SUITE_MAIN("gw_tagging", a_header_is_a_query, what_no_tag_may_be_is_refused,
           lengths_are_those_of_characters, a_document_comes_back_as_it_was,
           bad_documents_are_refused, buckets_have_fifty_and_objects_ten)
