/* planted_list: the planted bugs, one per line: name, rule, area, what is broken (tabs between). */
#include <stdio.h>
#include <stdlib.h>

#include "base/planted.h"

int main(void)
{
    for (unsigned i = 1; i < PLANTED_COUNT; i++) {
        enum planted_bug bug = (enum planted_bug)i;
        (void)printf("%s\t%s\t%s\t%s\n", planted_name(bug), planted_rule(bug), planted_area(bug),
                     planted_text(bug));
    }
    return EXIT_SUCCESS;
}
