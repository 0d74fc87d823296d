/* From facts to commands: asks chain_plan for each chain whose facts changed, and batches the
 * answers, so that a node's death costs two log entries however many chains it was in. */
#include "base/buf.h"
#include "base/contract.h"
#include "base/planted.h"
#include "base/text.h"
#include "config_master/core/candidates.h"
#include "config_master/core/leader.h"
#include "config_master/plan/validate.h"

enum {
    PLAN_NODES = 6 * BOUND_CHAIN_MEMBERS + CM_CANDIDATES,
    PLAN_LINKS = BOUND_CHAIN_MEMBERS + 1,
    INFLIGHT_MAX = 256,
};

/* Everything chain_plan is told about one chain, with room of its own. */
struct facts {
    struct plan_input input;
    struct plan_node nodes[PLAN_NODES];
    struct plan_link links[PLAN_LINKS];
    uint32_t candidates[CM_CANDIDATES];
};

/* One command being filled. */
struct batch {
    struct cm_change *changes;
    uint32_t count;
    struct cm_bad_link links[BOUND_CHAIN_MEMBERS]; /* newly cut; low and high only */
    uint32_t links_count;
};

/* ---- the queue ---- */

void cm_planner_mark(struct cm_core *core, uint32_t chain)
{
    PRE(chain < core->book_count);
    if (!core->is_leader || core->books[chain].is_dirty)
        return;
    core->books[chain].is_dirty = true;
    core->dirty[core->dirty_count++] = chain;
}

static bool row_names(const struct plan_row *row, uint32_t node)
{
    if (row->joiner.node == node)
        return true;
    for (uint32_t i = 0; i < row->members_count; i++) {
        if (row->members[i].node == node)
            return true;
    }
    for (uint32_t i = 0; i < row->serving_count; i++) {
        if (row->serving[i].node == node)
            return true;
    }
    return false;
}

void cm_planner_mark_node(struct cm_core *core, uint32_t node)
{
    for (uint32_t i = 0; i < core->book_count; i++) {
        const struct cm_chain *chain = &core->state->chains[i];
        if (row_names(&chain->active, node) ||
            (chain->has_decided && row_names(&chain->decided, node)))
            cm_planner_mark(core, i);
    }
}

void cm_planner_mark_all(struct cm_core *core)
{
    for (uint32_t i = 0; i < core->book_count; i++)
        cm_planner_mark(core, i);
}

static bool is_short(const struct cm_chain *chain)
{
    return !chain->has_decided && chain->active.joiner.node == 0 &&
           chain->active.members_count < chain->active.replicas;
}

void cm_planner_mark_short(struct cm_core *core)
{
    for (uint32_t i = 0; i < core->book_count; i++) {
        if (is_short(&core->state->chains[i]))
            cm_planner_mark(core, i);
    }
}

void cm_planner_reset(struct cm_core *core)
{
    if (core->books == NULL || core->book_count != core->state->chain_count) {
        mem_free(core->books);
        mem_free(core->dirty);
        core->book_count = core->state->chain_count;
        core->books = mem_calloc(core->book_count + 1, sizeof *core->books);
        core->dirty = mem_calloc(core->book_count + 1, sizeof *core->dirty);
    } else {
        memset(core->books, 0, core->book_count * sizeof *core->books);
    }
    core->dirty_count = 0;
    core->nodes_dirty = false;
    core->inflight = 0;
    core->plan_wake_us = UINT64_MAX;
    cm_swap_reset(core);
    cm_marks_reset(core);
}

/* ---- what members report ---- */

static bool seen_is_needed(const struct cm_chain *chain, uint32_t node)
{
    return row_names(&chain->active, node) ||
           (chain->has_decided && row_names(&chain->decided, node));
}

static struct cm_seen *seen_place(struct cm_core *core, uint32_t chain, uint32_t node)
{
    struct cm_chain_book *book = &core->books[chain];
    struct cm_seen *free_place = NULL;
    for (uint32_t i = 0; i < CM_SEEN; i++) {
        struct cm_seen *seen = &book->seen[i];
        if (seen->member.node == node)
            return seen;
        if (free_place == NULL && (seen->member.node == 0 ||
                                   !seen_is_needed(&core->state->chains[chain], seen->member.node)))
            free_place = seen;
    }
    return free_place;
}

/* The reason is text from outside: it goes into logs and status as it is. */
static void note_halted(struct cm_core *core, struct wire_member sender,
                        const struct wire_chain_report *report)
{
    struct text why;
    text_init(&why);
    text_append_escaped(&why, report->alarm);
    text_format(core->books[report->chain].alarm, sizeof core->books[report->chain].alarm, "%s",
                why.length == 0 ? "see its log" : text_cstr(&why));
    text_release(&why);
    TRACE(&core->options.trace, "chain-halted chain=%u node=%u epoch=%llu why=%s", report->chain,
          sender.node, (unsigned long long)report->epoch, core->books[report->chain].alarm);
}

static void note_positions(struct cm_seen *seen, const struct wire_chain_report *report)
{
    seen->applied = report->applied.lsn;
    seen->committed = report->committed;
    seen->digest = report->digest;
}

void cm_planner_report(struct cm_core *core, struct wire_member sender,
                       const struct wire_chain_report *report)
{
    if (report->chain >= core->book_count)
        return;
    const struct cm_chain *chain = &core->state->chains[report->chain];
    if (!seen_is_needed(chain, sender.node))
        return;
    cm_marks_told(core, sender, report);
    struct cm_seen *seen = seen_place(core, report->chain, sender.node);
    if (seen == NULL ||
        (seen->member.node == sender.node && seen->member.incarnation > sender.incarnation))
        return;
    if (cm_member_equal(seen->member, sender) && seen->epoch == report->epoch &&
        seen->flags == report->flags) {
        note_positions(seen, report);
        return;
    }
    if ((report->flags & WIRE_REPORT_HALTED) != 0 &&
        !(cm_member_equal(seen->member, sender) && (seen->flags & WIRE_REPORT_HALTED) != 0))
        note_halted(core, sender, report);
    /* An epoch that was entered stays acknowledged (R5): a late heartbeat takes nothing back. */
    uint64_t epoch = report->epoch;
    if (cm_member_equal(seen->member, sender) && seen->epoch > epoch)
        return;
    *seen = (struct cm_seen){.member = sender, .epoch = epoch, .flags = report->flags};
    note_positions(seen, report);
    if (cm_marks_is_rolled_back(core, report->chain, seen))
        TRACE(&core->options.trace,
              "disk-rolled-back chain=%u node=%u holds=%llu committed=%llu: not believed",
              report->chain, sender.node, (unsigned long long)seen->applied,
              (unsigned long long)chain->mark);
    cm_planner_mark(core, report->chain);
}

static const struct cm_seen *seen_find(const struct cm_core *core, uint32_t chain, uint32_t node)
{
    for (uint32_t i = 0; i < CM_SEEN; i++) {
        if (core->books[chain].seen[i].member.node == node)
            return &core->books[chain].seen[i];
    }
    return NULL;
}

uint64_t cm_planner_acknowledged(const struct cm_core *core, uint32_t chain,
                                 struct wire_member member)
{
    const struct cm_seen *seen = seen_find(core, chain, member.node);
    return seen != NULL && cm_member_equal(seen->member, member) ? seen->epoch : 0;
}

/* ---- facts ---- */

static struct plan_node *facts_node(struct facts *facts, uint32_t node)
{
    for (uint32_t i = 0; i < facts->input.nodes_count; i++) {
        if (facts->nodes[i].node == node)
            return &facts->nodes[i];
    }
    return NULL;
}

/* The incarnation of the node that the serving set names, 0 if none. */
static uint64_t serving_incarnation(const struct plan_row *row, uint32_t node)
{
    for (uint32_t i = 0; i < row->serving_count; i++) {
        if (row->serving[i].node == node)
            return row->serving[i].incarnation;
    }
    return 0;
}

static void add_node(struct cm_core *core, const struct cm_chain *chain, struct facts *facts,
                     struct wire_member member)
{
    if (member.node == 0 || facts_node(facts, member.node) != NULL)
        return;
    INVARIANT(facts->input.nodes_count < PLAN_NODES);
    struct plan_node *fact = &facts->nodes[facts->input.nodes_count++];
    *fact = (struct plan_node){.node = member.node, .dead_through = cm_dead_through(core, member)};
    const struct cm_node *node = cm_state_node(core->state, member.node);
    if (node == NULL)
        return;
    fact->incarnation = node->incarnation;
    fact->is_alive = cm_is_alive(core, member.node);
    const struct cm_seen *seen = seen_find(core, chain->active.chain, member.node);
    const struct cm_live *live = cm_live(core, member.node);
    /* Only what this incarnation itself has said in this term. */
    if (seen == NULL || seen->member.incarnation != node->incarnation || live == NULL ||
        live->incarnation != node->incarnation)
        return;
    fact->is_syncing = (seen->flags & WIRE_REPORT_SYNCING) != 0;
    bool is_halted = (seen->flags & WIRE_REPORT_HALTED) != 0;
    /* A disk that came after the one that served holds nothing of it (S13). */
    bool same_disk = serving_incarnation(&chain->active, member.node) >= node->disk_since ||
                     PLANTED(R34_OTHER_DISK_BELIEVED);
    fact->holds = (seen->flags & WIRE_REPORT_HOLDS) != 0 && !is_halted && same_disk &&
                  !cm_marks_is_rolled_back(core, chain->active.chain, seen);
}

static void add_row_nodes(struct cm_core *core, const struct cm_chain *chain, struct facts *facts,
                          const struct plan_row *row)
{
    for (uint32_t i = 0; i < row->members_count; i++)
        add_node(core, chain, facts, row->members[i]);
    add_node(core, chain, facts, row->joiner);
    for (uint32_t i = 0; i < row->serving_count; i++)
        add_node(core, chain, facts, row->serving[i]);
}

static void add_link(struct cm_core *core, struct facts *facts, uint32_t a, uint32_t b)
{
    /* Who halted says nothing any more: that is no cut link, and nobody is taken out for it (R27).
     */
    bool is_cut =
        cm_link_is_cut(core, a, b) && !cm_chain_is_halted(core, facts->input.active->chain);
    if (!is_cut && !cm_link_is_remembered(core, a, b))
        return;
    if (facts->input.links_count < PLAN_LINKS)
        facts->links[facts->input.links_count++] =
            (struct plan_link){.a = a, .b = b, .is_cut = is_cut};
}

static void add_report(const struct cm_core *core, uint32_t chain, struct wire_member sender,
                       uint32_t flag, struct plan_report *ret_report)
{
    const struct cm_seen *seen = seen_find(core, chain, sender.node);
    if (seen != NULL && cm_member_equal(seen->member, sender) && (seen->flags & flag) != 0)
        *ret_report = (struct plan_report){.sender = sender, .epoch = seen->epoch};
}

static void gather_facts(struct cm_core *core, uint32_t number, struct facts *facts)
{
    struct cm_chain *chain = &core->state->chains[number];
    const struct plan_row *row = &chain->active;
    memset(facts, 0, sizeof *facts);
    struct plan_input *input = &facts->input;
    input->active = row;
    input->decided = chain->has_decided ? &chain->decided : NULL;
    input->nodes = facts->nodes;
    input->links = facts->links;
    input->candidates = facts->candidates;
    add_row_nodes(core, chain, facts, row);
    if (chain->has_decided)
        add_row_nodes(core, chain, facts, &chain->decided);
    for (uint32_t i = 0; i + 1 < row->members_count; i++)
        add_link(core, facts, row->members[i].node, row->members[i + 1].node);
    uint32_t tail = row->members[row->members_count - 1].node;
    if (row->joiner.node != 0)
        add_link(core, facts, tail, row->joiner.node);
    if (is_short(chain)) {
        input->candidates_count = cm_candidates(core, row, facts->candidates, CM_CANDIDATES);
        for (uint32_t i = 0; i < input->candidates_count; i++) {
            add_node(core, chain, facts, (struct wire_member){.node = facts->candidates[i]});
        }
    }
    add_report(core, number, row->members[row->members_count - 1], WIRE_REPORT_SYNCED,
               &input->synced);
    add_report(core, number, row->members[0], WIRE_REPORT_DRAINED, &input->drained);
    input->order = cm_swap_order(core, number, &input->order_count);
    input->any_replica = cm_state_setting(core->state, "any-replica", 0) != 0;
    input->write_floor = (uint32_t)cm_state_setting(core->state, "write-floor", 1);
    input->replicas = (uint32_t)cm_state_setting(core->state, "replicas", core->state->replicas);
}

/* R33: some member of the last serving set has returned; the others get a short time to. */
static bool grace_is_over(struct cm_core *core, uint32_t number, const struct facts *facts)
{
    struct cm_chain_book *book = &core->books[number];
    bool any_returned = false;
    for (uint32_t i = 0; i < facts->input.nodes_count; i++)
        any_returned = any_returned || (facts->nodes[i].holds && facts->nodes[i].is_alive);
    if (!any_returned) {
        book->gather_since_us = 0;
        return false;
    }
    if (book->gather_since_us == 0)
        book->gather_since_us = core->now_us;
    uint64_t end_us = book->gather_since_us + core->options.restart_grace_us;
    if (core->now_us >= end_us)
        return true;
    if (end_us < core->plan_wake_us)
        core->plan_wake_us = end_us;
    return false;
}

/* R29, R31: whether what the step fences can surely not read any more; else wakes us up then. */
static bool fences_are_over(struct cm_core *core, uint32_t number, const struct plan_step *step)
{
    const struct cm_chain *chain = &core->state->chains[number];
    /* Nothing is activated before the leases of earlier leaders have run out. */
    uint64_t ready_us = core->since_us +
                        cm_with_drift(core, core->options.lease_us + core->options.election_min_us);
    if (PLANTED(R28_NO_WAIT_OF_NEW_LEADER))
        ready_us = 0;
    for (uint32_t i = 0; i < step->fences_count; i++) {
        struct wire_member member = step->fences[i];
        uint32_t position =
            cm_member_find(chain->active.members, chain->active.members_count, member);
        INVARIANT(position < chain->active.members_count);
        uint64_t read_epoch = chain->reader_epochs[position];
        /* It has entered an epoch from which on it never was a reader, or never was one at all. */
        if (read_epoch == 0 || cm_planner_acknowledged(core, number, member) > read_epoch)
            continue;
        bool is_tail = position + 1 == chain->active.members_count;
        if (PLANTED(R29_NO_WAIT) || (PLANTED(R29_TAIL_ONLY) && !is_tail))
            continue;
        uint64_t end_us = cm_lease_end_us(core, member);
        ready_us = end_us > ready_us ? end_us : ready_us;
    }
    if (core->now_us >= ready_us)
        return true;
    if (ready_us < core->plan_wake_us)
        core->plan_wake_us = ready_us;
    return false;
}

/* A row is activated only when one of its members has said something since it was decided. Deaths
 * come together and are noticed one after the other: a member that is dead already, but not yet
 * silent for long, would become the whole last serving set, and the chain would wait for it
 * although the others hold everything (design, promise 5). That a heartbeat comes is not enough, it
 * may be a dead member's last one (simulator seed 100002790): it must show something that its
 * sender can have only since then. The decision itself brings that: with it the dead node's state
 * is published, and who installs a map says so at once; a head that holds its map back (R37) echoes
 * the challenge. */
static bool is_heard(struct cm_core *core, uint32_t number, const struct plan_row *row)
{
    struct cm_chain_book *book = &core->books[number];
    bool is_found = book->decided_challenge == 0;
    uint64_t challenge = is_found ? (core->term << 32) | 1 : book->decided_challenge;
    for (uint32_t i = 0; i < row->members_count; i++) {
        const struct cm_live *live = cm_live(core, row->members[i].node);
        if (live != NULL && live->incarnation == row->members[i].incarnation &&
            (PLANTED(D14_ANY_BEAT) || cm_has_answered(live, challenge) ||
             (!is_found && live->map_version > book->decided_version)))
            return true;
    }
    book->awaits_beat = true;
    return false;
}

void cm_planner_heard(struct cm_core *core, struct wire_member member)
{
    LIST_FOREACH (link, &core->state->decided_chains) {
        const struct cm_chain *chain = CONTAINER_OF(link, struct cm_chain, decided_link);
        const struct plan_row *decided = &chain->decided;
        struct cm_chain_book *book = &core->books[chain->active.chain];
        if (!book->awaits_beat || cm_member_find(decided->members, decided->members_count,
                                                 member) == decided->members_count)
            continue;
        book->awaits_beat = false;
        cm_planner_mark(core, chain->active.chain);
    }
}

/* ---- commands ---- */

static void batch_send_nodes(struct cm_core *core, struct cm_writer *writer)
{
    /* The id is known only after cm_propose: all of this command share the next one. */
    for (uint32_t i = 0; i < core->state->node_count; i++) {
        const struct cm_node *node = core->state->nodes[i];
        struct cm_live *live = cm_live(core, node->id);
        if (live == NULL || live->state_proposal != 0)
            continue;
        enum wire_node_state wanted = live->was_alive ? WIRE_NODE_ALIVE : WIRE_NODE_DOWN;
        if (node->state == wanted)
            continue;
        struct cm_item item = {.kind = CM_ITEM_NODE_STATE};
        item.u.node_state.node = node->id;
        item.u.node_state.incarnation = node->incarnation;
        item.u.node_state.state = wanted;
        cm_command_append(writer, &item);
        live->state_proposal = core->next_id;
    }
    core->nodes_dirty = false;
}

static void batch_flush(struct cm_core *core, struct batch *batch)
{
    if (batch->count == 0 && !core->nodes_dirty)
        return;
    struct cm_writer writer;
    cm_writer_init(&writer);
    cm_command_begin(&writer);
    if (core->nodes_dirty)
        batch_send_nodes(core, &writer);
    for (uint32_t i = 0; i < batch->links_count; i++) {
        struct cm_item item = {.kind = CM_ITEM_BAD_LINK};
        item.u.bad_link.a = batch->links[i].low;
        item.u.bad_link.b = batch->links[i].high;
        cm_command_append(&writer, &item);
    }
    if (batch->count > 0) {
        struct cm_item item = {.kind = CM_ITEM_ROWS};
        item.u.rows.changes = batch->changes;
        item.u.rows.count = batch->count;
        cm_command_append(&writer, &item);
    }
    if (writer.length == 1) {
        cm_writer_release(&writer);
        return;
    }
    for (uint32_t i = 0; i < batch->count; i++)
        core->books[batch->changes[i].chain].proposal = core->next_id;
    cm_propose(core, &writer);
    core->inflight++;
    batch->count = 0;
    batch->links_count = 0;
}

/* R35: a removal or cancellation because of a cut link is remembered with it, once per pair. */
static void remember_cut_links(const struct cm_core *core, struct batch *batch,
                               const struct facts *facts)
{
    for (uint32_t i = 0; i < facts->input.links_count; i++) {
        const struct plan_link *link = &facts->links[i];
        if (!link->is_cut || cm_link_is_remembered(core, link->a, link->b))
            continue;
        uint32_t low = link->a < link->b ? link->a : link->b;
        uint32_t high = link->a < link->b ? link->b : link->a;
        bool known = batch->links_count == ARRAY_COUNT(batch->links);
        for (uint32_t j = 0; j < batch->links_count; j++)
            known = known || (batch->links[j].low == low && batch->links[j].high == high);
        if (!known)
            batch->links[batch->links_count++] = (struct cm_bad_link){.low = low, .high = high};
    }
}

static void batch_add(struct cm_core *core, struct batch *batch, uint32_t number,
                      const struct plan_step *step)
{
    const struct cm_chain *chain = &core->state->chains[number];
    struct cm_change *change = &batch->changes[batch->count++];
    *change = (struct cm_change){
        .chain = number,
        .expected_epoch = chain->active.epoch,
        .expected_decided = chain->has_decided ? chain->decided.epoch : 0,
        .row = step->row,
    };
    switch (step->kind) {
    case PLAN_REMOVE:
    case PLAN_RESTART:
        change->kind = CM_CHANGE_DECIDE;
        break;
    case PLAN_ACTIVATE:
        change->kind = CM_CHANGE_ACTIVATE;
        break;
    case PLAN_CANCEL_JOINER:
    case PLAN_APPEND:
    case PLAN_ADD_JOINER:
    case PLAN_FREEZE:
    case PLAN_PERMUTE:
    case PLAN_UNFREEZE:
    case PLAN_SETTINGS:
        change->kind = CM_CHANGE_SET;
        break;
    case PLAN_NONE:
        IMPOSSIBLE("nothing to propose");
    }
    TRACE(&core->options.trace, "chain-plan chain=%u step=%s epoch=%llu", number,
          plan_kind_name(step->kind), (unsigned long long)step->row.epoch);
    if (batch->count == CM_ROWS_PER_COMMAND)
        batch_flush(core, batch);
}

static void plan_chain(struct cm_core *core, uint32_t number, struct facts *facts,
                       struct batch *batch)
{
    struct cm_chain_book *book = &core->books[number];
    if (book->proposal != 0)
        return; /* planned again when its outcome is known */
    gather_facts(core, number, facts);
    facts->input.grace_is_over = grace_is_over(core, number, facts);
    struct plan_step step;
    plan_next(&facts->input, &step);
    const char *why = NULL;
    INVARIANT(step.kind == PLAN_NONE || plan_validate(&facts->input, &step, &why));
    if (step.kind == PLAN_NONE) {
        /* What a candidate waits for (re-admission, a remembered link) has no event. */
        uint64_t again_us = core->now_us + core->options.silence_us;
        if (is_short(&core->state->chains[number]) && again_us < core->plan_wake_us)
            core->plan_wake_us = again_us;
        return;
    }
    if (step.kind == PLAN_ACTIVATE &&
        (!fences_are_over(core, number, &step) || !is_heard(core, number, &step.row)))
        return;
    if (step.kind == PLAN_ADD_JOINER)
        cm_candidates_count_join(core, &step.row);
    if (step.kind == PLAN_REMOVE || step.kind == PLAN_CANCEL_JOINER)
        remember_cut_links(core, batch, facts);
    batch_add(core, batch, number, &step);
}

void cm_planner_run(struct cm_core *core)
{
    if (!core->is_leader || (core->dirty_count == 0 && !core->nodes_dirty) ||
        core->inflight >= INFLIGHT_MAX)
        return;
    struct facts *facts = mem_alloc(sizeof *facts);
    struct batch batch = {0};
    batch.changes = mem_alloc(CM_ROWS_PER_COMMAND * sizeof *batch.changes);
    cm_candidates_begin(core);
    for (uint32_t i = 0; i < core->dirty_count; i++) {
        core->books[core->dirty[i]].is_dirty = false;
        plan_chain(core, core->dirty[i], facts, &batch);
    }
    core->dirty_count = 0;
    batch_flush(core, &batch);
    mem_free(batch.changes);
    mem_free(facts);
}

void cm_planner_tick(struct cm_core *core)
{
    if (!core->is_leader || core->now_us < core->plan_wake_us)
        return;
    core->plan_wake_us = UINT64_MAX;
    for (uint32_t i = 0; i < core->book_count; i++) {
        if (core->state->chains[i].has_decided || core->books[i].gather_since_us != 0 ||
            core->books[i].was_refused || is_short(&core->state->chains[i]))
            cm_planner_mark(core, i);
        core->books[i].was_refused = false;
    }
}

/* A leader that hands its leadership over takes no proposals and says so at once: planning again in
 * the same step would go on for ever. */
static void plan_later(struct cm_core *core, uint32_t chain)
{
    core->books[chain].was_refused = true;
    uint64_t again_us = core->now_us + core->options.heartbeat_us / 10;
    if (again_us < core->plan_wake_us)
        core->plan_wake_us = again_us;
}

void cm_planner_proposed(struct cm_core *core, uint64_t id, enum err err)
{
    bool ours = false;
    for (uint32_t i = 0; i < core->book_count; i++) {
        if (core->books[i].proposal != id)
            continue;
        core->books[i].proposal = 0;
        if (err == ERR_OK)
            cm_planner_mark(core, i);
        else
            plan_later(core, i);
        ours = true;
    }
    size_t cursor = 0;
    struct cm_live *live;
    while ((live = map_next(&core->lives, &cursor, NULL)) != NULL) {
        if (live->registering == id)
            live->registering = 0;
        if (live->state_proposal == id) {
            live->state_proposal = 0;
            ours = true;
        }
    }
    if (ours && core->inflight > 0)
        core->inflight--;
}

void cm_planner_row_changed(struct cm_core *core, uint32_t chain, unsigned change_kind)
{
    if (!core->is_leader || chain >= core->book_count)
        return;
    const struct cm_chain *state = &core->state->chains[chain];
    bool is_decided = change_kind == CM_CHANGE_DECIDE;
    const struct plan_row *row = is_decided ? &state->decided : &state->active;
    TRACE(&core->options.trace, "chain-%s chain=%u epoch=%llu members=%u joiner=%u",
          is_decided ? "decided" : "active", chain, (unsigned long long)row->epoch,
          row->members_count, row->joiner.node);
    cm_swap_row_changed(core, chain, is_decided);
    /* The copy under way keeps its place; what waited for places may go on. */
    cm_planner_mark(core, chain);
    if (is_decided) {
        core->books[chain].decided_challenge = cm_challenge_new(core);
        core->books[chain].decided_version = core->state->applied; /* before this command */
        core->books[chain].awaits_beat = false;
        cm_send_decided(core, state, 0);
    } else {
        core->books[chain].gather_since_us = 0;
        core->short_due = true;
    }
}

void cm_send_decided(struct cm_core *core, const struct cm_chain *chain, uint32_t only_node)
{
    for (uint32_t i = 0; i < chain->active.members_count; i++) {
        struct wire_member member = chain->active.members[i];
        const struct cm_live *live = cm_live(core, member.node);
        if ((only_node != 0 && member.node != only_node) || live == NULL || live->conn == 0 ||
            live->incarnation != member.incarnation ||
            cm_member_find(chain->decided.members, chain->decided.members_count, member) <
                chain->decided.members_count)
            continue;
        struct wire_message *message = cm_emit_message(core, live->conn, WIRE_DECIDED);
        message->u.decided.row = plan_row_to_wire(&chain->decided);
    }
}
