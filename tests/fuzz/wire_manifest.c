/* Lists of parts: choices and manifests, as they come and as they are made. What passes is walked
 * and written again, and is the same. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/manifest.h"

static void check_choices(struct slice bytes)
{
    uint32_t count = (uint32_t)(bytes.length / WIRE_CHOICE_BYTES);
    if (wire_choices_check(bytes, count) != ERR_OK)
        return;
    uint32_t last = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t again[WIRE_CHOICE_BYTES];
        struct wire_choice choice = wire_choice_at(bytes, i);
        PRE(choice.number > last && choice.number <= BOUND_PARTS);
        wire_choice_encode(&choice, again);
        PRE(memcmp(again, bytes.data + (size_t)i * WIRE_CHOICE_BYTES, sizeof again) == 0);
        last = choice.number;
    }
}

static void check_manifest(struct slice bytes)
{
    struct wire_manifest manifest = wire_manifest_of(bytes);
    struct wire_part part;
    enum err err;
    uint64_t size = 0;
    size_t used = 0;
    while ((err = wire_manifest_next(&manifest, &part)) == ERR_OK) {
        uint8_t again[WIRE_PART_BYTES_MAX];
        size_t length = wire_part_encode(&part, again);
        PRE(used + length <= bytes.length && memcmp(again, bytes.data + used, length) == 0);
        PRE(part.size <= (uint64_t)part.chunk_count * part.chunk_bytes);
        used += length;
        size += part.size;
    }
    PRE(err == ERR_NOT_FOUND || err == ERR_CORRUPT);
    PRE((err == ERR_NOT_FOUND) == (used == bytes.length));
    bool is_good = wire_manifest_check(bytes, manifest.count, size) == ERR_OK;
    PRE(is_good == (err == ERR_NOT_FOUND && manifest.count > 0));
    PRE(wire_manifest_check(bytes, manifest.count + 1, size) != ERR_OK);
    PRE(wire_manifest_check(bytes, manifest.count, size + 1) != ERR_OK);
}

/* Bytes alone rarely make two sound parts: this writes some from decisions, then spoils one byte.
 */
static void check_made(struct fuzz_input *input)
{
    uint8_t bytes[8 * WIRE_PART_BYTES_MAX];
    size_t length = 0;
    uint32_t number = 0;
    uint32_t count = fuzz_below(input, 8);
    for (uint32_t i = 0; i < count; i++) {
        number += fuzz_below(input, 8) + (fuzz_below(input, 8) == 0 ? 2000 : 0);
        struct wire_part part = {
            .number = number,
            .upload_low = fuzz_below(input, 3),
            .chunk_count = (uint32_t)fuzz_number(input, 32),
            .chunk_bytes = (uint32_t)fuzz_number(input, 32),
            .size = fuzz_number(input, 64),
            .checksum = fuzz_u8(input),
        };
        if (fuzz_below(input, 4) != 0) {
            part.chunk_bytes = 1 + fuzz_below(input, 200);
            part.size = 1 + fuzz_below(input, 256) * fuzz_below(input, 256);
            part.chunk_count = (uint32_t)((part.size - 1) / part.chunk_bytes + 1);
        }
        part.meta = fuzz_bytes(input, fuzz_below(input, BOUND_PART_META_BYTES + 1));
        length += wire_part_encode(&part, bytes + length);
    }
    check_manifest(slice_of(bytes, length));
    if (length > 0) {
        bytes[fuzz_number(input, 16) % length] ^= (uint8_t)(1 + fuzz_below(input, 255));
        check_manifest(slice_of(bytes, length - fuzz_below(input, 2)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    uint32_t what = fuzz_below(&input, 3);
    if (what == 0)
        check_choices(slice_of(input.data, input.length));
    else if (what == 1)
        check_manifest(slice_of(input.data, input.length));
    else
        check_made(&input);
    return 0;
}
