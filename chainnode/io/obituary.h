/* Telling the masters that the worker is dead (R4, R29): the supervisor's last act. */
#ifndef CATENA_CHAINNODE_IO_OBITUARY_H
#define CATENA_CHAINNODE_IO_OBITUARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "chainnode/io/settings.h"

/* What the worker tells its supervisor through the pipe, once, when a master has granted it a
 * lease: a process that was never taken gets no obituary. */
struct worker_report {
    uint32_t pid;
    uint64_t incarnation;
    struct uuid cluster;
    struct uuid disk;
};

/* Sends OBITUARY to every master until all have confirmed it, or one has and the others stay silent
 * for a moment, or timeout_us has passed. All, because any master may lead next and because a
 * follower's word does not tell that the leader knows. True if at least one confirmed. Only legal
 * once the process is dead: waitpid returned it. Starts the transport's threads. */
bool obituary_send(const struct node_settings *settings, const struct worker_report *report,
                   uint64_t timeout_us);

#endif
