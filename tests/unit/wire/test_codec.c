#include <check.h>
#include <stdlib.h>

#include "tests/lib/wire_random.h"
#include "wire/codec/codec.h"
#include "wire/schema.h"

/* ---- hand-made CBOR ---- */

struct bytes {
    uint8_t data[8192];
    size_t length;
};

static void add(struct bytes *bytes, const void *data, size_t length)
{
    ck_assert_uint_le(length, sizeof bytes->data - bytes->length);
    if (length > 0)
        memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

/* The head of an item: major type and a number. */
static void add_head(struct bytes *bytes, unsigned major, uint64_t number)
{
    uint8_t head[9] = {(uint8_t)(major << 5 | 27)};
    for (unsigned i = 0; i < 8; i++)
        head[1 + i] = (uint8_t)(number >> (56 - 8 * i));
    if (number < 24) {
        head[0] = (uint8_t)(major << 5 | number);
        add(bytes, head, 1);
    } else {
        add(bytes, head, 9);
    }
}

enum { NUMBER = 0, BYTES = 2, TEXT = 3, ARRAY = 4, MAP = 5, TAG = 6 };

static enum err decode(const struct bytes *bytes, struct wire_message *ret_message)
{
    /* An exact heap copy, so a sanitizer sees every read beyond the end. */
    struct buf *exact = buf_copy(slice_of(bytes->data, bytes->length));
    enum err err = wire_decode(buf_slice(exact), exact, ret_message);
    buf_unref(exact);
    return err;
}

static enum err decode_only(const struct bytes *bytes)
{
    struct wire_message message;
    enum err err = decode(bytes, &message);
    if (err == ERR_OK)
        wire_message_release(&message);
    return err;
}

static struct buf *encode(const struct wire_message *message)
{
    struct buf *header = NULL;
    ck_assert_int_eq(wire_encode_buf(message, &header), ERR_OK);
    return header;
}

/* ---- every message ---- */

static uint32_t type_count(void)
{
    uint32_t count;
    (void)wire_types(&count);
    return count;
}

static enum wire_type type_at(int index)
{
    uint32_t count;
    return wire_types(&count)[index];
}

START_TEST(message_round_trips)
{
    struct prng prng;
    prng_init(&prng, (uint64_t)_i);
    const uint32_t scales[] = {0, 1, 4, 20};
    for (unsigned round = 0; round < 60; round++) {
        struct wire_message message;
        wire_random_message(&prng, type_at(_i), scales[round % 4], &message);
        struct buf *header = encode(&message);
        for (unsigned keeps = 0; keeps < 2; keeps++) {
            struct wire_message decoded;
            ck_assert_int_eq(wire_decode(buf_slice(header), keeps == 1 ? header : NULL, &decoded),
                             ERR_OK);
            ck_assert(wire_message_equal(&message, &decoded));
            if (keeps == 0 && decoded.backing != NULL) {
                /* Nothing may point into the header any more. */
                struct buf *moved = buf_copy(buf_slice(header));
                memset(header->data, 0xee, header->length);
                ck_assert(wire_message_equal(&message, &decoded));
                memcpy(header->data, moved->data, moved->length);
                buf_unref(moved);
            }
            wire_message_release(&decoded);
        }
        ck_assert_uint_eq(atomic_load(&header->references), 1);
        buf_unref(header);
        wire_message_release(&message);
    }
}
END_TEST

START_TEST(message_cut_anywhere_is_refused)
{
    struct prng prng;
    prng_init(&prng, 100 + (uint64_t)_i);
    for (unsigned round = 0; round < 6; round++) {
        struct wire_message message;
        wire_random_message(&prng, type_at(_i), 3, &message);
        struct buf *header = encode(&message);
        for (size_t cut = 0; cut < header->length; cut++) {
            struct buf *part = buf_copy(slice_of(header->data, cut));
            struct wire_message decoded;
            ck_assert_int_eq(wire_decode(buf_slice(part), part, &decoded), ERR_TRUNCATED);
            buf_unref(part);
        }
        buf_unref(header);
        wire_message_release(&message);
    }
}
END_TEST

START_TEST(message_with_damaged_bytes_never_crashes)
{
    struct prng prng;
    prng_init(&prng, 200 + (uint64_t)_i);
    for (unsigned round = 0; round < 300; round++) {
        struct wire_message message;
        wire_random_message(&prng, type_at(_i), 4, &message);
        struct buf *header = encode(&message);
        for (uint64_t damage = prng_between(&prng, 1, 3); damage > 0; damage--)
            header->data[prng_below(&prng, header->length)] = (uint8_t)prng_next(&prng);
        struct wire_message decoded;
        if (wire_decode(buf_slice(header), header, &decoded) == ERR_OK) {
            /* What was accepted is within every bound: it can be encoded again. */
            struct buf *again = encode(&decoded);
            buf_unref(again);
            wire_message_release(&decoded);
        }
        buf_unref(header);
        wire_message_release(&message);
    }
}
END_TEST

/* Writes the first `count` fields of a struct as the encoder would, then `extra` unknown ones. */
static void add_random_item(struct bytes *bytes, struct prng *prng, unsigned depth)
{
    uint8_t junk[40] = {0x7a};
    uint64_t length = prng_below(prng, sizeof junk);
    switch (prng_below(prng, depth == 0 ? 4 : 8)) {
    case 0:
        add_head(bytes, NUMBER, prng_next(prng));
        break;
    case 1:
        add_head(bytes, 1, prng_next(prng)); /* a negative number */
        break;
    case 2:
        add_head(bytes, prng_once_in(prng, 2) ? BYTES : TEXT, length);
        add(bytes, junk, length);
        break;
    case 3:
        add(bytes, prng_once_in(prng, 2) ? "\xf6" : "\xf5", 1); /* null, true */
        break;
    case 4:
        add_head(bytes, TAG, prng_between(prng, 30, 60));
        add_random_item(bytes, prng, depth - 1);
        break;
    case 5:
        add(bytes, "\xfb\x3f\xf0\0\0\0\0\0\0", 9); /* 1.0 */
        break;
    case 6:
        add_head(bytes, MAP, 2);
        for (unsigned i = 0; i < 4; i++)
            add_random_item(bytes, prng, depth - 1);
        break;
    default:
        add_head(bytes, ARRAY, 3);
        for (unsigned i = 0; i < 3; i++)
            add_random_item(bytes, prng, depth - 1);
        break;
    }
}

START_TEST(unknown_fields_after_the_known_are_skipped)
{
    struct prng prng;
    prng_init(&prng, 300 + (uint64_t)_i);
    for (unsigned round = 0; round < 40; round++) {
        struct wire_message message;
        wire_random_message(&prng, type_at(_i), 2, &message);
        struct buf *header = encode(&message);
        /* Take the array's head off and put a larger one on. */
        uint32_t fields = wire_schema_of(message.type)->field_count + 1;
        size_t head = fields < 24 ? 1 : 2;
        uint64_t extra = prng_between(&prng, 1, 4);
        struct bytes bytes = {.length = 0};
        add_head(&bytes, ARRAY, fields + extra);
        add(&bytes, header->data + head, header->length - head);
        for (uint64_t i = 0; i < extra; i++)
            add_random_item(&bytes, &prng, 3);
        struct wire_message decoded;
        ck_assert_int_eq(decode(&bytes, &decoded), ERR_OK);
        ck_assert(wire_message_equal(&message, &decoded));
        wire_message_release(&decoded);
        bytes.length -= 1;
        ck_assert_int_ne(decode_only(&bytes), ERR_OK);
        buf_unref(header);
        wire_message_release(&message);
    }
}
END_TEST

START_TEST(missing_fields_at_the_end_read_as_zero)
{
    struct bytes bytes = {.length = 0};
    add_head(&bytes, ARRAY, 1);
    add_head(&bytes, NUMBER, type_at(_i));
    struct wire_message decoded;
    ck_assert_int_eq(decode(&bytes, &decoded), ERR_OK);
    struct wire_message zero;
    struct prng prng;
    prng_init(&prng, 1);
    wire_random_message(&prng, type_at(_i), 0, &zero);
    memset(&zero.u, 0, sizeof zero.u);
    ck_assert(wire_message_equal(&decoded, &zero));
    ck_assert_ptr_null(decoded.backing);
    wire_message_release(&zero);
    wire_message_release(&decoded);
}
END_TEST

/* Finds the first field of a kind, or NULL. */
static const struct wire_field *field_of_kind(const struct wire_schema *schema, enum wire_kind kind,
                                              uint32_t *ret_index)
{
    for (uint32_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].kind == kind) {
            *ret_index = i;
            return &schema->fields[i];
        }
    }
    return NULL;
}

/* A zero item for a field, so that a test can reach the one behind it. */
static void add_zero(struct bytes *bytes, const struct wire_field *field)
{
    static const uint8_t zeros[16];
    switch (field->kind) {
    case WIRE_KIND_U8:
    case WIRE_KIND_U32:
    case WIRE_KIND_U64:
        add_head(bytes, NUMBER, 0);
        break;
    case WIRE_KIND_BOOL:
        add(bytes, "\xf4", 1);
        break;
    case WIRE_KIND_UUID:
        add_head(bytes, BYTES, 16);
        add(bytes, zeros, 16);
        break;
    case WIRE_KIND_BYTES:
        add_head(bytes, BYTES, 0);
        break;
    case WIRE_KIND_ORIGIN:
    case WIRE_KIND_STRUCT:
    case WIRE_KIND_ARRAY:
        add_head(bytes, ARRAY, 0);
        break;
    }
}

static void start_before(struct bytes *bytes, enum wire_type type, uint32_t index)
{
    const struct wire_schema *schema = wire_schema_of(type);
    bytes->length = 0;
    add_head(bytes, ARRAY, index + 2);
    add_head(bytes, NUMBER, type);
    for (uint32_t i = 0; i < index; i++)
        add_zero(bytes, &schema->fields[i]);
}

START_TEST(every_bytes_and_array_field_refuses_more_than_its_bound)
{
    const struct wire_schema *schema = wire_schema_of(type_at(_i));
    struct bytes bytes;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct wire_field *field = &schema->fields[i];
        if (field->kind == WIRE_KIND_ARRAY) {
            start_before(&bytes, type_at(_i), i);
            add_head(&bytes, ARRAY, (uint64_t)field->max + 1);
            ck_assert_int_eq(decode_only(&bytes), ERR_TOO_LARGE);
            /* A count within the bound, but beyond the bytes that follow. */
            start_before(&bytes, type_at(_i), i);
            add_head(&bytes, ARRAY, field->max);
            ck_assert_int_eq(decode_only(&bytes), ERR_TRUNCATED);
            start_before(&bytes, type_at(_i), i);
            add_head(&bytes, ARRAY, UINT64_MAX);
            ck_assert_int_eq(decode_only(&bytes), ERR_TOO_LARGE);
        } else if (field->kind == WIRE_KIND_BYTES) {
            start_before(&bytes, type_at(_i), i);
            add_head(&bytes, BYTES, UINT64_MAX);
            ck_assert_int_ne(decode_only(&bytes), ERR_OK);
            struct buf *large = buf_new(bytes.length + 9 + field->max + 1);
            if (large->length <= BOUND_FRAME_HEADER_BYTES) {
                start_before(&bytes, type_at(_i), i);
                add_head(&bytes, BYTES, (uint64_t)field->max + 1);
                memset(large->data, 'x', large->length);
                memcpy(large->data, bytes.data, bytes.length);
                large->length = bytes.length + field->max + 1;
                struct wire_message decoded;
                ck_assert_int_eq(wire_decode(buf_slice(large), large, &decoded), ERR_TOO_LARGE);
            }
            buf_unref(large);
        }
    }
}
END_TEST

START_TEST(field_of_another_kind_is_refused)
{
    const struct wire_schema *schema = wire_schema_of(type_at(_i));
    struct bytes bytes;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        start_before(&bytes, type_at(_i), i);
        add_head(&bytes, TEXT, 0);
        ck_assert_int_eq(decode_only(&bytes), ERR_PROTOCOL);
        start_before(&bytes, type_at(_i), i);
        add(&bytes, "\xf6", 1);
        ck_assert_int_eq(decode_only(&bytes), ERR_PROTOCOL);
        start_before(&bytes, type_at(_i), i);
        add_head(&bytes, 1, 5);
        ck_assert_int_eq(decode_only(&bytes), ERR_PROTOCOL);
    }
    uint32_t at;
    if (field_of_kind(schema, WIRE_KIND_U32, &at) != NULL) {
        start_before(&bytes, type_at(_i), at);
        add_head(&bytes, NUMBER, (uint64_t)UINT32_MAX + 1);
        ck_assert_int_eq(decode_only(&bytes), ERR_TOO_LARGE);
    }
    if (field_of_kind(schema, WIRE_KIND_U8, &at) != NULL) {
        start_before(&bytes, type_at(_i), at);
        add_head(&bytes, NUMBER, 256);
        ck_assert_int_eq(decode_only(&bytes), ERR_TOO_LARGE);
    }
    if (field_of_kind(schema, WIRE_KIND_UUID, &at) != NULL) {
        start_before(&bytes, type_at(_i), at);
        add_head(&bytes, BYTES, 3);
        add(&bytes, "abc", 3);
        ck_assert_int_eq(decode_only(&bytes), ERR_PROTOCOL);
    }
}
END_TEST

START_TEST(bytes_after_the_message_are_refused)
{
    struct prng prng;
    prng_init(&prng, 5);
    struct wire_message message;
    wire_random_message(&prng, type_at(_i), 2, &message);
    struct buf *header = encode(&message);
    struct bytes bytes = {.length = 0};
    add(&bytes, header->data, header->length);
    add(&bytes, "\0", 1);
    ck_assert_int_eq(decode_only(&bytes), ERR_PROTOCOL);
    buf_unref(header);
    wire_message_release(&message);
}
END_TEST

/* ---- particular cases ---- */

START_TEST(nested_structs_grow_and_shrink_too)
{
    struct bytes bytes = {.length = 0};
    add_head(&bytes, ARRAY, 2);
    add_head(&bytes, NUMBER, WIRE_ROWS);
    add_head(&bytes, ARRAY, 2);
    add_head(&bytes, ARRAY, 2); /* a row of two fields only */
    add_head(&bytes, NUMBER, 7);
    add_head(&bytes, NUMBER, 8);
    add_head(&bytes, ARRAY, 4); /* and one with a member that is longer than ours */
    add_head(&bytes, NUMBER, 9);
    add_head(&bytes, NUMBER, 10);
    add_head(&bytes, NUMBER, 11);
    add_head(&bytes, ARRAY, 1);
    add_head(&bytes, ARRAY, 3);
    add_head(&bytes, NUMBER, 1);
    add_head(&bytes, NUMBER, 2);
    add_head(&bytes, TEXT, 3);
    add(&bytes, "new", 3);
    struct wire_message decoded;
    ck_assert_int_eq(decode(&bytes, &decoded), ERR_OK);
    const struct wire_rows *rows = &decoded.u.rows;
    ck_assert_uint_eq(rows->rows_count, 2);
    ck_assert_uint_eq(rows->rows[0].chain, 7);
    ck_assert_uint_eq(rows->rows[0].epoch, 8);
    ck_assert_uint_eq(rows->rows[0].members_count, 0);
    ck_assert_uint_eq(rows->rows[1].members_count, 1);
    ck_assert_uint_eq(rows->rows[1].members[0].incarnation, 2);
    wire_message_release(&decoded);
}
END_TEST

START_TEST(indefinite_lengths_are_refused)
{
    const char *headers[] = {"\x9f\x18\x1f\xff", "\x82\x18\x1f\x9f\xff", "\x83\x14\x01\x5f\x40\xff",
                             "\x82\x18\x1f\xbf\xff"};
    const size_t lengths[] = {4, 5, 6, 5};
    for (unsigned i = 0; i < 4; i++) {
        struct bytes bytes = {.length = 0};
        add(&bytes, headers[i], lengths[i]);
        ck_assert_int_eq(decode_only(&bytes), ERR_PROTOCOL);
    }
}
END_TEST

START_TEST(unknown_type_is_unsupported)
{
    struct bytes bytes = {.length = 0};
    add_head(&bytes, ARRAY, 1);
    add_head(&bytes, NUMBER, 9);
    ck_assert_int_eq(decode_only(&bytes), ERR_UNSUPPORTED);
    bytes.length = 0;
    add_head(&bytes, ARRAY, 1);
    add_head(&bytes, NUMBER, UINT64_MAX);
    ck_assert_int_eq(decode_only(&bytes), ERR_TOO_LARGE);
    bytes.length = 0;
    add_head(&bytes, ARRAY, 0);
    ck_assert_int_eq(decode_only(&bytes), ERR_PROTOCOL);
}
END_TEST

START_TEST(deep_nesting_in_a_skipped_field_costs_nothing)
{
    /* Depth 500,000: a recursive skipper would run off its stack. */
    enum { DEPTH = 500000 };
    struct bytes start = {.length = 0};
    add_head(&start, ARRAY, 3);
    add_head(&start, NUMBER, WIRE_OBITUARY_REPLY);
    add_head(&start, NUMBER, 1);
    struct buf *header = buf_new(start.length + DEPTH);
    memset(header->data, 0x81, header->length); /* arrays of one element */
    memcpy(header->data, start.data, start.length);
    struct wire_message decoded;
    ck_assert_int_eq(wire_decode(buf_slice(header), header, &decoded), ERR_TRUNCATED);
    header->data[header->length - 1] = 0;
    ck_assert_int_eq(wire_decode(buf_slice(header), header, &decoded), ERR_OK);
    wire_message_release(&decoded);
    buf_unref(header);
}
END_TEST

START_TEST(header_over_the_limit_is_refused_both_ways)
{
    struct wire_message message = {.type = WIRE_ROW_ASK};
    struct buf *large = buf_new(BOUND_FRAME_HEADER_BYTES + 1);
    memset(large->data, 0, large->length);
    struct wire_message decoded;
    ck_assert_int_eq(wire_decode(buf_slice(large), large, &decoded), ERR_TOO_LARGE);
    message.type = WIRE_RAFT_APPEND;
    struct wire_raft_entry entries[2] = {
        {.data = slice_of(large->data, BOUND_FRAME_HEADER_BYTES / 2)},
        {.data = slice_of(large->data, BOUND_FRAME_HEADER_BYTES / 2)},
    };
    message.u.raft_append.entries = entries;
    message.u.raft_append.entries_count = 2;
    struct buf *header = NULL;
    ck_assert_int_eq(wire_encode_buf(&message, &header), ERR_TOO_LARGE);
    ck_assert_ptr_null(header);
    buf_unref(large);
}
END_TEST

START_TEST(field_over_its_bound_is_not_encoded)
{
    static uint8_t key[BOUND_KEY_BYTES + 1];
    struct wire_message message = {.type = WIRE_GET,
                                   .u.get = {.key = slice_of(key, sizeof key - 1)}};
    struct buf *header = encode(&message);
    buf_unref(header);
    message.u.get.key = slice_of(key, sizeof key);
    size_t bytes = 0;
    uint8_t out[4096];
    ck_assert_int_eq(wire_encode(&message, out, sizeof out, &bytes), ERR_TOO_LARGE);
}
END_TEST

START_TEST(encode_says_how_much_room_it_needs)
{
    struct prng prng;
    prng_init(&prng, 11);
    for (unsigned round = 0; round < 200; round++) {
        struct wire_message message;
        wire_random_message(&prng, wire_random_type(&prng), 10, &message);
        struct buf *header = encode(&message);
        size_t bytes = 0;
        struct buf *small = buf_new(prng_below(&prng, header->length));
        ck_assert_int_eq(wire_encode(&message, small->data, small->length, &bytes), ERR_NO_SPACE);
        ck_assert_uint_eq(bytes, header->length);
        buf_unref(small);
        struct buf *exact = buf_new(bytes);
        ck_assert_int_eq(wire_encode(&message, exact->data, bytes, &bytes), ERR_OK);
        ck_assert(slice_equal(buf_slice(exact), buf_slice(header)));
        buf_unref(exact);
        buf_unref(header);
        wire_message_release(&message);
    }
}
END_TEST

START_TEST(random_bytes_never_crash)
{
    struct prng prng;
    prng_init(&prng, 77);
    for (unsigned round = 0; round < 20000; round++) {
        struct bytes bytes = {.length = prng_below(&prng, 60)};
        for (size_t i = 0; i < bytes.length; i++)
            bytes.data[i] = (uint8_t)prng_next(&prng);
        if (bytes.length > 2 && prng_once_in(&prng, 2)) {
            bytes.data[0] = (uint8_t)(0x80 | prng_below(&prng, 24));
            bytes.data[1] = (uint8_t)prng_below(&prng, 24);
        }
        (void)decode_only(&bytes);
    }
}
END_TEST

START_TEST(golden_bytes_of_a_message_do_not_change)
{
    /* Written down so that an accidental change of the format is seen. Behind the count, which
     * grows with appended fields, the bytes of what is there already stay. */
    struct wire_message message = {
        .type = WIRE_ACK,
        .u.ack = {.chain = 3, .epoch = 500, .applied = {2, 70000}, .durable = 1, .resend = true},
    };
    const uint8_t golden[] = {0x18, 0x20, 0x03, 0x19, 0x01, 0xf4, 0x82, 0x02,
                              0x1a, 0x00, 0x01, 0x11, 0x70, 0x01, 0x00, 0xf5};
    struct buf *header = encode(&message);
    ck_assert(slice_starts_with(slice_of(header->data + 1, header->length - 1),
                                slice_of(golden, sizeof golden)));
    ck_assert_uint_ge(header->data[0], 0x87);
    buf_unref(header);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec");
    TCase *every = tcase_create("every message");
    int count = (int)type_count();
    tcase_set_timeout(every, 60);
    tcase_add_loop_test(every, message_round_trips, 0, count);
    tcase_add_loop_test(every, message_cut_anywhere_is_refused, 0, count);
    tcase_add_loop_test(every, message_with_damaged_bytes_never_crashes, 0, count);
    tcase_add_loop_test(every, unknown_fields_after_the_known_are_skipped, 0, count);
    tcase_add_loop_test(every, missing_fields_at_the_end_read_as_zero, 0, count);
    tcase_add_loop_test(every, every_bytes_and_array_field_refuses_more_than_its_bound, 0, count);
    tcase_add_loop_test(every, field_of_another_kind_is_refused, 0, count);
    tcase_add_loop_test(every, bytes_after_the_message_are_refused, 0, count);
    suite_add_tcase(suite, every);
    TCase *tcase = tcase_create("cases");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, nested_structs_grow_and_shrink_too);
    tcase_add_test(tcase, indefinite_lengths_are_refused);
    tcase_add_test(tcase, unknown_type_is_unsupported);
    tcase_add_test(tcase, deep_nesting_in_a_skipped_field_costs_nothing);
    tcase_add_test(tcase, header_over_the_limit_is_refused_both_ways);
    tcase_add_test(tcase, field_over_its_bound_is_not_encoded);
    tcase_add_test(tcase, encode_says_how_much_room_it_needs);
    tcase_add_test(tcase, random_bytes_never_crash);
    tcase_add_test(tcase, golden_bytes_of_a_message_do_not_change);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
