/* Finding entries in memory by key, by upload, by (session, seq), by multipart upload and by token:
 * maps from a hash to the newest entry, each entry linking the older ones of the same hash. */
#include "chainnode/core/cn_internal.h"

#include "base/hash.h"

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u ^ (b + 0x7f4a7c15u + (a << 6) + (a >> 2));
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 32);
}

static uint64_t hash_of_key(uint32_t chain, uint64_t bucket, struct slice key)
{
    return hash_bytes(key, mix(chain, bucket));
}

static uint64_t hash_of_pair(uint32_t chain, uint64_t a, uint64_t b)
{
    return mix(mix(chain, a), b);
}

static bool has_upload(const struct wire_forward *f)
{
    bool does_consume = f->kind == WIRE_ENTRY_PUT || f->kind == WIRE_ENTRY_PART;
    return (does_consume && (f->upload_high | f->upload_low) != 0) || f->kind == WIRE_ENTRY_STAGE ||
           f->kind == WIRE_ENTRY_ABORT;
}

/* A PUT of an assembled value ends the upload that it came from. */
static bool has_multi(const struct wire_forward *f)
{
    return f->kind == WIRE_ENTRY_OPEN || f->kind == WIRE_ENTRY_PART ||
           f->kind == WIRE_ENTRY_CLOSE || (f->kind == WIRE_ENTRY_PUT && f->part != 0);
}

static uint64_t hash_of_multi(const struct wire_forward *f)
{
    return mix(hash_of_key(f->chain, f->bucket, f->key), mix(f->multi_high, f->multi_low));
}

static uint64_t hash_of_token(const struct wire_forward *f)
{
    return mix(hash_of_key(f->chain, f->bucket, f->key), mix(f->token_high, f->token_low));
}

/* Which indexes hold an entry, and under which hash. */
static bool index_hash(const struct wire_forward *f, enum cn_index_kind kind, uint64_t *ret_hash)
{
    switch (kind) {
    case CN_INDEX_KEY:
        *ret_hash = hash_of_key(f->chain, f->bucket, f->key);
        return f->kind == WIRE_ENTRY_PUT || f->kind == WIRE_ENTRY_DELETE;
    case CN_INDEX_UPLOAD:
        *ret_hash = hash_of_pair(f->chain, f->upload_high, f->upload_low);
        return has_upload(f);
    case CN_INDEX_SESSION:
        *ret_hash = hash_of_pair(f->chain, f->session, f->seq);
        return f->session != 0 && f->seq != 0;
    case CN_INDEX_MULTI:
        *ret_hash = hash_of_multi(f);
        return has_multi(f);
    case CN_INDEX_TOKEN:
        *ret_hash = hash_of_token(f);
        return cn_token_is_remembered(f);
    case CN_INDEX_COUNT:
        break;
    }
    IMPOSSIBLE("the kinds of index are listed above");
}

void cn_index_add(struct cn_core *core, struct cn_entry *entry)
{
    for (enum cn_index_kind kind = 0; kind < CN_INDEX_COUNT; kind++) {
        if (!index_hash(&entry->f, kind, &entry->hash[kind]))
            continue;
        entry->is_indexed[kind] = true;
        entry->older[kind] = map_put(&core->keys[kind], entry->hash[kind], entry);
    }
}

void cn_index_remove(struct cn_core *core, struct cn_entry *entry)
{
    for (enum cn_index_kind kind = 0; kind < CN_INDEX_COUNT; kind++) {
        if (!entry->is_indexed[kind])
            continue;
        struct cn_entry *at = map_get(&core->keys[kind], entry->hash[kind]);
        INVARIANT(at != NULL);
        if (at == entry) {
            if (entry->older[kind] == NULL)
                (void)map_remove(&core->keys[kind], entry->hash[kind]);
            else
                (void)map_put(&core->keys[kind], entry->hash[kind], entry->older[kind]);
        } else {
            while (at->older[kind] != entry) {
                at = at->older[kind];
                INVARIANT(at != NULL);
            }
            at->older[kind] = entry->older[kind];
        }
        entry->is_indexed[kind] = false;
        entry->older[kind] = NULL;
    }
}

struct cn_entry *cn_index_key(const struct cn_core *core, const struct cn_chain *chain,
                              uint64_t bucket, struct slice key, uint64_t limit)
{
    uint64_t hash = hash_of_key(chain->id, bucket, key);
    for (struct cn_entry *at = map_get(&core->keys[CN_INDEX_KEY], hash); at != NULL;
         at = at->older[CN_INDEX_KEY])
        if (at->f.chain == chain->id && at->f.origin.lsn <= limit && at->f.bucket == bucket &&
            slice_equal(at->f.key, key))
            return at;
    return NULL;
}

struct cn_entry *cn_index_upload(const struct cn_core *core, const struct cn_chain *chain,
                                 uint64_t high, uint64_t low, uint64_t limit)
{
    uint64_t hash = hash_of_pair(chain->id, high, low);
    for (struct cn_entry *at = map_get(&core->keys[CN_INDEX_UPLOAD], hash); at != NULL;
         at = at->older[CN_INDEX_UPLOAD])
        if (at->f.chain == chain->id && at->f.origin.lsn <= limit && at->f.upload_high == high &&
            at->f.upload_low == low)
            return at;
    return NULL;
}

struct cn_entry *cn_index_stage(const struct cn_core *core, const struct cn_chain *chain,
                                uint64_t high, uint64_t low, uint32_t index)
{
    uint64_t hash = hash_of_pair(chain->id, high, low);
    for (struct cn_entry *at = map_get(&core->keys[CN_INDEX_UPLOAD], hash); at != NULL;
         at = at->older[CN_INDEX_UPLOAD])
        if (at->f.chain == chain->id && at->f.kind == WIRE_ENTRY_STAGE &&
            at->f.upload_high == high && at->f.upload_low == low && at->f.chunk_count == index)
            return at;
    return NULL;
}

struct cn_entry *cn_index_session(const struct cn_core *core, const struct cn_chain *chain,
                                  uint64_t session, uint64_t seq)
{
    uint64_t hash = hash_of_pair(chain->id, session, seq);
    for (struct cn_entry *at = map_get(&core->keys[CN_INDEX_SESSION], hash); at != NULL;
         at = at->older[CN_INDEX_SESSION])
        if (at->f.chain == chain->id && at->f.session == session && at->f.seq == seq)
            return at;
    return NULL;
}

static struct cn_entry *first_of_multi(struct cn_entry *at, const struct wire_forward *f,
                                       uint64_t limit)
{
    while (at != NULL && (at->f.chain != f->chain || at->f.origin.lsn > limit ||
                          at->f.bucket != f->bucket || at->f.multi_high != f->multi_high ||
                          at->f.multi_low != f->multi_low || !slice_equal(at->f.key, f->key)))
        at = at->older[CN_INDEX_MULTI];
    return at;
}

struct cn_entry *cn_index_multi(const struct cn_core *core, const struct cn_chain *chain,
                                const struct wire_forward *f, uint64_t limit)
{
    PRE(f->chain == chain->id);
    return first_of_multi(map_get(&core->keys[CN_INDEX_MULTI], hash_of_multi(f)), f, limit);
}

struct cn_entry *cn_index_multi_before(const struct cn_entry *entry)
{
    return first_of_multi(entry->older[CN_INDEX_MULTI], &entry->f, UINT64_MAX);
}

struct cn_entry *cn_index_token(const struct cn_core *core, const struct cn_chain *chain,
                                const struct wire_forward *f)
{
    PRE(f->chain == chain->id);
    struct cn_entry *at = map_get(&core->keys[CN_INDEX_TOKEN], hash_of_token(f));
    while (at != NULL && (at->f.chain != f->chain || at->f.bucket != f->bucket ||
                          at->f.token_high != f->token_high || at->f.token_low != f->token_low ||
                          !slice_equal(at->f.key, f->key)))
        at = at->older[CN_INDEX_TOKEN];
    return at;
}
