/* Status codes, their words, and the error text of each thread. The only place where an enum err
 * becomes an enum catena_status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "client/io/client.h"

/* X(name, text) */
#define STATUS_LIST(X)                                                                             \
    X(OK, "success")                                                                               \
    X(INVALID, "an argument is out of range")                                                      \
    X(NO_KEY, "there is no object under this key")                                                 \
    X(NO_BUCKET, "there is no such bucket")                                                        \
    X(BUCKET_EXISTS, "the bucket exists already")                                                  \
    X(BUCKET_NOT_EMPTY, "the bucket is not empty")                                                 \
    X(CONDITION_FAILED, "the condition did not hold; nothing was changed")                         \
    X(TOO_LARGE, "larger than the limit")                                                          \
    X(NO_SPACE, "no space is left on a storage node; nothing was changed")                         \
    X(TIMEOUT, "the deadline passed; nothing was changed")                                         \
    X(OUTCOME_UNKNOWN, "the outcome is unknown: the update may or may not have happened")          \
    X(UNREACHABLE, "no server could be reached; nothing was changed")                              \
    X(CORRUPT, "the stored data does not match its checksum on any replica")                       \
    X(CANCELLED, "cancelled; nothing was changed")                                                 \
    X(WRONG_CLUSTER, "the server belongs to another cluster")                                      \
    X(BUSY, "refused for load after all retries; nothing was changed")                             \
    X(IO, "the caller's reader or writer failed")                                                  \
    X(UNSUPPORTED, "not supported")                                                                \
    X(INTERNAL, "internal error")                                                                  \
    X(NO_UPLOAD, "no such multipart upload: completed, aborted or never begun")                    \
    X(NO_PART, "a part that was named is not there")                                               \
    X(NO_ACCESS_KEY, "no such access key")                                                         \
    X(EXISTS, "exists already")

static const char *const names[] = {
#define X(name, text) "CATENA_" #name,
    STATUS_LIST(X)
#undef X
};

static const char *const texts[] = {
#define X(name, text) text,
    STATUS_LIST(X)
#undef X
};

_Static_assert(ARRAY_COUNT(names) == CATENA_EXISTS + 1, "every status has a name");

static _Thread_local char error_text[CL_TEXT_BYTES];

const char *catena_status_name(enum catena_status status)
{
    return (unsigned)status < ARRAY_COUNT(names) ? names[status] : "CATENA_UNKNOWN";
}

const char *catena_status_text(enum catena_status status)
{
    return (unsigned)status < ARRAY_COUNT(texts) ? texts[status] : "unknown status";
}

const char *catena_error_text(void)
{
    return error_text;
}

enum catena_status fail_text(enum catena_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error_text, sizeof error_text, format, arguments);
    va_end(arguments);
    return status;
}

enum catena_status succeed(void)
{
    error_text[0] = '\0';
    return CATENA_OK;
}

enum catena_status status_of_err(enum err err)
{
    switch ((unsigned)err) {
    case ERR_OK:
        return CATENA_OK;
    case ERR_INVALID:
    case ERR_BAD_UTF8:
    case ERR_EXISTS:
    case ERR_NOT_FOUND:
    case ERR_ACCESS:
        return CATENA_INVALID;
    case ERR_NO_KEY:
        return CATENA_NO_KEY;
    case ERR_NO_BUCKET:
        return CATENA_NO_BUCKET;
    case ERR_BUCKET_EXISTS:
        return CATENA_BUCKET_EXISTS;
    case ERR_BUCKET_NOT_EMPTY:
        return CATENA_BUCKET_NOT_EMPTY;
    case ERR_CONDITION:
        return CATENA_CONDITION_FAILED;
    case ERR_TOO_LARGE:
        return CATENA_TOO_LARGE;
    case ERR_NO_SPACE:
        return CATENA_NO_SPACE;
    case ERR_TIMEOUT:
    case ERR_WRITE_FLOOR:
        return CATENA_TIMEOUT;
    case ERR_OUTCOME_UNKNOWN:
        return CATENA_OUTCOME_UNKNOWN;
    case ERR_UNREACHABLE:
    case ERR_NOT_READY:
    case ERR_NO_LEADER:
        return CATENA_UNREACHABLE;
    case ERR_CORRUPT:
        return CATENA_CORRUPT;
    case ERR_CANCELLED:
        return CATENA_CANCELLED;
    case ERR_WRONG_CLUSTER:
        return CATENA_WRONG_CLUSTER;
    case ERR_BUSY:
    case ERR_BUCKET_DELETING:
        return CATENA_BUSY;
    case ERR_UNSUPPORTED:
        return CATENA_UNSUPPORTED;
    case ERR_NO_PART:
        return CATENA_NO_PART;
    default:
        return CATENA_INTERNAL;
    }
}

enum catena_status status_of_call(const struct cl_submit *submit, enum err err)
{
    bool is_multi = (submit->multi_high | submit->multi_low) != 0;
    return err == ERR_UPLOAD_GONE && is_multi ? CATENA_NO_UPLOAD : status_of_err(err);
}

char *catena_version_format(struct catena_version version, char *text)
{
    (void)snprintf(text, CATENA_VERSION_TEXT_SIZE, "%llu.%llu", (unsigned long long)version.epoch,
                   (unsigned long long)version.lsn);
    return text;
}

/* Digits only: strtoull alone would take signs and spaces. */
static bool parse_number(const char **cursor, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *start = *cursor;
    for (; **cursor >= '0' && **cursor <= '9'; (*cursor)++) {
        uint64_t digit = (uint64_t)(**cursor - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return *cursor > start;
}

bool catena_version_parse(const char *text, struct catena_version *ret_version)
{
    struct catena_version version;
    if (text == NULL || !parse_number(&text, &version.epoch) || *text++ != '.' ||
        !parse_number(&text, &version.lsn) || *text != '\0')
        return false;
    *ret_version = version;
    return true;
}
