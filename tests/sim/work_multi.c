/* Multipart uploads, restamps and tokens (D18, D19), by clients that do not ask each other: whoever
 * comes by puts a part into an upload, completes it, aborts it, lists it. What was seen of the keys
 * is judged like that of other keys (history.h), the rest by the books (work_multi.h). */
#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/hash.h"
#include "tests/sim/work_multi.h"
#include "tests/sim/workload.h"

enum { SLOTS = 5, DEADLINE_US = 4000000, PAUSE_MAX_US = 50000, RECENT = 4, EMPTY_ONE_IN = 8 };

/* Two requests with one token: one operation (D19). */
struct pair {
    uint32_t under_way;
    struct linear_op op;
    bool is_known;
    bool is_unknown;
    struct origin version;
    uint64_t token;
};

struct job {
    bool repeats;
    bool must_succeed;
    uint32_t key;
    uint32_t value;
    uint32_t upload; /* of the books */
    uint32_t part;   /* of the books */
    uint32_t chunk;
    struct linear_op op;
    struct cl_submit submit;
    sim_done *done;
    uint64_t called_us;
    uint8_t meta[MULTI_META_BYTES];
    struct origin asked[MULTI_NUMBERS + 1];
    bool was_all_there; /* every part that is asked for was acknowledged before */
    struct pair *pair;
    struct cl_result object; /* being read; its pointers are not used */
    struct buf *manifest;
    struct wire_manifest walk;
    struct wire_part reading;
};

/* One at a time; the world holds no pointer to memory that goes away. */
static struct {
    struct world *world;
    bool is_running;
    uint32_t under_way;
    uint64_t last_token;
    struct multi_books books;
} multi;

static void begin_next(struct job *job);

bool multi_is_on(const struct world *world)
{
    return world->options.seed % 5 == 2 || world->options.seed % 5 == 3;
}

static uint64_t draw(uint64_t low, uint64_t high)
{
    return prng_between(&multi.world->work_prng, low, high);
}

static struct slice key_of(const struct job *job)
{
    return slice_of_text(multi.books.histories[job->key].name);
}

static void finish(struct job *job, bool is_history)
{
    if (is_history) {
        history_record(&multi.books.histories[job->key], &job->op);
        world_trace(multi.world, "m-%u: kind=%d value=%u -> %s", job->key, (int)job->op.kind,
                    job->op.value, history_outcome_name(job->op.outcome));
    }
    buf_unref(job->submit.payload);
    job->submit.payload = NULL;
    buf_unref(job->manifest);
    job->manifest = NULL;
    multi.under_way--;
    if (job->repeats)
        begin_next(job);
    else
        mem_free(job);
}

static void submitted_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    workload_count(multi.world, &job->submit, effect->result.chain, job->called_us);
    job->done(job, effect);
}

/* Takes the payload of the submission. */
static void submit(struct job *job, const struct cl_submit *what, sim_done *done)
{
    buf_unref(job->submit.payload);
    job->submit = *what;
    job->submit.bucket = slice_of_text("sim");
    job->submit.deadline_us = DEADLINE_US;
    if (what->kind != CL_OP_LIST)
        job->submit.key = key_of(job);
    job->done = done;
    job->called_us = multi.world->now_us;
    uint32_t client = (uint32_t)draw(1, multi.world->options.clients);
    sim_client_submit(process_find(multi.world, SIM_CLIENT, client), &job->submit, submitted_done,
                      job);
}

static struct slice meta_of(struct job *job)
{
    memcpy(job->meta, &job->value, sizeof job->meta);
    return slice_of(job->meta, sizeof job->meta);
}

/* ---- reading ---- */

static void read_chunk(struct job *job);

static void chunk_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    if (effect->result.err != ERR_OK) { /* replaced meanwhile and purged: the read itself stands */
        if (job->must_succeed)
            world_fail(multi.world, "a chunk of m-%u cannot be read: %s", job->key,
                       err_name(effect->result.err));
        finish(job, true);
        return;
    }
    struct buf *wanted = multi_chunk(job->reading.upload_low, job->chunk);
    if (!slice_equal(buf_slice(effect->message.payload), buf_slice(wanted)))
        world_fail(multi.world, "a chunk of m-%u is not what was staged", job->key);
    buf_unref(wanted);
    job->chunk++;
    read_chunk(job);
}

/* The next one, of this part or of those after it. */
static void read_chunk(struct job *job)
{
    while (job->chunk >= job->reading.chunk_count) {
        job->chunk = 0;
        if (wire_manifest_next(&job->walk, &job->reading) != ERR_OK) {
            finish(job, true);
            return;
        }
    }
    const struct cl_submit chunk = {
        .kind = CL_OP_CHUNK,
        .chain = job->object.chain,
        .upload_high = job->reading.upload_high,
        .upload_low = job->reading.upload_low,
        .index = job->chunk,
        .size = multi_chunk_bytes(job->reading.upload_low, job->chunk),
    };
    submit(job, &chunk, chunk_done);
}

static uint64_t small_content(struct slice bytes)
{
    uint32_t number = 0;
    if (bytes.length >= sizeof number)
        memcpy(&number, bytes.data, sizeof number);
    struct buf *wanted = multi_small(number);
    if (!slice_equal(bytes, buf_slice(wanted)))
        world_fail(multi.world, "a small value is not what was put");
    buf_unref(wanted);
    return multi_content(number, 0);
}

static void get_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    const struct cl_result *result = &effect->result;
    job->op.return_at = ++multi.books.stamp;
    job->op.outcome = LINEAR_DONE;
    if (result->err != ERR_OK) {
        if (job->must_succeed && result->err != ERR_NO_KEY)
            world_fail(multi.world, "m-%u cannot be read: %s", job->key, err_name(result->err));
        finish(job, result->err == ERR_NO_KEY);
        return;
    }
    job->op.value = multi_seen(&multi.books, job->key, result->meta, result->version);
    if (multi.world->failed) {
        finish(job, false);
        return;
    }
    bool is_get = job->submit.kind == CL_OP_GET;
    if (result->part_count != 0)
        multi_note_content(&multi.books, job->op.value, multi_content(0, result->multi_low));
    else if (is_get)
        multi_note_content(&multi.books, job->op.value,
                           small_content(buf_slice(effect->message.payload)));
    if (result->part_count == 0 || !is_get) {
        finish(job, true);
        return;
    }
    multi_judge_manifest(&multi.books, result->multi_low, buf_slice(effect->message.payload));
    job->object = *result;
    job->manifest = buf_ref(effect->message.payload);
    job->walk = wire_manifest_of(buf_slice(job->manifest));
    job->reading = (struct wire_part){0};
    job->chunk = 0;
    read_chunk(job);
}

static void begin_read(struct job *job)
{
    job->op.kind = LINEAR_READ;
    const struct cl_submit get = {.kind =
                                      job->must_succeed || draw(0, 4) > 0 ? CL_OP_GET : CL_OP_STAT};
    submit(job, &get, get_done);
}

static void list_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    const struct cl_result *result = &effect->result;
    job->op.return_at = ++multi.books.stamp;
    job->op.kind = LINEAR_READ;
    job->op.outcome = LINEAR_DONE;
    if (result->err == ERR_OK && job->submit.uploads && !result->truncated)
        multi_judge_uploads(&multi.books, job->op.call_at, result->items, result->items_count);
    for (uint32_t k = 0; k < MULTI_KEYS && result->err == ERR_OK && !job->submit.uploads; k++) {
        struct history *history = &multi.books.histories[k];
        job->op.value = 0;
        for (uint32_t i = 0; i < result->items_count; i++) {
            const struct wire_list_item *item = &result->items[i];
            if (slice_equal(item->key, slice_of_text(history->name)))
                job->op.value = multi_seen(&multi.books, k, item->meta, item->version);
        }
        history_record(history, &job->op);
        history_note_listing(history, &job->op);
    }
    finish(job, false);
}

static void begin_list(struct job *job, bool uploads)
{
    const struct cl_submit list = {.kind = CL_OP_LIST,
                                   .key = slice_of_text("m-"),
                                   .limit = 1000,
                                   .want_meta = !uploads,
                                   .uploads = uploads};
    submit(job, &list, list_done);
}

/* ---- writing ---- */

static void choose_condition(struct job *job, struct cl_submit *update)
{
    static const enum wire_condition conditions[] = {
        WIRE_CONDITION_NONE,   WIRE_CONDITION_NONE,  WIRE_CONDITION_NONE,
        WIRE_CONDITION_ABSENT, WIRE_CONDITION_MATCH, WIRE_CONDITION_EXISTS,
    };
    uint32_t last = multi.books.last_value[job->key];
    job->op.condition = conditions[draw(0, ARRAY_COUNT(conditions) - 1)];
    if (job->op.condition == WIRE_CONDITION_MATCH && last == 0)
        job->op.condition = WIRE_CONDITION_NONE;
    if (job->op.condition == WIRE_CONDITION_MATCH) {
        job->op.match = last;
        update->match = multi.books.values[last].version;
    }
    update->condition = job->op.condition;
}

/* The outcome for the history; false: it is none, nothing happened. */
static bool take_outcome(struct job *job, const struct cl_result *result)
{
    job->op.return_at = ++multi.books.stamp;
    switch ((int)result->err) {
    case ERR_OK:
        job->op.outcome = LINEAR_DONE;
        if (job->op.kind == LINEAR_PUT)
            multi_note_version(&multi.books, job->value, result->version);
        return true;
    case ERR_CONDITION:
        job->op.outcome = LINEAR_REFUSED;
        job->op.current = origin_is_none(result->current)
                              ? 0
                              : multi_value_of_version(&multi.books, job->key, result->current);
        return true;
    case ERR_NO_KEY:
        job->op.outcome = job->op.kind == LINEAR_DELETE ? LINEAR_MISSING : LINEAR_REFUSED;
        return true;
    case ERR_OUTCOME_UNKNOWN:
        job->op.outcome = LINEAR_UNKNOWN;
        return true;
    default:
        return false;
    }
}

static void update_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    bool is_history = take_outcome(job, &effect->result);
    bool is_restamp = job->submit.kind == CL_OP_PUT && job->submit.step == WIRE_PUT_RESTAMP;
    if (is_restamp && effect->result.err == ERR_OK && job->op.condition == WIRE_CONDITION_MATCH)
        multi_note_content(&multi.books, job->value, multi.books.values[job->op.match].content);
    finish(job, is_history);
}

/* Without a condition it holds if there is something. */
static void begin_restamp(struct job *job)
{
    struct cl_submit restamp = {
        .kind = CL_OP_PUT, .step = WIRE_PUT_RESTAMP, .keep_mtime = draw(0, 1) == 0};
    choose_condition(job, &restamp);
    if (job->op.condition == WIRE_CONDITION_NONE || job->op.condition == WIRE_CONDITION_ABSENT) {
        restamp.condition = WIRE_CONDITION_NONE;
        job->op.condition = WIRE_CONDITION_EXISTS;
    }
    job->op.kind = LINEAR_PUT;
    job->op.value = job->value = multi_value_new(&multi.books, job->key);
    restamp.meta = meta_of(job);
    submit(job, &restamp, update_done);
}

static void begin_delete(struct job *job)
{
    struct cl_submit removal = {.kind = CL_OP_DELETE};
    choose_condition(job, &removal);
    job->op.kind = LINEAR_DELETE;
    submit(job, &removal, update_done);
}

/* ---- one token, two requests ---- */

static void pair_ends(struct job *job, struct pair *pair)
{
    pair->op.outcome = pair->is_known ? pair->op.outcome : LINEAR_UNKNOWN;
    job->op = pair->op;
    bool is_history = pair->is_known || pair->is_unknown;
    mem_free(pair);
    finish(job, is_history);
}

/* Both say the same, and it was decided before the first of them said it. */
static void pair_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    struct pair *pair = job->pair;
    bool is_answer = take_outcome(job, &effect->result);
    if (is_answer && job->op.outcome == LINEAR_UNKNOWN) {
        pair->is_unknown = true;
    } else if (is_answer && !pair->is_known) {
        uint64_t call_at = pair->op.call_at;
        pair->is_known = true;
        pair->op = job->op;
        pair->op.call_at = call_at;
        pair->version = effect->result.version;
    } else if (is_answer && (pair->op.outcome != job->op.outcome ||
                             origin_compare(pair->version, effect->result.version) != 0)) {
        world_fail(multi.world, "two requests with token %llu had two outcomes: %s and %s",
                   (unsigned long long)pair->token, history_outcome_name(pair->op.outcome),
                   history_outcome_name(job->op.outcome));
    }
    if (--pair->under_way == 0)
        pair_ends(job, pair);
    else
        finish(job, false);
}

static void submit_pair(struct job *job, const struct cl_submit *put)
{
    struct cl_submit mine = *put;
    mine.payload = multi_small(job->value);
    mine.size = mine.payload->length;
    mine.checksum = checksum_bytes(buf_slice(mine.payload));
    mine.meta = meta_of(job);
    mine.token_high = MULTI_HIGH;
    mine.token_low = job->pair->token;
    submit(job, &mine, pair_done);
}

static void begin_second(struct world *world, void *subject, uint64_t number)
{
    (void)world;
    (void)number;
    struct job *job = subject;
    const struct cl_submit put = {
        .kind = CL_OP_PUT, .condition = job->submit.condition, .match = job->submit.match};
    submit_pair(job, &put);
}

static void begin_pair(struct job *job)
{
    struct cl_submit put = {.kind = CL_OP_PUT};
    choose_condition(job, &put);
    job->op.kind = LINEAR_PUT;
    job->op.value = job->value = multi_value_new(&multi.books, job->key);
    multi_note_content(&multi.books, job->value, multi_content(job->value, 0));
    struct pair *pair = mem_calloc(1, sizeof *pair);
    pair->token = ++multi.last_token;
    pair->under_way = 2;
    pair->op = job->op;
    job->pair = pair;
    struct job *second = mem_calloc(1, sizeof *second);
    *second = *job;
    second->repeats = false;
    second->submit = (struct cl_submit){.condition = put.condition, .match = put.match};
    multi.under_way++;
    submit_pair(job, &put);
    world_plan(multi.world, draw(1, 300000), begin_second, second, 0);
}

/* ---- uploads ---- */

static void open_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    struct multi_upload *upload = &multi.books.uploads[job->upload];
    if (effect->result.err == ERR_OK)
        upload->opened = ++multi.books.stamp;
    finish(job, false);
}

static void begin_open(struct job *job)
{
    job->upload = multi_upload_new(&multi.books, job->key);
    const struct cl_submit open = {.kind = CL_OP_PUT,
                                   .step = WIRE_PUT_OPEN,
                                   .multi_high = MULTI_HIGH,
                                   .multi_low = multi.books.uploads[job->upload].id,
                                   .meta = meta_of(job)};
    submit(job, &open, open_done);
}

static void part_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    if (effect->result.err == ERR_OK) {
        struct multi_part *part = &multi.books.parts[job->part];
        part->version = effect->result.version;
        part->acknowledged = ++multi.books.stamp;
    }
    finish(job, false);
}

static void stage_chunk(struct job *job);

static void stage_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    job->chunk++;
    if (effect->result.err != ERR_OK || draw(0, 15) == 0)
        finish(job, false); /* somebody who goes away: it is collected (case 52) */
    else
        stage_chunk(job);
}

/* The next chunk, or after the last one the part. */
static void stage_chunk(struct job *job)
{
    const struct multi_part *part = &multi.books.parts[job->part];
    struct cl_submit next = {.upload_high = part->chunks == 0 ? 0 : MULTI_HIGH,
                             .upload_low = part->chunks};
    if (job->chunk < multi_chunk_count(part->chunks)) {
        next.kind = CL_OP_STAGE;
        next.index = job->chunk;
        next.payload = multi_chunk(part->chunks, job->chunk);
        next.checksum = checksum_bytes(buf_slice(next.payload));
        submit(job, &next, stage_done);
        return;
    }
    struct buf *bytes = multi_part_of(part->chunks);
    next.kind = CL_OP_PUT;
    next.step = WIRE_PUT_PART;
    next.multi_high = MULTI_HIGH;
    next.multi_low = part->multi;
    next.part = part->number;
    next.size = bytes->length;
    next.checksum = checksum_bytes(buf_slice(bytes));
    next.chunk_count = multi_chunk_count(part->chunks);
    next.chunk_bytes = next.chunk_count == 0 ? 0 : (uint32_t)multi_chunk_bytes(part->chunks, 0);
    buf_unref(bytes);
    submit(job, &next, part_done);
}

static void begin_part(struct job *job)
{
    /* One after the other: the order of arguments is the compiler's. */
    uint32_t number = (uint32_t)draw(1, MULTI_NUMBERS);
    bool is_empty = draw(1, EMPTY_ONE_IN) == 1;
    job->part = multi_part_new(&multi.books, multi.books.uploads[job->upload].id, number, is_empty);
    job->chunk = 0;
    stage_chunk(job);
}

static void note_end_called(const struct job *job)
{
    struct multi_upload *upload = &multi.books.uploads[job->upload];
    if (upload->end_called == 0)
        upload->end_called = job->op.call_at;
}

static void complete_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    bool is_history = take_outcome(job, &effect->result);
    enum err err = effect->result.err;
    if (err == ERR_OK) {
        struct multi_upload *upload = &multi.books.uploads[job->upload];
        multi_note_end(&multi.books, job->upload, "completed");
        memcpy(upload->asked, job->asked, sizeof upload->asked);
    }
    if (err == ERR_NO_PART && job->was_all_there)
        world_fail(multi.world, "upload %llu lacks a part that was acknowledged",
                   (unsigned long long)multi.books.uploads[job->upload].id);
    finish(job, is_history);
}

/* Most of what is acknowledged, half of it in the version that was, which may be replaced. */
static uint32_t choose_parts(struct job *job, struct wire_choice *choices)
{
    const struct multi_books *books = &multi.books;
    uint32_t count = 0;
    job->was_all_there = true;
    memset(job->asked, 0, sizeof job->asked);
    for (uint32_t number = 1; number <= MULTI_NUMBERS; number++) {
        const struct multi_part *last = NULL;
        for (uint32_t i = 0; i < books->parts_count; i++)
            if (books->parts[i].multi == books->uploads[job->upload].id &&
                books->parts[i].number == number && books->parts[i].acknowledged != 0)
                last = &books->parts[i];
        if (last == NULL || draw(0, 3) == 0)
            continue;
        choices[count] = (struct wire_choice){.number = number};
        if (draw(0, 1) == 0) {
            choices[count].version = job->asked[number] = last->version;
            job->was_all_there = false;
        }
        count++;
    }
    if (count > 0)
        return count;
    job->was_all_there = false;
    choices[0] = (struct wire_choice){.number = 1};
    return 1;
}

static void begin_complete(struct job *job)
{
    struct wire_choice choices[MULTI_NUMBERS];
    uint32_t count = choose_parts(job, choices);
    struct buf *payload = buf_new((size_t)count * WIRE_CHOICE_BYTES);
    for (uint32_t i = 0; i < count; i++)
        wire_choice_encode(&choices[i], payload->data + (size_t)i * WIRE_CHOICE_BYTES);
    struct cl_submit complete = {.kind = CL_OP_PUT,
                                 .step = WIRE_PUT_COMPLETE,
                                 .multi_high = MULTI_HIGH,
                                 .multi_low = multi.books.uploads[job->upload].id,
                                 .part = count,
                                 .payload = payload,
                                 .checksum = checksum_bytes(buf_slice(payload))};
    choose_condition(job, &complete);
    job->op.kind = LINEAR_PUT;
    job->op.value = job->value = multi_value_new(&multi.books, job->key);
    multi_note_content(&multi.books, job->value, multi_content(0, complete.multi_low));
    complete.meta = meta_of(job);
    note_end_called(job);
    submit(job, &complete, complete_done);
}

static void close_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    if (effect->result.err == ERR_OK)
        multi_note_end(&multi.books, job->upload, "aborted");
    finish(job, false);
}

static void begin_close(struct job *job)
{
    const struct cl_submit removal = {.kind = CL_OP_DELETE,
                                      .multi_high = MULTI_HIGH,
                                      .multi_low = multi.books.uploads[job->upload].id};
    note_end_called(job);
    submit(job, &removal, close_done);
}

static void parts_done(void *context, const struct cl_effect *effect)
{
    struct job *job = context;
    const struct cl_result *result = &effect->result;
    if (result->err == ERR_UPLOAD_GONE)
        multi_judge_gone(&multi.books, job->upload, job->op.call_at);
    else if (result->err == ERR_OK)
        multi_judge_parts(&multi.books, job->upload, job->op.call_at, result->parts,
                          result->parts_count);
    finish(job, false);
}

static void begin_parts(struct job *job)
{
    const struct cl_submit list = {.kind = CL_OP_PARTS_LIST,
                                   .multi_high = MULTI_HIGH,
                                   .multi_low = multi.books.uploads[job->upload].id};
    submit(job, &list, parts_done);
}

/* ---- slots ---- */

/* One of the last few, whoever opened it and whether or not it has ended. */
static bool choose_upload(struct job *job)
{
    uint32_t count = multi.books.uploads_count;
    if (count == 0)
        return false;
    uint32_t back = (uint32_t)draw(1, count < RECENT ? count : RECENT);
    job->upload = count - back;
    job->key = multi.books.uploads[job->upload].key;
    return true;
}

static void begin_upload_step(struct job *job, uint64_t choice)
{
    if (!choose_upload(job))
        begin_open(job);
    else if (choice < 6)
        begin_part(job);
    else if (choice < 9)
        begin_complete(job);
    else if (choice < 10)
        begin_close(job);
    else
        begin_parts(job);
}

static void begin_now(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct job *job = subject;
    if (!multi.is_running || world->failed) {
        mem_free(job);
        return;
    }
    multi.under_way++;
    job->key = (uint32_t)draw(0, MULTI_KEYS - 1);
    job->op = (struct linear_op){.call_at = ++multi.books.stamp};
    uint64_t choice = draw(0, 23);
    if (choice < 5)
        begin_read(job);
    else if (choice < 7)
        begin_list(job, choice == 6);
    else if (choice < 9)
        begin_open(job);
    else if (choice < 20)
        begin_upload_step(job, choice - 9);
    else if (choice < 21)
        begin_restamp(job);
    else if (choice < 23)
        begin_pair(job);
    else
        begin_delete(job);
}

static void begin_next(struct job *job)
{
    job->pair = NULL;
    world_plan(multi.world, draw(100, PAUSE_MAX_US), begin_now, job, 0);
}

void multi_release(void)
{
    multi_books_release(&multi.books);
    memset(&multi, 0, sizeof multi);
}

void multi_begin(struct world *world)
{
    multi_release();
    if (!multi_is_on(world))
        return;
    multi.world = world;
    multi.is_running = true;
    multi_books_init(&multi.books, world);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        struct job *job = mem_calloc(1, sizeof *job);
        job->repeats = true;
        begin_next(job);
    }
}

void multi_end(void)
{
    multi.is_running = false;
}

bool multi_is_idle(void)
{
    return multi.under_way == 0;
}

void multi_read_all(void)
{
    for (uint32_t k = 0; multi.world != NULL && k < MULTI_KEYS; k++) {
        struct job *job = mem_calloc(1, sizeof *job);
        job->must_succeed = true;
        job->key = k;
        job->op = (struct linear_op){.call_at = ++multi.books.stamp};
        multi.under_way++;
        begin_read(job);
    }
}

void multi_check(void)
{
    if (multi.world != NULL)
        multi_judge_histories(&multi.books);
}
