/* Frames: where the bytes of a connection go in and come out. Pure: no nng, no locks.
 *
 * A frame is u32 header bytes, u32 payload bytes (big-endian), the header, the payload. Small parts
 * are gathered in one private block per direction, so thousands of small messages cost few system
 * calls and no allocation each. Parts of at least FRAME_LARGE_BYTES travel without a copy: a
 * payload to send is referenced, a payload that arrives is received straight into its own buffer of
 * exactly its size (so a message never pins more memory than it has). */
#ifndef CATENA_WIRE_TRANSPORT_FRAME_H
#define CATENA_WIRE_TRANSPORT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/messages.h"

enum {
    FRAME_PREFIX_BYTES = 8,
    FRAME_LARGE_BYTES = 16384,
    FRAME_BLOCK_BYTES = 131072, /* receiving */
    FRAME_PARTS_MAX = 8,        /* of one send: nng's limit of pieces */
};

struct frame_part {
    uint8_t *data;
    size_t length;
};

/* ---- receiving ---- */

struct frame_reader {
    uint8_t *block; /* FRAME_BLOCK_BYTES; what is received and not yet taken: [start, end) */
    size_t start;
    size_t end;
    uint32_t header_bytes_max;
    uint32_t payload_bytes_max;
    bool has_prefix;
    bool has_header; /* decoded into `message` */
    uint32_t header_bytes;
    uint32_t payload_bytes;
    struct buf *large; /* the large part being filled, or NULL */
    size_t large_filled;
    struct wire_message message;
};

void frame_reader_init(struct frame_reader *reader, uint32_t header_bytes_max,
                       uint32_t payload_bytes_max);
void frame_reader_release(struct frame_reader *reader);
/* Where the next bytes go: one or two parts. Valid until the next call. */
unsigned frame_reader_space(struct frame_reader *reader, struct frame_part parts[2]);
/* That many bytes arrived there. */
void frame_reader_received(struct frame_reader *reader, size_t bytes);
/* ERR_OK: a whole message (the caller's; *ret_bytes is its size on the wire). ERR_NOT_READY: more
 * bytes are needed. ERR_TOO_LARGE, ERR_TRUNCATED, ERR_UNSUPPORTED, ERR_PROTOCOL: the stream is
 * unusable from here on. */
enum err frame_reader_next(struct frame_reader *reader, struct wire_message *ret_message,
                           size_t *ret_bytes);

/* ---- sending ---- */

struct frame_segment {
    struct buf *buf; /* owned reference */
    size_t offset;
    size_t length;
};

struct frame_writer {
    struct frame_segment *segments; /* a ring */
    size_t capacity;
    size_t head;
    size_t count;
    struct buf *block; /* small parts are appended here */
    size_t block_used;
    uint64_t bytes; /* queued */
};

void frame_writer_init(struct frame_writer *writer);
void frame_writer_release(struct frame_writer *writer);
/* Appends the frame of a message; takes its own reference to a large payload. ERR_TOO_LARGE: the
 * message or its payload exceeds a bound; nothing was appended. */
enum err frame_writer_add(struct frame_writer *writer, const struct wire_message *message,
                          uint32_t payload_bytes_max);
/* The oldest bytes, at most FRAME_PARTS_MAX parts; they stay where they are until
 * frame_writer_sent(), whatever is added meanwhile. */
unsigned frame_writer_parts(const struct frame_writer *writer,
                            struct frame_part parts[FRAME_PARTS_MAX]);
/* The oldest `bytes` left (any number, also in the middle of a part). */
void frame_writer_sent(struct frame_writer *writer, size_t bytes);

#endif
