/* Sentences for people: what happened, to which object, what was the last obstacle, what to do. */
#include "client/core/internal.h"

enum { KEY_SHOWN_BYTES = 200 };

static const char *const verbs[CL_OP_KINDS] = {
    [CL_OP_PUT] = "put",
    [CL_OP_DELETE] = "delete",
    [CL_OP_STAGE] = "put",
    [CL_OP_ABORT] = "abort put",
    [CL_OP_GET] = "get",
    [CL_OP_STAT] = "stat",
    [CL_OP_CHUNK] = "get",
    [CL_OP_LIST] = "list",
    [CL_OP_PARTS_LIST] = "list parts of",
    [CL_OP_BUCKET_CREATE] = "create bucket",
    [CL_OP_BUCKET_DELETE] = "delete bucket",
    [CL_OP_ADMIN] = "administration",
    [CL_OP_MAP] = "fetch the map",
};

static const char *const admin_verbs[] = {
    [WIRE_ADMIN_INIT_CHAINS] = "initialise the chains",
    [WIRE_ADMIN_SESSION_OPEN] = "open a session",
    [WIRE_ADMIN_BUCKET_GET] = "look up bucket",
    [WIRE_ADMIN_BUCKET_LIST] = "list buckets",
    [WIRE_ADMIN_STATUS] = "status",
    [WIRE_ADMIN_MASTER_ADD] = "add master",
    [WIRE_ADMIN_MASTER_REMOVE] = "remove master",
    [WIRE_ADMIN_TRANSFER_LEADER] = "transfer leadership",
    [WIRE_ADMIN_NODE_REMOVE] = "remove node",
    [WIRE_ADMIN_CHAIN_FORGET] = "restart chain",
    [WIRE_ADMIN_SETTING_SET] = "set",
    [WIRE_ADMIN_KEY_CREATE] = "create access key",
    [WIRE_ADMIN_KEY_ROTATE] = "rotate access key",
    [WIRE_ADMIN_KEY_GRANT] = "change the grants of access key",
    [WIRE_ADMIN_KEY_REVOKE] = "revoke access key",
    [WIRE_ADMIN_KEY_LIST] = "list access keys",
    [WIRE_ADMIN_BUCKET_CONFIG_GET] = "read the configuration of bucket",
    [WIRE_ADMIN_BUCKET_CONFIG_PUT] = "change the configuration of bucket",
};

static const char *const step_verbs[] = {
    [WIRE_PUT_VALUE] = "put",        [WIRE_PUT_OPEN] = "begin upload of",
    [WIRE_PUT_PART] = "put part of", [WIRE_PUT_COMPLETE] = "complete upload of",
    [WIRE_PUT_RESTAMP] = "restamp",
};

static const char *verb_of(const struct op *op)
{
    if (op->in.kind == CL_OP_ADMIN && op->in.admin_op < ARRAY_COUNT(admin_verbs) &&
        admin_verbs[op->in.admin_op] != NULL)
        return admin_verbs[op->in.admin_op];
    if (op->in.kind == CL_OP_PUT && (unsigned)op->in.step < ARRAY_COUNT(step_verbs))
        return step_verbs[op->in.step];
    if (op->in.kind == CL_OP_DELETE && op_names_multi(op))
        return "abort upload of";
    if (op->in.kind == CL_OP_LIST && op->in.uploads)
        return "list uploads in";
    return verbs[op->in.kind];
}

static void name_object(const struct op *op, struct text *text)
{
    if (op->in.kind == CL_OP_CHUNK) /* the caller knows the object and says so */
        return;
    text_append(text, "%s", verb_of(op));
    if (op->in.bucket.length > 0) {
        text_append(text, " ");
        text_append_escaped(text, op->in.bucket);
    }
    if (op_is_keyed(op)) {
        struct slice key = op->in.key;
        bool is_long = key.length > KEY_SHOWN_BYTES;
        text_append(text, "/");
        text_append_escaped(text, slice_of(key.data, is_long ? KEY_SHOWN_BYTES : key.length));
        if (is_long)
            text_append(text, "...");
    }
    if (op_names_multi(op)) {
        text_append(text, " (");
        if (op->in.kind == CL_OP_PUT && op->in.step == WIRE_PUT_PART)
            text_append(text, "part %u of ", op->in.part);
        text_append(text, "upload %016llx%016llx)", (unsigned long long)op->in.multi_high,
                    (unsigned long long)op->in.multi_low);
    }
    text_append(text, ": ");
}

/* The masters answer so when something has to happen first, such as a node that has to stop, and
 * are asked again for a while, since it often does. They say what it is. */
static bool is_refused_for_now(const struct op *op, enum err err)
{
    return err == ERR_BUSY && op->in.kind == CL_OP_ADMIN && op->has_words;
}

static const char *advice(const struct op *op, enum err err)
{
    bool is_multi = op_names_multi(op);
    switch ((unsigned)err) {
    case ERR_UPLOAD_GONE:
        return is_multi ? "it was completed or aborted, or never begun; nothing was changed; look "
                          "at the object, or begin another upload"
                        : NULL;
    case ERR_NO_PART:
        return "nothing was changed and the upload goes on; list its parts and name those";
    case ERR_NO_BUCKET:
        return "create it first, or check the name";
    case ERR_BUCKET_NOT_EMPTY:
        return "delete its objects first";
    case ERR_CONDITION:
        return op->in.kind == CL_OP_ADMIN ? "look again and decide anew"
                                          : "read the object again and decide anew";
    case ERR_NO_SPACE:
        return "delete objects or add storage nodes";
    case ERR_TIMEOUT:
        return "nothing was changed; try again";
    case ERR_OUTCOME_UNKNOWN:
        return is_multi ? "list the parts of the upload, or read the object, to see"
                        : "read the object to see whether it was changed";
    case ERR_UNREACHABLE:
        return "check that the masters and nodes run and can be reached; nothing was changed";
    case ERR_NOT_READY:
        return "the cluster has no chains yet: start its nodes and initialise the chains";
    case ERR_BUSY:
        return is_refused_for_now(op, err)
                   ? "nothing was changed"
                   : "the cluster is overloaded; nothing was changed; try again later";
    case ERR_CORRUPT:
        return op->in.kind == CL_OP_CHUNK
                   ? "none of the replicas in service has bytes that match the checksum"
                   : "every replica that was asked returned bytes that do not match the checksum";
    case ERR_WRONG_CLUSTER:
        return "check the list of masters";
    default:
        return NULL;
    }
}

/* The last obstacle explains a failure to get through; to a plain answer it adds only the server's
 * own words. */
static bool is_reason_wanted(const struct op *op, enum err err)
{
    if (op->last_reason[0] == '\0')
        return false;
    switch ((unsigned)err) {
    case ERR_TIMEOUT:
    case ERR_OUTCOME_UNKNOWN:
    case ERR_UNREACHABLE:
    case ERR_BUSY:
    case ERR_CANCELLED:
    case ERR_NOT_READY:
        return true;
    case ERR_CORRUPT:
        return op->in.kind != CL_OP_CHUNK; /* chunk_explain tells of all members */
    default:
        return op->last_err == err && op->has_words;
    }
}

void explain(const struct cl_core *core, const struct op *op, enum err err, char *out, size_t size)
{
    struct text text;
    text_init(&text);
    name_object(op, &text);
    text_append(&text, "%s",
                is_refused_for_now(op, err) ? "this cannot be done now" : err_text(err));
    if (err == ERR_TIMEOUT || err == ERR_OUTCOME_UNKNOWN || err == ERR_UNREACHABLE)
        text_append(&text, " (after %llu ms, %u %s)",
                    (unsigned long long)((core->now_us - op->submitted_us) / 1000u), op->attempts,
                    op->attempts == 1 ? "attempt" : "attempts");
    if (is_reason_wanted(op, err))
        text_append(&text, "; %s", op->last_reason);
    if (op->in.kind == CL_OP_CHUNK &&
        (err == ERR_TIMEOUT || err == ERR_UNREACHABLE || err == ERR_CORRUPT))
        chunk_explain(core, op, &text);
    if (err == ERR_UNREACHABLE && (op_asks_leader(op) || !core->map.is_installed)) {
        char masters[512];
        bool all_failed;
        text_append(&text, "; masters tried: %s",
                    cl_core_masters_text(core, masters, sizeof masters, &all_failed));
    }
    if (advice(op, err) != NULL)
        text_append(&text, "; %s", advice(op, err));
    text_format(out, size, "%s", text_cstr(&text));
    text_release(&text);
}
