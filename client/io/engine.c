/* The engine's thread: drains submissions and the network into the core, executes its effects. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/contract.h"
#include "client/io/client.h"

enum { EVENTS_MAX = 64, GATHERED_MAX = 64 };

static _Thread_local const struct catena_client *engine_of_this_thread;

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t engine_now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t engine_wall_ms(void)
{
    return clock_us(CLOCK_REALTIME) / 1000u;
}

bool engine_is_this_thread(const struct catena_client *client)
{
    return engine_of_this_thread == client;
}

static void finish_call(struct catena_client *client, struct cl_effect *effect)
{
    struct call *call = map_remove(&client->calls, effect->op);
    PRE(call != NULL);
    struct call_end end = {
        .result = &effect->result,
        .payload = effect->message.payload,
        .map = cl_core_map(client->core),
    };
    client->has_called_back = true;
    call->done(call, &end);
}

static void end_round(struct catena_client *client)
{
    if (client->has_called_back && client->round_ended != NULL)
        client->round_ended(client->round_context);
    client->has_called_back = false;
}

static void run_effects(struct catena_client *client)
{
    struct cl_effects *effects = &client->effects;
    for (uint32_t i = 0; i < effects->count; i++) {
        struct cl_effect *effect = &effects->items[i];
        switch (effect->kind) {
        case CL_EFFECT_PEER:
            if (effect->address[0] == '\0')
                links_remove(client->links, effect->peer);
            else
                links_set(client->links, effect->peer, effect->address);
            break;
        case CL_EFFECT_SEND:
            /* A lost message is legal: the core hears of the connection's end. */
            (void)links_send(client->links, effect->peer, &effect->message);
            break;
        case CL_EFFECT_DONE:
            finish_call(client, effect);
            break;
        }
    }
    cl_effects_clear(effects);
}

static void step(struct catena_client *client, struct cl_event *event)
{
    event->now_us = engine_now_us();
    cl_core_step(client->core, event, &client->effects);
    run_effects(client);
}

/* True if there was anything. */
static bool drain_queue(struct catena_client *client, bool *ret_is_closing)
{
    struct list_node taken;
    list_init(&taken);
    pthread_mutex_lock(&client->mutex);
    while (!list_is_empty(&client->queue)) {
        struct list_node *node = client->queue.next;
        list_remove(node);
        list_append(&taken, node);
    }
    uint64_t *cancels = client->cancels;
    uint32_t cancels_count = client->cancels_count;
    client->cancels = NULL;
    client->cancels_count = 0;
    client->cancels_capacity = 0;
    client->is_woken = false;
    *ret_is_closing = client->is_closing;
    pthread_mutex_unlock(&client->mutex);

    bool had_any = !list_is_empty(&taken) || cancels_count > 0;
    while (!list_is_empty(&taken)) {
        struct call *call = CONTAINER_OF(taken.next, struct call, node);
        list_remove(&call->node);
        (void)map_put(&client->calls, call->number, call);
        struct cl_event event = {.kind = CL_EVENT_SUBMIT, .submit = &call->submit};
        step(client, &event);
    }
    for (uint32_t i = 0; i < cancels_count; i++) {
        struct cl_event event = {.kind = CL_EVENT_CANCEL, .op = cancels[i]};
        step(client, &event);
    }
    mem_free(cancels);
    return had_any;
}

static void handle_event(struct catena_client *client, struct transport_event *network)
{
    uint32_t peer = 0;
    enum links_change change = LINKS_NOTHING;
    if (!links_on_event(client->links, network, engine_now_us(), &peer, &change)) {
        wire_message_release(&network->message);
        return;
    }
    struct cl_event event = {.peer = peer, .err = network->err, .text = network->text};
    switch (change) {
    case LINKS_UP:
        event.kind = CL_EVENT_PEER_UP;
        step(client, &event);
        break;
    case LINKS_DOWN:
    case LINKS_DOWN_REFUSED:
        event.kind = CL_EVENT_PEER_DOWN;
        step(client, &event);
        break;
    case LINKS_NOTHING:
        if (network->kind != TRANSPORT_MESSAGE)
            break;
        event.kind = CL_EVENT_RECEIVE;
        event.message = &network->message;
        step(client, &event);
        break;
    }
    wire_message_release(&network->message);
}

/* From now on every new connection is checked to be of the cluster that we know. */
static void learn_cluster(struct catena_client *client)
{
    const struct cl_map *map = cl_core_map(client->core);
    if (!map->is_installed || uuid_equal(&map->cluster, &client->hello.cluster))
        return;
    client->hello.cluster = map->cluster;
    transport_set_hello(client->transport, &client->hello);
}

static uint64_t wait_us(struct catena_client *client)
{
    uint64_t now = engine_now_us();
    uint64_t until = links_tick(client->links, now);
    uint64_t core_until = cl_core_deadline_us(client->core);
    if (core_until < until)
        until = core_until;
    if (until == UINT64_MAX)
        return UINT64_MAX;
    return until > now ? until - now : 0;
}

static void cancel_all(struct catena_client *client)
{
    size_t cursor = 0;
    uint64_t number;
    while (map_next(&client->calls, &cursor, &number) != NULL) {
        struct cl_event event = {.kind = CL_EVENT_CANCEL, .op = number};
        step(client, &event);
        cursor = 0; /* the map changed */
    }
}

static void *engine_main(void *context)
{
    struct catena_client *client = context;
    struct transport_event *events = mem_alloc(EVENTS_MAX * sizeof *events);
    bool is_closing = false;
    uint32_t gathered = 0; /* events since messages left */
    engine_of_this_thread = client;
    for (;;) {
        while (drain_queue(client, &is_closing))
            continue;
        if (is_closing)
            break;
        if (engine_now_us() >= cl_core_deadline_us(client->core)) {
            struct cl_event tick = {.kind = CL_EVENT_TICK};
            step(client, &tick);
            continue; /* callbacks may have started calls */
        }
        /* What is there already is taken first: more leaves together, and more is handed on
         * together. */
        uint32_t count = 0;
        if (gathered < GATHERED_MAX)
            count = transport_wait(client->transport, events, EVENTS_MAX, 0);
        gathered += count;
        if (count == 0) {
            gathered = 0;
            transport_flush(client->transport);
            end_round(client);
            /* The look at the events may have eaten the wake-up of a call that came after the queue
             * was empty. */
            if (drain_queue(client, &is_closing) || is_closing)
                continue;
            count = transport_wait(client->transport, events, EVENTS_MAX, wait_us(client));
        }
        for (uint32_t i = 0; i < count; i++)
            handle_event(client, &events[i]);
        learn_cluster(client);
    }
    /* Callbacks of cancelled calls may start more of them: until nothing is left. */
    do {
        cancel_all(client);
        end_round(client);
    } while (drain_queue(client, &is_closing) || client->calls.count > 0);
    transport_flush(client->transport);
    mem_free(events);
    return NULL;
}

static void make_core(struct catena_client *client)
{
    struct slice *masters = mem_alloc(client->addresses_count * sizeof *masters);
    for (uint32_t i = 0; i < client->addresses_count; i++)
        masters[i] = slice_of_text(client->addresses[i]);
    struct cl_options options = {.masters = masters, .masters_count = client->addresses_count};
    client->core = cl_core_new(&options, random_u64(), engine_now_us());
    mem_free(masters);
}

enum err engine_start(struct catena_client *client)
{
    client->hello = (struct wire_hello){
        .wire_version = WIRE_VERSION,
        .role = WIRE_ROLE_CLIENT,
        .incarnation = random_u64(),
        .software = slice_of_text("libcatena 0.1.0"),
    };
    struct transport_options options = {
        .hello = client->hello,
        .connections_max = 1,
        .queue_bytes_max = 256u * 1024 * 1024,
        .frame_payload_bytes_max = BOUND_FRAME_PAYLOAD_BYTES,
    };
    struct links_options links_options = {
        .tag_base = CLIENT_TAG_BASE,
        .dial_timeout_ms = 2000,
        .redial_min_ms = 10,
        .redial_max_ms = 500,
        .seed = random_u64(),
    };
    client->transport = transport_new(&options);
    if (client->transport == NULL)
        return ERR_IO;
    client->links = links_new(client->transport, &links_options);
    cl_effects_init(&client->effects);
    map_init(&client->calls);
    make_core(client);
    if (pthread_create(&client->thread, NULL, engine_main, client) == 0)
        return ERR_OK;
    links_free(client->links);
    transport_free(client->transport);
    cl_core_free(client->core);
    return ERR_BUSY;
}

void engine_stop(struct catena_client *client)
{
    pthread_mutex_lock(&client->mutex);
    client->is_closing = true;
    pthread_mutex_unlock(&client->mutex);
    transport_wake(client->transport);
    (void)pthread_join(client->thread, NULL);
    links_free(client->links);
    transport_free(client->transport);
    cl_core_free(client->core);
    cl_effects_release(&client->effects);
    map_release(&client->calls);
}
