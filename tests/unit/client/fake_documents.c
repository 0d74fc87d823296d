/* Access keys and bucket configurations of the cluster in memory: the masters' own state, fed with
 * the commands that a leader would write. */
#include "base/contract.h"
#include "config_master/core/cm_state.h"
#include "fake_internal.h"

struct fake_documents {
    struct cm_state *state;
    uint64_t index;
};

struct fake_documents *fake_documents_new(void)
{
    const struct uuid cluster = {{1}};
    struct fake_documents *documents = mem_calloc(1, sizeof *documents);
    documents->state = cm_state_new(&cluster);
    return documents;
}

void fake_documents_free(struct fake_documents *documents)
{
    cm_state_free(documents->state);
    mem_free(documents);
}

static void apply(struct fake_documents *documents, const struct cm_item *item)
{
    struct cm_writer writer;
    cm_writer_init(&writer);
    cm_command_begin(&writer);
    cm_command_append(&writer, item);
    enum err err = cm_state_apply(documents->state, ++documents->index,
                                  slice_of(writer.data, writer.length), NULL);
    PRE(err == ERR_OK);
    cm_writer_release(&writer);
}

/* What the leader writes for a request; false: it is no change. */
static bool item_of(const struct wire_message *message, struct cm_item *item)
{
    const struct wire_admin *admin = &message->u.admin;
    *item = (struct cm_item){.kind = CM_ITEM_KEY_CREATE, .nonce = admin->nonce};
    if (admin->op == WIRE_ADMIN_BUCKET_CONFIG_PUT) {
        item->kind = CM_ITEM_BUCKET_CONFIG;
        item->u.bucket_config.name = admin->name;
        item->u.bucket_config.expected_version = admin->a;
        item->u.bucket_config.document = buf_slice(message->payload);
        return true;
    }
    item->u.key.id = admin->name;
    item->u.key.record = buf_slice(message->payload);
    if (admin->op == WIRE_ADMIN_KEY_ROTATE)
        item->kind = CM_ITEM_KEY_ROTATE;
    else if (admin->op == WIRE_ADMIN_KEY_GRANT)
        item->kind = CM_ITEM_KEY_GRANT;
    else if (admin->op == WIRE_ADMIN_KEY_REVOKE)
        item->kind = CM_ITEM_KEY_REVOKE;
    item->u.key.keeps_old = item->kind == CM_ITEM_KEY_ROTATE && admin->a != 0;
    return admin->op >= WIRE_ADMIN_KEY_CREATE && admin->op <= WIRE_ADMIN_KEY_REVOKE;
}

static void list_keys(struct fake_cluster *c, const struct wire_admin *admin,
                      struct wire_message *reply)
{
    const struct cm_state *state = c->documents->state;
    uint32_t from = cm_state_key_after(state, admin->name);
    uint32_t page = atomic_load(&c->knobs.keys_per_page);
    uint32_t to = page == 0 || state->key_count - from < page ? state->key_count : from + page;
    reply->u.admin_reply.value = state->keys_version;
    if (admin->b == state->keys_version)
        return;
    reply->u.admin_reply.truncated = to < state->key_count;
    reply->payload = buf_new(state->keys_bytes);
    uint8_t *out = reply->payload->data;
    for (uint32_t i = from; i < to; i++) {
        struct wire_access_key key;
        bool is_good =
            wire_access_key_read(slice_of(state->keys[i].record, state->keys[i].length), &key);
        PRE(is_good);
        if (admin->a == 0) {
            key.secret = slice_of(NULL, 0);
            key.old_secret = slice_of(NULL, 0);
        }
        out = wire_access_key_put(&key, out);
    }
    reply->payload->length = (size_t)(out - reply->payload->data);
    if (from > 0 || !fake_take(&c->knobs.torn_lists))
        return;
    /* Another client changes something between this page and the next one. */
    struct cm_item item = {.kind = CM_ITEM_KEY_REVOKE};
    item.u.key.id = cm_key_id(&state->keys[0]);
    apply(c->documents, &item);
}

/* The state knows a bucket from its first document on. */
static struct cm_bucket *bucket_of(struct fake_cluster *c, struct slice name)
{
    if (cm_state_bucket(c->documents->state, name) == NULL) {
        struct cm_item item = {.kind = CM_ITEM_BUCKET_CREATE};
        item.u.bucket_create.name = name;
        apply(c->documents, &item);
    }
    return cm_state_bucket(c->documents->state, name);
}

bool fake_documents_take(struct fake_cluster *c, uint64_t conn, const struct wire_message *message,
                         bool has_bucket)
{
    const struct wire_admin *admin = &message->u.admin;
    struct wire_message reply = {.type = WIRE_ADMIN_REPLY};
    struct wire_admin_reply *out = &reply.u.admin_reply;
    struct cm_item item;
    bool is_config =
        admin->op == WIRE_ADMIN_BUCKET_CONFIG_GET || admin->op == WIRE_ADMIN_BUCKET_CONFIG_PUT;
    if (admin->op < WIRE_ADMIN_KEY_CREATE || admin->op > WIRE_ADMIN_BUCKET_CONFIG_PUT)
        return false;
    out->request = admin->request;
    out->version = c->version;
    struct cm_bucket *bucket = is_config && has_bucket ? bucket_of(c, admin->name) : NULL;
    if (admin->op == WIRE_ADMIN_KEY_LIST) {
        list_keys(c, admin, &reply);
    } else if (is_config && bucket == NULL) {
        out->err = ERR_NO_BUCKET;
    } else if (admin->op == WIRE_ADMIN_BUCKET_CONFIG_GET) {
        out->value = bucket->config_version;
        reply.payload = bucket->config_length == 0
                            ? NULL
                            : buf_copy(slice_of(bucket->config, bucket->config_length));
    } else if (item_of(message, &item)) {
        apply(c->documents, &item);
        const struct cm_answer *answer = cm_state_answer(c->documents->state, admin->nonce);
        out->err = (uint32_t)answer->err;
        out->value = answer->value;
        out->text = slice_of_text(answer->text);
    }
    if (!fake_take(&c->knobs.mute_admins))
        fake_reply(c, conn, &reply);
    buf_unref(reply.payload);
    return true;
}
