/* Commands: what is written is what is read, and no bytes from a log can do harm. */
#include <check.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/prng.h"
#include "tests/unit/cm_core/world.h"

static struct plan_row some_row(void)
{
    return (struct plan_row){.chain = 3,
                             .epoch = 9,
                             .members = {{1, 4}, {2, 5}},
                             .members_count = 2,
                             .joiner = {7, 1},
                             .frozen = true,
                             .write_floor = 2,
                             .replicas = 3,
                             .serving = {{1, 4}, {2, 5}},
                             .serving_count = 2};
}

/* No id, a secret of eight characters, one grant: wire/access_key.h. */
static const char key_record[] = "\0\010password\0\0\0\0\0\0\0\0\1\1\1*";

/* One command with an item of every kind. */
static struct buf *every_kind(void)
{
    struct cm_writer writer;
    cm_writer_init(&writer);
    cm_command_begin(&writer);
    struct cm_item item = {.kind = CM_ITEM_REGISTER_NODE};
    item.u.register_node.node = 5;
    item.u.register_node.incarnation = 6;
    item.u.register_node.disk = world_uuid(1);
    item.u.register_node.boot = world_uuid(2);
    item.u.register_node.address = slice_of_text("host:1");
    item.u.register_node.zone = slice_of_text("room/rack");
    item.u.register_node.weight = 3;
    item.u.register_node.pid = 44;
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_NODE_STATE};
    item.u.node_state.node = 5;
    item.u.node_state.incarnation = 6;
    item.u.node_state.state = WIRE_NODE_DOWN;
    cm_command_append(&writer, &item);
    struct cm_change changes[3] = {
        {.kind = CM_CHANGE_DECIDE, .chain = 3, .expected_epoch = 8, .row = some_row()},
        {.kind = CM_CHANGE_ACTIVATE, .chain = 4, .expected_epoch = 1, .expected_decided = 2},
        {.kind = CM_CHANGE_SET, .chain = 3, .expected_epoch = 8, .row = some_row()}};
    item = (struct cm_item){.kind = CM_ITEM_ROWS};
    item.u.rows.changes = changes;
    item.u.rows.count = 3;
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_BAD_LINK};
    item.u.bad_link.a = 1;
    item.u.bad_link.b = 2;
    cm_command_append(&writer, &item);
    static const uint8_t orderings[] = {0, 0, 0, 1, 0, 1, 0, 0};
    item = (struct cm_item){.kind = CM_ITEM_INIT_CHAINS, .nonce = 9};
    item.u.init_chains.chain_count = 2;
    item.u.init_chains.replicas = 3;
    item.u.init_chains.nodes_count = 2;
    item.u.init_chains.nodes[0] = (struct wire_member){1, 1};
    item.u.init_chains.nodes[1] = (struct wire_member){2, 1};
    item.u.init_chains.members_each = 2;
    item.u.init_chains.orderings = slice_of(orderings, sizeof orderings);
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_SESSION_OPEN, .nonce = 10};
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_BUCKET_CREATE, .nonce = 11};
    item.u.bucket_create.name = slice_of_text("photos");
    item.u.bucket_create.created_ms = 5;
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_BUCKET_MARK, .nonce = 12};
    item.u.bucket_mark.name = slice_of_text("photos");
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_BUCKET_FINISH, .nonce = 13};
    item.u.bucket_end.bucket = 1;
    cm_command_append(&writer, &item);
    item.kind = CM_ITEM_BUCKET_REVERT;
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_NODE_REMOVE, .nonce = 14};
    item.u.node_remove.node = 5;
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_SETTING_SET, .nonce = 15};
    item.u.setting_set.name = slice_of_text("replicas");
    item.u.setting_set.value = 2;
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_CHAIN_FORGET, .nonce = 16};
    item.u.chain_forget = changes[0];
    cm_command_append(&writer, &item);
    static const struct cm_mark mark = {.chain = 3, .epoch = 4, .committed = 5, .digest = 6};
    item = (struct cm_item){.kind = CM_ITEM_CHAIN_MARKS};
    item.u.chain_marks.marks = &mark;
    item.u.chain_marks.count = 1;
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_NODE_SPACE};
    item.u.node_space.node = 5;
    item.u.node_space.total = 100;
    item.u.node_space.free = 50;
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_KEY_CREATE, .nonce = 17};
    item.u.key.id = slice_of_text("AKIA1");
    item.u.key.record = slice_of(key_record, sizeof key_record - 1);
    cm_command_append(&writer, &item);
    item.kind = CM_ITEM_KEY_ROTATE;
    item.u.key.keeps_old = true;
    cm_command_append(&writer, &item);
    item.kind = CM_ITEM_KEY_GRANT;
    cm_command_append(&writer, &item);
    item.kind = CM_ITEM_KEY_REVOKE;
    cm_command_append(&writer, &item);
    item = (struct cm_item){.kind = CM_ITEM_BUCKET_CONFIG, .nonce = 18};
    item.u.bucket_config.name = slice_of_text("photos");
    item.u.bucket_config.document = slice_of_text("document");
    cm_command_append(&writer, &item);
    return cm_writer_take(&writer);
}

START_TEST(every_item_is_read_as_it_was_written)
{
    struct buf *command = every_kind();
    struct cm_reader reader;
    ck_assert_int_eq(cm_command_open(buf_slice(command), &reader), ERR_OK);
    struct cm_writer again;
    cm_writer_init(&again);
    cm_command_begin(&again);
    static struct cm_item item;
    uint32_t kinds = 0;
    while (cm_command_next(&reader, &item)) {
        struct cm_change changes[8];
        if (item.kind == CM_ITEM_ROWS) {
            ck_assert_uint_eq(item.u.rows.count, 3);
            struct cm_reader rows = item.u.rows.encoded;
            for (uint32_t i = 0; i < item.u.rows.count; i++)
                cm_change_read(&rows, &changes[i]);
            ck_assert_uint_eq(changes[0].row.joiner.node, 7);
            item.u.rows.changes = changes;
        }
        struct cm_mark mark;
        if (item.kind == CM_ITEM_CHAIN_MARKS) {
            ck_assert_uint_eq(item.u.chain_marks.count, 1);
            struct cm_reader marks = item.u.chain_marks.encoded;
            cm_mark_read(&marks, &mark);
            ck_assert_uint_eq(mark.committed, 5);
            item.u.chain_marks.marks = &mark;
        }
        cm_command_append(&again, &item);
        kinds |= 1u << item.kind;
    }
    ck_assert(cm_reader_is_done(&reader));
    ck_assert_uint_eq(kinds, (1u << (CM_ITEM_BUCKET_CONFIG + 1)) - 2);
    struct buf *copy = cm_writer_take(&again);
    ck_assert(slice_equal(buf_slice(copy), buf_slice(command)));
    buf_unref(copy);
    buf_unref(command);
}
END_TEST

START_TEST(every_truncation_is_refused_or_whole)
{
    struct buf *command = every_kind();
    uint32_t whole = 0;
    for (size_t length = 0; length < command->length; length++) {
        /* A copy of exact size, so that a sanitizer sees a read past the end. */
        struct buf *cut = buf_copy(slice_of(command->data, length));
        whole += cm_command_check(buf_slice(cut)) == ERR_OK ? 1 : 0;
        buf_unref(cut);
    }
    ck_assert_uint_eq(whole, CM_ITEM_BUCKET_CONFIG); /* only cuts between items */
    buf_unref(command);
}
END_TEST

START_TEST(garbage_never_crashes_the_state)
{
    struct prng prng;
    prng_init(&prng, 4);
    struct buf *command = every_kind();
    struct uuid cluster = world_uuid(99);
    struct cm_state *state = NULL;
    for (uint64_t round = 0; round < 100000; round++) {
        struct buf *bad = buf_copy(buf_slice(command));
        for (uint64_t flips = prng_between(&prng, 1, 4); flips > 0; flips--)
            bad->data[prng_below(&prng, bad->length)] = (uint8_t)prng_next(&prng);
        if (round % 20 == 0) { /* what some left behind is there for others */
            cm_state_free(state);
            state = cm_state_new(&cluster);
        }
        enum err err = cm_state_apply(state, round + 1, buf_slice(bad), NULL);
        ck_assert(err == ERR_OK || err == ERR_CORRUPT || err == ERR_UNSUPPORTED);
        cm_state_check(state);
        buf_unref(bad);
    }
    cm_state_free(state);
    buf_unref(command);
}
END_TEST

START_TEST(another_format_is_refused)
{
    struct buf *command = every_kind();
    command->data[0] = CM_COMMAND_FORMAT + 1;
    ck_assert_int_eq(cm_command_check(buf_slice(command)), ERR_UNSUPPORTED);
    buf_unref(command);
    ck_assert_int_eq(cm_command_check(slice_of(NULL, 0)), ERR_UNSUPPORTED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_command");
    TCase *tcase = tcase_create("command");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_item_is_read_as_it_was_written);
    tcase_add_test(tcase, every_truncation_is_refused_or_whole);
    tcase_add_test(tcase, garbage_never_crashes_the_state);
    tcase_add_test(tcase, another_format_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
