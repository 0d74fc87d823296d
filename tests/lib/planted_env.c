/* Linked into every test program of a planted build (-DCATENA_PLANTED=ON): breaks the rule that the
 * environment names, before main. A name that does not exist ends the program: a test that passes
 * because nothing was broken would prove the opposite of what it says. */
#include <stdio.h>
#include <stdlib.h>

#include "base/planted.h"

static void select_from_environment(void) __attribute__((constructor));

static void select_from_environment(void)
{
    const char *name = getenv("CATENA_PLANTED_BUG");
    if (planted_select(name))
        return;
    (void)fprintf(stderr, "CATENA_PLANTED_BUG=%s: there is no such planted bug\n", name);
    exit(EXIT_FAILURE);
}
