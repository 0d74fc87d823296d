/* Bodies inside the body: aws-chunked streams and forms, in one piece and in many. */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tools/gateway/aws_chunked.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/form.h"

static const struct sigv4_chunks chain = {
    .key = {1, 2, 3},
    .timestamp = "20130524T000000Z",
    .scope = "20130524/us-east-1/s3/aws4_request",
    .previous = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
};

static enum aws_chunked_event decode(struct slice bytes, size_t piece, bool is_signed,
                                     bool has_trailer, struct text *out)
{
    struct aws_chunked decoder;
    enum aws_chunked_event event = AWS_CHUNKED_MORE;
    text_clear(out);
    aws_chunked_init(&decoder, is_signed ? &chain : NULL, has_trailer);
    for (size_t at = 0; at < bytes.length && event != AWS_CHUNKED_BAD; at += piece) {
        size_t length = at + piece < bytes.length ? piece : bytes.length - at;
        struct slice input = slice_of(bytes.data + at, length);
        while (input.length > 0 && event != AWS_CHUNKED_BAD) {
            struct slice data = {0};
            event = aws_chunked_next(&decoder, &input, &data);
            if (event == AWS_CHUNKED_DATA)
                text_append_bytes(out, data);
        }
    }
    PRE(event != AWS_CHUNKED_BAD || decoder.error != S3_OK);
    (void)aws_chunked_trailer(&decoder, "x-amz-checksum-crc32");
    aws_chunked_release(&decoder);
    return event;
}

static void try_aws_chunked(struct slice bytes, uint8_t kind)
{
    struct text whole;
    struct text pieces;
    text_init(&whole);
    text_init(&pieces);
    bool is_signed = (kind & 2) != 0;
    bool has_trailer = (kind & 4) != 0;
    bool is_bad =
        decode(bytes, bytes.length + 1, is_signed, has_trailer, &whole) == AWS_CHUNKED_BAD;
    for (size_t piece = 1; piece < 4; piece++) {
        PRE((decode(bytes, piece, is_signed, has_trailer, &pieces) == AWS_CHUNKED_BAD) == is_bad);
        /* Of a chunk whose signature is bad, what came before its last piece was given out. */
        PRE(slice_starts_with(slice_of(pieces.data, pieces.length),
                              slice_of(whole.data, whole.length)));
        PRE(is_bad || pieces.length == whole.length);
    }
    text_release(&whole);
    text_release(&pieces);
}

struct read_form {
    struct gw_form form;
    struct text file;
    enum gw_form_event last;
};

static void read_pieces(struct slice bytes, size_t piece, struct read_form *read)
{
    text_init(&read->file);
    read->last = GW_FORM_MORE;
    PRE(gw_form_init(&read->form, "multipart/form-data; boundary=b"));
    for (size_t at = 0; at < bytes.length && read->last != GW_FORM_BAD; at += piece) {
        size_t length = at + piece < bytes.length ? piece : bytes.length - at;
        struct slice input = slice_of(bytes.data + at, length);
        struct slice data;
        do {
            read->last = gw_form_next(&read->form, &input, &data);
            if (read->last == GW_FORM_DATA)
                text_append_bytes(&read->file, data);
        } while (read->last == GW_FORM_DATA || read->last == GW_FORM_FILE);
    }
}

static void try_form(struct slice bytes)
{
    struct read_form *whole = gw_zalloc(sizeof *whole);
    struct read_form *pieces = gw_zalloc(sizeof *pieces);
    read_pieces(bytes, bytes.length + 1, whole);
    for (size_t piece = 1; piece < 4; piece++) {
        read_pieces(bytes, piece, pieces);
        PRE(pieces->last == whole->last);
        PRE(slice_equal(slice_of(whole->file.data, whole->file.length),
                        slice_of(pieces->file.data, pieces->file.length)));
        PRE(pieces->form.field_count == whole->form.field_count);
        for (size_t i = 0; i < whole->form.field_count; i++)
            PRE(strcmp(whole->form.fields[i].value, pieces->form.fields[i].value) == 0 &&
                strcmp(whole->form.fields[i].name, pieces->form.fields[i].name) == 0);
        PRE((whole->form.filename == NULL) == (pieces->form.filename == NULL));
        gw_form_release(&pieces->form);
        text_release(&pieces->file);
    }
    gw_form_release(&whole->form);
    text_release(&whole->file);
    free(whole);
    free(pieces);
}

static void try_type(struct slice bytes)
{
    struct gw_form *form = gw_zalloc(sizeof *form);
    char *type = gw_copy_bytes(bytes.data, bytes.length);
    (void)gw_form_init(form, type);
    gw_form_release(form);
    free(type);
    free(form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] % 2 == 0)
        try_aws_chunked(rest, data[0]);
    else if (data[0] % 4 == 1)
        try_form(rest);
    else
        try_type(rest);
    return 0;
}
