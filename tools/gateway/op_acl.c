/* ACLs, of which there are two: private, and, for a bucket, public-read. Everything else about
 * access is a matter of keys. A bucket's flag is kept in its configuration (bucket_config.h). */
#include "tools/gateway/encode.h"
#include "tools/gateway/gateway.h"
#include "tools/gateway/xml.h"

enum acl { ACL_PRIVATE, ACL_PUBLIC_READ, ACL_OTHER };

static enum acl read_acl(const char *name)
{
    if (strcmp(name, "private") == 0 || strcmp(name, "bucket-owner-full-control") == 0)
        return ACL_PRIVATE;
    return strcmp(name, "public-read") == 0 ? ACL_PUBLIC_READ : ACL_OTHER;
}

static enum catena_status set_public(struct s3 *s3, bool is_public)
{
    static const uint8_t yes = 1;
    return gw_bucket_config_update(s3->gateway, s3->route.bucket, GW_SECTION_PUBLIC_READ,
                                   is_public ? &yes : NULL, is_public ? 1 : 0);
}

enum catena_status s3_apply_bucket_acl(struct s3 *s3)
{
    const char *acl = gw_header(s3->request, "x-amz-acl");
    if (acl == NULL || !s3->gateway->config.is_public_allowed)
        return CATENA_OK;
    return set_public(s3, read_acl(acl) == ACL_PUBLIC_READ);
}

/* Private takes effect wherever it is asked for; public-read only where the operator allows it. */
static void put_bucket_acl(struct s3 *s3, enum acl acl)
{
    if (acl == ACL_OTHER || (acl == ACL_PUBLIC_READ && !s3->gateway->config.is_public_allowed)) {
        s3_fail(s3, S3_NotImplemented,
                "Access is granted by access keys; of the ACLs private is supported, and "
                "public-read where the operator allows it (--acl-mode owners).");
        return;
    }
    enum catena_status status = set_public(s3, acl == ACL_PUBLIC_READ);
    if (status != CATENA_OK)
        s3_fail_status(s3, status);
    else
        s3_respond_empty(s3, 200);
}

void op_put_acl(struct s3 *s3)
{
    const char *name = gw_header(s3->request, "x-amz-acl");
    enum acl acl = name == NULL ? ACL_OTHER : read_acl(name);
    if (s3->route.key_length == 0)
        put_bucket_acl(s3, acl);
    else if (acl != ACL_PRIVATE)
        s3_fail(s3, S3_NotImplemented, "Objects have no ACLs; access is granted by access keys.");
    else if (s3_require_subject(s3))
        s3_respond_empty(s3, 200);
}

/* ---- what it is ---- */

static void append_grant(struct text *out, const char *type, const char *grantee,
                         const char *permission)
{
    gw_xml_open(out, "Grant");
    text_append(out,
                "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                "xsi:type=\"%s\">%s</Grantee>",
                type, grantee);
    gw_xml_element(out, "Permission", permission);
    gw_xml_close(out, "Grant");
}

void op_get_acl(struct s3 *s3)
{
    struct gw_bucket_config *config = NULL;
    if (s3->route.key_length == 0) {
        enum catena_status status =
            gw_bucket_config_load(s3->gateway, s3->route.bucket, 0, &config);
        if (status != CATENA_OK) {
            s3_fail_status(s3, status);
            return;
        }
    }
    struct text out;
    text_init(&out);
    gw_xml_open_root(&out, "AccessControlPolicy");
    s3_append_owner(&out, "Owner");
    gw_xml_open(&out, "AccessControlList");
    append_grant(&out, "CanonicalUser", "<ID>catena</ID><DisplayName>catena</DisplayName>",
                 "FULL_CONTROL");
    if (config != NULL && gw_bucket_config_is_public(config))
        append_grant(&out, "Group", "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>",
                     "READ");
    gw_xml_close(&out, "AccessControlList");
    gw_xml_close(&out, "AccessControlPolicy");
    gw_bucket_config_drop(config);
    s3_respond_xml(s3, &out);
}
