/* One chain at this node: which role, from which epoch on (R4, R5, R7, R15, R20). */
#include "chainnode/core/cn_internal.h"

struct cn_chain *cn_chain_get(const struct cn_core *core, uint32_t id)
{
    return map_get(&core->chains, id);
}

struct cn_chain *cn_chain_make(struct cn_core *core, uint32_t id)
{
    struct cn_chain *chain = cn_chain_get(core, id);
    if (chain != NULL)
        return chain;
    chain = mem_calloc(1, sizeof *chain);
    chain->id = id;
    map_init(&chain->sessions);
    list_init(&chain->parked);
    list_init(&chain->active);
    list_init(&chain->dirty);
    (void)map_put(&core->chains, id, chain);
    return chain;
}

void cn_chain_free(struct cn_core *core, struct cn_chain *chain)
{
    cn_reads_refuse(core, chain, ERR_OK);
    cn_source_end(chain);
    cn_target_end(core, chain);
    cn_entries_drop(core, chain);
    map_release(&chain->sessions);
    mem_free(chain);
}

void cn_chain_touch(struct cn_core *core, struct cn_chain *chain)
{
    if (list_is_empty(&chain->dirty))
        list_append(&core->dirty, &chain->dirty);
}

void cn_chain_changed(struct cn_chain *chain)
{
    chain->report_version++;
}

bool cn_is_serving(const struct cn_chain *chain)
{
    return chain->role != CN_ROLE_NONE && chain->role != CN_ROLE_JOINER;
}

bool cn_is_head(const struct cn_chain *chain)
{
    return chain->role == CN_ROLE_HEAD || chain->role == CN_ROLE_SINGLE;
}

bool cn_is_tail(const struct cn_chain *chain)
{
    return chain->role == CN_ROLE_TAIL || chain->role == CN_ROLE_SINGLE;
}

const char *cn_role_name(enum cn_role role)
{
    switch (role) {
    case CN_ROLE_NONE:
        return "nothing";
    case CN_ROLE_HEAD:
        return "head";
    case CN_ROLE_MIDDLE:
        return "middle";
    case CN_ROLE_TAIL:
        return "tail";
    case CN_ROLE_SINGLE:
        return "single";
    case CN_ROLE_JOINER:
        return "joiner";
    }
    IMPOSSIBLE("every role is listed above");
}

/* Only this very incarnation has a role (R4). */
static enum cn_role role_in(const struct cn_core *core, const struct cn_row *row)
{
    if (cn_member_is_me(core, &row->joiner))
        return CN_ROLE_JOINER;
    int index = cn_row_my_index(core, row);
    if (index < 0)
        return CN_ROLE_NONE;
    if (row->members_count == 1)
        return CN_ROLE_SINGLE;
    if (index == 0)
        return CN_ROLE_HEAD;
    return index + 1 == (int)row->members_count ? CN_ROLE_TAIL : CN_ROLE_MIDDLE;
}

static void set_role(struct cn_core *core, struct cn_chain *chain, enum cn_role role)
{
    chain->role = role;
    list_remove(&chain->active);
    if (role != CN_ROLE_NONE)
        list_append(&core->active, &chain->active);
}

/* What both a leave and a new epoch end: reads (R16), the copy of a joiner (R21), marks (R7). */
static void end_epoch(struct cn_core *core, struct cn_chain *chain)
{
    if (!PLANTED(R14_EPOCH_NOT_CHECKED))
        cn_reads_refuse(core, chain, ERR_WRONG_EPOCH);
    cn_source_end(chain);
    if (!PLANTED(R7_OLD_MARK_KEPT))
        chain->predecessor_stable = 0;
    chain->is_load_wanted = false;
    chain->successor = (struct cn_successor){.heard_us = core->now_us, .progress_us = core->now_us};
    chain->predecessor = (struct cn_predecessor){.heard_us = core->now_us};
    chain->mark_due = false;
    chain->ack_due = false;
    chain->resend_due = false;
    chain->quiet_beats = 0;
    cn_chain_changed(chain);
    core->is_beat_wanted = true;
    cn_chain_touch(core, chain);
}

/* Without a role nothing is kept in memory; the disk keeps everything (it may have to start the
 * chain again, R33). Batches under way finish first; then the summary is read again. */
static void drop_log(struct cn_core *core, struct cn_chain *chain)
{
    cn_waiters_refuse(core, chain);
    cn_entries_drop(core, chain);
    if (chain->stores_in_flight > 0 || !chain->is_on_disk)
        return;
    enum err err = cn_load_summary(core, chain);
    if (err != ERR_OK)
        cn_disk_failed(core, err);
}

static void become_nothing(struct cn_core *core, struct cn_chain *chain)
{
    if (chain->role != CN_ROLE_NONE)
        drop_log(core, chain);
    cn_target_end(core, chain);
    chain->is_state_dirty = false;
    chain->is_reset_wanted = false;
    set_role(core, chain, CN_ROLE_NONE);
}

static void become_joiner(struct cn_core *core, struct cn_chain *chain)
{
    cn_waiters_refuse(core, chain);
    cn_entries_drop(core, chain);
    set_role(core, chain, CN_ROLE_JOINER);
    cn_target_begin(core, chain);
}

/* The new row names this incarnation as a member, but what it holds is unknown or incomplete. */
static bool take_log_from_disk(struct cn_core *core, struct cn_chain *chain)
{
    if (chain->stores_in_flight > 0) {
        chain->is_load_wanted = true;
        return false;
    }
    if (!chain->is_on_disk) {
        struct origin none = {0};
        cn_entries_reset(core, chain, none, 0);
        return true;
    }
    /* A half-copied disk is taken only alone, on the operator's word (CHAIN_FORGET). */
    if ((chain->is_syncing || !chain->is_complete) && chain->row.members_count != 1) {
        cn_chain_halt(core, chain, "named as a member, but its copy is not complete");
        return false;
    }
    enum err err = cn_load_log(core, chain);
    if (err != ERR_OK)
        cn_disk_failed(core, err);
    return err == ERR_OK;
}

static bool take_log(struct cn_core *core, struct cn_chain *chain)
{
    if (chain->role == CN_ROLE_NONE)
        return take_log_from_disk(core, chain);
    if (chain->role == CN_ROLE_JOINER && chain->target.state != CN_TARGET_DONE) {
        cn_chain_halt(core, chain, "appended before its copy was complete");
        return false;
    }
    return true;
}

static void become_member(struct cn_core *core, struct cn_chain *chain, enum cn_role role)
{
    bool was_head = cn_is_head(chain);
    if (!take_log(core, chain)) {
        become_nothing(core, chain);
        return;
    }
    cn_target_end(core, chain);
    set_role(core, chain, role);
    chain->inherited = chain->applied.lsn;
    if (!chain->is_complete || chain->is_syncing || !chain->is_on_disk)
        chain->is_state_dirty = true;
    chain->is_on_disk = true;
    chain->is_complete = true;
    chain->is_syncing = false;
    if (was_head && !cn_is_head(chain))
        cn_waiters_refuse(core, chain);
    enum err err = ERR_OK;
    chain->token_floor = 0;
    if (cn_is_head(chain))
        err = cn_sessions_accept(core, chain);
    else
        cn_sessions_end(chain);
    if (err != ERR_OK)
        cn_disk_failed(core, err);
    cn_entries_trim(core, chain);
    chain->mark_due = true; /* both unasked: R9 */
    chain->ack_due = true;
    TRACE(&core->options.trace,
          "chain %u epoch %llu: enters as %s, applied %llu.%llu, committed %llu, inherited %llu",
          chain->id, (unsigned long long)chain->epoch, cn_role_name(role),
          (unsigned long long)chain->applied.epoch, (unsigned long long)chain->applied.lsn,
          (unsigned long long)chain->committed, (unsigned long long)chain->inherited);
}

void cn_enter_epoch(struct cn_core *core, struct cn_chain *chain)
{
    PRE(chain->row.epoch >= chain->epoch);
    chain->epoch = chain->row.epoch;
    end_epoch(core, chain);
    enum cn_role role = role_in(core, &chain->row);
    enum cn_role before = chain->role;
    if (role == CN_ROLE_NONE)
        become_nothing(core, chain);
    else if (role == CN_ROLE_JOINER)
        become_joiner(core, chain);
    else
        become_member(core, chain, role);
    if (role != CN_ROLE_NONE && role != CN_ROLE_JOINER)
        return;
    if (role != before || role == CN_ROLE_JOINER)
        TRACE(&core->options.trace, "chain %u epoch %llu: %s", chain->id,
              (unsigned long long)chain->epoch,
              role == CN_ROLE_NONE ? "no role any more"
                                   : "enters as joiner, drops what is undecided");
}

void cn_leave(struct cn_core *core, struct cn_chain *chain, uint64_t epoch)
{
    chain->epoch = epoch;
    end_epoch(core, chain);
    become_nothing(core, chain);
    TRACE(&core->options.trace, "chain %u epoch %llu: removal decided, leaves", chain->id,
          (unsigned long long)epoch);
}

/* R27: histories that contradict each other. Nothing is overwritten, nothing more is served. */
void cn_chain_halt(struct cn_core *core, struct cn_chain *chain, const char *why)
{
    if (chain->is_halted)
        return;
    chain->is_halted = true;
    chain->halt_why = why;
    cn_halted_tell(core, chain);
    cn_chain_changed(chain);
    core->is_beat_wanted = true;
    cn_reads_refuse(core, chain, ERR_NOT_READY);
    cn_waiters_refuse(core, chain);
    cn_alarm(core, chain, "HALTED", why);
}

/* The last batch of the chain that was under way is stored. */
void cn_chain_stored(struct cn_core *core, struct cn_chain *chain)
{
    if (chain->role == CN_ROLE_JOINER && chain->target.state == CN_TARGET_SETTLING)
        cn_target_ready(core, chain);
    if (chain->role != CN_ROLE_NONE)
        return;
    enum err err = chain->is_on_disk ? cn_load_summary(core, chain) : ERR_OK;
    if (err != ERR_OK)
        cn_disk_failed(core, err);
    if (chain->is_load_wanted && !chain->is_halted && err == ERR_OK) {
        chain->is_load_wanted = false;
        cn_enter_epoch(core, chain);
    }
}
