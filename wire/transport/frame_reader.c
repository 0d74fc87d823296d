#include "base/bytes.h"
#include "base/contract.h"
#include "wire/codec/codec.h"
#include "wire/transport/frame.h"

_Static_assert(FRAME_BLOCK_BYTES >= 2 * (FRAME_PREFIX_BYTES + FRAME_LARGE_BYTES),
               "a small frame always fits the block");

void frame_reader_init(struct frame_reader *reader, uint32_t header_bytes_max,
                       uint32_t payload_bytes_max)
{
    memset(reader, 0, sizeof *reader);
    reader->block = mem_alloc(FRAME_BLOCK_BYTES);
    reader->header_bytes_max = header_bytes_max;
    reader->payload_bytes_max = payload_bytes_max;
}

void frame_reader_release(struct frame_reader *reader)
{
    buf_unref(reader->large);
    wire_message_release(&reader->message);
    mem_free(reader->block);
    memset(reader, 0, sizeof *reader);
}

static size_t available(const struct frame_reader *reader)
{
    return reader->end - reader->start;
}

/* Moves what is left to the front when the room behind it gets small. */
static void compact(struct frame_reader *reader)
{
    if (reader->start == reader->end) {
        reader->start = 0;
        reader->end = 0;
    } else if (reader->start > 0 && FRAME_BLOCK_BYTES - reader->end < FRAME_BLOCK_BYTES / 2) {
        memmove(reader->block, reader->block + reader->start, available(reader));
        reader->end -= reader->start;
        reader->start = 0;
    }
}

unsigned frame_reader_space(struct frame_reader *reader, struct frame_part parts[2])
{
    unsigned count = 0;
    compact(reader);
    if (reader->large != NULL && reader->large_filled < reader->large->length) {
        INVARIANT(available(reader) == 0);
        parts[count++] =
            (struct frame_part){.data = reader->large->data + reader->large_filled,
                                .length = reader->large->length - reader->large_filled};
    }
    parts[count++] = (struct frame_part){.data = reader->block + reader->end,
                                         .length = FRAME_BLOCK_BYTES - reader->end};
    POST(parts[count - 1].length > 0);
    return count;
}

void frame_reader_received(struct frame_reader *reader, size_t bytes)
{
    if (reader->large != NULL && reader->large_filled < reader->large->length) {
        size_t wanted = reader->large->length - reader->large_filled;
        size_t taken = bytes < wanted ? bytes : wanted;
        reader->large_filled += taken;
        bytes -= taken;
    }
    PRE(bytes <= FRAME_BLOCK_BYTES - reader->end);
    reader->end += bytes;
}

static uint8_t *take(struct frame_reader *reader, size_t bytes)
{
    uint8_t *at = reader->block + reader->start;
    reader->start += bytes;
    return at;
}

static enum err take_prefix(struct frame_reader *reader)
{
    if (available(reader) < FRAME_PREFIX_BYTES)
        return ERR_NOT_READY;
    const uint8_t *prefix = take(reader, FRAME_PREFIX_BYTES);
    reader->header_bytes = bytes_get_u32(prefix);
    reader->payload_bytes = bytes_get_u32(prefix + 4);
    if (reader->header_bytes > reader->header_bytes_max ||
        reader->payload_bytes > reader->payload_bytes_max)
        return ERR_TOO_LARGE;
    if (reader->header_bytes == 0)
        return ERR_PROTOCOL;
    reader->has_prefix = true;
    return ERR_OK;
}

/* A large part: what is in the block already is moved, the rest is received in place. */
static enum err fill_large(struct frame_reader *reader, uint32_t bytes)
{
    if (reader->large == NULL) {
        reader->large = buf_new(bytes);
        reader->large_filled = 0;
    }
    size_t wanted = bytes - reader->large_filled;
    size_t here = available(reader) < wanted ? available(reader) : wanted;
    if (here > 0) {
        memcpy(reader->large->data + reader->large_filled, take(reader, here), here);
        reader->large_filled += here;
    }
    return reader->large_filled == bytes ? ERR_OK : ERR_NOT_READY;
}

static enum err take_header(struct frame_reader *reader)
{
    enum err err;
    if (reader->header_bytes >= FRAME_LARGE_BYTES) {
        err = fill_large(reader, reader->header_bytes);
        if (err != ERR_OK)
            return err;
        err = wire_decode(buf_slice(reader->large), reader->large, &reader->message);
        buf_unref(reader->large);
        reader->large = NULL;
    } else {
        if (available(reader) < reader->header_bytes)
            return ERR_NOT_READY;
        const uint8_t *header = take(reader, reader->header_bytes);
        err = wire_decode(slice_of(header, reader->header_bytes), NULL, &reader->message);
    }
    reader->has_header = err == ERR_OK;
    return err;
}

static enum err take_payload(struct frame_reader *reader)
{
    if (reader->payload_bytes == 0)
        return ERR_OK;
    if (reader->payload_bytes >= FRAME_LARGE_BYTES) {
        enum err err = fill_large(reader, reader->payload_bytes);
        if (err != ERR_OK)
            return err;
        reader->message.payload = reader->large;
        reader->large = NULL;
        return ERR_OK;
    }
    if (available(reader) < reader->payload_bytes)
        return ERR_NOT_READY;
    const uint8_t *payload = take(reader, reader->payload_bytes);
    reader->message.payload = buf_copy(slice_of(payload, reader->payload_bytes));
    return ERR_OK;
}

enum err frame_reader_next(struct frame_reader *reader, struct wire_message *ret_message,
                           size_t *ret_bytes)
{
    enum err err = reader->has_prefix ? ERR_OK : take_prefix(reader);
    if (err == ERR_OK && !reader->has_header)
        err = take_header(reader);
    if (err == ERR_OK)
        err = take_payload(reader);
    if (err != ERR_OK)
        return err;
    *ret_message = reader->message;
    *ret_bytes = FRAME_PREFIX_BYTES + (size_t)reader->header_bytes + (size_t)reader->payload_bytes;
    memset(&reader->message, 0, sizeof reader->message);
    reader->has_prefix = false;
    reader->has_header = false;
    return ERR_OK;
}
