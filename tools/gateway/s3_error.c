#include "tools/gateway/s3_error.h"

#include <stddef.h>

static const struct {
    const char *code;
    unsigned status;
    const char *message;
} errors[] = {{"OK", 200, ""},
#define X(name, http_status, text) {#name, http_status, text},
              S3_ERRORS(X)
#undef X
};

unsigned s3_error_status(enum s3_error error)
{
    return errors[error].status;
}

const char *s3_error_code(enum s3_error error)
{
    return errors[error].code;
}

const char *s3_error_message(enum s3_error error)
{
    return errors[error].message;
}
