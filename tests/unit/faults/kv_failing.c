#include "tests/unit/faults/kv_failing.h"

struct kv_iterator {
    struct kv_failing *failing;
    struct kv_iterator *inner;
    bool is_broken;
};

static bool fails(struct kv_failing *failing)
{
    failing->reads++;
    return failing->fail_at != 0 && failing->reads >= failing->fail_at;
}

static enum err failing_get(void *context, unsigned family, struct slice key,
                            struct buf **ret_value)
{
    struct kv_failing *failing = context;
    if (fails(failing)) {
        failing->has_failed = true;
        return failing->err;
    }
    return kv_get(&failing->inner, family, key, ret_value);
}

static struct kv_iterator *failing_iterate(void *context, unsigned family, struct slice from,
                                           struct slice to)
{
    struct kv_failing *failing = context;
    struct kv_iterator *iterator = mem_calloc(1, sizeof *iterator);
    iterator->failing = failing;
    iterator->inner = kv_iterate(&failing->inner, family, from, to);
    return iterator;
}

static bool failing_next(struct kv_iterator *iterator, struct slice *ret_key,
                         struct slice *ret_value)
{
    if (iterator->is_broken || fails(iterator->failing)) {
        iterator->is_broken = true;
        return false;
    }
    return iterator->failing->inner.ops->iterator_next(iterator->inner, ret_key, ret_value);
}

static void failing_seek(struct kv_iterator *iterator, struct slice key)
{
    iterator->failing->inner.ops->iterator_seek(iterator->inner, key);
}

static enum err failing_err(struct kv_iterator *iterator)
{
    if (!iterator->is_broken)
        return iterator->failing->inner.ops->iterator_err(iterator->inner);
    iterator->failing->has_failed = true;
    return iterator->failing->err;
}

static void failing_free(struct kv_iterator *iterator)
{
    if (iterator == NULL)
        return;
    iterator->failing->inner.ops->iterator_free(iterator->inner);
    mem_free(iterator);
}

static const struct kv_ops failing_ops = {
    .get = failing_get,
    .iterate = failing_iterate,
    .iterator_next = failing_next,
    .iterator_seek = failing_seek,
    .iterator_err = failing_err,
    .iterator_free = failing_free,
};

struct kv kv_failing_interface(struct kv_failing *failing)
{
    return (struct kv){.ops = &failing_ops, .context = failing};
}
