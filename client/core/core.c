/* Life cycle of the core, the step function, and the array of effects. */
#include "client/core/internal.h"

void cl_effects_init(struct cl_effects *effects)
{
    *effects = (struct cl_effects){0};
}

void cl_effects_clear(struct cl_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++)
        buf_unref(effects->items[i].message.payload);
    effects->count = 0;
}

void cl_effects_release(struct cl_effects *effects)
{
    cl_effects_clear(effects);
    mem_free(effects->items);
    cl_effects_init(effects);
}

struct cl_effect *effect_push(struct cl_core *core, enum cl_effect_kind kind)
{
    struct cl_effects *effects = core->effects;
    if (effects->count == effects->capacity) {
        effects->capacity = effects->capacity == 0 ? 16 : effects->capacity * 2;
        effects->items = mem_realloc(effects->items, effects->capacity * sizeof *effects->items);
    }
    struct cl_effect *effect = &effects->items[effects->count++];
    *effect = (struct cl_effect){.kind = kind};
    return effect;
}

void timer_note(struct cl_core *core, uint64_t at_us)
{
    if (at_us < core->deadline_us)
        core->deadline_us = at_us;
}

static void set_defaults(struct cl_options *options)
{
    if (options->ops_max == 0)
        options->ops_max = 65536;
    if (options->attempt_us == 0)
        options->attempt_us = 1000000;
    if (options->attempt_bulk_us == 0)
        options->attempt_bulk_us = 3000000;
    if (options->backoff_min_us == 0)
        options->backoff_min_us = 2000;
    if (options->backoff_max_us == 0)
        options->backoff_max_us = 200000;
    if (options->retries_per_second == 0)
        options->retries_per_second = 500;
    if (options->retries_burst == 0)
        options->retries_burst = 2000;
    if (options->watch_ms == 0)
        options->watch_ms = 10000;
}

struct cl_core *cl_core_new(const struct cl_options *options, uint64_t seed, uint64_t now_us)
{
    PRE(options->masters_count > 0);
    struct cl_core *core = mem_calloc(1, sizeof *core);
    core->options = *options;
    set_defaults(&core->options);
    core->options.masters = NULL; /* the caller's memory; copied below */
    prng_init(&core->prng, seed);
    core->now_us = now_us;
    map_init(&core->map.nodes);
    map_init(&core->buckets);
    map_init(&core->peers);
    map_init(&core->requests);
    map_init(&core->ops_by_number);
    map_init(&core->lanes);
    map_init(&core->uploads);
    list_init(&core->ops);
    list_init(&core->ready);
    list_init(&core->grave);
    core->next_request = 1;
    core->budget = (uint64_t)core->options.retries_burst * 1000u;
    core->budget_us = now_us;
    for (uint32_t i = 0; i < options->masters_count; i++)
        (void)peer_master_at(core, options->masters[i]);
    /* Not always the first of the list, or one master would carry every client. */
    core->master_cursor = (uint32_t)prng_below(&core->prng, core->masters_count);
    return core;
}

void cl_core_free(struct cl_core *core)
{
    if (core == NULL)
        return;
    op_release_all(core);
    session_release_all(core);
    bucket_release_all(core);
    map_release_all(core);
    peer_release_all(core);
    map_release(&core->requests);
    map_release(&core->ops_by_number);
    map_release(&core->uploads);
    mem_free(core);
}

/* Answers to requests that we do not know (any more) are late copies: ignored. */
static void receive_answer(struct cl_core *core, const struct peer *peer,
                           const struct wire_message *message)
{
    struct request *request = map_get(&core->requests, wire_message_request(message));
    if (request == NULL || request->peer != peer)
        return;
    struct op *op = request->op;
    bool is_expected = false;
    switch ((unsigned)message->type) {
    case WIRE_UPDATED:
        is_expected = op_is_update(op);
        if (is_expected)
            update_receive(core, request, &message->u.updated);
        break;
    case WIRE_OBJECT:
        is_expected = op->in.kind == CL_OP_GET || op->in.kind == CL_OP_STAT;
        if (is_expected)
            get_receive_object(core, request, message);
        break;
    case WIRE_CHUNK:
        is_expected = op->in.kind == CL_OP_CHUNK;
        if (is_expected)
            get_receive_chunk(core, request, message);
        break;
    case WIRE_PARTS_LISTED:
        is_expected = op->in.kind == CL_OP_PARTS_LIST;
        if (is_expected)
            parts_receive(core, request, &message->u.parts_listed);
        break;
    case WIRE_LISTED:
        is_expected = op_asks_list(op);
        if (is_expected)
            list_receive(core, request, message);
        break;
    case WIRE_ADMIN_REPLY:
        is_expected = op_asks_leader(op);
        if (is_expected)
            admin_receive(core, request, message);
        break;
    default:
        break;
    }
    if (!is_expected)
        core->stats.nonsense++;
}

static void receive_refused(struct cl_core *core, struct peer *peer,
                            const struct wire_refused *refused)
{
    enum err err = err_is_valid(refused->err) && refused->err != ERR_OK ? (enum err)refused->err
                                                                        : ERR_PROTOCOL;
    bool is_newer = map_install_rows(core, refused->rows, refused->rows_count);
    if (peer->watch_request != 0 && refused->request == peer->watch_request) {
        watch_answered(core, peer, false);
        return;
    }
    struct request *request = map_get(&core->requests, refused->request);
    if (request == NULL || request->peer != peer)
        return;
    if (err == ERR_NOT_LEADER || err == ERR_NO_LEADER)
        admin_not_leader(core, peer, refused->leader, refused->leader_address);
    retry_refused(core, request, err, refused->text, is_newer);
}

static void receive(struct cl_core *core, uint32_t peer_id, const struct wire_message *message)
{
    struct peer *peer = peer_find(core, peer_id);
    if (peer == NULL || !peer->is_up)
        return;
    switch ((unsigned)message->type) {
    case WIRE_CONFIG:
        map_receive_config(core, peer, &message->u.config);
        break;
    case WIRE_REFUSED:
        receive_refused(core, peer, &message->u.refused);
        break;
    case WIRE_ROWS:
        (void)map_install_rows(core, message->u.rows.rows, message->u.rows.rows_count);
        break;
    case WIRE_UPDATED:
    case WIRE_OBJECT:
    case WIRE_CHUNK:
    case WIRE_LISTED:
    case WIRE_PARTS_LISTED:
    case WIRE_ADMIN_REPLY:
        receive_answer(core, peer, message);
        break;
    default:
        core->stats.nonsense++;
        break;
    }
}

static void tick(struct cl_core *core)
{
    core->deadline_us = CL_NEVER;
    op_tick(core);
    watch_tick(core);
}

void cl_core_step(struct cl_core *core, const struct cl_event *event, struct cl_effects *effects)
{
    op_bury(core);
    if (event->now_us > core->now_us)
        core->now_us = event->now_us;
    core->effects = effects;
    core->message = event->message;
    switch (event->kind) {
    case CL_EVENT_TICK:
        break;
    case CL_EVENT_PEER_UP:
        peer_up(core, event->peer);
        break;
    case CL_EVENT_PEER_DOWN:
        peer_down(core, event->peer, event->err, event->text);
        break;
    case CL_EVENT_RECEIVE:
        PRE(event->message != NULL);
        receive(core, event->peer, event->message);
        break;
    case CL_EVENT_SUBMIT:
        PRE(event->submit != NULL);
        op_submit(core, event->submit);
        break;
    case CL_EVENT_CANCEL:
        op_cancel(core, event->op);
        break;
    }
    op_run_ready(core);
    if (core->now_us >= core->deadline_us) {
        tick(core);
        op_run_ready(core);
    }
    core->effects = NULL;
    core->message = NULL;
}

uint64_t cl_core_deadline_us(const struct cl_core *core)
{
    return core->deadline_us;
}

const struct cl_map *cl_core_map(const struct cl_core *core)
{
    return &core->map;
}

const struct cl_stats *cl_core_stats(const struct cl_core *core)
{
    return &core->stats;
}
