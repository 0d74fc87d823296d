/* Heartbeats, leases (R30) and complaints about neighbours (checklist 14, 15). */
#include "base/text.h"
#include "chainnode/core/cn_internal.h"

enum { LINKS_MAX = 1024, TEXT_BYTES_MAX = 400 };

/* ---- leases ---- */

/* A lease granted under a map that is not installed waits for it (R30). */
void cn_lease_installed(struct cn_core *core)
{
    if (core->lease_waiting_map > core->map_version)
        return;
    if (core->lease_waiting_until_us > core->lease_until_us)
        core->lease_until_us = core->lease_waiting_until_us;
    core->lease_waiting_until_us = 0;
    core->lease_waiting_map = 0;
}

static void take_lease(struct cn_core *core, const struct wire_beat_reply *reply, uint64_t sent_us)
{
    uint64_t until = sent_us + reply->lease_ms * 1000;
    if (reply->lease_map_version <= core->map_version || PLANTED(R30_ANY_MAP)) {
        if (until > core->lease_until_us)
            core->lease_until_us = until;
    } else if (until > core->lease_waiting_until_us) {
        core->lease_waiting_until_us = until;
        core->lease_waiting_map = reply->lease_map_version;
    }
}

static void reports_acked(struct cn_core *core, uint64_t beat)
{
    size_t cursor = 0;
    struct cn_chain *chain;
    while ((chain = map_next(&core->chains, &cursor, NULL)) != NULL)
        if (chain->report_sent != chain->report_acked && chain->report_sent_beat <= beat)
            chain->report_acked = chain->report_sent;
}

void cn_recv_beat_reply(struct cn_core *core, const struct wire_beat_reply *reply)
{
    if (reply->incarnation != core->options.incarnation)
        return;
    if (reply->err == ERR_DUPLICATE_ID || reply->err == ERR_WRONG_DISK ||
        reply->err == ERR_WRONG_CLUSTER) {
        /* What it says goes to logs and terminals: one printable line, whatever a peer sent. */
        struct text text;
        text_init(&text);
        text_append(&text, "the master refuses this node: %s. ", err_text((enum err)reply->err));
        text_append_escaped(&text, slice_of(reply->text.data, reply->text.length > TEXT_BYTES_MAX
                                                                  ? TEXT_BYTES_MAX
                                                                  : reply->text.length));
        cn_halt(core, (enum err)reply->err, text_cstr(&text));
        text_release(&text);
        return;
    }
    if (reply->challenge > core->challenge) {
        core->challenge = reply->challenge;
        core->is_beat_wanted = true; /* somebody waits for the answer */
    }
    /* The reply counts from the send time of its own heartbeat, and of no other. */
    if (reply->beat == 0 || reply->beat > core->beat || core->beat - reply->beat >= CN_BEATS)
        return;
    if (reply->want_full_report) {
        core->is_full_report_wanted = true;
        core->is_beat_wanted = true;
    }
    reports_acked(core, reply->beat);
    uint64_t beat = PLANTED(R30_ANY_BEAT) ? core->beat : reply->beat;
    uint64_t sent_us = core->beat_sent_us[beat % CN_BEATS];
    if (reply->lease)
        take_lease(core, reply, PLANTED(R30_FROM_RECEIPT) ? core->now_us : sent_us);
}

/* ---- reports ---- */

static struct wire_chain_report *collect_reports(struct cn_core *core, bool is_full,
                                                 uint32_t *ret_count)
{
    struct wire_chain_report *reports = cn_arena_alloc(core, core->chains.count * sizeof *reports);
    uint32_t count = 0;
    size_t cursor = 0;
    struct cn_chain *chain;
    while ((chain = map_next(&core->chains, &cursor, NULL)) != NULL) {
        bool is_synced = chain->source.is_synced; /* repeated until a newer epoch (R23) */
        if (!cn_chain_has_report(chain) ||
            (!is_full && !is_synced && chain->report_version == chain->report_acked))
            continue;
        if (chain->report_sent != chain->report_version || is_full) {
            chain->report_sent = chain->report_version;
            chain->report_sent_beat = core->beat;
        }
        cn_chain_report(core, chain, &reports[count++]);
    }
    *ret_count = count;
    return reports;
}

/* How long a neighbour has owed an answer; 0 = it owes none. */
static uint64_t successor_silence(const struct cn_core *core, const struct cn_chain *chain)
{
    const struct cn_successor *successor = &chain->successor;
    if (cn_is_quiet(chain) || chain->committed == chain->applied.lsn)
        return successor->is_known ? 0 : core->now_us - successor->heard_us;
    uint64_t silence = core->now_us - successor->heard_us;
    if (successor->is_known && successor->acked.lsn < successor->sent &&
        core->now_us - successor->progress_us > silence)
        silence = core->now_us - successor->progress_us;
    return silence;
}

static uint64_t predecessor_silence(const struct cn_core *core, const struct cn_chain *chain)
{
    const struct cn_predecessor *predecessor = &chain->predecessor;
    if (chain->committed == chain->applied.lsn || predecessor->owed_since_us == 0)
        return 0;
    uint64_t since = predecessor->heard_us > predecessor->owed_since_us
                         ? predecessor->heard_us
                         : predecessor->owed_since_us;
    return core->now_us - since;
}

static void complain(struct cn_core *core, const struct cn_chain *chain,
                     const struct wire_member *member, uint64_t silence,
                     struct wire_link_report *links, uint32_t *count)
{
    if (member == NULL || *count == LINKS_MAX)
        return;
    const struct cn_peer *peer = cn_peer(core, member->node);
    bool is_refused = peer != NULL && peer->is_refused && !peer->is_up;
    if (silence < core->options.neighbour_us && !is_refused)
        return;
    links[(*count)++] = (struct wire_link_report){
        .chain = chain->id,
        .epoch = chain->epoch,
        .peer = member->node,
        .silent_ms = silence / 1000,
        .refused = is_refused,
    };
}

static struct wire_link_report *collect_links(struct cn_core *core, uint32_t *ret_count)
{
    struct wire_link_report *links = cn_arena_alloc(core, LINKS_MAX * sizeof *links);
    *ret_count = 0;
    LIST_FOREACH (node, &core->active) {
        const struct cn_chain *chain = CONTAINER_OF(node, struct cn_chain, active);
        if (chain->is_halted)
            continue;
        complain(core, chain, cn_successor_of(core, chain), successor_silence(core, chain), links,
                 ret_count);
        complain(core, chain, cn_predecessor_of(core, chain), predecessor_silence(core, chain),
                 links, ret_count);
        if (cn_is_tail(chain) && chain->row.joiner.node != 0)
            complain(core, chain, &chain->row.joiner,
                     chain->source.is_handover && chain->source.durable < chain->applied.lsn
                         ? core->now_us - chain->source.progress_us
                         : 0,
                     links, ret_count);
    }
    return links;
}

/* R37: a map in which a bucket is being deleted is acknowledged only when every put that this head
 * admitted into it before is decided. */
static bool are_deleting_puts_decided(const struct cn_core *core)
{
    if (core->buckets_deleting == 0 || PLANTED(R37_UNDECIDED_ACKNOWLEDGED))
        return true;
    LIST_FOREACH (node, &core->active) {
        const struct cn_chain *chain = CONTAINER_OF(node, struct cn_chain, active);
        if (!cn_is_head(chain))
            continue;
        for (uint64_t lsn = chain->committed + 1; lsn <= chain->applied.lsn; lsn++) {
            const struct wire_forward *f = &cn_entry_at(chain, lsn)->f;
            const struct cn_bucket *bucket = map_get(&core->buckets, f->bucket);
            if (f->kind == WIRE_ENTRY_PUT && bucket != NULL &&
                bucket->state == WIRE_BUCKET_DELETING)
                return false;
        }
    }
    return true;
}

static void send_heartbeat(struct cn_core *core)
{
    core->beat++;
    core->beat_sent_us[core->beat % CN_BEATS] = core->now_us;
    if (are_deleting_puts_decided(core))
        core->map_version_reported = core->map_version;
    bool is_full = core->is_full_report_wanted || core->beat == 1;
    core->is_full_report_wanted = false;
    struct wire_heartbeat beat = {
        .node = core->options.node,
        .incarnation = core->options.incarnation,
        .disk = core->options.disk,
        .boot = core->options.boot,
        .address = core->options.address,
        .zone = core->options.zone,
        .weight = core->options.weight,
        .pid = core->options.pid,
        .beat = core->beat,
        .map_version = core->map_version_reported,
        .space_total = core->space_total,
        .space_free = core->space_free,
        .full_report = is_full,
        .echo = core->challenge,
        .is_full = core->is_full,
    };
    beat.chains = collect_reports(core, is_full, &beat.chains_count);
    beat.links = collect_links(core, &beat.links_count);
    cn_send_master(core, WIRE_HEARTBEAT)->u.heartbeat = beat;
    core->is_beat_wanted = false;
    core->last_beat_us = core->now_us;
    core->next_beat_us = core->now_us + core->options.heartbeat_us;
}

/* News do not wait for the next beat, but a storm of them is one beat. */
void cn_heartbeat_tick(struct cn_core *core)
{
    uint64_t gap = core->options.heartbeat_us / 20;
    if (core->is_beat_wanted && core->beat > 0 && core->next_beat_us > core->last_beat_us + gap)
        core->next_beat_us = core->last_beat_us + gap;
    if (core->now_us >= core->next_beat_us)
        send_heartbeat(core);
}
