/* GET at the tail (R14-R16): of committed state, under a lease that is valid now. */
#include "chainnode/core/cn_internal.h"

bool cn_lease_is_valid(const struct cn_core *core)
{
    return core->now_us < core->lease_until_us || PLANTED(R14_LEASE_NOT_CHECKED);
}

enum err cn_read_authority(const struct cn_core *core, const struct cn_chain *chain, uint64_t epoch)
{
    if (chain == NULL || chain->row.epoch == 0 || epoch > chain->row.epoch)
        return ERR_NOT_READY;
    if (chain->epoch != chain->row.epoch || epoch < chain->epoch)
        return ERR_WRONG_EPOCH;
    if (!cn_is_tail(chain))
        return ERR_WRONG_ROLE;
    if (chain->is_halted)
        return ERR_NOT_READY;
    return cn_lease_is_valid(core) ? ERR_OK : ERR_NO_LEASE;
}

static void refuse(struct cn_core *core, uint64_t conn, uint64_t request, enum err err,
                   const struct cn_chain *chain)
{
    bool is_row_news = err == ERR_WRONG_EPOCH || err == ERR_WRONG_ROLE;
    cn_refuse(core, conn, request, err, is_row_news ? chain : NULL, NULL);
}

static struct wire_object *reply_object(struct cn_core *core, const struct cn_chain *chain,
                                        uint64_t conn, uint64_t request, struct buf *value)
{
    struct wire_message *reply = cn_reply(core, conn, WIRE_OBJECT);
    reply->payload = value;
    reply->u.object.request = request;
    reply->u.object.chain = chain->id;
    reply->u.object.epoch = chain->epoch;
    return &reply->u.object;
}

static void answer_from_memory(struct cn_core *core, const struct cn_chain *chain, uint64_t conn,
                               const struct wire_get *get, const struct cn_entry *entry)
{
    const struct wire_forward *f = &entry->f;
    if (f->kind != WIRE_ENTRY_PUT) {
        cn_refuse(core, conn, get->request, ERR_NO_KEY, NULL, NULL);
        return;
    }
    struct buf *value = get->want_value ? buf_ref(entry->payload) : NULL;
    struct wire_object *object = reply_object(core, chain, conn, get->request, value);
    object->version = f->origin;
    object->size = f->size;
    object->checksum = f->checksum;
    object->mtime_ms = f->mtime_ms;
    object->meta = f->meta;
    object->upload_high = f->upload_high;
    object->upload_low = f->upload_low;
    object->chunk_count = f->chunk_count;
    object->chunk_bytes = f->chunk_bytes;
    object->part_count = f->part;
    object->multi_high = f->multi_high;
    object->multi_low = f->multi_low;
}

static void answer_from_row(struct cn_core *core, const struct cn_chain *chain, uint64_t conn,
                            const struct wire_get *get)
{
    struct cn_key key = cn_key_object(chain->id, get->bucket, get->key);
    struct buf *stored = NULL;
    enum err err = kv_get(&core->kv, CN_FAMILY_OBJECTS, cn_key_slice(&key), &stored);
    if (err == ERR_OK && stored == NULL) {
        cn_refuse(core, conn, get->request, ERR_NO_KEY, NULL, NULL);
        return;
    }
    struct cn_object_row row;
    if (err == ERR_OK && !cn_object_row_decode(buf_slice(stored), &row))
        err = ERR_CORRUPT;
    if (err != ERR_OK) {
        buf_unref(stored);
        cn_disk_failed(core, err);
        return;
    }
    struct buf *value = NULL;
    if (get->want_value && stored->length > row.value_offset)
        value = buf_view(stored, row.value_offset, stored->length - row.value_offset);
    struct wire_object *object = reply_object(core, chain, conn, get->request, value);
    object->version = row.version;
    object->size = row.size;
    object->checksum = row.checksum;
    object->mtime_ms = row.mtime_ms;
    object->meta = cn_arena_keep(core, row.meta);
    object->upload_high = row.upload_high;
    object->upload_low = row.upload_low;
    object->chunk_count = row.chunk_count;
    object->chunk_bytes = row.chunk_bytes;
    object->part_count = row.part_count;
    object->multi_high = row.multi_high;
    object->multi_low = row.multi_low;
    buf_unref(stored);
}

/* R15: an inherited update of the key is undecided; the old version may be older than what a dead
 * tail has shown. */
static bool is_undecided(const struct cn_core *core, const struct cn_chain *chain,
                         const struct wire_get *get)
{
    if (PLANTED(R15_DOES_NOT_WAIT))
        return false;
    const struct cn_entry *entry =
        cn_index_key(core, chain, get->bucket, get->key, chain->inherited);
    return entry != NULL && entry->f.origin.lsn > chain->committed;
}

static void answer(struct cn_core *core, const struct cn_chain *chain, uint64_t conn,
                   const struct wire_get *get)
{
    uint64_t limit = PLANTED(R13_SHOWS_UNDECIDED) ? chain->applied.lsn : chain->committed;
    const struct cn_entry *entry = cn_index_key(core, chain, get->bucket, get->key, limit);
    if (entry != NULL)
        answer_from_memory(core, chain, conn, get, entry);
    else
        answer_from_row(core, chain, conn, get);
}

static void park(struct cn_core *core, struct cn_chain *chain, const struct cn_event *event)
{
    const struct wire_get *get = &event->message->u.get;
    if (core->parked_count >= BOUND_PARKED_READS) {
        cn_refuse(core, event->conn, get->request, ERR_BUSY, NULL, NULL);
        return;
    }
    TRACE(&core->options.trace, "chain %u epoch %llu: a read waits for inherited updates",
          chain->id, (unsigned long long)chain->epoch);
    struct cn_read *read = mem_calloc(1, sizeof *read);
    read->conn = event->conn;
    wire_message_copy(event->message, &read->message);
    list_append(&chain->parked, &read->node);
    core->parked_count++;
}

void cn_recv_get(struct cn_core *core, const struct cn_event *event)
{
    const struct wire_get *get = &event->message->u.get;
    if (get->key.length == 0 || get->key.length > BOUND_KEY_BYTES) {
        cn_refuse(core, event->conn, get->request,
                  get->key.length == 0 ? ERR_INVALID : ERR_TOO_LARGE, NULL, NULL);
        return;
    }
    struct cn_chain *chain = cn_chain_get(core, get->chain);
    enum err err = cn_read_authority(core, chain, get->epoch);
    if (err == ERR_OK)
        err = cn_bucket_state(core, get->bucket, get->map_version);
    if (err == ERR_NOT_READY)
        core->is_beat_wanted = true;
    if (err != ERR_OK && err != ERR_BUCKET_DELETING)
        refuse(core, event->conn, get->request, err, chain);
    else if (is_undecided(core, chain, get))
        park(core, chain, event);
    else
        answer(core, chain, event->conn, get);
}

static void unpark(struct cn_core *core, struct cn_read *read)
{
    list_remove(&read->node);
    core->parked_count--;
    wire_message_release(&read->message);
    mem_free(read);
}

/* The role, the epoch and the lease have held since the read arrived, or it was refused meanwhile;
 * the lease is checked again, after the look-up would be the same instant (R14). */
void cn_reads_retry(struct cn_core *core, struct cn_chain *chain)
{
    LIST_FOREACH_SAFE (node, &chain->parked) {
        struct cn_read *read = CONTAINER_OF(node, struct cn_read, node);
        const struct wire_get *get = &read->message.u.get;
        enum err err = cn_read_authority(core, chain, get->epoch);
        if (PLANTED(R14_EPOCH_NOT_CHECKED) && cn_lease_is_valid(core))
            err = ERR_OK;
        if (PLANTED(R16_ANSWERED_LATER) && err == ERR_NO_LEASE)
            continue;
        if (err != ERR_OK)
            refuse(core, read->conn, get->request, err, chain);
        else if (is_undecided(core, chain, get))
            continue;
        else
            answer(core, chain, read->conn, get);
        unpark(core, read);
    }
}

/* R16. ERR_OK: nobody is told (the core ends). */
void cn_reads_refuse(struct cn_core *core, struct cn_chain *chain, enum err err)
{
    LIST_FOREACH_SAFE (node, &chain->parked) {
        struct cn_read *read = CONTAINER_OF(node, struct cn_read, node);
        if (err != ERR_OK)
            refuse(core, read->conn, read->message.u.get.request, err, chain);
        unpark(core, read);
    }
}

void cn_reads_forget_conn(struct cn_core *core, uint64_t conn)
{
    LIST_FOREACH (active, &core->active) {
        struct cn_chain *chain = CONTAINER_OF(active, struct cn_chain, active);
        LIST_FOREACH_SAFE (node, &chain->parked) {
            struct cn_read *read = CONTAINER_OF(node, struct cn_read, node);
            if (read->conn == conn)
                unpark(core, read);
        }
    }
}

void cn_reads_expire(struct cn_core *core)
{
    if (core->parked_count == 0 || cn_lease_is_valid(core) || PLANTED(R16_ANSWERED_LATER))
        return;
    LIST_FOREACH (active, &core->active) {
        cn_reads_refuse(core, CONTAINER_OF(active, struct cn_chain, active), ERR_NO_LEASE);
    }
    cn_lists_retry(core); /* refuses them for the same reason */
}
