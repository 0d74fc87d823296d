/* A thread with epoll: connections that can go on, and those that are too late. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/http_engine.h"

enum { EVENTS_MAX = 256, ACCEPTS_MAX = 64, TICK_MS = 1000 };

/* ---- the queue of connections that come back ---- */

void http_loop_wake(struct http_loop *loop)
{
    uint64_t one = 1;
    ssize_t written = write(loop->wake_fd, &one, sizeof one);
    (void)written; /* full means: awake already */
}

void http_loop_give(struct http_loop *loop, struct http_connection *connection)
{
    pthread_mutex_lock(&loop->mutex);
    bool was_empty = loop->returned == NULL;
    connection->next_returned = loop->returned;
    loop->returned = connection;
    if (was_empty) /* with the mutex: once the loop has the connection, it may be stopped and freed
                    */
        http_loop_wake(loop);
    pthread_mutex_unlock(&loop->mutex);
}

static void begin(struct http_loop *loop, struct http_connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = connection};
    connection->is_known = true;
    connection->next = loop->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    loop->connections = connection;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, connection->wire.fd, &event) != 0)
        http_connection_free(connection);
    else
        http_connection_begin(connection);
}

static void take_returned(struct http_loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    struct http_connection *connection = loop->returned;
    loop->returned = NULL;
    pthread_mutex_unlock(&loop->mutex);
    while (connection != NULL) {
        struct http_connection *next = connection->next_returned;
        if (!connection->is_known)
            begin(loop, connection);
        else
            http_connection_resume(connection);
        connection = next;
    }
}

/* ---- new connections: the first loop accepts for all ---- */

static void stop_listening(struct http_loop *loop)
{
    if (loop->is_listening)
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->server->fd, NULL);
    loop->is_listening = false;
}

static void start_listening(struct http_loop *loop)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = loop->server};
    if (!loop->is_listening)
        loop->is_listening =
            epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->server->fd, &event) == 0;
}

static void adopt(struct http_server *server, int fd, const struct sockaddr_storage *from,
                  socklen_t from_length)
{
    char peer[48] = "";
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)getnameinfo((const struct sockaddr *)from, from_length, peer, sizeof peer, NULL, 0,
                      NI_NUMERICHOST);
    struct http_connection *connection = http_connection_new(server, fd, peer);
    if (connection == NULL)
        return;
    struct http_loop *loop = &server->loops[server->next_loop++ % server->loop_count];
    connection->loop = loop;
    http_loop_give(loop, connection);
}

/* Too many connections or descriptors: the others wait in the kernel's queue until the next tick.
 */
static void accept_some(struct http_loop *loop)
{
    struct http_server *server = loop->server;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct sockaddr_storage from;
        socklen_t length = sizeof from;
        if (atomic_load(&server->connections) >= server->options.connections_max) {
            stop_listening(loop);
            return;
        }
        int fd =
            accept4(server->fd, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            adopt(server, fd, &from, length);
        } else {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                stop_listening(loop);
            return;
        }
    }
}

static void tend_listener(struct http_loop *loop)
{
    struct http_server *server = loop->server;
    if (loop != &server->loops[0] || server->fd < 0)
        return;
    if (atomic_load(&server->is_draining)) {
        stop_listening(loop);
        (void)close(server->fd);
        server->fd = -1;
    } else {
        start_listening(loop);
    }
}

/* ---- the thread ---- */

static void expire(struct http_loop *loop)
{
    struct http_connection *next;
    for (struct http_connection *connection = loop->connections; connection != NULL;
         connection = next) {
        next = connection->next;
        if (connection->state != HTTP_STATE_WORK && connection->deadline_us <= loop->now_us)
            http_connection_expire(connection);
    }
}

static void close_all(struct http_loop *loop)
{
    struct http_connection *next;
    for (struct http_connection *connection = loop->connections; connection != NULL;
         connection = next) {
        next = connection->next;
        if (connection->state != HTTP_STATE_WORK)
            http_connection_free(connection);
    }
}

static void dispatch(struct http_loop *loop, const struct epoll_event *event)
{
    if (event->data.ptr == loop) {
        uint64_t count;
        ssize_t got = read(loop->wake_fd, &count, sizeof count);
        (void)got;
    } else if (event->data.ptr == loop->server) {
        accept_some(loop);
    } else {
        http_connection_event(event->data.ptr,
                              (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
    }
}

static void *run(void *context)
{
    struct http_loop *loop = context;
    struct epoll_event events[EVENTS_MAX];
    uint64_t next_tick_us = loop->now_us + TICK_MS * 1000ull;
    tend_listener(loop);
    for (;;) {
        int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, TICK_MS);
        loop->now_us = http_now_us();
        /* Events first: what comes back may be freed, and must not have an event waiting here. */
        for (int i = 0; i < count; i++)
            dispatch(loop, &events[i]);
        take_returned(loop);
        bool is_stopping = atomic_load(&loop->is_stopping);
        if (is_stopping)
            close_all(loop);
        if (is_stopping && loop->connections == NULL)
            return NULL;
        if (loop->now_us >= next_tick_us || atomic_load(&loop->server->is_draining)) {
            tend_listener(loop);
            expire(loop);
            next_tick_us = loop->now_us + TICK_MS * 1000ull;
        }
    }
}

bool http_loop_start(struct http_loop *loop, struct http_server *server)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = loop};
    loop->server = server;
    loop->now_us = http_now_us();
    pthread_mutex_init(&loop->mutex, NULL);
    loop->scratch = gw_zalloc(HTTP_SCRATCH_BYTES);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->is_started = loop->epoll_fd >= 0 && loop->wake_fd >= 0 &&
                       epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) == 0 &&
                       pthread_create(&loop->thread, NULL, run, loop) == 0;
    return loop->is_started;
}

void http_loop_stop(struct http_loop *loop)
{
    if (loop->is_started) {
        atomic_store(&loop->is_stopping, true);
        http_loop_wake(loop);
        (void)pthread_join(loop->thread, NULL);
    }
    if (loop->epoll_fd >= 0)
        (void)close(loop->epoll_fd);
    if (loop->wake_fd >= 0)
        (void)close(loop->wake_fd);
    pthread_mutex_destroy(&loop->mutex);
    free(loop->scratch);
}
