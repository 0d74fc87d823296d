/* Depth-first search through every choice of a model, with a table of the states that were seen.
 *
 * A model is a state in the heaps (heap.h) and the choices that it has there. The search applies
 * each choice, fingerprints the state that results, and goes on from it unless that state was seen
 * with at least as many choices left. It goes back by loading the parts that the choice had
 * changed.
 *
 * What a result means: with `is_complete`, every state that the model can reach within its budgets
 * was visited; else every state that can be reached in `depth` choices. Two different states with
 * the same 64-bit fingerprint would hide one of them: with n states the chance is below n^2 / 2^65.
 *
 * The search does no partial-order reduction: commuting choices are tried in both orders and meet
 * again in the table. */
#ifndef CATENA_TESTS_MODEL_EXPLORE_H
#define CATENA_TESTS_MODEL_EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum { EXPLORE_CHOICES_MAX = 160, EXPLORE_DEPTH_MAX = 1000 };

struct choice {
    uint8_t kind;
    uint8_t a;
    uint8_t b;
    uint8_t c;
};

struct model {
    const char *name;
    /* Builds the first state in empty heaps. */
    void (*begin)(void);
    uint32_t (*choices)(struct choice *choices);
    void (*apply)(struct choice choice);
    uint64_t (*fingerprint)(void);
    /* Is this a state from which nothing more has to happen but what a fair world owes? Such states
     * and every end of a path are finished. NULL: never. */
    bool (*is_settled)(void);
    /* Lets a fair world go on to its end and judges it. `is_known(fingerprint)` says that a state
     * was finished well before; then it may return. The state is put back afterwards. NULL: none.
     */
    void (*finish)(bool (*is_known)(uint64_t fingerprint));
    /* A short word, e.g. "crash.2.0": letters, digits, dots. */
    void (*name_choice)(struct choice choice, struct text *text);
    /* Tells the story from here on (or no more) to model_say(). */
    void (*tell)(bool is_telling);
};

struct explore_options {
    uint32_t depth;
    double budget_seconds; /* 0: none */
    uint64_t states_max;   /* the table's size */
    uint32_t ends; /* one in so many of the states at the depth limit gets a fair end (settled ones
                      and those without a choice always do) */
};

struct explore_result {
    uint64_t states;
    uint64_t transitions;
    uint64_t finished; /* states from which a fair end was run */
    uint32_t depth;    /* deepest path */
    bool is_complete;  /* nothing was cut off by the depth, the budget or the table */
    bool is_cut_by_depth;
    bool is_out_of_time;
    bool is_violated;
    double seconds;
    struct text violation; /* what was broken, the path, the replay string */
};

void explore(const struct model *model, const struct explore_options *options,
             struct explore_result *ret_result);
/* Applies the named choices, telling the story to stdout. True: no violation; else *ret_result
 * says it. */
bool explore_replay(const struct model *model, const char *path, bool is_finished,
                    struct explore_result *ret_result);

/* For models. Ends the current path: something is wrong. Does not return. */
_Noreturn void model_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
void model_say(const char *line);

#endif
