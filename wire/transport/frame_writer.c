#include "base/bytes.h"
#include "base/contract.h"
#include "wire/codec/codec.h"
#include "wire/transport/frame.h"

enum { BLOCK_BYTES = 65536 };

void frame_writer_init(struct frame_writer *writer)
{
    memset(writer, 0, sizeof *writer);
}

void frame_writer_release(struct frame_writer *writer)
{
    for (size_t i = 0; i < writer->count; i++)
        buf_unref(writer->segments[(writer->head + i) % writer->capacity].buf);
    buf_unref(writer->block);
    mem_free(writer->segments);
    memset(writer, 0, sizeof *writer);
}

static void grow(struct frame_writer *writer)
{
    size_t capacity = writer->capacity == 0 ? 8 : writer->capacity * 2;
    struct frame_segment *segments = mem_alloc(capacity * sizeof *segments);
    for (size_t i = 0; i < writer->count; i++)
        segments[i] = writer->segments[(writer->head + i) % writer->capacity];
    mem_free(writer->segments);
    writer->segments = segments;
    writer->capacity = capacity;
    writer->head = 0;
}

/* Takes its own reference to buf. */
static void push(struct frame_writer *writer, struct buf *buf, size_t offset, size_t length)
{
    writer->bytes += length;
    if (writer->count > 0) {
        struct frame_segment *last =
            &writer->segments[(writer->head + writer->count - 1) % writer->capacity];
        if (last->buf == buf && last->offset + last->length == offset) {
            last->length += length;
            return;
        }
    }
    if (writer->count == writer->capacity)
        grow(writer);
    writer->segments[(writer->head + writer->count++) % writer->capacity] =
        (struct frame_segment){.buf = buf_ref(buf), .offset = offset, .length = length};
}

/* Makes room for `bytes` in one piece. A full block is let go: its segments keep it alive. */
static uint8_t *block_room(struct frame_writer *writer, size_t bytes)
{
    if (writer->block == NULL || writer->block->length - writer->block_used < bytes) {
        buf_unref(writer->block);
        writer->block = buf_new(bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES);
        writer->block_used = 0;
    }
    return writer->block->data + writer->block_used;
}

static void block_commit(struct frame_writer *writer, size_t bytes)
{
    push(writer, writer->block, writer->block_used, bytes);
    writer->block_used += bytes;
}

/* Encodes behind a free prefix into the block; *ret_at is the prefix. */
static enum err encode_header(struct frame_writer *writer, const struct wire_message *message,
                              uint8_t **ret_at, size_t *ret_header_bytes)
{
    enum { USUAL_BYTES = 512 };
    uint8_t *at = block_room(writer, FRAME_PREFIX_BYTES + USUAL_BYTES);
    size_t room = writer->block->length - writer->block_used - FRAME_PREFIX_BYTES;
    enum err err = wire_encode(message, at + FRAME_PREFIX_BYTES, room, ret_header_bytes);
    if (err == ERR_NO_SPACE) {
        room = *ret_header_bytes;
        at = block_room(writer, FRAME_PREFIX_BYTES + room);
        err = wire_encode(message, at + FRAME_PREFIX_BYTES, room, ret_header_bytes);
    }
    *ret_at = at;
    return err;
}

enum err frame_writer_add(struct frame_writer *writer, const struct wire_message *message,
                          uint32_t payload_bytes_max)
{
    struct slice payload = buf_slice(message->payload);
    if (payload.length > payload_bytes_max)
        return ERR_TOO_LARGE;
    uint8_t *at;
    size_t header_bytes = 0;
    enum err err = encode_header(writer, message, &at, &header_bytes);
    if (err != ERR_OK)
        return err;
    bytes_put_u32(at, (uint32_t)header_bytes);
    bytes_put_u32(at + 4, (uint32_t)payload.length);
    block_commit(writer, FRAME_PREFIX_BYTES + header_bytes);
    if (payload.length >= FRAME_LARGE_BYTES) {
        push(writer, message->payload, 0, payload.length);
    } else if (payload.length > 0) {
        memcpy(block_room(writer, payload.length), payload.data, payload.length);
        block_commit(writer, payload.length);
    }
    return ERR_OK;
}

unsigned frame_writer_parts(const struct frame_writer *writer,
                            struct frame_part parts[FRAME_PARTS_MAX])
{
    unsigned count = 0;
    for (; count < FRAME_PARTS_MAX && count < writer->count; count++) {
        const struct frame_segment *segment =
            &writer->segments[(writer->head + count) % writer->capacity];
        parts[count] = (struct frame_part){.data = segment->buf->data + segment->offset,
                                           .length = segment->length};
    }
    return count;
}

void frame_writer_sent(struct frame_writer *writer, size_t bytes)
{
    PRE(bytes <= writer->bytes);
    writer->bytes -= bytes;
    while (bytes > 0) {
        struct frame_segment *segment = &writer->segments[writer->head];
        if (bytes < segment->length) {
            segment->offset += bytes;
            segment->length -= bytes;
            return;
        }
        bytes -= segment->length;
        buf_unref(segment->buf);
        writer->head = (writer->head + 1) % writer->capacity;
        writer->count--;
    }
    /* Nothing points into the block any more: write it from the start again. */
    if (writer->count == 0 && writer->block != NULL) {
        writer->block_used = 0;
        if (writer->block->length > BLOCK_BYTES) {
            buf_unref(writer->block);
            writer->block = NULL;
        }
    }
}
