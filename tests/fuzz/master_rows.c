/* What a configuration master reads back: commands of the log, snapshots, rows from the wire. */
#include <string.h>

#include "config_master/core/cm_state.h"
#include "config_master/core/codec.h"
#include "config_master/plan/validate.h"
#include "tests/fuzz/fuzz.h"
#include "wire/schema.h"

static const struct uuid cluster = {{0xca}};

static void read_command(struct slice command)
{
    enum err checked = cm_command_check(command);
    struct cm_reader reader;
    if (cm_command_open(command, &reader) == ERR_OK) {
        static struct cm_item item;
        while (cm_command_next(&reader, &item)) {
        }
        PRE(checked != ERR_OK || !reader.failed);
    }
    /* A state applies all of it or nothing; twice the same. */
    static const struct cm_observer nobody;
    struct cm_state *a = cm_state_new(&cluster);
    struct cm_state *b = cm_state_new(&cluster);
    for (uint64_t index = 1; index <= 2; index++) {
        enum err err = cm_state_apply(a, index, command, &nobody);
        PRE(err == ERR_OK || err == ERR_CORRUPT || err == ERR_UNSUPPORTED);
        PRE((err == ERR_OK) == (checked == ERR_OK));
        PRE(cm_state_apply(b, index, command, &nobody) == err);
    }
    cm_state_check(a);
    struct buf *bytes_a = cm_state_snapshot(a);
    struct buf *bytes_b = cm_state_snapshot(b);
    PRE(slice_equal(buf_slice(bytes_a), buf_slice(bytes_b)));
    struct cm_state *restored = NULL;
    PRE(cm_state_restore(buf_slice(bytes_a), &cluster, 2, &restored) == ERR_OK);
    cm_state_free(restored);
    buf_unref(bytes_a);
    buf_unref(bytes_b);
    cm_state_free(a);
    cm_state_free(b);
}

static void read_snapshot(struct slice bytes, bool is_prefixed)
{
    /* The head of a snapshot of this cluster, or none of it. */
    struct cm_state *empty = cm_state_new(&cluster);
    struct buf *model = cm_state_snapshot(empty);
    cm_state_free(empty);
    size_t head = is_prefixed ? 1 + sizeof cluster.bytes : 0;
    struct buf *all = buf_new(head + bytes.length);
    if (head > 0)
        memcpy(all->data, model->data, head);
    if (head > 0 && bytes.length % 2 == 0)
        all->data[0] = 3; /* with access keys and configurations */
    if (bytes.length > 0)
        memcpy(all->data + head, bytes.data, bytes.length);
    buf_unref(model);
    struct cm_state *state = NULL;
    enum err err = cm_state_restore(buf_slice(all), &cluster, 5, &state);
    PRE(err == ERR_OK || err == ERR_CORRUPT || err == ERR_WRONG_CLUSTER || err == ERR_UNSUPPORTED);
    if (err == ERR_OK) {
        cm_state_check(state);
        struct buf *again = cm_state_snapshot(state);
        struct cm_state *second = NULL;
        PRE(cm_state_restore(buf_slice(again), &cluster, 5, &second) == ERR_OK);
        struct buf *third = cm_state_snapshot(second);
        PRE(slice_equal(buf_slice(again), buf_slice(third)));
        buf_unref(third);
        buf_unref(again);
        cm_state_free(second);
        cm_state_free(state);
    }
    buf_unref(all);
}

/* A decided row, a config: any row that the codec lets pass. */
static void read_row(struct fuzz_input *input)
{
    struct fuzz_domain domain = {.count = 0};
    struct wire_message message;
    fuzz_message(input, &domain, WIRE_DECIDED, &message);
    struct plan_row row;
    enum err err = plan_row_from_wire(&message.u.decided.row, &row);
    PRE(err == ERR_OK || err == ERR_PROTOCOL);
    if (err == ERR_OK) {
        struct wire_row back = plan_row_to_wire(&row);
        struct plan_row second;
        PRE(plan_row_from_wire(&back, &second) == ERR_OK);
        PRE(row.epoch == second.epoch && row.members_count == second.members_count);
    }
    wire_message_release(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    uint32_t choice = fuzz_below(&input, 4);
    if (choice == 0)
        read_command(slice_of(input.data, input.length));
    else if (choice < 3)
        read_snapshot(slice_of(input.data, input.length), choice == 1);
    else
        read_row(&input);
    return 0;
}
