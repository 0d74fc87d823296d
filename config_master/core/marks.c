/* How far each chain has committed, slowly replicated (R34, S13): so that a disk which went back in
 * time is recognised when it returns, also by a leader that never heard it before.
 *
 * One mark for a whole chain is enough, and says more than one for each member: what one member
 * knows committed was durable on every member of that row (R8), and who was appended since held it
 * too (R22). So each member of the serving set must show at least the mark, and the same digest
 * where it stands at the mark. Whoever shows less was restored from an older copy: it is never a
 * starter (R33), and joins like an empty disk.
 *
 * The window that remains: marks are written down every two seconds at most, so a disk that went
 * back by less than what was committed since the last mark of a leader that is gone too is not
 * recognised. */
#include "base/buf.h"
#include "base/contract.h"
#include "base/planted.h"
#include "base/text.h"
#include "config_master/core/apply.h"
#include "config_master/core/leader.h"

enum { MARKS_PERIOD_US = 2000000 };

/* A new leader writes its first marks as soon as every node can have reported: what the one before
 * it was told since its last marks is forgotten. */
void cm_marks_reset(struct cm_core *core)
{
    core->marks_due_us = core->now_us + 2 * core->options.heartbeat_us;
    core->marks_next = 0;
    core->marks_proposal = 0;
}

/* What this leader was told, unless the operator gave it up since. */
static uint64_t told(const struct cm_core *core, uint32_t chain)
{
    const struct cm_chain_book *book = &core->books[chain];
    return book->told_epoch < core->state->chains[chain].mark_since ? 0 : book->told;
}

void cm_marks_told(struct cm_core *core, struct wire_member sender,
                   const struct wire_chain_report *report)
{
    const struct plan_row *row = &core->state->chains[report->chain].active;
    struct cm_chain_book *book = &core->books[report->chain];
    if (report->epoch != row->epoch || report->committed == 0 ||
        (report->flags & WIRE_REPORT_HALTED) != 0 ||
        cm_member_find(row->members, row->members_count, sender) == row->members_count)
        return;
    uint64_t known = told(core, report->chain);
    if (report->committed == known && report->digest != book->told_digest && book->alarm[0] == 0) {
        text_format(book->alarm, sizeof book->alarm, "node %u committed another history",
                    sender.node);
        TRACE(&core->options.trace, "histories-differ chain=%u node=%u committed=%llu",
              report->chain, sender.node, (unsigned long long)known);
    }
    if (report->committed <= known)
        return;
    book->told = report->committed;
    book->told_digest = report->digest;
    book->told_epoch = report->epoch;
}

bool cm_marks_is_rolled_back(const struct cm_core *core, uint32_t chain, const struct cm_seen *seen)
{
    const struct cm_chain *state = &core->state->chains[chain];
    const struct plan_row *row = &state->active;
    bool has_served = false;
    for (uint32_t i = 0; i < row->serving_count; i++)
        has_served = has_served || (row->serving[i].node == seen->member.node &&
                                    row->serving[i].incarnation < seen->member.incarnation);
    if (!has_served || (seen->flags & WIRE_REPORT_HOLDS) == 0 || PLANTED(R34_OLD_DISK_BELIEVED))
        return false;
    uint64_t mark = state->mark;
    uint64_t digest = state->mark_digest;
    if (told(core, chain) > mark) {
        mark = core->books[chain].told;
        digest = core->books[chain].told_digest;
    }
    return seen->applied < mark || (mark > 0 && seen->committed == mark && seen->digest != digest);
}

static uint32_t collect(struct cm_core *core, struct cm_mark *marks)
{
    uint32_t count = 0;
    uint32_t first = core->marks_next < core->book_count ? core->marks_next : 0;
    for (uint32_t i = 0; i < core->book_count && count < CM_MARKS_PER_COMMAND; i++) {
        uint32_t chain = (first + i) % core->book_count;
        core->marks_next = chain + 1;
        if (told(core, chain) <= core->state->chains[chain].mark)
            continue;
        const struct cm_chain_book *book = &core->books[chain];
        marks[count++] = (struct cm_mark){.chain = chain,
                                          .epoch = book->told_epoch,
                                          .committed = book->told,
                                          .digest = book->told_digest};
    }
    return count;
}

void cm_marks_tick(struct cm_core *core)
{
    if (core->now_us < core->marks_due_us || core->marks_proposal != 0)
        return;
    core->marks_due_us = core->now_us + MARKS_PERIOD_US;
    struct cm_mark *marks = mem_alloc(CM_MARKS_PER_COMMAND * sizeof *marks);
    struct cm_item item = {.kind = CM_ITEM_CHAIN_MARKS};
    item.u.chain_marks.marks = marks;
    item.u.chain_marks.count = collect(core, marks);
    if (item.u.chain_marks.count > 0) {
        struct cm_writer writer;
        cm_writer_init(&writer);
        cm_command_begin(&writer);
        cm_command_append(&writer, &item);
        core->marks_proposal = cm_propose(core, &writer);
    }
    mem_free(marks);
}

void cm_marks_proposed(struct cm_core *core, uint64_t id)
{
    if (core->marks_proposal == id)
        core->marks_proposal = 0;
}

void cm_apply_chain_marks(struct cm_apply *apply, const struct cm_item *item)
{
    struct cm_reader reader = item->u.chain_marks.encoded;
    for (uint32_t i = 0; i < item->u.chain_marks.count; i++) {
        struct cm_mark mark;
        cm_mark_read(&reader, &mark);
        if (mark.chain >= apply->state->chain_count)
            continue;
        struct cm_chain *chain = &apply->state->chains[mark.chain];
        if (mark.epoch < chain->mark_since || mark.committed <= chain->mark ||
            PLANTED(R34_MARK_NOT_REPLICATED))
            continue;
        chain->mark = mark.committed;
        chain->mark_digest = mark.digest;
    }
}
