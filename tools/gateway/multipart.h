/* Multipart uploads, as far as they need no cluster: what is kept with a part, the document that
 * completes an upload, and what follows for the object from its parts. Pure. */
#ifndef CATENA_TOOLS_GATEWAY_MULTIPART_H
#define CATENA_TOOLS_GATEWAY_MULTIPART_H

#include "tools/gateway/checksum.h"
#include "tools/gateway/s3_error.h"

enum {
    GW_PARTS_MAX = 10000,
    GW_PART_BLOB_MAX = 64,
    GW_UPLOAD_ETAG_SIZE = 40, /* 32 hex digits, "-10000", NUL */
};
#define GW_PART_BYTES_MIN (5ull << 20) /* of all parts but the last */

/* ---- what is kept with a part: version (1), MD5 (16), kind of checksum (1), its value ---- */
struct gw_part {
    uint8_t md5[16];
    enum gw_checksum_kind checksum_kind; /* NONE: none is known */
    uint8_t checksum[GW_CHECKSUM_BYTES_MAX];
};
size_t gw_part_encode(const struct gw_part *part, uint8_t out[GW_PART_BLOB_MAX]);
/* Never fails: a part that no gateway wrote gets, instead of an MD5, bytes that follow from
 * checksum and version. */
void gw_part_decode(struct slice blob, uint64_t checksum, uint64_t epoch, uint64_t lsn,
                    struct gw_part *ret_part);
/* Base64 of the value; text: GW_CHECKSUM_TEXT_SIZE. Returns it. */
char *gw_part_checksum(const struct gw_part *part, char *text);

/* ---- <CompleteMultipartUpload> ---- */
struct gw_choice {
    uint32_t number;
    uint8_t md5[16];                     /* of the ETag */
    enum gw_checksum_kind checksum_kind; /* NONE: not said */
    uint8_t checksum[GW_CHECKSUM_BYTES_MAX];
};
struct gw_choices {
    struct gw_choice *items; /* numbers grow */
    size_t count;
};
/* S3_MalformedXML: also for no parts, too many, or one without number or ETag.
 * S3_InvalidPartOrder. S3_InvalidPart: an ETag that no part can have. S3_InvalidArgument: a number
 * that no part can have. Release in every case. */
enum s3_error gw_choices_read(struct slice document, struct gw_choices *ret_choices);
void gw_choices_release(struct gw_choices *choices);
/* ETag, and the checksum if it was said. */
bool gw_choice_fits(const struct gw_choice *choice, const struct gw_part *part);

/* ---- from parts to the object ---- */
struct gw_assembly {
    enum gw_checksum_kind kind; /* NONE: the object gets no checksum */
    enum gw_checksum_type type;
    bool has_checksum; /* every part so far had one of that kind */
    uint64_t size;
    uint32_t count;
    struct gw_checksum *md5;       /* of the parts' MD5s */
    struct gw_checksum *composite; /* of the parts' checksums */
    uint8_t combined[GW_CHECKSUM_BYTES_MAX];
};
void gw_assembly_begin(struct gw_assembly *assembly, enum gw_checksum_kind kind,
                       enum gw_checksum_type type);
/* In the order of the object. */
void gw_assembly_add(struct gw_assembly *assembly, const struct gw_part *part, uint64_t size);
/* Once. checksum (GW_CHECKSUM_TEXT_SIZE): base64, and "-count" when composite; "" if none. */
void gw_assembly_end(struct gw_assembly *assembly, char etag[GW_UPLOAD_ETAG_SIZE], char *checksum);
void gw_assembly_release(struct gw_assembly *assembly);

/* ---- creating ---- */
/* x-amz-checksum-algorithm and x-amz-checksum-type of CreateMultipartUpload; NULL = absent. */
enum s3_error gw_upload_checksum(const char *algorithm, const char *type,
                                 enum gw_checksum_kind *ret_kind, enum gw_checksum_type *ret_type,
                                 const char **ret_detail);

#endif
