/* Access keys, kept by the masters. Secrets travel as payloads and are overwritten wherever this
 * library held them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/contract.h"
#include "client/io/client.h"
#include "wire/access_key.h"

enum { SECRET_CHARACTERS = 40, LIST_RESTARTS = 16 };

_Static_assert(CATENA_GRANTS_MAX == BOUND_GRANTS, "the header says what the masters take");
_Static_assert(CATENA_ACCESS_KEYS_MAX == BOUND_ACCESS_KEYS, "the same");
_Static_assert(CATENA_BUCKET_CONFIG_MAX == BOUND_BUCKET_CONFIG_BYTES, "the same");

void catena_access_key_release(struct catena_access_key *key)
{
    if (key == NULL)
        return;
    free(key->grants);
    explicit_bzero(key, sizeof *key);
}

void catena_access_keys_release(struct catena_access_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++)
        catena_access_key_release(&keys->items[i]);
    free(keys->items);
    *keys = (struct catena_access_keys){0};
}

/* ---- from and to the bytes of wire/access_key.h ---- */

static void keep_text(char *out, size_t size, struct slice text)
{
    PRE(text.length < size);
    memset(out, 0, size);
    if (text.length > 0)
        memcpy(out, text.data, text.length);
}

static void key_fill(const struct wire_access_key *from, struct catena_access_key *key)
{
    *key = (struct catena_access_key){.created_ms = from->created_ms,
                                      .grant_count = from->grant_count};
    keep_text(key->id, sizeof key->id, from->id);
    keep_text(key->secret, sizeof key->secret, from->secret);
    keep_text(key->old_secret, sizeof key->old_secret, from->old_secret);
    key->grants = mem_calloc(from->grant_count == 0 ? 1 : from->grant_count, sizeof *key->grants);
    for (uint32_t i = 0; i < from->grant_count; i++) {
        keep_text(key->grants[i].bucket, sizeof key->grants[i].bucket, from->grants[i].bucket);
        key->grants[i].right = (enum catena_right)from->grants[i].right;
    }
}

static enum catena_status grants_fill(const struct catena_grant *grants, size_t count,
                                      struct wire_access_key *record)
{
    if (grants == NULL && count > 0)
        return fail_text(CATENA_INVALID, "grants must not be NULL");
    for (size_t i = 0; i < count; i++) {
        struct wire_grant grant = {.bucket = slice_of_text(grants[i].bucket),
                                   .right = (enum wire_right)grants[i].right};
        if (!wire_grant_bucket_is_valid(grant.bucket) ||
            (unsigned)grants[i].right > CATENA_RIGHT_OWNER)
            return fail_text(CATENA_INVALID,
                             "a grant names a bucket, the beginning of one and '*', or '*'");
        if (!wire_grant_set(record, &grant))
            return fail_text(CATENA_TOO_LARGE, "an access key has at most %d grants",
                             CATENA_GRANTS_MAX);
    }
    return CATENA_OK;
}

static struct buf *record_bytes(const struct wire_access_key *record)
{
    struct buf *bytes = buf_new(wire_access_key_size(record));
    buf_keep_secret(bytes);
    (void)wire_access_key_put(record, bytes->data);
    return bytes;
}

/* Each of 62 characters equally often: 62 * 4 = 248 of the 256 bytes are used. */
static enum catena_status secret_make(char *secret)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t made = 0;
    uint8_t bytes[64];
    while (made < SECRET_CHARACTERS) {
        ssize_t got = getrandom(bytes, sizeof bytes, 0);
        if (got < 0 && errno != EINTR)
            return fail_text(CATENA_INTERNAL, "the operating system gives no random numbers");
        for (ssize_t i = 0; i < got && made < SECRET_CHARACTERS; i++) {
            if (bytes[i] < 248)
                secret[made++] = letters[bytes[i] % 62];
        }
    }
    secret[made] = '\0';
    explicit_bzero(bytes, sizeof bytes);
    return CATENA_OK;
}

/* ---- changes ---- */

static enum catena_status key_status(const struct wait *wait)
{
    if (wait->err == ERR_NOT_FOUND)
        return fail_text(CATENA_NO_ACCESS_KEY, "%s", wait->text);
    if (wait->err == ERR_EXISTS)
        return fail_text(CATENA_EXISTS, "%s", wait->text);
    return wait_status(wait);
}

static enum catena_status check_id(struct catena_client *client, const char *id)
{
    if (client == NULL || id == NULL)
        return fail_text(CATENA_INVALID, "client and id must not be NULL");
    if (!wire_access_key_id_is_valid(slice_of_text(id)))
        return fail_text(CATENA_INVALID,
                         "an access key has 3 to 128 characters of A-Z, a-z, 0-9, '.', '_', '-'");
    return check_may_block(client);
}

/* record NULL: nothing goes along. */
static enum catena_status change(struct catena_client *client, uint32_t op, const char *id,
                                 uint64_t a, const struct wire_access_key *record)
{
    struct buf *payload = record == NULL ? NULL : record_bytes(record);
    struct wait wait;
    wait_init(&wait, client);
    wait.call.submit = (struct cl_submit){
        .kind = CL_OP_ADMIN,
        .admin_op = op,
        .bucket = slice_of_text(id),
        .a = a,
        .payload = payload,
        .wall_ms = engine_wall_ms(),
        .deadline_us = deadline_after(client, 0),
    };
    (void)wait_run(&wait);
    enum catena_status status = key_status(&wait);
    wait_release(&wait);
    buf_unref(payload);
    return status;
}

/* The caller's secret, or one that is made into `made`. */
static enum catena_status secret_choose(const char *wanted, char *made, struct slice *ret_secret)
{
    if (wanted != NULL && *wanted != '\0') {
        *ret_secret = slice_of_text(wanted);
        if (!wire_secret_is_valid(*ret_secret))
            return fail_text(CATENA_INVALID,
                             "a secret has 8 to 128 printable characters without blanks");
        return CATENA_OK;
    }
    enum catena_status status = secret_make(made);
    *ret_secret = slice_of(made, SECRET_CHARACTERS);
    return status;
}

enum catena_status catena_access_key_create(struct catena_client *client, const char *id,
                                            const char *secret, const struct catena_grant *grants,
                                            size_t grant_count, struct catena_access_key *ret_key)
{
    char made[SECRET_CHARACTERS + 1];
    struct wire_access_key record = {.created_ms = engine_wall_ms()};
    enum catena_status status = check_id(client, id);
    if (status == CATENA_OK)
        status = grants_fill(grants, grant_count, &record);
    if (status == CATENA_OK)
        status = secret_choose(secret, made, &record.secret);
    if (status == CATENA_OK)
        status = change(client, WIRE_ADMIN_KEY_CREATE, id, 0, &record);
    if (status == CATENA_OK && ret_key != NULL) {
        record.id = slice_of_text(id);
        key_fill(&record, ret_key);
    }
    explicit_bzero(made, sizeof made);
    return status;
}

enum catena_status catena_access_key_rotate(struct catena_client *client, const char *id,
                                            bool keep_old, struct catena_access_key *ret_key)
{
    char made[SECRET_CHARACTERS + 1];
    struct wire_access_key record = {0};
    enum catena_status status = check_id(client, id);
    if (status == CATENA_OK && ret_key == NULL)
        status =
            fail_text(CATENA_INVALID, "ret_key must not be NULL: the secret is told only once");
    if (status == CATENA_OK)
        status = secret_choose(NULL, made, &record.secret);
    if (status == CATENA_OK)
        status = change(client, WIRE_ADMIN_KEY_ROTATE, id, keep_old ? 1 : 0, &record);
    if (status == CATENA_OK) {
        record.id = slice_of_text(id);
        key_fill(&record, ret_key);
    }
    explicit_bzero(made, sizeof made);
    return status;
}

enum catena_status catena_access_key_grant(struct catena_client *client, const char *id,
                                           const struct catena_grant *grants, size_t grant_count)
{
    struct wire_access_key record = {0};
    enum catena_status status = check_id(client, id);
    if (status == CATENA_OK)
        status = grants_fill(grants, grant_count, &record);
    return status == CATENA_OK ? change(client, WIRE_ADMIN_KEY_GRANT, id, 0, &record) : status;
}

enum catena_status catena_access_key_revoke(struct catena_client *client, const char *id)
{
    enum catena_status status = check_id(client, id);
    return status == CATENA_OK ? change(client, WIRE_ADMIN_KEY_REVOKE, id, 0, NULL) : status;
}

/* ---- the table ---- */

struct page {
    uint64_t version;
    bool is_truncated;
};

static void take_page(struct wait *wait, const struct call_end *end)
{
    struct page *page = wait->context;
    if (end->result->admin == NULL)
        return;
    page->version = end->result->admin->value;
    page->is_truncated = end->result->admin->truncated;
}

/* Room for one more. No copy of a secret stays behind. */
static struct catena_access_key *keys_extend(struct catena_access_keys *keys)
{
    enum { STEP = 64 };
    if (keys->count % STEP == 0) {
        struct catena_access_key *items = mem_calloc(keys->count + STEP, sizeof *items);
        if (keys->count > 0) {
            memcpy(items, keys->items, keys->count * sizeof *items);
            explicit_bzero(keys->items, keys->count * sizeof *items);
        }
        free(keys->items);
        keys->items = items;
    }
    return &keys->items[keys->count++];
}

static bool take_records(struct slice bytes, struct catena_access_keys *keys)
{
    struct wire_access_key record;
    while (bytes.length > 0) {
        if (keys->count == CATENA_ACCESS_KEYS_MAX || !wire_access_key_take(&bytes, &record) ||
            record.id.length == 0)
            return false;
        key_fill(&record, keys_extend(keys));
    }
    return true;
}

static enum catena_status read_page(struct catena_client *client, bool with_secrets,
                                    uint64_t have_version, struct catena_access_keys *keys,
                                    struct page *page)
{
    char after[sizeof keys->items->id] = "";
    if (keys->count > 0)
        memcpy(after, keys->items[keys->count - 1].id, sizeof after);
    struct wait wait;
    wait_init(&wait, client);
    wait.take = take_page;
    wait.context = page;
    wait.call.submit = (struct cl_submit){
        .kind = CL_OP_ADMIN,
        .admin_op = WIRE_ADMIN_KEY_LIST,
        .bucket = slice_of_text(after),
        .a = with_secrets ? 1 : 0,
        .b = have_version,
        .deadline_us = deadline_after(client, 0),
    };
    (void)wait_run(&wait);
    enum catena_status status = key_status(&wait);
    buf_keep_secret(wait.payload);
    if (status == CATENA_OK && !take_records(buf_slice(wait.payload), keys))
        status = fail_text(CATENA_INTERNAL, "a master's list of access keys makes no sense");
    wait_release(&wait);
    return status;
}

enum catena_status catena_access_keys_get(struct catena_client *client, bool with_secrets,
                                          uint64_t have_version,
                                          struct catena_access_keys *ret_keys)
{
    if (client == NULL || ret_keys == NULL)
        return fail_text(CATENA_INVALID, "client and ret_keys must not be NULL");
    enum catena_status status = check_may_block(client);
    struct catena_access_keys keys = {0};
    unsigned restarts = 0;
    bool is_whole = false;
    while (status == CATENA_OK && !is_whole) {
        struct page page = {0};
        bool is_first = keys.count == 0;
        status = read_page(client, with_secrets, is_first ? have_version : 0, &keys, &page);
        if (status != CATENA_OK)
            break;
        if (is_first) {
            keys.version = page.version;
        } else if (page.version != keys.version) { /* the pages are of two tables: once more */
            catena_access_keys_release(&keys);
            if (++restarts > LIST_RESTARTS)
                status = fail_text(CATENA_BUSY, "the access keys change all the time; try again");
            continue;
        }
        is_whole = !page.is_truncated;
    }
    if (status != CATENA_OK) {
        catena_access_keys_release(&keys);
        return status;
    }
    *ret_keys = keys;
    return succeed();
}
