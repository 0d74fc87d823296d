/* Signatures, version 4 and 2: whatever the request, it is taken apart within its bounds, no
 * signature that we did not make is good, and the canonical form is a fixed point: a request that
 * was sent in it has the same canonical form. */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tools/gateway/encode.h"
#include "tools/gateway/sigv2.h"
#include "tools/gateway/sigv4.h"

enum { LINES = 12, NOW = 1369353600 };

/* Lines: method, path, query, then headers with a colon. */
struct lines {
    char *text;
    char *lines[LINES];
    size_t count;
};

static void split(struct slice bytes, struct lines *lines)
{
    lines->text = gw_copy_bytes(bytes.data, bytes.length);
    lines->count = 0;
    for (char *at = lines->text; at != NULL && lines->count < LINES;) {
        char *end = strchr(at, '\n');
        lines->lines[lines->count++] = at;
        if (end != NULL)
            *end++ = '\0';
        at = end;
    }
}

static const char *line(const struct lines *lines, size_t number)
{
    return number < lines->count ? lines->lines[number] : "";
}

/* The path and query of a canonical request: its second and third line. */
static void check_fixed_point(const struct gw_request *request, const struct sigv4 *sigv4)
{
    struct text first;
    struct text second;
    text_init(&first);
    text_init(&second);
    sigv4_canonical_request(request, sigv4, false, &first);
    sigv4_canonical_request(request, sigv4, true, &second);
    char *copy = gw_copy(text_cstr(&first));
    char *path = strchr(copy, '\n');
    char *query = path == NULL ? NULL : strchr(path + 1, '\n');
    char *end = query == NULL ? NULL : strchr(query + 1, '\n');
    if (end != NULL) {
        *query = '\0';
        *end = '\0';
        struct gw_request canonical = *request;
        canonical.path = path + 1;
        canonical.query = query + 1;
        text_clear(&second);
        sigv4_canonical_request(&canonical, sigv4, false, &second);
        PRE(strcmp(text_cstr(&first), text_cstr(&second)) == 0);
    }
    free(copy);
    text_release(&first);
    text_release(&second);
}

static void try_request(const struct gw_request *request)
{
    struct gw_query query;
    struct sigv4 *sigv4 = gw_zalloc(sizeof *sigv4);
    const char *detail = NULL;
    bool has_query = gw_query_parse(request->query, &query);
    (void)sigv4_is_header(request);
    if (has_query && sigv4_parse(request, &query, NOW, sigv4, &detail) == S3_OK) {
        PRE(strlen(sigv4->date) == 8);
        PRE(!sigv4_verify(request, sigv4, "a secret that nobody signed with"));
        check_fixed_point(request, sigv4);
    }
    if (has_query && sigv2_is_presigned(&query))
        PRE(!sigv2_verify(request, &query, request->path, "a secret that nobody signed with"));
    gw_query_release(&query);
    free(sigv4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lines lines;
    struct gw_header headers[LINES];
    split(slice_of(data, size), &lines);
    struct gw_request request = {.method = line(&lines, 0),
                                 .path = line(&lines, 1),
                                 .query = line(&lines, 2),
                                 .headers = headers};
    for (size_t i = 3; i < lines.count; i++) {
        char *colon = strchr(lines.lines[i], ':');
        if (colon == NULL)
            continue;
        *colon = '\0';
        headers[request.header_count++] =
            (struct gw_header){.name = lines.lines[i], .value = colon + 1};
    }
    try_request(&request);
    free(lines.text);
    return 0;
}
