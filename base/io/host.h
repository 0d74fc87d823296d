/* What the host knows: true randomness, the boot, the disk. */
#ifndef CATENA_BASE_IO_HOST_H
#define CATENA_BASE_IO_HOST_H

#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"

/* A random (version 4) UUID from the kernel. */
struct uuid uuid_random(void);
/* A seed from the kernel, for base/prng.h. */
uint64_t random_seed(void);
/* The id of this boot of the host (R4): equal while the host stays up, for all processes. ERR_IO
 * when the kernel does not tell. */
enum err host_boot_id(struct uuid *ret_boot);
/* Bytes of the file system that holds the directory: its size, and what an unprivileged process
 * may still write. ERR_IO. */
enum err host_disk_space(const char *directory, uint64_t *ret_total, uint64_t *ret_free);

#endif
