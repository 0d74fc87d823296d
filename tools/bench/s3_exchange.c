#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tools/bench/s3.h"

enum { RECEIVE_BYTES = 256 * 1024 };

static const char region[] = "us-east-1";

static void must(bool is_good)
{
    if (is_good)
        return;
    (void)fprintf(stderr, "catena-bench: OpenSSL has no SHA-256 or no memory\n");
    exit(1);
}

static void begin_crypto(struct s3_target *target)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    target->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    target->digest = EVP_MD_CTX_new();
    target->mac = EVP_MAC_CTX_new(hmac);
    must(target->sha256 != NULL && target->digest != NULL && target->mac != NULL);
    EVP_MAC_free(hmac); /* the context holds it */
}

void s3_target_release(struct s3_target *target)
{
    EVP_MD_free(target->sha256);
    EVP_MD_CTX_free(target->digest);
    EVP_MAC_CTX_free(target->mac);
}

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
        begin_crypto(target);
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

void s3_hash(struct s3_target *target, const void *body, uint64_t length,
             char text[S3_HASH_TEXT_SIZE])
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    must(EVP_DigestInit_ex2(target->digest, target->sha256, NULL) == 1 &&
         EVP_DigestUpdate(target->digest, body, length) == 1 &&
         EVP_DigestFinal_ex(target->digest, hash, NULL) == 1);
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

/* key NULL: the one of before. */
static void hmac(struct s3_target *target, const void *key, size_t key_length, const char *text,
                 uint8_t ret_mac[SHA256_DIGEST_LENGTH])
{
    static char name[] = "SHA256";
    const OSSL_PARAM digest[] = {OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 6),
                                 OSSL_PARAM_END};
    size_t length = 0;
    must(EVP_MAC_init(target->mac, key, key_length, key == NULL ? NULL : digest) == 1 &&
         EVP_MAC_update(target->mac, (const uint8_t *)text, strlen(text)) == 1 &&
         EVP_MAC_final(target->mac, ret_mac, &length, SHA256_DIGEST_LENGTH) == 1);
}

/* Source: "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference. */
static void set_day(struct s3_target *target)
{
    const char *const steps[] = {target->date, region, "s3", "aws4_request"};
    char secret[256];
    uint8_t mac[SHA256_DIGEST_LENGTH];
    const void *key = secret;
    size_t key_length = (size_t)snprintf(secret, sizeof secret, "AWS4%s", target->secret);
    memcpy(target->date, target->stamp, sizeof target->date - 1);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        hmac(target, key, key_length, steps[i], mac);
        key = mac;
        key_length = sizeof mac;
    }
    hmac(target, mac, sizeof mac, "", mac); /* stays in the context */
}

static void set_time(struct s3_target *target)
{
    struct tm utc;
    time_t now = time(NULL);
    if (now == target->second)
        return;
    target->second = now;
    (void)strftime(target->stamp, sizeof target->stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    if (strncmp(target->date, target->stamp, sizeof target->date - 1) != 0)
        set_day(target);
}

static void sign(struct s3_target *target, const char *canonical, char text[S3_HASH_TEXT_SIZE])
{
    char hash[S3_HASH_TEXT_SIZE];
    char string[256];
    uint8_t signature[SHA256_DIGEST_LENGTH];
    s3_hash(target, canonical, strlen(canonical), hash);
    (void)snprintf(string, sizeof string, "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s",
                   target->stamp, target->date, region, hash);
    hmac(target, NULL, 0, string, signature);
    hex(signature, text);
}

void s3_exchange_begin(struct s3_exchange *exchange, struct s3_target *target, const char *method,
                       const char *key, const char *query, const uint8_t *body,
                       uint64_t body_length, const char *body_hash)
{
    char signature[S3_HASH_TEXT_SIZE];
    char path[1200];
    char canonical[4096];
    set_time(target);
    (void)snprintf(path, sizeof path, "/%s%s%s", target->bucket, key == NULL ? "" : "/",
                   key == NULL ? "" : key);
    (void)snprintf(canonical, sizeof canonical,
                   "%s\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n"
                   "host;x-amz-content-sha256;x-amz-date\n%s",
                   method, path, query, target->address, body_hash, target->stamp, body_hash);
    sign(target, canonical, signature);
    exchange->request.length = 0;
    text_append(&exchange->request,
                "%s %s%s%s HTTP/1.1\r\nHost: %s\r\nx-amz-content-sha256: %s\r\nx-amz-date: %s\r\n"
                "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, "
                "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%s\r\n",
                method, path, *query == '\0' ? "" : "?", query, target->address, body_hash,
                target->stamp, target->access_key, target->date, region, signature);
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
    for (;;) {                        /* until nothing is there */
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
        if ((size_t)got < sizeof bytes)
            return S3_GOES_ON; /* that was all for now */
    }
}
