#include "tools/catena/copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/catena/json.h"

struct copy_message {
    struct copy_message *next;
    enum cli_exit exit; /* CLI_OK: a remark */
    char *text;
};

void copy_init(struct copy *copy, struct cli *cli, const struct name *name, const char *directory,
               const char *what)
{
    *copy = (struct copy){
        .cli = cli,
        .name = name,
        .directory = directory,
        .bytes_total = PROGRESS_UNKNOWN,
    };
    copy->messages_end = &copy->messages;
    pool_init(&copy->pool, COPY_IN_FLIGHT, COPY_IN_FLIGHT_BYTES);
    (void)pthread_mutex_init(&copy->mutex, NULL);
    progress_init(&copy->progress, cli, what);
}

void copy_moved(void *context, uint64_t bytes)
{
    struct copy *copy = context;
    (void)pthread_mutex_lock(&copy->mutex);
    copy->bytes += bytes;
    (void)pthread_mutex_unlock(&copy->mutex);
    copy_pump(copy);
}

void copy_done(struct copy *copy, uint64_t bytes)
{
    (void)pthread_mutex_lock(&copy->mutex);
    copy->files++;
    copy->bytes += bytes;
    (void)pthread_mutex_unlock(&copy->mutex);
}

static void add_message(struct copy *copy, enum cli_exit exit, char *text)
{
    struct copy_message *message = cli_alloc(sizeof *message);
    *message = (struct copy_message){.exit = exit, .text = text};
    *copy->messages_end = message;
    copy->messages_end = &message->next;
}

void copy_failed(struct copy *copy, enum cli_exit exit, char *text)
{
    (void)pthread_mutex_lock(&copy->mutex);
    copy->failed++;
    if (copy->exit == CLI_OK)
        copy->exit = exit;
    if (exit == CLI_UNREACHABLE || exit == CLI_NO_SPACE || exit == CLI_INTERRUPTED)
        copy->is_stopped = true;
    if (text != NULL)
        add_message(copy, exit, text);
    (void)pthread_mutex_unlock(&copy->mutex);
}

void copy_status_failed(struct copy *copy, enum catena_status status, const char *error,
                        const char *verb, const char *key)
{
    if (error == NULL || error[0] == '\0')
        error = catena_status_text(status);
    char *text = cli_format("cannot %s %s/%s: %s", verb, copy->name->bucket, key, error);
    copy_failed(copy, cli_exit_of(status), text);
    if (status == CATENA_NO_BUCKET || status == CATENA_WRONG_CLUSTER) {
        (void)pthread_mutex_lock(&copy->mutex);
        copy->is_stopped = true;
        (void)pthread_mutex_unlock(&copy->mutex);
    }
}

void copy_skipped(struct copy *copy, char *text)
{
    (void)pthread_mutex_lock(&copy->mutex);
    copy->skipped++;
    add_message(copy, CLI_OK, text);
    (void)pthread_mutex_unlock(&copy->mutex);
}

bool copy_goes_on(struct copy *copy)
{
    (void)pthread_mutex_lock(&copy->mutex);
    bool is_stopped = copy->is_stopped;
    (void)pthread_mutex_unlock(&copy->mutex);
    return !is_stopped && !interrupt_seen();
}

bool copy_enter(struct copy *copy, uint64_t bytes)
{
    while (copy_goes_on(copy)) {
        bool is_in = pool_enter(&copy->pool, bytes);
        copy_pump(copy);
        if (is_in)
            return true;
    }
    return false;
}

void copy_clear(void *context)
{
    struct copy *copy = context;
    progress_clear(&copy->progress);
}

void copy_pump(struct copy *copy)
{
    (void)pthread_mutex_lock(&copy->mutex);
    struct copy_message *message = copy->messages;
    copy->messages = NULL;
    copy->messages_end = &copy->messages;
    uint64_t bytes = copy->bytes;
    uint64_t total = copy->bytes_total;
    uint64_t files = copy->files;
    (void)pthread_mutex_unlock(&copy->mutex);
    if (message != NULL)
        progress_clear(&copy->progress);
    while (message != NULL) {
        struct copy_message *next = message->next;
        if (message->exit == CLI_OK)
            cli_note(copy->cli, "%s", message->text);
        else
            (void)cli_error(copy->cli, message->exit, "%s", message->text);
        free(message->text);
        free(message);
        message = next;
    }
    progress_update(&copy->progress, bytes, total, files);
}

enum cli_exit copy_finish(struct copy *copy)
{
    while (!pool_is_empty(&copy->pool, 100))
        copy_pump(copy);
    copy_pump(copy);
    progress_clear(&copy->progress);
    if (interrupt_seen() && copy->exit == CLI_OK)
        copy->exit = CLI_INTERRUPTED;
    uint64_t elapsed = progress_elapsed_ms(&copy->progress);
    cli_done(copy->cli, "%" PRIu64 " files were copied", copy->files);
    if (copy->cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_number(&json, "files", copy->files);
        json_number(&json, "bytes", copy->bytes);
        json_number(&json, "failed", copy->failed);
        json_number(&json, "skipped", copy->skipped);
        json_number(&json, "elapsed_ms", elapsed);
        json_bool(&json, "is_complete", copy->exit == CLI_OK);
        json_finish(&json);
    } else if (!copy->cli->is_quiet) {
        char amount[SHOW_SIZE];
        (void)printf("%" PRIu64 " files, %s in %" PRIu64 ".%" PRIu64 " s", copy->files,
                     show_bytes(copy->bytes, amount), elapsed / 1000, elapsed % 1000 / 100);
        if (copy->skipped > 0)
            (void)printf(", %" PRIu64 " skipped", copy->skipped);
        if (copy->failed > 0)
            (void)printf(", %" PRIu64 " failed", copy->failed);
        (void)printf("\n");
    }
    if (interrupt_seen())
        return cli_error(
            copy->cli, CLI_INTERRUPTED,
            "interrupted: the files counted above are complete, the others are absent");
    if (copy->exit != CLI_OK)
        return cli_error(copy->cli, copy->exit, "the copy is incomplete");
    return CLI_OK;
}
