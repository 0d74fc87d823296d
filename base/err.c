#include "base/err.h"

static const char *const names[] = {
#define X(name, text) #name,
    ERR_LIST(X)
#undef X
};

static const char *const texts[] = {
#define X(name, text) text,
    ERR_LIST(X)
#undef X
};

bool err_is_valid(unsigned number)
{
    return number < (unsigned)ERR_COUNT;
}

const char *err_name(enum err err)
{
    return err_is_valid((unsigned)err) ? names[err] : "UNKNOWN";
}

const char *err_text(enum err err)
{
    return err_is_valid((unsigned)err) ? texts[err] : "unknown error";
}
