/* Compact, bounded encoding of commands and snapshots: big-endian integers, counted bytes.
 *
 * The writer grows; the reader never reads past its end: the first short or oversized field makes
 * it fail for good and every later read returns zero, so a decoder checks once at its end. Used by
 * command.c and snapshot.c only; the network has its own codec. */
#ifndef CATENA_CONFIG_MASTER_CORE_CODEC_H
#define CATENA_CONFIG_MASTER_CORE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/uuid.h"

struct buf;

struct cm_writer {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

void cm_writer_init(struct cm_writer *writer);
void cm_writer_release(struct cm_writer *writer);
/* Hands over what was written as a buffer (one reference, the caller's); the writer is empty after.
 */
struct buf *cm_writer_take(struct cm_writer *writer);
void cm_write_u8(struct cm_writer *writer, uint8_t value);
void cm_write_u16(struct cm_writer *writer, uint16_t value);
void cm_write_u32(struct cm_writer *writer, uint32_t value);
void cm_write_u64(struct cm_writer *writer, uint64_t value);
void cm_write_uuid(struct cm_writer *writer, const struct uuid *value);
/* u16 length, then the bytes: length <= 65,535. */
void cm_write_bytes(struct cm_writer *writer, struct slice value);
/* The same with a u32 length. */
void cm_write_long_bytes(struct cm_writer *writer, struct slice value);
/* Overwrites four bytes written earlier (a length known only now). */
void cm_patch_u32(struct cm_writer *writer, size_t offset, uint32_t value);

struct cm_reader {
    struct slice rest;
    bool failed;
};

void cm_reader_init(struct cm_reader *reader, struct slice bytes);
uint8_t cm_read_u8(struct cm_reader *reader);
uint16_t cm_read_u16(struct cm_reader *reader);
uint32_t cm_read_u32(struct cm_reader *reader);
uint64_t cm_read_u64(struct cm_reader *reader);
bool cm_read_bool(struct cm_reader *reader);
struct uuid cm_read_uuid(struct cm_reader *reader);
/* Fails when longer than bytes_max. Points into the reader's bytes. */
struct slice cm_read_bytes(struct cm_reader *reader, size_t bytes_max);
struct slice cm_read_long_bytes(struct cm_reader *reader, size_t bytes_max);
/* A count that fails above count_max, or when count * bytes_each cannot be there. */
uint32_t cm_read_count(struct cm_reader *reader, uint32_t count_max, size_t bytes_each);
/* The next `length` bytes as a reader of their own; failed when they are not there. */
struct cm_reader cm_read_part(struct cm_reader *reader, size_t length);
/* True when nothing failed and nothing is left. */
bool cm_reader_is_done(const struct cm_reader *reader);

#endif
