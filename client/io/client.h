/* What the files of client/io/ share: the client handle, calls, and the blocking and streaming
 * layers above them.
 *
 * A *call* is one operation of the core with a function that runs on the engine when it is done.
 * Everything the public header offers is built from calls. The engine (engine.c) is whichever
 * thread holds `engine`; it owns transport, links and core. Other threads only touch what `mutex`
 * guards: the queues, the counters, and the fields of waits, uploads and downloads that say so. No
 * callback runs with the mutex held. */
#ifndef CATENA_CLIENT_IO_CLIENT_H
#define CATENA_CLIENT_IO_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "base/text.h"
#include "client/core/cl_core.h"
#include "client/include/catena.h"
#include "wire/transport/links.h"
#include "wire/transport/transport.h"

struct call;
struct catena_client;

/* What a finished call left: handed to call->done on the engine, valid only there. */
struct call_end {
    const struct cl_result *result;
    struct buf *payload;      /* borrowed; may be NULL */
    const struct cl_map *map; /* as of now */
};

typedef void (*call_done)(struct call *call, const struct call_end *end);

struct call {
    struct cl_submit submit; /* what it points at stays valid until the call is submitted */
    call_done done;
    struct list_node node;
    uint64_t number;
};

struct catena_client {
    pthread_mutex_t mutex;
    pthread_cond_t slots_freed;
    /* guarded by mutex */
    struct list_node queue; /* struct call.node */
    uint64_t *cancels;      /* numbers of calls to cancel */
    uint32_t cancels_count;
    uint32_t cancels_capacity;
    uint64_t next_number;
    uint32_t slots_used;
    bool is_closing;

    /* fixed after open */
    pthread_t thread;
    uint32_t timeout_ms;
    uint32_t window_bytes;
    uint32_t requests_max;
    void (*round_ended)(void *context);
    void *round_context;
    char **addresses;
    uint32_t addresses_count;

    atomic_bool has_work; /* since an engine began to look */
    pthread_mutex_t engine;
    /* guarded by engine, but for what transport.h leaves to any thread */
    struct transport *transport;
    struct links *links;
    struct cl_core *core;
    struct cl_effects effects;
    uint32_t effects_next; /* those before it were run */
    struct map calls;      /* number -> struct call */
    bool has_called_back;  /* in this round */
    bool has_links_due;    /* a peer has to be dialed again, by the client's own thread */
    bool is_stopped;
    const struct catena_client *outer; /* whose engine this thread is besides */
    uint64_t sleeps_until_us;          /* the client's own thread */
    struct transport_event *events;
    struct wire_hello hello;
};

enum { CLIENT_TAG_BASE = 1, CLIENT_VALUE_MAX = 256 * 1024 * 1024 };

/* status.c */
enum catena_status status_of_err(enum err err);
/* The same for the end of a given call: UPLOAD_GONE of a multipart upload is the user's matter. */
enum catena_status status_of_call(const struct cl_submit *submit, enum err err);
/* Sets this thread's error text and returns the status. */
enum catena_status fail_text(enum catena_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum catena_status succeed(void);

/* engine.c */
uint64_t engine_now_us(void);
uint64_t engine_wall_ms(void);
enum err engine_start(struct catena_client *client);
/* Ends every call, joins the thread, frees transport and core. */
void engine_stop(struct catena_client *client);
bool engine_is_this_thread(const struct catena_client *client);
/* A thread of the user's queued something: it leaves now, if need be by the hands of another
 * thread. Nothing is called back in this thread. */
void engine_submit(struct catena_client *client);

/* call.c */
/* Hands the call to the engine; call->done runs exactly once, later. From any thread. */
void call_start(struct catena_client *client, struct call *call);
/* The same for an asynchronous operation: in a batch of this thread's it may wait for its end. */
void call_start_in_batch(struct catena_client *client, struct call *call);
void call_cancel(struct catena_client *client, const struct call *call);
/* One of requests_max slots. Blocks until the deadline if `may_block`. False: none. */
bool slot_take(struct catena_client *client, bool may_block, uint64_t deadline_us);
void slot_give(struct catena_client *client);
uint64_t deadline_after(const struct catena_client *client, uint32_t timeout_ms);

/* A blocking call: start it, wait, read the fields. */
struct wait {
    struct call call; /* first: done() finds the wait by it */
    struct catena_client *client;
    pthread_cond_t is_done_cond;
    bool is_done; /* guarded by client->mutex */
    enum err err;
    char text[CL_TEXT_BYTES];
    struct catena_info info;
    struct cl_result result; /* without pointers */
    struct buf *payload;     /* owned */
    /* Takes what it needs from the end, on the engine, before the waiter goes on. */
    void (*take)(struct wait *wait, const struct call_end *end);
    void *context;
};

void wait_init(struct wait *wait, struct catena_client *client);
/* Runs the call to its end. */
enum err wait_run(struct wait *wait);
/* As a status of this thread, with its text. */
enum catena_status wait_status(const struct wait *wait);
/* Moves the info out; ret_info may be NULL. */
void wait_give_info(struct wait *wait, struct catena_info *ret_info);
void wait_release(struct wait *wait);
/* Runs, converts and releases: for calls whose only result is a status. */
enum catena_status wait_finish(struct wait *wait);

/* target.c */
/* The parts of an operation that the public calls share, checked and copied. */
struct target {
    char *bucket;
    uint8_t *key;
    size_t key_length;
    void *meta;
    struct catena_op_options options; /* meta points to the copy */
};
enum catena_status target_check(const char *bucket, const void *key, size_t key_length,
                                const struct catena_op_options *options);
enum catena_status target_make(struct catena_client *client, const char *bucket, const void *key,
                               size_t key_length, const struct catena_op_options *options,
                               struct target *ret_target);
void target_release(struct target *target);
void target_fill(const struct target *target, struct cl_submit *submit);
/* Checks, copies, takes a slot: blocks for it until the operation's time-out if `may_block`. */
enum catena_status target_begin(struct catena_client *client, const char *bucket, const void *key,
                                size_t key_length, const struct catena_op_options *options,
                                bool may_block, struct target *ret_target);
/* Releases it and gives the slot back. */
void target_end(struct catena_client *client, struct target *target);
void target_prepare(struct wait *wait, const struct target *target, enum cl_op_kind kind);
/* Runs what was prepared, gives the info (which may be NULL) and ends wait and target. */
enum catena_status target_run(struct catena_client *client, struct target *target,
                              struct wait *wait, struct catena_info *ret_info);
/* Fails when called from a callback. */
enum catena_status check_may_block(const struct catena_client *client);
/* Fails for options with a token: what has no use for one must not look as if it had. */
enum catena_status check_no_token(const char *bucket, const struct catena_op_options *options);
void info_fill(struct catena_info *info, const struct cl_result *result);
/* A copy with a NUL behind it. */
void *bytes_copy(const void *bytes, size_t length);
uint64_t random_u64(void);

/* upload.c: a large value on its way in. */
struct upload;
struct upload *upload_new(struct catena_client *client, struct target *target);
/* What is written becomes a part of a multipart upload instead of an object. */
void upload_set_part(struct upload *upload, struct catena_upload_id multi, uint32_t number);
/* 0: no part. */
uint32_t upload_part(const struct upload *upload);
/* What the value will be published under; the writer's thread may change its options. */
struct target *upload_target(struct upload *upload);
/* Blocks while the window is full. */
enum catena_status upload_write(struct upload *upload, const void *bytes, size_t length);
/* Frees the upload, except after CATENA_CONDITION_FAILED: what is staged stays, to be published
 * again or aborted. */
enum catena_status upload_publish(struct upload *upload, struct catena_info *ret_info);
/* Frees the upload, whatever the outcome. */
enum catena_status upload_commit(struct upload *upload, struct catena_info *ret_info);
void upload_abort(struct upload *upload);
/* Asynchronous: reads from `value` until done, then calls back and frees itself. */
void upload_run(struct upload *upload, const void *value, size_t length, catena_callback callback,
                void *context);

/* multipart.c */
enum catena_status multi_check(const char *bucket, struct catena_upload_id upload);
/* The options of a part, besides what target_check() checks. */
enum catena_status part_check(const char *bucket, const struct catena_op_options *options);

/* download.c: a value on its way out. */
struct download;
/* After a GET: [offset, offset + length) of it. `payload` is what came with the answer: the inline
 * value, or the manifest of an assembled one. */
struct download *download_new(struct catena_client *client, const struct target *target,
                              const struct cl_result *object, struct buf *payload, uint64_t offset,
                              uint64_t length);
/* One try to get the object and to begin a download, which takes the target's slot over. The target
 * stays the caller's. */
enum catena_status download_open(struct catena_client *client, struct target *target,
                                 uint64_t offset, uint64_t length, struct download **ret_download,
                                 struct catena_info *ret_info);
enum catena_status download_read(struct download *download, void *bytes, size_t size,
                                 size_t *ret_length);
/* What it gives stays until the next call. */
enum catena_status download_next(struct download *download, size_t size, const void **ret_bytes,
                                 size_t *ret_length);
uint64_t download_length(const struct download *download);
void download_free(struct download *download);
/* Asynchronous: collects the whole range, calls back once and frees itself. */
void download_run(struct download *download, const struct catena_info *info,
                  catena_callback callback, void *context);

#endif
