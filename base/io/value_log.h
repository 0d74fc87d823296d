/* An append-only log of large values in segment files: each value is written once.
 *
 * A record is a header (value_log_segment.c) with the key, and the value. Whoever appends keeps the
 * returned `struct value_pointer` in a row of its own store; the log knows from it only how many
 * bytes of each segment are still named ("live"). A segment that is full is sealed and never
 * written again; one without live bytes is unlinked; one with less than half is offered to be
 * collected: its owner walks the records, appends again those that a row still names, and moves
 * the rows.
 *
 * The order that makes a crash harmless, and who keeps it:
 *   append -> value_log_sync -> rows written -> value_log_live, value_log_counted
 *     (a pointer that survives points at data that did)
 *   rows that named a segment are replaced -> made durable -> value_log_rows_durable ->
 *   value_log_unlink
 *     (a row that a crash brings back still finds its data)
 * Appends after a restart go to a new segment, so a torn tail is never written behind.
 *
 * Threads: one writing thread. value_log_enter, _leave and _read from any. A segment is not
 * unlinked while a reader is inside that entered before its last row was gone: whoever enters,
 * reads a row and follows its pointer always finds the record.
 *
 * Errors: ERR_NO_SPACE leaves the log as it was before the call. A failed write or sync
 * (ERR_DISK_LOST) is latched: every later append and sync gets it, nothing is tried again. */
#ifndef CATENA_BASE_IO_VALUE_LOG_H
#define CATENA_BASE_IO_VALUE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"

struct value_log;

struct value_pointer {
    uint64_t segment;
    uint64_t offset;   /* of the record's header */
    uint32_t length;   /* of the value */
    uint64_t checksum; /* of the value: checksum_bytes */
};

/* The calls that may fail, for tests that make them fail. */
struct value_log_system {
    ssize_t (*pwritev)(int fd, const struct iovec *pieces, int count, off_t offset);
    int (*fdatasync)(int fd);
};

struct value_log_options {
    const char *directory;   /* made if absent; its parent exists */
    uint64_t segment_bytes;  /* 0 = 64 MiB, less on a small disk; a larger value gets its own */
    unsigned open_files_max; /* for reading; 0 = 64 */
    const struct value_log_system *system; /* NULL = the kernel */
};

struct value_log_stats {
    uint64_t segments;
    uint64_t bytes; /* of all segments, garbage included */
    uint64_t live_bytes;
    uint64_t collected_bytes; /* copied by collection since the start */
    uint64_t unlinked;        /* segments since the start */
};

/* ---- opening: open, then count every row, then settle; nothing else before ---- */

/* ERR_ACCESS, ERR_NO_SPACE, ERR_IO; ret_text says more. */
enum err value_log_open(const struct value_log_options *options, struct value_log **ret_log,
                        char *ret_text, size_t text_size);
/* NULL is allowed. No reader is inside. */
void value_log_close(struct value_log *log);
/* A row names this record. A pointer to a segment that is not there is remembered as lost: reading
 * it is ERR_CORRUPT. */
void value_log_count(struct value_log *log, const struct value_pointer *pointer, size_t key_length);
/* Removes the segments that no row names and cuts tails behind the last named record. */
void value_log_settle(struct value_log *log);
/* After that: a sentence if rows name a segment that is missing, or more of one than there is; else
 * nothing is written. ret_text may be NULL. */
void value_log_tell_lost(const struct value_log *log, char *ret_text, size_t text_size);

/* ---- the writing thread ---- */

/* Appends one record whose value is the pieces one after the other (no copy is made). */
enum err value_log_append(struct value_log *log, unsigned family, struct slice key,
                          const struct slice *pieces, unsigned count,
                          struct value_pointer *ret_pointer);
/* Everything appended is on stable storage. Free when nothing was appended since. */
enum err value_log_sync(struct value_log *log);
/* Bytes of a record on disk, the unit of value_log_live. */
uint64_t value_log_record_bytes(size_t key_length, uint32_t value_length);
/* Rows that were written name so many bytes more (or fewer) of a segment. */
void value_log_live(struct value_log *log, uint64_t segment, int64_t bytes);
/* All that was appended so far is counted by value_log_live, or no row will ever name it. */
void value_log_counted(struct value_log *log);
/* Every row written so far is on stable storage. */
void value_log_rows_durable(struct value_log *log);
/* Unlinks the segments that nobody can need. */
void value_log_unlink(struct value_log *log);
/* Nothing is being written at the moment: gives the segment being filled back too if it holds only
 * garbage. */
enum err value_log_rest(struct value_log *log);
/* Segments wait for value_log_rows_durable? For it or for readers? */
bool value_log_waits_for_rows(const struct value_log *log);
bool value_log_waits(const struct value_log *log);
/* Does the file system have so many bytes left? */
bool value_log_has_space(const struct value_log *log, uint64_t bytes);
uint64_t value_log_segment_bytes(const struct value_log *log);
struct value_log_stats value_log_stats(const struct value_log *log);

/* ---- collecting (writing thread) ---- */

struct value_log_record {
    struct value_pointer pointer;
    unsigned family;
    struct slice key; /* valid until the next record is asked for */
};

/* A segment with less than half of its bytes live is being, or can be, collected. */
bool value_log_can_collect(const struct value_log *log);
/* The next record of the segment being collected (chosen if there is none); false: that segment is
 * walked through, its live records were all returned. A segment whose headers are damaged is left
 * as it is and not offered again. */
bool value_log_collect_next(struct value_log *log, struct value_log_record *ret_record);
/* The record could not be moved now: walk again from this record. */
void value_log_collect_back(struct value_log *log, const struct value_log_record *record);
/* The record cannot be read: the segment is kept as it is. */
void value_log_collect_damaged(struct value_log *log);
/* Counts for the statistics what was copied. */
void value_log_collect_count(struct value_log *log, uint64_t bytes);

/* ---- readers ---- */

struct value_reader {
    struct list_node node;
    uint64_t ticket;
};

void value_log_enter(struct value_log *log, struct value_reader *reader);
void value_log_leave(struct value_log *log, struct value_reader *reader);
/* The value (pointer->length bytes) into `into`, its checksum verified. ERR_CORRUPT: not there, too
 * short, or another checksum; ERR_IO. The caller is inside since before it read the pointer, or is
 * the writing thread. */
enum err value_log_read(struct value_log *log, const struct value_pointer *pointer,
                        size_t key_length, uint8_t *into);

#endif
