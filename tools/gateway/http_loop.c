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

enum { EVENTS_MAX = 64, ACCEPTS_MAX = 64, TICK_MS = 1000, GATHERED_MAX = 64 };

/* ---- the queue of connections that come back ---- */

void http_loop_wake(struct http_loop *loop)
{
    uint64_t one = 1;
    ssize_t written = write(loop->wake_fd, &one, sizeof one);
    (void)written; /* full means: awake already */
}

/* Call with the mutex held. */
static void add_returned(struct http_loop *loop, struct http_connection *connection)
{
    connection->next_returned = loop->returned;
    loop->returned = connection;
}

/* Call with the mutex held: once the loop has what was returned, it may be stopped and freed. */
static void wake_if_waiting(struct http_loop *loop)
{
    if (loop->is_waiting)
        http_loop_wake(loop);
    loop->is_waiting = false; /* once is enough */
}

void http_loop_give(struct http_loop *loop, struct http_connection *connection)
{
    pthread_mutex_lock(&loop->mutex);
    add_returned(loop, connection);
    wake_if_waiting(loop);
    pthread_mutex_unlock(&loop->mutex);
}

/* Loops that this thread has to wake. Their server does not end before that (wakes_due). */
static _Thread_local struct http_loop *due;

void http_loop_give_later(struct http_loop *loop, struct http_connection *connection)
{
    pthread_mutex_lock(&loop->mutex);
    add_returned(loop, connection);
    if (loop->is_waiting && !loop->is_wake_due) {
        loop->is_wake_due = true;
        loop->next_due = due;
        due = loop;
        atomic_fetch_add(&loop->server->wakes_due, 1);
    }
    pthread_mutex_unlock(&loop->mutex);
}

void http_wake_continued(void)
{
    while (due != NULL) {
        struct http_loop *loop = due;
        struct http_server *server = loop->server;
        due = loop->next_due;
        pthread_mutex_lock(&loop->mutex);
        loop->is_wake_due = false;
        if (loop->returned != NULL) /* not if it came by in the meantime */
            wake_if_waiting(loop);
        pthread_mutex_unlock(&loop->mutex);
        atomic_fetch_sub(&server->wakes_due, 1); /* the last touch */
    }
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
        return; /* woken: the descriptor is edge-triggered and never read */
    } else if (event->data.ptr == loop->server) {
        accept_some(loop);
    } else {
        http_connection_event(event->data.ptr,
                              (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
    }
}

static int wait_for_events(struct http_loop *loop, struct epoll_event *events)
{
    pthread_mutex_lock(&loop->mutex);
    loop->is_waiting = loop->returned == NULL;
    int timeout_ms = loop->is_waiting ? TICK_MS : 0;
    pthread_mutex_unlock(&loop->mutex);
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, timeout_ms);
    pthread_mutex_lock(&loop->mutex);
    loop->is_waiting = false;
    pthread_mutex_unlock(&loop->mutex);
    return count;
}

static void call(struct http_loop *loop, void (*callback)(void *context))
{
    if (callback != NULL)
        callback(loop->server->options.context);
}

/* What is there, and what comes while that is dealt with: then all of it goes on together. Events
 * before what comes back, which may be freed, and must not have an event waiting here. */
static void run_round(struct http_loop *loop, struct epoll_event *events)
{
    const struct http_callbacks *callbacks = loop->server->options.callbacks;
    int count = wait_for_events(loop, events);
    int gathered = 0;
    call(loop, callbacks->enter);
    do {
        loop->now_us = http_now_us();
        for (int i = 0; i < count; i++)
            dispatch(loop, &events[i]);
        take_returned(loop);
        gathered += count;
        count = gathered < GATHERED_MAX ? epoll_wait(loop->epoll_fd, events, EVENTS_MAX, 0) : 0;
    } while (count > 0);
    call(loop, callbacks->leave);
}

static void *run(void *context)
{
    struct http_loop *loop = context;
    struct epoll_event events[EVENTS_MAX];
    uint64_t next_tick_us = loop->now_us + TICK_MS * 1000ull;
    tend_listener(loop);
    for (;;) {
        run_round(loop, events);
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
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = loop};
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
    free(loop->scratch);
}
