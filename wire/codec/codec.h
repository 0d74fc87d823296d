/* Messages to bytes and back: CBOR (RFC 8949), driven by the tables of wire/schema.h.
 *
 * A header is one definite array [type, field 1, field 2, ...]. Numbers are unsigned integers,
 * BOOL a boolean, BYTES and UUID byte strings, ORIGIN, STRUCT and the elements of an ARRAY are
 * arrays of fields. Both sides follow the same rules of growth: fields that the receiver does not
 * know stand at the end and are skipped, fields that are missing at the end read as zero.
 *
 * The decoder trusts nothing: every bound of the lists is checked, counts are compared with the
 * bytes that are left before memory is taken, indefinite lengths and trailing bytes are refused.
 * It does not judge meaning: whether a U8 names an enum constant or a U32 a valid err is the
 * receiver's check (err_is_valid()). The payload is not part of the header. */
#ifndef CATENA_WIRE_CODEC_CODEC_H
#define CATENA_WIRE_CODEC_CODEC_H

#include "wire/messages.h"

/* Writes the header to out[0, size). *ret_bytes is set in every case but TOO_LARGE.
 * ERR_OK: *ret_bytes were written. ERR_NO_SPACE: the header needs *ret_bytes, more than size (what
 * was written so far is useless). ERR_TOO_LARGE: a field or the header exceeds its bound: the
 * receiver would refuse it, so it is not sent. */
enum err wire_encode(const struct wire_message *message, uint8_t *out, size_t size,
                     size_t *ret_bytes);

/* The same into a buffer of its own. ERR_OK or ERR_TOO_LARGE. */
enum err wire_encode_buf(const struct wire_message *message, struct buf **ret_header);

/* Reads a header. With `keep`, the buffer that the header lies in, byte strings of the message
 * point into it and the message holds a reference; with NULL they are copied. payload is NULL in
 * the result. On an error *ret_message is untouched.
 * ERR_TRUNCATED: the bytes end inside. ERR_TOO_LARGE: a bound is exceeded. ERR_UNSUPPORTED: no
 * such message type. ERR_PROTOCOL: anything else that is not a header. */
enum err wire_decode(struct slice header, struct buf *keep, struct wire_message *ret_message);

#endif
