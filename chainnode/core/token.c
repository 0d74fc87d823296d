/* One effect for all requests with one token (D19).
 *
 * A chain remembers for (token, key) the first outcome that said something about the object, for an
 * hour, or until that lies TOKEN_ENTRIES updates back. Repeats are answered with it, when it is
 * committed; they are not updates. What is committed stays true, so a deposed head may say it too.
 *
 * Which ones are forgotten is decided by the head and travels with the next remembered entry: all
 * that are older than `token_floor` (R2: every member does the same). */
#include "base/bytes.h"
#include "base/hash.h"
#include "chainnode/core/cn_internal.h"

enum {
    FORGOTTEN_AT_ONCE = 4,       /* more than come, so that nothing piles up */
    TOKEN_ENTRIES = 1048576,     /* updates of the chain */
    TOKEN_KEEP_MS = 3600 * 1000, /* an hour */
};

static bool has_token(const struct wire_forward *f)
{
    return (f->token_high | f->token_low) != 0;
}

bool cn_token_is_remembered(const struct wire_forward *f)
{
    return has_token(f) &&
           (f->outcome == ERR_OK || f->outcome == ERR_CONDITION || f->outcome == ERR_NO_KEY);
}

uint64_t cn_token_of_key(const struct wire_forward *f)
{
    return hash_bytes(f->key, f->bucket);
}

/* ---- at the head ---- */

static enum err read_row(struct cn_core *core, const struct wire_forward *f,
                         struct cn_outcome_row *ret_row)
{
    uint64_t hash = cn_token_of_key(f);
    struct cn_key from = cn_key_token(f->chain, f->token_high, f->token_low, hash, 0);
    struct cn_key to = cn_key_token(f->chain, f->token_high, f->token_low, hash, UINT64_MAX);
    struct kv_iterator *rows =
        kv_iterate(&core->kv, CN_FAMILY_TOKENS, cn_key_slice(&from), cn_key_slice(&to));
    struct slice key;
    struct slice value;
    enum err err = ERR_NOT_FOUND;
    while (err != ERR_CORRUPT && core->kv.ops->iterator_next(rows, &key, &value))
        err = cn_token_row_decode(value, ret_row) ? ERR_OK : ERR_CORRUPT; /* the newest */
    if (core->kv.ops->iterator_err(rows) != ERR_OK)
        err = core->kv.ops->iterator_err(rows);
    core->kv.ops->iterator_free(rows);
    return err;
}

bool cn_token_is_new(struct cn_core *core, struct cn_chain *chain,
                     const struct cn_admission *admission)
{
    const struct wire_forward *f = &admission->f;
    if (!has_token(f) || PLANTED(D19_TOKEN_FORGOTTEN))
        return true;
    struct cn_entry *first = PLANTED(D19_PENDING_IGNORED) ? NULL : cn_index_token(core, chain, f);
    if (first != NULL) {
        cn_answer_with(core, chain, admission, first);
        return false;
    }
    struct cn_outcome_row row;
    enum err err = read_row(core, f, &row);
    if (err == ERR_NOT_FOUND)
        return true;
    if (err != ERR_OK)
        cn_disk_failed(core, err);
    else
        cn_updated(core, chain, admission->conn, admission->request, row.outcome, row.version,
                   row.current);
    return false;
}

/* Are the oldest old enough? They are in the order of their positions. */
void cn_token_stamp(struct cn_core *core, struct cn_chain *chain, struct wire_forward *f)
{
    if (!cn_token_is_remembered(f))
        return;
    f->token_ms = core->wall_ms;
    uint64_t keep_ms =
        core->options.token_keep_ms != 0 ? core->options.token_keep_ms : TOKEN_KEEP_MS;
    struct cn_key from = cn_key_token_age(chain->id, chain->token_floor);
    struct cn_key to = cn_key_token_age(chain->id, UINT64_MAX);
    struct kv_iterator *rows =
        kv_iterate(&core->kv, CN_FAMILY_TOKENS, cn_key_slice(&from), cn_key_slice(&to));
    struct slice key;
    struct slice value;
    for (unsigned i = 0; i < FORGOTTEN_AT_ONCE; i++) {
        struct cn_token_age age;
        if (!core->kv.ops->iterator_next(rows, &key, &value) ||
            !cn_token_age_decode(key, value, &age))
            break;
        bool is_old = age.ms + keep_ms < core->wall_ms;
        if (!is_old && age.lsn + TOKEN_ENTRIES > f->origin.lsn)
            break;
        f->token_floor = chain->token_floor = age.lsn + 1;
    }
    if (core->kv.ops->iterator_err(rows) != ERR_OK)
        cn_disk_failed(core, core->kv.ops->iterator_err(rows));
    core->kv.ops->iterator_free(rows);
}

/* ---- when it is applied ---- */

static void forget(const struct wire_forward *f, const struct cn_token_age *age,
                   struct kv_batch *batch)
{
    struct cn_key key = cn_key_token_age(f->chain, age->lsn);
    kv_batch_delete(batch, CN_FAMILY_TOKENS, cn_key_slice(&key));
    key = cn_key_token(f->chain, age->high, age->low, age->key_hash, age->lsn);
    kv_batch_delete(batch, CN_FAMILY_TOKENS, cn_key_slice(&key));
}

/* Rows below the floor, and those that batches under way are about to write. */
static enum err forget_below(struct cn_core *core, const struct cn_chain *chain,
                             const struct wire_forward *f, struct kv_batch *batch)
{
    struct cn_key from = cn_key_token_age(f->chain, 0);
    struct cn_key to = cn_key_token_age(f->chain, f->token_floor);
    struct kv_iterator *rows =
        kv_iterate(&core->kv, CN_FAMILY_TOKENS, cn_key_slice(&from), cn_key_slice(&to));
    struct slice key;
    struct slice value;
    struct cn_token_age age;
    enum err err = ERR_OK;
    while (err == ERR_OK && core->kv.ops->iterator_next(rows, &key, &value)) {
        if (cn_token_age_decode(key, value, &age))
            forget(f, &age, batch);
        else
            err = ERR_CORRUPT;
    }
    if (err == ERR_OK)
        err = core->kv.ops->iterator_err(rows);
    core->kv.ops->iterator_free(rows);
    for (uint64_t lsn = chain->settled.lsn + 1; lsn < f->token_floor; lsn++) {
        const struct cn_entry *entry = cn_entry_at(chain, lsn);
        if (entry == NULL || !cn_token_is_remembered(&entry->f))
            continue;
        age = cn_token_age_of(&entry->f);
        forget(f, &age, batch);
    }
    return err;
}

void cn_token_apply(struct cn_core *core, const struct cn_chain *chain,
                    const struct cn_entry *entry, struct kv_batch *batch)
{
    const struct wire_forward *f = &entry->f;
    if (!cn_token_is_remembered(f))
        return;
    if (f->token_floor != 0) {
        enum err err = forget_below(core, chain, f, batch);
        if (err != ERR_OK)
            cn_disk_failed(core, err);
    }
    cn_token_rows_put(batch, f);
}
