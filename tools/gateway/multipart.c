#include "tools/gateway/multipart.h"

#include <stdlib.h>

#include "tools/gateway/encode.h"
#include "tools/gateway/xml_document.h"

enum { PART_VERSION = 1, PART_HEAD_BYTES = 18, NUMBERS_GROW_BY = 64 };

/* ---- parts ---- */

size_t gw_part_encode(const struct gw_part *part, uint8_t out[GW_PART_BLOB_MAX])
{
    size_t length = gw_checksum_bytes(part->checksum_kind);
    out[0] = PART_VERSION;
    memcpy(out + 1, part->md5, sizeof part->md5);
    out[17] = (uint8_t)part->checksum_kind;
    memcpy(out + PART_HEAD_BYTES, part->checksum, length);
    return PART_HEAD_BYTES + length;
}

void gw_part_decode(struct slice blob, uint64_t checksum, uint64_t epoch, uint64_t lsn,
                    struct gw_part *ret_part)
{
    *ret_part = (struct gw_part){0};
    if (blob.length < PART_HEAD_BYTES || blob.data[0] != PART_VERSION) {
        uint64_t tail = lsn ^ epoch << 48;
        for (unsigned i = 0; i < 8; i++) {
            ret_part->md5[i] = (uint8_t)(checksum >> (56 - 8 * i));
            ret_part->md5[8 + i] = (uint8_t)(tail >> (56 - 8 * i));
        }
        return;
    }
    memcpy(ret_part->md5, blob.data + 1, sizeof ret_part->md5);
    uint8_t kind = blob.data[17];
    if (kind == GW_CHECKSUM_NONE || kind > GW_CHECKSUM_LAST_NAMED ||
        blob.length < PART_HEAD_BYTES + gw_checksum_bytes((enum gw_checksum_kind)kind))
        return;
    ret_part->checksum_kind = (enum gw_checksum_kind)kind;
    memcpy(ret_part->checksum, blob.data + PART_HEAD_BYTES,
           gw_checksum_bytes(ret_part->checksum_kind));
}

char *gw_part_checksum(const struct gw_part *part, char *text)
{
    gw_base64_encode(part->checksum, gw_checksum_bytes(part->checksum_kind), text);
    return text;
}

/* ---- the document ---- */

struct complete_reading {
    struct gw_choices *choices;
    struct gw_choice open; /* the part being read */
    bool has_number;
    bool has_etag;
    enum s3_error error; /* well-formed, but wrong */
};

static void note(struct complete_reading *complete, enum s3_error error)
{
    if (complete->error == S3_OK)
        complete->error = error;
}

/* Quoted or not. */
static bool read_etag(const char *text, uint8_t md5[16])
{
    size_t length = strlen(text);
    if (length == 34 && text[0] == '"' && text[33] == '"')
        text++;
    else if (length != 32)
        return false;
    char hex[33];
    memcpy(hex, text, 32);
    hex[32] = '\0';
    return gw_hex_decode(hex, md5, 16);
}

static void take_number(struct complete_reading *complete, const char *text)
{
    uint64_t number = 0;
    complete->has_number = true;
    if (!gw_parse_u64(text, &number) || number < 1 || number > GW_PARTS_MAX)
        note(complete, S3_InvalidArgument);
    else
        complete->open.number = (uint32_t)number;
}

static void take_checksum(struct complete_reading *complete, const char *element, const char *text)
{
    struct gw_choice *open = &complete->open;
    enum gw_checksum_kind kind = gw_checksum_by_name(element);
    size_t length = 0;
    if (kind == GW_CHECKSUM_NONE) /* one of the newer kinds, which no part has */
        return;
    open->checksum_kind = kind;
    if (!gw_base64_decode(text, open->checksum, sizeof open->checksum, &length) ||
        length != gw_checksum_bytes(kind))
        note(complete, S3_InvalidPart);
}

static void end_part(struct gw_xml_reading *reading)
{
    struct complete_reading *complete = reading->context;
    struct gw_choices *choices = complete->choices;
    if (!complete->has_number || !complete->has_etag || choices->count == GW_PARTS_MAX) {
        gw_xml_stop(reading);
        return;
    }
    if (choices->count > 0 && choices->items[choices->count - 1].number >= complete->open.number)
        note(complete, S3_InvalidPartOrder);
    if (choices->count % NUMBERS_GROW_BY == 0) {
        choices->items =
            realloc(choices->items, (choices->count + NUMBERS_GROW_BY) * sizeof *choices->items);
        if (choices->items == NULL)
            abort();
    }
    choices->items[choices->count++] = complete->open;
    complete->open = (struct gw_choice){0};
    complete->has_number = false;
    complete->has_etag = false;
}

static void complete_close(struct gw_xml_reading *reading)
{
    static const char checksum[] = "/CompleteMultipartUpload/Part/Checksum";
    struct complete_reading *complete = reading->context;
    if (gw_xml_is_at(reading, "/CompleteMultipartUpload/Part")) {
        end_part(reading);
    } else if (gw_xml_is_at(reading, "/CompleteMultipartUpload/Part/PartNumber")) {
        take_number(complete, reading->text);
    } else if (gw_xml_is_at(reading, "/CompleteMultipartUpload/Part/ETag")) {
        complete->has_etag = true;
        if (!read_etag(reading->text, complete->open.md5))
            note(complete, S3_InvalidPart);
    } else if (gw_starts_with(reading->path, checksum)) {
        take_checksum(complete, reading->path + strlen(checksum), reading->text);
    }
}

enum s3_error gw_choices_read(struct slice document, struct gw_choices *ret_choices)
{
    struct complete_reading complete = {.choices = ret_choices};
    *ret_choices = (struct gw_choices){0};
    if (!gw_xml_read_document(document, NULL, complete_close, &complete) || ret_choices->count == 0)
        return S3_MalformedXML;
    return complete.error;
}

void gw_choices_release(struct gw_choices *choices)
{
    free(choices->items);
    *choices = (struct gw_choices){0};
}

bool gw_choice_fits(const struct gw_choice *choice, const struct gw_part *part)
{
    return memcmp(choice->md5, part->md5, sizeof part->md5) == 0 &&
           (choice->checksum_kind == GW_CHECKSUM_NONE ||
            (choice->checksum_kind == part->checksum_kind &&
             memcmp(choice->checksum, part->checksum, gw_checksum_bytes(part->checksum_kind)) ==
                 0));
}

/* ---- the object ---- */

void gw_assembly_begin(struct gw_assembly *assembly, enum gw_checksum_kind kind,
                       enum gw_checksum_type type)
{
    *assembly = (struct gw_assembly){.kind = kind, .type = type};
    assembly->has_checksum = kind != GW_CHECKSUM_NONE;
    assembly->md5 = gw_checksum_new(GW_CHECKSUM_MD5);
    if (assembly->has_checksum && type == GW_CHECKSUM_COMPOSITE)
        assembly->composite = gw_checksum_new(kind);
}

void gw_assembly_add(struct gw_assembly *assembly, const struct gw_part *part, uint64_t size)
{
    size_t length = gw_checksum_bytes(assembly->kind);
    gw_checksum_update(assembly->md5, slice_of(part->md5, sizeof part->md5));
    if (part->checksum_kind != assembly->kind)
        assembly->has_checksum = false;
    if (assembly->has_checksum && assembly->type == GW_CHECKSUM_COMPOSITE)
        gw_checksum_update(assembly->composite, slice_of(part->checksum, length));
    else if (assembly->has_checksum && assembly->count == 0)
        memcpy(assembly->combined, part->checksum, length);
    else if (assembly->has_checksum)
        gw_checksum_combine(assembly->kind, assembly->combined, part->checksum, size);
    assembly->size += size;
    assembly->count++;
}

void gw_assembly_end(struct gw_assembly *assembly, char etag[GW_UPLOAD_ETAG_SIZE], char *checksum)
{
    uint8_t value[GW_CHECKSUM_BYTES_MAX];
    (void)gw_checksum_final(assembly->md5, value);
    gw_hex_encode(value, 16, etag);
    (void)text_format(etag + 32, GW_UPLOAD_ETAG_SIZE - 32, "-%u", assembly->count);
    checksum[0] = '\0';
    if (!assembly->has_checksum)
        return;
    if (assembly->type == GW_CHECKSUM_FULL_OBJECT) {
        gw_base64_encode(assembly->combined, gw_checksum_bytes(assembly->kind), checksum);
        return;
    }
    size_t length = gw_checksum_final(assembly->composite, value);
    gw_base64_encode(value, length, checksum);
    size_t used = strlen(checksum);
    (void)text_format(checksum + used, GW_CHECKSUM_TEXT_SIZE - used, "-%u", assembly->count);
}

void gw_assembly_release(struct gw_assembly *assembly)
{
    gw_checksum_free(assembly->md5);
    gw_checksum_free(assembly->composite);
    assembly->md5 = NULL;
    assembly->composite = NULL;
}

/* ---- creating ---- */

enum s3_error gw_upload_checksum(const char *algorithm, const char *type,
                                 enum gw_checksum_kind *ret_kind, enum gw_checksum_type *ret_type,
                                 const char **ret_detail)
{
    *ret_kind = GW_CHECKSUM_NONE;
    *ret_type = GW_CHECKSUM_FULL_OBJECT;
    if (algorithm == NULL) {
        *ret_detail = "The x-amz-checksum-type header can only be used with the "
                      "x-amz-checksum-algorithm header.";
        return type == NULL ? S3_OK : S3_InvalidRequest;
    }
    enum gw_checksum_kind kind = gw_checksum_by_name(algorithm);
    *ret_detail = "Checksum algorithm provided is unsupported. Please try again with any of the "
                  "valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]";
    if (kind == GW_CHECKSUM_NONE)
        return S3_InvalidRequest;
    bool is_full = type == NULL ? kind == GW_CHECKSUM_CRC64NVME : strcmp(type, "FULL_OBJECT") == 0;
    *ret_detail = "Value for x-amz-checksum-type header is invalid.";
    if (type != NULL && !is_full && strcmp(type, "COMPOSITE") != 0)
        return S3_InvalidRequest;
    *ret_detail = "The FULL_OBJECT checksum type cannot be used with the specified checksum "
                  "algorithm.";
    if (is_full && !gw_checksum_is_linear(kind))
        return S3_InvalidRequest;
    *ret_detail = "The COMPOSITE checksum type cannot be used with the crc64nvme checksum "
                  "algorithm.";
    if (!is_full && kind == GW_CHECKSUM_CRC64NVME)
        return S3_InvalidRequest;
    *ret_detail = NULL;
    *ret_kind = kind;
    *ret_type = is_full ? GW_CHECKSUM_FULL_OBJECT : GW_CHECKSUM_COMPOSITE;
    return S3_OK;
}
