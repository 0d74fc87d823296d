/* The ordered merge of the object rows of several chains, with prefix and delimiter. */
#include "base/bytes.h"
#include "chainnode/core/cn_internal.h"

enum { NAME_OFFSET = 12 }; /* chain u32, bucket u64 */

struct source {
    uint32_t chain;
    struct kv_iterator *rows;
    struct slice name;
    struct slice value;
};

struct merge {
    struct cn_core *core;
    const struct wire_list *list;
    struct source *heap; /* least name first */
    uint32_t count;
    uint8_t skip[BOUND_KEY_BYTES]; /* names below are folded already */
    size_t skip_length;
    enum err err;
};

/* The least bytes above everything that starts with `prefix`; 0 = there are none. */
static size_t after_prefix(struct slice prefix, uint8_t *out)
{
    size_t length = prefix.length;
    if (length > 0)
        memcpy(out, prefix.data, length);
    while (length > 0 && out[length - 1] == 0xff)
        length--;
    if (length > 0)
        out[length - 1]++;
    return length;
}

static void sift_down(struct merge *merge, uint32_t at)
{
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < merge->count; child++)
            if (slice_compare(merge->heap[child].name, merge->heap[least].name) < 0)
                least = child;
        if (least == at)
            return;
        struct source other = merge->heap[at];
        merge->heap[at] = merge->heap[least];
        merge->heap[least] = other;
        at = least;
    }
}

/* The source's next row; false at its end. */
static bool advance(struct merge *merge, struct source *source)
{
    struct slice key;
    if (merge->core->kv.ops->iterator_next(source->rows, &key, &source->value)) {
        source->name = slice_of(key.data + NAME_OFFSET, key.length - NAME_OFFSET);
        return true;
    }
    enum err err = merge->core->kv.ops->iterator_err(source->rows);
    if (err != ERR_OK)
        merge->err = err;
    return false;
}

static void advance_top(struct merge *merge)
{
    struct source *top = &merge->heap[0];
    if (!advance(merge, top)) {
        merge->core->kv.ops->iterator_free(top->rows);
        *top = merge->heap[--merge->count];
    }
    sift_down(merge, 0);
}

/* Jumps over a folded group in the top source. */
static void skip_top(struct merge *merge)
{
    struct source *top = &merge->heap[0];
    struct cn_key key =
        cn_key_object(top->chain, merge->list->bucket, slice_of(merge->skip, merge->skip_length));
    merge->core->kv.ops->iterator_seek(top->rows, cn_key_slice(&key));
    advance_top(merge);
}

static void open_source(struct merge *merge, uint32_t chain)
{
    const struct wire_list *list = merge->list;
    struct slice from = list->prefix;
    if (slice_compare(list->start_after, from) > 0)
        from = list->start_after;
    uint8_t end[BOUND_KEY_BYTES];
    size_t end_length = after_prefix(list->prefix, end);
    struct cn_key first = cn_key_object(chain, list->bucket, from);
    struct cn_key last;
    if (end_length > 0)
        last = cn_key_object(chain, list->bucket, slice_of(end, end_length));
    else if (list->bucket != UINT64_MAX)
        last = cn_key_object(chain, list->bucket + 1, slice_of(NULL, 0));
    else
        last = cn_key_chain(chain + 1);
    struct source source = {.chain = chain};
    source.rows =
        kv_iterate(&merge->core->kv, CN_FAMILY_OBJECTS, cn_key_slice(&first), cn_key_slice(&last));
    if (advance(merge, &source))
        merge->heap[merge->count++] = source;
    else
        merge->core->kv.ops->iterator_free(source.rows);
}

/* The length of the group that a name is folded into, or 0. */
static size_t group_length(const struct wire_list *list, struct slice name)
{
    if (list->delimiter.length == 0)
        return 0;
    for (size_t at = list->prefix.length; at + list->delimiter.length <= name.length; at++)
        if (memcmp(name.data + at, list->delimiter.data, list->delimiter.length) == 0)
            return at + list->delimiter.length;
    return 0;
}

static struct slice keep(struct cn_core *core, struct slice bytes)
{
    uint8_t *copy = cn_arena_alloc(core, bytes.length);
    memcpy(copy, bytes.data, bytes.length);
    return slice_of(copy, bytes.length);
}

static bool fill_item(struct cn_core *core, const struct source *source,
                      struct wire_list_item *item)
{
    struct cn_object_row row;
    if (!cn_object_row_decode(source->value, &row))
        return false;
    *item = (struct wire_list_item){
        .key = keep(core, source->name),
        .size = row.size,
        .version = row.version,
        .mtime_ms = row.mtime_ms,
        .checksum = row.checksum,
    };
    return true;
}

/* Takes the least name: an item, a group, or something to leave out. False: no room for one more.
 */
static bool take_top(struct merge *merge, struct wire_list_item *items, uint32_t limit,
                     uint32_t *count)
{
    const struct source *top = &merge->heap[0];
    if (slice_compare(top->name, slice_of(merge->skip, merge->skip_length)) < 0) {
        skip_top(merge);
        return true;
    }
    size_t group = group_length(merge->list, top->name);
    struct slice shown = group > 0 ? slice_of(top->name.data, group) : top->name;
    bool is_wanted = slice_compare(shown, merge->list->start_after) > 0;
    if (is_wanted && *count == limit)
        return false;
    if (is_wanted && group > 0)
        items[(*count)++] = (struct wire_list_item){.key = keep(merge->core, shown)};
    else if (is_wanted && !fill_item(merge->core, top, &items[(*count)++]))
        merge->err = ERR_CORRUPT;
    if (group > 0)
        merge->skip_length = after_prefix(shown, merge->skip);
    if (group > 0 && merge->skip_length > 0)
        skip_top(merge);
    else
        advance_top(merge);
    return true;
}

enum err cn_list_scan(struct cn_core *core, const struct wire_list *list,
                      struct wire_list_item *items, uint32_t limit, uint32_t *ret_count,
                      bool *ret_truncated)
{
    struct merge merge = {.core = core, .list = list, .err = ERR_OK};
    merge.heap = mem_calloc(list->chains_count, sizeof *merge.heap);
    for (uint32_t i = 0; i < list->chains_count; i++)
        open_source(&merge, list->chains[i].chain);
    for (uint32_t at = merge.count; at-- > 0;)
        sift_down(&merge, at);
    uint32_t count = 0;
    bool is_truncated = false;
    while (merge.count > 0 && merge.err == ERR_OK && !is_truncated)
        is_truncated = !take_top(&merge, items, limit, &count);
    while (merge.count > 0)
        core->kv.ops->iterator_free(merge.heap[--merge.count].rows);
    mem_free(merge.heap);
    *ret_count = count;
    *ret_truncated = is_truncated;
    return merge.err;
}
