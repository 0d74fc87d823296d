/* A cluster in one thread and one listening address: it is master 1 and nodes 1 and 2, keeps
 * objects in memory, and misbehaves on request. For tests of client/io over a real transport. */
#ifndef CATENA_TESTS_UNIT_CLIENT_FAKE_CLUSTER_H
#define CATENA_TESTS_UNIT_CLIENT_FAKE_CLUSTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Knobs: set before or during a test; each counts down to zero where it is a count. */
struct fake_knobs {
    atomic_uint busy_puts;      /* refuse so many PUTs with BUSY */
    atomic_uint mute_puts;      /* do not answer so many PUTs (they take effect) */
    atomic_uint busy_stages;    /* refuse so many STAGEs with BUSY */
    atomic_uint drop_stages;    /* close the connection at so many STAGEs */
    atomic_uint corrupt_chunks; /* flip a bit in so many CHUNKs */
    atomic_uint wrong_sums;     /* forget the checksum of so many parts */
    atomic_uint lost_chunks;    /* say that so many CHUNKs are gone */
    atomic_uint slow_gets;      /* do not answer so many GETs */
    atomic_uint parts_per_page; /* lists of parts come in pages of so many; 0: as asked */
    atomic_uint bare;           /* a cluster without chains */
    atomic_uint mute_admins;    /* do not answer so many changes of keys and documents */
    atomic_uint keys_per_page;  /* 0: all at once */
    atomic_uint torn_lists;     /* drop a key after the first page of so many lists of keys */
    /* what happened */
    atomic_uint stages;
    atomic_uint aborts;
};

struct fake_cluster;
struct fake_cluster *fake_cluster_new(void);
void fake_cluster_free(struct fake_cluster *cluster);
const char *fake_cluster_address(const struct fake_cluster *cluster);
struct fake_knobs *fake_cluster_knobs(struct fake_cluster *cluster);
/* Waits until the knob is below `bound`; false after ten seconds. */
bool fake_cluster_await(struct fake_cluster *cluster, atomic_uint *knob, unsigned bound);

#endif
