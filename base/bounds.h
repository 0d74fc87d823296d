/* Every limit of Catena, in one place. Each is checked where the value enters and tested. */
#ifndef CATENA_BASE_BOUNDS_H
#define CATENA_BASE_BOUNDS_H

/* Objects and buckets. */
#define BOUND_KEY_BYTES 1024u
#define BOUND_BUCKET_NAME_MIN 3u
#define BOUND_BUCKET_NAME_MAX 63u
#define BOUND_BUCKETS 100000u
#define BOUND_META_BYTES 8192u     /* client metadata with each object */
#define BOUND_INLINE_BYTES 65536u  /* larger values are chunked */
#define BOUND_CHUNK_BYTES 1048576u /* one chunk */
#define BOUND_CHUNKS 16777216u     /* per object: 16 TiB at the full chunk size */
#define BOUND_LIST_ITEMS 1000u     /* per list reply */
#define BOUND_PARTS 10000u         /* of a multipart upload; numbers 1 to this */
#define BOUND_PART_META_BYTES 64u  /* client metadata with each part */

/* Access keys and bucket configuration, kept by the masters: all of it is in memory and in each
 * snapshot, hence the totals. */
#define BOUND_ACCESS_KEYS 10000u
#define BOUND_ACCESS_KEY_ID_MIN 3u
#define BOUND_ACCESS_KEY_ID_MAX 128u
#define BOUND_SECRET_MIN 8u
#define BOUND_SECRET_MAX 128u
#define BOUND_GRANTS 100u                    /* of one key */
#define BOUND_GRANT_BUCKET_BYTES 64u         /* a bucket's name, or the beginning of one and "*" */
#define BOUND_ACCESS_KEYS_BYTES 16777216u    /* of all keys' records (wire/access_key.h) */
#define BOUND_BUCKET_CONFIG_BYTES 65536u     /* of one bucket's document */
#define BOUND_BUCKET_CONFIGS_BYTES 33554432u /* of all documents */

/* Cluster. */
#define BOUND_CHAINS 65536u
#define BOUND_CHAINS_DEFAULT 64u
#define BOUND_CHAIN_MEMBERS 8u
#define BOUND_NODES 1024u
#define BOUND_MASTERS 7u
#define BOUND_ADDRESS_BYTES 255u
#define BOUND_NAME_BYTES 255u /* zones, labels */

/* Wire. A frame is a header of CBOR and a raw payload. */
#define BOUND_FRAME_HEADER_BYTES 1048576u
#define BOUND_FRAME_PAYLOAD_BYTES (BOUND_CHUNK_BYTES + 65536u)
#define BOUND_ROWS_PER_MESSAGE 1024u

/* Chain protocol windows. */
#define BOUND_CHAIN_PENDING_ENTRIES 512u    /* per chain: admitted at the head, not committed */
#define BOUND_CHAIN_PENDING_BYTES 16777216u /* per chain, payload bytes of the same */
#define BOUND_NODE_PENDING_BYTES 134217728u /* per node, over all its chains */
#define BOUND_PARKED_READS 4096u            /* per node */
#define BOUND_SESSIONS_PER_CHAIN 1024u
#define BOUND_SESSION_WINDOW 256u /* outcomes kept per session and chain */

_Static_assert(BOUND_INLINE_BYTES <= BOUND_CHUNK_BYTES, "an inline value is at most one chunk");
_Static_assert(BOUND_FRAME_PAYLOAD_BYTES >= BOUND_CHUNK_BYTES, "a chunk fits a frame");
_Static_assert(BOUND_CHAIN_PENDING_BYTES >= 4 * BOUND_CHUNK_BYTES, "a chain pipelines chunks");

#endif
