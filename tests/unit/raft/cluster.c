#include "tests/unit/raft/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/hash.h"

static void demand(struct cluster *cluster, bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "seed %llu at %llu us: %s\n", (unsigned long long)cluster->seed,
                  (unsigned long long)cluster->now_us, what);
    abort();
}

static void trace_emit(void *context, const char *line)
{
    const struct cluster_server *server = context;
    (void)fprintf(stderr, "  %u: %s\n", server->id, line);
}

struct cluster_server *cluster_server(struct cluster *cluster, uint32_t id)
{
    PRE(id >= 1 && id <= CLUSTER_SERVERS);
    return &cluster->servers[id - 1];
}

static uint64_t clock_of(const struct cluster *cluster, const struct cluster_server *server)
{
    int64_t drift = (int64_t)cluster->now_us * server->clock_ppm / 1000000;
    return (uint64_t)((int64_t)(cluster->now_us + server->clock_offset_us) + drift);
}

/* ---- packets ---- */

static bool earlier(const struct cluster_packet *a, const struct cluster_packet *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void swap_packets(struct cluster_packet *a, struct cluster_packet *b)
{
    struct cluster_packet c = *a;
    *a = *b;
    *b = c;
}

static void push_packet(struct cluster *cluster, const struct cluster_packet *packet)
{
    if (cluster->packets_count == cluster->packets_capacity) {
        cluster->packets_capacity = cluster->packets_capacity * 2 + 64;
        cluster->packets =
            mem_realloc(cluster->packets, cluster->packets_capacity * sizeof *cluster->packets);
    }
    size_t at = cluster->packets_count++;
    cluster->packets[at] = *packet;
    while (at > 0 && earlier(&cluster->packets[at], &cluster->packets[(at - 1) / 2])) {
        swap_packets(&cluster->packets[at], &cluster->packets[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static struct cluster_packet pop_packet(struct cluster *cluster)
{
    struct cluster_packet first = cluster->packets[0];
    cluster->packets[0] = cluster->packets[--cluster->packets_count];
    size_t at = 0;
    while (2 * at + 1 < cluster->packets_count) {
        size_t child = 2 * at + 1;
        if (child + 1 < cluster->packets_count &&
            earlier(&cluster->packets[child + 1], &cluster->packets[child]))
            child++;
        if (!earlier(&cluster->packets[child], &cluster->packets[at]))
            break;
        swap_packets(&cluster->packets[child], &cluster->packets[at]);
        at = child;
    }
    return first;
}

static void send_packet(struct cluster *cluster, uint32_t from, uint32_t to,
                        const struct wire_message *message)
{
    demand(cluster, to >= 1 && to <= CLUSTER_SERVERS && to != from, "sent to nobody");
    if (cluster->cut[from - 1][to - 1] || prng_below(&cluster->prng, 100) < cluster->loss_percent)
        return;
    unsigned copies = prng_below(&cluster->prng, 100) < cluster->duplicate_percent ? 2 : 1;
    for (unsigned i = 0; i < copies; i++) {
        struct cluster_packet packet = {
            .at_us = cluster->now_us + prng_between(&cluster->prng, 50, cluster->delay_max_us),
            .sequence = cluster->sequence++,
            .from = from,
            .to = to,
        };
        wire_message_copy(message, &packet.message);
        push_packet(cluster, &packet);
    }
}

/* ---- oracle ---- */

static uint64_t digest_of(const struct raft_entry *entry)
{
    return hash_bytes(buf_slice(entry->data), (uint64_t)entry->kind + 1);
}

static struct cluster_committed *committed_at(struct cluster *cluster, uint64_t index)
{
    if (index >= cluster->committed_capacity) {
        size_t capacity = (size_t)index * 2 + 256;
        cluster->committed = mem_realloc(cluster->committed, capacity * sizeof *cluster->committed);
        memset(cluster->committed + cluster->committed_capacity, 0,
               (capacity - cluster->committed_capacity) * sizeof *cluster->committed);
        cluster->committed_capacity = capacity;
    }
    return &cluster->committed[index];
}

/* State Machine Safety: one entry per committed index, whoever commits it. */
static void check_commits(struct cluster *cluster, const struct raft *raft, uint64_t from)
{
    if (from < raft->log.base_index)
        from = raft->log.base_index;
    for (uint64_t index = from + 1; index <= raft->commit; index++) {
        const struct raft_entry *entry = raft_log_at(&raft->log, index);
        struct cluster_committed *committed = committed_at(cluster, index);
        if (!committed->known) {
            *committed = (struct cluster_committed){
                .term = entry->term, .digest = digest_of(entry), .known = true};
            if (index > cluster->committed_max)
                cluster->committed_max = index;
        }
        demand(cluster, committed->term == entry->term && committed->digest == digest_of(entry),
               "two entries committed at one index (State Machine Safety)");
    }
}

/* Election Safety, and Leader Completeness at the start of each leader's term. */
static void check_new_leader(struct cluster *cluster, const struct raft *raft)
{
    demand(cluster, raft->term < CLUSTER_TERMS, "too many terms");
    uint32_t *leader = &cluster->leader_of_term[raft->term];
    if (*leader == raft->options.id)
        return;
    demand(cluster, *leader == 0, "two leaders in one term (Election Safety)");
    *leader = raft->options.id;
    cluster->elections++;
    demand(cluster, raft_log_last_index(&raft->log) > cluster->committed_max,
           "a leader lacks committed entries (Leader Completeness)");
    for (uint64_t index = raft->log.base_index + 1; index <= cluster->committed_max; index++) {
        const struct raft_entry *entry = raft_log_at(&raft->log, index);
        const struct cluster_committed *committed = committed_at(cluster, index);
        demand(cluster,
               ERGO(committed->known,
                    committed->term == entry->term && committed->digest == digest_of(entry)),
               "a leader has another entry than the committed one (Leader Completeness)");
    }
}

/* Whoever grants leases knows everything that leaders before it have committed (R31). */
static bool knows_older_commits(struct cluster *cluster, const struct raft *raft)
{
    if (raft->applied >= cluster->committed_max)
        return true;
    const struct cluster_committed *next = committed_at(cluster, raft->applied + 1);
    return !next->known || next->term >= raft_term(raft);
}

static void check_leases(struct cluster *cluster)
{
    unsigned holders = 0;
    for (uint32_t i = 0; i < CLUSTER_SERVERS; i++) {
        struct cluster_server *server = &cluster->servers[i];
        if (server->raft == NULL)
            continue;
        uint64_t until_us = raft_lease_until_us(server->raft);
        demand(cluster, ERGO(until_us > 0, raft_role(server->raft) == RAFT_LEADER),
               "a lease without leadership");
        if (until_us <= clock_of(cluster, server))
            continue;
        holders++;
        demand(cluster, knows_older_commits(cluster, server->raft),
               "a leader with a lease has not applied what was committed before it (R31)");
    }
    demand(cluster, holders <= 1, "two leaders hold a lease (R31)");
}

void cluster_check_logs(struct cluster *cluster)
{
    for (uint32_t i = 0; i < CLUSTER_SERVERS; i++) {
        for (uint32_t j = i + 1; j < CLUSTER_SERVERS; j++) {
            if (cluster->servers[i].raft == NULL || cluster->servers[j].raft == NULL)
                continue;
            const struct raft_log *a = &cluster->servers[i].raft->log;
            const struct raft_log *b = &cluster->servers[j].raft->log;
            uint64_t low = a->base_index > b->base_index ? a->base_index : b->base_index;
            uint64_t high = raft_log_last_index(a) < raft_log_last_index(b)
                                ? raft_log_last_index(a)
                                : raft_log_last_index(b);
            bool must_match = false;
            for (uint64_t index = high; index > low; index--) {
                bool equal = raft_log_at(a, index)->term == raft_log_at(b, index)->term;
                demand(cluster, equal || !must_match, "logs differ below a match (Log Matching)");
                must_match = must_match || equal;
                demand(cluster,
                       !equal ||
                           digest_of(raft_log_at(a, index)) == digest_of(raft_log_at(b, index)),
                       "one term and index, two entries (Log Matching)");
            }
        }
    }
}

/* ---- effects ---- */

static void step(struct cluster *cluster, struct cluster_server *server, struct raft_event *event);

static void restore(struct cluster *cluster, struct cluster_server *server,
                    const struct raft_effect *effect)
{
    demand(cluster, effect->data != NULL && effect->data->length == 16, "a strange snapshot");
    server->commands = bytes_get_u64(effect->data->data);
    server->hash = bytes_get_u64(effect->data->data + 8);
    server->applied_index = effect->index;
}

static void apply(struct cluster *cluster, struct cluster_server *server,
                  const struct raft_effect *effect)
{
    demand(cluster, effect->index > server->applied_index, "applied out of order");
    server->applied_index = effect->index;
    server->commands++;
    server->hash = hash_bytes(buf_slice(effect->data), server->hash);
}

static void snapshot(struct cluster *cluster, struct cluster_server *server)
{
    struct buf *data = buf_new(16);
    bytes_put_u64(data->data, server->commands);
    bytes_put_u64(data->data + 8, server->hash);
    struct raft_event event = {
        .kind = RAFT_EVENT_SNAPSHOT_TAKEN, .index = raft_applied_index(server->raft), .data = data};
    step(cluster, server, &event);
    buf_unref(data);
}

static void store(struct cluster *cluster, struct cluster_server *server,
                  struct raft_effect *effect)
{
    enum err err = kv_memory_apply(server->disk, effect->batch);
    demand(cluster, err == ERR_OK, "apply failed");
    if (server->stores_count == server->stores_capacity) {
        server->stores_capacity = server->stores_capacity * 2 + 16;
        server->stores =
            mem_realloc(server->stores, server->stores_capacity * sizeof *server->stores);
    }
    uint64_t done_us = cluster->now_us + prng_between(&cluster->prng, 20, cluster->disk_max_us);
    if (server->stores_count > 0 && server->stores[server->stores_count - 1].done_us > done_us)
        done_us = server->stores[server->stores_count - 1].done_us;
    server->stores[server->stores_count++] =
        (struct cluster_store){.token = effect->token, .done_us = done_us};
}

static void answered(struct cluster *cluster, const struct raft_effect *effect)
{
    cluster->outcomes[effect->id % 256].id = effect->id;
    cluster->outcomes[effect->id % 256].err = effect->err;
}

bool cluster_is_answered(const struct cluster *cluster, uint64_t id, enum err *ret_err)
{
    if (cluster->outcomes[id % 256].id != id)
        return false;
    *ret_err = cluster->outcomes[id % 256].err;
    return true;
}

static void proposed(struct cluster *cluster, const struct raft_effect *effect)
{
    answered(cluster, effect);
    if (effect->err != ERR_OK) {
        cluster->proposed_failed++;
        return;
    }
    cluster->proposed_ok++;
    if (effect->index > cluster->known_index)
        cluster->known_index = effect->index;
}

static void read_ready(struct cluster *cluster, struct cluster_server *server,
                       const struct raft_effect *effect)
{
    answered(cluster, effect);
    if (effect->err != ERR_OK)
        return;
    cluster->reads_ok++;
    demand(cluster, cluster->reads[effect->id % 256].id == effect->id, "an unknown read");
    demand(cluster, effect->index >= cluster->reads[effect->id % 256].known_index,
           "a read older than what was known when it began (linearizability)");
    demand(cluster, raft_applied_index(server->raft) >= effect->index, "read before applied");
    if (effect->index > cluster->known_index)
        cluster->known_index = effect->index;
}

static void run_effects(struct cluster *cluster, struct cluster_server *server, bool *ret_snapshot)
{
    for (uint32_t i = 0; i < server->effects.count; i++) {
        struct raft_effect *effect = &server->effects.items[i];
        switch (effect->kind) {
        case RAFT_EFFECT_SEND:
            send_packet(cluster, server->id, effect->to, &effect->message);
            break;
        case RAFT_EFFECT_STORE:
            store(cluster, server, effect);
            break;
        case RAFT_EFFECT_APPLY:
            apply(cluster, server, effect);
            break;
        case RAFT_EFFECT_RESTORE:
            restore(cluster, server, effect);
            cluster->snapshots_installed++;
            break;
        case RAFT_EFFECT_PROPOSED:
            proposed(cluster, effect);
            break;
        case RAFT_EFFECT_READ_READY:
            read_ready(cluster, server, effect);
            break;
        case RAFT_EFFECT_ROLE:
        case RAFT_EFFECT_CONFIGURATION:
            break;
        case RAFT_EFFECT_SNAPSHOT_WANTED:
            *ret_snapshot = true;
            break;
        case RAFT_EFFECT_HALT:
            demand(cluster, false, effect->text);
            break;
        }
    }
    raft_effects_clear(&server->effects);
}

static void step(struct cluster *cluster, struct cluster_server *server, struct raft_event *event)
{
    event->now_us = clock_of(cluster, server);
    uint64_t commit = raft_commit_index(server->raft);
    bool wants_snapshot = false;
    raft_step(server->raft, event, &server->effects);
    raft_check(server->raft);
    check_commits(cluster, server->raft, commit);
    if (raft_role(server->raft) == RAFT_LEADER)
        check_new_leader(cluster, server->raft);
    run_effects(cluster, server, &wants_snapshot);
    check_leases(cluster);
    if (wants_snapshot)
        snapshot(cluster, server);
}

/* ---- time ---- */

static uint64_t real_time_of(const struct cluster *cluster, const struct cluster_server *server,
                             uint64_t clock_us)
{
    uint64_t now_us = clock_of(cluster, server);
    if (clock_us == UINT64_MAX)
        return UINT64_MAX;
    /* A little late is fine: drift is under one in a hundred. */
    uint64_t wait_us = clock_us <= now_us ? 0 : clock_us - now_us;
    return cluster->now_us + wait_us + wait_us / 64 + (wait_us > 0 ? 2 : 0);
}

/* Runs the next thing that is due by `limit`; false: nothing is. */
static bool run_one(struct cluster *cluster, uint64_t limit)
{
    uint64_t best_us = UINT64_MAX;
    struct cluster_server *best = NULL;
    bool is_store = false;
    for (uint32_t i = 0; i < CLUSTER_SERVERS; i++) {
        struct cluster_server *server = &cluster->servers[i];
        if (server->raft == NULL)
            continue;
        if (server->stores_count > 0 && server->stores[0].done_us < best_us) {
            best_us = server->stores[0].done_us;
            best = server;
            is_store = true;
        }
        uint64_t tick_us = real_time_of(cluster, server, raft_deadline_us(server->raft));
        if (tick_us < best_us) {
            best_us = tick_us;
            best = server;
            is_store = false;
        }
    }
    bool is_packet = cluster->packets_count > 0 && cluster->packets[0].at_us <= best_us;
    if (is_packet)
        best_us = cluster->packets[0].at_us;
    if (best_us > limit)
        return false;
    cluster->now_us = best_us > cluster->now_us ? best_us : cluster->now_us;
    if (is_packet) {
        struct cluster_packet packet = pop_packet(cluster);
        struct cluster_server *to = cluster_server(cluster, packet.to);
        struct raft_event event = {.kind = RAFT_EVENT_RECEIVE, .message = &packet.message};
        if (to->raft != NULL && !cluster->cut[packet.from - 1][packet.to - 1])
            step(cluster, to, &event);
        wire_message_release(&packet.message);
    } else if (is_store) {
        struct raft_event event = {.kind = RAFT_EVENT_STORED, .token = best->stores[0].token};
        kv_memory_sync_oldest(best->disk, 1);
        best->stores_count--;
        memmove(best->stores, best->stores + 1, best->stores_count * sizeof *best->stores);
        step(cluster, best, &event);
    } else {
        struct raft_event event = {.kind = RAFT_EVENT_TICK};
        step(cluster, best, &event);
    }
    return true;
}

void cluster_run(struct cluster *cluster, uint64_t us)
{
    uint64_t limit = cluster->now_us + us;
    while (run_one(cluster, limit))
        ;
    cluster->now_us = limit;
}

bool cluster_run_until(struct cluster *cluster, bool (*condition)(struct cluster *cluster),
                       uint64_t us)
{
    uint64_t limit = cluster->now_us + us;
    while (!condition(cluster)) {
        uint64_t slice = cluster->now_us + 10000;
        if (slice > limit)
            return false;
        while (run_one(cluster, slice))
            ;
        cluster->now_us = slice;
    }
    return true;
}

/* ---- servers ---- */

static void make_configuration(struct raft_configuration *configuration, uint32_t members)
{
    *configuration = (struct raft_configuration){.count = members};
    for (uint32_t i = 0; i < members; i++) {
        configuration->servers[i].id = i + 1;
        memcpy(configuration->servers[i].address, "master", 7);
    }
}

static void bootstrap(struct cluster_server *server, uint32_t members)
{
    struct raft_configuration configuration;
    make_configuration(&configuration, members);
    struct kv_batch *batch = kv_batch_new();
    raft_bootstrap(batch, &configuration);
    (void)kv_memory_apply(server->disk, batch);
    kv_memory_sync(server->disk);
    kv_batch_free(batch);
}

struct cluster *cluster_new(uint64_t seed, uint32_t members)
{
    struct cluster *cluster = mem_calloc(1, sizeof *cluster);
    cluster->seed = seed;
    prng_init(&cluster->prng, seed);
    cluster->now_us = 1000000;
    cluster->delay_max_us = 2000;
    cluster->disk_max_us = 1000;
    cluster->next_id = 1;
    cluster->options = (struct raft_options){
        .election_min_us = 300000,
        .election_max_us = 600000,
        .heartbeat_us = 100000,
        .append_entries_max = 8,
        .append_bytes_max = 4096,
        .append_inflight_max = 4,
        .snapshot_chunk_bytes = 7,
        .snapshot_after_entries = 24,
    };
    for (uint32_t i = 0; i < CLUSTER_SERVERS; i++) {
        struct cluster_server *server = &cluster->servers[i];
        server->id = i + 1;
        server->disk = kv_memory_new(2);
        server->clock_ppm = (int64_t)prng_below(&cluster->prng, 8001) - 4000;
        server->clock_offset_us = prng_below(&cluster->prng, 1000000000);
        raft_effects_init(&server->effects);
        if (i < members) {
            bootstrap(server, members);
            cluster_start(cluster, server->id);
        }
    }
    return cluster;
}

void cluster_free(struct cluster *cluster)
{
    for (uint32_t i = 0; i < CLUSTER_SERVERS; i++) {
        struct cluster_server *server = &cluster->servers[i];
        raft_free(server->raft);
        raft_effects_release(&server->effects);
        kv_memory_free(server->disk);
        mem_free(server->stores);
    }
    for (size_t i = 0; i < cluster->packets_count; i++)
        wire_message_release(&cluster->packets[i].message);
    mem_free(cluster->packets);
    mem_free(cluster->committed);
    mem_free(cluster);
}

void cluster_start(struct cluster *cluster, uint32_t id)
{
    struct cluster_server *server = cluster_server(cluster, id);
    PRE(server->raft == NULL);
    struct kv kv = kv_memory_interface(server->disk);
    enum err err = ERR_OK;
    if (raft_store_is_empty(&kv, &err))
        bootstrap(server, 0);
    demand(cluster, err == ERR_OK, "the store cannot be read");
    struct raft_options options = cluster->options;
    options.id = id;
    if (getenv("RAFT_TRACE") != NULL)
        options.trace = (struct trace){.emit = trace_emit, .context = server};
    server->applied_index = 0;
    server->commands = 0;
    server->hash = 0;
    err = raft_new(&options, prng_next(&cluster->prng), clock_of(cluster, server), &kv,
                   &server->raft);
    demand(cluster, err == ERR_OK, "a server cannot start");
    struct raft_event event = {.kind = RAFT_EVENT_TICK};
    step(cluster, server, &event);
}

void cluster_crash(struct cluster *cluster, uint32_t id)
{
    struct cluster_server *server = cluster_server(cluster, id);
    PRE(server->raft != NULL);
    raft_free(server->raft);
    server->raft = NULL;
    server->stores_count = 0;
    size_t keep = (size_t)prng_below(&cluster->prng, kv_memory_unsynced(server->disk) + 1);
    kv_memory_crash(server->disk, keep);
}

void cluster_wipe(struct cluster *cluster, uint32_t id)
{
    struct cluster_server *server = cluster_server(cluster, id);
    PRE(server->raft == NULL);
    kv_memory_wipe(server->disk);
}

void cluster_cut(struct cluster *cluster, uint32_t a, uint32_t b, bool is_cut)
{
    cluster->cut[a - 1][b - 1] = is_cut;
    cluster->cut[b - 1][a - 1] = is_cut;
}

void cluster_isolate(struct cluster *cluster, uint32_t id, bool is_isolated)
{
    for (uint32_t other = 1; other <= CLUSTER_SERVERS; other++)
        if (other != id)
            cluster_cut(cluster, id, other, is_isolated);
}

void cluster_heal(struct cluster *cluster)
{
    memset(cluster->cut, 0, sizeof cluster->cut);
    cluster->loss_percent = 0;
    cluster->duplicate_percent = 0;
    cluster->delay_max_us = 2000;
    cluster->disk_max_us = 1000;
}

uint32_t cluster_leader(struct cluster *cluster)
{
    uint32_t leader = 0;
    uint64_t term = 0;
    for (uint32_t i = 0; i < CLUSTER_SERVERS; i++) {
        const struct raft *raft = cluster->servers[i].raft;
        if (raft != NULL && raft_role(raft) == RAFT_LEADER && raft_term(raft) > term) {
            leader = i + 1;
            term = raft_term(raft);
        }
    }
    return leader;
}

bool cluster_has_leader(struct cluster *cluster)
{
    uint32_t leader = cluster_leader(cluster);
    return leader != 0 && raft_lease_until_us(cluster_server(cluster, leader)->raft) != 0;
}

/* ---- requests ---- */

uint64_t cluster_propose(struct cluster *cluster, uint32_t id)
{
    uint64_t request = cluster->next_id++;
    struct buf *data = buf_new(8);
    bytes_put_u64(data->data, request);
    struct raft_event event = {.kind = RAFT_EVENT_PROPOSE, .id = request, .data = data};
    step(cluster, cluster_server(cluster, id), &event);
    buf_unref(data);
    return request;
}

uint64_t cluster_read(struct cluster *cluster, uint32_t id)
{
    uint64_t request = cluster->next_id++;
    cluster->reads[request % 256].id = request;
    cluster->reads[request % 256].known_index = cluster->known_index;
    struct raft_event event = {.kind = RAFT_EVENT_READ, .id = request};
    step(cluster, cluster_server(cluster, id), &event);
    return request;
}

uint64_t cluster_change(struct cluster *cluster, uint32_t id, uint32_t server, bool add)
{
    struct raft *raft = cluster_server(cluster, id)->raft;
    struct raft_configuration next = *raft_configuration(raft);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < next.count; i++)
        if (next.servers[i].id != server)
            next.servers[kept++] = next.servers[i];
    next.count = kept;
    if (add) {
        struct raft_server joiner = {.id = server, .address = "master"};
        if (next.count < BOUND_MASTERS)
            next.servers[next.count++] = joiner;
    }
    uint64_t request = cluster->next_id++;
    struct raft_event event = {.kind = RAFT_EVENT_CHANGE, .id = request, .configuration = &next};
    step(cluster, cluster_server(cluster, id), &event);
    return request;
}

uint64_t cluster_transfer(struct cluster *cluster, uint32_t id, uint32_t target)
{
    uint64_t request = cluster->next_id++;
    struct raft_event event = {.kind = RAFT_EVENT_TRANSFER, .id = request, .target = target};
    step(cluster, cluster_server(cluster, id), &event);
    return request;
}

bool cluster_is_converged(struct cluster *cluster)
{
    uint32_t id = cluster_leader(cluster);
    if (id == 0)
        return false;
    const struct cluster_server *leader = cluster_server(cluster, id);
    uint64_t commit = raft_commit_index(leader->raft);
    if (raft_lease_until_us(leader->raft) == 0 || commit != raft_last_index(leader->raft))
        return false;
    const struct raft_configuration *configuration = raft_configuration(leader->raft);
    for (uint32_t i = 0; i < configuration->count; i++) {
        const struct cluster_server *server = cluster_server(cluster, configuration->servers[i].id);
        if (server->raft == NULL || raft_commit_index(server->raft) != commit ||
            server->hash != leader->hash || server->commands != leader->commands)
            return false;
    }
    return true;
}
