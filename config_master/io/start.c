/* Building and ending the process. Order: directory, store, founding rows, core, network, threads.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/io/clock.h"
#include "base/io/daemon.h"
#include "base/io/file.h"
#include "base/io/host.h"
#include "base/io/kv_rocksdb.h"
#include "base/io/log.h"
#include "base/io/ready.h"
#include "base/text.h"
#include "config_master/io/master.h"

enum {
    TEXT_BYTES = 1024,
    QUEUE_BYTES_MAX = 64 << 20,
    GROUP_BYTES_MAX = 8 << 20,
    GROUP_BATCHES_MAX = 256,
    PATH_BYTES = 3200,
};

struct process {
    struct master master;
    struct daemon_stop stop;
    bool is_write_failed; /* the writer's own until it is joined */
    char text[TEXT_BYTES];
};

/* ---- what the threads call ---- */

static enum err store_write(void *context, const struct kv_batch *const *batches, size_t count,
                            bool sync)
{
    struct process *process = context;
    char text[TEXT_BYTES / 2] = "";
    char quoted[TEXT_BYTES];
    enum err err =
        kv_rocksdb_write_many(process->master.store, batches, count, sync, text, sizeof text);
    if (err == ERR_OK)
        return ERR_OK;
    process->is_write_failed = true;
    log_error("store_write_failed", "err=%s text=%s", err_name(err),
              log_quote(slice_of_text(text), quoted, sizeof quoted));
    return err;
}

static void store_wake(void *context)
{
    struct process *process = context;
    transport_wake(process->master.transport);
}

/* "node-registered node=3 ..." becomes event=node-registered node=3 ... */
static void log_line(enum log_level level, const char *line)
{
    char event[64];
    size_t length = strcspn(line, " ");
    if (length >= sizeof event) {
        log_write(level, "trace", "line=%s", line);
        return;
    }
    memcpy(event, line, length);
    event[length] = '\0';
    if (line[length] == '\0')
        log_event(level, event);
    else
        log_write(level, event, "%s", line + length + 1);
}

/* What the cluster core decides is the story of the cluster; its plans and roles are told in other
 * words as well. */
static void cluster_trace(void *context, const char *line)
{
    (void)context;
    bool is_detail = strncmp(line, "chain-plan", 10) == 0 ||
                     strncmp(line, "chain-decided", 13) == 0 || strncmp(line, "role ", 5) == 0;
    bool is_alarm = strncmp(line, "chain-halted", 12) == 0 ||
                    strncmp(line, "histories-differ", 16) == 0 ||
                    strncmp(line, "disk-rolled-back", 16) == 0;
    enum log_level level = is_detail ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    if (is_alarm)
        level = LOG_LEVEL_WARNING;
    if (log_is_on(level))
        log_line(level, line);
}

static void server_trace(void *context, const char *line)
{
    (void)context;
    char quoted[TEXT_BYTES];
    log_info("masters", "text=%s", log_quote(slice_of_text(line), quoted, sizeof quoted));
}

static void raft_trace(void *context, const char *line)
{
    (void)context;
    log_debug("raft", "%s", line);
}

/* ---- the parts, in order ---- */

static enum err start_identity(struct process *process)
{
    struct master *master = &process->master;
    const struct master_settings *settings = master->settings;
    enum err err = identity_open(settings->directory, "master", settings->id, &settings->cluster,
                                 &master->identity, process->text, TEXT_BYTES);
    if (err != ERR_OK)
        return err;
    ready_clear(settings->directory);
    if (uuid_is_zero(&master->identity->disk) && !settings->bootstrap && !settings->join) {
        text_format(
            process->text, TEXT_BYTES,
            "the directory %.200s holds no master yet: found a cluster with --bootstrap, or "
            "wait to be added to one with --join (a master that lost its disk: "
            "catena admin master-remove %u, master-add %u, then --join)",
            settings->directory, settings->id, settings->id);
        return ERR_INVALID;
    }
    if (uuid_is_zero(&master->identity->cluster))
        identity_adopt(master->identity, &settings->cluster);
    return identity_start(master->identity, clock_wall_ms(), process->text, TEXT_BYTES);
}

static enum err open_store(struct process *process)
{
    struct master *master = &process->master;
    static const struct kv_rocksdb_family families[] = {
        [RAFT_FAMILY_LOG] = {.name = "log", .write_buffer_bytes = 4 << 20},
        [RAFT_FAMILY_META] = {.name = "meta", .write_buffer_bytes = 4 << 20},
    };
    char path[PATH_BYTES];
    char text[TEXT_BYTES / 2] = "";
    const struct kv_rocksdb_options options = {
        .directory = text_format(path, sizeof path, "%s/store", master->settings->directory),
        .families = families,
        .family_count = ARRAY_COUNT(families),
        .create = true,
        .cache_bytes = 8 << 20,
        .wal_bytes_max = 32 << 20,
    };
    enum err err = kv_rocksdb_open(&options, &master->store, text, sizeof text);
    if (err != ERR_OK) {
        const char *advice = err != ERR_CORRUPT
                                 ? ""
                                 : "; if the other masters serve, remove it there (catena admin "
                                   "master-remove) and add it again with an empty directory";
        text_format(process->text, TEXT_BYTES, "cannot open the store in %.200s: %s (%.300s)%s",
                    master->settings->directory, err_text(err), text, advice);
        return err;
    }
    master->kv = kv_rocksdb_interface(master->store);
    return ERR_OK;
}

static enum err write_founding(struct process *process, const char *marker)
{
    struct master *master = &process->master;
    const struct master_settings *settings = master->settings;
    static const struct raft_configuration nobody;
    struct kv_batch *batch = kv_batch_new();
    server_bootstrap(batch, settings->bootstrap ? &settings->founders : &nobody);
    char text[TEXT_BYTES / 2] = "";
    enum err err = kv_rocksdb_write(master->store, batch, true, text, sizeof text);
    kv_batch_free(batch);
    process->is_write_failed = err != ERR_OK;
    if (err == ERR_OK)
        err = file_write(marker, slice_of_text("this master's store has been founded\n"));
    if (err != ERR_OK)
        text_format(process->text, TEXT_BYTES, "cannot write to %.200s: %s (%.300s)",
                    settings->directory, err_text(err), text);
    else
        log_info("founded", "masters=%u waits=%s",
                 settings->bootstrap ? settings->founders.count : 0,
                 settings->join ? "true" : "false");
    return err;
}

/* Founding rows are written into an empty store, once. A store that was founded and is empty now
 * has been lost: with new rows this master could vote a second time in a term, so it has to be
 * removed and added again with another disk (checklist 51). */
static enum err found_store(struct process *process)
{
    struct master *master = &process->master;
    const struct master_settings *settings = master->settings;
    char marker[PATH_BYTES];
    text_format(marker, sizeof marker, "%s/founded", settings->directory);
    enum err err = ERR_OK;
    bool is_empty = server_store_is_empty(&master->kv, &err);
    if (err != ERR_OK) {
        text_format(process->text, TEXT_BYTES, "the store in %.200s cannot be read: %s",
                    settings->directory, err_text(err));
        return err;
    }
    struct buf *mark = NULL;
    enum err marked = file_read(marker, 4096, &mark);
    buf_unref(mark);
    if (!is_empty)
        return marked == ERR_NOT_FOUND
                   ? file_write(marker, slice_of_text("this master's store has been founded\n"))
                   : ERR_OK;
    if (marked != ERR_NOT_FOUND) {
        text_format(process->text, TEXT_BYTES,
                    "the store in %.200s is lost: remove this master from the cluster, empty the "
                    "directory, start it with --join and add it again",
                    settings->directory);
        return ERR_DISK_LOST;
    }
    if (!settings->bootstrap && !settings->join) {
        text_format(process->text, TEXT_BYTES,
                    "the store in %.200s was never founded: start with --bootstrap or --join",
                    settings->directory);
        return ERR_INVALID;
    }
    return write_founding(process, marker);
}

static enum err start_server(struct process *process)
{
    struct master *master = &process->master;
    struct server_options options = {
        .disk = master->identity->disk, .pid = (uint32_t)getpid(), .trace = {.emit = server_trace}};
    master_settings_cm(master->settings, &options.cm);
    master_settings_raft(master->settings, &options.raft);
    options.cm.cluster = master->identity->cluster;
    options.cm.trace.emit = cluster_trace;
    if (log_is_on(LOG_LEVEL_DEBUG))
        options.raft.trace.emit = raft_trace;
    master->now_us = clock_boot_us();
    enum err err =
        server_new(&options, random_seed(), master->now_us, &master->kv, &master->server);
    if (err != ERR_OK)
        text_format(process->text, TEXT_BYTES,
                    "the store in %.200s cannot be used: %s; remove this master from the cluster, "
                    "empty the directory, start it with --join and add it again",
                    master->settings->directory, err_text(err));
    return err;
}

static enum err start_network(struct process *process)
{
    struct master *master = &process->master;
    const struct master_settings *settings = master->settings;
    const struct transport_options options = {
        .hello =
            {
                .wire_version = WIRE_VERSION,
                .cluster = master->identity->cluster,
                .role = WIRE_ROLE_MASTER,
                .id = settings->id,
                .incarnation = (uint64_t)getpid(), /* masters have no incarnations: for status */
                .disk = master->identity->disk,
                .software = slice_of_text("catena-master 0.1.0"),
            },
        .connections_max = settings->connections_max,
        .queue_bytes_max = QUEUE_BYTES_MAX,
        .frame_payload_bytes_max = BOUND_FRAME_PAYLOAD_BYTES,
    };
    master->transport = transport_new(&options);
    daemon_stop_attach(&process->stop, store_wake, process);
    char bound[BOUND_ADDRESS_BYTES + 1] = "";
    char text[TEXT_BYTES / 2] = "";
    enum err err = transport_listen(master->transport, settings->listen, bound, sizeof bound, text,
                                    sizeof text);
    if (err != ERR_OK) {
        text_format(process->text, TEXT_BYTES, "%s", text[0] == '\0' ? err_text(err) : text);
        return err;
    }
    text_format(master->address, sizeof master->address, "%s",
                settings->advertise[0] == '\0' ? bound : settings->advertise);
    const struct links_options links = {
        .tag_base = MASTER_TAG_MASTERS,
        .dial_timeout_ms = 500,
        .redial_min_ms = 10,
        .redial_max_ms = 250,
        .seed = random_seed(),
    };
    master->links = links_new(master->transport, &links);
    return ERR_OK;
}

static void start_writer(struct process *process)
{
    const struct store_writer_options writer = {
        .write = store_write,
        .wake = store_wake,
        .context = process,
        .group_bytes_max = GROUP_BYTES_MAX,
        .group_batches_max = GROUP_BATCHES_MAX,
    };
    process->master.writer = store_writer_new(&writer);
}

static enum err announce(struct process *process)
{
    struct master *master = &process->master;
    char line[PATH_BYTES];
    text_format(line, sizeof line, "ready role=master id=%u pid=%u address=%s",
                master->settings->id, (unsigned)getpid(), master->address);
    log_info("listening", "id=%u address=%s pid=%u dir=%s", master->settings->id, master->address,
             (unsigned)getpid(), master->settings->directory);
    enum err err = ready_announce(master->settings->directory, master->settings->ready_fd, line);
    if (err != ERR_OK)
        text_format(process->text, TEXT_BYTES, "cannot announce readiness in %.300s: %s",
                    master->settings->directory, err_text(err));
    return err;
}

static enum err start(struct process *process)
{
    enum err err = start_identity(process);
    if (err == ERR_OK)
        err = open_store(process);
    if (err == ERR_OK)
        err = found_store(process);
    if (err == ERR_OK)
        err = start_server(process);
    if (err == ERR_OK)
        err = start_network(process);
    if (err == ERR_OK)
        start_writer(process);
    if (err == ERR_OK)
        err = announce(process);
    return err;
}

/* ---- the end ---- */

static void stop(struct process *process)
{
    struct master *master = &process->master;
    store_writer_free(master->writer);
    /* After a failed write the store must not be touched again, not even to close it: RocksDB would
     * try to write out what it holds. */
    if (process->is_write_failed)
        _exit(1);
    server_effects_release(&master->effects);
    server_free(master->server);
    if (master->links != NULL)
        links_free(master->links);
    daemon_stop_attach(&process->stop, NULL, NULL);
    if (master->transport != NULL)
        transport_free(master->transport);
    if (master->store != NULL)
        kv_rocksdb_close(master->store);
    identity_close(master->identity);
}

int master_run(const struct master_settings *settings)
{
    struct process *process = mem_calloc(1, sizeof *process);
    struct master *master = &process->master;
    master->settings = settings;
    server_effects_init(&master->effects);
    daemon_files_limit_raise();
    daemon_stop_start(&process->stop, &master->stop_asked);
    int status = 0;
    if (start(process) != ERR_OK) {
        (void)fprintf(stderr, "catena-master: %s\n", process->text);
        status = 1;
    } else {
        master_loop(master);
        if (master->is_halted) {
            log_error("halted", "err=%s", err_name(master->halt_err));
            (void)fprintf(stderr, "catena-master: %s\n", master->halt_text);
            status = 1;
        }
    }
    stop(process);
    daemon_stop_end(&process->stop);
    log_info("stopped", "status=%d", status);
    mem_free(process);
    return status;
}
