/* catena-model: exhaustive small models over the code that ships. See README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/planted.h"
#include "tests/model/chain.h"
#include "tests/model/chain_model.h"
#include "tests/model/plan.h"
#include "tests/model/raft_model.h"

struct arguments {
    struct explore_options explore;
    const char *replay;
    const char *scripts;
    bool is_finished;
    uint32_t members; /* of the plan model */
    uint32_t deepen;  /* first depth; then in steps up to the depth */
};

static int usage(void)
{
    (void)fprintf(
        stderr,
        "usage: catena-model plan [--members 3|4|5] [--budget-seconds N]\n"
        "       catena-model chain [--scripts A/B] [--faults N] [--kinds LIST] [--joins N] "
        "[--length N] [--begin whole|handover|returned|copied] [--ticks N] [--lazy] [common]\n"
        "       catena-model raft [--faults N] [--kinds LIST] [--proposals N] "
        "[--quanta N] [--elected] [common]\n"
        "common: [--deepen N] [--ends N]  [--depth N] [--budget-seconds N] [--states-max "
        "N] [--replay PATH] "
        "[--finish] [--planted NAME]\n");
    return 2;
}

static bool set_scripts(const char *text)
{
    const char *slash = strchr(text, '/');
    if (slash == NULL || slash - text > CLIENT_OPS || strlen(slash + 1) > CLIENT_OPS)
        return false;
    memset(chain_settings.scripts, 0, sizeof chain_settings.scripts);
    memcpy(chain_settings.scripts[0], text, (size_t)(slash - text));
    memcpy(chain_settings.scripts[1], slash + 1, strlen(slash + 1));
    return strspn(text, "pcdg/") == strlen(text);
}

static bool set_kinds(const char *text)
{
    static const char *const kinds[FAULT_COUNT] = {"crash", "power",  "suspect",
                                                   "delay", "repeat", "retry"};
    chain_settings.kinds = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        bool is_known = false;
        for (unsigned i = 0; i < FAULT_COUNT; i++)
            if (strlen(kinds[i]) == length && strncmp(kinds[i], text, length) == 0) {
                chain_settings.kinds |= 1u << i;
                is_known = true;
            }
        if (!is_known)
            return false;
        text += length + (text[length] == ',' ? 1 : 0);
    }
    raft_settings.kinds = (chain_settings.kinds >> FAULT_CRASH & 1u) |
                          (chain_settings.kinds >> FAULT_DELAY & 1u) << 1 |
                          (chain_settings.kinds >> FAULT_REPEAT & 1u) << 2;
    return true;
}

static bool set_beginning(const char *text)
{
    static const char *const names[BEGIN_COUNT] = {"whole", "handover", "returned", "copied"};
    for (unsigned i = 0; i < BEGIN_COUNT; i++) {
        if (strcmp(names[i], text) != 0)
            continue;
        chain_settings.beginning = (enum beginning)i;
        if (i != BEGIN_WHOLE)
            chain_settings.length = i == BEGIN_HANDOVER ? NODES - 1 : NODES;
        return true;
    }
    return false;
}

static bool plant(const char *name)
{
#ifdef CATENA_PLANTED
    return planted_select(name);
#else
    (void)name;
    (void)fprintf(stderr, "catena-model: this build has no planted bugs (-DCATENA_PLANTED=ON)\n");
    return false;
#endif
}

static bool take_flag(struct arguments *arguments, const char *name)
{
    if (strcmp(name, "--lazy") == 0)
        chain_settings.is_lazy = true;
    else if (strcmp(name, "--elected") == 0)
        raft_settings.is_elected = true;
    else if (strcmp(name, "--finish") == 0)
        arguments->is_finished = true;
    else
        return false;
    return true;
}

static bool take_option(struct arguments *arguments, const char *name, const char *value)
{
    unsigned number = (unsigned)strtoul(value, NULL, 10);
    if (strcmp(name, "--depth") == 0)
        arguments->explore.depth = number;
    else if (strcmp(name, "--budget-seconds") == 0)
        arguments->explore.budget_seconds = strtod(value, NULL);
    else if (strcmp(name, "--states-max") == 0)
        arguments->explore.states_max = strtoull(value, NULL, 10);
    else if (strcmp(name, "--ends") == 0)
        arguments->explore.ends = number == 0 ? 1 : number;
    else if (strcmp(name, "--deepen") == 0)
        arguments->deepen = number;
    else if (strcmp(name, "--members") == 0 && number >= 3 && number <= PLAN_MEMBERS_MAX)
        arguments->members = number;
    else if (strcmp(name, "--faults") == 0)
        chain_settings.faults = raft_settings.faults = number;
    else if (strcmp(name, "--proposals") == 0)
        raft_settings.proposals = number;
    else if (strcmp(name, "--quanta") == 0)
        raft_settings.quanta = number;
    else if (strcmp(name, "--joins") == 0)
        chain_settings.joins = number;
    else if (strcmp(name, "--length") == 0)
        chain_settings.length = number;
    else if (strcmp(name, "--ticks") == 0)
        chain_settings.ticks = number;
    else if (strcmp(name, "--replay") == 0)
        arguments->replay = value;
    else if (strcmp(name, "--scripts") == 0)
        return set_scripts(value);
    else if (strcmp(name, "--kinds") == 0)
        return set_kinds(value);
    else if (strcmp(name, "--begin") == 0)
        return set_beginning(value);
    else if (strcmp(name, "--planted") == 0)
        return plant(value);
    else
        return false;
    return true;
}

/* What a replay needs besides the path. */
static const char *command_line;

static void summarize(const struct model *model, const struct explore_result *result)
{
    const char *extent = result->is_complete      ? "complete"
                         : result->is_violated    ? "violated"
                         : result->is_out_of_time ? "out of time or table"
                                                  : "cut by depth";
    (void)printf("model=%s states=%llu transitions=%llu depth=%u fair_ends=%llu seconds=%.1f "
                 "rate=%.0f/s result=\"%s\"\n",
                 model->name, (unsigned long long)result->states,
                 (unsigned long long)result->transitions, result->depth,
                 (unsigned long long)result->finished, result->seconds,
                 (double)result->transitions / (result->seconds > 0 ? result->seconds : 1), extent);
    (void)fputs(text_cstr(&result->violation), stdout);
    if (result->is_violated)
        (void)printf("with: %s\n", command_line);
    (void)fflush(stdout);
}

/* The story of what was found, from the start. */
static void tell_story(const struct model *model, const struct explore_result *found)
{
    const char *path = strstr(text_cstr(&found->violation), "--replay ");
    if (path == NULL)
        return;
    path += strlen("--replay ");
    char *copy = strndup(path, strcspn(path, "\n"));
    struct explore_result again;
    if (copy != NULL && explore_replay(model, copy, true, &again))
        (void)printf("      (the replay does not show it: the model is not deterministic)\n");
    free(copy);
}

static int run(const struct model *model, struct arguments *arguments)
{
    struct explore_result result;
    if (arguments->replay != NULL) {
        bool is_good = explore_replay(model, arguments->replay, arguments->is_finished, &result);
        (void)fputs(text_cstr(&result.violation), stdout);
        return is_good ? 0 : 1;
    }
    struct explore_options options = arguments->explore;
    uint32_t last = options.depth;
    options.depth = arguments->deepen != 0 && arguments->deepen < last ? arguments->deepen : last;
    for (;;) {
        explore(model, &options, &result);
        summarize(model, &result);
        options.budget_seconds -= options.budget_seconds > 0 ? result.seconds : 0;
        if (!result.is_cut_by_depth || result.is_violated || result.is_out_of_time ||
            options.depth == last)
            break;
        options.depth = options.depth + 3 < last ? options.depth + 3 : last;
    }
    if (result.is_violated)
        tell_story(model, &result);
    return result.is_violated ? 1 : 0;
}

static int run_plan(const struct arguments *arguments)
{
    struct plan_result result;
    plan_enumerate(arguments->members, arguments->explore.budget_seconds, &result);
    (void)printf("model=plan members=%u inputs=%llu fair_ends=%llu steps=%llu seconds=%.1f "
                 "rate=%.0f/s result=\"%s\"\n",
                 arguments->members, (unsigned long long)result.inputs,
                 (unsigned long long)result.healed, (unsigned long long)result.steps,
                 result.seconds, (double)result.inputs / (result.seconds > 0 ? result.seconds : 1),
                 result.is_violated   ? "violated"
                 : result.is_complete ? "complete"
                                      : "out of time");
    if (result.is_violated)
        (void)printf("VIOLATION in model plan: %s\n", result.why);
    return result.is_violated ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.explore = {.depth = 30, .states_max = 50000000, .ends = 16},
                                  .members = 4};
    if (argc < 2)
        return usage();
    struct text line;
    text_init(&line);
    for (int i = 1; i < argc; i++)
        text_append(&line, "%s%s", i == 1 ? "" : " ", argv[i]);
    command_line = text_cstr(&line);
    (void)set_scripts("p/g");
    chain_settings.kinds = (1u << FAULT_COUNT) - 1;
    for (int i = 2; i < argc; i++) {
        if (take_flag(&arguments, argv[i]))
            continue;
        if (i + 1 == argc || !take_option(&arguments, argv[i], argv[i + 1]))
            return usage();
        i++;
    }
    if (strcmp(argv[1], "raft") == 0)
        return run(&raft_model, &arguments);
    if (strcmp(argv[1], "plan") == 0)
        return run_plan(&arguments);
    if (strcmp(argv[1], "chain") == 0)
        return run(&chain_model, &arguments);
    return usage();
}
