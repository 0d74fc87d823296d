/* Building and ending one worker process. Order: directory, cluster, incarnation (durable before
 * anyone hears it, R4), store, network, core, threads. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/io/clock.h"
#include "base/io/daemon.h"
#include "base/io/host.h"
#include "base/io/kv_rocksdb.h"
#include "base/io/log.h"
#include "base/io/ready.h"
#include "base/text.h"
#include "chainnode/io/families.h"
#include "chainnode/io/learn.h"
#include "chainnode/io/node.h"
#include "chainnode/io/reclaimer.h"

enum {
    TEXT_BYTES = 512,
    QUEUE_BYTES_MAX = 64 << 20,
    GROUP_BYTES_MAX = 8 << 20,
    GROUP_BATCHES_MAX = 256,
    READS_QUEUED_MAX = 1024,
    RECLAIM_PERIOD_US = 30000000,
    STORE_IDLE_US = 20000,
    COLLECT_BYTES_MAX = 4 << 20,
};

struct worker {
    struct node node;
    struct kv_rocksdb *store;
    struct kv kv;
    struct reclaimer *reclaimer;
    struct daemon_stop stop;
    char text[TEXT_BYTES];
};

/* ---- what the threads call ---- */

static enum err store_write(void *context, const struct kv_batch *const *batches, size_t count,
                            bool sync)
{
    struct worker *worker = context;
    char text[TEXT_BYTES] = "";
    char quoted[TEXT_BYTES];
    enum err err = kv_rocksdb_write_many(worker->store, batches, count, sync, text, sizeof text);
    if (err != ERR_OK)
        log_error("store_write_failed", "err=%s text=%s", err_name(err),
                  log_quote(slice_of_text(text), quoted, sizeof quoted));
    else
        reclaimer_note(worker->reclaimer, batches, count);
    return err;
}

static enum err store_idle(void *context, bool *ret_more)
{
    struct worker *worker = context;
    char text[TEXT_BYTES] = "";
    char quoted[TEXT_BYTES];
    enum err err =
        kv_rocksdb_collect(worker->store, COLLECT_BYTES_MAX, ret_more, text, sizeof text);
    if (err != ERR_OK)
        log_error("store_collect_failed", "err=%s text=%s", err_name(err),
                  log_quote(slice_of_text(text), quoted, sizeof quoted));
    return err;
}

static void store_reclaim(void *context)
{
    struct worker *worker = context;
    kv_rocksdb_reclaim(worker->store, CN_FAMILY_CHUNKS);
}

static void store_wake(void *context)
{
    struct worker *worker = context;
    transport_wake(worker->node.transport);
}

static void chunk_reply(void *context, uint64_t conn, const struct wire_message *message)
{
    struct worker *worker = context;
    (void)transport_post(worker->node.transport, conn, message);
}

static void chunk_corrupt(void *context, const struct wire_chunk_get *request, enum err err)
{
    (void)context;
    log_error("chunk_corrupt", "err=%s chain=%u upload=%016llx%016llx index=%u", err_name(err),
              request->chain, (unsigned long long)request->upload_high,
              (unsigned long long)request->upload_low, request->index);
}

static void core_trace(void *context, const char *line)
{
    (void)context;
    log_debug("core", "%s", line);
}

/* A chain that halted (R27), bit rot. */
static void core_alarm(void *context, const char *line)
{
    (void)context;
    char quoted[2 * TEXT_BYTES];
    log_error("chain_alarm", "text=%s", log_quote(slice_of_text(line), quoted, sizeof quoted));
}

/* ---- the parts, in order ---- */

static enum err start_identity(struct worker *worker)
{
    struct node *node = &worker->node;
    const struct node_settings *settings = node->settings;
    enum err err = identity_open(settings->directory, "node", settings->id, &settings->cluster,
                                 &node->identity, worker->text, TEXT_BYTES);
    if (err != ERR_OK)
        return err;
    ready_clear(settings->directory);
    if (uuid_is_zero(&node->identity->cluster)) {
        struct uuid cluster;
        err = learn_cluster(settings, &node->stop_asked, &cluster);
        if (err != ERR_OK) {
            text_format(worker->text, TEXT_BYTES, "stopped before any master named its cluster");
            return err;
        }
        identity_adopt(node->identity, &cluster);
    }
    return identity_start(node->identity, clock_wall_ms(), worker->text, TEXT_BYTES);
}

static enum err start_store(struct worker *worker)
{
    const struct node_settings *settings = worker->node.settings;
    char text[TEXT_BYTES] = "";
    char quoted[TEXT_BYTES];
    enum err err = families_open(settings->directory, settings->cache_bytes,
                                 settings->write_buffer_bytes, &worker->store, text, sizeof text);
    if (err != ERR_OK) {
        const char *advice = err != ERR_CORRUPT
                                 ? ""
                                 : "; if other nodes have replicas of its chains, start it with an "
                                   "empty directory: it gets copies";
        text_format(worker->text, TEXT_BYTES, "cannot open the store in %.200s: %s (%.200s)%s",
                    settings->directory, err_text(err), text, advice);
        return err;
    }
    if (text[0] != '\0')
        log_error("values_lost", "text=%s", log_quote(slice_of_text(text), quoted, sizeof quoted));
    worker->kv = kv_rocksdb_interface(worker->store);
    worker->node.kv = &worker->kv;
    return ERR_OK;
}

static enum err start_network(struct worker *worker)
{
    struct node *node = &worker->node;
    const struct node_settings *settings = node->settings;
    const struct transport_options options = {
        .hello =
            {
                .wire_version = WIRE_VERSION,
                .cluster = node->identity->cluster,
                .role = WIRE_ROLE_NODE,
                .id = settings->id,
                .incarnation = node->identity->incarnation,
                .disk = node->identity->disk,
                .software = slice_of_text("catena-node 0.1.0"),
            },
        .connections_max = settings->connections_max,
        .queue_bytes_max = QUEUE_BYTES_MAX,
        .frame_payload_bytes_max = BOUND_FRAME_PAYLOAD_BYTES,
    };
    node->transport = transport_new(&options);
    daemon_stop_attach(&worker->stop, store_wake, worker);
    char bound[BOUND_ADDRESS_BYTES + 1] = "";
    char text[TEXT_BYTES / 2] = "";
    enum err err =
        transport_listen(node->transport, settings->listen, bound, sizeof bound, text, sizeof text);
    if (err != ERR_OK) {
        text_format(worker->text, TEXT_BYTES, "%s", text[0] == '\0' ? err_text(err) : text);
        return err;
    }
    text_format(node->address, sizeof node->address, "%s",
                settings->advertise[0] == '\0' ? bound : settings->advertise);
    struct masters_options masters = {
        .count = settings->master_count,
        .heartbeat_us = settings->heartbeat_us,
        .tag_base = NODE_TAG_MASTERS,
        .seed = random_seed(),
    };
    for (uint32_t i = 0; i < settings->master_count; i++)
        masters.addresses[i] = settings->masters[i];
    node->masters = masters_new(node->transport, &masters);
    const struct links_options peers = {
        .tag_base = NODE_TAG_PEERS,
        .dial_timeout_ms = 1000,
        .redial_min_ms = 10,
        .redial_max_ms = 500,
        .seed = random_seed(),
    };
    node->peers = links_new(node->transport, &peers);
    return ERR_OK;
}

static enum err start_core(struct worker *worker)
{
    struct node *node = &worker->node;
    const struct node_settings *settings = node->settings;
    struct cn_options options = {
        .node = settings->id,
        .incarnation = node->identity->incarnation,
        .cluster = node->identity->cluster,
        .disk = node->identity->disk,
        .address = slice_of_text(node->address),
        .zone = slice_of_text(settings->zone),
        .weight = settings->weight,
        .pid = node->worker_pid,
        .heartbeat_us = settings->heartbeat_us,
        .idle_us = settings->idle_us,
        .neighbour_us = settings->neighbour_us,
        .upload_idle_us = settings->upload_idle_us,
        .purge_grace_us = settings->purge_grace_us,
        .pending_bytes_max = settings->pending_bytes,
    };
    if (host_boot_id(&options.boot) != ERR_OK)
        options.boot = uuid_random(); /* never equal: a higher incarnation proves nothing (R4) */
    if (log_is_on(LOG_LEVEL_DEBUG))
        options.trace.emit = core_trace;
    options.alarm.emit = core_alarm;
    node->now_us = clock_boot_us();
    enum err err = cn_core_new(&options, random_seed(), node->now_us, node->kv, &node->core);
    if (err != ERR_OK)
        text_format(worker->text, TEXT_BYTES,
                    "the store in %.300s cannot be read: %s; start with an empty directory and let "
                    "the cluster copy the data",
                    settings->directory, err_text(err));
    return err;
}

static void start_threads(struct worker *worker)
{
    struct node *node = &worker->node;
    const struct store_writer_options writer = {
        .write = store_write,
        .idle = store_idle,
        .idle_us = STORE_IDLE_US,
        .wake = store_wake,
        .context = worker,
        .group_bytes_max = GROUP_BYTES_MAX,
        .group_batches_max = GROUP_BATCHES_MAX,
    };
    const struct chunk_reader_options reader = {
        .kv = node->kv,
        .reply = chunk_reply,
        .corrupt = chunk_corrupt,
        .context = worker,
        .threads = node->settings->readers,
        .queue_max = READS_QUEUED_MAX,
    };
    const struct reclaimer_options reclaimer = {
        .reclaim = store_reclaim,
        .context = worker,
        .family = CN_FAMILY_CHUNKS,
        .period_us = RECLAIM_PERIOD_US,
    };
    worker->reclaimer = reclaimer_new(&reclaimer);
    node->writer = store_writer_new(&writer);
    node->reader = chunk_reader_new(&reader);
    space_init(&node->space, node->settings->reserve_bytes);
}

static enum err start(struct worker *worker)
{
    enum err err = start_identity(worker);
    if (err == ERR_OK)
        err = start_store(worker);
    if (err == ERR_OK)
        err = start_network(worker);
    if (err == ERR_OK)
        err = start_core(worker);
    if (err == ERR_OK)
        start_threads(worker);
    return err;
}

/* ---- the end ---- */

static void log_counters(struct node *node)
{
    struct store_writer_stats store = store_writer_stats(node->writer);
    struct chunk_reader_stats chunks = chunk_reader_stats(node->reader);
    log_info("counters",
             "batches=%llu writes=%llu syncs=%llu chunks_served=%llu chunks_corrupt=%llu "
             "refused_types=%llu refused_busy=%llu lost_sends=%llu",
             (unsigned long long)store.batches, (unsigned long long)store.writes,
             (unsigned long long)store.syncs, (unsigned long long)chunks.served,
             (unsigned long long)chunks.corrupt, (unsigned long long)node->counters.refused_types,
             (unsigned long long)node->counters.refused_busy,
             (unsigned long long)node->counters.lost_sends);
}

/* The core first falls silent, then everything that was handed to the store is written, then the
 * network goes: threads that still post replies need it. */
static void stop(struct worker *worker)
{
    struct node *node = &worker->node;
    if (node->writer != NULL)
        log_counters(node);
    /* After a failed write the store must not be touched again, not even to close it: RocksDB would
     * try to write out what it holds. */
    if (node->is_halted && (node->halt_err == ERR_DISK_LOST || node->halt_err == ERR_NO_SPACE))
        _exit(1);
    store_writer_free(node->writer);
    chunk_reader_free(node->reader);
    reclaimer_free(worker->reclaimer);
    if (node->core != NULL)
        cn_core_free(node->core);
    cn_effects_release(&node->effects);
    char text[TEXT_BYTES] = "";
    if (node->core != NULL && !node->is_halted &&
        kv_rocksdb_flush(worker->store, text, sizeof text) != ERR_OK)
        log_warning("flush_failed", "text=\"%s\"", text);
    masters_free(node->masters);
    if (node->peers != NULL)
        links_free(node->peers);
    daemon_stop_attach(&worker->stop, NULL, NULL);
    if (node->transport != NULL)
        transport_free(node->transport);
    node_inbound_release(node);
    kv_rocksdb_close(worker->store);
    identity_close(node->identity);
}

int node_run(const struct node_settings *settings, int report_fd, uint32_t supervisor_pid)
{
    struct worker *worker = mem_calloc(1, sizeof *worker);
    struct node *node = &worker->node;
    node->settings = settings;
    node->worker_pid = (uint32_t)getpid();
    node->supervisor_pid = supervisor_pid;
    node->report_fd = report_fd;
    map_init(&node->inbound);
    cn_effects_init(&node->effects);
    daemon_files_limit_raise();
    daemon_stop_start(&worker->stop, &node->stop_asked);
    int status = 0;
    if (start(worker) != ERR_OK) {
        (void)fprintf(stderr, "catena-node: %s\n", worker->text);
        status = atomic_load(&node->stop_asked) ? 0 : 1;
    } else {
        log_info("started", "id=%u incarnation=%llu pid=%u supervisor=%u address=%s dir=%s",
                 settings->id, (unsigned long long)node->identity->incarnation, node->worker_pid,
                 supervisor_pid, node->address, settings->directory);
        node_loop(node);
        if (node->is_halted) {
            log_error("halted", "err=%s", err_name(node->halt_err));
            (void)fprintf(stderr, "catena-node: %s\n", node->halt_text);
            status = 1;
        }
    }
    stop(worker);
    daemon_stop_end(&worker->stop);
    log_info("stopped", "status=%d", status);
    mem_free(worker);
    return status;
}
