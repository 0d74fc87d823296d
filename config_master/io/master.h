/* The master's driver: everything around the joined core that the process has. Internal to this
 * folder.
 *
 * start.c builds and ends it, loop.c runs it, inbound.c sorts what arrives, effects.c does what the
 * server says: one thread steps the core, one writes the store,
 * nng's own threads move bytes. */
#ifndef CATENA_CONFIG_MASTER_IO_MASTER_H
#define CATENA_CONFIG_MASTER_IO_MASTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/io/identity.h"
#include "base/io/store_writer.h"
#include "config_master/io/settings.h"
#include "config_master/server/server.h"
#include "wire/transport/links.h"

struct kv_rocksdb;

enum { MASTER_TAG_MASTERS = 1, MASTER_TAG_PROBES = 2 };

struct master {
    const struct master_settings *settings;
    char address[BOUND_ADDRESS_BYTES + 1]; /* advertised */
    struct identity *identity;
    struct kv_rocksdb *store;
    struct kv kv;
    struct transport *transport;
    struct links *links; /* to the other masters */
    struct raft_configuration linked;
    struct store_writer *writer;
    struct server *server;
    struct server_effects effects;
    uint64_t now_us;
    enum raft_role role; /* last logged */
    uint32_t leader;
    uint64_t term;
    bool is_halted;
    enum err halt_err;
    char halt_text[512];
    atomic_bool stop_asked;
};

/* Steps the server with an event of this batch and runs the effects at once: what they point to
 * lasts until the next step. effects.c */
void master_step(struct master *master, struct server_event *event);
void master_halt(struct master *master, enum err err, const char *text);

/* inbound.c: one transport event. Releases its message. */
void master_on_event(struct master *master, struct transport_event *event);

/* loop.c: until asked to stop or halted. */
void master_loop(struct master *master);

/* start.c: the whole life of the process; returns its exit status. */
int master_run(const struct master_settings *settings);

#endif
