/* Commands: what the leader writes into the Raft log, and nothing else changes the state.
 *
 * One log entry is a format byte and a list of items, applied in order as one step, so that one
 * node's death costs one entry however many chains it touches. An item carries what the leader
 * expected (old epochs, mark versions); where the state has moved on the item has no effect, the
 * same on every master. Adding an item: one enum constant, one field struct, a case in each of
 * command_write and command_read, and its apply function.
 *
 * Format: u8 format; then for each item u8 kind, u32 body bytes, body. */
#ifndef CATENA_CONFIG_MASTER_CORE_COMMAND_H
#define CATENA_CONFIG_MASTER_CORE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "config_master/core/codec.h"
#include "config_master/plan/chain_plan.h"
#include "wire/messages.h"

enum {
    CM_COMMAND_FORMAT = 1,
    CM_ROWS_PER_COMMAND = 1024,
    CM_MARKS_PER_COMMAND = 4096,
    CM_KEY_RECORD_BYTES = 8192, /* more than a record can have */
};
/* What Raft takes as one log entry (RAFT_COMMAND_BYTES_MAX), less what its owner puts before it. */
#define CM_COMMAND_BYTES_MAX (BOUND_FRAME_HEADER_BYTES / 2 - 64u)

enum cm_change_kind {
    CM_CHANGE_DECIDE = 1,   /* row becomes the decided one (R28) */
    CM_CHANGE_ACTIVATE = 2, /* the decided row becomes active; row is not carried */
    CM_CHANGE_SET = 3,      /* row becomes active at once: it removes no member */
};

/* How far a chain's members have surely committed (R34). */
struct cm_mark {
    uint32_t chain;
    uint64_t epoch; /* of the report */
    uint64_t committed;
    uint64_t digest; /* of the history up to there */
};

struct cm_change {
    enum cm_change_kind kind;
    uint32_t chain;
    uint64_t expected_epoch;   /* of the active row */
    uint64_t expected_decided; /* of the decided row, 0 = none */
    struct plan_row row;       /* DECIDE, SET: version is set by apply */
};

enum cm_item_kind {
    CM_ITEM_REGISTER_NODE = 1,
    CM_ITEM_NODE_STATE = 2,
    CM_ITEM_ROWS = 3,
    CM_ITEM_BAD_LINK = 4,
    CM_ITEM_INIT_CHAINS = 5,
    CM_ITEM_SESSION_OPEN = 6,
    CM_ITEM_BUCKET_CREATE = 7,
    CM_ITEM_BUCKET_MARK = 8,
    CM_ITEM_BUCKET_FINISH = 9,
    CM_ITEM_BUCKET_REVERT = 10,
    CM_ITEM_NODE_REMOVE = 11,
    CM_ITEM_SETTING_SET = 12,
    CM_ITEM_CHAIN_FORGET = 13,
    CM_ITEM_NODE_SPACE = 14,
    CM_ITEM_CHAIN_MARKS = 15,
    CM_ITEM_KEY_CREATE = 16,
    CM_ITEM_KEY_ROTATE = 17,
    CM_ITEM_KEY_GRANT = 18,
    CM_ITEM_KEY_REVOKE = 19,
    CM_ITEM_BUCKET_CONFIG = 20,
};

struct cm_item {
    enum cm_item_kind kind;
    uint64_t nonce; /* administrative items: 0 = the answer is not kept */
    union {
        struct {
            uint32_t node;
            uint64_t incarnation;
            struct uuid disk;
            struct uuid boot;
            struct slice address;
            struct slice zone;
            uint32_t weight;
            uint32_t pid;
        } register_node;
        struct {
            uint32_t node;
            uint64_t incarnation;
            enum wire_node_state state;
        } node_state;
        struct {
            uint32_t node;
            uint64_t total;
            uint64_t free;
        } node_space;
        struct {
            const struct cm_mark *marks; /* to write */
            uint32_t count;
            struct cm_reader encoded; /* read: one by one with cm_mark_read */
        } chain_marks;
        struct {
            /* To write: `changes`. After reading: `encoded`, decoded one by one with
             * cm_change_read. */
            const struct cm_change *changes;
            uint32_t count;
            struct cm_reader encoded;
        } rows;
        struct {
            uint32_t a;
            uint32_t b;
        } bad_link;
        struct {
            uint32_t chain_count;
            uint32_t replicas;
            uint32_t write_floor;
            uint32_t nodes_count;
            struct wire_member nodes[BOUND_NODES]; /* that `orderings` index */
            uint32_t members_each;
            /* [chain_count * members_each], big-endian u16 indexes into nodes, head first. */
            struct slice orderings;
        } init_chains;
        struct {
            struct slice name;
            uint64_t created_ms;
        } bucket_create;
        struct {
            struct slice name;
        } bucket_mark;
        struct {
            uint64_t bucket;
            uint64_t marked_version; /* of the mark that it finishes or reverts */
            uint64_t agreed_version; /* FINISH: void if a head has changed after this index */
        } bucket_end;
        struct {
            uint32_t node;
            uint64_t incarnation;
        } node_remove;
        struct {
            struct slice name;
            uint64_t value;
        } setting_set;
        struct cm_change chain_forget;
        struct {
            struct slice id;
            struct slice record; /* wire/access_key.h: what is new; empty for REVOKE */
            bool keeps_old;      /* ROTATE */
        } key;
        struct {
            struct slice name;
            uint64_t expected_version;
            struct slice document;
        } bucket_config;
    } u;
};

/* Starts an entry in an empty writer. */
void cm_command_begin(struct cm_writer *writer);
void cm_command_append(struct cm_writer *writer, const struct cm_item *item);

/* Checks the format byte; ERR_UNSUPPORTED for another one. */
enum err cm_command_open(struct slice command, struct cm_reader *ret_reader);
/* Decodes the next item; false at the end. On bad bytes: false with reader->failed set. Slices
 * point into the command. */
bool cm_command_next(struct cm_reader *reader, struct cm_item *ret_item);
/* True when every byte of the command decodes: format, items, each row change. */
enum err cm_command_check(struct slice command);

void cm_row_write(struct cm_writer *writer, const struct plan_row *row);
void cm_row_read(struct cm_reader *reader, struct plan_row *ret_row);
void cm_change_write(struct cm_writer *writer, const struct cm_change *change);
void cm_change_read(struct cm_reader *reader, struct cm_change *ret_change);
void cm_mark_read(struct cm_reader *reader, struct cm_mark *ret_mark);

#endif
