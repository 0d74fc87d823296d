/* The document that is kept for a bucket: sections in order, strangers' sections kept. */
#include "tools/shared/bucket_document.h"

#include "base/prng.h"
#include "tests/unit/base/suite.h"

static struct gw_bucket_config *parse(struct slice document)
{
    struct gw_bucket_config *config = NULL;
    ck_assert(gw_bucket_config_parse(document, 7, &config));
    return config;
}

/* The configuration with one section changed. */
static struct gw_bucket_config *with(struct gw_bucket_config *config, unsigned section,
                                     struct slice bytes)
{
    struct text out;
    text_init(&out);
    gw_bucket_config_write(config, (enum gw_section)section, bytes, &out);
    struct gw_bucket_config *changed = parse(slice_of(out.data, out.length));
    text_release(&out);
    gw_bucket_config_drop(config);
    return changed;
}

static bool holds(const struct gw_bucket_config *config, unsigned section, const char *bytes)
{
    return slice_equal(gw_bucket_config_section(config, (enum gw_section)section),
                       slice_of_text(bytes));
}

START_TEST(sections_are_set_replaced_and_removed)
{
    struct gw_bucket_config *config = parse(slice_of(NULL, 0));
    ck_assert_uint_eq(gw_bucket_config_version(config), 7);
    ck_assert_ptr_null(gw_bucket_config_section(config, GW_SECTION_CORS).data);
    config = with(config, GW_SECTION_CORS, slice_of_text("cors"));
    config = with(config, GW_SECTION_LIFECYCLE, slice_of_text("lifecycle"));
    config = with(config, GW_SECTION_TAGS, slice_of_text("tags"));
    ck_assert(holds(config, GW_SECTION_TAGS, "tags"));
    ck_assert(holds(config, GW_SECTION_CORS, "cors"));
    ck_assert(holds(config, GW_SECTION_LIFECYCLE, "lifecycle"));
    config = with(config, GW_SECTION_CORS, slice_of_text("other cors"));
    config = with(config, GW_SECTION_TAGS, slice_of(NULL, 0));
    ck_assert(holds(config, GW_SECTION_CORS, "other cors"));
    ck_assert_ptr_null(gw_bucket_config_section(config, GW_SECTION_TAGS).data);
    ck_assert(holds(config, GW_SECTION_LIFECYCLE, "lifecycle"));
    gw_bucket_config_drop(config);
}
END_TEST

START_TEST(an_empty_section_is_there)
{
    struct gw_bucket_config *config =
        with(parse(slice_of(NULL, 0)), GW_SECTION_CORS, slice_of_text(""));
    struct slice section = gw_bucket_config_section(config, GW_SECTION_CORS);
    ck_assert_ptr_nonnull(section.data);
    ck_assert_uint_eq(section.length, 0);
    gw_bucket_config_drop(config);
}
END_TEST

START_TEST(sections_of_a_newer_release_are_kept)
{
    struct gw_bucket_config *config = with(parse(slice_of(NULL, 0)), 99, slice_of_text("future"));
    config = with(config, GW_SECTION_CORS, slice_of_text("cors"));
    config = with(config, GW_SECTION_CORS, slice_of(NULL, 0));
    ck_assert(holds(config, 99, "future"));
    gw_bucket_config_drop(config);
}
END_TEST

START_TEST(only_a_one_makes_a_bucket_public)
{
    struct gw_bucket_config *config = parse(slice_of(NULL, 0));
    ck_assert(!gw_bucket_config_is_public(config));
    config = with(config, GW_SECTION_PUBLIC_READ, slice_of("\1", 1));
    ck_assert(gw_bucket_config_is_public(config));
    config = with(config, GW_SECTION_PUBLIC_READ, slice_of("\0", 1));
    ck_assert(!gw_bucket_config_is_public(config));
    config = with(config, GW_SECTION_PUBLIC_READ, slice_of("\1\1", 2));
    ck_assert(!gw_bucket_config_is_public(config));
    gw_bucket_config_drop(config);
}
END_TEST

START_TEST(what_is_no_document_is_refused)
{
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {
        {"\2", 1},                                   /* another format */
        {"\1\1\0\0\0", 5},                           /* cut head */
        {"\1\1\0\0\0\2x", 7},                        /* cut section */
        {"\1\0\0\0\0\0", 6},                         /* section 0 */
        {"\1\2\0\0\0\0\2\0\0\0\0", 11},              /* twice */
        {"\1\3\0\0\0\0\2\0\0\0\0", 11},              /* out of order */
        {"\1\2\377\377\377\377xxxxxxxxxxxxxxx", 21}, /* longer than everything */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gw_bucket_config *config = NULL;
        ck_assert(!gw_bucket_config_parse(slice_of(bad[i].bytes, bad[i].length), 1, &config));
    }
}
END_TEST

START_TEST(garbage_is_refused_or_read_safely)
{
    struct prng prng;
    prng_init(&prng, 8);
    for (int round = 0; round < 200000; round++) {
        uint8_t bytes[24];
        size_t length = prng_below(&prng, sizeof bytes + 1);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)prng_below(&prng, 4);
        struct gw_bucket_config *config = NULL;
        if (!gw_bucket_config_parse(slice_of(bytes, length), 1, &config))
            continue;
        config = with(config, GW_SECTION_TAGS, slice_of_text("t"));
        ck_assert(holds(config, GW_SECTION_TAGS, "t"));
        gw_bucket_config_drop(config);
    }
}
END_TEST

SUITE_MAIN("gw_bucket_config", sections_are_set_replaced_and_removed, an_empty_section_is_there,
           sections_of_a_newer_release_are_kept, only_a_one_makes_a_bucket_public,
           what_is_no_document_is_refused, garbage_is_refused_or_read_safely)
