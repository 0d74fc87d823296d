/* AWS Signature Version 2 in the query string ("presigned"): AWSAccessKeyId, Expires, Signature. */
#ifndef CATENA_TOOLS_GATEWAY_SIGV2_H
#define CATENA_TOOLS_GATEWAY_SIGV2_H

#include "tools/gateway/request.h"

bool sigv2_is_presigned(const struct gw_query *query);
/* resource: the path as sent, with "/bucket" in front for virtual-host requests. */
void sigv2_string_to_sign(const struct gw_request *request, const struct gw_query *query,
                          const char *resource, const char *expires, struct text *out);
bool sigv2_verify(const struct gw_request *request, const struct gw_query *query,
                  const char *resource, const char *secret);

#endif
