/* What is configured for the buckets, as this gateway knows it: read from the masters, and
 * remembered for a moment. The format is that of tools/shared/bucket_document.h. */
#ifndef CATENA_TOOLS_GATEWAY_BUCKET_CONFIG_H
#define CATENA_TOOLS_GATEWAY_BUCKET_CONFIG_H

#include "tools/shared/bucket_document.h"

enum { GW_BUCKET_CONFIG_AGE_US = 1000000 }; /* what a read of the public flag or CORS may be old */

struct gateway;

/* The bucket's configuration, at most max_age_us old (0: as of now). Blocks: workers only.
 * CATENA_OK: *ret_config is the caller's, to drop; a bucket without any gives an empty one.
 * CATENA_NO_BUCKET and others as the library says them. */
enum catena_status gw_bucket_config_load(struct gateway *gateway, const char *bucket,
                                         uint64_t max_age_us, struct gw_bucket_config **ret_config);

/* Sets one section, or with bytes NULL removes it, whatever else changes meanwhile. Blocks: workers
 * only. Errors as gw_bucket_config_change(). Later loads of this gateway see the change. */
enum catena_status gw_bucket_config_update(struct gateway *gateway, const char *bucket,
                                           enum gw_section section, const void *bytes,
                                           size_t length);

/* What this gateway remembers of recently used buckets. */
struct gw_bucket_configs;
struct gw_bucket_configs *gw_bucket_configs_new(void);
void gw_bucket_configs_free(struct gw_bucket_configs *configs);

#endif
