/* LIST: waits until what was committed at its arrival is in the rows (D2), scans, and only then
 * checks role and lease of every chain once more (R18). Complete, or refused. */
#include "chainnode/core/cn_internal.h"

static void list_free(struct cn_core *core, struct cn_list *list)
{
    list_remove(&list->node);
    core->parked_count--;
    wire_message_release(&list->message);
    mem_free(list->targets);
    mem_free(list);
}

void cn_lists_free(struct cn_core *core)
{
    LIST_FOREACH_SAFE (node, &core->lists) {
        list_free(core, CONTAINER_OF(node, struct cn_list, node));
    }
}

void cn_lists_forget_conn(struct cn_core *core, uint64_t conn)
{
    LIST_FOREACH_SAFE (node, &core->lists) {
        struct cn_list *list = CONTAINER_OF(node, struct cn_list, node);
        if (list->conn == conn)
            list_free(core, list);
    }
}

static void refuse(struct cn_core *core, const struct cn_list *list, enum err err,
                   const struct cn_chain *chain)
{
    bool is_row_news = err == ERR_WRONG_EPOCH || err == ERR_WRONG_ROLE;
    cn_refuse(core, list->conn, list->message.u.list.request, err, is_row_news ? chain : NULL,
              NULL);
}

/* The first chain that this node may not read now. */
static enum err authority(const struct cn_core *core, const struct wire_list *list,
                          struct cn_chain **ret_chain)
{
    for (uint32_t i = 0; i < list->chains_count; i++) {
        struct cn_chain *chain = cn_chain_get(core, list->chains[i].chain);
        enum err err = cn_read_authority(core, chain, list->chains[i].epoch);
        if (err != ERR_OK) {
            *ret_chain = chain;
            return err;
        }
    }
    return ERR_OK;
}

static bool is_settled(const struct cn_core *core, const struct cn_list *list)
{
    const struct wire_list *request = &list->message.u.list;
    for (uint32_t i = 0; i < request->chains_count; i++) {
        const struct cn_chain *chain = cn_chain_get(core, request->chains[i].chain);
        if (chain->settled.lsn < list->targets[i])
            return false;
    }
    return true;
}

static void answer(struct cn_core *core, const struct cn_list *list)
{
    const struct wire_list *request = &list->message.u.list;
    uint32_t limit = request->limit;
    if (limit == 0 || limit > BOUND_LIST_ITEMS)
        limit = BOUND_LIST_ITEMS;
    struct wire_list_item *items = cn_arena_alloc(core, limit * sizeof *items);
    uint32_t count;
    bool is_truncated;
    enum err err = cn_list_scan(core, request, items, limit, &count, &is_truncated);
    if (err != ERR_OK) {
        cn_disk_failed(core, err);
        return;
    }
    struct cn_chain *missing = NULL;
    err = authority(core, request, &missing);
    if (err != ERR_OK && !PLANTED(R18_NOT_CHECKED_AGAIN)) {
        refuse(core, list, err, missing);
        return;
    }
    size_t bytes = request->chains_count * sizeof *request->chains;
    struct wire_chain_at *chains = cn_arena_alloc(core, bytes);
    memcpy(chains, request->chains, bytes);
    struct wire_listed *listed = &cn_reply(core, list->conn, WIRE_LISTED)->u.listed;
    listed->request = request->request;
    listed->chains = chains;
    listed->chains_count = request->chains_count;
    listed->items = items;
    listed->items_count = count;
    listed->truncated = is_truncated;
}

/* True if the list is finished. */
static bool try_list(struct cn_core *core, struct cn_list *list)
{
    struct cn_chain *missing = NULL;
    enum err err = authority(core, &list->message.u.list, &missing);
    if (err != ERR_OK && !PLANTED(R18_NOT_CHECKED_AGAIN)) {
        refuse(core, list, err, missing);
        return true;
    }
    if (!is_settled(core, list))
        return false;
    answer(core, list);
    return true;
}

void cn_lists_retry(struct cn_core *core)
{
    LIST_FOREACH_SAFE (node, &core->lists) {
        struct cn_list *list = CONTAINER_OF(node, struct cn_list, node);
        if (core->is_dead)
            return;
        if (try_list(core, list))
            list_free(core, list);
    }
}

static enum err check_shape(const struct cn_core *core, const struct wire_list *list)
{
    if (list->chains_count == 0)
        return ERR_INVALID;
    if (list->prefix.length > BOUND_KEY_BYTES || list->start_after.length > BOUND_KEY_BYTES)
        return ERR_TOO_LARGE;
    if (core->parked_count >= BOUND_PARKED_READS)
        return ERR_BUSY;
    enum err err = cn_bucket_state(core, list->bucket, list->map_version);
    return err == ERR_BUCKET_DELETING ? ERR_OK : err; /* the master's own check lists it (R37) */
}

void cn_recv_list(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_list *request = &event->message->u.list;
    struct cn_chain *missing = NULL;
    enum err err = check_shape(core, request);
    if (err == ERR_OK)
        err = authority(core, request, &missing);
    if (err != ERR_OK) {
        if (err == ERR_NOT_READY)
            core->is_beat_wanted = true;
        bool is_row_news = err == ERR_WRONG_EPOCH || err == ERR_WRONG_ROLE;
        cn_refuse(core, event->conn, request->request, err, is_row_news ? missing : NULL, NULL);
        return;
    }
    struct cn_list *list = mem_calloc(1, sizeof *list);
    list->conn = event->conn;
    wire_message_copy(event->message, &list->message);
    list->targets = mem_alloc(request->chains_count * sizeof *list->targets);
    for (uint32_t i = 0; i < request->chains_count; i++) {
        const struct cn_chain *chain = cn_chain_get(core, request->chains[i].chain);
        /* R15: what was inherited is decided first. */
        list->targets[i] = chain->committed > chain->inherited || PLANTED(R15_LIST_DOES_NOT_WAIT)
                               ? chain->committed
                               : chain->inherited;
    }
    list_append(&core->lists, &list->node);
    core->parked_count++;
}
