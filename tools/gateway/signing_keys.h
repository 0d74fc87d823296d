/* Signing keys that were right before: a key of SigV4 is four HMACs from its secret, and the same
 * for all requests of a day, so those of the last requests are remembered. As secret as the
 * secrets: overwritten when replaced and at the end. Any thread. */
#ifndef CATENA_TOOLS_GATEWAY_SIGNING_KEYS_H
#define CATENA_TOOLS_GATEWAY_SIGNING_KEYS_H

#include <stdbool.h>
#include <stdint.h>

struct gw_signing_keys;

struct gw_signing_keys *gw_signing_keys_new(void);
/* NULL is allowed. */
void gw_signing_keys_free(struct gw_signing_keys *keys);
/* secret: stays where it is as long as the keys live (its address names it). False: not known. */
bool gw_signing_keys_find(struct gw_signing_keys *keys, const char *secret, const char *date,
                          const char *region, uint8_t ret_key[32]);
/* Only of requests whose signature was right, so that nobody else can push out what is used. */
void gw_signing_keys_keep(struct gw_signing_keys *keys, const char *secret, const char *date,
                          const char *region, const uint8_t key[32]);

#endif
