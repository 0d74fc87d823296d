#include "wire/codec/codec.h"

#include <cbor/callbacks.h>
#include <cbor/streaming.h>

#include "base/contract.h"
#include "wire/schema.h"

/* One CBOR item as libcbor's streaming decoder reports it. */
enum item_kind {
    ITEM_REFUSED,
    ITEM_NUMBER,
    ITEM_BYTES,
    ITEM_ARRAY,
    ITEM_MAP,
    ITEM_BOOL,
    ITEM_TAG,
    ITEM_OTHER
};

struct item {
    enum item_kind kind;
    uint64_t number; /* value, count of an array or of the pairs of a map */
    struct slice bytes;
};

struct decoder {
    struct slice left;
    struct buf *keep;             /* borrowed, or NULL: copy */
    bool keeps;                   /* the backing holds a reference already */
    struct wire_backing *backing; /* NULL until something is needed */
};

static void on_u8(void *context, uint8_t value)
{
    *(struct item *)context = (struct item){.kind = ITEM_NUMBER, .number = value};
}

static void on_u16(void *context, uint16_t value)
{
    *(struct item *)context = (struct item){.kind = ITEM_NUMBER, .number = value};
}

static void on_u32(void *context, uint32_t value)
{
    *(struct item *)context = (struct item){.kind = ITEM_NUMBER, .number = value};
}

static void on_u64(void *context, uint64_t value)
{
    *(struct item *)context = (struct item){.kind = ITEM_NUMBER, .number = value};
}

static void on_bytes(void *context, cbor_data data, size_t length)
{
    *(struct item *)context = (struct item){.kind = ITEM_BYTES, .bytes = slice_of(data, length)};
}

static void on_array(void *context, size_t count)
{
    *(struct item *)context = (struct item){.kind = ITEM_ARRAY, .number = count};
}

static void on_map(void *context, size_t count)
{
    *(struct item *)context = (struct item){.kind = ITEM_MAP, .number = count};
}

static void on_bool(void *context, bool value)
{
    *(struct item *)context = (struct item){.kind = ITEM_BOOL, .number = value};
}

static void on_tag(void *context, uint64_t value)
{
    *(struct item *)context = (struct item){.kind = ITEM_TAG, .number = value};
}

/* Items that no field has, but that a skipped field of a later version may have. */
static void on_other_u8(void *context, uint8_t value)
{
    (void)value;
    ((struct item *)context)->kind = ITEM_OTHER;
}

static void on_other_u16(void *context, uint16_t value)
{
    (void)value;
    ((struct item *)context)->kind = ITEM_OTHER;
}

static void on_other_u32(void *context, uint32_t value)
{
    (void)value;
    ((struct item *)context)->kind = ITEM_OTHER;
}

static void on_other_u64(void *context, uint64_t value)
{
    (void)value;
    ((struct item *)context)->kind = ITEM_OTHER;
}

static void on_other_text(void *context, cbor_data data, size_t length)
{
    (void)data;
    (void)length;
    ((struct item *)context)->kind = ITEM_OTHER;
}

static void on_other_float(void *context, float value)
{
    (void)value;
    ((struct item *)context)->kind = ITEM_OTHER;
}

static void on_other_double(void *context, double value)
{
    (void)value;
    ((struct item *)context)->kind = ITEM_OTHER;
}

static void on_other(void *context)
{
    ((struct item *)context)->kind = ITEM_OTHER;
}

static void on_refused(void *context)
{
    ((struct item *)context)->kind = ITEM_REFUSED;
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_u8,
    .uint16 = on_u16,
    .uint32 = on_u32,
    .uint64 = on_u64,
    .negint8 = on_other_u8,
    .negint16 = on_other_u16,
    .negint32 = on_other_u32,
    .negint64 = on_other_u64,
    .byte_string_start = on_refused,
    .byte_string = on_bytes,
    .string = on_other_text,
    .string_start = on_refused,
    .indef_array_start = on_refused,
    .array_start = on_array,
    .indef_map_start = on_refused,
    .map_start = on_map,
    .tag = on_tag,
    .float2 = on_other_float,
    .float4 = on_other_float,
    .float8 = on_other_double,
    .undefined = on_other,
    .null = on_other,
    .boolean = on_bool,
    .indef_break = on_refused,
};

static enum err next_item(struct decoder *decoder, struct item *ret_item)
{
    if (decoder->left.length == 0)
        return ERR_TRUNCATED;
    ret_item->kind = ITEM_REFUSED;
    struct cbor_decoder_result result =
        cbor_stream_decode(decoder->left.data, decoder->left.length, &callbacks, ret_item);
    if (result.status == CBOR_DECODER_NEDATA)
        return ERR_TRUNCATED;
    if (result.status != CBOR_DECODER_FINISHED || ret_item->kind == ITEM_REFUSED ||
        result.read == 0 || result.read > decoder->left.length)
        return ERR_PROTOCOL;
    decoder->left = slice_of(decoder->left.data + result.read, decoder->left.length - result.read);
    return ERR_OK;
}

static enum err next_of_kind(struct decoder *decoder, enum item_kind kind, struct item *ret_item)
{
    enum err err = next_item(decoder, ret_item);
    if (err != ERR_OK)
        return err;
    return ret_item->kind == kind ? ERR_OK : ERR_PROTOCOL;
}

static enum err next_number(struct decoder *decoder, uint64_t max, uint64_t *ret_number)
{
    struct item item;
    enum err err = next_of_kind(decoder, ITEM_NUMBER, &item);
    if (err != ERR_OK)
        return err;
    if (item.number > max)
        return ERR_TOO_LARGE;
    *ret_number = item.number;
    return ERR_OK;
}

/* The head of an array. Each element is at least one byte, so a count beyond the bytes that are
 * left is a lie, found before anything is allocated for it. */
static enum err next_count(struct decoder *decoder, uint64_t max, uint64_t *ret_count)
{
    struct item item;
    enum err err = next_of_kind(decoder, ITEM_ARRAY, &item);
    if (err != ERR_OK)
        return err;
    if (item.number > max)
        return ERR_TOO_LARGE;
    if (item.number > decoder->left.length)
        return ERR_TRUNCATED;
    *ret_count = item.number;
    return ERR_OK;
}

/* Skips whole items with everything inside them. A counter of items still owed replaces a stack,
 * so nesting costs nothing; it never exceeds the bytes left, so it cannot overflow. */
static enum err skip_items(struct decoder *decoder, uint64_t count)
{
    uint64_t owed = count;
    while (owed > 0) {
        struct item item;
        if (owed > decoder->left.length)
            return ERR_TRUNCATED;
        enum err err = next_item(decoder, &item);
        if (err != ERR_OK)
            return err;
        owed--;
        if (item.kind == ITEM_ARRAY || item.kind == ITEM_MAP) {
            if (item.number > decoder->left.length)
                return ERR_TRUNCATED;
            owed += item.kind == ITEM_MAP ? 2 * item.number : item.number;
        } else if (item.kind == ITEM_TAG) {
            owed++;
        }
    }
    return ERR_OK;
}

static struct wire_backing *backing_of(struct decoder *decoder)
{
    enum { COPIED_HINT_MAX = 4096, KEPT_HINT = 64 };
    if (decoder->backing == NULL) {
        /* What is left bounds what may still be copied; arrays take more when they come. */
        size_t hint = KEPT_HINT;
        if (decoder->keep == NULL)
            hint += decoder->left.length < COPIED_HINT_MAX ? decoder->left.length : COPIED_HINT_MAX;
        decoder->backing = wire_backing_new(hint);
    }
    return decoder->backing;
}

static struct slice own_bytes(struct decoder *decoder, struct slice bytes)
{
    if (bytes.length == 0)
        return slice_of(NULL, 0);
    if (decoder->keep != NULL) {
        if (!decoder->keeps)
            wire_backing_keep(backing_of(decoder), decoder->keep);
        decoder->keeps = true;
        return bytes;
    }
    uint8_t *copy = wire_backing_alloc(backing_of(decoder), bytes.length);
    memcpy(copy, bytes.data, bytes.length);
    return slice_of(copy, bytes.length);
}

static enum err decode_struct(struct decoder *decoder, const struct wire_schema *schema,
                              void *base);

static enum err decode_array(struct decoder *decoder, const struct wire_field *field, void *base)
{
    uint64_t count;
    enum err err = next_count(decoder, field->max, &count);
    if (err != ERR_OK || count == 0)
        return err;
    const struct wire_schema *element = field->type();
    char *elements = wire_backing_alloc(backing_of(decoder), count * element->size);
    memset(elements, 0, count * element->size);
    for (uint64_t k = 0; k < count && err == ERR_OK; k++)
        err = decode_struct(decoder, element, elements + k * element->size);
    wire_field_set_array(base, field, elements, (uint32_t)count);
    return err;
}

static enum err decode_origin(struct decoder *decoder, struct origin *out)
{
    uint64_t count;
    enum err err = next_count(decoder, UINT64_MAX, &count);
    if (err == ERR_OK && count > 0)
        err = next_number(decoder, UINT64_MAX, &out->epoch);
    if (err == ERR_OK && count > 1)
        err = next_number(decoder, UINT64_MAX, &out->lsn);
    if (err == ERR_OK && count > 2)
        err = skip_items(decoder, count - 2);
    return err;
}

static enum err decode_bytes(struct decoder *decoder, const struct wire_field *field,
                             struct slice *out)
{
    struct item item;
    enum err err = next_of_kind(decoder, ITEM_BYTES, &item);
    if (err != ERR_OK)
        return err;
    if (item.bytes.length > field->max)
        return ERR_TOO_LARGE;
    *out = own_bytes(decoder, item.bytes);
    return ERR_OK;
}

static enum err decode_uuid(struct decoder *decoder, struct uuid *out)
{
    struct item item;
    enum err err = next_of_kind(decoder, ITEM_BYTES, &item);
    if (err != ERR_OK)
        return err;
    if (item.bytes.length != sizeof out->bytes)
        return ERR_PROTOCOL;
    memcpy(out->bytes, item.bytes.data, sizeof out->bytes);
    return ERR_OK;
}

static enum err decode_field(struct decoder *decoder, const struct wire_field *field, void *base)
{
    void *at = wire_field_at(base, field);
    uint64_t number = 0;
    struct item item;
    enum err err = ERR_OK;
    switch (field->kind) {
    case WIRE_KIND_U8:
        err = next_number(decoder, UINT8_MAX, &number);
        *(uint8_t *)at = (uint8_t)number;
        return err;
    case WIRE_KIND_U32:
        err = next_number(decoder, UINT32_MAX, &number);
        *(uint32_t *)at = (uint32_t)number;
        return err;
    case WIRE_KIND_U64:
        return next_number(decoder, UINT64_MAX, at);
    case WIRE_KIND_BOOL:
        err = next_of_kind(decoder, ITEM_BOOL, &item);
        *(bool *)at = err == ERR_OK && item.number != 0;
        return err;
    case WIRE_KIND_UUID:
        return decode_uuid(decoder, at);
    case WIRE_KIND_ORIGIN:
        return decode_origin(decoder, at);
    case WIRE_KIND_BYTES:
        return decode_bytes(decoder, field, at);
    case WIRE_KIND_STRUCT:
        return decode_struct(decoder, field->type(), at);
    case WIRE_KIND_ARRAY:
        return decode_array(decoder, field, base);
    }
    IMPOSSIBLE("every kind of field returned above");
}

/* `count` fields of a struct whose memory is zeroed: those that we know, then the rest. */
static enum err decode_fields(struct decoder *decoder, const struct wire_schema *schema,
                              uint64_t count, void *base)
{
    for (uint32_t i = 0; i < schema->field_count && i < count; i++) {
        enum err err = decode_field(decoder, &schema->fields[i], base);
        if (err != ERR_OK)
            return err;
    }
    if (count > schema->field_count)
        return skip_items(decoder, count - schema->field_count);
    return ERR_OK;
}

static enum err decode_struct(struct decoder *decoder, const struct wire_schema *schema, void *base)
{
    uint64_t count;
    enum err err = next_count(decoder, UINT64_MAX, &count);
    return err == ERR_OK ? decode_fields(decoder, schema, count, base) : err;
}

enum err wire_decode(struct slice header, struct buf *keep, struct wire_message *ret_message)
{
    if (header.length > BOUND_FRAME_HEADER_BYTES)
        return ERR_TOO_LARGE;
    struct decoder decoder = {.left = header, .keep = keep};
    uint64_t count;
    uint64_t type;
    enum err err = next_count(&decoder, UINT64_MAX, &count);
    if (err == ERR_OK && count == 0)
        err = ERR_PROTOCOL;
    if (err == ERR_OK)
        err = next_number(&decoder, UINT32_MAX, &type);
    if (err != ERR_OK)
        return err;
    const struct wire_schema *schema = wire_schema_of((unsigned)type);
    if (schema == NULL)
        return ERR_UNSUPPORTED;
    struct wire_message message;
    memset(&message, 0, sizeof message);
    message.type = (enum wire_type)type;
    err = decode_fields(&decoder, schema, count - 1, &message.u);
    if (err == ERR_OK && decoder.left.length > 0)
        err = ERR_PROTOCOL;
    if (err != ERR_OK) {
        wire_backing_free(decoder.backing);
        return err;
    }
    message.backing = decoder.backing;
    *ret_message = message;
    return ERR_OK;
}
