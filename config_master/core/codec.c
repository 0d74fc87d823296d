#include "config_master/core/codec.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "base/contract.h"

void cm_writer_init(struct cm_writer *writer)
{
    *writer = (struct cm_writer){0};
}

void cm_writer_release(struct cm_writer *writer)
{
    mem_free(writer->data);
    cm_writer_init(writer);
}

struct buf *cm_writer_take(struct cm_writer *writer)
{
    struct buf *buf = buf_copy(slice_of(writer->data, writer->length));
    cm_writer_release(writer);
    return buf;
}

static uint8_t *writer_extend(struct cm_writer *writer, size_t bytes)
{
    if (writer->length + bytes > writer->capacity) {
        size_t capacity = writer->capacity == 0 ? 256 : writer->capacity;
        while (capacity < writer->length + bytes)
            capacity *= 2;
        writer->data = mem_realloc(writer->data, capacity);
        writer->capacity = capacity;
    }
    uint8_t *place = writer->data + writer->length;
    writer->length += bytes;
    return place;
}

void cm_write_u8(struct cm_writer *writer, uint8_t value)
{
    *writer_extend(writer, 1) = value;
}

void cm_write_u16(struct cm_writer *writer, uint16_t value)
{
    uint8_t *place = writer_extend(writer, 2);
    place[0] = (uint8_t)(value >> 8);
    place[1] = (uint8_t)value;
}

void cm_write_u32(struct cm_writer *writer, uint32_t value)
{
    bytes_put_u32(writer_extend(writer, 4), value);
}

void cm_write_u64(struct cm_writer *writer, uint64_t value)
{
    bytes_put_u64(writer_extend(writer, 8), value);
}

void cm_write_uuid(struct cm_writer *writer, const struct uuid *value)
{
    memcpy(writer_extend(writer, sizeof value->bytes), value->bytes, sizeof value->bytes);
}

void cm_write_bytes(struct cm_writer *writer, struct slice value)
{
    PRE(value.length <= UINT16_MAX);
    cm_write_u16(writer, (uint16_t)value.length);
    if (value.length > 0)
        memcpy(writer_extend(writer, value.length), value.data, value.length);
}

void cm_write_long_bytes(struct cm_writer *writer, struct slice value)
{
    PRE(value.length <= UINT32_MAX);
    cm_write_u32(writer, (uint32_t)value.length);
    if (value.length > 0)
        memcpy(writer_extend(writer, value.length), value.data, value.length);
}

void cm_patch_u32(struct cm_writer *writer, size_t offset, uint32_t value)
{
    PRE(offset + 4 <= writer->length);
    bytes_put_u32(writer->data + offset, value);
}

void cm_reader_init(struct cm_reader *reader, struct slice bytes)
{
    *reader = (struct cm_reader){.rest = bytes};
}

/* The next bytes, or NULL with the reader failed. */
static const uint8_t *reader_advance(struct cm_reader *reader, size_t bytes)
{
    if (reader->failed || reader->rest.length < bytes) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *place = reader->rest.data;
    reader->rest = slice_of(place + bytes, reader->rest.length - bytes);
    return place;
}

uint8_t cm_read_u8(struct cm_reader *reader)
{
    const uint8_t *place = reader_advance(reader, 1);
    return place == NULL ? 0 : *place;
}

uint16_t cm_read_u16(struct cm_reader *reader)
{
    const uint8_t *place = reader_advance(reader, 2);
    if (place == NULL)
        return 0;
    return (uint16_t)((unsigned)place[0] << 8 | place[1]);
}

uint32_t cm_read_u32(struct cm_reader *reader)
{
    const uint8_t *place = reader_advance(reader, 4);
    return place == NULL ? 0 : bytes_get_u32(place);
}

uint64_t cm_read_u64(struct cm_reader *reader)
{
    const uint8_t *place = reader_advance(reader, 8);
    return place == NULL ? 0 : bytes_get_u64(place);
}

bool cm_read_bool(struct cm_reader *reader)
{
    uint8_t value = cm_read_u8(reader);
    if (value > 1)
        reader->failed = true;
    return value == 1;
}

struct uuid cm_read_uuid(struct cm_reader *reader)
{
    struct uuid value = {0};
    const uint8_t *place = reader_advance(reader, sizeof value.bytes);
    if (place != NULL)
        memcpy(value.bytes, place, sizeof value.bytes);
    return value;
}

static struct slice read_counted(struct cm_reader *reader, size_t length, size_t bytes_max)
{
    if (length > bytes_max)
        reader->failed = true;
    const uint8_t *place = reader_advance(reader, length);
    return place == NULL ? slice_of(NULL, 0) : slice_of(place, length);
}

struct slice cm_read_bytes(struct cm_reader *reader, size_t bytes_max)
{
    size_t length = cm_read_u16(reader);
    return read_counted(reader, length, bytes_max);
}

struct slice cm_read_long_bytes(struct cm_reader *reader, size_t bytes_max)
{
    size_t length = cm_read_u32(reader);
    return read_counted(reader, length, bytes_max);
}

uint32_t cm_read_count(struct cm_reader *reader, uint32_t count_max, size_t bytes_each)
{
    uint32_t count = cm_read_u32(reader);
    if (count > count_max || count > reader->rest.length / (bytes_each == 0 ? 1 : bytes_each))
        reader->failed = true;
    return reader->failed ? 0 : count;
}

struct cm_reader cm_read_part(struct cm_reader *reader, size_t length)
{
    const uint8_t *place = reader_advance(reader, length);
    return (struct cm_reader){.rest = slice_of(place, place == NULL ? 0 : length),
                              .failed = place == NULL};
}

bool cm_reader_is_done(const struct cm_reader *reader)
{
    return !reader->failed && reader->rest.length == 0;
}
