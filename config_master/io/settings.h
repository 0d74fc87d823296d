/* Settings of catena-master: the option table and what follows from it. */
#ifndef CATENA_CONFIG_MASTER_IO_SETTINGS_H
#define CATENA_CONFIG_MASTER_IO_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/io/args.h"
#include "base/io/log.h"
#include "base/uuid.h"
#include "config_master/core/cm_core.h"
#include "config_master/raft/raft.h"

struct master_settings {
    /* As given. */
    uint32_t id;
    const char *directory;
    const char *listen;
    const char *advertise; /* "": the bound address */
    const char *cluster_text;
    const char *masters_text;
    bool bootstrap;
    bool join;
    uint64_t heartbeat_us;
    uint64_t silence_us;
    uint64_t lease_us;
    uint64_t election_min_us;
    uint64_t election_max_us;
    uint64_t raft_heartbeat_us;
    uint64_t restart_grace_us;
    uint64_t readmit_min_us;
    uint64_t readmit_max_us;
    uint64_t settle_us;
    uint32_t drift_ppm;
    uint32_t joins_per_node;
    uint32_t snapshot_entries;
    uint32_t connections_max;
    uint32_t ready_fd;
    const char *log_level;

    /* Derived. */
    struct uuid cluster;                /* zero: what the directory says */
    struct raft_configuration founders; /* --masters, ascending ids */
    enum log_level level;

    struct args args; /* owns the strings */
};

/* Parses and checks flags and file; as args_parse. Release in every case. */
enum args_outcome master_settings_parse(int argc, char *const *argv,
                                        struct master_settings *settings, struct text *text);
void master_settings_release(struct master_settings *settings);

/* The options of both cores; cluster and traces are the caller's. */
void master_settings_cm(const struct master_settings *settings, struct cm_options *ret_options);
void master_settings_raft(const struct master_settings *settings, struct raft_options *ret_options);

#endif
