#include "config_master/core/command.h"

#include "base/contract.h"

enum { MEMBER_BYTES = 12, CHANGE_BYTES_MIN = 21, MARK_BYTES = 28 };

static void members_write(struct cm_writer *writer, const struct wire_member *members,
                          uint32_t count)
{
    PRE(count <= BOUND_CHAIN_MEMBERS);
    cm_write_u8(writer, (uint8_t)count);
    for (uint32_t i = 0; i < count; i++) {
        cm_write_u32(writer, members[i].node);
        cm_write_u64(writer, members[i].incarnation);
    }
}

static uint32_t members_read(struct cm_reader *reader, struct wire_member *members)
{
    uint32_t count = cm_read_u8(reader);
    if (count > BOUND_CHAIN_MEMBERS) {
        reader->failed = true;
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        members[i].node = cm_read_u32(reader);
        members[i].incarnation = cm_read_u64(reader);
    }
    return count;
}

void cm_row_write(struct cm_writer *writer, const struct plan_row *row)
{
    cm_write_u32(writer, row->chain);
    cm_write_u64(writer, row->epoch);
    cm_write_u64(writer, row->version);
    members_write(writer, row->members, row->members_count);
    cm_write_u32(writer, row->joiner.node);
    cm_write_u64(writer, row->joiner.incarnation);
    cm_write_u8(writer, (uint8_t)((row->frozen ? 1 : 0) | (row->any_replica ? 2 : 0)));
    cm_write_u32(writer, row->write_floor);
    cm_write_u32(writer, row->replicas);
    members_write(writer, row->serving, row->serving_count);
}

void cm_row_read(struct cm_reader *reader, struct plan_row *ret_row)
{
    struct plan_row row = {0};
    row.chain = cm_read_u32(reader);
    row.epoch = cm_read_u64(reader);
    row.version = cm_read_u64(reader);
    row.members_count = members_read(reader, row.members);
    row.joiner.node = cm_read_u32(reader);
    row.joiner.incarnation = cm_read_u64(reader);
    uint8_t flags = cm_read_u8(reader);
    if (flags > 3)
        reader->failed = true;
    row.frozen = (flags & 1) != 0;
    row.any_replica = (flags & 2) != 0;
    row.write_floor = cm_read_u32(reader);
    row.replicas = cm_read_u32(reader);
    row.serving_count = members_read(reader, row.serving);
    *ret_row = row;
}

void cm_change_write(struct cm_writer *writer, const struct cm_change *change)
{
    cm_write_u8(writer, (uint8_t)change->kind);
    cm_write_u32(writer, change->chain);
    cm_write_u64(writer, change->expected_epoch);
    cm_write_u64(writer, change->expected_decided);
    if (change->kind != CM_CHANGE_ACTIVATE)
        cm_row_write(writer, &change->row);
}

void cm_change_read(struct cm_reader *reader, struct cm_change *ret_change)
{
    struct cm_change change = {0};
    uint8_t kind = cm_read_u8(reader);
    if (kind < CM_CHANGE_DECIDE || kind > CM_CHANGE_SET) {
        reader->failed = true;
        kind = CM_CHANGE_ACTIVATE;
    }
    change.kind = (enum cm_change_kind)kind;
    change.chain = cm_read_u32(reader);
    change.expected_epoch = cm_read_u64(reader);
    change.expected_decided = cm_read_u64(reader);
    if (change.kind != CM_CHANGE_ACTIVATE)
        cm_row_read(reader, &change.row);
    *ret_change = change;
}

static void marks_write(struct cm_writer *writer, const struct cm_mark *marks, uint32_t count)
{
    PRE(count <= CM_MARKS_PER_COMMAND);
    cm_write_u32(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        cm_write_u32(writer, marks[i].chain);
        cm_write_u64(writer, marks[i].epoch);
        cm_write_u64(writer, marks[i].committed);
        cm_write_u64(writer, marks[i].digest);
    }
}

void cm_mark_read(struct cm_reader *reader, struct cm_mark *ret_mark)
{
    ret_mark->chain = cm_read_u32(reader);
    ret_mark->epoch = cm_read_u64(reader);
    ret_mark->committed = cm_read_u64(reader);
    ret_mark->digest = cm_read_u64(reader);
}

static void init_chains_write(struct cm_writer *writer, const struct cm_item *item)
{
    cm_write_u32(writer, item->u.init_chains.chain_count);
    cm_write_u32(writer, item->u.init_chains.replicas);
    cm_write_u32(writer, item->u.init_chains.write_floor);
    cm_write_u32(writer, item->u.init_chains.nodes_count);
    for (uint32_t i = 0; i < item->u.init_chains.nodes_count; i++) {
        cm_write_u32(writer, item->u.init_chains.nodes[i].node);
        cm_write_u64(writer, item->u.init_chains.nodes[i].incarnation);
    }
    cm_write_u32(writer, item->u.init_chains.members_each);
    size_t bytes = (size_t)item->u.init_chains.chain_count * item->u.init_chains.members_each * 2;
    PRE(item->u.init_chains.orderings.length == bytes);
    for (size_t i = 0; i < bytes; i++)
        cm_write_u8(writer, item->u.init_chains.orderings.data[i]);
}

static void init_chains_read(struct cm_reader *reader, struct cm_item *item)
{
    uint32_t chains = cm_read_u32(reader);
    item->u.init_chains.replicas = cm_read_u32(reader);
    item->u.init_chains.write_floor = cm_read_u32(reader);
    uint32_t nodes = cm_read_count(reader, BOUND_NODES, MEMBER_BYTES);
    for (uint32_t i = 0; i < nodes; i++) {
        item->u.init_chains.nodes[i].node = cm_read_u32(reader);
        item->u.init_chains.nodes[i].incarnation = cm_read_u64(reader);
    }
    uint32_t each = cm_read_u32(reader);
    if (chains == 0 || chains > BOUND_CHAINS || each == 0 || each > BOUND_CHAIN_MEMBERS)
        reader->failed = true;
    item->u.init_chains.chain_count = chains;
    item->u.init_chains.nodes_count = nodes;
    item->u.init_chains.members_each = each;
    struct cm_reader orderings = cm_read_part(reader, (size_t)chains * each * 2);
    item->u.init_chains.orderings = orderings.rest;
    for (size_t i = 0; i + 1 < orderings.rest.length; i += 2)
        if ((uint32_t)(orderings.rest.data[i] << 8 | orderings.rest.data[i + 1]) >= nodes)
            reader->failed = true;
}

static void item_body_write(struct cm_writer *writer, const struct cm_item *item)
{
    switch (item->kind) {
    case CM_ITEM_REGISTER_NODE:
        cm_write_u32(writer, item->u.register_node.node);
        cm_write_u64(writer, item->u.register_node.incarnation);
        cm_write_uuid(writer, &item->u.register_node.disk);
        cm_write_uuid(writer, &item->u.register_node.boot);
        cm_write_bytes(writer, item->u.register_node.address);
        cm_write_bytes(writer, item->u.register_node.zone);
        cm_write_u32(writer, item->u.register_node.weight);
        cm_write_u32(writer, item->u.register_node.pid);
        break;
    case CM_ITEM_NODE_STATE:
        cm_write_u32(writer, item->u.node_state.node);
        cm_write_u64(writer, item->u.node_state.incarnation);
        cm_write_u8(writer, (uint8_t)item->u.node_state.state);
        break;
    case CM_ITEM_ROWS:
        cm_write_u32(writer, item->u.rows.count);
        for (uint32_t i = 0; i < item->u.rows.count; i++)
            cm_change_write(writer, &item->u.rows.changes[i]);
        break;
    case CM_ITEM_BAD_LINK:
        cm_write_u32(writer, item->u.bad_link.a);
        cm_write_u32(writer, item->u.bad_link.b);
        break;
    case CM_ITEM_INIT_CHAINS:
        init_chains_write(writer, item);
        break;
    case CM_ITEM_SESSION_OPEN:
        break;
    case CM_ITEM_BUCKET_CREATE:
        cm_write_bytes(writer, item->u.bucket_create.name);
        cm_write_u64(writer, item->u.bucket_create.created_ms);
        break;
    case CM_ITEM_BUCKET_MARK:
        cm_write_bytes(writer, item->u.bucket_mark.name);
        break;
    case CM_ITEM_BUCKET_FINISH:
    case CM_ITEM_BUCKET_REVERT:
        cm_write_u64(writer, item->u.bucket_end.bucket);
        cm_write_u64(writer, item->u.bucket_end.marked_version);
        cm_write_u64(writer, item->u.bucket_end.agreed_version);
        break;
    case CM_ITEM_NODE_REMOVE:
        cm_write_u32(writer, item->u.node_remove.node);
        cm_write_u64(writer, item->u.node_remove.incarnation);
        break;
    case CM_ITEM_SETTING_SET:
        cm_write_bytes(writer, item->u.setting_set.name);
        cm_write_u64(writer, item->u.setting_set.value);
        break;
    case CM_ITEM_CHAIN_FORGET:
        cm_change_write(writer, &item->u.chain_forget);
        break;
    case CM_ITEM_NODE_SPACE:
        cm_write_u32(writer, item->u.node_space.node);
        cm_write_u64(writer, item->u.node_space.total);
        cm_write_u64(writer, item->u.node_space.free);
        break;
    case CM_ITEM_CHAIN_MARKS:
        marks_write(writer, item->u.chain_marks.marks, item->u.chain_marks.count);
        break;
    case CM_ITEM_KEY_CREATE:
    case CM_ITEM_KEY_ROTATE:
    case CM_ITEM_KEY_GRANT:
    case CM_ITEM_KEY_REVOKE:
        cm_write_bytes(writer, item->u.key.id);
        cm_write_bytes(writer, item->u.key.record);
        cm_write_u8(writer, item->u.key.keeps_old ? 1 : 0);
        break;
    case CM_ITEM_BUCKET_CONFIG:
        cm_write_bytes(writer, item->u.bucket_config.name);
        cm_write_u64(writer, item->u.bucket_config.expected_version);
        cm_write_long_bytes(writer, item->u.bucket_config.document);
        break;
    }
}

void cm_command_begin(struct cm_writer *writer)
{
    PRE(writer->length == 0);
    cm_write_u8(writer, CM_COMMAND_FORMAT);
}

void cm_command_append(struct cm_writer *writer, const struct cm_item *item)
{
    PRE(writer->length > 0);
    cm_write_u8(writer, (uint8_t)item->kind);
    size_t length_at = writer->length;
    cm_write_u32(writer, 0);
    cm_write_u64(writer, item->nonce);
    item_body_write(writer, item);
    cm_patch_u32(writer, length_at, (uint32_t)(writer->length - length_at - 4));
}

enum err cm_command_open(struct slice command, struct cm_reader *ret_reader)
{
    cm_reader_init(ret_reader, command);
    return cm_read_u8(ret_reader) == CM_COMMAND_FORMAT && !ret_reader->failed ? ERR_OK
                                                                              : ERR_UNSUPPORTED;
}

static void item_body_read(struct cm_reader *body, struct cm_item *item)
{
    switch (item->kind) {
    case CM_ITEM_REGISTER_NODE:
        item->u.register_node.node = cm_read_u32(body);
        item->u.register_node.incarnation = cm_read_u64(body);
        item->u.register_node.disk = cm_read_uuid(body);
        item->u.register_node.boot = cm_read_uuid(body);
        item->u.register_node.address = cm_read_bytes(body, BOUND_ADDRESS_BYTES);
        item->u.register_node.zone = cm_read_bytes(body, BOUND_NAME_BYTES);
        item->u.register_node.weight = cm_read_u32(body);
        item->u.register_node.pid = cm_read_u32(body);
        break;
    case CM_ITEM_NODE_STATE:
        item->u.node_state.node = cm_read_u32(body);
        item->u.node_state.incarnation = cm_read_u64(body);
        item->u.node_state.state = (enum wire_node_state)cm_read_u8(body);
        if (item->u.node_state.state > WIRE_NODE_DOWN)
            body->failed = true;
        break;
    case CM_ITEM_ROWS:
        item->u.rows.changes = NULL;
        item->u.rows.count = cm_read_count(body, CM_ROWS_PER_COMMAND, CHANGE_BYTES_MIN);
        item->u.rows.encoded = *body;
        for (uint32_t i = 0; i < item->u.rows.count && !body->failed; i++) {
            struct cm_change change;
            cm_change_read(body, &change);
        }
        break;
    case CM_ITEM_BAD_LINK:
        item->u.bad_link.a = cm_read_u32(body);
        item->u.bad_link.b = cm_read_u32(body);
        break;
    case CM_ITEM_INIT_CHAINS:
        init_chains_read(body, item);
        break;
    case CM_ITEM_SESSION_OPEN:
        break;
    case CM_ITEM_BUCKET_CREATE:
        item->u.bucket_create.name = cm_read_bytes(body, BOUND_BUCKET_NAME_MAX);
        item->u.bucket_create.created_ms = cm_read_u64(body);
        break;
    case CM_ITEM_BUCKET_MARK:
        item->u.bucket_mark.name = cm_read_bytes(body, BOUND_BUCKET_NAME_MAX);
        break;
    case CM_ITEM_BUCKET_FINISH:
    case CM_ITEM_BUCKET_REVERT:
        item->u.bucket_end.bucket = cm_read_u64(body);
        item->u.bucket_end.marked_version = cm_read_u64(body);
        item->u.bucket_end.agreed_version = cm_read_u64(body);
        break;
    case CM_ITEM_NODE_REMOVE:
        item->u.node_remove.node = cm_read_u32(body);
        item->u.node_remove.incarnation = cm_read_u64(body);
        break;
    case CM_ITEM_SETTING_SET:
        item->u.setting_set.name = cm_read_bytes(body, BOUND_NAME_BYTES);
        item->u.setting_set.value = cm_read_u64(body);
        break;
    case CM_ITEM_CHAIN_FORGET:
        cm_change_read(body, &item->u.chain_forget);
        break;
    case CM_ITEM_NODE_SPACE:
        item->u.node_space.node = cm_read_u32(body);
        item->u.node_space.total = cm_read_u64(body);
        item->u.node_space.free = cm_read_u64(body);
        break;
    case CM_ITEM_CHAIN_MARKS:
        item->u.chain_marks.marks = NULL;
        item->u.chain_marks.count = cm_read_count(body, CM_MARKS_PER_COMMAND, MARK_BYTES);
        item->u.chain_marks.encoded =
            cm_read_part(body, (size_t)item->u.chain_marks.count * MARK_BYTES);
        break;
    case CM_ITEM_KEY_CREATE:
    case CM_ITEM_KEY_ROTATE:
    case CM_ITEM_KEY_GRANT:
    case CM_ITEM_KEY_REVOKE:
        item->u.key.id = cm_read_bytes(body, BOUND_ACCESS_KEY_ID_MAX);
        item->u.key.record = cm_read_bytes(body, CM_KEY_RECORD_BYTES);
        item->u.key.keeps_old = cm_read_bool(body);
        break;
    case CM_ITEM_BUCKET_CONFIG:
        item->u.bucket_config.name = cm_read_bytes(body, BOUND_BUCKET_NAME_MAX);
        item->u.bucket_config.expected_version = cm_read_u64(body);
        item->u.bucket_config.document = cm_read_long_bytes(body, BOUND_BUCKET_CONFIG_BYTES);
        break;
    }
}

bool cm_command_next(struct cm_reader *reader, struct cm_item *ret_item)
{
    if (reader->failed || reader->rest.length == 0)
        return false;
    uint8_t kind = cm_read_u8(reader);
    struct cm_reader body = cm_read_part(reader, cm_read_u32(reader));
    if (kind < CM_ITEM_REGISTER_NODE || kind > CM_ITEM_BUCKET_CONFIG)
        reader->failed = true;
    if (reader->failed)
        return false;
    ret_item->kind = (enum cm_item_kind)kind;
    ret_item->nonce = cm_read_u64(&body);
    item_body_read(&body, ret_item);
    if (!cm_reader_is_done(&body))
        reader->failed = true;
    return !reader->failed;
}

enum err cm_command_check(struct slice command)
{
    struct cm_reader reader;
    enum err err = cm_command_open(command, &reader);
    if (err != ERR_OK)
        return err;
    struct cm_item item;
    while (cm_command_next(&reader, &item))
        continue;
    return reader.failed ? ERR_CORRUPT : ERR_OK;
}
