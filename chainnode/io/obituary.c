#include "chainnode/io/obituary.h"

#include "base/io/clock.h"
#include "base/io/log.h"
#include "wire/transport/links.h"

enum { EVENTS_MAX = 32, RESEND_US = 100000, LAST_WAIT_US = 500000, TAG_BASE = 1 };

struct obituary {
    const struct node_settings *settings;
    struct transport *transport;
    struct links *links; /* peer = index of the master + 1 */
    struct wire_message message;
    uint32_t replied; /* bit per master */
};

/* A follower replies too, so only all replies together say that the leader knows. */
static bool is_confirmed_by_all(const struct obituary *obituary)
{
    return obituary->replied == (1u << obituary->settings->master_count) - 1;
}

static void send_again(struct obituary *obituary)
{
    for (uint32_t i = 0; i < obituary->settings->master_count; i++)
        if ((obituary->replied >> i & 1u) == 0)
            (void)links_send(obituary->links, i + 1, &obituary->message);
    transport_flush(obituary->transport);
}

static void on_event(struct obituary *obituary, struct transport_event *event, uint64_t now_us)
{
    uint32_t peer = 0;
    enum links_change change = LINKS_NOTHING;
    if (links_on_event(obituary->links, event, now_us, &peer, &change)) {
        if (change == LINKS_UP)
            (void)links_send(obituary->links, peer, &obituary->message);
        if (event->kind == TRANSPORT_MESSAGE && event->message.type == WIRE_OBITUARY_REPLY)
            obituary->replied |= 1u << (peer - 1);
    }
    if (event->kind == TRANSPORT_OPENED || event->kind == TRANSPORT_MESSAGE)
        wire_message_release(&event->message);
}

static void run(struct obituary *obituary, uint64_t deadline_us)
{
    uint64_t now_us = clock_boot_us();
    uint64_t resend_us = now_us + RESEND_US;
    while (!is_confirmed_by_all(obituary) && now_us < deadline_us) {
        uint64_t wake_us = links_tick(obituary->links, now_us);
        wake_us = wake_us < resend_us ? wake_us : resend_us;
        struct transport_event events[EVENTS_MAX];
        uint32_t count = transport_wait(obituary->transport, events, EVENTS_MAX,
                                        wake_us > now_us ? wake_us - now_us : 0);
        now_us = clock_boot_us();
        bool was_alone = obituary->replied == 0;
        for (uint32_t i = 0; i < count; i++)
            on_event(obituary, &events[i], now_us);
        /* Masters may be down: after the first reply the others have this long. */
        if (was_alone && obituary->replied != 0 && now_us + LAST_WAIT_US < deadline_us)
            deadline_us = now_us + LAST_WAIT_US;
        if (now_us >= resend_us) {
            send_again(obituary);
            resend_us = now_us + RESEND_US;
        }
        transport_flush(obituary->transport);
    }
}

bool obituary_send(const struct node_settings *settings, const struct worker_report *report,
                   uint64_t timeout_us)
{
    struct transport_options options = {
        .hello =
            {
                .wire_version = WIRE_VERSION,
                .cluster = report->cluster,
                .role = WIRE_ROLE_NODE,
                .id = settings->id,
                .incarnation = report->incarnation,
                .disk = report->disk,
                .software = slice_of_text("catena-node supervisor"),
            },
        .connections_max = 1,
        .queue_bytes_max = 1 << 20,
        .frame_payload_bytes_max = BOUND_FRAME_PAYLOAD_BYTES,
    };
    const struct links_options links = {
        .tag_base = TAG_BASE,
        .dial_timeout_ms = 500,
        .redial_min_ms = 20,
        .redial_max_ms = 200,
        .seed = report->incarnation,
    };
    struct obituary obituary = {.settings = settings};
    obituary.message.type = WIRE_OBITUARY;
    obituary.message.u.obituary.request = 1;
    obituary.message.u.obituary.node = settings->id;
    obituary.message.u.obituary.incarnation = report->incarnation;
    obituary.transport = transport_new(&options);
    obituary.links = links_new(obituary.transport, &links);
    for (uint32_t i = 0; i < settings->master_count; i++)
        links_set(obituary.links, i + 1, settings->masters[i]);
    run(&obituary, clock_boot_us() + timeout_us);
    links_free(obituary.links);
    transport_free(obituary.transport);
    return obituary.replied != 0;
}
