/* The cluster core alone: leadership that comes and goes, proposals that fail, snapshots, and
 * committed commands that another master wrote.
 *
 * The log is a list: what the core proposes is committed in order, or refused, as the bytes say.
 * Commands of "another master" are items of any kind with any content: one that cannot be decoded
 * makes the core stop with a clear word, one that can must leave a state that is sane. A master
 * that has seen such a command only follows from then on: masters are trusted to plan by the rules
 * (the planner asserts its oracle), not to write what can be read. */
#include <string.h>

#include "config_master/core/cm_core.h"
#include "config_master/core/cm_state.h"
#include "tests/fuzz/fuzz.h"

enum { QUEUE_MAX = 4096, STEPS_MAX = 1500, CONNS = 8 };

struct proposal {
    uint64_t id;
    struct buf *data;
};

struct master {
    struct fuzz_input input;
    struct fuzz_domain domain;
    struct cm_core *core;
    struct cm_effects effects;
    struct proposal queue[QUEUE_MAX];
    uint32_t queue_count;
    uint64_t reads[QUEUE_MAX];
    uint32_t reads_count;
    uint64_t changes[QUEUE_MAX];
    uint32_t changes_count;
    struct buf *snapshot;
    uint64_t index;
    uint64_t term;
    uint64_t now_us;
    bool is_leader;
    bool is_halted;
    bool is_foreign; /* commands that are not ours were committed */
    bool is_quick;   /* proposals are committed at once */
    uint64_t conns[CONNS];
    uint64_t next_conn;
    uint64_t beat;
    uint32_t steps;
};

static const struct uuid cluster = {{0xca}};

static void step(struct master *master, struct cm_event *event);

static void take_effect(struct master *master, struct cm_effect *effect, struct text *text)
{
    switch (effect->kind) {
    case CM_EFFECT_SEND:
        wire_message_print(&effect->message, text);
        break;
    case CM_EFFECT_CLOSE:
        for (unsigned i = 0; i < CONNS; i++)
            if (master->conns[i] == effect->conn && fuzz_below(&master->input, 2) == 0)
                master->conns[i] = 0;
        break;
    case CM_EFFECT_PROPOSE:
        PRE(master->queue_count < QUEUE_MAX);
        PRE(effect->data->length <= CM_COMMAND_BYTES_MAX);
        PRE(cm_command_check(buf_slice(effect->data)) == ERR_OK);
        master->queue[master->queue_count++] =
            (struct proposal){.id = effect->id, .data = buf_ref(effect->data)};
        break;
    case CM_EFFECT_READ:
        PRE(master->reads_count < QUEUE_MAX);
        master->reads[master->reads_count++] = effect->id;
        break;
    case CM_EFFECT_SNAPSHOT:
        buf_unref(master->snapshot);
        master->snapshot = buf_ref(effect->data);
        break;
    case CM_EFFECT_MASTERS_CHANGE:
    case CM_EFFECT_TRANSFER:
        PRE(master->changes_count < QUEUE_MAX);
        master->changes[master->changes_count++] = effect->id;
        break;
    case CM_EFFECT_PROBE:
        text_append_escaped(text, effect->address);
        break;
    case CM_EFFECT_HALT:
        PRE(effect->text != NULL && master->is_foreign);
        master->is_halted = true;
        break;
    }
}

static void answer_proposal(struct master *master, enum err err)
{
    if (master->queue_count == 0)
        return;
    struct proposal proposal = master->queue[0];
    master->queue_count--;
    memmove(master->queue, master->queue + 1, master->queue_count * sizeof *master->queue);
    if (err == ERR_OK) {
        struct cm_event apply = {
            .kind = CM_EVENT_APPLY, .index = ++master->index, .data = proposal.data};
        step(master, &apply);
    }
    struct cm_event event = {
        .kind = CM_EVENT_PROPOSED, .id = proposal.id, .err = err, .index = master->index};
    buf_unref(proposal.data);
    if (!master->is_halted)
        step(master, &event);
}

static void step(struct master *master, struct cm_event *event)
{
    event->now_us = master->now_us;
    event->lease_until_us = master->is_leader ? master->now_us + 300000 : 0;
    cm_core_step(master->core, event, &master->effects);
    struct text text;
    text_init(&text);
    for (uint32_t i = 0; i < master->effects.count; i++) {
        take_effect(master, &master->effects.items[i], &text);
        text_clear(&text);
    }
    text_release(&text);
    cm_effects_clear(&master->effects);
    cm_core_check(master->core);
    (void)cm_core_deadline_us(master->core);
    master->steps++;
}

static void drain(struct master *master)
{
    for (unsigned i = 0; i < 64 && master->is_quick && !master->is_halted; i++)
        answer_proposal(master, ERR_OK);
}

/* ---- messages ---- */

static void prepare(struct master *master)
{
    struct fuzz_domain *domain = &master->domain;
    domain->uuids[0] = cluster;
    domain->uuids[1] = (struct uuid){{0xd1}};
    domain->uuids[2] = (struct uuid){{0xd2}};
    domain->uuids_count = 3;
    static const struct {
        const char *field;
        uint64_t values[6];
    } numbers[] = {
        {"node", {1, 2, 3, 4, 5, 1}},
        {"peer", {1, 2, 3, 4, 5, 1}},
        {"incarnation", {1, 1, 2, 3, 1, 2}},
        {"chain", {0, 1, 2, 3, 0, 1}},
        {"op", {1, 2, 3, 4, 11, 13}},
        {"a", {1, 2, 3, 8, 0, 4}},
        {"b", {1, 2, 3, 0, 4, 5}},
        {"role", {0, 1, 2, 1, 1, 0}},
        {"id", {1, 2, 3, 4, 5, 6}},
        {"flags", {0, 1, 8, 2, 16, 4}},
        {"weight", {1, 1, 2, 100, 0, 1}},
        {"nonce", {0, 1, 2, 3, 4, 5}},
        {"silent_ms", {0, 500, 1000, 5000, 0, 0}},
    };
    for (size_t k = 0; k < ARRAY_COUNT(numbers); k++)
        for (unsigned i = 0; i < 6; i++)
            fuzz_hint_number(domain, numbers[k].field, numbers[k].values[i]);
    static const char *const names[] = {"bucket-one",  "bucket-two",  "replicas",
                                        "write-floor", "any-replica", "x"};
    for (size_t k = 0; k < ARRAY_COUNT(names); k++)
        fuzz_hint_bytes(domain, "name", slice_of_text(names[k]));
    fuzz_hint_bytes(domain, "address", slice_of_text("host:1"));
    fuzz_hint_bytes(domain, "text", slice_of_text("host:3"));
}

static void learn(struct master *master)
{
    const struct cm_state *state = cm_core_state(master->core);
    fuzz_hint_number(&master->domain, "map_version", state->version);
    fuzz_hint_number(&master->domain, "have_version", state->version);
    for (uint32_t i = 0; i < state->chain_count && i < 4; i++)
        fuzz_hint_number(&master->domain, "epoch", state->chains[i].active.epoch);
}

static uint64_t some_conn(struct master *master)
{
    return master->conns[fuzz_below(&master->input, CONNS)];
}

/* A change of access keys or a bucket's configuration that mostly makes sense. */
static void make_key_request(struct master *master, struct wire_message *message)
{
    static const char *const ids[] = {"KEY-a", "KEY-b", "bucket-one", "x"};
    static const char *const buckets[] = {"*", "photos", "logs-*", "music"};
    struct wire_access_key record = {0};
    if (fuzz_below(&master->input, 4) > 0)
        record.secret = slice_of_text("some-secret");
    for (uint32_t i = fuzz_below(&master->input, 4); i > 0; i--) {
        struct wire_grant grant = {slice_of_text(buckets[fuzz_below(&master->input, 4)]),
                                   (enum wire_right)fuzz_below(&master->input, 4)};
        (void)wire_grant_set(&record, &grant);
    }
    message->u.admin.op = WIRE_ADMIN_KEY_CREATE + fuzz_below(&master->input, 7);
    message->u.admin.name = slice_of_text(ids[fuzz_below(&master->input, ARRAY_COUNT(ids))]);
    buf_unref(message->payload);
    message->payload = buf_new(wire_access_key_size(&record));
    (void)wire_access_key_put(&record, message->payload->data);
}

static void receive(struct master *master)
{
    static const enum wire_type asked[] = {WIRE_HEARTBEAT, WIRE_HEARTBEAT, WIRE_OBITUARY,
                                           WIRE_WATCH,     WIRE_ADMIN,     WIRE_ADMIN,
                                           WIRE_ADMIN,     WIRE_REFUSED};
    learn(master);
    struct wire_message message;
    uint32_t choice = fuzz_below(&master->input, ARRAY_COUNT(asked) + 1);
    enum wire_type type = choice == ARRAY_COUNT(asked) ? fuzz_type(&master->input) : asked[choice];
    fuzz_message(&master->input, &master->domain, type, &message);
    if (type == WIRE_ADMIN && fuzz_below(&master->input, 4) == 0)
        make_key_request(master, &message);
    struct cm_event event = {
        .kind = CM_EVENT_RECEIVE, .conn = some_conn(master), .message = &message};
    step(master, &event);
    wire_message_release(&message);
}

static void beat(struct master *master, uint32_t node, uint8_t mood)
{
    const struct cm_state *state = cm_core_state(master->core);
    struct wire_chain_report reports[8];
    struct wire_link_report link = {.chain = 0, .epoch = 1, .peer = 1 + node % 4, .silent_ms = 500};
    uint32_t count = 0;
    for (uint32_t i = 0; i < state->chain_count && count < ARRAY_COUNT(reports); i++)
        reports[count++] = (struct wire_chain_report){
            .chain = i,
            .epoch = state->chains[i].active.epoch,
            .flags = (mood & 1u ? WIRE_REPORT_SYNCED : 0u) |
                     (mood & 2u ? WIRE_REPORT_DRAINED : 0u) | (mood & 4u ? WIRE_REPORT_HOLDS : 0u)};
    if (state->chain_count > 0)
        link.epoch = state->chains[0].active.epoch;
    struct wire_message message = {.type = WIRE_HEARTBEAT};
    message.u.heartbeat = (struct wire_heartbeat){.node = node,
                                                  .incarnation = 1 + (mood >> 6) / 3,
                                                  .disk = {{(uint8_t)(0xe0 + node)}},
                                                  .boot = {{1}},
                                                  .address = slice_of_text("node:1"),
                                                  .zone = slice_of_text("z"),
                                                  .weight = 1,
                                                  .beat = ++master->beat,
                                                  .map_version = state->version,
                                                  .full_report = (mood & 8u) != 0,
                                                  .chains = reports,
                                                  .chains_count = count,
                                                  .links = &link,
                                                  .links_count = (mood & 0x30u) == 0x30u};
    struct cm_event event = {
        .kind = CM_EVENT_RECEIVE, .conn = master->conns[node - 1], .message = &message};
    step(master, &event);
}

static void connect(struct master *master)
{
    uint32_t place = fuzz_below(&master->input, CONNS);
    struct cm_event event = {.kind = CM_EVENT_DISCONNECTED, .conn = master->conns[place]};
    struct wire_message message;
    fuzz_message(&master->input, &master->domain, WIRE_HELLO, &message);
    master->conns[place] = 0;
    if (event.conn == 0) {
        event.kind = CM_EVENT_CONNECTED;
        event.conn = master->next_conn++;
        event.hello = &message.u.hello;
        master->conns[place] = event.conn;
    }
    step(master, &event);
    wire_message_release(&message);
}

/* ---- the log ---- */

static void lead(struct master *master, bool is_leader)
{
    is_leader = is_leader && !master->is_foreign;
    if (is_leader && !master->is_leader)
        master->term++;
    master->is_leader = is_leader;
    struct cm_event event = {.kind = CM_EVENT_ROLE,
                             .is_leader = is_leader,
                             .leader = is_leader ? 1 : 2,
                             .term = master->term,
                             .since_us = is_leader ? master->now_us : 0};
    step(master, &event);
    while (!is_leader && master->queue_count > 0 && !master->is_halted)
        answer_proposal(master, fuzz_below(&master->input, 2) == 0 ? ERR_OUTCOME_UNKNOWN : ERR_OK);
}

/* One entry of another master: items of any kind, most of them with a body that decodes. */
static void apply_foreign(struct master *master)
{
    master->is_foreign = true;
    lead(master, false);
    if (master->is_halted)
        return;
    struct cm_writer writer;
    cm_writer_init(&writer);
    cm_command_begin(&writer);
    const struct cm_state *state = cm_core_state(master->core);
    for (uint32_t items = 1 + fuzz_below(&master->input, 3); items > 0; items--) {
        if (fuzz_below(&master->input, 3) == 0) {
            struct slice body = fuzz_bytes(&master->input, fuzz_u8(&master->input));
            cm_write_u8(&writer, fuzz_u8(&master->input) & 0x1f);
            cm_write_u32(&writer, (uint32_t)body.length);
            for (size_t i = 0; i < body.length; i++)
                cm_write_u8(&writer, body.data[i]);
            continue;
        }
        struct cm_change change = {.kind = (enum cm_change_kind)(1 + fuzz_below(&master->input, 3)),
                                   .chain = fuzz_below(&master->input, 5)};
        if (change.chain < state->chain_count) {
            const struct cm_chain *chain = &state->chains[change.chain];
            change.expected_epoch = chain->active.epoch;
            change.expected_decided = chain->has_decided ? chain->decided.epoch : 0;
            change.row = chain->active;
        }
        struct plan_row *row = &change.row;
        row->epoch += fuzz_below(&master->input, 3);
        row->members_count = fuzz_below(&master->input, BOUND_CHAIN_MEMBERS + 1);
        for (uint32_t i = 0; i < row->members_count; i++)
            row->members[i] = (struct wire_member){.node = fuzz_below(&master->input, 6),
                                                   .incarnation = fuzz_below(&master->input, 3)};
        row->joiner.node = fuzz_below(&master->input, 6);
        row->serving_count = fuzz_below(&master->input, BOUND_CHAIN_MEMBERS + 1);
        for (uint32_t i = 0; i < row->serving_count; i++)
            row->serving[i] = (struct wire_member){.node = fuzz_below(&master->input, 6)};
        struct cm_item item = {.kind = CM_ITEM_ROWS};
        item.u.rows.changes = &change;
        item.u.rows.count = 1;
        cm_command_append(&writer, &item);
    }
    struct buf *data = cm_writer_take(&writer);
    struct cm_event event = {.kind = CM_EVENT_APPLY, .index = ++master->index, .data = data};
    step(master, &event);
    buf_unref(data);
}

static void restore(struct master *master)
{
    struct cm_event wanted = {.kind = CM_EVENT_SNAPSHOT_WANTED, .index = master->index};
    step(master, &wanted);
    PRE(master->snapshot != NULL);
    struct cm_event event = {.kind = CM_EVENT_RESTORE, .index = ++master->index};
    event.data = buf_ref(master->snapshot);
    if (fuzz_below(&master->input, 4) == 0) { /* damaged on the way */
        struct buf *damaged = buf_copy(buf_slice(event.data));
        damaged->data[fuzz_u64(&master->input) % damaged->length] = fuzz_u8(&master->input);
        buf_unref(event.data);
        event.data = damaged;
        master->is_foreign = true;
        lead(master, false);
        event.index = ++master->index;
    }
    if (!master->is_halted)
        step(master, &event);
    buf_unref(event.data);
}

static void answer_read(struct master *master)
{
    if (master->reads_count == 0)
        return;
    static const enum err errs[] = {ERR_OK, ERR_OK, ERR_OK, ERR_NOT_LEADER};
    struct cm_event event = {.kind = CM_EVENT_READ_READY,
                             .id = master->reads[--master->reads_count],
                             .err = errs[fuzz_below(&master->input, ARRAY_COUNT(errs))]};
    step(master, &event);
}

static void answer_change(struct master *master)
{
    if (master->changes_count == 0)
        return;
    static const enum err errs[] = {ERR_OK,      ERR_INVALID,    ERR_NOT_READY,
                                    ERR_TIMEOUT, ERR_NOT_LEADER, ERR_OUTCOME_UNKNOWN};
    struct cm_event event = {.kind = CM_EVENT_CHANGED,
                             .id = master->changes[--master->changes_count],
                             .err = errs[fuzz_below(&master->input, ARRAY_COUNT(errs))]};
    step(master, &event);
}

static void tell_masters(struct master *master)
{
    struct wire_master_info infos[3] = {0};
    for (uint32_t i = 0; i < 3; i++)
        infos[i] = (struct wire_master_info){
            .master = i + 1, .address = slice_of_text("host:1"), .reachable = true};
    struct cm_event event = {
        .kind = CM_EVENT_MASTERS, .masters = infos, .masters_count = fuzz_below(&master->input, 4)};
    step(master, &event);
}

static void one_event(struct master *master)
{
    struct cm_event event = {.kind = CM_EVENT_TICK};
    static const enum err errs[] = {ERR_NOT_LEADER, ERR_BUSY, ERR_TOO_LARGE, ERR_OUTCOME_UNKNOWN};
    uint64_t deadline;
    switch (fuzz_below(&master->input, 20)) {
    case 0:
    case 1:
    case 2:
        deadline = cm_core_deadline_us(master->core);
        if (deadline > master->now_us && deadline < master->now_us + 10000000)
            master->now_us = deadline;
        step(master, &event);
        break;
    case 3:
        master->now_us += fuzz_delay_us(&master->input);
        step(master, &event);
        break;
    case 4:
    case 5:
        answer_proposal(master, ERR_OK);
        break;
    case 6:
        answer_proposal(master, errs[fuzz_below(&master->input, ARRAY_COUNT(errs))]);
        break;
    case 7:
        connect(master);
        break;
    case 8:
    case 9:
    case 10:
        receive(master);
        break;
    case 11:
    case 12:
    case 13:
        master->now_us += 20000;
        beat(master, 1 + fuzz_below(&master->input, 4), fuzz_u8(&master->input));
        break;
    case 14:
        answer_read(master);
        break;
    case 15:
        answer_change(master);
        break;
    case 16:
        lead(master, fuzz_below(&master->input, 4) != 0);
        break;
    case 17:
        if (fuzz_below(&master->input, 2) == 0)
            tell_masters(master);
        else
            restore(master);
        break;
    case 18:
        event.kind = CM_EVENT_NODE_REFUSED;
        event.id = fuzz_below(&master->input, 6);
        step(master, &event);
        break;
    default:
        if (fuzz_below(&master->input, 4) == 0)
            apply_foreign(master);
        break;
    }
    if (!master->is_halted)
        drain(master);
}

static void settle(struct master *master)
{
    master->is_quick = true;
    lead(master, true);
    struct wire_hello hello = {.wire_version = WIRE_VERSION, .role = WIRE_ROLE_NODE};
    for (uint32_t i = 0; i < 5; i++) {
        hello.cluster = cluster;
        hello.role = i < 4 ? WIRE_ROLE_NODE : WIRE_ROLE_CLIENT;
        hello.id = i + 1;
        hello.incarnation = 1;
        master->conns[i] = master->next_conn++;
        struct cm_event event = {
            .kind = CM_EVENT_CONNECTED, .conn = master->conns[i], .hello = &hello};
        step(master, &event);
        if (i < 4)
            beat(master, i + 1, 8);
        drain(master);
    }
    struct wire_message message = {.type = WIRE_ADMIN};
    message.u.admin =
        (struct wire_admin){.request = 1, .op = WIRE_ADMIN_INIT_CHAINS, .a = 4, .b = 3};
    struct cm_event event = {
        .kind = CM_EVENT_RECEIVE, .conn = master->conns[4], .message = &message};
    step(master, &event);
    drain(master);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct master master;
    struct cm_options options = {.id = 1,
                                 .cluster = cluster,
                                 .heartbeat_us = 100000,
                                 .silence_us = 400000,
                                 .lease_us = 1000000,
                                 .election_min_us = 300000,
                                 .drift_ppm = 1000,
                                 .restart_grace_us = 500000,
                                 .readmit_min_us = 500000,
                                 .readmit_max_us = 60000000,
                                 .settle_us = 1000000,
                                 .joins_per_node_max = 2,
                                 .trace = fuzz_trace()};
    master = (struct master){.input = fuzz_input_of(data, size),
                             .core = cm_core_new(&options, 7, 1000000),
                             .now_us = 1000000,
                             .next_conn = 1,
                             .beat = 1};
    cm_effects_init(&master.effects);
    prepare(&master);
    uint8_t shape = fuzz_u8(&master.input);
    if ((shape & 3u) != 0)
        settle(&master);
    master.is_quick = (shape & 4u) == 0;
    while (!master.is_halted && master.input.length > 0 && master.steps < STEPS_MAX)
        one_event(&master);
    for (uint32_t i = 0; i < master.queue_count; i++)
        buf_unref(master.queue[i].data);
    buf_unref(master.snapshot);
    cm_core_free(master.core);
    cm_effects_release(&master.effects);
    return 0;
}
