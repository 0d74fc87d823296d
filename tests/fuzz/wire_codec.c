/* The decoder of message headers. First byte: the type (its rest is that message's fields), or past
 * the list: all bytes as they are. What decodes is printed, copied, encoded, decoded again and must
 * be the same; with and without a buffer to point into. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/wire_random.h"
#include "wire/codec/codec.h"
#include "wire/schema.h"

static size_t put_number(uint8_t *out, uint8_t major, uint32_t value)
{
    if (value < 24) {
        out[0] = (uint8_t)(major | value);
        return 1;
    }
    out[0] = (uint8_t)(major | 24);
    out[1] = (uint8_t)value;
    return 2;
}

static void check_message(const struct wire_message *message)
{
    struct text text;
    text_init(&text);
    wire_message_print(message, &text);
    PRE(text.length > 0 && memchr(text.data, '\n', text.length) == NULL);
    text_release(&text);

    struct wire_message copy;
    wire_message_copy(message, &copy);
    PRE(wire_message_equal(message, &copy));
    PRE(wire_message_request(message) == wire_message_request(&copy));

    /* An answer may be larger than what was decoded (defaults of missing fields), never beyond the
     * bound that the decoder checks, except the whole header. */
    struct buf *again = NULL;
    enum err err = wire_encode_buf(&copy, &again);
    PRE(err == ERR_OK || err == ERR_TOO_LARGE);
    if (err == ERR_OK) {
        struct wire_message third;
        PRE(wire_decode(buf_slice(again), again, &third) == ERR_OK);
        PRE(wire_message_equal(message, &third));
        wire_message_release(&third);
        buf_unref(again);
    }
    wire_message_release(&copy);
}

static void decode(struct slice header)
{
    struct wire_message message;
    enum err err = wire_decode(header, NULL, &message);
    struct buf *keep = buf_copy(header);
    struct wire_message kept;
    PRE(wire_decode(buf_slice(keep), keep, &kept) == err);
    buf_unref(keep);
    if (err == ERR_OK) {
        PRE(wire_message_equal(&message, &kept));
        check_message(&kept);
        check_message(&message);
        wire_message_release(&kept);
        wire_message_release(&message);
        return;
    }
    PRE(err == ERR_TRUNCATED || err == ERR_TOO_LARGE || err == ERR_UNSUPPORTED ||
        err == ERR_PROTOCOL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    uint32_t count;
    const enum wire_type *types = wire_types(&count);
    uint8_t choice = fuzz_u8(&input);
    if (choice >= 2 * count) {
        decode(slice_of(input.data, input.length));
        return 0;
    }
    enum wire_type type = types[choice % count];
    if (choice >= count) { /* fields by choice: always decodable */
        struct fuzz_domain domain = {.count = 0};
        struct wire_message message;
        fuzz_message(&input, &domain, type, &message);
        buf_unref(message.payload);
        message.payload = NULL;
        struct buf *header = NULL;
        PRE(wire_encode_buf(&message, &header) == ERR_OK);
        struct wire_message decoded;
        PRE(wire_decode(buf_slice(header), NULL, &decoded) == ERR_OK);
        PRE(wire_message_equal(&message, &decoded));
        wire_message_release(&decoded);
        wire_message_release(&message);
        decode(buf_slice(header));
        buf_unref(header);
        return 0;
    }
    uint8_t *header = malloc(input.length + 4);
    PRE(header != NULL);
    size_t length = put_number(header, 0x80, 1 + wire_schema_of(type)->field_count);
    length += put_number(header + length, 0x00, (uint32_t)type);
    if (input.length > 0)
        memcpy(header + length, input.data, input.length);
    decode(slice_of(header, length + input.length));
    free(header);
    return 0;
}
