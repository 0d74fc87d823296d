/* The event queue, the seed, the story. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/hash.h"
#include "tests/sim/sim.h"

enum { TRACE_BYTES = 4096 };

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

void world_plan(struct world *world, uint64_t delay_us, sim_action *action, void *subject,
                uint64_t number)
{
    if (world->heap_count == world->heap_capacity) {
        world->heap_capacity = world->heap_capacity == 0 ? 1024 : 2 * world->heap_capacity;
        world->heap = mem_realloc(world->heap, world->heap_capacity * sizeof(struct sim_event));
    }
    const struct sim_event event = {world->now_us + delay_us, ++world->sequence, action, subject,
                                    number};
    size_t at = world->heap_count++;
    for (; at > 0 && is_earlier(&event, &world->heap[(at - 1) / 2]); at = (at - 1) / 2)
        world->heap[at] = world->heap[(at - 1) / 2];
    world->heap[at] = event;
}

static struct sim_event take_first(struct world *world)
{
    struct sim_event first = world->heap[0];
    size_t count = --world->heap_count;
    const struct sim_event *last = &world->heap[count];
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && is_earlier(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!is_earlier(&world->heap[child], last))
            break;
        world->heap[at] = world->heap[child];
        at = child;
    }
    world->heap[at] = *last;
    return first;
}

/* ---- when processes run: each at one moment at most, and planned again most of the time ---- */

static bool runs_earlier(const struct sim_process *a, const struct sim_process *b)
{
    if (a->run_time_us != b->run_time_us)
        return a->run_time_us < b->run_time_us;
    return a->run_sequence < b->run_sequence;
}

static void find_runner(struct world *world)
{
    world->runner = NULL;
    for (uint32_t i = 0; i < world->processes_count; i++) {
        struct sim_process *process = world->processes[i];
        if (process->run_time_us != UINT64_MAX &&
            (world->runner == NULL || runs_earlier(process, world->runner)))
            world->runner = process;
    }
}

void world_plan_run(struct sim_process *process, uint64_t delay_us)
{
    struct world *world = process->world;
    PRE(world->now_us + delay_us <= process->run_time_us);
    process->run_time_us = world->now_us + delay_us;
    process->run_sequence = ++world->sequence;
    if (world->runner == process)
        find_runner(world);
    else if (world->runner == NULL || runs_earlier(process, world->runner))
        world->runner = process;
}

void world_cancel_run(struct sim_process *process)
{
    process->run_time_us = UINT64_MAX;
    if (process->world->runner == process)
        find_runner(process->world);
}

static bool runner_is_next(const struct world *world)
{
    const struct sim_process *runner = world->runner;
    if (runner == NULL || world->heap_count == 0)
        return runner != NULL;
    const struct sim_event *first = &world->heap[0];
    return runner->run_time_us < first->time_us ||
           (runner->run_time_us == first->time_us && runner->run_sequence < first->sequence);
}

static uint64_t next_time_us(const struct world *world)
{
    if (runner_is_next(world))
        return world->runner->run_time_us;
    return world->heap_count == 0 ? UINT64_MAX : world->heap[0].time_us;
}

void world_run_until(struct world *world, uint64_t time_us)
{
    while (!world->failed && next_time_us(world) <= time_us) {
        uint64_t now_us = next_time_us(world);
        PRE(now_us >= world->now_us);
        world->now_us = now_us;
        world->steps++;
        if (runner_is_next(world)) {
            struct sim_process *process = world->runner;
            world_cancel_run(process);
            process_run(process);
        } else {
            struct sim_event event = take_first(world);
            event.action(world, event.subject, event.number);
        }
    }
    if (!world->failed && world->now_us < time_us)
        world->now_us = time_us;
}

/* "12.000345 " into the line; its length. */
static size_t write_time(const struct world *world, char *line)
{
    char digits[24];
    size_t count = 0;
    for (uint64_t us = world->now_us; us > 0 || count < 7; us /= 10) {
        if (count == 6)
            digits[count++] = '.';
        digits[count++] = (char)('0' + us % 10);
    }
    for (size_t i = 0; i < count; i++)
        line[i] = digits[count - 1 - i];
    line[count] = ' ';
    return count + 1;
}

static void tell(struct world *world, const char *line, size_t length)
{
    world->trace_hash = hash_bytes(slice_of(line, length), world->trace_hash);
    world->trace_lines++;
    if (world->options.print)
        (void)printf("%.*s\n", (int)length, line);
}

void world_trace(struct world *world, const char *format, ...)
{
    char line[TRACE_BYTES];
    size_t start = write_time(world, line);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line + start, sizeof line - start, format, arguments);
    va_end(arguments);
    PRE(length >= 0);
    size_t most = sizeof line - start - 1; /* what is longer is cut */
    tell(world, line, start + ((size_t)length < most ? (size_t)length : most));
}

void world_trace_core(struct world *world, const char *name, const char *words)
{
    char line[TRACE_BYTES];
    size_t length = write_time(world, line);
    const char *const parts[] = {name, ": ", words};
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        size_t bytes = strlen(parts[i]);
        PRE(length + bytes < sizeof line);
        memcpy(line + length, parts[i], bytes);
        length += bytes;
    }
    tell(world, line, length);
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
