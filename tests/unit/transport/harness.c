#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/text.h"
#include "wire/codec/codec.h"

double harness_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct transport_options harness_options(void)
{
    return (struct transport_options){
        .hello = {.wire_version = WIRE_VERSION, .role = WIRE_ROLE_NODE, .id = 1},
        .connections_max = 4096,
        .queue_bytes_max = 64u << 20,
        .frame_payload_bytes_max = BOUND_FRAME_PAYLOAD_BYTES,
    };
}

struct transport *harness_listening(const struct transport_options *options, char *address)
{
    struct transport *transport = transport_new(options);
    char text[200] = "";
    ck_assert_int_eq(transport_listen(transport, "127.0.0.1:0", address, 64, text, sizeof text),
                     ERR_OK);
    return transport;
}

struct transport_event harness_next(struct transport *transport)
{
    double deadline = harness_seconds() + DEADLINE_S;
    struct transport_event event;
    while (transport_wait(transport, &event, 1, WAIT_US) == 0)
        ck_assert_msg(harness_seconds() < deadline, "no event in time");
    return event;
}

struct transport_event harness_expect(struct transport *transport, enum transport_event_kind kind)
{
    struct transport_event event = harness_next(transport);
    ck_assert_msg(event.kind == kind, "event %d, err %s, text %s", (int)event.kind,
                  err_name(event.err), event.kind >= TRANSPORT_CLOSED ? event.text : "");
    return event;
}

void harness_expect_nothing(struct transport *transport)
{
    struct transport_event event;
    ck_assert_uint_eq(transport_wait(transport, &event, 1, 0), 0);
}

void harness_connect(struct transport *from, struct transport *to, const char *address,
                     uint64_t *ret_from_conn, uint64_t *ret_to_conn)
{
    transport_dial(from, address, 7, 5000);
    struct transport_event event = harness_expect(from, TRANSPORT_OPENED);
    *ret_from_conn = event.conn;
    wire_message_release(&event.message);
    event = harness_expect(to, TRANSPORT_OPENED);
    *ret_to_conn = event.conn;
    wire_message_release(&event.message);
}

/* ---- raw ---- */

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

int harness_raw_connect(const char *address)
{
    struct sockaddr_in at = loopback((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    struct timeval limit = {.tv_sec = DEADLINE_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

int harness_raw_listen(char *address)
{
    struct sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    text_format(address, 64, "127.0.0.1:%d", ntohs(at.sin_port));
    return fd;
}

int harness_raw_accept(int listening)
{
    int fd = accept(listening, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    struct timeval limit = {.tv_sec = DEADLINE_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

void harness_raw_send(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the other side may close in the middle: that is what is tested */
        at += sent;
        length -= (size_t)sent;
    }
}

void harness_raw_send_message(int fd, const struct wire_message *message)
{
    struct buf *header = NULL;
    ck_assert_int_eq(wire_encode_buf(message, &header), ERR_OK);
    uint8_t prefix[8];
    bytes_put_u32(prefix, (uint32_t)header->length);
    bytes_put_u32(prefix + 4, 0);
    harness_raw_send(fd, prefix, sizeof prefix);
    harness_raw_send(fd, header->data, header->length);
    buf_unref(header);
}

static void read_exactly(int fd, uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t got = recv(fd, bytes, length, 0);
        ck_assert_msg(got > 0, "the peer closed early");
        bytes += got;
        length -= (size_t)got;
    }
}

void harness_raw_receive(int fd, struct wire_message *ret_message)
{
    uint8_t prefix[8];
    read_exactly(fd, prefix, sizeof prefix);
    struct buf *header = buf_new(bytes_get_u32(prefix));
    ck_assert_uint_eq(bytes_get_u32(prefix + 4), 0);
    read_exactly(fd, header->data, header->length);
    ck_assert_int_eq(wire_decode(buf_slice(header), header, ret_message), ERR_OK);
    buf_unref(header);
}

void harness_raw_expect_end(int fd, struct transport *transport)
{
    double deadline = harness_seconds() + DEADLINE_S;
    struct transport_event event;
    char byte;
    ssize_t got;
    do {
        ck_assert_uint_eq(transport_wait(transport, &event, 1, 1000), 0);
        ck_assert_msg(harness_seconds() < deadline, "still open");
        got = recv(fd, &byte, 1, MSG_DONTWAIT);
    } while (got < 0);
    ck_assert_int_eq(got, 0);
}
