/* What each kind of connection may send. The core, the transport and the threads are doubles that
 * remember what reached them. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/io/ready.h"
#include "chainnode/io/node.h"
#include "chainnode/io/obituary.h"

enum { CONN_CLIENT = 1, CONN_NODE = 2, CONN_MASTER = 3, CONN_OTHER = 9, TYPES = 128 };

static struct node node;
static struct node_settings settings;
static struct identity identity;
static struct {
    uint32_t steps;
    struct cn_event last;
    uint32_t sent;
    struct wire_message last_sent;
    uint64_t last_conn;
    uint32_t closed;
    uint32_t chunks;
    bool chunk_queue_full;
    bool is_master_event;
    enum masters_news master_news;
    bool is_peer_event;
    enum links_change peer_change;
    uint32_t ready;
} fake;

/* ---- doubles ---- */

void cn_core_step(struct cn_core *core, const struct cn_event *event, struct cn_effects *effects)
{
    (void)core;
    (void)effects;
    fake.steps++;
    fake.last = *event;
}

void cn_effects_clear(struct cn_effects *effects)
{
    effects->count = 0;
}

bool transport_send(struct transport *transport, uint64_t conn, const struct wire_message *message)
{
    (void)transport;
    fake.sent++;
    fake.last_sent = *message;
    fake.last_conn = conn;
    return true;
}

void transport_close(struct transport *transport, uint64_t conn)
{
    (void)transport;
    (void)conn;
    fake.closed++;
}

enum masters_news masters_on_event(struct masters *masters, const struct transport_event *event,
                                   uint64_t now_us)
{
    (void)masters;
    (void)event;
    (void)now_us;
    return fake.is_master_event ? fake.master_news : MASTERS_NOT_OURS;
}

void masters_send(struct masters *masters, const struct wire_message *message, uint64_t now_us)
{
    (void)masters;
    (void)message;
    (void)now_us;
}

const char *masters_leader(const struct masters *masters)
{
    (void)masters;
    return "m:1";
}

bool links_on_event(struct links *links, const struct transport_event *event, uint64_t now_us,
                    uint32_t *ret_peer, enum links_change *ret_change)
{
    (void)links;
    (void)event;
    (void)now_us;
    *ret_peer = 4;
    *ret_change = fake.peer_change;
    return fake.is_peer_event;
}

bool links_send(struct links *links, uint32_t peer, const struct wire_message *message)
{
    (void)links;
    (void)peer;
    (void)message;
    return false;
}

void links_set(struct links *links, uint32_t peer, const char *address)
{
    (void)links;
    (void)peer;
    (void)address;
}

void links_remove(struct links *links, uint32_t peer)
{
    (void)links;
    (void)peer;
}

bool chunk_reader_submit(struct chunk_reader *reader, uint64_t conn,
                         const struct wire_chunk_get *request)
{
    (void)reader;
    (void)conn;
    (void)request;
    fake.chunks++;
    return !fake.chunk_queue_full;
}

void store_writer_submit(struct store_writer *writer, uint64_t token, struct kv_batch *batch,
                         bool sync)
{
    (void)writer;
    (void)token;
    (void)sync;
    kv_batch_free(batch);
}

enum err ready_announce(const char *directory, uint32_t ready_fd, const char *line)
{
    (void)directory;
    (void)ready_fd;
    ck_assert_ptr_nonnull(strstr(line, "ready role=node id=6 incarnation=60 pid=61 supervisor=62 "
                                       "address=n:6"));
    fake.ready++;
    return ERR_OK;
}

/* ---- */

static void open_conn(uint64_t conn, enum wire_role role, uint32_t id, const struct uuid *cluster)
{
    struct transport_event event = {.kind = TRANSPORT_OPENED, .conn = conn};
    event.message.type = WIRE_HELLO;
    event.message.u.hello.role = (uint8_t)role;
    event.message.u.hello.id = id;
    event.message.u.hello.incarnation = id * 10;
    event.message.u.hello.cluster = *cluster;
    node_on_event(&node, &event);
}

static void setup(void)
{
    memset(&fake, 0, sizeof fake);
    memset(&node, 0, sizeof node);
    memset(identity.cluster.bytes, 0xaa, sizeof identity.cluster.bytes);
    identity.incarnation = 60;
    settings.id = 6;
    settings.directory = "/d";
    node.settings = &settings;
    node.identity = &identity;
    node.worker_pid = 61;
    node.supervisor_pid = 62;
    node.report_fd = -1;
    node.now_us = 1234;
    memcpy(node.address, "n:6", 4);
    map_init(&node.inbound);
    log_set_level(LOG_LEVEL_ERROR);
    static const struct uuid zero;
    open_conn(CONN_CLIENT, WIRE_ROLE_CLIENT, 0, &zero);
    open_conn(CONN_NODE, WIRE_ROLE_NODE, 4, &identity.cluster);
    open_conn(CONN_MASTER, WIRE_ROLE_MASTER, 1, &identity.cluster);
    ck_assert_uint_eq(fake.steps, 0);
    ck_assert_uint_eq(node.inbound.count, 3);
}

static void teardown(void)
{
    node_inbound_release(&node);
}

static void receive(uint64_t conn, enum wire_type type)
{
    struct transport_event event = {.kind = TRANSPORT_MESSAGE, .conn = conn};
    event.message.type = type;
    node_on_event(&node, &event);
}

static bool is_one_of(enum wire_type type, const enum wire_type *types, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (types[i] == type)
            return true;
    return false;
}

/* Sends every type there is; exactly the given ones reach the core, as `kind`. */
static void assert_only(uint64_t conn, const enum wire_type *types, size_t count,
                        enum cn_event_kind kind)
{
    for (unsigned number = 1; number < TYPES; number++) {
        enum wire_type type = (enum wire_type)number;
        if (!wire_type_is_valid(number) || type == WIRE_REFUSED || type == WIRE_CHUNK_GET)
            continue;
        uint32_t steps = fake.steps;
        uint32_t sent = fake.sent;
        uint64_t refused = node.counters.refused_types;
        receive(conn, type);
        if (is_one_of(type, types, count)) {
            ck_assert_msg(fake.steps == steps + 1, "%s", wire_type_name(number));
            ck_assert_int_eq(fake.last.kind, kind);
            ck_assert_uint_eq(fake.last.now_us, 1234);
        } else {
            ck_assert_msg(fake.steps == steps, "%s reached the core", wire_type_name(number));
            ck_assert_uint_eq(fake.sent, sent + 1);
            ck_assert_uint_eq(fake.last_sent.u.refused.err, ERR_PROTOCOL);
            ck_assert_uint_eq(fake.last_conn, conn);
            ck_assert_uint_eq(node.counters.refused_types, refused + 1);
        }
    }
}

START_TEST(a_client_may_send_requests_and_nothing_else)
{
    static const enum wire_type types[] = {WIRE_PUT, WIRE_DELETE, WIRE_STAGE,     WIRE_ABORT,
                                           WIRE_GET, WIRE_LIST,   WIRE_PARTS_LIST};
    assert_only(CONN_CLIENT, types, ARRAY_COUNT(types), CN_EVENT_RECEIVE_CLIENT);
}
END_TEST

START_TEST(a_node_may_send_chain_messages_and_nothing_else)
{
    static const enum wire_type types[] = {
        WIRE_FORWARD,    WIRE_MARK,     WIRE_ACK,  WIRE_SYNC_BEGIN,
        WIRE_SYNC_ITEMS, WIRE_SYNC_ACK, WIRE_ROWS, WIRE_ROW_ASK,
    };
    assert_only(CONN_NODE, types, ARRAY_COUNT(types), CN_EVENT_RECEIVE_NODE);
    receive(CONN_NODE, WIRE_MARK);
    ck_assert_uint_eq(fake.last.node, 4);
    ck_assert_uint_eq(fake.last.incarnation, 40);
}
END_TEST

START_TEST(a_master_may_send_nothing_on_a_connection_that_it_made)
{
    assert_only(CONN_MASTER, NULL, 0, CN_EVENT_TICK);
}
END_TEST

START_TEST(a_refusal_is_never_answered)
{
    receive(CONN_CLIENT, WIRE_REFUSED);
    receive(CONN_NODE, WIRE_REFUSED);
    receive(CONN_MASTER, WIRE_REFUSED);
    ck_assert_uint_eq(fake.sent, 0);
}
END_TEST

START_TEST(chunk_reads_of_clients_bypass_the_core)
{
    receive(CONN_CLIENT, WIRE_CHUNK_GET);
    ck_assert_uint_eq(fake.chunks, 1);
    ck_assert_uint_eq(fake.steps, 0);
    receive(CONN_NODE, WIRE_CHUNK_GET);
    ck_assert_uint_eq(fake.chunks, 1);
    ck_assert_uint_eq(node.counters.refused_types, 1);
}
END_TEST

START_TEST(a_full_read_queue_is_told)
{
    fake.chunk_queue_full = true;
    receive(CONN_CLIENT, WIRE_CHUNK_GET);
    ck_assert_uint_eq(fake.last_sent.u.refused.err, ERR_BUSY);
    ck_assert_uint_eq(node.counters.refused_busy, 1);
}
END_TEST

START_TEST(a_hello_that_names_no_node_or_no_cluster_is_turned_away)
{
    static const struct uuid zero;
    open_conn(20, WIRE_ROLE_NODE, 0, &identity.cluster);
    open_conn(21, WIRE_ROLE_NODE, 5, &zero);
    open_conn(22, (enum wire_role)77, 5, &identity.cluster);
    ck_assert_uint_eq(fake.closed, 3);
    ck_assert_uint_eq(node.inbound.count, 3);
    receive(20, WIRE_FORWARD);
    ck_assert_uint_eq(fake.steps, 0);
}
END_TEST

START_TEST(a_client_that_left_is_told_to_the_core_once)
{
    struct transport_event event = {.kind = TRANSPORT_CLOSED, .conn = CONN_CLIENT};
    node_on_event(&node, &event);
    ck_assert_uint_eq(fake.steps, 1);
    ck_assert_int_eq(fake.last.kind, CN_EVENT_CLIENT_GONE);
    ck_assert_uint_eq(fake.last.conn, CONN_CLIENT);
    node_on_event(&node, &event);
    event.conn = CONN_NODE;
    node_on_event(&node, &event);
    ck_assert_uint_eq(fake.steps, 1);
    ck_assert_uint_eq(node.inbound.count, 1);
}
END_TEST

START_TEST(a_peer_link_is_told_to_the_core)
{
    struct transport_event event = {
        .kind = TRANSPORT_OPENED, .conn = CONN_OTHER, .is_dialed = true};
    event.message.type = WIRE_HELLO;
    fake.is_peer_event = true;
    fake.peer_change = LINKS_UP;
    node_on_event(&node, &event);
    ck_assert_int_eq(fake.last.kind, CN_EVENT_NODE_UP);
    ck_assert_uint_eq(fake.last.node, 4);
    event.kind = TRANSPORT_FAILED;
    fake.peer_change = LINKS_DOWN_REFUSED;
    node_on_event(&node, &event);
    ck_assert_int_eq(fake.last.kind, CN_EVENT_NODE_DOWN);
    ck_assert(fake.last.refused);
    /* What a peer says on a connection that we dialed is not taken. */
    fake.peer_change = LINKS_NOTHING;
    uint32_t steps = fake.steps;
    event.kind = TRANSPORT_MESSAGE;
    event.message.type = WIRE_ACK;
    node_on_event(&node, &event);
    ck_assert_uint_eq(fake.steps, steps);
}
END_TEST

static void receive_from_master(enum wire_type type, bool lease)
{
    struct transport_event event = {
        .kind = TRANSPORT_MESSAGE, .conn = CONN_OTHER, .is_dialed = true};
    fake.is_master_event = true;
    fake.master_news = MASTERS_MESSAGE;
    event.message.type = type;
    if (type == WIRE_BEAT_REPLY)
        event.message.u.beat_reply.lease = lease;
    node_on_event(&node, &event);
}

START_TEST(masters_may_send_what_nodes_wait_for_and_nothing_else)
{
    static const enum wire_type types[] = {WIRE_BEAT_REPLY, WIRE_CONFIG, WIRE_DECIDED,
                                           WIRE_REFUSED};
    for (unsigned number = 1; number < TYPES; number++) {
        if (!wire_type_is_valid(number))
            continue;
        uint32_t steps = fake.steps;
        receive_from_master((enum wire_type)number, false);
        bool is_taken = is_one_of((enum wire_type)number, types, ARRAY_COUNT(types));
        ck_assert_msg(fake.steps == steps + (is_taken ? 1 : 0), "%s", wire_type_name(number));
        if (is_taken)
            ck_assert_int_eq(fake.last.kind, CN_EVENT_RECEIVE_MASTER);
    }
}
END_TEST

START_TEST(ready_is_told_once_with_the_first_lease)
{
    int report[2];
    struct worker_report told;
    ck_assert_int_eq(pipe2(report, O_NONBLOCK), 0);
    node.report_fd = report[1];
    receive_from_master(WIRE_BEAT_REPLY, false);
    ck_assert_uint_eq(fake.ready, 0);
    ck_assert_int_lt(read(report[0], &told, sizeof told), 0);
    receive_from_master(WIRE_BEAT_REPLY, true);
    receive_from_master(WIRE_BEAT_REPLY, true);
    ck_assert_uint_eq(fake.ready, 1);
    ck_assert_int_eq(read(report[0], &told, sizeof told), sizeof told);
    ck_assert_uint_eq(told.incarnation, 60);
    ck_assert_int_lt(read(report[0], &told, sizeof told), 0);
    (void)close(report[0]);
    (void)close(report[1]);
}
END_TEST

START_TEST(a_foreign_master_stops_a_node_that_was_never_taken)
{
    struct transport_event event = {
        .kind = TRANSPORT_FAILED, .is_dialed = true, .err = ERR_WRONG_CLUSTER};
    fake.is_master_event = true;
    fake.master_news = MASTERS_WRONG_CLUSTER;
    node.is_ready = true;
    log_set_fd(open("/dev/null", O_WRONLY));
    node_on_event(&node, &event);
    ck_assert(!node.is_halted);
    node.is_ready = false;
    node_on_event(&node, &event);
    ck_assert(node.is_halted);
    ck_assert_int_eq(node.halt_err, ERR_WRONG_CLUSTER);
    ck_assert_ptr_nonnull(strstr(node.halt_text, "belongs to cluster aaaaaaaa-"));
}
END_TEST

START_TEST(nothing_is_stepped_after_a_halt)
{
    node_halt(&node, ERR_DISK_LOST, NULL);
    node_halt(&node, ERR_INTERNAL, "later");
    receive(CONN_CLIENT, WIRE_PUT);
    ck_assert_uint_eq(fake.steps, 0);
    ck_assert_int_eq(node.halt_err, ERR_DISK_LOST);
    ck_assert_str_eq(node.halt_text, err_text(ERR_DISK_LOST));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inbound");
    TCase *tcase = tcase_create("inbound");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_client_may_send_requests_and_nothing_else);
    tcase_add_test(tcase, a_node_may_send_chain_messages_and_nothing_else);
    tcase_add_test(tcase, a_master_may_send_nothing_on_a_connection_that_it_made);
    tcase_add_test(tcase, a_refusal_is_never_answered);
    tcase_add_test(tcase, chunk_reads_of_clients_bypass_the_core);
    tcase_add_test(tcase, a_full_read_queue_is_told);
    tcase_add_test(tcase, a_hello_that_names_no_node_or_no_cluster_is_turned_away);
    tcase_add_test(tcase, a_client_that_left_is_told_to_the_core_once);
    tcase_add_test(tcase, a_peer_link_is_told_to_the_core);
    tcase_add_test(tcase, masters_may_send_what_nodes_wait_for_and_nothing_else);
    tcase_add_test(tcase, ready_is_told_once_with_the_first_lease);
    tcase_add_test(tcase, a_foreign_master_stops_a_node_that_was_never_taken);
    tcase_add_test(tcase, nothing_is_stepped_after_a_halt);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
