/* The ordered merge of the object rows of several chains, or of their multipart uploads, with
 * prefix and delimiter. All uploads of a key are in one chain, in the order of their ids. */
#include "base/bytes.h"
#include "chainnode/core/cn_internal.h"

enum {
    NAME_OFFSET = 12,    /* chain u32, bucket u64 */
    ITEM_BYTES = 96,     /* of one item's numbers in a message, at most */
    CHAIN_AT_BYTES = 16, /* of one (chain, epoch) */
    REPLY_BYTES = 1024,  /* of everything else */
};

struct source {
    uint32_t chain;
    struct kv_iterator *rows;
    struct slice name;
    struct slice value;
    struct cn_multi_key *upload; /* owned; LIST of uploads: which, and the bytes of its name */
};

struct merge {
    struct cn_core *core;
    const struct wire_list *list;
    struct source *heap; /* least name first */
    uint32_t count;
    size_t bytes_left;             /* of the reply */
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

static struct cn_key key_of_name(const struct merge *merge, uint32_t chain, struct slice name)
{
    return merge->list->uploads ? cn_key_multi_name(chain, merge->list->bucket, name)
                                : cn_key_object(chain, merge->list->bucket, name);
}

/* The next row of an upload: over the parts of the one before. */
static bool next_upload(struct merge *merge, struct source *source)
{
    struct cn_multi_key *upload = source->upload;
    struct slice key;
    while (merge->core->kv.ops->iterator_next(source->rows, &key, &source->value)) {
        if (!cn_multi_key_decode(key, upload)) {
            merge->err = ERR_CORRUPT;
            return false;
        }
        source->name = upload->name;
        if (upload->number == 0)
            return true;
        struct cn_key next = cn_key_part(source->chain, upload->bucket, upload->name, upload->high,
                                         upload->low, UINT32_MAX);
        merge->core->kv.ops->iterator_seek(source->rows, cn_key_slice(&next));
    }
    return false;
}

static bool next_object(struct merge *merge, struct source *source)
{
    struct slice key;
    if (!merge->core->kv.ops->iterator_next(source->rows, &key, &source->value))
        return false;
    source->name = slice_of(key.data + NAME_OFFSET, key.length - NAME_OFFSET);
    return true;
}

/* The source's next row; false at its end. */
static bool advance(struct merge *merge, struct source *source)
{
    if (merge->list->uploads ? next_upload(merge, source) : next_object(merge, source))
        return true;
    enum err err = merge->core->kv.ops->iterator_err(source->rows);
    if (err != ERR_OK)
        merge->err = err;
    return false;
}

static void close_source(struct merge *merge, struct source *source)
{
    merge->core->kv.ops->iterator_free(source->rows);
    mem_free(source->upload);
}

static void advance_top(struct merge *merge)
{
    struct source *top = &merge->heap[0];
    if (!advance(merge, top)) {
        close_source(merge, top);
        *top = merge->heap[--merge->count];
    }
    sift_down(merge, 0);
}

/* Jumps over a folded group in the top source. */
static void skip_top(struct merge *merge)
{
    struct source *top = &merge->heap[0];
    struct cn_key key = key_of_name(merge, top->chain, slice_of(merge->skip, merge->skip_length));
    merge->core->kv.ops->iterator_seek(top->rows, cn_key_slice(&key));
    advance_top(merge);
}

static bool is_after_id(const struct wire_list *list)
{
    return list->uploads && (list->after_high | list->after_low) != 0;
}

/* Where the rows begin: at the prefix or at what they are to follow. */
static struct cn_key first_key(const struct merge *merge, uint32_t chain)
{
    const struct wire_list *list = merge->list;
    if (slice_compare(list->start_after, list->prefix) <= 0)
        return key_of_name(merge, chain, list->prefix);
    if (is_after_id(list))
        return cn_key_part(chain, list->bucket, list->start_after, list->after_high,
                           list->after_low, UINT32_MAX);
    return key_of_name(merge, chain, list->start_after);
}

static void open_source(struct merge *merge, uint32_t chain)
{
    const struct wire_list *list = merge->list;
    uint8_t end[BOUND_KEY_BYTES];
    size_t end_length = after_prefix(list->prefix, end);
    struct cn_key first = first_key(merge, chain);
    struct cn_key last;
    if (end_length > 0)
        last = key_of_name(merge, chain, slice_of(end, end_length));
    else if (list->bucket != UINT64_MAX)
        last = cn_key_object(chain, list->bucket + 1, slice_of(NULL, 0));
    else
        last = cn_key_chain(chain + 1);
    struct source source = {.chain = chain};
    unsigned family = list->uploads ? CN_FAMILY_MULTI : CN_FAMILY_OBJECTS;
    source.rows = kv_iterate(&merge->core->kv, family, cn_key_slice(&first), cn_key_slice(&last));
    if (list->uploads)
        source.upload = mem_alloc(sizeof *source.upload);
    if (advance(merge, &source))
        merge->heap[merge->count++] = source;
    else
        close_source(merge, &source);
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

/* What the item tells of its row; names and metadata still point there. */
static bool read_row(const struct merge *merge, const struct source *source,
                     struct wire_list_item *item)
{
    *item = (struct wire_list_item){.key = source->name};
    if (merge->list->uploads) {
        struct cn_multi_row row;
        if (!cn_multi_row_decode(source->value, &row))
            return false;
        item->version = row.version;
        item->mtime_ms = row.mtime_ms;
        item->meta = row.meta;
        item->multi_high = source->upload->high;
        item->multi_low = source->upload->low;
        return true;
    }
    struct cn_object_row row;
    if (!cn_object_row_decode(source->value, &row))
        return false;
    item->size = row.size;
    item->version = row.version;
    item->mtime_ms = row.mtime_ms;
    item->checksum = row.checksum;
    item->part_count = row.part_count;
    if (merge->list->want_meta)
        item->meta = row.meta;
    return true;
}

/* Was the top source's row asked for? */
static bool is_wanted(const struct merge *merge, struct slice shown, bool is_group)
{
    const struct wire_list *list = merge->list;
    int order = slice_compare(shown, list->start_after);
    if (order != 0 || is_group || !is_after_id(list))
        return order > 0;
    const struct cn_multi_key *upload = merge->heap[0].upload;
    return upload->high != list->after_high ? upload->high > list->after_high
                                            : upload->low > list->after_low;
}

/* Takes the least name: an item, a group, or something to leave out. False: no room for one more,
 * by number or by bytes: a reply has to fit one message. */
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
    if (is_wanted(merge, shown, group > 0)) {
        struct wire_list_item item = {.key = shown};
        if (group == 0 && !read_row(merge, top, &item)) {
            merge->err = ERR_CORRUPT;
            return true;
        }
        size_t bytes = ITEM_BYTES + item.key.length + item.meta.length;
        if (*count == limit || (bytes > merge->bytes_left && *count > 0))
            return false;
        merge->bytes_left -= bytes < merge->bytes_left ? bytes : merge->bytes_left;
        item.key = cn_arena_keep(merge->core, item.key);
        item.meta = cn_arena_keep(merge->core, item.meta);
        items[(*count)++] = item;
    }
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
    size_t used = REPLY_BYTES + (size_t)list->chains_count * CHAIN_AT_BYTES;
    merge.bytes_left = used < BOUND_FRAME_HEADER_BYTES ? BOUND_FRAME_HEADER_BYTES - used : 0;
    for (uint32_t i = 0; i < list->chains_count; i++)
        open_source(&merge, list->chains[i].chain);
    for (uint32_t at = merge.count; at-- > 0;)
        sift_down(&merge, at);
    uint32_t count = 0;
    bool is_truncated = false;
    while (merge.count > 0 && merge.err == ERR_OK && !is_truncated)
        is_truncated = !take_top(&merge, items, limit, &count);
    while (merge.count > 0)
        close_source(&merge, &merge.heap[--merge.count]);
    mem_free(merge.heap);
    *ret_count = count;
    *ret_truncated = is_truncated;
    return merge.err;
}
