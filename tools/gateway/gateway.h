/* What the operations of the gateway share: the gateway itself, one request in work (struct s3),
 * and how to answer. Files: auth.c who may; respond.c answers; body.c what comes in; op_NAME.c
 * operations; service.c the callbacks of the HTTP engine. */
#ifndef CATENA_TOOLS_GATEWAY_GATEWAY_H
#define CATENA_TOOLS_GATEWAY_GATEWAY_H

#include <pthread.h>
#include <stdatomic.h>

#include "client/include/catena.h"
#include "tools/gateway/aws_chunked.h"
#include "tools/gateway/bucket_config.h"
#include "tools/gateway/http.h"
#include "tools/gateway/keys.h"
#include "tools/gateway/meta.h"
#include "tools/gateway/metrics.h"
#include "tools/gateway/route.h"
#include "tools/gateway/signing_keys.h"

#define GW_OBJECT_BYTES_MAX (5ull << 30) /* of one PUT */

enum {
    GW_DOCUMENT_BYTES_MAX = 2 << 20, /* XML in a request */
    GW_SMALL_BYTES = 64 * 1024,      /* values up to this are put in one message */
    GW_CONDITION_TRIES = 128,        /* a power of two */
};

struct gw_config {
    const char *region;
    const char *domain; /* NULL: path style only */
    bool is_region_strict;
    bool is_acl_rejected;
    bool is_public_allowed; /* owners may make a bucket public by its ACL */
    uint64_t keys_max_age_us;
    bool is_access_logged;
    bool is_tls;
    uint32_t requests_max;
};

/* The first one that knows a name decides. */
enum gw_key_source { GW_KEYS_OF_FILE, GW_KEYS_OF_MASTERS, GW_KEY_SOURCES };

/* Shared by the requests that use it: SIGHUP or a change in the masters replaces the table. */
struct gw_key_table {
    atomic_uint references;
    struct gw_keys *keys;
    struct gw_signing_keys *signing_keys; /* of its secrets */
};

struct gw_bucket_cache {
    pthread_mutex_t mutex;
    struct catena_bucket *buckets;
    size_t count;
    uint64_t fetched_us;
};

struct gw_lifecycle_worker;
struct post;

struct gateway {
    struct gw_config config;
    struct catena_client *client;
    struct gw_metrics *metrics;
    pthread_mutex_t keys_mutex;
    struct gw_key_table *keys[GW_KEY_SOURCES];
    atomic_uint_fast64_t keys_asked_us; /* when the masters last said that they are current */
    struct gw_bucket_cache cache;
    struct gw_bucket_configs *bucket_configs;
    struct gw_lifecycle_worker *lifecycle;
    atomic_bool is_draining;
    atomic_uint in_flight; /* requests of known senders, at most config.requests_max */
    atomic_uint strangers; /* those of others, until their bodies are whole */
    uint64_t id_base;      /* of request ids */
    atomic_uint_fast64_t id_next;
};

/* A value on its way in: hashed, checked, staged; visible only after sink_commit. */
struct sink {
    struct catena_put_stream *stream; /* NULL while the value is small */
    bool was_staged;                  /* so it is not in `small` */
    uint32_t part_number;             /* not 0: a part of `upload` */
    struct catena_upload_id upload;
    uint8_t *small;
    size_t small_length;
    size_t small_capacity;
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

/* What the client library said to a request that waits for it without a worker. */
struct early {
    bool has_ended;
    enum catena_status status;
    struct catena_info info; /* with its metadata */
};

/* Which of the places for requests one has. */
enum place { PLACE_NONE, PLACE_STRANGER, PLACE_KNOWN };

/* One request in work. */
struct s3 {
    struct gateway *gateway;
    enum place place; /* among the requests that are under way */
    struct http_exchange *exchange;
    const struct gw_request *request;
    struct gw_query query;
    struct gw_route route;
    char request_id[17];
    struct gw_key_table *keys;
    const struct gw_key *key; /* NULL: anonymous */
    const char *secret;       /* the one of the key's that the request was signed with */
    bool must_be_public;      /* allowed only if the bucket is */
    struct sigv4 sigv4;
    bool is_sigv4;
    struct gw_request presigned;    /* with the headers that came as parameters */
    enum s3_error error;            /* of what was answered, for the log */
    const struct gw_route *subject; /* of an error, while it is answered; NULL: route */
    enum s3_error deferred;         /* to be answered by a worker */
    const char *detail; /* of an error that comes from the body, or was deferred; may be NULL */
    bool has_cors;      /* the headers were added, or are not wanted */
    struct post *post;  /* a form upload; NULL otherwise */
    struct body_rules body;
    bool wants_document; /* the body is XML for the operation, kept whole */
    struct text document;
    struct sink sink;
    bool has_sink;
    struct catena_upload_id upload; /* of an operation on a multipart upload */
    uint32_t part_number;
    bool is_body_taken; /* by start */
    struct early early;
    struct catena_get_stream *download;
    uint8_t *value; /* that came with the answer */
    size_t value_length;
    const uint8_t *first; /* of a download, lent: read before the answer begins */
    size_t first_length;
    uint64_t download_rest; /* not counting `first` */
};

/* ---- service.c ---- */
/* The sender is known, or all of the request is there. False: there are too many. */
bool s3_take_place(struct s3 *s3);

/* ---- respond.c ---- */
void s3_fail(struct s3 *s3, enum s3_error error, const char *detail);
/* Of the calling thread's last catena call. */
void s3_fail_status(struct s3 *s3, enum catena_status status);
enum s3_error s3_error_of_status(enum catena_status status);
/* Of a write: the status says more than the error, when it is not CATENA_OK. */
void s3_fail_write(struct s3 *s3, enum s3_error error, enum catena_status status);
/* What a gateway kept with the object. Release it. */
void s3_decode_meta(const struct catena_info *info, struct gw_meta *ret_meta);
void s3_respond_xml(struct s3 *s3, struct text *document);
void s3_respond_empty(struct s3 *s3, unsigned status);
void s3_add_common_headers(struct s3 *s3);
void s3_add_version(struct s3 *s3, const struct catena_info *info);
void s3_add_etag(struct s3 *s3, const char *etag);
/* x-amz-checksum-NAME and x-amz-checksum-type, if there is one. */
void s3_add_checksum(struct s3 *s3, const struct gw_meta *meta);
/* The same as elements of XML. */
void s3_append_checksum(struct text *out, const struct gw_meta *meta);
void s3_append_etag(struct text *out, const char *etag);
void s3_add_u64(struct s3 *s3, const char *name, uint64_t value);
/* x-amz-expiration of the request's object, if a lifecycle rule will end it. */
void s3_add_expiration(struct s3 *s3, uint64_t size, uint64_t mtime_ms, const struct gw_tags *tags);

/* ---- auth.c: engine's thread ---- */
enum s3_error s3_authenticate(struct s3 *s3, const char **ret_detail);
/* Of the route; an anonymous request, or one of a key without the right, may still be one for a
 * public bucket: then must_be_public is set. */
enum s3_error s3_authorize(struct s3 *s3, const char **ret_detail);
/* must_be_public: answers with the refusal if the bucket is not. Workers only. */
void s3_check_public(struct s3 *s3);
/* Sets s3->key. */
enum s3_error s3_find_key(struct s3 *s3, const char *name, const char **ret_detail);
bool s3_may(const struct s3 *s3, const char *bucket, enum gw_right right);
struct gw_key_table *gateway_keys_take(struct gateway *gateway, enum gw_key_source source);
void gateway_keys_drop(struct gw_key_table *table);
void gateway_keys_replace(struct gateway *gateway, enum gw_key_source source, struct gw_keys *keys);

/* ---- body.c ---- */
enum s3_error body_rules_read(struct s3 *s3, const char **ret_detail);
void body_rules_release(struct body_rules *rules);
/* Decodes; what comes out goes to the document or the sink. */
enum s3_error body_take(struct s3 *s3, struct slice bytes);
/* Decoded bytes to where they belong. */
enum s3_error body_deliver(struct s3 *s3, struct slice bytes);
/* All bytes are there: lengths, digests, trailers. */
enum s3_error body_end(struct s3 *s3, const char **ret_detail);

/* ---- sink.c ---- */
void sink_begin(struct sink *sink, enum gw_checksum_kind kind, bool with_sha256);
enum catena_status sink_write(struct sink *sink, struct catena_client *client, const char *bucket,
                              const void *key, size_t key_length, struct slice bytes);
/* Ends the digests. */
void sink_digest(struct sink *sink);
/* Before the first byte: the value is a part of a multipart upload. */
void sink_be_part(struct sink *sink, struct catena_upload_id upload, uint32_t number);
/* Publishes under the conditions, decided at the head of the chain. *ret_status: what the client
 * library said, when the error comes from there. */
struct write_conditions;
enum s3_error sink_commit(struct sink *sink, struct catena_client *client, const char *bucket,
                          const void *key, size_t key_length,
                          const struct write_conditions *conditions, const struct gw_meta *meta,
                          struct catena_info *ret_info, enum catena_status *ret_status);
enum catena_status sink_commit_part(struct sink *sink, struct catena_client *client,
                                    const char *bucket, const void *key, size_t key_length,
                                    const struct catena_op_options *options,
                                    struct catena_info *ret_info);
void sink_release(struct sink *sink);

/* ---- conditional.c ---- */
/* If-Match and If-None-Match of a write (NULL = absent), and the token of x-catena-request-id (both
 * zero = none). */
struct write_conditions {
    const char *if_match;
    const char *if_none_match;
    uint64_t token_high;
    uint64_t token_low;
};
struct write_conditions s3_write_conditions(const struct s3 *s3);
/* One call of the client library that changes the object, under the condition and token of the
 * options; made again when the condition was overtaken. */
struct write_attempt {
    enum catena_status (*run)(void *context, const struct catena_op_options *options,
                              struct catena_info *ret_info);
    void *context;
};
/* options: metadata. S3_OK: *ret_info is the caller's to release. Else *ret_status is what the
 * library said, or CATENA_OK when the conditions decided. */
enum s3_error write_conditionally(struct catena_client *client, const char *bucket, const void *key,
                                  size_t key_length, const struct write_conditions *conditions,
                                  const struct write_attempt *attempt,
                                  struct catena_op_options *options, struct catena_info *ret_info,
                                  enum catena_status *ret_status);
/* Gives the request's object other metadata: `change` makes the new from what is there (and may
 * refuse); it is called again when somebody else was faster. */
struct restamp {
    const struct write_conditions *conditions;
    bool keep_mtime;
    enum s3_error (*change)(void *context, const struct catena_info *info, struct gw_meta *meta);
    void *context;
};
/* S3_OK: *ret_meta and *ret_info are the caller's to release. */
enum s3_error s3_restamp(struct s3 *s3, const struct restamp *restamp, struct gw_meta *ret_meta,
                         struct catena_info *ret_info, enum catena_status *ret_status);

/* ---- op_put.c ---- */
/* Publishes what is in the sink, with its MD5 as ETag. False: the request is answered. */
bool s3_commit(struct s3 *s3, const struct write_conditions *conditions, struct gw_meta *meta,
               struct catena_info *ret_info);

/* ---- copy_source.c ---- */
struct copy_source {
    struct gw_route route;
    bool is_self;    /* the request's own object */
    uint64_t offset; /* of what is copied */
    uint64_t length; /* UINT64_MAX: to the end */
    struct catena_get_stream *stream;
    struct catena_info info;
    struct gw_meta meta;
};
/* x-amz-copy-source, and the right to read it. Release in every case. */
enum s3_error copy_source_parse(struct s3 *s3, struct copy_source *source, const char **ret_detail);
/* x-amz-copy-source-if-...: S3_OK or S3_PreconditionFailed. */
enum s3_error copy_source_check(const struct s3 *s3, const struct catena_info *info,
                                const struct gw_meta *meta);
/* Opens one version and checks the conditions against it. False: the request is answered. */
bool copy_source_open(struct s3 *s3, struct copy_source *source);
/* All of it into the sink, whose digests end. False: the request is answered. */
bool copy_source_read(struct s3 *s3, struct copy_source *source);
void copy_source_release(struct copy_source *source);

/* ---- op_part.c ---- */
/* uploadId and partNumber. Engine's thread. */
enum s3_error multipart_read_query(struct s3 *s3, const char **ret_detail);
/* Looks the upload up and makes the sink one for the part. */
enum s3_error part_begin(struct s3 *s3, enum catena_status *ret_status);

/* ---- buckets.c ---- */
/* Fresh, or at most max_age_us old when it says yes. *ret_exists is set with CATENA_OK. */
enum catena_status gateway_bucket_exists(struct gateway *gateway, const char *bucket,
                                         uint64_t max_age_us, bool *ret_exists);

/* ---- batch.c: many deletions at once ---- */
struct batch_item {
    const char *key;
    size_t key_length;
    enum catena_status status;
    bool is_skipped;
};
void batch_delete(struct catena_client *client, const char *bucket, struct batch_item *items,
                  size_t count);

/* ---- op_post.c: form uploads ---- */
enum s3_error post_begin(struct s3 *s3, const char **ret_detail);
/* Errors: s3->detail. */
enum s3_error post_take(struct s3 *s3, struct slice bytes);
enum s3_error post_end(struct s3 *s3);
void post_release(struct post *post);

/* ---- op_cors.c ---- */
/* If the request comes from a web page: the headers by which its browser lets it see the answer.
 * Blocks: workers only. */
void s3_add_cors(struct s3 *s3);

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
void op_preflight(struct s3 *s3);
void op_post_object(struct s3 *s3);
void op_get_bucket_section(struct s3 *s3);
void op_put_bucket_section(struct s3 *s3);
void op_delete_bucket_section(struct s3 *s3);
void op_get_acl(struct s3 *s3);
/* op_acl.c: CreateBucket with a canned ACL, where ACLs count. */
enum catena_status s3_apply_bucket_acl(struct s3 *s3);
/* op_bucket.c */
void s3_append_owner(struct text *out, const char *element);
/* True if bucket and, for an object's sub-resource, object are there; otherwise the request is
 * answered. */
bool s3_require_subject(struct s3 *s3);
void op_create_upload(struct s3 *s3);
void op_upload_part(struct s3 *s3);
void op_upload_part_copy(struct s3 *s3);
void op_complete_upload(struct s3 *s3);
void op_abort_upload(struct s3 *s3);
void op_list_parts(struct s3 *s3);
void op_list_uploads(struct s3 *s3);
void op_get_attributes(struct s3 *s3);
void op_get_tagging(struct s3 *s3);
void op_put_tagging(struct s3 *s3);
void op_delete_tagging(struct s3 *s3);
bool op_get_produce(struct s3 *s3, const uint8_t **ret_bytes, size_t *ret_length);
/* Without a worker, on the engine's thread. False: not this request, or not now. Then ..._resume
 * follows when the library has answered; false: op_get_object goes on. */
bool op_get_start(struct s3 *s3);
bool op_get_resume(struct s3 *s3);
bool op_head_start(struct s3 *s3);
void op_head_resume(struct s3 *s3);
bool op_put_start(struct s3 *s3);
void op_put_resume(struct s3 *s3);
/* In a callback of the library: keeps the result and lets the request go on. */
void s3_end_early(struct s3 *s3, const struct catena_result *result);
/* Refused headers and parameters, for every operation. Engine's thread. */
enum s3_error op_check_headers(struct s3 *s3, const char **ret_detail);

/* ---- service.c, admin.c ---- */
extern const struct http_callbacks gw_service;
extern const struct http_callbacks gw_admin;
/* catena_options.round_ended: lets the requests of s3_end_early go on. */
void gateway_round_ended(void *context);
/* "null", empty or absent name the only version there is. */
bool s3_version_is_current(const char *version_id);
static inline uint64_t gw_monotonic_us(void)
{
    return http_now_us();
}
uint64_t gw_wall_ms(void);

#endif
