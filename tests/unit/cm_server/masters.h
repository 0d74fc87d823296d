/* A few joined masters in one thread: connections, disks and clocks simulated, without faults but
 * those asked for. */
#ifndef CATENA_TESTS_UNIT_CM_SERVER_MASTERS_H
#define CATENA_TESTS_UNIT_CM_SERVER_MASTERS_H

#include "config_master/server/server.h"
#include "tests/lib/kv_memory.h"

enum { MASTERS_MAX = 5, MASTERS_PACKETS = 4096, MASTERS_TOKENS = 64 };

struct masters_one {
    uint32_t id;
    struct server *server; /* NULL: down */
    struct kv_memory *disk;
    struct uuid disk_id;
    struct server_effects effects;
    uint64_t tokens[MASTERS_TOKENS];
    uint32_t tokens_count;
    bool linked[MASTERS_MAX + 1];   /* our connection to that master is open */
    uint64_t conn[MASTERS_MAX + 1]; /* its number at the other side */
    struct raft_configuration connect;
    const char *halted; /* text of HALT */
};

struct masters_packet {
    uint64_t at_us;
    uint32_t to;
    uint64_t conn;   /* > 0: RECEIVE on it */
    uint32_t master; /* else RECEIVE_LINK from that one */
    uint32_t lives;  /* of both ends when sent: a restart drops it */
    struct wire_message message;
};

struct masters {
    uint64_t now_us;
    uint32_t lives;                          /* grows with each crash */
    struct masters_one all[MASTERS_MAX + 1]; /* by id; 0 is not used */
    struct masters_packet packets[MASTERS_PACKETS];
    uint32_t packets_start;
    uint32_t packets_count;
    uint64_t next_conn;
    uint64_t snapshot_after_entries;
    struct wire_message refusal; /* the newest last word before a CLOSE */
    /* The newest answer to a request, by conn. */
    uint64_t answer_conn;
    struct wire_message answer;
    uint64_t closed_conn;
};

struct masters *masters_new(uint32_t founding);
void masters_free(struct masters *masters);
struct masters_one *masters_get(struct masters *masters, uint32_t id);
void masters_start(struct masters *masters, uint32_t id);
void masters_crash(struct masters *masters, uint32_t id);
/* A new empty disk with another identity. */
void masters_wipe(struct masters *masters, uint32_t id);
void masters_run(struct masters *masters, uint64_t us);
uint32_t masters_leader(struct masters *masters);
/* Runs until there is a leader that has applied its no-op; 0 when that takes over 10 s. */
uint32_t masters_wait_leader(struct masters *masters);
void masters_event(struct masters *masters, uint32_t id, struct server_event *event);
/* A client's connection to that master. */
uint64_t masters_client(struct masters *masters, uint32_t id);
/* Sends and runs until the answer; false when there is none within 15 s. */
bool masters_ask(struct masters *masters, uint32_t id, uint64_t conn,
                 const struct wire_admin *admin, enum err *ret_err, uint64_t *ret_value);

#endif
