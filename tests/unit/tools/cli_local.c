#include "tools/catena/local.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/base/suite.h"
#include "tools/catena/local_start.h"

static const struct cli cli = {.is_quiet = true};
static char top[] = "/tmp/catena-unit-XXXXXX";

static char *below(const char *name)
{
    return cli_format("%s/%s", top, name);
}

static void enter_directory(void)
{
    memcpy(top + strlen(top) - 6, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(top));
    local_file_prepare();
}

static void leave_directory(void)
{
    pid_t child = fork();
    if (child == 0) {
        (void)execlp("rm", "rm", "-rf", "--", top, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(child, NULL, 0);
}

static unsigned entries_of_top(void)
{
    unsigned count = 0;
    char *command = cli_format("%s", top);
    struct dirent **entries = NULL;
    int found = scandir(command, &entries, NULL, NULL);
    for (int i = 0; i < found; i++) {
        count += entries[i]->d_name[0] != '.' || strlen(entries[i]->d_name) > 2;
        free(entries[i]);
    }
    free(entries);
    free(command);
    return count;
}

/* A process with that directory among its arguments, until *ret_hold is closed. */
static pid_t start_named(const char *dir, int *ret_hold)
{
    int ready[2];
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ready[0], 0);
        (void)close(ready[1]);
        (void)execlp("sh", "sh", "-c", "read line", dir, (char *)NULL);
        _exit(127);
    }
    (void)close(ready[0]);
    while (!local_pid_is_ours(child, dir))
        ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
    *ret_hold = ready[1];
    return child;
}

START_TEST(file_appears_only_when_it_is_committed)
{
    struct local_file file;
    char *error = NULL;
    char *path = below("file");
    ck_assert(local_file_open(&file, path, &error));
    ck_assert(local_file_write(&file, "hello", 5, &error));
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert(local_file_commit(&file, true, &error));
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_size, 5);
    ck_assert_uint_eq(entries_of_top(), 1);
    free(path);
}
END_TEST

START_TEST(discarded_file_leaves_nothing)
{
    struct local_file file;
    char *error = NULL;
    char *path = below("file");
    ck_assert(local_file_open(&file, path, &error));
    ck_assert(local_file_write(&file, "hello", 5, &error));
    local_file_discard(&file);
    ck_assert_uint_eq(entries_of_top(), 0);
    free(path);
}
END_TEST

START_TEST(replaced_file_keeps_its_mode_and_a_link_its_target)
{
    struct local_file file;
    struct stat status;
    char *error = NULL;
    char *path = below("file");
    char *link = below("link");
    ck_assert(local_file_open(&file, path, &error));
    ck_assert(local_file_commit(&file, false, &error));
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(symlink(path, link), 0);
    ck_assert(local_file_open(&file, link, &error));
    ck_assert(local_file_write(&file, "x", 1, &error));
    ck_assert(local_file_commit(&file, false, &error));
    ck_assert_int_eq(lstat(link, &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_size, 1);
    ck_assert_int_eq(status.st_mode & 0777, 0600);
    free(path);
    free(link);
}
END_TEST

START_TEST(directory_in_the_way_is_an_error)
{
    struct local_file file;
    char *error = NULL;
    ck_assert(!local_file_open(&file, top, &error));
    ck_assert_ptr_nonnull(error);
    free(error);
    char *path = below("file");
    ck_assert(local_file_open(&file, path, &error));
    ck_assert(local_file_commit(&file, false, &error));
    char *inside = below("file/sub");
    ck_assert(!local_directory_make(inside, &error));
    ck_assert_ptr_nonnull(error);
    free(error);
    free(inside);
    free(path);
}
END_TEST

START_TEST(directories_are_made_with_their_parents)
{
    char *error = NULL;
    char *path = below("a/b/c/");
    ck_assert(local_directory_make(path, &error));
    ck_assert(local_directory_make(path, &error));
    ck_assert_int_eq(access(path, F_OK), 0);
    free(path);
}
END_TEST

START_TEST(planned_cluster_survives_its_file)
{
    struct local_cluster cluster = {
        .masters = 3, .nodes = 4, .gateways = 1, .chains = 64, .replicas = 3};
    struct local_cluster again;
    ck_assert_int_eq(local_cluster_read(&cli, top, &again), CLI_NOT_FOUND);
    local_cluster_release(&again);
    ck_assert_int_eq(local_cluster_plan(&cli, top, &cluster), CLI_OK);
    cluster.processes[1].pid = 12345;
    (void)snprintf(cluster.access_key, sizeof cluster.access_key, "A-KEY");
    ck_assert_int_eq(local_cluster_write(&cli, &cluster), CLI_OK);
    ck_assert_int_eq(local_cluster_read(&cli, top, &again), CLI_OK);
    ck_assert_str_eq(again.uuid, cluster.uuid);
    ck_assert_str_eq(again.master_list, cluster.master_list);
    ck_assert_uint_eq(again.masters, 3);
    ck_assert_uint_eq(again.nodes, 4);
    ck_assert_uint_eq(again.chains, 64);
    ck_assert_uint_eq(again.gateways, 1);
    ck_assert_str_eq(again.access_key, "A-KEY");
    ck_assert_uint_eq(again.count, 8);
    ck_assert_int_eq(again.processes[1].pid, 12345);
    for (size_t i = 0; i < 8; i++) {
        ck_assert_str_eq(again.processes[i].address, cluster.processes[i].address);
        ck_assert_str_eq(again.processes[i].dir, cluster.processes[i].dir);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(again.processes[i].address, again.processes[j].address);
    }
    ck_assert_ptr_eq(local_cluster_gateway(&again), &again.processes[7]);
    ck_assert_str_eq(again.processes[7].admin, cluster.processes[7].admin);
    ck_assert_str_ne(again.processes[7].admin, again.processes[7].address);
    local_cluster_release(&cluster);
    local_cluster_release(&again);
}
END_TEST

/* cp -r, mv: the file still says where it was. */
START_TEST(copied_cluster_is_where_its_file_is)
{
    struct local_cluster cluster = {
        .masters = 1, .nodes = 1, .gateways = 1, .chains = 4, .replicas = 1};
    struct local_cluster again;
    char *error = NULL;
    char *old = below("old");
    char *new = below("new");
    ck_assert(local_directory_make(old, &error));
    ck_assert_int_eq(local_cluster_plan(&cli, old, &cluster), CLI_OK);
    ck_assert_int_eq(local_cluster_write(&cli, &cluster), CLI_OK);
    ck_assert_int_eq(local_cluster_read(&cli, old, &again), CLI_OK);
    ck_assert_ptr_null(again.origin);
    local_cluster_release(&again);
    ck_assert_int_eq(rename(old, new), 0);
    ck_assert_int_eq(local_cluster_read(&cli, new, &again), CLI_OK);
    ck_assert_str_eq(again.dir, new);
    ck_assert_str_eq(again.origin, old);
    ck_assert_uint_eq(again.count, 3);
    for (size_t i = 0; i < again.count; i++) {
        ck_assert_int_eq(strncmp(again.processes[i].dir, new, strlen(new)), 0);
        ck_assert_int_eq(strncmp(again.processes[i].log, new, strlen(new)), 0);
        ck_assert_str_eq(again.processes[i].dir + strlen(new),
                         cluster.processes[i].dir + strlen(old));
    }
    ck_assert_int_eq(local_cluster_write(&cli, &again), CLI_OK);
    local_cluster_release(&again);
    ck_assert_int_eq(local_cluster_read(&cli, new, &again), CLI_OK);
    ck_assert_ptr_null(again.origin);
    local_cluster_release(&again);
    local_cluster_release(&cluster);
    free(old);
    free(new);
}
END_TEST

START_TEST(copy_of_a_running_cluster_is_refused)
{
    struct local_cluster cluster = {.masters = 1, .nodes = 1, .chains = 4, .replicas = 1};
    int hold = -1;
    ck_assert_int_eq(local_cluster_plan(&cli, top, &cluster), CLI_OK);
    ck_assert_int_eq(local_check_origin(&cli, &cluster), CLI_OK);
    cluster.origin = below("old");
    char *its_master = below("old/master-1");
    pid_t child = start_named(its_master, &hold);
    ck_assert_int_eq(local_check_origin(&cli, &cluster), CLI_OK); /* the file names another pid */
    cluster.processes[0].pid = child;
    ck_assert_int_eq(local_check_origin(&cli, &cluster), CLI_FAILED);
    ck_assert(!local_process_is_alive(&cluster.processes[0]));
    (void)close(hold);
    (void)waitpid(child, NULL, 0);
    ck_assert_int_eq(local_check_origin(&cli, &cluster), CLI_OK);
    local_cluster_release(&cluster);
    free(its_master);
}
END_TEST

START_TEST(log_that_cannot_be_written_is_named)
{
    struct local_cluster cluster = {.masters = 1, .nodes = 1, .chains = 4, .replicas = 1};
    char program[] = "/bin/true";
    char *arguments[] = {program, NULL};
    char *error = NULL;
    pid_t pid = 0;
    ck_assert_int_eq(local_cluster_plan(&cli, top, &cluster), CLI_OK);
    struct local_process *master = &cluster.processes[0];
    char *said = below("said");
    ck_assert_ptr_nonnull(freopen(said, "w", stderr));
    ck_assert_int_eq(local_spawn(&cli, master, arguments, -1, &pid), CLI_FAILED);
    (void)fflush(stderr);
    char line[1024] = "";
    FILE *in = fopen(said, "r");
    ck_assert_ptr_nonnull(in);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, in));
    (void)fclose(in);
    ck_assert_ptr_nonnull(strstr(line, master->log));
    char *logs = below("log");
    ck_assert(local_directory_make(logs, &error));
    ck_assert_int_eq(local_spawn(&cli, master, arguments, -1, &pid), CLI_OK);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    local_cluster_release(&cluster);
    free(logs);
    free(said);
}
END_TEST

START_TEST(damaged_cluster_file_is_refused)
{
    struct local_cluster again;
    char *path = below("cluster.json");
    FILE *out = fopen(path, "w");
    (void)fputs("{\"format\": 1}\n", out);
    (void)fclose(out);
    ck_assert_int_eq(local_cluster_read(&cli, top, &again), CLI_FAILED);
    local_cluster_release(&again);
    free(path);
}
END_TEST

START_TEST(second_lock_is_refused)
{
    ck_assert_int_eq(local_cluster_lock(&cli, top), CLI_OK);
    ck_assert_int_eq(local_cluster_lock(&cli, top), CLI_FAILED);
}
END_TEST

/* A pid may belong to anybody by the time that it is read from a file. */
START_TEST(pid_of_another_process_is_not_ours)
{
    ck_assert(!local_pid_is_ours(getpid(), "/no/such/directory"));
    ck_assert(!local_pid_is_ours(0, top));
    ck_assert(!local_pid_is_ours(-1, top));
    ck_assert(local_pid_wait(getpid(), "/no/such/directory", 0));
}
END_TEST

START_TEST(pid_is_ours_by_its_directory_and_its_end_is_seen)
{
    int hold = -1;
    pid_t child = start_named(top, &hold);
    ck_assert(!local_pid_wait(child, top, 1));
    (void)kill(child, SIGKILL);
    ck_assert(local_pid_wait(child, top, 10000));
    (void)waitpid(child, NULL, 0);
    ck_assert(!local_pid_is_ours(child, top));
    (void)close(hold);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli_local");
    TCase *tcase = tcase_create("local");
    tcase_add_checked_fixture(tcase, enter_directory, leave_directory);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, file_appears_only_when_it_is_committed);
    tcase_add_test(tcase, discarded_file_leaves_nothing);
    tcase_add_test(tcase, replaced_file_keeps_its_mode_and_a_link_its_target);
    tcase_add_test(tcase, directory_in_the_way_is_an_error);
    tcase_add_test(tcase, directories_are_made_with_their_parents);
    tcase_add_test(tcase, planned_cluster_survives_its_file);
    tcase_add_test(tcase, copied_cluster_is_where_its_file_is);
    tcase_add_test(tcase, copy_of_a_running_cluster_is_refused);
    tcase_add_test(tcase, log_that_cannot_be_written_is_named);
    tcase_add_test(tcase, damaged_cluster_file_is_refused);
    tcase_add_test(tcase, second_lock_is_refused);
    tcase_add_test(tcase, pid_of_another_process_is_not_ours);
    tcase_add_test(tcase, pid_is_ours_by_its_directory_and_its_end_is_seen);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
