/* Uploads: their newest state, collection of abandoned ones, purge of unreferenced chunks. */
#include "base/bytes.h"
#include "chainnode/core/cn_internal.h"

enum { PURGES_AT_ONCE = 64 };

enum err cn_upload_state(struct cn_core *core, const struct cn_chain *chain, uint64_t high,
                         uint64_t low, struct cn_upload_state *ret_state)
{
    *ret_state = (struct cn_upload_state){0};
    const struct cn_entry *entry = cn_index_upload(core, chain, high, low, UINT64_MAX);
    if (entry != NULL) {
        const struct wire_forward *f = &entry->f;
        ret_state->is_published = f->kind == WIRE_ENTRY_PUT || f->kind == WIRE_ENTRY_PART;
        if (f->kind == WIRE_ENTRY_STAGE)
            *ret_state = (struct cn_upload_state){
                .is_open = true,
                .bucket = f->bucket,
                .key = f->key,
                .count = f->chunk_count + 1,
                .chunk_bytes = f->chunk_bytes,
                .bytes = f->size,
                .lsn = f->origin.lsn,
            };
        return ERR_OK;
    }
    struct cn_key key = cn_key_upload(chain->id, high, low);
    struct buf *value;
    enum err err = kv_get(&core->kv, CN_FAMILY_UPLOADS, cn_key_slice(&key), &value);
    if (err != ERR_OK || value == NULL)
        return err;
    struct cn_upload_row row;
    if (!cn_upload_row_decode(buf_slice(value), &row)) {
        buf_unref(value);
        return ERR_CORRUPT;
    }
    *ret_state = (struct cn_upload_state){
        .is_open = true,
        .bucket = row.bucket,
        .key = row.key,
        .count = row.count,
        .chunk_bytes = row.chunk_bytes,
        .bytes = row.bytes,
        .lsn = row.lsn,
        .backing = value,
    };
    return ERR_OK;
}

void cn_upload_state_release(struct cn_upload_state *state)
{
    buf_unref(state->backing);
    *state = (struct cn_upload_state){0};
}

/* ---- abandoned uploads ---- */

static uint64_t watch_hash(uint32_t chain, uint64_t high, uint64_t low)
{
    return (high ^ (low * 0x9e3779b97f4a7c15u)) + chain;
}

static struct cn_upload_watch *find_watch(struct cn_core *core, uint32_t chain, uint64_t high,
                                          uint64_t low)
{
    struct cn_upload_watch *at = map_get(&core->upload_watches, watch_hash(chain, high, low));
    while (at != NULL && (at->chain != chain || at->upload_high != high || at->upload_low != low))
        at = at->next;
    return at;
}

static struct cn_upload_watch *add_watch(struct cn_core *core, uint32_t chain, uint64_t high,
                                         uint64_t low)
{
    if (core->upload_watches_count == CN_UPLOADS_WATCHED)
        return NULL;
    struct cn_upload_watch *watch = mem_calloc(1, sizeof *watch);
    watch->chain = chain;
    watch->upload_high = high;
    watch->upload_low = low;
    watch->since_us = core->now_us;
    watch->next = map_put(&core->upload_watches, watch_hash(chain, high, low), watch);
    core->upload_watches_count++;
    return watch;
}

static void abort_upload(struct cn_core *core, struct cn_chain *chain,
                         const struct cn_upload_row *row, uint64_t high, uint64_t low)
{
    if (cn_index_upload(core, chain, high, low, UINT64_MAX) != NULL || !cn_may_admit_own(chain))
        return; /* something happens to it right now, or nothing is admitted */
    TRACE(&core->options.trace, "chain %u: abandoned upload %016llx%016llx is dropped", chain->id,
          (unsigned long long)high, (unsigned long long)low);
    struct cn_admission admission = {
        .f = {.kind = WIRE_ENTRY_ABORT,
              .bucket = row->bucket,
              .key = row->key,
              .upload_high = high,
              .upload_low = low},
    };
    cn_admit(core, chain, &admission);
}

static void watch_row(struct cn_core *core, struct cn_chain *chain, struct slice key,
                      const struct cn_upload_row *row)
{
    uint64_t high = bytes_get_u64(key.data + 4);
    uint64_t low = bytes_get_u64(key.data + 12);
    struct cn_upload_watch *watch = find_watch(core, chain->id, high, low);
    if (watch == NULL)
        watch = add_watch(core, chain->id, high, low);
    if (watch == NULL)
        return;
    if (watch->lsn != row->lsn) {
        watch->lsn = row->lsn;
        watch->since_us = core->now_us;
    }
    watch->round = core->upload_round;
    if (core->now_us - watch->since_us >= core->options.upload_idle_us)
        abort_upload(core, chain, row, high, low);
}

static enum err watch_chain(struct cn_core *core, struct cn_chain *chain)
{
    struct cn_key from = cn_key_chain(chain->id);
    struct cn_key to = cn_key_chain(chain->id + 1);
    struct kv_iterator *rows =
        kv_iterate(&core->kv, CN_FAMILY_UPLOADS, cn_key_slice(&from), cn_key_slice(&to));
    struct slice key;
    struct slice value;
    enum err err = ERR_OK;
    while (core->kv.ops->iterator_next(rows, &key, &value)) {
        struct cn_upload_row row;
        if (key.length != 20 || !cn_upload_row_decode(value, &row)) {
            err = ERR_CORRUPT;
            break;
        }
        watch_row(core, chain, key, &row);
    }
    if (err == ERR_OK)
        err = core->kv.ops->iterator_err(rows);
    core->kv.ops->iterator_free(rows);
    return err;
}

/* Drops the watches that this round did not see. */
static void sweep_watches(struct cn_core *core)
{
    struct map kept;
    map_init(&kept);
    size_t cursor = 0;
    struct cn_upload_watch *at;
    uint64_t hash;
    while ((at = map_next(&core->upload_watches, &cursor, &hash)) != NULL) {
        while (at != NULL) {
            struct cn_upload_watch *next = at->next;
            if (at->round == core->upload_round) {
                at->next = map_get(&kept, hash);
                (void)map_put(&kept, hash, at);
            } else {
                mem_free(at);
                core->upload_watches_count--;
            }
            at = next;
        }
    }
    map_release(&core->upload_watches);
    core->upload_watches = kept;
}

/* No wall clock is asked: an upload is abandoned when this head has seen no new chunk of it for
 * `upload_idle_us`. */
void cn_uploads_tick(struct cn_core *core)
{
    if (core->now_us < core->next_uploads_us)
        return;
    core->next_uploads_us = core->now_us + core->options.upload_idle_us / 4 + 1;
    core->upload_round++;
    LIST_FOREACH (node, &core->active) {
        struct cn_chain *chain = CONTAINER_OF(node, struct cn_chain, active);
        if (!cn_is_head(chain) || chain->is_halted)
            continue;
        enum err err = watch_chain(core, chain);
        if (err == ERR_OK)
            err = cn_multi_watch(core, chain);
        if (err != ERR_OK) {
            cn_disk_failed(core, err);
            return;
        }
    }
    sweep_watches(core);
}

/* ---- purge ---- */

bool cn_purge_key(struct slice key, uint64_t *ret_high, uint64_t *ret_low)
{
    if (key.length != 20)
        return false;
    *ret_high = bytes_get_u64(key.data + 4);
    *ret_low = bytes_get_u64(key.data + 12);
    return true;
}

void cn_purge_add(struct cn_core *core, uint32_t chain, uint64_t high, uint64_t low, uint64_t lsn)
{
    struct cn_purge *purge = mem_calloc(1, sizeof *purge);
    purge->chain = chain;
    purge->upload_high = high;
    purge->upload_low = low;
    purge->lsn = lsn;
    purge->due_us = core->now_us + core->options.purge_grace_us;
    list_append(&core->purges, &purge->node);
}

bool cn_purge_is_due(const struct cn_core *core)
{
    const struct list_node *first = list_first(&core->purges);
    return first != NULL && CONTAINER_OF(first, struct cn_purge, node)->due_us <= core->now_us;
}

/* A late copy of its first chunk has opened the upload again, at a head that had purged it already.
 * Whoever purges later must not take that chunk too: the head drops the upload when it is
 * abandoned. */
static bool is_open_again(struct cn_core *core, const struct cn_purge *purge)
{
    const struct cn_chain *chain = cn_chain_get(core, purge->chain);
    if (chain == NULL)
        return false;
    struct cn_upload_state state;
    enum err err = cn_upload_state(core, chain, purge->upload_high, purge->upload_low, &state);
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return true;
    }
    bool is_open = state.is_open;
    cn_upload_state_release(&state);
    return is_open;
}

/* Pending rows only name their chunks (D3), and have to be readable until they are applied: this
 * disk may have to start its chain again (R33). A copy brings orders to purge that are ahead of
 * what was applied here (simulator seed 64072), and without a role nobody knows what is pending.
 * While the chain is copied, the copy decides what is here. */
static bool may_purge(const struct cn_chain *chain, const struct cn_purge *purge)
{
    return chain == NULL || PLANTED(D3_PURGED_AHEAD) ||
           (!chain->is_syncing && chain->role != CN_ROLE_NONE && purge->lsn <= chain->settled.lsn);
}

/* A few at once: the store walks over every chunk, and an assembled object has many uploads. */
void cn_purge_write(struct cn_core *core, struct kv_batch *batch)
{
    for (unsigned i = 0; i < PURGES_AT_ONCE && cn_purge_is_due(core); i++) {
        struct cn_purge *purge = CONTAINER_OF(list_first(&core->purges), struct cn_purge, node);
        const struct cn_chain *chain = cn_chain_get(core, purge->chain);
        list_remove(&purge->node);
        if (!may_purge(chain, purge)) {
            purge->due_us = core->now_us + core->options.purge_grace_us + 1;
            list_append(&core->purges, &purge->node);
            continue;
        }
        struct cn_key from = cn_key_upload(purge->chain, purge->upload_high, purge->upload_low);
        struct cn_key to =
            cn_key_chunk(purge->chain, purge->upload_high, purge->upload_low, UINT32_MAX);
        if (!is_open_again(core, purge))
            kv_batch_delete_range(batch, CN_FAMILY_CHUNKS, cn_key_slice(&from), cn_key_slice(&to));
        kv_batch_delete(batch, CN_FAMILY_PURGE, cn_key_slice(&from));
        mem_free(purge);
    }
}

void cn_uploads_free(struct cn_core *core)
{
    core->upload_round++;
    sweep_watches(core);
    map_release(&core->upload_watches);
    LIST_FOREACH_SAFE (node, &core->purges) {
        list_remove(node);
        mem_free(CONTAINER_OF(node, struct cn_purge, node));
    }
}
