#include "tools/gateway/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/gateway/checksum.h"
#include "tools/gateway/encode.h"

enum {
    HASH_BYTES = 32,
    NAME_MAX_BYTES = 128,
    SECRET_MIN = 8,
    SECRET_MAX = 128,
    FILE_MAX = 4 << 20
};

struct grant {
    char *pattern;
    enum gw_right right;
};

struct gw_key {
    uint8_t hash[HASH_BYTES]; /* of the name, keyed: the order of the table */
    char *name;
    char *secret;
    char *old_secret; /* NULL: none */
    struct grant *grants;
    size_t grant_count;
};

struct gw_keys {
    struct gw_key *keys;
    size_t count;
    uint8_t hash_key[HASH_BYTES];
};

static void free_secret(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void gw_keys_free(struct gw_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        struct gw_key *key = &keys->keys[i];
        free(key->name);
        free_secret(key->secret);
        free_secret(key->old_secret);
        for (size_t j = 0; j < key->grant_count; j++)
            free(key->grants[j].pattern);
        free(key->grants);
    }
    free(keys->keys);
    free(keys);
}

static bool parse_grant(const char *word, struct gw_key *key)
{
    const char *colon = strrchr(word, ':');
    if (colon == NULL || colon == word)
        return false;
    enum gw_right right = GW_RIGHT_NONE;
    if (strcmp(colon, ":read") == 0)
        right = GW_RIGHT_READ;
    else if (strcmp(colon, ":write") == 0)
        right = GW_RIGHT_WRITE;
    else if (strcmp(colon, ":owner") == 0)
        right = GW_RIGHT_OWNER;
    else
        return false;
    key->grants = realloc(key->grants, (key->grant_count + 1) * sizeof *key->grants);
    if (key->grants == NULL)
        abort();
    key->grants[key->grant_count++] = (struct grant){
        .pattern = gw_copy_bytes(word, (size_t)(colon - word)),
        .right = right,
    };
    return true;
}

/* NULL: no more words in the line. */
static char *next_word(char **cursor)
{
    *cursor += strspn(*cursor, " \t\r");
    if (**cursor == '\0' || **cursor == '#')
        return NULL;
    char *word = *cursor;
    *cursor += strcspn(*cursor, " \t\r");
    if (**cursor != '\0')
        *(*cursor)++ = '\0';
    return word;
}

/* What is wrong with the line, or NULL. */
static const char *parse_line(char *line, struct gw_keys *keys)
{
    char *cursor = line;
    char *word = next_word(&cursor);
    if (word == NULL)
        return NULL;
    if (strcmp(word, "key") != 0)
        return "a line begins with \"key\"";
    const char *name = next_word(&cursor);
    const char *secret = next_word(&cursor);
    if (name == NULL || secret == NULL)
        return "access key and secret are missing";
    if (strlen(name) > NAME_MAX_BYTES || strlen(secret) < SECRET_MIN || strlen(secret) > SECRET_MAX)
        return "an access key has at most 128 characters, a secret 8 to 128";
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i].name, name) == 0)
            return "the access key stands twice";
    }
    keys->keys = realloc(keys->keys, (keys->count + 1) * sizeof *keys->keys);
    if (keys->keys == NULL)
        abort();
    struct gw_key *key = &keys->keys[keys->count++];
    *key = (struct gw_key){.name = gw_copy(name), .secret = gw_copy(secret)};
    while ((word = next_word(&cursor)) != NULL) {
        if (!parse_grant(word, key))
            return "a right is BUCKET:read, BUCKET:write or BUCKET:owner";
    }
    return NULL;
}

static void hash_name(const struct gw_keys *keys, const char *name, uint8_t *hash)
{
    gw_hmac_sha256(slice_of(keys->hash_key, HASH_BYTES), slice_of_text(name), hash);
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(((const struct gw_key *)a)->hash, ((const struct gw_key *)b)->hash, HASH_BYTES);
}

/* All keys are there: puts them in the order in which they are found. */
static void seal(struct gw_keys *keys)
{
    if (getrandom(keys->hash_key, sizeof keys->hash_key, 0) != (ssize_t)sizeof keys->hash_key)
        abort(); /* never: 32 bytes are given whole once the system has begun */
    for (size_t i = 0; i < keys->count; i++)
        hash_name(keys, keys->keys[i].name, keys->keys[i].hash);
    if (keys->count > 1)
        qsort(keys->keys, keys->count, sizeof *keys->keys, compare_keys);
}

bool gw_keys_parse(struct slice content, struct gw_keys **ret_keys, struct text *error)
{
    struct gw_keys *keys = gw_zalloc(sizeof *keys);
    char *copy = gw_copy_bytes(content.data, content.length);
    unsigned number = 1;
    const char *wrong = NULL;
    for (char *line = copy; wrong == NULL && line != NULL; number++) {
        char *newline = strchr(line, '\n');
        if (newline != NULL)
            *newline = '\0';
        wrong = parse_line(line, keys);
        if (wrong != NULL)
            text_append(error, "line %u: %s", number, wrong);
        line = newline == NULL ? NULL : newline + 1;
    }
    explicit_bzero(copy, content.length);
    free(copy);
    if (wrong != NULL) {
        gw_keys_free(keys);
        return false;
    }
    seal(keys);
    *ret_keys = keys;
    return true;
}

struct gw_keys *gw_keys_of_masters(const struct catena_access_keys *table)
{
    struct gw_keys *keys = gw_zalloc(sizeof *keys);
    keys->keys = gw_zalloc((table->count + 1) * sizeof *keys->keys);
    for (size_t i = 0; i < table->count; i++) {
        const struct catena_access_key *from = &table->items[i];
        if (from->secret[0] == '\0')
            continue; /* listed without: nobody can sign with it */
        struct gw_key *key = &keys->keys[keys->count++];
        key->name = gw_copy(from->id);
        key->secret = gw_copy(from->secret);
        key->old_secret = from->old_secret[0] == '\0' ? NULL : gw_copy(from->old_secret);
        key->grants = gw_zalloc((from->grant_count + 1) * sizeof *key->grants);
        for (size_t j = 0; j < from->grant_count; j++)
            key->grants[key->grant_count++] =
                (struct grant){.pattern = gw_copy(from->grants[j].bucket),
                               .right = (enum gw_right)from->grants[j].right};
    }
    seal(keys);
    return keys;
}

static bool read_all(int fd, struct stat *status, char **ret_content, size_t *ret_length)
{
    size_t size = (size_t)status->st_size;
    char *content = gw_zalloc(size + 1);
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(fd, content + length, size - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            free_secret(content);
            return false;
        }
        if (got == 0)
            break;
        length += (size_t)got;
    }
    *ret_content = content;
    *ret_length = length;
    return true;
}

bool gw_keys_load(const char *path, struct gw_keys **ret_keys, struct text *error)
{
    struct stat status;
    char *content = NULL;
    size_t length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_good = false;
    if (fd < 0 || fstat(fd, &status) != 0) {
        text_append(error, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(status.st_mode) || status.st_size > FILE_MAX) {
        text_append(error, "%s: not a regular file of at most 4 MiB", path);
    } else if ((status.st_mode & 077) != 0) {
        text_append(error, "%s: others than its owner may read or write it; run chmod 600 %s", path,
                    path);
    } else if (!read_all(fd, &status, &content, &length)) {
        text_append(error, "%s: %s", path, strerror(errno));
    } else {
        struct text detail;
        text_init(&detail);
        is_good = gw_keys_parse(slice_of(content, length), ret_keys, &detail);
        if (!is_good)
            text_append(error, "%s: %s", path, text_cstr(&detail));
        text_release(&detail);
    }
    if (content != NULL)
        explicit_bzero(content, length);
    free(content);
    if (fd >= 0)
        close(fd);
    return is_good;
}

const struct gw_key *gw_keys_find(const struct gw_keys *keys, const char *access_key)
{
    struct gw_key wanted;
    if (access_key == NULL || keys->count == 0)
        return NULL;
    hash_name(keys, access_key, wanted.hash);
    const struct gw_key *found =
        bsearch(&wanted, keys->keys, keys->count, sizeof *keys->keys, compare_keys);
    return found != NULL && gw_secret_equal(found->name, access_key) ? found : NULL;
}

const char *gw_key_name(const struct gw_key *key)
{
    return key->name;
}

const char *gw_key_secret(const struct gw_key *key, unsigned index)
{
    return index == 0 ? key->secret : (index == 1 ? key->old_secret : NULL);
}

static bool pattern_matches(const char *pattern, const char *bucket)
{
    size_t length = strlen(pattern);
    if (length > 0 && pattern[length - 1] == '*')
        return strncmp(pattern, bucket, length - 1) == 0;
    return strcmp(pattern, bucket) == 0;
}

enum gw_right gw_key_right(const struct gw_key *key, const char *bucket)
{
    enum gw_right best = GW_RIGHT_NONE;
    for (size_t i = 0; i < key->grant_count; i++) {
        if (pattern_matches(key->grants[i].pattern, bucket) && key->grants[i].right > best)
            best = key->grants[i].right;
    }
    return best;
}
