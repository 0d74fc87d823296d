/* Load through an S3 gateway, beside the same load through the client library: signed requests over
 * plain HTTP/1.1 connections that stay open. Only what a measurement needs; not an S3 client. */
#ifndef CATENA_TOOLS_BENCH_S3_H
#define CATENA_TOOLS_BENCH_S3_H

#include <openssl/types.h>
#include <time.h>

#include "tools/bench/bench.h"

enum { S3_HEAD_BYTES_MAX = 8192, S3_HASH_TEXT_SIZE = 65 };

/* Where and as whom. */
struct s3_target {
    const char *address; /* HOST:PORT */
    const char *bucket;
    const char *access_key;
    const char *secret;
    char host[256];
    char port[8];
    /* Made once, and the key anew when the day changes: the load must cost less than what it
     * measures. */
    EVP_MD *sha256;
    EVP_MD_CTX *digest;
    EVP_MAC_CTX *mac; /* with the signing key */
    char date[9];     /* of the signing key */
    time_t second;    /* of the stamp */
    char stamp[17];
};

/* One connection and the exchange on it. */
struct s3_exchange {
    int fd;
    struct text request; /* head */
    const uint8_t *body;
    uint64_t body_length;
    uint64_t sent; /* of head and body */
    char head[S3_HEAD_BYTES_MAX];
    size_t head_length;
    bool has_head;
    unsigned status;
    uint64_t expected; /* of the answer's body */
    uint64_t received;
};

enum s3_progress { S3_GOES_ON, S3_COMPLETE, S3_BROKEN };

/* False: error says why. address: HOST:PORT; the keys come from the environment. */
bool s3_target_init(struct s3_target *target, const char *address, const char *bucket,
                    struct text *error);
/* The SHA-256 of the body as requests name it. */
void s3_hash(struct s3_target *target, const void *body, uint64_t length,
             char text[S3_HASH_TEXT_SIZE]);
void s3_target_release(struct s3_target *target);
/* -1: could not connect (errno). */
int s3_connect(const struct s3_target *target);

void s3_exchange_init(struct s3_exchange *exchange, int fd);
void s3_exchange_release(struct s3_exchange *exchange);
/* Makes the signed request; nothing is sent yet. key NULL: the bucket; query is in canonical form.
 * body must stay. */
void s3_exchange_begin(struct s3_exchange *exchange, struct s3_target *target, const char *method,
                       const char *key, const char *query, const uint8_t *body,
                       uint64_t body_length, const char *body_hash);
/* As far as the socket takes it. *ret_wants_write: not all was sent. */
enum s3_progress s3_exchange_send(struct s3_exchange *exchange, bool *ret_wants_write);
/* As far as there is something; body bytes are appended to `keep` unless it is NULL. */
enum s3_progress s3_exchange_receive(struct s3_exchange *exchange, struct text *keep);

/* Measurements. */
void s3_load(const struct bench_settings *settings, struct s3_target *target,
             enum bench_operation operation, uint64_t size_bytes, uint32_t inflight,
             uint32_t *existing, struct bench_result *result);
/* All keys of the bucket, again and again, in pages of 1,000; an operation is a key. */
void s3_list(const struct bench_settings *settings, struct s3_target *target,
             struct bench_result *result);

#endif
