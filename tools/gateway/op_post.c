/* POST upload from an HTML form: the fields carry what headers carry in a PUT, a policy that the
 * key's owner signed says what is allowed, and the file streams into the sink like any other body.
 *
 * Until the file begins, s3->request is the request as sent; then it is one whose headers are the
 * form's fields, so that all that reads headers reads those. */
#include <stdlib.h>

#include "tools/gateway/checksum.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/form.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/post_policy.h"
#include "tools/gateway/xml.h"

struct post {
    struct gw_form form;
    struct gw_request request;
    struct gw_header *headers;
    struct gw_post_policy policy;
    bool has_ended;
};

enum s3_error post_begin(struct s3 *s3, const char **ret_detail)
{
    const char *type = gw_header(s3->request, "content-type");
    struct post *post = gw_zalloc(sizeof *post);
    s3->post = post;
    if (gw_form_init(&post->form, type == NULL ? "" : type))
        return S3_OK;
    *ret_detail = "Bucket POST must be of the enclosure-type multipart/form-data";
    return S3_PreconditionFailed;
}

void post_release(struct post *post)
{
    if (post == NULL)
        return;
    gw_form_release(&post->form);
    free(post->headers);
    free(post);
}

/* ---- who ---- */

static const char *require(struct s3 *s3, const char *name, const char *detail)
{
    const char *value = gw_form_field(&s3->post->form, name);
    if (value == NULL)
        s3->detail = detail;
    return value;
}

static bool is_signed_v4(const struct s3 *s3, const char *date, const char *region,
                         const char *policy, const char *signature)
{
    uint8_t key[32];
    uint8_t mac[32];
    char text[SIGV4_HEX_SIZE];
    sigv4_key(s3->secret, date, region, key);
    gw_hmac_sha256(slice_of(key, sizeof key), slice_of_text(policy), mac);
    gw_hex_encode(mac, sizeof mac, text);
    explicit_bzero(key, sizeof key);
    return gw_secret_equal(text, signature);
}

static bool is_signed_v2(const struct s3 *s3, const char *policy, const char *signature)
{
    uint8_t mac[20];
    char text[29];
    gw_hmac_sha1(slice_of_text(s3->secret), slice_of_text(policy), mac);
    gw_base64_encode(mac, sizeof mac, text);
    return gw_secret_equal(text, signature);
}

/* KEY/DATE/REGION/s3/aws4_request */
struct credential {
    char key[129];
    char date[9];
    char region[65];
};

static bool take_word(const char **text, char *word, size_t size)
{
    size_t length = strcspn(*text, "/");
    if (length == 0 || length >= size || (*text)[length] != '/')
        return false;
    memcpy(word, *text, length);
    word[length] = '\0';
    *text += length + 1;
    return true;
}

static bool parse_credential(const char *text, struct credential *credential)
{
    return take_word(&text, credential->key, sizeof credential->key) &&
           take_word(&text, credential->date, sizeof credential->date) &&
           strlen(credential->date) == 8 &&
           take_word(&text, credential->region, sizeof credential->region) &&
           strcmp(text, "s3/aws4_request") == 0;
}

static enum s3_error authenticate_v4(struct s3 *s3, const char *policy)
{
    struct credential credential;
    const char *algorithm = gw_form_field(&s3->post->form, "x-amz-algorithm");
    const char *signature =
        require(s3, "x-amz-signature", "Bucket POST must contain a field named 'X-Amz-Signature'.");
    const char *date =
        require(s3, "x-amz-date", "Bucket POST must contain a field named 'X-Amz-Date'.");
    if (signature == NULL || date == NULL)
        return S3_InvalidArgument;
    if (algorithm == NULL || strcmp(algorithm, "AWS4-HMAC-SHA256") != 0) {
        s3->detail = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
        return S3_InvalidArgument;
    }
    if (!parse_credential(gw_form_field(&s3->post->form, "x-amz-credential"), &credential) ||
        strncmp(date, credential.date, 8) != 0) {
        s3->detail = "The X-Amz-Credential or X-Amz-Date field is malformed.";
        return S3_InvalidArgument;
    }
    const struct gw_config *config = &s3->gateway->config;
    if (config->is_region_strict && strcmp(credential.region, config->region) != 0)
        return S3_AuthorizationHeaderMalformed;
    enum s3_error error = s3_find_key(s3, credential.key, &s3->detail);
    if (error != S3_OK)
        return error;
    for (unsigned i = 0; (s3->secret = gw_key_secret(s3->key, i)) != NULL; i++) {
        if (is_signed_v4(s3, credential.date, credential.region, policy, signature))
            return S3_OK;
    }
    return S3_SignatureDoesNotMatch;
}

static enum s3_error authenticate_v2(struct s3 *s3, const char *policy)
{
    const char *name = require(s3, "AWSAccessKeyId",
                               "Bucket POST must contain a field named 'AWSAccessKeyId'.  If it is "
                               "specified, please check the order of the fields.");
    const char *signature =
        require(s3, "signature",
                "Bucket POST must contain a field named 'Signature'.  If it is specified, please "
                "check the order of the fields.");
    if (name == NULL || signature == NULL)
        return S3_InvalidArgument;
    enum s3_error error = s3_find_key(s3, name, &s3->detail);
    if (error != S3_OK)
        return error;
    for (unsigned i = 0; (s3->secret = gw_key_secret(s3->key, i)) != NULL; i++) {
        if (is_signed_v2(s3, policy, signature))
            return S3_OK;
    }
    return S3_SignatureDoesNotMatch;
}

static enum s3_error authenticate(struct s3 *s3, const char *policy)
{
    const struct gw_form *form = &s3->post->form;
    bool has_v2 =
        gw_form_field(form, "AWSAccessKeyId") != NULL || gw_form_field(form, "signature") != NULL;
    bool has_v4 = gw_form_field(form, "x-amz-credential") != NULL;
    if (policy == NULL && !has_v2 && !has_v4)
        return S3_AccessDenied; /* nobody in particular */
    if (policy == NULL) {
        s3->detail = "Bucket POST must contain a field named 'policy'.  If it is specified, please "
                     "check the order of the fields.";
        return S3_InvalidArgument;
    }
    return has_v4 ? authenticate_v4(s3, policy) : authenticate_v2(s3, policy);
}

/* ---- what ---- */

/* The key, with the file's name put in. */
static enum s3_error take_key(struct s3 *s3)
{
    static const char variable[] = "${filename}";
    struct gw_route *route = &s3->route;
    const char *field =
        require(s3, "key",
                "Bucket POST must contain a field named 'key'.  If it is specified, please check "
                "the order of the fields.");
    struct text key;
    enum s3_error error = S3_OK;
    if (field == NULL)
        return S3_InvalidArgument;
    text_init(&key);
    for (const char *at = field; *at != '\0';) {
        const char *next = strstr(at, variable);
        size_t length = next == NULL ? strlen(at) : (size_t)(next - at);
        text_append_bytes(&key, slice_of(at, length));
        at += length;
        if (next != NULL) {
            text_append_bytes(&key, slice_of_text(s3->post->form.filename));
            at += sizeof variable - 1;
        }
    }
    if (key.length > GW_KEY_BYTES_MAX) {
        error = S3_KeyTooLongError;
    } else if (key.length == 0 || !utf8_is_valid(slice_of(key.data, key.length))) {
        s3->detail = "The key is empty, or not UTF-8.";
        error = S3_InvalidArgument;
    } else {
        memcpy(route->key, key.data, key.length);
        route->key[key.length] = '\0';
        route->key_length = key.length;
    }
    text_release(&key);
    return error;
}

/* From now on the fields are the headers; the field `acl` has another name there. */
static void become_headers(struct s3 *s3)
{
    struct post *post = s3->post;
    const char *token = gw_header(s3->request, "x-catena-request-id");
    post->headers = gw_zalloc((post->form.field_count + 1) * sizeof *post->headers);
    for (size_t i = 0; i < post->form.field_count; i++) {
        post->headers[i] = post->form.fields[i];
        if (gw_is_equal_ignoring_case(post->headers[i].name, "acl"))
            post->headers[i].name = "x-amz-acl";
    }
    post->request = *s3->request;
    post->request.headers = post->headers;
    post->request.header_count = post->form.field_count;
    if (token != NULL)
        post->headers[post->request.header_count++] =
            (struct gw_header){.name = "x-catena-request-id", .value = token};
    s3->request = &post->request;
}

static enum s3_error begin_file(struct s3 *s3)
{
    struct post *post = s3->post;
    const char *policy = gw_form_field(&post->form, "policy");
    enum s3_error error = authenticate(s3, policy);
    if (error == S3_OK)
        error = take_key(s3);
    if (error == S3_OK && !s3_may(s3, s3->route.bucket, GW_RIGHT_WRITE))
        error = S3_AccessDenied;
    if (error == S3_OK)
        error = gw_post_policy_check(policy, post->form.fields, post->form.field_count,
                                     s3->route.bucket, s3->route.key, gw_wall_ms(), &post->policy,
                                     &s3->detail);
    if (error == S3_OK && !s3_take_place(s3))
        error = S3_SlowDown;
    if (error != S3_OK)
        return error;
    become_headers(s3);
    error = op_check_headers(s3, &s3->detail);
    return error == S3_OK ? body_rules_read(s3, &s3->detail) : error;
}

static enum s3_error take_data(struct s3 *s3, struct slice data)
{
    uint64_t have = s3->has_sink ? s3->sink.length : 0;
    if (data.length > s3->post->policy.length_max || /* no use in waiting for the end */
        have > s3->post->policy.length_max - data.length)
        return S3_EntityTooLarge;
    return body_deliver(s3, data);
}

enum s3_error post_take(struct s3 *s3, struct slice bytes)
{
    struct post *post = s3->post;
    while (bytes.length > 0) {
        struct slice data = {0};
        enum s3_error error = S3_OK;
        switch (gw_form_next(&post->form, &bytes, &data)) {
        case GW_FORM_MORE:
            break;
        case GW_FORM_FILE:
            error = begin_file(s3);
            break;
        case GW_FORM_DATA:
            error = take_data(s3, data);
            break;
        case GW_FORM_END:
            post->has_ended = true;
            break;
        case GW_FORM_BAD:
            error = S3_MalformedPOSTRequest;
            break;
        }
        if (error != S3_OK)
            return error;
    }
    return S3_OK;
}

enum s3_error post_end(struct s3 *s3)
{
    const struct post *post = s3->post;
    if (!post->has_ended)
        return S3_MalformedPOSTRequest;
    if (post->form.filename == NULL) {
        s3->detail = "POST requires exactly one file upload per request.";
        return S3_InvalidArgument;
    }
    uint64_t length = s3->has_sink ? s3->sink.length : 0;
    return length < post->policy.length_min ? S3_EntityTooSmall : S3_OK;
}

/* ---- answers ---- */

static void append_location(const struct s3 *s3, struct text *out)
{
    const char *host = gw_header(http_request(s3->exchange), "host");
    text_append(out, "%s://%s/", s3->gateway->config.is_tls ? "https" : "http",
                host == NULL ? "" : host);
    if (!s3->route.is_virtual_host)
        text_append(out, "%s/", s3->route.bucket);
    gw_uri_encode(out, slice_of(s3->route.key, s3->route.key_length), true);
}

static void respond_document(struct s3 *s3, const char *location, const char *etag)
{
    struct text out;
    text_init(&out);
    gw_xml_begin(&out);
    gw_xml_open(&out, "PostResponse");
    gw_xml_element(&out, "Location", location);
    gw_xml_element(&out, "Bucket", s3->route.bucket);
    gw_xml_element_bytes(&out, "Key", slice_of(s3->route.key, s3->route.key_length));
    s3_append_etag(&out, etag);
    gw_xml_close(&out, "PostResponse");
    s3_add_common_headers(s3);
    http_add_header(s3->exchange, "Content-Type", "application/xml");
    http_respond(s3->exchange, 201, out.data, out.length);
    text_release(&out);
}

static void respond_redirect(struct s3 *s3, const char *target, const char *etag)
{
    struct text out;
    text_init(&out);
    text_append(&out, "%s%cbucket=%s&key=", target, strchr(target, '?') == NULL ? '?' : '&',
                s3->route.bucket);
    gw_uri_encode(&out, slice_of(s3->route.key, s3->route.key_length), false);
    text_append(&out, "&etag=%%22%s%%22", etag);
    http_add_header(s3->exchange, "Location", text_cstr(&out));
    text_release(&out);
    s3_respond_empty(s3, 303);
}

static void respond(struct s3 *s3, const char *etag)
{
    const struct gw_form *form = &s3->post->form;
    const char *status = gw_form_field(form, "success_action_status");
    const char *target = gw_form_field(form, "success_action_redirect");
    struct text location;
    if (target == NULL)
        target = gw_form_field(form, "redirect");
    bool is_redirected = target != NULL && (gw_starts_with_ignoring_case(target, "http://") ||
                                            gw_starts_with_ignoring_case(target, "https://"));
    s3_add_etag(s3, etag);
    if (is_redirected) {
        respond_redirect(s3, target, etag);
        return;
    }
    text_init(&location);
    append_location(s3, &location);
    http_add_header(s3->exchange, "Location", text_cstr(&location));
    if (status != NULL && strcmp(status, "201") == 0)
        respond_document(s3, text_cstr(&location), etag);
    else
        s3_respond_empty(s3, status != NULL && strcmp(status, "200") == 0 ? 200 : 204);
    text_release(&location);
}

static enum s3_error read_meta(struct s3 *s3, struct gw_meta *meta)
{
    const char *tagging = gw_header(s3->request, "tagging");
    enum s3_error error = gw_meta_from_headers(s3->request, meta);
    if (error == S3_OK && tagging != NULL)
        error =
            gw_tags_from_xml(slice_of_text(tagging), GW_TAGS_OBJECT_MAX, &meta->tags, &s3->detail);
    meta->checksum_kind = s3->body.checksum_kind;
    (void)text_format(meta->checksum, sizeof meta->checksum, "%s", s3->body.checksum);
    return error;
}

void op_post_object(struct s3 *s3)
{
    struct gw_meta meta;
    struct catena_info info = {0};
    struct write_conditions conditions = s3_write_conditions(s3);
    enum s3_error error = read_meta(s3, &meta);
    if (error != S3_OK) {
        s3_fail(s3, error, s3->detail);
    } else if (s3_commit(s3, &conditions, &meta, &info)) {
        s3_add_version(s3, &info);
        s3_add_checksum(s3, &meta);
        respond(s3, meta.etag);
        catena_info_release(&info);
    }
    gw_meta_release(&meta);
}
