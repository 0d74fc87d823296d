/* Keeps the gateway's key table as the masters have it: a thread asks them once a second whether
 * anything has changed, so that a key that is created, rotated or revoked counts within two
 * seconds. While they do not answer the last table stays, up to config.keys_max_age_us after it was
 * last known to be current; then requests with keys of the masters get 503. */
#ifndef CATENA_TOOLS_GATEWAY_KEYS_REFRESH_H
#define CATENA_TOOLS_GATEWAY_KEYS_REFRESH_H

#include <stdbool.h>

struct gateway;
struct gw_keys_refresh;

/* Asks once, so that the first requests find their keys, then starts the thread. NULL: no thread.
 */
struct gw_keys_refresh *gw_keys_refresh_start(struct gateway *gateway);
void gw_keys_refresh_stop(struct gw_keys_refresh *refresh); /* NULL is fine */
/* True if the table may be used now. Any thread. */
bool gw_keys_are_current(struct gateway *gateway);

#endif
