/* Maps: pushed to nodes when something changed, given to watchers when they ask or it changes.
 *
 * A delta from the version that the receiver is known to have, or, when too much has changed, the
 * complete map page by page: a stream keeps its place between steps, so that a big map for many
 * receivers costs bounded memory. Rows that change while pages are under way carry their own
 * newer version and come again in the next delta. Only active rows are ever published (R28). */
#include "base/contract.h"
#include "config_master/core/leader.h"

static void fill_common(struct cm_core *core, struct wire_message *message, uint64_t request,
                        uint64_t from_version, uint64_t version)
{
    struct wire_config *config = &message->u.config;
    const struct cm_state *state = core->state;
    config->request = request;
    config->from_version = from_version;
    config->version = version;
    config->cluster = state->cluster;
    config->chain_count = state->chain_count;
    config->replicas = state->replicas;
    config->masters = core->masters;
    config->masters_count = core->masters_count;
}

static void fill_node(const struct cm_core *core, const struct cm_node *node,
                      struct wire_node_info *info)
{
    cm_node_to_wire(node, info);
    const struct cm_live *live = map_get(&core->lives, node->id);
    if (live != NULL && core->is_leader && live->space_total != 0) {
        info->space_total = live->space_total;
        info->space_free = live->space_free;
    }
}

/* How many elements of a change list are newer, counted up to `most`. */
static uint32_t count_chains(const struct cm_state *state, uint64_t from, uint32_t most)
{
    uint32_t count = 0;
    for (const struct list_node *at = state->chain_changes.previous;
         at != &state->chain_changes && count < most; at = at->previous) {
        if (CONTAINER_OF(at, struct cm_chain, change)->active.version <= from)
            break;
        count++;
    }
    return count;
}

static uint32_t count_nodes(const struct cm_state *state, uint64_t from)
{
    uint32_t count = 0;
    for (const struct list_node *at = state->node_changes.previous; at != &state->node_changes;
         at = at->previous) {
        if (CONTAINER_OF(at, struct cm_node, change)->version <= from)
            break;
        count++;
    }
    return count;
}

static uint32_t count_buckets(const struct cm_state *state, uint64_t from, uint32_t most)
{
    uint32_t count = 0;
    for (const struct list_node *at = state->bucket_changes.previous;
         at != &state->bucket_changes && count < most; at = at->previous) {
        if (CONTAINER_OF(at, struct cm_bucket, change)->version <= from)
            break;
        count++;
    }
    return count;
}

static uint32_t count_tombstones(const struct cm_state *state, uint64_t from)
{
    uint32_t count = 0;
    while (count < state->tombstone_count &&
           state->tombstones[state->tombstone_count - 1 - count].version > from)
        count++;
    return count;
}

/* Small in the simulator, so that its maps come in pages too. */
static uint32_t page_rows(const struct cm_core *core)
{
    return core->options.page_rows == 0 ? CM_PAGE_ROWS : core->options.page_rows;
}

static bool fits_a_delta(const struct cm_core *core, uint64_t from)
{
    const struct cm_state *state = core->state;
    return from > 0 && from >= state->tombstone_floor &&
           count_chains(state, from, page_rows(core) + 1) <= page_rows(core) &&
           count_nodes(state, from) + count_tombstones(state, from) <= CM_PAGE_NODES &&
           count_buckets(state, from, CM_PAGE_BUCKETS) + count_tombstones(state, from) <=
               CM_PAGE_BUCKETS;
}

static void fill_delta_rows(const struct cm_state *state, struct wire_message *message,
                            uint64_t from)
{
    uint32_t count = count_chains(state, from, CM_PAGE_ROWS);
    struct wire_row *rows = cm_message_alloc(message, count * sizeof *rows);
    const struct list_node *at = state->chain_changes.previous;
    for (uint32_t i = 0; i < count; i++, at = at->previous)
        rows[count - 1 - i] = plan_row_to_wire(&CONTAINER_OF(at, struct cm_chain, change)->active);
    message->u.config.rows = rows;
    message->u.config.rows_count = count;
}

static void fill_delta_nodes(struct cm_core *core, struct wire_message *message, uint64_t from)
{
    const struct cm_state *state = core->state;
    uint32_t gone = count_tombstones(state, from);
    uint32_t count = count_nodes(state, from);
    struct wire_node_info *nodes = cm_message_alloc(message, (count + gone) * sizeof *nodes);
    uint32_t filled = 0;
    for (uint32_t i = state->tombstone_count - gone; i < state->tombstone_count; i++) {
        /* Removed: no address, unless the id is in use again (it follows in the list). */
        if (state->tombstones[i].node != 0 &&
            cm_state_node(state, state->tombstones[i].node) == NULL)
            nodes[filled++] = (struct wire_node_info){.node = state->tombstones[i].node,
                                                      .state = WIRE_NODE_DOWN,
                                                      .version = state->tombstones[i].version};
    }
    const struct list_node *at = state->node_changes.previous;
    for (uint32_t i = 0; i < count; i++, at = at->previous)
        fill_node(core, CONTAINER_OF(at, struct cm_node, change), &nodes[filled + count - 1 - i]);
    message->u.config.nodes = nodes;
    message->u.config.nodes_count = filled + count;
}

static void fill_delta_buckets(const struct cm_state *state, struct wire_message *message,
                               uint64_t from)
{
    uint32_t gone = count_tombstones(state, from);
    uint32_t count = count_buckets(state, from, CM_PAGE_BUCKETS);
    struct wire_bucket_info *buckets = cm_message_alloc(message, (count + gone) * sizeof *buckets);
    uint32_t filled = 0;
    for (uint32_t i = state->tombstone_count - gone; i < state->tombstone_count; i++) {
        if (state->tombstones[i].bucket != 0)
            buckets[filled++] =
                (struct wire_bucket_info){.bucket = state->tombstones[i].bucket,
                                          .name = slice_of_text(state->tombstones[i].name),
                                          .state = WIRE_BUCKET_GONE,
                                          .version = state->tombstones[i].version};
    }
    const struct list_node *at = state->bucket_changes.previous;
    for (uint32_t i = 0; i < count; i++, at = at->previous)
        cm_bucket_to_wire(CONTAINER_OF(at, struct cm_bucket, change),
                          &buckets[filled + count - 1 - i]);
    message->u.config.buckets = buckets;
    message->u.config.buckets_count = filled + count;
}

static void send_delta(struct cm_core *core, uint64_t conn, uint64_t request, uint64_t from)
{
    struct wire_message *message = cm_emit_message(core, conn, WIRE_CONFIG);
    fill_common(core, message, request, from, core->state->version);
    fill_delta_rows(core->state, message, from);
    fill_delta_nodes(core, message, from);
    fill_delta_buckets(core->state, message, from);
}

/* The next page of a complete map. */
static void send_page(struct cm_core *core, struct cm_conn *conn)
{
    const struct cm_state *state = core->state;
    struct cm_stream *stream = &conn->stream;
    struct wire_message *message = cm_emit_message(core, conn->conn, WIRE_CONFIG);
    struct wire_config *config = &message->u.config;
    fill_common(core, message, stream->request, 0, stream->version);

    uint32_t rows_count = state->chain_count - stream->next_chain;
    rows_count = rows_count < page_rows(core) ? rows_count : page_rows(core);
    struct wire_row *rows = cm_message_alloc(message, rows_count * sizeof *rows);
    for (uint32_t i = 0; i < rows_count; i++)
        rows[i] = plan_row_to_wire(&state->chains[stream->next_chain + i].active);
    stream->next_chain += rows_count;

    uint32_t from = cm_state_node_after(state, stream->last_node);
    uint32_t nodes_count = state->node_count - from;
    nodes_count = nodes_count < CM_PAGE_NODES ? nodes_count : CM_PAGE_NODES;
    struct wire_node_info *nodes = cm_message_alloc(message, nodes_count * sizeof *nodes);
    for (uint32_t i = 0; i < nodes_count; i++)
        fill_node(core, state->nodes[from + i], &nodes[i]);
    if (nodes_count > 0)
        stream->last_node = nodes[nodes_count - 1].node;
    bool more_nodes = from + nodes_count < state->node_count;

    from = cm_state_bucket_after(state, slice_of_text(stream->last_bucket));
    uint32_t buckets_count = state->bucket_count - from;
    buckets_count = buckets_count < CM_PAGE_BUCKETS ? buckets_count : CM_PAGE_BUCKETS;
    struct wire_bucket_info *buckets = cm_message_alloc(message, buckets_count * sizeof *buckets);
    for (uint32_t i = 0; i < buckets_count; i++)
        cm_bucket_to_wire(state->buckets[from + i], &buckets[i]);
    if (buckets_count > 0)
        memcpy(stream->last_bucket, state->buckets[from + buckets_count - 1]->name,
               sizeof stream->last_bucket);
    bool more_buckets = from + buckets_count < state->bucket_count;

    config->rows = rows;
    config->rows_count = rows_count;
    config->nodes = nodes;
    config->nodes_count = nodes_count;
    config->buckets = buckets;
    config->buckets_count = buckets_count;
    config->page = stream->page++;
    config->more = stream->next_chain < state->chain_count || more_nodes || more_buckets;
    stream->is_open = config->more;
}

static void open_stream(struct cm_core *core, struct cm_conn *conn, uint64_t request)
{
    conn->stream =
        (struct cm_stream){.is_open = true, .request = request, .version = core->state->version};
    core->streams_open = true; /* also when it is a watch's deadline that opened it */
}

/* Brings one connection up to the present version, or starts to. */
static void send_map(struct cm_core *core, struct cm_conn *conn, uint64_t request, uint64_t from)
{
    conn->sent_version = core->state->version;
    if (fits_a_delta(core, from))
        send_delta(core, conn->conn, request, from);
    else
        open_stream(core, conn, request);
}

static void push_to_nodes(struct cm_core *core)
{
    size_t cursor = 0;
    struct cm_conn *conn;
    while ((conn = map_next(&core->conns, &cursor, NULL)) != NULL) {
        if (conn->is_node && !conn->stream.is_open && conn->sent_version < core->state->version)
            send_map(core, conn, 0, conn->sent_version);
    }
}

static void answer_watches(struct cm_core *core)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->watch_count; i++) {
        struct cm_watch watch = core->watches[i];
        struct cm_conn *conn = map_get(&core->conns, watch.conn);
        if (conn == NULL)
            continue;
        bool is_newer = core->state->version > watch.have_version;
        bool is_due = is_newer || core->now_us >= watch.deadline_us;
        if (!is_due || conn->stream.is_open) {
            core->watches[kept++] = watch;
        } else if (is_newer || watch.have_version == 0) {
            send_map(core, conn, watch.request, watch.have_version);
        } else {
            /* Nothing new: an empty delta that changes nothing. */
            struct wire_message *message = cm_emit_message(core, watch.conn, WIRE_CONFIG);
            fill_common(core, message, watch.request, core->state->version, core->state->version);
        }
    }
    core->watch_count = kept;
}

static void run_streams(struct cm_core *core)
{
    uint32_t pages = 0;
    core->streams_open = false;
    size_t cursor = 0;
    struct cm_conn *conn;
    while ((conn = map_next(&core->conns, &cursor, NULL)) != NULL) {
        while (conn->stream.is_open && pages < CM_PAGES_PER_STEP) {
            send_page(core, conn);
            pages++;
        }
        core->streams_open = core->streams_open || conn->stream.is_open;
    }
    if (!core->streams_open && pages > 0)
        core->push_due = true; /* what changed meanwhile */
}

void cm_publish_changed(struct cm_core *core)
{
    core->push_due = true;
}

void cm_publish_run(struct cm_core *core)
{
    bool is_due = core->push_due;
    core->push_due = false;
    if (is_due && core->is_leader)
        push_to_nodes(core);
    if (core->watch_count > 0 && (is_due || core->now_us >= core->watch_due_us)) {
        answer_watches(core);
        core->watch_due_us = UINT64_MAX;
        for (uint32_t i = 0; i < core->watch_count; i++) {
            if (core->watches[i].deadline_us < core->watch_due_us)
                core->watch_due_us = core->watches[i].deadline_us;
        }
    }
    if (is_due || core->streams_open)
        run_streams(core);
}

enum { WATCH_MS_MAX = 60000, WATCHES_PER_CONN = 8 };

void cm_watch_start(struct cm_core *core, struct cm_conn *conn, const struct wire_watch *watch)
{
    uint32_t own = 0;
    for (uint32_t i = 0; i < core->watch_count; i++)
        own += core->watches[i].conn == conn->conn ? 1 : 0;
    if (core->watch_count == CM_WATCHES || own == WATCHES_PER_CONN) {
        struct wire_message *message = cm_emit_message(core, conn->conn, WIRE_REFUSED);
        message->u.refused.request = watch->request;
        message->u.refused.err = ERR_BUSY;
        message->u.refused.text = cm_message_format(
            message, "master %u holds too many watches; ask another master or later",
            core->options.id);
        return;
    }
    uint64_t wait_ms = watch->wait_ms < WATCH_MS_MAX ? watch->wait_ms : WATCH_MS_MAX;
    core->watches[core->watch_count++] = (struct cm_watch){
        .conn = conn->conn,
        .request = watch->request,
        .have_version = watch->have_version,
        .deadline_us = core->now_us + wait_ms * 1000,
    };
    core->watch_due_us = core->now_us; /* looked at in this step */
    core->streams_open = true;
}

void cm_watch_forget(struct cm_core *core, uint64_t conn)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->watch_count; i++) {
        if (core->watches[i].conn != conn)
            core->watches[kept++] = core->watches[i];
    }
    core->watch_count = kept;
}

uint64_t cm_publish_deadline_us(const struct cm_core *core)
{
    if (core->streams_open || core->push_due)
        return core->now_us;
    return core->watch_count > 0 ? core->watch_due_us : UINT64_MAX;
}
