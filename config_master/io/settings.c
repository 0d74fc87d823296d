#include "config_master/io/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/contract.h"

#define HOUR_US 3600000000ull

static const char footer[] =
    "A new cluster: start every founding master once with --bootstrap, the same --cluster UUID "
    "and\n"
    "the same --masters. A further master: start it with --join and --cluster on an empty "
    "directory,\n"
    "then add it with `catena admin`. After the first start the directory knows all of this.\n"
    "Signals: SIGTERM and SIGINT stop cleanly.\n"
    "Exit status: 0 stopped cleanly, 1 failed, 2 bad options.";

/* The table in two halves: who and where, then the times. */
static size_t fill_places(struct master_settings *s, struct args_option *options)
{
    const struct args_option table[] = {
        {.name = "id",
         .kind = ARGS_U32,
         .value = &s->id,
         .minimum = 1,
         .maximum = 1000000,
         .is_required = true,
         .value_name = "ID",
         .help = "number of this master, unique in the cluster"},
        {.name = "dir",
         .kind = ARGS_STRING,
         .value = &s->directory,
         .minimum = 1,
         .maximum = 3000,
         .is_required = true,
         .value_name = "DIR",
         .help = "data directory"},
        {.name = "listen",
         .kind = ARGS_STRING,
         .value = &s->listen,
         .initial = "127.0.0.1:7000",
         .minimum = 1,
         .maximum = BOUND_ADDRESS_BYTES,
         .value_name = "HOST:PORT",
         .help = "address to listen on"},
        {.name = "advertise",
         .kind = ARGS_STRING,
         .value = &s->advertise,
         .initial = "",
         .maximum = BOUND_ADDRESS_BYTES,
         .value_name = "HOST:PORT",
         .help = "address that others use; default: the address bound"},
        {.name = "cluster",
         .kind = ARGS_STRING,
         .value = &s->cluster_text,
         .initial = "",
         .maximum = UUID_TEXT_SIZE - 1,
         .value_name = "UUID",
         .help = "the cluster; needed on the first start, a directory of another one is refused"},
        {.name = "masters",
         .kind = ARGS_STRING,
         .value = &s->masters_text,
         .initial = "",
         .maximum = BOUND_MASTERS * (BOUND_ADDRESS_BYTES + 12),
         .value_name = "ID=HOST:PORT,...",
         .help = "the founding masters, this one included (with --bootstrap)"},
        {.name = "bootstrap",
         .kind = ARGS_BOOL,
         .value = &s->bootstrap,
         .initial = "false",
         .help = "found the cluster if the directory is empty"},
        {.name = "join",
         .kind = ARGS_BOOL,
         .value = &s->join,
         .initial = "false",
         .help = "wait to be added to the cluster if the directory is empty"},
        {.name = "connections",
         .kind = ARGS_U32,
         .value = &s->connections_max,
         .initial = "4096",
         .minimum = 8,
         .maximum = 16000,
         .help = "accepted connections at most"},
        {.name = "ready-fd",
         .kind = ARGS_U32,
         .value = &s->ready_fd,
         .initial = "0",
         .maximum = 1048576,
         .value_name = "FD",
         .help = "write one line to this descriptor when listening\n"
                 "(also written to the file DIR/ready)"},
        {.name = "log-level",
         .kind = ARGS_STRING,
         .value = &s->log_level,
         .initial = "info",
         .minimum = 1,
         .maximum = 16,
         .value_name = "LEVEL",
         .help = "error, warning, info or debug"},
    };
    memcpy(options, table, sizeof table);
    return ARRAY_COUNT(table);
}

static struct args_option duration(const char *name, uint64_t *value, const char *initial,
                                   const char *help)
{
    return (struct args_option){.name = name,
                                .kind = ARGS_DURATION,
                                .value = value,
                                .initial = initial,
                                .minimum = 1000,
                                .maximum = HOUR_US,
                                .help = help};
}

static size_t fill_times(struct master_settings *s, struct args_option *options)
{
    size_t count = 0;
    options[count++] = duration("heartbeat", &s->heartbeat_us, "100ms",
                                "period of the nodes' heartbeats (theirs is set at the node)");
    options[count++] = duration("silence", &s->silence_us, "400ms",
                                "a node that is silent for this long is taken out of its chains");
    options[count++] = duration("lease", &s->lease_us, "1s",
                                "how long a node may serve reads without hearing from a master");
    options[count++] = duration("election-min", &s->election_min_us, "300ms",
                                "smallest election time-out; shorter than the lease");
    options[count++] =
        duration("election-max", &s->election_max_us, "600ms", "largest election time-out");
    options[count++] = duration("raft-heartbeat", &s->raft_heartbeat_us, "60ms",
                                "period of the leading master's heartbeats to the others");
    options[count++] = duration("restart-grace", &s->restart_grace_us, "500ms",
                                "gathering members before a chain is started again");
    options[count++] = duration("readmit-min", &s->readmit_min_us, "500ms",
                                "a failed node that came back gets copies after this delay;\n"
                                "it doubles with each failure");
    options[count++] = duration("readmit-max", &s->readmit_max_us, "60s", "the longest such delay");
    options[count++] = duration("settle", &s->settle_us, "5s",
                                "a cluster that was whole and quiet for this long has heads and\n"
                                "tails evened out (admin set rebalance-roles 0 turns it off)");
    options[count++] = (struct args_option){.name = "drift-ppm",
                                            .kind = ARGS_U32,
                                            .value = &s->drift_ppm,
                                            .initial = "1000",
                                            .maximum = 100000,
                                            .help = "error of clock rates allowed for"};
    options[count++] = (struct args_option){.name = "joins-per-node",
                                            .kind = ARGS_U32,
                                            .value = &s->joins_per_node,
                                            .initial = "4",
                                            .minimum = 1,
                                            .maximum = 65536,
                                            .help = "copies under way with one node at either end"};
    options[count++] = (struct args_option){.name = "snapshot-entries",
                                            .kind = ARGS_U32,
                                            .value = &s->snapshot_entries,
                                            .initial = "10000",
                                            .minimum = 16,
                                            .maximum = 10000000,
                                            .help = "log entries between two snapshots"};
    return count;
}

static enum args_outcome parse_table(int argc, char *const *argv, struct master_settings *s,
                                     struct text *text)
{
    struct args_option options[32];
    size_t count = fill_places(s, options);
    count += fill_times(s, options + count);
    PRE(count <= ARRAY_COUNT(options));
    const struct args_spec spec = {
        .program = "catena-master",
        .version = "0.1.0",
        .summary = "configuration master of a Catena cluster",
        .footer = footer,
        .has_config = true,
        .options = options,
        .option_count = count,
    };
    return args_parse(&spec, argc, argv, &s->args, text);
}

/* "host:port" with something on both sides of the last colon. */
static bool is_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    return colon != NULL && colon != text && args_parse_u64(colon + 1, &port) && port <= 65535;
}

/* One "3=host:port" of --masters, already cut out. */
static bool add_founder(struct raft_configuration *founders, char *entry)
{
    char *equals = strchr(entry, '=');
    if (equals == NULL)
        return false;
    *equals = '\0';
    uint64_t id = 0;
    const char *address = equals + 1;
    if (!args_parse_u64(entry, &id) || id == 0 || id > 1000000 || !is_address(address) ||
        strlen(address) > BOUND_ADDRESS_BYTES)
        return false;
    /* Ascending: every founder writes the same configuration. */
    uint32_t at = founders->count;
    while (at > 0 && founders->servers[at - 1].id >= id) {
        if (founders->servers[at - 1].id == id)
            return false;
        founders->servers[at] = founders->servers[at - 1];
        at--;
    }
    founders->servers[at] = (struct raft_server){.id = (uint32_t)id};
    memcpy(founders->servers[at].address, address, strlen(address) + 1);
    founders->count++;
    return true;
}

static bool split_masters(struct master_settings *s, struct text *text)
{
    const char *at = s->masters_text;
    while (*at != '\0') {
        char entry[BOUND_ADDRESS_BYTES + 16];
        size_t length = strcspn(at, ",");
        if (s->founders.count == BOUND_MASTERS) {
            text_append(text, "catena-master: --masters: more than %u masters", BOUND_MASTERS);
            return false;
        }
        bool fits = length < sizeof entry;
        memcpy(entry, at, fits ? length : 0);
        entry[fits ? length : 0] = '\0';
        if (!fits || !add_founder(&s->founders, entry)) {
            text_append(text,
                        "catena-master: --masters: \"%.*s\" is not ID=HOST:PORT with an id of its "
                        "own",
                        (int)length, at);
            return false;
        }
        at += length;
        if (*at == ',')
            at++;
    }
    return true;
}

static bool check_founding(const struct master_settings *s, struct text *text)
{
    bool has_self = false;
    for (uint32_t i = 0; i < s->founders.count; i++)
        has_self = has_self || s->founders.servers[i].id == s->id;
    const char *why = NULL;
    if (s->bootstrap && s->join)
        why = "--bootstrap and --join exclude each other";
    else if ((s->bootstrap || s->join) && s->cluster_text[0] == '\0')
        why = "--bootstrap and --join need --cluster UUID";
    else if (s->bootstrap && s->founders.count == 0)
        why = "--bootstrap needs --masters with the founding masters";
    else if (s->bootstrap && !has_self)
        why = "--masters does not name this master's --id";
    if (why != NULL)
        text_append(text, "catena-master: %s", why);
    return why == NULL;
}

static bool check_times(const struct master_settings *s, struct text *text)
{
    const char *why = NULL;
    struct cm_options options;
    master_settings_cm(s, &options);
    options.cluster.bytes[0] = 1; /* not known yet */
    (void)cm_options_check(&options, &why);
    if (why == NULL && s->election_max_us < s->election_min_us)
        why = "--election-max is below --election-min";
    if (why == NULL && s->election_max_us >= s->lease_us)
        why = "--election-max must be shorter than --lease, or a change of the leading master "
              "stops the data path";
    if (why == NULL && s->raft_heartbeat_us * 3 > s->election_min_us)
        why = "--election-min must be at least three times --raft-heartbeat";
    if (why != NULL)
        text_append(text, "catena-master: %s", why);
    return why == NULL;
}

static bool derive(struct master_settings *s, struct text *text)
{
    if (!is_address(s->listen)) {
        text_append(text, "catena-master: --listen: \"%s\" is not HOST:PORT", s->listen);
        return false;
    }
    if (s->advertise[0] != '\0' && !is_address(s->advertise)) {
        text_append(text, "catena-master: --advertise: \"%s\" is not HOST:PORT", s->advertise);
        return false;
    }
    if (s->cluster_text[0] != '\0' &&
        (!uuid_parse(s->cluster_text, &s->cluster) || uuid_is_zero(&s->cluster))) {
        text_append(text, "catena-master: --cluster: \"%s\" is not a UUID", s->cluster_text);
        return false;
    }
    if (!log_level_parse(s->log_level, &s->level)) {
        text_append(text, "catena-master: --log-level: \"%s\" is not error, warning, info or debug",
                    s->log_level);
        return false;
    }
    return split_masters(s, text) && check_founding(s, text) && check_times(s, text);
}

enum args_outcome master_settings_parse(int argc, char *const *argv,
                                        struct master_settings *settings, struct text *text)
{
    *settings = (struct master_settings){0};
    enum args_outcome outcome = parse_table(argc, argv, settings, text);
    if (outcome == ARGS_RUN && !derive(settings, text))
        outcome = ARGS_BAD;
    return outcome;
}

void master_settings_release(struct master_settings *settings)
{
    args_release(&settings->args);
}

void master_settings_cm(const struct master_settings *settings, struct cm_options *ret_options)
{
    *ret_options = (struct cm_options){
        .id = settings->id,
        .cluster = settings->cluster,
        .heartbeat_us = settings->heartbeat_us,
        .silence_us = settings->silence_us,
        .lease_us = settings->lease_us,
        .election_min_us = settings->election_min_us,
        .drift_ppm = settings->drift_ppm,
        .restart_grace_us = settings->restart_grace_us,
        .readmit_min_us = settings->readmit_min_us,
        .readmit_max_us = settings->readmit_max_us,
        .settle_us = settings->settle_us,
        .joins_per_node_max = settings->joins_per_node,
    };
}

void master_settings_raft(const struct master_settings *settings, struct raft_options *ret_options)
{
    *ret_options = (struct raft_options){
        .id = settings->id,
        .election_min_us = settings->election_min_us,
        .election_max_us = settings->election_max_us,
        .heartbeat_us = settings->raft_heartbeat_us,
        .append_entries_max = 256,
        .append_bytes_max = RAFT_APPEND_BYTES_MAX,
        .append_inflight_max = 16,
        .snapshot_chunk_bytes = 262144,
        .snapshot_after_entries = settings->snapshot_entries,
    };
}
