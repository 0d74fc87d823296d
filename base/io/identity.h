/* Whose directory this is: role, id, cluster, disk and incarnation.
 *
 * DIR/identity is a small text file, replaced as a whole and fsynced with its directory. A
 * directory belongs to one role, one id and one cluster for ever; anything else is refused with
 * ERR_NOT_OURS and a sentence that says what was found and what to do. DIR/catena.lock keeps a
 * second process out (ERR_DUPLICATE_ID); the lock ends with the process, whatever kills it.
 *
 * The incarnation (R4) grows with every start and is durable before the process says it to anybody.
 * The first one of a disk is the wall clock in milliseconds, so that a process whose disk was wiped
 * does not use the incarnations of its former disk again; after that it is the former one plus one.
 * The disk UUID is random, made once.
 *
 * Sequence: identity_open, (identity_adopt when the cluster was not known), identity_start,
 * ..., identity_close. */
#ifndef CATENA_BASE_IO_IDENTITY_H
#define CATENA_BASE_IO_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"

struct directory_lock;

struct identity {
    char *directory;
    struct directory_lock *lock;
    const char *role; /* "node", "master": a constant */
    uint32_t id;
    struct uuid cluster;  /* zero: not known yet */
    struct uuid disk;     /* zero before the first identity_start */
    uint64_t incarnation; /* of the former start until identity_start */
};

/* role: "node" or "master". Creates the directory if it is missing, locks it and reads the
 * identity. `cluster` (zero = any) is what the operator asked for. ERR_NOT_OURS, ERR_DUPLICATE_ID,
 * ERR_CORRUPT or ERR_IO with a sentence in ret_text; then nothing is held. */
enum err identity_open(const char *directory, const char *role, uint32_t id,
                       const struct uuid *cluster, struct identity **ret_identity, char *ret_text,
                       size_t text_size);
/* The cluster that the masters named. Legal only while it is unknown. */
void identity_adopt(struct identity *identity, const struct uuid *cluster);
/* Takes the next incarnation and makes it durable. The cluster must be known. */
enum err identity_start(struct identity *identity, uint64_t wall_ms, char *ret_text,
                        size_t text_size);
/* Releases the lock. NULL is allowed. */
void identity_close(struct identity *identity);

#endif
