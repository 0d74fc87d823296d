/* AWS Signature Version 4, the server's side: header and presigned form, and the chain of chunk
 * signatures of streaming uploads. Pure but for hashing; time and secret are arguments.
 *
 * Source: "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference. */
#ifndef CATENA_TOOLS_GATEWAY_SIGV4_H
#define CATENA_TOOLS_GATEWAY_SIGV4_H

#include "tools/gateway/request.h"
#include "tools/gateway/s3_error.h"

enum { SIGV4_SKEW_SECONDS = 900, SIGV4_EXPIRES_MAX = 604800, SIGV4_HEX_SIZE = 65 };

/* What the payload is, from x-amz-content-sha256. */
enum sigv4_payload {
    SIGV4_PAYLOAD_UNSIGNED,
    SIGV4_PAYLOAD_SHA256, /* the hash is in content_sha256 */
    SIGV4_PAYLOAD_CHUNKS,
    SIGV4_PAYLOAD_CHUNKS_TRAILER,
    SIGV4_PAYLOAD_UNSIGNED_TRAILER,
};

/* What a request says about its signature. */
struct sigv4 {
    bool is_presigned;
    char access_key[129];
    char date[9]; /* of the scope */
    char region[65];
    char timestamp[17];
    struct slice signed_headers; /* their names, borrowed from the request */
    char signature[SIGV4_HEX_SIZE];
    char content_sha256[80]; /* as it stands in the canonical request */
    enum sigv4_payload payload;
    int64_t time;
    int64_t expires; /* presigned: seconds */
};

/* True if the request carries SigV4 in that form. */
bool sigv4_is_header(const struct gw_request *request);
bool sigv4_is_presigned(const struct gw_query *query);

/* Reads and checks everything that needs no secret: form, scope, dates, required signed headers. */
enum s3_error sigv4_parse(const struct gw_request *request, const struct gw_query *query,
                          int64_t now, struct sigv4 *ret_sigv4, const char **ret_detail);
/* Compares the signature, in constant time. */
bool sigv4_verify(const struct gw_request *request, const struct sigv4 *sigv4, const char *secret);
/* The same with what sigv4_key makes of the secret for the request's date and region. */
bool sigv4_verify_with_key(const struct gw_request *request, const struct sigv4 *sigv4,
                           const uint8_t key[32]);

/* The steps, for tests and chunks. as_sent: path and query as they came, not encoded anew. */
void sigv4_canonical_request(const struct gw_request *request, const struct sigv4 *sigv4,
                             bool as_sent, struct text *out);
void sigv4_key(const char *secret, const char *date, const char *region, uint8_t key[32]);

/* The chain of signatures over chunks. */
struct sigv4_chunks {
    uint8_t key[32];
    char timestamp[17];
    char scope[128];
    char previous[SIGV4_HEX_SIZE];
};
void sigv4_chunks_begin(const struct sigv4 *sigv4, const char *secret, struct sigv4_chunks *chunks);
/* hash: SHA-256 of the chunk's bytes, or of the trailer lines ("name:value\n") when is_trailer.
 * Compares with `signature`; the chain goes on from it. */
bool sigv4_chunks_verify(struct sigv4_chunks *chunks, bool is_trailer, const uint8_t hash[32],
                         const char *signature);

#endif
