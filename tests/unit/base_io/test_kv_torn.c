/* RocksDB's log and files, cut short, damaged or gone: a store opens with the first so many of its
 * writes, each whole, or it does not open and says so. It never opens empty, and never shows what
 * was not written. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io/kv_rocksdb.h"
#include "base/prng.h"
#include "base/text.h"
#include "tests/lib/temp_directory.h"
#include "tests/unit/base/suite.h"

enum { WRITES = 40, CUTS = 60, FLIPS = 60, PATH_BYTES_MAX = 512 };

static const struct kv_rocksdb_family families[] = {{.name = "rows"}, {.name = "state"}};
static char root[128];
static char original[160]; /* closed, with everything in its log */
static char copied[160];
static char log_name[64];

static enum err open_store(const char *directory, struct kv_rocksdb **ret_store, char *text,
                           size_t size)
{
    const struct kv_rocksdb_options options = {
        .directory = directory,
        .families = families,
        .family_count = 2,
        .create = true, /* as the daemons do */
    };
    return kv_rocksdb_open(&options, ret_store, text, size);
}

static struct slice key_of(unsigned number, char *array, size_t size)
{
    return slice_of_text(text_format(array, size, "key-%03u", number));
}

/* Write n puts row n, whose bytes n decides, and says in the other family that it was the last. */
static void make_batch(struct kv_batch *batch, unsigned number)
{
    char key[16];
    uint8_t value[300];
    memset(value, (int)number, sizeof value);
    kv_batch_put(batch, 0, key_of(number, key, sizeof key),
                 slice_of(value, 20 + number * 7 % (sizeof value - 20)), NULL);
    kv_batch_put(batch, 1, slice_of_text("last"), slice_of(&number, sizeof number), NULL);
}

static bool is_named(const char *name, const char *prefix, const char *suffix)
{
    size_t length = strlen(name);
    size_t tail = strlen(suffix);
    return strncmp(name, prefix, strlen(prefix)) == 0 && length >= tail &&
           strcmp(name + length - tail, suffix) == 0;
}

/* The name of the file; the last one if there are several. */
static void find_file(const char *prefix, const char *suffix, char *ret_name, size_t size)
{
    DIR *list = opendir(original);
    ck_assert_ptr_nonnull(list);
    ret_name[0] = '\0';
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        if (is_named(entry->d_name, prefix, suffix) && strcmp(entry->d_name, ret_name) > 0)
            text_format(ret_name, size, "%.60s", entry->d_name);
    (void)closedir(list);
    ck_assert_int_ne(ret_name[0], '\0');
}

static void copy_file(const char *name)
{
    char from[PATH_BYTES_MAX];
    char to[PATH_BYTES_MAX];
    static uint8_t bytes[1 << 20];
    FILE *in = fopen(text_format(from, sizeof from, "%s/%s", original, name), "rb");
    FILE *out = fopen(text_format(to, sizeof to, "%s/%s", copied, name), "wb");
    ck_assert(in != NULL && out != NULL);
    for (size_t got; (got = fread(bytes, 1, sizeof bytes, in)) > 0;)
        ck_assert_uint_eq(fwrite(bytes, 1, got, out), got);
    (void)fclose(in);
    ck_assert_int_eq(fclose(out), 0);
}

static void make_copy(void)
{
    temp_directory_remove(copied);
    ck_assert_int_eq(mkdir(copied, 0700), 0);
    DIR *list = opendir(original);
    ck_assert_ptr_nonnull(list);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        if (entry->d_name[0] != '.')
            copy_file(entry->d_name);
    (void)closedir(list);
}

static const char *copied_path(const char *name)
{
    static char path[PATH_BYTES_MAX];
    return text_format(path, sizeof path, "%s/%s", copied, name);
}

static void make_original(void)
{
    struct kv_rocksdb *store = NULL;
    temp_directory_make(root, sizeof root);
    text_format(original, sizeof original, "%s/original", root);
    text_format(copied, sizeof copied, "%s/copied", root);
    ck_assert_int_eq(open_store(original, &store, NULL, 0), ERR_OK);
    for (unsigned number = 1; number <= WRITES; number++) {
        struct kv_batch *batch = kv_batch_new();
        make_batch(batch, number);
        ck_assert_int_eq(kv_rocksdb_write(store, batch, true, NULL, 0), ERR_OK);
        kv_batch_free(batch);
    }
    kv_rocksdb_close(store); /* writes out nothing */
    find_file("", ".log", log_name, sizeof log_name);
}

/* How many of the first writes it has; it must have nothing else. */
static unsigned count_writes(struct kv_rocksdb *store)
{
    struct kv kv = kv_rocksdb_interface(store);
    struct buf *value = NULL;
    unsigned last = 0;
    ck_assert_int_eq(kv_get(&kv, 1, slice_of_text("last"), &value), ERR_OK);
    if (value != NULL)
        memcpy(&last, value->data, sizeof last);
    buf_unref(value);
    ck_assert_uint_le(last, WRITES);
    for (unsigned number = 1; number <= WRITES; number++) {
        struct kv_batch *batch = kv_batch_new();
        char key[16];
        make_batch(batch, number);
        ck_assert_int_eq(kv_get(&kv, 0, key_of(number, key, sizeof key), &value), ERR_OK);
        ck_assert_int_eq(value != NULL, number <= last);
        if (value != NULL)
            ck_assert(slice_equal(buf_slice(value), batch->ops[0].value));
        buf_unref(value);
        kv_batch_free(batch);
    }
    return last;
}

static long log_bytes(void)
{
    struct stat status;
    char path[PATH_BYTES_MAX];
    ck_assert_int_eq(stat(text_format(path, sizeof path, "%s/%s", original, log_name), &status), 0);
    return (long)status.st_size;
}

/* Opens the copy; it has to open. */
static unsigned writes_of_copy(void)
{
    struct kv_rocksdb *store = NULL;
    char text[300] = "";
    enum err err = open_store(copied, &store, text, sizeof text);
    ck_assert_msg(err == ERR_OK, "%s: %s", err_name(err), text);
    unsigned writes = count_writes(store);
    kv_rocksdb_close(store);
    return writes;
}

START_TEST(a_log_that_ends_anywhere_gives_the_writes_before_its_end)
{
    make_original();
    long bytes = log_bytes();
    unsigned before = 0;
    for (long cut = 0; cut <= CUTS; cut++) {
        make_copy();
        ck_assert_int_eq(truncate(copied_path(log_name), bytes * cut / CUTS), 0);
        unsigned writes = writes_of_copy();
        ck_assert_uint_ge(writes, before);
        ck_assert_uint_ge(writes + 1, WRITES * (unsigned)cut / CUTS / 2); /* no cliff */
        before = writes;
    }
    ck_assert_uint_eq(before, WRITES);
    temp_directory_remove(root);
}
END_TEST

START_TEST(what_a_power_cut_leaves_behind_the_log_is_no_write)
{
    static const uint8_t zeros[5000];
    uint8_t noise[5000];
    struct prng prng;
    prng_init(&prng, 7);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)prng_below(&prng, 256);
    make_original();
    for (int i = 0; i < 2; i++) {
        make_copy();
        FILE *log = fopen(copied_path(log_name), "ab");
        ck_assert_ptr_nonnull(log);
        ck_assert_uint_eq(fwrite(i == 0 ? zeros : noise, 1, sizeof noise, log), sizeof noise);
        ck_assert_int_eq(fclose(log), 0);
        ck_assert_uint_eq(writes_of_copy(), WRITES);
    }
    temp_directory_remove(root);
}
END_TEST

START_TEST(a_damaged_log_shows_whole_writes_or_nothing)
{
    struct prng prng;
    prng_init(&prng, 11);
    make_original();
    uint64_t bytes = (uint64_t)log_bytes();
    for (int i = 0; i < FLIPS; i++) {
        make_copy();
        FILE *log = fopen(copied_path(log_name), "r+b");
        ck_assert_ptr_nonnull(log);
        long at = (long)prng_below(&prng, bytes);
        ck_assert_int_eq(fseek(log, at, SEEK_SET), 0);
        int byte = fgetc(log);
        ck_assert_int_eq(fseek(log, at, SEEK_SET), 0);
        ck_assert_int_ne(fputc(byte ^ (1 << prng_below(&prng, 8)), log), EOF);
        ck_assert_int_eq(fclose(log), 0);
        struct kv_rocksdb *store = NULL;
        char text[300] = "";
        enum err err = open_store(copied, &store, text, sizeof text);
        if (err == ERR_OK) {
            ck_assert_uint_lt(count_writes(store), WRITES);
            kv_rocksdb_close(store);
        } else {
            ck_assert_int_eq(err, ERR_CORRUPT);
            ck_assert_int_ne(text[0], '\0');
        }
    }
    temp_directory_remove(root);
}
END_TEST

/* Each of the files without which there is no store: it is refused, not founded again. */
START_TEST(a_store_that_lacks_a_file_is_not_taken_for_a_new_one)
{
    static const char *const prefixes[] = {"CURRENT", "MANIFEST-"};
    char name[64];
    make_original();
    for (unsigned i = 0; i < 4; i++) {
        struct kv_rocksdb *store = NULL;
        char text[300] = "";
        make_copy();
        find_file(prefixes[i / 2], "", name, sizeof name);
        if (i % 2 == 0)
            ck_assert_int_eq(unlink(copied_path(name)), 0);
        else
            ck_assert_int_eq(truncate(copied_path(name), 0), 0);
        enum err err = open_store(copied, &store, text, sizeof text);
        ck_assert_msg(err == ERR_CORRUPT || err == ERR_DISK_LOST, "%s: %s, %s", name, err_name(err),
                      text);
        ck_assert_int_ne(text[0], '\0');
    }
    temp_directory_remove(root);
}
END_TEST

SUITE_MAIN("kv_torn", a_log_that_ends_anywhere_gives_the_writes_before_its_end,
           what_a_power_cut_leaves_behind_the_log_is_no_write,
           a_damaged_log_shows_whole_writes_or_nothing,
           a_store_that_lacks_a_file_is_not_taken_for_a_new_one)
