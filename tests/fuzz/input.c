#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/schema.h"

uint8_t fuzz_u8(struct fuzz_input *input)
{
    if (input->length == 0)
        return 0;
    uint8_t value = *input->data++;
    input->length--;
    return value;
}

uint64_t fuzz_u64(struct fuzz_input *input)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value = value << 8 | fuzz_u8(input);
    return value;
}

uint32_t fuzz_below(struct fuzz_input *input, uint32_t bound)
{
    return fuzz_u8(input) % bound;
}

struct slice fuzz_bytes(struct fuzz_input *input, size_t length)
{
    struct slice bytes = slice_of(input->data, length < input->length ? length : input->length);
    input->data += bytes.length;
    input->length -= bytes.length;
    return bytes;
}

uint64_t fuzz_number(struct fuzz_input *input, unsigned bits)
{
    uint64_t max = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    uint8_t choice = fuzz_u8(input);
    if (choice < 0xc0)
        return (choice & 0x1fu) & max;
    if (choice < 0xd0)
        return max - (choice & 3u);
    if (choice < 0xf0)
        return (UINT64_C(1) << fuzz_u8(input) % bits) - (choice & 1u);
    return fuzz_u64(input) & max;
}

uint64_t fuzz_delay_us(struct fuzz_input *input)
{
    static const uint64_t delays[] = {0,      1,      1000,   10000,   50000,   100000,
                                      150000, 300000, 500000, 1000000, 2000000, 10000000};
    return delays[fuzz_below(input, ARRAY_COUNT(delays))];
}

/* ---- hints ---- */

/* Most names differ in their first letters. */
static bool is_name(const char *a, const char *b)
{
    return a == b || (a[0] == b[0] && a[1] == b[1] && strcmp(a, b) == 0);
}

static struct fuzz_hint *hint_of(struct fuzz_domain *domain, const char *field)
{
    for (unsigned i = 0; i < domain->count; i++)
        if (is_name(domain->hints[i].field, field))
            return &domain->hints[i];
    PRE(domain->count < FUZZ_HINTS);
    struct fuzz_hint *hint = &domain->hints[domain->count++];
    *hint = (struct fuzz_hint){.field = field};
    return hint;
}

static const struct fuzz_hint *find(const struct fuzz_domain *domain, const char *field)
{
    for (unsigned i = 0; i < domain->count; i++)
        if (is_name(domain->hints[i].field, field) && domain->hints[i].count > 0)
            return &domain->hints[i];
    return NULL;
}

static unsigned next_place(struct fuzz_hint *hint)
{
    return hint->count++ % FUZZ_HINT_VALUES;
}

static unsigned value_count(const struct fuzz_hint *hint)
{
    return hint->count < FUZZ_HINT_VALUES ? hint->count : FUZZ_HINT_VALUES;
}

void fuzz_hint_number(struct fuzz_domain *domain, const char *field, uint64_t value)
{
    struct fuzz_hint *hint = hint_of(domain, field);
    hint->numbers[next_place(hint)] = value;
}

void fuzz_hint_origin(struct fuzz_domain *domain, const char *field, struct origin value)
{
    struct fuzz_hint *hint = hint_of(domain, field);
    hint->origins[next_place(hint)] = value;
}

void fuzz_hint_bytes(struct fuzz_domain *domain, const char *field, struct slice value)
{
    struct fuzz_hint *hint = hint_of(domain, field);
    hint->bytes[next_place(hint)] = value;
}

void fuzz_hint_forget(struct fuzz_domain *domain, const char *field)
{
    hint_of(domain, field)->count = 0;
}

/* ---- fields ---- */

/* Three times in four a value that means something, if there is one; then also one beside it. */
static uint64_t choose_number(struct fuzz_input *input, const struct fuzz_domain *domain,
                              const char *field, unsigned bits)
{
    const struct fuzz_hint *hint = find(domain, field);
    uint64_t max = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    if (hint == NULL)
        return fuzz_number(input, bits);
    uint8_t choice = fuzz_u8(input);
    uint64_t value = hint->numbers[(choice & 0x0fu) % value_count(hint)];
    if (choice < 0xc0)
        return value & max;
    if (choice < 0xd0)
        return (value + 1) & max;
    if (choice < 0xe0)
        return (value - 1) & max;
    return fuzz_number(input, bits);
}

static struct origin choose_origin(struct fuzz_input *input, const struct fuzz_domain *domain,
                                   const char *field)
{
    const struct fuzz_hint *hint = find(domain, field);
    uint8_t choice = fuzz_u8(input);
    if (hint != NULL && choice < 0xc0)
        return hint->origins[choice % value_count(hint)];
    if (choice < 0xe0)
        return (struct origin){.epoch = choose_number(input, domain, "epoch", 64),
                               .lsn = choose_number(input, domain, "lsn", 64)};
    return (struct origin){.epoch = fuzz_number(input, 64), .lsn = fuzz_number(input, 64)};
}

static struct slice choose_bytes(struct fuzz_input *input, const struct fuzz_domain *domain,
                                 const char *field, uint32_t max, struct wire_backing *backing)
{
    const struct fuzz_hint *hint = find(domain, field);
    uint8_t choice = fuzz_u8(input);
    if (hint != NULL && choice < 0xc0)
        return hint->bytes[choice % value_count(hint)];
    uint32_t length = choice & 3u;
    if (choice >= 0xfe)
        length = max < 16384 ? max : 16384;
    else if (choice >= 0xf0)
        length = fuzz_u8(input);
    if (length > max)
        length = max;
    if (length == 0)
        return slice_of(NULL, 0);
    uint8_t *bytes = wire_backing_alloc(backing, length);
    for (uint32_t i = 0; i < length; i++) {
        static const char few[] = "ab/c";
        bytes[i] = choice < 0xe0 ? (uint8_t)few[fuzz_u8(input) & 3u]
                                 : (i < 64 ? fuzz_u8(input) : (uint8_t)'x');
    }
    return slice_of(bytes, length);
}

static void fill_array(struct fuzz_input *input, const struct fuzz_domain *domain,
                       const struct wire_field *field, struct wire_backing *backing, void *base)
{
    const struct wire_schema *element = field->type();
    uint8_t choice = fuzz_u8(input);
    uint32_t count = choice < 0xf0 ? choice & 3u : choice & 0x0fu;
    if (choice == 0xff)
        count = 300;
    if (count > field->max)
        count = field->max;
    char *elements = NULL;
    if (count > 0) {
        elements = wire_backing_alloc(backing, count * element->size);
        memset(elements, 0, count * element->size);
        for (uint32_t k = 0; k < count; k++)
            fuzz_struct(input, domain, element, backing, elements + k * element->size);
    }
    wire_field_set_array(base, field, elements, count);
}

static void fill_field(struct fuzz_input *input, const struct fuzz_domain *domain,
                       const struct wire_field *field, struct wire_backing *backing, void *base)
{
    void *at = wire_field_at(base, field);
    switch (field->kind) {
    case WIRE_KIND_U8:
        *(uint8_t *)at = (uint8_t)choose_number(input, domain, field->name, 8);
        break;
    case WIRE_KIND_U32:
        *(uint32_t *)at = (uint32_t)choose_number(input, domain, field->name, 32);
        break;
    case WIRE_KIND_U64:
        *(uint64_t *)at = choose_number(input, domain, field->name, 64);
        break;
    case WIRE_KIND_BOOL:
        *(bool *)at = (fuzz_u8(input) & 1u) != 0;
        break;
    case WIRE_KIND_UUID: {
        uint32_t choice = fuzz_below(input, 16);
        if (choice < 12 && domain->uuids_count > 0)
            *(struct uuid *)at = domain->uuids[choice % domain->uuids_count];
        else
            ((struct uuid *)at)->bytes[0] = (uint8_t)choice;
        break;
    }
    case WIRE_KIND_ORIGIN:
        *(struct origin *)at = choose_origin(input, domain, field->name);
        break;
    case WIRE_KIND_BYTES:
        *(struct slice *)at = choose_bytes(input, domain, field->name, field->max, backing);
        break;
    case WIRE_KIND_STRUCT:
        fuzz_struct(input, domain, field->type(), backing, at);
        break;
    case WIRE_KIND_ARRAY:
        fill_array(input, domain, field, backing, base);
        break;
    }
}

void fuzz_struct(struct fuzz_input *input, const struct fuzz_domain *domain,
                 const struct wire_schema *schema, struct wire_backing *backing, void *base)
{
    for (uint32_t i = 0; i < schema->field_count; i++)
        fill_field(input, domain, &schema->fields[i], backing, base);
}

/* The messages that carry one; the codec lets a payload pass with any other too. */
static void fill_payload(struct fuzz_input *input, struct wire_message *message)
{
    unsigned type = message->type;
    bool is_usual = type == WIRE_PUT || type == WIRE_STAGE || type == WIRE_FORWARD ||
                    type == WIRE_SYNC_ITEMS || type == WIRE_OBJECT || type == WIRE_CHUNK ||
                    type == WIRE_RAFT_SNAPSHOT;
    uint8_t choice = is_usual ? fuzz_u8(input) : 0;
    if (choice == 0 || message->payload != NULL)
        return;
    if (choice == 0xff) {
        message->payload = buf_new(BOUND_INLINE_BYTES + 1);
        memset(message->payload->data, 'p', message->payload->length);
    } else if (choice < 0x80) {
        message->payload = buf_copy(slice_of("payload!", choice & 7u));
    } else {
        message->payload = buf_copy(fuzz_bytes(input, choice & 0x7fu));
    }
}

void fuzz_message(struct fuzz_input *input, const struct fuzz_domain *domain, enum wire_type type,
                  struct wire_message *ret_message)
{
    const struct wire_schema *schema = wire_schema_of(type);
    PRE(schema != NULL);
    memset(ret_message, 0, sizeof *ret_message);
    ret_message->type = type;
    ret_message->backing = wire_backing_new(256);
    fuzz_struct(input, domain, schema, ret_message->backing, &ret_message->u);
    fill_payload(input, ret_message);
}

enum wire_type fuzz_type(struct fuzz_input *input)
{
    uint32_t count;
    const enum wire_type *types = wire_types(&count);
    return types[fuzz_below(input, count)];
}

/* FUZZ_TRACE=1 tells the story of a failing input. */
static void read_line(void *context, const char *line)
{
    (void)context;
    PRE(strlen(line) < 1024 && strchr(line, '\n') == NULL);
    static int is_told = -1;
    if (is_told < 0)
        is_told = getenv("FUZZ_TRACE") != NULL ? 1 : 0;
    if (is_told > 0)
        fprintf(stderr, "%s\n", line);
}

struct trace fuzz_trace(void)
{
    return (struct trace){.emit = read_line};
}
