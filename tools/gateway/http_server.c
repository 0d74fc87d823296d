/* Listening, certificates, the beginning and the end of the HTTP engine. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/http_engine.h"

/* "[::1]:80", "host:80", ":80". False: not of that form. */
static bool split_address(const char *address, char *host, size_t host_size, const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || (size_t)(colon - address) >= host_size)
        return false;
    size_t length = (size_t)(colon - address);
    if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
        address++;
        length -= 2;
    }
    memcpy(host, address, length);
    host[length] = '\0';
    *ret_port = colon + 1;
    return true;
}

static int listen_at(const char *address, struct text *error)
{
    char host[256];
    const char *port = NULL;
    if (!split_address(address, host, sizeof host, &port)) {
        text_append(error, "%s: not HOST:PORT", address);
        return -1;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &found);
    if (failure != 0) {
        text_append(error, "%s: %s", address, gai_strerror(failure));
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 4096) != 0) {
        text_append(error, "cannot listen on %s: %s", address, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static void note_address(struct http_server *server)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    char host[64] = "";
    char port[16] = "";
    if (getsockname(server->fd, (struct sockaddr *)&bound, &length) == 0)
        (void)getnameinfo((struct sockaddr *)&bound, length, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    bool is_six = strchr(host, ':') != NULL;
    (void)text_format(server->address, sizeof server->address, "%s%s%s:%s", is_six ? "[" : "", host,
                      is_six ? "]" : "", port);
}

static void server_free(struct http_server *server)
{
    for (uint32_t i = 0; i < server->loop_count; i++)
        http_loop_stop(&server->loops[i]);
    /* The workers finish what was cut; others may still be about to wake a loop. */
    while (atomic_load(&server->active) > 0 || atomic_load(&server->wakes_due) > 0) {
        struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
    for (uint32_t i = 0; i < server->loop_count; i++)
        pthread_mutex_destroy(&server->loops[i].mutex);
    if (server->fd >= 0)
        (void)close(server->fd);
    http_tls_free(server->tls);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

static bool start(struct http_server *server, struct text *error)
{
    const struct http_options *options = &server->options;
    server->fd = listen_at(options->address, error);
    if (server->fd < 0)
        return false;
    note_address(server);
    if (options->certificate != NULL) {
        server->tls = http_tls_new(options->certificate, options->private_key, error);
        if (server->tls == NULL)
            return false;
    }
    /* The accepting loop deals out to all: they must exist before it begins. */
    uint32_t wanted = options->threads < HTTP_LOOPS_MAX ? options->threads : HTTP_LOOPS_MAX;
    for (uint32_t i = wanted; i > 0; i--) {
        server->loops[i - 1].epoll_fd = -1;
        server->loops[i - 1].wake_fd = -1;
    }
    server->loop_count = wanted;
    for (uint32_t i = wanted; i > 0; i--) {
        if (!http_loop_start(&server->loops[i - 1], server)) {
            text_append(error, "cannot start threads: %s", strerror(errno));
            return false;
        }
    }
    return true;
}

struct http_server *http_server_new(const struct http_options *options, struct text *error)
{
    struct http_server *server = gw_zalloc(sizeof *server);
    server->options = *options;
    server->fd = -1;
    pthread_mutex_init(&server->mutex, NULL);
    bool is_good = start(server, error);
    /* PEM texts are the caller's, and a key is not kept longer than needed. */
    server->options.certificate = NULL;
    server->options.private_key = NULL;
    if (!is_good) {
        server_free(server);
        return NULL;
    }
    return server;
}

const char *http_server_address(const struct http_server *server)
{
    return server->address;
}

bool http_server_renew(struct http_server *server, const char *certificate, const char *private_key,
                       struct text *error)
{
    struct http_tls *tls = http_tls_new(certificate, private_key, error);
    if (tls == NULL)
        return false;
    pthread_mutex_lock(&server->mutex);
    struct http_tls *old = server->tls;
    server->tls = tls;
    pthread_mutex_unlock(&server->mutex);
    atomic_fetch_add(&server->generation, 1);
    http_tls_free(old); /* sessions under way hold references */
    return true;
}

void http_server_drain(struct http_server *server)
{
    atomic_store(&server->is_draining, true);
    http_loop_wake(&server->loops[0]);
}

uint32_t http_server_active(const struct http_server *server)
{
    return atomic_load(&server->active);
}

void http_server_free(struct http_server *server)
{
    if (server != NULL)
        server_free(server);
}
