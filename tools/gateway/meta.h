/* What the gateway keeps with each object, in the object's meta blob: ETag, content headers, user
 * metadata, checksum, tags. The same is kept with a multipart upload, for the object to come; there
 * the checksum has a kind and a type and no value yet.
 *
 * Encoding: "S3" 0x00, version (1), then records: tag (1 byte), length (2 bytes, big-endian),
 * bytes. Unknown tags are skipped, so that older gateways read what newer ones wrote. A blob with
 * another beginning, or none, belongs to an object that was not written through a gateway: its ETag
 * is made from the checksum and the version. */
#ifndef CATENA_TOOLS_GATEWAY_META_H
#define CATENA_TOOLS_GATEWAY_META_H

#include "tools/gateway/checksum.h"
#include "tools/gateway/request.h"
#include "tools/gateway/s3_error.h"
#include "tools/gateway/tagging.h"

enum { GW_META_BYTES_MAX = 8192, GW_USER_META_BYTES_MAX = 2048, GW_ETAG_SIZE = 80 };

/* The content headers, in the order of their tags. */
enum gw_content {
    GW_CONTENT_TYPE,
    GW_CONTENT_CACHE_CONTROL,
    GW_CONTENT_DISPOSITION,
    GW_CONTENT_ENCODING,
    GW_CONTENT_LANGUAGE,
    GW_CONTENT_EXPIRES,
    GW_CONTENT_COUNT,
};
extern const char *const gw_content_headers[GW_CONTENT_COUNT];
/* "response-content-type" and so on. */
extern const char *const gw_content_overrides[GW_CONTENT_COUNT];

struct gw_user_meta {
    char *name; /* lower case, without x-amz-meta- */
    char *value;
};

struct gw_meta {
    char etag[GW_ETAG_SIZE]; /* without quotes */
    char *content[GW_CONTENT_COUNT];
    struct gw_user_meta *user;
    size_t user_count;
    enum gw_checksum_kind checksum_kind;
    enum gw_checksum_type checksum_type;
    char checksum[GW_CHECKSUM_TEXT_SIZE]; /* base64; COMPOSITE: and "-", number of parts */
    struct gw_tags tags;
};

/* Content headers and user metadata of a PUT or of a COPY with REPLACE. "aws-chunked" is taken out
 * of the content encoding. S3_MetadataTooLarge, S3_InvalidArgument. Release in every case. */
enum s3_error gw_meta_from_headers(const struct gw_request *request, struct gw_meta *ret_meta);
void gw_meta_release(struct gw_meta *meta);
/* x-amz-tagging, if there. S3_InvalidTag, S3_InvalidArgument. */
enum s3_error gw_meta_take_tags(const struct gw_request *request, struct gw_meta *meta,
                                const char **ret_detail);
/* Content headers and user metadata of `from` into an empty one. */
void gw_meta_copy(const struct gw_meta *from, struct gw_meta *ret_meta);

/* False: does not fit. out is GW_META_BYTES_MAX. */
bool gw_meta_encode(const struct gw_meta *meta, uint8_t *out, size_t *ret_length);
/* Whether a gateway wrote it. */
bool gw_meta_is_ours(struct slice blob);
/* Never fails: a foreign or damaged blob gives the ETag of checksum and version. */
void gw_meta_decode(struct slice blob, uint64_t checksum, uint64_t epoch, uint64_t lsn,
                    struct gw_meta *ret_meta);

#endif
