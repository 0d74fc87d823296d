/* Members lost, epochs skipped, whole chains restarted (R3-R5, R7, R10, R14-R16, R20, R27-R30, R33,
 * R36). */
#include <stdlib.h>

#include "tests/scenario/chain/chain_assert.h"

static struct world *world;
static const struct origin none;

static void set_up(void)
{
    world = world_new(4, 1);
    world_row_push(world, 0, "123", 0);
    world_run(world);
    world_advance(world, 200000);
}

static void tear_down(void)
{
    world_free(world);
}

/* Delivers `count` messages and nothing else. */
static void deliver(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)world_step_message(world);
        world_flush(world);
    }
}

/* One member dies after `steps` messages of a put; the others go on. Nothing that was acknowledged
 * is lost, and what is undecided is decided without any client (R20). */
static void lose_one(uint32_t dead, const char *rest, unsigned steps, bool are_stores_done)
{
    uint64_t old = world_put(world, 0, "key", "old");
    world_run(world);
    assert_outcome(world, old, ERR_OK);
    uint64_t put = world_put(world, 0, "key", "new");
    world_flush(world);
    for (unsigned i = 0; i < steps; i++) {
        deliver(1);
        if (are_stores_done)
            for (uint32_t node = 1; node <= 3; node++)
                world_complete_store(world, node);
        world_flush(world);
    }
    world_crash(world, dead, 0);
    world_row_push(world, 0, rest, 0);
    world_advance(world, 600000);
    uint32_t head = world_head(world, 0);
    uint32_t tail = world_tail(world, 0);
    struct cn_chain_view at_head = world_view(world, head, 0);
    struct cn_chain_view at_tail = world_view(world, tail, 0);
    ck_assert_uint_eq(at_head.committed, at_head.applied.lsn);
    ck_assert_uint_eq(at_tail.committed, at_head.committed);
    ck_assert(at_head.digest == at_tail.digest);
    uint64_t get = world_get(world, 0, "key");
    const struct wire_message *reply = world_reply(world, put);
    bool is_acked = reply != NULL && reply->type == WIRE_UPDATED;
    if (is_acked || at_head.committed == 2)
        assert_value(world, get, "new");
    else
        assert_value(world, get, "old");
    /* The client's retry gets its own outcome, whichever way it went. */
    uint64_t again = world_put_at(world, head, 0, 1, 2, "key", "new", WIRE_CONDITION_NONE, none);
    world_run(world);
    assert_outcome(world, again, ERR_OK);
    ck_assert_uint_eq(updated(world, again)->version.lsn, 2);
    assert_value(world, world_get(world, 0, "key"), "new");
    world_advance(world, 300000);
    ck_assert(world_same_rows(world, 0, head, tail));
}

START_TEST(the_head_dies_at_any_moment)
{
    lose_one(1, "23", (unsigned)_i % 14, _i >= 14);
}
END_TEST

START_TEST(the_middle_dies_at_any_moment)
{
    lose_one(2, "13", (unsigned)_i % 14, _i >= 14);
}
END_TEST

START_TEST(the_tail_dies_at_any_moment)
{
    lose_one(3, "12", (unsigned)_i % 14, _i >= 14);
}
END_TEST

START_TEST(a_retry_after_the_head_died_gets_the_first_outcome_of_a_refusal_too)
{
    world_put(world, 0, "key", "value");
    world_run(world);
    uint64_t refused = world_put_at(world, 1, 0, 50, 1, "key", "x", WIRE_CONDITION_ABSENT, none);
    world_run(world);
    assert_outcome(world, refused, ERR_CONDITION);
    world_delete(world, 0, "key"); /* now the condition would hold */
    world_run(world);
    world_crash(world, 1, SIZE_MAX);
    world_row_push(world, 0, "23", 0);
    world_advance(world, 300000);
    uint64_t retry = world_put_at(world, 2, 0, 50, 1, "key", "x", WIRE_CONDITION_ABSENT, none);
    world_run(world);
    assert_outcome(world, retry, ERR_CONDITION);
    ck_assert_uint_eq(updated(world, retry)->current.lsn, 1);
    assert_refused(world, world_get(world, 0, "key"), ERR_NO_KEY);
}
END_TEST

/* traces/R10: B and C decide a create while A, deposed and unaware, is asked for the same. */
START_TEST(a_deposed_head_cannot_answer_a_refused_condition)
{
    world->nodes[1].is_deaf = true;
    world->is_link_cut[1][2] = world->is_link_cut[2][1] = true;
    world->is_link_cut[1][3] = world->is_link_cut[3][1] = true;
    world_row_push(world, 0, "23", 0);
    world_advance(world, 300000);
    uint64_t put = world_put(world, 0, "key", "value");
    world_run(world);
    assert_outcome(world, put, ERR_OK);
    struct wire_message message = {.type = WIRE_DELETE};
    message.u.delete = (struct wire_delete){.request = 9000,
                                            .epoch = 1,
                                            .session = 60,
                                            .seq = 1,
                                            .bucket = WORLD_BUCKET,
                                            .key = slice_of_text("key")};
    world_client(world, 1, 1, &message);
    world_advance(world, 300000);
    assert_no_reply(world, 9000); /* "no such key" would be false by now */
    world->nodes[1].is_deaf = false;
    world_push(world, 1);
    world_run(world);
    assert_refused(world, 9000, ERR_WRONG_EPOCH);
    ck_assert_uint_eq(world_reply(world, 9000)->u.refused.rows[0].epoch, 2);
}
END_TEST

START_TEST(messages_of_an_older_epoch_are_refused_with_the_newer_row)
{
    world->nodes[3].are_stores_held = true;
    world_put(world, 0, "key", "value");
    world_flush(world);
    world->nodes[1].is_deaf = true; /* A goes on in epoch 1 */
    world_row_push(world, 0, "23", 0);
    world_run(world);
    ck_assert_uint_eq(world_view(world, 1, 0).epoch, 2); /* told by its neighbour */
    ck_assert_int_eq(world_view(world, 1, 0).role, CN_ROLE_NONE);
}
END_TEST

/* traces/R3_older_acks and R7_old_marks: what was said in an older epoch counts for nothing. */
START_TEST(acks_and_marks_of_an_older_epoch_count_for_nothing)
{
    world->nodes[3].are_stores_held = true;
    uint64_t put = world_put(world, 0, "key", "value");
    world_run(world);
    assert_no_reply(world, put);
    struct wire_message mark = {.type = WIRE_MARK};
    mark.u.mark =
        (struct wire_mark){.chain = 0, .epoch = 1, .applied = {.epoch = 1, .lsn = 1}, .stable = 1};
    struct wire_message ack = {.type = WIRE_ACK};
    ack.u.ack = (struct wire_ack){
        .chain = 0, .epoch = 1, .applied = {.epoch = 1, .lsn = 1}, .durable = 1, .committed = 1};
    ck_assert_uint_eq(world_view(world, 2, 0).stable, 1);
    world_row_push(world, 0, "213", 0);                   /* as after a swap */
    ck_assert_uint_eq(world_view(world, 1, 0).stable, 0); /* forgotten: R7 */
    struct cn_event event = {
        .kind = CN_EVENT_RECEIVE_NODE, .node = 2, .incarnation = 1, .message = &mark};
    world_event(world, 1, &event);
    world_event(world, 3, &event);
    event.node = 3;
    event.message = &ack;
    world_event(world, 1, &event);
    world_event(world, 2, &event);
    world_flush(world);
    ck_assert_uint_eq(world_view(world, 1, 0).committed, 0);
    ck_assert_uint_eq(world_view(world, 3, 0).committed, 0);
    ck_assert_uint_eq(world_view(world, 1, 0).stable, 0);
}
END_TEST

/* traces/R15_tail: the dead tail has shown the new version; the new one must not show the old. */
START_TEST(a_new_tail_waits_for_what_it_inherited)
{
    world_put(world, 0, "key", "old");
    world_put(world, 0, "other", "x");
    world_advance(world, 600000);
    world->is_link_cut[3][2] = true; /* acks of the tail are lost */
    world_put(world, 0, "key", "new");
    world_run(world);
    assert_value(world, world_get(world, 0, "key"), "new");
    ck_assert_uint_eq(world_view(world, 2, 0).committed, 2);
    world_crash(world, 3, 0);
    world->is_link_cut[1][2] = world->is_link_cut[2][1] = true; /* no mark of the new epoch */
    world_row_push(world, 0, "12", 0);
    world_advance(world, 200000);
    uint64_t get = world_get(world, 0, "key");
    uint64_t other = world_get(world, 0, "other");
    uint64_t list = world_list(world, 2, "", "", "", 0);
    assert_no_reply(world, get); /* parked */
    assert_value(world, other, "x");
    world_advance(world, 200000);
    assert_no_reply(world, get);
    assert_no_reply(world, list);
    world->is_link_cut[1][2] = world->is_link_cut[2][1] = false;
    world_advance(world, 200000);
    assert_value(world, get, "new");
    ck_assert_int_eq(world_reply(world, list)->type, WIRE_LISTED);
    ck_assert_uint_eq(world_reply(world, list)->u.listed.items_count, 2);
}
END_TEST

START_TEST(parked_reads_are_refused_when_role_or_lease_end)
{
    for (unsigned round = 0; round < 2; round++) {
        world->is_link_cut[3][2] = true;
        world_put(world, 0, "key", round == 0 ? "a" : "b");
        world_run(world);
        world_crash(world, 3, 0);
        world->is_link_cut[1][2] = world->is_link_cut[2][1] = true;
        world_row_push(world, 0, "12", 0);
        world_advance(world, 200000);
        uint64_t get = world_get(world, 0, "key");
        assert_no_reply(world, get);
        if (round == 0) {
            world_row_push(world, 0, "21", 0);
            assert_refused(world, get, ERR_WRONG_EPOCH);
        } else {
            world->are_leases_off = true;
            world_advance(world, 1500000);
            assert_refused(world, get, ERR_NO_LEASE);
        }
        tear_down();
        set_up();
    }
}
END_TEST

START_TEST(a_paused_tail_refuses_after_its_lease)
{
    world_put(world, 0, "key", "old");
    world_run(world);
    world->nodes[3].is_paused = true; /* SIGSTOP */
    world_advance(world, 1500000);
    world_row_push(world, 0, "12", 0);
    uint64_t put = world_put_at(world, 1, 0, 70, 1, "key", "new", WIRE_CONDITION_NONE, none);
    world_advance(world, 300000);
    put = world_put_at(world, 1, 0, 70, 1, "key", "new", WIRE_CONDITION_NONE, none);
    world_run(world);
    assert_outcome(world, put, ERR_OK);
    world->nodes[3].is_paused = false; /* SIGCONT, and a read arrives before anything else */
    world->rows[0].epoch = 1;
    uint64_t get = world_get_at(world, 3, 0, "key");
    world->rows[0].epoch = 2;
    assert_refused(world, get, ERR_NO_LEASE);
    world_advance(world, 500000);
    ck_assert_int_eq(world_view(world, 3, 0).role, CN_ROLE_NONE);
}
END_TEST

START_TEST(a_lease_granted_under_a_newer_map_waits_for_that_map)
{
    world->nodes[3].is_deaf = true;
    world->version++;
    world_advance(world, 1500000); /* R30: leases come, but under a map that is not installed */
    assert_refused(world, world_get(world, 0, "key"), ERR_NO_LEASE);
    world->nodes[3].is_deaf = false;
    world_push(world, 3);
    world_run(world);
    assert_refused(world, world_get(world, 0, "key"), ERR_NO_KEY);
}
END_TEST

START_TEST(a_removal_that_is_decided_ends_the_role_at_once)
{
    world_put(world, 0, "key", "value");
    world_run(world);
    world_decided(world, 0, 3);
    ck_assert_int_eq(world_view(world, 3, 0).role, CN_ROLE_NONE);
    ck_assert_uint_eq(world_view(world, 3, 0).epoch, 2);
    assert_refused(world, world_get(world, 0, "key"), ERR_WRONG_EPOCH);
    uint64_t put = world_put(world, 0, "key", "x");
    world_advance(world, 300000);
    assert_no_reply(world, put); /* it acknowledges nothing any more */
    world_row_push(world, 0, "12", 0);
    world_advance(world, 300000);
    assert_outcome(world, put, ERR_OK);
}
END_TEST

START_TEST(a_process_that_restarts_has_no_role_in_old_rows)
{
    uint64_t put = world_put(world, 0, "key", "value");
    world_run(world);
    assert_outcome(world, put, ERR_OK);
    world_crash(world, 2, SIZE_MAX);
    world_restart(world, 2); /* the row names the older incarnation: R4 */
    world_advance(world, 300000);
    ck_assert_int_eq(world_view(world, 2, 0).role, CN_ROLE_NONE);
    ck_assert_uint_eq(world_view(world, 2, 0).applied.lsn, 1);
    uint64_t second = world_put(world, 0, "key", "x");
    world_advance(world, 300000);
    assert_no_reply(world, second);
}
END_TEST

/* All lose power with updates in every stage; any one of them starts the chain again (R33). */
START_TEST(any_member_starts_the_whole_chain_again)
{
    uint32_t starter = (uint32_t)_i % 3 + 1;
    unsigned steps = (unsigned)_i / 3;
    uint64_t old = world_put(world, 0, "key", "old");
    world_run(world);
    assert_outcome(world, old, ERR_OK);
    uint64_t put = world_put(world, 0, "key", "new");
    world_flush(world);
    for (unsigned i = 0; i < steps; i++) {
        deliver(1);
        for (uint32_t node = 1; node <= 3; node++)
            world_complete_store(world, node);
        world_flush(world);
    }
    bool is_acked = world_reply(world, put) != NULL;
    world_lose_messages(world);
    for (uint32_t node = 1; node <= 3; node++)
        world_crash(world, node, 0);
    world_restart(world, starter);
    char members[2] = {(char)('0' + (char)starter), '\0'};
    ck_assert_int_eq(world_view(world, starter, 0).role, CN_ROLE_NONE);
    world_row_push(world, 0, members, 0);
    world_advance(world, 300000);
    struct cn_chain_view view = world_view(world, starter, 0);
    ck_assert_int_eq(view.role, CN_ROLE_SINGLE);
    ck_assert_uint_eq(view.committed, view.applied.lsn);
    uint64_t get = world_get(world, 0, "key");
    assert_value(world, get, is_acked || view.applied.lsn == 2 ? "new" : "old");
    uint64_t retry = world_put_at(world, starter, 0, 1, 1, "key", "old", WIRE_CONDITION_NONE, none);
    world_run(world);
    ck_assert_uint_eq(updated(world, retry)->version.lsn, 1); /* at most once (S10) */
}
END_TEST

START_TEST(a_frozen_chain_drains_and_says_so)
{
    world->nodes[3].are_stores_held = true;
    uint64_t put = world_put(world, 0, "key", "value");
    world_run(world);
    world->rows[0].frozen = true;
    world_row_push(world, 0, "123", 0);
    world_advance(world, 300000);
    ck_assert(!world->rows[0].is_drained);
    uint64_t refused = world_put(world, 0, "key", "x");
    assert_refused(world, refused, ERR_NOT_READY);
    world->nodes[3].are_stores_held = false;
    world_advance(world, 300000);
    assert_outcome(world, put, ERR_OK);
    ck_assert(world->rows[0].is_drained);
    world->rows[0].frozen = false;
    world_row_push(world, 0, "312", 0); /* permuted: no data moves (R36) */
    world_advance(world, 300000);
    uint64_t next = world_put(world, 0, "key", "two");
    world_run(world);
    assert_outcome(world, next, ERR_OK);
    assert_value(world, world_get(world, 0, "key"), "two");
}
END_TEST

START_TEST(the_write_floor_refuses_admissions_only)
{
    world->rows[0].write_floor = 2;
    world->nodes[2].are_stores_held = true;
    uint64_t put = world_put(world, 0, "key", "value");
    world_run(world);
    world_crash(world, 2, 0);
    world_crash(world, 3, 0);
    world_row_push(world, 0, "1", 0);
    world_advance(world, 300000);
    assert_outcome(world, put, ERR_OK); /* inherited entries are decided (R20) */
    assert_refused(world, world_put(world, 0, "key", "x"), ERR_WRITE_FLOOR);
    assert_value(world, world_get(world, 0, "key"), "value");
}
END_TEST

START_TEST(histories_that_contradict_halt_the_chain)
{
    world_put(world, 0, "key", "value");
    world_advance(world, 300000);
    struct wire_message ack = {.type = WIRE_ACK};
    ack.u.ack = (struct wire_ack){
        .chain = 0, .epoch = 1, .applied = {.epoch = 1, .lsn = 5}, .durable = 5, .committed = 5};
    struct cn_event event = {
        .kind = CN_EVENT_RECEIVE_NODE, .node = 2, .incarnation = 1, .message = &ack};
    world_event(world, 1, &event);
    ck_assert(world_view(world, 1, 0).is_halted);
    world_advance(world, 300000);
    ck_assert(world->rows[0].is_halted);
    assert_refused(world, world_put(world, 0, "key", "x"), ERR_NOT_READY);
    ck_assert_uint_eq(world_view(world, 1, 0).applied.lsn, 1); /* nothing was overwritten */
}
END_TEST

static bool all_halted(void)
{
    bool all = true;
    for (uint32_t node = 1; node <= 3; node++)
        all = all && world_view(world, node, 0).is_halted;
    return all;
}

/* A link or memory changes an update on its way to the tail, and no checksum sees it. */
static bool change_bucket(struct world *in, const struct world_message *message, void *context)
{
    (void)in;
    bool *is_done = context;
    if (message->to == 3 && message->message.type == WIRE_FORWARD && !*is_done) {
        ((struct world_message *)(uintptr_t)message)->message.u.forward.bucket ^= 4;
        *is_done = true;
    }
    return true;
}

/* R27: the neighbour sees it by the digest before the client is answered; nobody goes on. */
START_TEST(a_replica_that_commits_another_history_halts_the_whole_chain)
{
    bool is_done = false;
    uint64_t first = world_put(world, 0, "key", "value");
    world_advance(world, 300000);
    assert_outcome(world, first, ERR_OK);
    world->filter = change_bucket;
    world->filter_context = &is_done;
    uint64_t second = world_put(world, 0, "key", "changed");
    world_advance(world, 300000);
    ck_assert(is_done);
    const struct wire_message *reply = world_reply(world, second);
    ck_assert(reply == NULL || reply->type == WIRE_REFUSED);
    ck_assert(all_halted());
    ck_assert(world->rows[0].is_halted);
    assert_refused(world, world_put(world, 0, "key", "x"), ERR_NOT_READY);
    assert_refused(world, world_get(world, 0, "key"), ERR_NOT_READY);
}
END_TEST

/* The same by the idle ACK, with nothing under way: a replica that changed at rest. */
START_TEST(equal_positions_with_other_digests_halt_the_whole_chain)
{
    world_put(world, 0, "key", "value");
    world_advance(world, 300000);
    struct cn_chain_view view = world_view(world, 2, 0);
    struct wire_message ack = {.type = WIRE_ACK};
    ack.u.ack = (struct wire_ack){.chain = 0,
                                  .epoch = 1,
                                  .applied = view.applied,
                                  .durable = view.durable,
                                  .committed = view.committed,
                                  .digest = view.digest};
    struct cn_event event = {
        .kind = CN_EVENT_RECEIVE_NODE, .node = 2, .incarnation = 1, .message = &ack};
    world_event(world, 1, &event);
    ck_assert(!world_view(world, 1, 0).is_halted);
    ack.u.ack.digest = 0; /* an older sender does not tell */
    world_event(world, 1, &event);
    ck_assert(!world_view(world, 1, 0).is_halted);
    ack.u.ack.digest = view.digest + 1;
    world_event(world, 1, &event);
    ck_assert(world_view(world, 1, 0).is_halted);
    world_advance(world, 300000);
    ck_assert(all_halted());
}
END_TEST

/* The word that the chain is halted may be lost: it is repeated. */
START_TEST(a_halt_reaches_members_that_were_cut_off)
{
    world_put(world, 0, "key", "value");
    world_advance(world, 300000);
    world->is_link_cut[1][2] = true;
    struct cn_chain_view view = world_view(world, 2, 0);
    struct wire_message ack = {.type = WIRE_ACK};
    ack.u.ack = (struct wire_ack){.chain = 0,
                                  .epoch = 1,
                                  .applied = view.applied,
                                  .durable = view.durable,
                                  .committed = view.committed,
                                  .digest = view.digest + 1};
    struct cn_event event = {
        .kind = CN_EVENT_RECEIVE_NODE, .node = 2, .incarnation = 1, .message = &ack};
    world_event(world, 1, &event);
    world_advance(world, 300000);
    ck_assert(!world_view(world, 2, 0).is_halted);
    world->is_link_cut[1][2] = false;
    world_advance(world, 600000);
    ck_assert(all_halted());
}
END_TEST

START_TEST(a_neighbour_that_owes_an_answer_is_reported)
{
    world->is_link_cut[2][3] = true; /* one way: the tail hears nothing, both masters' links hold */
    world_put(world, 0, "key", "value");
    world_advance(world, 1000000);
    ck_assert_uint_gt(world->nodes[2].links_reported, 0);
    ck_assert_uint_eq(world->nodes[2].link_reported_peer, 3);
    ck_assert_uint_eq(world->nodes[1].links_reported, 0);
}
END_TEST

START_TEST(a_bucket_that_is_being_deleted_refuses_puts_and_acks_its_map_when_all_are_decided)
{
    world->nodes[3].are_stores_held = true;
    uint64_t put = world_put(world, 0, "key", "value");
    world_run(world);
    world->bucket_state = WIRE_BUCKET_DELETING;
    uint64_t version = ++world->version;
    world_push_all(world);
    world_advance(world, 300000);
    assert_refused(world, world_put(world, 0, "key", "x"), ERR_BUCKET_DELETING);
    ck_assert_uint_lt(world->nodes[1].map_version, version); /* R37 */
    ck_assert_uint_eq(world->nodes[2].map_version, version);
    world->nodes[3].are_stores_held = false;
    world_advance(world, 300000);
    assert_outcome(world, put, ERR_OK);
    ck_assert_uint_eq(world->nodes[1].map_version, version);
    world->seq[0]--;
    uint64_t gone = world_delete(world, 0, "key");
    world_run(world);
    assert_outcome(world, gone, ERR_OK);
}
END_TEST

START_TEST(a_row_in_a_truncated_state_is_refused_at_load)
{
    world_put(world, 0, "key", "value");
    world_run(world);
    world_crash(world, 1, SIZE_MAX);
    struct kv_batch *batch = kv_batch_new();
    uint8_t key[6] = {'c', '/', 0, 0, 0, 0};
    kv_batch_put(batch, CN_FAMILY_META, slice_of(key, sizeof key), slice_of_text("x"), NULL);
    ck_assert_int_eq(kv_memory_apply(world->nodes[1].store, batch), ERR_OK);
    kv_batch_free(batch);
    struct kv kv = kv_memory_interface(world->nodes[1].store);
    struct cn_options options = {.node = 1, .incarnation = 9, .heartbeat_us = 1, .idle_us = 1};
    struct cn_core *core = NULL;
    ck_assert_int_eq(cn_core_new(&options, 1, 1, &kv, &core), ERR_CORRUPT);
    ck_assert_ptr_null(core);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_reconfigure");
    TCase *tests = tcase_create("chain_reconfigure");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, the_head_dies_at_any_moment, 0, 28);
    tcase_add_loop_test(tests, the_middle_dies_at_any_moment, 0, 28);
    tcase_add_loop_test(tests, the_tail_dies_at_any_moment, 0, 28);
    tcase_add_test(tests, a_retry_after_the_head_died_gets_the_first_outcome_of_a_refusal_too);
    tcase_add_test(tests, a_deposed_head_cannot_answer_a_refused_condition);
    tcase_add_test(tests, messages_of_an_older_epoch_are_refused_with_the_newer_row);
    tcase_add_test(tests, acks_and_marks_of_an_older_epoch_count_for_nothing);
    tcase_add_test(tests, a_new_tail_waits_for_what_it_inherited);
    tcase_add_test(tests, parked_reads_are_refused_when_role_or_lease_end);
    tcase_add_test(tests, a_paused_tail_refuses_after_its_lease);
    tcase_add_test(tests, a_lease_granted_under_a_newer_map_waits_for_that_map);
    tcase_add_test(tests, a_removal_that_is_decided_ends_the_role_at_once);
    tcase_add_test(tests, a_process_that_restarts_has_no_role_in_old_rows);
    tcase_add_loop_test(tests, any_member_starts_the_whole_chain_again, 0, 36);
    tcase_add_test(tests, a_frozen_chain_drains_and_says_so);
    tcase_add_test(tests, the_write_floor_refuses_admissions_only);
    tcase_add_test(tests, histories_that_contradict_halt_the_chain);
    tcase_add_test(tests, a_replica_that_commits_another_history_halts_the_whole_chain);
    tcase_add_test(tests, equal_positions_with_other_digests_halt_the_whole_chain);
    tcase_add_test(tests, a_halt_reaches_members_that_were_cut_off);
    tcase_add_test(tests, a_neighbour_that_owes_an_answer_is_reported);
    tcase_add_test(
        tests, a_bucket_that_is_being_deleted_refuses_puts_and_acks_its_map_when_all_are_decided);
    tcase_add_test(tests, a_row_in_a_truncated_state_is_refused_at_load);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
