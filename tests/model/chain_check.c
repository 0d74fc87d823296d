/* What the chain model holds the cores to, after each event: S1-S6, S9, S10 and one history. */
#include "base/text.h"
#include "tests/model/chain.h"

/* R7: what is committed for the first time, in an epoch, shows that every member is in that epoch.
 */
static void check_everybody_is_in(uint32_t id, const struct cn_chain *chain)
{
    for (uint32_t i = 0; i < chain->row.members_count; i++) {
        const struct wire_member *member = &chain->row.members[i];
        const struct cn_chain *other = node_chain(member->node);
        bool is_running = nodes[member->node]->core != NULL &&
                          nodes[member->node]->incarnation == member->incarnation;
        if (is_running && (other == NULL || other->epoch < chain->epoch))
            model_violation("node %u commits in epoch %llu and node %u is not in it (R7)", id,
                            (unsigned long long)chain->epoch, member->node);
    }
}

/* S10: nothing that changed something is in the history twice; S1: there is one history. */
static void note_committed(uint32_t id, const struct cn_chain *chain)
{
    while (world->committed_max < chain->committed) {
        uint64_t lsn = world->committed_max + 1u;
        const struct cn_entry *entry = cn_entry_at(chain, lsn);
        if (entry == NULL || lsn >= LOG_MAX)
            return;
        for (unsigned i = 1; i < lsn; i++)
            if (entry->f.session != 0 && world->committed[i].session == entry->f.session &&
                world->committed[i].seq == entry->f.seq)
                model_violation("update (%llu, %llu) is executed twice, at %u and %llu (S10)",
                                (unsigned long long)entry->f.session,
                                (unsigned long long)entry->f.seq, i, (unsigned long long)lsn);
        world->committed[lsn] = (struct committed){
            .digest = entry->digest,
            .session = (uint8_t)entry->f.session,
            .seq = (uint8_t)entry->f.seq,
        };
        world->committed_max = (uint8_t)lsn;
        check_everybody_is_in(id, chain);
        chain_tell("committed at node %u: lsn %llu", id, (unsigned long long)lsn);
    }
}

/* S5: a member of the newest row holds everything that was ever committed. */
static void check_holds_all(uint32_t id, const struct cn_chain *chain)
{
    const struct node *node = nodes[id];
    bool is_named = row_has(&world->master.active, id, node->incarnation);
    if (is_named && cn_is_serving(chain) && chain->epoch == world->master.active.epoch &&
        chain->durable < world->committed_max)
        model_violation("node %u serves epoch %llu with %llu durable of %u committed (S5)", id,
                        (unsigned long long)chain->epoch, (unsigned long long)chain->durable,
                        world->committed_max);
}

void check_node(uint32_t id)
{
    const struct cn_chain *chain = node_chain(id);
    if (chain == NULL)
        return;
    if (chain->is_halted)
        model_violation("node %u halted the chain (R27)", id);
    if (chain->role == CN_ROLE_NONE)
        return;
    unsigned before = heap_enter(0);
    note_committed(id, chain);
    heap_return(before);
    if (chain->committed > 0 && chain->committed < LOG_MAX &&
        chain->committed <= world->committed_max &&
        world->committed[chain->committed].digest != chain->digest)
        model_violation("node %u has another history up to %llu (S1)", id,
                        (unsigned long long)chain->committed);
    check_holds_all(id, chain);
}

/* S3: the reply leaves only when every member of the replier's epoch has the update on its disk. A
 * process that died or went on to another epoch has shown it before. */
void check_update_reply(const struct node *node, const struct op *op)
{
    const struct cn_chain *chain = node_chain(node->id);
    note_committed(node->id, chain); /* a single member commits and answers in one step */
    uint64_t lsn = 0;
    for (unsigned i = 1; i <= world->committed_max; i++)
        if (world->committed[i].session == op->client + 1u &&
            world->committed[i].seq == (uint64_t)(op - world->ops) + 1)
            lsn = i;
    if (lsn == 0)
        model_violation("an update is answered that is not committed (S3)");
    for (unsigned i = 0; i < chain->row.members_count; i++) {
        const struct wire_member *member = &chain->row.members[i];
        const struct cn_chain *other = node_chain(member->node);
        if (other == NULL || nodes[member->node]->incarnation != member->incarnation ||
            other->epoch != chain->epoch || !cn_is_serving(other))
            continue;
        if (other->durable < lsn)
            model_violation("an update is answered that node %u has not on its disk (S3)",
                            member->node);
    }
}

/* S9: a member that an active row has removed answers no strong read. S6: what is shown is
 * committed. */
void check_read_reply(const struct node *node, const struct op *op)
{
    if (!row_has(&world->master.active, node->id, node->incarnation))
        model_violation("node %u answers a read after its removal is active (S9)", node->id);
    note_committed(node->id, node_chain(node->id));
    bool is_committed = op->value == 0;
    for (unsigned i = 1; i <= world->committed_max; i++)
        is_committed = is_committed || world->committed[i].seq == op->value;
    if (!is_committed)
        model_violation("node %u shows an update that is not committed (S6)", node->id);
}

/* ---- one history: linearizability of at most OPS_MAX operations on one register ---- */

/* May the operation be next, with that value before it? Then *value is what follows. */
static bool fits(const struct op *op, uint8_t *value)
{
    bool is_known = op->state == OP_RETURNED;
    switch (op->kind) {
    case 'g':
        return !is_known || op->value == *value;
    case 'p':
        *value = op->value;
        return true;
    case 'c': {
        bool is_won = *value == 0;
        if (is_known && is_won != (op->err == ERR_OK))
            return false;
        *value = is_won ? op->value : *value;
        return true;
    }
    case 'd': {
        bool was_there = *value != 0;
        if (is_known && was_there != (op->err == ERR_OK))
            return false;
        *value = 0;
        return true;
    }
    default:
        IMPOSSIBLE("scripts have only these letters");
    }
}

static bool can_order(unsigned done, unsigned returned, uint8_t value)
{
    if ((returned & ~done) == 0)
        return true;
    for (unsigned i = 0; i < world->ops_count; i++) {
        const struct op *op = &world->ops[i];
        uint8_t next = value;
        if ((done >> i & 1u) != 0 || op->state == OP_WAITING || (op->after & ~done) != 0)
            continue;
        if (op->kind == 'g' && op->state != OP_RETURNED)
            continue; /* changes nothing */
        if (fits(op, &next) && can_order(done | 1u << i, returned, next))
            return true;
    }
    return false;
}

void check_history(void)
{
    unsigned returned = 0;
    for (unsigned i = 0; i < world->ops_count; i++)
        returned |= world->ops[i].state == OP_RETURNED ? 1u << i : 0;
    if (can_order(0, returned, 0))
        return;
    char text[256];
    size_t length = 0;
    for (unsigned i = 0; i < world->ops_count; i++) {
        const struct op *op = &world->ops[i];
        if (op->state == OP_WAITING)
            continue;
        const char *result = op->state == OP_CALLED ? "open" : err_name((enum err)op->err);
        (void)text_format(text + length, sizeof text - length, " %u:%c%u=%s(after %x)", op->client,
                          op->kind, op->value, result, op->after);
        length += strlen(text + length);
    }
    model_violation("no order of the operations explains their results (S6):%s", text);
}

/* ---- at the end ---- */

static bool same_family(unsigned family, uint32_t a, uint32_t b)
{
    struct kv left = kv_memory_interface(nodes[a]->store);
    struct kv right = kv_memory_interface(nodes[b]->store);
    struct slice none = slice_of(NULL, 0);
    struct kv_iterator *rows_a = kv_iterate(&left, family, none, none);
    struct kv_iterator *rows_b = kv_iterate(&right, family, none, none);
    bool is_same = true;
    bool has_more = true;
    while (is_same && has_more) {
        struct slice key[2];
        struct slice value[2];
        has_more = left.ops->iterator_next(rows_a, &key[0], &value[0]);
        is_same = right.ops->iterator_next(rows_b, &key[1], &value[1]) == has_more;
        if (is_same && has_more)
            is_same = slice_equal(key[0], key[1]) && slice_equal(value[0], value[1]);
    }
    left.ops->iterator_free(rows_a);
    right.ops->iterator_free(rows_b);
    return is_same;
}

/* Nothing is pending and all replicas are byte-equal. */
void check_healed(void)
{
    static const unsigned families[] = {CN_FAMILY_OBJECTS, CN_FAMILY_SESSIONS, CN_FAMILY_PENDING,
                                        CN_FAMILY_UPLOADS, CN_FAMILY_PURGE,    CN_FAMILY_MULTI,
                                        CN_FAMILY_TOKENS};
    for (uint32_t id = 1; id <= NODES; id++) {
        const struct cn_chain *chain = node_chain(id);
        if (chain->committed != chain->applied.lsn || chain->settled.lsn != chain->applied.lsn)
            model_violation("node %u keeps undecided updates", id);
        if (chain->committed != world->committed_max)
            model_violation("node %u has %llu of %u committed updates", id,
                            (unsigned long long)chain->committed, world->committed_max);
        for (unsigned i = 0; i < ARRAY_COUNT(families); i++)
            if (!same_family(families[i], 1, id))
                model_violation("nodes 1 and %u have other rows in family %u", id, families[i]);
    }
}
