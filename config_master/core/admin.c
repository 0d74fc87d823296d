/* Administrative requests: admission, the way through the log, answers. What each one means is in
 * its op_*.c file. */
#include "base/buf.h"
#include "base/contract.h"
#include "base/text.h"
#include "config_master/core/leader.h"

struct slice cm_request_name(const struct cm_request *request)
{
    return slice_of(request->name, request->name_length);
}

struct slice cm_request_text(const struct cm_request *request)
{
    return slice_of(request->text, request->text_length);
}

static void request_free(struct cm_core *core, struct cm_request *request)
{
    list_remove(&request->link);
    core->request_count--;
    buf_unref(request->payload);
    mem_free(request);
}

static struct wire_message *emit_reply(struct cm_core *core, uint64_t conn, uint64_t request)
{
    struct wire_message *message = cm_emit_message(core, conn, WIRE_ADMIN_REPLY);
    message->u.admin_reply.request = request;
    message->u.admin_reply.version = core->state->version;
    message->u.admin_reply.term = core->term;
    message->u.admin_reply.leader = core->is_leader ? core->options.id : core->leader;
    return message;
}

struct wire_message *cm_request_answer(struct cm_core *core, struct cm_request *request)
{
    struct wire_message *message = emit_reply(core, request->conn, request->request);
    request_free(core, request);
    return message;
}

void cm_request_reply(struct cm_core *core, struct cm_request *request, enum err err,
                      uint64_t value, uint64_t version, const char *format, ...)
{
    struct text text;
    text_init(&text);
    va_list arguments;
    va_start(arguments, format);
    text_append_v(&text, format, arguments);
    va_end(arguments);
    struct wire_message *message = cm_request_answer(core, request);
    struct wire_admin_reply *reply = &message->u.admin_reply;
    reply->err = (uint32_t)err;
    reply->value = value;
    if (version != 0)
        reply->version = version;
    reply->text = cm_message_format(message, "%s", text_cstr(&text));
    text_release(&text);
}

void cm_request_propose(struct cm_core *core, struct cm_request *request, struct cm_item *item)
{
    item->nonce = request->nonce;
    struct cm_writer writer;
    cm_writer_init(&writer);
    cm_command_begin(&writer);
    cm_command_append(&writer, item);
    if (writer.length > CM_COMMAND_BYTES_MAX) {
        cm_writer_release(&writer);
        cm_request_reply(core, request, ERR_TOO_LARGE, 0, 0,
                         "the request is larger than one log entry may be");
        return;
    }
    request->stage = CM_STAGE_PROPOSED;
    request->id = cm_propose(core, &writer);
}

void cm_request_read(struct cm_core *core, struct cm_request *request)
{
    struct cm_effect *effect = cm_emit(core, CM_EFFECT_READ);
    effect->id = core->next_id++;
    request->id = effect->id;
    request->stage = CM_STAGE_READING;
}

static void request_start(struct cm_core *core, struct cm_request *request)
{
    switch (request->op) {
    case WIRE_ADMIN_INIT_CHAINS:
        cm_op_init_chains(core, request);
        break;
    case WIRE_ADMIN_SESSION_OPEN:
        cm_op_session_open(core, request);
        break;
    case WIRE_ADMIN_BUCKET_CREATE:
        cm_op_bucket_create(core, request);
        break;
    case WIRE_ADMIN_BUCKET_DELETE:
        cm_op_bucket_delete(core, request);
        break;
    case WIRE_ADMIN_BUCKET_GET:
        cm_op_bucket_get(core, request);
        break;
    case WIRE_ADMIN_BUCKET_LIST:
        cm_op_bucket_list(core, request);
        break;
    case WIRE_ADMIN_MASTER_ADD:
        cm_op_master_add(core, request);
        break;
    case WIRE_ADMIN_MASTER_REMOVE:
        cm_op_master_remove(core, request);
        break;
    case WIRE_ADMIN_TRANSFER_LEADER:
        cm_op_transfer_leader(core, request);
        break;
    case WIRE_ADMIN_NODE_REMOVE:
        cm_op_node_remove(core, request);
        break;
    case WIRE_ADMIN_CHAIN_FORGET:
        cm_op_chain_forget(core, request);
        break;
    case WIRE_ADMIN_SETTING_SET:
        cm_op_setting_set(core, request);
        break;
    case WIRE_ADMIN_KEY_CREATE:
    case WIRE_ADMIN_KEY_ROTATE:
    case WIRE_ADMIN_KEY_GRANT:
    case WIRE_ADMIN_KEY_REVOKE:
        cm_op_key_change(core, request);
        break;
    case WIRE_ADMIN_KEY_LIST:
        cm_op_key_list(core, request);
        break;
    case WIRE_ADMIN_BUCKET_CONFIG_GET:
        cm_op_bucket_config_get(core, request);
        break;
    case WIRE_ADMIN_BUCKET_CONFIG_PUT:
        cm_op_bucket_config_put(core, request);
        break;
    case WIRE_ADMIN_STATUS:
        IMPOSSIBLE("answered by cm_admin_start");
    }
}

static void refuse(struct cm_core *core, uint64_t conn, uint64_t request, enum err err,
                   const char *text)
{
    struct wire_message *message = emit_reply(core, conn, request);
    message->u.admin_reply.err = (uint32_t)err;
    message->u.admin_reply.text = slice_of_text(text);
}

/* What may come with a request, beside its fields. */
static size_t payload_bytes_max(uint32_t op)
{
    if (op == WIRE_ADMIN_BUCKET_CONFIG_PUT)
        return BOUND_BUCKET_CONFIG_BYTES;
    return op >= WIRE_ADMIN_KEY_CREATE && op <= WIRE_ADMIN_KEY_GRANT ? CM_KEY_RECORD_BYTES : 0;
}

/* The outcome of an earlier request with the same nonce, if the operation is one whose outcome is
 * kept. */
static bool answered_before(struct cm_core *core, struct cm_request *request)
{
    const struct cm_answer *answer = cm_state_answer(core->state, request->nonce);
    if (answer == NULL)
        return false;
    if (request->op == WIRE_ADMIN_BUCKET_DELETE && answer->err == ERR_OK && request->a == 0)
        cm_op_bucket_marked(core, request, answer);
    else
        cm_request_reply(core, request, answer->err, answer->value, answer->version, "%s",
                         answer->text);
    return true;
}

static struct cm_request *request_new(struct cm_core *core, uint64_t conn,
                                      const struct wire_message *message)
{
    const struct wire_admin *admin = &message->u.admin;
    struct cm_request *request = mem_calloc(1, sizeof *request);
    request->conn = conn;
    request->request = admin->request;
    request->op = (enum wire_admin_op)admin->op;
    request->a = admin->a;
    request->b = admin->b;
    request->wall_ms = admin->wall_ms;
    request->nonce = admin->nonce;
    while (request->nonce == 0)
        request->nonce = prng_next(&core->prng);
    request->deadline_us = UINT64_MAX;
    request->payload = buf_ref(message->payload);
    if (request->op == WIRE_ADMIN_KEY_CREATE || request->op == WIRE_ADMIN_KEY_ROTATE)
        buf_keep_secret(request->payload);
    request->name_length = (uint32_t)admin->name.length;
    request->text_length = (uint32_t)admin->text.length;
    if (admin->name.length > 0)
        memcpy(request->name, admin->name.data, admin->name.length);
    if (admin->text.length > 0)
        memcpy(request->text, admin->text.data, admin->text.length);
    list_append(&core->requests, &request->link);
    core->request_count++;
    return request;
}

void cm_admin_start(struct cm_core *core, uint64_t conn, const struct wire_message *message)
{
    const struct wire_admin *admin = &message->u.admin;
    if (admin->op == WIRE_ADMIN_STATUS) {
        cm_op_status(core, conn, admin);
        return;
    }
    if (admin->op < WIRE_ADMIN_INIT_CHAINS || admin->op > WIRE_ADMIN_BUCKET_CONFIG_PUT) {
        refuse(core, conn, admin->request, ERR_UNSUPPORTED,
               "this master does not know that operation; it may run older software");
        return;
    }
    if (!core->is_leader) {
        cm_refuse_not_leader(core, conn, admin->request);
        return;
    }
    if (admin->name.length > BOUND_NAME_BYTES || admin->text.length > BOUND_ADDRESS_BYTES) {
        refuse(core, conn, admin->request, ERR_TOO_LARGE, "the name or text is too long");
        return;
    }
    if (buf_slice(message->payload).length > payload_bytes_max(admin->op)) {
        refuse(core, conn, admin->request, ERR_TOO_LARGE,
               "more bytes came with the request than may");
        return;
    }
    if (core->request_count == CM_REQUESTS) {
        refuse(core, conn, admin->request, ERR_BUSY,
               "too many administrative requests are under way; try again");
        return;
    }
    struct cm_request *request = request_new(core, conn, message);
    if (!answered_before(core, request))
        request_start(core, request);
}

static struct cm_request *request_find(struct cm_core *core, uint64_t id,
                                       enum cm_request_stage stage)
{
    LIST_FOREACH (link, &core->requests) {
        struct cm_request *request = CONTAINER_OF(link, struct cm_request, link);
        if (request->id == id && request->stage == stage)
            return request;
    }
    return NULL;
}

bool cm_admin_proposed(struct cm_core *core, uint64_t id, enum err err)
{
    struct cm_request *request = request_find(core, id, CM_STAGE_PROPOSED);
    if (request == NULL)
        return false;
    if (err == ERR_NOT_LEADER) {
        cm_refuse_not_leader(core, request->conn, request->request);
        request_free(core, request);
    } else if (err != ERR_OK) {
        cm_request_reply(core, request, err, 0, 0, "%s; ask again with the same nonce to find it",
                         err_text(err));
    } else if (!answered_before(core, request)) {
        cm_request_reply(core, request, ERR_OUTCOME_UNKNOWN, 0, 0,
                         "the answer has been forgotten; look at the present state");
    }
    return true;
}

void cm_admin_read_ready(struct cm_core *core, uint64_t id, enum err err)
{
    struct cm_request *request = request_find(core, id, CM_STAGE_READING);
    if (request == NULL)
        return;
    if (err != ERR_OK) {
        cm_refuse_not_leader(core, request->conn, request->request);
        request_free(core, request);
    } else if (request->op == WIRE_ADMIN_BUCKET_GET) {
        cm_op_bucket_get_ready(core, request);
    } else if (request->op == WIRE_ADMIN_KEY_LIST) {
        cm_op_key_list_ready(core, request);
    } else if (request->op == WIRE_ADMIN_BUCKET_CONFIG_GET) {
        cm_op_bucket_config_get_ready(core, request);
    } else {
        cm_op_bucket_list_ready(core, request);
    }
}

void cm_admin_changed(struct cm_core *core, uint64_t id, enum err err)
{
    struct cm_request *request = request_find(core, id, CM_STAGE_CHANGING);
    if (request == NULL)
        return;
    if (request->op == WIRE_ADMIN_MASTER_REMOVE && err == ERR_UNREACHABLE)
        cm_request_reply(
            core, request, err, 0, 0,
            "without master %llu too few of the masters that answer would be left to elect "
            "a leader; bring the others back, or remove those that are gone first",
            (unsigned long long)request->a);
    else
        cm_request_reply(core, request, err, 0, 0, "%s", err == ERR_OK ? "" : err_text(err));
}

void cm_admin_forget(struct cm_core *core, uint64_t conn)
{
    LIST_FOREACH_SAFE (link, &core->requests) {
        struct cm_request *request = CONTAINER_OF(link, struct cm_request, link);
        if (request->conn == conn)
            request_free(core, request);
    }
}

void cm_admin_release(struct cm_core *core)
{
    LIST_FOREACH_SAFE (link, &core->requests) {
        request_free(core, CONTAINER_OF(link, struct cm_request, link));
    }
}

void cm_admin_reset(struct cm_core *core)
{
    LIST_FOREACH_SAFE (link, &core->requests) {
        struct cm_request *request = CONTAINER_OF(link, struct cm_request, link);
        /* What is in the log will be reported by PROPOSED; the rest has had no effect. */
        if (request->stage == CM_STAGE_PROPOSED || request->stage == CM_STAGE_CHANGING)
            continue;
        cm_refuse_not_leader(core, request->conn, request->request);
        request_free(core, request);
    }
}

void cm_admin_tick(struct cm_core *core)
{
    LIST_FOREACH_SAFE (link, &core->requests) {
        struct cm_request *request = CONTAINER_OF(link, struct cm_request, link);
        if (core->now_us >= request->deadline_us)
            cm_request_reply(core, request, ERR_TIMEOUT, request->bucket, request->marked_version,
                             "not every head of a chain has acknowledged the new map yet; is a "
                             "chain without members? see `catena status`, then try again");
    }
}

uint64_t cm_admin_deadline_us(const struct cm_core *core)
{
    uint64_t deadline_us = UINT64_MAX;
    LIST_FOREACH (link, &core->requests) {
        const struct cm_request *request = CONTAINER_OF(link, struct cm_request, link);
        if (request->deadline_us < deadline_us)
            deadline_us = request->deadline_us;
    }
    return deadline_us;
}
