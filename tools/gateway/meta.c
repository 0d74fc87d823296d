#include "tools/gateway/meta.h"

#include <stdlib.h>

#include "tools/gateway/encode.h"

const char *const gw_content_headers[GW_CONTENT_COUNT] = {
    "Content-Type",     "Cache-Control",    "Content-Disposition",
    "Content-Encoding", "Content-Language", "Expires",
};
const char *const gw_content_overrides[GW_CONTENT_COUNT] = {
    "response-content-type",     "response-cache-control",    "response-content-disposition",
    "response-content-encoding", "response-content-language", "response-expires",
};

enum {
    TAG_ETAG = 1,
    TAG_CHECKSUM = 2, /* kind, text */
    TAG_USER = 3,
    TAG_CHECKSUM_TYPE = 4, /* only if not FULL_OBJECT */
    TAG_TAG = 5,           /* key, NUL, value */
    TAG_CONTENT = 16,
};
static const uint8_t magic[4] = {'S', '3', 0, 1};

/* ---- from headers ---- */

/* The codings of all headers of the name, but for that of the transfer: "aws-chunked, gzip" ->
 * "gzip". SDKs add theirs as a header of its own. */
static char *read_codings(const struct gw_request *request)
{
    struct text text;
    text_init(&text);
    for (size_t i = 0; i < request->header_count; i++) {
        const char *value = request->headers[i].value;
        if (!gw_is_equal_ignoring_case(request->headers[i].name, "content-encoding"))
            continue;
        while (*value != '\0') {
            value += strspn(value, " ,\t");
            size_t length = strcspn(value, ",");
            size_t trimmed = length;
            while (trimmed > 0 && (value[trimmed - 1] == ' ' || value[trimmed - 1] == '\t'))
                trimmed--;
            bool is_ours = trimmed == strlen("aws-chunked") &&
                           gw_starts_with_ignoring_case(value, "aws-chunked");
            if (trimmed > 0 && !is_ours)
                text_append(&text, "%s%.*s", text.length == 0 ? "" : ",", (int)trimmed, value);
            value += length;
        }
    }
    char *result = text.length == 0 ? NULL : gw_copy_bytes(text.data, text.length);
    text_release(&text);
    return result;
}

static void add_user(struct gw_meta *meta, const char *name, const char *value)
{
    for (size_t i = 0; i < meta->user_count; i++) {
        if (!gw_is_equal_ignoring_case(meta->user[i].name, name))
            continue;
        /* Sent twice: one value, joined as HTTP joins them. */
        struct text joined;
        text_init(&joined);
        text_append(&joined, "%s,%s", meta->user[i].value, value);
        free(meta->user[i].value);
        meta->user[i].value = gw_copy_bytes(joined.data, joined.length);
        text_release(&joined);
        return;
    }
    meta->user = realloc(meta->user, (meta->user_count + 1) * sizeof *meta->user);
    if (meta->user == NULL)
        abort();
    char *lower = gw_copy(name);
    for (char *c = lower; *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    meta->user[meta->user_count++] = (struct gw_user_meta){.name = lower, .value = gw_copy(value)};
}

enum s3_error gw_meta_from_headers(const struct gw_request *request, struct gw_meta *ret_meta)
{
    static const char prefix[] = "x-amz-meta-";
    *ret_meta = (struct gw_meta){0};
    for (int i = 0; i < GW_CONTENT_COUNT; i++) {
        const char *value = gw_header(request, gw_content_headers[i]);
        if (i == GW_CONTENT_ENCODING)
            ret_meta->content[i] = read_codings(request);
        else if (value != NULL && *value != '\0')
            ret_meta->content[i] = gw_copy(value);
    }
    size_t total = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct gw_header *header = &request->headers[i];
        if (!gw_starts_with_ignoring_case(header->name, prefix))
            continue;
        const char *name = header->name + strlen(prefix);
        if (!gw_is_token(name)) /* a form's field can be called anything */
            return S3_InvalidArgument;
        total += strlen(name) + strlen(header->value);
        if (total > GW_USER_META_BYTES_MAX)
            return S3_MetadataTooLarge;
        add_user(ret_meta, name, header->value);
    }
    return S3_OK;
}

enum s3_error gw_meta_take_tags(const struct gw_request *request, struct gw_meta *meta,
                                const char **ret_detail)
{
    const char *header = gw_header(request, "x-amz-tagging");
    if (header == NULL)
        return S3_OK;
    gw_tags_release(&meta->tags);
    return gw_tags_from_header(header, GW_TAGS_OBJECT_MAX, &meta->tags, ret_detail);
}

void gw_meta_release(struct gw_meta *meta)
{
    gw_tags_release(&meta->tags);
    for (int i = 0; i < GW_CONTENT_COUNT; i++)
        free(meta->content[i]);
    for (size_t i = 0; i < meta->user_count; i++) {
        free(meta->user[i].name);
        free(meta->user[i].value);
    }
    free(meta->user);
    *meta = (struct gw_meta){0};
}

void gw_meta_copy(const struct gw_meta *from, struct gw_meta *ret_meta)
{
    *ret_meta = (struct gw_meta){0};
    for (int i = 0; i < GW_CONTENT_COUNT; i++) {
        if (from->content[i] != NULL)
            ret_meta->content[i] = gw_copy(from->content[i]);
    }
    for (size_t i = 0; i < from->user_count; i++)
        add_user(ret_meta, from->user[i].name, from->user[i].value);
}

/* ---- the blob ---- */

struct writer {
    uint8_t *out;
    size_t length;
    bool is_full;
};

static void put_record(struct writer *writer, unsigned tag, struct slice a, struct slice b)
{
    size_t length = a.length + b.length;
    if (writer->is_full || length > UINT16_MAX || writer->length + 3 + length > GW_META_BYTES_MAX) {
        writer->is_full = true;
        return;
    }
    uint8_t *out = writer->out + writer->length;
    out[0] = (uint8_t)tag;
    out[1] = (uint8_t)(length >> 8);
    out[2] = (uint8_t)length;
    if (a.length > 0)
        memcpy(out + 3, a.data, a.length);
    if (b.length > 0)
        memcpy(out + 3 + a.length, b.data, b.length);
    writer->length += 3 + length;
}

bool gw_meta_encode(const struct gw_meta *meta, uint8_t *out, size_t *ret_length)
{
    struct writer writer = {.out = out, .length = sizeof magic};
    struct slice none = {0};
    memcpy(out, magic, sizeof magic);
    put_record(&writer, TAG_ETAG, slice_of_text(meta->etag), none);
    if (meta->checksum_kind != GW_CHECKSUM_NONE) {
        uint8_t kind = (uint8_t)meta->checksum_kind;
        uint8_t type = (uint8_t)meta->checksum_type;
        put_record(&writer, TAG_CHECKSUM, slice_of(&kind, 1), slice_of_text(meta->checksum));
        if (meta->checksum_type != GW_CHECKSUM_FULL_OBJECT)
            put_record(&writer, TAG_CHECKSUM_TYPE, slice_of(&type, 1), none);
    }
    for (unsigned i = 0; i < GW_CONTENT_COUNT; i++) {
        if (meta->content[i] != NULL)
            put_record(&writer, TAG_CONTENT + i, slice_of_text(meta->content[i]), none);
    }
    for (size_t i = 0; i < meta->user_count; i++) /* name, NUL, value */
        put_record(&writer, TAG_USER, slice_of(meta->user[i].name, strlen(meta->user[i].name) + 1),
                   slice_of_text(meta->user[i].value));
    for (size_t i = 0; i < meta->tags.count; i++)
        put_record(&writer, TAG_TAG,
                   slice_of(meta->tags.items[i].key, strlen(meta->tags.items[i].key) + 1),
                   slice_of_text(meta->tags.items[i].value));
    *ret_length = writer.length;
    return !writer.is_full;
}

static void take_pair(struct gw_meta *meta, unsigned tag, struct slice name, struct slice value)
{
    if (tag == TAG_TAG) {
        gw_tags_add(&meta->tags, name, value);
        return;
    }
    char *text = gw_copy_bytes(value.data, value.length);
    add_user(meta, (const char *)name.data, text);
    free(text);
}

static void take_record(struct gw_meta *meta, unsigned tag, struct slice bytes)
{
    if (tag == TAG_ETAG && bytes.length < sizeof meta->etag) {
        memcpy(meta->etag, bytes.data, bytes.length);
        meta->etag[bytes.length] = '\0';
    } else if (tag == TAG_CHECKSUM && bytes.length >= 1 && bytes.length <= sizeof meta->checksum &&
               bytes.data[0] > GW_CHECKSUM_NONE && bytes.data[0] <= GW_CHECKSUM_LAST_NAMED) {
        meta->checksum_kind = (enum gw_checksum_kind)bytes.data[0];
        memcpy(meta->checksum, bytes.data + 1, bytes.length - 1);
        meta->checksum[bytes.length - 1] = '\0';
    } else if (tag == TAG_CHECKSUM_TYPE && bytes.length == 1 &&
               bytes.data[0] == GW_CHECKSUM_COMPOSITE) {
        meta->checksum_type = GW_CHECKSUM_COMPOSITE;
    } else if (tag == TAG_USER || tag == TAG_TAG) {
        const uint8_t *end = bytes.length == 0 ? NULL : memchr(bytes.data, 0, bytes.length);
        if (end != NULL)
            take_pair(meta, tag, slice_of(bytes.data, (size_t)(end - bytes.data)),
                      slice_of(end + 1, bytes.length - (size_t)(end + 1 - bytes.data)));
    } else if (tag >= TAG_CONTENT && tag < TAG_CONTENT + GW_CONTENT_COUNT) {
        free(meta->content[tag - TAG_CONTENT]);
        meta->content[tag - TAG_CONTENT] = gw_copy_bytes(bytes.data, bytes.length);
    }
}

bool gw_meta_is_ours(struct slice blob)
{
    return blob.length >= sizeof magic && memcmp(blob.data, magic, sizeof magic) == 0;
}

void gw_meta_decode(struct slice blob, uint64_t checksum, uint64_t epoch, uint64_t lsn,
                    struct gw_meta *ret_meta)
{
    *ret_meta = (struct gw_meta){0};
    if (gw_meta_is_ours(blob)) {
        size_t offset = sizeof magic;
        while (blob.length - offset >= 3) {
            size_t length = (size_t)blob.data[offset + 1] << 8 | blob.data[offset + 2];
            if (length > blob.length - offset - 3)
                break;
            take_record(ret_meta, blob.data[offset], slice_of(blob.data + offset + 3, length));
            offset += 3 + length;
        }
    }
    if (ret_meta->etag[0] == '\0')
        (void)text_format(ret_meta->etag, sizeof ret_meta->etag, "%016llx-%llu-%llu",
                          (unsigned long long)checksum, (unsigned long long)epoch,
                          (unsigned long long)lsn);
}
