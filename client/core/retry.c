/* What to do when a copy of a request was refused, lost or left unanswered.
 *
 * Delays double from backoff_min to backoff_max with jitter. A retry that may add to an overload
 * (refused for load, unanswered) costs a token of the client's budget, which refills slowly and by
 * successes: under overload the clients' load shrinks instead of growing. A redirection by a newer
 * row costs nothing. */
#include "base/planted.h"
#include "client/core/internal.h"

enum {
    BUDGET_SUCCESS = 100, /* thousandths earned by one success */
    BUDGET_RETRY = 1000,
    ATTEMPT_DOUBLINGS = 2,
};

uint64_t retry_attempt_us(const struct cl_core *core, const struct op *op)
{
    bool is_bulk = op->in.kind == CL_OP_STAGE || op->in.kind == CL_OP_CHUNK;
    uint64_t base = is_bulk ? core->options.attempt_bulk_us : core->options.attempt_us;
    uint32_t doublings = op->attempts == 0 ? 0 : op->attempts - 1;
    if (doublings > ATTEMPT_DOUBLINGS)
        doublings = ATTEMPT_DOUBLINGS;
    return base << doublings;
}

static void refill(struct cl_core *core)
{
    uint64_t limit = (uint64_t)core->options.retries_burst * BUDGET_RETRY;
    uint64_t passed_us = core->now_us - core->budget_us;
    core->budget_us = core->now_us;
    if (passed_us > 1000000000u)
        passed_us = 1000000000u;
    core->budget += passed_us * core->options.retries_per_second / 1000u;
    if (core->budget > limit)
        core->budget = limit;
}

void retry_earn(struct cl_core *core)
{
    core->budget += BUDGET_SUCCESS; /* cut at the next refill */
}

static uint64_t delay_us(struct cl_core *core, uint32_t failures)
{
    uint64_t delay = core->options.backoff_min_us;
    for (uint32_t i = 0; i < failures && delay < core->options.backoff_max_us; i++)
        delay *= 2;
    if (delay > core->options.backoff_max_us)
        delay = core->options.backoff_max_us;
    return prng_between(&core->prng, delay / 2, delay);
}

void retry_later(struct cl_core *core, struct op *op, bool costs)
{
    op_wait(op, OP_WAIT_BACKOFF);
    op->next_us = core->now_us + delay_us(core, op->failures);
    op->failures++;
    op->is_unpaid = costs;
    timer_note(core, op->next_us);
    core->stats.retries++;
    if (op->in.kind == CL_OP_STAGE)
        update_hold_later_stages(op);
}

void retry_now(struct cl_core *core, struct op *op)
{
    if (op->is_unpaid) {
        refill(core);
        if (core->budget < BUDGET_RETRY) {
            uint64_t most_us = core->options.backoff_max_us;
            op->next_us = core->now_us + prng_between(&core->prng, most_us / 2, most_us);
            core->stats.budget_waits++;
            return;
        }
        core->budget -= BUDGET_RETRY;
        op->is_unpaid = false;
    }
    op_wake(core, op);
}

/* Given only before admission, so the copy will never run. WRONG_EPOCH and its like may also be the
 * word of a deposed head on an update that it had admitted and that its successor commits. */
bool retry_is_surely_refused(enum err err)
{
    switch ((unsigned)err) {
    case ERR_INVALID:
    case ERR_NO_BUCKET:
    case ERR_BUCKET_EXISTS:
    case ERR_BUCKET_NOT_EMPTY:
    case ERR_BUCKET_DELETING:
    case ERR_TOO_LARGE:
    case ERR_BAD_UTF8:
    case ERR_NO_SPACE:
    case ERR_NO_LEADER:
    case ERR_NOT_READY:
    case ERR_BUSY:
    case ERR_WRITE_FLOOR:
    case ERR_SESSION_EXPIRED:
    case ERR_UPLOAD_GONE:
    case ERR_UPLOAD_ORDER:
    case ERR_NO_PART:
    case ERR_CORRUPT:
    case ERR_WRONG_CLUSTER:
    case ERR_WRONG_VERSION:
    case ERR_UNSUPPORTED:
    case ERR_ACCESS:
    case ERR_EXISTS:
    case ERR_NOT_FOUND:
        return true;
    default:
        return false;
    }
}

enum verdict { VERDICT_RETRY, VERDICT_REDIRECT, VERDICT_END, VERDICT_BUCKET, VERDICT_SESSION };

static enum verdict judge(const struct op *op, enum err err, bool has_newer_row)
{
    switch ((unsigned)err) {
    case ERR_WRONG_EPOCH:
    case ERR_WRONG_ROLE:
        return has_newer_row ? VERDICT_REDIRECT : VERDICT_RETRY;
    case ERR_NOT_LEADER:
    case ERR_NO_LEADER:
    case ERR_NO_LEASE:
    case ERR_NOT_READY:
    case ERR_BUSY:
    case ERR_WRITE_FLOOR:
    case ERR_BUCKET_DELETING:
    case ERR_TIMEOUT:
    case ERR_UNREACHABLE:
    case ERR_CANCELLED:
    case ERR_OUTCOME_UNKNOWN: /* of that copy: the same number finds out */
    case ERR_IO:
    case ERR_DISK_LOST:
    case ERR_INTERNAL:
        return VERDICT_RETRY;
    case ERR_NO_BUCKET:
        return op_asks_leader(op) ? VERDICT_END : VERDICT_BUCKET;
    case ERR_SESSION_EXPIRED:
        return op_has_session(op) ? VERDICT_SESSION : VERDICT_END;
    case ERR_UPLOAD_ORDER:
    case ERR_UPLOAD_GONE:
        /* A chunk before this one was refused and is on its way again; if that is the first one,
         * the head has not heard of the upload yet. Answers come in the order of the requests, so
         * once the chunks before are staged either of these is final. */
        return op->upload != NULL && op->upload_node.previous != &op->upload->ops ? VERDICT_RETRY
                                                                                  : VERDICT_END;
    default:
        return VERDICT_END;
    }
}

static void end_refused(struct cl_core *core, struct op *op, enum err err)
{
    /* An earlier copy may have been admitted all the same. */
    op_fail(core, op, op_has_session(op) && op->unsettled > 0 ? ERR_OUTCOME_UNKNOWN : err);
}

/* A node does not know the bucket. The leader knows better: the bucket may be gone, or be another
 * one of that name, in which case another chain is responsible. */
static void check_bucket(struct cl_core *core, struct op *op)
{
    if (op_has_session(op) && op->unsettled > 0) {
        op_fail(core, op, ERR_OUTCOME_UNKNOWN);
        return;
    }
    if (++op->checks > CL_NO_BUCKET_CHECKS) {
        op_fail(core, op, ERR_NO_BUCKET);
        return;
    }
    const struct bucket *bucket = bucket_find(core, op->in.bucket);
    if (bucket != NULL && bucket->id == op->bucket_id)
        bucket_remove(core, op->in.bucket, UINT64_MAX);
    session_leave(core, op);
    op->is_routed = false;
    if (op_asks_list(op)) { /* nothing of the old bucket may get into the answer */
        while (!list_is_empty(&op->requests))
            request_free(core, CONTAINER_OF(op->requests.next, struct request, by_op));
        list_release(op);
        op->bucket_id = 0;
    }
    retry_later(core, op, true);
}

/* Exactly this copy could have run and it was refused: the update starts over in a new session. If
 * other copies are about, nobody can tell any more (R11). */
static void renew_session(struct cl_core *core, struct op *op)
{
    session_expired(core, op->lane);
    if (op->unsettled > 0) {
        op_fail(core, op, ERR_OUTCOME_UNKNOWN);
        return;
    }
    session_leave(core, op);
    retry_later(core, op, false);
}

static bool is_newest(const struct op *op, const struct request *request)
{
    return op->requests.previous == &request->by_op;
}

static void note_refusal(struct cl_core *core, const struct request *request, enum err err,
                         struct slice text)
{
    char name[BOUND_ADDRESS_BYTES + 64];
    struct text line;
    text_init(&line);
    text_append(&line, "%s answered %s", peer_describe(core, request->peer->id, name, sizeof name),
                err_name(err));
    bool has_words = text.length > 0 && !slice_equal(text, slice_of_text(err_text(err)));
    if (has_words) {
        text_append(&line, ": ");
        text_append_escaped(&line, text);
    }
    op_note_reason(request->op, err, "%s", text_cstr(&line));
    request->op->has_words = has_words;
    text_release(&line);
}

static void act_on_verdict(struct cl_core *core, struct op *op, enum err err, bool has_newer_row)
{
    switch (judge(op, err, has_newer_row)) {
    case VERDICT_RETRY:
        retry_later(core, op, err != ERR_NOT_LEADER);
        break;
    case VERDICT_REDIRECT:
        op->failures = 0;
        if (op->in.kind == CL_OP_STAGE)
            update_hold_later_stages(op);
        op_wake(core, op);
        break;
    case VERDICT_END:
        end_refused(core, op, err);
        break;
    case VERDICT_BUCKET:
        check_bucket(core, op);
        break;
    case VERDICT_SESSION:
        renew_session(core, op);
        break;
    }
}

void retry_refused(struct cl_core *core, struct request *request, enum err err, struct slice text,
                   bool has_newer_row)
{
    struct op *op = request->op;
    bool was_newest = is_newest(op, request);
    uint64_t epoch = request->epoch;
    uint32_t part = request->part;
    uint32_t node = request->peer->id;
    note_refusal(core, request, err, text);
    if (retry_is_surely_refused(err) && op->unsettled > 0)
        op->unsettled--;
    request_free(core, request);
    enum err absence = op->in.kind == CL_OP_PARTS_LIST ? ERR_UPLOAD_GONE : ERR_NO_KEY;
    if (op_is_read(op) && err == absence) {
        if (epoch >= core->map.rows[op->chain].seen_epoch || PLANTED(R19_OLDER_ANSWER)) {
            op_fail(core, op, absence);
            return;
        }
        core->stats.stale_reads++; /* R19: an absence of an older epoch says nothing */
        err = ERR_WRONG_EPOCH;
    }
    if (op_asks_list(op)) {
        list_reopen(op, part);
        if (op->state == OP_WAIT_ANSWER || judge(op, err, has_newer_row) != VERDICT_RETRY)
            act_on_verdict(core, op, err, has_newer_row);
        return;
    }
    /* Else a late word about an old copy, while a newer one is under way or about to be sent. */
    bool is_awaited = was_newest && op->state == OP_WAIT_ANSWER;
    if (op->in.kind == CL_OP_CHUNK) {
        chunk_refused(core, op, node, err, is_awaited); /* even a late word says what is there */
        return;
    }
    if (!is_awaited)
        return;
    if (op->in.kind == CL_OP_BUCKET_DELETE && err == ERR_NOT_READY)
        bucket_delete_void(core, op);
    else
        act_on_verdict(core, op, err, has_newer_row);
}

void retry_lost(struct cl_core *core, struct request *request, enum err err)
{
    struct op *op = request->op;
    bool was_newest = is_newest(op, request);
    uint32_t part = request->part;
    char name[BOUND_ADDRESS_BYTES + 64];
    op_note_reason(op, err, "the connection to %s was lost: %s",
                   peer_describe(core, request->peer->id, name, sizeof name),
                   request->peer->down_text);
    request_free(core, request);
    if (PLANTED(R11_LOST_COPY_REFUSED))
        op->unsettled--;
    if (op_asks_list(op))
        list_reopen(op, part);
    else if (!was_newest)
        return;
    if (op->state != OP_WAIT_ANSWER)
        return;
    retry_later(core, op, false);
}

void retry_timed_out(struct cl_core *core, struct op *op)
{
    char name[BOUND_ADDRESS_BYTES + 64];
    op_note_reason(op, ERR_TIMEOUT, "no answer from %s within %llu ms",
                   peer_describe(core, op->target, name, sizeof name),
                   (unsigned long long)(retry_attempt_us(core, op) / 1000u));
    if (op_asks_list(op))
        list_reopen_all(op);
    if (op_asks_leader(op) && core->leader != NULL && core->leader->id == op->target)
        core->leader = NULL;
    retry_later(core, op, true);
}
