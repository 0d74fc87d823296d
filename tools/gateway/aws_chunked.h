/* Decoder of Content-Encoding: aws-chunked, the stream inside the HTTP body: chunks with or without
 * signatures, and trailer lines at its end.
 *
 * It is fed pieces of any length and gives back views into them. Bytes of a signed chunk are handed
 * out before the chunk's signature could be checked: the caller stages them and commits only after
 * AWS_CHUNKED_END. Every line ends with CR LF; a bare LF is refused, but for the one that some
 * clients put before the CR LF of a trailer. */
#ifndef CATENA_TOOLS_GATEWAY_AWS_CHUNKED_H
#define CATENA_TOOLS_GATEWAY_AWS_CHUNKED_H

#include "tools/gateway/checksum.h"
#include "tools/gateway/s3_error.h"
#include "tools/gateway/sigv4.h"

enum aws_chunked_event {
    AWS_CHUNKED_MORE, /* all input was used; go on with the next piece */
    AWS_CHUNKED_DATA, /* *ret_data is decoded bytes */
    AWS_CHUNKED_END,  /* the last chunk and all trailers were read and verified */
    AWS_CHUNKED_BAD,  /* decoder->error says why */
};

enum { AWS_CHUNKED_LINE_MAX = 1024, AWS_CHUNKED_TRAILERS_MAX = 8 };

struct aws_chunked_trailer {
    char name[64]; /* lower case */
    char value[256];
};

struct aws_chunked {
    enum s3_error error;
    struct aws_chunked_trailer trailers[AWS_CHUNKED_TRAILERS_MAX];
    size_t trailer_count;
    /* private */
    int state;
    bool is_signed;
    bool has_trailer;
    uint64_t chunk_rest;
    bool is_last;
    char line[AWS_CHUNKED_LINE_MAX];
    size_t line_length;
    char signature[SIGV4_HEX_SIZE];
    struct gw_checksum *chunk_sum;
    struct sigv4_chunks chain;
};

/* chain: NULL for unsigned chunks. */
void aws_chunked_init(struct aws_chunked *decoder, const struct sigv4_chunks *chain,
                      bool has_trailer);
void aws_chunked_release(struct aws_chunked *decoder);
/* Takes from the front of *input. */
enum aws_chunked_event aws_chunked_next(struct aws_chunked *decoder, struct slice *input,
                                        struct slice *ret_data);
/* NULL if there was none. Valid after AWS_CHUNKED_END. */
const char *aws_chunked_trailer(const struct aws_chunked *decoder, const char *name);

#endif
