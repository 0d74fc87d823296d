#include "tests/unit/node/temp_dir.h"

#include <ftw.h>
#include <stdio.h>

enum { OPEN_FILES_MAX = 16 };

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void temp_dir_remove(const char *path)
{
    (void)nftw(path, remove_one, OPEN_FILES_MAX, FTW_DEPTH | FTW_PHYS);
}
