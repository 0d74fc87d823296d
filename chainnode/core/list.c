/* LIST and PARTS_LIST: wait until what was committed at their arrival is in the rows (D2), scan,
 * and only then check role and lease of every chain once more (R18). Complete, or refused. */
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
    cn_refuse(core, list->conn, wire_message_request(&list->message), err,
              is_row_news ? chain : NULL, NULL);
}

/* The first chain that this node may not read now. */
static enum err authority(const struct cn_core *core, const struct cn_list *list,
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
    for (uint32_t i = 0; i < list->chains_count; i++) {
        const struct cn_chain *chain = cn_chain_get(core, list->chains[i].chain);
        if (chain->settled.lsn < list->targets[i])
            return false;
    }
    return true;
}

static void answer_list(struct cn_core *core, const struct cn_list *list,
                        struct wire_list_item *items, uint32_t count, bool is_truncated)
{
    size_t bytes = list->chains_count * sizeof *list->chains;
    struct wire_chain_at *chains = cn_arena_alloc(core, bytes);
    memcpy(chains, list->chains, bytes);
    struct wire_listed *listed = &cn_reply(core, list->conn, WIRE_LISTED)->u.listed;
    listed->request = list->message.u.list.request;
    listed->chains = chains;
    listed->chains_count = list->chains_count;
    listed->items = items;
    listed->items_count = count;
    listed->truncated = is_truncated;
}

static uint32_t limit_of(uint32_t wanted)
{
    return wanted == 0 || wanted > BOUND_LIST_ITEMS ? BOUND_LIST_ITEMS : wanted;
}

/* Scans first, then looks whether this node might: the pause may have been in between (R18). */
static void answer(struct cn_core *core, const struct cn_list *list)
{
    bool is_parts = list->message.type == WIRE_PARTS_LIST;
    struct wire_list_item *items = NULL;
    uint32_t count = 0;
    bool is_truncated = false;
    struct wire_parts_listed parts = {0};
    enum err found;
    if (is_parts) {
        found = cn_parts_scan(core, &list->message.u.parts_list,
                              limit_of(list->message.u.parts_list.limit), &parts);
    } else {
        uint32_t limit = limit_of(list->message.u.list.limit);
        items = cn_arena_alloc(core, limit * sizeof *items);
        found = cn_list_scan(core, &list->message.u.list, items, limit, &count, &is_truncated);
    }
    if (found != ERR_OK && found != ERR_UPLOAD_GONE) {
        cn_disk_failed(core, found);
        return;
    }
    struct cn_chain *missing = NULL;
    enum err err = authority(core, list, &missing);
    if (err != ERR_OK && !PLANTED(R18_NOT_CHECKED_AGAIN))
        refuse(core, list, err, missing);
    else if (found != ERR_OK)
        refuse(core, list, found, NULL);
    else if (is_parts)
        cn_reply(core, list->conn, WIRE_PARTS_LISTED)->u.parts_listed = parts;
    else
        answer_list(core, list, items, count, is_truncated);
}

/* True if the list is finished. */
static bool try_list(struct cn_core *core, struct cn_list *list)
{
    struct cn_chain *missing = NULL;
    enum err err = authority(core, list, &missing);
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

static enum err check_list(const struct wire_list *list)
{
    if (list->chains_count == 0)
        return ERR_INVALID;
    bool is_long =
        list->prefix.length > BOUND_KEY_BYTES || list->start_after.length > BOUND_KEY_BYTES;
    return is_long ? ERR_TOO_LARGE : ERR_OK;
}

static enum err check_parts_list(const struct wire_parts_list *list)
{
    if (list->key.length == 0 || (list->multi_high | list->multi_low) == 0)
        return ERR_INVALID;
    return list->key.length > BOUND_KEY_BYTES ? ERR_TOO_LARGE : ERR_OK;
}

static enum err check(const struct cn_core *core, const struct cn_list *list,
                      struct cn_chain **ret_missing)
{
    const struct wire_message *message = &list->message;
    bool is_parts = message->type == WIRE_PARTS_LIST;
    enum err err =
        is_parts ? check_parts_list(&message->u.parts_list) : check_list(&message->u.list);
    if (err != ERR_OK)
        return err;
    if (core->parked_count > BOUND_PARKED_READS) /* itself included */
        return ERR_BUSY;
    err = is_parts ? cn_bucket_state(core, message->u.parts_list.bucket,
                                     message->u.parts_list.map_version)
                   : cn_bucket_state(core, message->u.list.bucket, message->u.list.map_version);
    if (err != ERR_OK && err != ERR_BUCKET_DELETING) /* the client's own check lists it (R37) */
        return err;
    return authority(core, list, ret_missing);
}

static void find_chains(struct cn_list *list)
{
    if (list->message.type == WIRE_PARTS_LIST) {
        list->one = (struct wire_chain_at){.chain = list->message.u.parts_list.chain,
                                           .epoch = list->message.u.parts_list.epoch};
        list->chains = &list->one;
        list->chains_count = 1;
    } else {
        list->chains = list->message.u.list.chains;
        list->chains_count = list->message.u.list.chains_count;
    }
}

void cn_recv_list(struct cn_core *core, const struct cn_event *event)
{
    struct cn_list *list = mem_calloc(1, sizeof *list);
    list_append(&core->lists, &list->node);
    core->parked_count++;
    list->conn = event->conn;
    wire_message_copy(event->message, &list->message);
    find_chains(list);
    struct cn_chain *missing = NULL;
    enum err err = check(core, list, &missing);
    if (err != ERR_OK) {
        if (err == ERR_NOT_READY)
            core->is_beat_wanted = true;
        refuse(core, list, err, missing);
        list_free(core, list);
        return;
    }
    list->targets = mem_alloc(list->chains_count * sizeof *list->targets);
    for (uint32_t i = 0; i < list->chains_count; i++) {
        const struct cn_chain *chain = cn_chain_get(core, list->chains[i].chain);
        /* R15: what was inherited is decided first. */
        list->targets[i] = chain->committed > chain->inherited || PLANTED(R15_LIST_DOES_NOT_WAIT)
                               ? chain->committed
                               : chain->inherited;
    }
}
