/* Removing a test's directory. */
#ifndef CATENA_TESTS_UNIT_NODE_TEMP_DIR_H
#define CATENA_TESTS_UNIT_NODE_TEMP_DIR_H

/* Removes the directory and everything in it. */
void temp_dir_remove(const char *path);

#endif
