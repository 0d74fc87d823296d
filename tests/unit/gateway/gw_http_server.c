/* The HTTP engine over real sockets: what goes out is raw bytes, so that all that a client could do
 * wrong can be done. */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/base/suite.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/http.h"

enum { STREAM_BYTES = 3000000, WAIT_SECONDS = 20, GATHERED = 5 };

static struct {
    struct http_server *server;
    struct gw_pool *pool;
    atomic_uint begun;
    atomic_uint finished;
    atomic_uint completed;
    atomic_uint last_refusal;
    atomic_uint rounds_entered;
    atomic_uint rounds_left;
    pthread_mutex_t mutex;
    struct http_exchange *gathered[GATHERED]; /* guarded by mutex */
    unsigned gathered_count;
} bench = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- the service: the path says what to do ---- */

struct work {
    uint64_t bytes;
    uint64_t produced;
    uint8_t *piece; /* lent to the engine */
    uint64_t started_bytes;
};

static bool is_path(const struct http_exchange *exchange, const char *path)
{
    return strcmp(http_request(exchange)->path, path) == 0;
}

static void on_begin(struct http_exchange *exchange)
{
    atomic_fetch_add(&bench.begun, 1);
    http_set_context(exchange, gw_zalloc(sizeof(struct work)));
    if (is_path(exchange, "/refused"))
        http_respond(exchange, 403, "refused", 7);
    if (is_path(exchange, "/checked") || is_path(exchange, "/unchecked"))
        http_want_check(exchange);
}

static void on_check(struct http_exchange *exchange)
{
    if (is_path(exchange, "/unchecked"))
        http_respond(exchange, 404, "unchecked", 9);
}

static void on_body(struct http_exchange *exchange, struct slice bytes, bool is_end)
{
    struct work *work = http_context(exchange);
    char text[40];
    work->bytes += bytes.length;
    if (is_path(exchange, "/middle") && !is_end) {
        http_respond(exchange, 400, "middle", 6);
        return;
    }
    if (!is_end)
        return;
    if (is_path(exchange, "/stream")) {
        http_respond_stream(exchange, 200, STREAM_BYTES);
        return;
    }
    (void)text_format(text, sizeof text, "%llu bytes", (unsigned long long)work->bytes);
    http_add_header(exchange, "X-Of-Another-Answer", "yes");
    http_clear_headers(exchange);
    http_add_header(exchange, "X-Good", "yes");
    http_add_header(exchange, "X-Name: a\r\nX-Injected", "b");
    http_add_header(exchange, "X-Injected too", "b");
    http_add_header(exchange, "", "Injected");
    http_add_header(exchange, "X-Split", "a\r\nX-Injected: b");
    http_respond(exchange, 200, text, strlen(text));
}

static bool on_produce(struct http_exchange *exchange, const uint8_t **ret_bytes,
                       size_t *ret_length)
{
    struct work *work = http_context(exchange);
    size_t rest = STREAM_BYTES - (size_t)work->produced;
    free(work->piece);
    *ret_length = rest < HTTP_BUFFER_BYTES ? rest : HTTP_BUFFER_BYTES;
    work->piece = gw_zalloc(*ret_length);
    for (size_t i = 0; i < *ret_length; i++)
        work->piece[i] = (uint8_t)('a' + (work->produced + i) % 26);
    work->produced += *ret_length;
    *ret_bytes = work->piece;
    return true;
}

/* "/early": at once. "/later": by another thread, with what it found. "/handed-over": begins like
 * "/later" and ends on a worker. "/unwilling": a worker does it all. */
static void *run_later(void *context)
{
    http_continue(context);
    return NULL;
}

/* "/gathered": the last of them lets another thread continue all. */
static void *run_gathered(void *context)
{
    (void)context;
    pthread_mutex_lock(&bench.mutex);
    for (unsigned i = 0; i < GATHERED; i++)
        http_continue_many(bench.gathered[i]);
    bench.gathered_count = 0;
    pthread_mutex_unlock(&bench.mutex);
    http_wake_continued();
    return NULL;
}

static void gather(struct http_exchange *exchange)
{
    pthread_t thread;
    pthread_mutex_lock(&bench.mutex);
    bench.gathered[bench.gathered_count++] = exchange;
    bool is_last = bench.gathered_count == GATHERED;
    pthread_mutex_unlock(&bench.mutex);
    if (!is_last)
        return;
    ck_assert(pthread_create(&thread, NULL, run_gathered, NULL) == 0);
    ck_assert(pthread_detach(thread) == 0);
}

static bool on_start(struct http_exchange *exchange, struct slice bytes)
{
    struct work *work = http_context(exchange);
    pthread_t thread;
    if (is_path(exchange, "/early"))
        http_respond(exchange, 200, "early", 5);
    if (is_path(exchange, "/gathered")) {
        gather(exchange);
        return true;
    }
    if (!is_path(exchange, "/later") && !is_path(exchange, "/handed-over"))
        return is_path(exchange, "/early");
    work->started_bytes = bytes.length;
    ck_assert(pthread_create(&thread, NULL, run_later, exchange) == 0);
    ck_assert(pthread_detach(thread) == 0);
    return true;
}

static bool on_resume(struct http_exchange *exchange)
{
    struct work *work = http_context(exchange);
    char text[40];
    if (is_path(exchange, "/handed-over"))
        return false;
    (void)text_format(text, sizeof text, "later %llu", (unsigned long long)work->started_bytes);
    http_respond(exchange, 200, text, strlen(text));
    return true;
}

static void on_finish(struct http_exchange *exchange, bool is_complete)
{
    struct work *work = http_context(exchange);
    free(work->piece);
    free(work);
    atomic_fetch_add(&bench.finished, 1);
    if (is_complete)
        atomic_fetch_add(&bench.completed, 1);
}

static void on_refuse(struct http_exchange *exchange, enum http_refusal refusal)
{
    if (http_context(exchange) == NULL) {
        atomic_fetch_add(&bench.begun, 1);
        http_set_context(exchange, gw_zalloc(sizeof(struct work)));
    }
    atomic_store(&bench.last_refusal, refusal);
    http_respond(exchange, 400, "bad", 3);
}

static void on_enter(void *context)
{
    (void)context;
    atomic_fetch_add(&bench.rounds_entered, 1);
}

static void on_leave(void *context)
{
    (void)context;
    atomic_fetch_add(&bench.rounds_left, 1);
}

static void setup(void)
{
    static const struct http_callbacks callbacks = {
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
    struct text error;
    text_init(&error);
    bench.pool = gw_pool_new(4);
    struct http_options options = {
        .address = "127.0.0.1:0",
        .callbacks = &callbacks,
        .pool = bench.pool,
        .threads = 2,
        .connections_max = 100,
        .head_bytes_max = 4096,
        .idle_seconds = 2,
    };
    bench.server = http_server_new(&options, &error);
    ck_assert_msg(bench.server != NULL, "%s", text_cstr(&error));
}

/* Every request that began was finished, exactly once. */
static void teardown(void)
{
    http_server_free(bench.server);
    gw_pool_free(bench.pool);
    ck_assert_uint_eq(atomic_load(&bench.begun), atomic_load(&bench.finished));
    ck_assert_uint_gt(atomic_load(&bench.rounds_entered), 0);
    ck_assert_uint_eq(atomic_load(&bench.rounds_entered), atomic_load(&bench.rounds_left));
}

/* ---- the client ---- */

static int dial(void)
{
    uint64_t port = 0;
    ck_assert(gw_parse_u64(strrchr(http_server_address(bench.server), ':') + 1, &port));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval patience = {.tv_sec = WAIT_SECONDS};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    ck_assert(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static bool say_bytes(int fd, const void *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes = (const char *)bytes + sent;
        length -= (size_t)sent;
    }
    return true;
}

static void say(int fd, const char *text)
{
    ck_assert(say_bytes(fd, text, strlen(text)));
}

/* One answer, with as much body as its length says; "" at the end of the connection. */
static void hear(int fd, bool has_body, struct text *answer)
{
    char byte;
    text_clear(answer);
    while (strstr(text_cstr(answer), "\r\n\r\n") == NULL) {
        if (recv(fd, &byte, 1, 0) != 1)
            return;
        text_append_bytes(answer, slice_of(&byte, 1));
    }
    const char *field = strstr(text_cstr(answer), "Content-Length: ");
    uint64_t rest = 0;
    if (field != NULL && has_body) {
        for (field += 16; *field >= '0' && *field <= '9'; field++)
            rest = rest * 10 + (uint64_t)(*field - '0');
    }
    while (rest > 0) {
        char piece[4096];
        ssize_t got = recv(fd, piece, rest < sizeof piece ? (size_t)rest : sizeof piece, 0);
        ck_assert_int_gt(got, 0);
        text_append_bytes(answer, slice_of(piece, (size_t)got));
        rest -= (size_t)got;
    }
}

static void expect(int fd, const char *status, const char *part)
{
    struct text answer;
    text_init(&answer);
    hear(fd, true, &answer);
    ck_assert_msg(gw_starts_with(text_cstr(&answer), status), "not %s: %s", status,
                  text_cstr(&answer));
    ck_assert_msg(strstr(text_cstr(&answer), part) != NULL, "no %s: %s", part, text_cstr(&answer));
    text_release(&answer);
}

static void expect_end(int fd)
{
    char byte;
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define PUT(path, header) "PUT " path " HTTP/1.1\r\nHost: h\r\n" header "\r\n\r\n"

/* ---- claims ---- */

START_TEST(pipelined_requests_are_answered_in_order)
{
    int fd = dial();
    say(fd, GET("/a") PUT("/b", "Content-Length: 5") "hello" PUT(
                "/c", "Transfer-Encoding: chunked") "3\r\nabc\r\n0\r\n\r\n\r\n" GET("/d"));
    expect(fd, "HTTP/1.1 200 OK", "0 bytes");
    expect(fd, "HTTP/1.1 200 OK", "5 bytes");
    expect(fd, "HTTP/1.1 200 OK", "3 bytes");
    expect(fd, "HTTP/1.1 200 OK", "0 bytes");
    close(fd);
}
END_TEST

START_TEST(a_request_may_come_byte_by_byte)
{
    int fd = dial();
    const char *text = PUT("/b", "Transfer-Encoding: chunked") "5\r\nhello\r\n0\r\n\r\n" GET("/");
    for (; *text != '\0'; text++)
        ck_assert(say_bytes(fd, text, 1));
    expect(fd, "HTTP/1.1 200 OK", "5 bytes");
    expect(fd, "HTTP/1.1 200 OK", "0 bytes");
    close(fd);
}
END_TEST

START_TEST(a_long_body_arrives_whole)
{
    static char bytes[3000000];
    int fd = dial();
    say(fd, PUT("/b", "Content-Length: 3000000"));
    ck_assert(say_bytes(fd, bytes, sizeof bytes));
    expect(fd, "HTTP/1.1 200 OK", "3000000 bytes");
    say(fd, PUT("/b", "Transfer-Encoding: chunked") "2DC6C0\r\n");
    ck_assert(say_bytes(fd, bytes, sizeof bytes));
    say(fd, "\r\n0\r\n\r\n");
    expect(fd, "HTTP/1.1 200 OK", "3000000 bytes");
    close(fd);
}
END_TEST

START_TEST(a_streamed_answer_is_complete)
{
    struct text answer;
    text_init(&answer);
    int fd = dial();
    for (int turn = 0; turn < 2; turn++) {
        say(fd, GET("/stream"));
        hear(fd, true, &answer);
        const char *body = strstr(text_cstr(&answer), "\r\n\r\n") + 4;
        size_t good = 0;
        while (good < STREAM_BYTES && body[good] == 'a' + (char)(good % 26))
            good++;
        ck_assert_uint_eq(good, STREAM_BYTES);
    }
    text_release(&answer);
    close(fd);
}
END_TEST

START_TEST(head_gets_the_length_and_no_body)
{
    struct text answer;
    text_init(&answer);
    int fd = dial();
    say(fd, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n" GET("/a"));
    hear(fd, false, &answer);
    ck_assert(strstr(text_cstr(&answer), "Content-Length: 3000000\r\n") != NULL);
    expect(fd, "HTTP/1.1 200 OK", "0 bytes");
    text_release(&answer);
    close(fd);
}
END_TEST

START_TEST(a_header_cannot_split_the_answer)
{
    struct text answer;
    text_init(&answer);
    int fd = dial();
    say(fd, GET("/a"));
    hear(fd, true, &answer);
    ck_assert(strstr(text_cstr(&answer), "X-Good: yes\r\n") != NULL);
    ck_assert(strstr(text_cstr(&answer), "Injected") == NULL);
    ck_assert(strstr(text_cstr(&answer), "X-Name") == NULL);
    ck_assert(strstr(text_cstr(&answer), "X-Of-Another-Answer") == NULL);
    text_release(&answer);
    close(fd);
}
END_TEST

START_TEST(the_body_is_asked_for_after_the_check)
{
    int fd = dial();
    say(fd, PUT("/checked", "Content-Length: 5\r\nExpect: 100-continue"));
    expect(fd, "HTTP/1.1 100 Continue\r\n\r\n", "");
    say(fd, "hello");
    expect(fd, "HTTP/1.1 200 OK", "5 bytes");
    say(fd, PUT("/checked", "Content-Length: 0\r\nExpect: 100-continue"));
    expect(fd, "HTTP/1.1 100 Continue\r\n\r\n", "");
    expect(fd, "HTTP/1.1 200 OK", "0 bytes");
    say(fd, PUT("/unchecked", "Content-Length: 5\r\nExpect: 100-continue"));
    expect(fd, "HTTP/1.1 404", "Connection: close");
    expect_end(fd);
}
END_TEST

START_TEST(a_refused_short_body_leaves_the_connection_usable)
{
    int fd = dial();
    say(fd, PUT("/refused", "Content-Length: 5") "hello" GET("/a"));
    expect(fd, "HTTP/1.1 403", "refused");
    expect(fd, "HTTP/1.1 200 OK", "0 bytes");
    say(fd, PUT("/refused", "Transfer-Encoding: chunked") "5\r\nhello\r\n0\r\n\r\n" GET("/a"));
    expect(fd, "HTTP/1.1 403", "refused");
    expect(fd, "HTTP/1.1 200 OK", "0 bytes");
    close(fd);
}
END_TEST

/* The client goes on sending: no reset may overtake the answer. */
START_TEST(a_refused_long_body_is_answered_at_once_and_the_answer_arrives)
{
    static char bytes[1 << 20];
    int fd = dial();
    say(fd, PUT("/refused", "Content-Length: 100000000"));
    for (int i = 0; i < 12; i++)
        (void)say_bytes(fd, bytes, sizeof bytes);
    expect(fd, "HTTP/1.1 403", "Connection: close");
    close(fd);
}
END_TEST

START_TEST(a_refusal_in_the_middle_of_a_body_is_answered)
{
    static char bytes[1 << 20];
    int fd = dial();
    say(fd, PUT("/middle", "Content-Length: 1048576"));
    ck_assert(say_bytes(fd, bytes, sizeof bytes));
    expect(fd, "HTTP/1.1 400", "middle");
    say(fd, GET("/a"));
    expect(fd, "HTTP/1.1 200 OK", "0 bytes");
    say(fd, PUT("/middle", "Content-Length: 100000000"));
    ck_assert(say_bytes(fd, bytes, sizeof bytes));
    expect(fd, "HTTP/1.1 400", "Connection: close");
    close(fd);
}
END_TEST

static void refused(const char *request, enum http_refusal refusal)
{
    int fd = dial();
    say(fd, request);
    (void)shutdown(fd, SHUT_WR);
    expect(fd, "HTTP/1.1 400", "Connection: close");
    ck_assert_uint_eq(atomic_load(&bench.last_refusal), refusal);
    expect_end(fd);
}

START_TEST(malformed_requests_are_answered_and_closed)
{
    struct text text;
    text_init(&text);
    refused("nonsense\r\n\r\n", HTTP_BAD);
    refused("GET / HTTP/1.1\nHost: h\n\n", HTTP_BAD);
    refused(PUT("/a", "Transfer-Encoding: chunked") "5\nhello\n0\n\n", HTTP_BAD);
    refused(PUT("/a", "Transfer-Encoding: chunked") "5\r\nhello\n0\r\n\r\n", HTTP_BAD);
    refused(PUT("/a", "Content-Length: 5") "hell", HTTP_CUT);
    refused(PUT("/a", "Transfer-Encoding: chunked") "5\r\nhello\r\n", HTTP_CUT);
    text_append(&text, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
    for (int i = 0; i < 5000; i++)
        text_append(&text, "x");
    refused(text_cstr(&text), HTTP_HEAD_TOO_LARGE);
    text_append(&text, "\r\n\r\n");
    refused(text_cstr(&text), HTTP_HEAD_TOO_LARGE);
    text_release(&text);
}
END_TEST

START_TEST(a_client_that_stops_is_timed_out)
{
    int body = dial();
    int idle = dial();
    say(body, PUT("/a", "Content-Length: 5") "hell");
    say(idle, GET("/a"));
    expect(idle, "HTTP/1.1 200 OK", "0 bytes");
    expect(body, "HTTP/1.1 400", "Connection: close");
    ck_assert_uint_eq(atomic_load(&bench.last_refusal), HTTP_TIMED_OUT);
    expect_end(body);
    expect_end(idle);
}
END_TEST

START_TEST(the_connection_ends_when_the_client_wants_that)
{
    int fd = dial();
    say(fd, "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    expect(fd, "HTTP/1.1 200 OK", "Connection: close");
    expect_end(fd);
    fd = dial();
    say(fd, "GET /a HTTP/1.0\r\n\r\n");
    expect(fd, "HTTP/1.1 200 OK", "Connection: close");
    expect_end(fd);
}
END_TEST

START_TEST(clients_that_leave_are_finished)
{
    for (int i = 0; i < 40; i++) {
        int fd = dial();
        say(fd, i % 2 == 0 ? GET("/stream") : PUT("/b", "Content-Length: 500000") "x");
        close(fd);
    }
    int fd = dial();
    say(fd, GET("/a"));
    expect(fd, "HTTP/1.1 200 OK", "0 bytes");
    close(fd);
}
END_TEST

START_TEST(draining_ends_connections_with_their_next_answer)
{
    int fd = dial();
    say(fd, GET("/a"));
    expect(fd, "HTTP/1.1 200 OK", "0 bytes");
    http_server_drain(bench.server);
    say(fd, GET("/a"));
    expect(fd, "HTTP/1.1 200 OK", "Connection: close");
    expect_end(fd);
}
END_TEST

START_TEST(connections_over_the_limit_wait)
{
    int fds[100];
    for (int i = 0; i < 100; i++) {
        fds[i] = dial();
        say(fds[i], GET("/a"));
        expect(fds[i], "HTTP/1.1 200 OK", "0 bytes");
    }
    int waiting = dial(); /* in the kernel's queue */
    say(waiting, GET("/a"));
    struct pollfd poller = {.fd = waiting, .events = POLLIN};
    ck_assert_int_eq(poll(&poller, 1, 100), 0);
    for (int i = 0; i < 100; i++)
        close(fds[i]);
    expect(waiting, "HTTP/1.1 200 OK", "0 bytes");
    close(waiting);
}
END_TEST

START_TEST(short_requests_do_without_a_worker)
{
    int fd = dial();
    for (int i = 0; i < 20; i++) { /* one connection: each leaves it usable */
        say(fd, GET("/early"));
        expect(fd, "HTTP/1.1 200 OK", "early");
        say(fd, GET("/later"));
        expect(fd, "HTTP/1.1 200 OK", "later 0");
        say(fd, "PUT /later HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        expect(fd, "HTTP/1.1 200 OK", "later 5");
        say(fd, "PUT /handed-over HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        expect(fd, "HTTP/1.1 200 OK", "5 bytes");
        say(fd, "PUT /unwilling HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        expect(fd, "HTTP/1.1 200 OK", "5 bytes");
    }
    close(fd);
}
END_TEST

/* Over both loops, and while they sleep, work, or are about to do either. */
START_TEST(many_that_are_continued_together_are_all_answered)
{
    int fds[GATHERED];
    for (int i = 0; i < GATHERED; i++)
        fds[i] = dial();
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < GATHERED; i++)
            say(fds[i], GET("/gathered"));
        for (int i = 0; i < GATHERED; i++)
            expect(fds[i], "HTTP/1.1 200 OK", "later 0");
    }
    for (int i = 0; i < GATHERED; i++)
        close(fds[i]);
}
END_TEST

START_TEST(a_long_body_goes_to_a_worker)
{
    int fd = dial();
    char *body = gw_zalloc(HTTP_SHORT_BYTES + 1);
    memset(body, 'x', HTTP_SHORT_BYTES + 1);
    say(fd, "PUT /later HTTP/1.1\r\nHost: a\r\nContent-Length: 16385\r\n\r\n");
    ck_assert(say_bytes(fd, body, HTTP_SHORT_BYTES + 1));
    expect(fd, "HTTP/1.1 200 OK", "16385 bytes");
    say(fd, "PUT /later HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n");
    ck_assert(say_bytes(fd, body, HTTP_SHORT_BYTES));
    expect(fd, "HTTP/1.1 200 OK", "later 16384");
    free(body);
    close(fd);
}
END_TEST

START_TEST(clients_that_leave_while_it_waits_are_finished)
{
    for (int i = 0; i < 50; i++) {
        int fd = dial();
        say(fd, i % 2 == 0 ? GET("/later") : GET("/handed-over"));
        close(fd); /* teardown counts */
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gw_http_server");
    TCase *tcase = tcase_create("gw_http_server");
    const TTest *const tests[] = {
        pipelined_requests_are_answered_in_order,
        a_request_may_come_byte_by_byte,
        a_long_body_arrives_whole,
        a_streamed_answer_is_complete,
        head_gets_the_length_and_no_body,
        a_header_cannot_split_the_answer,
        the_body_is_asked_for_after_the_check,
        a_refused_short_body_leaves_the_connection_usable,
        a_refused_long_body_is_answered_at_once_and_the_answer_arrives,
        a_refusal_in_the_middle_of_a_body_is_answered,
        malformed_requests_are_answered_and_closed,
        a_client_that_stops_is_timed_out,
        the_connection_ends_when_the_client_wants_that,
        clients_that_leave_are_finished,
        draining_ends_connections_with_their_next_answer,
        connections_over_the_limit_wait,
        short_requests_do_without_a_worker,
        many_that_are_continued_together_are_all_answered,
        a_long_body_goes_to_a_worker,
        clients_that_leave_while_it_waits_are_finished,
    };
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
