/* The log of a chain in memory: a ring of entries by lsn, counted against the bounds. */
#include "base/text.h"
#include "chainnode/core/cn_internal.h"

enum { RING_MIN = 16, ENTRY_OVERHEAD_BYTES = 256 };

struct cn_entry *cn_entry_new(const struct wire_forward *f, struct buf *payload)
{
    struct cn_entry *entry = mem_calloc(1, sizeof *entry + f->key.length + f->meta.length);
    uint8_t *bytes = (uint8_t *)(entry + 1);
    entry->f = *f;
    if (f->key.length > 0)
        memcpy(bytes, f->key.data, f->key.length);
    entry->f.key = slice_of(bytes, f->key.length);
    if (f->meta.length > 0)
        memcpy(bytes + f->key.length, f->meta.data, f->meta.length);
    entry->f.meta = slice_of(bytes + f->key.length, f->meta.length);
    entry->payload = buf_ref(payload);
    size_t size = ENTRY_OVERHEAD_BYTES + f->key.length + f->meta.length;
    size += payload == NULL ? 0 : payload->length;
    entry->bytes = (uint32_t)size;
    return entry;
}

/* What an entry from outside says about multipart uploads, their parts (D18) and tokens (D19). */
bool cn_entry_names_are_sound(const struct wire_forward *f)
{
    bool has_upload = (f->upload_high | f->upload_low) != 0;
    bool has_multi = (f->multi_high | f->multi_low) != 0;
    if (f->token_floor > f->origin.lsn)
        return false;
    if (f->kind == WIRE_ENTRY_PUT && f->part != 0)
        return has_multi && !has_upload;
    if (f->kind != WIRE_ENTRY_OPEN && f->kind != WIRE_ENTRY_PART && f->kind != WIRE_ENTRY_CLOSE)
        return true;
    if (!has_multi || f->key.length == 0 || !utf8_is_valid(f->key))
        return false;
    if (f->kind != WIRE_ENTRY_PART)
        return true;
    uint8_t bytes[WIRE_PART_BYTES_MAX];
    const struct wire_part part = cn_part_of(f).part;
    if (f->meta.length > BOUND_PART_META_BYTES)
        return false;
    struct slice one = slice_of(bytes, wire_part_encode(&part, bytes));
    return wire_manifest_check(one, 1, f->size) == ERR_OK;
}

bool cn_entry_payload_is_sound(const struct wire_forward *f, struct slice payload)
{
    if (f->kind == WIRE_ENTRY_STAGE)
        return payload.length > 0 && payload.length <= BOUND_CHUNK_BYTES &&
               f->chunk_count < BOUND_CHUNKS;
    if (f->kind == WIRE_ENTRY_PUT && f->part != 0)
        return wire_manifest_check(payload, f->part, f->size) == ERR_OK;
    if (f->kind == WIRE_ENTRY_PUT && (f->upload_high | f->upload_low) == 0)
        return payload.length == f->size && payload.length <= BOUND_INLINE_BYTES;
    return payload.length == 0;
}

static void entry_free(struct cn_entry *entry)
{
    while (entry->waiters != NULL) {
        struct cn_waiter *next = entry->waiters->next;
        mem_free(entry->waiters);
        entry->waiters = next;
    }
    buf_unref(entry->payload);
    mem_free(entry);
}

struct cn_entry *cn_entry_at(const struct cn_chain *chain, uint64_t lsn)
{
    if (lsn <= chain->trimmed.lsn || lsn > chain->applied.lsn)
        return NULL;
    return chain->ring[lsn & (chain->ring_capacity - 1)];
}

static void ring_grow(struct cn_chain *chain)
{
    uint32_t capacity = chain->ring_capacity == 0 ? RING_MIN : chain->ring_capacity * 2;
    struct cn_entry **ring = mem_calloc(capacity, sizeof *ring);
    for (uint64_t lsn = chain->trimmed.lsn + 1; lsn <= chain->applied.lsn; lsn++)
        ring[lsn & (capacity - 1)] = chain->ring[lsn & (chain->ring_capacity - 1)];
    mem_free(chain->ring);
    chain->ring = ring;
    chain->ring_capacity = capacity;
}

/* The entry follows everything accepted; ownership passes to the chain. */
void cn_entry_append(struct cn_core *core, struct cn_chain *chain, struct cn_entry *entry)
{
    PRE(entry->f.origin.lsn == chain->applied.lsn + 1);
    PRE(origin_compare(entry->f.previous, chain->applied) == 0);
    if (chain->applied.lsn - chain->trimmed.lsn == chain->ring_capacity)
        ring_grow(chain);
    chain->applied = entry->f.origin;
    chain->ring[entry->f.origin.lsn & (chain->ring_capacity - 1)] = entry;
    chain->bytes += entry->bytes;
    chain->uncommitted_bytes += entry->bytes;
    core->bytes += entry->bytes;
    cn_index_add(core, entry);
    cn_chain_touch(core, chain);
}

void cn_entry_add_waiter(struct cn_entry *entry, uint64_t conn, uint64_t request)
{
    for (const struct cn_waiter *at = entry->waiters; at != NULL; at = at->next)
        if (at->conn == conn && at->request == request)
            return;
    struct cn_waiter *waiter = mem_alloc(sizeof *waiter);
    *waiter = (struct cn_waiter){.next = entry->waiters, .conn = conn, .request = request};
    entry->waiters = waiter;
}

/* Out of the indexes now; freed by the next step, because effects of this one may point at it. */
static void bury(struct cn_core *core, struct cn_chain *chain, struct cn_entry *entry)
{
    cn_index_remove(core, entry);
    chain->bytes -= entry->bytes;
    core->bytes -= entry->bytes;
    entry->next_dead = core->dead;
    core->dead = entry;
}

void cn_entries_bury(struct cn_core *core)
{
    while (core->dead != NULL) {
        struct cn_entry *next = core->dead->next_dead;
        entry_free(core->dead);
        core->dead = next;
    }
}

void cn_entries_trim(struct cn_core *core, struct cn_chain *chain)
{
    uint64_t limit = chain->settled.lsn;
    if (chain->source.is_begun && chain->source.durable < limit)
        limit = chain->source.durable;
    while (chain->trimmed.lsn < limit) {
        struct cn_entry *entry = cn_entry_at(chain, chain->trimmed.lsn + 1);
        INVARIANT(entry != NULL && entry->waiters == NULL);
        cn_session_settled(chain, entry);
        bury(core, chain, entry);
        chain->trimmed = entry->f.origin;
    }
}

void cn_entries_reset(struct cn_core *core, struct cn_chain *chain, struct origin at,
                      uint64_t digest)
{
    for (uint64_t lsn = chain->trimmed.lsn + 1; lsn <= chain->applied.lsn; lsn++)
        bury(core, chain, cn_entry_at(chain, lsn));
    chain->generation++;
    chain->trimmed = at;
    chain->settled = at;
    chain->applied = at;
    chain->apply_emitted = at.lsn;
    chain->committed = at.lsn;
    chain->durable = at.lsn;
    chain->written = at.lsn;
    chain->inherited = at.lsn;
    chain->digest = digest;
    chain->settled_digest = digest;
    chain->predecessor_stable = 0;
    chain->uncommitted_bytes = 0;
    cn_sessions_clear(chain);
    POST(chain->bytes == 0);
}

void cn_entries_drop(struct cn_core *core, struct cn_chain *chain)
{
    cn_entries_reset(core, chain, chain->settled, chain->settled_digest);
    mem_free(chain->ring);
    chain->ring = NULL;
    chain->ring_capacity = 0;
}

void cn_entries_forget_conn(struct cn_core *core, uint64_t conn)
{
    LIST_FOREACH (node, &core->active) {
        struct cn_chain *chain = CONTAINER_OF(node, struct cn_chain, active);
        for (uint64_t lsn = chain->committed + 1; lsn <= chain->applied.lsn; lsn++) {
            struct cn_waiter **link = &cn_entry_at(chain, lsn)->waiters;
            while (*link != NULL) {
                struct cn_waiter *waiter = *link;
                if (waiter->conn != conn) {
                    link = &waiter->next;
                    continue;
                }
                *link = waiter->next;
                mem_free(waiter);
            }
        }
    }
}
