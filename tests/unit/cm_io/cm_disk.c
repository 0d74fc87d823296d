/* A whole master whose disk refuses a write. The linker puts the store's write and its close in our
 * hands (--wrap). */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/contract.h"
#include "base/io/kv_rocksdb.h"
#include "config_master/io/master.h"
#include "tests/lib/temp_directory.h"

enum { EXIT_TOUCHED = 77, EXIT_SETTINGS = 78 };

static char directory[128];
static enum err refusal;
static bool is_founding_refused;
static bool is_refused;

enum err __real_kv_rocksdb_write_many(struct kv_rocksdb *store,
                                      const struct kv_batch *const *batches, size_t count,
                                      bool sync, char *ret_text, size_t text_size);
enum err __wrap_kv_rocksdb_write_many(struct kv_rocksdb *store,
                                      const struct kv_batch *const *batches, size_t count,
                                      bool sync, char *ret_text, size_t text_size);
void __real_kv_rocksdb_close(struct kv_rocksdb *store);
void __wrap_kv_rocksdb_close(struct kv_rocksdb *store);

enum err __wrap_kv_rocksdb_write_many(struct kv_rocksdb *store,
                                      const struct kv_batch *const *batches, size_t count,
                                      bool sync, char *ret_text, size_t text_size)
{
    if (is_refused)
        _exit(EXIT_TOUCHED);
    if (refusal == ERR_OK)
        return __real_kv_rocksdb_write_many(store, batches, count, sync, ret_text, text_size);
    is_refused = true;
    return refusal;
}

void __wrap_kv_rocksdb_close(struct kv_rocksdb *store)
{
    if (is_refused)
        _exit(EXIT_TOUCHED);
    __real_kv_rocksdb_close(store);
}

enum err __real_kv_rocksdb_write(struct kv_rocksdb *store, const struct kv_batch *batch, bool sync,
                                 char *ret_text, size_t text_size);
enum err __wrap_kv_rocksdb_write(struct kv_rocksdb *store, const struct kv_batch *batch, bool sync,
                                 char *ret_text, size_t text_size);

/* The founding rows. */
enum err __wrap_kv_rocksdb_write(struct kv_rocksdb *store, const struct kv_batch *batch, bool sync,
                                 char *ret_text, size_t text_size)
{
    if (!is_founding_refused)
        return __real_kv_rocksdb_write(store, batch, sync, ret_text, text_size);
    return __wrap_kv_rocksdb_write_many(store, &batch, 1, sync, ret_text, text_size);
}

static void setup(void)
{
    temp_directory_make(directory, sizeof directory);
}

static void teardown(void)
{
    temp_directory_remove(directory);
}

/* The only master of its cluster: it writes its vote at the first election. */
static void master_process(void)
{
    static struct master_settings settings;
    struct text text;
    text_init(&text);
    char *const argv[] = {
        (char *)"catena-master",
        (char *)"--id=1",
        (char *)"--dir",
        directory,
        (char *)"--listen=127.0.0.1:0",
        (char *)"--cluster=6a3c1d1e-8a50-4c25-9d1f-2f1b8f3a7c10",
        (char *)"--masters=1=127.0.0.1:7000",
        (char *)"--bootstrap",
    };
    if (master_settings_parse((int)ARRAY_COUNT(argv), argv, &settings, &text) != ARGS_RUN)
        _exit(EXIT_SETTINGS);
    _exit(master_run(&settings));
}

/* Runs it to its end. Returns its wait status; what it said is in `said`. */
static int run_master(char *said, size_t size)
{
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)dup2(pipes[1], STDERR_FILENO);
        (void)close(pipes[0]);
        (void)close(pipes[1]);
        master_process();
    }
    (void)close(pipes[1]);
    size_t used = 0;
    for (ssize_t got = 1; got > 0 && used + 1 < size; used += (size_t)got) {
        got = read(pipes[0], said + used, size - 1 - used);
        ck_assert_int_ge(got, 0);
    }
    said[used] = '\0';
    (void)close(pipes[0]);
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

static const struct refused_case {
    enum err err;
    bool is_founding;
    const char *says;
} cases[] = {
    {ERR_NO_SPACE, false, "event=halted err=NO_SPACE"},
    {ERR_NO_SPACE, false, "no space left for the log; free some and start again"},
    {ERR_DISK_LOST, false, "event=halted err=DISK_LOST"},
    {ERR_DISK_LOST, false, "the disk is not trusted any more"},
    {ERR_NO_SPACE, true, "cannot write to"},
};

START_TEST(a_refused_write_ends_the_master_which_says_why_and_never_touches_the_store_again)
{
    static char said[16384];
    refusal = cases[_i].err;
    is_founding_refused = cases[_i].is_founding;
    int status = run_master(said, sizeof said);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %x: %s", (unsigned)status,
                  said);
    ck_assert_msg(strstr(said, cases[_i].says) != NULL, "%s", said);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cm_disk");
    TCase *tcase = tcase_create("cm_disk");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(
        tcase, a_refused_write_ends_the_master_which_says_why_and_never_touches_the_store_again, 0,
        (int)ARRAY_COUNT(cases));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
