#include <string.h>

#include "base/io/kv_rocksdb.h"

static bool has(const char *message, const char *part)
{
    return strstr(message, part) != NULL;
}

enum err kv_rocksdb_err(const char *message, enum err fallback)
{
    if (message == NULL)
        return ERR_OK;
    if (has(message, "No space left on device") || has(message, "Disk quota exceeded") ||
        has(message, "NoSpace") || has(message, "Space limit reached"))
        return ERR_NO_SPACE;
    if (has(message, "lock hold by current process") || has(message, "While lock file"))
        return ERR_BUSY;
    if (has(message, "Permission denied") || has(message, "Read-only file system"))
        return ERR_ACCESS;
    if (strncmp(message, "Corruption", strlen("Corruption")) == 0)
        return ERR_CORRUPT;
    if (has(message, "Column families not opened") || has(message, "does not match existing"))
        return ERR_NOT_OURS;
    if (has(message, "does not exist (create_if_missing is false)"))
        return ERR_NOT_FOUND;
    if (strncmp(message, "Invalid argument", strlen("Invalid argument")) == 0)
        return has(message, "Column family not found") ? ERR_NOT_OURS : fallback;
    return fallback;
}
