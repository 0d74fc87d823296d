/* Encodings of S3 requests: percent, hexadecimal, base64; names in lower case; secret comparison.
 * Pure functions of their arguments. */
#ifndef CATENA_TOOLS_GATEWAY_ENCODE_H
#define CATENA_TOOLS_GATEWAY_ENCODE_H

#include "base/io/args.h" /* struct text, struct slice */

/* Unreserved characters (A-Z a-z 0-9 - . _ ~) as they are, all else as %XX in capitals; slashes
 * stay when keep_slash. This is the encoding of SigV4 and of encoding-type=url. */
void gw_uri_encode(struct text *out, struct slice bytes, bool keep_slash);
/* Appends the decoded bytes. False: a % that is not followed by two hexadecimal digits. */
bool gw_uri_decode(struct text *out, struct slice text, bool plus_is_space);

/* text: 2 * length + 1 bytes. */
void gw_hex_encode(const uint8_t *bytes, size_t length, char *text);
/* Exactly 2 * length lower or upper case digits. */
bool gw_hex_decode(const char *text, uint8_t *bytes, size_t length);

/* text: 4 * ((length + 2) / 3) + 1 bytes. */
void gw_base64_encode(const uint8_t *bytes, size_t length, char *text);
/* Strict: padding required, no blanks. False also when more than size bytes would come out. */
bool gw_base64_decode(const char *text, uint8_t *bytes, size_t size, size_t *ret_length);

/* In time that does not depend on where they differ. */
bool gw_secret_equal(const char *a, const char *b);

/* Characters of a token, such as the name of a header (RFC 9110, 5.6.2). */
bool gw_is_token_byte(uint8_t c);
/* At least one of them, and nothing else. */
bool gw_is_token(const char *text);

bool gw_is_equal_ignoring_case(const char *a, const char *b);
bool gw_starts_with(const char *text, const char *prefix);
bool gw_starts_with_ignoring_case(const char *text, const char *prefix);
/* Decimal digits only; false on overflow or anything else. */
bool gw_parse_u64(const char *text, uint64_t *ret_value);
/* Copies; the result is the caller's to free(). Ends the process when memory is out. */
char *gw_copy(const char *text);
char *gw_copy_bytes(const void *bytes, size_t length);
void *gw_zalloc(size_t bytes);

#endif
