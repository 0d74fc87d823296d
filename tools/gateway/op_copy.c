/* CopyObject. Onto itself it gives the same bytes other metadata, in one step of the chain; all
 * other copies stream through the gateway. */
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/xml.h"

struct copy {
    struct s3 *s3;
    struct copy_source source;
    struct write_conditions conditions;
    bool is_replaced;            /* metadata from the headers */
    bool are_tags_replaced;      /* tags too */
    enum gw_checksum_kind asked; /* NONE: no kind is asked for */
    struct gw_meta headers;      /* what the headers say */
};

static bool read_directive(const struct s3 *s3, const char *name, bool *ret_is_replaced)
{
    const char *directive = gw_header(s3->request, name);
    *ret_is_replaced = directive != NULL && strcmp(directive, "REPLACE") == 0;
    return directive == NULL || *ret_is_replaced || strcmp(directive, "COPY") == 0;
}

static enum s3_error read_headers(struct copy *copy, const char **ret_detail)
{
    struct s3 *s3 = copy->s3;
    const char *algorithm = gw_header(s3->request, "x-amz-checksum-algorithm");
    enum s3_error error = copy_source_parse(s3, &copy->source, ret_detail);
    if (error != S3_OK)
        return error;
    *ret_detail = "Unknown metadata directive.";
    if (!read_directive(s3, "x-amz-metadata-directive", &copy->is_replaced))
        return S3_InvalidArgument;
    *ret_detail = "Unknown tagging directive.";
    if (!read_directive(s3, "x-amz-tagging-directive", &copy->are_tags_replaced))
        return S3_InvalidArgument;
    *ret_detail = "This copy request is illegal because it is trying to copy an object to itself "
                  "without changing the object's metadata, storage class, website redirect "
                  "location or encryption attributes.";
    if (copy->source.is_self && !copy->is_replaced && !copy->are_tags_replaced)
        return S3_InvalidRequest;
    *ret_detail = "Checksum algorithm provided is unsupported.";
    copy->asked = algorithm == NULL ? GW_CHECKSUM_NONE : gw_checksum_by_name(algorithm);
    if (algorithm != NULL && copy->asked == GW_CHECKSUM_NONE)
        return S3_InvalidRequest;
    *ret_detail = NULL;
    error = gw_meta_from_headers(s3->request, &copy->headers);
    if (error == S3_OK && copy->are_tags_replaced)
        error = gw_meta_take_tags(s3->request, &copy->headers, ret_detail);
    return error;
}

/* From the source's metadata to the copy's: content headers, user metadata and tags. */
static void make_meta(const struct copy *copy, const struct gw_meta *source, struct gw_meta *meta)
{
    gw_meta_copy(copy->is_replaced ? &copy->headers : source, meta);
    gw_tags_copy(copy->are_tags_replaced ? &copy->headers.tags : &source->tags, &meta->tags);
}

static void respond_copied(struct s3 *s3, const struct gw_meta *meta,
                           const struct catena_info *info)
{
    struct text out;
    char time[GW_TIME_SIZE];
    text_init(&out);
    gw_xml_open_root(&out, "CopyObjectResult");
    gw_xml_element(&out, "LastModified",
                   gw_iso_time_format(info->mtime_ms != 0 ? info->mtime_ms : gw_wall_ms(), time));
    s3_append_etag(&out, meta->etag);
    s3_append_checksum(&out, meta);
    gw_xml_close(&out, "CopyObjectResult");
    s3_add_version(s3, info);
    s3_add_expiration(s3, info->size, info->mtime_ms, &meta->tags);
    s3_respond_xml(s3, &out);
}

/* ---- by restamp ---- */

static enum s3_error change_own(void *context, const struct catena_info *info, struct gw_meta *meta)
{
    const struct copy *copy = context;
    struct gw_meta made = {0};
    enum s3_error error = copy_source_check(copy->s3, info, meta);
    if (error != S3_OK)
        return error;
    make_meta(copy, meta, &made);
    memcpy(made.etag, meta->etag, sizeof made.etag);
    memcpy(made.checksum, meta->checksum, sizeof made.checksum);
    made.checksum_kind = meta->checksum_kind;
    made.checksum_type = meta->checksum_type;
    gw_meta_release(meta);
    *meta = made;
    return S3_OK;
}

static void copy_onto_itself(struct copy *copy)
{
    struct s3 *s3 = copy->s3;
    struct restamp restamp = {
        .conditions = &copy->conditions, .change = change_own, .context = copy};
    struct gw_meta meta;
    struct catena_info info;
    enum catena_status status = CATENA_OK;
    enum s3_error error = s3_restamp(s3, &restamp, &meta, &info, &status);
    if (error != S3_OK) {
        s3_fail_write(s3, error, status);
        return;
    }
    respond_copied(s3, &meta, &info);
    gw_meta_release(&meta);
    catena_info_release(&info);
}

/* ---- by streaming ---- */

/* The copy keeps the source's checksum unless another kind is asked for; one over parts becomes one
 * over the bytes, since the copy has no parts. */
static enum gw_checksum_kind kind_to_compute(const struct copy *copy)
{
    const struct gw_meta *source = &copy->source.meta;
    if (copy->asked != GW_CHECKSUM_NONE)
        return copy->asked;
    return source->checksum_type == GW_CHECKSUM_COMPOSITE ? source->checksum_kind
                                                          : GW_CHECKSUM_NONE;
}

static void take_checksum(struct s3 *s3, const struct gw_meta *source, struct gw_meta *meta)
{
    if (s3->sink.checksum != NULL) {
        uint8_t value[GW_CHECKSUM_BYTES_MAX];
        size_t length = gw_checksum_final(s3->sink.checksum, value);
        meta->checksum_kind = s3->sink.checksum_kind;
        gw_base64_encode(value, length, meta->checksum);
    } else {
        meta->checksum_kind = source->checksum_kind;
        memcpy(meta->checksum, source->checksum, sizeof meta->checksum);
    }
}

static void copy_bytes(struct copy *copy)
{
    struct s3 *s3 = copy->s3;
    struct copy_source *source = &copy->source;
    struct gw_meta meta = {0};
    struct catena_info info = {0};
    if (!copy_source_open(s3, source))
        return;
    if (source->info.size > GW_OBJECT_BYTES_MAX) {
        s3_fail(s3, S3_InvalidRequest,
                "The specified copy source is larger than the maximum allowable size for a copy "
                "source: 5368709120");
        return;
    }
    sink_release(&s3->sink); /* of the empty body */
    sink_begin(&s3->sink, kind_to_compute(copy), false);
    s3->has_sink = true;
    if (!copy_source_read(s3, source))
        return;
    make_meta(copy, &source->meta, &meta);
    take_checksum(s3, &source->meta, &meta);
    if (s3_commit(s3, &copy->conditions, &meta, &info)) {
        respond_copied(s3, &meta, &info);
        catena_info_release(&info);
    }
    gw_meta_release(&meta);
}

void op_copy_object(struct s3 *s3)
{
    struct copy copy = {.s3 = s3, .conditions = s3_write_conditions(s3)};
    const char *detail = NULL;
    enum s3_error error = read_headers(&copy, &detail);
    if (error != S3_OK)
        s3_fail(s3, error, detail);
    else if (copy.source.is_self && copy.asked == GW_CHECKSUM_NONE)
        copy_onto_itself(&copy);
    else
        copy_bytes(&copy);
    gw_meta_release(&copy.headers);
    copy_source_release(&copy.source);
}
