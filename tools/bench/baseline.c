#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/bench/bench.h"
#include "tools/bench/histogram.h"

enum { BLOCK_BYTES = 1 << 20, SYNC_BYTES = 65536, SYNC_MAX_NS = 1000000000, ECHO_BYTES = 64 };

static void fail(struct bench_result *result, const char *what)
{
    result->errors++;
    (void)snprintf(result->first_error, sizeof result->first_error, "%s: %s", what,
                   strerror(errno));
}

static void rates(struct bench_result *result, uint64_t bytes, uint64_t started_ns,
                  const struct histogram *histogram)
{
    result->seconds = (double)(bench_now_ns() - started_ns) / 1e9;
    result->operations_per_second = (double)result->operations / result->seconds;
    result->megabytes_per_second = (double)bytes / 1e6 / result->seconds;
    result->p50_us = (double)histogram_quantile(histogram, 0.50) / 1e3;
    result->p99_us = (double)histogram_quantile(histogram, 0.99) / 1e3;
    result->maximum_us = (double)histogram->maximum / 1e3;
}

/* An unlinked file: gone with the process. -1 after fail(). */
static int open_scratch(const struct bench_settings *settings, struct bench_result *result)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/.catena-bench-XXXXXX", settings->directory);
    int fd = length < (int)sizeof path ? mkostemp(path, O_CLOEXEC) : -1;
    if (fd < 0)
        fail(result, "cannot create a file for the disk measurement");
    else
        (void)unlink(path);
    return fd;
}

void bench_disk_sequential(const struct bench_settings *settings, struct bench_result *result)
{
    static struct histogram histogram;
    memset(&histogram, 0, sizeof histogram);
    int fd = open_scratch(settings, result);
    if (fd < 0)
        return;
    uint8_t *block = bench_alloc(BLOCK_BYTES);
    bench_fill(block, BLOCK_BYTES, 7);
    result->size_bytes = settings->file_bytes;
    result->inflight = 1;
    uint64_t started_ns = bench_now_ns();
    uint64_t written = 0;
    while (written < settings->file_bytes && result->errors == 0) {
        if (write(fd, block, BLOCK_BYTES) != BLOCK_BYTES)
            fail(result, "write");
        written += BLOCK_BYTES;
    }
    if (fdatasync(fd) != 0)
        fail(result, "fdatasync");
    result->operations = 1;
    rates(result, written, started_ns, &histogram);
    free(block);
    (void)close(fd);
}

/* What one group commit of 64 records of 1 KiB costs the disk: append 64 KiB and sync. */
void bench_disk_sync(const struct bench_settings *settings, struct bench_result *result)
{
    static struct histogram histogram;
    memset(&histogram, 0, sizeof histogram);
    int fd = open_scratch(settings, result);
    if (fd < 0)
        return;
    uint8_t *block = bench_alloc(SYNC_BYTES);
    bench_fill(block, SYNC_BYTES, 7);
    result->size_bytes = SYNC_BYTES;
    result->inflight = 1;
    uint64_t started_ns = bench_now_ns();
    uint64_t now_ns = started_ns;
    while (now_ns - started_ns < SYNC_MAX_NS && result->errors == 0) {
        if (write(fd, block, SYNC_BYTES) != SYNC_BYTES || fdatasync(fd) != 0)
            fail(result, "write and fdatasync");
        uint64_t after_ns = bench_now_ns();
        histogram_add(&histogram, after_ns - now_ns);
        now_ns = after_ns;
        result->operations++;
    }
    rates(result, result->operations * SYNC_BYTES, started_ns, &histogram);
    free(block);
    (void)close(fd);
}

/* ---- a raw TCP echo over loopback ---- */

static bool receive_all(int fd, uint8_t *bytes, size_t length)
{
    size_t have = 0;
    while (have < length) {
        ssize_t got = recv(fd, bytes + have, length - have, 0);
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

static void no_delay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void *echo_server(void *argument)
{
    int listener = *(int *)argument;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return NULL;
    no_delay(fd);
    uint8_t bytes[ECHO_BYTES];
    while (receive_all(fd, bytes, sizeof bytes) && send(fd, bytes, sizeof bytes, 0) > 0) {
    }
    (void)close(fd);
    return NULL;
}

static void echo_client(int fd, struct bench_result *result)
{
    static struct histogram histogram;
    memset(&histogram, 0, sizeof histogram);
    uint8_t bytes[ECHO_BYTES] = {0};
    no_delay(fd);
    uint64_t started_ns = bench_now_ns();
    uint64_t now_ns = started_ns;
    while (now_ns - started_ns < SYNC_MAX_NS && result->errors == 0) {
        if (send(fd, bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes ||
            !receive_all(fd, bytes, sizeof bytes))
            fail(result, "echo");
        uint64_t after_ns = bench_now_ns();
        histogram_add(&histogram, after_ns - now_ns);
        now_ns = after_ns;
        result->operations++;
    }
    rates(result, 0, started_ns, &histogram);
}

void bench_tcp_echo(const struct bench_settings *settings, struct bench_result *result)
{
    (void)settings;
    result->size_bytes = ECHO_BYTES;
    result->inflight = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_t thread;
    if (listener < 0 || fd < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        pthread_create(&thread, NULL, echo_server, &listener) != 0) {
        fail(result, "cannot set up a connection over loopback");
    } else {
        echo_client(fd, result);
        (void)shutdown(fd, SHUT_RDWR);
        (void)pthread_join(thread, NULL);
    }
    if (fd >= 0)
        (void)close(fd);
    if (listener >= 0)
        (void)close(listener);
}
