/* At most once (R10, R11): duplicates are answered before any condition is looked at. */
#include "chainnode/core/cn_internal.h"

static void answer_from_row(struct cn_core *core, struct cn_chain *chain,
                            const struct cn_admission *admission, const struct cn_outcome_row *row)
{
    TRACE(&core->options.trace, "chain %u: duplicate (%llu, %llu) answered from its row: %s",
          chain->id, (unsigned long long)admission->f.session, (unsigned long long)admission->f.seq,
          err_name((enum err)row->outcome));
    cn_updated(core, chain, admission->conn, admission->request, row->outcome, row->version,
               row->current);
}

/* The first copy is in memory: undecided ones answer when they commit, with their own outcome. */
void cn_answer_with(struct cn_core *core, struct cn_chain *chain,
                    const struct cn_admission *admission, struct cn_entry *entry)
{
    if (entry->f.origin.lsn > chain->committed) {
        TRACE(&core->options.trace, "chain %u: duplicate (%llu, %llu) waits for %llu.%llu",
              chain->id, (unsigned long long)admission->f.session,
              (unsigned long long)admission->f.seq, (unsigned long long)entry->f.origin.epoch,
              (unsigned long long)entry->f.origin.lsn);
        cn_entry_add_waiter(entry, admission->conn, admission->request);
        return;
    }
    struct cn_outcome_row row = {.outcome = entry->f.outcome, .current = entry->f.current};
    if (row.outcome == ERR_OK)
        row.version = entry->f.origin;
    answer_from_row(core, chain, admission, &row);
}

static enum err read_outcome(struct cn_core *core, const struct cn_chain *chain, uint64_t session,
                             uint64_t seq, struct cn_outcome_row *ret_row, bool *ret_found)
{
    struct cn_key key = cn_key_outcome(chain->id, session, seq);
    struct buf *value;
    enum err err = kv_get(&core->kv, CN_FAMILY_SESSIONS, cn_key_slice(&key), &value);
    if (err != ERR_OK)
        return err;
    *ret_found = value != NULL && !PLANTED(R11_IN_MEMORY_ONLY);
    if (value != NULL && !cn_outcome_row_decode(buf_slice(value), ret_row))
        err = ERR_CORRUPT;
    buf_unref(value);
    return err;
}

bool cn_session_is_new(struct cn_core *core, struct cn_chain *chain,
                       const struct cn_admission *admission)
{
    const struct wire_forward *f = &admission->f;
    uint64_t conn = admission->conn;
    const struct cn_session *session = map_get(&chain->sessions, f->session);
    bool is_known = session != NULL && session->accepted.exists;
    if (!is_known && f->session <= chain->session_floor_accepted &&
        !PLANTED(R11_NO_SESSION_FLOOR)) {
        cn_refuse(core, conn, admission->request, ERR_SESSION_EXPIRED, NULL, NULL);
        return false;
    }
    uint64_t floor = is_known ? session->accepted.floor : 0;
    if (f->seq < floor) {
        cn_refuse(core, conn, admission->request, ERR_OUTCOME_UNKNOWN, NULL,
                  "the session has reported this update as answered");
        return false;
    }
    if (is_known && f->seq <= session->accepted.max_seq) {
        struct cn_entry *first = cn_index_session(core, chain, f->session, f->seq);
        if (first != NULL) {
            cn_answer_with(core, chain, admission, first);
            return false;
        }
        struct cn_outcome_row row;
        bool is_found = false;
        enum err err = read_outcome(core, chain, f->session, f->seq, &row, &is_found);
        if (err != ERR_OK) {
            cn_disk_failed(core, err);
            return false;
        }
        if (is_found) {
            answer_from_row(core, chain, admission, &row);
            return false;
        }
    }
    if (f->seq_floor > floor)
        floor = f->seq_floor;
    if (f->seq - floor >= BOUND_SESSION_WINDOW) {
        cn_refuse(core, conn, admission->request, ERR_BUSY, NULL,
                  "the session has too many updates without an answer");
        return false;
    }
    return true;
}

/* R11: forgetting a session is an update like any other, ordered among the rest. The least recently
 * used one goes (D4). */
void cn_session_evict(struct cn_core *core, struct cn_chain *chain, uint64_t keep)
{
    uint32_t most = core->options.sessions_max;
    if (chain->sessions_accepted <= (most == 0 ? BOUND_SESSIONS_PER_CHAIN : most))
        return;
    const struct cn_session *oldest = NULL;
    size_t cursor = 0;
    const struct cn_session *at;
    while ((at = map_next(&chain->sessions, &cursor, NULL)) != NULL) {
        if (!at->accepted.exists || at->id == keep)
            continue;
        if (oldest == NULL || at->accepted.last_lsn < oldest->accepted.last_lsn)
            oldest = at;
    }
    if (oldest == NULL)
        return;
    TRACE(&core->options.trace, "chain %u: session %llu expires", chain->id,
          (unsigned long long)oldest->id);
    struct cn_admission expiry = {
        .f = {.kind = WIRE_ENTRY_EXPIRE_SESSION, .session = oldest->id},
    };
    cn_admit(core, chain, &expiry);
}
