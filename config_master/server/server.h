/* One configuration master without its clocks, network and disk: a Raft core and a cluster core
 * joined. The real driver (config_master/io) and the simulator run this same object.
 *
 * What it does: routes effects between the two cores (a PROPOSE of the cluster core becomes a log
 * entry, a committed entry becomes an APPLY, ...), keeps the disk identity of each master, and says
 * which masters to connect to. What it is not: it knows no chain rule and no Raft rule.
 *
 * Disk identity: each master has a disk UUID in its hello. The first leader whose entries a
 * member acknowledges records (master id -> disk UUID) by a replicated command; from then on Raft
 * messages of that id with another disk are refused, counted and traced. Adding a master (again)
 * forgets what was recorded. Besides, Raft itself refuses a member whose log is empty
 * (raft_lost_disk). So a master that lost its disk is out until it is removed and added again.
 *
 * Sequence: bootstrap (server_bootstrap) once on an empty store -> server_new -> server_step(event)
 * -> run the effects in order -> ... One owner, one thread. */
#ifndef CATENA_CONFIG_MASTER_SERVER_SERVER_H
#define CATENA_CONFIG_MASTER_SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/kv.h"
#include "base/uuid.h"
#include "config_master/core/cm_core.h"
#include "config_master/raft/raft.h"
#include "wire/messages.h"

struct server;

struct server_options {
    struct raft_options raft; /* raft.id == cm.id; traces as the owner likes */
    struct cm_options cm;
    struct uuid disk; /* of this master's store */
    uint32_t pid;     /* for status */
    struct trace trace;
};

/* The families of raft.h are the whole store of a master. True if it was never bootstrapped. */
bool server_store_is_empty(const struct kv *kv, enum err *ret_err);
/* Rows of a first start. configuration: the founding masters, the same everywhere, or empty: this
 * master waits until it is added to a cluster. Sync the batch before server_new(). */
void server_bootstrap(struct kv_batch *batch, const struct raft_configuration *configuration);

enum server_event_kind {
    SERVER_EVENT_TICK,
    SERVER_EVENT_CONNECTED,    /* conn, hello: an accepted connection, whatever its role */
    SERVER_EVENT_DISCONNECTED, /* conn */
    SERVER_EVENT_RECEIVE,      /* conn, message: from an accepted connection, whatever its role */
    SERVER_EVENT_LINK_UP,      /* master, hello: our own connection to that master is open */
    SERVER_EVENT_LINK_DOWN,    /* master */
    SERVER_EVENT_RECEIVE_LINK, /* master, message: came back on our own connection to it */
    SERVER_EVENT_STORED,       /* token, err: a STORE was fsynced, or the disk is lost */
    SERVER_EVENT_NODE_REFUSED, /* id = node: its host refused the connection of a PROBE */
};

struct server_event {
    enum server_event_kind kind;
    uint64_t now_us; /* CLOCK_BOOTTIME, read after the message was received; never goes back */
    uint64_t conn;   /* > 0, never reused */
    uint32_t master;
    const struct wire_hello *hello;
    const struct wire_message *message;
    uint64_t token;
    enum err err;
    uint64_t id;
};

enum server_effect_kind {
    SERVER_EFFECT_SEND,          /* conn, message */
    SERVER_EFFECT_CLOSE,         /* conn */
    SERVER_EFFECT_SEND_MASTER,   /* to, conn, message: on our connection to that master if it is up,
                                    else on the accepted connection conn (0: then it is lost) */
    SERVER_EFFECT_STORE,         /* token, batch: apply and fsync, then STORED; in order */
    SERVER_EFFECT_CONFIGURATION, /* configuration: keep connections to these masters (but us) */
    SERVER_EFFECT_PROBE,         /* id = node, address: try to connect; refused -> NODE_REFUSED */
    SERVER_EFFECT_HALT,          /* text: say it and end the process */
};

struct server_effect {
    enum server_effect_kind kind;
    uint64_t conn;
    uint32_t to;
    struct wire_message message; /* owns what it points at */
    uint64_t token;
    struct kv_batch *batch; /* owned by the effect until the driver takes it and sets NULL */
    uint64_t id;
    char address[BOUND_ADDRESS_BYTES + 1];
    struct raft_configuration configuration;
    const char *text; /* static, or valid until the next step */
};

struct server_effects {
    struct server_effect *items;
    uint32_t count;
    uint32_t capacity;
};

void server_effects_init(struct server_effects *effects);
/* Releases what the items own; keeps the capacity. Call before the next step. */
void server_effects_clear(struct server_effects *effects);
void server_effects_release(struct server_effects *effects);

struct server_status {
    uint32_t id;
    enum raft_role role;
    uint32_t leader; /* 0: unknown */
    uint64_t term;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t last_index;
    uint64_t lease_until_us;
    struct wire_master_info masters[BOUND_MASTERS + 1]; /* slices valid until the next step */
    uint32_t masters_count;
    uint64_t refused_disks;    /* messages refused because of another disk */
    uint64_t refused_messages; /* malformed or forged ones */
};

/* Errors as raft_new(). */
enum err server_new(const struct server_options *options, uint64_t seed, uint64_t now_us,
                    const struct kv *kv, struct server **ret_server);
void server_free(struct server *server);
void server_step(struct server *server, const struct server_event *event,
                 struct server_effects *effects);
uint64_t server_deadline_us(const struct server *server);
/* Asserts the invariants of both cores and of what joins them. */
void server_check(const struct server *server);
void server_status(const struct server *server, struct server_status *ret_status);
/* The recorded disk of a master; false: none. */
bool server_disk(const struct server *server, uint32_t master, struct uuid *ret_disk);
/* For tests and the simulator's oracles. */
const struct raft *server_raft(const struct server *server);
const struct cm_core *server_core(const struct server *server);

#endif
