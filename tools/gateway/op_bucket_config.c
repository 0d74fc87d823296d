/* What is configured for a bucket by an XML document: CORS, lifecycle, tags. Each is a section of
 * the bucket's configuration, kept as the document that GET answers. */
#include "tools/gateway/cors.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/lifecycle.h"
#include "tools/gateway/lifecycle_worker.h"

/* Checks a document and appends it as it is to be kept. */
typedef enum s3_error (*normalise)(struct slice document, struct text *out,
                                   const char **ret_detail);

static enum s3_error normalise_cors(struct slice document, struct text *out,
                                    const char **ret_detail)
{
    struct gw_cors cors;
    enum s3_error error = gw_cors_from_xml(document, &cors, ret_detail);
    if (error == S3_OK)
        gw_cors_to_xml(&cors, out);
    gw_cors_release(&cors);
    return error;
}

static enum s3_error normalise_lifecycle(struct slice document, struct text *out,
                                         const char **ret_detail)
{
    struct gw_lifecycle lifecycle;
    enum s3_error error = gw_lifecycle_from_xml(document, &lifecycle, ret_detail);
    if (error == S3_OK)
        gw_lifecycle_to_xml(&lifecycle, out);
    gw_lifecycle_release(&lifecycle);
    return error;
}

static enum s3_error normalise_tags(struct slice document, struct text *out,
                                    const char **ret_detail)
{
    struct gw_tags tags;
    enum s3_error error = gw_tags_from_xml(document, GW_TAGS_BUCKET_MAX, &tags, ret_detail);
    if (error == S3_OK)
        gw_tags_to_xml(&tags, out);
    gw_tags_release(&tags);
    return error;
}

struct kind {
    const char *sub_resource;
    enum gw_section section;
    enum s3_error missing;
    normalise check;
};

static const struct kind *kind_of(const struct s3 *s3)
{
    static const struct kind kinds[] = {
        {"cors", GW_SECTION_CORS, S3_NoSuchCORSConfiguration, normalise_cors},
        {"lifecycle", GW_SECTION_LIFECYCLE, S3_NoSuchLifecycleConfiguration, normalise_lifecycle},
        {"tagging", GW_SECTION_TAGS, S3_NoSuchTagSet, normalise_tags},
    };
    for (size_t i = 0; i + 1 < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(s3->route.sub_resource, kinds[i].sub_resource) == 0)
            return &kinds[i];
    }
    return &kinds[sizeof kinds / sizeof kinds[0] - 1];
}

void op_get_bucket_section(struct s3 *s3)
{
    const struct kind *kind = kind_of(s3);
    struct gw_bucket_config *config = NULL;
    enum catena_status status = gw_bucket_config_load(s3->gateway, s3->route.bucket, 0, &config);
    if (status != CATENA_OK) {
        s3_fail_status(s3, status);
        return;
    }
    struct slice bytes = gw_bucket_config_section(config, kind->section);
    if (bytes.data == NULL) {
        s3_fail(s3, kind->missing, NULL);
    } else {
        struct text document;
        text_init(&document);
        text_append_bytes(&document, bytes);
        s3_respond_xml(s3, &document);
    }
    gw_bucket_config_drop(config);
}

static void update(struct s3 *s3, const struct text *document, unsigned answer)
{
    enum gw_section section = kind_of(s3)->section;
    enum catena_status status = gw_bucket_config_update(s3->gateway, s3->route.bucket, section,
                                                        document == NULL ? NULL : document->data,
                                                        document == NULL ? 0 : document->length);
    if (status == CATENA_TOO_LARGE) {
        s3_fail(s3, S3_MaxMessageLengthExceeded,
                "All that is configured for the bucket together has at most 64 KiB.");
        return;
    }
    if (status != CATENA_OK) {
        s3_fail_status(s3, status);
        return;
    }
    if (section == GW_SECTION_LIFECYCLE)
        gw_lifecycle_worker_note(s3->gateway->lifecycle, s3->route.bucket,
                                 document == NULL ? slice_of(NULL, 0)
                                                  : slice_of(document->data, document->length));
    s3_respond_empty(s3, answer);
}

void op_put_bucket_section(struct s3 *s3)
{
    struct text kept;
    const char *detail = NULL;
    text_init(&kept);
    enum s3_error error =
        kind_of(s3)->check(slice_of(s3->document.data, s3->document.length), &kept, &detail);
    if (error != S3_OK)
        s3_fail(s3, error, detail);
    else
        update(s3, &kept, 200);
    text_release(&kept);
}

void op_delete_bucket_section(struct s3 *s3)
{
    update(s3, NULL, 204);
}
