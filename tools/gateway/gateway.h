/* What the operations of the gateway share: the gateway itself, one request in work (struct s3),
 * and how to answer. Files: auth.c who may; respond.c answers; body.c what comes in; op_NAME.c
 * operations; service.c the callbacks of the HTTP engine. */
#ifndef CATENA_TOOLS_GATEWAY_GATEWAY_H
#define CATENA_TOOLS_GATEWAY_GATEWAY_H

#include <pthread.h>
#include <stdatomic.h>

#include "client/include/catena.h"
#include "tools/gateway/aws_chunked.h"
#include "tools/gateway/http.h"
#include "tools/gateway/keys.h"
#include "tools/gateway/meta.h"
#include "tools/gateway/metrics.h"
#include "tools/gateway/route.h"

#define GW_OBJECT_BYTES_MAX (5ull << 30) /* of one PUT */

enum {
    GW_DOCUMENT_BYTES_MAX = 2 << 20, /* XML in a request */
    GW_SMALL_BYTES = 64 * 1024,      /* values up to this are put in one message */
    GW_CONDITION_TRIES = 16,
};

struct gw_config {
    const char *region;
    const char *domain; /* NULL: path style only */
    bool is_region_strict;
    bool is_acl_rejected;
    bool is_access_logged;
    uint32_t requests_max;
};

/* Shared by the requests that use it: SIGHUP replaces the table. */
struct gw_key_table {
    atomic_uint references;
    struct gw_keys *keys;
};

struct gw_bucket_cache {
    pthread_mutex_t mutex;
    struct catena_bucket *buckets;
    size_t count;
    uint64_t fetched_us;
};

struct gateway {
    struct gw_config config;
    struct catena_client *client;
    struct gw_metrics *metrics;
    pthread_mutex_t keys_mutex;
    struct gw_key_table *keys;
    struct gw_bucket_cache cache;
    atomic_bool is_draining;
    atomic_uint in_flight;
    uint64_t id_base; /* of request ids */
    atomic_uint_fast64_t id_next;
};

/* A value on its way in: hashed, checked, staged; visible only after sink_commit. */
struct sink {
    struct catena_put_stream *stream; /* NULL while the value is small */
    uint8_t *small;
    size_t small_length;
    uint64_t length;
    struct gw_checksum *md5;
    struct gw_checksum *sha256;
    struct gw_checksum *checksum;
    enum gw_checksum_kind checksum_kind;
    uint8_t md5_value[GW_CHECKSUM_BYTES_MAX]; /* the first 16 */
    char md5_hex[33];
};

/* What the request says about its body. */
struct body_rules {
    bool is_aws_chunked;
    struct aws_chunked decoder;
    bool has_ended;          /* the decoder's end was seen */
    uint64_t decoded_length; /* UINT64_MAX: not said */
    bool has_md5;
    uint8_t md5[16];
    bool has_sha256;
    uint8_t sha256[32];
    enum gw_checksum_kind checksum_kind;
    bool is_checksum_in_trailer;
    char checksum[GW_CHECKSUM_TEXT_SIZE]; /* base64, "" if in the trailer */
};

/* One request in work. */
struct s3 {
    struct gateway *gateway;
    struct http_exchange *exchange;
    const struct gw_request *request;
    struct gw_query query;
    struct gw_route route;
    char request_id[17];
    struct gw_key_table *keys;
    const struct gw_key *key;
    struct sigv4 sigv4;
    bool is_sigv4;
    enum s3_error error; /* of what was answered, for the log */
    struct body_rules body;
    bool wants_document; /* the body is XML for the operation, kept whole */
    struct text document;
    struct sink sink;
    bool has_sink;
    struct catena_get_stream *download;
    uint8_t *first; /* of a download: read before the answer begins */
    size_t first_offset;
    size_t first_length;
    uint64_t download_rest;
};

/* ---- respond.c ---- */
void s3_fail(struct s3 *s3, enum s3_error error, const char *detail);
/* Of the calling thread's last catena call. */
void s3_fail_status(struct s3 *s3, enum catena_status status);
enum s3_error s3_error_of_status(enum catena_status status);
void s3_respond_xml(struct s3 *s3, struct text *document);
void s3_respond_empty(struct s3 *s3, unsigned status);
void s3_add_common_headers(struct s3 *s3);
void s3_add_version(struct s3 *s3, const struct catena_info *info);
void s3_add_etag(struct s3 *s3, const char *etag);
void s3_add_u64(struct s3 *s3, const char *name, uint64_t value);

/* ---- auth.c: engine's thread ---- */
enum s3_error s3_authenticate(struct s3 *s3, const char **ret_detail);
enum s3_error s3_authorize(struct s3 *s3);
bool s3_may(const struct s3 *s3, const char *bucket, enum gw_right right);
struct gw_key_table *gateway_keys_take(struct gateway *gateway);
void gateway_keys_drop(struct gw_key_table *table);
void gateway_keys_replace(struct gateway *gateway, struct gw_keys *keys);

/* ---- body.c ---- */
enum s3_error body_rules_read(struct s3 *s3, const char **ret_detail);
void body_rules_release(struct body_rules *rules);
/* Decodes; what comes out goes to the document or the sink. */
enum s3_error body_take(struct s3 *s3, struct slice bytes);
/* All bytes are there: lengths, digests, trailers. */
enum s3_error body_end(struct s3 *s3, const char **ret_detail);

/* ---- sink.c ---- */
void sink_begin(struct sink *sink, enum gw_checksum_kind kind, bool with_sha256);
enum catena_status sink_write(struct sink *sink, struct catena_client *client, const char *bucket,
                              const void *key, size_t key_length, struct slice bytes);
/* Ends the digests. */
void sink_digest(struct sink *sink);
/* If-Match and If-None-Match of a write; NULL = absent. */
struct write_conditions {
    const char *if_match;
    const char *if_none_match;
};
/* Publishes under the conditions, decided at the head of the chain. The sink is empty afterwards.
 * *ret_status: what the client library said, when the error comes from there. */
enum s3_error sink_commit(struct sink *sink, struct catena_client *client, const char *bucket,
                          const void *key, size_t key_length,
                          const struct write_conditions *conditions, const struct gw_meta *meta,
                          struct catena_info *ret_info, enum catena_status *ret_status);
void sink_release(struct sink *sink);
/* From ETags to the condition of the library. S3_OK: *ret_options holds it. */
enum s3_error write_condition_resolve(struct catena_client *client, const char *bucket,
                                      const void *key, size_t key_length,
                                      const struct write_conditions *conditions,
                                      struct catena_op_options *options,
                                      enum catena_status *ret_status);

/* ---- buckets.c ---- */
/* Fresh, or at most max_age_us old when it says yes. *ret_exists is set with CATENA_OK. */
enum catena_status gateway_bucket_exists(struct gateway *gateway, const char *bucket,
                                         uint64_t max_age_us, bool *ret_exists);

/* ---- batch.c: many small operations at once ---- */
struct batch_item {
    const char *key;
    size_t key_length;
    enum catena_status status;
    struct catena_info info; /* stat: the caller's to release */
    bool is_skipped;
};
void batch_stat(struct catena_client *client, const char *bucket, struct batch_item *items,
                size_t count);
void batch_delete(struct catena_client *client, const char *bucket, struct batch_item *items,
                  size_t count);

/* ---- operations: workers; the body is complete ---- */
void op_list_buckets(struct s3 *s3);
void op_create_bucket(struct s3 *s3);
void op_delete_bucket(struct s3 *s3);
void op_head_bucket(struct s3 *s3);
void op_get_location(struct s3 *s3);
void op_list(struct s3 *s3);
void op_delete_objects(struct s3 *s3);
void op_stub(struct s3 *s3);
void op_put_object(struct s3 *s3);
void op_copy_object(struct s3 *s3);
void op_get_object(struct s3 *s3);
void op_head_object(struct s3 *s3);
void op_delete_object(struct s3 *s3);
void op_put_acl(struct s3 *s3);
bool op_get_produce(struct s3 *s3, uint8_t *bytes, size_t size, size_t *ret_length);
/* Refused headers and parameters, for every operation. Engine's thread. */
enum s3_error op_check_headers(struct s3 *s3, const char **ret_detail);

/* ---- service.c, admin.c ---- */
extern const struct http_callbacks gw_service;
extern const struct http_callbacks gw_admin;
/* "null", empty or absent name the only version there is. */
bool s3_version_is_current(const char *version_id);
uint64_t gw_monotonic_us(void);
uint64_t gw_wall_ms(void);

#endif
