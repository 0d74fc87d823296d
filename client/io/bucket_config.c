/* The document that is kept with a bucket in the masters. */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "client/io/client.h"

static void take_version(struct wait *wait, const struct call_end *end)
{
    if (end->result->admin != NULL)
        *(uint64_t *)wait->context = end->result->admin->value;
}

enum catena_status catena_bucket_config_get(struct catena_client *client, const char *bucket,
                                            void **ret_document, size_t *ret_length,
                                            uint64_t *ret_version)
{
    if (client == NULL || bucket == NULL || ret_document == NULL || ret_length == NULL ||
        ret_version == NULL)
        return fail_text(CATENA_INVALID, "no argument may be NULL");
    enum catena_status status = check_may_block(client);
    if (status != CATENA_OK)
        return status;
    uint64_t version = 0;
    struct wait wait;
    wait_init(&wait, client);
    wait.take = take_version;
    wait.context = &version;
    wait.call.submit = (struct cl_submit){
        .kind = CL_OP_ADMIN,
        .admin_op = WIRE_ADMIN_BUCKET_CONFIG_GET,
        .bucket = slice_of_text(bucket),
        .deadline_us = deadline_after(client, 0),
    };
    (void)wait_run(&wait);
    status = wait_status(&wait);
    if (status == CATENA_OK) {
        struct slice document = buf_slice(wait.payload);
        void *copy = document.length == 0 ? NULL : mem_alloc(document.length);
        if (document.length > 0)
            memcpy(copy, document.data, document.length);
        *ret_document = copy;
        *ret_length = document.length;
        *ret_version = version;
    }
    wait_release(&wait);
    return status;
}

enum catena_status catena_bucket_config_put(struct catena_client *client, const char *bucket,
                                            const void *document, size_t length, uint64_t version,
                                            uint64_t *ret_version)
{
    if (client == NULL || bucket == NULL || (document == NULL && length > 0))
        return fail_text(CATENA_INVALID, "client, bucket and document must not be NULL");
    if (length > CATENA_BUCKET_CONFIG_MAX)
        return fail_text(CATENA_TOO_LARGE, "a bucket's configuration is at most %d bytes",
                         CATENA_BUCKET_CONFIG_MAX);
    enum catena_status status = check_may_block(client);
    if (status != CATENA_OK)
        return status;
    uint64_t made = 0;
    struct buf *payload = buf_copy(slice_of(document, length));
    struct wait wait;
    wait_init(&wait, client);
    wait.take = take_version;
    wait.context = &made;
    wait.call.submit = (struct cl_submit){
        .kind = CL_OP_ADMIN,
        .admin_op = WIRE_ADMIN_BUCKET_CONFIG_PUT,
        .bucket = slice_of_text(bucket),
        .a = version,
        .payload = payload,
        .deadline_us = deadline_after(client, 0),
    };
    status = wait_finish(&wait);
    buf_unref(payload);
    if (status == CATENA_OK && ret_version != NULL)
        *ret_version = made;
    return status;
}
