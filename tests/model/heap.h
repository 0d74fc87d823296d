/* Heaps that can be saved and put back by copying their bytes: how a model goes back to a state.
 *
 * The cores allocate through malloc. This program is linked with --wrap=malloc and friends: while a
 * heap is entered, allocations come from that heap's region, which never moves, so pointers inside
 * stay good after heap_load(). A heap holds one part of the world (0: the network, clients and
 * master; n: node n with its disk); a transition saves only the parts that it enters. No pointer
 * leads from one node's heap into another's.
 *
 * Blocks of HEAP_LARGE_BYTES and more are scratch memory that a core empties before each use: only
 * their first bytes (the owner's header) are saved. */
#ifndef CATENA_TESTS_MODEL_HEAP_H
#define CATENA_TESTS_MODEL_HEAP_H

#include <stddef.h>
#include <stdint.h>

enum {
    HEAP_COUNT = 4,
    HEAP_BYTES = 1 << 18,
    HEAP_LARGE_BYTES = 8192,
    HEAP_LARGE_SLOTS = 8,
    HEAP_LARGE_SLOT_BYTES = 1 << 21,
    HEAP_LARGE_HEADER = 64,
    HEAP_NONE = HEAP_COUNT, /* the ordinary heap */
};

struct heap_image {
    uint8_t *bytes; /* owned */
    size_t capacity;
    size_t length;
};

void heaps_init(void);
/* Forgets everything that was allocated in any of them. */
void heaps_reset(void);
/* Allocations come from that heap from here on. Returns the one before. Calls the hook first. */
unsigned heap_enter(unsigned heap);
void heap_return(unsigned heap);
/* Called with each heap that is entered, before anything in it can change. */
void heap_on_enter(void (*hook)(unsigned heap));
void heap_save(unsigned heap, struct heap_image *image);
void heap_load(unsigned heap, const struct heap_image *image);
/* From now on blocks of that many bytes are scratch; HEAP_LARGE_BYTES to begin with. Raised while a
 * core allocates a large struct that has to be saved. */
void heap_set_large(size_t bytes);
/* Bytes that a save copies now. */
size_t heap_used(unsigned heap);

#endif
