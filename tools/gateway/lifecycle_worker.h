/* The thread that does what lifecycle rules say: a pass over all buckets with rules, now and then.
 *
 * Any number of gateways may do that at the same time: an object is deleted only while it is the
 * very version that was judged (a condition of the delete, decided by the head of the chain), and
 * an upload that is gone is gone. One object or upload after the other, so the load is bounded.
 *
 * It also remembers the rules of each bucket, as of the last pass or the last change through this
 * gateway, for x-amz-expiration. */
#ifndef CATENA_TOOLS_GATEWAY_LIFECYCLE_WORKER_H
#define CATENA_TOOLS_GATEWAY_LIFECYCLE_WORKER_H

#include "tools/gateway/meta.h"

struct gateway;
struct gw_lifecycle_worker;

/* The first pass begins soon. interval_us 0: there are no passes, and no thread. day_ms: what a day
 * is; shorter in tests. NULL: the thread cannot be started. */
struct gw_lifecycle_worker *gw_lifecycle_worker_new(struct gateway *gateway, uint64_t interval_us,
                                                    uint64_t day_ms);
/* Ends after the operation that is under way. NULL is allowed. */
void gw_lifecycle_worker_free(struct gw_lifecycle_worker *worker);
/* The bucket has these rules now (the document; no data: none). */
void gw_lifecycle_worker_note(struct gw_lifecycle_worker *worker, const char *bucket,
                              struct slice document);
/* The value of x-amz-expiration. False: no rule ends the object. */
bool gw_lifecycle_worker_expiration(struct gw_lifecycle_worker *worker, const char *bucket,
                                    const char *key, size_t key_length, uint64_t size,
                                    uint64_t mtime_ms, const struct gw_tags *tags,
                                    struct text *out);
void gw_lifecycle_worker_print(const struct gw_lifecycle_worker *worker, struct text *out);

#endif
