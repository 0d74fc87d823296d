/* One catena-node process with a master that this program plays: registration, lease, map, puts,
 * gets, chunks, kill -9 and restart, without any other part of Catena.
 *
 *   node_alone PATH-OF-CATENA-NODE */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/hash.h"
#include "base/io/clock.h"
#include "base/text.h"
#include "wire/transport/transport.h"

enum { NODE = 1, CHAINS = 4, BUCKET = 7, SESSION = 9, DEADLINE_US = 20000000, CLIENT_TAG = 5 };

struct world {
    const char *program;
    char directory[64];
    char masters[BOUND_ADDRESS_BYTES + 16];
    struct transport *master; /* accepts the node */
    struct transport *client; /* dials it */
    struct uuid cluster;
    pid_t pid;
    uint64_t incarnation; /* of the last heartbeat */
    uint64_t configured;  /* the incarnation that the map names */
    uint64_t version;
    char address[BOUND_ADDRESS_BYTES + 1];
    uint64_t obituary;
    uint64_t client_conn;
    uint64_t next_request;
    uint64_t next_seq;
    struct wire_message answer; /* to the request in flight */
    bool is_answered;
    bool refuses_leases;
};

static struct world world;

static _Noreturn void fail(const char *what)
{
    (void)fprintf(stderr, "FAILED: %s (directory %s)\n", what, world.directory);
    if (world.pid > 0)
        (void)kill(world.pid, SIGKILL);
    exit(1);
}

static void check(bool holds, const char *what)
{
    if (!holds)
        fail(what);
}

/* ---- the master ---- */

static void push_config(uint64_t conn)
{
    struct wire_member member = {.node = NODE, .incarnation = world.incarnation};
    struct wire_row rows[CHAINS];
    world.version++;
    for (uint32_t i = 0; i < CHAINS; i++)
        rows[i] = (struct wire_row){
            .chain = i,
            .epoch = world.version,
            .version = world.version,
            .members = &member,
            .members_count = 1,
            .replicas = 1,
            .serving = &member,
            .serving_count = 1,
        };
    const struct wire_node_info node = {.node = NODE,
                                        .incarnation = world.incarnation,
                                        .address = slice_of_text(world.address),
                                        .version = world.version};
    const struct wire_bucket_info bucket = {
        .bucket = BUCKET, .name = slice_of_text("bucket"), .version = world.version};
    struct wire_message config = {.type = WIRE_CONFIG};
    config.u.config = (struct wire_config){
        .version = world.version,
        .cluster = world.cluster,
        .chain_count = CHAINS,
        .replicas = 1,
        .rows = rows,
        .rows_count = CHAINS,
        .nodes = &node,
        .nodes_count = 1,
        .buckets = &bucket,
        .buckets_count = 1,
    };
    (void)transport_send(world.master, conn, &config);
    world.configured = world.incarnation;
}

static void on_heartbeat(uint64_t conn, const struct wire_heartbeat *beat)
{
    world.incarnation = beat->incarnation;
    check(beat->address.length < sizeof world.address, "the node's address");
    memcpy(world.address, beat->address.data, beat->address.length);
    world.address[beat->address.length] = '\0';
    struct wire_message reply = {.type = WIRE_BEAT_REPLY};
    reply.u.beat_reply.beat = beat->beat;
    reply.u.beat_reply.incarnation = beat->incarnation;
    reply.u.beat_reply.lease = !world.refuses_leases;
    reply.u.beat_reply.lease_ms = 1000;
    reply.u.beat_reply.lease_map_version = world.version;
    (void)transport_send(world.master, conn, &reply);
    if (world.configured != world.incarnation)
        push_config(conn);
}

static void on_master_event(struct transport_event *event)
{
    if (event->kind == TRANSPORT_MESSAGE && event->message.type == WIRE_HEARTBEAT)
        on_heartbeat(event->conn, &event->message.u.heartbeat);
    if (event->kind == TRANSPORT_MESSAGE && event->message.type == WIRE_OBITUARY) {
        world.obituary = event->message.u.obituary.incarnation;
        struct wire_message reply = {.type = WIRE_OBITUARY_REPLY};
        reply.u.obituary_reply.request = event->message.u.obituary.request;
        (void)transport_send(world.master, event->conn, &reply);
    }
    if (event->kind == TRANSPORT_MESSAGE || event->kind == TRANSPORT_OPENED)
        wire_message_release(&event->message);
}

/* ---- the client ---- */

static void on_client_event(struct transport_event *event)
{
    if (event->kind == TRANSPORT_OPENED)
        world.client_conn = event->conn;
    if (event->kind == TRANSPORT_CLOSED || event->kind == TRANSPORT_FAILED)
        world.client_conn = 0;
    if (event->kind == TRANSPORT_MESSAGE &&
        wire_message_request(&event->message) == world.next_request) {
        world.answer = event->message;
        world.is_answered = true;
        return;
    }
    if (event->kind == TRANSPORT_MESSAGE || event->kind == TRANSPORT_OPENED)
        wire_message_release(&event->message);
}

static void turn(void)
{
    struct transport_event events[16];
    uint32_t count = transport_wait(world.master, events, 16, 500);
    for (uint32_t i = 0; i < count; i++)
        on_master_event(&events[i]);
    transport_flush(world.master);
    count = transport_wait(world.client, events, 16, 500);
    for (uint32_t i = 0; i < count; i++)
        on_client_event(&events[i]);
}

static void wait_until(bool (*holds)(void), const char *what)
{
    uint64_t deadline_us = clock_boot_us() + DEADLINE_US;
    while (!holds()) {
        if (clock_boot_us() > deadline_us)
            fail(what);
        turn();
    }
}

static bool is_answered(void)
{
    return world.is_answered;
}

static bool is_connected(void)
{
    return world.client_conn != 0;
}

static bool is_configured(void)
{
    return world.configured != 0 && world.configured == world.incarnation;
}

/* Sends one request (the caller filled all but its number) and waits for the answer. */
static void ask_once(struct wire_message *message, uint64_t *request)
{
    wire_message_release(&world.answer);
    world.answer = (struct wire_message){0};
    world.is_answered = false;
    *request = ++world.next_request;
    check(transport_send(world.client, world.client_conn, message), "send to the node");
    transport_flush(world.client);
    wait_until(is_answered, "an answer of the node");
}

/* Repeats while the node is not ready (no lease yet, role being taken). */
static const struct wire_message *ask(struct wire_message *message, uint64_t *request,
                                      uint64_t *epoch)
{
    uint64_t deadline_us = clock_boot_us() + DEADLINE_US;
    for (;;) {
        if (epoch != NULL)
            *epoch = world.version;
        ask_once(message, request);
        if (world.answer.type != WIRE_REFUSED)
            return &world.answer;
        uint32_t err = world.answer.u.refused.err;
        if (err != ERR_NOT_READY && err != ERR_NO_LEASE && err != ERR_WRONG_EPOCH &&
            err != ERR_WRONG_ROLE)
            return &world.answer;
        if (clock_boot_us() > deadline_us)
            fail(err_name((enum err)err));
        turn();
    }
}

static const struct wire_message *put(uint32_t chain, const char *key, struct buf *value,
                                      enum wire_condition condition)
{
    struct wire_message message = {.type = WIRE_PUT, .payload = value};
    message.u.put = (struct wire_put){
        .chain = chain,
        .map_version = world.version,
        .session = SESSION,
        .seq = ++world.next_seq,
        .seq_floor = world.next_seq,
        .bucket = BUCKET,
        .key = slice_of_text(key),
        .condition = (uint8_t)condition,
        .size = value->length,
        .checksum = checksum_bytes(buf_slice(value)),
    };
    return ask(&message, &message.u.put.request, &message.u.put.epoch);
}

static const struct wire_message *get(uint32_t chain, const char *key)
{
    struct wire_message message = {.type = WIRE_GET};
    message.u.get.chain = chain;
    message.u.get.bucket = BUCKET;
    message.u.get.key = slice_of_text(key);
    message.u.get.want_value = true;
    return ask(&message, &message.u.get.request, &message.u.get.epoch);
}

/* ---- the process ---- */

static void start_node(void)
{
    (void)fflush(NULL);
    world.pid = fork();
    if (world.pid == 0) {
        char masters[sizeof world.masters + 16];
        char directory[sizeof world.directory + 16];
        (void)snprintf(masters, sizeof masters, "--masters=%s", world.masters);
        (void)snprintf(directory, sizeof directory, "--dir=%s", world.directory);
        (void)execl(world.program, world.program, "--id=1", masters, directory,
                    "--log-level=warning", (char *)NULL);
        _exit(127);
    }
    check(world.pid > 0, "fork");
    world.configured = 0;
    world.incarnation = 0;
    wait_until(is_configured, "the node's heartbeat");
    transport_dial(world.client, world.address, CLIENT_TAG, 5000);
    wait_until(is_connected, "a connection to the node");
}

static int reap(void)
{
    int status = 0;
    uint64_t deadline_us = clock_boot_us() + DEADLINE_US;
    while (waitpid(world.pid, &status, WNOHANG) == 0) {
        if (clock_boot_us() > deadline_us)
            fail("the node does not end");
        turn();
    }
    world.pid = 0;
    return status;
}

/* ---- the claims ---- */

static void check_value(uint32_t chain, const char *key, const char *expected)
{
    const struct wire_message *reply = get(chain, key);
    check(reply->type == WIRE_OBJECT, "get finds the object");
    check(slice_equal(buf_slice(reply->payload), slice_of_text(expected)), "the value is the same");
}

static void put_text(uint32_t chain, const char *key, const char *value)
{
    struct buf *bytes = buf_copy(slice_of_text(value));
    const struct wire_message *reply = put(chain, key, bytes, WIRE_CONDITION_NONE);
    check(reply->type == WIRE_UPDATED && reply->u.updated.outcome == ERR_OK, "put succeeds");
    check(reply->u.updated.replicas_durable == 1, "one replica is durable");
    buf_unref(bytes);
}

static void conditional(void)
{
    struct buf *bytes = buf_copy(slice_of_text("other"));
    const struct wire_message *reply = put(0, "key", bytes, WIRE_CONDITION_ABSENT);
    check(reply->type == WIRE_UPDATED && reply->u.updated.outcome == ERR_CONDITION,
          "if-absent fails on an object that is there");
    buf_unref(bytes);
    check_value(0, "key", "value");
}

static void large_value(void)
{
    enum { PIECES = 8 };
    struct buf *piece = buf_new(BOUND_CHUNK_BYTES);
    for (uint32_t i = 0; i < PIECES; i++) {
        memset(piece->data, (int)('a' + i), piece->length);
        struct wire_message stage = {.type = WIRE_STAGE, .payload = piece};
        stage.u.stage = (struct wire_stage){
            .chain = 1,
            .map_version = world.version,
            .bucket = BUCKET,
            .key = slice_of_text("large"),
            .upload_high = 1,
            .upload_low = 2,
            .index = i,
            .checksum = checksum_bytes(buf_slice(piece)),
        };
        const struct wire_message *reply =
            ask(&stage, &stage.u.stage.request, &stage.u.stage.epoch);
        check(reply->type == WIRE_UPDATED && reply->u.updated.outcome == ERR_OK, "stage succeeds");
    }
    struct wire_message message = {.type = WIRE_PUT};
    message.u.put = (struct wire_put){
        .chain = 1,
        .map_version = world.version,
        .session = SESSION,
        .seq = 1, /* its own numbers on this chain */
        .seq_floor = 1,
        .bucket = BUCKET,
        .key = slice_of_text("large"),
        .size = (uint64_t)PIECES * BOUND_CHUNK_BYTES,
        .upload_high = 1,
        .upload_low = 2,
        .chunk_count = PIECES,
        .chunk_bytes = BOUND_CHUNK_BYTES,
    };
    const struct wire_message *reply = ask(&message, &message.u.put.request, &message.u.put.epoch);
    check(reply->type == WIRE_UPDATED && reply->u.updated.outcome == ERR_OK, "publish succeeds");
    buf_unref(piece);
}

static void check_large_value(void)
{
    const struct wire_message *reply = get(1, "large");
    check(reply->type == WIRE_OBJECT && reply->u.object.chunk_count == 8, "the large object");
    struct wire_message chunk = {.type = WIRE_CHUNK_GET};
    chunk.u.chunk_get = (struct wire_chunk_get){.chain = 1,
                                                .upload_high = reply->u.object.upload_high,
                                                .upload_low = reply->u.object.upload_low,
                                                .index = 3};
    reply = ask(&chunk, &chunk.u.chunk_get.request, NULL);
    check(reply->type == WIRE_CHUNK && reply->payload->length == BOUND_CHUNK_BYTES &&
              reply->payload->data[0] == 'd' && reply->payload->data[BOUND_CHUNK_BYTES - 1] == 'd',
          "the chunk");
    chunk.u.chunk_get.index = 99;
    reply = ask(&chunk, &chunk.u.chunk_get.request, NULL);
    check(reply->type == WIRE_REFUSED && reply->u.refused.err == ERR_UPLOAD_GONE,
          "a chunk that does not exist is refused");
}

static void kill_worker(void)
{
    char path[128];
    char line[256] = "";
    (void)snprintf(path, sizeof path, "%s/ready", world.directory);
    FILE *file = fopen(path, "r");
    check(file != NULL && fgets(line, sizeof line, file) != NULL, "the ready file");
    (void)fclose(file);
    const char *at = strstr(line, " pid=");
    check(at != NULL, "the ready file names the worker");
    uint64_t incarnation = world.incarnation;
    check(kill((pid_t)strtol(at + 5, NULL, 10), SIGKILL) == 0, "kill the worker");
    int status = reap();
    check(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGKILL, "the supervisor's status");
    check(world.obituary == incarnation, "the obituary names the incarnation");
}

static void run(void)
{
    start_node();
    put_text(0, "key", "value");
    check_value(0, "key", "value");
    conditional();
    check(get(0, "nothing")->type == WIRE_REFUSED, "what is not there is not found");
    large_value();
    check_large_value();
    puts("node_alone: puts, gets, chunks");

    kill_worker();
    start_node();
    check_value(0, "key", "value");
    check_large_value();
    put_text(0, "key", "again");
    puts("node_alone: kill -9 and restart");

    check(kill(world.pid, SIGTERM) == 0, "stop");
    int status = reap();
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a clean stop");
    start_node();
    check_value(0, "key", "again");
    puts("node_alone: clean stop and restart");

    /* R14: without a lease nothing is read, however healthy the node is. */
    world.refuses_leases = true;
    uint64_t over_us = clock_boot_us() + 1200000;
    while (clock_boot_us() < over_us)
        turn();
    struct wire_message message = {.type = WIRE_GET};
    message.u.get.epoch = world.version;
    message.u.get.bucket = BUCKET;
    message.u.get.key = slice_of_text("key");
    ask_once(&message, &message.u.get.request);
    check(world.answer.type == WIRE_REFUSED, "no read without a lease");
    puts("node_alone: no lease, no read");
    check(kill(world.pid, SIGTERM) == 0, "stop");
    (void)reap();
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: node_alone CATENA-NODE\n");
        return 2;
    }
    world.program = argv[1];
    (void)snprintf(world.directory, sizeof world.directory, "/tmp/catena-alone-XXXXXX");
    check(mkdtemp(world.directory) != NULL, "mkdtemp");
    memset(world.cluster.bytes, 0xcc, sizeof world.cluster.bytes);
    struct transport_options options = {
        .hello = {.cluster = world.cluster, .role = WIRE_ROLE_MASTER, .id = 1},
        .connections_max = 16,
        .queue_bytes_max = 64 << 20,
        .frame_payload_bytes_max = BOUND_FRAME_PAYLOAD_BYTES,
    };
    world.master = transport_new(&options);
    options.hello.role = WIRE_ROLE_CLIENT;
    world.client = transport_new(&options);
    char text[160] = "";
    check(transport_listen(world.master, "127.0.0.1:0", world.masters, sizeof world.masters, text,
                           sizeof text) == ERR_OK,
          "listen");
    run();
    wire_message_release(&world.answer);
    transport_free(world.client);
    transport_free(world.master);
    pid_t child = fork();
    if (child == 0) {
        (void)execlp("rm", "rm", "-rf", "--", world.directory, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(child, NULL, 0);
    return 0;
}
