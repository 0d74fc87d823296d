/* What the public calls share: the checked and copied arguments of an operation, and the info that
 * it returns. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/contract.h"
#include "client/io/client.h"

enum catena_status check_may_block(const struct catena_client *client)
{
    if (engine_is_this_thread(client))
        return fail_text(CATENA_INVALID,
                         "a callback made a blocking call; use the asynchronous form");
    return CATENA_OK;
}

void info_fill(struct catena_info *info, const struct cl_result *result)
{
    struct origin version = result->err == ERR_CONDITION ? result->current : result->version;
    *info = (struct catena_info){
        .version = {.epoch = version.epoch, .lsn = version.lsn},
        .size = result->size,
        .checksum = result->checksum,
        .mtime_ms = result->mtime_ms,
        .replicas_durable = result->replicas_durable,
        .part_count = result->part_count,
        .upload = {.high = result->multi_high, .low = result->multi_low},
    };
    if (result->meta.length > 0) {
        info->meta = mem_alloc(result->meta.length);
        memcpy(info->meta, result->meta.data, result->meta.length);
        info->meta_length = result->meta.length;
    }
}

void catena_info_release(struct catena_info *info)
{
    if (info == NULL)
        return;
    free(info->meta);
    *info = (struct catena_info){0};
}

enum catena_status target_check(const char *bucket, const void *key, size_t key_length,
                                const struct catena_op_options *options)
{
    if (bucket == NULL)
        return fail_text(CATENA_INVALID, "the bucket name is NULL");
    if (key == NULL || key_length == 0 || key_length > BOUND_KEY_BYTES)
        return fail_text(CATENA_INVALID, "%s: the key has %zu bytes; it must have 1 to %u", bucket,
                         key_length, BOUND_KEY_BYTES);
    if (!utf8_is_valid(slice_of(key, key_length)))
        return fail_text(CATENA_INVALID, "%s: the key is not valid UTF-8", bucket);
    if (options != NULL && options->struct_size != sizeof *options)
        return fail_text(CATENA_INVALID,
                         "%s: begin options with CATENA_OP_OPTIONS_INIT (struct_size is %zu)",
                         bucket, options->struct_size);
    if (options != NULL && options->meta_length > BOUND_META_BYTES)
        return fail_text(CATENA_TOO_LARGE, "%s: metadata of %zu bytes; the limit is %u", bucket,
                         options->meta_length, BOUND_META_BYTES);
    if (options != NULL && options->meta == NULL && options->meta_length > 0)
        return fail_text(CATENA_INVALID, "%s: the metadata is NULL", bucket);
    if (options != NULL && (unsigned)options->condition > CATENA_IF_EXISTS)
        return fail_text(CATENA_INVALID, "%s: unknown condition %d", bucket,
                         (int)options->condition);
    return CATENA_OK;
}

void *bytes_copy(const void *bytes, size_t length)
{
    void *copy = mem_alloc(length + 1);
    if (length > 0)
        memcpy(copy, bytes, length);
    ((char *)copy)[length] = '\0';
    return copy;
}

enum catena_status target_make(struct catena_client *client, const char *bucket, const void *key,
                               size_t key_length, const struct catena_op_options *options,
                               struct target *ret_target)
{
    if (client == NULL)
        return fail_text(CATENA_INVALID, "the client is NULL");
    enum catena_status status = target_check(bucket, key, key_length, options);
    if (status != CATENA_OK)
        return status;
    *ret_target = (struct target){
        .bucket = bytes_copy(bucket, strlen(bucket)),
        .key = bytes_copy(key, key_length),
        .key_length = key_length,
    };
    if (options != NULL) {
        ret_target->options = *options;
        ret_target->meta = bytes_copy(options->meta, options->meta_length);
        ret_target->options.meta = ret_target->meta;
    }
    return CATENA_OK;
}

void target_release(struct target *target)
{
    mem_free(target->bucket);
    mem_free(target->key);
    mem_free(target->meta);
    *target = (struct target){0};
}

static enum wire_condition condition_of(enum catena_condition condition)
{
    switch (condition) {
    case CATENA_ALWAYS:
        return WIRE_CONDITION_NONE;
    case CATENA_IF_ABSENT:
        return WIRE_CONDITION_ABSENT;
    case CATENA_IF_VERSION:
        return WIRE_CONDITION_MATCH;
    case CATENA_IF_EXISTS:
        return WIRE_CONDITION_EXISTS;
    }
    return WIRE_CONDITION_NONE;
}

void target_fill(const struct target *target, struct cl_submit *submit)
{
    submit->bucket = slice_of_text(target->bucket);
    submit->key = slice_of(target->key, target->key_length);
    submit->meta = slice_of(target->options.meta, target->options.meta_length);
    submit->condition = condition_of(target->options.condition);
    submit->match =
        (struct origin){.epoch = target->options.version.epoch, .lsn = target->options.version.lsn};
    submit->token_high = target->options.token_high;
    submit->token_low = target->options.token_low;
}

/* Checks, copies, takes a slot. */
enum catena_status target_begin(struct catena_client *client, const char *bucket, const void *key,
                                size_t key_length, const struct catena_op_options *options,
                                bool may_block, struct target *ret_target)
{
    enum catena_status status = target_make(client, bucket, key, key_length, options, ret_target);
    if (status != CATENA_OK)
        return status;
    if (may_block)
        status = check_may_block(client);
    if (status == CATENA_OK &&
        !slot_take(client, may_block,
                   may_block ? deadline_after(client, ret_target->options.timeout_ms) : 0))
        status = fail_text(CATENA_BUSY, "%s: %u operations are in flight already; try again later",
                           bucket, client->requests_max);
    if (status != CATENA_OK)
        target_release(ret_target);
    return status;
}

void target_end(struct catena_client *client, struct target *target)
{
    target_release(target);
    slot_give(client);
}

void target_prepare(struct wait *wait, const struct target *target, enum cl_op_kind kind)
{
    target_fill(target, &wait->call.submit);
    wait->call.submit.kind = kind;
    wait->call.submit.deadline_us = deadline_after(wait->client, target->options.timeout_ms);
}

enum catena_status target_run(struct catena_client *client, struct target *target,
                              struct wait *wait, struct catena_info *ret_info)
{
    (void)wait_run(wait);
    wait_give_info(wait, ret_info);
    enum catena_status status = wait_status(wait);
    wait_release(wait);
    target_end(client, target);
    return status;
}

enum catena_status check_no_token(const char *bucket, const struct catena_op_options *options)
{
    if (options == NULL || (options->token_high | options->token_low) == 0)
        return CATENA_OK;
    return fail_text(CATENA_INVALID, "%s: a deletion takes no token; repeat it under a condition",
                     bucket == NULL ? "" : bucket);
}

uint64_t random_u64(void)
{
    uint64_t number = 0;
    while (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        continue;
    return number;
}
