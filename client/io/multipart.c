/* Multipart uploads: begun, completed, dropped (D18). Their parts are streams (stream.c, upload.c);
 * lists of parts and of uploads are in parts.c and uploads.c. */
#include <stdio.h>
#include <string.h>

#include "base/contract.h"
#include "base/hash.h"
#include "client/io/client.h"
#include "wire/manifest.h"

char *catena_upload_format(struct catena_upload_id upload, char *text)
{
    (void)snprintf(text, CATENA_UPLOAD_TEXT_SIZE, "%016llx%016llx", (unsigned long long)upload.high,
                   (unsigned long long)upload.low);
    return text;
}

/* Only what catena_upload_format writes: one text for each upload. */
static bool parse_half(const char *text, uint64_t *ret_half)
{
    uint64_t half = 0;
    for (int i = 0; i < 16; i++) {
        char c = text[i];
        bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && !(c >= 'a' && c <= 'f'))
            return false;
        half = half << 4 | (uint64_t)(is_digit ? c - '0' : c - 'a' + 10);
    }
    *ret_half = half;
    return true;
}

bool catena_upload_parse(const char *text, struct catena_upload_id *ret_upload)
{
    struct catena_upload_id upload;
    if (text == NULL || strlen(text) != CATENA_UPLOAD_TEXT_SIZE - 1 ||
        !parse_half(text, &upload.high) || !parse_half(text + 16, &upload.low) ||
        (upload.high | upload.low) == 0)
        return false;
    *ret_upload = upload;
    return true;
}

enum catena_status multi_check(const char *bucket, struct catena_upload_id upload)
{
    if ((upload.high | upload.low) != 0)
        return CATENA_OK;
    return fail_text(CATENA_INVALID,
                     "%s: the upload id is zero; use the one that "
                     "catena_multipart_create returned",
                     bucket == NULL ? "" : bucket);
}

static enum catena_status check_no_condition(const char *bucket, const char *what,
                                             const struct catena_op_options *options)
{
    if (options == NULL || options->condition == CATENA_ALWAYS)
        return CATENA_OK;
    return fail_text(CATENA_INVALID,
                     "%s: %s takes no condition; give it to catena_multipart_complete",
                     bucket == NULL ? "" : bucket, what);
}

enum catena_status part_check(const char *bucket, const struct catena_op_options *options)
{
    if (options != NULL && options->meta_length > CATENA_PART_META_MAX)
        return fail_text(CATENA_TOO_LARGE, "%s: metadata of %zu bytes with a part; the limit is %d",
                         bucket == NULL ? "" : bucket, options->meta_length, CATENA_PART_META_MAX);
    return check_no_condition(bucket, "a part", options);
}

static void prepare_step(struct wait *wait, struct catena_client *client,
                         const struct target *target, enum wire_put_step step,
                         struct catena_upload_id upload)
{
    wait_init(wait, client);
    target_prepare(wait, target, CL_OP_PUT);
    wait->call.submit.step = step;
    wait->call.submit.multi_high = upload.high;
    wait->call.submit.multi_low = upload.low;
    wait->call.submit.checksum = checksum_bytes(slice_of(NULL, 0));
}

enum catena_status catena_multipart_create(struct catena_client *client, const char *bucket,
                                           const void *key, size_t key_length,
                                           const struct catena_op_options *options,
                                           struct catena_upload_id *ret_upload)
{
    struct target target;
    struct wait wait;
    if (ret_upload == NULL)
        return fail_text(CATENA_INVALID, "ret_upload must not be NULL");
    enum catena_status status = check_no_condition(bucket, "beginning an upload", options);
    if (status == CATENA_OK)
        status = target_begin(client, bucket, key, key_length, options, true, &target);
    if (status != CATENA_OK)
        return status;
    /* Whoever repeats a request with a token has to get the id of the first one: it is the token.
     */
    struct catena_upload_id upload = {.high = target.options.token_high,
                                      .low = target.options.token_low};
    if ((upload.high | upload.low) == 0)
        upload = (struct catena_upload_id){.high = random_u64(), .low = random_u64() | 1u};
    prepare_step(&wait, client, &target, WIRE_PUT_OPEN, upload);
    status = target_run(client, &target, &wait, NULL);
    if (status == CATENA_OK)
        *ret_upload = upload;
    return status;
}

static enum catena_status check_choices(const char *bucket,
                                        const struct catena_part_choice *choices, size_t count)
{
    if (choices == NULL || count == 0 || count > CATENA_PARTS_MAX)
        return fail_text(CATENA_INVALID, "%s: %zu parts were chosen; choose 1 to %d",
                         bucket == NULL ? "" : bucket, choices == NULL ? 0 : count,
                         CATENA_PARTS_MAX);
    uint32_t last = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t number = choices[i].number;
        if (number <= last || number > CATENA_PARTS_MAX)
            return fail_text(CATENA_INVALID,
                             "%s: part %u was chosen after part %u; name each part once, in the "
                             "order of their numbers, 1 to %d",
                             bucket == NULL ? "" : bucket, number, last, CATENA_PARTS_MAX);
        last = number;
    }
    return CATENA_OK;
}

static struct buf *encode_choices(const struct catena_part_choice *choices, size_t count)
{
    struct buf *payload = buf_new(count * WIRE_CHOICE_BYTES);
    for (size_t i = 0; i < count; i++) {
        struct wire_choice choice = {
            .number = choices[i].number,
            .version = {.epoch = choices[i].version.epoch, .lsn = choices[i].version.lsn},
        };
        wire_choice_encode(&choice, payload->data + i * WIRE_CHOICE_BYTES);
    }
    payload->length = count * WIRE_CHOICE_BYTES;
    return payload;
}

enum catena_status catena_multipart_complete(struct catena_client *client, const char *bucket,
                                             const void *key, size_t key_length,
                                             struct catena_upload_id upload,
                                             const struct catena_part_choice *choices, size_t count,
                                             const struct catena_op_options *options,
                                             struct catena_info *ret_info)
{
    struct target target;
    struct wait wait;
    if (ret_info != NULL)
        *ret_info = (struct catena_info){0};
    enum catena_status status = multi_check(bucket, upload);
    if (status == CATENA_OK)
        status = check_choices(bucket, choices, count);
    if (status == CATENA_OK)
        status = target_begin(client, bucket, key, key_length, options, true, &target);
    if (status != CATENA_OK)
        return status;
    struct buf *payload = encode_choices(choices, count);
    prepare_step(&wait, client, &target, WIRE_PUT_COMPLETE, upload);
    wait.call.submit.part = (uint32_t)count;
    wait.call.submit.payload = payload;
    wait.call.submit.checksum = checksum_bytes(buf_slice(payload));
    status = target_run(client, &target, &wait, ret_info);
    buf_unref(payload);
    return status;
}

enum catena_status catena_multipart_abort(struct catena_client *client, const char *bucket,
                                          const void *key, size_t key_length,
                                          struct catena_upload_id upload)
{
    struct target target;
    struct wait wait;
    enum catena_status status = multi_check(bucket, upload);
    if (status == CATENA_OK)
        status = target_begin(client, bucket, key, key_length, NULL, true, &target);
    if (status != CATENA_OK)
        return status;
    wait_init(&wait, client);
    target_prepare(&wait, &target, CL_OP_DELETE);
    wait.call.submit.multi_high = upload.high;
    wait.call.submit.multi_low = upload.low;
    return target_run(client, &target, &wait, NULL);
}
