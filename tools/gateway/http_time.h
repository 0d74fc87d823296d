/* Dates of HTTP and S3. Seconds since 1970, UTC. Pure. */
#ifndef CATENA_TOOLS_GATEWAY_HTTP_TIME_H
#define CATENA_TOOLS_GATEWAY_HTTP_TIME_H

#include <stdbool.h>
#include <stdint.h>

enum { GW_TIME_SIZE = 40 };

/* RFC 9110: IMF-fixdate, and the two obsolete forms (RFC 850, asctime). */
bool gw_http_time_parse(const char *text, int64_t *ret_seconds);
/* "20130524T000000Z" */
bool gw_amz_time_parse(const char *text, int64_t *ret_seconds);
/* "2013-05-24T00:00:00.000Z", the fraction or all of the time left out. ret_ms: since 1970. */
bool gw_iso_time_parse(const char *text, uint64_t *ret_ms);
/* HTTP or amz; timestamp (17 bytes) gets the second form. */
bool gw_amz_time_from_any(const char *text, char *timestamp, int64_t *ret_seconds);
/* "Fri, 24 May 2013 00:00:00 GMT"; text: GW_TIME_SIZE bytes. */
char *gw_http_time_format(uint64_t ms, char *text);
/* "2013-05-24T00:00:00.000Z" */
char *gw_iso_time_format(uint64_t ms, char *text);

#endif
