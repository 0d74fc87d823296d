/* Random lives: loss, reordering, duplication, replays, pauses, crashes, power cuts, restarts and
 * reconfigurations by a simple correct master, from one seed. No acknowledged write is lost, no
 * read or listing is stale, no update runs twice, conditions are exact; what is committed is
 * durable on every member; after the faults stop, chains are full and replicas equal.
 *
 * CATENA_SEED runs one seed (and tells the story with CATENA_STORY); CATENA_STEPS its length,
 * CATENA_SEEDS how many. */
#include "tests/scenario/chain/random.h"

enum { SEEDS = 120, STEPS = 12000, CALM_STEPS = 6000, FINAL_TRIES = 400 };

struct history *h;

void random_fail(void)
{
    fprintf(stderr, "\n%s", getenv("CATENA_STORY") ? text_cstr(&h->world->story) : "");
    if (getenv("CATENA_SEED") != NULL)
        exit(EXIT_FAILURE);
    ck_abort_msg("the history is wrong, see above");
}

/* ---- weather ---- */

static void draw_weather(void)
{
    struct weather *weather = &h->weather;
    weather->fault_in = 40 + (uint32_t)below(800);
    weather->late_in = 2 + (uint32_t)below(30);
    weather->stale_in = 2 + (uint32_t)below(8);
    weather->store_in = 1 + (uint32_t)below(6);
    weather->flush_in = 1 + (uint32_t)below(4);
    weather->swap_in = 20 + (uint32_t)below(200);
    weather->suspect_in = 30 + (uint32_t)below(300);
    weather->push_in = 1 + (uint32_t)below(6);
    weather->beat_delay_us = below(3) == 0 ? below(900000) : below(20000);
    weather->replay_in = below(3) == 0 ? 2 : 10;
    weather->observe_in = 3 + (uint32_t)below(20);
    weather->is_flood = below(16) == 0;
    h->world->lease_us = 200000 + below(800000);
    weather->write_floor = below(3) == 0 ? 2 : 1;
    weather->is_sparse = below(4) == 0;
    if (weather->is_sparse) {
        weather->fault_in = 3000;
        weather->suspect_in = 300;
        weather->swap_in = 8;
        weather->replay_in = 1;
    }
}

static void crash(uint32_t node, size_t keep)
{
    struct world *world = h->world;
    if (world->nodes[node].core == NULL)
        return;
    check_durable_before_crash(node);
    world_crash(world, node, keep);
    memset(h->epochs_seen[node], 0, sizeof h->epochs_seen[node]);
    h->restart_us[node] = world->now_us + below(600000);
}

/* Short mostly, sometimes longer than a lease. */
static uint64_t some_time(void)
{
    return below(3) == 0 ? below(2500000) : below(400000);
}

/* Links of a node are down while it is cut off or split, and for as long as fault_step() cut them.
 */
static void set_links(uint32_t node)
{
    for (uint32_t other = 1; other <= NODES; other++)
        h->world->is_link_cut[node][other] = h->world->is_link_cut[other][node] =
            h->apart_us[node] != 0 || h->apart_us[other] != 0 || h->split_us[node] != 0 ||
            h->split_us[other] != 0;
}

static void cut_apart(uint32_t node)
{
    h->apart_us[node] = h->world->now_us + some_time();
    set_links(node);
}

/* Hears the master's answers to its heartbeats, and nobody else: no row reaches it (R30). */
static void split(uint32_t node)
{
    h->split_us[node] = h->deaf_us[node] = h->world->now_us + some_time();
    set_links(node);
}

static void fault_step(void)
{
    struct world *world = h->world;
    uint32_t node = (uint32_t)below(NODES) + 1;
    uint32_t other = (uint32_t)below(NODES) + 1;
    switch (below(12)) {
    case 0:
    case 1:
        crash(node, below(2) == 0 ? SIZE_MAX : below(4));
        break;
    case 2:
        if (world->nodes[node].core != NULL) {
            world->nodes[node].is_paused = true;
            h->resume_us[node] = world->now_us + some_time();
        }
        break;
    case 3:
        world->is_link_cut[node][other] = true;
        break;
    case 4:
        memset(world->is_link_cut, 0, sizeof world->is_link_cut);
        memset(h->apart_us, 0, sizeof h->apart_us);
        memset(h->split_us, 0, sizeof h->split_us);
        break;
    case 5:
        world->loss_in = below(2) == 0 ? 0 : (uint32_t)below(30) + 2;
        break;
    case 6:
        h->deaf_us[node] = world->now_us + some_time();
        break;
    case 7:
        cut_apart(node);
        break;
    case 8:
        split(node);
        break;
    case 9:
    case 10:
        h->stall_us[node] = world->now_us + some_time();
        break;
    case 11: /* a power cut: each keeps another suffix of what was not synced */
        if (below(3) == 0)
            for (uint32_t i = 1; i <= NODES; i++)
                crash(i, below(4));
        break;
    }
}

/* What one node sends down its chains comes later, if at all. */
static void clog_step(void)
{
    bool is_leaving = false; /* until it has left, or its updates would still arrive in time */
    for (uint32_t chain = 0; chain < CHAINS; chain++)
        is_leaving =
            is_leaving || (h->clogged_node != 0 && h->removals[chain].node == h->clogged_node);
    if (h->world->now_us < h->clogged_until_us || is_leaving)
        return;
    h->clogged_node = (uint32_t)below(2 * NODES);
    h->clogged_until_us = h->world->now_us + some_time();
}

static void heal_step(void)
{
    struct world *world = h->world;
    for (uint32_t node = 1; node <= NODES; node++) {
        if (world->nodes[node].core == NULL &&
            (h->is_calm || world->now_us >= h->restart_us[node])) {
            world_start(world, node);
            check_durable_after_start(node);
        }
        if (world->nodes[node].is_paused && (h->is_calm || world->now_us >= h->resume_us[node]))
            world->nodes[node].is_paused = false;
        if (h->apart_us[node] != 0 && (h->is_calm || world->now_us >= h->apart_us[node])) {
            h->apart_us[node] = 0;
            set_links(node);
        }
        if (h->split_us[node] != 0 && (h->is_calm || world->now_us >= h->split_us[node])) {
            h->split_us[node] = 0;
            set_links(node);
        }
    }
}

/* Remembers some messages between nodes, to bring them again in a later epoch or to a later life of
 * their receiver (checklist 30). In a sparse life some updates come only so: their sender has left
 * by then, dropped them, and is back. */
static bool remember(struct world *world, const struct world_message *message, void *context)
{
    (void)world;
    (void)context;
    bool is_clogged = h->weather.is_sparse && !h->is_calm && message->from == h->clogged_node;
    if (is_clogged && message->message.type == WIRE_MARK)
        return false;
    bool is_taken = is_clogged && message->message.type == WIRE_FORWARD;
    if (!is_taken && below(h->weather.is_sparse ? 200 : 25) != 0)
        return true;
    struct world_message *kept = &h->frames[h->frames_count];
    if (h->frames_count < FRAMES) {
        h->frames_count++;
    } else {
        kept = &h->frames[below(FRAMES)];
        wire_message_release(&kept->message);
    }
    *kept = *message;
    wire_message_copy(&message->message, &kept->message);
    return !is_taken;
}

static void replay_frame(void)
{
    if (h->frames_count == 0)
        return;
    const struct world_message *kept = &h->frames[below(h->frames_count)];
    struct cn_event event = {
        .kind = CN_EVENT_RECEIVE_NODE,
        .node = kept->from,
        .incarnation = kept->incarnation,
        .message = &kept->message,
    };
    world_event(h->world, kept->to, &event);
}

/* ---- a life ---- */

static void nodes_step(void)
{
    struct world *world = h->world;
    for (uint32_t node = 1; node <= NODES; node++) {
        bool is_stalled = world->now_us < h->stall_us[node];
        if (h->is_calm || (!is_stalled && once_in(h->weather.store_in)))
            world_complete_store(world, node);
        struct cn_event event = {.kind = CN_EVENT_FLUSH};
        if (world->nodes[node].is_flush_due && once_in(h->weather.flush_in)) {
            world->nodes[node].is_flush_due = false;
            world_event(world, node, &event);
        }
        struct world_node *at = &world->nodes[node];
        if (at->core != NULL && !at->is_paused && cn_core_deadline_us(at->core) <= world->now_us) {
            event.kind = CN_EVENT_TICK;
            world_event(world, node, &event);
        }
    }
}

static void step(void)
{
    struct world *world = h->world;
    world->now_us += below(2000);
    if (getenv("CATENA_STORY") != NULL && world->story.length > 40000000)
        text_clear(&world->story);
    note_lapses();
    master_deliver_beats();
    for (uint64_t i = below(16); i > 0; i--)
        (void)world_step_message(world);
    if (!h->is_calm && once_in(h->weather.replay_in))
        replay_frame();
    nodes_step();
    for (unsigned i = 0; i < 2; i++)
        client_step((uint32_t)below(CLIENTS));
    if (!h->is_calm && once_in(h->weather.observe_in))
        observer_step();
    if (below(4) == 0)
        deliver_late();
    if (world->now_us >= h->next_master_us) {
        h->next_master_us = world->now_us + 15000;
        master_step();
    }
    if (!h->is_calm && once_in(h->weather.fault_in))
        fault_step();
    if (h->weather.is_sparse)
        clog_step();
    heal_step();
    check_replies();
    check_members();
}

/* The last word on every key, from the tail. */
static void read_all(void)
{
    for (uint32_t chain = 0; chain < CHAINS; chain++) {
        struct client_row row = {.epoch = h->world->rows[chain].epoch,
                                 .head = world_head(h->world, chain),
                                 .tail = world_tail(h->world, chain)};
        for (uint32_t key = 0; key <= KEYS; key++) {
            uint32_t index = h->ops_count++;
            h->ops[index] = (struct op){
                .kind = key == KEYS ? OP_LIST : OP_GET, .chain = chain, .key = key % KEYS};
            for (unsigned tries = 0; !h->ops[index].is_done; tries++) {
                EXPECT(tries < 20, "chain %u cannot be read at last", chain);
                send_attempt(index, &row, true);
                world_advance(h->world, 20000);
                check_replies();
            }
        }
    }
}

static void check_replicas(void)
{
    struct world *world = h->world;
    for (uint32_t chain = 0; chain < CHAINS; chain++) {
        const struct world_row *row = &world->rows[chain];
        EXPECT(row->members_count == 3 && row->joiner.node == 0,
               "chain %u does not reach its full length: epoch %llu, %u members", chain,
               (unsigned long long)row->epoch, row->members_count);
        struct cn_chain_view first = world_view(world, row->members[0].node, chain);
        EXPECT(first.committed == first.applied.lsn, "chain %u: undecided updates are left", chain);
        for (uint32_t i = 0; i < 3; i++) {
            struct cn_chain_view view = world_view(world, row->members[i].node, chain);
            EXPECT(view.committed == first.committed && view.digest == first.digest,
                   "chain %u: member %u has another history", chain, row->members[i].node);
            EXPECT(view.session_floor == first.session_floor,
                   "chain %u: member %u has another session floor (R11)", chain,
                   row->members[i].node);
            EXPECT(world_same_rows(world, chain, row->members[0].node, row->members[i].node),
                   "chain %u: member %u has other rows", chain, row->members[i].node);
        }
    }
}

static bool is_full_length(void)
{
    for (uint32_t chain = 0; chain < CHAINS; chain++)
        if (h->world->rows[chain].members_count != 3 || h->world->rows[chain].joiner.node != 0)
            return false;
    return true;
}

static void settle(void)
{
    struct world *world = h->world;
    h->is_calm = true;
    world->loss_in = 0;
    memset(world->is_link_cut, 0, sizeof world->is_link_cut);
    memset(h->apart_us, 0, sizeof h->apart_us);
    memset(h->split_us, 0, sizeof h->split_us);
    for (unsigned i = 0; i < CALM_STEPS; i++)
        step();
    world->is_shuffled = false;
    for (unsigned i = 0; i < FINAL_TRIES && (i < 25 || !is_full_length()); i++) {
        master_step();
        master_deliver_beats();
        world_advance(world, 100000);
        check_replies();
    }
    for (unsigned i = 0; i < 4000 && !clients_are_idle(); i++)
        step();
    world_advance(world, 300000);
    check_replies();
    EXPECT(clients_are_idle(), "operations are under way for ever");
    check_replicas();
    read_all();
    deliver_ancient();
    world_advance(world, 3000000); /* the purge's grace, too */
    check_replies();
    check_members();
    read_all();
    for (uint32_t node = 1; node <= NODES; node++)
        check_chunks(node);
    check_histories();
}

static void release(void)
{
    for (uint32_t i = 0; i < h->late_count; i++)
        wire_message_release(&h->late[i].message);
    for (uint32_t i = 0; i < h->frames_count; i++)
        wire_message_release(&h->frames[i].message);
    for (uint32_t i = 0; i < h->ancient_count; i++)
        wire_message_release(&h->ancient[i].message);
    world_free(h->world);
    free(h);
}

struct totals {
    uint64_t writes;
    uint64_t reads;
    uint64_t lists;
    uint64_t uploads;
};

static struct totals totals;

static void run_seed(uint64_t seed, uint64_t steps)
{
    h = calloc(1, sizeof *h);
    h->seed = seed;
    h->ops_count = 1;
    prng_init(&h->prng, seed);
    h->world = world_new(NODES, CHAINS);
    h->world->is_telling = getenv("CATENA_STORY") != NULL;
    prng_init(&h->world->prng, seed * 31 + 1);
    draw_weather();
    h->world->is_shuffled = true;
    h->world->loss_in = below(4) == 0 ? 3 + (uint32_t)below(6) : 0;
    h->world->filter = remember;
    h->world->on_beat = master_on_beat;
    world_row_push(h->world, 0, "123", 0);
    world_row_push(h->world, 1, "345", 0);
    for (uint32_t chain = 0; chain < CHAINS; chain++) {
        h->world->rows[chain].write_floor = h->weather.write_floor;
        note_row(chain);
    }
    if (h->weather.is_flood) /* long enough for sessions to be forgotten (D4) */
        steps *= 4;
    for (uint64_t i = 0; i < steps; i++)
        step();
    settle();
    if (getenv("CATENA_SEED") != NULL)
        printf("seed %llu: %llu acked (%llu uploads), %llu reads, %llu listings, %llu epochs, %llu "
               "messages, %u sessions\n",
               (unsigned long long)seed, (unsigned long long)h->writes_acked,
               (unsigned long long)h->uploads_acked, (unsigned long long)h->reads_checked,
               (unsigned long long)h->lists_checked, (unsigned long long)h->epochs,
               (unsigned long long)h->world->delivered, (unsigned)h->last_session);
    totals.writes += h->writes_acked;
    totals.reads += h->reads_checked;
    totals.lists += h->lists_checked;
    totals.uploads += h->uploads_acked;
    release();
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

START_TEST(acknowledged_writes_survive_and_reads_are_never_stale)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed, number_from("CATENA_STEPS", STEPS));
    /* Lives in which nothing happens prove nothing. */
    ck_assert_uint_gt(totals.writes, SEEDS * 200);
    ck_assert_uint_gt(totals.reads, SEEDS * 100);
    ck_assert_uint_gt(totals.lists, SEEDS * 10);
    ck_assert_uint_gt(totals.uploads, SEEDS * 10);
}
END_TEST

int main(void)
{
    if (getenv("CATENA_SEED") != NULL) {
        uint64_t from = number_from("CATENA_SEED", 1);
        for (uint64_t seed = from; seed < from + number_from("CATENA_SEEDS", 1); seed++)
            run_seed(seed, number_from("CATENA_STEPS", STEPS));
        return EXIT_SUCCESS;
    }
    Suite *suite = suite_create("chain_random");
    TCase *tests = tcase_create("chain_random");
    tcase_set_timeout(tests, 280);
    tcase_add_test(tests, acknowledged_writes_survive_and_reads_are_never_stale);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
