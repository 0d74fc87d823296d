/* What the fuzz targets share: bytes in, decisions out.
 *
 * A target defines LLVMFuzzerTestOneInput(). libFuzzer calls it, or main.c does: replay of a corpus
 * and a random driver of its own, for compilers that have no libFuzzer.
 *
 * Two kinds of targets. A *decoder* target hands the bytes to what reads them. A *step* target is
 * an interpreter: each byte chooses an event or a field of one, from small domains, so that
 * messages hit the epochs, chains and requests that exist; the driver contract of the core is kept,
 * what peers send is not restrained. Whatever the bytes, the program must not stop. */
#ifndef CATENA_TESTS_FUZZ_FUZZ_H
#define CATENA_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/contract.h"
#include "base/text.h"
#include "base/trace.h"
#include "wire/messages.h"

/* libFuzzer's entry. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- bytes as decisions; zeros once they are used up ---- */
struct fuzz_input {
    const uint8_t *data;
    size_t length;
};

static inline struct fuzz_input fuzz_input_of(const uint8_t *data, size_t length)
{
    return (struct fuzz_input){.data = data, .length = length};
}

uint8_t fuzz_u8(struct fuzz_input *input);
uint64_t fuzz_u64(struct fuzz_input *input);
/* In [0, bound), bound > 0, at most 256: one byte. */
uint32_t fuzz_below(struct fuzz_input *input, uint32_t bound);
/* At most `length` of the bytes that are left. */
struct slice fuzz_bytes(struct fuzz_input *input, size_t length);
/* A number of that many bits: mostly small, sometimes an edge, sometimes anything. */
uint64_t fuzz_number(struct fuzz_input *input, unsigned bits);
/* A time to let pass, up to some seconds. */
uint64_t fuzz_delay_us(struct fuzz_input *input);

/* ---- messages ---- */

enum { FUZZ_HINT_VALUES = 8, FUZZ_HINTS = 64 };

/* Values that mean something to the core just now, for fields of that name. */
struct fuzz_hint {
    const char *field;
    unsigned count;
    uint64_t numbers[FUZZ_HINT_VALUES];
    struct origin origins[FUZZ_HINT_VALUES];
    struct slice bytes[FUZZ_HINT_VALUES];
};

struct fuzz_domain {
    struct fuzz_hint hints[FUZZ_HINTS];
    unsigned count;
    struct uuid uuids[4];
    unsigned uuids_count;
};

/* Adds a value; the oldest goes when there are too many. `field` is a constant. */
void fuzz_hint_number(struct fuzz_domain *domain, const char *field, uint64_t value);
void fuzz_hint_origin(struct fuzz_domain *domain, const char *field, struct origin value);
/* The bytes outlive the domain. */
void fuzz_hint_bytes(struct fuzz_domain *domain, const char *field, struct slice value);
void fuzz_hint_forget(struct fuzz_domain *domain, const char *field);

/* A message of that type that any peer could send: every field within what the codec lets pass.
 * Owns its backing and perhaps a payload: release it. */
void fuzz_message(struct fuzz_input *input, const struct fuzz_domain *domain, enum wire_type type,
                  struct wire_message *ret_message);
/* Any type of the list. */
enum wire_type fuzz_type(struct fuzz_input *input);
/* Fills one struct of the lists, with memory from the backing. */
struct wire_schema;
void fuzz_struct(struct fuzz_input *input, const struct fuzz_domain *domain,
                 const struct wire_schema *schema, struct wire_backing *backing, void *base);

/* A sink that reads every trace line, so that what formats them runs. */
struct trace fuzz_trace(void);

#endif
