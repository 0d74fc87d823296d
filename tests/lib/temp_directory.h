/* A directory of its own for a test that needs a real disk. */
#ifndef CATENA_TESTS_LIB_TEMP_DIRECTORY_H
#define CATENA_TESTS_LIB_TEMP_DIRECTORY_H

#include <stddef.h>

/* Makes an empty directory under $TMPDIR or /tmp; its path goes to `path`. Ends the process when
 * that fails. */
void temp_directory_make(char *path, size_t size);
/* Removes it with everything inside. */
void temp_directory_remove(const char *path);
/* Overwrites bytes at an offset in every file of the directory whose name ends so; how many. */
unsigned temp_directory_damage(const char *path, const char *suffix, long offset);

#endif
