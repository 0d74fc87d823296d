/* The shortest counterexamples of the model checker, one for each broken rule, over the real cores:
 * every step of a trace is one message, one flush or one completed store here.
 *
 * A scenario tells whether the violation shows. The right code must not show it; in a planted build
 * (-DCATENA_PLANTED=ON) the same steps with the rule broken must, or must trip an invariant. Nodes
 * A, B, C, D are 1, 2, 3, 4. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/planted.h"
#include "tests/scenario/chain/chain_assert.h"

enum { A = 1, B, C, D };

static struct world *world;
static const struct origin none;

/* ---- one step each ---- */

/* A row of the master that nobody has heard of yet. */
static void decree(const char *members, uint32_t joiner)
{
    uint32_t ids[BOUND_CHAIN_MEMBERS];
    uint32_t count = 0;
    for (; members[count] != '\0'; count++)
        ids[count] = (uint32_t)(members[count] - '0');
    world_row(world, 0, ids, count, joiner);
}

static void learn(uint32_t node)
{
    world_push(world, node);
}

static void flush(uint32_t node)
{
    struct cn_event event = {.kind = CN_EVENT_FLUSH};
    world->nodes[node].is_flush_due = false;
    world_event(world, node, &event);
}

/* What was accepted goes to the disk, and is there. */
static void fsync_node(uint32_t node)
{
    flush(node);
    while (world->nodes[node].tokens_count > 0)
        world_complete_store(world, node);
    flush(node);
}

/* Everything of a type that is under way from one to the other arrives, in order; the rest stays.
 */
static unsigned deliver(enum wire_type type, uint32_t from, uint32_t to)
{
    unsigned delivered = 0;
    for (size_t i = 0; i < world->queue_count;) {
        struct world_message entry = world->queue[i];
        if (entry.message.type != type || entry.from != from || entry.to != to) {
            i++;
            continue;
        }
        memmove(&world->queue[i], &world->queue[i + 1],
                (world->queue_count - i - 1) * sizeof entry);
        world->queue_count--;
        struct cn_event event = {.kind = CN_EVENT_RECEIVE_NODE,
                                 .node = entry.from,
                                 .incarnation = entry.incarnation,
                                 .message = &entry.message};
        world_event(world, to, &event);
        wire_message_release(&entry.message);
        delivered++;
    }
    return delivered;
}

static uint64_t committed(uint32_t node)
{
    return world_view(world, node, 0).committed;
}

static uint64_t durable(uint32_t node)
{
    return world_view(world, node, 0).durable;
}

/* S3 for one member of the newest row: somebody has committed what is not on its disk. */
static bool lacks(uint32_t member, uint32_t committer)
{
    return committed(committer) > durable(member);
}

static void begin(const char *members)
{
    world = world_new(4, 1);
    world_row_push(world, 0, members, 0);
    world_run(world);
    world_advance(world, 200000);
    world_lose_messages(world);
}

/* The scenario's put: admitted at the head, nothing moves. */
static uint64_t admit(const char *value)
{
    return world_put(world, 0, "key", value);
}

/* ---- R3 ---- */

/* A's entry is durable at A and marked; B and C commit in a later epoch by what was said in the
 * first (R3_older_acks): A has not even entered it. */
static bool r3_older_marks(void)
{
    begin("12");
    admit("value");
    fsync_node(A);
    deliver(WIRE_FORWARD, A, B);
    fsync_node(B);
    decree("21", 0); /* as after a swap: the mark of the first epoch is late */
    learn(B);
    learn(A);
    decree("12", 0);
    learn(B);
    deliver(WIRE_MARK, A, B); /* of epoch 1 */
    flush(B);
    return committed(B) == 1; /* no mark of this epoch: A may not have entered it */
}

/* The head hears late of a commit in an epoch that is over (R3_older_acks_removal). */
static bool r3_older_acks(void)
{
    begin("123");
    uint64_t put = admit("value");
    fsync_node(A);
    deliver(WIRE_FORWARD, A, B);
    struct wire_message message = {.type = WIRE_ACK};
    message.u.ack = (struct wire_ack){
        .chain = 0, .epoch = 1, .applied = {.epoch = 1, .lsn = 1}, .durable = 1, .committed = 1};
    decree("12", 0);
    learn(A);
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_NODE,
                             .node = B,
                             .incarnation = world->nodes[B].incarnation,
                             .message = &message};
    world_event(world, A, &event);
    flush(A);
    return world_reply(world, put) != NULL && durable(B) == 0;
}

/* A was head, left with an entry that nobody else has, came back, dropped it and is B's predecessor
 * again; then its forward of the first epoch arrives (checklist 30). */
static bool r3_older_forward(void)
{
    begin("12");
    admit("lost"); /* 1.1; its forward is late */
    struct wire_message late = {0};
    for (size_t i = 0; i < world->queue_count; i++)
        if (world->queue[i].message.type == WIRE_FORWARD)
            wire_message_copy(&world->queue[i].message, &late);
    ck_assert_int_eq(late.type, WIRE_FORWARD);
    world_lose_messages(world);
    world_row_push(world, 0, "2", 0);
    world_row_push(world, 0, "2", A); /* A drops what is undecided (R24) */
    world_advance(world, 500000);
    ck_assert(world->rows[0].is_synced);
    world_row_push(world, 0, "21", 0);
    world_advance(world, 300000);
    world_row_push(world, 0, "12", 0);
    world_advance(world, 300000);
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_NODE,
                             .node = A,
                             .incarnation = world->nodes[A].incarnation,
                             .message = &late};
    world_event(world, B, &event);
    wire_message_release(&late);
    return world_view(world, B, 0).applied.lsn != 0; /* an update that its predecessor lacks */
}

/* B is told to join while a batch of its former life is under way: when that is stored, it says
 * nothing of what B holds now. */
static bool r3_stored_before_reset(void)
{
    begin("123");
    admit("value");
    deliver(WIRE_FORWARD, A, B);
    flush(B);
    decree("13", B);
    learn(B);
    world_complete_store(world, B);
    return durable(B) != 0;
}

/* ---- R4 ---- */

/* A loses what it had not synced and goes on as head under its old place (R4_restart_in_place,
 * _head). */
static bool r4_restart_in_place(void)
{
    begin("123");
    admit("value");
    deliver(WIRE_FORWARD, A, B);
    deliver(WIRE_FORWARD, B, C);
    fsync_node(B);
    fsync_node(C);
    world_crash(world, A, 0);
    world_restart(world, A);
    struct cn_chain_view view = world_view(world, A, 0);
    return view.role != CN_ROLE_NONE && view.applied.lsn < world_view(world, B, 0).applied.lsn;
}

/* ---- R7 ---- */

/* B keeps what A, which is gone, said about an entry that never reached it; another update takes
 * its position and commits at B while C, the new head, has it nowhere on its disk
 * (R7_old_marks_swap). */
static bool r7_old_marks_swap(void)
{
    begin("123");
    admit("lost");
    fsync_node(A);
    ck_assert_uint_gt(deliver(WIRE_MARK, A, B), 0);
    world_lose_messages(world);
    world_row_push(world, 0, "23", 0);
    world_run(world);
    decree("32", 0); /* frozen, drained and permuted: nothing was pending at B */
    learn(B);
    learn(C);
    flush(B);
    deliver(WIRE_ACK, B, C);
    uint64_t put = world_put_at(world, C, 0, 9, 1, "key", "new", WIRE_CONDITION_NONE, none);
    deliver(WIRE_FORWARD, C, B);
    fsync_node(B);
    (void)put;
    return lacks(C, B);
}

/* C and D are told of an epoch, A and B are not: what A marked before is no proof that it has
 * entered (R7_old_marks, R7_old_marks_4_nodes). */
static bool r7_old_marks_append(void)
{
    begin("12");
    admit("value");
    fsync_node(A);
    deliver(WIRE_MARK, A, B);
    deliver(WIRE_FORWARD, A, B);
    world->nodes[B].are_stores_held = true;
    flush(B); /* not stored yet: B commits nothing in epoch 1 */
    decree("12", C);
    learn(B);
    learn(C);
    while (world->nodes[B].tokens_count > 0)
        world_complete_store(world, B);
    flush(B);
    return committed(B) == 1; /* in epoch 2, which A has not entered */
}

/* ---- R10 ---- */

static bool r10_refusal(void)
{
    begin("123");
    world_put(world, 0, "key", "old");
    world_advance(world, 300000);
    /* A is deposed and does not know; B and C delete the key. */
    decree("23", 0);
    learn(B);
    learn(C);
    world->is_link_cut[A][B] = world->is_link_cut[B][A] = true;
    world->is_link_cut[A][C] = world->is_link_cut[C][A] = true;
    world_run(world);
    uint64_t gone = world_delete(world, 0, "key");
    world_run(world);
    assert_outcome(world, gone, ERR_OK);
    world->rows[0].epoch = 1; /* a client that knows as little as A */
    uint64_t create = world_put_at(world, A, 0, 9, 1, "key", "x", WIRE_CONDITION_ABSENT, none);
    world->rows[0].epoch = 2;
    world_flush(world);
    return world_reply(world, create) != NULL; /* "it exists" is not true any more */
}

/* ---- R12 ---- */

/* The power goes when the entry of a chunk is durable and not applied yet. */
static bool r12_chunk_not_durable(void)
{
    begin("1");
    world_stage(world, 0, "key", 7, 0, "chunk");
    fsync_node(A);
    world_crash(world, A, 0);
    return world_rows(world, A, CN_FAMILY_PENDING, 0) == 1 &&
           world_rows(world, A, CN_FAMILY_CHUNKS, 0) == 0;
}

/* ---- R14 ---- */

/* A read arrives at the tail of one epoch and is answered by the joiner of another. */
static bool r14_no_epoch_check(void)
{
    begin("123");
    world_put(world, 0, "key", "old");
    world_advance(world, 300000);
    /* C becomes tail anew with something undecided, so that the read has to wait. */
    admit("new");
    deliver(WIRE_FORWARD, A, B);
    deliver(WIRE_FORWARD, B, C);
    world_lose_messages(world);
    decree("123", 0);
    learn(C);
    uint64_t get = world_get_at(world, C, 0, "key"); /* R_START */
    assert_no_reply(world, get);
    decree("12", 0);
    learn(A);
    learn(B);
    world_lose_messages(world);
    decree("12", C);
    learn(C);
    flush(C); /* R_REPLY */
    const struct wire_message *reply = world_reply(world, get);
    return reply == NULL || reply->type != WIRE_REFUSED;
}

/* ---- R15 ---- */

/* What C has shown, B does not know to be committed. */
static bool r15_tail(void)
{
    begin("123");
    world_put(world, 0, "key", "old");
    world_advance(world, 300000);
    admit("new");
    deliver(WIRE_FORWARD, A, B);
    deliver(WIRE_FORWARD, B, C);
    fsync_node(A);
    fsync_node(B);
    fsync_node(C);
    deliver(WIRE_MARK, A, B);
    flush(B);
    deliver(WIRE_MARK, B, C);
    flush(C);
    assert_value(world, world_get(world, 0, "key"), "new");
    decree("12", 0);
    world_lose_messages(world);
    learn(B);
    const struct wire_message *reply = world_reply(world, world_get(world, 0, "key"));
    return reply != NULL && reply->type == WIRE_OBJECT &&
           slice_equal(buf_slice(reply->payload), slice_of_text("old"));
}

/* The appended member knows less than the tail before it has shown. */
static bool r15_append(void)
{
    begin("12");
    world_put(world, 0, "key", "old");
    world_advance(world, 300000);
    decree("12", C);
    learn(A);
    learn(B);
    learn(C);
    world_advance(world, 500000);
    ck_assert(world->rows[0].is_synced);
    admit("new");
    deliver(WIRE_FORWARD, A, B);
    deliver(WIRE_FORWARD, B, C);
    fsync_node(A);
    fsync_node(B);
    fsync_node(C);
    deliver(WIRE_MARK, A, B);
    flush(B);
    deliver(WIRE_ACK, C, B);
    flush(B);
    assert_value(world, world_get(world, 0, "key"), "new");
    world_lose_messages(world); /* C is not told that B has committed it */
    decree("123", 0);
    learn(C);
    const struct wire_message *reply = world_reply(world, world_get(world, 0, "key"));
    return reply != NULL && reply->type == WIRE_OBJECT &&
           slice_equal(buf_slice(reply->payload), slice_of_text("old"));
}

/* ---- R21, R22, R23 ---- */

/* A, B and a joiner C in handover; the tail holds one undecided entry that C does not have. */
static void hand_over(void)
{
    begin("12");
    world_put(world, 0, "other", "x");
    world_advance(world, 300000);
    decree("12", C);
    learn(A);
    learn(B);
    learn(C);
    world_advance(world, 500000);
    ck_assert(world->rows[0].is_synced);
    world_lose_messages(world);
    admit("value");
    fsync_node(A);
    deliver(WIRE_FORWARD, A, B);
    fsync_node(B);
    deliver(WIRE_MARK, A, B);
    flush(B);
}

static bool r21_no_joiner_ack(void)
{
    hand_over();
    return lacks(C, B); /* and B has said "synced" */
}

static bool r23_abandon(void)
{
    hand_over();
    world->is_link_cut[B][C] = true; /* a slow joiner */
    world_advance(world, 700000);
    return lacks(C, B);
}

/* B inherits what the dead tail has committed, and must not call D synced without it. */
static bool r22_synced_too_early(void)
{
    begin("123");
    admit("value");
    deliver(WIRE_FORWARD, A, B);
    deliver(WIRE_FORWARD, B, C);
    fsync_node(A);
    fsync_node(B);
    fsync_node(C);
    deliver(WIRE_MARK, A, B);
    flush(B);
    deliver(WIRE_MARK, B, C);
    flush(C);
    ck_assert_uint_eq(committed(C), 1);
    world_crash(world, C, SIZE_MAX);
    world_lose_messages(world);
    decree("12", D);
    learn(B);
    learn(D);
    /* A is silent; the copy goes on, and no live entry reaches D. */
    for (unsigned i = 0; i < 40 && !world->rows[0].is_synced; i++) {
        world->now_us += 10000;
        fsync_node(B);
        fsync_node(D);
        deliver(WIRE_SYNC_BEGIN, B, D);
        deliver(WIRE_SYNC_ITEMS, B, D);
        deliver(WIRE_SYNC_ACK, D, B);
        deliver(WIRE_ACK, D, B);
        struct cn_event event = {.kind = CN_EVENT_TICK};
        world_event(world, B, &event);
        world_event(world, D, &event);
    }
    return world->rows[0].is_synced && durable(D) == 0;
}

/* "Drained" was said; an update that is admitted afterwards is unknown to the new head. */
static bool r23_unfreeze(void)
{
    begin("123");
    world->rows[0].frozen = true;
    world_row_push(world, 0, "123", 0);
    world_advance(world, 300000);
    ck_assert(world->rows[0].is_drained);
    admit("value");
    return world_view(world, A, 0).applied.lsn != 0;
}

/* ---- R24 ---- */

/* A comes back with an entry that the others never had. */
static bool r24_no_drop(void)
{
    begin("123");
    world_put(world, 0, "key", "old");
    world_advance(world, 300000);
    admit("lost");
    fsync_node(A);
    world_lose_messages(world);
    world_row_push(world, 0, "23", 0);
    world_advance(world, 300000);
    world_row_push(world, 0, "23", A);
    world_advance(world, 500000);
    ck_assert(world->rows[0].is_synced);
    return world_rows(world, A, CN_FAMILY_PENDING, 0) != 0;
}

/* ---- R27 ---- */

/* A successor that is ahead, with nothing committed beyond us. */
static bool r27_ahead(void)
{
    begin("123");
    struct wire_message message = {.type = WIRE_ACK};
    message.u.ack = (struct wire_ack){.chain = 0, .epoch = 1, .applied = {.epoch = 1, .lsn = 3}};
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_NODE,
                             .node = B,
                             .incarnation = world->nodes[B].incarnation,
                             .message = &message};
    world_event(world, A, &event);
    return !world_view(world, A, 0).is_halted;
}

/* ---- R29, R30: the node's half ---- */

/* C was removed as tail while its lease ran; when that is over, it shows nothing although the
 * others went on (R29_no_wait: the master's half is in tests/unit/cm_core). */
static bool r29_no_wait(void)
{
    begin("123");
    world_put(world, 0, "key", "old");
    world_advance(world, 300000);
    world->nodes[C].is_beat_lost = true; /* R28: no lease any more */
    world->nodes[C].is_deaf = true;
    world->is_link_cut[B][C] = world->is_link_cut[C][B] = true;
    uint64_t until_us = world->nodes[C].lease_until_us;
    world_advance(world, until_us - world->now_us + 10000);
    decree("12", 0);
    learn(A);
    learn(B);
    world_advance(world, 300000);
    uint64_t put = world_put_at(world, A, 0, 9, 1, "key", "new", WIRE_CONDITION_NONE, none);
    world_advance(world, 300000);
    assert_outcome(world, put, ERR_OK);
    world->rows[0].epoch = 1; /* a client that knows as little as C */
    const struct wire_message *reply = world_reply(world, world_get_at(world, C, 0, "key"));
    world->rows[0].epoch = 2;
    return reply != NULL && reply->type == WIRE_OBJECT;
}

/* C is removed and does not know; a lease that is granted under the new map reaches it. */
static bool r30_lease_untied_from_map(void)
{
    begin("123");
    world_put(world, 0, "key", "old");
    world_advance(world, 300000);
    world->nodes[C].is_deaf = true;
    world->is_link_cut[B][C] = world->is_link_cut[C][B] = true;
    decree("12", 0);
    world_advance(world, 1500000); /* its heartbeats go on and are answered */
    learn(A);
    learn(B);
    world_advance(world, 300000);
    uint64_t put = world_put_at(world, A, 0, 9, 1, "key", "new", WIRE_CONDITION_NONE, none);
    world_advance(world, 300000);
    assert_outcome(world, put, ERR_OK);
    world->rows[0].epoch = 1;
    const struct wire_message *reply = world_reply(world, world_get_at(world, C, 0, "key"));
    world->rows[0].epoch = 2;
    return reply != NULL && reply->type == WIRE_OBJECT;
}

static struct wire_beat_reply late_reply;

/* The first heartbeat of C is answered late, all others are lost. */
static bool keep_beat(struct world *at, uint32_t node, const struct wire_heartbeat *beat,
                      void *context)
{
    (void)context;
    if (node == C && late_reply.beat == 0)
        late_reply = (struct wire_beat_reply){.beat = beat->beat,
                                              .incarnation = beat->incarnation,
                                              .lease = true,
                                              .lease_ms = at->lease_us / 1000,
                                              .lease_map_version = at->version};
    return true;
}

/* A lease is over a lease's time after its heartbeat was sent, however late the answer came. */
static bool r30_from_receipt(void)
{
    begin("123");
    late_reply = (struct wire_beat_reply){0};
    world->on_beat = keep_beat;
    world_advance(world, 200000);
    ck_assert_uint_ne(late_reply.beat, 0);
    world_advance(world, world->lease_us - 300000);
    struct wire_message message = {.type = WIRE_BEAT_REPLY};
    message.u.beat_reply = late_reply;
    struct cn_event event = {.kind = CN_EVENT_RECEIVE_MASTER, .message = &message};
    world_event(world, C, &event);
    assert_refused(world, world_get(world, 0, "key"), ERR_NO_KEY); /* valid now */
    world_advance(world, 400000);
    const struct wire_message *reply = world_reply(world, world_get(world, 0, "key"));
    return reply->u.refused.err != ERR_NO_LEASE;
}

/* ---- R36 ---- */

/* An update is on its way when the chain is frozen: drained comes after its commit. */
static bool r36_drained_too_early(void)
{
    begin("123");
    admit("value");
    deliver(WIRE_FORWARD, A, B);
    fsync_node(A);
    world->rows[0].frozen = true;
    decree("123", 0);
    learn(A);
    for (unsigned i = 0; i < 20; i++) {
        world->now_us += 10000;
        struct cn_event event = {.kind = CN_EVENT_TICK};
        world_event(world, A, &event);
    }
    return world->rows[0].is_drained;
}

struct rule {
    const char *name;
    bool (*violates)(void);
    enum planted_bug bug;
};

static const struct rule rules[] = {
    {"r3_older_marks", r3_older_marks, PLANTED_R3_OLDER_MARK},
    {"r3_older_acks", r3_older_acks, PLANTED_R3_OLDER_ACK},
    {"r3_older_forward", r3_older_forward, PLANTED_R3_OLDER_FORWARD},
    {"r3_stored_before_reset", r3_stored_before_reset, PLANTED_R3_STORED_BEFORE_RESET},
    {"r4_restart_in_place", r4_restart_in_place, PLANTED_R4_RESTART_IN_PLACE},
    {"r7_old_marks_swap", r7_old_marks_swap, PLANTED_R7_OLD_MARK_KEPT},
    {"r7_old_marks_append", r7_old_marks_append, PLANTED_R7_OLD_MARK_KEPT},
    {"r10_refusal", r10_refusal, PLANTED_R10_REFUSED_AT_ONCE},
    {"r12_chunk_not_durable", r12_chunk_not_durable, PLANTED_R12_CHUNK_NOT_DURABLE},
    {"r14_no_epoch_check", r14_no_epoch_check, PLANTED_R14_EPOCH_NOT_CHECKED},
    {"r15_tail", r15_tail, PLANTED_R15_DOES_NOT_WAIT},
    {"r15_append", r15_append, PLANTED_R15_DOES_NOT_WAIT},
    {"r21_no_joiner_ack", r21_no_joiner_ack, PLANTED_R21_JOINER_NOT_WAITED_FOR},
    {"r22_synced_too_early", r22_synced_too_early, PLANTED_R22_SYNCED_TOO_EARLY},
    {"r23_abandon", r23_abandon, PLANTED_R23_HANDOVER_ABANDONED},
    {"r23_unfreeze", r23_unfreeze, PLANTED_R23_DRAINED_TAKEN_BACK},
    {"r24_no_drop", r24_no_drop, PLANTED_R24_NOT_DROPPED},
    {"r27_ahead", r27_ahead, PLANTED_R27_AHEAD_IS_TAKEN},
    {"r29_no_wait", r29_no_wait, PLANTED_R14_LEASE_NOT_CHECKED},
    {"r30_lease_untied_from_map", r30_lease_untied_from_map, PLANTED_R30_ANY_MAP},
    {"r30_from_receipt", r30_from_receipt, PLANTED_R30_FROM_RECEIPT},
    {"r36_drained_too_early", r36_drained_too_early, PLANTED_R36_DRAINED_TOO_EARLY},
};

START_TEST(the_right_code_does_not_show_the_counterexample)
{
    bool is_violated = rules[_i].violates();
    world_free(world);
    ck_assert_msg(!is_violated, "%s: the violation shows", rules[_i].name);
}
END_TEST

#ifdef CATENA_PLANTED
/* The scenario is worth something: with the rule broken, the violation shows (or an invariant ends
 * it). */
START_TEST(the_broken_rule_shows_the_counterexample)
{
    if (planted_bug != PLANTED_NONE)
        return; /* the run is about another one */
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        planted_bug = rules[_i].bug;
        _exit(rules[_i].violates() ? 1 : 0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(status != 0, "%s: with %s the violation does not show", rules[_i].name,
                  planted_name(rules[_i].bug));
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("chain_rules");
    TCase *tests = tcase_create("chain_rules");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, the_right_code_does_not_show_the_counterexample, 0,
                        ARRAY_COUNT(rules));
#ifdef CATENA_PLANTED
    tcase_add_loop_test(tests, the_broken_rule_shows_the_counterexample, 0, ARRAY_COUNT(rules));
#endif
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
