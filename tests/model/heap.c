#include "tests/model/heap.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/contract.h"

enum {
    ALIGNMENT = 16,
    CLASSES_MAX = 4096, /* blocks up to 64 KiB are kept by size */
    FREE_NONE = 0,
    SPAN_BYTES = HEAP_BYTES + HEAP_LARGE_SLOTS * HEAP_LARGE_SLOT_BYTES,
};

/* Before each block. */
struct block {
    uint32_t bytes;     /* usable, a multiple of ALIGNMENT; of a large block: its slot's */
    uint32_t next_free; /* offset of the next free block of this size */
    uint64_t unused;
};

/* At the start of each heap, so that it is saved with it. */
struct header {
    uint32_t top;
    uint32_t large_used;           /* one bit per slot */
    uint32_t classes[CLASSES_MAX]; /* first free block of each size */
};

void *__real_malloc(size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void __real_free(void *memory);
void *__wrap_malloc(size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void __wrap_free(void *memory);

static uint8_t *spans;
static unsigned current = HEAP_NONE;
static size_t large_bytes = HEAP_LARGE_BYTES;
static void (*enter_hook)(unsigned heap);

static uint8_t *span(unsigned heap)
{
    return spans + (size_t)heap * SPAN_BYTES;
}

static struct header *header_of(unsigned heap)
{
    return (struct header *)(void *)span(heap);
}

static uint32_t first_block(void)
{
    return (uint32_t)((sizeof(struct header) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

void heaps_init(void)
{
    size_t bytes = (size_t)HEAP_COUNT * SPAN_BYTES;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    INVARIANT(memory != MAP_FAILED);
    spans = memory;
    heaps_reset();
}

void heaps_reset(void)
{
    current = HEAP_NONE;
    for (unsigned heap = 0; heap < HEAP_COUNT; heap++) {
        memset(header_of(heap), 0, sizeof(struct header));
        header_of(heap)->top = first_block();
    }
}

unsigned heap_enter(unsigned heap)
{
    unsigned before = current;
    if (heap != HEAP_NONE && enter_hook != NULL) {
        current = HEAP_NONE;
        enter_hook(heap);
    }
    current = heap;
    return before;
}

void heap_return(unsigned heap)
{
    current = heap;
}

void heap_on_enter(void (*hook)(unsigned heap))
{
    enter_hook = hook;
}

void heap_set_large(size_t bytes)
{
    PRE(bytes < (size_t)CLASSES_MAX * ALIGNMENT);
    large_bytes = bytes;
}

size_t heap_used(unsigned heap)
{
    return header_of(heap)->top;
}

static uint8_t *large_slot(unsigned heap, unsigned slot)
{
    return span(heap) + HEAP_BYTES + (size_t)slot * HEAP_LARGE_SLOT_BYTES;
}

void heap_save(unsigned heap, struct heap_image *image)
{
    const struct header *header = header_of(heap);
    size_t length = header->top + (size_t)HEAP_LARGE_SLOTS * HEAP_LARGE_HEADER;
    if (length > image->capacity) {
        image->capacity = length + length / 4;
        image->bytes = __real_realloc(image->bytes, image->capacity);
        INVARIANT(image->bytes != NULL);
    }
    memcpy(image->bytes, span(heap), header->top);
    image->length = header->top;
    for (unsigned slot = 0; slot < HEAP_LARGE_SLOTS; slot++)
        if ((header->large_used >> slot & 1u) != 0)
            memcpy(image->bytes + header->top + (size_t)slot * HEAP_LARGE_HEADER,
                   large_slot(heap, slot), HEAP_LARGE_HEADER);
}

void heap_load(unsigned heap, const struct heap_image *image)
{
    memcpy(span(heap), image->bytes, image->length);
    uint32_t used = header_of(heap)->large_used;
    for (unsigned slot = 0; slot < HEAP_LARGE_SLOTS; slot++)
        if ((used >> slot & 1u) != 0)
            memcpy(large_slot(heap, slot),
                   image->bytes + image->length + (size_t)slot * HEAP_LARGE_HEADER,
                   HEAP_LARGE_HEADER);
}

/* ---- allocation ---- */

static void *allocate_large(unsigned heap, size_t bytes)
{
    struct header *header = header_of(heap);
    unsigned slot = 0;
    while (slot < HEAP_LARGE_SLOTS && (header->large_used >> slot & 1u) != 0)
        slot++;
    INVARIANT(slot < HEAP_LARGE_SLOTS && bytes + sizeof(struct block) <= HEAP_LARGE_SLOT_BYTES);
    header->large_used |= 1u << slot;
    struct block *block = (struct block *)(void *)large_slot(heap, slot);
    block->bytes = (uint32_t)(HEAP_LARGE_SLOT_BYTES - sizeof(struct block));
    return block + 1;
}

static void *allocate(unsigned heap, size_t bytes)
{
    if (bytes >= large_bytes)
        return allocate_large(heap, bytes);
    struct header *header = header_of(heap);
    uint32_t size = (uint32_t)((bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    size = size == 0 ? ALIGNMENT : size;
    uint32_t *list = &header->classes[size / ALIGNMENT];
    struct block *block;
    if (*list != FREE_NONE) {
        block = (struct block *)(void *)(span(heap) + *list);
        *list = block->next_free;
    } else {
        INVARIANT(header->top + sizeof(struct block) + size <= HEAP_BYTES);
        block = (struct block *)(void *)(span(heap) + header->top);
        header->top += (uint32_t)sizeof(struct block) + size;
        block->bytes = size;
    }
    return block + 1;
}

/* The heap of a block, or HEAP_NONE. */
static unsigned heap_of(const void *memory)
{
    uintptr_t at = (uintptr_t)memory;
    uintptr_t from = (uintptr_t)spans;
    if (spans == NULL || at < from || at >= from + (uintptr_t)HEAP_COUNT * SPAN_BYTES)
        return HEAP_NONE;
    return (unsigned)((at - from) / SPAN_BYTES);
}

static void release(unsigned heap, void *memory)
{
    struct header *header = header_of(heap);
    struct block *block = (struct block *)memory - 1;
    size_t offset = (size_t)((uint8_t *)block - span(heap));
    if (offset >= HEAP_BYTES) {
        header->large_used &= ~(1u << (offset - HEAP_BYTES) / HEAP_LARGE_SLOT_BYTES);
        return;
    }
    uint32_t *list = &header->classes[block->bytes / ALIGNMENT];
    block->next_free = *list;
    *list = (uint32_t)offset;
}

void *__wrap_malloc(size_t bytes)
{
    return current == HEAP_NONE ? __real_malloc(bytes) : allocate(current, bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    if (current == HEAP_NONE)
        return __real_calloc(count, bytes);
    void *memory = allocate(current, count * bytes);
    memset(memory, 0, count * bytes);
    return memory;
}

void *__wrap_realloc(void *old, size_t bytes)
{
    unsigned heap = heap_of(old);
    if (heap == HEAP_NONE && (current == HEAP_NONE || old != NULL))
        return __real_realloc(old, bytes);
    size_t had = old == NULL ? 0 : ((struct block *)old - 1)->bytes;
    if (old != NULL && bytes <= had)
        return old;
    void *memory = allocate(heap == HEAP_NONE ? current : heap, bytes);
    if (old != NULL) {
        memcpy(memory, old, had);
        release(heap, old);
    }
    return memory;
}

void __wrap_free(void *memory)
{
    unsigned heap = heap_of(memory);
    if (heap == HEAP_NONE)
        __real_free(memory);
    else
        release(heap, memory);
}
