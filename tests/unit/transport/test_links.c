#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "harness.h"
#include "wire/transport/links.h"

enum { TAG_BASE = 3, PEER = 42 };

static struct transport *transport;
static struct links *links;
static uint64_t now_us; /* the links' clock is ours: no waiting for delays */

static const struct links_options options = {
    .tag_base = TAG_BASE,
    .dial_timeout_ms = 2000,
    .redial_min_ms = 100,
    .redial_max_ms = 800,
    .seed = 1,
};

static void setup(void)
{
    struct transport_options transport_options = harness_options();
    transport = transport_new(&transport_options);
    links = links_new(transport, &options);
    now_us = 1000000000;
}

static void teardown(void)
{
    links_free(links);
    transport_free(transport);
}

/* Feeds events until one changes a link. */
static enum links_change next_change(void)
{
    for (;;) {
        struct transport_event event = harness_next(transport);
        uint32_t peer = 0;
        enum links_change change = LINKS_NOTHING;
        bool is_ours = links_on_event(links, &event, now_us, &peer, &change);
        ck_assert(is_ours);
        ck_assert_uint_eq(peer, PEER);
        if (event.kind == TRANSPORT_OPENED || event.kind == TRANSPORT_MESSAGE)
            wire_message_release(&event.message);
        if (change != LINKS_NOTHING)
            return change;
    }
}

static struct transport *new_server(char *address)
{
    struct transport_options transport_options = harness_options();
    return harness_listening(&transport_options, address);
}

START_TEST(link_comes_up_and_sends)
{
    char address[64];
    struct transport *server = new_server(address);
    struct wire_message message = {.type = WIRE_MARK, .u.mark = {.chain = 5}};
    ck_assert(!links_send(links, PEER, &message));
    links_set(links, PEER, address);
    ck_assert(!links_is_up(links, PEER));
    ck_assert_int_eq(next_change(), LINKS_UP);
    ck_assert(links_is_up(links, PEER));
    ck_assert_uint_ne(links_conn(links, PEER), 0);
    ck_assert(links_send(links, PEER, &message));
    transport_flush(transport);
    struct transport_event event = harness_expect(server, TRANSPORT_OPENED);
    wire_message_release(&event.message);
    event = harness_expect(server, TRANSPORT_MESSAGE);
    ck_assert_uint_eq(event.message.u.mark.chain, 5);
    wire_message_release(&event.message);
    ck_assert_uint_eq(links_tick(links, now_us), UINT64_MAX);
    transport_free(server);
}
END_TEST

START_TEST(refused_peer_is_redialed_with_growing_bounded_delay)
{
    char address[64];
    int fd = harness_raw_listen(address);
    close(fd);
    links_set(links, PEER, address);
    uint64_t expected_us = 100000;
    for (unsigned round = 0; round < 7; round++) {
        ck_assert_int_eq(next_change(), LINKS_DOWN_REFUSED);
        uint64_t due_us = links_tick(links, now_us);
        ck_assert_uint_ge(due_us - now_us, expected_us / 2);
        ck_assert_uint_le(due_us - now_us, expected_us);
        ck_assert_uint_eq(links_tick(links, due_us - 1), due_us);
        now_us = due_us;
        ck_assert_uint_eq(links_tick(links, now_us), UINT64_MAX); /* dials */
        expected_us = expected_us * 2 > 800000 ? 800000 : expected_us * 2;
    }
}
END_TEST

START_TEST(lost_peer_is_redialed_and_comes_back)
{
    char address[64];
    struct transport *server = new_server(address);
    links_set(links, PEER, address);
    ck_assert_int_eq(next_change(), LINKS_UP);
    transport_free(server);
    ck_assert_int_eq(next_change(), LINKS_DOWN);
    ck_assert(!links_is_up(links, PEER));
    struct transport_options transport_options = harness_options();
    server = transport_new(&transport_options);
    char text[200];
    char bound[64];
    ck_assert_int_eq(transport_listen(server, address, bound, sizeof bound, text, sizeof text),
                     ERR_OK);
    ck_assert_str_eq(bound, address);
    now_us = links_tick(links, now_us);
    (void)links_tick(links, now_us);
    ck_assert_int_eq(next_change(), LINKS_UP);
    transport_free(server);
}
END_TEST

START_TEST(changed_address_moves_the_link)
{
    char first_address[64];
    char second_address[64];
    struct transport *first = new_server(first_address);
    struct transport *second = new_server(second_address);
    links_set(links, PEER, first_address);
    ck_assert_int_eq(next_change(), LINKS_UP);
    uint64_t conn = links_conn(links, PEER);
    links_set(links, PEER, first_address); /* the same: nothing happens */
    ck_assert_uint_eq(links_conn(links, PEER), conn);
    links_set(links, PEER, second_address);
    ck_assert(!links_is_up(links, PEER));
    ck_assert_int_eq(next_change(), LINKS_UP);
    ck_assert_uint_ne(links_conn(links, PEER), conn);
    struct transport_event event = harness_expect(second, TRANSPORT_OPENED);
    wire_message_release(&event.message);
    transport_free(first);
    transport_free(second);
}
END_TEST

START_TEST(address_changed_during_a_dial_wins)
{
    char first_address[64];
    char second_address[64];
    struct transport *first = new_server(first_address);
    struct transport *second = new_server(second_address);
    links_set(links, PEER, first_address);
    links_set(links, PEER, second_address);
    ck_assert_int_eq(next_change(), LINKS_UP);
    struct transport_event event = harness_expect(second, TRANSPORT_OPENED);
    wire_message_release(&event.message);
    transport_free(first);
    transport_free(second);
}
END_TEST

START_TEST(removed_peer_is_forgotten_even_while_dialing)
{
    char address[64];
    struct transport *server = new_server(address);
    links_set(links, PEER, address);
    links_remove(links, PEER);
    links_remove(links, PEER);
    ck_assert(!links_is_up(links, PEER));
    struct transport_event event = harness_next(transport);
    uint32_t peer;
    enum links_change change;
    ck_assert(links_on_event(links, &event, now_us, &peer, &change));
    ck_assert_int_eq(change, LINKS_NOTHING);
    if (event.kind == TRANSPORT_OPENED)
        wire_message_release(&event.message);
    ck_assert(!links_is_up(links, PEER));
    ck_assert_uint_eq(links_tick(links, now_us + 100000000), UINT64_MAX);
    links_set(links, PEER, address);
    ck_assert_int_eq(next_change(), LINKS_UP);
    links_remove(links, PEER);
    ck_assert(!links_is_up(links, PEER));
    transport_free(server);
}
END_TEST

START_TEST(other_connections_are_not_ours)
{
    struct transport_event event = {.kind = TRANSPORT_CLOSED, .conn = 4, .tag = 0};
    uint32_t peer;
    enum links_change change;
    ck_assert(!links_on_event(links, &event, now_us, &peer, &change));
    event.is_dialed = true;
    event.tag = (uint64_t)(TAG_BASE + 1) << 32 | PEER;
    ck_assert(!links_on_event(links, &event, now_us, &peer, &change));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("links");
    TCase *tcase = tcase_create("links");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, link_comes_up_and_sends);
    tcase_add_test(tcase, refused_peer_is_redialed_with_growing_bounded_delay);
    tcase_add_test(tcase, lost_peer_is_redialed_and_comes_back);
    tcase_add_test(tcase, changed_address_moves_the_link);
    tcase_add_test(tcase, address_changed_during_a_dial_wins);
    tcase_add_test(tcase, removed_peer_is_forgotten_even_while_dialing);
    tcase_add_test(tcase, other_connections_are_not_ours);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
