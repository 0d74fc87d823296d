/* How people write objects: BUCKET/KEY, with an optional "catena:" or "//" before it.
 *
 * In `cp` the mark tells the remote side from a local path; elsewhere it may be left out. A local
 * path that begins with one is written ./catena:... . */
#ifndef CATENA_TOOLS_CATENA_NAME_H
#define CATENA_TOOLS_CATENA_NAME_H

#include <stdio.h>

#include "tools/catena/cli.h"

#define NAME_MARK "catena:"
enum { NAME_KEY_BYTES_MAX = 1024 };

struct name {
    char bucket[64];
    const char *key; /* points into the text; "" when there is none */
    size_t key_length;
};

bool name_is_marked(const char *text);
/* The text after its mark. */
const char *name_without_mark(const char *text);
/* Splits; prints the error and returns CLI_USAGE if the text names no bucket, its key is too long
 * or not UTF-8, or (needs_key) there is no key. */
enum cli_exit name_parse(const struct cli *cli, const char *text, bool needs_key,
                         struct name *ret_name);
/* Why bytes cannot be a key; NULL if they can. */
const char *name_key_problem(const char *key, size_t length);
/* Makes the key that of a directory: with a slash at its end. No key is the whole bucket and stays.
 * *ret_key: memory of the name, to be freed after it; NULL if none was needed. */
void name_make_directory(struct name *name, char **ret_key);
/* What follows the last '/' that is not at the end. */
const char *name_last_part(const char *key);

/* A key or path on a terminal: control characters and backslashes as \xNN, the rest as it is. */
void name_print(FILE *out, const char *bytes, size_t length);
/* "1.5 MiB" into a caller's array of SHOW_SIZE. */
enum { SHOW_SIZE = 24 };
char *show_bytes(uint64_t bytes, char *out);
/* "2026-11-20 09:32:44Z" */
char *show_time(uint64_t milliseconds, char *out);

#endif
