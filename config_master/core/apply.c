#include "config_master/core/apply.h"

#include "base/contract.h"
#include "base/planted.h"
#include "base/text.h"

void cm_apply_on_row(struct cm_apply *apply, uint32_t chain, unsigned change_kind)
{
    if (apply->observer != NULL && apply->observer->on_row != NULL)
        apply->observer->on_row(apply->observer->context, chain, change_kind);
}

void cm_apply_on_node(struct cm_apply *apply, uint32_t node, bool is_registered)
{
    if (apply->observer != NULL && apply->observer->on_node != NULL)
        apply->observer->on_node(apply->observer->context, node, is_registered);
}

void cm_apply_on_bucket(struct cm_apply *apply, uint64_t bucket)
{
    if (apply->observer != NULL && apply->observer->on_bucket != NULL)
        apply->observer->on_bucket(apply->observer->context, bucket);
}

void cm_answer_refuse(struct cm_answer *answer, enum err err, const char *format, ...)
{
    struct text text;
    text_init(&text);
    va_list arguments;
    va_start(arguments, format);
    text_append_v(&text, format, arguments);
    va_end(arguments);
    answer->err = err;
    text_format(answer->text, sizeof answer->text, "%s", text_cstr(&text));
    text_release(&text);
}

static void copy_slice(char *out, size_t size, struct slice from)
{
    PRE(from.length < size);
    memset(out, 0, size);
    if (from.length > 0)
        memcpy(out, from.data, from.length);
}

/* A slice that can be kept as a C string. */
static bool is_text(struct slice slice)
{
    return slice.length == 0 || memchr(slice.data, 0, slice.length) == NULL;
}

/* That the newest process is gone proves nothing about one before it, which may be paused on
 * another host. True if a row still names such a one. */
static bool is_older_one_named(const struct cm_state *state, const struct cm_node *node)
{
    for (uint32_t i = 0; i < state->chain_count; i++) {
        const struct plan_row *row = &state->chains[i].active;
        for (uint32_t j = 0; j < row->members_count; j++) {
            struct wire_member member = row->members[j];
            if (member.node == node->id && member.incarnation >= node->dead_below &&
                member.incarnation < node->incarnation)
                return true;
        }
    }
    return false;
}

void cm_apply_register_node(struct cm_apply *apply, const struct cm_item *item)
{
    struct cm_state *state = apply->state;
    uint32_t id = item->u.register_node.node;
    uint64_t incarnation = item->u.register_node.incarnation;
    struct cm_node *node = cm_state_node(state, id);
    if (id == 0 || incarnation == 0 || !is_text(item->u.register_node.address) ||
        !is_text(item->u.register_node.zone))
        return;
    /* R4: an incarnation is registered once, and they only grow. */
    if (node != NULL && incarnation <= node->incarnation)
        return;
    if (node == NULL) {
        if (state->node_count == BOUND_NODES)
            return;
        node = cm_state_add_node(state, id);
        node->disk_since = incarnation;
    } else {
        bool same_disk = uuid_equal(&node->disk, &item->u.register_node.disk);
        bool same_boot = uuid_equal(&node->boot, &item->u.register_node.boot);
        bool is_proven = same_disk && same_boot; /* the directory lock changed hands on one host */
        bool is_alone = PLANTED(R4_OLDER_PROVEN) || !is_older_one_named(state, node);
        if ((is_proven && is_alone) || PLANTED(R4_HIGHER_PROVES_DEATH))
            node->dead_below = incarnation;
        if (!same_disk)
            node->disk_since = incarnation;
    }
    node->incarnation = incarnation;
    node->disk = item->u.register_node.disk;
    node->boot = item->u.register_node.boot;
    copy_slice(node->address, sizeof node->address, item->u.register_node.address);
    copy_slice(node->zone, sizeof node->zone, item->u.register_node.zone);
    node->weight = item->u.register_node.weight;
    node->pid = item->u.register_node.pid;
    node->state = WIRE_NODE_ALIVE;
    cm_state_touch_node(state, node, apply->index);
    cm_apply_on_node(apply, id, true);
}

void cm_apply_node_state(struct cm_apply *apply, const struct cm_item *item)
{
    struct cm_node *node = cm_state_node(apply->state, item->u.node_state.node);
    if (node == NULL || node->incarnation != item->u.node_state.incarnation ||
        node->state == item->u.node_state.state)
        return;
    node->state = item->u.node_state.state;
    cm_state_touch_node(apply->state, node, apply->index);
    cm_apply_on_node(apply, node->id, false);
}

/* Readers of the new row are noted; who stays keeps what was noted (R29). */
void cm_apply_install_row(struct cm_apply *apply, struct cm_chain *chain,
                          const struct plan_row *row)
{
    uint64_t epochs[BOUND_CHAIN_MEMBERS] = {0};
    for (uint32_t i = 0; i < row->members_count; i++) {
        uint32_t old =
            cm_member_find(chain->active.members, chain->active.members_count, row->members[i]);
        if (old < chain->active.members_count)
            epochs[i] = chain->reader_epochs[old];
        if (i + 1 == row->members_count || row->any_replica)
            epochs[i] = row->epoch;
    }
    for (uint32_t i = 0; i < chain->active.members_count; i++) {
        struct wire_member member = chain->active.members[i];
        struct cm_node *node = cm_state_node(apply->state, member.node);
        /* R28: who was removed uses no lease before its map tells it so. */
        if (node != NULL &&
            cm_member_find(row->members, row->members_count, member) == row->members_count)
            node->fence_version = apply->index;
    }
    if (!cm_member_equal(chain->active.members[0], row->members[0]))
        apply->state->head_version = apply->index;
    chain->active = *row;
    memcpy(chain->reader_epochs, epochs, sizeof epochs);
    cm_state_touch_chain(apply->state, chain, apply->index);
}

static void drop_decided(struct cm_chain *chain)
{
    chain->has_decided = false;
    list_remove(&chain->decided_link);
}

static bool row_is_sound(const struct cm_chain *chain, const struct plan_row *row)
{
    uint64_t newest = chain->has_decided ? chain->decided.epoch : chain->active.epoch;
    struct wire_row wire = plan_row_to_wire(row);
    struct plan_row checked;
    return row->chain == chain->active.chain && row->members_count > 0 && row->serving_count > 0 &&
           row->epoch == newest + 1 && plan_row_from_wire(&wire, &checked) == ERR_OK;
}

/* S8: an immediate change removes no member. */
static bool keeps_members(const struct plan_row *before, const struct plan_row *after)
{
    for (uint32_t i = 0; i < before->members_count; i++) {
        if (cm_member_find(after->members, after->members_count, before->members[i]) ==
            after->members_count)
            return false;
    }
    return true;
}

bool cm_apply_change(struct cm_apply *apply, const struct cm_change *change)
{
    struct cm_state *state = apply->state;
    if (change->chain >= state->chain_count)
        return false;
    struct cm_chain *chain = &state->chains[change->chain];
    uint64_t decided = chain->has_decided ? chain->decided.epoch : 0;
    if (change->expected_epoch != chain->active.epoch || change->expected_decided != decided)
        return false; /* planned from a row that is not the newest any more */
    struct plan_row row = change->row;
    switch (change->kind) {
    case CM_CHANGE_DECIDE:
        if (!row_is_sound(chain, &row))
            return false;
        row.version = apply->index;
        if (chain->has_decided)
            list_remove(&chain->decided_link);
        chain->decided = row;
        chain->has_decided = true;
        list_append(&state->decided_chains, &chain->decided_link);
        break;
    case CM_CHANGE_ACTIVATE:
        if (!chain->has_decided)
            return false;
        row = chain->decided;
        memset(row.serving, 0, sizeof row.serving);
        memcpy(row.serving, row.members, row.members_count * sizeof row.members[0]);
        row.serving_count = row.members_count;
        drop_decided(chain);
        cm_apply_install_row(apply, chain, &row);
        break;
    case CM_CHANGE_SET:
        if (chain->has_decided || !row_is_sound(chain, &row) ||
            !keeps_members(&chain->active, &row))
            return false;
        cm_apply_install_row(apply, chain, &row);
        break;
    }
    cm_apply_on_row(apply, change->chain, change->kind);
    return true;
}

static void apply_rows(struct cm_apply *apply, const struct cm_item *item)
{
    struct cm_reader reader = item->u.rows.encoded;
    for (uint32_t i = 0; i < item->u.rows.count; i++) {
        struct cm_change change;
        cm_change_read(&reader, &change);
        cm_apply_change(apply, &change);
    }
}

static void apply_admin(struct cm_apply *apply, const struct cm_item *item)
{
    /* The same nonce finds its first answer: a retried create succeeds once. */
    bool is_repeated = PLANTED(D20_REPLACED_TWICE) && item->kind == CM_ITEM_KEY_ROTATE;
    if (cm_state_answer(apply->state, item->nonce) != NULL && !is_repeated)
        return;
    struct cm_answer answer = {.nonce = item->nonce, .err = ERR_OK};
    switch (item->kind) {
    case CM_ITEM_INIT_CHAINS:
        cm_apply_init_chains(apply, item, &answer);
        break;
    case CM_ITEM_SESSION_OPEN:
        cm_apply_session_open(apply, item, &answer);
        break;
    case CM_ITEM_BUCKET_CREATE:
        cm_apply_bucket_create(apply, item, &answer);
        break;
    case CM_ITEM_BUCKET_MARK:
        cm_apply_bucket_mark(apply, item, &answer);
        break;
    case CM_ITEM_BUCKET_FINISH:
        cm_apply_bucket_finish(apply, item, &answer);
        break;
    case CM_ITEM_BUCKET_REVERT:
        cm_apply_bucket_revert(apply, item, &answer);
        break;
    case CM_ITEM_NODE_REMOVE:
        cm_apply_node_remove(apply, item, &answer);
        break;
    case CM_ITEM_SETTING_SET:
        cm_apply_setting_set(apply, item, &answer);
        break;
    case CM_ITEM_CHAIN_FORGET:
        cm_apply_chain_forget(apply, item, &answer);
        break;
    case CM_ITEM_KEY_CREATE:
    case CM_ITEM_KEY_ROTATE:
    case CM_ITEM_KEY_GRANT:
    case CM_ITEM_KEY_REVOKE:
        cm_apply_key_change(apply, item, &answer);
        break;
    case CM_ITEM_BUCKET_CONFIG:
        cm_apply_bucket_config(apply, item, &answer);
        break;
    case CM_ITEM_REGISTER_NODE:
    case CM_ITEM_NODE_STATE:
    case CM_ITEM_ROWS:
    case CM_ITEM_BAD_LINK:
    case CM_ITEM_NODE_SPACE:
    case CM_ITEM_CHAIN_MARKS:
        IMPOSSIBLE("not an administrative item");
    }
    if (answer.version == 0)
        answer.version = apply->state->version;
    if (item->nonce != 0)
        cm_state_add_answer(apply->state, &answer);
}

static void apply_node_space(struct cm_apply *apply, const struct cm_item *item)
{
    struct cm_node *node = cm_state_node(apply->state, item->u.node_space.node);
    if (node == NULL)
        return;
    node->space_total = item->u.node_space.total;
    node->space_free = item->u.node_space.free;
}

static void apply_bad_link(struct cm_apply *apply, const struct cm_item *item)
{
    if (item->u.bad_link.a == item->u.bad_link.b)
        return;
    uint32_t link =
        cm_state_strike_link(apply->state, item->u.bad_link.a, item->u.bad_link.b, apply->index);
    if (apply->observer != NULL && apply->observer->on_link != NULL)
        apply->observer->on_link(apply->observer->context, link);
}

static void apply_item(struct cm_apply *apply, const struct cm_item *item)
{
    switch (item->kind) {
    case CM_ITEM_REGISTER_NODE:
        cm_apply_register_node(apply, item);
        break;
    case CM_ITEM_NODE_STATE:
        cm_apply_node_state(apply, item);
        break;
    case CM_ITEM_ROWS:
        apply_rows(apply, item);
        break;
    case CM_ITEM_BAD_LINK:
        apply_bad_link(apply, item);
        break;
    case CM_ITEM_NODE_SPACE:
        apply_node_space(apply, item);
        break;
    case CM_ITEM_CHAIN_MARKS:
        cm_apply_chain_marks(apply, item);
        break;
    case CM_ITEM_INIT_CHAINS:
    case CM_ITEM_SESSION_OPEN:
    case CM_ITEM_BUCKET_CREATE:
    case CM_ITEM_BUCKET_MARK:
    case CM_ITEM_BUCKET_FINISH:
    case CM_ITEM_BUCKET_REVERT:
    case CM_ITEM_NODE_REMOVE:
    case CM_ITEM_SETTING_SET:
    case CM_ITEM_CHAIN_FORGET:
    case CM_ITEM_KEY_CREATE:
    case CM_ITEM_KEY_ROTATE:
    case CM_ITEM_KEY_GRANT:
    case CM_ITEM_KEY_REVOKE:
    case CM_ITEM_BUCKET_CONFIG:
        apply_admin(apply, item);
        break;
    }
}

enum err cm_state_apply(struct cm_state *state, uint64_t index, struct slice command,
                        const struct cm_observer *observer)
{
    if (index <= state->applied)
        return ERR_CORRUPT;
    enum err err = cm_command_check(command);
    if (err != ERR_OK)
        return err;
    struct cm_apply apply = {.state = state, .index = index, .observer = observer};
    struct cm_reader reader;
    err = cm_command_open(command, &reader);
    PRE(err == ERR_OK);
    struct cm_item item;
    while (cm_command_next(&reader, &item))
        apply_item(&apply, &item);
    state->applied = index;
    return ERR_OK;
}
