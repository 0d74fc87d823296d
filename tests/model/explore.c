#include "tests/model/explore.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/contract.h"
#include "tests/model/heap.h"
#include "tests/model/seen.h"

struct frame {
    struct choice choices[EXPLORE_CHOICES_MAX];
    uint32_t count;
    uint32_t next;
    uint32_t saved;   /* heaps of this state that have been saved */
    uint32_t touched; /* heaps that differ from it now */
    struct heap_image images[HEAP_COUNT];
};

static struct frame *frames;  /* EXPLORE_DEPTH_MAX + 2 */
static struct frame *saving;  /* entering a heap saves it here */
static uint32_t depth;        /* of the state that is being expanded */
static uint32_t first_finish; /* choices of the path when the fair end began */
static sigjmp_buf on_violation;
static bool is_catching;
static char why[1024];
static struct seen *seen;
static struct seen *good;

void model_violation(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    if (!is_catching) {
        (void)fprintf(stderr, "%s\n", why);
        abort();
    }
    siglongjmp(on_violation, 1);
}

static void on_abort(int signal_number)
{
    (void)signal_number;
    (void)snprintf(why, sizeof why, "an assertion of the code failed (printed above)");
    if (is_catching)
        siglongjmp(on_violation, 1);
}

void model_say(const char *line)
{
    (void)printf("      %s\n", line);
}

static void on_enter(unsigned heap)
{
    uint32_t bit = 1u << heap;
    if (saving == NULL)
        return;
    if ((saving->saved & bit) == 0) {
        heap_save(heap, &saving->images[heap]);
        saving->saved |= bit;
    }
    saving->touched |= bit;
}

static void put_back(struct frame *frame)
{
    for (unsigned heap = 0; heap < HEAP_COUNT; heap++)
        if ((frame->touched >> heap & 1u) != 0)
            heap_load(heap, &frame->images[heap]);
    frame->touched = 0;
}

static double now_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* States of the fair end under way; known to be good only once it came to its end. */
static uint64_t passed[EXPLORE_DEPTH_MAX];
static uint32_t passed_count;

static bool is_known_good(uint64_t fingerprint)
{
    if (seen_has(good, fingerprint))
        return true;
    if (passed_count < EXPLORE_DEPTH_MAX)
        passed[passed_count++] = fingerprint;
    return false;
}

/* Runs the fair end of the present state and comes back. */
static void finish(const struct model *model, struct explore_result *result)
{
    if (model->finish == NULL)
        return;
    struct frame *frame = &frames[EXPLORE_DEPTH_MAX + 1];
    struct frame *before = saving;
    frame->saved = 0;
    frame->touched = 0;
    saving = frame;
    passed_count = 0;
    model->finish(is_known_good);
    result->finished++;
    for (uint32_t i = 0; i < passed_count && !seen_is_full(good); i++)
        (void)seen_add(good, passed[i], 1);
    put_back(frame);
    saving = before;
}

static void expand(const struct model *model)
{
    struct frame *frame = &frames[depth];
    frame->count = model->choices(frame->choices);
    INVARIANT(frame->count <= EXPLORE_CHOICES_MAX);
    frame->next = 0;
    frame->saved = 0;
    frame->touched = 0;
}

/* The state that the choice at frames[depth] led to is new: look at it, then go on from it. */
static void arrive(const struct model *model, const struct explore_options *options,
                   uint64_t fingerprint, struct explore_result *result)
{
    bool is_settled = model->is_settled != NULL && model->is_settled();
    if (depth + 1 >= options->depth) {
        result->is_cut_by_depth = true;
        if (is_settled || options->ends == 1 || fingerprint % options->ends == 0)
            finish(model, result);
        put_back(&frames[depth]);
        return;
    }
    depth++;
    expand(model);
    if (depth > result->depth)
        result->depth = depth;
    if (is_settled || frames[depth].count == 0)
        finish(model, result);
}

static void search(const struct model *model, const struct explore_options *options,
                   struct explore_result *result, double begun)
{
    depth = 0;
    expand(model);
    result->states = 1;
    (void)seen_add(seen, model->fingerprint(), options->depth);
    for (;;) {
        struct frame *frame = &frames[depth];
        if (frame->next == frame->count) {
            if (depth == 0)
                return;
            depth--;
            put_back(&frames[depth]);
            continue;
        }
        if ((result->transitions & 1023u) == 0 && options->budget_seconds > 0 &&
            now_seconds() - begun > options->budget_seconds) {
            result->is_out_of_time = true;
            return;
        }
        if (seen_is_full(seen)) {
            result->is_out_of_time = true;
            return;
        }
        saving = frame;
        model->apply(frame->choices[frame->next++]);
        result->transitions++;
        uint64_t fingerprint = model->fingerprint();
        if (seen_add(seen, fingerprint, options->depth - depth - 1))
            arrive(model, options, fingerprint, result);
        else
            put_back(frame);
    }
}

static void tell_violation(const struct model *model, struct explore_result *result)
{
    struct text *text = &result->violation;
    text_append(text, "VIOLATION in model %s: %s\nreplay: --replay ", model->name, why);
    for (uint32_t i = 0; i <= depth && frames[i].next > 0; i++) {
        text_append(text, i == 0 ? "" : ",");
        model->name_choice(frames[i].choices[frames[i].next - 1], text);
    }
    text_append(text, "\n");
}

static void prepare(const struct explore_options *options)
{
    heap_on_enter(on_enter);
    if (frames == NULL) {
        frames = calloc(EXPLORE_DEPTH_MAX + 2, sizeof *frames);
        heaps_init();
        struct sigaction action = {.sa_handler = on_abort, .sa_flags = SA_NODEFER};
        (void)sigaction(SIGABRT, &action, NULL);
    }
    seen_free(seen);
    seen_free(good);
    seen = seen_new(options->states_max);
    good = seen_new(options->states_max / 4);
    saving = NULL;
    heaps_reset();
}

void explore(const struct model *model, const struct explore_options *options,
             struct explore_result *ret_result)
{
    static struct explore_result result; /* survives the jump */
    PRE(options->depth <= EXPLORE_DEPTH_MAX);
    result = (struct explore_result){0};
    prepare(options);
    double begun = now_seconds();
    is_catching = true;
    if (sigsetjmp(on_violation, 1) == 0) {
        model->begin();
        search(model, options, &result, begun);
    } else {
        result.is_violated = true;
    }
    is_catching = false;
    (void)heap_enter(HEAP_NONE);
    saving = NULL;
    if (result.is_violated)
        tell_violation(model, &result);
    result.states = seen_count(seen);
    result.is_complete = !result.is_cut_by_depth && !result.is_out_of_time && !result.is_violated;
    result.seconds = now_seconds() - begun;
    *ret_result = result;
}

/* ---- replay ---- */

static bool is_name_of(const struct model *model, struct choice choice, const char *name,
                       size_t length)
{
    struct text text;
    text_init(&text);
    model->name_choice(choice, &text);
    bool is_same = text.length == length && memcmp(text_cstr(&text), name, length) == 0;
    text_release(&text);
    return is_same;
}

static void replay_one(const struct model *model, const char *name, size_t length)
{
    struct choice choices[EXPLORE_CHOICES_MAX];
    uint32_t count = model->choices(choices);
    for (uint32_t i = 0; i < count; i++) {
        if (!is_name_of(model, choices[i], name, length))
            continue;
        (void)printf("%3u   %.*s\n", ++first_finish, (int)length, name);
        model->apply(choices[i]);
        return;
    }
    model_violation("the choice %.*s does not exist there", (int)length, name);
}

static bool never_known(uint64_t fingerprint)
{
    (void)fingerprint;
    return false;
}

bool explore_replay(const struct model *model, const char *path, bool is_finished,
                    struct explore_result *ret_result)
{
    static struct explore_result result;
    struct explore_options options = {.states_max = 1024};
    result = (struct explore_result){0};
    prepare(&options);
    first_finish = 0;
    is_catching = true;
    if (sigsetjmp(on_violation, 1) == 0) {
        model->begin();
        model->tell(true);
        for (const char *at = path; *at != '\0';) {
            size_t length = strcspn(at, ",");
            replay_one(model, at, length);
            at += length + (at[length] == ',' ? 1 : 0);
        }
        if (is_finished && model->finish != NULL) {
            (void)printf("      -- and then the fair end --\n");
            model->finish(never_known);
        }
    } else {
        result.is_violated = true;
        text_append(&result.violation, "VIOLATION in model %s: %s\n", model->name, why);
    }
    is_catching = false;
    (void)heap_enter(HEAP_NONE);
    (void)fflush(stdout);
    *ret_result = result;
    return !result.is_violated;
}
