/* libcatena: the client library of the Catena object store. The only public header.
 *
 * Objects live in buckets under keys of 1 to 1,024 bytes of UTF-8. Every operation is linearizable.
 * An operation that succeeded is on stable storage on every serving replica.
 *
 * Threads: a `catena_client` may be used by many threads at once. A stream (catena_put_stream,
 * catena_get_stream) belongs to one thread at a time. Callbacks of asynchronous calls run on
 * threads of the library, one at a time, never inside a call of the user's; they must not block and
 * must not make blocking calls; they may start asynchronous ones.
 *
 * Memory: strings and buffers passed in may be reused as soon as a blocking call returns; for
 * asynchronous calls keys are copied and *values* must stay valid until the callback (they are not
 * copied). What the library returns is released by the matching ..._free or ..._release.
 *
 * Errors: every call returns an enum catena_status. catena_error_text() gives a sentence about the
 * last failure of this thread: what happened, to which object or server, and what to do. For
 * updates, CATENA_OUTCOME_UNKNOWN is the only status after which the update may or may not have
 * happened; any other failure means that it did not and will not. */
#ifndef CATENA_H
#define CATENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CATENA_VERSION_MAJOR 0
#define CATENA_VERSION_MINOR 1
#define CATENA_VERSION_PATCH 0

#if defined(__GNUC__)
#define CATENA_API __attribute__((visibility("default")))
#else
#define CATENA_API
#endif

enum catena_status {
    CATENA_OK = 0,
    CATENA_INVALID, /* an argument is out of range; the text says which */
    CATENA_NO_KEY,
    CATENA_NO_BUCKET,
    CATENA_BUCKET_EXISTS,
    CATENA_BUCKET_NOT_EMPTY,
    CATENA_CONDITION_FAILED, /* info, when given, holds the version that was found */
    CATENA_TOO_LARGE,
    CATENA_NO_SPACE,
    CATENA_TIMEOUT,         /* a read, or an update that surely did not happen */
    CATENA_OUTCOME_UNKNOWN, /* an update that may or may not have happened */
    CATENA_UNREACHABLE,     /* no master or no replica could be reached; did not happen */
    CATENA_CORRUPT,         /* stored data does not match its checksum on any replica */
    CATENA_CANCELLED,
    CATENA_WRONG_CLUSTER,
    CATENA_BUSY, /* refused for load after all retries */
    CATENA_IO,   /* the caller's reader or writer failed */
    CATENA_UNSUPPORTED,
    CATENA_INTERNAL,
    CATENA_NO_UPLOAD, /* the multipart upload is unknown: completed, aborted or never begun */
    CATENA_NO_PART,   /* a part that was named is not there, or not in that version */
    CATENA_NO_ACCESS_KEY,
    CATENA_EXISTS, /* an access key of that name exists */
};

/* Constant name ("CATENA_NO_KEY") and one plain sentence for a status. */
CATENA_API const char *catena_status_name(enum catena_status status);
CATENA_API const char *catena_status_text(enum catena_status status);
/* Sentence about the last failed call of this thread; "" if none. Valid until the thread's next
 * call. */
CATENA_API const char *catena_error_text(void);

struct catena_client;

struct catena_options {
    size_t struct_size;    /* sizeof(struct catena_options): lets the struct grow */
    const char *masters;   /* "host:port,host:port,..."; NULL: environment CATENA_MASTERS */
    uint32_t timeout_ms;   /* default deadline of an operation; 0 = 30,000 */
    uint32_t window_bytes; /* in flight per stream; 0 = 8 MiB. Bounds a stream's memory */
    uint32_t requests_max; /* in flight per client; 0 = 1,024. More block (or get CATENA_BUSY if
                              async) */
    /* Where callbacks run: after those of one round. Who hands results over to other threads can
     * wake them here, once for many. NULL: none. */
    void (*round_ended)(void *context);
    void *round_context;
};

#define CATENA_OPTIONS_INIT                                                                        \
    {                                                                                              \
        .struct_size = sizeof(struct catena_options)                                               \
    }

/* Connects to the masters and fetches the map from any of them; waits for it up to the time-out,
 * but gives up after three seconds when every master has failed (the text names each with the
 * reason). A cluster whose chains are not initialised yet can be opened. */
CATENA_API enum catena_status catena_open(const struct catena_options *options,
                                          struct catena_client **ret_client);
/* Ends all asynchronous operations (their callbacks see CATENA_CANCELLED or CATENA_OUTCOME_UNKNOWN)
 * and frees. Streams have to be closed and blocking calls to have returned before; not from a
 * callback. NULL is allowed. */
CATENA_API void catena_close(struct catena_client *client);

/* The version of an object: grows with every change of it, for ever, across delete and re-create.
 */
struct catena_version {
    uint64_t epoch;
    uint64_t lsn;
};
enum { CATENA_VERSION_TEXT_SIZE = 42 };
/* "epoch.lsn". Returns text. */
CATENA_API char *catena_version_format(struct catena_version version, char *text);
CATENA_API bool catena_version_parse(const char *text, struct catena_version *ret_version);

enum catena_condition {
    CATENA_ALWAYS = 0,
    CATENA_IF_ABSENT,  /* If-None-Match: * */
    CATENA_IF_VERSION, /* If-Match: that version */
    CATENA_IF_EXISTS,  /* If-Match: * */
};

/* Per-operation options; NULL = defaults. */
struct catena_op_options {
    size_t struct_size;
    uint32_t timeout_ms; /* 0 = the client's */
    enum catena_condition condition;
    struct catena_version version; /* for CATENA_IF_VERSION */
    const void *meta;              /* client metadata stored with the object, at most 8,192 bytes */
    size_t meta_length;
    /* Puts (whole, streamed, of parts, completions, restamps) that carry the same token (not both
     * zero; a hash of the caller's request name) for one key have one effect, whoever sends them:
     * later ones get the outcome of the first, for at least an hour. The id of a multipart upload
     * that is begun with a token is the token. A deletion with a token is CATENA_INVALID. */
    uint64_t token_high;
    uint64_t token_low;
};

#define CATENA_OP_OPTIONS_INIT                                                                     \
    {                                                                                              \
        .struct_size = sizeof(struct catena_op_options)                                            \
    }

struct catena_upload_id {
    uint64_t high;
    uint64_t low;
};

struct catena_info {
    struct catena_version version;
    uint64_t size;     /* bytes */
    uint64_t checksum; /* XXH3-64 of the value; part_count > 0: of the list of its parts */
    uint64_t mtime_ms; /* since 1970, by the clock of the head, informative only; updates: 0 */
    uint32_t
        replicas_durable; /* updates: how many replicas had it on disk at the reply; reads: 0 */
    void *meta;           /* owned: catena_info_release */
    size_t meta_length;
    uint32_t part_count;            /* of a value that was assembled from parts; else 0 */
    struct catena_upload_id upload; /* part_count > 0: the multipart upload that it came from */
};
CATENA_API void catena_info_release(struct catena_info *info);

/* Buckets: 3 to 63 of a-z 0-9 . -, starting and ending with a letter or digit. */
CATENA_API enum catena_status catena_bucket_create(struct catena_client *client,
                                                   const char *bucket);
CATENA_API enum catena_status catena_bucket_delete(struct catena_client *client,
                                                   const char *bucket);
struct catena_bucket {
    char name[64];
    uint64_t created_ms;
};
/* *ret_buckets: array in name order, freed with free(). */
CATENA_API enum catena_status catena_bucket_list(struct catena_client *client,
                                                 struct catena_bucket **ret_buckets,
                                                 size_t *ret_count);

/* Whole objects. info may be NULL; otherwise release it. Keys are bytes with a length. */
CATENA_API enum catena_status catena_put(struct catena_client *client, const char *bucket,
                                         const void *key, size_t key_length, const void *value,
                                         size_t value_length,
                                         const struct catena_op_options *options,
                                         struct catena_info *ret_info);
/* *ret_value: freed with free(). Values over 256 MiB: use a stream (CATENA_TOO_LARGE). */
CATENA_API enum catena_status catena_get(struct catena_client *client, const char *bucket,
                                         const void *key, size_t key_length,
                                         const struct catena_op_options *options, void **ret_value,
                                         size_t *ret_length, struct catena_info *ret_info);
/* Bytes [offset, offset + length) of the value, cut at its end. */
CATENA_API enum catena_status catena_get_range(struct catena_client *client, const char *bucket,
                                               const void *key, size_t key_length, uint64_t offset,
                                               uint64_t length,
                                               const struct catena_op_options *options,
                                               void **ret_value, size_t *ret_length,
                                               struct catena_info *ret_info);
CATENA_API enum catena_status catena_stat(struct catena_client *client, const char *bucket,
                                          const void *key, size_t key_length,
                                          const struct catena_op_options *options,
                                          struct catena_info *ret_info);
/* Deleting what is not there is CATENA_NO_KEY. */
CATENA_API enum catena_status catena_delete(struct catena_client *client, const char *bucket,
                                            const void *key, size_t key_length,
                                            const struct catena_op_options *options,
                                            struct catena_info *ret_info);

/* Asynchronous forms. `value` of a get callback is valid during the callback only. Return CATENA_OK
 * when the callback will be called exactly once; otherwise it will not be called. */
struct catena_result {
    enum catena_status status;
    const char *error_text;
    const struct catena_info *info; /* valid during the callback */
    const void *value;
    size_t value_length;
};
typedef void (*catena_callback)(void *context, const struct catena_result *result);
CATENA_API enum catena_status catena_put_async(struct catena_client *client, const char *bucket,
                                               const void *key, size_t key_length,
                                               const void *value, size_t value_length,
                                               const struct catena_op_options *options,
                                               catena_callback callback, void *context);
CATENA_API enum catena_status catena_get_async(struct catena_client *client, const char *bucket,
                                               const void *key, size_t key_length,
                                               const struct catena_op_options *options,
                                               catena_callback callback, void *context);
/* Between the two, what the calling thread starts with asynchronous calls is gathered, and sent at
 * the end: one message to each server for many small operations. They may begin earlier, and
 * blocking calls work as ever. Not nested; not in callbacks, which need neither. */
CATENA_API void catena_batch_begin(struct catena_client *client);
CATENA_API void catena_batch_end(struct catena_client *client);
CATENA_API enum catena_status catena_stat_async(struct catena_client *client, const char *bucket,
                                                const void *key, size_t key_length,
                                                const struct catena_op_options *options,
                                                catena_callback callback, void *context);
CATENA_API enum catena_status catena_delete_async(struct catena_client *client, const char *bucket,
                                                  const void *key, size_t key_length,
                                                  const struct catena_op_options *options,
                                                  catena_callback callback, void *context);

/* Streaming put: nothing is visible before catena_put_stream_commit() returns CATENA_OK. Write
 * blocks while the window is full. Abort (or a dead client) leaves nothing visible; its bytes are
 * reclaimed. */
struct catena_put_stream;
CATENA_API enum catena_status catena_put_stream_open(struct catena_client *client,
                                                     const char *bucket, const void *key,
                                                     size_t key_length,
                                                     const struct catena_op_options *options,
                                                     struct catena_put_stream **ret_stream);
CATENA_API enum catena_status catena_put_stream_write(struct catena_put_stream *stream,
                                                      const void *bytes, size_t length);
/* Replaces the options of catena_put_stream_open, before the commit: for a condition or metadata (a
 * digest of the value) that are known only at its end. */
CATENA_API enum catena_status
catena_put_stream_set_options(struct catena_put_stream *stream,
                              const struct catena_op_options *options);
/* Publishes and frees the stream, except after CATENA_CONDITION_FAILED: then the stream stays with
 * all that was written, to be published again (under other options) or aborted. */
CATENA_API enum catena_status catena_put_stream_publish(struct catena_put_stream *stream,
                                                        struct catena_info *ret_info);
/* Publishes and frees the stream, whatever the outcome. */
CATENA_API enum catena_status catena_put_stream_commit(struct catena_put_stream *stream,
                                                       struct catena_info *ret_info);
/* Frees the stream. NULL is allowed. */
CATENA_API void catena_put_stream_abort(struct catena_put_stream *stream);

/* Streaming get of [offset, offset + length), one version throughout; length UINT64_MAX = to the
 * end. */
struct catena_get_stream;
CATENA_API enum catena_status
catena_get_stream_open(struct catena_client *client, const char *bucket, const void *key,
                       size_t key_length, uint64_t offset, uint64_t length,
                       const struct catena_op_options *options,
                       struct catena_get_stream **ret_stream, struct catena_info *ret_info);
/* The whole value, without waiting for the object to be found. A value that came with the answer
 * (as those of up to 64 KiB do that were put in one piece) is in result->value, during the
 * callback; stream is NULL then, or after a failure. Otherwise the stream is the user's, who must
 * not read or close it in the callback. */
typedef void (*catena_stream_callback)(void *context, const struct catena_result *result,
                                       struct catena_get_stream *stream);
CATENA_API enum catena_status
catena_get_stream_open_async(struct catena_client *client, const char *bucket, const void *key,
                             size_t key_length, const struct catena_op_options *options,
                             catena_stream_callback callback, void *context);
/* *ret_length 0 = the end. Every byte was verified against its checksum before it is returned.
 * CATENA_NO_KEY: the object was replaced or deleted long enough ago for its bytes to be gone. */
CATENA_API enum catena_status catena_get_stream_read(struct catena_get_stream *stream, void *bytes,
                                                     size_t size, size_t *ret_length);
/* The same without a copy: *ret_bytes are the library's, valid until the next call on the stream.
 * At most size of them. */
CATENA_API enum catena_status catena_get_stream_next(struct catena_get_stream *stream, size_t size,
                                                     const void **ret_bytes, size_t *ret_length);
CATENA_API void catena_get_stream_close(struct catena_get_stream *stream);

/* Listing in byte order of keys; complete or an error, never short. */
struct catena_list_item {
    char *key; /* key_length bytes, then a NUL */
    size_t key_length;
    uint64_t size;
    struct catena_version version;
    uint64_t mtime_ms;
    uint64_t checksum;
    bool is_prefix; /* a group folded by the delimiter: key is the common prefix */
    void *meta;     /* catena_list_with_meta only; freed with the list */
    size_t meta_length;
    uint32_t part_count;
};
struct catena_list {
    struct catena_list_item *items;
    size_t count;
    bool truncated; /* more follows: go on with start_after = the last key */
};
CATENA_API enum catena_status catena_list(struct catena_client *client, const char *bucket,
                                          const void *prefix, size_t prefix_length,
                                          const void *start_after, size_t start_after_length,
                                          const char *delimiter, uint32_t limit,
                                          struct catena_list *ret_list);
/* The same, with each object's metadata. A page may be cut shorter than the limit (truncated). */
CATENA_API enum catena_status
catena_list_with_meta(struct catena_client *client, const char *bucket, const void *prefix,
                      size_t prefix_length, const void *start_after, size_t start_after_length,
                      const char *delimiter, uint32_t limit, struct catena_list *ret_list);
CATENA_API void catena_list_release(struct catena_list *list);

/* Gives an object other metadata: the same bytes, a new version, without copying them. The options
 * say the condition and the metadata. keep_mtime: mtime_ms stays what it was. CATENA_NO_KEY when
 * there is no object. ret_info: the version; size and checksum are not told. */
CATENA_API enum catena_status catena_restamp(struct catena_client *client, const char *bucket,
                                             const void *key, size_t key_length, bool keep_mtime,
                                             const struct catena_op_options *options,
                                             struct catena_info *ret_info);

/* ---- multipart: a value that is assembled from parts ----
 *
 * Parts are uploaded apart, in any order, by any number of clients, and may be replaced until the
 * upload is completed. Everything lives on the chain of the key, and completing is one step of it:
 * the object appears as a whole, under a condition if wanted. An upload stays until it is completed
 * or aborted, or its bucket is deleted. */
enum {
    CATENA_PARTS_MAX = 10000,     /* numbers 1 to this */
    CATENA_PART_META_MAX = 64,    /* bytes of metadata with each part */
    CATENA_UPLOAD_TEXT_SIZE = 33, /* 32 hex digits */
};
CATENA_API char *catena_upload_format(struct catena_upload_id upload, char *text);
CATENA_API bool catena_upload_parse(const char *text, struct catena_upload_id *ret_upload);

/* options->meta is kept with the upload (catena_multipart_parts returns it), not with the object.
 * No condition: that is for the completion. */
CATENA_API enum catena_status catena_multipart_create(struct catena_client *client,
                                                      const char *bucket, const void *key,
                                                      size_t key_length,
                                                      const struct catena_op_options *options,
                                                      struct catena_upload_id *ret_upload);
/* A stream whose commit makes what was written part `number` (at most CATENA_PART_META_MAX bytes of
 * options->meta, no condition; a part may be empty). ret_info of the commit: version, size and
 * checksum of the part. The commit is CATENA_NO_UPLOAD when the upload has ended meanwhile. */
CATENA_API enum catena_status
catena_multipart_part_open(struct catena_client *client, const char *bucket, const void *key,
                           size_t key_length, struct catena_upload_id upload, uint32_t number,
                           const struct catena_op_options *options,
                           struct catena_put_stream **ret_stream);

struct catena_part {
    uint32_t number;
    uint64_t size;
    uint64_t checksum;
    struct catena_version version;
    uint64_t mtime_ms;
    uint8_t meta[CATENA_PART_META_MAX];
    size_t meta_length;
};
struct catena_parts {
    struct catena_part *items; /* by number */
    size_t count;
    bool truncated; /* more follows: go on after the last number */
    void *meta;     /* of the upload */
    size_t meta_length;
    uint64_t created_ms;
};
CATENA_API enum catena_status
catena_multipart_parts(struct catena_client *client, const char *bucket, const void *key,
                       size_t key_length, struct catena_upload_id upload, uint32_t after,
                       uint32_t limit, struct catena_parts *ret_parts);
CATENA_API void catena_parts_release(struct catena_parts *parts);

/* Publishes the chosen parts, in the order of their numbers (strictly growing); `version` {0, 0}
 * takes the part as it is. The others are dropped. CATENA_NO_PART: nothing happened, the upload
 * goes on. CATENA_NO_UPLOAD after a success of somebody else: see catena_info.upload of the object.
 * ret_info: version, part_count, upload; the size is not told. */
struct catena_part_choice {
    uint32_t number;
    struct catena_version version;
};
CATENA_API enum catena_status
catena_multipart_complete(struct catena_client *client, const char *bucket, const void *key,
                          size_t key_length, struct catena_upload_id upload,
                          const struct catena_part_choice *choices, size_t count,
                          const struct catena_op_options *options, struct catena_info *ret_info);
CATENA_API enum catena_status catena_multipart_abort(struct catena_client *client,
                                                     const char *bucket, const void *key,
                                                     size_t key_length,
                                                     struct catena_upload_id upload);

/* Uploads that go on, ordered by key, then by id. Start after (key, id): id {0, 0} = after all
 * uploads of the key (or of the common prefix). limit 0 = 1,000, here and for parts. */
struct catena_upload_item {
    char *key; /* key_length bytes, then a NUL */
    size_t key_length;
    struct catena_upload_id upload;
    uint64_t created_ms;
    void *meta;
    size_t meta_length;
    bool is_prefix;
};
struct catena_upload_list {
    struct catena_upload_item *items;
    size_t count;
    bool truncated;
};
CATENA_API enum catena_status
catena_multipart_list(struct catena_client *client, const char *bucket, const void *prefix,
                      size_t prefix_length, const void *after_key, size_t after_key_length,
                      struct catena_upload_id after_upload, const char *delimiter, uint32_t limit,
                      struct catena_upload_list *ret_list);
CATENA_API void catena_upload_list_release(struct catena_upload_list *list);

/* The parts of a published object, as they were chosen: number, size, checksum and meta (offset is
 * the sum of the sizes before). Count 0 for an object that was put in one piece. info as by
 * catena_stat. */
CATENA_API enum catena_status catena_object_parts(struct catena_client *client, const char *bucket,
                                                  const void *key, size_t key_length,
                                                  struct catena_parts *ret_parts,
                                                  struct catena_info *ret_info);

/* ---- bucket configuration and access keys, kept in the masters ---- */

/* One opaque document for each bucket (at most CATENA_BUCKET_CONFIG_MAX bytes), replaced whole if
 * its version is still `version` (0: there was none); CATENA_CONDITION_FAILED otherwise. It goes
 * with the bucket. Linearizable. *ret_document is the caller's to free(); NULL when it is empty. */
enum { CATENA_BUCKET_CONFIG_MAX = 65536 };
CATENA_API enum catena_status catena_bucket_config_get(struct catena_client *client,
                                                       const char *bucket, void **ret_document,
                                                       size_t *ret_length, uint64_t *ret_version);
CATENA_API enum catena_status catena_bucket_config_put(struct catena_client *client,
                                                       const char *bucket, const void *document,
                                                       size_t length, uint64_t version,
                                                       uint64_t *ret_version);

enum catena_right { CATENA_RIGHT_NONE, CATENA_RIGHT_READ, CATENA_RIGHT_WRITE, CATENA_RIGHT_OWNER };
struct catena_grant {
    char bucket[65]; /* a name, "*", or a prefix with "*" at its end */
    enum catena_right right;
};
enum { CATENA_GRANTS_MAX = 100, CATENA_ACCESS_KEYS_MAX = 10000 };
struct catena_access_key {
    char id[129];         /* 3 to 128 of A-Z a-z 0-9 . _ - */
    char secret[129];     /* "" when it was not asked for */
    char old_secret[129]; /* after a rotation, valid until it is ended; "" = none */
    uint64_t created_ms;
    struct catena_grant *grants;
    size_t grant_count;
};
struct catena_access_keys {
    struct catena_access_key *items; /* by id */
    size_t count;
    uint64_t version; /* grows with every change of any key */
};
/* secret NULL or "": one is made (40 characters), returned in *ret_key. */
CATENA_API enum catena_status catena_access_key_create(struct catena_client *client, const char *id,
                                                       const char *secret,
                                                       const struct catena_grant *grants,
                                                       size_t grant_count,
                                                       struct catena_access_key *ret_key);
/* A new secret; the old one stays valid until the next rotation or, with keep_old false, ends now.
 * *ret_key has id and secret only. */
CATENA_API enum catena_status catena_access_key_rotate(struct catena_client *client, const char *id,
                                                       bool keep_old,
                                                       struct catena_access_key *ret_key);
/* Sets the key's rights on these buckets; CATENA_RIGHT_NONE takes them away. Others stay. */
CATENA_API enum catena_status catena_access_key_grant(struct catena_client *client, const char *id,
                                                      const struct catena_grant *grants,
                                                      size_t grant_count);
CATENA_API enum catena_status catena_access_key_revoke(struct catena_client *client,
                                                       const char *id);
/* All keys, secrets included when asked for (that is what gateways do). have_version: answered at
 * once with count 0 and that version when nothing has changed. Linearizable. */
CATENA_API enum catena_status catena_access_keys_get(struct catena_client *client,
                                                     bool with_secrets, uint64_t have_version,
                                                     struct catena_access_keys *ret_keys);
CATENA_API void catena_access_key_release(struct catena_access_key *key);
CATENA_API void catena_access_keys_release(struct catena_access_keys *keys);

/* ---- cluster: what `catena status`, `locate` and `admin` show and do ---- */

struct catena_member {
    uint32_t node;
    uint64_t incarnation;
    const char *role; /* "head", "middle", "tail", "single", "joiner" */
    const char *address;
    uint32_t pid;
};
struct catena_chain {
    uint32_t chain;
    uint64_t epoch;
    uint32_t replicas; /* wanted */
    struct catena_member *members;
    size_t member_count; /* the joiner last, if any */
    bool is_frozen;
};
struct catena_node {
    uint32_t node;
    uint64_t incarnation;
    const char *address;
    const char *zone;
    const char *state; /* "alive", "suspect", "down" */
    uint32_t pid;
    uint64_t space_total;
    uint64_t space_free;
};
struct catena_master {
    uint32_t master;
    const char *address;
    bool is_leader;
    bool is_reachable;
    uint32_t pid;
};
struct catena_cluster {
    char cluster[37]; /* UUID */
    uint64_t version; /* of the map */
    uint64_t term;
    struct catena_master *masters;
    size_t master_count;
    struct catena_node *nodes;
    size_t node_count;
    struct catena_chain *chains;
    size_t chain_count;
    const char *alarms; /* sentences about what an operator has to look at; "": nothing */
};
CATENA_API enum catena_status catena_cluster_get(struct catena_client *client,
                                                 struct catena_cluster **ret_cluster);
CATENA_API void catena_cluster_free(struct catena_cluster *cluster);
/* The chain that holds a key, with its members in order. Belongs to *ret_cluster, free that. */
CATENA_API enum catena_status catena_locate(struct catena_client *client, const char *bucket,
                                            const void *key, size_t key_length,
                                            struct catena_cluster **ret_cluster,
                                            const struct catena_chain **ret_chain);

/* Administration; each says in catena_error_text() why it was refused. */
CATENA_API enum catena_status catena_admin_init_chains(struct catena_client *client,
                                                       uint32_t chains, uint32_t replicas);
CATENA_API enum catena_status catena_admin_master_add(struct catena_client *client, uint32_t id,
                                                      const char *address);
/* Means the disk that the master has at the time of the call: CATENA_CONDITION_FAILED if it was
 * added again with another one meanwhile. */
CATENA_API enum catena_status catena_admin_master_remove(struct catena_client *client, uint32_t id);
CATENA_API enum catena_status catena_admin_transfer_leader(struct catena_client *client,
                                                           uint32_t id);
CATENA_API enum catena_status catena_admin_node_remove(struct catena_client *client, uint32_t id);
/* The operator declares a chain's last serving set lost and restarts it from what node `id` holds.
 * Writes that only the lost members had are gone. */
CATENA_API enum catena_status catena_admin_chain_restart_from(struct catena_client *client,
                                                              uint32_t chain, uint32_t id);
/* One of the cluster's settings: "replicas", "write-floor", "rebalance-roles". */
CATENA_API enum catena_status catena_admin_set(struct catena_client *client, const char *name,
                                               uint64_t value);

#ifdef __cplusplus
}
#endif

#endif
