/* What the files of the cluster in memory share. */
#ifndef CATENA_TESTS_UNIT_CLIENT_FAKE_INTERNAL_H
#define CATENA_TESTS_UNIT_CLIENT_FAKE_INTERNAL_H

#include <pthread.h>

#include "fake_cluster.h"
#include "wire/manifest.h"
#include "wire/transport/transport.h"

enum {
    OBJECTS_MAX = 4096,
    UPLOADS_MAX = 64,
    CHUNKS_MAX = 64,
    MULTIS_MAX = 64,
    PARTS_MAX = 64,
    BUCKETS_MAX = 16,
    CHAINS = 4
};

struct object {
    bool exists;
    uint64_t bucket;
    uint8_t key[BOUND_KEY_BYTES];
    size_t key_length;
    uint64_t lsn;
    uint64_t size;
    uint64_t checksum;
    uint8_t meta[BOUND_META_BYTES];
    size_t meta_length;
    struct buf *value;
    uint64_t upload_high;
    uint64_t upload_low;
    uint32_t chunk_count;
    uint32_t chunk_bytes;
    uint64_t mtime_ms;
    uint32_t part_count; /* then the value is a manifest */
    uint64_t multi_high;
    uint64_t multi_low;
};

struct staged {
    uint64_t high;
    uint64_t low;
    struct buf *chunks[CHUNKS_MAX];
    uint32_t count;
    bool is_used; /* an object or a part names it: it cannot be aborted any more */
};

struct part {
    uint32_t number;
    uint64_t lsn;
    struct wire_part as; /* meta points into `meta` */
    uint8_t meta[BOUND_PART_META_BYTES];
};

/* A multipart upload. */
struct multi {
    bool exists;
    uint64_t bucket;
    uint8_t key[BOUND_KEY_BYTES];
    size_t key_length;
    uint64_t high;
    uint64_t low;
    uint8_t meta[64];
    size_t meta_length;
    struct part parts[PARTS_MAX]; /* by number */
    uint32_t part_count;
};

struct outcome {
    uint64_t session;
    uint64_t seq;
    uint32_t chain;
    uint64_t token_high;
    uint64_t token_low;
    struct wire_updated updated;
};

struct bucket {
    char name[64];
    uint64_t id;
    uint64_t nonce;
};

struct fake_cluster {
    struct transport *transport;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t worked; /* signalled after each batch of messages */
    atomic_bool is_stopping;
    char address[64];
    struct fake_knobs knobs;
    struct fake_documents *documents;
    struct object *objects;
    uint32_t object_count;
    struct staged *uploads;
    uint32_t upload_count;
    struct multi *multis;
    uint32_t multi_count;
    struct outcome *outcomes;
    uint32_t outcome_count;
    struct bucket buckets[BUCKETS_MAX];
    uint32_t bucket_count;
    uint64_t lsn;
    uint64_t version;
    uint64_t session;
};

/* True, and one less, if the knob is set. */
bool fake_take(atomic_uint *count);
void fake_reply(struct fake_cluster *c, uint64_t conn, const struct wire_message *message);
void fake_refuse(struct fake_cluster *c, uint64_t conn, uint64_t request, enum err err);
struct object *fake_object(struct fake_cluster *c, uint64_t bucket, struct slice key);
struct staged *fake_staged(struct fake_cluster *c, uint64_t high, uint64_t low);
void fake_store(struct fake_cluster *c, const struct wire_message *in);

/* fake_multipart.c */
/* The steps of a PUT but VALUE, once its condition holds. */
enum err fake_step(struct fake_cluster *c, const struct wire_message *in);
enum err fake_drop_multi(struct fake_cluster *c, const struct wire_delete *in);
void fake_parts_list(struct fake_cluster *c, uint64_t conn, const struct wire_parts_list *in);
/* Fills `items` with the uploads that are asked for, in no order; returns how many. */
uint32_t fake_list_uploads(struct fake_cluster *c, const struct wire_list *list,
                           struct wire_list_item *items);

/* fake_documents.c */
struct fake_documents *fake_documents_new(void);
void fake_documents_free(struct fake_documents *documents);
/* Answers requests for access keys and bucket configurations; false: it is another one. */
bool fake_documents_take(struct fake_cluster *c, uint64_t conn, const struct wire_message *message,
                         bool has_bucket);

#endif
