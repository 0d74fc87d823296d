/* The field lists of wire/messages.h as tables: what generic walkers need.
 *
 * The codec, deep copies, the trace printer, equality and the random generators of the tests are
 * each one loop over these tables, so a new message or field needs no code. Depth is bounded by
 * the lists themselves: a struct never contains itself. */
#ifndef CATENA_WIRE_SCHEMA_H
#define CATENA_WIRE_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "wire/messages.h"

enum wire_kind {
    WIRE_KIND_U8,
    WIRE_KIND_U32,
    WIRE_KIND_U64,
    WIRE_KIND_BOOL,
    WIRE_KIND_UUID,
    WIRE_KIND_ORIGIN,
    WIRE_KIND_BYTES,
    WIRE_KIND_STRUCT,
    WIRE_KIND_ARRAY,
};

struct wire_schema;

struct wire_field {
    const char *name;
    enum wire_kind kind;
    uint32_t offset;                         /* of the value in its struct */
    uint32_t count_offset;                   /* ARRAY: of the uint32_t element count */
    uint32_t max;                            /* BYTES: bytes; ARRAY: elements */
    const struct wire_schema *(*type)(void); /* STRUCT, ARRAY: of the element, else NULL */
};

struct wire_schema {
    const char *name;
    size_t size; /* bytes of the struct */
    uint32_t field_count;
    const struct wire_field *fields;
};

/* NULL for a number outside the list. */
const struct wire_schema *wire_schema_of(unsigned type);
/* The types in list order, for tests and generators: NULL-free array of *ret_count numbers. */
const enum wire_type *wire_types(uint32_t *ret_count);

/* Field access. The struct pointer is the one that the schema describes. */
static inline void *wire_field_at(void *base, const struct wire_field *field)
{
    return (char *)base + field->offset;
}

static inline const void *wire_field_const(const void *base, const struct wire_field *field)
{
    return (const char *)base + field->offset;
}

/* ARRAY: the element count. */
static inline uint32_t wire_field_count(const void *base, const struct wire_field *field)
{
    uint32_t count;
    memcpy(&count, (const char *)base + field->count_offset, sizeof count);
    return count;
}

/* ARRAY: the first element. The member is a pointer to some struct; all have one representation on
 * the platforms that we build for, so it is read as a byte copy. */
static inline const void *wire_field_elements(const void *base, const struct wire_field *field)
{
    const void *elements;
    memcpy(&elements, (const char *)base + field->offset, sizeof elements);
    return elements;
}

static inline void wire_field_set_array(void *base, const struct wire_field *field,
                                        const void *elements, uint32_t count)
{
    memcpy((char *)base + field->offset, &elements, sizeof elements);
    memcpy((char *)base + field->count_offset, &count, sizeof count);
}

#endif
