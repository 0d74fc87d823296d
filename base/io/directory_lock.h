/* One process at a time owns a data directory. The kernel drops the lock when the owner is gone. */
#ifndef CATENA_BASE_IO_DIRECTORY_LOCK_H
#define CATENA_BASE_IO_DIRECTORY_LOCK_H

#include <stddef.h>

#include "base/err.h"

/* How long a killed owner may take to go. */
enum { DIRECTORY_LOCK_DYING_MS = 10000 };

struct directory_lock;
/* ERR_OK; ERR_BUSY: another process owns it; ERR_NOT_FOUND, ERR_ACCESS, ERR_IO. On an error
 * ret_text names the directory, the process if known, and what to do.
 * A killed process keeps its files until the last of its threads has ended, and a thread in the
 * middle of an fsync ends only after it: an owner that is on its way out is waited for, at most
 * DIRECTORY_LOCK_DYING_MS; one that lives is refused at once. */
enum err directory_lock_take(const char *directory, struct directory_lock **ret_lock,
                             char *ret_text, size_t text_size);
void directory_lock_free(struct directory_lock *lock);

#endif
