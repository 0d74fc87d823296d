/* Sends what no honest peer sends: truncated and oversized frames, noise, another wire version,
 * messages that the role may not send. Uses raw sockets, so that nothing of our own code is in the
 * way.
 *
 *   hostile_peer HOST PORT SEED ROUNDS
 *
 * Ends with 0 if every connection was either answered or closed within its deadline, whatever was
 * sent; whether the server lives on is the caller's to check. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/prng.h"
#include "tests/lib/wire_random.h"
#include "wire/codec/codec.h"

enum {
    FRAME_HEADER_BYTES = 8,
    NOISE_BYTES = 4096,
    DEADLINE_MS = 5000,
    MESSAGES_MAX = 24,
    RANDOM_SCALE = 16
};

struct peer {
    struct sockaddr_in address;
    struct prng prng;
};

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int dial(const struct peer *peer)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket");
    if (connect(fd, (const struct sockaddr *)&peer->address, sizeof peer->address) != 0)
        fail("the server does not accept connections any more: connect");
    return fd;
}

/* A server that closes in the middle of our sending is right to do so. */
static void send_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        length -= (size_t)sent;
    }
}

static void put_u32(uint8_t *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void send_message(int fd, const struct wire_message *message)
{
    struct buf *header = NULL;
    if (wire_encode_buf(message, &header) != ERR_OK)
        return; /* a random message may be larger than any peer would send */
    uint8_t lengths[FRAME_HEADER_BYTES];
    put_u32(lengths, (uint32_t)header->length);
    put_u32(lengths + 4, message->payload == NULL ? 0 : (uint32_t)message->payload->length);
    send_all(fd, lengths, sizeof lengths);
    send_all(fd, header->data, header->length);
    if (message->payload != NULL)
        send_all(fd, message->payload->data, message->payload->length);
    buf_unref(header);
}

static void send_hello(int fd, uint32_t version, uint8_t role, uint32_t id)
{
    struct wire_message hello = {.type = WIRE_HELLO};
    hello.u.hello.wire_version = version;
    hello.u.hello.role = role;
    hello.u.hello.id = id;
    hello.u.hello.incarnation = 1;
    hello.u.hello.software = slice_of_text("hostile");
    send_message(fd, &hello);
}

/* Reads until the server closes or says nothing for a moment; the end must come in time when
 * must_close. */
static void drain(int fd, bool must_close, const char *what)
{
    char bytes[4096];
    for (;;) {
        struct pollfd waited = {.fd = fd, .events = POLLIN};
        int ready = poll(&waited, 1, must_close ? DEADLINE_MS : 20);
        if (ready == 0 && must_close) {
            (void)fprintf(stderr, "%s: the server keeps the connection open\n", what);
            exit(1);
        }
        if (ready <= 0 || recv(fd, bytes, sizeof bytes, 0) <= 0)
            break;
    }
    (void)close(fd);
}

static void noise(struct peer *peer)
{
    uint8_t bytes[NOISE_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)prng_next(&peer->prng);
    int fd = dial(peer);
    send_all(fd, bytes, 1 + (size_t)prng_below(&peer->prng, sizeof bytes));
    (void)shutdown(fd, SHUT_WR);
    drain(fd, true, "noise");
}

static void oversized(struct peer *peer)
{
    uint8_t lengths[FRAME_HEADER_BYTES];
    put_u32(lengths, prng_once_in(&peer->prng, 2) ? 0xffffffffu : 0x7fffffffu);
    put_u32(lengths + 4, 0xffffffffu);
    int fd = dial(peer);
    if (prng_once_in(&peer->prng, 2))
        send_hello(fd, WIRE_VERSION, WIRE_ROLE_CLIENT, 0);
    send_all(fd, lengths, sizeof lengths);
    drain(fd, true, "an oversized frame");
}

static void wrong_version(struct peer *peer)
{
    int fd = dial(peer);
    send_hello(fd, WIRE_VERSION + 1000, WIRE_ROLE_CLIENT, 0);
    drain(fd, true, "another wire version");
}

static void truncated(struct peer *peer)
{
    uint8_t lengths[FRAME_HEADER_BYTES] = {0};
    put_u32(lengths, 500);
    int fd = dial(peer);
    send_hello(fd, WIRE_VERSION, WIRE_ROLE_CLIENT, 0);
    send_all(fd, lengths, sizeof lengths);
    send_all(fd, lengths, 5);
    (void)shutdown(fd, SHUT_WR);
    drain(fd, true, "a truncated frame");
}

/* A client may administer the cluster: random orders would be obeyed. */
static bool is_sendable(enum wire_type type)
{
    return type != WIRE_ADMIN;
}

/* Well-formed messages of every kind with fields at random, from a client and from a role that does
 * not exist. */
static void random_messages(struct peer *peer)
{
    int fd = dial(peer);
    uint8_t role = prng_once_in(&peer->prng, 8) ? 77 : WIRE_ROLE_CLIENT;
    send_hello(fd, WIRE_VERSION, role, (uint32_t)prng_below(&peer->prng, 5));
    for (unsigned i = 0; i < MESSAGES_MAX; i++) {
        struct wire_message message;
        enum wire_type type = wire_random_type(&peer->prng);
        if (!is_sendable(type))
            continue;
        wire_random_message(&peer->prng, type, RANDOM_SCALE, &message);
        send_message(fd, &message);
        wire_message_release(&message);
    }
    drain(fd, false, "random messages");
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        (void)fprintf(stderr, "usage: hostile_peer HOST PORT SEED ROUNDS\n");
        return 2;
    }
    struct peer peer = {.address = {.sin_family = AF_INET}};
    if (inet_pton(AF_INET, argv[1], &peer.address.sin_addr) != 1)
        fail(argv[1]);
    peer.address.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    prng_init(&peer.prng, strtoull(argv[3], NULL, 10));
    unsigned long rounds = strtoul(argv[4], NULL, 10);
    static void (*const kinds[])(struct peer *) = {noise, oversized, wrong_version, truncated,
                                                   random_messages};
    for (unsigned long i = 0; i < rounds; i++)
        kinds[i % (sizeof kinds / sizeof kinds[0])](&peer);
    printf("hostile_peer: %lu connections\n", rounds);
    return 0;
}
