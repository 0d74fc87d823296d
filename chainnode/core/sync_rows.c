/* What a copy consists of: ranges of raw rows, packed (R21, R25). */
#include "base/bytes.h"
#include "base/text.h"
#include "chainnode/core/cn_internal.h"

/* The order matters. Chunks come last: an update that the joiner applies meanwhile finds the object
 * or the part that it replaces already there, so it knows which chunks to purge. */
unsigned cn_sync_family(unsigned step)
{
    static const unsigned order[] = {CN_FAMILY_OBJECTS,  CN_FAMILY_MULTI,  CN_FAMILY_UPLOADS,
                                     CN_FAMILY_SESSIONS, CN_FAMILY_TOKENS, CN_FAMILY_PURGE,
                                     CN_FAMILY_CHUNKS};
    return step < ARRAY_COUNT(order) ? order[step] : CN_FAMILY_COUNT;
}

static bool does_fit(size_t used, struct slice key, struct slice value)
{
    size_t need = 8 + key.length + value.length;
    return used == 0 ? need <= BOUND_FRAME_PAYLOAD_BYTES : used + need <= CN_SYNC_RANGE_BYTES;
}

enum err cn_sync_pack(struct cn_core *core, unsigned family, struct slice from, struct slice to,
                      struct buf **ret_rows, struct cn_key *ret_next)
{
    struct kv_iterator *rows = kv_iterate(&core->kv, family, from, to);
    struct buf *packed = buf_new(BOUND_FRAME_PAYLOAD_BYTES);
    size_t used = 0;
    struct slice key;
    struct slice value;
    enum err err = ERR_OK;
    ret_next->length = 0;
    bool is_damaged = false;
    bool is_left_out = (PLANTED(R11_SESSIONS_NOT_COPIED) && family == CN_FAMILY_SESSIONS) ||
                       (PLANTED(R12_CHUNKS_NOT_COPIED) && family == CN_FAMILY_CHUNKS) ||
                       (PLANTED(D18_NOT_COPIED) && family == CN_FAMILY_MULTI) ||
                       (PLANTED(D19_NOT_COPIED) && family == CN_FAMILY_TOKENS);
    while (!is_left_out && core->kv.ops->iterator_next(rows, &key, &value)) {
        if (key.length > CN_KEY_BYTES_MAX ||
            8 + key.length + value.length > BOUND_FRAME_PAYLOAD_BYTES) {
            err = ERR_CORRUPT;
            break;
        }
        if (!does_fit(used, key, value)) {
            memcpy(ret_next->bytes, key.data, key.length);
            ret_next->length = key.length;
            break;
        }
        bytes_put_u32(packed->data + used, (uint32_t)key.length);
        bytes_put_u32(packed->data + used + 4, (uint32_t)value.length);
        memcpy(packed->data + used + 8, key.data, key.length);
        if (value.length > 0)
            memcpy(packed->data + used + 8 + key.length, value.data, value.length);
        used += 8 + key.length + value.length;
    }
    /* A range may end before a row that cannot be read, never go over it. */
    if (err == ERR_OK && ret_next->length == 0)
        is_damaged = kv_iterator_pass_damaged(&core->kv, rows, &key);
    if (is_damaged && key.length <= CN_KEY_BYTES_MAX) {
        memcpy(ret_next->bytes, key.data, key.length);
        ret_next->length = key.length;
    }
    if (is_damaged && (used == 0 || ret_next->length == 0))
        err = ERR_CORRUPT;
    if (err == ERR_OK)
        err = core->kv.ops->iterator_err(rows);
    core->kv.ops->iterator_free(rows);
    if (err != ERR_OK) {
        buf_unref(packed);
        return err;
    }
    *ret_rows = buf_copy(slice_of(packed->data, used)); /* the window keeps only what is used */
    buf_unref(packed);
    return ERR_OK;
}

bool cn_sync_next(struct cn_sync_cursor *cursor, struct slice *ret_key, struct slice *ret_value)
{
    struct slice rest = cursor->rest;
    if (rest.length < 8)
        return false;
    size_t key = bytes_get_u32(rest.data);
    size_t value = bytes_get_u32(rest.data + 4);
    if (key > rest.length - 8 || value > rest.length - 8 - key)
        return false;
    *ret_key = slice_of(rest.data + 8, key);
    *ret_value = slice_of(rest.data + 8 + key, value);
    size_t used = 8 + key + value;
    cursor->rest = slice_of(rest.data + used, rest.length - used);
    return true;
}

/* Rows of one chain, ascending, all inside the range that the message claims to cover. */
bool cn_sync_is_valid(const struct wire_sync_items *items, struct slice rows)
{
    struct cn_key chain = cn_key_chain(items->chain);
    if (items->family == CN_FAMILY_META || items->family == CN_FAMILY_PENDING ||
        items->family >= CN_FAMILY_COUNT || !slice_starts_with(items->from, cn_key_slice(&chain)) ||
        slice_compare(items->from, items->to) >= 0)
        return false;
    struct cn_key end = cn_key_chain(items->chain + 1);
    if (slice_compare(items->to, cn_key_slice(&end)) > 0)
        return false;
    struct cn_sync_cursor cursor = {.rest = rows};
    struct slice last = slice_of(NULL, 0);
    struct slice key;
    struct slice value;
    while (cn_sync_next(&cursor, &key, &value)) {
        if (slice_compare(key, items->from) < 0 || slice_compare(key, items->to) >= 0 ||
            (last.length > 0 && slice_compare(key, last) <= 0) || key.length > CN_KEY_BYTES_MAX)
            return false;
        last = key;
    }
    return cursor.rest.length == 0;
}

void cn_sync_message_release(struct cn_sync_message *message)
{
    buf_unref(message->payload);
    mem_free(message->bounds);
    *message = (struct cn_sync_message){0};
}

void cn_sync_damage(const struct cn_core *core, const struct cn_chain *chain, unsigned family,
                    struct slice key, const char *then)
{
    struct text what;
    text_init(&what);
    if (family == CN_FAMILY_CHUNKS && key.length == CN_CHUNK_KEY_BYTES) {
        text_append(&what, "family chunks, upload %016llx%016llx chunk %u",
                    (unsigned long long)bytes_get_u64(key.data + 4),
                    (unsigned long long)bytes_get_u64(key.data + 12), bytes_get_u32(key.data + 20));
    } else {
        text_append(&what, "family %u, key ", family);
        text_append_escaped(&what, key);
    }
    text_append(&what, " cannot be read: %s", then);
    cn_alarm(core, chain, "DAMAGED", text_cstr(&what));
    text_release(&what);
}
