/* Reads: R19, checksums, chunks from any member. */
#include "core_bench.h"

START_TEST(an_answer_of_an_older_epoch_than_seen_is_refused)
{
    struct bench *b = bench_new();
    bench_get(b, 1, "cat");
    answer_object(b, expect_sent(b, WIRE_GET), BENCH_EPOCH - 1, "old");
    expect_not_done(b, 1);
    ck_assert_uint_eq(cl_core_stats(b->core)->stale_reads, 1);
    bench_advance(b, 10000);
    answer_object(b, expect_sent(b, WIRE_GET), BENCH_EPOCH, "new");
    ck_assert_int_eq(memcmp(expect_done(b, 1, ERR_OK)->payload->data, "new", 3), 0);
    bench_free(b);
}
END_TEST

START_TEST(an_epoch_seen_in_a_reply_counts_as_seen)
{
    struct bench *b = bench_new();
    bench_get(b, 1, "cat");
    answer_object(b, expect_sent(b, WIRE_GET), BENCH_EPOCH + 3, "new");
    (void)expect_done(b, 1, ERR_OK);
    bench_get(b, 2, "cat");
    answer_object(b, expect_sent(b, WIRE_GET), BENCH_EPOCH, "old");
    expect_not_done(b, 2);
    bench_free(b);
}
END_TEST

START_TEST(absence_is_an_answer)
{
    struct bench *b = bench_new();
    bench_get(b, 1, "cat");
    answer_refused(b, expect_sent(b, WIRE_GET), ERR_NO_KEY, NULL);
    struct bench_done *done = expect_done(b, 1, ERR_NO_KEY);
    ck_assert(strstr(done->text, "get photos/cat: no such key") != NULL);
    bench_free(b);
}
END_TEST

START_TEST(absence_in_an_older_epoch_than_seen_is_no_answer)
{
    struct bench *b = bench_new();
    bench_get(b, 1, "cat");
    bench_get(b, 2, "cat");
    struct bench_sent *first = expect_sent(b, WIRE_GET);
    answer_object(b, expect_sent(b, WIRE_GET), BENCH_EPOCH + 1, "new");
    (void)expect_done(b, 2, ERR_OK);
    answer_refused(b, first, ERR_NO_KEY, NULL); /* of the epoch before */
    expect_not_done(b, 1);
    bench_free(b);
}
END_TEST

START_TEST(a_value_that_does_not_match_its_checksum_is_not_returned)
{
    struct bench *b = bench_new();
    bench_get(b, 1, "cat");
    for (int i = 0; i < 3; i++) {
        struct bench_sent *get = expect_sent(b, WIRE_GET);
        struct wire_message message = {.type = WIRE_OBJECT};
        message.u.object = (struct wire_object){
            .request = get->message.u.get.request,
            .chain = get->message.u.get.chain,
            .epoch = BENCH_EPOCH,
            .version = {.epoch = 1, .lsn = 1},
            .size = 3,
            .checksum = 12345,
        };
        message.payload = buf_copy(slice_of_text("bad"));
        bench_receive(b, get->peer, &message);
        buf_unref(message.payload);
        bench_advance(b, 100000);
    }
    (void)expect_done(b, 1, ERR_CORRUPT);
    bench_free(b);
}
END_TEST

START_TEST(an_answer_that_contradicts_itself_is_asked_again)
{
    struct bench *b = bench_new();
    bench_get(b, 1, "cat");
    struct bench_sent *get = expect_sent(b, WIRE_GET);
    struct wire_message message = {.type = WIRE_OBJECT};
    message.u.object = (struct wire_object){
        .request = get->message.u.get.request,
        .chain = get->message.u.get.chain,
        .epoch = BENCH_EPOCH,
        .version = {.epoch = 1, .lsn = 1},
        .size = 3000000,
        .upload_low = 1,
        .chunk_count = 2, /* three are needed */
        .chunk_bytes = 1048576,
    };
    bench_receive(b, get->peer, &message);
    expect_not_done(b, 1);
    ck_assert_uint_eq(cl_core_stats(b->core)->nonsense, 1);
    bench_free(b);
}
END_TEST

static void ask_chunk(struct bench *b, uint64_t op)
{
    bench_submit(b, (struct cl_submit){
                        .kind = CL_OP_CHUNK, .op = op, .chain = 0, .upload_low = 9, .size = 5});
}

static void answer_chunk(struct bench *b, const struct bench_sent *sent, const char *bytes,
                         uint64_t checksum)
{
    struct wire_message message = {.type = WIRE_CHUNK};
    message.u.chunk =
        (struct wire_chunk){.request = sent->message.u.chunk_get.request, .checksum = checksum};
    message.payload = buf_copy(slice_of_text(bytes));
    bench_receive(b, sent->peer, &message);
    buf_unref(message.payload);
}

START_TEST(a_chunk_comes_from_the_tail_and_else_from_another_member)
{
    struct bench *b = bench_new();
    ask_chunk(b, 1);
    struct bench_sent *first = expect_sent(b, WIRE_CHUNK_GET);
    ck_assert_uint_eq(first->peer, 3); /* chain 0 = 1, 2, 3 */
    answer_chunk(b, first, "wrong", 1);
    bench_advance(b, 10000);
    struct bench_sent *second = expect_sent(b, WIRE_CHUNK_GET);
    ck_assert_uint_eq(second->peer, 2);
    bench_down(b, 2);
    bench_advance(b, 10000);
    struct bench_sent *third = expect_sent(b, WIRE_CHUNK_GET);
    ck_assert_uint_eq(third->peer, 1);
    answer_chunk(b, third, "right", checksum_bytes(slice_of_text("right")));
    ck_assert_uint_eq(expect_done(b, 1, ERR_OK)->payload->length, 5);
    bench_free(b);
}
END_TEST

START_TEST(a_chunk_that_is_bad_everywhere_is_corrupt)
{
    struct bench *b = bench_new();
    ask_chunk(b, 1);
    for (int i = 0; i < 3; i++) {
        answer_refused(b, expect_sent(b, WIRE_CHUNK_GET), ERR_CORRUPT, NULL);
        bench_advance(b, 100000);
    }
    (void)expect_done(b, 1, ERR_CORRUPT);
    ask_chunk(b, 2);
    for (int i = 0; i < 3; i++) {
        answer_refused(b, expect_sent(b, WIRE_CHUNK_GET), ERR_NOT_FOUND, NULL);
        bench_advance(b, 100000);
    }
    (void)expect_done(b, 2, ERR_NOT_FOUND);
    bench_free(b);
}
END_TEST

START_TEST(a_chunk_of_the_wrong_length_is_not_taken)
{
    struct bench *b = bench_new();
    ask_chunk(b, 1);
    answer_chunk(b, expect_sent(b, WIRE_CHUNK_GET), "rig", checksum_bytes(slice_of_text("rig")));
    expect_not_done(b, 1);
    bench_free(b);
}
END_TEST

/* Chain 0 becomes the nodes 1 (head) and 2 (tail); only the tail is connected: an object was read
 * from it. */
static struct bench *bench_of_two(void)
{
    struct bench *b = bench_new();
    struct wire_member members[2];
    struct wire_row row = bench_row(members, 0, BENCH_EPOCH + 1, 0, 2);
    bench_install_row(b, &row, BENCH_EPOCH + 1);
    char key[16];
    for (uint32_t i = 0; i == 0 || bench_chain_of(key) != 0; i++)
        text_format(key, sizeof key, "key%u", i);
    bench_get(b, 99, key);
    struct bench_sent *get = expect_sent(b, WIRE_GET);
    ck_assert_uint_eq(get->peer, 2);
    answer_object(b, get, BENCH_EPOCH + 1, "chunked");
    (void)expect_done(b, 99, ERR_OK);
    b->nodes_stay_down = true;
    return b;
}

static struct bench_sent *expect_chunk_get(struct bench *b, uint32_t peer)
{
    struct bench_sent *sent = expect_sent(b, WIRE_CHUNK_GET);
    ck_assert_uint_eq(sent->peer, peer);
    return sent;
}

static void answer_good(struct bench *b, const struct bench_sent *sent, uint64_t op)
{
    answer_chunk(b, sent, "right", checksum_bytes(slice_of_text("right")));
    ck_assert_uint_eq(expect_done(b, op, ERR_OK)->payload->length, 5);
}

static void expect_text(const struct bench_done *done, const char *part)
{
    ck_assert_msg(strstr(done->text, part) != NULL, "no \"%s\" in: %s", part, done->text);
}

/* Operation 1 has heard from the tail that its copy is damaged, and goes on. */
static struct bench *bench_with_damaged_tail(void)
{
    struct bench *b = bench_of_two();
    ask_chunk(b, 1);
    answer_refused(b, expect_chunk_get(b, 2), ERR_CORRUPT, NULL);
    bench_advance(b, 10000);
    return b;
}

START_TEST(a_damaged_chunk_waits_for_the_member_that_is_not_connected_yet)
{
    struct bench *b = bench_with_damaged_tail();
    bench_advance(b, 1000000);
    expect_nothing_sent(b, WIRE_CHUNK_GET); /* the tail has said all that it can say */
    expect_not_done(b, 1);
    bench_up(b, 1);
    answer_good(b, expect_chunk_get(b, 1), 1);
    bench_free(b);
}
END_TEST

START_TEST(a_damaged_chunk_is_not_corrupt_while_a_member_cannot_be_reached)
{
    struct bench *b = bench_with_damaged_tail();
    bench_down(b, 1);
    bench_advance(b, 29900000);
    expect_not_done(b, 1);
    bench_advance(b, 200000);
    struct bench_done *done = expect_done(b, 1, ERR_UNREACHABLE);
    expect_text(done, "node 2 (10.0.1.2:1): damaged");
    expect_text(done, "node 1 (10.0.1.1:1): not reached: refused");
    bench_free(b);
}
END_TEST

START_TEST(a_chunk_that_is_bad_everywhere_names_the_members)
{
    struct bench *b = bench_with_damaged_tail();
    bench_up(b, 1);
    answer_refused(b, expect_chunk_get(b, 1), ERR_UPLOAD_GONE, NULL);
    struct bench_done *done = expect_done(b, 1, ERR_CORRUPT); /* not all say that it is gone */
    expect_text(done, "node 2 (10.0.1.2:1): damaged");
    expect_text(done, "node 1 (10.0.1.1:1): not there");
    bench_free(b);
}
END_TEST

START_TEST(a_member_that_refuses_twice_counts_once)
{
    struct bench *b = bench_of_two();
    ask_chunk(b, 1);
    struct bench_sent *first = expect_chunk_get(b, 2);
    bench_advance(b, 3100000);
    struct bench_sent *second = expect_chunk_get(b, 2); /* nobody else is connected */
    answer_refused(b, first, ERR_CORRUPT, NULL);
    answer_refused(b, second, ERR_CORRUPT, NULL);
    bench_advance(b, 100000);
    expect_not_done(b, 1);
    bench_up(b, 1);
    answer_good(b, expect_chunk_get(b, 1), 1);
    bench_free(b);
}
END_TEST

START_TEST(a_late_word_about_damage_counts)
{
    struct bench *b = bench_of_two();
    ask_chunk(b, 1);
    struct bench_sent *first = expect_chunk_get(b, 2);
    b->nodes_stay_down = false;
    bench_advance(b, 3100000);
    (void)expect_chunk_get(b, 2);
    struct bench_sent *head = expect_chunk_get(b, 1);
    answer_refused(b, first, ERR_CORRUPT, NULL);
    expect_not_done(b, 1);
    answer_refused(b, head, ERR_CORRUPT, NULL);
    (void)expect_done(b, 1, ERR_CORRUPT);
    bench_free(b);
}
END_TEST

START_TEST(a_silent_member_is_left_as_soon_as_another_one_is_connected)
{
    struct bench *b = bench_of_two();
    ask_chunk(b, 1);
    (void)expect_chunk_get(b, 2);
    bench_advance(b, 3100000);
    (void)expect_chunk_get(b, 2); /* again, for want of another */
    bench_up(b, 1);
    answer_good(b, expect_chunk_get(b, 1), 1); /* the second copy is not waited for */
    bench_free(b);
}
END_TEST

START_TEST(a_chunk_is_asked_once_while_its_member_has_time)
{
    struct bench *b = bench_new(); /* all members come up, one after the other */
    ask_chunk(b, 1);
    (void)expect_chunk_get(b, 3);
    bench_advance(b, 2900000);
    expect_nothing_sent(b, WIRE_CHUNK_GET);
    bench_free(b);
}
END_TEST

START_TEST(a_damaged_chunk_with_a_silent_member_times_out)
{
    struct bench *b = bench_with_damaged_tail();
    bench_up(b, 1);
    bench_advance(b, 30000000);
    while (count_sent(b, WIRE_CHUNK_GET) > 0)
        (void)expect_chunk_get(b, 1);
    struct bench_done *done = expect_done(b, 1, ERR_TIMEOUT);
    expect_text(done, "node 2 (10.0.1.2:1): damaged");
    expect_text(done, "node 1 (10.0.1.1:1): no usable answer");
    bench_free(b);
}
END_TEST

START_TEST(a_member_that_the_map_drops_is_not_waited_for)
{
    struct bench *b = bench_with_damaged_tail();
    struct wire_member members[1];
    struct wire_row row = bench_row(members, 0, BENCH_EPOCH + 2, 1, 1);
    bench_install_row(b, &row, BENCH_EPOCH + 2);
    answer_refused(b, expect_chunk_get(b, 2), ERR_CORRUPT, NULL);
    expect_text(expect_done(b, 1, ERR_CORRUPT), "; 1 of 3 replicas are in service;");
    bench_free(b);
}
END_TEST

START_TEST(an_unanswered_chunk_leaves_a_member_that_the_map_drops)
{
    struct bench *b = bench_of_two();
    struct wire_member members[1];
    b->nodes_stay_down = false;
    ask_chunk(b, 1);
    (void)expect_chunk_get(b, 2); /* paused: it neither answers nor closes */
    struct wire_row row = bench_row(members, 0, BENCH_EPOCH + 2, 0, 1);
    bench_install_row(b, &row, BENCH_EPOCH + 2);
    answer_good(b, expect_chunk_get(b, 1), 1);
    bench_free(b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_answer_of_an_older_epoch_than_seen_is_refused,
        an_epoch_seen_in_a_reply_counts_as_seen,
        absence_is_an_answer,
        absence_in_an_older_epoch_than_seen_is_no_answer,
        a_value_that_does_not_match_its_checksum_is_not_returned,
        an_answer_that_contradicts_itself_is_asked_again,
        a_chunk_comes_from_the_tail_and_else_from_another_member,
        a_chunk_that_is_bad_everywhere_is_corrupt,
        a_chunk_of_the_wrong_length_is_not_taken,
        a_damaged_chunk_waits_for_the_member_that_is_not_connected_yet,
        a_damaged_chunk_is_not_corrupt_while_a_member_cannot_be_reached,
        a_chunk_that_is_bad_everywhere_names_the_members,
        a_member_that_refuses_twice_counts_once,
        a_late_word_about_damage_counts,
        a_silent_member_is_left_as_soon_as_another_one_is_connected,
        a_chunk_is_asked_once_while_its_member_has_time,
        a_damaged_chunk_with_a_silent_member_times_out,
        a_member_that_the_map_drops_is_not_waited_for,
        an_unanswered_chunk_leaves_a_member_that_the_map_drops,
    };
    return bench_run("cl_get", tests, ARRAY_COUNT(tests));
}
