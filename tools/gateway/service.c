/* The callbacks of the HTTP engine: one request from its headers to its end. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/http_time.h"

enum { BUCKET_AGE_US = 2 * 1000 * 1000, CHECK_BODY_BYTES = 64 * 1024, LOG_PATH_MAX = 1024 };

uint64_t gw_monotonic_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

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

/* Everything that can be said from the headers alone. */
static enum s3_error begin(struct s3 *s3, const char **ret_detail)
{
    struct gateway *gateway = s3->gateway;
    if (atomic_fetch_add(&gateway->in_flight, 1) >= gateway->config.requests_max)
        return S3_SlowDown;
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
    enum s3_error error = s3_authenticate(s3, ret_detail);
    if (error == S3_OK)
        error = s3_authorize(s3);
    if (error == S3_OK)
        error = route; /* strangers do not learn what is implemented */
    if (error == S3_OK)
        error = op_check_headers(s3, ret_detail);
    if (error != S3_OK)
        return error;
    s3->wants_document = s3->route.operation != GW_OPERATION_PUT_OBJECT;
    return body_rules_read(s3, ret_detail);
}

static void on_begin(struct http_exchange *exchange)
{
    struct s3 *s3 = s3_new(exchange);
    const char *detail = NULL;
    enum s3_error error = begin(s3, &detail);
    if (error != S3_OK) {
        s3_fail(s3, error, detail);
        return;
    }
    if (s3->route.operation == GW_OPERATION_PUT_OBJECT &&
        (http_expects_continue(exchange) || http_body_length(exchange) > CHECK_BODY_BYTES))
        http_want_check(exchange);
}

/* Before a long body is asked for. The put itself checks again. */
static void on_check(struct http_exchange *exchange)
{
    struct s3 *s3 = http_context(exchange);
    bool exists = true;
    enum catena_status status =
        gateway_bucket_exists(s3->gateway, s3->route.bucket, BUCKET_AGE_US, &exists);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else if (!exists)
        s3_fail(s3, S3_NoSuchBucket, NULL);
}

static void run(struct s3 *s3)
{
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
    case GW_OPERATION_NONE:
    case GW_OPERATION_COUNT:
        s3_fail(s3, S3_NotImplemented, NULL);
        break;
    }
}

static void on_body(struct http_exchange *exchange, struct slice bytes, bool is_end)
{
    struct s3 *s3 = http_context(exchange);
    const char *detail = NULL;
    enum s3_error error = body_take(s3, bytes);
    if (error == S3_OK && is_end)
        error = body_end(s3, &detail);
    if (error != S3_OK)
        s3_fail(s3, error, detail);
    else if (is_end)
        run(s3);
    if (http_has_responded(exchange) && s3->has_sink) { /* staged bytes of a refused put go now */
        sink_release(&s3->sink);
        s3->has_sink = false;
    }
}

static bool on_produce(struct http_exchange *exchange, uint8_t *bytes, size_t size,
                       size_t *ret_length)
{
    return op_get_produce(http_context(exchange), bytes, size, ret_length);
}

/* One line, written at once. The query is left out: it may hold a presigned signature. */
static void log_access(const struct s3 *s3, unsigned status, uint64_t duration_us)
{
    struct text line;
    char time[GW_TIME_SIZE];
    size_t path = strlen(s3->request->path);
    text_init(&line);
    text_append(&line, "time=%s level=info event=request id=%s peer=%s key=\"",
                gw_iso_time_format(gw_wall_ms(), time), s3->request_id, http_peer(s3->exchange));
    if (s3->key != NULL)
        text_append_escaped(&line, slice_of_text(gw_key_name(s3->key)));
    text_append(&line, "\" operation=%s method=\"", gw_operation_name(s3->route.operation));
    text_append_escaped(&line, slice_of_text(s3->request->method));
    text_append(&line, "\" path=\"");
    for (size_t i = 0; i < path && i < LOG_PATH_MAX; i++) {
        char c = s3->request->path[i];
        if (c == '"')
            text_append(&line, "%%22");
        else
            text_append_escaped(&line, slice_of(&c, 1));
    }
    text_append(&line, "\" status=%u error=%s received=%llu sent=%llu duration_us=%llu\n", status,
                s3_error_code(s3->error), (unsigned long long)http_bytes_in(s3->exchange),
                (unsigned long long)http_bytes_out(s3->exchange), (unsigned long long)duration_us);
    ssize_t written = write(STDERR_FILENO, line.data, line.length);
    (void)written; /* a log that cannot be written stops no request */
    text_release(&line);
}

static void on_finish(struct http_exchange *exchange, bool is_complete)
{
    struct s3 *s3 = http_context(exchange);
    if (s3 == NULL)
        return; /* refused before anything was looked at */
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
    free(s3->first);
    body_rules_release(&s3->body);
    text_release(&s3->document);
    gw_query_release(&s3->query);
    gateway_keys_drop(s3->keys);
    explicit_bzero(&s3->sigv4, sizeof s3->sigv4);
    free(s3);
    atomic_fetch_sub(&gateway->in_flight, 1);
}

const struct http_callbacks gw_service = {
    .begin = on_begin,
    .check = on_check,
    .body = on_body,
    .produce = on_produce,
    .finish = on_finish,
};
