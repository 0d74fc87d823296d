#include "base/io/identity.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "base/io/args.h"
#include "base/io/directory_lock.h"
#include "base/io/file.h"
#include "base/io/host.h"
#include "base/text.h"

enum { FILE_BYTES_MAX = 4096, FORMAT = 1 };

static char *path_of(const char *directory, const char *name)
{
    struct text text;
    text_init(&text);
    text_append(&text, "%s/%s", directory, name);
    return text.data;
}

/* What a start that died before it had an identity may leave behind. */
static bool is_own_leftover(const char *name)
{
    static const char *const own[] = {".",     "..",       "catena.lock", "identity.new",
                                      "ready", "ready.tmp"};
    for (size_t i = 0; i < ARRAY_COUNT(own); i++)
        if (strcmp(name, own[i]) == 0)
            return true;
    return false;
}

/* A directory without identity must be empty: it may be somebody's home. */
static enum err check_empty(const char *directory, char *ret_text, size_t text_size)
{
    DIR *handle = opendir(directory);
    if (handle == NULL) {
        text_format(ret_text, text_size, "cannot read the directory %s: %s", directory,
                    strerror(errno));
        return ERR_IO;
    }
    enum err err = ERR_OK;
    const struct dirent *entry;
    while (err == ERR_OK && (entry = readdir(handle)) != NULL) {
        if (is_own_leftover(entry->d_name))
            continue;
        text_format(ret_text, text_size,
                    "the directory %s holds something else (\"%.100s\") and no Catena "
                    "identity; give an empty directory",
                    directory, entry->d_name);
        err = ERR_NOT_OURS;
    }
    (void)closedir(handle);
    return err;
}

/* ---- the file ---- */

struct fields {
    char role[32];
    uint64_t format;
    uint64_t id;
    uint64_t incarnation;
    struct uuid cluster;
    struct uuid disk;
    unsigned found; /* one bit each */
};

static bool field_line(struct fields *fields, char *line)
{
    char *equals = strchr(line, '=');
    if (equals == NULL)
        return false;
    *equals = '\0';
    const char *value = equals + 1;
    if (strcmp(line, "format") == 0) {
        fields->found |= 1u;
        return args_parse_u64(value, &fields->format);
    }
    if (strcmp(line, "role") == 0) {
        fields->found |= 2u;
        text_format(fields->role, sizeof fields->role, "%s", value);
        return true;
    }
    if (strcmp(line, "id") == 0) {
        fields->found |= 4u;
        return args_parse_u64(value, &fields->id);
    }
    if (strcmp(line, "cluster") == 0) {
        fields->found |= 8u;
        return uuid_parse(value, &fields->cluster);
    }
    if (strcmp(line, "disk") == 0) {
        fields->found |= 16u;
        return uuid_parse(value, &fields->disk);
    }
    if (strcmp(line, "incarnation") == 0) {
        fields->found |= 32u;
        return args_parse_u64(value, &fields->incarnation);
    }
    return true; /* a later version's field */
}

/* found = 0 when the content makes no sense. */
static void fields_parse(struct fields *fields, struct slice content)
{
    char copy[FILE_BYTES_MAX + 1];
    *fields = (struct fields){0};
    PRE(content.length < sizeof copy);
    memcpy(copy, content.data, content.length);
    copy[content.length] = '\0';
    char *save = NULL;
    for (char *line = strtok_r(copy, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (line[0] != '#' && !field_line(fields, line)) {
            fields->found = 0;
            return;
        }
    }
}

static enum err fields_check(const struct identity *identity, const struct fields *fields,
                             const struct uuid *asked, char *ret_text, size_t text_size)
{
    const char *directory = identity->directory;
    char found[UUID_TEXT_SIZE];
    char wanted[UUID_TEXT_SIZE];
    if (strcmp(fields->role, identity->role) != 0 && (fields->found & 2u) != 0) {
        text_format(ret_text, text_size,
                    "the directory %s belongs to a %s of a Catena cluster, not to a %s; give "
                    "another one",
                    directory, fields->role, identity->role);
        return ERR_NOT_OURS;
    }
    if (fields->found != 63u || uuid_is_zero(&fields->cluster)) {
        text_format(
            ret_text, text_size,
            "%s/identity is damaged; if the data is in doubt, start with an empty directory "
            "and let the cluster copy it",
            directory);
        return ERR_CORRUPT;
    }
    if (fields->format != FORMAT) {
        text_format(ret_text, text_size,
                    "the directory %s was written by another version (format %llu, this is %d)",
                    directory, (unsigned long long)fields->format, FORMAT);
        return ERR_NOT_OURS;
    }
    if (fields->id != identity->id) {
        text_format(ret_text, text_size,
                    "the directory %s belongs to %s %llu, not to %s %u; check --id and --dir",
                    directory, identity->role, (unsigned long long)fields->id, identity->role,
                    identity->id);
        return ERR_NOT_OURS;
    }
    if (!uuid_is_zero(asked) && !uuid_equal(asked, &fields->cluster)) {
        text_format(ret_text, text_size,
                    "the directory %s belongs to cluster %s, not to %s; check --cluster and --dir",
                    directory, uuid_format(&fields->cluster, found), uuid_format(asked, wanted));
        return ERR_NOT_OURS;
    }
    return ERR_OK;
}

/* ---- opening ---- */

/* is_locked: only then the answer counts; before, it keeps us from creating files in a directory
 * that is somebody else's. */
static enum err identity_read(struct identity *identity, const struct uuid *asked, bool is_locked,
                              char *ret_text, size_t text_size)
{
    struct buf *contents = NULL;
    char *path = path_of(identity->directory, "identity");
    enum err err = file_read(path, FILE_BYTES_MAX, &contents);
    mem_free(path);
    if (err == ERR_NOT_FOUND) {
        identity->cluster = *asked;
        return check_empty(identity->directory, ret_text, text_size);
    }
    if (err != ERR_OK) {
        text_format(ret_text, text_size, "cannot read %s/identity: %s", identity->directory,
                    err_text(err));
        return err;
    }
    struct fields fields;
    fields_parse(&fields, buf_slice(contents));
    buf_unref(contents);
    if (!is_locked)
        return ERR_OK;
    err = fields_check(identity, &fields, asked, ret_text, text_size);
    identity->cluster = fields.cluster;
    identity->disk = fields.disk;
    identity->incarnation = fields.incarnation;
    return err;
}

static enum err identity_lock(struct identity *identity, char *ret_text, size_t text_size)
{
    enum err err = directory_lock_take(identity->directory, &identity->lock, ret_text, text_size);
    return err == ERR_BUSY ? ERR_DUPLICATE_ID : err;
}

enum err identity_open(const char *directory, const char *role, uint32_t id,
                       const struct uuid *cluster, struct identity **ret_identity, char *ret_text,
                       size_t text_size)
{
    struct identity *identity = mem_calloc(1, sizeof *identity);
    struct text copy;
    text_init(&copy);
    text_append(&copy, "%s", directory);
    identity->directory = copy.data;
    identity->role = role;
    identity->id = id;
    enum err err = directory_make(directory);
    if (err != ERR_OK)
        text_format(ret_text, text_size, "cannot make the directory %s: %s", directory,
                    err == ERR_EXISTS ? "what has that name is not a directory" : err_text(err));
    if (err == ERR_OK)
        err = identity_read(identity, cluster, false, ret_text, text_size);
    if (err == ERR_OK)
        err = identity_lock(identity, ret_text, text_size);
    if (err == ERR_OK)
        err = identity_read(identity, cluster, true, ret_text, text_size);
    if (err != ERR_OK) {
        identity_close(identity);
        return err;
    }
    *ret_identity = identity;
    return ERR_OK;
}

void identity_adopt(struct identity *identity, const struct uuid *cluster)
{
    PRE(uuid_is_zero(&identity->cluster));
    PRE(!uuid_is_zero(cluster));
    identity->cluster = *cluster;
}

/* ---- starting ---- */

enum err identity_start(struct identity *identity, uint64_t wall_ms, char *ret_text,
                        size_t text_size)
{
    PRE(!uuid_is_zero(&identity->cluster));
    bool is_new = uuid_is_zero(&identity->disk);
    if (is_new)
        identity->disk = uuid_random();
    uint64_t incarnation = is_new && wall_ms > 0 ? wall_ms : identity->incarnation + 1;
    char cluster[UUID_TEXT_SIZE];
    char disk[UUID_TEXT_SIZE];
    struct text text;
    text_init(&text);
    text_append(&text,
                "# Written by catena-%s at every start. Do not edit or copy.\n"
                "format=%d\nrole=%s\nid=%u\ncluster=%s\ndisk=%s\nincarnation=%llu\n",
                identity->role, FORMAT, identity->role, identity->id,
                uuid_format(&identity->cluster, cluster), uuid_format(&identity->disk, disk),
                (unsigned long long)incarnation);
    char *path = path_of(identity->directory, "identity");
    enum err err = file_write(path, slice_of_text(text_cstr(&text)));
    mem_free(path);
    text_release(&text);
    if (err != ERR_OK) {
        text_format(ret_text, text_size, "cannot write %s/identity: %s", identity->directory,
                    err_text(err));
        return err;
    }
    identity->incarnation = incarnation;
    return ERR_OK;
}

void identity_close(struct identity *identity)
{
    if (identity == NULL)
        return;
    directory_lock_free(identity->lock);
    mem_free(identity->directory);
    mem_free(identity);
}
