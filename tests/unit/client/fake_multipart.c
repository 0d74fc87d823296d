/* Multipart uploads of the cluster in memory. */
#include <string.h>

#include "base/contract.h"
#include "base/hash.h"
#include "fake_internal.h"

static struct multi *find_multi(struct fake_cluster *c, uint64_t bucket, struct slice key,
                                uint64_t high, uint64_t low)
{
    for (uint32_t i = 0; i < c->multi_count; i++) {
        struct multi *multi = &c->multis[i];
        if (multi->exists && multi->bucket == bucket && multi->high == high && multi->low == low &&
            slice_equal(slice_of(multi->key, multi->key_length), key))
            return multi;
    }
    return NULL;
}

static enum err open_multi(struct fake_cluster *c, const struct wire_put *put)
{
    if (find_multi(c, put->bucket, put->key, put->multi_high, put->multi_low) != NULL)
        return ERR_OK;
    PRE(c->multi_count < MULTIS_MAX && put->meta.length <= sizeof c->multis->meta);
    struct multi *multi = &c->multis[c->multi_count++];
    *multi = (struct multi){
        .exists = true,
        .bucket = put->bucket,
        .key_length = put->key.length,
        .high = put->multi_high,
        .low = put->multi_low,
        .meta_length = put->meta.length,
    };
    memcpy(multi->key, put->key.data, put->key.length);
    if (put->meta.length > 0)
        memcpy(multi->meta, put->meta.data, put->meta.length);
    c->lsn++;
    return ERR_OK;
}

static struct part *part_slot(struct multi *multi, uint32_t number)
{
    uint32_t at = 0;
    while (at < multi->part_count && multi->parts[at].number < number)
        at++;
    if (at == multi->part_count || multi->parts[at].number != number) {
        PRE(multi->part_count < PARTS_MAX);
        memmove(&multi->parts[at + 1], &multi->parts[at],
                (multi->part_count - at) * sizeof multi->parts[0]);
        multi->part_count++;
    }
    return &multi->parts[at];
}

static enum err put_part(struct fake_cluster *c, const struct wire_put *put)
{
    struct multi *multi = find_multi(c, put->bucket, put->key, put->multi_high, put->multi_low);
    if (multi == NULL)
        return ERR_UPLOAD_GONE;
    PRE(put->part >= 1 && put->part <= BOUND_PARTS && put->meta.length <= BOUND_PART_META_BYTES);
    PRE((put->size == 0) == ((put->upload_high | put->upload_low) == 0));
    struct part *part = part_slot(multi, put->part);
    *part = (struct part){
        .number = put->part,
        .lsn = ++c->lsn,
        .as = {.number = put->part,
               .upload_high = put->upload_high,
               .upload_low = put->upload_low,
               .chunk_count = put->chunk_count,
               .chunk_bytes = put->chunk_bytes,
               .size = put->size,
               .checksum = put->checksum,
               .meta = {.length = put->meta.length}},
    };
    if (fake_take(&c->knobs.wrong_sums))
        part->as.checksum ^= 1;
    if (put->meta.length > 0)
        memcpy(part->meta, put->meta.data, put->meta.length);
    return ERR_OK;
}

static const struct part *chosen_part(const struct multi *multi, struct wire_choice choice)
{
    for (uint32_t i = 0; i < multi->part_count; i++) {
        const struct part *part = &multi->parts[i];
        if (part->number == choice.number &&
            (origin_is_none(choice.version) || choice.version.lsn == part->lsn))
            return part;
    }
    return NULL;
}

static enum err complete(struct fake_cluster *c, const struct wire_message *in)
{
    const struct wire_put *put = &in->u.put;
    struct slice choices = buf_slice(in->payload);
    struct multi *multi = find_multi(c, put->bucket, put->key, put->multi_high, put->multi_low);
    if (multi == NULL)
        return ERR_UPLOAD_GONE;
    PRE(wire_choices_check(choices, put->part) == ERR_OK);
    PRE(checksum_bytes(choices) == put->checksum && put->size == 0);
    struct buf *manifest = buf_new((size_t)put->part * WIRE_PART_BYTES_MAX);
    struct wire_message object = *in;
    manifest->length = 0;
    for (uint32_t i = 0; i < put->part; i++) {
        const struct part *part = chosen_part(multi, wire_choice_at(choices, i));
        if (part == NULL) {
            buf_unref(manifest);
            return ERR_NO_PART;
        }
        struct wire_part as = part->as;
        as.meta.data = part->meta;
        manifest->length += wire_part_encode(&as, manifest->data + manifest->length);
        object.u.put.size += as.size;
    }
    object.payload = manifest;
    object.u.put.checksum = checksum_bytes(buf_slice(manifest));
    fake_store(c, &object);
    struct object *stored = fake_object(c, put->bucket, put->key);
    stored->part_count = put->part;
    stored->multi_high = put->multi_high;
    stored->multi_low = put->multi_low;
    multi->exists = false;
    buf_unref(manifest);
    return ERR_OK;
}

static enum err restamp(struct fake_cluster *c, const struct wire_put *put)
{
    struct object *object = fake_object(c, put->bucket, put->key);
    if (object == NULL || !object->exists)
        return ERR_NO_KEY;
    object->lsn = ++c->lsn;
    object->meta_length = put->meta.length;
    if (put->meta.length > 0)
        memcpy(object->meta, put->meta.data, put->meta.length);
    if (!put->keep_mtime)
        object->mtime_ms = object->lsn * 1000;
    return ERR_OK;
}

enum err fake_step(struct fake_cluster *c, const struct wire_message *in)
{
    switch ((enum wire_put_step)in->u.put.step) {
    case WIRE_PUT_OPEN:
        return open_multi(c, &in->u.put);
    case WIRE_PUT_PART:
        return put_part(c, &in->u.put);
    case WIRE_PUT_COMPLETE:
        return complete(c, in);
    case WIRE_PUT_RESTAMP:
        return restamp(c, &in->u.put);
    case WIRE_PUT_VALUE:
        break;
    }
    return ERR_INVALID;
}

enum err fake_drop_multi(struct fake_cluster *c, const struct wire_delete *in)
{
    struct multi *multi = find_multi(c, in->bucket, in->key, in->multi_high, in->multi_low);
    if (multi == NULL)
        return ERR_UPLOAD_GONE;
    multi->exists = false;
    return ERR_OK;
}

void fake_parts_list(struct fake_cluster *c, uint64_t conn, const struct wire_parts_list *in)
{
    struct multi *multi = find_multi(c, in->bucket, in->key, in->multi_high, in->multi_low);
    if (multi == NULL) {
        fake_refuse(c, conn, in->request, ERR_UPLOAD_GONE);
        return;
    }
    unsigned page = atomic_load(&c->knobs.parts_per_page);
    uint32_t limit = page != 0 && page < in->limit ? page : in->limit;
    struct wire_part_item items[PARTS_MAX];
    struct wire_message message = {.type = WIRE_PARTS_LISTED};
    struct wire_parts_listed *listed = &message.u.parts_listed;
    *listed = (struct wire_parts_listed){
        .request = in->request,
        .chain = in->chain,
        .epoch = 1,
        .mtime_ms = 4321,
        .meta = slice_of(multi->meta, multi->meta_length),
        .parts = items,
    };
    for (uint32_t i = 0; i < multi->part_count; i++) {
        const struct part *part = &multi->parts[i];
        if (part->number <= in->after)
            continue;
        if (listed->parts_count == limit) {
            listed->truncated = true;
            break;
        }
        items[listed->parts_count++] = (struct wire_part_item){
            .number = part->number,
            .size = part->as.size,
            .checksum = part->as.checksum,
            .version = {.epoch = 1, .lsn = part->lsn},
            .mtime_ms = part->lsn * 1000,
            .meta = slice_of(part->meta, part->as.meta.length),
        };
    }
    fake_reply(c, conn, &message);
}

static bool is_after(const struct multi *multi, const struct wire_list *list)
{
    int order = slice_compare(slice_of(multi->key, multi->key_length), list->start_after);
    if (order != 0 || (list->after_high | list->after_low) == 0)
        return order > 0;
    return multi->high > list->after_high ||
           (multi->high == list->after_high && multi->low > list->after_low);
}

uint32_t fake_list_uploads(struct fake_cluster *c, const struct wire_list *list,
                           struct wire_list_item *items)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->multi_count; i++) {
        const struct multi *multi = &c->multis[i];
        struct slice key = slice_of(multi->key, multi->key_length);
        if (multi->exists && multi->bucket == list->bucket &&
            slice_starts_with(key, list->prefix) && is_after(multi, list))
            items[count++] = (struct wire_list_item){
                .key = key,
                .mtime_ms = 4321,
                .meta = slice_of(multi->meta, multi->meta_length),
                .multi_high = multi->high,
                .multi_low = multi->low,
            };
    }
    return count;
}
