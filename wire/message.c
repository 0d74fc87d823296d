#include "wire/messages.h"

#include "base/contract.h"
#include "base/text.h"
#include "wire/schema.h"

bool wire_type_is_valid(unsigned type)
{
    return wire_schema_of(type) != NULL;
}

const char *wire_type_name(unsigned type)
{
    switch (type) {
#define X(name, NAME, number)                                                                      \
    case number:                                                                                   \
        return #NAME;
        WIRE_MESSAGES(X)
#undef X
    default:
        return "UNKNOWN";
    }
}

void wire_message_release(struct wire_message *message)
{
    if (message == NULL)
        return;
    buf_unref(message->payload);
    wire_backing_free(message->backing);
    message->payload = NULL;
    message->backing = NULL;
    message->type = WIRE_NONE;
}

uint64_t wire_message_request(const struct wire_message *message)
{
    /* Where a message has a request id, it is its first field. */
    const struct wire_schema *schema = wire_schema_of(message->type);
    if (schema == NULL || schema->fields[0].kind != WIRE_KIND_U64 ||
        strcmp(schema->fields[0].name, "request") != 0)
        return 0;
    uint64_t request;
    memcpy(&request, wire_field_const(&message->u, &schema->fields[0]), sizeof request);
    return request;
}

/* ---- deep copy ---- */

/* Bytes that the slices and arrays inside need, each rounded up generously. */
static size_t size_behind(const struct wire_schema *schema, const void *base)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct wire_field *field = &schema->fields[i];
        if (field->kind == WIRE_KIND_BYTES) {
            const struct slice *slice = wire_field_const(base, field);
            bytes += slice->length == 0 ? 0 : slice->length + sizeof(max_align_t);
        } else if (field->kind == WIRE_KIND_STRUCT) {
            bytes += size_behind(field->type(), wire_field_const(base, field));
        } else if (field->kind == WIRE_KIND_ARRAY) {
            const struct wire_schema *element = field->type();
            const char *elements = wire_field_elements(base, field);
            uint32_t count = wire_field_count(base, field);
            if (count > 0)
                bytes += count * element->size + sizeof(max_align_t);
            for (uint32_t k = 0; k < count; k++)
                bytes += size_behind(element, elements + k * element->size);
        }
    }
    return bytes;
}

/* `base` is a flat copy: its slices and arrays still point at the original. */
static void own_behind(const struct wire_schema *schema, void *base, struct wire_backing *backing)
{
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct wire_field *field = &schema->fields[i];
        if (field->kind == WIRE_KIND_BYTES) {
            struct slice *slice = wire_field_at(base, field);
            uint8_t *copy = NULL;
            if (slice->length > 0) {
                copy = wire_backing_alloc(backing, slice->length);
                memcpy(copy, slice->data, slice->length);
            }
            *slice = slice_of(copy, slice->length);
        } else if (field->kind == WIRE_KIND_STRUCT) {
            own_behind(field->type(), wire_field_at(base, field), backing);
        } else if (field->kind == WIRE_KIND_ARRAY) {
            const struct wire_schema *element = field->type();
            uint32_t count = wire_field_count(base, field);
            char *copy = NULL;
            if (count > 0) {
                copy = wire_backing_alloc(backing, count * element->size);
                memcpy(copy, wire_field_elements(base, field), count * element->size);
            }
            for (uint32_t k = 0; k < count; k++)
                own_behind(element, copy + k * element->size, backing);
            wire_field_set_array(base, field, copy, count);
        }
    }
}

void wire_message_copy(const struct wire_message *message, struct wire_message *ret_copy)
{
    const struct wire_schema *schema = wire_schema_of(message->type);
    PRE(schema != NULL);
    struct wire_message copy = *message;
    size_t behind = size_behind(schema, &message->u);
    copy.backing = NULL;
    if (behind > 0)
        copy.backing = wire_backing_new(behind);
    own_behind(schema, &copy.u, copy.backing);
    buf_ref(copy.payload);
    *ret_copy = copy;
}

/* ---- printing ---- */

static void print_struct(const struct wire_schema *schema, const void *base, struct text *text);

static void print_bytes(const struct wire_field *field, struct slice bytes, struct text *text)
{
    /* Metadata, log entries and images may hold what must not be seen: only their size. */
    enum { SHOWN_BYTES_MAX = 200 };
    if (field->max >= BOUND_META_BYTES || bytes.length > SHOWN_BYTES_MAX) {
        text_append(text, "%zuB", bytes.length);
        return;
    }
    text_append(text, "\"");
    text_append_escaped(text, bytes);
    text_append(text, "\"");
}

static void print_array(const struct wire_field *field, const void *base, struct text *text)
{
    enum { SHOWN_ELEMENTS_MAX = 16 };
    const struct wire_schema *element = field->type();
    const char *elements = wire_field_elements(base, field);
    uint32_t count = wire_field_count(base, field);
    text_append(text, "[");
    for (uint32_t k = 0; k < count && k < SHOWN_ELEMENTS_MAX; k++) {
        text_append(text, k == 0 ? "{" : " {");
        print_struct(element, elements + k * element->size, text);
        text_append(text, "}");
    }
    if (count > SHOWN_ELEMENTS_MAX)
        text_append(text, " +%u", (unsigned)(count - SHOWN_ELEMENTS_MAX));
    text_append(text, "]");
}

static void print_field(const struct wire_field *field, const void *base, struct text *text)
{
    const void *at = wire_field_const(base, field);
    char uuid[UUID_TEXT_SIZE];
    switch (field->kind) {
    case WIRE_KIND_U8:
        text_append(text, "%u", (unsigned)*(const uint8_t *)at);
        break;
    case WIRE_KIND_U32:
        text_append(text, "%u", (unsigned)*(const uint32_t *)at);
        break;
    case WIRE_KIND_U64:
        text_append(text, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case WIRE_KIND_BOOL:
        text_append(text, *(const bool *)at ? "yes" : "no");
        break;
    case WIRE_KIND_UUID:
        text_append(text, "%s", uuid_format(at, uuid));
        break;
    case WIRE_KIND_ORIGIN: {
        const struct origin *origin = at;
        text_append(text, "%llu.%llu", (unsigned long long)origin->epoch,
                    (unsigned long long)origin->lsn);
        break;
    }
    case WIRE_KIND_BYTES:
        print_bytes(field, *(const struct slice *)at, text);
        break;
    case WIRE_KIND_STRUCT:
        text_append(text, "{");
        print_struct(field->type(), at, text);
        text_append(text, "}");
        break;
    case WIRE_KIND_ARRAY:
        print_array(field, base, text);
        break;
    }
}

static void print_struct(const struct wire_schema *schema, const void *base, struct text *text)
{
    for (uint32_t i = 0; i < schema->field_count; i++) {
        text_append(text, "%s%s=", i == 0 ? "" : " ", schema->fields[i].name);
        print_field(&schema->fields[i], base, text);
    }
}

void wire_message_print(const struct wire_message *message, struct text *text)
{
    text_append(text, "%s", wire_type_name(message->type));
    const struct wire_schema *schema = wire_schema_of(message->type);
    if (schema == NULL)
        return;
    text_append(text, " ");
    print_struct(schema, &message->u, text);
    if (message->payload != NULL)
        text_append(text, " payload=%zuB", message->payload->length);
}
