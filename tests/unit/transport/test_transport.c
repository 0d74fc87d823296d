#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/prng.h"
#include "base/text.h"
#include "harness.h"
#include "tests/lib/wire_random.h"

static void send_get(struct transport *transport, uint64_t conn, uint64_t request)
{
    struct wire_message message = {.type = WIRE_GET,
                                   .u.get = {.request = request, .key = slice_of_text("some key")}};
    ck_assert(transport_send(transport, conn, &message));
}

START_TEST(hello_of_each_side_reaches_the_other)
{
    char address[64];
    struct transport_options options = harness_options();
    options.hello.id = 11;
    options.hello.software = slice_of_text("server");
    struct transport *server = harness_listening(&options, address);
    options.hello.id = 22;
    options.hello.incarnation = 5;
    struct transport *client = transport_new(&options);
    transport_dial(client, address, 99, 5000);
    struct transport_event event = harness_expect(client, TRANSPORT_OPENED);
    ck_assert_uint_eq(event.tag, 99);
    ck_assert(event.is_dialed);
    ck_assert_uint_eq(event.message.u.hello.id, 11);
    ck_assert(slice_equal(event.message.u.hello.software, slice_of_text("server")));
    wire_message_release(&event.message);
    event = harness_expect(server, TRANSPORT_OPENED);
    ck_assert_uint_eq(event.tag, 0);
    ck_assert(!event.is_dialed);
    ck_assert_uint_eq(event.message.u.hello.incarnation, 5);
    wire_message_release(&event.message);
    transport_free(client);
    transport_free(server);
}
END_TEST

START_TEST(echo_with_every_message_type)
{
    char address[64];
    struct transport_options options = harness_options();
    struct transport *server = harness_listening(&options, address);
    struct transport *client = transport_new(&options);
    uint64_t client_conn;
    uint64_t server_conn;
    harness_connect(client, server, address, &client_conn, &server_conn);
    struct prng prng;
    prng_init(&prng, 3);
    for (unsigned i = 0; i < 200; i++) {
        struct wire_message message;
        wire_random_message(&prng, wire_random_type(&prng), 20, &message);
        message.payload = buf_copy(slice_of("0123456789", prng_below(&prng, 10)));
        ck_assert(transport_send(client, client_conn, &message));
        transport_flush(client);
        struct transport_event event = harness_expect(server, TRANSPORT_MESSAGE);
        ck_assert(wire_message_equal(&event.message, &message));
        ck_assert_uint_eq(event.conn, server_conn);
        ck_assert(transport_send(server, server_conn, &event.message));
        wire_message_release(&event.message);
        transport_flush(server);
        event = harness_expect(client, TRANSPORT_MESSAGE);
        ck_assert(wire_message_equal(&event.message, &message));
        wire_message_release(&event.message);
        wire_message_release(&message);
    }
    transport_free(client);
    transport_free(server);
}
END_TEST

START_TEST(ten_thousand_small_messages_arrive_in_order)
{
    enum { MESSAGES = 10000 };
    char address[64];
    struct transport_options options = harness_options();
    struct transport *server = harness_listening(&options, address);
    struct transport *client = transport_new(&options);
    uint64_t client_conn;
    uint64_t server_conn;
    harness_connect(client, server, address, &client_conn, &server_conn);
    for (uint64_t i = 0; i < MESSAGES; i++)
        send_get(client, client_conn, i);
    transport_flush(client);
    for (uint64_t i = 0; i < MESSAGES; i++) {
        struct transport_event event = harness_expect(server, TRANSPORT_MESSAGE);
        ck_assert_uint_eq(event.message.u.get.request, i);
        wire_message_release(&event.message);
    }
    harness_expect_nothing(server);
    transport_free(client);
    transport_free(server);
}
END_TEST

static struct buf *patterned(size_t length, uint8_t seed)
{
    struct buf *buf = buf_new(length);
    for (size_t i = 0; i < length; i++)
        buf->data[i] = (uint8_t)(i * 13 + (i >> 9) + seed);
    return buf;
}

START_TEST(megabyte_payloads_go_both_ways_at_once)
{
    enum { ROUNDS = 40 };
    char address[64];
    struct transport_options options = harness_options();
    struct transport *server = harness_listening(&options, address);
    struct transport *client = transport_new(&options);
    uint64_t client_conn;
    uint64_t server_conn;
    harness_connect(client, server, address, &client_conn, &server_conn);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct wire_message message = {.type = WIRE_CHUNK, .u.chunk = {.request = i}};
        message.payload = patterned(BOUND_CHUNK_BYTES - i, (uint8_t)i);
        ck_assert(transport_send(client, client_conn, &message));
        ck_assert(transport_send(server, server_conn, &message));
        wire_message_release(&message);
        if (i % 7 == 0)
            send_get(client, client_conn, i);
        if (i % 7 == 0)
            send_get(server, server_conn, i);
    }
    transport_flush(client);
    transport_flush(server);
    struct transport *both[] = {client, server};
    for (unsigned side = 0; side < 2; side++) {
        for (unsigned i = 0; i < ROUNDS; i++) {
            struct transport_event event = harness_expect(both[side], TRANSPORT_MESSAGE);
            struct buf *expected = patterned(BOUND_CHUNK_BYTES - i, (uint8_t)i);
            ck_assert_uint_eq(event.message.u.chunk.request, i);
            ck_assert(slice_equal(buf_slice(event.message.payload), buf_slice(expected)));
            buf_unref(expected);
            wire_message_release(&event.message);
            if (i % 7 == 0) {
                event = harness_expect(both[side], TRANSPORT_MESSAGE);
                ck_assert_int_eq(event.message.type, WIRE_GET);
                wire_message_release(&event.message);
            }
        }
    }
    transport_free(client);
    transport_free(server);
}
END_TEST

START_TEST(close_delivers_what_was_queued_and_is_reported_on_both_sides)
{
    char address[64];
    struct transport_options options = harness_options();
    struct transport *server = harness_listening(&options, address);
    struct transport *client = transport_new(&options);
    uint64_t client_conn;
    uint64_t server_conn;
    harness_connect(client, server, address, &client_conn, &server_conn);
    send_get(client, client_conn, 1);
    transport_close(client, client_conn);
    transport_close(client, client_conn); /* twice is harmless */
    struct transport_event event = harness_expect(client, TRANSPORT_CLOSED);
    ck_assert_uint_eq(event.conn, client_conn);
    ck_assert_uint_eq(event.tag, 7);
    ck_assert_int_eq(event.err, ERR_CANCELLED);
    event = harness_expect(server, TRANSPORT_MESSAGE);
    wire_message_release(&event.message);
    /* The stream is freed by the owner's next waits. */
    harness_expect_nothing(client);
    do {
        harness_expect_nothing(client);
    } while (transport_wait(server, &event, 1, 1000) == 0);
    ck_assert_int_eq(event.kind, TRANSPORT_CLOSED);
    ck_assert_uint_eq(event.conn, server_conn);
    ck_assert_int_eq(event.err, ERR_UNREACHABLE);
    struct wire_message message = {.type = WIRE_MARK};
    ck_assert(!transport_send(client, client_conn, &message));
    ck_assert(!transport_send(server, server_conn, &message));
    ck_assert(!transport_post(server, 12345, &message));
    transport_free(client);
    transport_free(server);
}
END_TEST

START_TEST(refused_dial_says_refused)
{
    char address[64];
    int fd = harness_raw_listen(address);
    close(fd);
    struct transport_options options = harness_options();
    struct transport *client = transport_new(&options);
    transport_dial(client, address, 5, 2000);
    struct transport_event event = harness_expect(client, TRANSPORT_FAILED);
    ck_assert_uint_eq(event.tag, 5);
    ck_assert(event.refused);
    ck_assert_int_eq(event.err, ERR_UNREACHABLE);
    ck_assert_str_ne(event.text, "");
    transport_free(client);
}
END_TEST

START_TEST(bad_addresses_fail_with_a_text)
{
    struct transport_options options = harness_options();
    struct transport *client = transport_new(&options);
    const char *addresses[] = {"", "nonsense", "http://x:1", "127.0.0.1:port", "127.0.0.1:1/x"};
    for (unsigned i = 0; i < 5; i++) {
        transport_dial(client, addresses[i], i, 2000);
        struct transport_event event = harness_expect(client, TRANSPORT_FAILED);
        ck_assert_uint_eq(event.tag, i);
        ck_assert(!event.refused);
        ck_assert_str_ne(event.text, "");
        char text[200] = "";
        ck_assert_int_ne(transport_listen(client, addresses[i], NULL, 0, text, sizeof text),
                         ERR_OK);
        ck_assert_str_ne(text, "");
    }
    transport_free(client);
}
END_TEST

START_TEST(listening_twice_on_an_address_is_an_error)
{
    char address[64];
    struct transport_options options = harness_options();
    struct transport *server = harness_listening(&options, address);
    char text[200] = "";
    ck_assert_int_eq(transport_listen(server, address, NULL, 0, text, sizeof text), ERR_EXISTS);
    ck_assert_ptr_nonnull(strstr(text, address));
    ck_assert_ptr_nonnull(strstr(text, "in use"));
    transport_free(server);
}
END_TEST

START_TEST(wrong_version_is_refused_on_both_sides)
{
    char address[64];
    struct transport_options options = harness_options();
    struct transport *server = harness_listening(&options, address);
    options.hello.wire_version = WIRE_VERSION + 1;
    struct transport *client = transport_new(&options);
    transport_dial(client, address, 1, 5000);
    struct transport_event event = harness_expect(client, TRANSPORT_FAILED);
    ck_assert_int_eq(event.err, ERR_WRONG_VERSION);
    ck_assert_ptr_nonnull(strstr(event.text, "version 2"));
    harness_expect_nothing(server);
    transport_free(client);
    transport_free(server);
}
END_TEST

START_TEST(wrong_cluster_is_refused_unless_one_side_does_not_know_its_own)
{
    char address[64];
    struct transport_options options = harness_options();
    options.hello.cluster.bytes[0] = 1;
    struct transport *server = harness_listening(&options, address);
    options.hello.cluster.bytes[0] = 2;
    struct transport *client = transport_new(&options);
    transport_dial(client, address, 1, 5000);
    struct transport_event event = harness_expect(client, TRANSPORT_FAILED);
    ck_assert_int_eq(event.err, ERR_WRONG_CLUSTER);
    ck_assert_ptr_nonnull(strstr(event.text, "cluster"));
    options.hello.cluster.bytes[0] = 0;
    transport_set_hello(client, &options.hello);
    uint64_t client_conn;
    uint64_t server_conn;
    harness_connect(client, server, address, &client_conn, &server_conn);
    options.hello.cluster.bytes[0] = 1;
    transport_set_hello(client, &options.hello);
    harness_connect(client, server, address, &client_conn, &server_conn);
    transport_free(client);
    transport_free(server);
}
END_TEST

START_TEST(connections_beyond_the_limit_are_closed)
{
    char address[64];
    struct transport_options options = harness_options();
    options.connections_max = 2;
    struct transport *server = harness_listening(&options, address);
    options.connections_max = 0; /* counts accepted ones only */
    struct transport *client = transport_new(&options);
    uint64_t conns[2];
    uint64_t server_conn;
    harness_connect(client, server, address, &conns[0], &server_conn);
    harness_connect(client, server, address, &conns[1], &server_conn);
    transport_dial(client, address, 3, 5000);
    struct transport_event event = harness_expect(client, TRANSPORT_FAILED);
    ck_assert_uint_eq(event.tag, 3);
    transport_close(client, conns[0]);
    event = harness_expect(client, TRANSPORT_CLOSED);
    harness_expect_nothing(client);
    event = harness_expect(server, TRANSPORT_CLOSED);
    /* The place is free once the stream behind the closed connection is: shortly after. */
    double deadline = harness_seconds() + DEADLINE_S;
    struct transport_event seen = {.kind = TRANSPORT_FAILED};
    while (seen.kind == TRANSPORT_FAILED) {
        ck_assert_msg(harness_seconds() < deadline, "the place of a closed connection stays taken");
        transport_dial(client, address, 7, 5000);
        while (transport_wait(client, &seen, 1, 1000) == 0)
            (void)transport_wait(server, &event, 0, 1000);
    }
    ck_assert_int_eq(seen.kind, TRANSPORT_OPENED);
    wire_message_release(&seen.message);
    transport_free(client);
    transport_free(server);
}
END_TEST

START_TEST(peer_that_does_not_read_is_closed_at_the_queue_limit)
{
    char address[64];
    int listening = harness_raw_listen(address);
    struct transport_options options = harness_options();
    options.queue_bytes_max = 1 << 20;
    struct transport *client = transport_new(&options);
    transport_dial(client, address, 1, 5000);
    int fd = harness_raw_accept(listening);
    struct wire_message hello = {.type = WIRE_HELLO, .u.hello = {.wire_version = WIRE_VERSION}};
    harness_raw_send_message(fd, &hello);
    struct transport_event event = harness_expect(client, TRANSPORT_OPENED);
    uint64_t conn = event.conn;
    wire_message_release(&event.message);
    struct wire_message message = {.type = WIRE_CHUNK};
    message.payload = patterned(200000, 1);
    unsigned sent = 0;
    while (transport_send(client, conn, &message)) {
        transport_flush(client);
        ck_assert_uint_lt(++sent, 1000);
    }
    ck_assert_uint_gt(sent, 4);
    event = harness_expect(client, TRANSPORT_CLOSED);
    ck_assert_int_eq(event.err, ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(event.text, "does not read"));
    wire_message_release(&message);
    transport_free(client);
    close(fd);
    close(listening);
}
END_TEST

START_TEST(owner_that_is_slow_stops_the_sender_not_the_memory)
{
    /* 64 MiB are on their way, the owner takes nothing: the receiver stops reading, and goes on
     * when the owner does. */
    enum { MESSAGES = 512, BYTES = 131072 };
    char address[64];
    struct transport_options options = harness_options();
    options.queue_bytes_max = 256u << 20;
    struct transport *server = harness_listening(&options, address);
    struct transport *client = transport_new(&options);
    uint64_t client_conn;
    uint64_t server_conn;
    harness_connect(client, server, address, &client_conn, &server_conn);
    struct buf *payload = patterned(BYTES, 1);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        struct wire_message message = {.type = WIRE_CHUNK, .u.chunk = {.index = i}};
        message.payload = payload;
        ck_assert(transport_send(client, client_conn, &message));
    }
    transport_flush(client);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        struct transport_event event = harness_expect(server, TRANSPORT_MESSAGE);
        ck_assert_uint_eq(event.message.u.chunk.index, i);
        wire_message_release(&event.message);
    }
    buf_unref(payload);
    transport_free(client);
    transport_free(server);
}
END_TEST

START_TEST(wake_ends_a_wait)
{
    struct transport_options options = harness_options();
    struct transport *transport = transport_new(&options);
    struct transport_event event;
    transport_wake(transport);
    ck_assert_uint_eq(transport_wait(transport, &event, 1, UINT64_MAX), 0);
    double start = harness_seconds();
    ck_assert_uint_eq(transport_wait(transport, &event, 1, 20000), 0);
    ck_assert(harness_seconds() - start > 0.015);
    transport_free(transport);
}
END_TEST

/* ---- several threads ---- */

enum { POSTERS = 4, POSTS = 2000 };

struct poster {
    struct transport *transport;
    uint64_t conn;
    uint32_t index;
};

static void *post_many(void *argument)
{
    const struct poster *poster = argument;
    for (uint64_t i = 0; i < POSTS; i++) {
        struct wire_message message = {.type = WIRE_CHUNK,
                                       .u.chunk = {.index = poster->index, .request = i}};
        message.payload = patterned(i % 3 == 0 ? 20000 : 10, 1);
        (void)transport_post(poster->transport, poster->conn, &message);
        wire_message_release(&message);
    }
    return NULL;
}

START_TEST(posts_from_several_threads_keep_each_threads_order)
{
    char address[64];
    struct transport_options options = harness_options();
    options.queue_bytes_max = UINT64_C(1) << 30;
    struct transport *server = harness_listening(&options, address);
    struct transport *client = transport_new(&options);
    uint64_t client_conn;
    uint64_t server_conn;
    harness_connect(client, server, address, &client_conn, &server_conn);
    pthread_t threads[POSTERS];
    struct poster posters[POSTERS];
    for (uint32_t i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.transport = client, .conn = client_conn, .index = i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    uint64_t next[POSTERS] = {0};
    for (unsigned i = 0; i < POSTERS * POSTS; i++) {
        if (i % 16 == 0)
            harness_expect_nothing(client);
        struct transport_event event = harness_expect(server, TRANSPORT_MESSAGE);
        ck_assert_uint_eq(event.message.u.chunk.request, next[event.message.u.chunk.index]++);
        wire_message_release(&event.message);
    }
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    transport_free(client);
    transport_free(server);
}
END_TEST

START_TEST(posting_to_a_connection_that_closes_is_harmless)
{
    char address[64];
    struct transport_options options = harness_options();
    struct transport *server = harness_listening(&options, address);
    struct transport *client = transport_new(&options);
    for (unsigned round = 0; round < 10; round++) {
        uint64_t client_conn;
        uint64_t server_conn;
        harness_connect(client, server, address, &client_conn, &server_conn);
        struct poster poster = {.transport = client, .conn = client_conn};
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, post_many, &poster), 0);
        struct transport_event event = harness_expect(server, TRANSPORT_MESSAGE);
        wire_message_release(&event.message);
        transport_close(server, server_conn);
        while ((event = harness_next(server)).kind == TRANSPORT_MESSAGE)
            wire_message_release(&event.message);
        ck_assert_int_eq(event.kind, TRANSPORT_CLOSED);
        do {
            harness_expect_nothing(server);
        } while (transport_wait(client, &event, 1, 1000) == 0);
        ck_assert_int_eq(event.kind, TRANSPORT_CLOSED);
        pthread_join(thread, NULL);
    }
    transport_free(client);
    transport_free(server);
}
END_TEST

START_TEST(free_with_everything_in_flight)
{
    for (unsigned round = 0; round < 20; round++) {
        char address[64];
        struct transport_options options = harness_options();
        struct transport *server = harness_listening(&options, address);
        struct transport *client = transport_new(&options);
        uint64_t client_conn;
        uint64_t server_conn;
        harness_connect(client, server, address, &client_conn, &server_conn);
        struct wire_message message = {.type = WIRE_CHUNK};
        message.payload = patterned(BOUND_CHUNK_BYTES, 1);
        for (unsigned i = 0; i < 8; i++) {
            ck_assert(transport_send(client, client_conn, &message));
            ck_assert(transport_send(server, server_conn, &message));
        }
        transport_flush(client);
        transport_flush(server);
        ck_assert(transport_send(client, client_conn, &message)); /* dirty, not flushed */
        for (unsigned i = 0; i < 5; i++)
            transport_dial(client, address, i, 5000);
        wire_message_release(&message);
        transport_free(round % 2 == 0 ? client : server);
        transport_free(round % 2 == 0 ? server : client);
    }
}
END_TEST

START_TEST(hundreds_of_connections_come_and_go)
{
    char address[64];
    struct transport_options options = harness_options();
    struct transport *server = harness_listening(&options, address);
    struct transport *client = transport_new(&options);
    struct transport_event event;
    for (unsigned round = 0; round < 400; round++) {
        uint64_t client_conn;
        uint64_t server_conn;
        harness_connect(client, server, address, &client_conn, &server_conn);
        send_get(client, client_conn, round);
        transport_flush(client);
        event = harness_expect(server, TRANSPORT_MESSAGE);
        wire_message_release(&event.message);
        struct transport *closer = round % 2 == 0 ? client : server;
        struct transport *other = round % 2 == 0 ? server : client;
        transport_close(closer, round % 2 == 0 ? client_conn : server_conn);
        event = harness_expect(closer, TRANSPORT_CLOSED);
        do {
            harness_expect_nothing(closer);
        } while (transport_wait(other, &event, 1, 1000) == 0);
        ck_assert_int_eq(event.kind, TRANSPORT_CLOSED);
    }
    transport_free(client);
    transport_free(server);
}
END_TEST

/* An owner that is a thread of the network each time. */
struct passing_owner {
    pthread_mutex_t mutex;
    struct transport *transport;
    pthread_t sleeper;
    uint64_t next; /* guarded: the request expected */
    bool is_closed;
    atomic_bool was_sleeper;
};

static void take_events(struct passing_owner *owner)
{
    struct transport_event event;
    pthread_mutex_lock(&owner->mutex);
    while (transport_take(owner->transport, &event, 1) == 1) {
        if (event.kind == TRANSPORT_CLOSED)
            owner->is_closed = true;
        else if (event.kind == TRANSPORT_MESSAGE)
            ck_assert_uint_eq(event.message.u.get.request, owner->next++);
        wire_message_release(&event.message);
    }
    pthread_mutex_unlock(&owner->mutex);
}

static void on_arrived(void *context)
{
    struct passing_owner *owner = context;
    if (pthread_equal(pthread_self(), owner->sleeper))
        atomic_store(&owner->was_sleeper, true);
    take_events(owner);
}

/* The sleep ends for the connection that ended. */
static void sleep_until_closed(struct passing_owner *owner, struct transport *server)
{
    struct transport_event event;
    for (bool is_closed = false; !is_closed;) {
        transport_sleep(owner->transport, 1000000);
        transport_tend(owner->transport);
        take_events(owner);
        (void)transport_wait(server, &event, 1, 0); /* where its side is freed */
        pthread_mutex_lock(&owner->mutex);
        is_closed = owner->is_closed;
        pthread_mutex_unlock(&owner->mutex);
    }
}

START_TEST(messages_are_taken_by_the_threads_that_received_them)
{
    enum { MESSAGES = 5000 };
    char address[64];
    struct passing_owner owner = {.sleeper = pthread_self()};
    pthread_mutex_init(&owner.mutex, NULL);
    struct transport_options options = harness_options();
    struct transport *server = harness_listening(&options, address);
    options.arrived = on_arrived;
    options.arrived_context = &owner;
    owner.transport = transport_new(&options);
    transport_dial(owner.transport, address, 7, 5000);
    struct transport_event event = harness_expect(server, TRANSPORT_OPENED);
    wire_message_release(&event.message);
    for (uint64_t i = 0; i < MESSAGES; i++)
        send_get(server, event.conn, i);
    transport_flush(server);
    transport_close(server, event.conn);
    sleep_until_closed(&owner, server);
    ck_assert_uint_eq(owner.next, MESSAGES);
    ck_assert(!atomic_load(&owner.was_sleeper));
    transport_free(owner.transport);
    transport_free(server);
    pthread_mutex_destroy(&owner.mutex);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport");
    TCase *tcase = tcase_create("transport");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, hello_of_each_side_reaches_the_other);
    tcase_add_test(tcase, echo_with_every_message_type);
    tcase_add_test(tcase, ten_thousand_small_messages_arrive_in_order);
    tcase_add_test(tcase, megabyte_payloads_go_both_ways_at_once);
    tcase_add_test(tcase, close_delivers_what_was_queued_and_is_reported_on_both_sides);
    tcase_add_test(tcase, refused_dial_says_refused);
    tcase_add_test(tcase, bad_addresses_fail_with_a_text);
    tcase_add_test(tcase, listening_twice_on_an_address_is_an_error);
    tcase_add_test(tcase, wrong_version_is_refused_on_both_sides);
    tcase_add_test(tcase, wrong_cluster_is_refused_unless_one_side_does_not_know_its_own);
    tcase_add_test(tcase, connections_beyond_the_limit_are_closed);
    tcase_add_test(tcase, peer_that_does_not_read_is_closed_at_the_queue_limit);
    tcase_add_test(tcase, owner_that_is_slow_stops_the_sender_not_the_memory);
    tcase_add_test(tcase, wake_ends_a_wait);
    suite_add_tcase(suite, tcase);
    TCase *races = tcase_create("races");
    tcase_set_timeout(races, 240);
    tcase_add_test(races, messages_are_taken_by_the_threads_that_received_them);
    tcase_add_test(races, posts_from_several_threads_keep_each_threads_order);
    tcase_add_test(races, posting_to_a_connection_that_closes_is_harmless);
    tcase_add_test(races, free_with_everything_in_flight);
    tcase_add_test(races, hundreds_of_connections_come_and_go);
    suite_add_tcase(suite, races);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
