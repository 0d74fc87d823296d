/* Multipart uploads, restamping, tokens: what is sent, what is refused, what answers mean. */
#include "core_bench.h"
#include "wire/manifest.h"

enum { MULTI_HIGH = 0xabc, MULTI_LOW = 0xdef };

static struct cl_submit step_of(uint64_t op, enum wire_put_step step)
{
    return (struct cl_submit){.kind = CL_OP_PUT,
                              .op = op,
                              .key = slice_of_text("film"),
                              .step = step,
                              .multi_high = MULTI_HIGH,
                              .multi_low = MULTI_LOW,
                              .checksum = checksum_bytes(slice_of(NULL, 0))};
}

static struct buf *choices_of(const uint32_t *numbers, uint32_t count)
{
    uint8_t bytes[16 * WIRE_CHOICE_BYTES];
    for (uint32_t i = 0; i < count; i++)
        wire_choice_encode(&(struct wire_choice){.number = numbers[i]},
                           bytes + i * WIRE_CHOICE_BYTES);
    return buf_copy(slice_of(bytes, count * WIRE_CHOICE_BYTES));
}

static void submit_complete(struct bench *b, uint64_t op, const uint32_t *numbers, uint32_t count)
{
    struct cl_submit submit = step_of(op, WIRE_PUT_COMPLETE);
    submit.payload = choices_of(numbers, count);
    submit.part = count;
    submit.checksum = checksum_bytes(buf_slice(submit.payload));
    bench_submit(b, submit);
    buf_unref(submit.payload);
}

START_TEST(each_step_says_what_it_is_and_of_which_upload)
{
    struct bench *b = bench_new();
    bench_submit(b, step_of(1, WIRE_PUT_OPEN));
    struct bench_sent *open = expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(open->message.u.put.step, WIRE_PUT_OPEN);
    ck_assert_uint_eq(open->message.u.put.multi_high, MULTI_HIGH);
    ck_assert_uint_eq(open->message.u.put.multi_low, MULTI_LOW);
    ck_assert_uint_eq(open->message.u.put.seq, 1);
    struct cl_submit part = step_of(2, WIRE_PUT_PART);
    part.part = 3;
    part.size = 5;
    part.upload_high = 1;
    part.upload_low = 2;
    part.chunk_count = 1;
    part.chunk_bytes = 5;
    bench_submit(b, part);
    struct bench_sent *sent = expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(sent->message.u.put.step, WIRE_PUT_PART);
    ck_assert_uint_eq(sent->message.u.put.part, 3);
    ck_assert_uint_eq(sent->message.u.put.upload_low, 2);
    ck_assert_uint_eq(sent->message.u.put.multi_low, MULTI_LOW);
    submit_complete(b, 3, (const uint32_t[]){1, 3}, 2);
    sent = expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(sent->message.u.put.step, WIRE_PUT_COMPLETE);
    ck_assert_uint_eq(sent->message.u.put.part, 2);
    ck_assert_uint_eq(sent->message.payload->length, 2 * WIRE_CHOICE_BYTES);
    bench_free(b);
}
END_TEST

START_TEST(an_empty_part_needs_no_chunks)
{
    struct bench *b = bench_new();
    struct cl_submit part = step_of(1, WIRE_PUT_PART);
    part.part = 1;
    bench_submit(b, part);
    struct bench_sent *sent = expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(sent->message.u.put.chunk_count, 0);
    answer_updated(b, sent, ERR_OK);
    (void)expect_done(b, 1, ERR_OK);
    bench_free(b);
}
END_TEST

START_TEST(a_restamp_carries_its_metadata_and_whether_time_stays)
{
    struct bench *b = bench_new();
    struct cl_submit restamp = {.kind = CL_OP_PUT,
                                .op = 1,
                                .key = slice_of_text("film"),
                                .step = WIRE_PUT_RESTAMP,
                                .condition = WIRE_CONDITION_EXISTS,
                                .meta = slice_of_text("colour=red"),
                                .keep_mtime = true};
    bench_submit(b, restamp);
    struct bench_sent *sent = expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(sent->message.u.put.step, WIRE_PUT_RESTAMP);
    ck_assert(sent->message.u.put.keep_mtime);
    ck_assert(slice_equal(sent->message.u.put.meta, slice_of_text("colour=red")));
    ck_assert_uint_eq(sent->message.u.put.condition, WIRE_CONDITION_EXISTS);
    answer_updated(b, sent, ERR_NO_KEY);
    struct bench_done *done = expect_done(b, 1, ERR_NO_KEY);
    ck_assert(strstr(done->text, "restamp photos/film") != NULL);
    bench_free(b);
}
END_TEST

START_TEST(a_token_goes_with_every_copy)
{
    struct bench *b = bench_new();
    struct cl_submit put = {
        .kind = CL_OP_PUT, .op = 1, .key = slice_of_text("film"), .token_high = 8, .token_low = 9};
    bench_submit(b, put);
    for (int i = 0; i < 2; i++) {
        struct bench_sent *sent = expect_sent(b, WIRE_PUT);
        ck_assert_uint_eq(sent->message.u.put.token_high, 8);
        ck_assert_uint_eq(sent->message.u.put.token_low, 9);
        answer_refused(b, sent, ERR_BUSY, NULL);
        bench_advance(b, 300000);
    }
    bench_free(b);
}
END_TEST

static void expect_refused_unsent(struct bench *b, struct cl_submit submit, enum err err,
                                  const char *words)
{
    bench_submit(b, submit);
    struct bench_done *done = expect_done(b, submit.op, err);
    ck_assert_msg(strstr(done->text, words) != NULL, "%s", done->text);
    expect_nothing_sent(b, WIRE_PUT);
    expect_nothing_sent(b, WIRE_PARTS_LIST);
}

START_TEST(what_cannot_be_meant_is_not_sent)
{
    struct bench *b = bench_new();
    static const uint8_t meta[BOUND_PART_META_BYTES + 1] = {0};
    struct cl_submit submit = step_of(1, WIRE_PUT_OPEN);
    submit.multi_high = submit.multi_low = 0;
    expect_refused_unsent(b, submit, ERR_INVALID, "no id");
    submit = step_of(2, WIRE_PUT_PART);
    expect_refused_unsent(b, submit, ERR_INVALID, "1 to 10000");
    submit = step_of(3, WIRE_PUT_PART);
    submit.part = BOUND_PARTS + 1;
    expect_refused_unsent(b, submit, ERR_INVALID, "1 to 10000");
    submit = step_of(4, WIRE_PUT_PART);
    submit.part = 1;
    submit.meta = slice_of(meta, sizeof meta);
    expect_refused_unsent(b, submit, ERR_TOO_LARGE, "64 bytes");
    submit = step_of(5, WIRE_PUT_PART);
    submit.part = 1;
    submit.size = 5;
    expect_refused_unsent(b, submit, ERR_INVALID, "empty part");
    submit = step_of(6, (enum wire_put_step)99);
    expect_refused_unsent(b, submit, ERR_INVALID, "no such step");
    submit_complete(b, 7, (const uint32_t[]){2, 1}, 2);
    (void)expect_done(b, 7, ERR_INVALID);
    submit_complete(b, 8, (const uint32_t[]){1, 1}, 2);
    (void)expect_done(b, 8, ERR_INVALID);
    submit_complete(b, 9, NULL, 0);
    (void)expect_done(b, 9, ERR_INVALID);
    submit = (struct cl_submit){.kind = CL_OP_PARTS_LIST, .op = 10, .key = slice_of_text("film")};
    expect_refused_unsent(b, submit, ERR_INVALID, "no id");
    bench_free(b);
}
END_TEST

START_TEST(every_copy_of_a_completion_has_one_number)
{
    struct bench *b = bench_new();
    submit_complete(b, 1, (const uint32_t[]){1, 2}, 2);
    struct bench_sent *first = expect_sent(b, WIRE_PUT);
    bench_down(b, first->peer);
    bench_up(b, first->peer);
    bench_advance(b, 300000);
    struct bench_sent *second = expect_sent(b, WIRE_PUT);
    ck_assert_uint_eq(second->message.u.put.session, first->message.u.put.session);
    ck_assert_uint_eq(second->message.u.put.seq, first->message.u.put.seq);
    ck_assert_uint_eq(second->message.payload->length, 2 * WIRE_CHOICE_BYTES);
    answer_updated(b, second, ERR_OK);
    ck_assert_uint_eq(expect_done(b, 1, ERR_OK)->result.version.lsn, 77);
    bench_free(b);
}
END_TEST

START_TEST(an_outcome_names_the_upload_and_says_what_to_do)
{
    struct bench *b = bench_new();
    submit_complete(b, 1, (const uint32_t[]){1, 2}, 2);
    answer_updated(b, expect_sent(b, WIRE_PUT), ERR_NO_PART);
    struct bench_done *done = expect_done(b, 1, ERR_NO_PART);
    ck_assert(strstr(done->text, "complete upload of photos/film (upload 0000000000000abc") !=
              NULL);
    ck_assert(strstr(done->text, "the upload goes on") != NULL);
    submit_complete(b, 2, (const uint32_t[]){1, 2}, 2);
    answer_updated(b, expect_sent(b, WIRE_PUT), ERR_UPLOAD_GONE);
    done = expect_done(b, 2, ERR_UPLOAD_GONE);
    ck_assert(strstr(done->text, "completed or aborted") != NULL);
    ck_assert(strstr(done->text, "nothing was changed") != NULL);
    struct cl_submit part = step_of(3, WIRE_PUT_PART);
    part.part = 12;
    bench_submit(b, part);
    answer_updated(b, expect_sent(b, WIRE_PUT), ERR_UPLOAD_GONE);
    done = expect_done(b, 3, ERR_UPLOAD_GONE);
    ck_assert(strstr(done->text, "put part of photos/film (part 12 of upload ") != NULL);
    bench_free(b);
}
END_TEST

START_TEST(a_refusal_after_a_lost_completion_is_unknown)
{
    static const enum err refusals[] = {ERR_UPLOAD_GONE, ERR_NO_PART};
    for (unsigned i = 0; i < ARRAY_COUNT(refusals); i++) {
        struct bench *b = bench_new();
        submit_complete(b, 1, (const uint32_t[]){1}, 1);
        struct bench_sent *first = expect_sent(b, WIRE_PUT);
        bench_down(b, first->peer);
        bench_up(b, first->peer);
        bench_advance(b, 300000);
        answer_refused(b, expect_sent(b, WIRE_PUT), refusals[i], NULL);
        (void)expect_done(b, 1, ERR_OUTCOME_UNKNOWN);
        submit_complete(b, 2, (const uint32_t[]){1}, 1);
        answer_refused(b, expect_sent(b, WIRE_PUT), refusals[i], NULL);
        (void)expect_done(b, 2, refusals[i]);
        bench_free(b);
    }
}
END_TEST

START_TEST(aborting_an_upload_is_a_numbered_deletion_that_names_it)
{
    struct bench *b = bench_new();
    bench_submit(b, (struct cl_submit){.kind = CL_OP_DELETE,
                                       .op = 1,
                                       .key = slice_of_text("film"),
                                       .multi_high = MULTI_HIGH,
                                       .multi_low = MULTI_LOW});
    struct bench_sent *sent = expect_sent(b, WIRE_DELETE);
    ck_assert_uint_eq(sent->message.u.delete.multi_high, MULTI_HIGH);
    ck_assert_uint_eq(sent->message.u.delete.multi_low, MULTI_LOW);
    ck_assert_uint_eq(sent->message.u.delete.seq, 1);
    answer_updated(b, sent, ERR_UPLOAD_GONE);
    struct bench_done *done = expect_done(b, 1, ERR_UPLOAD_GONE);
    ck_assert(strstr(done->text, "abort upload of photos/film") != NULL);
    bench_free(b);
}
END_TEST

/* ---- lists of parts ---- */

static void ask_parts(struct bench *b, uint64_t op, uint32_t after, uint32_t limit)
{
    bench_submit(b, (struct cl_submit){.kind = CL_OP_PARTS_LIST,
                                       .op = op,
                                       .key = slice_of_text("film"),
                                       .multi_high = MULTI_HIGH,
                                       .multi_low = MULTI_LOW,
                                       .part = after,
                                       .limit = limit});
}

static void answer_parts(struct bench *b, const struct bench_sent *sent, uint64_t epoch,
                         const uint32_t *numbers, uint32_t count, bool truncated)
{
    struct wire_part_item items[8] = {0};
    struct wire_message message = {.type = WIRE_PARTS_LISTED};
    for (uint32_t i = 0; i < count; i++) {
        items[i].number = numbers[i];
        items[i].version = (struct origin){.epoch = 1, .lsn = i + 1};
    }
    message.u.parts_listed = (struct wire_parts_listed){
        .request = sent->message.u.parts_list.request,
        .chain = sent->message.u.parts_list.chain,
        .epoch = epoch,
        .mtime_ms = 1234,
        .parts = items,
        .parts_count = count,
        .truncated = truncated,
    };
    bench_receive(b, sent->peer, &message);
}

START_TEST(parts_are_asked_of_the_tail)
{
    struct bench *b = bench_new();
    ask_parts(b, 1, 7, 20);
    struct bench_sent *sent = expect_sent(b, WIRE_PARTS_LIST);
    uint32_t chain = bench_chain_of("film");
    ck_assert_uint_eq(sent->peer, (chain + 2) % 3 + 1);
    ck_assert_uint_eq(sent->message.u.parts_list.chain, chain);
    ck_assert_uint_eq(sent->message.u.parts_list.epoch, BENCH_EPOCH);
    ck_assert_uint_eq(sent->message.u.parts_list.bucket, BENCH_BUCKET);
    ck_assert_uint_eq(sent->message.u.parts_list.multi_low, MULTI_LOW);
    ck_assert_uint_eq(sent->message.u.parts_list.after, 7);
    ck_assert_uint_eq(sent->message.u.parts_list.limit, 20);
    answer_parts(b, sent, BENCH_EPOCH, (const uint32_t[]){8, 11}, 2, true);
    struct bench_done *done = expect_done(b, 1, ERR_OK);
    ck_assert_uint_eq(done->result.parts_count, 2);
    ck_assert_uint_eq(done->parts[1], 11);
    ck_assert_uint_eq(done->result.mtime_ms, 1234);
    ck_assert(done->result.truncated);
    bench_free(b);
}
END_TEST

START_TEST(a_list_of_parts_that_is_unsound_is_asked_again)
{
    static const struct {
        uint32_t numbers[3];
        uint32_t count;
        bool truncated;
    } bad[] = {
        {{2, 1, 0}, 2, false},               /* out of order */
        {{1, 1, 0}, 2, false},               /* twice */
        {{0, 0, 0}, 1, false},               /* not a number of a part, and not after 0 */
        {{BOUND_PARTS + 1, 0, 0}, 1, false}, /* not a number of a part */
        {{1, 2, 3}, 3, false},               /* more than asked */
        {{0, 0, 0}, 0, true},                /* cut, but empty */
    };
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        struct bench *b = bench_new();
        ask_parts(b, 1, 0, 2);
        answer_parts(b, expect_sent(b, WIRE_PARTS_LIST), BENCH_EPOCH, bad[i].numbers, bad[i].count,
                     bad[i].truncated);
        expect_not_done(b, 1);
        ck_assert_uint_eq(cl_core_stats(b->core)->nonsense, 1);
        bench_advance(b, 10000);
        answer_parts(b, expect_sent(b, WIRE_PARTS_LIST), BENCH_EPOCH, NULL, 0, false);
        ck_assert_uint_eq(expect_done(b, 1, ERR_OK)->result.parts_count, 0);
        bench_free(b);
    }
}
END_TEST

START_TEST(parts_and_their_absence_of_an_older_epoch_are_no_answer)
{
    struct bench *b = bench_new();
    bench_get(b, 1, "film");
    ask_parts(b, 2, 0, 0);
    ask_parts(b, 3, 0, 0);
    answer_object(b, expect_sent(b, WIRE_GET), BENCH_EPOCH + 1, "new");
    (void)expect_done(b, 1, ERR_OK);
    answer_parts(b, expect_sent(b, WIRE_PARTS_LIST), BENCH_EPOCH, (const uint32_t[]){1}, 1, false);
    answer_refused(b, expect_sent(b, WIRE_PARTS_LIST), ERR_UPLOAD_GONE, NULL);
    expect_not_done(b, 2);
    expect_not_done(b, 3);
    ck_assert_uint_eq(cl_core_stats(b->core)->stale_reads, 2);
    bench_free(b);
}
END_TEST

START_TEST(an_upload_that_is_not_there_is_an_answer)
{
    struct bench *b = bench_new();
    ask_parts(b, 1, 0, 0);
    answer_refused(b, expect_sent(b, WIRE_PARTS_LIST), ERR_UPLOAD_GONE, NULL);
    struct bench_done *done = expect_done(b, 1, ERR_UPLOAD_GONE);
    ck_assert(strstr(done->text, "list parts of photos/film (upload ") != NULL);
    bench_free(b);
}
END_TEST

/* ---- listings of uploads ---- */

struct upload_at {
    const char *key;
    uint64_t low; /* 0: a folded group */
};

static void answer_uploads(struct bench *b, const struct bench_sent *sent,
                           const struct upload_at *uploads, uint32_t count, bool truncated)
{
    struct wire_list_item items[8] = {0};
    struct wire_message message = {.type = WIRE_LISTED};
    for (uint32_t i = 0; i < count; i++) {
        items[i].key = slice_of_text(uploads[i].key);
        items[i].multi_low = uploads[i].low;
    }
    message.u.listed = (struct wire_listed){
        .request = sent->message.u.list.request,
        .chains = sent->message.u.list.chains,
        .chains_count = sent->message.u.list.chains_count,
        .items = items,
        .items_count = count,
        .truncated = truncated,
    };
    bench_receive(b, sent->peer, &message);
}

static void ask_uploads(struct bench *b, uint64_t op, const char *after, uint64_t after_low)
{
    bench_submit(b, (struct cl_submit){.kind = CL_OP_LIST,
                                       .op = op,
                                       .uploads = true,
                                       .start_after = slice_of_text(after),
                                       .after_multi_low = after_low,
                                       .delimiter = slice_of_text("/")});
}

START_TEST(uploads_are_merged_by_key_and_id)
{
    struct bench *b = bench_new();
    static const struct upload_at one[] = {{"b", 3}, {"b", 9}, {"g/", 0}};
    static const struct upload_at two[] = {{"a", 5}, {"g/", 0}, {"h", 1}};
    ask_uploads(b, 1, "", 0);
    struct bench_sent *first = expect_sent(b, WIRE_LIST);
    ck_assert(first->message.u.list.uploads);
    answer_uploads(b, first, one, 3, false);
    answer_uploads(b, expect_sent(b, WIRE_LIST), two, 3, false);
    answer_uploads(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    struct bench_done *done = expect_done(b, 1, ERR_OK);
    static const char *const keys[] = {"a", "b", "b", "g/", "h"};
    ck_assert_uint_eq(done->result.items_count, ARRAY_COUNT(keys));
    for (unsigned i = 0; i < ARRAY_COUNT(keys); i++)
        ck_assert_str_eq(done->keys[i], keys[i]);
    bench_free(b);
}
END_TEST

START_TEST(a_cut_between_two_uploads_of_a_key_keeps_their_order)
{
    struct bench *b = bench_new();
    static const struct upload_at one[] = {{"b", 3}, {"b", 9}}; /* more of b follow */
    static const struct upload_at two[] = {{"a", 5}, {"c", 1}};
    ask_uploads(b, 1, "", 0);
    answer_uploads(b, expect_sent(b, WIRE_LIST), one, 2, true);
    answer_uploads(b, expect_sent(b, WIRE_LIST), two, 2, false);
    answer_uploads(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    struct bench_done *done = expect_done(b, 1, ERR_OK);
    ck_assert_uint_eq(done->result.items_count, 3);
    ck_assert_str_eq(done->keys[2], "b");
    ck_assert(done->result.truncated);
    ask_uploads(b, 2, "b", 9);
    struct bench_sent *next = expect_sent(b, WIRE_LIST);
    ck_assert_uint_eq(next->message.u.list.after_low, 9);
    static const struct upload_at rest[] = {{"b", 12}};
    answer_uploads(b, next, rest, 1, false);
    answer_uploads(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    answer_uploads(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    ck_assert_uint_eq(expect_done(b, 2, ERR_OK)->result.items_count, 1);
    bench_free(b);
}
END_TEST

START_TEST(uploads_out_of_order_are_refused)
{
    struct bench *b = bench_new();
    static const struct upload_at descending[] = {{"b", 9}, {"b", 3}};
    static const struct upload_at before[] = {{"b", 2}};
    ask_uploads(b, 1, "b", 2);
    answer_uploads(b, expect_sent(b, WIRE_LIST), descending, 2, false);
    answer_uploads(b, expect_sent(b, WIRE_LIST), before, 1, false);
    ck_assert_uint_eq(cl_core_stats(b->core)->nonsense, 2);
    ask_uploads(b, 2, "b", 0); /* after all uploads of b */
    (void)expect_sent(b, WIRE_LIST);
    answer_uploads(b, expect_sent(b, WIRE_LIST), before, 1, false);
    ck_assert_uint_eq(cl_core_stats(b->core)->nonsense, 3);
    bench_free(b);
}
END_TEST

START_TEST(a_listing_asks_for_metadata_when_it_is_wanted)
{
    struct bench *b = bench_new();
    bench_submit(b, (struct cl_submit){.kind = CL_OP_LIST, .op = 1, .want_meta = true});
    ck_assert(expect_sent(b, WIRE_LIST)->message.u.list.want_meta);
    bench_free(b);
}
END_TEST

/* ---- assembled objects ---- */

static struct buf *a_manifest(void)
{
    uint8_t bytes[2 * WIRE_PART_BYTES_MAX];
    struct wire_part part = {
        .number = 2, .upload_low = 4, .chunk_count = 2, .chunk_bytes = 1000, .size = 1500};
    size_t length = wire_part_encode(&part, bytes);
    part = (struct wire_part){.number = 9};
    length += wire_part_encode(&part, bytes + length);
    return buf_copy(slice_of(bytes, length));
}

static uint64_t sum_of(const struct buf *manifest)
{
    return checksum_bytes(buf_slice(manifest));
}

static void answer_assembled(struct bench *b, const struct bench_sent *get, uint32_t part_count,
                             uint64_t upload_low, struct buf *payload, uint64_t checksum)
{
    struct wire_message message = {.type = WIRE_OBJECT};
    message.u.object = (struct wire_object){
        .request = get->message.u.get.request,
        .chain = get->message.u.get.chain,
        .epoch = BENCH_EPOCH,
        .version = {.epoch = 1, .lsn = 1},
        .size = 1500,
        .checksum = checksum,
        .upload_low = upload_low,
        .part_count = part_count,
        .multi_high = MULTI_HIGH,
        .multi_low = MULTI_LOW,
    };
    message.payload = payload;
    bench_receive(b, get->peer, &message);
}

START_TEST(an_assembled_object_comes_with_the_list_of_its_parts)
{
    struct bench *b = bench_new();
    struct buf *manifest = a_manifest();
    bench_get(b, 1, "film");
    answer_assembled(b, expect_sent(b, WIRE_GET), 2, 0, manifest, sum_of(manifest));
    struct bench_done *done = expect_done(b, 1, ERR_OK);
    ck_assert_uint_eq(done->result.part_count, 2);
    ck_assert_uint_eq(done->result.multi_high, MULTI_HIGH);
    ck_assert_uint_eq(done->result.size, 1500);
    ck_assert_uint_eq(done->payload->length, manifest->length);
    bench_submit(b, (struct cl_submit){.kind = CL_OP_STAT, .op = 2, .key = slice_of_text("film")});
    answer_assembled(b, expect_sent(b, WIRE_GET), 2, 0, NULL, sum_of(manifest));
    ck_assert_uint_eq(expect_done(b, 2, ERR_OK)->result.part_count, 2);
    buf_unref(manifest);
    bench_free(b);
}
END_TEST

START_TEST(a_manifest_that_does_not_add_up_is_not_returned)
{
    struct bench *b = bench_new();
    struct buf *manifest = a_manifest();
    bench_get(b, 1, "film");
    for (int i = 0; i < 3; i++) {
        answer_assembled(b, expect_sent(b, WIRE_GET), 3, 0, manifest, sum_of(manifest)); /* not 2 */
        bench_advance(b, 100000);
    }
    (void)expect_done(b, 1, ERR_CORRUPT);
    bench_get(b, 2, "film");
    answer_assembled(b, expect_sent(b, WIRE_GET), 2, 5, manifest,
                     sum_of(manifest)); /* chunks of its own as well */
    expect_not_done(b, 2);
    ck_assert_uint_eq(cl_core_stats(b->core)->nonsense, 1);
    buf_unref(manifest);
    bench_free(b);
}
END_TEST

START_TEST(a_damaged_manifest_is_not_returned)
{
    struct bench *b = bench_new();
    struct buf *manifest = a_manifest();
    uint64_t checksum = sum_of(manifest);
    manifest->data[40] ^= 1; /* still sound, but of another part */
    bench_get(b, 1, "film");
    for (int i = 0; i < 3; i++) {
        answer_assembled(b, expect_sent(b, WIRE_GET), 2, 0, manifest, checksum);
        bench_advance(b, 100000);
    }
    (void)expect_done(b, 1, ERR_CORRUPT);
    buf_unref(manifest);
    bench_free(b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_step_says_what_it_is_and_of_which_upload,
        an_empty_part_needs_no_chunks,
        a_restamp_carries_its_metadata_and_whether_time_stays,
        a_token_goes_with_every_copy,
        what_cannot_be_meant_is_not_sent,
        every_copy_of_a_completion_has_one_number,
        an_outcome_names_the_upload_and_says_what_to_do,
        a_refusal_after_a_lost_completion_is_unknown,
        aborting_an_upload_is_a_numbered_deletion_that_names_it,
        parts_are_asked_of_the_tail,
        a_list_of_parts_that_is_unsound_is_asked_again,
        parts_and_their_absence_of_an_older_epoch_are_no_answer,
        an_upload_that_is_not_there_is_an_answer,
        uploads_are_merged_by_key_and_id,
        a_cut_between_two_uploads_of_a_key_keeps_their_order,
        uploads_out_of_order_are_refused,
        a_listing_asks_for_metadata_when_it_is_wanted,
        an_assembled_object_comes_with_the_list_of_its_parts,
        a_manifest_that_does_not_add_up_is_not_returned,
        a_damaged_manifest_is_not_returned,
    };
    return bench_run("cl_multipart", tests, ARRAY_COUNT(tests));
}
