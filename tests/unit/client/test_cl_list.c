/* Listings: complete or an error (R18), merged in order, cut where a part is cut. */
#include "core_bench.h"

static void ask(struct bench *b, uint64_t op, const char *start_after, const char *delimiter,
                uint32_t limit)
{
    bench_submit(b, (struct cl_submit){.kind = CL_OP_LIST,
                                       .op = op,
                                       .start_after = slice_of_text(start_after),
                                       .delimiter = slice_of_text(delimiter),
                                       .limit = limit});
}

/* Answers a part with keys; a key that ends in '/' is a folded group. */
static void answer_list(struct bench *b, const struct bench_sent *sent, const char *const *keys,
                        uint32_t count, bool truncated)
{
    struct wire_list_item items[16] = {0};
    struct wire_message message = {.type = WIRE_LISTED};
    for (uint32_t i = 0; i < count; i++) {
        items[i].key = slice_of_text(keys[i]);
        if (keys[i][strlen(keys[i]) - 1] != '/')
            items[i].version = (struct origin){.epoch = 1, .lsn = i + 1};
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

START_TEST(one_request_per_tail_covers_every_chain_once)
{
    struct bench *b = bench_new();
    bool is_covered[BENCH_CHAINS] = {0};
    ask(b, 1, "", "", 0);
    ck_assert_uint_eq(count_sent(b, WIRE_LIST), 3);
    for (int part = 0; part < 3; part++) {
        struct bench_sent *list = expect_sent(b, WIRE_LIST);
        for (uint32_t i = 0; i < list->message.u.list.chains_count; i++) {
            uint32_t chain = list->message.u.list.chains[i].chain;
            ck_assert(!is_covered[chain]);
            is_covered[chain] = true;
            ck_assert_uint_eq((chain + 2) % 3 + 1, list->peer);
            ck_assert_uint_eq(list->message.u.list.chains[i].epoch, BENCH_EPOCH);
        }
    }
    for (uint32_t i = 0; i < BENCH_CHAINS; i++)
        ck_assert(is_covered[i]);
    bench_free(b);
}
END_TEST

START_TEST(parts_are_merged_in_key_order)
{
    struct bench *b = bench_new();
    static const char *const one[] = {"b", "e"};
    static const char *const two[] = {"a", "f"};
    static const char *const three[] = {"c", "d"};
    ask(b, 1, "", "", 0);
    answer_list(b, expect_sent(b, WIRE_LIST), one, 2, false);
    answer_list(b, expect_sent(b, WIRE_LIST), two, 2, false);
    expect_not_done(b, 1);
    answer_list(b, expect_sent(b, WIRE_LIST), three, 2, false);
    struct bench_done *done = expect_done(b, 1, ERR_OK);
    ck_assert_uint_eq(done->result.items_count, 6);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(done->keys[i][0], "abcdef"[i]);
    ck_assert(!done->result.truncated);
    bench_free(b);
}
END_TEST

START_TEST(the_answer_is_cut_at_the_smallest_last_key_of_a_cut_part)
{
    struct bench *b = bench_new();
    static const char *const one[] = {"a", "c"}; /* has more after c */
    static const char *const two[] = {"b", "d", "z"};
    static const char *const three[] = {"c1"};
    ask(b, 1, "", "", 0);
    answer_list(b, expect_sent(b, WIRE_LIST), one, 2, true);
    answer_list(b, expect_sent(b, WIRE_LIST), two, 3, true);
    answer_list(b, expect_sent(b, WIRE_LIST), three, 1, false);
    struct bench_done *done = expect_done(b, 1, ERR_OK);
    ck_assert_uint_eq(done->result.items_count, 3);
    ck_assert_str_eq(done->keys[2], "c");
    ck_assert(done->result.truncated);
    bench_free(b);
}
END_TEST

START_TEST(the_limit_cuts_and_says_so)
{
    struct bench *b = bench_new();
    static const char *const one[] = {"a", "c"};
    static const char *const two[] = {"b"};
    ask(b, 1, "", "", 2);
    struct bench_sent *first = expect_sent(b, WIRE_LIST);
    ck_assert_uint_eq(first->message.u.list.limit, 2);
    answer_list(b, first, one, 2, false);
    answer_list(b, expect_sent(b, WIRE_LIST), two, 1, false);
    answer_list(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    struct bench_done *done = expect_done(b, 1, ERR_OK);
    ck_assert_uint_eq(done->result.items_count, 2);
    ck_assert_str_eq(done->keys[1], "b");
    ck_assert(done->result.truncated);
    bench_free(b);
}
END_TEST

START_TEST(a_group_folded_by_several_nodes_comes_once)
{
    struct bench *b = bench_new();
    static const char *const one[] = {"a/", "b"};
    static const char *const two[] = {"a/", "c/"};
    ask(b, 1, "", "/", 0);
    answer_list(b, expect_sent(b, WIRE_LIST), one, 2, false);
    answer_list(b, expect_sent(b, WIRE_LIST), two, 2, false);
    answer_list(b, expect_sent(b, WIRE_LIST), two, 2, false);
    struct bench_done *done = expect_done(b, 1, ERR_OK);
    ck_assert_uint_eq(done->result.items_count, 3);
    ck_assert_str_eq(done->keys[0], "a/");
    ck_assert_str_eq(done->keys[2], "c/");
    bench_free(b);
}
END_TEST

START_TEST(an_answer_that_lacks_a_chain_is_refused)
{
    struct bench *b = bench_new();
    static const char *const keys[] = {"a"};
    ask(b, 1, "", "", 0);
    struct bench_sent *first = expect_sent(b, WIRE_LIST);
    struct bench_sent shorter = *first;
    ck_assert_uint_eq(first->message.u.list.chains_count, 2);
    shorter.message.u.list.chains_count = 1;
    answer_list(b, &shorter, keys, 1, false);
    answer_list(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    answer_list(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    expect_not_done(b, 1);
    bench_advance(b, 10000);
    struct bench_sent *again = expect_sent(b, WIRE_LIST); /* only the missing part */
    expect_nothing_sent(b, WIRE_LIST);
    ck_assert_uint_eq(again->peer, first->peer);
    ck_assert_uint_eq(again->message.u.list.chains_count, 2);
    answer_list(b, again, keys, 1, false);
    ck_assert_uint_eq(expect_done(b, 1, ERR_OK)->result.items_count, 1);
    bench_free(b);
}
END_TEST

START_TEST(a_chain_named_twice_does_not_stand_for_another)
{
    struct bench *b = bench_new();
    ask(b, 1, "", "", 0);
    struct bench_sent *first = expect_sent(b, WIRE_LIST);
    struct wire_chain_at twice[2] = {first->message.u.list.chains[0],
                                     first->message.u.list.chains[0]};
    struct bench_sent lying = *first;
    lying.message.u.list.chains = twice;
    answer_list(b, &lying, NULL, 0, false);
    answer_list(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    answer_list(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    expect_not_done(b, 1);
    bench_free(b);
}
END_TEST

START_TEST(an_older_epoch_in_a_listing_is_refused)
{
    struct bench *b = bench_new();
    ask(b, 1, "", "", 0);
    struct bench_sent *first = expect_sent(b, WIRE_LIST);
    struct wire_chain_at older[2] = {first->message.u.list.chains[0],
                                     first->message.u.list.chains[1]};
    older[1].epoch = BENCH_EPOCH - 1;
    struct bench_sent stale = *first;
    stale.message.u.list.chains = older;
    answer_list(b, &stale, NULL, 0, false);
    ck_assert_uint_eq(cl_core_stats(b->core)->stale_reads, 1);
    answer_list(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    answer_list(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    expect_not_done(b, 1);
    bench_free(b);
}
END_TEST

START_TEST(a_listing_never_comes_short_of_a_tail)
{
    struct bench *b = bench_new();
    ask(b, 1, "", "", 0);
    struct bench_sent *first = expect_sent(b, WIRE_LIST);
    answer_list(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    answer_list(b, expect_sent(b, WIRE_LIST), NULL, 0, false);
    b->nodes_stay_down = true;
    bench_down(b, first->peer);
    bench_advance(b, 31000000);
    struct bench_done *done = expect_done(b, 1, ERR_TIMEOUT);
    ck_assert(strstr(done->text, "list photos") != NULL);
    bench_free(b);
}
END_TEST

START_TEST(a_listing_follows_a_moved_tail)
{
    struct bench *b = bench_new();
    struct wire_member members[3];
    ask(b, 1, "", "", 0);
    struct bench_sent *part[3];
    uint32_t moved = BENCH_CHAINS;
    for (int i = 0; i < 3; i++) {
        part[i] = expect_sent(b, WIRE_LIST);
        if (part[i]->peer == 3)
            moved = part[i]->message.u.list.chains[0].chain;
    }
    struct wire_row row = bench_row(members, moved, BENCH_EPOCH + 1, moved, 2);
    bench_install_row(b, &row, BENCH_EPOCH + 1);
    /* The part of node 3 is asked anew: one chain at the new tail, the other where it was. */
    ck_assert_uint_eq(count_sent(b, WIRE_LIST), 2);
    struct bench_sent *again[2] = {expect_sent(b, WIRE_LIST), expect_sent(b, WIRE_LIST)};
    for (int i = 0; i < 3; i++)
        answer_list(b, part[i], NULL, 0, false);
    expect_not_done(b, 1); /* the old answer of node 3 does not count */
    answer_list(b, again[0], NULL, 0, false);
    answer_list(b, again[1], NULL, 0, false);
    (void)expect_done(b, 1, ERR_OK);
    bench_free(b);
}
END_TEST

START_TEST(items_out_of_order_are_refused)
{
    struct bench *b = bench_new();
    static const char *const bad[] = {"b", "a"};
    static const char *const outside[] = {"a"};
    ask(b, 1, "a", "", 0);
    answer_list(b, expect_sent(b, WIRE_LIST), bad, 2, false);
    answer_list(b, expect_sent(b, WIRE_LIST), outside, 1, false); /* not after "a" */
    answer_list(b, expect_sent(b, WIRE_LIST), NULL, 0, true);     /* cut, but empty */
    ck_assert_uint_eq(cl_core_stats(b->core)->nonsense, 3);
    expect_not_done(b, 1);
    bench_free(b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        one_request_per_tail_covers_every_chain_once,
        parts_are_merged_in_key_order,
        the_answer_is_cut_at_the_smallest_last_key_of_a_cut_part,
        the_limit_cuts_and_says_so,
        a_group_folded_by_several_nodes_comes_once,
        an_answer_that_lacks_a_chain_is_refused,
        a_chain_named_twice_does_not_stand_for_another,
        an_older_epoch_in_a_listing_is_refused,
        a_listing_never_comes_short_of_a_tail,
        a_listing_follows_a_moved_tail,
        items_out_of_order_are_refused,
    };
    return bench_run("cl_list", tests, ARRAY_COUNT(tests));
}
