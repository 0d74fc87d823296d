#include "tests/lib/wire_random.h"

#include "base/contract.h"
#include "wire/schema.h"

enum wire_type wire_random_type(struct prng *prng)
{
    uint32_t count;
    const enum wire_type *types = wire_types(&count);
    return types[prng_below(prng, count)];
}

static uint64_t random_number(struct prng *prng, unsigned bits)
{
    uint64_t max = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    switch (prng_below(prng, 6)) {
    case 0:
        return 0;
    case 1:
        return max;
    case 2:
        return prng_below(prng, 30);
    case 3:
        return (UINT64_C(1) << prng_below(prng, bits)) - prng_below(prng, 2);
    default:
        return prng_next(prng) & max;
    }
}

static uint32_t random_length(struct prng *prng, uint32_t max, uint32_t scale)
{
    if (scale == 0)
        return 0;
    uint32_t top = max < scale ? max : scale;
    return (uint32_t)prng_between(prng, 0, top);
}

static void fill_struct(struct prng *prng, const struct wire_schema *schema, uint32_t scale,
                        struct wire_backing *backing, void *base);

static void fill_field(struct prng *prng, const struct wire_field *field, uint32_t scale,
                       struct wire_backing *backing, void *base)
{
    void *at = wire_field_at(base, field);
    switch (field->kind) {
    case WIRE_KIND_U8:
        *(uint8_t *)at = (uint8_t)random_number(prng, 8);
        break;
    case WIRE_KIND_U32:
        *(uint32_t *)at = (uint32_t)random_number(prng, 32);
        break;
    case WIRE_KIND_U64:
        *(uint64_t *)at = random_number(prng, 64);
        break;
    case WIRE_KIND_BOOL:
        *(bool *)at = prng_once_in(prng, 2);
        break;
    case WIRE_KIND_UUID:
        for (unsigned i = 0; i < sizeof(struct uuid); i++)
            ((struct uuid *)at)->bytes[i] = (uint8_t)prng_next(prng);
        break;
    case WIRE_KIND_ORIGIN:
        *(struct origin *)at =
            (struct origin){.epoch = random_number(prng, 64), .lsn = random_number(prng, 64)};
        break;
    case WIRE_KIND_BYTES: {
        uint32_t length = random_length(prng, field->max, scale);
        uint8_t *bytes = wire_backing_alloc(backing, length);
        for (uint32_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)prng_next(prng);
        *(struct slice *)at = slice_of(length == 0 ? NULL : bytes, length);
        break;
    }
    case WIRE_KIND_STRUCT:
        fill_struct(prng, field->type(), scale, backing, at);
        break;
    case WIRE_KIND_ARRAY: {
        const struct wire_schema *element = field->type();
        uint32_t count = random_length(prng, field->max, scale);
        char *elements = wire_backing_alloc(backing, count * element->size);
        memset(elements, 0, count * element->size);
        for (uint32_t k = 0; k < count; k++)
            fill_struct(prng, element, scale, backing, elements + k * element->size);
        wire_field_set_array(base, field, count == 0 ? NULL : elements, count);
        break;
    }
    }
}

static void fill_struct(struct prng *prng, const struct wire_schema *schema, uint32_t scale,
                        struct wire_backing *backing, void *base)
{
    for (uint32_t i = 0; i < schema->field_count; i++)
        fill_field(prng, &schema->fields[i], scale, backing, base);
}

void wire_random_message(struct prng *prng, enum wire_type type, uint32_t scale,
                         struct wire_message *ret_message)
{
    const struct wire_schema *schema = wire_schema_of(type);
    PRE(schema != NULL);
    memset(ret_message, 0, sizeof *ret_message);
    ret_message->type = type;
    ret_message->backing = wire_backing_new(256);
    fill_struct(prng, schema, scale, ret_message->backing, &ret_message->u);
}

static bool structs_equal(const struct wire_schema *schema, const void *a, const void *b);

static bool arrays_equal(const struct wire_field *field, const void *a, const void *b)
{
    const struct wire_schema *element = field->type();
    const char *elements_a = wire_field_elements(a, field);
    const char *elements_b = wire_field_elements(b, field);
    uint32_t count = wire_field_count(a, field);
    bool equal = count == wire_field_count(b, field);
    for (uint32_t k = 0; k < count && equal; k++)
        equal =
            structs_equal(element, elements_a + k * element->size, elements_b + k * element->size);
    return equal;
}

static bool fields_equal(const struct wire_field *field, const void *a, const void *b)
{
    const void *at_a = wire_field_const(a, field);
    const void *at_b = wire_field_const(b, field);
    switch (field->kind) {
    case WIRE_KIND_U8:
        return *(const uint8_t *)at_a == *(const uint8_t *)at_b;
    case WIRE_KIND_U32:
        return *(const uint32_t *)at_a == *(const uint32_t *)at_b;
    case WIRE_KIND_U64:
        return *(const uint64_t *)at_a == *(const uint64_t *)at_b;
    case WIRE_KIND_BOOL:
        return *(const bool *)at_a == *(const bool *)at_b;
    case WIRE_KIND_UUID:
        return uuid_equal(at_a, at_b);
    case WIRE_KIND_ORIGIN:
        return origin_compare(*(const struct origin *)at_a, *(const struct origin *)at_b) == 0;
    case WIRE_KIND_BYTES:
        return slice_equal(*(const struct slice *)at_a, *(const struct slice *)at_b);
    case WIRE_KIND_STRUCT:
        return structs_equal(field->type(), at_a, at_b);
    case WIRE_KIND_ARRAY:
        return arrays_equal(field, a, b);
    }
    return false;
}

static bool structs_equal(const struct wire_schema *schema, const void *a, const void *b)
{
    for (uint32_t i = 0; i < schema->field_count; i++)
        if (!fields_equal(&schema->fields[i], a, b))
            return false;
    return true;
}

bool wire_message_equal(const struct wire_message *a, const struct wire_message *b)
{
    return a->type == b->type && slice_equal(buf_slice(a->payload), buf_slice(b->payload)) &&
           structs_equal(wire_schema_of(a->type), &a->u, &b->u);
}
