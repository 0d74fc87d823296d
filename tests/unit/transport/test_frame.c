#include <check.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "tests/lib/wire_random.h"
#include "wire/codec/codec.h"
#include "wire/transport/frame.h"

/* A pipe of memory between a writer and a reader, in pieces of any size. */
static size_t move_bytes(struct frame_writer *writer, struct frame_reader *reader, size_t most)
{
    struct frame_part out[FRAME_PARTS_MAX];
    struct frame_part in[2];
    unsigned out_count = frame_writer_parts(writer, out);
    unsigned in_count = frame_reader_space(reader, in);
    size_t moved = 0;
    unsigned i = 0;
    unsigned k = 0;
    while (i < out_count && k < in_count && moved < most) {
        size_t piece = out[i].length < in[k].length ? out[i].length : in[k].length;
        if (piece > most - moved)
            piece = most - moved;
        memcpy(in[k].data, out[i].data, piece);
        moved += piece;
        out[i].data += piece;
        out[i].length -= piece;
        in[k].data += piece;
        in[k].length -= piece;
        i += out[i].length == 0 ? 1 : 0;
        k += in[k].length == 0 ? 1 : 0;
    }
    frame_writer_sent(writer, moved);
    frame_reader_received(reader, moved);
    return moved;
}

static struct buf *random_payload(struct prng *prng)
{
    const size_t sizes[] = {0, 1, 100, 4096, 16383, 16384, 16385, 65536, 1048576};
    size_t size = sizes[prng_below(prng, sizeof sizes / sizeof sizes[0])];
    if (size == 0)
        return NULL;
    struct buf *payload = buf_new(size);
    for (size_t i = 0; i < size; i += 64)
        payload->data[i] = (uint8_t)prng_next(prng);
    for (size_t i = 0; i < size; i++)
        payload->data[i] = (uint8_t)(i * 31);
    return payload;
}

START_TEST(random_frames_in_random_pieces_arrive_equal)
{
    enum { MESSAGES = 300 };
    struct prng prng;
    prng_init(&prng, (uint64_t)_i + 1);
    struct frame_writer writer;
    struct frame_reader reader;
    frame_writer_init(&writer);
    frame_reader_init(&reader, BOUND_FRAME_HEADER_BYTES, BOUND_FRAME_PAYLOAD_BYTES);
    struct wire_message sent[MESSAGES];
    unsigned sent_count = 0;
    unsigned received = 0;
    while (received < MESSAGES) {
        if (sent_count < MESSAGES && (writer.bytes < 3000000 || prng_once_in(&prng, 4))) {
            struct wire_message *message = &sent[sent_count++];
            const uint32_t scales[] = {2, 10, 60};
            wire_random_message(&prng, wire_random_type(&prng), scales[prng_below(&prng, 3)],
                                message);
            message->payload = random_payload(&prng);
            ck_assert_int_eq(frame_writer_add(&writer, message, BOUND_FRAME_PAYLOAD_BYTES), ERR_OK);
        }
        size_t most = (size_t)prng_below(&prng, prng_once_in(&prng, 3) ? 40 : 400000);
        (void)move_bytes(&writer, &reader, most);
        struct wire_message message;
        size_t bytes;
        enum err err;
        while ((err = frame_reader_next(&reader, &message, &bytes)) == ERR_OK) {
            ck_assert(wire_message_equal(&message, &sent[received]));
            ck_assert_uint_gt(bytes, 8);
            wire_message_release(&message);
            wire_message_release(&sent[received++]);
        }
        ck_assert_int_eq(err, ERR_NOT_READY);
    }
    ck_assert_uint_eq(writer.bytes, 0);
    ck_assert_uint_eq(writer.count, 0);
    frame_writer_release(&writer);
    frame_reader_release(&reader);
}
END_TEST

START_TEST(small_frames_gather_into_one_part)
{
    struct frame_writer writer;
    frame_writer_init(&writer);
    struct wire_message message = {.type = WIRE_MARK, .u.mark = {.chain = 1}};
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_int_eq(frame_writer_add(&writer, &message, 0), ERR_OK);
    struct frame_part parts[FRAME_PARTS_MAX];
    ck_assert_uint_eq(frame_writer_parts(&writer, parts), 1);
    ck_assert_uint_eq(parts[0].length, writer.bytes);
    frame_writer_release(&writer);
}
END_TEST

START_TEST(large_payload_is_referenced_not_copied)
{
    struct frame_writer writer;
    frame_writer_init(&writer);
    struct wire_message message = {.type = WIRE_CHUNK};
    message.payload = buf_new(FRAME_LARGE_BYTES);
    memset(message.payload->data, 1, message.payload->length);
    ck_assert_int_eq(frame_writer_add(&writer, &message, BOUND_FRAME_PAYLOAD_BYTES), ERR_OK);
    ck_assert_uint_eq(atomic_load(&message.payload->references), 2);
    struct frame_part parts[FRAME_PARTS_MAX];
    ck_assert_uint_eq(frame_writer_parts(&writer, parts), 2);
    ck_assert_ptr_eq(parts[1].data, message.payload->data);
    frame_writer_sent(&writer, writer.bytes);
    ck_assert_uint_eq(atomic_load(&message.payload->references), 1);
    frame_writer_release(&writer);
    wire_message_release(&message);
}
END_TEST

START_TEST(large_payload_that_arrives_pins_only_itself)
{
    struct frame_writer writer;
    struct frame_reader reader;
    frame_writer_init(&writer);
    frame_reader_init(&reader, BOUND_FRAME_HEADER_BYTES, BOUND_FRAME_PAYLOAD_BYTES);
    struct wire_message message = {.type = WIRE_CHUNK};
    message.payload = buf_new(1048576);
    memset(message.payload->data, 9, message.payload->length);
    ck_assert_int_eq(frame_writer_add(&writer, &message, BOUND_FRAME_PAYLOAD_BYTES), ERR_OK);
    struct wire_message received;
    size_t bytes;
    while (frame_reader_next(&reader, &received, &bytes) == ERR_NOT_READY)
        ck_assert_uint_gt(move_bytes(&writer, &reader, SIZE_MAX), 0);
    ck_assert_ptr_null(received.payload->parent);
    ck_assert(wire_message_equal(&message, &received));
    wire_message_release(&received);
    wire_message_release(&message);
    frame_writer_release(&writer);
    frame_reader_release(&reader);
}
END_TEST

START_TEST(payload_over_the_limit_is_not_queued)
{
    struct frame_writer writer;
    frame_writer_init(&writer);
    struct wire_message message = {.type = WIRE_CHUNK};
    message.payload = buf_new(101);
    ck_assert_int_eq(frame_writer_add(&writer, &message, 100), ERR_TOO_LARGE);
    ck_assert_uint_eq(writer.bytes, 0);
    wire_message_release(&message);
    frame_writer_release(&writer);
}
END_TEST

static enum err read_prefix(uint32_t header_bytes, uint32_t payload_bytes)
{
    struct frame_reader reader;
    frame_reader_init(&reader, 1000, 2000);
    struct frame_part parts[2];
    ck_assert_uint_eq(frame_reader_space(&reader, parts), 1);
    bytes_put_u32(parts[0].data, header_bytes);
    bytes_put_u32(parts[0].data + 4, payload_bytes);
    frame_reader_received(&reader, 8);
    struct wire_message message;
    size_t bytes;
    enum err err = frame_reader_next(&reader, &message, &bytes);
    frame_reader_release(&reader);
    return err;
}

START_TEST(prefix_over_the_limits_is_refused_before_memory_is_taken)
{
    ck_assert_int_eq(read_prefix(1000, 2000), ERR_NOT_READY);
    ck_assert_int_eq(read_prefix(1001, 0), ERR_TOO_LARGE);
    ck_assert_int_eq(read_prefix(1, 2001), ERR_TOO_LARGE);
    ck_assert_int_eq(read_prefix(UINT32_MAX, UINT32_MAX), ERR_TOO_LARGE);
    ck_assert_int_eq(read_prefix(0, 0), ERR_PROTOCOL);
}
END_TEST

START_TEST(reader_dropped_in_the_middle_of_a_frame_leaks_nothing)
{
    struct frame_writer writer;
    struct frame_reader reader;
    frame_writer_init(&writer);
    frame_reader_init(&reader, BOUND_FRAME_HEADER_BYTES, BOUND_FRAME_PAYLOAD_BYTES);
    struct prng prng;
    prng_init(&prng, 4);
    struct wire_message message;
    wire_random_message(&prng, WIRE_PUT, 20, &message);
    message.payload = buf_new(100000);
    memset(message.payload->data, 0, message.payload->length);
    ck_assert_int_eq(frame_writer_add(&writer, &message, BOUND_FRAME_PAYLOAD_BYTES), ERR_OK);
    (void)move_bytes(&writer, &reader, 50000);
    struct wire_message received;
    size_t bytes;
    ck_assert_int_eq(frame_reader_next(&reader, &received, &bytes), ERR_NOT_READY);
    wire_message_release(&message);
    frame_writer_release(&writer);
    frame_reader_release(&reader);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tcase = tcase_create("frame");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, random_frames_in_random_pieces_arrive_equal, 0, 6);
    tcase_add_test(tcase, small_frames_gather_into_one_part);
    tcase_add_test(tcase, large_payload_is_referenced_not_copied);
    tcase_add_test(tcase, large_payload_that_arrives_pins_only_itself);
    tcase_add_test(tcase, payload_over_the_limit_is_not_queued);
    tcase_add_test(tcase, prefix_over_the_limits_is_refused_before_memory_is_taken);
    tcase_add_test(tcase, reader_dropped_in_the_middle_of_a_frame_leaks_nothing);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
