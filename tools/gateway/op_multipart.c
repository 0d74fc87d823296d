/* CreateMultipartUpload, CompleteMultipartUpload, AbortMultipartUpload. */
#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/multipart.h"
#include "tools/gateway/xml.h"

enum { PAGE = 1000, REPLACED_TRIES = 10 };

/* ---- create ---- */

static enum s3_error make_upload_meta(const struct s3 *s3, struct gw_meta *meta,
                                      const char **ret_detail)
{
    enum gw_checksum_kind kind;
    enum gw_checksum_type type;
    *meta = (struct gw_meta){0};
    enum s3_error error =
        gw_upload_checksum(gw_header(s3->request, "x-amz-checksum-algorithm"),
                           gw_header(s3->request, "x-amz-checksum-type"), &kind, &type, ret_detail);
    if (error != S3_OK)
        return error;
    error = gw_meta_from_headers(s3->request, meta);
    if (error == S3_OK)
        error = gw_meta_take_tags(s3->request, meta, ret_detail);
    meta->checksum_kind = kind;
    meta->checksum_type = type;
    return error;
}

static void respond_created(struct s3 *s3, const struct gw_meta *meta,
                            struct catena_upload_id upload)
{
    struct text out;
    char id[CATENA_UPLOAD_TEXT_SIZE];
    text_init(&out);
    gw_xml_open_root(&out, "InitiateMultipartUploadResult");
    gw_xml_element(&out, "Bucket", s3->route.bucket);
    gw_xml_element_bytes(&out, "Key", slice_of(s3->route.key, s3->route.key_length));
    gw_xml_element(&out, "UploadId", catena_upload_format(upload, id));
    gw_xml_close(&out, "InitiateMultipartUploadResult");
    if (meta->checksum_kind != GW_CHECKSUM_NONE) {
        http_add_header(s3->exchange, "x-amz-checksum-algorithm",
                        gw_checksum_name(meta->checksum_kind));
        http_add_header(s3->exchange, "x-amz-checksum-type",
                        gw_checksum_type_name(meta->checksum_type));
    }
    s3_respond_xml(s3, &out);
}

void op_create_upload(struct s3 *s3)
{
    const struct gw_route *route = &s3->route;
    struct gw_meta meta;
    struct catena_upload_id upload;
    struct write_conditions conditions = s3_write_conditions(s3);
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    uint8_t blob[GW_META_BYTES_MAX];
    const char *detail = NULL;
    options.token_high = conditions.token_high;
    options.token_low = conditions.token_low;
    enum s3_error error = make_upload_meta(s3, &meta, &detail);
    if (error == S3_OK && !gw_meta_encode(&meta, blob, &options.meta_length))
        error = S3_MetadataTooLarge;
    options.meta = blob;
    enum catena_status status = CATENA_OK;
    if (error == S3_OK)
        status = catena_multipart_create(s3->gateway->client, route->bucket, route->key,
                                         route->key_length, &options, &upload);
    if (error != S3_OK)
        s3_fail(s3, error, detail);
    else if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else
        respond_created(s3, &meta, upload);
    gw_meta_release(&meta);
}

/* ---- abort ---- */

void op_abort_upload(struct s3 *s3)
{
    const struct gw_route *route = &s3->route;
    enum catena_status status = catena_multipart_abort(s3->gateway->client, route->bucket,
                                                       route->key, route->key_length, s3->upload);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else
        s3_respond_empty(s3, 204);
}

/* ---- complete ---- */

struct completion {
    struct s3 *s3;
    struct gw_choices wanted;           /* as the document says */
    struct catena_part_choice *choices; /* the versions that were seen */
    struct gw_meta meta;                /* of the object to come */
    struct text detail;                 /* of an error */
};

/* Chosen and found parts, both in the order of their numbers. *matched: how many are found. */
static enum s3_error match_page(struct completion *completion, const struct catena_parts *page,
                                struct gw_assembly *assembly, size_t *matched)
{
    const struct gw_choices *wanted = &completion->wanted;
    for (size_t i = 0; i < page->count && *matched < wanted->count; i++) {
        const struct catena_part *found = &page->items[i];
        const struct gw_choice *choice = &wanted->items[*matched];
        struct gw_part part;
        if (found->number < choice->number)
            continue;
        gw_part_decode(slice_of(found->meta, found->meta_length), found->checksum,
                       found->version.epoch, found->version.lsn, &part);
        if (found->number > choice->number || !gw_choice_fits(choice, &part))
            return S3_InvalidPart;
        if (found->size < GW_PART_BYTES_MIN && *matched + 1 < wanted->count)
            return S3_EntityTooSmall;
        completion->choices[*matched] =
            (struct catena_part_choice){.number = found->number, .version = found->version};
        gw_assembly_add(assembly, &part, found->size);
        (*matched)++;
    }
    return S3_OK;
}

/* All pages of the upload's parts. The first says what is kept with the upload. */
static enum s3_error collect(struct completion *completion, struct gw_assembly *assembly,
                             enum catena_status *ret_status)
{
    const struct s3 *s3 = completion->s3;
    const struct gw_route *route = &s3->route;
    enum s3_error error = S3_OK;
    uint32_t after = 0;
    size_t matched = 0;
    bool is_truncated = true;
    for (bool is_first = true; is_truncated && error == S3_OK; is_first = false) {
        struct catena_parts page = {0};
        *ret_status = catena_multipart_parts(s3->gateway->client, route->bucket, route->key,
                                             route->key_length, s3->upload, after, PAGE, &page);
        if (*ret_status != CATENA_OK)
            return s3_error_of_status(*ret_status);
        if (is_first) {
            gw_meta_release(&completion->meta);
            gw_meta_decode(slice_of(page.meta, page.meta_length), 0, 0, 0, &completion->meta);
            gw_assembly_begin(assembly, completion->meta.checksum_kind,
                              completion->meta.checksum_type);
        }
        error = match_page(completion, &page, assembly, &matched);
        is_truncated = page.truncated && page.count > 0;
        if (page.count > 0)
            after = page.items[page.count - 1].number;
        catena_parts_release(&page);
    }
    return error == S3_OK && matched < completion->wanted.count ? S3_InvalidPart : error;
}

/* x-amz-checksum-...: of the object, with or without the number of parts. */
static enum s3_error check_said_checksum(struct completion *completion)
{
    const struct gw_request *request = completion->s3->request;
    const struct gw_meta *meta = &completion->meta;
    for (size_t i = 0; i < request->header_count; i++) {
        enum gw_checksum_kind kind = gw_checksum_by_header(request->headers[i].name);
        const char *said = request->headers[i].value;
        size_t length = strlen(said);
        if (kind == GW_CHECKSUM_NONE)
            continue;
        if (kind != meta->checksum_kind || meta->checksum[0] == '\0') {
            text_append(&completion->detail, "The upload was not created using the %s checksum.",
                        gw_checksum_name(kind));
            return S3_InvalidRequest;
        }
        bool is_same = strncmp(said, meta->checksum, length) == 0 &&
                       (meta->checksum[length] == '\0' || meta->checksum[length] == '-');
        if (!is_same) {
            text_append(&completion->detail,
                        "The %s you specified did not match the calculated checksum.",
                        gw_checksum_name(kind));
            return S3_BadDigest;
        }
    }
    return S3_OK;
}

static enum s3_error check_said(struct completion *completion, uint64_t size)
{
    const struct gw_request *request = completion->s3->request;
    const struct gw_meta *meta = &completion->meta;
    const char *type = gw_header(request, "x-amz-checksum-type");
    const char *said_size = gw_header(request, "x-amz-mp-object-size");
    uint64_t said = 0;
    if (type != NULL && strcmp(type, gw_checksum_type_name(meta->checksum_type)) != 0) {
        text_append(&completion->detail,
                    "The upload was created using the %s checksum mode. The complete request must "
                    "use the same checksum mode.",
                    gw_checksum_type_name(meta->checksum_type));
        return S3_InvalidRequest;
    }
    if (said_size != NULL && !gw_parse_u64(said_size, &said)) {
        text_append(&completion->detail, "Value for x-amz-mp-object-size header is invalid.");
        return S3_InvalidRequest;
    }
    if (said_size != NULL && said != size) {
        text_append(&completion->detail,
                    "The provided 'x-amz-mp-object-size' header value %llu does not match what "
                    "was computed: %llu",
                    (unsigned long long)said, (unsigned long long)size);
        return S3_InvalidRequest;
    }
    return check_said_checksum(completion);
}

/* Which versions to publish, and the object's metadata. */
static enum s3_error assemble(struct completion *completion, enum catena_status *ret_status)
{
    struct gw_assembly assembly = {0};
    char etag[GW_UPLOAD_ETAG_SIZE];
    enum s3_error error = collect(completion, &assembly, ret_status);
    if (error == S3_OK) {
        struct gw_meta *meta = &completion->meta;
        gw_assembly_end(&assembly, etag, meta->checksum);
        (void)text_format(meta->etag, sizeof meta->etag, "%s", etag);
        error = check_said(completion, assembly.size);
        if (meta->checksum[0] == '\0') { /* a part came without: so does the object */
            meta->checksum_kind = GW_CHECKSUM_NONE;
            meta->checksum_type = GW_CHECKSUM_FULL_OBJECT;
        }
    }
    gw_assembly_release(&assembly);
    return error;
}

static enum catena_status attempt_complete(void *context, const struct catena_op_options *options,
                                           struct catena_info *ret_info)
{
    const struct completion *completion = context;
    const struct s3 *s3 = completion->s3;
    return catena_multipart_complete(s3->gateway->client, s3->route.bucket, s3->route.key,
                                     s3->route.key_length, s3->upload, completion->choices,
                                     completion->wanted.count, options, ret_info);
}

static enum s3_error publish(struct completion *completion, struct catena_info *ret_info,
                             enum catena_status *ret_status)
{
    struct s3 *s3 = completion->s3;
    const struct gw_route *route = &s3->route;
    struct write_conditions conditions = s3_write_conditions(s3);
    struct write_attempt attempt = {.run = attempt_complete, .context = completion};
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    uint8_t blob[GW_META_BYTES_MAX];
    if (!gw_meta_encode(&completion->meta, blob, &options.meta_length))
        return S3_MetadataTooLarge;
    options.meta = blob;
    return write_conditionally(s3->gateway->client, route->bucket, route->key, route->key_length,
                               &conditions, &attempt, &options, ret_info, ret_status);
}

static void respond_completed(struct s3 *s3, const struct gw_meta *meta,
                              const struct catena_info *info)
{
    const char *host = gw_header(s3->request, "host");
    struct slice key = slice_of(s3->route.key, s3->route.key_length);
    struct text place;
    struct text out;
    text_init(&place);
    text_init(&out);
    text_append(&place, "%s://%s", s3->gateway->config.is_tls ? "https" : "http",
                host == NULL ? "" : host);
    if (!s3->route.is_virtual_host)
        text_append(&place, "/%s", s3->route.bucket);
    text_append(&place, "/");
    gw_uri_encode(&place, key, true);
    gw_xml_open_root(&out, "CompleteMultipartUploadResult");
    gw_xml_element(&out, "Location", text_cstr(&place));
    gw_xml_element(&out, "Bucket", s3->route.bucket);
    gw_xml_element_bytes(&out, "Key", key);
    s3_append_etag(&out, meta->etag);
    s3_append_checksum(&out, meta);
    gw_xml_close(&out, "CompleteMultipartUploadResult");
    text_release(&place);
    s3_add_version(s3, info);
    s3_add_expiration(s3, info->size, info->mtime_ms, &meta->tags);
    s3_respond_xml(s3, &out);
}

/* True if the object is what this upload became: the request was repeated, and succeeds again. */
static bool respond_if_finished(struct s3 *s3)
{
    const struct gw_route *route = &s3->route;
    struct catena_info info = {0};
    enum catena_status status =
        catena_stat(s3->gateway->client, route->bucket, route->key, route->key_length, NULL, &info);
    bool is_finished = status == CATENA_OK && info.part_count > 0 &&
                       info.upload.high == s3->upload.high && info.upload.low == s3->upload.low;
    if (is_finished) {
        struct gw_meta meta;
        s3_decode_meta(&info, &meta);
        respond_completed(s3, &meta, &info);
        gw_meta_release(&meta);
    }
    catena_info_release(&info);
    return is_finished;
}

/* The object is not there any more, but the chain may know the request by its token. The upload is
 * gone, so nothing can be published by asking; the ETag follows from those of the document. */
static bool respond_if_repeated(struct completion *completion)
{
    struct s3 *s3 = completion->s3;
    struct write_conditions conditions = s3_write_conditions(s3);
    struct gw_assembly assembly;
    struct gw_meta *meta = &completion->meta;
    struct catena_info info = {0};
    enum catena_status status = CATENA_OK;
    char etag[GW_UPLOAD_ETAG_SIZE];
    if ((conditions.token_high | conditions.token_low) == 0)
        return false;
    gw_meta_release(meta);
    gw_assembly_begin(&assembly, GW_CHECKSUM_NONE, GW_CHECKSUM_FULL_OBJECT);
    for (size_t i = 0; i < completion->wanted.count; i++) {
        const struct gw_choice *choice = &completion->wanted.items[i];
        struct gw_part part = {.checksum_kind = GW_CHECKSUM_NONE};
        memcpy(part.md5, choice->md5, sizeof part.md5);
        gw_assembly_add(&assembly, &part, 0);
        completion->choices[i] = (struct catena_part_choice){.number = choice->number};
    }
    gw_assembly_end(&assembly, etag, meta->checksum);
    gw_assembly_release(&assembly);
    (void)text_format(meta->etag, sizeof meta->etag, "%s", etag);
    if (publish(completion, &info, &status) != S3_OK)
        return false;
    respond_completed(s3, meta, &info);
    catena_info_release(&info);
    return true;
}

/* A part that is replaced between the look and the completion is looked at again. */
static void complete(struct completion *completion)
{
    struct s3 *s3 = completion->s3;
    struct catena_info info = {0};
    enum catena_status status = CATENA_NO_PART;
    enum s3_error error = S3_OK;
    for (int i = 0; i < REPLACED_TRIES && status == CATENA_NO_PART; i++) {
        status = CATENA_OK;
        text_clear(&completion->detail);
        error = assemble(completion, &status);
        if (error == S3_OK)
            error = publish(completion, &info, &status);
    }
    if (error == S3_OK) {
        respond_completed(s3, &completion->meta, &info);
        catena_info_release(&info);
        return;
    }
    /* Also when a condition failed: what is in the way may be what this upload became. */
    bool may_be_finished = status == CATENA_NO_UPLOAD || error == S3_PreconditionFailed;
    if (may_be_finished && respond_if_finished(s3))
        return;
    if (status == CATENA_NO_UPLOAD && respond_if_repeated(completion))
        return;
    if (status == CATENA_OK && completion->detail.length > 0)
        s3_fail(s3, error, text_cstr(&completion->detail));
    else
        s3_fail_write(s3, error, status);
}

void op_complete_upload(struct s3 *s3)
{
    struct completion completion = {.s3 = s3};
    text_init(&completion.detail);
    enum s3_error error =
        gw_choices_read(slice_of(s3->document.data, s3->document.length), &completion.wanted);
    if (error != S3_OK) {
        s3_fail(s3, error, NULL);
    } else {
        completion.choices = gw_zalloc(completion.wanted.count * sizeof *completion.choices);
        complete(&completion);
    }
    free(completion.choices);
    gw_choices_release(&completion.wanted);
    gw_meta_release(&completion.meta);
    text_release(&completion.detail);
}
