/* Documents that requests carry. What is accepted, written by us, is accepted again and written the
 * same. */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tools/gateway/cors.h"
#include "tools/gateway/lifecycle.h"
#include "tools/gateway/multipart.h"
#include "tools/gateway/tagging.h"
#include "tools/gateway/xml_read.h"

/* Reads and writes; false: refused. */
static bool cors_again(struct slice document, struct text *out)
{
    struct gw_cors cors;
    const char *detail = NULL;
    bool is_good = gw_cors_from_xml(document, &cors, &detail) == S3_OK;
    bool is_any;
    if (is_good)
        gw_cors_to_xml(&cors, out);
    (void)gw_cors_find(&cors, "http://a.example", "GET", "x-a, x-b", &is_any);
    gw_cors_release(&cors);
    return is_good;
}

static bool lifecycle_again(struct slice document, struct text *out)
{
    struct gw_lifecycle lifecycle;
    const char *detail = NULL;
    const char *prefix;
    const struct gw_lifecycle_object object = {.key = "a/b", .key_length = 3, .size = 7};
    bool is_good = gw_lifecycle_from_xml(document, &lifecycle, &detail) == S3_OK;
    if (is_good) {
        gw_lifecycle_to_xml(&lifecycle, out);
        (void)gw_lifecycle_expiry(&lifecycle, &object, GW_LIFECYCLE_DAY_MS, NULL);
        PRE(gw_lifecycle_common_prefix(&lifecycle, &prefix) <= strlen(prefix));
    }
    gw_lifecycle_release(&lifecycle);
    return is_good;
}

static bool tags_again(struct slice document, struct text *out)
{
    struct gw_tags tags;
    const char *detail = NULL;
    bool is_good = gw_tags_from_xml(document, GW_TAGS_BUCKET_MAX, &tags, &detail) == S3_OK;
    if (is_good)
        gw_tags_to_xml(&tags, out);
    gw_tags_release(&tags);
    return is_good;
}

static void there_and_back(struct slice document, bool (*again)(struct slice, struct text *))
{
    struct text first;
    struct text second;
    text_init(&first);
    text_init(&second);
    if (again(document, &first)) {
        PRE(again(slice_of(first.data, first.length), &second));
        PRE(strcmp(text_cstr(&first), text_cstr(&second)) == 0);
    }
    text_release(&first);
    text_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice document = slice_of(data, size);
    struct gw_delete request;
    struct gw_choices choices;
    bool has_more = false;
    char location[64];
    there_and_back(document, cors_again);
    there_and_back(document, lifecycle_again);
    there_and_back(document, tags_again);
    if (gw_xml_read_delete(document, &request))
        PRE(request.count > 0 && request.count <= GW_DELETE_OBJECTS_MAX);
    gw_delete_release(&request);
    if (gw_choices_read(document, &choices) == S3_OK)
        PRE(choices.count > 0 && choices.count <= GW_PARTS_MAX);
    gw_choices_release(&choices);
    if (gw_xml_read_create_bucket(document, location, sizeof location, &has_more))
        PRE(strlen(location) < sizeof location);
    return 0;
}
