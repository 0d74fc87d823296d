/* cp -r catena:BUCKET/PREFIX DIRECTORY: the objects below a prefix become files below a directory.
 *
 * The main thread lists and asks for objects; a callback hands what came to writer
 * threads, because writing and syncing a file blocks. A piece leaves the pool when its file is
 * complete, so the queue is bounded by the pool. */
#include <stdlib.h>
#include <string.h>

#include "tools/catena/copy.h"
#include "tools/catena/local.h"
#include "tools/catena/transfer.h"

enum { PAGE_ITEMS = 1000, WRITERS = 8 };

struct job {
    struct job *next;
    struct download *download;
    char *key;
    char *path;
    void *bytes;
    size_t length;
    uint64_t pooled; /* what it takes of the pool: the size that the listing told */
};

struct download {
    struct copy copy;
    pthread_mutex_t mutex; /* guards the queue */
    pthread_cond_t arrived;
    struct job *first;
    struct job **end;
    bool is_over;
    pthread_t writers[WRITERS];
    char *made; /* the directory that was made last, relative to the top */
};

static void job_finish(struct job *job)
{
    struct copy *copy = &job->download->copy;
    uint64_t pooled = job->pooled;
    free(job->key);
    free(job->path);
    free(job->bytes);
    free(job);
    pool_leave(&copy->pool, pooled);
}

static void write_file(struct job *job)
{
    struct copy *copy = &job->download->copy;
    struct local_file file;
    char *error = NULL;
    bool is_good = local_file_open(&file, job->path, &error);
    if (is_good && !local_file_write(&file, job->bytes, job->length, &error)) {
        local_file_discard(&file);
        is_good = false;
    }
    if (is_good)
        is_good = local_file_commit(&file, false, &error);
    if (is_good)
        copy_done(copy, job->length);
    else
        copy_failed(copy, CLI_FAILED, error);
    job_finish(job);
}

static void *run_writer(void *context)
{
    struct download *download = context;
    (void)pthread_mutex_lock(&download->mutex);
    for (;;) {
        struct job *job = download->first;
        if (job == NULL) {
            if (download->is_over)
                break;
            (void)pthread_cond_wait(&download->arrived, &download->mutex);
            continue;
        }
        download->first = job->next;
        if (download->first == NULL)
            download->end = &download->first;
        (void)pthread_mutex_unlock(&download->mutex);
        write_file(job);
        (void)pthread_mutex_lock(&download->mutex);
    }
    (void)pthread_mutex_unlock(&download->mutex);
    return NULL;
}

static void on_got(void *context, const struct catena_result *result)
{
    struct job *job = context;
    struct download *download = job->download;
    if (result->status != CATENA_OK) {
        copy_status_failed(&download->copy, result->status, result->error_text, "fetch", job->key);
        job_finish(job);
        return;
    }
    job->bytes = cli_alloc(result->value_length);
    job->length = result->value_length;
    if (job->length > 0)
        memcpy(job->bytes, result->value, job->length);
    job->next = NULL;
    (void)pthread_mutex_lock(&download->mutex);
    *download->end = job;
    download->end = &job->next;
    (void)pthread_cond_signal(&download->arrived);
    (void)pthread_mutex_unlock(&download->mutex);
}

static void fetch_small(struct download *download, const char *key, char *path, uint64_t size)
{
    struct copy *copy = &download->copy;
    if (!copy_enter(copy, size)) {
        free(path);
        return;
    }
    struct job *job = cli_alloc(sizeof *job);
    *job = (struct job){
        .download = download,
        .key = cli_format("%s", key),
        .path = path,
        .pooled = size,
    };
    enum catena_status status;
    for (;;) {
        status = catena_get_async(copy->cli->client, copy->name->bucket, key, strlen(key), NULL,
                                  on_got, job);
        if (status != CATENA_BUSY || !copy_goes_on(copy))
            break;
        pool_wait(&copy->pool);
        copy_pump(copy);
    }
    if (status != CATENA_OK) {
        copy_status_failed(copy, status, catena_error_text(), "fetch", key);
        job_finish(job);
    }
}

static void fetch_large(struct download *download, const char *key, char *path)
{
    struct copy *copy = &download->copy;
    struct name name = *copy->name;
    struct catena_info info = {0};
    name.key = key;
    name.key_length = strlen(key);
    struct transfer transfer = {
        .cli = copy->cli,
        .name = &name,
        .path = path,
        .moved = copy_moved,
        .before_error = copy_clear,
        .context = copy,
    };
    enum cli_exit exit = transfer_down_file(&transfer, 0, UINT64_MAX, &info);
    catena_info_release(&info);
    if (exit == CLI_OK)
        copy_done(copy, 0);
    else
        copy_failed(copy, exit, NULL);
    free(path);
}

/* A key's rest must stay below the directory and name something. */
static bool is_safe_path(const char *path, size_t length)
{
    if (length == 0 || strlen(path) != length)
        return false;
    while (true) {
        size_t part = strcspn(path, "/");
        bool is_dots =
            (part == 1 && path[0] == '.') || (part == 2 && path[0] == '.' && path[1] == '.');
        if (part == 0 || is_dots)
            return false;
        if (path[part] == '\0' || path[part + 1] == '\0')
            return true;
        path += part + 1;
    }
}

/* The directories above a file; remembers the last, since keys come in order. */
static bool make_parent(struct download *download, const char *path)
{
    struct copy *copy = &download->copy;
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (download->made != NULL && strlen(download->made) == length &&
        strncmp(download->made, path, length) == 0)
        return true;
    char *error = NULL;
    char *parent = cli_format("%.*s", (int)length, path);
    char *whole = cli_format("%s%s%s", copy->directory, length > 0 ? "/" : "", parent);
    bool is_good = local_directory_make(whole, &error);
    free(whole);
    if (!is_good) {
        free(parent);
        copy_failed(copy, CLI_FAILED, error);
        return false;
    }
    free(download->made);
    download->made = parent;
    return true;
}

static void fetch(struct download *download, const struct catena_list_item *item)
{
    struct copy *copy = &download->copy;
    const char *path = item->key + copy->name->key_length;
    size_t length = item->key_length - copy->name->key_length;
    bool is_directory = length > 0 && path[length - 1] == '/';
    if (length == 0 && item->size == 0)
        return; /* the prefix itself, kept as an empty directory */
    if (!is_safe_path(path, length) || (is_directory && item->size > 0)) {
        copy_failed(copy, CLI_FAILED,
                    cli_format("cannot fetch %s/%s: the key is no file name below a directory (use "
                               "catena get)",
                               copy->name->bucket, item->key));
        return;
    }
    if (!make_parent(download, path))
        return;
    if (is_directory) {
        copy_done(copy, 0);
        return;
    }
    char *whole = cli_format("%s/%s", copy->directory, path);
    if (item->size <= COPY_WHOLE_BYTES)
        fetch_small(download, item->key, whole, item->size);
    else
        fetch_large(download, item->key, whole);
}

/* Lists page by page and asks for what is listed. Returns how many were found. */
static uint64_t fetch_all(struct download *download)
{
    struct copy *copy = &download->copy;
    const struct name *name = copy->name;
    char after[NAME_KEY_BYTES_MAX];
    size_t after_length = 0;
    uint64_t found = 0;
    bool is_more = true;
    copy->bytes_total = 0;
    while (is_more && copy_goes_on(copy)) {
        struct catena_list list = {0};
        enum catena_status status =
            catena_list(copy->cli->client, name->bucket, name->key, name->key_length, after,
                        after_length, NULL, PAGE_ITEMS, &list);
        if (status != CATENA_OK) {
            copy_status_failed(copy, status, catena_error_text(), "list", name->key);
            break;
        }
        (void)pthread_mutex_lock(&copy->mutex);
        for (size_t i = 0; i < list.count; i++)
            copy->bytes_total += list.items[i].size;
        (void)pthread_mutex_unlock(&copy->mutex);
        for (size_t i = 0; i < list.count && copy_goes_on(copy); i++)
            fetch(download, &list.items[i]);
        found += list.count;
        if (list.count > 0) {
            const struct catena_list_item *last = &list.items[list.count - 1];
            after_length = last->key_length;
            memcpy(after, last->key, after_length);
        }
        is_more = list.truncated && list.count > 0;
        catena_list_release(&list);
    }
    return found;
}

enum cli_exit copy_down(struct cli *cli, const struct name *name, const char *directory)
{
    struct download download = {0};
    struct copy *copy = &download.copy;
    enum cli_exit exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    local_file_prepare();
    interrupt_catch();
    copy_init(copy, cli, name, directory, name->bucket);
    download.end = &download.first;
    (void)pthread_mutex_init(&download.mutex, NULL);
    (void)pthread_cond_init(&download.arrived, NULL);
    unsigned writers = 0;
    while (writers < WRITERS &&
           pthread_create(&download.writers[writers], NULL, run_writer, &download) == 0)
        writers++;
    if (writers == 0)
        return cli_error(cli, CLI_FAILED, "cannot start a thread");

    uint64_t found = fetch_all(&download);
    if (found == 0 && copy->exit == CLI_OK && !interrupt_seen())
        copy_failed(copy, CLI_NOT_FOUND,
                    cli_format("there is nothing under %s/%s", name->bucket, name->key));
    while (!pool_is_empty(&copy->pool, 100))
        copy_pump(copy);
    (void)pthread_mutex_lock(&download.mutex);
    download.is_over = true;
    (void)pthread_cond_broadcast(&download.arrived);
    (void)pthread_mutex_unlock(&download.mutex);
    for (unsigned i = 0; i < writers; i++)
        (void)pthread_join(download.writers[i], NULL);
    /* Files were synced one by one; their names all at once. */
    local_file_system_sync(directory);
    free(download.made);
    return copy_finish(copy);
}
