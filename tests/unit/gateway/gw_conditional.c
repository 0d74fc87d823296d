/* Writes under conditions, against an object whose chain and client library are in this file. */
#include "tests/unit/base/suite.h"
#include "tools/gateway/gateway.h"

/* ---- one object, and the outcomes that its chain remembers ---- */

static struct {
    bool exists;
    struct catena_version version;
    char etag[GW_ETAG_SIZE];
    char mark[16]; /* Content-Type: tells who wrote it */
    struct {
        uint64_t high;
        uint64_t low;
        enum catena_status status;
        struct catena_version version;
    } outcomes[512];
    size_t outcome_count;
    unsigned updates;  /* that reached the chain and were not known by their token */
    int overtakes;     /* before so many of the next updates another writer changes the version */
    bool changes_etag; /* that writer */
} object;

static void store(const char *etag, const char *mark)
{
    object.exists = true;
    object.version.epoch = 1;
    object.version.lsn++;
    if (etag != object.etag) /* another writer may keep it */
        (void)text_format(object.etag, sizeof object.etag, "%s", etag);
    (void)text_format(object.mark, sizeof object.mark, "%s", mark);
}

static void reset(void)
{
    memset(&object, 0, sizeof object);
}

static void *blob_of(size_t *ret_length)
{
    struct gw_meta meta = {0};
    uint8_t *blob = malloc(GW_META_BYTES_MAX);
    (void)text_format(meta.etag, sizeof meta.etag, "%s", object.etag);
    meta.content[GW_CONTENT_TYPE] = object.mark;
    ck_assert(gw_meta_encode(&meta, blob, ret_length));
    return blob;
}

enum catena_status catena_stat(struct catena_client *client, const char *bucket, const void *key,
                               size_t key_length, const struct catena_op_options *options,
                               struct catena_info *ret_info)
{
    (void)client, (void)bucket, (void)key, (void)key_length, (void)options;
    *ret_info = (struct catena_info){0};
    if (!object.exists)
        return CATENA_NO_KEY;
    ret_info->version = object.version;
    ret_info->meta = blob_of(&ret_info->meta_length);
    return CATENA_OK;
}

void catena_info_release(struct catena_info *info)
{
    free(info->meta);
    *info = (struct catena_info){0};
}

static bool holds(const struct catena_op_options *options)
{
    switch (options->condition) {
    case CATENA_ALWAYS:
        return true;
    case CATENA_IF_ABSENT:
        return !object.exists;
    case CATENA_IF_EXISTS:
        return object.exists;
    case CATENA_IF_VERSION:
        return object.exists && options->version.epoch == object.version.epoch &&
               options->version.lsn == object.version.lsn;
    }
    return false;
}

static bool is_known(const struct catena_op_options *options, enum catena_status *ret_status,
                     struct catena_version *ret_version)
{
    for (size_t i = 0; i < object.outcome_count; i++) {
        if (object.outcomes[i].high == options->token_high &&
            object.outcomes[i].low == options->token_low) {
            *ret_version = object.outcomes[i].version;
            *ret_status = object.outcomes[i].status;
            return true;
        }
    }
    return false;
}

/* As the head of a chain does it: the token first, then the condition against the newest. */
static enum catena_status update(const char *etag, const char *mark,
                                 const struct catena_op_options *options,
                                 struct catena_info *ret_info)
{
    bool has_token = (options->token_high | options->token_low) != 0;
    enum catena_status status = CATENA_OK;
    if (has_token && is_known(options, &status, &ret_info->version))
        return status;
    if (object.overtakes > 0) {
        object.overtakes--;
        store(object.changes_etag ? "overtaken" : object.etag, "overtaker");
    }
    status = holds(options) ? CATENA_OK : CATENA_CONDITION_FAILED;
    object.updates++;
    if (status == CATENA_OK) {
        store(etag, mark);
        ret_info->version = object.version;
    }
    if (has_token) {
        ck_assert_uint_lt(object.outcome_count, 512);
        object.outcomes[object.outcome_count].high = options->token_high;
        object.outcomes[object.outcome_count].low = options->token_low;
        object.outcomes[object.outcome_count].status = status;
        object.outcomes[object.outcome_count++].version = object.version;
    }
    return status;
}

enum catena_status catena_restamp(struct catena_client *client, const char *bucket, const void *key,
                                  size_t key_length, bool keep_mtime,
                                  const struct catena_op_options *options,
                                  struct catena_info *ret_info)
{
    struct gw_meta meta;
    (void)client, (void)bucket, (void)key, (void)key_length, (void)keep_mtime;
    gw_meta_decode(slice_of(options->meta, options->meta_length), 0, 0, 0, &meta);
    enum catena_status status = update(meta.etag, meta.content[GW_CONTENT_TYPE], options, ret_info);
    gw_meta_release(&meta);
    return status;
}

/* Tokens come before everything; the uploads of these tests do not exist. */
enum catena_status catena_multipart_complete(struct catena_client *client, const char *bucket,
                                             const void *key, size_t key_length,
                                             struct catena_upload_id upload,
                                             const struct catena_part_choice *choices, size_t count,
                                             const struct catena_op_options *options,
                                             struct catena_info *ret_info)
{
    (void)client, (void)bucket, (void)key, (void)key_length, (void)upload, (void)choices;
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(options->condition, CATENA_ALWAYS);
    enum catena_status status = CATENA_NO_UPLOAD;
    (void)is_known(options, &status, &ret_info->version);
    return status;
}

/* ---- what conditional.c needs of respond.c ---- */

enum s3_error s3_error_of_status(enum catena_status status)
{
    return status == CATENA_NO_KEY ? S3_NoSuchKey : S3_InternalError;
}

void s3_decode_meta(const struct catena_info *info, struct gw_meta *ret_meta)
{
    gw_meta_decode(slice_of(info->meta, info->meta_length), 0, 0, 0, ret_meta);
}

/* ---- writes ---- */

static enum catena_status attempt(void *context, const struct catena_op_options *options,
                                  struct catena_info *ret_info)
{
    return update(context, context, options, ret_info);
}

static struct catena_version written; /* by the last write_new that succeeded */

static enum s3_error write_new(const char *etag, struct write_conditions conditions)
{
    char context[16];
    struct write_attempt call = {.run = attempt,
                                 .context = text_format(context, sizeof context, "%s", etag)};
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    struct catena_info info = {0};
    enum catena_status status = CATENA_OK;
    enum s3_error error =
        write_conditionally(NULL, "bucket", "k", 1, &conditions, &call, &options, &info, &status);
    if (error == S3_OK)
        written = info.version;
    catena_info_release(&info);
    return error;
}

static struct write_conditions if_match(const char *match, const char *none)
{
    return (struct write_conditions){.if_match = match, .if_none_match = none};
}

static struct write_conditions with_token(struct write_conditions conditions, uint64_t token)
{
    conditions.token_high = 1;
    conditions.token_low = token * 2 * GW_CONDITION_TRIES;
    return conditions;
}

START_TEST(stars_are_decided_by_the_chain_alone)
{
    reset();
    ck_assert_int_eq(write_new("a", if_match("*", NULL)), S3_NoSuchKey);
    ck_assert_int_eq(write_new("a", if_match(NULL, "*")), S3_OK);
    ck_assert_int_eq(write_new("b", if_match(NULL, "*")), S3_PreconditionFailed);
    ck_assert_int_eq(write_new("b", if_match("*", NULL)), S3_OK);
    ck_assert_str_eq(object.etag, "b");
    ck_assert_uint_eq(object.updates, 4);
}
END_TEST

START_TEST(an_etag_that_differs_sends_nothing)
{
    reset();
    store("a", "first");
    ck_assert_int_eq(write_new("b", if_match("\"x\"", NULL)), S3_PreconditionFailed);
    ck_assert_int_eq(write_new("b", if_match(NULL, "\"a\"")), S3_PreconditionFailed);
    ck_assert_uint_eq(object.updates, 0);
    ck_assert_int_eq(write_new("b", if_match("\"a\"", NULL)), S3_OK);
    ck_assert_int_eq(write_new("c", if_match(NULL, "\"a\"")), S3_OK);
    ck_assert_int_eq(write_new("d", if_match("\"c\"", "\"x\"")), S3_OK);
    reset();
    ck_assert_int_eq(write_new("b", if_match("\"a\"", NULL)), S3_NoSuchKey);
    ck_assert_int_eq(write_new("b", if_match(NULL, "\"a\"")), S3_OK);
}
END_TEST

START_TEST(who_is_overtaken_compares_again)
{
    reset();
    store("a", "first");
    object.overtakes = 5;
    ck_assert_int_eq(write_new("b", if_match("\"a\"", NULL)), S3_OK);
    ck_assert_uint_eq(object.updates, 6);
    store("a", "first");
    object.overtakes = 1;
    object.changes_etag = true;
    ck_assert_int_eq(write_new("b", if_match("\"a\"", NULL)), S3_PreconditionFailed);
    ck_assert_str_eq(object.etag, "overtaken");
}
END_TEST

START_TEST(who_is_always_overtaken_is_told_in_the_end)
{
    reset();
    store("a", "first");
    object.overtakes = INT32_MAX;
    ck_assert_int_eq(write_new("b", if_match("\"a\"", NULL)), S3_ConditionalRequestConflict);
    ck_assert_str_eq(object.etag, "a");
}
END_TEST

/* ---- tokens ---- */

START_TEST(a_repeated_write_has_one_effect)
{
    for (int overtakes = 0; overtakes < 3; overtakes++) {
        struct write_conditions match = with_token(if_match("\"a\"", NULL), 1);
        reset();
        store("a", "first");
        object.overtakes = overtakes;
        ck_assert_int_eq(write_new("b", match), S3_OK);
        struct catena_version first = written;
        ck_assert_int_eq(write_new("b", match), S3_OK); /* its condition does not hold any more */
        ck_assert_uint_eq(written.lsn, first.lsn);
        store("c", "another");
        ck_assert_int_eq(write_new("b", match), S3_OK);
        ck_assert_uint_eq(written.lsn, first.lsn);
        store("a", "restored"); /* now it holds again */
        ck_assert_int_eq(write_new("b", match), S3_OK);
        ck_assert_uint_eq(written.lsn, first.lsn);
        ck_assert_str_eq(object.mark, "restored");
        object.exists = false;
        ck_assert_int_eq(write_new("b", match), S3_OK);
        ck_assert_uint_eq(written.lsn, first.lsn);
        ck_assert(!object.exists);
        ck_assert_int_eq(write_new("b", with_token(if_match("\"a\"", NULL), 2)), S3_NoSuchKey);
    }
}
END_TEST

START_TEST(a_repeated_write_without_condition_has_one_effect)
{
    struct write_conditions none = with_token(if_match(NULL, NULL), 1);
    struct write_conditions absent = with_token(if_match(NULL, "*"), 2);
    reset();
    ck_assert_int_eq(write_new("a", absent), S3_OK);
    ck_assert_int_eq(write_new("a", absent), S3_OK);
    ck_assert_int_eq(write_new("b", none), S3_OK);
    ck_assert_int_eq(write_new("a", absent), S3_OK);
    store("c", "another");
    ck_assert_int_eq(write_new("b", none), S3_OK);
    ck_assert_str_eq(object.etag, "c");
}
END_TEST

START_TEST(a_refused_write_with_a_token_stays_without_effect)
{
    reset();
    store("a", "first");
    struct write_conditions match = with_token(if_match("\"x\"", NULL), 1);
    ck_assert_int_eq(write_new("b", match), S3_PreconditionFailed);
    ck_assert_int_eq(write_new("b", match), S3_PreconditionFailed);
    ck_assert_str_eq(object.etag, "a");
}
END_TEST

static struct write_conditions conditions_of(const char *id, enum gw_operation operation,
                                             const struct gw_key *key)
{
    struct gw_header headers[] = {{"If-Match", "\"e\""}, {"X-Catena-Request-Id", id}};
    struct gw_request request = {.headers = headers, .header_count = 2};
    struct s3 s3 = {.request = &request, .key = key, .route = {.operation = operation}};
    return s3_write_conditions(&s3);
}

START_TEST(tokens_are_those_of_key_operation_and_name)
{
    struct gw_keys *keys = NULL;
    struct text error;
    text_init(&error);
    ck_assert(gw_keys_parse(slice_of_text("key AKIAONE secret-of-one *:owner\n"
                                          "key AKIATWO secret-of-two *:owner\n"),
                            &keys, &error));
    const struct gw_key *one = gw_keys_find(keys, "AKIAONE");
    struct write_conditions all[] = {
        conditions_of("name", GW_OPERATION_PUT_OBJECT, one),
        conditions_of("other", GW_OPERATION_PUT_OBJECT, one),
        conditions_of("name", GW_OPERATION_DELETE_OBJECT, one),
        conditions_of("name", GW_OPERATION_PUT_OBJECT, gw_keys_find(keys, "AKIATWO")),
    };
    struct write_conditions again = conditions_of("name", GW_OPERATION_PUT_OBJECT, one);
    ck_assert_str_eq(all[0].if_match, "\"e\"");
    ck_assert_uint_eq(again.token_high, all[0].token_high);
    ck_assert_uint_eq(again.token_low, all[0].token_low);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_uint_ne(all[i].token_high, 0);
        for (size_t j = 0; j < i; j++) /* and they stay apart over all rounds */
            ck_assert(all[i].token_high != all[j].token_high ||
                      all[i].token_low / GW_CONDITION_TRIES !=
                          all[j].token_low / GW_CONDITION_TRIES);
    }
    struct write_conditions none = conditions_of("", GW_OPERATION_PUT_OBJECT, one);
    ck_assert_uint_eq(none.token_high | none.token_low, 0);
    gw_keys_free(keys);
    text_release(&error);
}
END_TEST

/* ---- restamp ---- */

static enum s3_error change_mark(void *context, const struct catena_info *info,
                                 struct gw_meta *meta)
{
    (void)info;
    if (strcmp(context, "refuse") == 0)
        return S3_PreconditionFailed;
    free(meta->content[GW_CONTENT_TYPE]);
    meta->content[GW_CONTENT_TYPE] = strdup(context);
    return S3_OK;
}

static enum s3_error restamp(const char *mark, struct write_conditions conditions)
{
    static struct gateway gateway;
    char context[16];
    struct s3 s3 = {.gateway = &gateway};
    struct restamp change = {.conditions = &conditions,
                             .change = change_mark,
                             .context = text_format(context, sizeof context, "%s", mark)};
    struct gw_meta meta;
    struct catena_info info;
    enum catena_status status;
    enum s3_error error = s3_restamp(&s3, &change, &meta, &info, &status);
    if (error == S3_OK) {
        written = info.version;
        gw_meta_release(&meta);
        catena_info_release(&info);
    }
    return error;
}

START_TEST(a_change_of_metadata_loses_no_other_change)
{
    struct write_conditions none = {0};
    reset();
    ck_assert_int_eq(restamp("new", none), S3_NoSuchKey);
    store("a", "first");
    object.overtakes = 3;
    ck_assert_int_eq(restamp("new", none), S3_OK);
    ck_assert_str_eq(object.mark, "new");
    ck_assert_str_eq(object.etag, "a");
    ck_assert_uint_eq(object.updates, 4);
    ck_assert_int_eq(restamp("refuse", none), S3_PreconditionFailed);
    ck_assert_int_eq(restamp("newer", if_match("\"x\"", NULL)), S3_PreconditionFailed);
    ck_assert_int_eq(restamp("newer", if_match(NULL, "*")), S3_PreconditionFailed);
    ck_assert_str_eq(object.mark, "new");
    object.overtakes = INT32_MAX;
    ck_assert_int_eq(restamp("newer", none), S3_OperationAborted);
}
END_TEST

START_TEST(a_repeated_change_of_metadata_has_one_effect)
{
    struct write_conditions match = with_token(if_match("\"a\"", NULL), 1);
    reset();
    store("a", "first");
    object.overtakes = 1;
    ck_assert_int_eq(restamp("new", match), S3_OK);
    struct catena_version first = written;
    store("b", "another");
    ck_assert_int_eq(restamp("new", match), S3_OK);
    ck_assert_uint_eq(written.lsn, first.lsn);
    ck_assert_str_eq(object.mark, "another");
    ck_assert_int_eq(restamp("new", with_token(match, 2)), S3_PreconditionFailed);
}
END_TEST

SUITE_MAIN("gw_conditional", stars_are_decided_by_the_chain_alone,
           an_etag_that_differs_sends_nothing, who_is_overtaken_compares_again,
           who_is_always_overtaken_is_told_in_the_end, a_repeated_write_has_one_effect,
           a_repeated_write_without_condition_has_one_effect,
           a_refused_write_with_a_token_stays_without_effect,
           tokens_are_those_of_key_operation_and_name, a_change_of_metadata_loses_no_other_change,
           a_repeated_change_of_metadata_has_one_effect)
