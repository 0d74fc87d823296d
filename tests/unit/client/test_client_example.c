/* docs/example.c, compiled as a user would, run against the cluster in memory; and what the shared
 * library exports. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_cluster.h"

struct program {
    pid_t pid;
    FILE *output; /* standard output and standard error */
};

static struct program start(char *const *arguments)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    struct program program = {.pid = fork()};
    ck_assert_int_ge(program.pid, 0);
    if (program.pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execvp(arguments[0], arguments);
        _exit(127);
    }
    (void)close(ends[1]);
    program.output = fdopen(ends[0], "r");
    ck_assert_ptr_nonnull(program.output);
    return program;
}

/* Its exit status. */
static int finish(struct program *program)
{
    int status = 0;
    (void)fclose(program->output);
    ck_assert_int_eq(waitpid(program->pid, &status, 0), program->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(the_example_works_as_printed)
{
    char line[128] = "";
    char *const arguments[] = {EXAMPLE, NULL};
    struct fake_cluster *cluster = fake_cluster_new();
    (void)setenv("CATENA_MASTERS", fake_cluster_address(cluster), 1);
    for (int run = 0; run < 2; run++) {
        struct program example = start(arguments);
        ck_assert_ptr_nonnull(fgets(line, sizeof line, example.output));
        ck_assert_str_eq(line, "world\n");
        ck_assert_ptr_nonnull(fgets(line, sizeof line, example.output));
        ck_assert_str_eq(line, run == 0 ? "the lock is mine\n" : "somebody has the lock\n");
        ck_assert_int_eq(finish(&example), 0);
    }
    fake_cluster_free(cluster);
}
END_TEST

START_TEST(the_example_fails_with_words_when_nobody_is_there)
{
    char line[1024] = "";
    char *const arguments[] = {EXAMPLE, NULL};
    (void)setenv("CATENA_MASTERS", "127.0.0.1:1", 1);
    struct program example = start(arguments);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, example.output));
    ck_assert_msg(strstr(line, "127.0.0.1:1") != NULL, "%s", line);
    ck_assert_int_eq(finish(&example), 1);
}
END_TEST

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1u << 20);
    ck_assert_ptr_nonnull(file);
    size_t length = fread(text, 1, (1u << 20) - 1, file);
    ck_assert_uint_lt(length, (1u << 20) - 1);
    (void)fclose(file);
    return text;
}

/* The name of the function whose prototype begins at `at` (after CATENA_API). */
static void name_of_prototype(const char *at, char *name, size_t size)
{
    size_t end = strcspn(at, "(");
    size_t begin = end;
    while (begin > 0 && strchr(" *\n", at[begin - 1]) == NULL)
        begin--;
    (void)snprintf(name, size, "%.*s", (int)(end - begin), at + begin);
}

START_TEST(the_shared_library_exports_every_function_of_the_header)
{
    static const char mark[] = "\nCATENA_API ";
    char line[512];
    char *exported = calloc(1, 1u << 20);
    char *const arguments[] = {"nm", "-D", "--defined-only", LIBRARY, NULL};
    struct program names = start(arguments);
    size_t used = 0;
    while (fgets(line, sizeof line, names.output) != NULL && used + sizeof line < (1u << 20))
        used += (size_t)snprintf(exported + used, sizeof line, "%s", line);
    ck_assert_int_eq(finish(&names), 0);
    char *header = read_text(HEADER);
    unsigned functions = 0;
    for (char *at = header; (at = strstr(at, mark)) != NULL; functions++) {
        char name[128];
        char wanted[160];
        at += sizeof mark - 1;
        name_of_prototype(at, name, sizeof name);
        (void)snprintf(wanted, sizeof wanted, " T %s@@CATENA_0\n", name);
        ck_assert_msg(strstr(exported, wanted) != NULL, "%s is declared, not exported", name);
    }
    ck_assert_uint_gt(functions, 50);
    free(header);
    free(exported);
}
END_TEST

START_TEST(the_shared_library_exports_only_its_own_names)
{
    char line[512];
    unsigned functions = 0;
    char *const arguments[] = {"nm", "-D", "--defined-only", LIBRARY, NULL};
    struct program names = start(arguments);
    while (fgets(line, sizeof line, names.output) != NULL) {
        if (strstr(line, " A CATENA_0") != NULL)
            continue;
        ck_assert_msg(strstr(line, " T catena_") != NULL, "%s", line);
        functions++;
    }
    ck_assert_int_eq(finish(&names), 0);
    ck_assert_uint_gt(functions, 30);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_example");
    TCase *cases = tcase_create("client_example");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, the_example_works_as_printed);
    tcase_add_test(cases, the_example_fails_with_words_when_nobody_is_there);
    tcase_add_test(cases, the_shared_library_exports_every_function_of_the_header);
    tcase_add_test(cases, the_shared_library_exports_only_its_own_names);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
