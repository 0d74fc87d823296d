/* The log in memory: what the rows of RAFT_FAMILY_LOG say, since the base. */
#include "config_master/raft/internal.h"

static void release_range(struct raft_log *log, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        buf_unref(log->entries[i].data);
}

void raft_log_release(struct raft_log *log)
{
    release_range(log, 0, log->count);
    mem_free(log->entries);
    *log = (struct raft_log){0};
}

uint64_t raft_log_last_index(const struct raft_log *log)
{
    return log->base_index + log->count;
}

uint64_t raft_log_last_term(const struct raft_log *log)
{
    return log->count == 0 ? log->base_term : log->entries[log->count - 1].term;
}

bool raft_log_has(const struct raft_log *log, uint64_t index)
{
    return index >= log->base_index && index <= raft_log_last_index(log);
}

uint64_t raft_log_term(const struct raft_log *log, uint64_t index)
{
    PRE(raft_log_has(log, index));
    return index == log->base_index ? log->base_term : raft_log_at(log, index)->term;
}

const struct raft_entry *raft_log_at(const struct raft_log *log, uint64_t index)
{
    PRE(index > log->base_index && index <= raft_log_last_index(log));
    return &log->entries[index - log->base_index - 1];
}

void raft_log_push(struct raft_log *log, uint64_t term, enum raft_entry_kind kind, struct buf *data)
{
    PRE(term >= raft_log_last_term(log));
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 64 : log->capacity * 2;
        log->entries = mem_realloc(log->entries, log->capacity * sizeof *log->entries);
    }
    log->entries[log->count++] =
        (struct raft_entry){.term = term, .kind = kind, .data = buf_ref(data)};
}

void raft_log_cut(struct raft_log *log, uint64_t index)
{
    PRE(index > log->base_index);
    uint64_t keep = index - log->base_index - 1;
    if (keep >= log->count)
        return;
    release_range(log, keep, log->count);
    log->count = keep;
}

void raft_log_compact(struct raft_log *log, uint64_t index)
{
    PRE(raft_log_has(log, index));
    uint64_t drop = index - log->base_index;
    if (drop == 0)
        return;
    uint64_t term = raft_log_term(log, index);
    release_range(log, 0, drop);
    memmove(log->entries, log->entries + drop, (log->count - drop) * sizeof *log->entries);
    log->count -= drop;
    log->base_index = index;
    log->base_term = term;
}

void raft_log_reset(struct raft_log *log, uint64_t index, uint64_t term)
{
    release_range(log, 0, log->count);
    log->count = 0;
    log->base_index = index;
    log->base_term = term;
}
