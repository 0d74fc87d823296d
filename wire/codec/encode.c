#include "wire/codec/codec.h"

#include <cbor/encoding.h>

#include "base/contract.h"
#include "wire/schema.h"

/* When the bytes run out, encoding goes on without writing, to learn the size that is needed. */
struct encoder {
    uint8_t *out;
    size_t size;
    size_t used; /* may exceed size */
    bool too_large;
};

static size_t head_bytes(uint64_t value)
{
    if (value < 24)
        return 1;
    if (value <= UINT8_MAX)
        return 2;
    if (value <= UINT16_MAX)
        return 3;
    return value <= UINT32_MAX ? 5 : 9;
}

static bool has_room(const struct encoder *encoder, size_t bytes)
{
    return encoder->used <= encoder->size && encoder->size - encoder->used >= bytes;
}

static void put_number(struct encoder *encoder, uint64_t value)
{
    size_t bytes = head_bytes(value);
    if (has_room(encoder, bytes)) {
        size_t written = cbor_encode_uint(value, encoder->out + encoder->used, bytes);
        POST(written == bytes);
    }
    encoder->used += bytes;
}

static void put_array_start(struct encoder *encoder, uint64_t count)
{
    size_t bytes = head_bytes(count);
    if (has_room(encoder, bytes)) {
        size_t written = cbor_encode_array_start(count, encoder->out + encoder->used, bytes);
        POST(written == bytes);
    }
    encoder->used += bytes;
}

static void put_bool(struct encoder *encoder, bool value)
{
    if (has_room(encoder, 1)) {
        size_t written = cbor_encode_bool(value, encoder->out + encoder->used, 1);
        POST(written == 1);
    }
    encoder->used += 1;
}

static void put_bytes(struct encoder *encoder, struct slice bytes)
{
    size_t head = head_bytes(bytes.length);
    if (has_room(encoder, head + bytes.length)) {
        uint8_t *at = encoder->out + encoder->used;
        size_t written = cbor_encode_bytestring_start(bytes.length, at, head);
        POST(written == head);
        if (bytes.length > 0)
            memcpy(at + head, bytes.data, bytes.length);
    }
    encoder->used += head + bytes.length;
}

static void put_struct(struct encoder *encoder, const struct wire_schema *schema, const void *base);

static void put_array(struct encoder *encoder, const struct wire_field *field, const void *base)
{
    const struct wire_schema *element = field->type();
    const char *elements = wire_field_elements(base, field);
    uint32_t count = wire_field_count(base, field);
    if (count > field->max) {
        encoder->too_large = true;
        return;
    }
    put_array_start(encoder, count);
    for (uint32_t k = 0; k < count; k++)
        put_struct(encoder, element, elements + k * element->size);
}

static void put_field(struct encoder *encoder, const struct wire_field *field, const void *base)
{
    const void *at = wire_field_const(base, field);
    switch (field->kind) {
    case WIRE_KIND_U8:
        put_number(encoder, *(const uint8_t *)at);
        break;
    case WIRE_KIND_U32:
        put_number(encoder, *(const uint32_t *)at);
        break;
    case WIRE_KIND_U64:
        put_number(encoder, *(const uint64_t *)at);
        break;
    case WIRE_KIND_BOOL:
        put_bool(encoder, *(const bool *)at);
        break;
    case WIRE_KIND_UUID:
        put_bytes(encoder, slice_of(((const struct uuid *)at)->bytes, sizeof(struct uuid)));
        break;
    case WIRE_KIND_ORIGIN:
        put_array_start(encoder, 2);
        put_number(encoder, ((const struct origin *)at)->epoch);
        put_number(encoder, ((const struct origin *)at)->lsn);
        break;
    case WIRE_KIND_BYTES: {
        const struct slice *bytes = at;
        if (bytes->length > field->max)
            encoder->too_large = true;
        else
            put_bytes(encoder, *bytes);
        break;
    }
    case WIRE_KIND_STRUCT:
        put_struct(encoder, field->type(), at);
        break;
    case WIRE_KIND_ARRAY:
        put_array(encoder, field, base);
        break;
    }
}

static void put_struct(struct encoder *encoder, const struct wire_schema *schema, const void *base)
{
    put_array_start(encoder, schema->field_count);
    for (uint32_t i = 0; i < schema->field_count; i++)
        put_field(encoder, &schema->fields[i], base);
}

enum err wire_encode(const struct wire_message *message, uint8_t *out, size_t size,
                     size_t *ret_bytes)
{
    const struct wire_schema *schema = wire_schema_of(message->type);
    PRE(schema != NULL);
    struct encoder encoder = {.out = out, .size = size};
    put_array_start(&encoder, (uint64_t)schema->field_count + 1);
    put_number(&encoder, message->type);
    for (uint32_t i = 0; i < schema->field_count; i++)
        put_field(&encoder, &schema->fields[i], &message->u);
    if (encoder.too_large || encoder.used > BOUND_FRAME_HEADER_BYTES)
        return ERR_TOO_LARGE;
    *ret_bytes = encoder.used;
    return encoder.used > size ? ERR_NO_SPACE : ERR_OK;
}

enum err wire_encode_buf(const struct wire_message *message, struct buf **ret_header)
{
    enum { GUESS_BYTES = 512 };
    size_t bytes = 0;
    struct buf *header = buf_new(GUESS_BYTES);
    enum err err = wire_encode(message, header->data, GUESS_BYTES, &bytes);
    if (err == ERR_NO_SPACE) {
        buf_unref(header);
        header = buf_new(bytes);
        err = wire_encode(message, header->data, bytes, &bytes);
    }
    if (err != ERR_OK) {
        buf_unref(header);
        return err;
    }
    header->length = bytes;
    *ret_header = header;
    return ERR_OK;
}
