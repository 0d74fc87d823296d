/* The administrator's port: health and metrics. Plain HTTP, no keys: bind it where only operators
 * and load balancers reach it. */
#include <stdlib.h>

#include "tools/gateway/gateway.h"
#include "tools/gateway/keys_refresh.h"
#include "tools/gateway/lifecycle_worker.h"

static void on_begin(struct http_exchange *exchange)
{
    if (strcmp(http_request(exchange)->method, "GET") != 0 &&
        strcmp(http_request(exchange)->method, "HEAD") != 0)
        http_respond(exchange, 405, "method not allowed\n", 19);
}

/* Ready means: a request for data would be served now. The masters answer, and we are not on our
 * way out. */
static void respond_ready(struct http_exchange *exchange, struct gateway *gateway)
{
    struct catena_bucket *buckets = NULL;
    size_t count = 0;
    if (atomic_load(&gateway->is_draining)) {
        http_respond(exchange, 503, "draining\n", 9);
    } else if (!gw_keys_are_current(gateway)) {
        const char *text = "the access keys are not known\n";
        http_respond(exchange, 503, text, strlen(text));
    } else if (catena_bucket_list(gateway->client, &buckets, &count) != CATENA_OK) {
        const char *text = "the cluster does not answer\n";
        http_respond(exchange, 503, text, strlen(text));
    } else {
        http_respond(exchange, 200, "ready\n", 6);
    }
    free(buckets);
}

static void on_body(struct http_exchange *exchange, struct slice bytes, bool is_end)
{
    struct gateway *gateway = http_server_context(exchange);
    const char *path = http_request(exchange)->path;
    (void)bytes;
    if (!is_end)
        return;
    if (strcmp(path, "/health/live") == 0) {
        http_respond(exchange, 200, "live\n", 5);
    } else if (strcmp(path, "/health/ready") == 0) {
        respond_ready(exchange, gateway);
    } else if (strcmp(path, "/metrics") == 0) {
        struct text out;
        text_init(&out);
        gw_metrics_print(gateway->metrics,
                         atomic_load(&gateway->in_flight) + atomic_load(&gateway->strangers), &out);
        gw_lifecycle_worker_print(gateway->lifecycle, &out);
        http_add_header(exchange, "Content-Type", "text/plain; version=0.0.4");
        http_respond(exchange, 200, out.data, out.length);
        text_release(&out);
    } else {
        http_respond(exchange, 404, "not found\n", 10);
    }
}

static void on_check(struct http_exchange *exchange)
{
    (void)exchange;
}

static bool on_produce(struct http_exchange *exchange, const uint8_t **ret_bytes,
                       size_t *ret_length)
{
    (void)exchange;
    (void)ret_bytes;
    (void)ret_length;
    return false;
}

static void on_finish(struct http_exchange *exchange, bool is_complete)
{
    (void)exchange;
    (void)is_complete;
}

static void on_refuse(struct http_exchange *exchange, enum http_refusal refusal)
{
    (void)refusal;
    http_respond(exchange, 400, "bad request\n", 12);
}

const struct http_callbacks gw_admin = {
    .begin = on_begin,
    .check = on_check,
    .body = on_body,
    .produce = on_produce,
    .finish = on_finish,
    .refuse = on_refuse,
};
