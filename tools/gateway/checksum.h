/* The checksums of S3, computed over a stream: CRC32, CRC32C, CRC64NVME by tables of our own (eight
 * bytes a step), SHA-1, SHA-256 and MD5 by OpenSSL. */
#ifndef CATENA_TOOLS_GATEWAY_CHECKSUM_H
#define CATENA_TOOLS_GATEWAY_CHECKSUM_H

#include "base/io/args.h"

enum gw_checksum_kind {
    GW_CHECKSUM_NONE = 0,
    GW_CHECKSUM_CRC32,
    GW_CHECKSUM_CRC32C,
    GW_CHECKSUM_CRC64NVME,
    GW_CHECKSUM_SHA1,
    GW_CHECKSUM_SHA256,
    GW_CHECKSUM_MD5,
    GW_CHECKSUM_COUNT,
};
/* Those that travel as x-amz-checksum-...: all but NONE and MD5. */
#define GW_CHECKSUM_LAST_NAMED GW_CHECKSUM_SHA256

enum { GW_CHECKSUM_BYTES_MAX = 32, GW_CHECKSUM_TEXT_SIZE = 56 }; /* base64, "-10000", NUL */

/* Of an object that was assembled from parts: over its bytes, or over the checksums of its parts
 * (then "-" and their number follow the base64). */
enum gw_checksum_type { GW_CHECKSUM_FULL_OBJECT, GW_CHECKSUM_COMPOSITE };

struct gw_checksum; /* one running computation */

struct gw_checksum *gw_checksum_new(enum gw_checksum_kind kind);
void gw_checksum_update(struct gw_checksum *sum, struct slice bytes);
/* Big-endian value as it is published; returns its length. Ends the computation. */
size_t gw_checksum_final(struct gw_checksum *sum, uint8_t value[GW_CHECKSUM_BYTES_MAX]);
/* NULL is allowed. */
void gw_checksum_free(struct gw_checksum *sum);

size_t gw_checksum_bytes(enum gw_checksum_kind kind);
/* "CRC32C"; as in x-amz-checksum-algorithm. */
const char *gw_checksum_name(enum gw_checksum_kind kind);
/* "x-amz-checksum-crc32c" */
const char *gw_checksum_header(enum gw_checksum_kind kind);
/* Without case; NONE if unknown. */
enum gw_checksum_kind gw_checksum_by_name(const char *name);
enum gw_checksum_kind gw_checksum_by_header(const char *header);

/* "FULL_OBJECT"; as in x-amz-checksum-type. */
const char *gw_checksum_type_name(enum gw_checksum_type type);
/* "ChecksumCRC32C"; as in XML. name: 32 bytes; returns it. */
char *gw_checksum_element(enum gw_checksum_kind kind, char *name);

/* Whether the value of a whole follows from the values of its pieces: the CRCs. */
bool gw_checksum_is_linear(enum gw_checksum_kind kind);
/* From the values of two pieces, first and second, to the value of both in a row, which replaces
 * the first. By multiplying in GF(2)[x] modulo the polynomial: x^(8 * second_length) * first +
 * second; in steps of the bits of the length (the method of zlib's crc32_combine). */
void gw_checksum_combine(enum gw_checksum_kind kind, uint8_t first[GW_CHECKSUM_BYTES_MAX],
                         const uint8_t second[GW_CHECKSUM_BYTES_MAX], uint64_t second_length);

void gw_sha256(struct slice bytes, uint8_t digest[32]);
void gw_hmac_sha256(struct slice key, struct slice bytes, uint8_t digest[32]);
void gw_hmac_sha1(struct slice key, struct slice bytes, uint8_t digest[20]);

#endif
