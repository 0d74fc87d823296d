/* The Range header of a GET: one range of bytes. Pure. */
#ifndef CATENA_TOOLS_GATEWAY_RANGE_H
#define CATENA_TOOLS_GATEWAY_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct gw_range {
    bool is_suffix; /* the last `length` bytes */
    uint64_t offset;
    uint64_t length; /* UINT64_MAX = to the end */
};

/* False: malformed, another unit, or several ranges; such a header is ignored (answer 200). */
bool gw_range_parse(const char *header, struct gw_range *ret_range);
/* Fits the range to a value of size bytes. False: not satisfiable (416), which includes every range
 * of an empty value. */
bool gw_range_fit(const struct gw_range *range, uint64_t size, uint64_t *ret_offset,
                  uint64_t *ret_length);

#endif
