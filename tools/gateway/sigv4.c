#include "tools/gateway/sigv4.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/gateway/checksum.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/http_time.h"

enum { USUAL_BYTES = 500 }; /* of a canonical request */

static const char empty_sha256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/* ---- canonical request ---- */

struct pair {
    char *name;
    char *value;
};

static int compare_pairs(const void *left, const void *right)
{
    const struct pair *a = left;
    const struct pair *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : strcmp(a->value, b->value);
}

static char *encode_again(struct slice raw, bool as_sent, bool keep_slash)
{
    if (as_sent)
        return gw_copy_bytes(raw.data, raw.length);
    struct text decoded;
    struct text encoded;
    text_init(&decoded);
    text_init(&encoded);
    text_reserve(&decoded, raw.length);
    text_reserve(&encoded, raw.length);
    if (gw_uri_decode(&decoded, raw, !keep_slash))
        gw_uri_encode(&encoded, slice_of(decoded.data, decoded.length), keep_slash);
    char *result = gw_copy_bytes(text_cstr(&encoded), encoded.length);
    text_release(&decoded);
    text_release(&encoded);
    return result;
}

static void append_query(const char *raw, bool is_presigned, bool as_sent, struct text *out)
{
    struct pair pairs[GW_PARAMETERS_MAX];
    size_t count = 0;
    while (*raw != '\0' && count < GW_PARAMETERS_MAX) {
        size_t length = strcspn(raw, "&");
        const char *equals = memchr(raw, '=', length);
        size_t name = equals == NULL ? length : (size_t)(equals - raw);
        bool is_signature = is_presigned && name == strlen("X-Amz-Signature") &&
                            strncmp(raw, "X-Amz-Signature", name) == 0;
        if (length > 0 && !is_signature) {
            struct slice value =
                equals == NULL ? slice_of("", 0) : slice_of(equals + 1, length - name - 1);
            pairs[count++] = (struct pair){
                .name = encode_again(slice_of(raw, name), as_sent, false),
                .value = encode_again(value, as_sent, false),
            };
        }
        raw += length;
        raw += *raw == '&' ? 1 : 0;
    }
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < count; i++) {
        text_append(out, "%s%s=%s", i == 0 ? "" : "&", pairs[i].name, pairs[i].value);
        free(pairs[i].name);
        free(pairs[i].value);
    }
}

static void append(struct text *out, const char *text)
{
    text_append_bytes(out, slice_of_text(text));
}

/* Trimmed, runs of blanks as one. */
static void append_value(const char *value, struct text *out)
{
    value += strspn(value, " \t");
    for (bool is_first = true; *value != '\0'; is_first = false) {
        size_t word = strcspn(value, " \t");
        if (!is_first)
            append(out, " ");
        text_append_bytes(out, slice_of(value, word));
        value += word;
        value += strspn(value, " \t");
    }
}

/* The first name of the list, which then begins with the next one. */
static struct slice take_name(struct slice *names)
{
    const uint8_t *end = names->length == 0 ? NULL : memchr(names->data, ';', names->length);
    size_t length = end == NULL ? names->length : (size_t)(end - names->data);
    struct slice name = slice_of(names->data, length);
    size_t used = end == NULL ? length : length + 1;
    *names = slice_of(names->data + used, names->length - used);
    return name;
}

static bool is_named(const char *header, struct slice name)
{
    return strlen(header) == name.length &&
           gw_starts_with_ignoring_case((const char *)name.data, header);
}

static void append_headers(const struct gw_request *request, struct slice names, struct text *out)
{
    while (names.length > 0) {
        struct slice name = take_name(&names);
        text_append_bytes(out, name);
        append(out, ":");
        bool is_first = true;
        for (size_t i = 0; i < request->header_count; i++) {
            if (!is_named(request->headers[i].name, name))
                continue;
            if (!is_first)
                append(out, ",");
            append_value(request->headers[i].value, out);
            is_first = false;
        }
        append(out, "\n");
    }
}

void sigv4_canonical_request(const struct gw_request *request, const struct sigv4 *sigv4,
                             bool as_sent, struct text *out)
{
    char *path = encode_again(slice_of_text(request->path), as_sent, true);
    append(out, request->method);
    append(out, "\n");
    append(out, path);
    append(out, "\n");
    free(path);
    append_query(request->query, sigv4->is_presigned, as_sent, out);
    append(out, "\n");
    append_headers(request, sigv4->signed_headers, out);
    append(out, "\n");
    text_append_bytes(out, sigv4->signed_headers);
    append(out, "\n");
    append(out, sigv4->content_sha256);
}

void sigv4_key(const char *secret, const char *date, const char *region, uint8_t key[32])
{
    char first[160];
    int length = snprintf(first, sizeof first, "AWS4%s", secret);
    if (length < 0 || (size_t)length >= sizeof first)
        length = 0; /* keys that long are refused where they are read */
    gw_hmac_sha256(slice_of(first, (size_t)length), slice_of_text(date), key);
    explicit_bzero(first, sizeof first);
    gw_hmac_sha256(slice_of(key, 32), slice_of_text(region), key);
    gw_hmac_sha256(slice_of(key, 32), slice_of_text("s3"), key);
    gw_hmac_sha256(slice_of(key, 32), slice_of_text("aws4_request"), key);
}

static bool verify_form(const struct gw_request *request, const struct sigv4 *sigv4,
                        const uint8_t key[32], bool as_sent)
{
    struct text canonical;
    struct text to_sign;
    text_init(&canonical);
    text_init(&to_sign);
    text_reserve(&canonical, USUAL_BYTES);
    text_reserve(&to_sign, USUAL_BYTES);
    sigv4_canonical_request(request, sigv4, as_sent, &canonical);
    uint8_t digest[32];
    char hex[SIGV4_HEX_SIZE];
    gw_sha256(slice_of(canonical.data, canonical.length), digest);
    gw_hex_encode(digest, sizeof digest, hex);
    append(&to_sign, "AWS4-HMAC-SHA256\n");
    append(&to_sign, sigv4->timestamp);
    append(&to_sign, "\n");
    append(&to_sign, sigv4->date);
    append(&to_sign, "/");
    append(&to_sign, sigv4->region);
    append(&to_sign, "/s3/aws4_request\n");
    append(&to_sign, hex);
    gw_hmac_sha256(slice_of(key, 32), slice_of(to_sign.data, to_sign.length), digest);
    gw_hex_encode(digest, sizeof digest, hex);
    text_release(&canonical);
    text_release(&to_sign);
    return gw_secret_equal(hex, sigv4->signature);
}

/* Clients differ in what they leave unescaped (~ : @ + and others), so the form as sent counts
 * too: both name the same resource. */
bool sigv4_verify_with_key(const struct gw_request *request, const struct sigv4 *sigv4,
                           const uint8_t key[32])
{
    return verify_form(request, sigv4, key, false) || verify_form(request, sigv4, key, true);
}

bool sigv4_verify(const struct gw_request *request, const struct sigv4 *sigv4, const char *secret)
{
    uint8_t key[32];
    sigv4_key(secret, sigv4->date, sigv4->region, key);
    bool is_good = sigv4_verify_with_key(request, sigv4, key);
    explicit_bzero(key, sizeof key);
    return is_good;
}

/* ---- what the request says ---- */

bool sigv4_is_header(const struct gw_request *request)
{
    const char *header = gw_header(request, "authorization");
    return header != NULL && gw_starts_with(header, "AWS4-HMAC-SHA256");
}

bool sigv4_is_presigned(const struct gw_query *query)
{
    return gw_query_has(query, "X-Amz-Algorithm") || gw_query_has(query, "X-Amz-Signature");
}

static bool put(char *array, size_t size, const char *value, size_t length)
{
    if (length == 0 || length >= size)
        return false;
    memcpy(array, value, length);
    array[length] = '\0';
    return true;
}

/* "KEY/DATE/REGION/s3/aws4_request", where KEY may hold slashes. */
static bool parse_credential(const char *text, size_t length, struct sigv4 *sigv4,
                             const char **ret_detail)
{
    const char *part[5];
    size_t size[5];
    const char *end = text + length;
    for (int i = 4; i >= 1; i--) {
        const char *slash = memrchr(text, '/', (size_t)(end - text));
        if (slash == NULL) {
            *ret_detail = "the Credential is mal-formed; expecting "
                          "<key>/YYYYMMDD/REGION/SERVICE/aws4_request";
            return false;
        }
        part[i] = slash + 1;
        size[i] = (size_t)(end - part[i]);
        end = slash;
    }
    part[0] = text;
    size[0] = (size_t)(end - text);
    if (size[3] != 2 || memcmp(part[3], "s3", 2) != 0) {
        *ret_detail = "incorrect service; this endpoint belongs to \"s3\"";
        return false;
    }
    if (size[4] != strlen("aws4_request") || memcmp(part[4], "aws4_request", size[4]) != 0) {
        *ret_detail = "incorrect terminal; this endpoint uses \"aws4_request\"";
        return false;
    }
    *ret_detail = "the Credential is mal-formed";
    return size[1] == 8 && put(sigv4->access_key, sizeof sigv4->access_key, part[0], size[0]) &&
           put(sigv4->date, sizeof sigv4->date, part[1], size[1]) &&
           put(sigv4->region, sizeof sigv4->region, part[2], size[2]);
}

static bool parse_authorization(const char *header, struct sigv4 *sigv4, const char **ret_detail)
{
    const char *cursor = header + strlen("AWS4-HMAC-SHA256");
    bool has_credential = false;
    *ret_detail = "the authorization header lacks Credential, SignedHeaders or Signature";
    while (*cursor != '\0') {
        cursor += strspn(cursor, " ,");
        size_t length = strcspn(cursor, ", ");
        if (gw_starts_with(cursor, "Credential=")) {
            if (!parse_credential(cursor + 11, length - 11, sigv4, ret_detail))
                return false;
            has_credential = true;
            *ret_detail = "the authorization header lacks Credential, SignedHeaders or Signature";
        } else if (gw_starts_with(cursor, "SignedHeaders=")) {
            sigv4->signed_headers = slice_of(cursor + 14, length - 14);
        } else if (gw_starts_with(cursor, "Signature=")) {
            if (!put(sigv4->signature, sizeof sigv4->signature, cursor + 10, length - 10))
                return false;
        } else if (length > 0) {
            return false;
        }
        cursor += length;
    }
    return has_credential && sigv4->signed_headers.length > 0 && sigv4->signature[0] != '\0';
}

static bool is_signed(const struct sigv4 *sigv4, const char *name)
{
    struct slice names = sigv4->signed_headers;
    while (names.length > 0) {
        if (is_named(name, take_name(&names)))
            return true;
    }
    return false;
}

/* Host and every x-amz- header that is there have to be signed. */
static enum s3_error check_signed_headers(const struct gw_request *request,
                                          const struct sigv4 *sigv4, const char **ret_detail)
{
    *ret_detail = "there were headers present in the request which were not signed";
    if (!is_signed(sigv4, "host"))
        return S3_AccessDenied;
    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name;
        if (gw_starts_with_ignoring_case(name, "x-amz-") && !is_signed(sigv4, name) &&
            !(sigv4->is_presigned && gw_is_equal_ignoring_case(name, "x-amz-content-sha256")))
            return S3_AccessDenied;
    }
    *ret_detail = NULL;
    return S3_OK;
}

static enum s3_error parse_payload(const char *value, struct sigv4 *sigv4, const char **ret_detail)
{
    static const struct {
        const char *text;
        enum sigv4_payload payload;
    } forms[] = {
        {"UNSIGNED-PAYLOAD", SIGV4_PAYLOAD_UNSIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_PAYLOAD_CHUNKS},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SIGV4_PAYLOAD_CHUNKS_TRAILER},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGV4_PAYLOAD_UNSIGNED_TRAILER},
    };
    uint8_t hash[32];
    sigv4->payload = SIGV4_PAYLOAD_SHA256;
    if (!put(sigv4->content_sha256, sizeof sigv4->content_sha256, value, strlen(value)))
        return S3_InvalidArgument;
    if (gw_hex_decode(value, hash, sizeof hash))
        return S3_OK;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(value, forms[i].text) == 0) {
            sigv4->payload = forms[i].payload;
            return S3_OK;
        }
    }
    if (gw_starts_with(value, "STREAMING-AWS4-ECDSA"))
        return S3_NotImplemented;
    *ret_detail = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING form or a valid "
                  "sha256 value";
    return S3_InvalidArgument;
}

static enum s3_error parse_header_form(const struct gw_request *request, struct sigv4 *sigv4,
                                       const char **ret_detail)
{
    if (!parse_authorization(gw_header(request, "authorization"), sigv4, ret_detail))
        return S3_AuthorizationHeaderMalformed;
    const char *amz_date = gw_header(request, "x-amz-date");
    int64_t ignored;
    if (amz_date != NULL) {
        if (!gw_starts_with(amz_date, sigv4->date)) {
            *ret_detail = "the date in the credential scope is not that of x-amz-date";
            return S3_AuthorizationHeaderMalformed;
        }
        (void)put(sigv4->timestamp, sizeof sigv4->timestamp, amz_date, strlen(amz_date));
    } else {
        const char *date = gw_header(request, "date");
        *ret_detail = "AWS authentication requires a valid Date or x-amz-date header";
        if (date == NULL || !gw_amz_time_from_any(date, sigv4->timestamp, &ignored))
            return S3_AccessDenied;
    }
    const char *hash = gw_header(request, "x-amz-content-sha256");
    if (hash == NULL) {
        *ret_detail = "missing required header for this request: x-amz-content-sha256";
        return S3_InvalidRequest;
    }
    return parse_payload(hash, sigv4, ret_detail);
}

static enum s3_error parse_query_form(const struct gw_request *request,
                                      const struct gw_query *query, struct sigv4 *sigv4,
                                      const char **ret_detail)
{
    const char *algorithm = gw_query_get(query, "X-Amz-Algorithm");
    const char *credential = gw_query_get(query, "X-Amz-Credential");
    const char *date = gw_query_get(query, "X-Amz-Date");
    const char *expires = gw_query_get(query, "X-Amz-Expires");
    const char *names = gw_query_get(query, "X-Amz-SignedHeaders");
    const char *signature = gw_query_get(query, "X-Amz-Signature");
    uint64_t seconds = 0;
    *ret_detail = "query-string authentication version 4 requires the X-Amz-Algorithm, "
                  "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
                  "X-Amz-Expires parameters";
    sigv4->is_presigned = true;
    if (algorithm == NULL || credential == NULL || date == NULL || expires == NULL ||
        names == NULL || *names == '\0' || signature == NULL)
        return S3_AuthorizationQueryParametersError;
    if (strcmp(algorithm, "AWS4-HMAC-SHA256") != 0) {
        *ret_detail = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
        return S3_AuthorizationQueryParametersError;
    }
    if (!gw_parse_u64(expires, &seconds) || seconds < 1 || seconds > SIGV4_EXPIRES_MAX) {
        *ret_detail = "X-Amz-Expires must be between 1 and 604800 seconds";
        return S3_AuthorizationQueryParametersError;
    }
    sigv4->expires = (int64_t)seconds;
    if (!parse_credential(credential, strlen(credential), sigv4, ret_detail) ||
        !put(sigv4->timestamp, sizeof sigv4->timestamp, date, strlen(date)) ||
        !put(sigv4->signature, sizeof sigv4->signature, signature, strlen(signature)))
        return S3_AuthorizationQueryParametersError;
    sigv4->signed_headers = slice_of_text(names);
    const char *hash = gw_header(request, "x-amz-content-sha256");
    bool is_hash_signed = hash != NULL && is_signed(sigv4, "x-amz-content-sha256");
    if (!is_hash_signed)
        hash = gw_query_get(query, "X-Amz-Content-Sha256");
    return parse_payload(hash != NULL ? hash : "UNSIGNED-PAYLOAD", sigv4, ret_detail);
}

static enum s3_error check_time(struct sigv4 *sigv4, int64_t now, const char **ret_detail)
{
    *ret_detail = "the date is not in the form YYYYMMDDTHHMMSSZ or not that of the scope";
    if (!gw_amz_time_parse(sigv4->timestamp, &sigv4->time) ||
        strncmp(sigv4->timestamp, sigv4->date, 8) != 0)
        return sigv4->is_presigned ? S3_AuthorizationQueryParametersError : S3_AccessDenied;
    *ret_detail = NULL;
    if (sigv4->time > now + SIGV4_SKEW_SECONDS)
        return sigv4->is_presigned ? S3_AccessDenied : S3_RequestTimeTooSkewed;
    if (sigv4->is_presigned && now > sigv4->time + sigv4->expires) {
        *ret_detail = "Request has expired";
        return S3_AccessDenied;
    }
    if (!sigv4->is_presigned && sigv4->time < now - SIGV4_SKEW_SECONDS)
        return S3_RequestTimeTooSkewed;
    return S3_OK;
}

enum s3_error sigv4_parse(const struct gw_request *request, const struct gw_query *query,
                          int64_t now, struct sigv4 *ret_sigv4, const char **ret_detail)
{
    *ret_sigv4 = (struct sigv4){0};
    *ret_detail = NULL;
    enum s3_error error = sigv4_is_header(request)
                              ? parse_header_form(request, ret_sigv4, ret_detail)
                              : parse_query_form(request, query, ret_sigv4, ret_detail);
    if (error != S3_OK)
        return error;
    error = check_time(ret_sigv4, now, ret_detail);
    return error != S3_OK ? error : check_signed_headers(request, ret_sigv4, ret_detail);
}

/* ---- chunks ---- */

void sigv4_chunks_begin(const struct sigv4 *sigv4, const char *secret, struct sigv4_chunks *chunks)
{
    *chunks = (struct sigv4_chunks){0};
    sigv4_key(secret, sigv4->date, sigv4->region, chunks->key);
    memcpy(chunks->timestamp, sigv4->timestamp, sizeof chunks->timestamp);
    (void)text_format(chunks->scope, sizeof chunks->scope, "%s/%s/s3/aws4_request", sigv4->date,
                      sigv4->region);
    memcpy(chunks->previous, sigv4->signature, sizeof chunks->previous);
}

bool sigv4_chunks_verify(struct sigv4_chunks *chunks, bool is_trailer, const uint8_t hash[32],
                         const char *signature)
{
    char hex[SIGV4_HEX_SIZE];
    char to_sign[512];
    uint8_t digest[32];
    gw_hex_encode(hash, 32, hex);
    (void)text_format(to_sign, sizeof to_sign, "AWS4-HMAC-SHA256-%s\n%s\n%s\n%s\n%s%s%s",
                      is_trailer ? "TRAILER" : "PAYLOAD", chunks->timestamp, chunks->scope,
                      chunks->previous, is_trailer ? "" : empty_sha256, is_trailer ? "" : "\n",
                      hex);
    gw_hmac_sha256(slice_of(chunks->key, 32), slice_of_text(to_sign), digest);
    gw_hex_encode(digest, sizeof digest, chunks->previous);
    return gw_secret_equal(chunks->previous, signature);
}
