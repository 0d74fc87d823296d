/* The body of a request: what its headers promise, decoding, and the checks at its end. */
#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"

static bool decode_exactly(const char *base64, uint8_t *bytes, size_t wanted)
{
    size_t length = 0;
    return gw_base64_decode(base64, bytes, wanted, &length) && length == wanted;
}

/* A checksum of a kind that we do not compute: it could not be compared. */
static bool has_unknown_checksum(const struct gw_request *request)
{
    static const char prefix[] = "x-amz-checksum-";
    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name;
        if (!gw_starts_with_ignoring_case(name, prefix) ||
            gw_checksum_by_header(name) != GW_CHECKSUM_NONE)
            continue;
        name += strlen(prefix);
        if (!gw_is_equal_ignoring_case(name, "algorithm") &&
            !gw_is_equal_ignoring_case(name, "mode") && !gw_is_equal_ignoring_case(name, "type"))
            return true;
    }
    return false;
}

/* x-amz-checksum-NAME: at most one value, well-formed. */
static enum s3_error read_checksum_header(struct s3 *s3, const char **ret_detail)
{
    struct body_rules *rules = &s3->body;
    uint8_t value[GW_CHECKSUM_BYTES_MAX];
    if (has_unknown_checksum(s3->request))
        return S3_NotImplemented;
    if (s3->route.operation == GW_OPERATION_COMPLETE_UPLOAD)
        return S3_OK; /* there it is the object's, not the document's */
    for (size_t i = 0; i < s3->request->header_count; i++) {
        const struct gw_header *header = &s3->request->headers[i];
        enum gw_checksum_kind kind = gw_checksum_by_header(header->name);
        if (kind == GW_CHECKSUM_NONE)
            continue;
        if (rules->checksum_kind != GW_CHECKSUM_NONE) {
            *ret_detail = "Expecting a single x-amz-checksum- header.";
            return S3_InvalidRequest;
        }
        if (!decode_exactly(header->value, value, gw_checksum_bytes(kind))) {
            *ret_detail = "Value for an x-amz-checksum- header is invalid.";
            return S3_InvalidRequest;
        }
        rules->checksum_kind = kind;
        (void)text_format(rules->checksum, sizeof rules->checksum, "%s", header->value);
    }
    return S3_OK;
}

static enum s3_error read_trailer_header(struct s3 *s3, const char **ret_detail)
{
    struct body_rules *rules = &s3->body;
    const char *trailer = gw_header(s3->request, "x-amz-trailer");
    if (trailer == NULL)
        return S3_OK;
    enum gw_checksum_kind kind = gw_checksum_by_header(trailer);
    *ret_detail = "The value specified in the x-amz-trailer header is not supported.";
    if (kind == GW_CHECKSUM_NONE)
        return S3_InvalidRequest;
    *ret_detail = "Expecting a single x-amz-checksum- header.";
    if (rules->checksum_kind != GW_CHECKSUM_NONE)
        return S3_InvalidRequest;
    *ret_detail = NULL;
    rules->checksum_kind = kind;
    rules->is_checksum_in_trailer = true;
    return S3_OK;
}

static void begin_decoder(struct s3 *s3)
{
    struct body_rules *rules = &s3->body;
    enum sigv4_payload payload = s3->sigv4.payload;
    bool is_signed = payload == SIGV4_PAYLOAD_CHUNKS || payload == SIGV4_PAYLOAD_CHUNKS_TRAILER;
    bool has_trailer =
        payload == SIGV4_PAYLOAD_CHUNKS_TRAILER || payload == SIGV4_PAYLOAD_UNSIGNED_TRAILER;
    struct sigv4_chunks chain;
    if (!is_signed && !has_trailer)
        return;
    if (is_signed)
        sigv4_chunks_begin(&s3->sigv4, s3->secret, &chain);
    aws_chunked_init(&rules->decoder, is_signed ? &chain : NULL, has_trailer);
    if (is_signed)
        explicit_bzero(&chain, sizeof chain);
    rules->is_aws_chunked = true;
}

static enum s3_error read_lengths(struct s3 *s3)
{
    struct body_rules *rules = &s3->body;
    uint64_t length = http_body_length(s3->exchange);
    const char *decoded = gw_header(s3->request, "x-amz-decoded-content-length");
    rules->decoded_length = rules->is_aws_chunked || s3->post != NULL ? UINT64_MAX : length;
    if (rules->is_aws_chunked && decoded != NULL && !gw_parse_u64(decoded, &rules->decoded_length))
        return S3_InvalidArgument;
    uint64_t limit = s3->wants_document ? GW_DOCUMENT_BYTES_MAX : GW_OBJECT_BYTES_MAX;
    enum s3_error too_large = s3->wants_document ? S3_MaxMessageLengthExceeded : S3_EntityTooLarge;
    if (rules->decoded_length != UINT64_MAX && rules->decoded_length > limit)
        return too_large;
    if (s3->post == NULL && !s3->wants_document &&
        gw_header(s3->request, "content-length") == NULL &&
        gw_header(s3->request, "transfer-encoding") == NULL)
        return S3_MissingContentLength;
    return S3_OK;
}

enum s3_error body_rules_read(struct s3 *s3, const char **ret_detail)
{
    struct body_rules *rules = &s3->body;
    const char *md5 = gw_header(s3->request, "content-md5");
    if (md5 != NULL && !decode_exactly(md5, rules->md5, sizeof rules->md5))
        return S3_InvalidDigest;
    rules->has_md5 = md5 != NULL;
    enum s3_error error = read_checksum_header(s3, ret_detail);
    if (error == S3_OK)
        error = read_trailer_header(s3, ret_detail);
    if (error != S3_OK)
        return error;
    if (s3->is_sigv4) {
        begin_decoder(s3);
        rules->has_sha256 = s3->sigv4.payload == SIGV4_PAYLOAD_SHA256;
        if (rules->has_sha256)
            (void)gw_hex_decode(s3->sigv4.content_sha256, rules->sha256, sizeof rules->sha256);
    }
    return read_lengths(s3);
}

void body_rules_release(struct body_rules *rules)
{
    if (rules->is_aws_chunked)
        aws_chunked_release(&rules->decoder);
}

static enum s3_error begin_sink(struct s3 *s3)
{
    enum catena_status status = CATENA_OK;
    if (s3->has_sink)
        return S3_OK;
    if (s3->route.operation == GW_OPERATION_UPLOAD_PART)
        return part_begin(s3, &status);
    sink_begin(&s3->sink, s3->body.checksum_kind, s3->body.has_sha256);
    s3->has_sink = true;
    return S3_OK;
}

enum s3_error body_deliver(struct s3 *s3, struct slice bytes)
{
    const struct gw_route *route = &s3->route;
    if (bytes.length == 0)
        return S3_OK;
    enum s3_error error = begin_sink(s3);
    if (error != S3_OK)
        return error;
    uint64_t limit = s3->wants_document ? GW_DOCUMENT_BYTES_MAX : GW_OBJECT_BYTES_MAX;
    if (s3->sink.length + bytes.length > limit)
        return s3->wants_document ? S3_MaxMessageLengthExceeded : S3_EntityTooLarge;
    if (s3->sink.length + bytes.length > s3->body.decoded_length)
        return S3_IncompleteBody;
    if (s3->wants_document) {
        text_append_bytes(&s3->document, bytes);
        return sink_write(&s3->sink, NULL, NULL, NULL, 0, bytes) == CATENA_OK ? S3_OK
                                                                              : S3_InternalError;
    }
    enum catena_status status = sink_write(&s3->sink, s3->gateway->client, route->bucket,
                                           route->key, route->key_length, bytes);
    return s3_error_of_status(status);
}

enum s3_error body_take(struct s3 *s3, struct slice bytes)
{
    struct body_rules *rules = &s3->body;
    if (s3->post != NULL)
        return post_take(s3, bytes);
    if (!rules->is_aws_chunked)
        return body_deliver(s3, bytes);
    while (bytes.length > 0) {
        struct slice data = {0};
        switch (aws_chunked_next(&rules->decoder, &bytes, &data)) {
        case AWS_CHUNKED_MORE:
            break;
        case AWS_CHUNKED_DATA: {
            enum s3_error error = body_deliver(s3, data);
            if (error != S3_OK)
                return error;
            break;
        }
        case AWS_CHUNKED_END:
            rules->has_ended = true;
            break;
        case AWS_CHUNKED_BAD:
            return rules->decoder.error;
        }
    }
    return S3_OK;
}

static enum s3_error check_digests(struct s3 *s3, const char **ret_detail)
{
    struct body_rules *rules = &s3->body;
    struct sink *sink = &s3->sink;
    uint8_t value[GW_CHECKSUM_BYTES_MAX];
    sink_digest(sink);
    if (rules->has_md5 && memcmp(rules->md5, sink->md5_value, sizeof rules->md5) != 0)
        return S3_BadDigest;
    if (rules->has_sha256) {
        (void)gw_checksum_final(sink->sha256, value);
        if (memcmp(rules->sha256, value, sizeof rules->sha256) != 0)
            return S3_XAmzContentSHA256Mismatch;
    }
    if (rules->checksum_kind == GW_CHECKSUM_NONE)
        return S3_OK;
    char computed[GW_CHECKSUM_TEXT_SIZE];
    size_t length = gw_checksum_final(sink->checksum, value);
    gw_base64_encode(value, length, computed);
    if (strcmp(computed, rules->checksum) != 0) {
        *ret_detail = "The checksum you specified did not match the calculated checksum.";
        return S3_BadDigest;
    }
    return S3_OK;
}

/* No body, and no promise about one but that it is empty. */
static bool is_nothing(const struct s3 *s3)
{
    static const uint8_t sha256_of_nothing[32] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
                                                  0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
                                                  0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
                                                  0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
    const struct body_rules *rules = &s3->body;
    return s3->wants_document && !s3->has_sink && !rules->is_aws_chunked && !rules->has_md5 &&
           rules->checksum_kind == GW_CHECKSUM_NONE && rules->decoded_length == 0 &&
           (!rules->has_sha256 ||
            memcmp(rules->sha256, sha256_of_nothing, sizeof sha256_of_nothing) == 0);
}

/* A checksum at the end that was not announced, or was sent twice: nobody would compare it. */
static bool has_stray_checksum(const struct body_rules *rules)
{
    const struct aws_chunked *decoder = &rules->decoder;
    const char *announced =
        rules->is_checksum_in_trailer ? gw_checksum_header(rules->checksum_kind) : "";
    size_t good = 0;
    for (size_t i = 0; rules->is_aws_chunked && i < decoder->trailer_count; i++) {
        const char *name = decoder->trailers[i].name;
        if (gw_starts_with(name, "x-amz-checksum-") && (strcmp(name, announced) != 0 || ++good > 1))
            return true;
    }
    return false;
}

enum s3_error body_end(struct s3 *s3, const char **ret_detail)
{
    struct body_rules *rules = &s3->body;
    if (is_nothing(s3))
        return S3_OK;
    enum s3_error error = s3->post == NULL ? S3_OK : post_end(s3);
    if (error == S3_OK)
        error = begin_sink(s3);
    if (error != S3_OK)
        return error;
    if (rules->is_aws_chunked && !rules->has_ended)
        return S3_IncompleteBody;
    if (rules->decoded_length != UINT64_MAX && s3->sink.length != rules->decoded_length)
        return S3_IncompleteBody;
    if (has_stray_checksum(rules))
        return S3_MalformedTrailerError;
    if (rules->is_checksum_in_trailer) {
        const char *value =
            aws_chunked_trailer(&rules->decoder, gw_checksum_header(rules->checksum_kind));
        uint8_t bytes[GW_CHECKSUM_BYTES_MAX];
        if (!rules->is_aws_chunked || value == NULL)
            return S3_MalformedTrailerError;
        *ret_detail = "Value for the trailing checksum is invalid.";
        if (!decode_exactly(value, bytes, gw_checksum_bytes(rules->checksum_kind)))
            return S3_InvalidRequest;
        *ret_detail = NULL;
        (void)text_format(rules->checksum, sizeof rules->checksum, "%s", value);
    }
    return check_digests(s3, ret_detail);
}
