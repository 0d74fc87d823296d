/* Writes under conditions, and changes of metadata.
 *
 * Conditions by ETag are exact: the ETag is compared in an object that was just read, and the write
 * carries the version of that object, so the head of the chain refuses it if anything came between.
 * Then the comparison is made again.
 *
 * A write with a token (x-catena-request-id) is done once, however often it is asked for: the chain
 * gives later ones the outcome of the first (D19). A refusal is an outcome too, so each round of
 * the loop has a token of its own: a repeated request walks through the same rounds and ends where
 * the first one did. For the same reason the chain is asked for the token when a condition seems
 * not to hold: perhaps it was this request that changed the object. */
#include "tools/gateway/condition.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"

struct write_conditions s3_write_conditions(const struct s3 *s3)
{
    struct write_conditions conditions = {
        .if_match = gw_header(s3->request, "if-match"),
        .if_none_match = gw_header(s3->request, "if-none-match"),
    };
    const char *id = gw_header(s3->request, "x-catena-request-id");
    if (id == NULL || *id == '\0')
        return conditions;
    /* Another's request of the same name is another request, and so is another operation, or one on
     * another object (the id of an upload is its token). */
    struct text name;
    uint8_t digest[32];
    text_init(&name);
    text_append(&name, "%s\n%s\n%s\n%s\n", s3->key == NULL ? "" : gw_key_name(s3->key),
                gw_operation_name(s3->route.operation), id, s3->route.bucket);
    text_append_bytes(&name, slice_of(s3->route.key, s3->route.key_length));
    gw_sha256(slice_of(name.data, name.length), digest);
    text_release(&name);
    for (unsigned i = 0; i < 8; i++) {
        conditions.token_high = conditions.token_high << 8 | digest[i];
        conditions.token_low = conditions.token_low << 8 | digest[8 + i];
    }
    conditions.token_low &= ~(uint64_t)(2 * GW_CONDITION_TRIES - 1); /* the rounds count here */
    conditions.token_high |= 1;                                      /* not both zero */
    return conditions;
}

static bool has_token(const struct write_conditions *conditions)
{
    return (conditions->token_high | conditions->token_low) != 0;
}

static void take_token(const struct write_conditions *conditions, int round,
                       struct catena_op_options *options)
{
    options->token_high = conditions->token_high;
    options->token_low = conditions->token_low;
    if (has_token(conditions))
        options->token_low += (unsigned)round;
}

/* What the chain remembers of the options' token: asked by completing an upload that cannot exist,
 * since a token is looked up before anything else. CATENA_NO_UPLOAD: nothing, and it is not
 * remembered that somebody asked. */
static enum catena_status look_token_up(struct catena_client *client, const char *bucket,
                                        const void *key, size_t key_length,
                                        const struct catena_op_options *options,
                                        struct catena_info *ret_info)
{
    static const struct catena_upload_id nowhere = {.high = UINT64_MAX, .low = UINT64_MAX};
    static const struct catena_part_choice choice = {.number = 1};
    struct catena_op_options plain = CATENA_OP_OPTIONS_INIT;
    plain.token_high = options->token_high;
    plain.token_low = options->token_low;
    return catena_multipart_complete(client, bucket, key, key_length, nowhere, &choice, 1, &plain,
                                     ret_info);
}

/* Neither etag list says otherwise. */
static bool is_met(const struct write_conditions *conditions, const char *etag)
{
    return (conditions->if_match == NULL || gw_etag_matches(conditions->if_match, etag)) &&
           (conditions->if_none_match == NULL || !gw_etag_matches(conditions->if_none_match, etag));
}

/* From ETags to the condition of the library. */
static enum s3_error resolve(struct catena_client *client, const char *bucket, const void *key,
                             size_t key_length, const struct write_conditions *conditions,
                             struct catena_op_options *options, enum catena_status *ret_status)
{
    const char *match = conditions->if_match;
    const char *none = conditions->if_none_match;
    options->condition = CATENA_ALWAYS;
    if (match == NULL && none == NULL)
        return S3_OK;
    if (match == NULL && strcmp(none, "*") == 0) {
        options->condition = CATENA_IF_ABSENT;
        return S3_OK;
    }
    if (none == NULL && strcmp(match, "*") == 0) {
        options->condition = CATENA_IF_EXISTS;
        return S3_OK;
    }
    struct catena_info info = {0};
    enum catena_status status = catena_stat(client, bucket, key, key_length, NULL, &info);
    if (status == CATENA_NO_KEY) {
        options->condition = CATENA_IF_ABSENT;
        return match != NULL ? S3_NoSuchKey : S3_OK;
    }
    if (status != CATENA_OK) {
        *ret_status = status;
        return s3_error_of_status(status);
    }
    struct gw_meta meta;
    s3_decode_meta(&info, &meta);
    options->condition = CATENA_IF_VERSION;
    options->version = info.version;
    enum s3_error error = is_met(conditions, meta.etag) ? S3_OK : S3_PreconditionFailed;
    gw_meta_release(&meta);
    catena_info_release(&info);
    return error;
}

/* What a refused condition means, when the library decided it and no comparison is to be repeated.
 */
static enum s3_error refusal(enum catena_condition condition)
{
    return condition == CATENA_IF_EXISTS ? S3_NoSuchKey : S3_PreconditionFailed;
}

static bool is_plain(const struct write_conditions *conditions)
{
    const char *match = conditions->if_match;
    const char *none = conditions->if_none_match;
    return (match == NULL || none == NULL) && (match == NULL || strcmp(match, "*") == 0) &&
           (none == NULL || strcmp(none, "*") == 0);
}

enum round_end {
    ROUND_OVER,    /* with the error, or S3_OK */
    ROUND_REFUSED, /* the condition did not hold at the head */
};

static enum round_end end_round(enum catena_status status, enum catena_condition condition,
                                struct catena_info *info, enum s3_error *ret_error,
                                enum catena_status *ret_status)
{
    *ret_error = S3_OK;
    if (status == CATENA_OK)
        return ROUND_OVER;
    catena_info_release(info);
    *info = (struct catena_info){0};
    if (status == CATENA_CONDITION_FAILED ||
        (status == CATENA_NO_KEY && condition != CATENA_ALWAYS))
        return ROUND_REFUSED;
    *ret_status = status;
    *ret_error = s3_error_of_status(status);
    return ROUND_OVER;
}

/* The condition does not hold in what was read: `error`, unless the chain knows the token. */
static enum round_end end_refused_round(struct catena_client *client, const char *bucket,
                                        const void *key, size_t key_length,
                                        const struct catena_op_options *options,
                                        enum s3_error error, struct catena_info *ret_info,
                                        enum s3_error *ret_error, enum catena_status *ret_status)
{
    *ret_error = error;
    if ((options->token_high | options->token_low) == 0)
        return ROUND_OVER;
    enum catena_status status = look_token_up(client, bucket, key, key_length, options, ret_info);
    enum round_end end = end_round(status, CATENA_IF_EXISTS, ret_info, ret_error, ret_status);
    if (status == CATENA_NO_UPLOAD) {
        *ret_error = error;
        *ret_status = CATENA_OK;
    }
    return end;
}

enum s3_error write_conditionally(struct catena_client *client, const char *bucket, const void *key,
                                  size_t key_length, const struct write_conditions *conditions,
                                  const struct write_attempt *attempt,
                                  struct catena_op_options *options, struct catena_info *ret_info,
                                  enum catena_status *ret_status)
{
    for (int i = 0; i < GW_CONDITION_TRIES; i++) {
        *ret_status = CATENA_OK;
        *ret_info = (struct catena_info){0};
        take_token(conditions, i, options);
        enum s3_error error =
            resolve(client, bucket, key, key_length, conditions, options, ret_status);
        if (error != S3_OK && *ret_status != CATENA_OK)
            return error;
        if (error != S3_OK) {
            if (end_refused_round(client, bucket, key, key_length, options, error, ret_info, &error,
                                  ret_status) == ROUND_OVER)
                return error;
            continue;
        }
        enum catena_status status = attempt->run(attempt->context, options, ret_info);
        if (end_round(status, options->condition, ret_info, &error, ret_status) == ROUND_OVER)
            return error;
        if (is_plain(conditions))
            return refusal(options->condition);
    }
    return S3_ConditionalRequestConflict;
}

/* ---- other metadata for the same bytes ---- */

static enum round_end restamp_once(struct s3 *s3, const struct restamp *restamp,
                                   struct catena_op_options *options, struct gw_meta *meta,
                                   struct catena_info *ret_info, enum s3_error *ret_error,
                                   enum catena_status *ret_status)
{
    struct catena_client *client = s3->gateway->client;
    const struct gw_route *route = &s3->route;
    uint8_t blob[GW_META_BYTES_MAX];
    struct catena_info seen = {0};
    enum catena_status status =
        catena_stat(client, route->bucket, route->key, route->key_length, NULL, &seen);
    if (status != CATENA_OK && status != CATENA_NO_KEY) {
        *ret_status = status;
        *ret_error = s3_error_of_status(status);
        return ROUND_OVER;
    }
    s3_decode_meta(&seen, meta);
    options->condition = CATENA_IF_VERSION;
    options->version = seen.version;
    enum s3_error refused = S3_OK;
    if (status == CATENA_NO_KEY)
        refused = S3_NoSuchKey;
    else if (!is_met(restamp->conditions, meta->etag))
        refused = S3_PreconditionFailed;
    else
        refused = restamp->change(restamp->context, &seen, meta);
    catena_info_release(&seen);
    if (refused != S3_OK)
        return end_refused_round(client, route->bucket, route->key, route->key_length, options,
                                 refused, ret_info, ret_error, ret_status);
    *ret_error = S3_MetadataTooLarge;
    if (!gw_meta_encode(meta, blob, &options->meta_length))
        return ROUND_OVER;
    options->meta = blob;
    status = catena_restamp(client, route->bucket, route->key, route->key_length,
                            restamp->keep_mtime, options, ret_info);
    return end_round(status, options->condition, ret_info, ret_error, ret_status);
}

enum s3_error s3_restamp(struct s3 *s3, const struct restamp *restamp, struct gw_meta *ret_meta,
                         struct catena_info *ret_info, enum catena_status *ret_status)
{
    for (int i = 0; i < GW_CONDITION_TRIES; i++) {
        struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
        enum s3_error error = S3_OK;
        *ret_meta = (struct gw_meta){0};
        *ret_info = (struct catena_info){0};
        *ret_status = CATENA_OK;
        take_token(restamp->conditions, i, &options);
        enum round_end end =
            restamp_once(s3, restamp, &options, ret_meta, ret_info, &error, ret_status);
        if (end == ROUND_OVER && error == S3_OK)
            return S3_OK;
        gw_meta_release(ret_meta);
        if (end == ROUND_OVER)
            return error;
    }
    return S3_OperationAborted;
}
