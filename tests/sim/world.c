/* The event queue, the seed, the story. */
#include <stdio.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/hash.h"
#include "tests/sim/sim.h"

struct world *world_new(const struct sim_options *options)
{
    struct world *world = mem_calloc(1, sizeof *world);
    world->options = *options;
    world->now_us = 1000000;
    prng_init(&world->prng, options->seed);
    prng_init(&world->work_prng, options->seed ^ 0x776f726b6c6f6164u);
    map_init(&world->conns);
    text_init(&world->failure);
    world->weather = (struct sim_weather){.latency_min_us = 30, .latency_max_us = 300};
    world->cluster = world_uuid(world);
    return world;
}

void world_free(struct world *world)
{
    if (world == NULL)
        return;
    /* The last made first: supervisors before the workers that they would mourn. */
    for (uint32_t i = world->processes_count; i-- > 0;) {
        struct sim_process *process = world->processes[i];
        if (process->is_up)
            process->ops->stop(process);
        process->is_up = false;
    }
    for (uint32_t i = 0; i < world->processes_count; i++)
        process_free(world->processes[i]);
    network_release(world);
    map_release(&world->conns);
    text_release(&world->failure);
    mem_free(world->heap);
    mem_free(world);
}

static bool is_earlier(const struct sim_event *a, const struct sim_event *b)
{
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us;
    return a->sequence < b->sequence;
}

static void exchange(struct world *world, size_t a, size_t b)
{
    struct sim_event event = world->heap[a];
    world->heap[a] = world->heap[b];
    world->heap[b] = event;
}

void world_plan(struct world *world, uint64_t delay_us, sim_action *action, void *subject,
                uint64_t number)
{
    if (world->heap_count == world->heap_capacity) {
        world->heap_capacity = world->heap_capacity == 0 ? 1024 : 2 * world->heap_capacity;
        world->heap = mem_realloc(world->heap, world->heap_capacity * sizeof(struct sim_event));
    }
    size_t at = world->heap_count++;
    world->heap[at] =
        (struct sim_event){world->now_us + delay_us, ++world->sequence, action, subject, number};
    while (at > 0 && is_earlier(&world->heap[at], &world->heap[(at - 1) / 2])) {
        exchange(world, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static struct sim_event take_first(struct world *world)
{
    struct sim_event first = world->heap[0];
    world->heap[0] = world->heap[--world->heap_count];
    size_t at = 0;
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < world->heap_count && is_earlier(&world->heap[child], &world->heap[least]))
                least = child;
        }
        if (least == at)
            return first;
        exchange(world, at, least);
        at = least;
    }
}

void world_run_until(struct world *world, uint64_t time_us)
{
    while (!world->failed && world->heap_count > 0 && world->heap[0].time_us <= time_us) {
        struct sim_event event = take_first(world);
        PRE(event.time_us >= world->now_us);
        world->now_us = event.time_us;
        world->steps++;
        event.action(world, event.subject, event.number);
    }
    if (!world->failed && world->now_us < time_us)
        world->now_us = time_us;
}

void world_trace(struct world *world, const char *format, ...)
{
    static struct text line;
    text_clear(&line);
    text_append(&line, "%llu.%06llu ", (unsigned long long)(world->now_us / 1000000),
                (unsigned long long)(world->now_us % 1000000));
    va_list arguments;
    va_start(arguments, format);
    text_append_v(&line, format, arguments);
    va_end(arguments);
    world->trace_hash = hash_bytes(slice_of(line.data, line.length), world->trace_hash);
    world->trace_lines++;
    if (world->options.print)
        (void)printf("%s\n", text_cstr(&line));
}

void world_fail(struct world *world, const char *format, ...)
{
    if (world->failed)
        return;
    world->failed = true;
    va_list arguments;
    va_start(arguments, format);
    text_append_v(&world->failure, format, arguments);
    va_end(arguments);
    world_trace(world, "FAILED %s", text_cstr(&world->failure));
}

uint64_t world_draw(struct world *world, uint64_t low, uint64_t high)
{
    return prng_between(&world->prng, low, high);
}

bool world_once_in(struct world *world, uint64_t of)
{
    return of > 0 && prng_once_in(&world->prng, of);
}

struct uuid world_uuid(struct world *world)
{
    struct uuid uuid;
    for (size_t i = 0; i < sizeof uuid.bytes; i++)
        uuid.bytes[i] = (uint8_t)world_draw(world, 0, 255);
    return uuid;
}
