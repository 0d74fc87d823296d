/* The session rows of a chain in memory (R11, D4): loaded one by one when an update is applied, all
 * of them at a head. */
#include "chainnode/core/cn_internal.h"

#include "base/bytes.h"

static struct cn_session *session_new(struct cn_chain *chain, uint64_t id)
{
    struct cn_session *session = mem_calloc(1, sizeof *session);
    session->id = id;
    (void)map_put(&chain->sessions, id, session);
    return session;
}

/* A session that is not in the table was not touched by any batch under way, so its row says all.
 * NULL: the disk failed. */
struct cn_session *cn_session_get(struct cn_core *core, struct cn_chain *chain, uint64_t id)
{
    struct cn_session *session = map_get(&chain->sessions, id);
    if (session != NULL)
        return session;
    struct cn_session_state state = {0};
    if (!chain->are_sessions_accepted) {
        struct cn_key key = cn_key_session(chain->id, id);
        struct buf *value = NULL;
        enum err err = kv_get(&core->kv, CN_FAMILY_SESSIONS, cn_key_slice(&key), &value);
        if (err == ERR_OK && value != NULL && !cn_session_row_decode(buf_slice(value), &state))
            err = ERR_CORRUPT;
        buf_unref(value);
        if (err != ERR_OK) {
            cn_disk_failed(core, err);
            return NULL;
        }
    }
    session = session_new(chain, id);
    session->applied = state;
    return session;
}

void cn_sessions_clear(struct cn_chain *chain)
{
    size_t cursor = 0;
    struct cn_session *session;
    while ((session = map_next(&chain->sessions, &cursor, NULL)) != NULL)
        mem_free(session);
    map_release(&chain->sessions);
    chain->sessions_accepted = 0;
    chain->are_sessions_accepted = false;
}

void cn_sessions_end(struct cn_chain *chain)
{
    chain->are_sessions_accepted = false;
}

static enum err load_rows(struct cn_core *core, struct cn_chain *chain)
{
    struct cn_key from = cn_key_chain(chain->id);
    struct cn_key to = cn_key_chain(chain->id + 1);
    struct kv_iterator *rows =
        kv_iterate(&core->kv, CN_FAMILY_SESSIONS, cn_key_slice(&from), cn_key_slice(&to));
    struct slice key;
    struct slice value;
    enum err err = ERR_OK;
    while (core->kv.ops->iterator_next(rows, &key, &value)) {
        struct cn_session_state state;
        if (key.length != 12 || !cn_session_row_decode(value, &state)) {
            err = ERR_CORRUPT;
            break;
        }
        uint64_t id = bytes_get_u64(key.data + 4);
        if (map_get(&chain->sessions, id) == NULL)
            session_new(chain, id)->applied = state;
        if (id == UINT64_MAX)
            break;
        struct cn_key next = cn_key_session(chain->id, id + 1); /* over its outcomes */
        core->kv.ops->iterator_seek(rows, cn_key_slice(&next));
    }
    if (err == ERR_OK)
        err = core->kv.ops->iterator_err(rows);
    core->kv.ops->iterator_free(rows);
    return err;
}

enum err cn_sessions_accept(struct cn_core *core, struct cn_chain *chain)
{
    enum err err = load_rows(core, chain);
    if (err != ERR_OK)
        return err;
    chain->are_sessions_accepted = true;
    chain->session_floor_accepted = chain->session_floor;
    chain->sessions_accepted = 0;
    size_t cursor = 0;
    struct cn_session *session;
    while ((session = map_next(&chain->sessions, &cursor, NULL)) != NULL) {
        session->accepted = session->applied;
        chain->sessions_accepted += session->accepted.exists ? 1u : 0u;
    }
    for (uint64_t lsn = chain->trimmed.lsn + 1; lsn <= chain->applied.lsn; lsn++)
        cn_session_accepted(core, chain, &cn_entry_at(chain, lsn)->f);
    return ERR_OK;
}

static void raise(struct cn_session_state *state, const struct wire_forward *f)
{
    state->exists = true;
    if (f->seq_floor > state->floor)
        state->floor = f->seq_floor;
    if (f->seq > state->max_seq)
        state->max_seq = f->seq;
    if (f->origin.lsn > state->last_lsn)
        state->last_lsn = f->origin.lsn;
}

/* An entry that a head accepted or inherited: what later updates of the session are checked
 * against. */
void cn_session_accepted(struct cn_core *core, struct cn_chain *chain, const struct wire_forward *f)
{
    if (f->session == 0)
        return;
    struct cn_session *session = cn_session_get(core, chain, f->session);
    if (session == NULL)
        return;
    if (f->kind == WIRE_ENTRY_EXPIRE_SESSION) {
        if (session->accepted.exists)
            chain->sessions_accepted--;
        session->accepted = (struct cn_session_state){0};
        if (f->session > chain->session_floor_accepted)
            chain->session_floor_accepted = f->session;
        return;
    }
    if (!session->accepted.exists)
        chain->sessions_accepted++;
    raise(&session->accepted, f);
}

static void delete_outcomes(struct cn_chain *chain, uint64_t id, uint64_t from, uint64_t to,
                            struct kv_batch *batch)
{
    if (to > from && to - from > 2 * BOUND_SESSION_WINDOW) {
        struct cn_key first = cn_key_outcome(chain->id, id, from);
        struct cn_key end = cn_key_outcome(chain->id, id, to);
        kv_batch_delete_range(batch, CN_FAMILY_SESSIONS, cn_key_slice(&first), cn_key_slice(&end));
        return;
    }
    for (uint64_t seq = from; seq < to; seq++) {
        struct cn_key key = cn_key_outcome(chain->id, id, seq);
        kv_batch_delete(batch, CN_FAMILY_SESSIONS, cn_key_slice(&key));
    }
}

static void expire(struct cn_chain *chain, struct cn_session *session, struct kv_batch *batch)
{
    struct cn_key from = cn_key_session(chain->id, session->id);
    struct cn_key to = cn_key_session(chain->id, session->id + 1);
    kv_batch_delete_range(batch, CN_FAMILY_SESSIONS, cn_key_slice(&from), cn_key_slice(&to));
    session->applied = (struct cn_session_state){0};
    if (session->id > chain->session_floor)
        chain->session_floor = session->id;
}

/* The outcome goes in the batch of the object itself (R11, checklist 25-26). Applying an entry that
 * the row already contains (a joiner copied a newer row) changes nothing. */
void cn_session_apply(struct cn_core *core, struct cn_chain *chain, const struct cn_entry *entry,
                      struct kv_batch *batch)
{
    const struct wire_forward *f = &entry->f;
    if (f->session == 0 || (PLANTED(R10_REFUSAL_FORGOTTEN) && f->kind == WIRE_ENTRY_NOTE))
        return;
    struct cn_session *session = cn_session_get(core, chain, f->session);
    if (session == NULL)
        return;
    if (f->kind == WIRE_ENTRY_EXPIRE_SESSION) {
        expire(chain, session, batch);
        return;
    }
    struct cn_session_state *state = &session->applied;
    if (state->exists && state->last_lsn >= f->origin.lsn)
        return;
    if (state->exists && f->seq_floor > state->floor) {
        uint64_t end = f->seq_floor <= state->max_seq ? f->seq_floor : state->max_seq + 1;
        delete_outcomes(chain, session->id, state->floor, end, batch);
    }
    raise(state, f);
    cn_session_row_put(batch, chain->id, session->id, state);
    if (f->seq >= state->floor)
        cn_outcome_row_put(batch, entry);
}

/* A session that expired is dropped from memory when nothing can ask for it any more. */
void cn_session_settled(struct cn_chain *chain, const struct cn_entry *entry)
{
    if (entry->f.kind != WIRE_ENTRY_EXPIRE_SESSION)
        return;
    struct cn_session *session = map_get(&chain->sessions, entry->f.session);
    if (session == NULL || session->applied.exists ||
        (chain->are_sessions_accepted && session->accepted.exists))
        return;
    mem_free(map_remove(&chain->sessions, entry->f.session));
}
