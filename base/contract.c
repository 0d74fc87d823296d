#include "base/contract.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void contract_fail(const char *kind, const char *what, const char *file, int line)
{
    (void)fprintf(stderr, "level=fatal event=contract_failed kind=%s file=%s line=%d what=\"%s\"\n",
                  kind, file, line, what);
    abort();
}
