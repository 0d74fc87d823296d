/* cp -r DIRECTORY catena:BUCKET/PREFIX: the files below a directory become objects below a prefix.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/catena/copy.h"
#include "tools/catena/transfer.h"

/* Directories still to be read, relative to the top and with a slash at the end ("" = the top). */
struct directories {
    char **paths;
    size_t count;
    size_t capacity;
};

static void directories_push(struct directories *directories, char *path)
{
    if (directories->count == directories->capacity) {
        directories->capacity = directories->capacity == 0 ? 64 : directories->capacity * 2;
        directories->paths =
            cli_realloc(directories->paths, directories->capacity * sizeof *directories->paths);
    }
    directories->paths[directories->count++] = path;
}

/* One small file on its way. */
struct job {
    struct copy *copy;
    char *key;
    char *bytes;
    size_t length;
};

static void job_free(struct job *job)
{
    free(job->key);
    free(job->bytes);
    free(job);
}

static void on_put(void *context, const struct catena_result *result)
{
    struct job *job = context;
    struct copy *copy = job->copy;
    size_t length = job->length;
    if (result->status == CATENA_OK)
        copy_done(copy, length);
    else
        copy_status_failed(copy, result->status, result->error_text, "store", job->key);
    job_free(job);
    pool_leave(&copy->pool, length);
}

/* Takes the job, which is in the pool with its length. */
static void start_put(struct copy *copy, struct job *job)
{
    enum catena_status status;
    for (;;) {
        status = catena_put_async(copy->cli->client, copy->name->bucket, job->key, strlen(job->key),
                                  job->bytes, job->length, NULL, on_put, job);
        if (status != CATENA_BUSY || !copy_goes_on(copy))
            break;
        pool_wait(&copy->pool);
        copy_pump(copy);
    }
    if (status == CATENA_OK)
        return;
    copy_status_failed(copy, status, catena_error_text(), "store", job->key);
    pool_leave(&copy->pool, job->length);
    job_free(job);
}

static void fail_file(struct copy *copy, const char *path, int why)
{
    copy_failed(copy, CLI_FAILED, cli_format("cannot read %s: %s", path, strerror(why)));
}

/* Reads the whole of a small file. A file that shrinks meanwhile is stored as it is at its end; one
 * that grows, as long as it was when it was opened. */
static bool read_small(struct copy *copy, int fd, const char *path, struct job *job)
{
    size_t length = 0;
    while (length < job->length) {
        ssize_t got = read(fd, job->bytes + length, job->length - length);
        if (got < 0 && errno == EINTR && !interrupt_seen())
            continue;
        if (got < 0) {
            if (!interrupt_seen())
                fail_file(copy, path, errno);
            return false;
        }
        if (got == 0)
            break;
        length += (size_t)got;
    }
    job->length = length;
    return true;
}

static void send_small(struct copy *copy, int fd, const char *path, const char *key, size_t length)
{
    if (!copy_enter(copy, length))
        return;
    struct job *job = cli_alloc(sizeof *job);
    *job = (struct job){
        .copy = copy,
        .key = cli_format("%s", key),
        .bytes = cli_alloc(length),
        .length = length,
    };
    if (!read_small(copy, fd, path, job)) {
        pool_leave(&copy->pool, length);
        job_free(job);
        return;
    }
    pool_shrink(&copy->pool, length - job->length);
    start_put(copy, job);
}

static void send_large(struct copy *copy, int fd, const char *path, const char *key)
{
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
    enum cli_exit exit = transfer_up(&transfer, fd, NULL, &info);
    catena_info_release(&info);
    if (exit == CLI_OK)
        copy_done(copy, 0);
    else
        copy_failed(copy, exit, NULL);
}

/* A key for a path below the top; NULL (and a message) if it cannot be one. */
static char *key_of(struct copy *copy, const char *path)
{
    char *key = cli_format("%s%s", copy->name->key, path);
    const char *problem = name_key_problem(key, strlen(key));
    if (problem == NULL)
        return key;
    copy_failed(copy, CLI_FAILED,
                cli_format("cannot store %s/%s: %s", copy->directory, path, problem));
    free(key);
    return NULL;
}

static void send_file(struct copy *copy, int directory, const char *entry, const char *path)
{
    char *key = key_of(copy, path);
    if (key == NULL)
        return;
    char *whole = cli_format("%s/%s", copy->directory, path);
    struct stat status;
    /* Not through a symbolic link that took the file's place since it was looked at. */
    int fd = openat(directory, entry, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        fail_file(copy, whole, errno);
    else if (status.st_size <= COPY_WHOLE_BYTES)
        send_small(copy, fd, whole, key, (size_t)status.st_size);
    else
        send_large(copy, fd, whole, key);
    if (fd >= 0)
        (void)close(fd);
    free(whole);
    free(key);
}

static const char *kind_of(mode_t mode)
{
    if (S_ISLNK(mode))
        return "a symbolic link";
    if (S_ISFIFO(mode))
        return "a pipe";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

/* Returns whether the entry left something in the store. */
static bool send_entry(struct copy *copy, struct directories *directories, int directory,
                       const char *parent, const char *entry)
{
    struct stat status;
    char *path = cli_format("%s%s", parent, entry);
    bool is_kept = true;
    if (fstatat(directory, entry, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        copy_failed(copy, CLI_FAILED,
                    cli_format("cannot read %s/%s: %s", copy->directory, path, strerror(errno)));
    } else if (S_ISDIR(status.st_mode)) {
        directories_push(directories, cli_format("%s/", path));
    } else if (S_ISREG(status.st_mode)) {
        send_file(copy, directory, entry, path);
    } else {
        copy_skipped(
            copy, cli_format("skipped %s/%s: %s", copy->directory, path, kind_of(status.st_mode)));
        is_kept = false;
    }
    free(path);
    return is_kept;
}

/* An empty directory is kept as an empty object whose key ends with a slash. */
static void send_empty_directory(struct copy *copy, const char *path)
{
    char *key = key_of(copy, path);
    if (key != NULL && copy_enter(copy, 0)) {
        struct job *job = cli_alloc(sizeof *job);
        *job = (struct job){.copy = copy, .key = key, .bytes = cli_alloc(1)};
        start_put(copy, job);
    } else {
        free(key);
    }
}

static void send_directory(struct copy *copy, struct directories *directories, const char *path)
{
    char *whole = cli_format("%s/%s", copy->directory, path);
    DIR *stream = opendir(whole);
    bool is_empty = true;
    if (stream == NULL) {
        fail_file(copy, whole, errno);
        free(whole);
        return;
    }
    while (copy_goes_on(copy)) {
        errno = 0;
        struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            if (errno != 0)
                fail_file(copy, whole, errno);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (send_entry(copy, directories, dirfd(stream), path, entry->d_name))
            is_empty = false;
    }
    (void)closedir(stream);
    free(whole);
    if (is_empty && path[0] != '\0' && copy_goes_on(copy))
        send_empty_directory(copy, path);
}

enum cli_exit copy_up(struct cli *cli, const char *directory, const struct name *name)
{
    struct copy copy;
    struct directories directories = {0};
    enum cli_exit exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    interrupt_catch();
    copy_init(&copy, cli, name, directory, directory);
    directories_push(&directories, cli_format("%s", ""));
    while (directories.count > 0) {
        char *path = directories.paths[--directories.count];
        if (copy_goes_on(&copy))
            send_directory(&copy, &directories, path);
        free(path);
    }
    free(directories.paths);
    return copy_finish(&copy);
}
