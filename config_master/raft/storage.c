/* Rows: what each key and value means, loading them, and which batch is durable.
 *
 * META "hard"     -> version u8 (1), term u64, vote u32
 * META "snapshot" -> version u8 (1), index u64, term u64, configuration length u32, configuration,
 *                    then the state machine's bytes
 * LOG  index u64  -> term u64, kind u8, data
 * configuration   -> version u8 (1), count u8, then per server id u32, address length u8, address
 * All integers big-endian. The first LOG row may lie at or below the snapshot's index: then it only
 * tells the term at the base of the log. */
#include "config_master/raft/internal.h"

#include "base/bytes.h"

enum { ROW_VERSION = 1, HARD_BYTES = 13, ENTRY_HEAD_BYTES = 9, SNAPSHOT_HEAD_BYTES = 21 };

static const char HARD_KEY[] = "hard";
static const char SNAPSHOT_KEY[] = "snapshot";

static void log_key(uint64_t index, uint8_t key[8])
{
    bytes_put_u64(key, index);
}

size_t raft_configuration_encode(const struct raft_configuration *configuration, uint8_t *out)
{
    PRE(configuration->count <= BOUND_MASTERS);
    size_t length = 0;
    out[length++] = ROW_VERSION;
    out[length++] = (uint8_t)configuration->count;
    for (uint32_t i = 0; i < configuration->count; i++) {
        const struct raft_server *server = &configuration->servers[i];
        size_t address = strlen(server->address);
        PRE(address <= BOUND_ADDRESS_BYTES);
        bytes_put_u32(out + length, server->id);
        out[length + 4] = (uint8_t)address;
        memcpy(out + length + 5, server->address, address);
        length += 5 + address;
    }
    POST(length <= RAFT_CONFIGURATION_BYTES_MAX);
    return length;
}

bool raft_configuration_decode(struct slice bytes, struct raft_configuration *ret_configuration)
{
    struct raft_configuration configuration = {0};
    if (bytes.length < 2 || bytes.data[0] != ROW_VERSION || bytes.data[1] > BOUND_MASTERS)
        return false;
    configuration.count = bytes.data[1];
    size_t at = 2;
    for (uint32_t i = 0; i < configuration.count; i++) {
        if (bytes.length - at < 5)
            return false;
        struct raft_server *server = &configuration.servers[i];
        server->id = bytes_get_u32(bytes.data + at);
        size_t address = bytes.data[at + 4];
        at += 5;
        if (bytes.length - at < address || server->id == 0)
            return false;
        memcpy(server->address, bytes.data + at, address);
        if (memchr(server->address, '\0', address) != NULL)
            return false;
        at += address;
        for (uint32_t j = 0; j < i; j++)
            if (configuration.servers[j].id == server->id)
                return false;
    }
    if (at != bytes.length)
        return false;
    *ret_configuration = configuration;
    return true;
}

static void put_hard(struct kv_batch *batch, uint64_t term, uint32_t vote)
{
    uint8_t row[HARD_BYTES];
    row[0] = ROW_VERSION;
    bytes_put_u64(row + 1, term);
    bytes_put_u32(row + 9, vote);
    kv_batch_put(batch, RAFT_FAMILY_META, slice_of_text(HARD_KEY), slice_of(row, sizeof row), NULL);
}

static void put_entry(struct kv_batch *batch, uint64_t index, uint64_t term,
                      enum raft_entry_kind kind, struct buf *data)
{
    uint8_t key[8];
    uint8_t head[ENTRY_HEAD_BYTES];
    log_key(index, key);
    bytes_put_u64(head, term);
    head[8] = (uint8_t)kind;
    kv_batch_put(batch, RAFT_FAMILY_LOG, slice_of(key, sizeof key), slice_of(head, sizeof head),
                 data);
}

void raft_bootstrap(struct kv_batch *batch, const struct raft_configuration *configuration)
{
    PRE(configuration->count <= BOUND_MASTERS);
    if (configuration->count == 0) {
        put_hard(batch, 0, 0);
        return;
    }
    /* The first configuration is entry 1 of term 1, equal on every bootstrapped server. So the log
     * of a member is never empty, and one that is has lost its disk. */
    uint8_t bytes[RAFT_CONFIGURATION_BYTES_MAX];
    size_t length = raft_configuration_encode(configuration, bytes);
    struct buf *data = buf_copy(slice_of(bytes, length));
    put_hard(batch, 1, 0);
    put_entry(batch, 1, 1, RAFT_ENTRY_CONFIGURATION, data);
    buf_unref(data);
}

bool raft_store_is_empty(const struct kv *kv, enum err *ret_err)
{
    struct buf *row = NULL;
    *ret_err = kv_get(kv, RAFT_FAMILY_META, slice_of_text(HARD_KEY), &row);
    bool has_hard = row != NULL;
    buf_unref(row);
    if (*ret_err != ERR_OK || has_hard)
        return false;
    struct kv_iterator *rows =
        kv_iterate(kv, RAFT_FAMILY_LOG, slice_of(NULL, 0), slice_of(NULL, 0));
    struct slice key;
    struct slice value;
    bool has_log = kv->ops->iterator_next(rows, &key, &value);
    *ret_err = kv->ops->iterator_err(rows);
    kv->ops->iterator_free(rows);
    return *ret_err == ERR_OK && !has_log;
}

static enum err corrupt(struct raft *raft, const char *what)
{
    RAFT_TRACE(raft, "store: %s", what);
    return ERR_CORRUPT;
}

static enum err load_hard(struct raft *raft, const struct kv *kv)
{
    struct buf *row = NULL;
    enum err err = kv_get(kv, RAFT_FAMILY_META, slice_of_text(HARD_KEY), &row);
    if (err != ERR_OK)
        return err;
    if (row == NULL) {
        RAFT_TRACE(raft, "store: no term and vote: not bootstrapped");
        return ERR_NOT_FOUND;
    }
    if (row->length != HARD_BYTES || row->data[0] != ROW_VERSION) {
        err = corrupt(raft, "term and vote unreadable");
    } else {
        raft->term = bytes_get_u64(row->data + 1);
        raft->vote = bytes_get_u32(row->data + 9);
        if (raft->term > RAFT_STORED_NUMBER_MAX)
            err = corrupt(raft, "a term that cannot be");
    }
    buf_unref(row);
    return err;
}

static enum err load_snapshot(struct raft *raft, const struct kv *kv)
{
    struct buf *row = NULL;
    enum err err = kv_get(kv, RAFT_FAMILY_META, slice_of_text(SNAPSHOT_KEY), &row);
    if (err != ERR_OK || row == NULL)
        return err;
    struct raft_snapshot *snapshot = &raft->snapshot;
    size_t length = row->length >= SNAPSHOT_HEAD_BYTES ? bytes_get_u32(row->data + 17) : 0;
    if (row->length < SNAPSHOT_HEAD_BYTES || row->data[0] != ROW_VERSION ||
        row->length - SNAPSHOT_HEAD_BYTES < length ||
        !raft_configuration_decode(slice_of(row->data + SNAPSHOT_HEAD_BYTES, length),
                                   &snapshot->configuration)) {
        err = corrupt(raft, "snapshot unreadable");
    } else {
        snapshot->index = bytes_get_u64(row->data + 1);
        snapshot->term = bytes_get_u64(row->data + 9);
        size_t head = SNAPSHOT_HEAD_BYTES + length;
        snapshot->data = buf_view(row, head, row->length - head);
        if (snapshot->index == 0 || snapshot->index > RAFT_STORED_NUMBER_MAX ||
            snapshot->term > raft->term)
            err = corrupt(raft, "snapshot of an impossible index or term");
    }
    buf_unref(row);
    return err;
}

/* One LOG row. The first may be the base. */
static enum err load_entry(struct raft *raft, struct slice key, struct slice value, bool is_first)
{
    struct raft_log *log = &raft->log;
    if (key.length != 8 || value.length < ENTRY_HEAD_BYTES ||
        value.data[8] > RAFT_ENTRY_CONFIGURATION)
        return corrupt(raft, "log row unreadable");
    uint64_t index = bytes_get_u64(key.data);
    uint64_t term = bytes_get_u64(value.data);
    enum raft_entry_kind kind = (enum raft_entry_kind)value.data[8];
    if (term > raft->term)
        return corrupt(raft, "log entry of a later term than the server's");
    if (is_first && index > 0 && index <= raft->snapshot.index) {
        raft_log_reset(log, index, term);
        return ERR_OK;
    }
    if (index != raft_log_last_index(log) + 1)
        return corrupt(raft, "hole in the log");
    if (term < raft_log_last_term(log))
        return corrupt(raft, "log terms go back");
    struct raft_configuration ignored;
    struct slice bytes = slice_of(value.data + ENTRY_HEAD_BYTES, value.length - ENTRY_HEAD_BYTES);
    if (kind == RAFT_ENTRY_CONFIGURATION && !raft_configuration_decode(bytes, &ignored))
        return corrupt(raft, "configuration entry unreadable");
    struct buf *data = buf_copy(bytes);
    raft_log_push(log, term, kind, data);
    buf_unref(data);
    return ERR_OK;
}

enum err raft_storage_load(struct raft *raft, const struct kv *kv)
{
    enum err err = load_hard(raft, kv);
    if (err == ERR_OK)
        err = load_snapshot(raft, kv);
    if (err != ERR_OK)
        return err;
    raft_log_reset(&raft->log, raft->snapshot.index, raft->snapshot.term);
    struct kv_iterator *rows =
        kv_iterate(kv, RAFT_FAMILY_LOG, slice_of(NULL, 0), slice_of(NULL, 0));
    struct slice key;
    struct slice value;
    bool is_first = true;
    while (err == ERR_OK && kv->ops->iterator_next(rows, &key, &value)) {
        err = load_entry(raft, key, value, is_first);
        is_first = false;
    }
    if (err == ERR_OK)
        err = kv->ops->iterator_err(rows);
    kv->ops->iterator_free(rows);
    if (err == ERR_OK && (raft_log_last_index(&raft->log) < raft->snapshot.index ||
                          raft_log_term(&raft->log, raft->snapshot.index) != raft->snapshot.term))
        err = corrupt(raft, "log and snapshot do not fit");
    raft->durable_index = raft_log_last_index(&raft->log);
    return err;
}

static struct kv_batch *batch(struct raft *raft)
{
    if (raft->batch == NULL)
        raft->batch = kv_batch_new();
    return raft->batch;
}

void raft_storage_write_hard(struct raft *raft)
{
    put_hard(batch(raft), raft->term, raft->vote);
    raft->hard_token = raft->next_token;
}

void raft_storage_write_entry(struct raft *raft, uint64_t index)
{
    const struct raft_entry *entry = raft_log_at(&raft->log, index);
    put_entry(batch(raft), index, entry->term, entry->kind, entry->data);
}

/* Rows [from, to). */
void raft_storage_delete_entries(struct raft *raft, uint64_t from, uint64_t to)
{
    uint8_t from_key[8];
    uint8_t to_key[8];
    log_key(from, from_key);
    log_key(to, to_key);
    kv_batch_delete_range(batch(raft), RAFT_FAMILY_LOG, slice_of(from_key, sizeof from_key),
                          slice_of(to_key, sizeof to_key));
}

void raft_storage_write_snapshot(struct raft *raft)
{
    const struct raft_snapshot *snapshot = &raft->snapshot;
    uint8_t row[SNAPSHOT_HEAD_BYTES + RAFT_CONFIGURATION_BYTES_MAX];
    row[0] = ROW_VERSION;
    bytes_put_u64(row + 1, snapshot->index);
    bytes_put_u64(row + 9, snapshot->term);
    size_t length = raft_configuration_encode(&snapshot->configuration, row + SNAPSHOT_HEAD_BYTES);
    bytes_put_u32(row + 17, (uint32_t)length);
    kv_batch_put(batch(raft), RAFT_FAMILY_META, slice_of_text(SNAPSHOT_KEY),
                 slice_of(row, SNAPSHOT_HEAD_BYTES + length), snapshot->data);
}

void raft_storage_flush(struct raft *raft)
{
    if (raft->batch == NULL)
        return;
    if (raft->writes_count == raft->writes_capacity) {
        raft->writes_capacity = raft->writes_capacity == 0 ? 16 : raft->writes_capacity * 2;
        raft->writes = mem_realloc(raft->writes, raft->writes_capacity * sizeof *raft->writes);
    }
    raft->writes[raft->writes_count++] = (struct raft_write){
        .token = raft->next_token,
        .last_index = raft_log_last_index(&raft->log),
    };
    struct raft_effect *effect = raft_emit(raft, RAFT_EFFECT_STORE);
    effect->token = raft->next_token++;
    effect->batch = raft->batch;
    raft->batch = NULL;
}

void raft_storage_stored(struct raft *raft, uint64_t token)
{
    /* The driver's contract: in order, each exactly once. */
    PRE(raft->writes_count > 0 && raft->writes[0].token == token);
    raft->durable_index = raft->writes[0].last_index;
    raft->stored_token = token;
    raft->writes_count--;
    memmove(raft->writes, raft->writes + 1, raft->writes_count * sizeof *raft->writes);
}

uint64_t raft_storage_token(const struct raft *raft)
{
    return raft->batch != NULL ? raft->next_token : raft->next_token - 1;
}
