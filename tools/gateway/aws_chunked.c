/* States: HEAD (a line "size;chunk-signature=...") -> DATA -> DATA_END (CR LF) -> HEAD ...;
 * the chunk of size 0 leads to TRAILER (lines until an empty one) -> END. */
#include "tools/gateway/aws_chunked.h"

#include "tools/gateway/encode.h"

enum { HEAD, DATA, DATA_END, TRAILER, END, BAD };

void aws_chunked_init(struct aws_chunked *decoder, const struct sigv4_chunks *chain,
                      bool has_trailer)
{
    *decoder = (struct aws_chunked){.state = HEAD, .has_trailer = has_trailer};
    if (chain != NULL) {
        decoder->is_signed = true;
        decoder->chain = *chain;
    }
}

void aws_chunked_release(struct aws_chunked *decoder)
{
    gw_checksum_free(decoder->chunk_sum);
    decoder->chunk_sum = NULL;
    explicit_bzero(&decoder->chain, sizeof decoder->chain);
}

static enum aws_chunked_event fail(struct aws_chunked *decoder, enum s3_error error)
{
    decoder->state = BAD;
    decoder->error = error;
    return AWS_CHUNKED_BAD;
}

/* Ends the line that CR LF has just completed. */
static void end_line(struct aws_chunked *decoder)
{
    size_t length = decoder->line_length - 1; /* without the CR */
    if (length > 0 && decoder->line[length - 1] == '\n')
        length--;
    decoder->line[length] = '\0';
    decoder->line_length = length;
}

/* Collects a line up to CR LF. 1: complete (without CR LF); 0: needs more; -1: bad.
 *
 * A trailer may have a line feed of its own before the CR LF: minio-go writes it as it is signed,
 * "name:value\n", and then ends the line. */
static int take_line(struct aws_chunked *decoder, struct slice *input)
{
    while (input->length > 0) {
        char c = (char)*input->data;
        size_t length = decoder->line_length;
        char last = '\0';
        input->data++;
        input->length--;
        if (length > 0)
            last = decoder->line[length - 1];
        if (c == '\n' && last == '\r') {
            end_line(decoder);
            return 1;
        }
        bool may_feed = decoder->state == TRAILER && length > 0 && last != '\n';
        if (last == '\r' || (last == '\n' && c != '\r') || (c == '\n' && !may_feed) || c == '\0' ||
            length + 1 >= sizeof decoder->line)
            return -1;
        decoder->line[decoder->line_length++] = c;
    }
    return 0;
}

static bool parse_size(const char **cursor, uint64_t *ret_size)
{
    uint64_t size = 0;
    size_t digits = strspn(*cursor, "0123456789abcdefABCDEF");
    if (digits == 0 || digits > 12)
        return false;
    for (size_t i = 0; i < digits; i++) {
        char c = (*cursor)[i];
        unsigned digit = c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
        size = size << 4 | digit;
    }
    *cursor += digits;
    *ret_size = size;
    return true;
}

static bool parse_head(struct aws_chunked *decoder)
{
    const char *cursor = decoder->line;
    if (!parse_size(&cursor, &decoder->chunk_rest))
        return false;
    decoder->is_last = decoder->chunk_rest == 0;
    decoder->signature[0] = '\0';
    if (*cursor == '\0')
        return !decoder->is_signed;
    if (*cursor != ';')
        return false;
    if (!decoder->is_signed)
        return true; /* extensions mean nothing here */
    const char *signature = cursor + 1;
    if (!gw_starts_with(signature, "chunk-signature="))
        return false;
    signature += strlen("chunk-signature=");
    if (strlen(signature) != SIGV4_HEX_SIZE - 1)
        return false;
    memcpy(decoder->signature, signature, SIGV4_HEX_SIZE);
    return true;
}

static bool verify_chunk(struct aws_chunked *decoder)
{
    uint8_t hash[GW_CHECKSUM_BYTES_MAX];
    if (!decoder->is_signed)
        return true;
    (void)gw_checksum_final(decoder->chunk_sum, hash);
    gw_checksum_free(decoder->chunk_sum);
    decoder->chunk_sum = NULL;
    return sigv4_chunks_verify(&decoder->chain, false, hash, decoder->signature);
}

/* Returns AWS_CHUNKED_MORE when the caller's loop should go on. */
static enum aws_chunked_event begin_chunk(struct aws_chunked *decoder)
{
    if (!parse_head(decoder))
        return fail(decoder, S3_InvalidRequest);
    decoder->line_length = 0;
    if (decoder->is_signed)
        decoder->chunk_sum = gw_checksum_new(GW_CHECKSUM_SHA256);
    if (!decoder->is_last) {
        decoder->state = DATA;
        return AWS_CHUNKED_MORE;
    }
    if (!verify_chunk(decoder))
        return fail(decoder, S3_SignatureDoesNotMatch);
    decoder->state = TRAILER;
    return AWS_CHUNKED_MORE;
}

static bool verify_trailers(struct aws_chunked *decoder)
{
    struct text lines;
    const char *signature = aws_chunked_trailer(decoder, "x-amz-trailer-signature");
    uint8_t hash[32];
    text_init(&lines);
    for (size_t i = 0; i < decoder->trailer_count; i++) {
        if (strcmp(decoder->trailers[i].name, "x-amz-trailer-signature") != 0)
            text_append(&lines, "%s:%s\n", decoder->trailers[i].name, decoder->trailers[i].value);
    }
    gw_sha256(slice_of(text_cstr(&lines), lines.length), hash);
    text_release(&lines);
    return signature != NULL && sigv4_chunks_verify(&decoder->chain, true, hash, signature);
}

static enum aws_chunked_event end_of_stream(struct aws_chunked *decoder)
{
    if (decoder->is_signed && decoder->has_trailer && !verify_trailers(decoder))
        return fail(decoder, S3_SignatureDoesNotMatch);
    decoder->state = END;
    return AWS_CHUNKED_END;
}

static bool take_trailer(struct aws_chunked *decoder)
{
    const char *colon = strchr(decoder->line, ':');
    if (!decoder->has_trailer || colon == NULL ||
        decoder->trailer_count == AWS_CHUNKED_TRAILERS_MAX)
        return false;
    struct aws_chunked_trailer *trailer = &decoder->trailers[decoder->trailer_count];
    size_t name_length = (size_t)(colon - decoder->line);
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t value_length = strlen(value);
    while (value_length > 0 && (value[value_length - 1] == ' ' || value[value_length - 1] == '\t'))
        value_length--;
    if (name_length == 0 || name_length >= sizeof trailer->name ||
        value_length >= sizeof trailer->value)
        return false;
    for (size_t i = 0; i < name_length; i++) {
        char c = decoder->line[i];
        trailer->name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    memcpy(trailer->value, value, value_length);
    decoder->trailer_count++;
    return true;
}

static enum aws_chunked_event read_line(struct aws_chunked *decoder, struct slice *input)
{
    int found = take_line(decoder, input);
    bool is_trailer = decoder->state == TRAILER;
    if (found < 0)
        return fail(decoder, is_trailer ? S3_MalformedTrailerError : S3_InvalidRequest);
    if (found == 0)
        return AWS_CHUNKED_MORE;
    if (decoder->state == HEAD)
        return begin_chunk(decoder);
    bool is_empty = decoder->line_length == 0;
    decoder->line_length = 0;
    if (decoder->state == DATA_END) {
        decoder->state = HEAD;
        return is_empty ? AWS_CHUNKED_MORE : fail(decoder, S3_InvalidRequest);
    }
    if (is_empty)
        return end_of_stream(decoder);
    return take_trailer(decoder) ? AWS_CHUNKED_MORE : fail(decoder, S3_MalformedTrailerError);
}

static enum aws_chunked_event read_data(struct aws_chunked *decoder, struct slice *input,
                                        struct slice *ret_data)
{
    size_t length = input->length;
    if (length > decoder->chunk_rest)
        length = (size_t)decoder->chunk_rest;
    *ret_data = slice_of(input->data, length);
    input->data += length;
    input->length -= length;
    decoder->chunk_rest -= length;
    if (decoder->is_signed)
        gw_checksum_update(decoder->chunk_sum, *ret_data);
    if (decoder->chunk_rest == 0) {
        if (!verify_chunk(decoder))
            return fail(decoder, S3_SignatureDoesNotMatch);
        decoder->state = DATA_END;
    }
    return AWS_CHUNKED_DATA;
}

enum aws_chunked_event aws_chunked_next(struct aws_chunked *decoder, struct slice *input,
                                        struct slice *ret_data)
{
    while (input->length > 0 && decoder->state != BAD) {
        if (decoder->state == END)
            return fail(decoder, S3_IncompleteBody); /* bytes after the end */
        if (decoder->state == DATA)
            return read_data(decoder, input, ret_data);
        enum aws_chunked_event event = read_line(decoder, input);
        if (event != AWS_CHUNKED_MORE)
            return event;
    }
    return decoder->state == BAD ? AWS_CHUNKED_BAD : AWS_CHUNKED_MORE;
}

const char *aws_chunked_trailer(const struct aws_chunked *decoder, const char *name)
{
    for (size_t i = 0; i < decoder->trailer_count; i++) {
        if (strcmp(decoder->trailers[i].name, name) == 0)
            return decoder->trailers[i].value;
    }
    return NULL;
}
