/* Access keys: from the masters, or from a file that only its owner may read.
 *
 * In the file, one key per line; # begins a comment:
 *
 *     key ACCESS-KEY SECRET [RIGHTS]...
 *
 * RIGHTS is BUCKET:read, BUCKET:write (which includes read), BUCKET:owner (which also creates and
 * deletes the bucket); BUCKET may be * or end with *. Without any, the key may do nothing but list
 * its (no) buckets.
 *
 * Secrets stay in memory only and are overwritten when the table is released. */
#ifndef CATENA_TOOLS_GATEWAY_KEYS_H
#define CATENA_TOOLS_GATEWAY_KEYS_H

#include "base/io/args.h"
#include "client/include/catena.h"

enum gw_right { GW_RIGHT_NONE, GW_RIGHT_READ, GW_RIGHT_WRITE, GW_RIGHT_OWNER };

struct gw_keys;
struct gw_key;

/* False: error says why (never with a secret). Refuses a file that group or others can read. */
bool gw_keys_load(const char *path, struct gw_keys **ret_keys, struct text *error);
/* The same from memory, for tests. */
bool gw_keys_parse(struct slice content, struct gw_keys **ret_keys, struct text *error);
/* A copy of what the masters keep. */
struct gw_keys *gw_keys_of_masters(const struct catena_access_keys *table);
void gw_keys_free(struct gw_keys *keys);

/* NULL if unknown. The search goes by a keyed hash whose key nobody knows, and the name is compared
 * in constant time, so that the time tells nothing about which names exist. */
const struct gw_key *gw_keys_find(const struct gw_keys *keys, const char *access_key);
const char *gw_key_name(const struct gw_key *key);
/* The secrets that are valid: index 0 is the present one, 1 the one before a rotation while it is
 * kept. NULL: no more. */
const char *gw_key_secret(const struct gw_key *key, unsigned index);
enum gw_right gw_key_right(const struct gw_key *key, const char *bucket);

#endif
