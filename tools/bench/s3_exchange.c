#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tools/bench/s3.h"

enum { RECEIVE_BYTES = 256 * 1024 };

static const char region[] = "us-east-1";

bool s3_target_init(struct s3_target *target, const char *address, const char *bucket,
                    struct text *error)
{
    const char *colon = strrchr(address, ':');
    *target = (struct s3_target){
        .address = address,
        .bucket = bucket,
        .access_key = getenv("AWS_ACCESS_KEY_ID"),
        .secret = getenv("AWS_SECRET_ACCESS_KEY"),
    };
    if (colon == NULL || (size_t)(colon - address) >= sizeof target->host ||
        strlen(colon + 1) >= sizeof target->port) {
        text_append(error, "--s3 %s: HOST:PORT is wanted", address);
    } else if (target->access_key == NULL || target->secret == NULL) {
        text_append(error, "--s3 needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    } else {
        (void)snprintf(target->host, sizeof target->host, "%.*s", (int)(colon - address), address);
        (void)snprintf(target->port, sizeof target->port, "%s", colon + 1);
    }
    return error->length == 0;
}

static void hex(const uint8_t bytes[SHA256_DIGEST_LENGTH], char text[S3_HASH_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[S3_HASH_TEXT_SIZE - 1] = '\0';
}

void s3_hash(const void *body, uint64_t length, char text[S3_HASH_TEXT_SIZE])
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    (void)SHA256(body, length, hash);
    hex(hash, text);
}

int s3_connect(const struct s3_target *target)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -1;
    int one = 1;
    if (getaddrinfo(target->host, target->port, &hints, &found) != 0)
        return -1;
    for (struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return fd;
}

void s3_exchange_init(struct s3_exchange *exchange, int fd)
{
    *exchange = (struct s3_exchange){.fd = fd};
    text_init(&exchange->request);
}

void s3_exchange_release(struct s3_exchange *exchange)
{
    if (exchange->fd >= 0)
        (void)close(exchange->fd);
    text_release(&exchange->request);
}

/* ---- the request ---- */

/* Source: "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference. */
static void make_signing_key(struct s3_target *target)
{
    const char *const steps[] = {target->date, region, "s3", "aws4_request"};
    char secret[256];
    const uint8_t *key = (const uint8_t *)secret;
    int key_length = snprintf(secret, sizeof secret, "AWS4%s", target->secret);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        uint8_t next[SHA256_DIGEST_LENGTH];
        (void)HMAC(EVP_sha256(), key, key_length, (const uint8_t *)steps[i], strlen(steps[i]), next,
                   NULL);
        memcpy(target->signing_key, next, sizeof next);
        key = target->signing_key;
        key_length = SHA256_DIGEST_LENGTH;
    }
}

static void sign(struct s3_target *target, const char *canonical, const char *stamp, char text[65])
{
    char hash[S3_HASH_TEXT_SIZE];
    char string[256];
    uint8_t signature[32];
    unsigned length = 0;
    if (strncmp(target->date, stamp, 8) != 0) {
        memcpy(target->date, stamp, 8);
        make_signing_key(target);
    }
    s3_hash(canonical, strlen(canonical), hash);
    int string_length =
        snprintf(string, sizeof string, "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", stamp,
                 target->date, region, hash);
    (void)HMAC(EVP_sha256(), target->signing_key, sizeof target->signing_key,
               (const uint8_t *)string, (size_t)string_length, signature, &length);
    hex(signature, text);
}

void s3_exchange_begin(struct s3_exchange *exchange, struct s3_target *target, const char *method,
                       const char *key, const char *query, const uint8_t *body,
                       uint64_t body_length, const char *body_hash)
{
    char stamp[17];
    char signature[65];
    char path[1200];
    char canonical[4096];
    struct tm utc;
    time_t now = time(NULL);
    (void)strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    (void)snprintf(path, sizeof path, "/%s%s%s", target->bucket, key == NULL ? "" : "/",
                   key == NULL ? "" : key);
    (void)snprintf(canonical, sizeof canonical,
                   "%s\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n"
                   "host;x-amz-content-sha256;x-amz-date\n%s",
                   method, path, query, target->address, body_hash, stamp, body_hash);
    sign(target, canonical, stamp, signature);
    exchange->request.length = 0;
    text_append(&exchange->request,
                "%s %s%s%s HTTP/1.1\r\nHost: %s\r\nx-amz-content-sha256: %s\r\nx-amz-date: %s\r\n"
                "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, "
                "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%s\r\n",
                method, path, *query == '\0' ? "" : "?", query, target->address, body_hash, stamp,
                target->access_key, target->date, region, signature);
    if (body != NULL)
        text_append(&exchange->request, "Content-Length: %llu\r\n",
                    (unsigned long long)body_length);
    text_append(&exchange->request, "\r\n");
    exchange->body = body;
    exchange->body_length = body == NULL ? 0 : body_length;
    exchange->sent = 0;
    exchange->head_length = 0;
    exchange->has_head = false;
    exchange->received = 0;
}

enum s3_progress s3_exchange_send(struct s3_exchange *exchange, bool *ret_wants_write)
{
    uint64_t head = exchange->request.length;
    uint64_t total = head + exchange->body_length;
    while (exchange->sent < total) {
        struct iovec pieces[2];
        int count = 0;
        uint64_t done = exchange->sent > head ? exchange->sent - head : 0;
        if (exchange->sent < head)
            pieces[count++] = (struct iovec){exchange->request.data + exchange->sent,
                                             (size_t)(head - exchange->sent)};
        if (done < exchange->body_length)
            pieces[count++] = (struct iovec){(void *)(uintptr_t)(exchange->body + done),
                                             (size_t)(exchange->body_length - done)};
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
        ssize_t sent = sendmsg(exchange->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0)
            return S3_BROKEN;
        exchange->sent += (uint64_t)sent;
    }
    *ret_wants_write = exchange->sent < total;
    return S3_GOES_ON;
}

/* ---- the answer ---- */

/* The head is complete: status and length. False: not an answer that we understand. */
static bool read_head(struct s3_exchange *exchange, const char *end)
{
    exchange->expected = 0;
    static const char version[] = "HTTP/1.1 ";
    if (strncmp(exchange->head, version, sizeof version - 1) != 0)
        return false;
    exchange->status = (unsigned)strtoul(exchange->head + sizeof version - 1, NULL, 10);
    for (char *line = exchange->head; line < end; line = strchr(line, '\n') + 1)
        if (strncasecmp(line, "content-length:", 15) == 0)
            exchange->expected = strtoull(line + 15, NULL, 10);
    exchange->has_head = true;
    return true;
}

/* Returns how many of the bytes belong to the head, or -1. */
static ssize_t take_head(struct s3_exchange *exchange, const char *bytes, size_t length)
{
    size_t before = exchange->head_length;
    size_t taken = sizeof exchange->head - 1 - before;
    if (taken > length)
        taken = length;
    memcpy(exchange->head + before, bytes, taken);
    exchange->head_length += taken;
    exchange->head[exchange->head_length] = '\0';
    const char *end = strstr(exchange->head, "\r\n\r\n");
    if (end == NULL)
        return exchange->head_length == sizeof exchange->head - 1 ? -1 : (ssize_t)taken;
    if (!read_head(exchange, end))
        return -1;
    return end + 4 - exchange->head - (ssize_t)before;
}

enum s3_progress s3_exchange_receive(struct s3_exchange *exchange, struct text *keep)
{
    static char bytes[RECEIVE_BYTES]; /* the bench has one thread for this */
    for (;;) {
        ssize_t got = recv(exchange->fd, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EAGAIN)
            return S3_GOES_ON;
        if (got <= 0)
            return S3_BROKEN;
        ssize_t head = exchange->has_head ? 0 : take_head(exchange, bytes, (size_t)got);
        if (head < 0)
            return S3_BROKEN;
        if (keep != NULL)
            text_append_bytes(keep, slice_of(bytes + head, (size_t)(got - head)));
        exchange->received += (uint64_t)(got - head);
        if (exchange->has_head && exchange->received >= exchange->expected)
            return exchange->received == exchange->expected ? S3_COMPLETE : S3_BROKEN;
    }
}
