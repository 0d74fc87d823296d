/* How fast the transport is: two processes on loopback. Prints one line per case; not a test.
 *
 *   bench_transport [seconds per case] */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire/transport/transport.h"

enum { EVENTS = 256 };

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct transport *new_transport(void)
{
    const struct transport_options options = {
        .connections_max = 16,
        .queue_bytes_max = 256u << 20,
        .frame_payload_bytes_max = BOUND_FRAME_PAYLOAD_BYTES,
    };
    return transport_new(&options);
}

/* Answers every GET with an OBJECT that carries the same payload; says nothing to a CHUNK but
 * counts it, and tells the count when a WATCH asks. */
static void serve(int tell)
{
    struct transport *transport = new_transport();
    char address[64];
    char text[200];
    if (transport_listen(transport, "127.0.0.1:0", address, sizeof address, text, sizeof text) !=
        ERR_OK)
        exit(1);
    if (write(tell, address, sizeof address) != sizeof address)
        exit(1);
    static struct transport_event events[EVENTS];
    uint64_t counted = 0;
    for (;;) {
        uint32_t count = transport_wait(transport, events, EVENTS, UINT64_MAX);
        for (uint32_t i = 0; i < count; i++) {
            struct wire_message *message = &events[i].message;
            if (events[i].kind == TRANSPORT_CLOSED) {
                transport_free(transport);
                exit(0);
            }
            if (events[i].kind == TRANSPORT_MESSAGE && message->type == WIRE_GET) {
                struct wire_message reply = {.type = WIRE_OBJECT,
                                             .u.object = {.request = message->u.get.request},
                                             .payload = message->payload};
                (void)transport_send(transport, events[i].conn, &reply);
            } else if (events[i].kind == TRANSPORT_MESSAGE && message->type == WIRE_WATCH) {
                struct wire_message reply = {.type = WIRE_OBJECT, .u.object = {.request = counted}};
                (void)transport_send(transport, events[i].conn, &reply);
            } else if (events[i].kind == TRANSPORT_MESSAGE) {
                counted++;
            }
            wire_message_release(message);
        }
        transport_flush(transport);
    }
}

static uint64_t connect_to(struct transport *transport, const char *address)
{
    struct transport_event event;
    transport_dial(transport, address, 1, 5000);
    while (transport_wait(transport, &event, 1, 1000000) == 0)
        ;
    if (event.kind != TRANSPORT_OPENED)
        exit(1);
    wire_message_release(&event.message);
    return event.conn;
}

static void send_get(struct transport *transport, uint64_t conn, struct buf *payload)
{
    struct wire_message message = {
        .type = WIRE_GET,
        .u.get = {.request = 1, .chain = 3, .epoch = 9, .key = slice_of_text("some/object/key")},
        .payload = payload};
    (void)transport_send(transport, conn, &message);
}

static void echo(struct transport *transport, uint64_t conn, size_t bytes, uint32_t in_flight,
                 double duration)
{
    static struct transport_event events[EVENTS];
    struct buf *payload = buf_new(bytes);
    memset(payload->data, 1, bytes);
    for (uint32_t i = 0; i < in_flight; i++)
        send_get(transport, conn, payload);
    transport_flush(transport);
    uint64_t answered = 0;
    uint64_t outstanding = in_flight;
    double start = seconds();
    double now = start;
    while (outstanding > 0) {
        uint32_t count = transport_wait(transport, events, EVENTS, 1000000);
        now = seconds();
        for (uint32_t i = 0; i < count; i++) {
            wire_message_release(&events[i].message);
            outstanding--;
            answered++;
            if (now - start < duration) {
                send_get(transport, conn, payload);
                outstanding++;
            }
        }
        transport_flush(transport);
    }
    double took = now - start;
    printf("echo %7zu B, %3u in flight: %8.0f/s %7.1f MB/s each way, %.1f us each\n", bytes,
           in_flight, (double)answered / took, (double)answered * (double)bytes / took / 1e6,
           took * 1e6 * in_flight / (double)answered);
    buf_unref(payload);
}

static void one_way(struct transport *transport, uint64_t conn, double duration)
{
    enum { BATCH = 64, WINDOW = 16384 };
    struct transport_event event;
    struct wire_message mark = {.type = WIRE_MARK, .u.mark = {.chain = 5, .epoch = 7}};
    struct wire_message ask = {.type = WIRE_WATCH};
    uint64_t sent = 0;
    double start = seconds();
    while (seconds() - start < duration) {
        for (unsigned k = 0; k < WINDOW; k += BATCH) {
            for (unsigned i = 0; i < BATCH; i++)
                (void)transport_send(transport, conn, &mark);
            transport_flush(transport);
        }
        sent += WINDOW;
        (void)transport_send(transport, conn, &ask);
        transport_flush(transport);
        while (transport_wait(transport, &event, 1, 1000000) == 0)
            ;
        if (event.message.u.object.request != sent)
            exit(1);
        wire_message_release(&event.message);
    }
    printf("one way, 64 to a flush: %8.0f messages/s\n", (double)sent / (seconds() - start));
}

int main(int argc, char **argv)
{
    double duration = argc > 1 ? strtod(argv[1], NULL) : 2;
    int pipes[2];
    if (pipe(pipes) != 0)
        return 1;
    /* Before the first use of nng: its threads do not survive a fork. */
    pid_t child = fork();
    if (child == 0)
        serve(pipes[1]);
    char address[64];
    if (read(pipes[0], address, sizeof address) != sizeof address)
        return 1;
    struct transport *transport = new_transport();
    uint64_t conn = connect_to(transport, address);
    one_way(transport, conn, duration);
    echo(transport, conn, 0, 1, duration);
    echo(transport, conn, 1024, 1, duration);
    echo(transport, conn, 1024, 64, duration);
    echo(transport, conn, 65536, 16, duration);
    echo(transport, conn, 1048576, 4, duration);
    transport_free(transport);
    int status = 0;
    (void)waitpid(child, &status, 0);
    struct rusage usage;
    (void)getrusage(RUSAGE_CHILDREN, &usage);
    printf("server: %ld KiB resident at most\n", usage.ru_maxrss);
    return status == 0 ? 0 : 1;
}
