#include "chainnode/io/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/contract.h"

#define HOUR_US 3600000000ull

static const char footer[] =
    "The directory belongs to one node of one cluster for ever; it is created on the first start.\n"
    "A supervisor process watches the worker and tells the masters when it dies, so that chains "
    "are\n"
    "repaired at once. Signals: SIGTERM and SIGINT stop cleanly.\n"
    "Exit status: 0 stopped cleanly, 1 failed, 2 bad options, 128+N killed by signal N.";

static enum args_outcome parse_table(int argc, char *const *argv, struct node_settings *s,
                                     struct text *text)
{
    const struct args_option options[] = {
        {.name = "id",
         .kind = ARGS_U32,
         .value = &s->id,
         .minimum = 1,
         .maximum = 1000000,
         .is_required = true,
         .value_name = "ID",
         .help = "number of this node, unique in the cluster"},
        {.name = "dir",
         .kind = ARGS_STRING,
         .value = &s->directory,
         .minimum = 1,
         .maximum = 3000,
         .is_required = true,
         .value_name = "DIR",
         .help = "data directory"},
        {.name = "masters",
         .kind = ARGS_STRING,
         .value = &s->masters_text,
         .minimum = 1,
         .maximum = BOUND_MASTERS * (BOUND_ADDRESS_BYTES + 1),
         .is_required = true,
         .value_name = "HOST:PORT,...",
         .help = "addresses of the configuration masters"},
        {.name = "listen",
         .kind = ARGS_STRING,
         .value = &s->listen,
         .initial = "127.0.0.1:0",
         .minimum = 1,
         .maximum = BOUND_ADDRESS_BYTES,
         .value_name = "HOST:PORT",
         .help = "address to listen on; port 0 takes any"},
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
         .help = "refuse every other cluster; default: what the directory says,\n"
                 "on the first start what the masters say"},
        {.name = "zone",
         .kind = ARGS_STRING,
         .value = &s->zone,
         .initial = "",
         .maximum = BOUND_NAME_BYTES,
         .value_name = "NAME",
         .help = "failure domain: replicas of a chain are put in different zones"},
        {.name = "weight",
         .kind = ARGS_U32,
         .value = &s->weight,
         .initial = "100",
         .minimum = 1,
         .maximum = 1000000,
         .help = "share of the data, relative to other nodes"},
        {.name = "cache",
         .kind = ARGS_SIZE,
         .value = &s->cache_bytes,
         .initial = "64MiB",
         .minimum = 1 << 20,
         .maximum = 1ull << 40,
         .help = "memory for cached blocks"},
        {.name = "write-buffers",
         .kind = ARGS_SIZE,
         .value = &s->write_buffer_bytes,
         .initial = "96MiB",
         .minimum = 4 << 20,
         .maximum = 1ull << 40,
         .help = "memory for rows not yet written to tables, all families"},
        {.name = "pending",
         .kind = ARGS_SIZE,
         .value = &s->pending_bytes,
         .initial = "64MiB",
         .minimum = 4 << 20,
         .maximum = 1ull << 40,
         .help = "memory for updates that are not yet committed, all chains"},
        {.name = "reserve",
         .kind = ARGS_SIZE,
         .value = &s->reserve_bytes,
         .initial = "0",
         .maximum = 1ull << 50,
         .help = "below this much free space puts are refused and deletes still work;\n"
                 "0: the smaller of 256 MiB and 2 % of the file system"},
        {.name = "heartbeat",
         .kind = ARGS_DURATION,
         .value = &s->heartbeat_us,
         .initial = "100ms",
         .minimum = 1000,
         .maximum = 60000000,
         .help = "period of heartbeats to the leading master"},
        {.name = "idle",
         .kind = ARGS_DURATION,
         .value = &s->idle_us,
         .initial = "100ms",
         .minimum = 1000,
         .maximum = 60000000,
         .help = "period of positions sent to chain neighbours when nothing happens"},
        {.name = "neighbour",
         .kind = ARGS_DURATION,
         .value = &s->neighbour_us,
         .initial = "400ms",
         .minimum = 10000,
         .maximum = 60000000,
         .help = "a neighbour that owes an answer for this long is reported"},
        {.name = "upload-idle",
         .kind = ARGS_DURATION,
         .value = &s->upload_idle_us,
         .initial = "24h",
         .minimum = 100000,
         .maximum = 8760 * HOUR_US,
         .help = "an upload without a new chunk for this long is dropped"},
        {.name = "purge-grace",
         .kind = ARGS_DURATION,
         .value = &s->purge_grace_us,
         .initial = "60s",
         .maximum = 8760 * HOUR_US,
         .help = "chunks of replaced objects stay readable this long"},
        {.name = "connections",
         .kind = ARGS_U32,
         .value = &s->connections_max,
         .initial = "4096",
         .minimum = 8,
         .maximum = 1000000,
         .help = "accepted connections at most"},
        {.name = "readers",
         .kind = ARGS_U32,
         .value = &s->readers,
         .initial = "2",
         .minimum = 1,
         .maximum = 64,
         .help = "threads that read chunks"},
        {.name = "ready-fd",
         .kind = ARGS_U32,
         .value = &s->ready_fd,
         .initial = "0",
         .maximum = 1048576,
         .value_name = "FD",
         .help = "write one line to this descriptor when registered\n"
                 "(also written to the file DIR/ready)"},
        {.name = "log-level",
         .kind = ARGS_STRING,
         .value = &s->log_level,
         .initial = "info",
         .minimum = 1,
         .maximum = 16,
         .value_name = "LEVEL",
         .help = "error, warning, info or debug"},
        {.name = "foreground-single",
         .kind = ARGS_BOOL,
         .value = &s->foreground_single,
         .initial = "false",
         .help = "one process without supervisor: after a crash the chains wait for the lease"},
    };
    const struct args_spec spec = {
        .program = "catena-node",
        .version = "0.1.0",
        .summary = "storage node of a Catena cluster",
        .footer = footer,
        .has_config = true,
        .options = options,
        .option_count = ARRAY_COUNT(options),
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

static bool split_masters(struct node_settings *s, struct text *text)
{
    const char *at = s->masters_text;
    for (;;) {
        size_t length = strcspn(at, ",");
        if (s->master_count == BOUND_MASTERS) {
            text_append(text, "catena-node: --masters: more than %u addresses", BOUND_MASTERS);
            return false;
        }
        char *address = s->masters[s->master_count];
        if (length > BOUND_ADDRESS_BYTES)
            length = BOUND_ADDRESS_BYTES;
        memcpy(address, at, length);
        address[length] = '\0';
        if (!is_address(address)) {
            text_append(text, "catena-node: --masters: \"%s\" is not HOST:PORT", address);
            return false;
        }
        s->master_count++;
        if (at[length] != ',')
            return true;
        at += length + 1;
    }
}

static bool derive(struct node_settings *s, struct text *text)
{
    if (!split_masters(s, text))
        return false;
    if (!is_address(s->listen)) {
        text_append(text, "catena-node: --listen: \"%s\" is not HOST:PORT", s->listen);
        return false;
    }
    if (s->advertise[0] != '\0' && !is_address(s->advertise)) {
        text_append(text, "catena-node: --advertise: \"%s\" is not HOST:PORT", s->advertise);
        return false;
    }
    if (s->cluster_text[0] != '\0' && !uuid_parse(s->cluster_text, &s->cluster)) {
        text_append(text, "catena-node: --cluster: \"%s\" is not a UUID", s->cluster_text);
        return false;
    }
    if (!log_level_parse(s->log_level, &s->level)) {
        text_append(text, "catena-node: --log-level: \"%s\" is not error, warning, info or debug",
                    s->log_level);
        return false;
    }
    return true;
}

enum args_outcome node_settings_parse(int argc, char *const *argv, struct node_settings *settings,
                                      struct text *text)
{
    *settings = (struct node_settings){0};
    enum args_outcome outcome = parse_table(argc, argv, settings, text);
    if (outcome == ARGS_RUN && !derive(settings, text))
        outcome = ARGS_BAD;
    return outcome;
}

void node_settings_release(struct node_settings *settings)
{
    args_release(&settings->args);
}
