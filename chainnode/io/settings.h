/* Settings of catena-node: the option table and what follows from it. */
#ifndef CATENA_CHAINNODE_IO_SETTINGS_H
#define CATENA_CHAINNODE_IO_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bounds.h"
#include "base/err.h"
#include "base/io/args.h"
#include "base/io/log.h"
#include "base/uuid.h"

struct node_settings {
    /* As given. */
    uint32_t id;
    const char *directory;
    const char *listen;
    const char *advertise; /* "": the bound address */
    const char *masters_text;
    const char *cluster_text;
    const char *zone;
    uint32_t weight;
    uint64_t cache_bytes;
    uint64_t write_buffer_bytes;
    uint64_t reserve_bytes; /* 0: the smaller of 256 MiB and 2 % of the file system */
    uint64_t pending_bytes;
    uint64_t heartbeat_us;
    uint64_t idle_us;
    uint64_t neighbour_us;
    uint64_t upload_idle_us;
    uint64_t purge_grace_us;
    uint32_t connections_max;
    uint32_t readers;
    uint32_t ready_fd;
    const char *log_level;
    bool foreground_single;

    /* Derived. */
    char masters[BOUND_MASTERS][BOUND_ADDRESS_BYTES + 1];
    uint32_t master_count;
    struct uuid cluster; /* zero: learn it */
    enum log_level level;

    struct args args; /* owns the strings */
};

/* Parses and checks flags and file; as args_parse. Release in every case. */
enum args_outcome node_settings_parse(int argc, char *const *argv, struct node_settings *settings,
                                      struct text *text);
void node_settings_release(struct node_settings *settings);

#endif
