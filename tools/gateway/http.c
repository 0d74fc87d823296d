#include "tools/gateway/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/gateway/encode.h"

enum {
    HEADERS_MAX = 128,
    RESPONSE_HEADERS_MAX = 96,
    SLOW_AFTER_US = 60 * 1000 * 1000,
    SLOW_BYTES_PER_SECOND = 1024,
    GENERATIONS_MAX = 16,
};

/* One daemon of libmicrohttpd. A renewed certificate makes a new one on the same socket. */
struct generation {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    atomic_uint active;
    atomic_bool is_draining;
    atomic_bool is_stopping; /* nothing may be suspended any more */
};

struct http_server {
    struct http_options options;
    char address[288];
    int fd; /* ours; each generation has a duplicate */
    struct generation *generations[GENERATIONS_MAX];
    size_t generation_count; /* the last one is current */
    bool has_closed;
};

enum phase { PHASE_NEW, PHASE_CHECKING, PHASE_BODY, PHASE_ENDED };

struct http_exchange {
    struct gw_job job; /* the one thing that is under way on a worker */
    struct generation *generation;
    struct MHD_Connection *connection;
    char *target;
    char *path;
    char *method;
    struct gw_request request;
    struct gw_header *headers;
    char peer[64];
    void *context;
    enum phase phase;
    bool wants_check;
    bool has_body;
    bool expects_continue;
    bool is_complete;
    uint64_t body_length;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t begun_us;
    uint8_t *in;
    size_t in_length;
    size_t in_capacity;
    uint8_t *out;
    size_t out_offset;
    size_t out_length;
    bool has_out_failed;
    bool has_responded;
    bool is_streamed;
    bool is_closing;
    unsigned status;
    uint64_t response_length;
    char *response_body;
    struct gw_header response_headers[RESPONSE_HEADERS_MAX];
    size_t response_header_count;
};

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static const struct http_callbacks *callbacks(const struct http_exchange *exchange)
{
    return exchange->generation->server->options.callbacks;
}

/* ---- jobs ---- */

static struct http_exchange *exchange_of(struct gw_job *job)
{
    return (struct http_exchange *)(void *)job; /* its first member */
}

static void hand_over(struct http_exchange *exchange, void (*run)(struct gw_job *job))
{
    MHD_suspend_connection(exchange->connection);
    exchange->job.run = run;
    gw_pool_submit(exchange->generation->server->options.pool, &exchange->job);
}

static void run_check(struct gw_job *job)
{
    struct http_exchange *exchange = exchange_of(job);
    callbacks(exchange)->check(exchange);
    MHD_resume_connection(exchange->connection);
}

static void run_body(struct gw_job *job)
{
    struct http_exchange *exchange = exchange_of(job);
    bool is_end = exchange->phase == PHASE_ENDED;
    callbacks(exchange)->body(exchange, slice_of(exchange->in, exchange->in_length), is_end);
    exchange->in_length = 0;
    if (is_end || exchange->has_responded) {
        free(exchange->in);
        exchange->in = NULL;
        exchange->in_capacity = 0;
    }
    MHD_resume_connection(exchange->connection);
}

static void run_produce(struct gw_job *job)
{
    struct http_exchange *exchange = exchange_of(job);
    exchange->out_offset = 0;
    exchange->out_length = 0;
    if (exchange->out == NULL)
        exchange->out = gw_zalloc(HTTP_BUFFER_BYTES);
    if (!callbacks(exchange)->produce(exchange, exchange->out, HTTP_BUFFER_BYTES,
                                      &exchange->out_length) ||
        exchange->out_length == 0)
        exchange->has_out_failed = true;
    MHD_resume_connection(exchange->connection);
}

static void exchange_free(struct http_exchange *exchange)
{
    for (size_t i = 0; i < exchange->request.header_count; i++) {
        free((char *)(uintptr_t)exchange->headers[i].name);
        free((char *)(uintptr_t)exchange->headers[i].value);
    }
    for (size_t i = 0; i < exchange->response_header_count; i++) {
        free((char *)(uintptr_t)exchange->response_headers[i].name);
        free((char *)(uintptr_t)exchange->response_headers[i].value);
    }
    free(exchange->headers);
    free(exchange->response_body);
    free(exchange->in);
    free(exchange->out);
    free(exchange->target);
    free(exchange->path);
    free(exchange->method);
    free(exchange);
}

static void run_finish(struct gw_job *job)
{
    struct http_exchange *exchange = exchange_of(job);
    struct generation *generation = exchange->generation;
    if (exchange->phase != PHASE_NEW)
        callbacks(exchange)->finish(exchange, exchange->is_complete);
    exchange_free(exchange);
    atomic_fetch_sub(&generation->active, 1);
}

/* ---- what libmicrohttpd calls ---- */

/* First of all, with the request line as it was sent. */
static void *on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
    struct generation *generation = context;
    struct http_exchange *exchange = gw_zalloc(sizeof *exchange);
    atomic_fetch_add(&generation->active, 1);
    exchange->generation = generation;
    exchange->connection = connection;
    exchange->begun_us = now_us();
    exchange->target = gw_copy(uri);
    const char *question = strchr(uri, '?');
    exchange->path = gw_copy_bytes(uri, question == NULL ? strlen(uri) : (size_t)(question - uri));
    exchange->request.path = exchange->path;
    exchange->request.query = question == NULL ? "" : exchange->target + (question - uri) + 1;
    return exchange;
}

/* Path and query are decoded by us, from the form as sent. */
static size_t on_unescape(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    struct http_exchange *exchange = context;
    (void)kind;
    if (exchange->request.header_count == HEADERS_MAX)
        return MHD_NO;
    exchange->headers[exchange->request.header_count++] = (struct gw_header){
        .name = gw_copy(name),
        .value = gw_copy(value == NULL ? "" : value),
    };
    return MHD_YES;
}

static void note_peer(struct http_exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info == NULL || info->client_addr == NULL)
        return;
    socklen_t length = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                                : sizeof(struct sockaddr_in);
    (void)getnameinfo(info->client_addr, length, exchange->peer, sizeof exchange->peer, NULL, 0,
                      NI_NUMERICHOST);
}

/* What could be read in two ways is refused (request smuggling). False: 400. */
static bool check_framing(struct http_exchange *exchange)
{
    const struct gw_request *request = &exchange->request;
    size_t lengths = gw_header_count(request, "content-length");
    size_t codings = gw_header_count(request, "transfer-encoding");
    const char *expect = gw_header(request, "expect");
    exchange->expects_continue =
        expect != NULL && gw_is_equal_ignoring_case(expect, "100-continue");
    if (lengths + codings > 1 || request->header_count == HEADERS_MAX)
        return false;
    if (codings == 1) {
        exchange->has_body = true;
        exchange->body_length = UINT64_MAX;
        return gw_is_equal_ignoring_case(gw_header(request, "transfer-encoding"), "chunked");
    }
    if (lengths == 1 && !gw_parse_u64(gw_header(request, "content-length"), &exchange->body_length))
        return false;
    exchange->has_body = exchange->body_length > 0;
    return true;
}

static void release_stream(void *context)
{
    (void)context;
}

static ssize_t on_read(void *context, uint64_t position, char *bytes, size_t size)
{
    struct http_exchange *exchange = context;
    (void)position;
    if (exchange->has_out_failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t rest = exchange->out_length - exchange->out_offset;
    if (rest == 0) {
        hand_over(exchange, run_produce);
        return 0;
    }
    size_t length = rest < size ? rest : size;
    memcpy(bytes, exchange->out + exchange->out_offset, length);
    exchange->out_offset += length;
    exchange->bytes_out += length;
    return (ssize_t)length;
}

static struct MHD_Response *make_response(struct http_exchange *exchange)
{
    if (exchange->is_streamed)
        return MHD_create_response_from_callback(exchange->response_length, 64 * 1024, on_read,
                                                 exchange, release_stream);
    exchange->bytes_out = exchange->response_length;
    return MHD_create_response_from_buffer((size_t)exchange->response_length,
                                           exchange->response_body, MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result queue_response(struct http_exchange *exchange)
{
    struct MHD_Response *response = make_response(exchange);
    if (response == NULL)
        return MHD_NO;
    for (size_t i = 0; i < exchange->response_header_count; i++)
        (void)MHD_add_response_header(response, exchange->response_headers[i].name,
                                      exchange->response_headers[i].value);
    if (exchange->is_closing || atomic_load(&exchange->generation->is_draining))
        (void)MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result result = MHD_queue_response(exchange->connection, exchange->status, response);
    MHD_destroy_response(response);
    return result;
}

/* After begin and check: answer at once, or let the body come. A short body is read first, so that
 * the connection stays usable and no reset overtakes the answer. */
static enum MHD_Result after_headers(struct http_exchange *exchange)
{
    exchange->phase = PHASE_BODY;
    if (!exchange->has_responded)
        return MHD_YES;
    bool is_short = exchange->body_length <= HTTP_DISCARD_BYTES_MAX ||
                    exchange->body_length == UINT64_MAX; /* chunked: cut if it becomes long */
    if (is_short && !exchange->expects_continue && !exchange->is_closing)
        return MHD_YES; /* queued when the request is complete: earlier it would close */
    exchange->is_closing = exchange->is_closing || exchange->has_body;
    return queue_response(exchange);
}

static enum MHD_Result on_headers(struct http_exchange *exchange, const char *method)
{
    exchange->method = gw_copy(method);
    exchange->request.method = exchange->method;
    exchange->headers = gw_zalloc(HEADERS_MAX * sizeof *exchange->headers);
    exchange->request.headers = exchange->headers;
    (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, on_header, exchange);
    note_peer(exchange);
    exchange->phase = PHASE_CHECKING;
    bool is_stopping = atomic_load(&exchange->generation->is_stopping);
    if (is_stopping || !check_framing(exchange)) {
        exchange->is_closing = true;
        http_respond(exchange, is_stopping ? 503 : 400, NULL, 0);
        return after_headers(exchange);
    }
    callbacks(exchange)->begin(exchange);
    if (exchange->wants_check && !exchange->has_responded) {
        hand_over(exchange, run_check);
        return MHD_YES;
    }
    return after_headers(exchange);
}

static bool is_too_slow(const struct http_exchange *exchange)
{
    uint64_t elapsed = now_us() - exchange->begun_us;
    return elapsed > SLOW_AFTER_US &&
           exchange->bytes_in < elapsed / 1000000 * SLOW_BYTES_PER_SECOND;
}

static enum MHD_Result on_piece(struct http_exchange *exchange, const char *bytes, size_t *length)
{
    if (exchange->has_responded) { /* thrown away */
        exchange->bytes_in += *length;
        *length = 0;
        return exchange->bytes_in > HTTP_DISCARD_BYTES_MAX &&
                       exchange->body_length > HTTP_DISCARD_BYTES_MAX
                   ? MHD_NO
                   : MHD_YES;
    }
    if (is_too_slow(exchange))
        return MHD_NO;
    if (exchange->in == NULL) {
        exchange->in_capacity = exchange->body_length < HTTP_BUFFER_BYTES
                                    ? (size_t)exchange->body_length
                                    : HTTP_BUFFER_BYTES;
        exchange->in = gw_zalloc(exchange->in_capacity);
    }
    size_t room = exchange->in_capacity - exchange->in_length;
    size_t taken = *length < room ? *length : room;
    memcpy(exchange->in + exchange->in_length, bytes, taken);
    exchange->in_length += taken;
    exchange->bytes_in += taken;
    *length -= taken;
    bool is_all = exchange->bytes_in == exchange->body_length; /* the end follows at once */
    if (exchange->in_length == exchange->in_capacity && !is_all)
        hand_over(exchange, run_body);
    return MHD_YES;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_length, void **state)
{
    struct http_exchange *exchange = *state;
    (void)context;
    (void)connection;
    (void)url;
    (void)version;
    switch (exchange->phase) {
    case PHASE_NEW:
        return on_headers(exchange, method);
    case PHASE_CHECKING:
        return after_headers(exchange);
    case PHASE_BODY:
        if (*upload_length > 0)
            return on_piece(exchange, upload, upload_length);
        exchange->phase = PHASE_ENDED;
        if (exchange->has_responded)
            return queue_response(exchange);
        hand_over(exchange, run_body);
        return MHD_YES;
    case PHASE_ENDED:
        return exchange->has_responded ? queue_response(exchange) : MHD_NO;
    }
    return MHD_NO;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct http_exchange *exchange = *state;
    (void)context;
    (void)connection;
    if (exchange == NULL)
        return;
    *state = NULL;
    exchange->is_complete = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    exchange->job.run = run_finish;
    gw_pool_submit(exchange->generation->server->options.pool, &exchange->job);
}

/* ---- servers ---- */

static int listen_at(const char *address, struct text *error)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    if (colon == NULL || (size_t)(colon - address) >= sizeof host) {
        text_append(error, "%s: not HOST:PORT", address);
        return -1;
    }
    size_t length = (size_t)(colon - address);
    const char *begin = address;
    if (length >= 2 && begin[0] == '[' && begin[length - 1] == ']') {
        begin++;
        length -= 2;
    }
    memcpy(host, begin, length);
    host[length] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(length == 0 ? NULL : host, colon + 1, &hints, &found);
    if (failure != 0) {
        text_append(error, "%s: %s", address, gai_strerror(failure));
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1024) != 0) {
        text_append(error, "cannot listen on %s: %s", address, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static void note_address(struct http_server *server)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    char host[64] = "";
    char port[16] = "";
    if (getsockname(server->fd, (struct sockaddr *)&bound, &length) == 0)
        (void)getnameinfo((struct sockaddr *)&bound, length, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    bool is_six = strchr(host, ':') != NULL;
    (void)text_format(server->address, sizeof server->address, "%s%s%s:%s", is_six ? "[" : "", host,
                      is_six ? "]" : "", port);
}

static bool start_generation(struct http_server *server, const char *certificate,
                             const char *private_key, struct text *error)
{
    const struct http_options *options = &server->options;
    struct generation *generation = gw_zalloc(sizeof *generation);
    generation->server = server;
    int fd = dup(server->fd);
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                     (certificate != NULL ? MHD_USE_TLS : 0u);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)private_key},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    generation->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, generation, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, generation, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape,
        NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
        options->connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)options->connection_memory, MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds,
        MHD_OPTION_THREAD_POOL_SIZE, options->threads, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_ARRAY, certificate != NULL ? tls : none, MHD_OPTION_END);
    if (generation->daemon == NULL) {
        text_append(error, "cannot serve %s%s", server->address,
                    certificate != NULL ? ": certificate or private key is not usable" : "");
        close(fd);
        free(generation);
        return false;
    }
    server->generations[server->generation_count++] = generation;
    return true;
}

struct http_server *http_server_new(const struct http_options *options, struct text *error)
{
    struct http_server *server = gw_zalloc(sizeof *server);
    server->options = *options;
    server->fd = listen_at(options->address, error);
    if (server->fd >= 0)
        note_address(server);
    if (server->fd < 0 ||
        !start_generation(server, options->certificate, options->private_key, error)) {
        if (server->fd >= 0)
            close(server->fd);
        free(server);
        return NULL;
    }
    return server;
}

const char *http_server_address(const struct http_server *server)
{
    return server->address;
}

static void quiesce(struct generation *generation)
{
    if (atomic_exchange(&generation->is_draining, true))
        return;
    int fd = MHD_quiesce_daemon(generation->daemon);
    if (fd >= 0)
        close(fd);
}

static void generation_free(struct generation *generation)
{
    MHD_stop_daemon(generation->daemon);
    while (atomic_load(&generation->active) > 0) { /* the workers finish what was cut */
        struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
    free(generation);
}

void http_server_tidy(struct http_server *server)
{
    for (size_t i = 0; i + 1 < server->generation_count;) {
        struct generation *generation = server->generations[i];
        /* In this order: a request that comes now is either counted here or sees the flag. */
        atomic_store(&generation->is_stopping, true);
        if (atomic_load(&generation->active) > 0) {
            atomic_store(&generation->is_stopping, false);
            i++;
            continue;
        }
        generation_free(generation);
        server->generation_count--;
        memmove(&server->generations[i], &server->generations[i + 1],
                (server->generation_count - i) * sizeof server->generations[0]);
    }
}

bool http_server_renew(struct http_server *server, const char *certificate, const char *private_key,
                       struct text *error)
{
    http_server_tidy(server);
    if (server->generation_count == GENERATIONS_MAX) {
        text_append(error, "too many renewals while old requests are still under way");
        return false;
    }
    struct generation *old = server->generations[server->generation_count - 1];
    if (!start_generation(server, certificate, private_key, error))
        return false;
    quiesce(old);
    return true;
}

void http_server_drain(struct http_server *server)
{
    for (size_t i = 0; i < server->generation_count; i++)
        quiesce(server->generations[i]);
    if (!server->has_closed)
        close(server->fd);
    server->has_closed = true;
}

uint32_t http_server_active(const struct http_server *server)
{
    uint32_t active = 0;
    for (size_t i = 0; i < server->generation_count; i++)
        active += atomic_load(&server->generations[i]->active);
    return active;
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    http_server_drain(server);
    for (size_t i = 0; i < server->generation_count; i++)
        generation_free(server->generations[i]);
    free(server);
}

/* ---- exchanges, seen from outside ---- */

const struct gw_request *http_request(const struct http_exchange *exchange)
{
    return &exchange->request;
}

void *http_server_context(const struct http_exchange *exchange)
{
    return exchange->generation->server->options.context;
}

void http_set_context(struct http_exchange *exchange, void *context)
{
    exchange->context = context;
}

void *http_context(const struct http_exchange *exchange)
{
    return exchange->context;
}

const char *http_peer(const struct http_exchange *exchange)
{
    return exchange->peer;
}

const char *http_target(const struct http_exchange *exchange)
{
    return exchange->target;
}

bool http_is_tls(const struct http_exchange *exchange)
{
    return exchange->generation->server->options.certificate != NULL;
}

uint64_t http_body_length(const struct http_exchange *exchange)
{
    return exchange->body_length;
}

bool http_has_body(const struct http_exchange *exchange)
{
    return exchange->has_body;
}

bool http_expects_continue(const struct http_exchange *exchange)
{
    return exchange->expects_continue;
}

void http_want_check(struct http_exchange *exchange)
{
    exchange->wants_check = true;
}

void http_add_header(struct http_exchange *exchange, const char *name, const char *value)
{
    if (exchange->response_header_count == RESPONSE_HEADERS_MAX)
        return;
    exchange->response_headers[exchange->response_header_count++] =
        (struct gw_header){.name = gw_copy(name), .value = gw_copy(value)};
}

static void respond(struct http_exchange *exchange, unsigned status, uint64_t length)
{
    exchange->has_responded = true;
    exchange->status = status;
    exchange->response_length = length;
}

void http_respond(struct http_exchange *exchange, unsigned status, const void *body, size_t length)
{
    exchange->response_body = gw_copy_bytes(body, length);
    respond(exchange, status, length);
}

void http_respond_stream(struct http_exchange *exchange, unsigned status, uint64_t length)
{
    exchange->is_streamed = true;
    respond(exchange, status, length);
}

void http_respond_head(struct http_exchange *exchange, unsigned status, uint64_t length)
{
    http_respond_stream(exchange, status, length); /* never read for HEAD */
}

void http_close_after(struct http_exchange *exchange)
{
    exchange->is_closing = true;
}

bool http_has_responded(const struct http_exchange *exchange)
{
    return exchange->has_responded;
}

unsigned http_status(const struct http_exchange *exchange)
{
    return exchange->status;
}

uint64_t http_bytes_in(const struct http_exchange *exchange)
{
    return exchange->bytes_in;
}

uint64_t http_bytes_out(const struct http_exchange *exchange)
{
    return exchange->bytes_out;
}

uint64_t http_begun_us(const struct http_exchange *exchange)
{
    return exchange->begun_us;
}
