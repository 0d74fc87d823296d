#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "tests/sim/work_multi.h"

enum { CHUNK_BYTES = 600, CHUNKS_MAX = 3, SMALL_BYTES_MIN = 16, SMALL_BYTES_MAX = 200 };

void multi_books_init(struct multi_books *books, struct world *world)
{
    *books = (struct multi_books){.world = world, .values_count = 1};
    for (uint32_t i = 0; i < MULTI_KEYS; i++)
        text_format(books->histories[i].name, sizeof books->histories[i].name, "m-%u", i);
}

void multi_books_release(struct multi_books *books)
{
    for (uint32_t i = 0; i < MULTI_KEYS; i++)
        history_release(&books->histories[i]);
    mem_free(books->uploads);
    mem_free(books->parts);
    mem_free(books->values);
    memset(books, 0, sizeof *books);
}

static void *grow(void *items, uint32_t *capacity, uint32_t count, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity == 0 ? 64 : 2 * *capacity;
    return mem_realloc(items, *capacity * size);
}

uint32_t multi_upload_new(struct multi_books *books, uint32_t key)
{
    books->uploads = grow(books->uploads, &books->uploads_capacity, books->uploads_count,
                          sizeof *books->uploads);
    books->uploads[books->uploads_count] =
        (struct multi_upload){.id = ++books->last_id, .key = key};
    return books->uploads_count++;
}

uint32_t multi_part_new(struct multi_books *books, uint64_t multi, uint32_t number, bool is_empty)
{
    books->parts =
        grow(books->parts, &books->parts_capacity, books->parts_count, sizeof *books->parts);
    books->parts[books->parts_count] = (struct multi_part){
        .multi = multi, .number = number, .chunks = is_empty ? 0 : ++books->last_id};
    return books->parts_count++;
}

uint32_t multi_value_new(struct multi_books *books, uint32_t key)
{
    books->values =
        grow(books->values, &books->values_capacity, books->values_count, sizeof *books->values);
    books->values[books->values_count] = (struct multi_value){.key = key};
    return books->values_count++;
}

/* ---- bytes ---- */

uint32_t multi_chunk_count(uint64_t chunks)
{
    return chunks == 0 ? 0 : 1 + (uint32_t)(chunks % CHUNKS_MAX);
}

uint64_t multi_chunk_bytes(uint64_t chunks, uint32_t index)
{
    bool is_last = index + 1 == multi_chunk_count(chunks);
    return is_last ? sizeof chunks + chunks % (CHUNK_BYTES - sizeof chunks) : CHUNK_BYTES;
}

struct buf *multi_chunk(uint64_t chunks, uint32_t index)
{
    struct buf *bytes = buf_new((size_t)multi_chunk_bytes(chunks, index));
    for (size_t i = 0; i < bytes->length; i++)
        bytes->data[i] = (uint8_t)(chunks * 13 + index * 5 + i);
    memcpy(bytes->data, &chunks, sizeof chunks);
    return bytes;
}

uint64_t multi_part_bytes(uint64_t chunks)
{
    uint32_t count = multi_chunk_count(chunks);
    return count == 0 ? 0
                      : (uint64_t)(count - 1) * CHUNK_BYTES + multi_chunk_bytes(chunks, count - 1);
}

struct buf *multi_part_of(uint64_t chunks)
{
    struct buf *bytes = buf_new((size_t)multi_part_bytes(chunks));
    size_t at = 0;
    for (uint32_t i = 0; i < multi_chunk_count(chunks); i++) {
        struct buf *chunk = multi_chunk(chunks, i);
        memcpy(bytes->data + at, chunk->data, chunk->length);
        at += chunk->length;
        buf_unref(chunk);
    }
    return bytes;
}

struct buf *multi_small(uint32_t value)
{
    struct buf *bytes = buf_new(SMALL_BYTES_MIN + value % (SMALL_BYTES_MAX - SMALL_BYTES_MIN));
    memset(bytes->data, (int)(value % 251), bytes->length);
    memcpy(bytes->data, &value, sizeof value);
    return bytes;
}

/* ---- values ---- */

uint64_t multi_content(uint32_t small_value, uint64_t multi)
{
    return multi != 0 ? multi << 32 : small_value;
}

void multi_note_version(struct multi_books *books, uint32_t number, struct origin version)
{
    struct multi_value *value = &books->values[number];
    if (!origin_is_none(value->version) && origin_compare(value->version, version) != 0)
        world_fail(books->world, "value %u of m-%u was seen as version %llu.%llu and %llu.%llu",
                   number, value->key, (unsigned long long)value->version.epoch,
                   (unsigned long long)value->version.lsn, (unsigned long long)version.epoch,
                   (unsigned long long)version.lsn);
    value->version = version;
    books->last_value[value->key] = number;
}

void multi_note_content(struct multi_books *books, uint32_t number, uint64_t content)
{
    struct multi_value *value = &books->values[number];
    if (value->content != 0 && content != 0 && value->content != content)
        world_fail(books->world, "value %u of m-%u holds the bytes of another", number, value->key);
    if (content != 0)
        value->content = content;
}

uint32_t multi_value_of_version(const struct multi_books *books, uint32_t key,
                                struct origin version)
{
    for (uint32_t i = books->values_count; i-- > 1;)
        if (books->values[i].key == key && origin_compare(books->values[i].version, version) == 0)
            return i;
    return LINEAR_ANY;
}

uint32_t multi_seen(struct multi_books *books, uint32_t key, struct slice meta,
                    struct origin version)
{
    uint32_t number = 0;
    if (meta.length == sizeof number)
        memcpy(&number, meta.data, sizeof number);
    if (number == 0 || number >= books->values_count || books->values[number].key != key) {
        world_fail(books->world, "m-%u holds something that nobody wrote", key);
        return LINEAR_ANY;
    }
    multi_note_version(books, number, version);
    return number;
}

/* Is this part what the upload's completion asked for, as far as that is known? */
static bool is_asked_for(const struct multi_books *books, uint64_t multi,
                         const struct multi_part *part)
{
    for (uint32_t i = 0; i < books->uploads_count; i++) {
        struct origin asked = books->uploads[i].asked[part->number];
        if (books->uploads[i].id == multi && !origin_is_none(asked))
            return origin_compare(asked, part->version) == 0;
    }
    return true;
}

void multi_judge_manifest(struct multi_books *books, uint64_t multi, struct slice bytes)
{
    struct wire_manifest manifest = wire_manifest_of(bytes);
    struct wire_part part;
    while (wire_manifest_next(&manifest, &part) == ERR_OK) {
        bool is_known = false;
        for (uint32_t i = 0; i < books->parts_count && !is_known; i++)
            is_known = books->parts[i].multi == multi && books->parts[i].number == part.number &&
                       books->parts[i].chunks == part.upload_low &&
                       is_asked_for(books, multi, &books->parts[i]);
        if (!is_known || part.size != multi_part_bytes(part.upload_low))
            world_fail(books->world,
                       "upload %llu was completed with a part %u that is not what was chosen",
                       (unsigned long long)multi, part.number);
    }
}

/* ---- uploads ---- */

void multi_note_end(struct multi_books *books, uint32_t number, const char *how)
{
    struct multi_upload *upload = &books->uploads[number];
    if (upload->ended != 0)
        world_fail(books->world, "upload %llu was %s after it had ended",
                   (unsigned long long)upload->id, how);
    upload->ended = ++books->stamp;
}

void multi_judge_gone(struct multi_books *books, uint32_t number, uint64_t called)
{
    const struct multi_upload *upload = &books->uploads[number];
    if (upload->opened != 0 && upload->opened < called && upload->end_called == 0)
        world_fail(books->world, "upload %llu is open, and gone", (unsigned long long)upload->id);
}

/* What was acknowledged before the call is there, in that version or a later one. */
void multi_judge_parts(struct multi_books *books, uint32_t number, uint64_t called,
                       const struct wire_part_item *items, uint32_t count)
{
    const struct multi_upload *upload = &books->uploads[number];
    if (upload->ended != 0 && upload->ended < called)
        world_fail(books->world, "upload %llu has ended and is listed",
                   (unsigned long long)upload->id);
    for (uint32_t i = 0; i < books->parts_count && upload->end_called == 0; i++) {
        const struct multi_part *part = &books->parts[i];
        if (part->multi != upload->id || part->acknowledged == 0 || part->acknowledged > called)
            continue;
        bool is_there = false;
        for (uint32_t k = 0; k < count && !is_there; k++)
            is_there = items[k].number == part->number &&
                       origin_compare(items[k].version, part->version) >= 0;
        if (!is_there)
            world_fail(books->world, "part %u of upload %llu is not listed", part->number,
                       (unsigned long long)upload->id);
    }
}

void multi_judge_uploads(struct multi_books *books, uint64_t called,
                         const struct wire_list_item *items, uint32_t count)
{
    for (uint32_t i = 0; i < books->uploads_count; i++) {
        const struct multi_upload *upload = &books->uploads[i];
        uint32_t seen = 0;
        for (uint32_t k = 0; k < count; k++)
            seen += items[k].multi_low == upload->id ? 1u : 0u;
        bool must_be_there =
            upload->opened != 0 && upload->opened < called && upload->end_called == 0;
        bool must_be_gone = upload->ended != 0 && upload->ended < called;
        if (seen > 1 || (seen == 0 && must_be_there) || (seen == 1 && must_be_gone))
            world_fail(books->world, "upload %llu is listed %u times",
                       (unsigned long long)upload->id, seen);
    }
}

static struct origin version_of(const void *context, uint32_t value)
{
    return ((const struct multi_books *)context)->values[value].version;
}

void multi_judge_histories(struct multi_books *books)
{
    for (uint32_t i = 0; i < MULTI_KEYS && !books->world->failed; i++)
        history_check(books->world, &books->histories[i], version_of, books);
}
