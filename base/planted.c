#include "base/planted.h"

#include <string.h>

#include "base/contract.h"

enum planted_bug planted_bug = PLANTED_NONE;

struct planted_row {
    const char *name;
    const char *rule;
    const char *area;
    const char *text;
};

static const struct planted_row rows[PLANTED_COUNT] = {
    [PLANTED_NONE] = {"NONE", "-", "-", "nothing is broken"},
#define PLANTED_ROW(name, rule, area, what) [PLANTED_##name] = {#name, rule, area, what},
    PLANTED_BUGS(PLANTED_ROW)
#undef PLANTED_ROW
};

bool planted_select(const char *name)
{
    if (name == NULL || name[0] == '\0')
        name = "NONE";
    for (unsigned i = 0; i < PLANTED_COUNT; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        planted_bug = (enum planted_bug)i;
        return true;
    }
    return false;
}

static const struct planted_row *row_of(enum planted_bug bug)
{
    PRE(bug < PLANTED_COUNT);
    return &rows[bug];
}

const char *planted_name(enum planted_bug bug)
{
    return row_of(bug)->name;
}

const char *planted_rule(enum planted_bug bug)
{
    return row_of(bug)->rule;
}

const char *planted_area(enum planted_bug bug)
{
    return row_of(bug)->area;
}

const char *planted_text(enum planted_bug bug)
{
    return row_of(bug)->text;
}
