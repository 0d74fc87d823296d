/* The scenarios that multipart_load.c has; see multipart.c. */
#ifndef CATENA_TESTS_INTEGRATION_MULTIPART_H
#define CATENA_TESTS_INTEGRATION_MULTIPART_H

#include <stddef.h>

void parts_many(void);
void parts_race(unsigned rounds);
void parts_steady(const char *key, double seconds, size_t part_bytes);

#endif
