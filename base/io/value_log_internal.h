/* Shared by the files of base/io/value_log*; nobody else includes it. */
#ifndef CATENA_BASE_IO_VALUE_LOG_INTERNAL_H
#define CATENA_BASE_IO_VALUE_LOG_INTERNAL_H

#include <pthread.h>

#include "base/hash.h"
#include "base/io/value_log.h"
#include "base/map.h"

enum {
    RECORD_HEADER_BYTES = 48,
    SEGMENT_NAME_DIGITS = 10,
    SEGMENT_PATH_BYTES = 4096,
};

/* Where a segment is in its life; `node` is in the list of the same name, or in none. */
enum segment_state {
    SEGMENT_CURRENT, /* written */
    SEGMENT_FRESH,   /* sealed; rows that name it may not have been counted yet */
    SEGMENT_SEALED,  /* in no list: at least half of it is live, or it is damaged */
    SEGMENT_SPARSE,  /* can be collected */
    SEGMENT_DEAD,    /* no row names it; the rows that did may come back by a crash */
    SEGMENT_LEAVING, /* no row ever will; readers may be inside */
};

struct segment {
    uint64_t id;
    uint64_t bytes; /* records, garbage included */
    uint64_t live_bytes;
    uint64_t named_end; /* while opening: end of the last record that a row names */
    uint64_t ticket;    /* leaving: readers with a ticket up to this one may be inside */
    enum segment_state state;
    bool is_damaged;
    struct list_node node;
};

/* What rows named while opening and is not there; the first of them is told. */
struct lost_segment {
    uint64_t id;
    uint64_t bytes; /* that are there */
    uint64_t named_end;
    bool is_missing;
};

/* Open files for reading, and the readers; the only part that threads share. */
struct segment_file {
    uint64_t segment;
    uint64_t used_at;
    unsigned users;
    int fd; /* -1: free */
};

struct value_log {
    char *directory;
    uint64_t segment_bytes;
    struct value_log_system system;
    enum err latched;

    struct map segments;     /* id -> struct segment */
    struct segment *current; /* NULL until the first append */
    int current_fd;
    bool is_dirty; /* appended to and not synced */
    uint64_t next_id;
    struct list_node fresh; /* sealed, and perhaps not yet counted */
    struct list_node sparse;
    struct list_node dead;
    struct list_node leaving;
    uint64_t collected_bytes;
    uint64_t unlinked;

    struct map missing; /* while opening: id -> struct lost_segment */
    struct lost_segment first_lost;
    uint64_t lost_count;

    struct segment *collected; /* being walked, or NULL */
    uint64_t collected_offset;
    uint8_t *key_bytes; /* of the record that was returned last */
    size_t key_capacity;

    pthread_mutex_t mutex;
    struct list_node readers; /* struct value_reader, oldest first */
    uint64_t last_ticket;
    struct segment_file *files;
    unsigned file_count;
    uint64_t file_clock;
};

struct record_header {
    unsigned family;
    uint32_t key_length;
    uint32_t value_length;
    uint64_t segment;
    uint64_t offset;
    uint64_t checksum;
};

/* ---- value_log_segment.c ---- */

void record_header_encode(const struct record_header *header, struct slice key, uint8_t *out);
/* What the bytes say; the checksum is looked at by record_header_is_whole, once the key is read. */
bool record_header_decode(const uint8_t *in, struct record_header *ret_header);
bool record_header_is_whole(const uint8_t *in, struct slice key);
char *segment_path(const struct value_log *log, uint64_t id, char *path);
/* Makes the file, with its space where the file system can reserve it, and its name durable. */
enum err segment_create(struct value_log *log, uint64_t bytes, uint64_t id, int *ret_fd);
struct segment *segment_new(struct value_log *log, uint64_t id);
/* Puts a sealed segment in the list that its live bytes ask for. */
void segment_settle(struct value_log *log, struct segment *segment);
/* Removes file and entry. */
void segment_unlink(struct value_log *log, struct segment *segment);

/* ---- value_log_read.c ---- */

/* Reads exactly so many bytes; ERR_CORRUPT when the file or the bytes are not there. */
enum err segment_read(struct value_log *log, uint64_t id, uint64_t offset, uint8_t *into,
                      size_t length);
/* Readers with this ticket or an older one are inside? */
bool readers_are_inside(struct value_log *log, uint64_t ticket);
uint64_t readers_last_ticket(struct value_log *log);
void files_forget(struct value_log *log, uint64_t id);

#endif
