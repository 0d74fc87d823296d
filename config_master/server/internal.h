/* What the files of the joined master share. Private to config_master/server. */
#ifndef CATENA_CONFIG_MASTER_SERVER_INTERNAL_H
#define CATENA_CONFIG_MASTER_SERVER_INTERNAL_H

#include "base/contract.h"
#include "config_master/server/server.h"

enum {
    SERVER_PEERS_MAX = 16,      /* masters heard of: members, joiners, removed and foreign ones */
    SERVER_IDENTITIES_MAX = 64, /* recorded disks */
    SERVER_CHANGES_MAX = 16,    /* additions that wait for their FORGET */
    SERVER_REQUEST_BITS = 2,    /* see enum server_request */
    SERVER_ROUTED_MAX = 1000000 /* effects routed in one step: beyond, the cores chase each other */
};

/* First byte of every log command. */
enum server_command {
    SERVER_COMMAND_CLUSTER = 0, /* the rest is the cluster core's */
    SERVER_COMMAND_RECORD = 1,  /* master u32, disk 16 bytes: if none is recorded */
    SERVER_COMMAND_FORGET = 2,  /* master u32 */
};

/* Low bits of a Raft request id: whose request it is. The rest is that one's own number. */
enum server_request {
    SERVER_REQUEST_PROPOSE = 0, /* of the cluster core */
    SERVER_REQUEST_CHANGE = 1,  /* of the cluster core: membership or transfer */
    SERVER_REQUEST_RECORD = 2,  /* ours: number = master */
    SERVER_REQUEST_FORGET = 3,  /* ours: number = index in `changes` */
};

struct server_identity {
    uint32_t master;
    struct uuid disk;
};

/* The replicated part that is not the cluster core's. Ascending by master. */
struct server_identities {
    struct server_identity items[SERVER_IDENTITIES_MAX];
    uint32_t count;
};

/* A master as the network shows it: not replicated. */
struct server_peer {
    uint32_t id; /* 0: free */
    bool is_linked;
    struct uuid link_disk; /* of the hello on our connection to it */
    uint32_t link_id;      /* the id in that hello */
    uint32_t link_pid;
    uint64_t conn; /* its newest accepted connection, or 0 */
    struct uuid conn_disk;
    uint32_t conn_pid;
    uint64_t log_term;    /* the newest term of ours in which it has acknowledged entries, or 0, */
    struct uuid log_disk; /* ... and the disk that it named on that connection */
    bool is_recording;    /* a RECORD of it is in the log and not answered */
};

/* An addition whose FORGET is not committed yet. */
struct server_change {
    bool is_used;
    uint64_t id; /* the cluster core's */
    struct raft_server server;
};

/* One effect of either core that waits to be routed. */
struct server_routed {
    bool is_raft;
    struct raft_effect raft;
    struct cm_effect cm;
};

struct server {
    struct server_options options;
    struct raft *raft;
    struct cm_core *core;
    struct server_identities identities;
    struct server_peer peers[SERVER_PEERS_MAX];
    bool is_recording_self;
    uint64_t forget_index; /* log index of the newest FORGET applied in this life */
    struct server_change changes[SERVER_CHANGES_MAX];
    struct raft_configuration connect;                  /* last told by CONFIGURATION */
    struct wire_master_info masters[BOUND_MASTERS + 1]; /* last told to the cluster core */
    struct raft_configuration masters_addresses;        /* owns their addresses */
    uint32_t masters_count;
    bool masters_told;
    uint64_t snapshot_wanted_index; /* > 0 while the cluster core is asked for a snapshot */
    uint64_t refused_disks;
    struct server_identity refused_told; /* each is traced once, not with every attempt */
    uint64_t refused_messages;
    uint64_t now_us;
    bool halted;

    /* Of the step in progress. */
    struct server_effects *effects;
    struct raft_effects raft_effects;
    struct cm_effects cm_effects;
    struct server_routed *queue;
    uint32_t queue_start;
    uint32_t queue_count;
    uint32_t queue_capacity;
};

/* server.c */
struct server_effect *server_emit(struct server *server, enum server_effect_kind kind);
void server_halt(struct server *server, const char *text);

/* route.c: steps of the cores; their effects are queued, then routed in order. */
void server_step_raft(struct server *server, struct raft_event *event);
void server_step_cm(struct server *server, struct cm_event *event);
void server_route(struct server *server);
/* Proposes command + body under a request id. */
void server_propose(struct server *server, uint64_t id, enum server_command command,
                    struct slice body);
uint64_t server_request_id(enum server_request request, uint64_t number);

/* identity.c */
const struct server_identity *server_identity_find(const struct server_identities *identities,
                                                   uint32_t master);
void server_identity_apply(struct server *server, enum server_command command, uint64_t index,
                           struct slice body);
/* False: another disk is recorded for that master. */
bool server_identity_allows(const struct server *server, uint32_t master, const struct uuid *disk);
/* The leader records the members that it has seen. */
void server_identity_record(struct server *server);
/* A Raft message of that master on a connection that named that disk. */
void server_identity_note(struct server *server, struct server_peer *peer, const struct uuid *disk,
                          const struct wire_message *message);
void server_identity_recorded(struct server *server, uint32_t master);
void server_identity_forget_then_add(struct server *server, uint64_t id,
                                     const struct raft_server *joiner);
void server_identity_forgotten(struct server *server, uint64_t number, enum err err);
/* Wraps the cluster core's snapshot; a new buffer. */
struct buf *server_snapshot_wrap(const struct server *server, const struct buf *inner);
/* Takes the identities out; a view of the rest, NULL when malformed. */
struct buf *server_snapshot_unwrap(struct server *server, struct buf *data);

/* masters.c */
/* NULL: never heard of. */
struct server_peer *server_peer_find(struct server *server, uint32_t id);
struct server_peer *server_peer_of_conn(struct server *server, uint64_t conn);
void server_master_connected(struct server *server, uint64_t conn, const struct wire_hello *hello);
bool server_master_disconnected(struct server *server, uint64_t conn);
/* hello NULL: the link is down. */
void server_master_link(struct server *server, uint32_t master, const struct wire_hello *hello);
/* The disk in its hello; NULL: no connection to or from it. */
const struct uuid *server_peer_disk(const struct server_peer *peer);
bool server_is_raft_message(const struct wire_message *message);
void server_master_receive(struct server *server, struct server_peer *peer, bool on_link,
                           const struct wire_message *message);
void server_master_send(struct server *server, uint32_t to, struct wire_message *message);
void server_change_masters(struct server *server, uint64_t id, uint32_t target, bool add,
                           struct slice address);
/* Tells CONFIGURATION and the cluster core's MASTERS when they changed; always with `always`. */
void server_masters_update(struct server *server, bool always);
uint32_t server_masters_fill(const struct server *server, struct raft_configuration *addresses,
                             struct wire_master_info *masters);

#endif
