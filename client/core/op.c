/* The life of an operation: submitted, woken, timed, ended. */
#include "client/core/internal.h"
#include "wire/manifest.h"

bool op_is_update(const struct op *op)
{
    return op->in.kind == CL_OP_PUT || op->in.kind == CL_OP_DELETE || op->in.kind == CL_OP_STAGE ||
           op->in.kind == CL_OP_ABORT;
}

/* STAGE and ABORT are idempotent by (upload, index) and carry none (D4). */
bool op_has_session(const struct op *op)
{
    return op->in.kind == CL_OP_PUT || op->in.kind == CL_OP_DELETE;
}

bool op_is_keyed(const struct op *op)
{
    return op_is_update(op) || op_is_read(op);
}

/* Answered by the tail alone (R13, R19). */
bool op_is_read(const struct op *op)
{
    return op->in.kind == CL_OP_GET || op->in.kind == CL_OP_STAT || op->in.kind == CL_OP_PARTS_LIST;
}

/* The oldest map with which a server knows the bucket as this operation does. */
uint64_t op_map_version(const struct cl_core *core, const struct op *op)
{
    return op->bucket_version > core->map.version ? op->bucket_version : core->map.version;
}

/* Parts, completing, and what drops or lists an upload: UPLOAD_GONE is about that one. */
bool op_names_multi(const struct op *op)
{
    return (op->in.multi_high | op->in.multi_low) != 0;
}

bool op_asks_list(const struct op *op)
{
    return op->in.kind == CL_OP_LIST || op->stage == STAGE_LOOK;
}

bool op_asks_leader(const struct op *op)
{
    return op->in.kind == CL_OP_ADMIN || op->in.kind == CL_OP_BUCKET_CREATE ||
           (op->in.kind == CL_OP_BUCKET_DELETE && op->stage != STAGE_LOOK);
}

static bool admin_changes_nothing(uint32_t admin_op)
{
    return admin_op == WIRE_ADMIN_STATUS || admin_op == WIRE_ADMIN_BUCKET_GET ||
           admin_op == WIRE_ADMIN_BUCKET_LIST || admin_op == WIRE_ADMIN_SESSION_OPEN ||
           admin_op == WIRE_ADMIN_KEY_LIST || admin_op == WIRE_ADMIN_BUCKET_CONFIG_GET;
}

/* May it have happened although we do not know? */
static bool may_have_happened(const struct op *op)
{
    if (op->unsettled == 0)
        return false;
    if (op->in.kind == CL_OP_ADMIN)
        return !admin_changes_nothing(op->in.admin_op);
    if (op->in.kind == CL_OP_BUCKET_DELETE)
        return op->stage == STAGE_FINISH;
    return op_has_session(op) || op->in.kind == CL_OP_BUCKET_CREATE;
}

static bool bucket_name_is_valid(struct slice name)
{
    if (name.length < BOUND_BUCKET_NAME_MIN || name.length > BOUND_BUCKET_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.length; i++) {
        uint8_t c = name.data[i];
        bool is_inner = c == '.' || c == '-';
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!is_plain && !(is_inner && i > 0 && i + 1 < name.length))
            return false;
    }
    return true;
}

static enum err check_put(const struct cl_submit *in, const char **ret_why)
{
    bool is_inline = (in->upload_high | in->upload_low) == 0;
    *ret_why = "the multipart upload has no id";
    if (in->step >= WIRE_PUT_OPEN && in->step <= WIRE_PUT_COMPLETE &&
        (in->multi_high | in->multi_low) == 0)
        return ERR_INVALID;
    switch (in->step) {
    case WIRE_PUT_VALUE:
        *ret_why = "an inline value is at most 65536 bytes";
        if (is_inline &&
            (in->size > BOUND_INLINE_BYTES || buf_slice(in->payload).length != in->size))
            return ERR_TOO_LARGE;
        return ERR_OK;
    case WIRE_PUT_PART:
        *ret_why = "parts are numbered from 1 to 10000";
        if (in->part == 0 || in->part > BOUND_PARTS)
            return ERR_INVALID;
        *ret_why = "the metadata of a part is larger than 64 bytes";
        if (in->meta.length > BOUND_PART_META_BYTES)
            return ERR_TOO_LARGE;
        *ret_why = "only an empty part has no chunks";
        return is_inline && in->size != 0 ? ERR_INVALID : ERR_OK;
    case WIRE_PUT_COMPLETE:
        *ret_why = "the parts must be named once each, in the order of their numbers, 1 to 10000";
        return wire_choices_check(buf_slice(in->payload), in->part);
    case WIRE_PUT_OPEN:
    case WIRE_PUT_RESTAMP:
        return ERR_OK;
    }
    *ret_why = "there is no such step";
    return ERR_INVALID;
}

static enum err check_keyed(const struct cl_submit *in, const char **ret_why)
{
    *ret_why = "the key must have 1 to 1024 bytes";
    if (in->key.length == 0 || in->key.length > BOUND_KEY_BYTES)
        return ERR_INVALID;
    *ret_why = "the key is not valid UTF-8";
    if (!utf8_is_valid(in->key))
        return ERR_BAD_UTF8;
    *ret_why = "the metadata is larger than 8192 bytes";
    if (in->meta.length > BOUND_META_BYTES)
        return ERR_TOO_LARGE;
    enum err err = in->kind == CL_OP_PUT ? check_put(in, ret_why) : ERR_OK;
    if (err != ERR_OK)
        return err;
    *ret_why = "the multipart upload has no id";
    if (in->kind == CL_OP_PARTS_LIST && (in->multi_high | in->multi_low) == 0)
        return ERR_INVALID;
    *ret_why = "a chunk is at most 1 MiB";
    if (in->kind == CL_OP_STAGE && buf_slice(in->payload).length > BOUND_CHUNK_BYTES)
        return ERR_TOO_LARGE;
    return ERR_OK;
}

static enum err check_submit(const struct cl_submit *in, const char **ret_why)
{
    *ret_why =
        "a bucket name has 3 to 63 of a-z 0-9 . - and begins and ends with a letter or digit";
    if (in->kind != CL_OP_CHUNK && in->kind != CL_OP_MAP && in->kind != CL_OP_ADMIN &&
        !bucket_name_is_valid(in->bucket))
        return ERR_INVALID;
    *ret_why = "prefix and start-after have at most 1024 bytes, the delimiter 16";
    if (in->kind == CL_OP_LIST &&
        (in->key.length > BOUND_KEY_BYTES || in->start_after.length > BOUND_KEY_BYTES ||
         in->delimiter.length > 16))
        return ERR_INVALID;
    *ret_why = "a name has at most 255 bytes, a text 4096";
    if (in->kind == CL_OP_ADMIN && (in->bucket.length > BOUND_NAME_BYTES || in->text.length > 4096))
        return ERR_INVALID;
    *ret_why = "a bucket's configuration is at most 65536 bytes";
    if (in->kind == CL_OP_ADMIN && buf_slice(in->payload).length > BOUND_BUCKET_CONFIG_BYTES)
        return ERR_TOO_LARGE;
    switch (in->kind) {
    case CL_OP_PUT:
    case CL_OP_DELETE:
    case CL_OP_STAGE:
    case CL_OP_ABORT:
    case CL_OP_GET:
    case CL_OP_STAT:
    case CL_OP_PARTS_LIST:
        return check_keyed(in, ret_why);
    case CL_OP_CHUNK:
    case CL_OP_LIST:
    case CL_OP_BUCKET_CREATE:
    case CL_OP_BUCKET_DELETE:
    case CL_OP_ADMIN:
    case CL_OP_MAP:
        break;
    }
    return ERR_OK;
}

static struct slice keep(char **cursor, struct slice from)
{
    struct slice kept = slice_of(*cursor, from.length);
    if (from.length > 0)
        memcpy(*cursor, from.data, from.length);
    *cursor += from.length;
    return kept;
}

static struct op *op_new(struct cl_core *core, const struct cl_submit *submit)
{
    struct op *op = mem_calloc(1, sizeof *op);
    op->in = *submit;
    op->memory =
        mem_alloc(submit->bucket.length + submit->key.length + submit->meta.length +
                  submit->start_after.length + submit->delimiter.length + submit->text.length);
    char *cursor = op->memory;
    op->in.bucket = keep(&cursor, submit->bucket);
    op->in.key = keep(&cursor, submit->key);
    op->in.meta = keep(&cursor, submit->meta);
    op->in.start_after = keep(&cursor, submit->start_after);
    op->in.delimiter = keep(&cursor, submit->delimiter);
    op->in.text = keep(&cursor, submit->text);
    op->in.payload = buf_ref(submit->payload);
    op->submitted_us = core->now_us;
    op->next_us = CL_NEVER;
    op->chain = submit->chain;
    op->is_routed = submit->kind == CL_OP_CHUNK;
    op->nonce = prng_next(&core->prng);
    if (submit->kind == CL_OP_BUCKET_DELETE)
        op->stage = STAGE_MARK;
    list_init(&op->node);
    list_init(&op->ready);
    list_init(&op->requests);
    list_init(&op->lane_node);
    list_init(&op->upload_node);
    list_append(&core->ops, &op->node);
    core->ops_count++;
    timer_note(core, submit->deadline_us);
    op->state = OP_WAIT_BACKOFF;
    op_wake(core, op);
    return op;
}

void op_submit(struct cl_core *core, const struct cl_submit *submit)
{
    PRE(submit->op != 0 && map_get(&core->ops_by_number, submit->op) == NULL);
    const char *why = "";
    enum err err = check_submit(submit, &why);
    bool is_full = core->ops_count >= core->options.ops_max;
    struct op *op = op_new(core, submit);
    (void)map_put(&core->ops_by_number, submit->op, op);
    if (err != ERR_OK) {
        op_note_reason(op, err, "%s", why);
        op_fail(core, op, err);
        return;
    }
    if (is_full) {
        op_fail(core, op, ERR_BUSY);
        return;
    }
    if (submit->kind == CL_OP_STAGE)
        upload_enter(core, op);
}

struct op *op_start_internal(struct cl_core *core, enum op_internal internal,
                             const struct cl_submit *submit)
{
    struct op *op = op_new(core, submit);
    op->internal = internal;
    return op;
}

void op_wake(struct cl_core *core, struct op *op)
{
    if (op->state == OP_READY || op->state == OP_ENDED)
        return;
    op->state = OP_READY;
    op->next_us = CL_NEVER;
    list_append(&core->ready, &op->ready);
}

void op_wait(struct op *op, enum op_state state)
{
    list_remove(&op->ready);
    op->state = state;
    op->next_us = CL_NEVER;
}

void op_run_ready(struct cl_core *core)
{
    while (!list_is_empty(&core->ready)) {
        struct op *op = CONTAINER_OF(core->ready.next, struct op, ready);
        list_remove(&op->ready);
        /* Whatever op_advance does leaves another state behind. */
        op->state = OP_WAIT_BACKOFF;
        op_advance(core, op);
        if (op->state != OP_READY && op->state != OP_ENDED) {
            timer_note(core, op->next_us);
            timer_note(core, op->in.deadline_us);
        }
    }
}

static bool waits_for_server(const struct op *op)
{
    return op->state == OP_WAIT_PEER || op->state == OP_WAIT_BUCKET || op->state == OP_WAIT_SESSION;
}

static void reach_deadline(struct cl_core *core, struct op *op)
{
    enum err err = ERR_TIMEOUT;
    if (may_have_happened(op))
        err = ERR_OUTCOME_UNKNOWN;
    else if (op->attempts == 0 && (waits_for_server(op) || !core->map.is_installed))
        err = ERR_UNREACHABLE;
    else if (op->in.kind == CL_OP_CHUNK && op->state == OP_WAIT_PEER)
        err = ERR_UNREACHABLE; /* whoever can be reached could not help */
    else if (op->last_err == ERR_BUSY)
        err = ERR_BUSY;
    if (op->in.kind == CL_OP_BUCKET_DELETE)
        bucket_delete_give_up(core, op);
    if (op->stage == STAGE_REVERT)
        err = op->verdict;
    op_fail(core, op, err);
}

static void tick_op(struct cl_core *core, struct op *op)
{
    if (core->now_us >= op->in.deadline_us) {
        reach_deadline(core, op);
        return;
    }
    if (core->now_us < op->next_us)
        return;
    switch (op->state) {
    case OP_WAIT_BACKOFF:
        retry_now(core, op);
        break;
    case OP_WAIT_ANSWER:
        retry_timed_out(core, op);
        break;
    case OP_WAIT_MAP:
        if (op->in.kind == CL_OP_MAP)
            route_map_overdue(core, op);
        else
            op_fail(core, op, ERR_NOT_READY);
        break;
    case OP_READY:
    case OP_WAIT_BUCKET:
    case OP_WAIT_SESSION:
    case OP_WAIT_LANE:
    case OP_WAIT_ORDER:
    case OP_WAIT_PEER:
    case OP_ENDED:
        break;
    }
}

void op_tick(struct cl_core *core)
{
    LIST_FOREACH_SAFE (node, &core->ops) {
        struct op *op = CONTAINER_OF(node, struct op, node);
        tick_op(core, op);
        if (op->state != OP_ENDED) {
            timer_note(core, op->next_us);
            timer_note(core, op->in.deadline_us);
        }
    }
}

void op_cancel(struct cl_core *core, uint64_t number)
{
    struct op *op = map_get(&core->ops_by_number, number);
    if (op != NULL)
        op_fail(core, op, may_have_happened(op) ? ERR_OUTCOME_UNKNOWN : ERR_CANCELLED);
}

void op_note_reason(struct op *op, enum err err, const char *format, ...)
{
    struct text text;
    text_init(&text);
    va_list arguments;
    va_start(arguments, format);
    text_append_v(&text, format, arguments);
    va_end(arguments);
    text_format(op->last_reason, sizeof op->last_reason, "%s", text_cstr(&text));
    op->last_err = err;
    op->has_words = true;
    text_release(&text);
}

/* Out of every list but the grave, which keeps its memory until the effects were executed. */
static void detach(struct cl_core *core, struct op *op)
{
    while (!list_is_empty(&op->requests))
        request_free(core, CONTAINER_OF(op->requests.next, struct request, by_op));
    list_remove(&op->ready);
    list_remove(&op->node);
    core->ops_count--;
    op->state = OP_ENDED;
    session_leave(core, op);
    upload_leave(core, op);
    if (op->internal == OP_NOT_INTERNAL)
        (void)map_remove(&core->ops_by_number, op->in.op);
    list_append(&core->grave, &op->node);
}

static void continue_internal(struct cl_core *core, struct op *op, const struct cl_result *result)
{
    if (op->internal == OP_INTERNAL_SESSION)
        session_opened(core, result->err, result->admin);
    else
        bucket_answered(core, op, result->err, result->admin);
}

void op_end(struct cl_core *core, struct op *op, const struct cl_result *result,
            struct buf *payload)
{
    PRE(op->state != OP_ENDED);
    detach(core, op);
    if (result->err == ERR_OK)
        retry_earn(core);
    if (op->internal != OP_NOT_INTERNAL) {
        continue_internal(core, op, result);
        return;
    }
    struct cl_effect *effect = effect_push(core, CL_EFFECT_DONE);
    effect->op = op->in.op;
    effect->result = *result;
    effect->result.chain = op->chain;
    effect->result.text = "";
    effect->message.payload = buf_ref(payload);
    if (result->err != ERR_OK) {
        op->text = mem_alloc(CL_TEXT_BYTES);
        explain(core, op, result->err, op->text, CL_TEXT_BYTES);
        effect->result.text = op->text;
    }
    TRACE(&core->options.trace, "done op=%llu kind=%d err=%s attempts=%u",
          (unsigned long long)op->in.op, (int)op->in.kind, err_name(result->err), op->attempts);
}

void op_fail(struct cl_core *core, struct op *op, enum err err)
{
    struct cl_result result = {.err = err};
    op_end(core, op, &result, NULL);
}

static void op_free(struct op *op)
{
    list_remove(&op->node);
    list_release(op);
    buf_unref(op->in.payload);
    mem_free(op->memory);
    mem_free(op->text);
    mem_free(op);
}

void op_bury(struct cl_core *core)
{
    while (!list_is_empty(&core->grave))
        op_free(CONTAINER_OF(core->grave.next, struct op, node));
}

void op_release_all(struct cl_core *core)
{
    while (!list_is_empty(&core->ops))
        detach(core, CONTAINER_OF(core->ops.next, struct op, node));
    op_bury(core);
}
