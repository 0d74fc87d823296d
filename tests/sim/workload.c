#include "tests/sim/workload.h"

#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/hash.h"
#include "client/core/cl_core.h"
#include "tests/sim/history.h"
#include "tests/sim/ledger.h"

enum {
    KEYS_MAX = 8,
    SLOTS_PER_CLIENT = 2,
    CLIENTS_USUAL = 3,
    DEADLINE_US = 4000000,
    CHUNK_BYTES = 700,
    CHUNKS_MAX = 4,
    CHUNKS_LARGE = 12,
    ABANDON_ONE_IN = 12, /* at each chunk */
    VALUE_BYTES_MAX = 3000,
};

struct key {
    struct history history;
    struct origin last_version; /* that anybody saw, for conditions */
    uint32_t last_value;
};

struct value {
    uint32_t number;
    uint32_t key;
    struct buf *bytes;
    uint64_t checksum;
    struct origin version; /* none: not known */
};

/* One operation under way. */
struct work {
    struct workload *workload;
    struct sim_process *client;
    bool repeats; /* a slot: think and go on */
    bool must_succeed;
    uint32_t key;
    struct linear_op op;
    struct cl_submit submit;
    sim_done *done; /* of the submission under way */
    uint64_t called_us;
    struct value *value;
    uint64_t upload_high;
    uint64_t upload_low;
    uint32_t chunk; /* next to stage or to read */
    uint32_t chunks;
    struct cl_result object; /* being read by chunks; its pointers are not used */
    struct buf *assembled;
    size_t assembled_bytes;
};

struct workload {
    struct world *world;
    struct key keys[KEYS_MAX];
    uint32_t keys_count;
    uint64_t think_max_us; /* a slot's pause between two operations */
    struct value **values; /* [number]; 0 is absent */
    uint32_t values_count;
    uint32_t values_capacity;
    struct map by_checksum;
    uint64_t stamp; /* orders calls and returns */
    uint32_t under_way;
    uint32_t prepared;
    bool is_running;
    struct workload_counts counts;
};

static void begin_next(struct work *work);

struct workload *workload_new(struct world *world)
{
    struct workload *workload = mem_calloc(1, sizeof *workload);
    workload->world = world;
    map_init(&workload->by_checksum);
    workload->values_count = 1;
    /* Few keys and short pauses make conflicts, many make long histories. */
    static const uint64_t pauses_us[] = {60000, 60000, 20000, 4000};
    workload->keys_count = (uint32_t)prng_between(&world->work_prng, 2, KEYS_MAX);
    /* More clients than usual are there for more that overlaps, not for a heavier load. */
    uint64_t many = world->options.clients > CLIENTS_USUAL ? world->options.clients : CLIENTS_USUAL;
    workload->think_max_us = pauses_us[prng_below(&world->work_prng, 4)] * many / CLIENTS_USUAL;
    for (uint32_t i = 0; i < KEYS_MAX; i++)
        text_format(workload->keys[i].history.name, sizeof workload->keys[i].history.name, "key-%u",
                    i);
    return workload;
}

void workload_free(struct workload *workload)
{
    if (workload == NULL)
        return;
    for (uint32_t i = 1; i < workload->values_count; i++) {
        buf_unref(workload->values[i]->bytes);
        mem_free(workload->values[i]);
    }
    mem_free(workload->values);
    for (uint32_t i = 0; i < KEYS_MAX; i++) {
        history_release(&workload->keys[i].history);
    }
    map_release(&workload->by_checksum);
    buckets_release();
    keys_release();
    multi_release();
    mem_free(workload);
}

const struct workload_counts *workload_counts(const struct workload *workload)
{
    return &workload->counts;
}

static uint64_t draw(struct workload *workload, uint64_t low, uint64_t high)
{
    return prng_between(&workload->world->work_prng, low, high);
}

/* ---- values ---- */

/* No two values are equal: each begins with its number. */
static struct value *value_new(struct workload *workload, uint32_t key, size_t bytes)
{
    if (workload->values_count >= workload->values_capacity) {
        workload->values_capacity =
            workload->values_capacity == 0 ? 256 : 2 * workload->values_capacity;
        workload->values =
            mem_realloc(workload->values, workload->values_capacity * sizeof *workload->values);
    }
    struct value *value = mem_calloc(1, sizeof *value);
    value->number = workload->values_count;
    value->key = key;
    value->bytes = buf_new(bytes);
    uint8_t *data = value->bytes->data;
    for (size_t i = 0; i < bytes && i < 256; i++)
        data[i] = (uint8_t)(value->number * 31 + i * 7);
    for (size_t done = 256; done < bytes; done *= 2) /* it repeats itself after 256 bytes */
        memcpy(data + done, data, bytes - done < done ? bytes - done : done);
    memcpy(data, &value->number, sizeof value->number);
    value->checksum = checksum_bytes(buf_slice(value->bytes));
    workload->values[workload->values_count++] = value;
    (void)map_put(&workload->by_checksum, value->checksum, value);
    return value;
}

/* S4 and S12: one version is one value for ever. */
static void note_version(struct workload *workload, struct value *value, struct origin version)
{
    if (!origin_is_none(value->version) && origin_compare(value->version, version) != 0)
        world_fail(workload->world, "value %u was seen as version %llu.%llu and %llu.%llu",
                   value->number, (unsigned long long)value->version.epoch,
                   (unsigned long long)value->version.lsn, (unsigned long long)version.epoch,
                   (unsigned long long)version.lsn);
    value->version = version;
    struct key *key = &workload->keys[value->key];
    key->last_version = version;
    key->last_value = value->number;
}

static uint32_t value_of_version(const struct workload *workload, uint32_t key,
                                 struct origin version)
{
    for (uint32_t i = workload->values_count; i-- > 1;) {
        const struct value *value = workload->values[i];
        if (value->key == key && origin_compare(value->version, version) == 0)
            return i;
    }
    return LINEAR_ANY;
}

/* What a reader saw under a key. LINEAR_ANY, and a failed world, for what nobody wrote. */
static uint32_t seen_value(struct workload *workload, uint32_t key, uint64_t checksum,
                           uint64_t size, struct origin version)
{
    struct value *value = map_get(&workload->by_checksum, checksum);
    if (value == NULL || value->key != key || value->bytes->length != size) {
        world_fail(workload->world, "%s holds something that nobody wrote",
                   workload->keys[key].history.name);
        return LINEAR_ANY;
    }
    note_version(workload, value, version);
    return value->number;
}

/* ---- history ---- */

static void finish(struct work *work, bool is_history)
{
    struct workload *workload = work->workload;
    if (is_history) {
        history_record(&workload->keys[work->key].history, &work->op);
        static const char *const kinds[] = {"read", "put", "delete"};
        world_trace(workload->world, "%s: %s %s value=%u condition=%d match=%u -> %s current=%u",
                    work->client->name, kinds[work->op.kind],
                    workload->keys[work->key].history.name, work->op.value, (int)work->op.condition,
                    work->op.match, history_outcome_name(work->op.outcome), work->op.current);
    }
    buf_unref(work->assembled);
    work->assembled = NULL;
    workload->under_way--;
    if (work->repeats)
        begin_next(work);
    else
        mem_free(work);
}

void workload_count(struct world *world, const struct cl_submit *submit, uint32_t chain,
                    uint64_t called_us)
{
    static const enum ledger_operation operations[CL_OP_KINDS] = {
        [CL_OP_PUT] = LEDGER_PUT,
        [CL_OP_DELETE] = LEDGER_DELETE,
        [CL_OP_STAGE] = LEDGER_STAGE,
        [CL_OP_ABORT] = LEDGER_ABORT,
        [CL_OP_GET] = LEDGER_GET,
        [CL_OP_STAT] = LEDGER_STAT,
        [CL_OP_CHUNK] = LEDGER_CHUNK,
        [CL_OP_LIST] = LEDGER_LIST,
        [CL_OP_PARTS_LIST] = LEDGER_PARTS_LIST,
        [CL_OP_BUCKET_CREATE] = LEDGER_BUCKET_CREATE,
        [CL_OP_BUCKET_DELETE] = LEDGER_BUCKET_DELETE,
    };
    if (submit->kind == CL_OP_ADMIN || submit->kind == CL_OP_MAP)
        return;
    enum ledger_operation operation = operations[submit->kind];
    bool is_conditional = submit->condition != WIRE_CONDITION_NONE;
    bool has_multi = (submit->multi_high | submit->multi_low) != 0;
    static const enum ledger_operation steps[] = {LEDGER_PUT, LEDGER_OPEN, LEDGER_PART,
                                                  LEDGER_COMPLETE, LEDGER_RESTAMP};
    if (operation == LEDGER_PUT && submit->step != WIRE_PUT_VALUE)
        operation = steps[submit->step];
    else if (operation == LEDGER_DELETE && has_multi)
        operation = LEDGER_CLOSE;
    else if (operation == LEDGER_LIST && submit->uploads)
        operation = LEDGER_LIST_UPLOADS;
    else if (operation == LEDGER_PUT && submit->token_low != 0)
        operation = LEDGER_PUT_TOKEN;
    else if (operation == LEDGER_PUT && submit->chunk_count > 0)
        operation = LEDGER_PUT_CHUNKS;
    else if (operation == LEDGER_PUT && is_conditional)
        operation = LEDGER_PUT_CONDITION;
    else if (operation == LEDGER_DELETE && is_conditional)
        operation = LEDGER_DELETE_CONDITION;
    bool is_of_all = operation == LEDGER_LIST || operation == LEDGER_LIST_UPLOADS ||
                     operation == LEDGER_BUCKET_CREATE || operation == LEDGER_BUCKET_DELETE;
    ledger_operation(world, operation, is_of_all ? UINT32_MAX : chain, called_us);
}

void workload_note_bucket(struct workload *workload)
{
    workload->counts.buckets++;
}

static void submitted_done(void *context, const struct cl_effect *effect)
{
    struct work *work = context;
    workload_count(work->workload->world, &work->submit, effect->result.chain, work->called_us);
    work->done(work, effect);
}

static void submit(struct work *work, sim_done *done)
{
    work->submit.bucket = slice_of_text("sim");
    work->submit.deadline_us = DEADLINE_US;
    work->done = done;
    work->called_us = work->workload->world->now_us;
    sim_client_submit(work->client, &work->submit, submitted_done, work);
}

static struct slice key_slice(const struct work *work)
{
    return slice_of_text(work->workload->keys[work->key].history.name);
}

/* ---- reading ---- */

static void read_chunk(struct work *work);

static void chunk_done(void *context, const struct cl_effect *effect)
{
    struct work *work = context;
    struct world *world = work->workload->world;
    const struct buf *bytes = effect->message.payload;
    if (effect->result.err != ERR_OK) {
        /* Replaced meanwhile and purged, or the deadline: the read itself stands. */
        if (work->must_succeed)
            world_fail(world, "a chunk of %s cannot be read: %s",
                       work->workload->keys[work->key].history.name, err_name(effect->result.err));
        finish(work, true);
        return;
    }
    size_t length = bytes == NULL ? 0 : bytes->length;
    if (work->assembled_bytes + length > work->assembled->length) {
        world_fail(world, "chunks of %s are longer than the object",
                   work->workload->keys[work->key].history.name);
        length = 0;
    }
    if (length > 0)
        memcpy(work->assembled->data + work->assembled_bytes, bytes->data, length);
    work->assembled_bytes += length;
    if (++work->chunk < work->object.chunk_count) {
        read_chunk(work);
        return;
    }
    if (work->assembled_bytes != work->assembled->length ||
        checksum_bytes(buf_slice(work->assembled)) != work->object.checksum)
        world_fail(world, "the chunks of %s do not make the object",
                   work->workload->keys[work->key].history.name);
    finish(work, true);
}

static void read_chunk(struct work *work)
{
    uint64_t before = (uint64_t)work->chunk * work->object.chunk_bytes;
    uint64_t rest = work->object.size - before;
    work->submit = (struct cl_submit){
        .kind = CL_OP_CHUNK,
        .chain = work->object.chain,
        .upload_high = work->object.upload_high,
        .upload_low = work->object.upload_low,
        .index = work->chunk,
        .size = rest < work->object.chunk_bytes ? rest : work->object.chunk_bytes,
    };
    submit(work, chunk_done);
}

static void get_done(void *context, const struct cl_effect *effect)
{
    struct work *work = context;
    struct workload *workload = work->workload;
    const struct cl_result *result = &effect->result;
    work->op.return_at = ++workload->stamp;
    work->op.outcome = LINEAR_DONE;
    if (result->err == ERR_NO_KEY) {
        finish(work, true);
        return;
    }
    if (result->err != ERR_OK) {
        if (work->must_succeed)
            world_fail(workload->world, "%s cannot be read: %s (%s)",
                       workload->keys[work->key].history.name, err_name(result->err), result->text);
        finish(work, false);
        return;
    }
    work->op.value =
        seen_value(workload, work->key, result->checksum, result->size, result->version);
    bool is_inline = result->upload_high == 0 && result->upload_low == 0;
    if (is_inline && work->submit.kind == CL_OP_GET &&
        (effect->message.payload == NULL ||
         checksum_bytes(buf_slice(effect->message.payload)) != result->checksum))
        world_fail(workload->world, "the bytes of %s are not those of its checksum",
                   workload->keys[work->key].history.name);
    if (is_inline || work->submit.kind != CL_OP_GET || workload->world->failed) {
        finish(work, true);
        return;
    }
    workload->counts.chunked++;
    work->object = *result;
    work->chunk = 0;
    work->assembled = buf_new(result->size);
    work->assembled_bytes = 0;
    read_chunk(work);
}

static void begin_read(struct work *work)
{
    work->workload->counts.reads++;
    work->op.kind = LINEAR_READ;
    work->submit = (struct cl_submit){
        .kind = work->must_succeed || draw(work->workload, 0, 4) > 0 ? CL_OP_GET : CL_OP_STAT,
        .key = key_slice(work)};
    submit(work, get_done);
}

static void list_done(void *context, const struct cl_effect *effect)
{
    struct work *work = context;
    struct workload *workload = work->workload;
    const struct cl_result *result = &effect->result;
    work->op.return_at = ++workload->stamp;
    work->op.kind = LINEAR_READ;
    work->op.outcome = LINEAR_DONE;
    for (uint32_t k = 0; k < workload->keys_count && result->err == ERR_OK; k++) {
        work->op.value = 0;
        for (uint32_t i = 0; i < result->items_count; i++) {
            const struct wire_list_item *item = &result->items[i];
            if (slice_equal(item->key, slice_of_text(workload->keys[k].history.name)))
                work->op.value = seen_value(workload, k, item->checksum, item->size, item->version);
        }
        /* Each key is read at some moment between call and return. The times are shared by the
         * keys, each of which has a history of its own. */
        history_record(&workload->keys[k].history, &work->op);
        history_note_listing(&workload->keys[k].history, &work->op);
    }
    if (work->must_succeed && result->err != ERR_OK)
        world_fail(workload->world, "the bucket cannot be listed: %s (%s)", err_name(result->err),
                   result->text);
    finish(work, false);
}

static void begin_list(struct work *work)
{
    work->workload->counts.lists++;
    work->submit = (struct cl_submit){.kind = CL_OP_LIST, .limit = 1000};
    submit(work, list_done);
}

/* ---- writing ---- */

static void update_done(void *context, const struct cl_effect *effect)
{
    struct work *work = context;
    struct workload *workload = work->workload;
    const struct cl_result *result = &effect->result;
    work->op.return_at = ++workload->stamp;
    bool is_history = true;
    switch ((int)result->err) {
    case ERR_OK:
        workload->counts.done++;
        work->op.outcome = LINEAR_DONE;
        if (work->op.kind == LINEAR_PUT)
            note_version(workload, work->value, result->version);
        break;
    case ERR_CONDITION:
        workload->counts.refused++;
        work->op.outcome = LINEAR_REFUSED;
        work->op.current = origin_is_none(result->current)
                               ? 0
                               : value_of_version(workload, work->key, result->current);
        break;
    case ERR_NO_KEY:
        work->op.outcome = LINEAR_MISSING;
        break;
    case ERR_OUTCOME_UNKNOWN:
        workload->counts.unknown++;
        work->op.outcome = LINEAR_UNKNOWN;
        break;
    default:
        /* The client's promise: it did not happen and never will. */
        workload->counts.failed++;
        world_trace(workload->world, "%s: value %u failed: %s", work->client->name, work->op.value,
                    err_name(result->err));
        is_history = false;
        break;
    }
    finish(work, is_history);
}

static void publish(struct work *work)
{
    work->op.call_at = ++work->workload->stamp;
    work->submit.key = key_slice(work);
    work->submit.condition = work->op.condition;
    submit(work, update_done);
}

static void stage_chunk(struct work *work);

static void abort_done(void *context, const struct cl_effect *effect)
{
    (void)effect;
    finish(context, false);
}

/* A client that goes away in the middle of an upload, or says that it does (case 52). */
static void abandon(struct work *work)
{
    work->workload->counts.abandoned++;
    if (draw(work->workload, 0, 1) == 0) {
        finish(work, false);
        return;
    }
    work->submit = (struct cl_submit){
        .kind = CL_OP_ABORT,
        .key = key_slice(work),
        .upload_high = work->upload_high,
        .upload_low = work->upload_low,
    };
    submit(work, abort_done);
}

static void stage_done(void *context, const struct cl_effect *effect)
{
    struct work *work = context;
    if (effect->result.err != ERR_OK) {
        work->workload->counts.failed++;
        finish(work, false);
        return;
    }
    if (draw(work->workload, 0, ABANDON_ONE_IN - 1) == 0) {
        abandon(work);
        return;
    }
    if (++work->chunk < work->chunks) {
        stage_chunk(work);
        return;
    }
    struct origin match = work->submit.match;
    work->submit = (struct cl_submit){
        .kind = CL_OP_PUT,
        .match = match,
        .size = work->value->bytes->length,
        .checksum = work->value->checksum,
        .upload_high = work->upload_high,
        .upload_low = work->upload_low,
        .chunk_count = work->chunks,
        .chunk_bytes = CHUNK_BYTES,
    };
    publish(work);
}

static void stage_chunk(struct work *work)
{
    size_t offset = (size_t)work->chunk * CHUNK_BYTES;
    size_t rest = work->value->bytes->length - offset;
    struct origin match = work->submit.match;
    struct buf *chunk =
        buf_view(work->value->bytes, offset, rest < CHUNK_BYTES ? rest : CHUNK_BYTES);
    work->submit = (struct cl_submit){
        .kind = CL_OP_STAGE,
        .key = key_slice(work),
        .match = match,
        .upload_high = work->upload_high,
        .upload_low = work->upload_low,
        .index = work->chunk,
        .payload = chunk,
        .checksum = checksum_bytes(buf_slice(chunk)),
    };
    buf_unref(work->assembled); /* keeps the chunk until the next one */
    work->assembled = chunk;
    submit(work, stage_done);
}

static void choose_condition(struct work *work)
{
    struct workload *workload = work->workload;
    const struct key *key = &workload->keys[work->key];
    static const enum wire_condition conditions[] = {
        WIRE_CONDITION_NONE,   WIRE_CONDITION_NONE,  WIRE_CONDITION_NONE,
        WIRE_CONDITION_ABSENT, WIRE_CONDITION_MATCH, WIRE_CONDITION_EXISTS,
    };
    work->op.condition = conditions[draw(workload, 0, ARRAY_COUNT(conditions) - 1)];
    work->submit.match = (struct origin){0, 0};
    if (work->op.condition != WIRE_CONDITION_MATCH)
        return;
    if (key->last_value == 0) {
        work->op.condition = WIRE_CONDITION_NONE;
        return;
    }
    work->op.match = key->last_value;
    work->submit.match = key->last_version;
}

static void begin_put(struct work *work)
{
    struct workload *workload = work->workload;
    work->op.kind = LINEAR_PUT;
    work->submit = (struct cl_submit){0};
    choose_condition(work);
    if (draw(workload, 0, 5) == 0) {
        uint32_t most = draw(workload, 0, 7) == 0 ? CHUNKS_LARGE : CHUNKS_MAX;
        work->chunks = (uint32_t)draw(workload, 1, most);
        size_t last = (size_t)draw(workload, 8, CHUNK_BYTES);
        work->value = value_new(workload, work->key, (work->chunks - 1) * CHUNK_BYTES + last);
        work->op.value = work->value->number;
        work->chunk = 0;
        work->upload_high = draw(workload, 1, UINT64_MAX);
        work->upload_low = draw(workload, 1, UINT64_MAX);
        stage_chunk(work);
        return;
    }
    work->value = value_new(workload, work->key, (size_t)draw(workload, 8, VALUE_BYTES_MAX));
    work->op.value = work->value->number;
    work->submit.kind = CL_OP_PUT;
    work->submit.payload = work->value->bytes;
    work->submit.size = work->value->bytes->length;
    work->submit.checksum = work->value->checksum;
    publish(work);
}

static void begin_delete(struct work *work)
{
    work->op.kind = LINEAR_DELETE;
    work->submit = (struct cl_submit){0};
    choose_condition(work);
    work->submit.kind = CL_OP_DELETE;
    publish(work);
}

/* ---- slots ---- */

static void begin_now(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct work *work = subject;
    struct workload *workload = work->workload;
    if (!workload->is_running || world->failed) {
        mem_free(work);
        return;
    }
    workload->under_way++;
    work->key = (uint32_t)draw(workload, 0, workload->keys_count - 1);
    work->op = (struct linear_op){.call_at = ++workload->stamp};
    uint64_t choice = draw(workload, 0, 19);
    if (choice < 8)
        begin_read(work);
    else if (choice < 9)
        begin_list(work);
    else if (choice < 17)
        begin_put(work);
    else
        begin_delete(work);
}

static void begin_next(struct work *work)
{
    world_plan(work->workload->world, draw(work->workload, 100, work->workload->think_max_us),
               begin_now, work, 0);
}

static struct work *work_new(struct workload *workload, uint32_t client)
{
    struct work *work = mem_calloc(1, sizeof *work);
    work->workload = workload;
    work->client = process_find(workload->world, SIM_CLIENT, client);
    return work;
}

void workload_begin(struct workload *workload)
{
    workload->is_running = true;
    for (uint32_t client = 1; client <= workload->world->options.clients; client++) {
        for (uint32_t slot = 0; slot < SLOTS_PER_CLIENT; slot++) {
            struct work *work = work_new(workload, client);
            work->repeats = true;
            begin_next(work);
        }
    }
    buckets_begin(workload, workload->world);
    keys_begin(workload->world);
    multi_begin(workload->world);
}

void workload_end(struct workload *workload)
{
    workload->is_running = false;
    buckets_end();
    keys_end();
    multi_end();
}

bool workload_is_idle(const struct workload *workload)
{
    return workload->under_way == 0 && buckets_are_idle() && keys_are_idle() && multi_is_idle();
}

void workload_read_all(struct workload *workload)
{
    multi_read_all();
    for (uint32_t k = 0; k <= workload->keys_count; k++) {
        struct work *work = work_new(workload, 1);
        work->must_succeed = true;
        workload->under_way++;
        work->op = (struct linear_op){.call_at = ++workload->stamp};
        work->key = k % workload->keys_count;
        if (k == workload->keys_count)
            begin_list(work);
        else
            begin_read(work);
    }
}

/* ---- chains and bucket ---- */

static void prepare_step(struct work *work);

static void prepare_again(struct world *world, void *subject, uint64_t number)
{
    (void)world;
    (void)number;
    prepare_step(subject);
}

static void prepared(void *context, const struct cl_effect *effect)
{
    struct work *work = context;
    enum err err = effect->result.err;
    world_trace(work->workload->world, "prepare %u: %s %s", work->workload->prepared, err_name(err),
                effect->result.text);
    if (err == ERR_OK || err == ERR_EXISTS || err == ERR_BUCKET_EXISTS)
        work->workload->prepared++;
    if (work->workload->prepared < 2)
        world_plan(work->workload->world, 100000, prepare_again, work, 0);
    else
        mem_free(work);
}

static void prepare_step(struct work *work)
{
    const struct sim_options *options = &work->workload->world->options;
    if (work->workload->prepared == 0)
        work->submit = (struct cl_submit){.kind = CL_OP_ADMIN,
                                          .admin_op = WIRE_ADMIN_INIT_CHAINS,
                                          .a = options->chains,
                                          .b = options->replicas};
    else
        work->submit = (struct cl_submit){.kind = CL_OP_BUCKET_CREATE, .wall_ms = 1};
    submit(work, prepared);
}

void workload_prepare(struct workload *workload)
{
    prepare_step(work_new(workload, 1));
}

bool workload_is_ready(const struct workload *workload)
{
    return workload->prepared == 2;
}

/* ---- judgement ---- */

static struct origin version_of(const void *context, uint32_t value)
{
    const struct workload *workload = context;
    return workload->values[value]->version;
}

void workload_check(struct workload *workload)
{
    for (uint32_t k = 0; k < workload->keys_count && !workload->world->failed; k++)
        history_check(workload->world, &workload->keys[k].history, version_of, workload);
    multi_check();
}
