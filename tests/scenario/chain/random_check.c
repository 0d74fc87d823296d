/* What answers may say, and what members may hold at any moment.
 *
 * Reads: nothing older than what was known when they were sent. Updates: one version each, refusals
 * of a state that was not overtaken before they were sent. Members: what one knows committed is
 * durable on every member of the newest row (S3, S9) and is one history (S1). */
#include "base/bytes.h"
#include "chainnode/core/cn_core.h"
#include "tests/scenario/chain/random.h"

#define O(origin) (unsigned long long)(origin).epoch, (unsigned long long)(origin).lsn

static void raise_floor(struct key_state *key, struct origin version, bool is_absent)
{
    if (origin_compare(version, key->floor) <= 0)
        return;
    key->floor = version;
    key->is_absent = is_absent;
}

static void set_version(uint32_t index, struct origin version)
{
    struct op *op = &h->ops[index];
    EXPECT(!op->has_version || origin_compare(op->version, version) == 0,
           "op %u ran twice: %llu.%llu and %llu.%llu", index, O(op->version), O(version));
    op->has_version = true;
    op->version = version;
}

/* A delete of the key that may explain an absence although a newer version was known. */
static bool may_be_deleted(uint32_t chain, uint32_t key, struct origin floor)
{
    for (uint32_t i = 1; i < h->ops_count; i++) {
        const struct op *op = &h->ops[i];
        if (op->kind == OP_DELETE && op->chain == chain && op->key == key &&
            (!op->is_done || op->is_unknown ||
             (op->has_version && origin_compare(op->version, floor) >= 0)))
            return true;
    }
    return false;
}

static void check_absence(const struct attempt *attempt, uint32_t chain, uint32_t key)
{
    struct origin floor = attempt->floors[key];
    EXPECT(origin_is_none(floor) || attempt->are_absent[key] || may_be_deleted(chain, key, floor),
           "chain %u key %u shows as absent, but %llu.%llu was there", chain, key, O(floor));
}

static void check_version(const struct attempt *attempt, uint32_t chain, uint32_t key,
                          struct origin version)
{
    struct origin floor = attempt->floors[key];
    EXPECT(origin_compare(version, floor) > 0 ||
               (origin_compare(version, floor) == 0 && !attempt->are_absent[key]),
           "stale read of chain %u key %u: %llu.%llu after %llu.%llu", chain, key, O(version),
           O(floor));
    raise_floor(&h->keys[chain][key], version, false);
}

/* Chunks are there as long as the object row is, and for a while longer. */
static void check_chunks_of(uint32_t node, uint32_t chain, uint64_t low, uint32_t count)
{
    struct world_node *at = &h->world->nodes[node];
    if (at->core == NULL)
        return;
    struct kv kv = kv_memory_interface(at->store);
    for (uint32_t index = 0; index < count; index++) {
        uint8_t key[24] = {0};
        bytes_put_u32(key, chain);
        bytes_put_u64(key + 12, low);
        bytes_put_u32(key + 20, index);
        struct buf *value = NULL;
        (void)kv_get(&kv, CN_FAMILY_CHUNKS, slice_of(key, sizeof key), &value);
        EXPECT(value != NULL && value->length == 16,
               "node %u has object and not chunk %u of upload %llu", node, index,
               (unsigned long long)low);
        buf_unref(value);
    }
}

static void check_object(const struct attempt *attempt, const struct wire_message *reply)
{
    const struct op *read = &h->ops[attempt->op];
    const struct wire_object *object = &reply->u.object;
    check_version(attempt, read->chain, read->key, object->version);
    uint32_t writer = (uint32_t)object->upload_low;
    if (writer == 0) {
        struct slice value = buf_slice(reply->payload);
        char text[32] = {0};
        EXPECT(value.length > 2 && value.length < sizeof text, "a value that nobody wrote");
        memcpy(text, value.data, value.length);
        writer = (uint32_t)strtoul(text + 2, NULL, 10);
    }
    EXPECT(writer > 0 && writer < h->ops_count && h->ops[writer].chain == read->chain &&
               h->ops[writer].key == read->key &&
               (h->ops[writer].kind < OP_DELETE || h->ops[writer].kind == OP_UPLOAD),
           "op %u did not write this key", writer);
    set_version(writer, object->version);
    if (h->ops[writer].kind == OP_UPLOAD &&
        origin_compare(h->keys[read->chain][read->key].floor, object->version) == 0)
        check_chunks_of(attempt->node, read->chain, object->upload_low, object->chunk_count);
}

static void check_list(const struct attempt *attempt, const struct wire_listed *listed)
{
    const struct op *list = &h->ops[attempt->op];
    bool are_there[KEYS] = {false};
    for (uint32_t i = 0; i < listed->items_count; i++) {
        struct slice name = listed->items[i].key;
        EXPECT(name.length == 4 && name.data[3] >= '0' && name.data[3] < '0' + KEYS,
               "a listing shows a key that nobody wrote");
        uint32_t key = (uint32_t)(name.data[3] - '0');
        are_there[key] = true;
        check_version(attempt, list->chain, key, listed->items[i].version);
    }
    for (uint32_t key = 0; key < KEYS; key++)
        if (!are_there[key])
            check_absence(attempt, list->chain, key);
    h->lists_checked++;
}

static void check_stage(const struct attempt *attempt, const struct wire_updated *reply)
{
    struct op *op = &h->ops[attempt->op];
    if (op->is_done || attempt->stage != op->staged + 1)
        return;
    if (reply->outcome == ERR_OK)
        op->staged++;
    else /* collected as abandoned meanwhile: nothing of it shows */
        op->is_done = true;
}

static void check_refusal(const struct attempt *attempt, const struct wire_updated *reply)
{
    const struct op *op = &h->ops[attempt->op];
    EXPECT(!op->has_version, "op %u first succeeded, then failed", attempt->op);
    switch (op->kind) {
    case OP_CREATE:
        EXPECT(reply->outcome == ERR_CONDITION, "op %u has outcome %u", attempt->op,
               reply->outcome);
        EXPECT(origin_compare(reply->current, op->floor) >= 0,
               "a create is refused because of %llu.%llu, overtaken by %llu.%llu before",
               O(reply->current), O(op->floor));
        break;
    case OP_MATCH:
        EXPECT(reply->outcome == ERR_CONDITION && origin_compare(reply->current, op->match) != 0,
               "op %u has outcome %u", attempt->op, reply->outcome);
        break;
    case OP_UPLOAD:
        EXPECT(reply->outcome == ERR_UPLOAD_GONE, "op %u has outcome %u", attempt->op,
               reply->outcome);
        break;
    case OP_DELETE:
        EXPECT(reply->outcome == ERR_NO_KEY, "op %u has outcome %u", attempt->op, reply->outcome);
        EXPECT(origin_is_none(op->floor) || op->is_floor_absent ||
                   may_be_deleted(op->chain, op->key, op->floor),
               "delete %u found nothing, but %llu.%llu was there", attempt->op, O(op->floor));
        break;
    case OP_PUT:
    case OP_GET:
    case OP_LIST:
    case OP_KINDS:
        EXPECT(false, "op %u has outcome %u", attempt->op, reply->outcome);
    }
}

static void check_update(const struct attempt *attempt, const struct wire_updated *reply)
{
    struct op *op = &h->ops[attempt->op];
    bool was_done = op->is_done && !op->is_unknown;
    op->is_done = true;
    op->is_unknown = false;
    if (reply->outcome == ERR_OK) {
        EXPECT(!was_done || op->has_version, "op %u first failed, then succeeded", attempt->op);
        EXPECT(reply->version.epoch >= PAST ||
                   h->past[op->chain][reply->version.epoch].members_count >= h->weather.write_floor,
               "op %u was admitted below the write floor", attempt->op);
        set_version(attempt->op, reply->version);
        raise_floor(&h->keys[op->chain][op->key], reply->version, op->kind == OP_DELETE);
        h->writes_acked++;
        h->uploads_acked += op->kind == OP_UPLOAD ? 1 : 0;
        return;
    }
    check_refusal(attempt, reply);
}

static void check_refused(const struct attempt *attempt, const struct wire_refused *refused)
{
    struct op *op = &h->ops[attempt->op];
    if (op->kind == OP_GET && refused->err == ERR_NO_KEY) {
        h->reads_checked++;
        check_absence(attempt, op->chain, op->key);
        op->is_done = true;
    } else if (refused->err == ERR_SESSION_EXPIRED || refused->err == ERR_OUTCOME_UNKNOWN) {
        op->is_unknown = op->is_unknown || !op->is_done;
        op->is_done = true;
    }
}

static struct attempt *attempt_of(uint64_t request)
{
    for (uint32_t a = h->attempts_count; a-- > 0;)
        if (h->attempts[a].request == request)
            return &h->attempts[a];
    return NULL;
}

void note_arrival(const struct wire_message *message)
{
    struct attempt *attempt = attempt_of(wire_message_request(message));
    if (attempt != NULL)
        attempt->arrived_us = h->world->now_us;
}

void note_lapses(void)
{
    for (uint32_t node = 1; node <= NODES; node++)
        if (h->world->nodes[node].lease_until_us <= h->world->now_us)
            h->lapsed_us[node] = h->world->now_us;
}

/* R16: a read that was there when the lease ended is refused, not kept for the next lease. */
static void check_lease(const struct attempt *attempt)
{
    EXPECT(h->lapsed_us[attempt->node] <= attempt->arrived_us,
           "node %u answers a read that has waited longer than its lease", attempt->node);
}

void check_replies(void)
{
    struct world *world = h->world;
    for (size_t i = 0; i < world->replies_count; i++) {
        const struct wire_message *reply = &world->replies[i].message;
        struct attempt *attempt = attempt_of(wire_message_request(reply));
        if (attempt == NULL)
            continue;
        switch ((unsigned)reply->type) {
        case WIRE_UPDATED:
            if (attempt->stage != 0)
                check_stage(attempt, &reply->u.updated);
            else
                check_update(attempt, &reply->u.updated);
            break;
        case WIRE_OBJECT:
            check_lease(attempt);
            check_object(attempt, reply);
            h->reads_checked++;
            h->ops[attempt->op].is_done = true;
            break;
        case WIRE_LISTED:
            check_lease(attempt);
            check_list(attempt, &reply->u.listed);
            h->ops[attempt->op].is_done = true;
            break;
        case WIRE_REFUSED:
            check_refused(attempt, &reply->u.refused);
            break;
        default:
            break;
        }
    }
    world_forget_replies(world);
}

/* ---- members ---- */

static bool is_live(const struct wire_member *member)
{
    const struct world_node *node = &h->world->nodes[member->node];
    return node->core != NULL && node->incarnation == member->incarnation;
}

void note_row(uint32_t chain)
{
    const struct world_row *row = &h->world->rows[chain];
    if (row->epoch >= PAST)
        return;
    struct past_row *past = &h->past[chain][row->epoch];
    past->members_count = row->members_count;
    memcpy(past->members, row->members, sizeof past->members);
}

/* R7: a new commit in an epoch proves that every member has entered it. */
static void check_entered(uint32_t chain, uint32_t committer, uint64_t epoch,
                          const struct cn_chain_view *views)
{
    const struct past_row *row = &h->past[chain][epoch];
    for (uint32_t i = 0; i < row->members_count; i++) {
        uint32_t node = row->members[i].node;
        EXPECT(!is_live(&row->members[i]) || views[node].epoch >= epoch,
               "chain %u: node %u commits in epoch %llu, which member %u has not entered", chain,
               committer, (unsigned long long)epoch, node);
    }
}

/* The longest history that anybody ever committed, even if it is dead by now. */
static void note_committed(uint32_t chain, const struct cn_chain_view *views)
{
    for (uint32_t node = 1; node <= NODES; node++) {
        const struct cn_chain_view *view = &views[node];
        bool is_serving = view->role != CN_ROLE_NONE && view->role != CN_ROLE_JOINER;
        if (!is_serving || view->committed < h->committed[chain])
            continue;
        if (view->committed > h->committed[chain] && h->epochs_seen[node][chain] == view->epoch &&
            view->epoch < PAST)
            check_entered(chain, node, view->epoch, views);
        EXPECT(view->committed > h->committed[chain] || view->digest == h->digest[chain],
               "chain %u: node %u has committed another history", chain, node);
        h->committed[chain] = view->committed;
        h->digest[chain] = view->digest;
    }
}

static void check_chain(uint32_t chain)
{
    const struct world_row *row = &h->world->rows[chain];
    struct cn_chain_view views[NODES + 1];
    for (uint32_t node = 1; node <= NODES; node++)
        views[node] = world_view(h->world, node, chain);
    note_committed(chain, views);
    for (uint32_t node = 1; node <= NODES; node++) {
        EXPECT(views[node].role == CN_ROLE_NONE || views[node].epoch <= row->epoch,
               "chain %u: node %u has a role in epoch %llu, which is not active (R28)", chain, node,
               (unsigned long long)views[node].epoch);
        EXPECT(views[node].epoch >= h->epochs_seen[node][chain],
               "chain %u: node %u goes back to epoch %llu (R5)", chain, node,
               (unsigned long long)views[node].epoch);
        h->epochs_seen[node][chain] = views[node].epoch;
    }
    for (uint32_t i = 0; i < row->members_count; i++) {
        uint32_t node = row->members[i].node;
        const struct cn_chain_view *view = &views[node];
        /* One that has left, or is named as it was before it started again, says nothing. */
        if (!is_live(&row->members[i]) || view->role == CN_ROLE_NONE || view->is_halted)
            continue;
        EXPECT(view->durable >= h->committed[chain],
               "chain %u: %llu updates are committed, member %u has only %llu on its disk", chain,
               (unsigned long long)h->committed[chain], node, (unsigned long long)view->durable);
    }
}

void check_members(void)
{
    for (uint32_t chain = 0; chain < CHAINS; chain++)
        check_chain(chain);
}

/* What a process calls durable is there when it starts again (unless it was joining: then it has
 * dropped what it held, R24). */
void check_durable_before_crash(uint32_t node)
{
    for (uint32_t chain = 0; chain < CHAINS; chain++) {
        struct cn_chain_view view = world_view(h->world, node, chain);
        bool is_member = view.role != CN_ROLE_NONE && view.role != CN_ROLE_JOINER;
        h->durable[node][chain] = is_member ? view.durable : 0;
    }
}

void check_durable_after_start(uint32_t node)
{
    for (uint32_t chain = 0; chain < CHAINS; chain++) {
        struct cn_chain_view view = world_view(h->world, node, chain);
        EXPECT(view.applied.lsn >= h->durable[node][chain],
               "chain %u: node %u lost %llu.. although it called %llu durable", chain, node,
               (unsigned long long)view.applied.lsn + 1,
               (unsigned long long)h->durable[node][chain]);
        h->durable[node][chain] = 0;
    }
}

/* ---- at the end ---- */

static int compare_ops(const void *left, const void *right)
{
    const struct op *const *a = left;
    const struct op *const *b = right;
    return origin_compare((*a)->version, (*b)->version);
}

/* In the order of versions every condition held: exact, not only plausible. */
static void check_history(uint32_t chain, uint32_t key)
{
    const struct op **ops = mem_alloc(h->ops_count * sizeof(const struct op *));
    uint32_t count = 0;
    bool has_unknown = false;
    for (uint32_t i = 1; i < h->ops_count; i++) {
        const struct op *op = &h->ops[i];
        if (op->chain != chain || op->key != key)
            continue;
        bool is_update = op->kind != OP_GET && op->kind != OP_LIST;
        has_unknown = has_unknown || (is_update && (op->is_unknown || !op->is_done));
        if (op->has_version)
            ops[count++] = op;
    }
    qsort(ops, count, sizeof(const struct op *), compare_ops);
    const struct op *last = NULL;
    for (uint32_t i = 0; i < count && !has_unknown; i++) {
        bool is_there = last != NULL && last->kind != OP_DELETE;
        bool is_same = is_there && origin_compare(last->version, ops[i]->match) == 0;
        EXPECT(last == NULL || origin_compare(last->version, ops[i]->version) != 0,
               "two updates have version %llu.%llu", O(ops[i]->version));
        EXPECT(ops[i]->kind != OP_CREATE || !is_there,
               "chain %u key %u: created as %llu.%llu while %llu.%llu was there", chain, key,
               O(ops[i]->version), O(last->version));
        EXPECT(ops[i]->kind != OP_DELETE || is_there, "chain %u key %u: %llu.%llu deleted nothing",
               chain, key, O(ops[i]->version));
        EXPECT(ops[i]->kind != OP_MATCH || is_same,
               "chain %u key %u: %llu.%llu replaced another version", chain, key,
               O(ops[i]->version));
        last = ops[i];
    }
    mem_free(ops);
}

void check_histories(void)
{
    for (uint32_t chain = 0; chain < CHAINS; chain++)
        for (uint32_t key = 0; key < KEYS; key++)
            check_history(chain, key);
}

/* Of every object that was read last, on any member. */
void check_chunks(uint32_t node)
{
    for (uint32_t i = 1; i < h->ops_count; i++) {
        const struct op *op = &h->ops[i];
        const struct key_state *key = &h->keys[op->chain][op->key];
        if (op->kind == OP_UPLOAD && op->has_version && !key->is_absent &&
            origin_compare(key->floor, op->version) == 0 &&
            world_view(h->world, node, op->chain).role != CN_ROLE_NONE)
            check_chunks_of(node, op->chain, i, op->chunks);
    }
}
