/* One object up or down. */
#ifndef CATENA_TOOLS_CATENA_TRANSFER_H
#define CATENA_TOOLS_CATENA_TRANSFER_H

#include "tools/catena/name.h"

enum { TRANSFER_PIECE_BYTES = 1048576 };

struct transfer {
    struct cli *cli;
    const struct name *name;
    const char *path;                             /* the local side, for messages */
    void (*moved)(void *context, uint64_t bytes); /* told of each piece; may be NULL */
    void (*before_error)(void *context);          /* told before a line is printed; may be NULL */
    void *context;
};

/* Stores what fd gives until its end; nothing is visible before all of it is there. Prints the
 * error. info is released by the caller in every case. */
enum cli_exit transfer_up(const struct transfer *transfer, int fd,
                          const struct catena_op_options *op, struct catena_info *ret_info);
/* Writes [offset, offset + length) of the object to fd, cut at its end. An offset that is not 0 and
 * not inside the object is an error. */
enum cli_exit transfer_down_fd(const struct transfer *transfer, int fd, uint64_t offset,
                               uint64_t length, struct catena_info *ret_info);
/* The same to a file that appears when it is complete. */
enum cli_exit transfer_down_file(const struct transfer *transfer, uint64_t offset, uint64_t length,
                                 struct catena_info *ret_info);

#endif
