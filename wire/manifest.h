/* Lists of parts (D18): what a multipart upload is completed with, and what an assembled object
 * consists of.
 *
 * Choices are the payload of a PUT with WIRE_PUT_COMPLETE: number u32, version (epoch u64, lsn u64)
 * each; version {0, 0} takes the part as it is. A manifest is the payload of an OBJECT with
 * part_count > 0 and the value of its row: number u32, upload (high u64, low u64), chunk_count u32,
 * chunk_bytes u32, size u64, checksum u64, meta_length u8, meta. Everything is big endian; numbers
 * grow strictly from 1 to BOUND_PARTS. An empty part has no upload and no chunks. The checksum of
 * an assembled object is that of its manifest; the checksum in a COMPLETE is that of the choices.
 *
 * Both come from outside: checks refuse bytes after the end, numbers that do not grow, sizes that
 * contradict the chunks, and sums that overflow. What was encoded here passes them. */
#ifndef CATENA_WIRE_MANIFEST_H
#define CATENA_WIRE_MANIFEST_H

#include "base/slice.h"
#include "wire/messages.h"

enum {
    WIRE_CHOICE_BYTES = 20,
    WIRE_PART_FIXED_BYTES = 45, /* and the metadata */
    WIRE_PART_BYTES_MAX = WIRE_PART_FIXED_BYTES + (int)BOUND_PART_META_BYTES,
};

_Static_assert(BOUND_PARTS *WIRE_PART_BYTES_MAX <= BOUND_FRAME_PAYLOAD_BYTES,
               "the longest manifest fits one message");

struct wire_choice {
    uint32_t number;
    struct origin version;
};

/* `out` has WIRE_CHOICE_BYTES. */
void wire_choice_encode(const struct wire_choice *choice, uint8_t *out);
/* ERR_OK, or ERR_INVALID if these are not exactly `count` (1 to BOUND_PARTS) choices. */
enum err wire_choices_check(struct slice choices, uint32_t count);
/* The choice at `index` of choices that were checked. */
struct wire_choice wire_choice_at(struct slice choices, uint32_t index);

/* One part as an object names it. */
struct wire_part {
    uint32_t number;
    uint64_t upload_high; /* both zero: empty, no chunks */
    uint64_t upload_low;
    uint32_t chunk_count;
    uint32_t chunk_bytes; /* size of all chunks but the last */
    uint64_t size;
    uint64_t checksum; /* XXH3-64 of the part */
    struct slice meta; /* decoded: points into the manifest */
};

/* `out` has room for WIRE_PART_BYTES_MAX. Returns the bytes written. */
size_t wire_part_encode(const struct wire_part *part, uint8_t *out);

/* A walk over a manifest. */
struct wire_manifest {
    struct slice rest;
    uint32_t last; /* number */
    uint32_t count;
    uint64_t size; /* of the parts so far */
};

struct wire_manifest wire_manifest_of(struct slice bytes);
/* ERR_OK and the next part; ERR_NOT_FOUND after the last one; ERR_CORRUPT for nonsense. */
enum err wire_manifest_next(struct wire_manifest *manifest, struct wire_part *ret_part);
/* ERR_OK, or ERR_CORRUPT if these are not exactly `count` parts of `size` bytes together. */
enum err wire_manifest_check(struct slice bytes, uint32_t count, uint64_t size);

#endif
