/* What is configured for a bucket: one document, kept by the masters with the bucket (D20).
 *
 * The document is a list of sections; each section's bytes belong to the file that serves it, which
 * versions them itself. Sections that a program does not know are kept: two releases may run side
 * by side. Changes are made by compare and swap, so concurrent changes of different sections are
 * both kept.
 *
 * Format: u8 1; then for each section, in the order of their numbers: u8 section, u32 length
 * (big-endian), bytes. */
#ifndef CATENA_TOOLS_SHARED_BUCKET_DOCUMENT_H
#define CATENA_TOOLS_SHARED_BUCKET_DOCUMENT_H

#include "base/io/args.h" /* struct text, struct slice */
#include "client/include/catena.h"

enum gw_section {
    GW_SECTION_PUBLIC_READ = 1, /* one byte, 1: everybody may read objects and list */
    GW_SECTION_TAGS = 2,
    GW_SECTION_CORS = 3,
    GW_SECTION_LIFECYCLE = 4,
    GW_SECTIONS = 255, /* numbers end here */
};

struct gw_bucket_config; /* never changes; shared by those who took it */

/* False: not such a document. The configuration holds a copy. version: of the document in the
 * masters, 0 = there is none. */
bool gw_bucket_config_parse(struct slice document, uint64_t version,
                            struct gw_bucket_config **ret_config);
/* One more reference; NULL is fine. */
struct gw_bucket_config *gw_bucket_config_ref(struct gw_bucket_config *config);
void gw_bucket_config_drop(struct gw_bucket_config *config); /* NULL is fine */

uint64_t gw_bucket_config_version(const struct gw_bucket_config *config);
/* The bytes, valid as long as the configuration; data NULL when the section is not there (an empty
 * section is there: data is not NULL). */
struct slice gw_bucket_config_section(const struct gw_bucket_config *config,
                                      enum gw_section section);
bool gw_bucket_config_is_public(const struct gw_bucket_config *config);
/* Appends the document with one section set, or removed with data NULL. */
void gw_bucket_config_write(const struct gw_bucket_config *config, enum gw_section section,
                            struct slice bytes, struct text *out);

/* ---- bucket_change.c: from and to the masters; these block ---- */

/* CATENA_OK: *ret_config is the caller's, to drop; a bucket without any gives an empty one.
 * CATENA_CORRUPT: what is there is no document of this format. */
enum catena_status gw_bucket_config_fetch(struct catena_client *client, const char *bucket,
                                          struct gw_bucket_config **ret_config);
/* Sets one section, or with bytes NULL removes it, whatever else changes meanwhile.
 * CATENA_TOO_LARGE: the document would be over CATENA_BUCKET_CONFIG_MAX; CATENA_BUSY: too many
 * others are changing it. */
enum catena_status gw_bucket_config_change(struct catena_client *client, const char *bucket,
                                           enum gw_section section, const void *bytes,
                                           size_t length);

#endif
