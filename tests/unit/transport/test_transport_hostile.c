#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/prng.h"
#include "base/text.h"
#include "harness.h"
#include "tests/lib/wire_random.h"
#include "wire/codec/codec.h"

/* A server, and a raw peer that has said a proper hello. */
static struct transport *server;
static char address[64];
static int peer;

static void setup(void)
{
    struct transport_options options = harness_options();
    options.frame_payload_bytes_max = 100000;
    server = harness_listening(&options, address);
    peer = -1;
}

static void teardown(void)
{
    if (peer >= 0)
        close(peer);
    transport_free(server);
}

static const struct wire_message good_hello = {
    .type = WIRE_HELLO, .u.hello = {.wire_version = WIRE_VERSION, .role = WIRE_ROLE_CLIENT}};

static void open_peer(void)
{
    if (peer >= 0)
        close(peer);
    peer = harness_raw_connect(address);
    harness_raw_send_message(peer, &good_hello);
    struct transport_event event = harness_expect(server, TRANSPORT_OPENED);
    wire_message_release(&event.message);
}

static void send_prefix(uint32_t header_bytes, uint32_t payload_bytes)
{
    uint8_t prefix[8];
    bytes_put_u32(prefix, header_bytes);
    bytes_put_u32(prefix + 4, payload_bytes);
    harness_raw_send(peer, prefix, sizeof prefix);
}

/* The server says CLOSED with that err; the peer reads hello, then REFUSED with it, then the end.
 */
static void expect_closed(enum err err)
{
    struct transport_event event = harness_expect(server, TRANSPORT_CLOSED);
    ck_assert_int_eq(event.err, err);
    ck_assert_str_ne(event.text, "");
    struct wire_message message;
    harness_raw_receive(peer, &message);
    ck_assert_int_eq(message.type, WIRE_HELLO);
    wire_message_release(&message);
    harness_raw_receive(peer, &message);
    ck_assert_int_eq(message.type, WIRE_REFUSED);
    ck_assert_uint_eq(message.u.refused.err, (uint32_t)err);
    ck_assert_uint_gt(message.u.refused.text.length, 0);
    wire_message_release(&message);
}

/* The server still serves. */
static void expect_alive(void)
{
    open_peer();
    struct wire_message message = {.type = WIRE_MARK, .u.mark = {.chain = 3}};
    harness_raw_send_message(peer, &message);
    struct transport_event event = harness_next(server);
    while (event.kind != TRANSPORT_MESSAGE)
        event = harness_next(server);
    ck_assert_uint_eq(event.message.u.mark.chain, 3);
    wire_message_release(&event.message);
}

START_TEST(oversized_header_closes_the_connection)
{
    open_peer();
    send_prefix(BOUND_FRAME_HEADER_BYTES + 1, 0);
    expect_closed(ERR_TOO_LARGE);
    expect_alive();
}
END_TEST

START_TEST(oversized_payload_closes_the_connection)
{
    open_peer();
    send_prefix(10, 100001);
    expect_closed(ERR_TOO_LARGE);
    expect_alive();
}
END_TEST

START_TEST(empty_header_closes_the_connection)
{
    open_peer();
    send_prefix(0, 0);
    expect_closed(ERR_PROTOCOL);
}
END_TEST

START_TEST(header_that_is_not_cbor_closes_the_connection)
{
    open_peer();
    send_prefix(4, 0);
    harness_raw_send(peer, "AAAA", 4); /* a byte string */
    expect_closed(ERR_PROTOCOL);
    expect_alive();
}
END_TEST

START_TEST(unknown_message_type_closes_the_connection)
{
    open_peer();
    send_prefix(2, 0);
    harness_raw_send(peer, "\x81\x09", 2);
    expect_closed(ERR_UNSUPPORTED);
}
END_TEST

START_TEST(header_that_ends_inside_a_field_closes_the_connection)
{
    open_peer();
    send_prefix(3, 0);
    harness_raw_send(peer, "\x82\x18\x25", 3); /* ROW_ASK without its field */
    expect_closed(ERR_TRUNCATED);
}
END_TEST

START_TEST(large_payload_before_the_hello_is_refused)
{
    peer = harness_raw_connect(address);
    send_prefix(100, 1);
    struct wire_message message;
    harness_raw_receive(peer, &message);
    wire_message_release(&message);
    harness_raw_receive(peer, &message);
    ck_assert_uint_eq(message.u.refused.err, ERR_TOO_LARGE);
    wire_message_release(&message);
    harness_expect_nothing(server);
    expect_alive();
}
END_TEST

START_TEST(other_first_message_than_hello_is_refused)
{
    peer = harness_raw_connect(address);
    struct wire_message mark = {.type = WIRE_MARK};
    harness_raw_send_message(peer, &mark);
    struct wire_message message;
    harness_raw_receive(peer, &message);
    wire_message_release(&message);
    harness_raw_receive(peer, &message);
    ck_assert_uint_eq(message.u.refused.err, ERR_PROTOCOL);
    wire_message_release(&message);
    harness_expect_nothing(server);
    expect_alive();
}
END_TEST

START_TEST(wrong_version_is_told_why)
{
    peer = harness_raw_connect(address);
    struct wire_message hello = good_hello;
    hello.u.hello.wire_version = 77;
    harness_raw_send_message(peer, &hello);
    struct wire_message message;
    harness_raw_receive(peer, &message);
    wire_message_release(&message);
    harness_raw_receive(peer, &message);
    ck_assert_uint_eq(message.u.refused.err, ERR_WRONG_VERSION);
    wire_message_release(&message);
    harness_raw_expect_end(peer, server);
}
END_TEST

START_TEST(peer_that_closes_in_the_middle_of_a_frame_is_reported)
{
    for (unsigned cut = 1; cut < 20; cut++) {
        open_peer();
        uint8_t frame[1200] = {0};
        struct wire_message message = {.type = WIRE_GET,
                                       .u.get = {.key = slice_of_text("key of the object")}};
        size_t bytes = 0;
        ck_assert_int_eq(wire_encode(&message, frame + 8, sizeof frame - 8, &bytes), ERR_OK);
        bytes_put_u32(frame, (uint32_t)bytes);
        bytes_put_u32(frame + 4, 50);
        harness_raw_send(peer, frame, cut * (bytes + 8) / 20);
        close(peer);
        peer = -1;
        struct transport_event event = harness_expect(server, TRANSPORT_CLOSED);
        ck_assert_int_eq(event.err, ERR_UNREACHABLE);
    }
    expect_alive();
}
END_TEST

START_TEST(reset_by_the_peer_is_reported)
{
    open_peer();
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    ck_assert_int_eq(setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    close(peer);
    peer = -1;
    struct transport_event event = harness_expect(server, TRANSPORT_CLOSED);
    ck_assert_int_eq(event.err, ERR_UNREACHABLE);
    expect_alive();
}
END_TEST

START_TEST(messages_before_garbage_are_still_delivered)
{
    open_peer();
    struct wire_message message = {.type = WIRE_MARK, .u.mark = {.chain = 8}};
    harness_raw_send_message(peer, &message);
    send_prefix(UINT32_MAX, UINT32_MAX);
    struct transport_event event = harness_expect(server, TRANSPORT_MESSAGE);
    ck_assert_uint_eq(event.message.u.mark.chain, 8);
    wire_message_release(&event.message);
    expect_closed(ERR_TOO_LARGE);
}
END_TEST

START_TEST(hello_byte_by_byte_is_accepted)
{
    struct buf *header = NULL;
    ck_assert_int_eq(wire_encode_buf(&good_hello, &header), ERR_OK);
    uint8_t prefix[8];
    bytes_put_u32(prefix, (uint32_t)header->length);
    bytes_put_u32(prefix + 4, 0);
    peer = harness_raw_connect(address);
    for (size_t i = 0; i < sizeof prefix; i++)
        harness_raw_send(peer, prefix + i, 1);
    for (size_t i = 0; i < header->length; i++)
        harness_raw_send(peer, header->data + i, 1);
    struct transport_event event = harness_expect(server, TRANSPORT_OPENED);
    wire_message_release(&event.message);
    buf_unref(header);
}
END_TEST

START_TEST(silent_dialed_peer_fails_at_the_timeout)
{
    char silent[64];
    int listening = harness_raw_listen(silent);
    double start = harness_seconds();
    transport_dial(server, silent, 9, 300);
    struct transport_event event = harness_expect(server, TRANSPORT_FAILED);
    ck_assert_uint_eq(event.tag, 9);
    ck_assert_int_eq(event.err, ERR_TIMEOUT);
    ck_assert(harness_seconds() - start > 0.25);
    close(listening);
}
END_TEST

START_TEST(dialed_peer_that_refuses_is_quoted)
{
    char refusing[64];
    int listening = harness_raw_listen(refusing);
    transport_dial(server, refusing, 9, 5000);
    peer = harness_raw_accept(listening);
    struct wire_message refused = {
        .type = WIRE_REFUSED,
        .u.refused = {.err = ERR_DUPLICATE_ID, .text = slice_of_text("line\nbreak")}};
    harness_raw_send_message(peer, &refused);
    struct transport_event event = harness_expect(server, TRANSPORT_FAILED);
    ck_assert_int_eq(event.err, ERR_DUPLICATE_ID);
    ck_assert_str_eq(event.text, "line?break");
    close(listening);
}
END_TEST

START_TEST(random_garbage_never_takes_the_server_down)
{
    struct prng prng;
    prng_init(&prng, 12);
    for (unsigned round = 0; round < 200; round++) {
        int fd = harness_raw_connect(address);
        if (prng_once_in(&prng, 2))
            harness_raw_send_message(fd, &good_hello);
        uint8_t bytes[400];
        size_t length = prng_below(&prng, sizeof bytes);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)prng_next(&prng);
        if (prng_once_in(&prng, 2) && length > 20) {
            bytes_put_u32(bytes, (uint32_t)prng_below(&prng, length));
            bytes_put_u32(bytes + 4, (uint32_t)prng_below(&prng, 100));
        }
        harness_raw_send(fd, bytes, length);
        close(fd);
        struct transport_event event;
        if (transport_wait(server, &event, 1, 0) == 1 &&
            (event.kind == TRANSPORT_OPENED || event.kind == TRANSPORT_MESSAGE))
            wire_message_release(&event.message);
    }
    struct transport_event event;
    while (transport_wait(server, &event, 1, 50000) == 1)
        if (event.kind == TRANSPORT_OPENED || event.kind == TRANSPORT_MESSAGE)
            wire_message_release(&event.message);
    expect_alive();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport_hostile");
    TCase *tcase = tcase_create("hostile");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, oversized_header_closes_the_connection);
    tcase_add_test(tcase, oversized_payload_closes_the_connection);
    tcase_add_test(tcase, empty_header_closes_the_connection);
    tcase_add_test(tcase, header_that_is_not_cbor_closes_the_connection);
    tcase_add_test(tcase, unknown_message_type_closes_the_connection);
    tcase_add_test(tcase, header_that_ends_inside_a_field_closes_the_connection);
    tcase_add_test(tcase, large_payload_before_the_hello_is_refused);
    tcase_add_test(tcase, other_first_message_than_hello_is_refused);
    tcase_add_test(tcase, wrong_version_is_told_why);
    tcase_add_test(tcase, peer_that_closes_in_the_middle_of_a_frame_is_reported);
    tcase_add_test(tcase, reset_by_the_peer_is_reported);
    tcase_add_test(tcase, messages_before_garbage_are_still_delivered);
    tcase_add_test(tcase, hello_byte_by_byte_is_accepted);
    tcase_add_test(tcase, silent_dialed_peer_fails_at_the_timeout);
    tcase_add_test(tcase, dialed_peer_that_refuses_is_quoted);
    tcase_add_test(tcase, random_garbage_never_takes_the_server_down);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
