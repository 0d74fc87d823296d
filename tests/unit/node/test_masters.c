/* Following the leader, over links that only remember what they were told. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "chainnode/io/masters.h"

enum { PEERS_MAX = 32, HEARTBEAT_US = 100000 };

struct links {
    char addresses[PEERS_MAX][64]; /* index = peer */
    uint32_t count;
    bool is_down[PEERS_MAX];
    uint32_t sent[PEERS_MAX];
    uint64_t last_beat[PEERS_MAX];
};

static struct links fake;
static struct masters *masters;
static uint64_t beat;

/* ---- the double of wire/transport/links.h: peer p has connection 100 + p ---- */

struct links *links_new(struct transport *transport, const struct links_options *options)
{
    (void)transport;
    (void)options;
    return &fake;
}

void links_free(struct links *links)
{
    (void)links;
}

void links_set(struct links *links, uint32_t peer, const char *address)
{
    ck_assert_uint_lt(peer, PEERS_MAX);
    size_t length = strlen(address);
    ck_assert_uint_lt(length, sizeof links->addresses[peer]);
    memcpy(links->addresses[peer], address, length + 1);
    links->count++;
}

bool links_send(struct links *links, uint32_t peer, const struct wire_message *message)
{
    if (links->is_down[peer])
        return false;
    ck_assert_int_eq(message->type, WIRE_HEARTBEAT);
    ck_assert_uint_ne(links->last_beat[peer], message->u.heartbeat.beat); /* never twice */
    links->last_beat[peer] = message->u.heartbeat.beat;
    links->sent[peer]++;
    return true;
}

bool links_on_event(struct links *links, const struct transport_event *event, uint64_t now_us,
                    uint32_t *ret_peer, enum links_change *ret_change)
{
    (void)links;
    (void)now_us;
    if (event->conn < 100 || event->conn >= 100 + PEERS_MAX)
        return false;
    *ret_peer = (uint32_t)(event->conn - 100);
    *ret_change = LINKS_NOTHING;
    return true;
}

uint64_t links_tick(struct links *links, uint64_t now_us)
{
    (void)links;
    (void)now_us;
    return UINT64_MAX;
}

/* ---- */

static void setup(void)
{
    fake = (struct links){0};
    beat = 0;
    const struct masters_options options = {
        .addresses = {"m:1", "m:2", "m:3"}, .count = 3, .heartbeat_us = HEARTBEAT_US};
    masters = masters_new(NULL, &options);
}

static void teardown(void)
{
    masters_free(masters);
}

static void send_beat(uint64_t now_us)
{
    struct wire_message message = {.type = WIRE_HEARTBEAT};
    message.u.heartbeat.beat = ++beat;
    masters_send(masters, &message, now_us);
}

static enum masters_news receive(uint32_t peer, const struct wire_message *message, uint64_t now_us)
{
    struct transport_event event = {
        .kind = TRANSPORT_MESSAGE, .conn = 100 + peer, .message = *message};
    return masters_on_event(masters, &event, now_us);
}

static enum masters_news receive_reply(uint32_t peer, bool lease, uint64_t now_us)
{
    struct wire_message message = {.type = WIRE_BEAT_REPLY};
    message.u.beat_reply.lease = lease;
    return receive(peer, &message, now_us);
}

static enum masters_news receive_refusal(uint32_t peer, enum err err, uint32_t leader,
                                         const char *address, uint64_t now_us)
{
    struct wire_message message = {.type = WIRE_REFUSED};
    message.u.refused.err = err;
    message.u.refused.leader = leader;
    message.u.refused.leader_address = slice_of_text(address);
    return receive(peer, &message, now_us);
}

static void open_link(uint32_t peer, uint32_t id, uint64_t now_us)
{
    struct transport_event event = {.kind = TRANSPORT_OPENED, .conn = 100 + peer};
    event.message.type = WIRE_HELLO;
    event.message.u.hello.id = id;
    ck_assert_int_eq(masters_on_event(masters, &event, now_us), MASTERS_NOTHING);
}

static void assert_sent(uint32_t first, uint32_t second, uint32_t third)
{
    ck_assert_uint_eq(fake.sent[1], first);
    ck_assert_uint_eq(fake.sent[2], second);
    ck_assert_uint_eq(fake.sent[3], third);
}

START_TEST(without_a_leader_everyone_is_asked)
{
    send_beat(0);
    assert_sent(1, 1, 1);
}
END_TEST

START_TEST(the_granter_of_a_lease_is_followed)
{
    send_beat(0);
    ck_assert_int_eq(receive_reply(2, true, 1000), MASTERS_MESSAGE);
    send_beat(100000);
    assert_sent(1, 2, 1);
    ck_assert_str_eq(masters_leader(masters), "m:2");
}
END_TEST

START_TEST(a_reply_without_a_lease_convinces_nobody)
{
    send_beat(0);
    (void)receive_reply(2, false, 1000);
    send_beat(100000);
    assert_sent(2, 2, 2);
}
END_TEST

START_TEST(a_leader_that_falls_silent_is_left_after_two_heartbeats_and_a_half)
{
    send_beat(0);
    (void)receive_reply(2, true, 1000);
    send_beat(100000);
    send_beat(200000);
    assert_sent(1, 3, 1);
    send_beat(300000);
    assert_sent(2, 4, 2);
}
END_TEST

START_TEST(a_broken_link_to_the_leader_sends_the_next_heartbeat_to_everyone)
{
    (void)receive_reply(2, true, 1000);
    struct transport_event event = {.kind = TRANSPORT_CLOSED, .conn = 102};
    ck_assert_int_eq(masters_on_event(masters, &event, 2000), MASTERS_NOTHING);
    fake.is_down[2] = true;
    send_beat(100000);
    assert_sent(1, 0, 1);
}
END_TEST

START_TEST(a_refusal_moves_the_same_heartbeat_to_the_hinted_leader)
{
    open_link(1, 11, 0);
    open_link(2, 12, 0);
    open_link(3, 13, 0);
    (void)receive_reply(1, true, 1000);
    send_beat(100000);
    assert_sent(1, 0, 0);
    ck_assert_int_eq(receive_refusal(1, ERR_NOT_LEADER, 13, "", 101000), MASTERS_NOTHING);
    assert_sent(1, 0, 1);
    ck_assert_uint_eq(fake.last_beat[3], beat);
}
END_TEST

START_TEST(a_refusal_without_a_hint_asks_the_others)
{
    (void)receive_reply(1, true, 1000);
    send_beat(100000);
    (void)receive_refusal(1, ERR_NO_LEADER, 0, "", 101000);
    assert_sent(1, 1, 1);
}
END_TEST

START_TEST(a_refusal_of_a_broadcast_sends_nothing_twice)
{
    send_beat(0);
    (void)receive_refusal(1, ERR_NOT_LEADER, 0, "m:2", 1000);
    (void)receive_refusal(3, ERR_NOT_LEADER, 0, "m:2", 1000);
    assert_sent(1, 1, 1);
}
END_TEST

START_TEST(an_unknown_hinted_leader_gets_a_link_and_the_heartbeat_when_it_is_up)
{
    (void)receive_reply(1, true, 1000);
    send_beat(100000);
    fake.is_down[4] = true;
    (void)receive_refusal(1, ERR_NOT_LEADER, 9, "m:9", 101000);
    ck_assert_str_eq(fake.addresses[4], "m:9");
    fake.is_down[4] = false;
    open_link(4, 9, 102000);
    ck_assert_uint_eq(fake.last_beat[4], beat);
}
END_TEST

START_TEST(masters_of_a_new_configuration_get_links)
{
    const struct wire_master_info infos[] = {{.master = 1, .address = slice_of_text("m:2")},
                                             {.master = 4, .address = slice_of_text("m:4")}};
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config.masters = infos;
    message.u.config.masters_count = 2;
    ck_assert_int_eq(receive(1, &message, 0), MASTERS_MESSAGE);
    ck_assert_uint_eq(fake.count, 4);
    ck_assert_str_eq(fake.addresses[4], "m:4");
    send_beat(1);
    ck_assert_uint_eq(fake.sent[4], 1);
}
END_TEST

START_TEST(no_number_of_hints_overflows_the_table)
{
    char address[16];
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(address, sizeof address, "x:%u", i);
        (void)receive_refusal(1, ERR_NOT_LEADER, 0, address, i);
    }
    ck_assert_uint_eq(fake.count, 2 * BOUND_MASTERS);
}
END_TEST

START_TEST(a_master_of_another_cluster_is_reported)
{
    struct transport_event event = {
        .kind = TRANSPORT_FAILED, .conn = 101, .err = ERR_WRONG_CLUSTER};
    ck_assert_int_eq(masters_on_event(masters, &event, 0), MASTERS_WRONG_CLUSTER);
}
END_TEST

START_TEST(other_refusals_and_other_connections_are_not_swallowed)
{
    ck_assert_int_eq(receive_refusal(1, ERR_PROTOCOL, 0, "", 0), MASTERS_MESSAGE);
    struct transport_event event = {.kind = TRANSPORT_CLOSED, .conn = 5};
    ck_assert_int_eq(masters_on_event(masters, &event, 0), MASTERS_NOT_OURS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("masters");
    TCase *tcase = tcase_create("masters");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, without_a_leader_everyone_is_asked);
    tcase_add_test(tcase, the_granter_of_a_lease_is_followed);
    tcase_add_test(tcase, a_reply_without_a_lease_convinces_nobody);
    tcase_add_test(tcase, a_leader_that_falls_silent_is_left_after_two_heartbeats_and_a_half);
    tcase_add_test(tcase, a_broken_link_to_the_leader_sends_the_next_heartbeat_to_everyone);
    tcase_add_test(tcase, a_refusal_moves_the_same_heartbeat_to_the_hinted_leader);
    tcase_add_test(tcase, a_refusal_without_a_hint_asks_the_others);
    tcase_add_test(tcase, a_refusal_of_a_broadcast_sends_nothing_twice);
    tcase_add_test(tcase, an_unknown_hinted_leader_gets_a_link_and_the_heartbeat_when_it_is_up);
    tcase_add_test(tcase, masters_of_a_new_configuration_get_links);
    tcase_add_test(tcase, no_number_of_hints_overflows_the_table);
    tcase_add_test(tcase, a_master_of_another_cluster_is_reported);
    tcase_add_test(tcase, other_refusals_and_other_connections_are_not_swallowed);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
