/* The supervisor with workers that die in every way, and a master that listens.
 *
 * The supervisor's process is forked before this one has any thread; it waits for the master's
 * address on a pipe. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io/clock.h"
#include "base/io/log.h"
#include "chainnode/io/obituary.h"
#include "chainnode/io/supervisor.h"
#include "wire/transport/transport.h"

enum { INCARNATION = 77, NODE = 5, DEADLINE_MS = 30000 };

static int address_pipe[2]; /* test -> supervisor */
static int alive_pipe[2];   /* worker -> test: one byte when it runs, the end when it is dead */
static pid_t supervisor;
static struct transport *master;
static uint32_t obituaries;
static struct wire_obituary last_obituary;
static bool answers = true;
static bool is_sigchld_ignored; /* in the process that becomes the supervisor */
static bool is_stealing;        /* likewise: somebody else there waits for its children */
static bool is_worker_stolen;

static void report(int report_fd, uint32_t supervisor_pid)
{
    struct worker_report worker = {.pid = (uint32_t)getpid(), .incarnation = INCARNATION};
    memset(worker.cluster.bytes, 0xaa, sizeof worker.cluster.bytes);
    memset(worker.disk.bytes, 0xdd, sizeof worker.disk.bytes);
    if (supervisor_pid != (uint32_t)getppid() ||
        write(report_fd, &worker, sizeof worker) != (ssize_t)sizeof worker)
        _exit(99);
}

static void say_alive(void)
{
    char byte = 1;
    if (write(alive_pipe[1], &byte, 1) != 1)
        _exit(98);
}

static int worker_killed(const struct node_settings *settings, int report_fd, uint32_t parent)
{
    (void)settings;
    report(report_fd, parent);
    say_alive();
    (void)raise(SIGKILL);
    return 97;
}

static int worker_exits(const struct node_settings *settings, int report_fd, uint32_t parent)
{
    (void)settings;
    report(report_fd, parent);
    return 3;
}

static int worker_never_starts(const struct node_settings *settings, int report_fd, uint32_t parent)
{
    (void)settings;
    (void)report_fd;
    (void)parent;
    return 1;
}

static int worker_waits(const struct node_settings *settings, int report_fd, uint32_t parent)
{
    (void)settings;
    sigset_t set;
    int number = 0;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    report(report_fd, parent);
    say_alive();
    return sigwait(&set, &number) == 0 && number == SIGTERM ? 0 : 96;
}

pid_t __real_waitpid(pid_t pid, int *ret_status, int options);
pid_t __wrap_waitpid(pid_t pid, int *ret_status, int options);

/* Somebody else in the process may have waited for the worker first. */
pid_t __wrap_waitpid(pid_t pid, int *ret_status, int options)
{
    pid_t dead = __real_waitpid(pid, ret_status, options);
    return dead > 0 && is_worker_stolen ? __real_waitpid(pid, ret_status, options) : dead;
}

static void supervisor_process(supervisor_worker *worker)
{
    const struct sigaction ignored = {.sa_handler = SIG_IGN};
    if (is_sigchld_ignored)
        (void)sigaction(SIGCHLD, &ignored, NULL);
    is_worker_stolen = is_stealing;
    static struct node_settings settings = {.id = NODE};
    (void)close(address_pipe[1]);
    (void)close(alive_pipe[0]);
    log_set_level(LOG_LEVEL_ERROR);
    ssize_t length = read(address_pipe[0], settings.masters[0], sizeof settings.masters[0] - 1);
    if (length <= 0)
        _exit(95);
    settings.master_count = 1;
    _exit(supervisor_run(&settings, worker));
}

static void start(supervisor_worker *worker)
{
    ck_assert_int_eq(pipe2(address_pipe, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(alive_pipe, O_CLOEXEC), 0);
    supervisor = fork();
    ck_assert_int_ge(supervisor, 0);
    if (supervisor == 0)
        supervisor_process(worker);
    (void)close(alive_pipe[1]);
    struct transport_options options = {
        .hello = {.role = WIRE_ROLE_MASTER, .id = 1, .software = slice_of_text("test")},
        .connections_max = 8,
        .queue_bytes_max = 1 << 20,
        .frame_payload_bytes_max = BOUND_FRAME_PAYLOAD_BYTES,
    };
    memset(options.hello.cluster.bytes, 0xaa, sizeof options.hello.cluster.bytes);
    master = transport_new(&options);
    char bound[BOUND_ADDRESS_BYTES + 1] = "";
    char text[160] = "";
    ck_assert_int_eq(
        transport_listen(master, "127.0.0.1:0", bound, sizeof bound, text, sizeof text), ERR_OK);
    ck_assert_int_eq(write(address_pipe[1], bound, strlen(bound)), (ssize_t)strlen(bound));
}

static void finish(void)
{
    transport_free(master);
    (void)close(alive_pipe[0]);
    (void)close(address_pipe[0]);
    (void)close(address_pipe[1]);
}

static void serve_event(struct transport_event *event)
{
    if (event->kind == TRANSPORT_MESSAGE && event->message.type == WIRE_OBITUARY) {
        obituaries++;
        last_obituary = event->message.u.obituary;
        struct wire_message reply = {.type = WIRE_OBITUARY_REPLY};
        reply.u.obituary_reply.request = last_obituary.request;
        if (answers || obituaries > 3)
            (void)transport_send(master, event->conn, &reply);
        transport_flush(master);
    }
    if (event->kind == TRANSPORT_OPENED || event->kind == TRANSPORT_MESSAGE)
        wire_message_release(&event->message);
}

/* Plays the master until the supervisor is dead; returns its wait status. */
static int serve_until_dead(void)
{
    uint64_t deadline_us = clock_boot_us() + DEADLINE_MS * 1000ull;
    for (;;) {
        struct transport_event events[8];
        uint32_t count = transport_wait(master, events, 8, 10000);
        for (uint32_t i = 0; i < count; i++)
            serve_event(&events[i]);
        int status = 0;
        pid_t dead = waitpid(supervisor, &status, WNOHANG);
        ck_assert_int_ge(dead, 0);
        if (dead == supervisor && count == 0)
            return status;
        if (dead == supervisor)
            supervisor = -1; /* drain what it sent */
        ck_assert_uint_lt(clock_boot_us(), deadline_us);
        if (supervisor == -1) {
            while ((count = transport_wait(master, events, 8, 200000)) > 0)
                for (uint32_t i = 0; i < count; i++)
                    serve_event(&events[i]);
            return status;
        }
    }
}

static void wait_alive(void)
{
    char byte = 0;
    ck_assert_int_eq(read(alive_pipe[0], &byte, 1), 1);
}

static void assert_obituary(void)
{
    ck_assert_uint_ge(obituaries, 1);
    ck_assert_uint_eq(last_obituary.node, NODE);
    ck_assert_uint_eq(last_obituary.incarnation, INCARNATION);
}

START_TEST(a_killed_worker_gets_an_obituary_and_its_status_is_passed_on)
{
    start(worker_killed);
    int status = serve_until_dead();
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 128 + SIGKILL);
    assert_obituary();
    finish();
}
END_TEST

START_TEST(a_worker_that_exits_gets_one_too)
{
    start(worker_exits);
    int status = serve_until_dead();
    ck_assert_int_eq(WEXITSTATUS(status), 3);
    assert_obituary();
    finish();
}
END_TEST

START_TEST(an_obituary_is_repeated_until_it_is_confirmed)
{
    answers = false;
    start(worker_exits);
    (void)serve_until_dead();
    ck_assert_uint_gt(obituaries, 3);
    assert_obituary();
    finish();
}
END_TEST

START_TEST(a_worker_that_was_nobody_gets_none)
{
    start(worker_never_starts);
    int status = serve_until_dead();
    ck_assert_int_eq(WEXITSTATUS(status), 1);
    ck_assert_uint_eq(obituaries, 0);
    finish();
}
END_TEST

/* Whoever started the node may have ignored it, and that is inherited. */
START_TEST(an_ignored_sigchld_hides_no_death)
{
    is_sigchld_ignored = true;
    start(worker_killed);
    int status = serve_until_dead();
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 128 + SIGKILL);
    assert_obituary();
    finish();
}
END_TEST

START_TEST(a_worker_that_somebody_else_reaped_is_dead)
{
    is_stealing = true;
    start(worker_killed);
    int status = serve_until_dead();
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 1);
    assert_obituary();
    finish();
}
END_TEST

START_TEST(a_stop_is_passed_to_the_worker)
{
    start(worker_waits);
    wait_alive();
    ck_assert_int_eq(kill(supervisor, SIGINT), 0);
    int status = serve_until_dead();
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    assert_obituary();
    finish();
}
END_TEST

START_TEST(a_worker_does_not_outlive_its_supervisor)
{
    start(worker_waits);
    wait_alive();
    ck_assert_int_eq(kill(supervisor, SIGKILL), 0);
    int status = serve_until_dead();
    ck_assert(WIFSIGNALED(status));
    struct pollfd waited = {.fd = alive_pipe[0], .events = POLLIN};
    ck_assert_int_eq(poll(&waited, 1, DEADLINE_MS), 1);
    char byte;
    ck_assert_int_eq(read(alive_pipe[0], &byte, 1), 0); /* the end: nobody holds it any more */
    ck_assert_uint_eq(obituaries, 0);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervisor");
    TCase *tcase = tcase_create("supervisor");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_killed_worker_gets_an_obituary_and_its_status_is_passed_on);
    tcase_add_test(tcase, a_worker_that_exits_gets_one_too);
    tcase_add_test(tcase, an_obituary_is_repeated_until_it_is_confirmed);
    tcase_add_test(tcase, a_worker_that_was_nobody_gets_none);
    tcase_add_test(tcase, an_ignored_sigchld_hides_no_death);
    tcase_add_test(tcase, a_worker_that_somebody_else_reaped_is_dead);
    tcase_add_test(tcase, a_stop_is_passed_to_the_worker);
    tcase_add_test(tcase, a_worker_does_not_outlive_its_supervisor);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
