/* The frame reader: any byte stream, cut anywhere, must give the same messages and the same error.
 *
 * First bytes: how the stream is made (as it is, or frames of messages chosen by the bytes, some of
 * them damaged) and the bounds. The stream is read in one piece and in pieces that other bytes
 * choose. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/wire_random.h"
#include "wire/transport/frame.h"

enum { HEADER_BYTES_MAX = 200000, PAYLOAD_BYTES_MAX = 200000, STREAM_BYTES_MAX = 1 << 20 };

struct outcome {
    enum err err;
    uint64_t digest; /* of what was read */
    uint32_t count;
    size_t bytes;
};

static void take(struct outcome *outcome, struct wire_message *message, size_t bytes)
{
    struct text text;
    text_init(&text);
    wire_message_print(message, &text);
    outcome->digest = hash_bytes(slice_of(text.data, text.length), outcome->digest);
    outcome->digest = hash_bytes(buf_slice(message->payload), outcome->digest);
    text_release(&text);
    wire_message_release(message);
    outcome->count++;
    outcome->bytes += bytes;
}

/* cuts: one byte for each piece; none left: as much as there is room for. */
static struct outcome read_stream(struct slice stream, struct fuzz_input cuts)
{
    struct outcome outcome = {.err = ERR_NOT_READY};
    struct frame_reader reader;
    frame_reader_init(&reader, HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX);
    while (stream.length > 0 && outcome.err == ERR_NOT_READY) {
        struct frame_part parts[2];
        unsigned count = frame_reader_space(&reader, parts);
        PRE(count == 1 || count == 2);
        size_t room = parts[0].length + (count == 2 ? parts[1].length : 0);
        size_t piece = room;
        if (cuts.length > 0) {
            uint8_t cut = fuzz_u8(&cuts);
            piece = cut < 0x80 ? 1 + (size_t)cut : (size_t)(cut - 0x7f) * 1024;
        }
        if (piece > room)
            piece = room;
        if (piece > stream.length)
            piece = stream.length;
        size_t first = piece < parts[0].length ? piece : parts[0].length;
        memcpy(parts[0].data, stream.data, first);
        if (piece > first)
            memcpy(parts[1].data, stream.data + first, piece - first);
        frame_reader_received(&reader, piece);
        stream = slice_of(stream.data + piece, stream.length - piece);
        struct wire_message message;
        size_t bytes = 0;
        while ((outcome.err = frame_reader_next(&reader, &message, &bytes)) == ERR_OK)
            take(&outcome, &message, bytes);
    }
    frame_reader_release(&reader);
    return outcome;
}

static size_t append_writer(struct frame_writer *writer, struct fuzz_input *input, uint8_t *out,
                            size_t room)
{
    size_t length = 0;
    while (writer->bytes > 0) {
        struct frame_part parts[FRAME_PARTS_MAX];
        unsigned count = frame_writer_parts(writer, parts);
        PRE(count > 0);
        size_t bytes = parts[0].length;
        if (fuzz_below(input, 4) == 0)
            bytes = 1 + bytes / 2;
        if (bytes > parts[0].length)
            bytes = parts[0].length;
        if (length + bytes > room)
            return length; /* the rest of the stream is lost */
        memcpy(out + length, parts[0].data, bytes);
        length += bytes;
        frame_writer_sent(writer, bytes);
    }
    return length;
}

/* Frames as a writer makes them, sometimes with a large payload, sometimes damaged. */
static size_t make_stream(struct fuzz_input *input, uint8_t *out)
{
    struct frame_writer writer;
    frame_writer_init(&writer);
    struct fuzz_domain domain = {.count = 0};
    size_t length = 0;
    for (uint32_t frames = 1 + fuzz_below(input, 6); frames > 0 && input->length > 0; frames--) {
        struct wire_message message;
        fuzz_message(input, &domain, fuzz_type(input), &message);
        if (message.payload == NULL && fuzz_below(input, 3) == 0) {
            message.payload = buf_new((size_t)fuzz_u8(input) * 1000);
            memset(message.payload->data, 'q', message.payload->length);
        }
        enum err err = frame_writer_add(&writer, &message, PAYLOAD_BYTES_MAX);
        PRE(err == ERR_OK || err == ERR_TOO_LARGE);
        wire_message_release(&message);
        if (fuzz_below(input, 2) == 0)
            length += append_writer(&writer, input, out + length, STREAM_BYTES_MAX - length);
    }
    length += append_writer(&writer, input, out + length, STREAM_BYTES_MAX - length);
    frame_writer_release(&writer);
    for (uint32_t damages = fuzz_below(input, 3); damages > 0 && length > 0; damages--)
        out[fuzz_u64(input) % length] = fuzz_u8(input);
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    bool is_made = fuzz_below(&input, 2) == 0;
    struct slice cuts = fuzz_bytes(&input, fuzz_u8(&input));
    uint8_t *stream = malloc(is_made ? STREAM_BYTES_MAX : input.length + 1);
    PRE(stream != NULL);
    size_t length = input.length;
    if (is_made)
        length = make_stream(&input, stream);
    else if (length > 0)
        memcpy(stream, input.data, length);
    struct outcome whole = read_stream(slice_of(stream, length), fuzz_input_of(NULL, 0));
    struct outcome cut =
        read_stream(slice_of(stream, length), fuzz_input_of(cuts.data, cuts.length));
    PRE(whole.err == cut.err && whole.count == cut.count && whole.digest == cut.digest &&
        whole.bytes == cut.bytes);
    PRE(whole.bytes <= length);
    free(stream);
    return 0;
}
