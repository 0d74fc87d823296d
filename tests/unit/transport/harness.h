/* Two transports on loopback, and raw sockets that play peers with bad manners. */
#ifndef CATENA_TESTS_UNIT_TRANSPORT_HARNESS_H
#define CATENA_TESTS_UNIT_TRANSPORT_HARNESS_H

#include <check.h>

#include "wire/transport/transport.h"

enum { WAIT_US = 100000, DEADLINE_S = 30 };

struct transport_options harness_options(void);
/* Listens on a free loopback port; the address goes to `address` (64 bytes). */
struct transport *harness_listening(const struct transport_options *options, char *address);
/* Waits for the next event; fails the test after the deadline. */
struct transport_event harness_next(struct transport *transport);
/* The same, but it has to be of that kind. */
struct transport_event harness_expect(struct transport *transport, enum transport_event_kind kind);
/* No event is waiting now. */
void harness_expect_nothing(struct transport *transport);
/* Dials and waits until both sides are open. */
void harness_connect(struct transport *from, struct transport *to, const char *address,
                     uint64_t *ret_from_conn, uint64_t *ret_to_conn);
/* Seconds on a monotonic clock. */
double harness_seconds(void);

/* Raw sockets. */
int harness_raw_connect(const char *address);
int harness_raw_listen(char *address);
int harness_raw_accept(int listening);
void harness_raw_send(int fd, const void *bytes, size_t length);
/* Sends one frame with that header and lengths in the prefix taken from it. */
void harness_raw_send_message(int fd, const struct wire_message *message);
/* Reads one frame and decodes it. */
void harness_raw_receive(int fd, struct wire_message *ret_message);
/* The transport closes the connection without another byte and without an event. */
void harness_raw_expect_end(int fd, struct transport *transport);

#endif
