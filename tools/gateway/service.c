/* The callbacks of the HTTP engine: one request from its headers to its end. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"
#include "tools/gateway/log.h"

enum {
    BUCKET_AGE_US = 2 * 1000 * 1000,
    CHECK_BODY_BYTES = 64 * 1024,
    LOG_PATH_MAX = 1024,
    USUAL_LINE_BYTES = 400,
};

uint64_t gw_wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct s3 *s3_new(struct http_exchange *exchange)
{
    struct s3 *s3 = gw_zalloc(sizeof *s3);
    s3->gateway = http_server_context(exchange);
    s3->exchange = exchange;
    s3->request = http_request(exchange);
    uint64_t id = s3->gateway->id_base + atomic_fetch_add(&s3->gateway->id_next, 1);
    (void)text_format(s3->request_id, sizeof s3->request_id, "%016llX", (unsigned long long)id);
    text_init(&s3->document);
    http_set_context(exchange, s3);
    return s3;
}

/* ---- places: at most so many requests at a time ---- */

static void place_give(struct s3 *s3)
{
    struct gateway *gateway = s3->gateway;
    if (s3->place != PLACE_NONE)
        atomic_fetch_sub(s3->place == PLACE_KNOWN ? &gateway->in_flight : &gateway->strangers, 1);
    s3->place = PLACE_NONE;
}

static bool place_count(struct s3 *s3, atomic_uint *counter, uint32_t most, enum place place)
{
    if (atomic_fetch_add(counter, 1) >= most) {
        atomic_fetch_sub(counter, 1);
        return false;
    }
    place_give(s3);
    s3->place = place;
    return true;
}

bool s3_take_place(struct s3 *s3)
{
    struct gateway *gateway = s3->gateway;
    return s3->place == PLACE_KNOWN ||
           place_count(s3, &gateway->in_flight, gateway->config.requests_max, PLACE_KNOWN);
}

/* Whoever is not known yet has a quarter of the places, beside the others: nobody can keep those
 * with a key out by opening requests without one. */
static bool place_take_as_stranger(struct s3 *s3)
{
    struct gateway *gateway = s3->gateway;
    uint32_t most = gateway->config.requests_max / 4 + 1;
    return place_count(s3, &gateway->strangers, most, PLACE_STRANGER);
}

/* Everything that can be said from the headers alone. */
static enum s3_error begin(struct s3 *s3, const char **ret_detail)
{
    struct gateway *gateway = s3->gateway;
    if (atomic_load(&gateway->is_draining)) {
        http_close_after(s3->exchange);
        return S3_ServiceUnavailable;
    }
    if (!gw_query_parse(s3->request->query, &s3->query))
        return S3_InvalidURI;
    enum s3_error route =
        gw_route(s3->request, &s3->query, gateway->config.domain, &s3->route, ret_detail);
    if (route != S3_OK && route != S3_NotImplemented)
        return route;
    bool is_preflight = s3->route.operation == GW_OPERATION_PREFLIGHT;
    bool is_form = s3->route.operation == GW_OPERATION_POST_OBJECT;
    if ((is_preflight || is_form) && !place_take_as_stranger(s3))
        return S3_SlowDown;
    if (is_preflight)
        return S3_OK; /* browsers ask without a signature */
    if (is_form)
        return post_begin(s3, ret_detail); /* the signature is in the form */
    enum s3_error error = s3_authenticate(s3, ret_detail);
    if (error == S3_OK)
        error = s3_authorize(s3, ret_detail);
    if (error == S3_OK)
        error = route; /* strangers do not learn what is implemented */
    if (error == S3_OK)
        error = op_check_headers(s3, ret_detail);
    if (error == S3_OK && !(s3->must_be_public ? place_take_as_stranger(s3) : s3_take_place(s3)))
        error = S3_SlowDown;
    if (error != S3_OK)
        return error;
    s3->wants_document = s3->route.operation != GW_OPERATION_PUT_OBJECT &&
                         s3->route.operation != GW_OPERATION_UPLOAD_PART;
    return body_rules_read(s3, ret_detail);
}

static void on_begin(struct http_exchange *exchange)
{
    struct s3 *s3 = s3_new(exchange);
    const char *detail = NULL;
    enum s3_error error = begin(s3, &detail);
    if (error != S3_OK && error != S3_SlowDown && gw_header(s3->request, "origin") != NULL &&
        s3->route.bucket[0] != '\0') {
        s3->deferred = error; /* with the headers of CORS, which a worker finds out */
        s3->detail = detail;
        http_want_check(exchange);
        return;
    }
    if (error != S3_OK) {
        s3_fail(s3, error, detail);
        place_give(s3); /* what still comes of the body is only thrown away */
        return;
    }
    if (s3->must_be_public)
        http_want_check(exchange);
    if (!s3->wants_document &&
        (http_expects_continue(exchange) || http_body_length(exchange) > CHECK_BODY_BYTES))
        http_want_check(exchange);
}

/* Before a long body is asked for. The put itself checks again. */
static void check(struct s3 *s3)
{
    if (s3->deferred != S3_OK) {
        s3_fail(s3, s3->deferred, s3->detail);
        return;
    }
    if (s3->must_be_public) {
        s3_check_public(s3);
        return;
    }
    bool exists = true;
    enum catena_status status = CATENA_OK;
    if (s3->route.operation == GW_OPERATION_UPLOAD_PART) {
        enum s3_error error = part_begin(s3, &status);
        if (error != S3_OK)
            s3_fail_write(s3, error, status);
        return;
    }
    status = gateway_bucket_exists(s3->gateway, s3->route.bucket, BUCKET_AGE_US, &exists);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else if (!exists)
        s3_fail(s3, S3_NoSuchBucket, NULL);
}

static void on_check(struct http_exchange *exchange)
{
    struct s3 *s3 = http_context(exchange);
    check(s3);
    if (http_has_responded(exchange)) {
        s3_add_cors(s3);
        place_give(s3);
    }
}

static void run(struct s3 *s3)
{
    if (!s3_take_place(s3)) {
        s3_fail(s3, S3_SlowDown, NULL);
        return;
    }
    switch (s3->route.operation) {
    case GW_OPERATION_LIST_BUCKETS:
        op_list_buckets(s3);
        break;
    case GW_OPERATION_CREATE_BUCKET:
        op_create_bucket(s3);
        break;
    case GW_OPERATION_DELETE_BUCKET:
        op_delete_bucket(s3);
        break;
    case GW_OPERATION_HEAD_BUCKET:
        op_head_bucket(s3);
        break;
    case GW_OPERATION_GET_LOCATION:
        op_get_location(s3);
        break;
    case GW_OPERATION_LIST_V1:
    case GW_OPERATION_LIST_V2:
    case GW_OPERATION_LIST_VERSIONS:
        op_list(s3);
        break;
    case GW_OPERATION_DELETE_OBJECTS:
        op_delete_objects(s3);
        break;
    case GW_OPERATION_BUCKET_STUB:
    case GW_OPERATION_OBJECT_STUB:
        op_stub(s3);
        break;
    case GW_OPERATION_PUT_OBJECT:
        op_put_object(s3);
        break;
    case GW_OPERATION_COPY_OBJECT:
        op_copy_object(s3);
        break;
    case GW_OPERATION_GET_OBJECT:
        op_get_object(s3);
        break;
    case GW_OPERATION_HEAD_OBJECT:
        op_head_object(s3);
        break;
    case GW_OPERATION_DELETE_OBJECT:
        op_delete_object(s3);
        break;
    case GW_OPERATION_PUT_ACL:
        op_put_acl(s3);
        break;
    case GW_OPERATION_CREATE_UPLOAD:
        op_create_upload(s3);
        break;
    case GW_OPERATION_UPLOAD_PART:
        op_upload_part(s3);
        break;
    case GW_OPERATION_UPLOAD_PART_COPY:
        op_upload_part_copy(s3);
        break;
    case GW_OPERATION_COMPLETE_UPLOAD:
        op_complete_upload(s3);
        break;
    case GW_OPERATION_ABORT_UPLOAD:
        op_abort_upload(s3);
        break;
    case GW_OPERATION_LIST_PARTS:
        op_list_parts(s3);
        break;
    case GW_OPERATION_LIST_UPLOADS:
        op_list_uploads(s3);
        break;
    case GW_OPERATION_GET_ATTRIBUTES:
        op_get_attributes(s3);
        break;
    case GW_OPERATION_GET_TAGGING:
        op_get_tagging(s3);
        break;
    case GW_OPERATION_PUT_TAGGING:
        op_put_tagging(s3);
        break;
    case GW_OPERATION_DELETE_TAGGING:
        op_delete_tagging(s3);
        break;
    case GW_OPERATION_PREFLIGHT:
        op_preflight(s3);
        break;
    case GW_OPERATION_POST_OBJECT:
        op_post_object(s3);
        break;
    case GW_OPERATION_GET_CORS:
    case GW_OPERATION_GET_LIFECYCLE:
    case GW_OPERATION_GET_BUCKET_TAGGING:
        op_get_bucket_section(s3);
        break;
    case GW_OPERATION_PUT_CORS:
    case GW_OPERATION_PUT_LIFECYCLE:
    case GW_OPERATION_PUT_BUCKET_TAGGING:
        op_put_bucket_section(s3);
        break;
    case GW_OPERATION_DELETE_CORS:
    case GW_OPERATION_DELETE_LIFECYCLE:
    case GW_OPERATION_DELETE_BUCKET_TAGGING:
        op_delete_bucket_section(s3);
        break;
    case GW_OPERATION_NONE:
    case GW_OPERATION_COUNT:
        s3_fail(s3, S3_NotImplemented, NULL);
        break;
    }
}

/* False: answered. */
static bool take_body(struct s3 *s3, struct slice bytes, bool is_end)
{
    const char *detail = NULL;
    enum s3_error error = body_take(s3, bytes);
    if (error == S3_OK && is_end)
        error = body_end(s3, &detail);
    if (error != S3_OK)
        s3_fail(s3, error, detail == NULL ? s3->detail : detail);
    return error == S3_OK;
}

/* The most frequent requests go without a worker: the two changes of threads cost more than all the
 * rest of a small request. Not those of web pages, whose answers need the bucket's CORS rules. */
static bool on_start(struct http_exchange *exchange, struct slice bytes)
{
    struct s3 *s3 = http_context(exchange);
    bool (*start)(struct s3 * s3) = NULL;
    if (s3->route.operation == GW_OPERATION_GET_OBJECT)
        start = op_get_start;
    else if (s3->route.operation == GW_OPERATION_HEAD_OBJECT)
        start = op_head_start;
    else if (s3->route.operation == GW_OPERATION_PUT_OBJECT)
        start = op_put_start;
    if (start == NULL || gw_header(s3->request, "origin") != NULL || s3->place != PLACE_KNOWN)
        return false;
    s3->is_body_taken = true;
    return !take_body(s3, bytes, true) || start(s3);
}

static bool on_resume(struct http_exchange *exchange)
{
    struct s3 *s3 = http_context(exchange);
    if (s3->route.operation == GW_OPERATION_GET_OBJECT)
        return op_get_resume(s3);
    if (s3->route.operation == GW_OPERATION_HEAD_OBJECT)
        op_head_resume(s3);
    else
        op_put_resume(s3);
    return true;
}

void s3_end_early(struct s3 *s3, const struct catena_result *result)
{
    struct early *early = &s3->early;
    early->status = result->status;
    if (result->status == CATENA_OK) {
        early->info = *result->info;
        early->info.meta = gw_copy_bytes(result->info->meta, result->info->meta_length);
    }
    early->has_ended = true;
    http_continue_many(s3->exchange); /* gateway_round_ended follows */
}

static void on_body(struct http_exchange *exchange, struct slice bytes, bool is_end)
{
    struct s3 *s3 = http_context(exchange);
    if ((s3->is_body_taken || take_body(s3, bytes, is_end)) && is_end)
        run(s3);
    if (http_has_responded(exchange))
        s3_add_cors(s3);
    if (http_has_responded(exchange) && s3->has_sink) { /* staged bytes of a refused put go now */
        sink_release(&s3->sink);
        s3->has_sink = false;
    }
}

static bool on_produce(struct http_exchange *exchange, const uint8_t **ret_bytes,
                       size_t *ret_length)
{
    return op_get_produce(http_context(exchange), ret_bytes, ret_length);
}

static void append(struct text *line, const char *name, const char *value)
{
    text_append_bytes(line, slice_of_text(name));
    text_append_bytes(line, slice_of_text(value));
}

/* The query is left out: it may hold a presigned signature. */
static void log_access(const struct s3 *s3, unsigned status, uint64_t duration_us)
{
    struct text line;
    char time[GW_TIME_SIZE];
    text_init(&line);
    text_reserve(&line, USUAL_LINE_BYTES);
    append(&line, "time=", gw_iso_time_format(gw_wall_ms(), time));
    append(&line, " level=info event=request id=", s3->request_id);
    append(&line, " peer=", http_peer(s3->exchange));
    append(&line, " key=\"", "");
    if (s3->key != NULL)
        gw_log_quote(&line, gw_key_name(s3->key), SIZE_MAX);
    append(&line, "\" operation=", gw_operation_name(s3->route.operation));
    append(&line, " method=\"", "");
    gw_log_quote(&line, s3->request->method, SIZE_MAX);
    append(&line, "\" path=\"", "");
    gw_log_quote(&line, s3->request->path, LOG_PATH_MAX);
    text_append(&line, "\" status=%u error=%s received=%llu sent=%llu duration_us=%llu\n", status,
                s3_error_code(s3->error), (unsigned long long)http_bytes_in(s3->exchange),
                (unsigned long long)http_bytes_out(s3->exchange), (unsigned long long)duration_us);
    gw_log_write(slice_of(line.data, line.length));
    text_release(&line);
}

static void on_finish(struct http_exchange *exchange, bool is_complete)
{
    struct s3 *s3 = http_context(exchange);
    struct gateway *gateway = s3->gateway;
    uint64_t duration_us = gw_monotonic_us() - http_begun_us(exchange);
    unsigned status = is_complete ? http_status(exchange) : 0;
    gw_metrics_note(gateway->metrics, s3->route.operation, status, duration_us,
                    http_bytes_in(exchange), http_bytes_out(exchange));
    if (gateway->config.is_access_logged)
        log_access(s3, status, duration_us);
    if (s3->has_sink)
        sink_release(&s3->sink);
    catena_get_stream_close(s3->download);
    catena_info_release(&s3->early.info);
    free(s3->value);
    body_rules_release(&s3->body);
    post_release(s3->post);
    text_release(&s3->document);
    gw_query_release(&s3->query);
    gateway_keys_drop(s3->keys);
    explicit_bzero(&s3->sigv4, sizeof s3->sigv4);
    place_give(s3);
    free(s3);
}

/* What the requests of one round of the engine start goes to the library together, and what they
 * log is written together. */
static void on_enter(void *context)
{
    struct gateway *gateway = context;
    gw_log_hold();
    catena_batch_begin(gateway->client);
}

static void on_leave(void *context)
{
    struct gateway *gateway = context;
    catena_batch_end(gateway->client);
    gw_log_release();
}

void gateway_round_ended(void *context)
{
    (void)context;
    http_wake_continued();
}

/* The engine cannot take the request, or the rest of its body. */
static void on_refuse(struct http_exchange *exchange, enum http_refusal refusal)
{
    static const struct {
        enum s3_error error;
        const char *detail;
    } answers[] = {
        [HTTP_GOOD] = {S3_InternalError, NULL},
        [HTTP_BAD] = {S3_BadRequest, "An error occurred when parsing the HTTP request."},
        [HTTP_HEAD_TOO_LARGE] = {S3_RequestHeaderSectionTooLarge, NULL},
        [HTTP_VERSION_UNSUPPORTED] = {S3_HttpVersionNotSupported, NULL},
        [HTTP_TIMED_OUT] = {S3_RequestTimeout, NULL},
        [HTTP_CUT] = {S3_IncompleteBody, NULL},
    };
    struct s3 *s3 = http_context(exchange);
    if (s3 == NULL)
        s3 = s3_new(exchange);
    s3_fail(s3, answers[refusal].error, answers[refusal].detail);
}

const struct http_callbacks gw_service = {
    .begin = on_begin,
    .check = on_check,
    .body = on_body,
    .start = on_start,
    .resume = on_resume,
    .produce = on_produce,
    .finish = on_finish,
    .refuse = on_refuse,
    .enter = on_enter,
    .leave = on_leave,
};
