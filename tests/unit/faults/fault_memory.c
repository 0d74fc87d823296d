/* Running out of memory ends the process with one clear line, at whichever allocation it happens.
 *
 * That is the design (base/buf.h): the operating system overcommits and a node's memory is bounded,
 * so an error path for each allocation would be code that never runs; a process that died is
 * repaired by its chains. The linker (--wrap) lets the N-th allocation fail, N = 1, 2, 3 ... until
 * none does, in a child. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/contract.h"
#include "tests/scenario/chain/chain_world.h"

static uint64_t allocations;
static uint64_t fail_at; /* 0: never */

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

static bool hits(void)
{
    allocations++;
    return fail_at != 0 && allocations >= fail_at;
}

void *__wrap_malloc(size_t bytes)
{
    return hits() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return hits() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
    return hits() ? NULL : __real_realloc(old, bytes);
}

/* A start, a put, a get, a listing. */
static void work(void)
{
    struct world *world = world_new(1, 1);
    world_row_push(world, 0, "1", 0);
    world_advance(world, 200000);
    (void)world_put(world, 0, "key", "value");
    world_run(world);
    (void)world_get(world, 0, "key");
    (void)world_list(world, 1, "", "", "/", 10);
    world_run(world);
    world_free(world);
}

struct ending {
    int status;
    char said[512];
};

static void run_child(uint64_t n, struct ending *ret_ending)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        fail_at = n;
        allocations = 0;
        work();
        fail_at = 0;
        _exit(0);
    }
    (void)close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], ret_ending->said + length, sizeof ret_ending->said - 1 - length)) >
           0)
        length += (size_t)got;
    ret_ending->said[length] = '\0';
    (void)close(ends[0]);
    ck_assert_int_eq(waitpid(child, &ret_ending->status, 0), child);
}

START_TEST(running_out_of_memory_anywhere_ends_the_process_with_one_line)
{
    uint64_t step = 1;
    uint64_t deaths = 0;
    for (uint64_t n = 1;; n += step) {
        struct ending ending;
        run_child(n, &ending);
        if (WIFEXITED(ending.status) && WEXITSTATUS(ending.status) == 0)
            break;
        ck_assert_msg(strstr(ending.said, "event=contract_failed kind=memory") != NULL &&
                          strstr(ending.said, "out of memory") != NULL,
                      "allocation %llu: %s", (unsigned long long)n, ending.said);
        ck_assert_ptr_eq(strchr(ending.said, '\n'), strrchr(ending.said, '\n'));
        ck_assert(WIFSIGNALED(ending.status) || WEXITSTATUS(ending.status) != 0);
        deaths++;
        step = 1 + n / 100; /* the first hundred one by one, then more coarsely */
    }
    ck_assert_uint_gt(deaths, 50);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fault_memory");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, running_out_of_memory_anywhere_ends_the_process_with_one_line);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
