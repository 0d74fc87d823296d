#include "tools/catena/remove.h"

#include <stdlib.h>
#include <string.h>

#include "tools/catena/pool.h"

enum { PAGE_ITEMS = 1000, IN_FLIGHT_MAX = 128 };

struct removal {
    struct pool pool;
    pthread_mutex_t mutex;
    uint64_t removed;
    enum catena_status status; /* the first failure */
    char *error;
};

static void on_deleted(void *context, const struct catena_result *result)
{
    struct removal *removal = context;
    (void)pthread_mutex_lock(&removal->mutex);
    if (result->status == CATENA_OK || result->status == CATENA_NO_KEY) {
        removal->removed++;
    } else if (removal->status == CATENA_OK) {
        removal->status = result->status;
        removal->error = cli_format("%s", result->error_text != NULL ? result->error_text : "");
    }
    (void)pthread_mutex_unlock(&removal->mutex);
    pool_leave(&removal->pool, 0);
}

static enum catena_status failure_of(struct removal *removal)
{
    (void)pthread_mutex_lock(&removal->mutex);
    enum catena_status status = removal->status;
    (void)pthread_mutex_unlock(&removal->mutex);
    return status;
}

static void note_failure(struct removal *removal, enum catena_status status)
{
    (void)pthread_mutex_lock(&removal->mutex);
    if (removal->status == CATENA_OK) {
        removal->status = status;
        removal->error = cli_format("%s", catena_error_text());
    }
    (void)pthread_mutex_unlock(&removal->mutex);
}

static void remove_one(struct cli *cli, const struct name *name, struct removal *removal,
                       const struct catena_list_item *item)
{
    while (!pool_enter(&removal->pool, 0))
        if (interrupt_seen())
            return;
    enum catena_status status;
    while ((status = catena_delete_async(cli->client, name->bucket, item->key, item->key_length,
                                         NULL, on_deleted, removal)) == CATENA_BUSY)
        pool_wait(&removal->pool);
    if (status != CATENA_OK) {
        note_failure(removal, status);
        pool_leave(&removal->pool, 0);
    }
}

/* The keys that begin with that of `name`, which is empty or ends with a slash. */
static void remove_below(struct cli *cli, const struct name *name, struct removal *removal)
{
    char after[NAME_KEY_BYTES_MAX];
    size_t after_length = 0;
    bool is_more = true;
    while (is_more && failure_of(removal) == CATENA_OK && !interrupt_seen()) {
        struct catena_list list = {0};
        enum catena_status status =
            catena_list(cli->client, name->bucket, name->key, name->key_length, after, after_length,
                        NULL, PAGE_ITEMS, &list);
        if (status != CATENA_OK) {
            note_failure(removal, status);
            break;
        }
        for (size_t i = 0; i < list.count && !interrupt_seen(); i++)
            remove_one(cli, name, removal, &list.items[i]);
        if (list.count > 0) {
            const struct catena_list_item *last = &list.items[list.count - 1];
            after_length = last->key_length;
            memcpy(after, last->key, after_length);
        }
        is_more = list.truncated && list.count > 0;
        catena_list_release(&list);
    }
}

/* The object of the key itself. */
static void remove_top(struct cli *cli, const struct name *name, struct removal *removal)
{
    enum catena_status status =
        catena_delete(cli->client, name->bucket, name->key, name->key_length, NULL, NULL);
    if (status == CATENA_OK)
        removal->removed++;
    else if (status != CATENA_NO_KEY)
        note_failure(removal, status);
}

enum cli_exit remove_tree(struct cli *cli, const struct name *name, uint64_t *ret_removed)
{
    struct removal removal = {.status = CATENA_OK};
    struct name below = *name;
    char *key = NULL;
    pool_init(&removal.pool, IN_FLIGHT_MAX, UINT64_MAX);
    (void)pthread_mutex_init(&removal.mutex, NULL);
    interrupt_catch();
    name_make_directory(&below, &key);
    if (key != NULL)
        remove_top(cli, name, &removal);
    /* A key of full length has nothing below it. */
    if (below.key_length <= NAME_KEY_BYTES_MAX)
        remove_below(cli, &below, &removal);
    while (!pool_is_empty(&removal.pool, 1000))
        continue;
    free(key);
    *ret_removed = removal.removed;
    if (interrupt_seen())
        return cli_error(cli, CLI_INTERRUPTED, "interrupted: %llu objects were removed",
                         (unsigned long long)removal.removed);
    if (removal.status == CATENA_OK)
        return CLI_OK;
    enum cli_exit exit = cli_status_error(cli, removal.status, removal.error,
                                          "cannot remove all of %s/%s", name->bucket, name->key);
    free(removal.error);
    return exit;
}
