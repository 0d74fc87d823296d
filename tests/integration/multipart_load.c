/* The scenarios of multipart.c that have many threads, or run for a while. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/lib/parts.h"
#include "tests/integration/multipart.h"

/* ---- many ---- */

enum { MANY_THREADS = 16, MANY_BYTES = 50 };

struct carrier {
    struct catena_client *client;
    struct catena_upload_id upload;
    uint32_t first;
    const uint8_t *bytes;
};

static void *carry(void *argument)
{
    struct carrier *carrier = argument;
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    uint8_t meta[CATENA_PART_META_MAX];
    options.meta = meta;
    options.meta_length = sizeof meta;
    for (uint32_t number = carrier->first; number <= CATENA_PARTS_MAX; number += MANY_THREADS) {
        struct catena_put_stream *stream = NULL;
        memset(meta, (int)(number % 251), sizeof meta);
        parts_expect(catena_multipart_part_open(carrier->client, parts_bucket, "many", 4,
                                                carrier->upload, number, &options, &stream),
                     CATENA_OK, "open a part");
        parts_expect(catena_put_stream_write(
                         stream, carrier->bytes + (size_t)(number - 1) * MANY_BYTES, MANY_BYTES),
                     CATENA_OK, "write a part");
        parts_expect(catena_put_stream_commit(stream, NULL), CATENA_OK, "put a part");
    }
    return NULL;
}

void parts_many(void)
{
    const size_t length = (size_t)CATENA_PARTS_MAX * MANY_BYTES;
    struct catena_client *client = parts_client();
    uint8_t *bytes = parts_bytes(2, length);
    struct catena_part_choice *choices = calloc(CATENA_PARTS_MAX, sizeof *choices);
    struct catena_upload_id upload = parts_begin(client, "many");
    struct carrier carriers[MANY_THREADS];
    pthread_t threads[MANY_THREADS];
    CHECK(choices != NULL);
    double began = parts_now();
    for (uint32_t i = 0; i < MANY_THREADS; i++) {
        carriers[i] =
            (struct carrier){.client = client, .upload = upload, .first = i + 1, .bytes = bytes};
        CHECK(pthread_create(&threads[i], NULL, carry, &carriers[i]) == 0);
    }
    for (uint32_t i = 0; i < MANY_THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    double put = parts_now();
    struct catena_parts parts;
    parts_expect(catena_multipart_parts(client, parts_bucket, "many", 4, upload, 0,
                                        CATENA_PARTS_MAX, &parts),
                 CATENA_OK, "list 10,000 parts");
    CHECK(parts.count == CATENA_PARTS_MAX && !parts.truncated);
    for (uint32_t i = 0; i < CATENA_PARTS_MAX; i++)
        choices[i] = (struct catena_part_choice){.number = parts.items[i].number,
                                                 .version = parts.items[i].version};
    catena_parts_release(&parts);
    double listed = parts_now();
    parts_expect(parts_complete(client, "many", upload, choices, CATENA_PARTS_MAX, NULL, NULL),
                 CATENA_OK, "complete 10,000 parts");
    double completed = parts_now();
    parts_expect_value(client, "many", bytes, length);
    double read = parts_now();
    parts_expect(catena_object_parts(client, parts_bucket, "many", 4, &parts, NULL), CATENA_OK,
                 "object parts");
    CHECK(parts.count == CATENA_PARTS_MAX && parts.items[9999].meta_length == CATENA_PART_META_MAX);
    CHECK(parts.items[9999].meta[63] == 10000 % 251);
    catena_parts_release(&parts);
    parts_expect(catena_delete(client, parts_bucket, "many", 4, NULL, NULL), CATENA_OK, "delete");
    free(choices);
    free(bytes);
    catena_close(client);
    printf(
        "10,000 parts: put in %.1f s, listed in %.0f ms, completed in %.0f ms, read in %.0f ms\n",
        put - began, (listed - put) * 1000, (completed - listed) * 1000, (read - completed) * 1000);
}

/* ---- race ---- */

struct racer {
    struct catena_client *client;
    pthread_barrier_t *barrier;
    unsigned rounds;
    bool completes;
    enum catena_status *status;
    struct catena_upload_id *uploads;
};

static void *run_racer(void *argument)
{
    struct racer *racer = argument;
    const struct catena_part_choice choice = {.number = 1};
    struct catena_op_options options = CATENA_OP_OPTIONS_INIT;
    options.condition = CATENA_IF_ABSENT;
    for (unsigned round = 0; round < racer->rounds; round++) {
        char key[32];
        (void)snprintf(key, sizeof key, "race-%u", round);
        if (racer->completes) {
            racer->uploads[round] = parts_begin(racer->client, key);
            (void)parts_put(racer->client, key, racer->uploads[round], 1, "part", 4);
        }
        (void)pthread_barrier_wait(racer->barrier);
        racer->status[round] = racer->completes
                                   ? parts_complete(racer->client, key, racer->uploads[round],
                                                    &choice, 1, &options, NULL)
                                   : catena_put(racer->client, parts_bucket, key, strlen(key),
                                                "put", 3, &options, NULL);
    }
    return NULL;
}

static void check_round(struct catena_client *client, unsigned round, enum catena_status completed,
                        enum catena_status put, struct catena_upload_id upload)
{
    char key[32];
    (void)snprintf(key, sizeof key, "race-%u", round);
    bool is_one = (completed == CATENA_OK) != (put == CATENA_OK);
    enum catena_status loser = completed == CATENA_OK ? put : completed;
    if (!is_one || loser != CATENA_CONDITION_FAILED)
        test_fail("round %u: the completion is %s, the put %s", round,
                  catena_status_name(completed), catena_status_name(put));
    parts_expect_value(client, key, completed == CATENA_OK ? "part" : "put",
                       completed == CATENA_OK ? 4 : 3);
    parts_expect(catena_multipart_abort(client, parts_bucket, key, strlen(key), upload),
                 completed == CATENA_OK ? CATENA_NO_UPLOAD : CATENA_OK, "abort after the race");
}

void parts_race(unsigned rounds)
{
    pthread_barrier_t barrier;
    struct racer racers[2];
    pthread_t threads[2];
    unsigned completions = 0;
    CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
    for (unsigned i = 0; i < 2; i++) {
        racers[i] = (struct racer){.client = parts_client(),
                                   .barrier = &barrier,
                                   .rounds = rounds,
                                   .completes = i == 0,
                                   .status = calloc(rounds, sizeof *racers[i].status),
                                   .uploads = calloc(rounds, sizeof *racers[i].uploads)};
        CHECK(pthread_create(&threads[i], NULL, run_racer, &racers[i]) == 0);
    }
    for (unsigned i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (unsigned round = 0; round < rounds; round++) {
        check_round(racers[0].client, round, racers[0].status[round], racers[1].status[round],
                    racers[0].uploads[round]);
        completions += racers[0].status[round] == CATENA_OK;
    }
    for (unsigned i = 0; i < 2; i++) {
        catena_close(racers[i].client);
        free(racers[i].status);
        free(racers[i].uploads);
    }
    CHECK(pthread_barrier_destroy(&barrier) == 0);
    printf("%u rounds: one winner each, %u times the completion\n", rounds, completions);
}

/* ---- steady ---- */

enum { STEADY_PARTS = 3 };

/* True if this upload made the object: decides what an unknown outcome was. */
static bool has_made(struct catena_client *client, const char *key, struct catena_upload_id upload)
{
    struct catena_info info;
    enum catena_status status = catena_stat(client, parts_bucket, key, strlen(key), NULL, &info);
    bool is_ours =
        status == CATENA_OK && info.upload.high == upload.high && info.upload.low == upload.low;
    if (status == CATENA_OK)
        catena_info_release(&info);
    else
        parts_expect(status, CATENA_NO_KEY, "stat");
    return is_ours;
}

/* With the versions that are there; a late copy of a part whose outcome was unknown may replace one
 * meanwhile. */
static enum catena_status complete_newest(struct catena_client *client, const char *key,
                                          struct catena_upload_id upload)
{
    struct catena_part_choice choices[STEADY_PARTS];
    enum catena_status status;
    do {
        struct catena_parts parts;
        status =
            catena_multipart_parts(client, parts_bucket, key, strlen(key), upload, 0, 0, &parts);
        if (status != CATENA_OK)
            return status;
        CHECK(parts.count == STEADY_PARTS);
        for (size_t i = 0; i < STEADY_PARTS; i++)
            choices[i] = (struct catena_part_choice){.number = parts.items[i].number,
                                                     .version = parts.items[i].version};
        catena_parts_release(&parts);
        status = parts_complete(client, key, upload, choices, STEADY_PARTS, NULL, NULL);
    } while (status == CATENA_NO_PART);
    return status;
}

/* One object from parts that come last one first; killed heads may make outcomes unknown, never
 * wrong. Returns whether it was completed with a plain success. */
static bool steady_round(struct catena_client *client, const char *key, size_t part_bytes,
                         uint64_t round)
{
    struct catena_upload_id upload;
    uint8_t *bytes = parts_bytes(round, STEADY_PARTS * part_bytes);
    enum catena_status status;
    do
        status = catena_multipart_create(client, parts_bucket, key, strlen(key), NULL, &upload);
    while (status == CATENA_OUTCOME_UNKNOWN);
    parts_expect(status, CATENA_OK, "begin an upload");
    for (uint32_t i = STEADY_PARTS; i > 0; i--) {
        do /* a part that is put twice is the same part */
            status =
                parts_try(client, key, upload, i, bytes + (i - 1) * part_bytes, part_bytes, NULL);
        while (status == CATENA_OUTCOME_UNKNOWN);
        parts_expect(status, CATENA_OK, "put a part");
    }
    status = complete_newest(client, key, upload);
    bool is_plain = status == CATENA_OK;
    if (status == CATENA_OUTCOME_UNKNOWN && !has_made(client, key, upload)) {
        status = complete_newest(client, key, upload);
        if (status == CATENA_NO_UPLOAD) /* the first one was late */
            CHECK(has_made(client, key, upload));
        else
            parts_expect(status, CATENA_OK, "complete again");
    } else if (status != CATENA_OUTCOME_UNKNOWN) {
        parts_expect(status, CATENA_OK, "complete");
    }
    parts_expect_value(client, key, bytes, STEADY_PARTS * part_bytes);
    free(bytes);
    return is_plain;
}

void parts_steady(const char *key, double seconds, size_t part_bytes)
{
    struct catena_client *client = parts_client();
    double until = parts_now() + seconds;
    unsigned rounds = 0;
    unsigned plain = 0;
    while (parts_now() < until) {
        plain += steady_round(client, key, part_bytes, rounds + 1);
        rounds++;
    }
    CHECK(rounds > 0);
    /* An upload whose beginning was unknown is begun again: the first one may go on. */
    struct catena_upload_list list;
    struct catena_upload_id none = {0};
    parts_expect(catena_multipart_list(client, parts_bucket, key, strlen(key), NULL, 0, none, NULL,
                                       0, &list),
                 CATENA_OK, "list uploads");
    for (size_t i = 0; i < list.count; i++)
        parts_expect(
            catena_multipart_abort(client, parts_bucket, key, strlen(key), list.items[i].upload),
            CATENA_OK, "abort");
    catena_upload_list_release(&list);
    catena_close(client);
    printf("%s: %u objects of %d parts, byte-equal; %u completed without a question\n", key, rounds,
           STEADY_PARTS, plain);
}
