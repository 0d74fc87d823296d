/* The engine: takes submissions and the network into the core, executes its effects.
 *
 * Whoever has something for the core becomes the engine for a while, instead of waking a thread
 * that does: a thread of the network that received something (on_arrived), a thread of the user's
 * that started a call (engine_submit), and the client's own thread for what is due later. It is
 * guarded by client->engine, for which only the client's own thread waits: another that does not
 * get it leaves has_work behind, and whoever has it looks there after giving it back. Without that,
 * a request would go through two more threads on its way out and in, and each change of threads
 * costs as much as serving a small request does.
 *
 * Users' callbacks run on the library's threads only, never inside a call of the user's, who may
 * hold locks that the callback wants: a thread of the user's that meets the end of a call leaves it
 * to the client's own thread. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/contract.h"
#include "client/io/client.h"

enum { EVENTS_MAX = 64, GATHERED_MAX = 64, CALLS_MAX = 256 };

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

/* False: the next one is the end of a call, which this thread must not call back. */
static bool run_effects(struct catena_client *client, bool may_call_back)
{
    struct cl_effects *effects = &client->effects;
    for (; client->effects_next < effects->count; client->effects_next++) {
        struct cl_effect *effect = &effects->items[client->effects_next];
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
            if (!may_call_back)
                return false;
            finish_call(client, effect);
            break;
        }
    }
    cl_effects_clear(effects);
    client->effects_next = 0;
    return true;
}

static bool step(struct catena_client *client, struct cl_event *event, bool may_call_back)
{
    event->now_us = engine_now_us();
    cl_core_step(client->core, event, &client->effects);
    return run_effects(client, may_call_back);
}

static struct call *take_call(struct catena_client *client)
{
    struct call *call = NULL;
    pthread_mutex_lock(&client->mutex);
    if (!list_is_empty(&client->queue)) {
        call = CONTAINER_OF(client->queue.next, struct call, node);
        list_remove(&call->node);
    }
    pthread_mutex_unlock(&client->mutex);
    return call;
}

static bool has_queued(struct catena_client *client)
{
    pthread_mutex_lock(&client->mutex);
    bool has_any = !list_is_empty(&client->queue) || client->cancels_count > 0;
    pthread_mutex_unlock(&client->mutex);
    return has_any;
}

/* 0: none. */
static uint64_t take_cancel(struct catena_client *client)
{
    uint64_t number = 0;
    pthread_mutex_lock(&client->mutex);
    if (client->cancels_count > 0)
        number = client->cancels[--client->cancels_count];
    pthread_mutex_unlock(&client->mutex);
    return number;
}

/* False: something is left, as of run_effects(), or because there was much: others may add to the
 * queue all the time. */
static bool drain_queues(struct catena_client *client, bool may_call_back)
{
    struct call *call;
    uint64_t number;
    for (uint32_t i = 0; (call = take_call(client)) != NULL; i++) {
        (void)map_put(&client->calls, call->number, call);
        struct cl_event event = {.kind = CL_EVENT_SUBMIT, .submit = &call->submit};
        if (!step(client, &event, may_call_back) || i == CALLS_MAX)
            return false;
    }
    while ((number = take_cancel(client)) != 0) {
        struct cl_event event = {.kind = CL_EVENT_CANCEL, .op = number};
        if (!step(client, &event, may_call_back))
            return false;
    }
    return true;
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
        (void)step(client, &event, true);
        break;
    case LINKS_DOWN:
    case LINKS_DOWN_REFUSED:
        client->has_links_due = true;
        event.kind = CL_EVENT_PEER_DOWN;
        (void)step(client, &event, true);
        break;
    case LINKS_NOTHING:
        if (network->kind != TRANSPORT_MESSAGE)
            break;
        event.kind = CL_EVENT_RECEIVE;
        event.message = &network->message;
        (void)step(client, &event, true);
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

/* Everything that is there. What is there already is taken before anything leaves, so that more
 * leaves together, and more is handed on together. */
static void run(struct catena_client *client)
{
    uint32_t gathered = 0; /* events since messages left */
    uint32_t count;
    bool is_drained;
    (void)run_effects(client, true); /* what a thread that must not call back has left */
    do {
        is_drained = drain_queues(client, true);
        if (engine_now_us() >= cl_core_deadline_us(client->core)) {
            struct cl_event tick = {.kind = CL_EVENT_TICK};
            (void)step(client, &tick, true);
            count = 1; /* callbacks may have started calls */
            continue;
        }
        count = gathered < GATHERED_MAX
                    ? transport_take(client->transport, client->events, EVENTS_MAX)
                    : 0;
        gathered += count;
        for (uint32_t i = 0; i < count; i++)
            handle_event(client, &client->events[i]);
        learn_cluster(client);
    } while (count > 0 || !is_drained);
    transport_flush(client->transport);
    end_round(client);
    if (gathered >= GATHERED_MAX || has_queued(client))
        atomic_store(&client->has_work, true);
}

/* Only what threads of the user's have queued, and nothing is called back. False: the rest is for
 * another thread. */
static bool run_submissions(struct catena_client *client)
{
    bool is_done = run_effects(client, false) && drain_queues(client, false);
    transport_flush(client->transport);
    return is_done;
}

/* ---- who is the engine ---- */

/* With the mutex. */
static void enter(struct catena_client *client)
{
    client->outer = engine_of_this_thread; /* a callback of theirs uses this client */
    engine_of_this_thread = client;
    atomic_store(&client->has_work, false);
}

static bool try_engine(struct catena_client *client)
{
    /* Either this thread gets the engine, or who gives it back sees has_work. */
    atomic_store(&client->has_work, true);
    atomic_thread_fence(memory_order_seq_cst);
    if (pthread_mutex_trylock(&client->engine) != 0)
        return false;
    if (client->is_stopped) {
        pthread_mutex_unlock(&client->engine);
        return false;
    }
    enter(client);
    return true;
}

/* True: somebody left work in the meantime. */
static bool leave_engine(struct catena_client *client, bool wakes_own)
{
    wakes_own = wakes_own || client->has_links_due ||
                cl_core_deadline_us(client->core) < client->sleeps_until_us;
    engine_of_this_thread = client->outer;
    pthread_mutex_unlock(&client->engine);
    atomic_thread_fence(memory_order_seq_cst);
    if (wakes_own)
        transport_wake(client->transport);
    return atomic_load(&client->has_work);
}

void engine_submit(struct catena_client *client)
{
    if (engine_is_this_thread(client) || !try_engine(client))
        return; /* the engine looks at the queues once more before it ends */
    bool is_done = run_submissions(client);
    /* What others left may be for a thread that may call back. */
    if (leave_engine(client, !is_done))
        transport_wake(client->transport);
}

/* Of a thread of the network. */
static void on_arrived(void *context)
{
    struct catena_client *client = context;
    bool has_more = true;
    while (has_more && try_engine(client)) {
        run(client);
        has_more = leave_engine(client, false);
    }
}

static uint64_t next_deadline_us(struct catena_client *client, uint64_t now_us)
{
    client->has_links_due = false;
    uint64_t links_us = links_tick(client->links, now_us);
    uint64_t core_us = cl_core_deadline_us(client->core);
    return links_us < core_us ? links_us : core_us;
}

static void cancel_all(struct catena_client *client)
{
    size_t cursor = 0;
    uint64_t number;
    while (map_next(&client->calls, &cursor, &number) != NULL) {
        struct cl_event event = {.kind = CL_EVENT_CANCEL, .op = number};
        (void)step(client, &event, true);
        cursor = 0; /* the map changed */
    }
}

/* The engine ends. Callbacks of cancelled calls may start more of them: until nothing is left. */
static void end_calls(struct catena_client *client)
{
    do {
        (void)drain_queues(client, true);
        cancel_all(client);
        end_round(client);
    } while (client->calls.count > 0 || has_queued(client));
    transport_flush(client->transport);
    client->is_stopped = true;
}

static bool is_closing(struct catena_client *client)
{
    pthread_mutex_lock(&client->mutex);
    bool is_closing = client->is_closing;
    pthread_mutex_unlock(&client->mutex);
    return is_closing;
}

/* The client's own thread: for what is due at a time, for connections that ended, and for what
 * other threads leave to it. */
static void *engine_main(void *context)
{
    struct catena_client *client = context;
    for (bool is_ending = false; !is_ending;) {
        pthread_mutex_lock(&client->engine);
        enter(client);
        transport_tend(client->transport);
        run(client);
        is_ending = is_closing(client);
        if (is_ending)
            end_calls(client);
        uint64_t now_us = engine_now_us();
        uint64_t until_us = is_ending ? 0 : next_deadline_us(client, now_us);
        client->sleeps_until_us = until_us;
        bool has_more = leave_engine(client, false);
        if (!is_ending && !has_more && until_us > now_us)
            transport_sleep(client->transport,
                            until_us == UINT64_MAX ? UINT64_MAX : until_us - now_us);
    }
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
        .arrived = on_arrived,
        .arrived_context = client,
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
    client->events = mem_alloc(EVENTS_MAX * sizeof *client->events);
    make_core(client);
    if (pthread_create(&client->thread, NULL, engine_main, client) == 0)
        return ERR_OK;
    mem_free(client->events);
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
    mem_free(client->events);
}
