#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io/value_log.h"
#include "base/text.h"
#include "tests/lib/temp_directory.h"

enum { SEGMENT_BYTES = 64 << 10, VALUE_BYTES = 20000, FAMILY = 3 };

static char root[128];
static char directory[160];
static struct value_log *value_log;

/* ---- a kernel that fails when told to ---- */

static int write_errno;
static size_t write_bytes_left; /* before the failure */
static int sync_errno;
static unsigned syncs;

static ssize_t faulty_pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
    if (write_errno == 0)
        return pwritev(fd, pieces, count, offset);
    if (write_bytes_left == 0) {
        errno = write_errno;
        return -1;
    }
    size_t length = pieces[0].iov_len < write_bytes_left ? pieces[0].iov_len : write_bytes_left;
    write_bytes_left -= length;
    return pwrite(fd, pieces[0].iov_base, length, offset);
}

static int faulty_fdatasync(int fd)
{
    syncs++;
    if (sync_errno == 0)
        return fdatasync(fd);
    errno = sync_errno;
    return -1;
}

static void open_log(void)
{
    static const struct value_log_system faulty = {.pwritev = faulty_pwritev,
                                                   .fdatasync = faulty_fdatasync};
    const struct value_log_options options = {.directory = directory,
                                              .segment_bytes = SEGMENT_BYTES,
                                              .open_files_max = 2,
                                              .system = &faulty};
    char text[300] = "";
    enum err err = value_log_open(&options, &value_log, text, sizeof text);
    ck_assert_msg(err == ERR_OK, "%s: %s", err_name(err), text);
}

static void setup(void)
{
    write_errno = 0;
    write_bytes_left = 0;
    sync_errno = 0;
    syncs = 0;
    temp_directory_make(root, sizeof root);
    text_format(directory, sizeof directory, "%s/values", root);
    open_log();
    value_log_settle(value_log);
}

static void teardown(void)
{
    value_log_close(value_log);
    temp_directory_remove(root);
}

static struct slice key_of(unsigned number)
{
    static char key[16];
    return slice_of_text(text_format(key, sizeof key, "key-%04u", number));
}

static enum err append(unsigned number, size_t length, struct value_pointer *ret_pointer)
{
    struct buf *value = buf_new(length);
    memset(value->data, (int)number, length);
    const struct slice pieces[] = {slice_of_text("head"), buf_slice(value)};
    enum err err = value_log_append(value_log, FAMILY, key_of(number), pieces, 2, ret_pointer);
    buf_unref(value);
    return err;
}

static struct value_pointer must_append(unsigned number, size_t length)
{
    struct value_pointer pointer;
    ck_assert_int_eq(append(number, length, &pointer), ERR_OK);
    ck_assert_uint_eq(pointer.length, length + 4);
    return pointer;
}

static void expect_value(const struct value_pointer *pointer, unsigned number)
{
    uint8_t *into = mem_alloc(pointer->length);
    ck_assert_int_eq(value_log_read(value_log, pointer, key_of(number).length, into), ERR_OK);
    ck_assert_int_eq(memcmp(into, "head", 4), 0);
    for (uint32_t i = 4; i < pointer->length; i++)
        ck_assert_uint_eq(into[i], (uint8_t)number);
    mem_free(into);
}

static enum err read_value(const struct value_pointer *pointer)
{
    uint8_t *into = mem_alloc(pointer->length);
    enum err err = value_log_read(value_log, pointer, key_of(0).length, into);
    mem_free(into);
    return err;
}

static int64_t bytes_of(const struct value_pointer *pointer)
{
    return (int64_t)value_log_record_bytes(key_of(0).length, pointer->length);
}

static void segment_file(uint64_t id, char *path, size_t size)
{
    text_format(path, size, "%s/%010llu.seg", directory, (unsigned long long)id);
}

static bool segment_exists(uint64_t id)
{
    char path[256];
    segment_file(id, path, sizeof path);
    return access(path, F_OK) == 0;
}

static void reopen(const struct value_pointer *named, size_t count)
{
    value_log_close(value_log);
    open_log();
    for (size_t i = 0; i < count; i++)
        value_log_count(value_log, &named[i], key_of(0).length);
    value_log_settle(value_log);
}

/* ---- tests ---- */

START_TEST(values_are_read_back_across_segments)
{
    struct value_pointer pointers[12];
    for (unsigned i = 0; i < 12; i++)
        pointers[i] = must_append(i, VALUE_BYTES);
    ck_assert_int_eq(value_log_sync(value_log), ERR_OK);
    ck_assert_uint_eq(pointers[11].segment, 4);
    for (unsigned i = 0; i < 12; i++)
        expect_value(&pointers[i], i);
}
END_TEST

START_TEST(value_larger_than_a_segment_gets_its_own)
{
    struct value_pointer small = must_append(1, 100);
    struct value_pointer large = must_append(2, 3 * SEGMENT_BYTES);
    struct value_pointer after = must_append(3, 100);
    ck_assert_uint_ne(small.segment, large.segment);
    ck_assert_uint_ne(after.segment, large.segment);
    expect_value(&large, 2);
    expect_value(&after, 3);
}
END_TEST

START_TEST(sync_is_made_once_and_only_when_needed)
{
    ck_assert_int_eq(value_log_sync(value_log), ERR_OK);
    ck_assert_uint_eq(syncs, 0);
    must_append(1, 100);
    must_append(2, 100);
    ck_assert_int_eq(value_log_sync(value_log), ERR_OK);
    ck_assert_int_eq(value_log_sync(value_log), ERR_OK);
    ck_assert_uint_eq(syncs, 1);
}
END_TEST

START_TEST(full_disk_leaves_the_log_as_it_was)
{
    struct value_pointer first = must_append(1, 1000);
    write_errno = ENOSPC;
    write_bytes_left = 700;
    struct value_pointer pointer;
    ck_assert_int_eq(append(2, 1000, &pointer), ERR_NO_SPACE);
    write_errno = 0;
    struct value_pointer next = must_append(3, 1000);
    ck_assert_uint_eq(next.offset, (uint64_t)bytes_of(&first));
    ck_assert_int_eq(value_log_sync(value_log), ERR_OK);
    expect_value(&first, 1);
    expect_value(&next, 3);
}
END_TEST

START_TEST(failed_write_is_latched)
{
    write_errno = EIO;
    struct value_pointer pointer;
    ck_assert_int_eq(append(1, 1000, &pointer), ERR_DISK_LOST);
    write_errno = 0;
    ck_assert_int_eq(append(1, 1000, &pointer), ERR_DISK_LOST);
    ck_assert_int_eq(value_log_sync(value_log), ERR_DISK_LOST);
}
END_TEST

START_TEST(failed_sync_is_latched_and_never_tried_again)
{
    must_append(1, 1000);
    sync_errno = EIO;
    ck_assert_int_eq(value_log_sync(value_log), ERR_DISK_LOST);
    sync_errno = 0;
    ck_assert_int_eq(value_log_sync(value_log), ERR_DISK_LOST);
    struct value_pointer pointer;
    ck_assert_int_eq(append(1, 1000, &pointer), ERR_DISK_LOST);
    ck_assert_uint_eq(syncs, 1);
}
END_TEST

START_TEST(damaged_value_is_corrupt)
{
    struct value_pointer pointer = must_append(1, 1000);
    ck_assert_int_eq(read_value(&pointer), ERR_OK);
    ck_assert_uint_eq(temp_directory_damage(directory, ".seg", 500), 1);
    ck_assert_int_eq(read_value(&pointer), ERR_CORRUPT);
}
END_TEST

START_TEST(missing_or_short_segment_is_corrupt)
{
    struct value_pointer pointer = must_append(1, 1000);
    char path[256];
    segment_file(pointer.segment, path, sizeof path);
    ck_assert_int_eq(truncate(path, 600), 0);
    ck_assert_int_eq(read_value(&pointer), ERR_CORRUPT);
    pointer.segment = 77;
    ck_assert_int_eq(read_value(&pointer), ERR_CORRUPT);
}
END_TEST

static const char *told_lost(void)
{
    static char text[600];
    text[0] = '\0';
    value_log_tell_lost(value_log, text, sizeof text);
    return text;
}

START_TEST(segment_that_rows_name_and_that_is_missing_is_told)
{
    struct value_pointer pointers[7];
    for (unsigned i = 0; i < 7; i++)
        pointers[i] = must_append(i, VALUE_BYTES);
    ck_assert_uint_eq(pointers[6].segment, 3);
    reopen(pointers, 7);
    ck_assert_str_eq(told_lost(), "");
    char path[256];
    segment_file(2, path, sizeof path);
    ck_assert_int_eq(unlink(path), 0);
    reopen(pointers, 7);
    ck_assert_msg(strstr(told_lost(), path) != NULL, "%s", told_lost());
    ck_assert_msg(strstr(told_lost(), "is missing") != NULL, "%s", told_lost());
    ck_assert_msg(strstr(told_lost(), "more segments") == NULL, "%s", told_lost());
    ck_assert_msg(strstr(told_lost(), "start this node with an empty directory") != NULL, "%s",
                  told_lost());
    expect_value(&pointers[0], 0);
    expect_value(&pointers[6], 6);
    segment_file(1, path, sizeof path);
    ck_assert_int_eq(unlink(path), 0);
    reopen(pointers, 7);
    ck_assert_msg(strstr(told_lost(), path) != NULL, "%s", told_lost());
    ck_assert_msg(strstr(told_lost(), "1 more segments") != NULL, "%s", told_lost());
}
END_TEST

START_TEST(segment_that_is_shorter_than_rows_say_is_told)
{
    struct value_pointer pointers[2] = {must_append(1, 1000), must_append(2, 1000)};
    char path[256];
    segment_file(1, path, sizeof path);
    ck_assert_int_eq(truncate(path, (off_t)pointers[1].offset + 30), 0);
    reopen(pointers, 2);
    char bytes[64];
    text_format(bytes, sizeof bytes, "has %llu of the %llu bytes",
                (unsigned long long)pointers[1].offset + 30,
                (unsigned long long)pointers[1].offset + (unsigned long long)bytes_of(pointers));
    ck_assert_msg(strstr(told_lost(), path) != NULL, "%s", told_lost());
    ck_assert_msg(strstr(told_lost(), "is too short") != NULL, "%s", told_lost());
    ck_assert_msg(strstr(told_lost(), bytes) != NULL, "%s", told_lost());
    expect_value(&pointers[0], 1);
}
END_TEST

START_TEST(segment_goes_when_its_last_row_is_durably_gone)
{
    struct value_pointer pointers[4];
    for (unsigned i = 0; i < 4; i++) {
        pointers[i] = must_append(i, VALUE_BYTES);
        value_log_live(value_log, pointers[i].segment, bytes_of(&pointers[i]));
    }
    value_log_counted(value_log);
    ck_assert_uint_eq(pointers[3].segment, 2);
    for (unsigned i = 0; i < 3; i++)
        value_log_live(value_log, 1, -bytes_of(&pointers[i]));
    ck_assert(value_log_waits_for_rows(value_log));
    value_log_unlink(value_log);
    ck_assert(segment_exists(1));
    value_log_rows_durable(value_log);
    value_log_unlink(value_log);
    ck_assert(!segment_exists(1));
    ck_assert(segment_exists(2));
    ck_assert(!value_log_waits(value_log));
}
END_TEST

START_TEST(reader_inside_keeps_a_segment)
{
    struct value_pointer pointers[4];
    for (unsigned i = 0; i < 4; i++)
        pointers[i] = must_append(i, VALUE_BYTES);
    struct value_reader before;
    struct value_reader after;
    value_log_enter(value_log, &before);
    value_log_counted(value_log); /* no row names them */
    value_log_rows_durable(value_log);
    value_log_enter(value_log, &after);
    value_log_unlink(value_log);
    expect_value(&pointers[0], 0);
    value_log_leave(value_log, &before);
    value_log_unlink(value_log);
    ck_assert(!segment_exists(1));
    value_log_leave(value_log, &after);
}
END_TEST

START_TEST(opening_removes_what_no_row_names_and_never_appends_to_old_files)
{
    struct value_pointer pointers[7];
    for (unsigned i = 0; i < 7; i++)
        pointers[i] = must_append(i, VALUE_BYTES);
    ck_assert_int_eq(value_log_sync(value_log), ERR_OK);
    reopen(&pointers[3], 1);
    ck_assert(!segment_exists(1));
    ck_assert(segment_exists(2));
    ck_assert(!segment_exists(3));
    struct value_log_stats stats = value_log_stats(value_log);
    ck_assert_uint_eq(stats.segments, 1);
    ck_assert_uint_eq(stats.live_bytes, (uint64_t)bytes_of(&pointers[3]));
    ck_assert_uint_eq(stats.bytes, stats.live_bytes);
    expect_value(&pointers[3], 3);
    struct value_pointer next = must_append(9, 100);
    ck_assert_uint_eq(next.segment, 4);
    expect_value(&next, 9);
}
END_TEST

START_TEST(torn_tail_is_ignored)
{
    struct value_pointer pointers[2] = {must_append(1, 1000), must_append(2, 1000)};
    char path[256];
    segment_file(1, path, sizeof path);
    ck_assert_int_eq(truncate(path, (off_t)pointers[1].offset + 30), 0);
    reopen(pointers, 1);
    expect_value(&pointers[0], 1);
    ck_assert_str_eq(told_lost(), "");
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_size, bytes_of(&pointers[0]));
}
END_TEST

START_TEST(sparse_segment_is_walked_in_order)
{
    struct value_pointer pointers[4];
    for (unsigned i = 0; i < 4; i++)
        pointers[i] = must_append(i, VALUE_BYTES);
    value_log_live(value_log, 1, bytes_of(&pointers[1]));
    value_log_counted(value_log);
    ck_assert(value_log_can_collect(value_log));
    struct value_log_record record;
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(value_log_collect_next(value_log, &record));
        ck_assert_uint_eq(record.family, FAMILY);
        ck_assert(slice_equal(record.key, key_of(i)));
        ck_assert_uint_eq(record.pointer.checksum, pointers[i].checksum);
        if (i == 1) {
            value_log_collect_back(value_log, &record);
            ck_assert(value_log_collect_next(value_log, &record));
            ck_assert(slice_equal(record.key, key_of(1)));
        }
    }
    ck_assert(!value_log_collect_next(value_log, &record));
    ck_assert(!value_log_can_collect(value_log));
    value_log_live(value_log, 1, -bytes_of(&pointers[1]));
    ck_assert(value_log_waits_for_rows(value_log));
}
END_TEST

START_TEST(segment_with_a_damaged_header_is_kept)
{
    struct value_pointer pointers[4];
    for (unsigned i = 0; i < 4; i++)
        pointers[i] = must_append(i, VALUE_BYTES);
    value_log_live(value_log, 1, bytes_of(&pointers[1]));
    value_log_counted(value_log);
    ck_assert_uint_gt(temp_directory_damage(directory, ".seg", 10), 0);
    struct value_log_record record;
    ck_assert(!value_log_collect_next(value_log, &record));
    ck_assert(!value_log_can_collect(value_log));
    value_log_rows_durable(value_log);
    value_log_unlink(value_log);
    expect_value(&pointers[1], 1);
}
END_TEST

START_TEST(segment_being_filled_goes_at_rest_when_it_is_all_garbage)
{
    struct value_pointer pointer = must_append(1, 1000);
    value_log_live(value_log, 1, bytes_of(&pointer));
    ck_assert_int_eq(value_log_rest(value_log), ERR_OK);
    ck_assert(!value_log_waits(value_log));
    value_log_live(value_log, 1, -bytes_of(&pointer));
    ck_assert_int_eq(value_log_rest(value_log), ERR_OK);
    value_log_rows_durable(value_log);
    value_log_unlink(value_log);
    ck_assert(!segment_exists(1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("value_log");
    TCase *tcase = tcase_create("value_log");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, values_are_read_back_across_segments);
    tcase_add_test(tcase, value_larger_than_a_segment_gets_its_own);
    tcase_add_test(tcase, sync_is_made_once_and_only_when_needed);
    tcase_add_test(tcase, full_disk_leaves_the_log_as_it_was);
    tcase_add_test(tcase, failed_write_is_latched);
    tcase_add_test(tcase, failed_sync_is_latched_and_never_tried_again);
    tcase_add_test(tcase, damaged_value_is_corrupt);
    tcase_add_test(tcase, missing_or_short_segment_is_corrupt);
    tcase_add_test(tcase, segment_that_rows_name_and_that_is_missing_is_told);
    tcase_add_test(tcase, segment_that_is_shorter_than_rows_say_is_told);
    tcase_add_test(tcase, segment_goes_when_its_last_row_is_durably_gone);
    tcase_add_test(tcase, reader_inside_keeps_a_segment);
    tcase_add_test(tcase, opening_removes_what_no_row_names_and_never_appends_to_old_files);
    tcase_add_test(tcase, torn_tail_is_ignored);
    tcase_add_test(tcase, sparse_segment_is_walked_in_order);
    tcase_add_test(tcase, segment_with_a_damaged_header_is_kept);
    tcase_add_test(tcase, segment_being_filled_goes_at_rest_when_it_is_all_garbage);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
