#include "fake_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/contract.h"
#include "base/hash.h"
#include "base/text.h"

bool fake_take(atomic_uint *count)
{
    if (atomic_load(count) == 0)
        return false;
    atomic_fetch_sub(count, 1);
    return true;
}

void fake_reply(struct fake_cluster *c, uint64_t conn, const struct wire_message *message)
{
    (void)transport_send(c->transport, conn, message);
}

void fake_refuse(struct fake_cluster *c, uint64_t conn, uint64_t request, enum err err)
{
    struct wire_message message = {.type = WIRE_REFUSED};
    message.u.refused = (struct wire_refused){.request = request, .err = (uint32_t)err};
    fake_reply(c, conn, &message);
}

static void recv_watch(struct fake_cluster *c, uint64_t conn, const struct wire_watch *watch)
{
    if (watch->have_version >= c->version)
        return; /* the client asks again in time */
    struct wire_member members[2] = {{.node = 1, .incarnation = 1}, {.node = 2, .incarnation = 1}};
    struct wire_row rows[CHAINS];
    struct wire_node_info nodes[2];
    struct wire_master_info master = {.master = 1, .address = slice_of_text(c->address)};
    for (uint32_t i = 0; i < CHAINS; i++)
        rows[i] = (struct wire_row){.chain = i,
                                    .epoch = 1,
                                    .version = 1,
                                    .members = members,
                                    .members_count = 2,
                                    .replicas = 2};
    for (uint32_t i = 0; i < 2; i++)
        nodes[i] = (struct wire_node_info){.node = i + 1,
                                           .incarnation = 1,
                                           .address = slice_of_text(c->address),
                                           .zone = slice_of_text("here"),
                                           .pid = 42};
    bool is_bare = atomic_load(&c->knobs.bare) != 0;
    struct wire_message message = {.type = WIRE_CONFIG};
    message.u.config = (struct wire_config){
        .request = watch->request,
        .version = c->version,
        .cluster = {.bytes = {7, 7, 7}},
        .chain_count = is_bare ? 0 : CHAINS,
        .replicas = 2,
        .rows = rows,
        .rows_count = is_bare ? 0 : CHAINS,
        .nodes = nodes,
        .nodes_count = 2,
        .masters = &master,
        .masters_count = 1,
    };
    fake_reply(c, conn, &message);
}

static struct bucket *find_bucket(struct fake_cluster *c, struct slice name)
{
    for (uint32_t i = 0; i < c->bucket_count; i++)
        if (c->buckets[i].id != 0 && slice_equal(slice_of_text(c->buckets[i].name), name))
            return &c->buckets[i];
    return NULL;
}

static enum err create_bucket(struct fake_cluster *c, const struct wire_admin *admin,
                              uint64_t *ret_id)
{
    struct bucket *bucket = find_bucket(c, admin->name);
    if (bucket == NULL) {
        PRE(c->bucket_count < BUCKETS_MAX);
        bucket = &c->buckets[c->bucket_count++];
        memcpy(bucket->name, admin->name.data, admin->name.length);
        bucket->nonce = admin->nonce;
        bucket->id = 100 + c->bucket_count;
    } else if (bucket->nonce != admin->nonce) {
        return ERR_BUCKET_EXISTS;
    }
    *ret_id = bucket->id;
    return ERR_OK;
}

static void recv_admin(struct fake_cluster *c, uint64_t conn, const struct wire_admin *admin)
{
    struct wire_message message = {.type = WIRE_ADMIN_REPLY};
    struct wire_admin_reply *out = &message.u.admin_reply;
    struct wire_bucket_info infos[BUCKETS_MAX];
    struct wire_master_info master = {.master = 1,
                                      .address = slice_of_text(c->address),
                                      .disk = {.bytes = {7, 7}},
                                      .is_leader = true,
                                      .reachable = true,
                                      .pid = 41};
    struct bucket *bucket = find_bucket(c, admin->name);
    out->request = admin->request;
    out->version = c->version;
    switch (admin->op) {
    case WIRE_ADMIN_SESSION_OPEN:
        out->value = c->session++;
        break;
    case WIRE_ADMIN_BUCKET_CREATE:
        out->err = (uint32_t)create_bucket(c, admin, &out->value);
        break;
    case WIRE_ADMIN_BUCKET_GET:
        out->err = bucket == NULL ? ERR_NO_BUCKET : ERR_OK;
        out->value = bucket == NULL ? 0 : bucket->id;
        break;
    case WIRE_ADMIN_BUCKET_DELETE:
        out->err = bucket == NULL ? ERR_NO_BUCKET : ERR_OK;
        out->value = bucket == NULL ? 0 : bucket->id;
        if (bucket != NULL && admin->a == 1)
            bucket->id = 0;
        break;
    case WIRE_ADMIN_BUCKET_LIST:
        for (uint32_t i = 0; i < c->bucket_count; i++)
            if (c->buckets[i].id != 0)
                infos[out->buckets_count++] = (struct wire_bucket_info){
                    .bucket = c->buckets[i].id, .name = slice_of_text(c->buckets[i].name)};
        out->buckets = infos;
        break;
    case WIRE_ADMIN_STATUS:
        out->value = 1;
        out->leader = 1;
        out->term = 3;
        out->masters = &master;
        out->masters_count = 1;
        break;
    case WIRE_ADMIN_MASTER_REMOVE: /* only of the very disk, which no client may leave open */
        out->err = admin->b == uuid_tag(&master.disk) ? ERR_OK : ERR_CONDITION;
        break;
    case WIRE_ADMIN_INIT_CHAINS:
        atomic_store(&c->knobs.bare, 0);
        out->version = ++c->version;
        break;
    default:
        out->err = ERR_UNSUPPORTED;
        break;
    }
    fake_reply(c, conn, &message);
}

struct object *fake_object(struct fake_cluster *c, uint64_t bucket, struct slice key)
{
    for (uint32_t i = 0; i < c->object_count; i++)
        if (c->objects[i].bucket == bucket &&
            slice_equal(slice_of(c->objects[i].key, c->objects[i].key_length), key))
            return &c->objects[i];
    return NULL;
}

struct staged *fake_staged(struct fake_cluster *c, uint64_t high, uint64_t low)
{
    for (uint32_t i = 0; i < c->upload_count; i++)
        if (c->uploads[i].high == high && c->uploads[i].low == low)
            return &c->uploads[i];
    return NULL;
}

static enum err check_condition(const struct object *object, uint8_t condition, struct origin match)
{
    bool exists = object != NULL && object->exists;
    switch ((enum wire_condition)condition) {
    case WIRE_CONDITION_NONE:
        return ERR_OK;
    case WIRE_CONDITION_ABSENT:
        return exists ? ERR_CONDITION : ERR_OK;
    case WIRE_CONDITION_MATCH:
        return exists && object->lsn == match.lsn ? ERR_OK : ERR_CONDITION;
    case WIRE_CONDITION_EXISTS:
        return exists ? ERR_OK : ERR_CONDITION;
    }
    return ERR_INVALID;
}

/* True and the outcome sent if (session, seq), or the token, was seen before. */
static bool answer_duplicate(struct fake_cluster *c, uint64_t conn, uint64_t request,
                             uint32_t chain, uint64_t session, uint64_t seq,
                             const struct wire_put *put)
{
    for (uint32_t i = 0; i < c->outcome_count; i++) {
        struct outcome *o = &c->outcomes[i];
        bool is_same = o->session == session && o->seq == seq && o->chain == chain;
        bool is_same_token = put != NULL && (put->token_high | put->token_low) != 0 &&
                             put->token_high == o->token_high && put->token_low == o->token_low;
        if (!is_same && !is_same_token)
            continue;
        struct wire_message message = {.type = WIRE_UPDATED};
        message.u.updated = o->updated;
        message.u.updated.request = request;
        fake_reply(c, conn, &message);
        return true;
    }
    return false;
}

void fake_store(struct fake_cluster *c, const struct wire_message *in)
{
    const struct wire_put *put = &in->u.put;
    struct object *object = fake_object(c, put->bucket, put->key);
    if (object == NULL) {
        PRE(c->object_count < OBJECTS_MAX);
        object = &c->objects[c->object_count++];
        object->bucket = put->bucket;
        memcpy(object->key, put->key.data, put->key.length);
        object->key_length = put->key.length;
    }
    buf_unref(object->value);
    object->value = buf_ref(in->payload);
    object->exists = true;
    object->lsn = ++c->lsn;
    object->size = put->size;
    object->checksum = put->checksum;
    object->upload_high = put->upload_high;
    object->upload_low = put->upload_low;
    object->chunk_count = put->chunk_count;
    object->chunk_bytes = put->chunk_bytes;
    object->part_count = 0;
    object->mtime_ms = object->lsn * 1000;
    object->meta_length = put->meta.length;
    if (put->meta.length > 0)
        memcpy(object->meta, put->meta.data, put->meta.length);
}

static enum err check_upload(struct fake_cluster *c, const struct wire_put *put)
{
    const struct staged *upload = fake_staged(c, put->upload_high, put->upload_low);
    if (upload == NULL)
        return ERR_UPLOAD_GONE;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < upload->count; i++)
        bytes += upload->chunks[i]->length;
    return upload->count == put->chunk_count && bytes == put->size &&
                   upload->chunks[0]->length == put->chunk_bytes
               ? ERR_OK
               : ERR_UPLOAD_ORDER;
}

static void finish_update(struct fake_cluster *c, uint64_t conn, uint64_t request, uint32_t chain,
                          uint64_t session, uint64_t seq, enum err err, uint64_t current,
                          const struct wire_put *put)
{
    struct wire_message message = {.type = WIRE_UPDATED};
    message.u.updated = (struct wire_updated){
        .request = request,
        .chain = chain,
        .epoch = 1,
        .outcome = (uint32_t)err,
        .version = {.epoch = 1, .lsn = c->lsn},
        .current = {.epoch = 1, .lsn = current},
        .replicas_durable = 2,
    };
    PRE(c->outcome_count < OBJECTS_MAX);
    c->outcomes[c->outcome_count++] =
        (struct outcome){.session = session,
                         .seq = seq,
                         .chain = chain,
                         .token_high = put == NULL ? 0 : put->token_high,
                         .token_low = put == NULL ? 0 : put->token_low,
                         .updated = message.u.updated};
    if (!fake_take(&c->knobs.mute_puts))
        fake_reply(c, conn, &message);
}

static void recv_put(struct fake_cluster *c, uint64_t conn, const struct wire_message *in)
{
    const struct wire_put *put = &in->u.put;
    if (fake_take(&c->knobs.busy_puts)) {
        fake_refuse(c, conn, put->request, ERR_BUSY);
        return;
    }
    if (answer_duplicate(c, conn, put->request, put->chain, put->session, put->seq, put))
        return;
    struct object *object = fake_object(c, put->bucket, put->key);
    enum err err = check_condition(object, put->condition, put->match);
    if (err == ERR_OK && (put->upload_high | put->upload_low) != 0)
        err = check_upload(c, put);
    uint64_t current = object == NULL || !object->exists ? 0 : object->lsn;
    if (err == ERR_OK && put->step == WIRE_PUT_VALUE)
        fake_store(c, in);
    else if (err == ERR_OK)
        err = fake_step(c, in);
    struct staged *staged = fake_staged(c, put->upload_high, put->upload_low);
    if (err == ERR_OK && staged != NULL)
        staged->is_used = true;
    finish_update(c, conn, put->request, put->chain, put->session, put->seq, err, current, put);
}

static void recv_delete(struct fake_cluster *c, uint64_t conn, const struct wire_delete *in)
{
    if (answer_duplicate(c, conn, in->request, in->chain, in->session, in->seq, NULL))
        return;
    struct object *object = fake_object(c, in->bucket, in->key);
    bool exists = object != NULL && object->exists;
    bool is_multi = (in->multi_high | in->multi_low) != 0;
    enum err err = check_condition(object, in->condition, in->match);
    if (is_multi)
        err = fake_drop_multi(c, in);
    else if (err == ERR_OK && !exists)
        err = ERR_NO_KEY;
    if (err == ERR_OK && !is_multi) {
        object->exists = false;
        c->lsn++;
    }
    finish_update(c, conn, in->request, in->chain, in->session, in->seq, err, 0, NULL);
}

static void recv_stage(struct fake_cluster *c, uint64_t conn, const struct wire_message *in)
{
    const struct wire_stage *stage = &in->u.stage;
    if (fake_take(&c->knobs.drop_stages)) {
        transport_close(c->transport, conn);
        return;
    }
    if (fake_take(&c->knobs.busy_stages)) {
        fake_refuse(c, conn, stage->request, ERR_BUSY);
        return;
    }
    struct staged *upload = fake_staged(c, stage->upload_high, stage->upload_low);
    if (upload == NULL && stage->index == 0) {
        PRE(c->upload_count < UPLOADS_MAX);
        upload = &c->uploads[c->upload_count++];
        *upload = (struct staged){.high = stage->upload_high, .low = stage->upload_low};
    }
    if (upload == NULL || stage->index > upload->count) {
        fake_refuse(c, conn, stage->request, ERR_UPLOAD_ORDER);
        return;
    }
    PRE(checksum_bytes(buf_slice(in->payload)) == stage->checksum);
    if (stage->index == upload->count)
        upload->chunks[upload->count++] = buf_ref(in->payload);
    atomic_fetch_add(&c->knobs.stages, 1);
    struct wire_message message = {.type = WIRE_UPDATED};
    message.u.updated =
        (struct wire_updated){.request = stage->request, .chain = stage->chain, .epoch = 1};
    fake_reply(c, conn, &message);
}

static void recv_abort(struct fake_cluster *c, uint64_t conn, const struct wire_abort *in)
{
    struct staged *upload = fake_staged(c, in->upload_high, in->upload_low);
    if (upload != NULL && !upload->is_used) {
        for (uint32_t i = 0; i < upload->count; i++)
            buf_unref(upload->chunks[i]);
        *upload = (struct staged){0};
    }
    atomic_fetch_add(&c->knobs.aborts, 1);
    struct wire_message message = {.type = WIRE_UPDATED};
    message.u.updated =
        (struct wire_updated){.request = in->request, .chain = in->chain, .epoch = 1};
    fake_reply(c, conn, &message);
}

static void recv_get(struct fake_cluster *c, uint64_t conn, const struct wire_get *get)
{
    if (fake_take(&c->knobs.slow_gets))
        return;
    const struct object *object = fake_object(c, get->bucket, get->key);
    if (object == NULL || !object->exists) {
        fake_refuse(c, conn, get->request, ERR_NO_KEY);
        return;
    }
    struct wire_message message = {.type = WIRE_OBJECT};
    message.payload = get->want_value ? object->value : NULL;
    message.u.object = (struct wire_object){
        .request = get->request,
        .chain = get->chain,
        .epoch = 1,
        .version = {.epoch = 1, .lsn = object->lsn},
        .size = object->size,
        .checksum = object->checksum,
        .meta = slice_of(object->meta, object->meta_length),
        .upload_high = object->upload_high,
        .upload_low = object->upload_low,
        .chunk_count = object->chunk_count,
        .chunk_bytes = object->chunk_bytes,
        .mtime_ms = object->mtime_ms,
        .part_count = object->part_count,
        .multi_high = object->multi_high,
        .multi_low = object->multi_low,
    };
    fake_reply(c, conn, &message);
}

static void recv_chunk_get(struct fake_cluster *c, uint64_t conn, const struct wire_chunk_get *get)
{
    struct staged *upload = fake_staged(c, get->upload_high, get->upload_low);
    if (upload == NULL || get->index >= upload->count || fake_take(&c->knobs.lost_chunks)) {
        fake_refuse(c, conn, get->request, ERR_UPLOAD_GONE);
        return;
    }
    struct wire_message message = {.type = WIRE_CHUNK};
    message.u.chunk =
        (struct wire_chunk){.request = get->request,
                            .index = get->index,
                            .checksum = checksum_bytes(buf_slice(upload->chunks[get->index]))};
    message.payload = buf_ref(upload->chunks[get->index]);
    if (fake_take(&c->knobs.corrupt_chunks)) {
        struct buf *bad = buf_copy(buf_slice(message.payload));
        bad->data[bad->length / 2] ^= 1;
        buf_unref(message.payload);
        message.payload = bad;
    }
    fake_reply(c, conn, &message);
    buf_unref(message.payload);
}

static int compare_items(const void *a, const void *b)
{
    const struct wire_list_item *one = a;
    const struct wire_list_item *two = b;
    int order = slice_compare(one->key, two->key);
    if (order == 0 && one->multi_high != two->multi_high)
        order = one->multi_high < two->multi_high ? -1 : 1;
    if (order == 0 && one->multi_low != two->multi_low)
        order = one->multi_low < two->multi_low ? -1 : 1;
    return order;
}

/* Node 2 is the tail of every chain, so it lists all. */
static void recv_list(struct fake_cluster *c, uint64_t conn, const struct wire_list *list)
{
    struct wire_list_item *items = mem_calloc(OBJECTS_MAX, sizeof *items);
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->object_count; i++) {
        const struct object *object = &c->objects[i];
        struct slice key = slice_of(object->key, object->key_length);
        if (object->exists && object->bucket == list->bucket &&
            slice_starts_with(key, list->prefix) && slice_compare(key, list->start_after) > 0)
            items[count++] = (struct wire_list_item){
                .key = key,
                .size = object->size,
                .version = {.epoch = 1, .lsn = object->lsn},
                .part_count = object->part_count,
                .meta = slice_of(object->meta, list->want_meta ? object->meta_length : 0)};
    }
    if (list->uploads)
        count = fake_list_uploads(c, list, items);
    if (count > 1)
        qsort(items, count, sizeof *items, compare_items);
    uint32_t limit = list->limit == 0 ? BOUND_LIST_ITEMS : list->limit;
    struct wire_message message = {.type = WIRE_LISTED};
    message.u.listed = (struct wire_listed){
        .request = list->request,
        .chains = list->chains,
        .chains_count = list->chains_count,
        .items = items,
        .items_count = count < limit ? count : limit,
        .truncated = count > limit,
    };
    fake_reply(c, conn, &message);
    mem_free(items);
}

static void dispatch(struct fake_cluster *c, uint64_t conn, const struct wire_message *message)
{
    switch ((unsigned)message->type) {
    case WIRE_WATCH:
        recv_watch(c, conn, &message->u.watch);
        break;
    case WIRE_ADMIN:
        if (!fake_documents_take(c, conn, message, find_bucket(c, message->u.admin.name) != NULL))
            recv_admin(c, conn, &message->u.admin);
        break;
    case WIRE_PUT:
        recv_put(c, conn, message);
        break;
    case WIRE_DELETE:
        recv_delete(c, conn, &message->u.delete);
        break;
    case WIRE_STAGE:
        recv_stage(c, conn, message);
        break;
    case WIRE_ABORT:
        recv_abort(c, conn, &message->u.abort);
        break;
    case WIRE_GET:
        recv_get(c, conn, &message->u.get);
        break;
    case WIRE_CHUNK_GET:
        recv_chunk_get(c, conn, &message->u.chunk_get);
        break;
    case WIRE_PARTS_LIST:
        fake_parts_list(c, conn, &message->u.parts_list);
        break;
    case WIRE_LIST:
        recv_list(c, conn, &message->u.list);
        break;
    default:
        break;
    }
}

static void *serve(void *context)
{
    struct fake_cluster *c = context;
    struct transport_event events[32];
    while (!atomic_load(&c->is_stopping)) {
        uint32_t count = transport_wait(c->transport, events, 32, 20000);
        for (uint32_t i = 0; i < count; i++) {
            if (events[i].kind == TRANSPORT_MESSAGE)
                dispatch(c, events[i].conn, &events[i].message);
            wire_message_release(&events[i].message);
        }
        transport_flush(c->transport);
        pthread_mutex_lock(&c->mutex);
        pthread_cond_broadcast(&c->worked);
        pthread_mutex_unlock(&c->mutex);
    }
    return NULL;
}

bool fake_cluster_await(struct fake_cluster *c, atomic_uint *knob, unsigned bound)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    int err = 0;
    pthread_mutex_lock(&c->mutex);
    while (atomic_load(knob) >= bound && err == 0)
        err = pthread_cond_timedwait(&c->worked, &c->mutex, &until);
    pthread_mutex_unlock(&c->mutex);
    return atomic_load(knob) < bound;
}

struct fake_cluster *fake_cluster_new(void)
{
    struct fake_cluster *c = mem_calloc(1, sizeof *c);
    struct transport_options options = {
        .hello = {.wire_version = WIRE_VERSION,
                  .cluster = {.bytes = {7, 7, 7}},
                  .role = WIRE_ROLE_NODE,
                  .id = 1},
        .connections_max = 64,
        .queue_bytes_max = 256u * 1024 * 1024,
        .frame_payload_bytes_max = BOUND_FRAME_PAYLOAD_BYTES,
    };
    char why[160];
    c->documents = fake_documents_new();
    c->objects = mem_calloc(OBJECTS_MAX, sizeof *c->objects);
    c->uploads = mem_calloc(UPLOADS_MAX, sizeof *c->uploads);
    c->multis = mem_calloc(MULTIS_MAX, sizeof *c->multis);
    c->outcomes = mem_calloc(OBJECTS_MAX, sizeof *c->outcomes);
    c->version = 1;
    c->session = 1;
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->worked, NULL);
    c->transport = transport_new(&options);
    enum err err = transport_listen(c->transport, "127.0.0.1:0", c->address, sizeof c->address, why,
                                    sizeof why);
    PRE(err == ERR_OK);
    PRE(pthread_create(&c->thread, NULL, serve, c) == 0);
    return c;
}

void fake_cluster_free(struct fake_cluster *c)
{
    atomic_store(&c->is_stopping, true);
    transport_wake(c->transport);
    (void)pthread_join(c->thread, NULL);
    transport_free(c->transport);
    for (uint32_t i = 0; i < c->object_count; i++)
        buf_unref(c->objects[i].value);
    for (uint32_t i = 0; i < c->upload_count; i++)
        for (uint32_t k = 0; k < c->uploads[i].count; k++)
            buf_unref(c->uploads[i].chunks[k]);
    pthread_cond_destroy(&c->worked);
    pthread_mutex_destroy(&c->mutex);
    fake_documents_free(c->documents);
    mem_free(c->objects);
    mem_free(c->uploads);
    mem_free(c->multis);
    mem_free(c->outcomes);
    mem_free(c);
}

const char *fake_cluster_address(const struct fake_cluster *c)
{
    return c->address;
}

struct fake_knobs *fake_cluster_knobs(struct fake_cluster *c)
{
    return &c->knobs;
}
