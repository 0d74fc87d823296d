/* Operating errors: everything that can go wrong without a programmer's mistake.
 *
 * One list drives the enum, the names that logs use, and the sentence a person sees. The numbers
 * travel on the wire: never reorder, only append. Foreign errors (RocksDB strings, nng codes,
 * errno) are translated into these in exactly one file each. */
#ifndef CATENA_BASE_ERR_H
#define CATENA_BASE_ERR_H

#include <stdbool.h>

/* X(name, text) */
#define ERR_LIST(X)                                                                                \
    X(OK, "success")                                                                               \
    X(INVALID, "invalid argument")                                                                 \
    X(NO_KEY, "no such key")                                                                       \
    X(NO_BUCKET, "no such bucket")                                                                 \
    X(BUCKET_EXISTS, "the bucket exists already")                                                  \
    X(BUCKET_NOT_EMPTY, "the bucket is not empty")                                                 \
    X(BUCKET_DELETING, "the bucket is being deleted")                                              \
    X(CONDITION, "the condition did not hold")                                                     \
    X(TOO_LARGE, "larger than the limit")                                                          \
    X(BAD_UTF8, "not valid UTF-8")                                                                 \
    X(NO_SPACE, "no space left on a storage node")                                                 \
    X(TIMEOUT, "the deadline passed")                                                              \
    X(OUTCOME_UNKNOWN, "the outcome is unknown: the request may or may not have taken effect")     \
    X(CANCELLED, "cancelled")                                                                      \
    X(UNREACHABLE, "no server could be reached")                                                   \
    X(NOT_LEADER, "this master is not the leader")                                                 \
    X(NO_LEADER, "the masters have no leader at the moment")                                       \
    X(WRONG_EPOCH, "the chain has another epoch")                                                  \
    X(WRONG_ROLE, "the node does not have that role in the chain")                                 \
    X(NO_LEASE, "the node holds no valid lease")                                                   \
    X(NOT_READY, "not ready yet, try again")                                                       \
    X(BUSY, "too many requests in flight, try again")                                              \
    X(WRITE_FLOOR, "the chain has fewer members than its write floor")                             \
    X(SESSION_EXPIRED, "the session has expired")                                                  \
    X(UPLOAD_GONE, "the upload is unknown or was aborted")                                         \
    X(UPLOAD_ORDER, "a chunk of the upload is missing")                                            \
    X(CORRUPT, "the checksum does not match")                                                      \
    X(IO, "input or output failed")                                                                \
    X(DISK_LOST, "the disk failed; the process stops and is repaired by its chains")               \
    X(WRONG_CLUSTER, "belongs to another cluster")                                                 \
    X(WRONG_VERSION, "speaks another wire version")                                                \
    X(DUPLICATE_ID, "another process with this id is alive")                                       \
    X(WRONG_DISK, "the disk is not the one that the cluster knows under this id")                  \
    X(NOT_OURS, "the directory holds something else")                                              \
    X(PROTOCOL, "the peer broke the protocol")                                                     \
    X(TRUNCATED, "the message is truncated")                                                       \
    X(UNSUPPORTED, "not supported")                                                                \
    X(EXISTS, "exists already")                                                                    \
    X(NOT_FOUND, "not found")                                                                      \
    X(INTERNAL, "internal error")                                                                  \
    X(ACCESS, "access denied")                                                                     \
    X(NO_PART, "a part of the multipart upload is not there")

enum err {
#define X(name, text) ERR_##name,
    ERR_LIST(X)
#undef X
        ERR_COUNT
};

/* Constant name, as logs print it ("NO_KEY"). Out of range gives "UNKNOWN". */
const char *err_name(enum err err);
/* One plain sentence part for people. */
const char *err_text(enum err err);
/* True if number is one of the list: check before casting a number from the wire. */
bool err_is_valid(unsigned number);

#endif
