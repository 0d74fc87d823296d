/* A master that keeps the rules, and no more: it decides at random what may be decided at all. */
#include "tests/scenario/chain/random.h"

enum { SILENCE_US = 450000, MARGIN_US = 1000 };

static bool is_live(const struct wire_member *member)
{
    const struct world_node *node = &h->world->nodes[member->node];
    return node->core != NULL && node->incarnation == member->incarnation;
}

static bool is_member(const struct world_row *row, uint32_t node)
{
    for (uint32_t i = 0; i < row->members_count; i++)
        if (row->members[i].node == node)
            return true;
    return false;
}

/* Keeps the incarnations of those that stay: only world_row() would give new ones. */
static void change(uint32_t chain, const struct wire_member *members, uint32_t count,
                   struct wire_member joiner, bool frozen)
{
    struct world_row *row = &h->world->rows[chain];
    struct wire_member kept[BOUND_CHAIN_MEMBERS];
    memcpy(kept, members, count * sizeof *kept);
    row->epoch++;
    row->version = ++h->world->version;
    memcpy(row->members, kept, count * sizeof *kept);
    row->members_count = count;
    row->joiner = joiner;
    row->frozen = frozen;
    row->is_synced = false;
    row->is_drained = false;
    h->removals[chain].node = 0;
    h->epochs++;
    note_row(chain);
}

static void remove_now(uint32_t chain, uint32_t node)
{
    struct world_row *row = &h->world->rows[chain];
    struct wire_member members[BOUND_CHAIN_MEMBERS];
    uint32_t count = 0;
    h->left_node = node;
    for (uint32_t i = 0; i < row->members_count; i++)
        if (row->members[i].node != node)
            members[count++] = row->members[i];
    change(chain, members, count, row->joiner, false);
}

static struct wire_member member_of(uint32_t node)
{
    return (struct wire_member){.node = node, .incarnation = h->world->nodes[node].incarnation};
}

/* R33: any member of the newest active row (without one whose removal is decided) may start. */
static bool start_again(uint32_t chain)
{
    struct world_row *row = &h->world->rows[chain];
    for (uint32_t i = 0; i < row->members_count; i++)
        if (is_live(&row->members[i]))
            return false;
    uint32_t candidates[BOUND_CHAIN_MEMBERS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < row->members_count; i++) {
        uint32_t node = row->members[i].node;
        struct cn_chain_view view = world_view(h->world, node, chain);
        if (h->world->nodes[node].core != NULL && node != h->removals[chain].node &&
            !view.is_syncing)
            candidates[count++] = node;
    }
    if (count == 0)
        return true;
    struct wire_member starter = member_of(candidates[below(count)]);
    struct wire_member nobody = {0};
    change(chain, &starter, 1, nobody, false);
    return true;
}

/* A living member that was not heard for long, or anyone at a whim. */
static uint32_t suspect_of(const struct world_row *row)
{
    for (uint32_t i = 0; i < row->members_count; i++) {
        uint32_t node = row->members[i].node;
        bool is_accused = h->split_us[node] != 0 || h->stall_us[node] > h->world->now_us ||
                          (h->clogged_node == node && !h->is_calm);
        if (h->world->now_us > h->heard_us[node] + SILENCE_US || (is_accused && below(8) == 0))
            return node;
    }
    if (!h->is_calm && once_in(h->weather.suspect_in))
        return row->members[below(row->members_count)].node;
    return 0;
}

/* R28, R29: decided, told to the removed one alone, active when its lease has surely run out. */
static void suspect(uint32_t chain)
{
    struct world_row *row = &h->world->rows[chain];
    struct removal *removal = &h->removals[chain];
    if (removal->node != 0) {
        if (h->world->now_us >= removal->until_us && row->members_count > 1)
            remove_now(chain, removal->node);
        return;
    }
    for (uint32_t i = 0; i < row->members_count && row->members_count > 1; i++)
        if (!is_live(&row->members[i])) { /* a dead process holds no lease (R4) */
            remove_now(chain, row->members[i].node);
            return;
        }
    uint32_t node = row->members_count > 1 ? suspect_of(row) : 0;
    if (node == 0)
        return;
    removal->node = node;
    removal->until_us = h->world->nodes[node].lease_until_us + MARGIN_US;
    if (removal->until_us < h->world->now_us)
        removal->until_us = h->world->now_us;
    if (below(2) == 0 && h->apart_us[node] == 0)
        world_decided(h->world, chain, node);
}

static void join(uint32_t chain)
{
    struct world_row *row = &h->world->rows[chain];
    struct wire_member nobody = {0};
    if (row->joiner.node != 0) {
        if (row->is_synced) {
            struct wire_member members[BOUND_CHAIN_MEMBERS];
            memcpy(members, row->members, sizeof members);
            members[row->members_count] = row->joiner;
            change(chain, members, row->members_count + 1, nobody, false);
        } else if (!is_live(&row->joiner) || (!h->is_calm && below(100) == 0)) {
            change(chain, row->members, row->members_count, nobody, false);
        }
        return;
    }
    uint32_t node = (uint32_t)below(NODES) + 1;
    if (h->weather.is_sparse && !h->is_calm && below(4) != 0 && h->left_node != 0)
        node = h->left_node;
    if (row->members_count < 3 && !is_member(row, node) && h->world->nodes[node].core != NULL &&
        h->world->now_us <= h->heard_us[node] + SILENCE_US && (h->is_calm || below(2) == 0))
        change(chain, row->members, row->members_count, member_of(node), false);
}

/* R36: frozen, drained, permuted. */
static void swap(uint32_t chain)
{
    struct world_row *row = &h->world->rows[chain];
    struct wire_member nobody = {0};
    if (row->frozen && row->is_drained) {
        struct wire_member members[BOUND_CHAIN_MEMBERS];
        uint32_t shift = 1 + (uint32_t)below(row->members_count - 1);
        for (uint32_t i = 0; i < row->members_count; i++)
            members[i] = row->members[(i + shift) % row->members_count];
        change(chain, members, row->members_count, nobody, false);
    } else if (row->frozen && below(40) == 0) {
        change(chain, row->members, row->members_count, nobody, false);
    } else if (!row->frozen && !h->is_calm && row->joiner.node == 0 && row->members_count > 1 &&
               once_in(h->weather.swap_in)) {
        change(chain, row->members, row->members_count, nobody, true);
    }
}

void master_step(void)
{
    for (uint32_t chain = 0; chain < CHAINS; chain++) {
        struct world_row *row = &h->world->rows[chain];
        uint64_t epoch = row->epoch;
        EXPECT(!row->is_halted, "chain %u was halted", chain);
        if (start_again(chain))
            continue;
        suspect(chain);
        if (row->epoch == epoch && h->removals[chain].node == 0)
            join(chain);
        if (row->epoch == epoch && h->removals[chain].node == 0)
            swap(chain);
    }
    for (uint32_t node = 1; node <= NODES; node++)
        if (h->is_calm || (h->world->now_us >= h->deaf_us[node] && h->apart_us[node] == 0 &&
                           once_in(h->weather.push_in)))
            world_push(h->world, node);
}

/* R28: nobody whose removal is decided gets a lease. R30: the lease needs the map of this moment.
 */
bool master_on_beat(struct world *world, uint32_t node, const struct wire_heartbeat *beat,
                    void *context)
{
    (void)context;
    if (h->apart_us[node] != 0 || (!h->is_calm && below(10) == 0))
        return true; /* lost */
    h->heard_us[node] = world->now_us;
    bool is_leaving = false;
    for (uint32_t chain = 0; chain < CHAINS; chain++)
        is_leaving = is_leaving || h->removals[chain].node == node;
    if (h->is_calm && !is_leaving)
        return false; /* answered at once */
    if (h->beats_count == BEATS)
        return true;
    struct held_beat *held = &h->beats[h->beats_count++];
    *held = (struct held_beat){
        .node = node,
        .due_us = world->now_us + below(h->weather.beat_delay_us + 1),
        .reply = {.beat = beat->beat,
                  .incarnation = beat->incarnation,
                  .lease = !is_leaving,
                  .lease_ms = world->lease_us / 1000,
                  .lease_map_version = world->version},
    };
    if (!is_leaving)
        world->nodes[node].lease_until_us = world->now_us + world->lease_us;
    return true;
}

void master_deliver_beats(void)
{
    for (uint32_t i = 0; i < h->beats_count;) {
        struct held_beat held = h->beats[i];
        if (held.due_us > h->world->now_us || h->world->nodes[held.node].is_paused) {
            i++;
            continue;
        }
        h->beats[i] = h->beats[--h->beats_count];
        struct wire_message message = {.type = WIRE_BEAT_REPLY};
        message.u.beat_reply = held.reply;
        struct cn_event event = {.kind = CN_EVENT_RECEIVE_MASTER, .message = &message};
        world_event(h->world, held.node, &event);
    }
}
