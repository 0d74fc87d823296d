#include "chainnode/io/learn.h"

#include "base/io/clock.h"
#include "base/io/log.h"
#include "wire/transport/links.h"

enum { EVENTS_MAX = 16, LOOK_US = 100000, COMPLAIN_US = 5000000, TAG_BASE = 1 };

static bool on_event(struct transport *transport, struct links *links,
                     struct transport_event *event, uint64_t now_us, struct uuid *ret_cluster)
{
    uint32_t peer = 0;
    enum links_change change = LINKS_NOTHING;
    bool is_known = false;
    if (links_on_event(links, event, now_us, &peer, &change) && event->kind == TRANSPORT_OPENED) {
        *ret_cluster = event->message.u.hello.cluster;
        is_known = !uuid_is_zero(ret_cluster);
        /* A master without a cluster yet: ask again, its hello comes once per connection. */
        if (!is_known)
            transport_close(transport, event->conn);
    }
    if (event->kind == TRANSPORT_OPENED || event->kind == TRANSPORT_MESSAGE)
        wire_message_release(&event->message);
    return is_known;
}

static bool ask(struct transport *transport, struct links *links, atomic_bool *stop_asked,
                const char *masters, struct uuid *ret_cluster)
{
    uint64_t complain_us = clock_boot_us() + COMPLAIN_US;
    bool is_known = false;
    while (!is_known && !atomic_load(stop_asked)) {
        uint64_t now_us = clock_boot_us();
        (void)links_tick(links, now_us);
        transport_flush(transport);
        struct transport_event events[EVENTS_MAX];
        uint32_t count = transport_wait(transport, events, EVENTS_MAX, LOOK_US);
        now_us = clock_boot_us();
        for (uint32_t i = 0; i < count; i++)
            if (on_event(transport, links, &events[i], now_us, ret_cluster))
                is_known = true;
        if (!is_known && now_us >= complain_us) {
            log_warning("no_master", "masters=%s text=\"waiting for a master\"", masters);
            complain_us = now_us + COMPLAIN_US;
        }
    }
    return is_known;
}

enum err learn_cluster(const struct node_settings *settings, atomic_bool *stop_asked,
                       struct uuid *ret_cluster)
{
    const struct transport_options options = {
        .hello = {.wire_version = WIRE_VERSION,
                  .role = WIRE_ROLE_CLIENT, /* nobody yet: a node has a cluster */
                  .software = slice_of_text("catena-node first start")},
        .connections_max = 1,
        .queue_bytes_max = 1 << 20,
        .frame_payload_bytes_max = BOUND_FRAME_PAYLOAD_BYTES,
    };
    const struct links_options links_options = {
        .tag_base = TAG_BASE,
        .dial_timeout_ms = 1000,
        .redial_min_ms = 20,
        .redial_max_ms = 500,
        .seed = clock_boot_us(),
    };
    struct transport *transport = transport_new(&options);
    struct links *links = links_new(transport, &links_options);
    for (uint32_t i = 0; i < settings->master_count; i++)
        links_set(links, i + 1, settings->masters[i]);
    struct uuid cluster;
    bool is_known = ask(transport, links, stop_asked, settings->masters_text, &cluster);
    links_free(links);
    transport_free(transport);
    if (!is_known)
        return ERR_CANCELLED;
    *ret_cluster = cluster;
    return ERR_OK;
}
