/* What the tests of multipart uploads do over and over; each step ends the test if it goes wrong.
 */
#ifndef CATENA_TESTS_INTEGRATION_PARTS_H
#define CATENA_TESTS_INTEGRATION_PARTS_H

#include <stdint.h>

#include "client/include/catena.h"
#include "tests/integration/lib/cluster.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            test_fail("%s:%d: %s", __FILE__, __LINE__, #condition);                                \
    } while (0)

extern const char parts_bucket[];

void parts_expect(enum catena_status status, enum catena_status wanted, const char *what);
/* Of the masters in CATENA_MASTERS. */
struct catena_client *parts_client(void);
double parts_now(void); /* seconds */
/* Bytes that depend on `seed` and position; freed by the caller. */
uint8_t *parts_bytes(uint64_t seed, size_t length);
struct catena_upload_id parts_begin(struct catena_client *client, const char *key);
/* One part with "part N" as its metadata; the status is that of its commit. */
enum catena_status parts_try(struct catena_client *client, const char *key,
                             struct catena_upload_id upload, uint32_t number, const void *bytes,
                             size_t length, struct catena_info *ret_info);
struct catena_version parts_put(struct catena_client *client, const char *key,
                                struct catena_upload_id upload, uint32_t number, const void *bytes,
                                size_t length);
enum catena_status parts_complete(struct catena_client *client, const char *key,
                                  struct catena_upload_id upload,
                                  const struct catena_part_choice *choices, size_t count,
                                  const struct catena_op_options *options,
                                  struct catena_info *ret_info);
void parts_expect_value(struct catena_client *client, const char *key, const void *bytes,
                        size_t length);

#endif
