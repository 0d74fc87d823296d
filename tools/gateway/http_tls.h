/* TLS of the HTTP engine, and plain sockets behind the same calls. http_tls.c is the only file that
 * knows OpenSSL's ssl.h. Nothing here blocks: sockets are non-blocking. */
#ifndef CATENA_TOOLS_GATEWAY_HTTP_TLS_H
#define CATENA_TOOLS_GATEWAY_HTTP_TLS_H

#include "base/io/args.h"

struct http_tls; /* certificate and key */

/* NULL: error says why. */
struct http_tls *http_tls_new(const char *certificate, const char *private_key, struct text *error);
/* Connections that use it keep what they need. NULL is allowed. */
void http_tls_free(struct http_tls *tls);

struct http_wire {
    int fd;
    void *session; /* NULL: plain */
};
enum http_wire_result {
    HTTP_WIRE_DONE,    /* at least one byte moved; the handshake is complete */
    HTTP_WIRE_BLOCKED, /* when the socket is ready again */
    HTTP_WIRE_ENDED,   /* reading: the other side sends no more */
    HTTP_WIRE_FAILED,
};
/* tls NULL: plain. False: no memory. The wire owns fd in every case. */
bool http_wire_open(struct http_wire *wire, int fd, struct http_tls *tls);
enum http_wire_result http_wire_handshake(struct http_wire *wire);
enum http_wire_result http_wire_read(struct http_wire *wire, void *bytes, size_t size,
                                     size_t *ret_length);
/* is_last: no more follows at once; otherwise the kernel may wait for it. */
enum http_wire_result http_wire_write(struct http_wire *wire, const void *bytes, size_t length,
                                      bool is_last, size_t *ret_written);
/* Nothing more is sent; what still comes is no longer decrypted. */
void http_wire_end(struct http_wire *wire);
/* After http_wire_end: throws away what is there. */
enum http_wire_result http_wire_discard(struct http_wire *wire, void *scratch, size_t size,
                                        size_t *ret_length);
void http_wire_close(struct http_wire *wire);

#endif
