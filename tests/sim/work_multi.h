/* The books of the multipart workload (work_multi.c): what was begun, what was acknowledged, and
 * from that what an answer may say. Ids are counted and used once; 0 is none.
 *
 * A value is named by its object's metadata, so that a completed upload, a restamp and a small put
 * are values like any other, whatever bytes they share. */
#ifndef CATENA_TESTS_SIM_WORK_MULTI_H
#define CATENA_TESTS_SIM_WORK_MULTI_H

#include "tests/sim/history.h"
#include "wire/manifest.h"

enum {
    MULTI_KEYS = 2,
    MULTI_NUMBERS = 3,   /* parts of an upload: 1 to this */
    MULTI_HIGH = 0x5157, /* of every id */
    MULTI_META_BYTES = 4,
};

/* Stamps order calls and returns; 0: it has not happened, or nobody knows. */
struct multi_upload {
    uint64_t id;
    uint32_t key;
    uint64_t opened;     /* acknowledged */
    uint64_t end_called; /* the first that tried to complete or abort it */
    uint64_t ended;      /* acknowledged */
    /* Versions that its completion asked for, by number; none: any, or it is not completed. */
    struct origin asked[MULTI_NUMBERS + 1];
};

struct multi_part {
    uint64_t multi;
    uint32_t number;
    uint64_t chunks; /* the staged upload, 0: empty */
    struct origin version;
    uint64_t acknowledged;
};

struct multi_value {
    uint32_t key;
    struct origin version;
    uint64_t content; /* see multi_content(); 0: not known */
};

struct multi_books {
    struct world *world;
    struct history histories[MULTI_KEYS];
    uint32_t last_value[MULTI_KEYS]; /* that anybody saw */
    struct multi_upload *uploads;
    uint32_t uploads_count;
    uint32_t uploads_capacity;
    struct multi_part *parts;
    uint32_t parts_count;
    uint32_t parts_capacity;
    struct multi_value *values; /* [number]; 0 is absent */
    uint32_t values_count;
    uint32_t values_capacity;
    uint64_t last_id;
    uint64_t stamp;
};

void multi_books_init(struct multi_books *books, struct world *world);
void multi_books_release(struct multi_books *books);
uint32_t multi_upload_new(struct multi_books *books, uint32_t key);
uint32_t multi_part_new(struct multi_books *books, uint64_t multi, uint32_t number, bool is_empty);
uint32_t multi_value_new(struct multi_books *books, uint32_t key);

/* The bytes that a staged upload and a small value consist of follow from their numbers. */
uint32_t multi_chunk_count(uint64_t chunks);
uint64_t multi_chunk_bytes(uint64_t chunks, uint32_t index);
struct buf *multi_chunk(uint64_t chunks, uint32_t index);
uint64_t multi_part_bytes(uint64_t chunks);
struct buf *multi_part_of(uint64_t chunks); /* all of it, for its checksum */
struct buf *multi_small(uint32_t value);

/* What an object consists of: the value that it was put as, or the upload that it came from. */
uint64_t multi_content(uint32_t small_value, uint64_t multi);
void multi_note_version(struct multi_books *books, uint32_t value, struct origin version);
void multi_note_content(struct multi_books *books, uint32_t value, uint64_t content);
uint32_t multi_value_of_version(const struct multi_books *books, uint32_t key,
                                struct origin version);
/* The value that metadata name; LINEAR_ANY, and a failed world, for what nobody wrote. */
uint32_t multi_seen(struct multi_books *books, uint32_t key, struct slice meta,
                    struct origin version);
/* An assembled object: only parts of that upload, under their numbers, in the versions that were
 * asked for. */
void multi_judge_manifest(struct multi_books *books, uint64_t multi, struct slice manifest);
/* Somebody ended it with success: nobody did before. */
void multi_note_end(struct multi_books *books, uint32_t upload, const char *how);
/* "There is no such upload", answered to what was called at `called`. */
void multi_judge_gone(struct multi_books *books, uint32_t upload, uint64_t called);
void multi_judge_parts(struct multi_books *books, uint32_t upload, uint64_t called,
                       const struct wire_part_item *items, uint32_t count);
void multi_judge_uploads(struct multi_books *books, uint64_t called,
                         const struct wire_list_item *items, uint32_t count);
void multi_judge_histories(struct multi_books *books);

#endif
