/* PUT, DELETE, STAGE: routing to the head, one number for all copies, what is said at the end. */
#include "core_bench.h"

START_TEST(put_goes_to_the_head_with_the_epoch_of_the_row)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    struct bench_sent *put = expect_sent(b, WIRE_PUT);
    uint32_t chain = bench_chain_of("cat");
    ck_assert_uint_eq(put->message.u.put.chain, chain);
    ck_assert_uint_eq(put->peer, chain % 3 + 1);
    ck_assert_uint_eq(put->message.u.put.epoch, BENCH_EPOCH);
    ck_assert_uint_eq(put->message.u.put.session, 100);
    ck_assert_uint_eq(put->message.u.put.seq, 1);
    ck_assert_uint_eq(put->message.u.put.seq_floor, 1);
    ck_assert_uint_eq(put->message.u.put.bucket, BENCH_BUCKET);
    answer_updated(b, put, ERR_OK);
    struct bench_done *done = expect_done(b, 1, ERR_OK);
    ck_assert_uint_eq(done->result.version.lsn, 77);
    ck_assert_uint_eq(done->result.replicas_durable, 3);
    bench_free(b);
}
END_TEST

START_TEST(every_retry_carries_the_same_session_and_number)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    struct bench_sent *first = expect_sent(b, WIRE_PUT);
    answer_refused(b, first, ERR_BUSY, NULL);
    bench_advance(b, 300000);
    struct bench_sent *second = expect_sent(b, WIRE_PUT);
    ck_assert_uint_ne(second->message.u.put.request, first->message.u.put.request);
    bench_advance(b, 2000000); /* unanswered */
    struct bench_sent *third = expect_sent(b, WIRE_PUT);
    bench_down(b, third->peer);
    bench_up(b, third->peer);
    bench_advance(b, 300000);
    struct bench_sent *fourth = expect_sent(b, WIRE_PUT);
    const struct bench_sent *all[] = {second, third, fourth};
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(all[i]->message.u.put.session, first->message.u.put.session);
        ck_assert_uint_eq(all[i]->message.u.put.seq, first->message.u.put.seq);
        ck_assert_uint_eq(all[i]->message.payload->length, 5);
    }
    answer_updated(b, fourth, ERR_OK);
    (void)expect_done(b, 1, ERR_OK);
    bench_free(b);
}
END_TEST

START_TEST(an_answer_to_an_older_copy_is_the_answer)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    struct bench_sent *first = expect_sent(b, WIRE_PUT);
    bench_advance(b, 1500000);
    (void)expect_sent(b, WIRE_PUT);
    answer_updated(b, first, ERR_CONDITION);
    struct bench_done *done = expect_done(b, 1, ERR_CONDITION);
    ck_assert_uint_eq(done->result.current.lsn, 66);
    bench_free(b);
}
END_TEST

START_TEST(a_put_refused_each_time_did_not_happen)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    uint64_t deadline_us = b->now_us + 30000000;
    /* Every copy is refused the moment it is sent, up to the deadline. */
    while (b->now_us < deadline_us) {
        while (count_sent(b, WIRE_PUT) > 0)
            answer_refused(b, expect_sent(b, WIRE_PUT), ERR_NOT_READY, NULL);
        uint64_t next_us = cl_core_deadline_us(b->core);
        bench_advance(b, next_us > b->now_us ? next_us - b->now_us : 0);
    }
    struct bench_done *done = expect_done(b, 1, ERR_TIMEOUT);
    ck_assert(strstr(done->text, "put photos/cat") != NULL);
    ck_assert(strstr(done->text, "NOT_READY") != NULL);
    bench_free(b);
}
END_TEST

START_TEST(a_put_with_one_unanswered_copy_is_unknown)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    (void)expect_sent(b, WIRE_PUT); /* never answered */
    for (int i = 0; i < 200; i++) {
        bench_advance(b, 200000);
        while (count_sent(b, WIRE_PUT) > 0)
            answer_refused(b, expect_sent(b, WIRE_PUT), ERR_BUSY, NULL);
    }
    (void)expect_done(b, 1, ERR_OUTCOME_UNKNOWN);
    bench_free(b);
}
END_TEST

START_TEST(a_put_lost_with_its_connection_is_unknown)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    struct bench_sent *put = expect_sent(b, WIRE_PUT);
    bench_down(b, put->peer);
    bench_advance(b, 31000000);
    (void)expect_done(b, 1, ERR_OUTCOME_UNKNOWN);
    bench_free(b);
}
END_TEST

START_TEST(a_put_never_sent_is_unreachable)
{
    struct bench *b = bench_new();
    b->nodes_stay_down = true;
    bench_put(b, 1, "cat");
    bench_advance(b, 31000000);
    struct bench_done *done = expect_done(b, 1, ERR_UNREACHABLE);
    ck_assert(strstr(done->text, "nothing was changed") != NULL);
    expect_nothing_sent(b, WIRE_PUT);
    bench_free(b);
}
END_TEST

START_TEST(a_definite_refusal_after_a_lost_copy_is_unknown)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    (void)expect_sent(b, WIRE_PUT);
    bench_advance(b, 1500000);
    answer_refused(b, expect_sent(b, WIRE_PUT), ERR_NO_SPACE, NULL);
    (void)expect_done(b, 1, ERR_OUTCOME_UNKNOWN);
    bench_put(b, 2, "dog");
    answer_refused(b, expect_sent(b, WIRE_PUT), ERR_NO_SPACE, NULL);
    (void)expect_done(b, 2, ERR_NO_SPACE);
    bench_free(b);
}
END_TEST

/* The server may still have the first copy in an inbox when it refuses the second. */
START_TEST(a_refusal_on_a_new_connection_says_nothing_of_the_copy_on_the_old_one)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    uint32_t head = expect_sent(b, WIRE_PUT)->peer;
    bench_down(b, head);
    bench_up(b, head);
    bench_advance(b, 100000);
    answer_refused(b, expect_sent(b, WIRE_PUT), ERR_NO_SPACE, NULL);
    (void)expect_done(b, 1, ERR_OUTCOME_UNKNOWN);
    bench_free(b);
}
END_TEST

START_TEST(a_cancelled_put_says_what_is_known)
{
    struct bench *b = bench_new();
    bench_put(b, 1, "cat");
    (void)expect_sent(b, WIRE_PUT);
    struct cl_event cancel = {.kind = CL_EVENT_CANCEL, .op = 1};
    bench_step(b, &cancel);
    (void)expect_done(b, 1, ERR_OUTCOME_UNKNOWN);
    bench_down(b, 1);
    bench_down(b, 2);
    bench_down(b, 3);
    bench_put(b, 2, "cat");
    cancel.op = 2;
    bench_step(b, &cancel);
    (void)expect_done(b, 2, ERR_CANCELLED);
    cancel.op = 99; /* unknown numbers are ignored */
    bench_step(b, &cancel);
    bench_free(b);
}
END_TEST

START_TEST(delete_carries_its_condition)
{
    struct bench *b = bench_new();
    bench_submit(b, (struct cl_submit){.kind = CL_OP_DELETE,
                                       .op = 1,
                                       .key = slice_of_text("cat"),
                                       .condition = WIRE_CONDITION_MATCH,
                                       .match = {.epoch = 1, .lsn = 2}});
    struct bench_sent *sent = expect_sent(b, WIRE_DELETE);
    ck_assert_uint_eq(sent->message.u.delete.condition, WIRE_CONDITION_MATCH);
    ck_assert_uint_eq(sent->message.u.delete.match.lsn, 2);
    answer_updated(b, sent, ERR_NO_KEY);
    (void)expect_done(b, 1, ERR_NO_KEY);
    bench_free(b);
}
END_TEST

static void stage(struct bench *b, uint64_t op, uint32_t index)
{
    struct buf *payload = buf_copy(slice_of_text("chunk"));
    bench_submit(b, (struct cl_submit){.kind = CL_OP_STAGE,
                                       .op = op,
                                       .key = slice_of_text("film"),
                                       .upload_high = 5,
                                       .upload_low = 6,
                                       .index = index,
                                       .payload = payload,
                                       .checksum = checksum_bytes(buf_slice(payload))});
    buf_unref(payload);
}

START_TEST(chunks_are_pipelined_in_order)
{
    struct bench *b = bench_new();
    for (uint32_t i = 0; i < 4; i++)
        stage(b, i + 1, i);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(expect_sent(b, WIRE_STAGE)->message.u.stage.index, i);
    bench_free(b);
}
END_TEST

START_TEST(after_a_refused_chunk_the_rest_follows_it_in_order)
{
    struct bench *b = bench_new();
    struct bench_sent *sent[4];
    for (uint32_t i = 0; i < 4; i++)
        stage(b, i + 1, i);
    for (uint32_t i = 0; i < 4; i++)
        sent[i] = expect_sent(b, WIRE_STAGE);
    answer_updated(b, sent[0], ERR_OK);
    (void)expect_done(b, 1, ERR_OK);
    answer_refused(b, sent[1], ERR_BUSY, NULL);
    answer_refused(b, sent[2], ERR_UPLOAD_ORDER, NULL);
    answer_refused(b, sent[3], ERR_UPLOAD_ORDER, NULL);
    bench_advance(b, 50000);
    for (uint32_t i = 1; i < 4; i++) {
        struct bench_sent *again = expect_sent(b, WIRE_STAGE);
        ck_assert_uint_eq(again->message.u.stage.index, i);
        answer_updated(b, again, ERR_OK);
        (void)expect_done(b, i + 1, ERR_OK);
    }
    expect_nothing_sent(b, WIRE_STAGE);
    bench_free(b);
}
END_TEST

/* The head could not take the first chunk yet, so it has never heard of the upload when the others
 * come: that is not the end of the upload. */
START_TEST(after_a_refused_first_chunk_an_unknown_upload_is_not_final)
{
    struct bench *b = bench_new();
    struct bench_sent *sent[3];
    for (uint32_t i = 0; i < 3; i++)
        stage(b, i + 1, i);
    for (uint32_t i = 0; i < 3; i++)
        sent[i] = expect_sent(b, WIRE_STAGE);
    answer_refused(b, sent[0], ERR_NOT_READY, NULL);
    answer_updated(b, sent[1], ERR_UPLOAD_GONE);
    answer_updated(b, sent[2], ERR_UPLOAD_GONE);
    bench_advance(b, 50000);
    for (uint32_t i = 0; i < 3; i++) {
        struct bench_sent *again = expect_sent(b, WIRE_STAGE);
        ck_assert_uint_eq(again->message.u.stage.index, i);
        answer_updated(b, again, ERR_OK);
        (void)expect_done(b, i + 1, ERR_OK);
    }
    bench_free(b);
}
END_TEST

START_TEST(an_unknown_upload_is_final_once_the_chunks_before_are_staged)
{
    struct bench *b = bench_new();
    struct bench_sent *sent[2];
    for (uint32_t i = 0; i < 2; i++)
        stage(b, i + 1, i);
    for (uint32_t i = 0; i < 2; i++)
        sent[i] = expect_sent(b, WIRE_STAGE);
    answer_updated(b, sent[0], ERR_OK);
    (void)expect_done(b, 1, ERR_OK);
    answer_updated(b, sent[1], ERR_UPLOAD_GONE);
    (void)expect_done(b, 2, ERR_UPLOAD_GONE);
    bench_free(b);
}
END_TEST

START_TEST(chunks_move_to_a_new_head_in_order)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    uint32_t chain = bench_chain_of("film");
    for (uint32_t i = 0; i < 4; i++)
        stage(b, i + 1, i);
    for (uint32_t i = 0; i < 4; i++)
        (void)expect_sent(b, WIRE_STAGE);
    struct wire_row row = bench_row(members, chain, BENCH_EPOCH + 1, chain + 1, 2);
    bench_install_row(b, &row, BENCH_EPOCH + 1);
    for (uint32_t i = 0; i < 4; i++) {
        struct bench_sent *again = expect_sent(b, WIRE_STAGE);
        ck_assert_uint_eq(again->message.u.stage.index, i);
        ck_assert_uint_eq(again->peer, row.members[0].node);
        ck_assert_uint_eq(again->message.u.stage.epoch, BENCH_EPOCH + 1);
    }
    bench_free(b);
}
END_TEST

START_TEST(a_gap_before_the_first_chunk_under_way_is_final)
{
    struct bench *b = bench_new();
    stage(b, 1, 0);
    answer_refused(b, expect_sent(b, WIRE_STAGE), ERR_UPLOAD_ORDER, NULL);
    (void)expect_done(b, 1, ERR_UPLOAD_ORDER);
    bench_free(b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        put_goes_to_the_head_with_the_epoch_of_the_row,
        every_retry_carries_the_same_session_and_number,
        an_answer_to_an_older_copy_is_the_answer,
        a_put_refused_each_time_did_not_happen,
        a_put_with_one_unanswered_copy_is_unknown,
        a_put_lost_with_its_connection_is_unknown,
        a_put_never_sent_is_unreachable,
        a_definite_refusal_after_a_lost_copy_is_unknown,
        a_refusal_on_a_new_connection_says_nothing_of_the_copy_on_the_old_one,
        a_cancelled_put_says_what_is_known,
        delete_carries_its_condition,
        chunks_are_pipelined_in_order,
        after_a_refused_chunk_the_rest_follows_it_in_order,
        after_a_refused_first_chunk_an_unknown_upload_is_not_final,
        an_unknown_upload_is_final_once_the_chunks_before_are_staged,
        chunks_move_to_a_new_head_in_order,
        a_gap_before_the_first_chunk_under_way_is_final,
    };
    return bench_run("cl_update", tests, ARRAY_COUNT(tests));
}
