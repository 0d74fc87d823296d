/* The access log: lines on standard error, whole ones, several in one write where several are
 * there.
 */
#ifndef CATENA_TOOLS_GATEWAY_LOG_H
#define CATENA_TOOLS_GATEWAY_LOG_H

#include "base/io/args.h" /* struct text, struct slice */

enum { GW_LOG_HELD_BYTES = 16 * 1024 };

/* Between the two, lines of this thread are held back, up to GW_LOG_HELD_BYTES; release writes
 * them. */
void gw_log_hold(void);
void gw_log_release(void);
/* With its line feed. Written at once unless this thread holds lines back. */
void gw_log_write(struct slice line);
/* What may stand between quotes in a line: other bytes as \xNN, quotes as %22; at most max bytes of
 * it. */
void gw_log_quote(struct text *line, const char *value, size_t max);

#endif
