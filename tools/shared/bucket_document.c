#include "tools/shared/bucket_document.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { FORMAT = 1, SECTION_HEAD_BYTES = 5 };

struct gw_bucket_config {
    atomic_uint references;
    uint64_t version; /* of the document, 0 = there is none */
    size_t length;
    uint8_t document[];
};

static uint32_t get_u32(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

/* ---- the format ---- */

/* The next section, or false at the end or where the bytes are no document any more. */
static bool next_section(struct slice *rest, unsigned *ret_section, struct slice *ret_bytes)
{
    if (rest->length < SECTION_HEAD_BYTES)
        return false;
    size_t length = get_u32(rest->data + 1);
    if (length > rest->length - SECTION_HEAD_BYTES)
        return false;
    *ret_section = rest->data[0];
    *ret_bytes = slice_of(rest->data + SECTION_HEAD_BYTES, length);
    *rest = slice_of(ret_bytes->data + length, rest->length - SECTION_HEAD_BYTES - length);
    return true;
}

static struct slice sections_of(const struct gw_bucket_config *config)
{
    return config->length == 0 ? slice_of(NULL, 0)
                               : slice_of(config->document + 1, config->length - 1);
}

bool gw_bucket_config_parse(struct slice document, uint64_t version,
                            struct gw_bucket_config **ret_config)
{
    unsigned last = 0;
    unsigned section = 0;
    struct slice bytes;
    if (document.length > 0) {
        struct slice rest = slice_of(document.data + 1, document.length - 1);
        if (document.data[0] != FORMAT)
            return false;
        while (next_section(&rest, &section, &bytes)) {
            if (section <= last)
                return false;
            last = section;
        }
        if (rest.length > 0)
            return false;
    }
    struct gw_bucket_config *config = calloc(1, sizeof *config + document.length);
    if (config == NULL)
        abort();
    atomic_init(&config->references, 1);
    config->version = version;
    config->length = document.length;
    if (document.length > 0)
        memcpy(config->document, document.data, document.length);
    *ret_config = config;
    return true;
}

static void write_section(struct text *out, unsigned section, struct slice bytes)
{
    const uint8_t head[SECTION_HEAD_BYTES] = {(uint8_t)section, (uint8_t)(bytes.length >> 24),
                                              (uint8_t)(bytes.length >> 16),
                                              (uint8_t)(bytes.length >> 8), (uint8_t)bytes.length};
    text_append_bytes(out, slice_of(head, sizeof head));
    text_append_bytes(out, bytes);
}

void gw_bucket_config_write(const struct gw_bucket_config *config, enum gw_section section,
                            struct slice bytes, struct text *out)
{
    static const uint8_t format = FORMAT;
    struct slice rest = sections_of(config);
    bool is_due = bytes.data != NULL;
    unsigned number = 0;
    struct slice old;
    text_append_bytes(out, slice_of(&format, 1));
    while (next_section(&rest, &number, &old)) {
        if (is_due && number >= section) {
            write_section(out, section, bytes);
            is_due = false;
        }
        if (number != section)
            write_section(out, number, old);
    }
    if (is_due)
        write_section(out, section, bytes);
}

struct slice gw_bucket_config_section(const struct gw_bucket_config *config,
                                      enum gw_section section)
{
    struct slice rest = sections_of(config);
    unsigned number = 0;
    struct slice bytes;
    while (next_section(&rest, &number, &bytes)) {
        if (number == section)
            return bytes;
    }
    return slice_of(NULL, 0);
}

uint64_t gw_bucket_config_version(const struct gw_bucket_config *config)
{
    return config->version;
}

bool gw_bucket_config_is_public(const struct gw_bucket_config *config)
{
    struct slice flag = gw_bucket_config_section(config, GW_SECTION_PUBLIC_READ);
    return flag.length == 1 && flag.data[0] == 1;
}

struct gw_bucket_config *gw_bucket_config_ref(struct gw_bucket_config *config)
{
    if (config != NULL)
        atomic_fetch_add(&config->references, 1);
    return config;
}

void gw_bucket_config_drop(struct gw_bucket_config *config)
{
    if (config != NULL && atomic_fetch_sub(&config->references, 1) == 1)
        free(config);
}
