#include "wire/schema.h"

#define SELF(name) offsetof(union self, value.name)

#define FIELD_PLAIN(kind_, name_)                                                                  \
    {.name = #name_, .kind = WIRE_KIND_##kind_, .offset = SELF(name_)},
#define FIELD_U8(name, ...) FIELD_PLAIN(U8, name)
#define FIELD_U32(name, ...) FIELD_PLAIN(U32, name)
#define FIELD_U64(name, ...) FIELD_PLAIN(U64, name)
#define FIELD_BOOL(name, ...) FIELD_PLAIN(BOOL, name)
#define FIELD_UUID(name, ...) FIELD_PLAIN(UUID, name)
#define FIELD_ORIGIN(name, ...) FIELD_PLAIN(ORIGIN, name)
#define FIELD_BYTES(name_, max_)                                                                   \
    {.name = #name_, .kind = WIRE_KIND_BYTES, .offset = SELF(name_), .max = max_},
#define FIELD_STRUCT(name_, type_)                                                                 \
    {.name = #name_, .kind = WIRE_KIND_STRUCT, .offset = SELF(name_), .type = schema_##type_},
#define FIELD_ARRAY(name_, type_, max_)                                                            \
    {.name = #name_,                                                                               \
     .kind = WIRE_KIND_ARRAY,                                                                      \
     .offset = SELF(name_),                                                                        \
     .count_offset = SELF(name_##_count),                                                          \
     .max = max_,                                                                                  \
     .type = schema_##type_},
#define FIELD(kind, ...) FIELD_##kind(__VA_ARGS__)

/* The local union gives the struct at hand one name, `self`, that the field macros can use. */
#define SCHEMA(name_)                                                                              \
    static const struct wire_schema *schema_##name_(void)                                          \
    {                                                                                              \
        union self {                                                                               \
            struct wire_##name_ value;                                                             \
        };                                                                                         \
        static const struct wire_field fields[] = {WIRE_FIELDS_##name_(FIELD)};                    \
        static const struct wire_schema schema = {                                                 \
            .name = #name_,                                                                        \
            .size = sizeof(union self),                                                            \
            .field_count = sizeof fields / sizeof fields[0],                                       \
            .fields = fields,                                                                      \
        };                                                                                         \
        return &schema;                                                                            \
    }

#define X(name) SCHEMA(name)
WIRE_STRUCTS(X)
#undef X
#define X(name, NAME, number) SCHEMA(name)
WIRE_MESSAGES(X)
#undef X

const struct wire_schema *wire_schema_of(unsigned type)
{
    switch (type) {
#define X(name, NAME, number)                                                                      \
    case number:                                                                                   \
        return schema_##name();
        WIRE_MESSAGES(X)
#undef X
    default:
        return NULL;
    }
}

const enum wire_type *wire_types(uint32_t *ret_count)
{
    static const enum wire_type types[] = {
#define X(name, NAME, number) WIRE_##NAME,
        WIRE_MESSAGES(X)
#undef X
    };
    *ret_count = sizeof types / sizeof types[0];
    return types;
}
