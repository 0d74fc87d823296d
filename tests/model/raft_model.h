/* The Raft model: three real servers (config_master/raft), real memory stores, one clock that moves
 * in half election time-outs. See raft_model.c. */
#ifndef CATENA_TESTS_MODEL_RAFT_MODEL_H
#define CATENA_TESTS_MODEL_RAFT_MODEL_H

#include "tests/model/explore.h"

struct raft_settings {
    unsigned faults;
    unsigned kinds;     /* bits: 1 crash, 2 delay (loss), 4 repeat */
    unsigned proposals; /* commands that leaders may be given */
    bool is_elected;    /* begins with a leader, its first entry committed everywhere */
    unsigned quanta;    /* how often the clock may move, beyond the first election */
};
extern struct raft_settings raft_settings;
extern const struct model raft_model;

#endif
