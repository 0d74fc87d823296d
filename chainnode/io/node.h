/* The node's driver: everything around the core that one worker process has. Internal to this
 * folder.
 *
 * start.c builds it, loop.c runs it, inbound.c sorts what arrives, effects.c does what the core
 * says. */
#ifndef CATENA_CHAINNODE_IO_NODE_H
#define CATENA_CHAINNODE_IO_NODE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/io/identity.h"
#include "base/io/store_writer.h"
#include "base/map.h"
#include "chainnode/core/cn_core.h"
#include "chainnode/io/chunk_reader.h"
#include "chainnode/io/masters.h"
#include "chainnode/io/settings.h"
#include "chainnode/io/space.h"
#include "wire/transport/links.h"

struct kv_rocksdb;

enum { NODE_TAG_MASTERS = 1, NODE_TAG_PEERS = 2 };

/* Who is at the other end of an accepted connection, from its hello. */
struct inbound {
    uint64_t conn;
    enum wire_role role;
    uint32_t id;
    uint64_t incarnation;
};

struct node_counters {
    uint64_t refused_types; /* messages that this connection may not send */
    uint64_t refused_busy;  /* chunk reads beyond the queue */
    uint64_t lost_sends;    /* to a peer without a connection */
};

struct node {
    const struct node_settings *settings;
    uint32_t worker_pid;
    uint32_t supervisor_pid;
    int report_fd;                         /* to the supervisor; -1: there is none */
    char address[BOUND_ADDRESS_BYTES + 1]; /* advertised */

    struct identity *identity;
    struct kv_rocksdb *store;
    const struct kv *kv;
    struct transport *transport;
    struct masters *masters;
    struct links *peers;
    struct store_writer *writer;
    struct chunk_reader *reader;
    struct cn_core *core;
    struct cn_effects effects;
    struct map inbound; /* conn -> struct inbound */
    struct space space;
    struct node_counters counters;

    uint64_t now_us; /* read after the events of the batch were received (R14) */
    uint64_t wall_ms;
    bool is_ready; /* a master has accepted us */
    bool is_halted;
    enum err halt_err;
    char halt_text[512];
    atomic_bool stop_asked;
};

/* Steps the core with an event of this batch and runs the effects at once: what an effect points to
 * is the core's memory and lasts until its next step. */
void node_step(struct node *node, struct cn_event *event);

/* effects.c */
void node_run_effects(struct node *node);
void node_halt(struct node *node, enum err err, const char *text);

/* inbound.c: one transport event. Releases its message. */
void node_on_event(struct node *node, struct transport_event *event);
void node_inbound_release(struct node *node);

/* loop.c: until asked to stop or halted. */
void node_loop(struct node *node);

/* start.c: the worker's whole life; see supervisor.h. */
int node_run(const struct node_settings *settings, int report_fd, uint32_t supervisor_pid);

#endif
