/* LIST: one request per node that holds tails, merged in key order; complete or an error (R18).
 *
 * A scan covers every chain exactly once. Each part's answer has to name exactly the (chain, epoch)
 * pairs that were asked, of epochs not older than any seen (R19); a part that fails is asked again,
 * perhaps of another node. Each node answers with its first `limit` keys. If a node has more, then
 * keys beyond its last one are not known from it, so the merged answer is cut at the smallest such
 * last key.
 *
 * Multipart uploads are listed in the same way, by (key, id): all of one key are on one chain. */
#include "base/planted.h"
#include "client/core/internal.h"

enum { CHAIN_OPEN, CHAIN_ASKED, CHAIN_ANSWERED };

void list_release(struct op *op)
{
    struct list_scan *scan = op->scan;
    if (scan == NULL)
        return;
    for (uint32_t i = 0; i < scan->parts_count; i++) {
        mem_free(scan->parts[i].chains);
        if (scan->parts[i].is_answered)
            wire_message_release(&scan->parts[i].reply);
    }
    mem_free(scan->parts);
    mem_free(scan->covered);
    mem_free(scan->items);
    mem_free(scan);
    op->scan = NULL;
}

static void scan_start(const struct cl_core *core, struct op *op)
{
    struct list_scan *scan = mem_calloc(1, sizeof *scan);
    scan->chain_count = core->map.chain_count;
    scan->covered = mem_calloc(scan->chain_count, 1);
    op->scan = scan;
}

void list_reopen(struct op *op, uint32_t number)
{
    struct list_scan *scan = op->scan;
    if (scan == NULL || number >= scan->parts_count)
        return;
    struct list_part *part = &scan->parts[number];
    if (part->is_answered || part->is_dropped)
        return;
    part->is_dropped = true;
    for (uint32_t i = 0; i < part->chains_count; i++)
        if (scan->covered[part->chains[i].chain] == CHAIN_ASKED)
            scan->covered[part->chains[i].chain] = CHAIN_OPEN;
}

void list_reopen_all(struct op *op)
{
    if (op->scan == NULL)
        return;
    for (uint32_t i = 0; i < op->scan->parts_count; i++)
        list_reopen(op, i);
}

static bool part_is_outdated(const struct cl_core *core, const struct list_part *part)
{
    for (uint32_t i = 0; i < part->chains_count; i++) {
        const struct cl_row *row = map_row(core, part->chains[i].chain);
        if (row == NULL || row->epoch != part->chains[i].epoch ||
            row->members[row->members_count - 1].node != part->peer->id)
            return true;
    }
    return false;
}

bool list_has_open(const struct op *op)
{
    for (uint32_t i = 0; op->scan != NULL && i < op->scan->chain_count; i++)
        if (op->scan->covered[i] == CHAIN_OPEN)
            return true;
    return false;
}

bool list_map_changed(struct cl_core *core, struct op *op)
{
    if (op->state == OP_WAIT_MAP || op->state == OP_WAIT_PEER)
        return true;
    if (op->scan == NULL)
        return false;
    bool is_changed = list_has_open(op);
    for (uint32_t i = 0; i < op->scan->parts_count; i++) {
        const struct list_part *part = &op->scan->parts[i];
        if (part->is_answered || part->is_dropped || !part_is_outdated(core, part))
            continue;
        list_reopen(op, i);
        is_changed = true;
    }
    return is_changed;
}

static struct list_part *part_add(struct list_scan *scan, struct peer *peer)
{
    scan->parts = mem_realloc(scan->parts, (scan->parts_count + 1) * sizeof *scan->parts);
    struct list_part *part = &scan->parts[scan->parts_count++];
    *part = (struct list_part){.peer = peer};
    return part;
}

static void part_add_chain(struct list_part *part, uint32_t chain, uint64_t epoch)
{
    uint32_t n = part->chains_count;
    if ((n & (n - 1)) == 0) /* grow at powers of two */
        part->chains = mem_realloc(part->chains, (n == 0 ? 1 : n * 2) * sizeof *part->chains);
    part->chains[part->chains_count++] = (struct wire_chain_at){.chain = chain, .epoch = epoch};
}

/* Sorts the open chains whose tails are connected into new parts, one per node. */
static bool gather_parts(struct cl_core *core, struct op *op, uint32_t *ret_first)
{
    struct list_scan *scan = op->scan;
    struct map part_of; /* peer id + 1 -> part number + 1 */
    bool all_up = true;
    *ret_first = scan->parts_count;
    map_init(&part_of);
    for (uint32_t chain = 0; chain < scan->chain_count; chain++) {
        if (scan->covered[chain] != CHAIN_OPEN)
            continue;
        const struct cl_row *row = map_row(core, chain);
        struct peer *peer =
            row == NULL ? NULL : peer_node(core, row->members[row->members_count - 1].node);
        if (peer == NULL || !peer_want(core, peer)) {
            char name[BOUND_ADDRESS_BYTES + 64];
            all_up = false;
            op_note_reason(op, ERR_UNREACHABLE, "the tail of chain %u, %s: not connected", chain,
                           peer == NULL ? "of unknown address"
                                        : peer_describe(core, peer->id, name, sizeof name));
            continue;
        }
        uintptr_t number = (uintptr_t)map_get(&part_of, peer->id);
        if (number == 0) {
            (void)part_add(scan, peer);
            number = scan->parts_count;
            (void)map_put(&part_of, peer->id, (void *)number);
        }
        part_add_chain(&scan->parts[number - 1], chain, row->epoch);
        scan->covered[chain] = CHAIN_ASKED;
    }
    map_release(&part_of);
    return all_up;
}

static uint32_t limit_of(const struct op *op)
{
    return op->in.limit == 0 || op->in.limit > BOUND_LIST_ITEMS ? BOUND_LIST_ITEMS : op->in.limit;
}

static void send_part(struct cl_core *core, struct op *op, uint32_t number)
{
    const struct list_part *part = &op->scan->parts[number];
    struct wire_message message = {.type = WIRE_LIST};
    message.u.list = (struct wire_list){
        .map_version = op_map_version(core, op),
        .bucket = op->bucket_id,
        .prefix = op->in.key,
        .start_after = op->in.start_after,
        .delimiter = op->in.delimiter,
        .limit = limit_of(op),
        .chains = part->chains,
        .chains_count = part->chains_count,
        .want_meta = op->in.want_meta,
        .uploads = op->in.uploads,
        .after_high = op->in.after_multi_high,
        .after_low = op->in.after_multi_low,
    };
    request_send(core, op, part->peer, 0, number, &message);
}

static bool is_waiting_for_answers(const struct op *op)
{
    for (uint32_t i = 0; i < op->scan->parts_count; i++)
        if (!op->scan->parts[i].is_answered && !op->scan->parts[i].is_dropped)
            return true;
    return false;
}

void list_advance(struct cl_core *core, struct op *op)
{
    if (op->bucket_id == 0 || (op->in.kind == CL_OP_LIST && op->scan == NULL))
        if (!bucket_resolve(core, op))
            return;
    if (op->scan == NULL)
        scan_start(core, op);
    uint32_t first;
    bool all_up = gather_parts(core, op, &first);
    for (uint32_t i = first; i < op->scan->parts_count; i++)
        send_part(core, op, i);
    op->target = 0;
    if (all_up || is_waiting_for_answers(op)) {
        op->state = OP_WAIT_ANSWER;
        op->next_us = core->now_us + retry_attempt_us(core, op);
    } else {
        op_wait(op, OP_WAIT_PEER);
    }
}

/* Exactly what was asked, each once (R18), nothing older than seen (R19). */
static bool chains_match(struct cl_core *core, struct list_scan *scan, const struct list_part *part,
                         const struct wire_listed *listed)
{
    uint32_t matched = 0;
    bool is_good = listed->chains_count == part->chains_count;
    for (uint32_t i = 0; is_good && i < listed->chains_count; i++) {
        const struct wire_chain_at *at = &listed->chains[i];
        is_good = at->chain < scan->chain_count && scan->covered[at->chain] == CHAIN_ASKED &&
                  at->epoch >= core->map.rows[at->chain].seen_epoch;
        if (is_good) {
            scan->covered[at->chain] = CHAIN_ANSWERED;
            matched++;
        }
    }
    uint32_t mine = 0;
    for (uint32_t i = 0; is_good && i < part->chains_count; i++)
        mine += scan->covered[part->chains[i].chain] == CHAIN_ANSWERED;
    is_good = is_good && mine == part->chains_count;
    for (uint32_t i = 0; is_good && i < part->chains_count; i++)
        is_good = part->chains[i].epoch >= core->map.rows[part->chains[i].chain].seen_epoch;
    for (uint32_t i = 0; !is_good && i < matched; i++)
        scan->covered[listed->chains[i].chain] = CHAIN_ASKED;
    return is_good;
}

static bool has_multi(const struct wire_list_item *item)
{
    return (item->multi_high | item->multi_low) != 0;
}

/* A group: it has no version, an upload has its id. */
static bool is_folded(const struct op *op, const struct wire_list_item *item)
{
    return op->in.uploads ? !has_multi(item) : origin_is_none(item->version);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : (a > b ? 1 : 0);
}

static int compare_items(const struct op *op, const struct wire_list_item *a,
                         const struct wire_list_item *b)
{
    int order = slice_compare(a->key, b->key);
    if (order != 0 || !op->in.uploads)
        return order;
    order = compare_numbers(a->multi_high, b->multi_high);
    return order == 0 ? compare_numbers(a->multi_low, b->multi_low) : order;
}

static bool is_after_start(const struct op *op, const struct wire_list_item *item)
{
    struct wire_list_item start = {
        .key = op->in.start_after,
        .multi_high = op->in.after_multi_high,
        .multi_low = op->in.after_multi_low,
    };
    if (!has_multi(&start)) /* after all uploads of that key */
        return slice_compare(item->key, start.key) > 0;
    return compare_items(op, item, &start) > 0;
}

static bool items_are_sound(const struct op *op, const struct wire_listed *listed)
{
    if (listed->truncated && listed->items_count == 0)
        return false;
    for (uint32_t i = 0; i < listed->items_count; i++) {
        const struct wire_list_item *item = &listed->items[i];
        if (!slice_starts_with(item->key, op->in.key))
            return false;
        if (i > 0 && compare_items(op, &listed->items[i - 1], item) >= 0)
            return false;
        if (!is_folded(op, item) && !is_after_start(op, item))
            return false;
    }
    return true;
}

/* The smallest last item of the truncated parts: beyond it the answer is not complete. NULL: no
 * part was cut. */
static const struct wire_list_item *find_cut(const struct op *op)
{
    const struct list_scan *scan = op->scan;
    const struct wire_list_item *cut = NULL;
    for (uint32_t i = 0; i < scan->parts_count; i++) {
        const struct list_part *part = &scan->parts[i];
        if (!part->is_answered || !part->reply.u.listed.truncated)
            continue;
        const struct wire_listed *listed = &part->reply.u.listed;
        const struct wire_list_item *last = &listed->items[listed->items_count - 1];
        if (cut == NULL || compare_items(op, last, cut) < 0)
            cut = last;
    }
    return cut;
}

static const struct wire_list_item *part_next(const struct list_part *part)
{
    if (!part->is_answered || part->cursor >= part->reply.u.listed.items_count)
        return NULL;
    return &part->reply.u.listed.items[part->cursor];
}

/* Takes the smallest item of all parts; the same folded group may come from several. */
static const struct wire_list_item *merge_next(const struct op *op)
{
    struct list_scan *scan = op->scan;
    const struct wire_list_item *least = NULL;
    for (uint32_t i = 0; i < scan->parts_count; i++) {
        const struct wire_list_item *item = part_next(&scan->parts[i]);
        if (item != NULL && (least == NULL || compare_items(op, item, least) < 0))
            least = item;
    }
    for (uint32_t i = 0; least != NULL && i < scan->parts_count; i++) {
        const struct wire_list_item *item = part_next(&scan->parts[i]);
        if (item != NULL && compare_items(op, item, least) == 0)
            scan->parts[i].cursor++;
    }
    return least;
}

static void merge(struct cl_core *core, struct op *op)
{
    struct list_scan *scan = op->scan;
    uint32_t limit = limit_of(op);
    const struct wire_list_item *cut = find_cut(op);
    bool is_truncated = cut != NULL;
    scan->items = mem_alloc(limit * sizeof *scan->items);
    for (;;) {
        const struct wire_list_item *item = merge_next(op);
        if (item == NULL)
            break;
        if (cut != NULL && compare_items(op, item, cut) > 0)
            break;
        if (is_folded(op, item) && slice_equal(item->key, op->in.start_after))
            continue; /* told in the answer before this one */
        if (scan->items_count == limit) {
            is_truncated = true;
            break;
        }
        scan->items[scan->items_count++] = *item;
    }
    if (op->stage == STAGE_LOOK) {
        bucket_delete_listed(core, op, scan->items_count == 0 && !is_truncated);
        return;
    }
    struct cl_result result = {
        .err = ERR_OK,
        .items = scan->items,
        .items_count = scan->items_count,
        .truncated = is_truncated,
    };
    op_end(core, op, &result, NULL);
}

static bool is_complete(const struct list_scan *scan)
{
    for (uint32_t i = 0; i < scan->chain_count; i++)
        if (scan->covered[i] != CHAIN_ANSWERED && !PLANTED(R18_INCOMPLETE))
            return false;
    return true;
}

void list_receive(struct cl_core *core, struct request *request, const struct wire_message *message)
{
    struct op *op = request->op;
    struct list_scan *scan = op->scan;
    uint32_t number = request->part;
    if (scan == NULL || number >= scan->parts_count || scan->parts[number].is_dropped) {
        request_free(core, request); /* asked again meanwhile; this answer is not needed */
        return;
    }
    struct list_part *part = &scan->parts[number];
    const struct wire_listed *listed = &message->u.listed;
    if (!items_are_sound(op, listed)) {
        core->stats.nonsense++;
        retry_refused(core, request, ERR_INTERNAL, slice_of_text("a listing out of order"), false);
        return;
    }
    if (!chains_match(core, scan, part, listed)) {
        core->stats.stale_reads++;
        retry_refused(core, request, ERR_WRONG_EPOCH,
                      slice_of_text("a listing that does not cover what was asked"), false);
        return;
    }
    for (uint32_t i = 0; i < listed->chains_count; i++)
        map_note_epoch(core, listed->chains[i].chain, listed->chains[i].epoch);
    request_free(core, request);
    wire_message_copy(message, &part->reply);
    part->is_answered = true;
    scan->answered++;
    if (is_complete(scan))
        merge(core, op);
}
