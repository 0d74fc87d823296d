/* A bucket's configuration in the masters: read, and changed section by section. */
#include <stdlib.h>

#include "tools/shared/bucket_document.h"

enum { TRIES = 32 };

enum catena_status gw_bucket_config_fetch(struct catena_client *client, const char *bucket,
                                          struct gw_bucket_config **ret_config)
{
    void *document = NULL;
    size_t length = 0;
    uint64_t version = 0;
    enum catena_status status =
        catena_bucket_config_get(client, bucket, &document, &length, &version);
    if (status != CATENA_OK)
        return status;
    bool is_good = gw_bucket_config_parse(slice_of(document, length), version, ret_config);
    free(document);
    return is_good ? CATENA_OK : CATENA_CORRUPT; /* of a newer release, or something else */
}

/* One round. CATENA_CONDITION_FAILED: somebody else was faster. */
static enum catena_status change_once(struct catena_client *client, const char *bucket,
                                      enum gw_section section, struct slice bytes)
{
    struct gw_bucket_config *config = NULL;
    enum catena_status status = gw_bucket_config_fetch(client, bucket, &config);
    if (status != CATENA_OK)
        return status;
    struct slice old = gw_bucket_config_section(config, section);
    if ((old.data == NULL) != (bytes.data == NULL) || !slice_equal(old, bytes)) {
        struct text document;
        text_init(&document);
        gw_bucket_config_write(config, section, bytes, &document);
        status = catena_bucket_config_put(client, bucket, document.data, document.length,
                                          gw_bucket_config_version(config), NULL);
        text_release(&document);
    }
    gw_bucket_config_drop(config);
    return status;
}

enum catena_status gw_bucket_config_change(struct catena_client *client, const char *bucket,
                                           enum gw_section section, const void *bytes,
                                           size_t length)
{
    enum catena_status status = CATENA_CONDITION_FAILED;
    for (unsigned i = 0; i < TRIES && status == CATENA_CONDITION_FAILED; i++)
        status = change_once(client, bucket, section, slice_of(bytes, length));
    return status == CATENA_CONDITION_FAILED ? CATENA_BUSY : status;
}
