#include <stdio.h>
#include <string.h>

#include "tools/bench/bench.h"

/* Gets and the like take what an earlier measurement of the same run has put. */
static const struct {
    const char *name;
    const char *needs;
    const char *or_needs;
    bool is_of_cluster;
    bool is_of_gateway;
} measurements[] = {
    {.name = "disk-write"},
    {.name = "disk-sync"},
    {.name = "tcp-echo"},
    {.name = "put", .is_of_cluster = true},
    {.name = "get", .is_of_cluster = true, .needs = "put"},
    {.name = "put-single", .is_of_cluster = true},
    {.name = "get-single", .is_of_cluster = true, .needs = "put-single", .or_needs = "put"},
    {.name = "put-large", .is_of_cluster = true},
    {.name = "get-large", .is_of_cluster = true, .needs = "put-large"},
    {.name = "stream-put", .is_of_cluster = true},
    {.name = "stream-get", .is_of_cluster = true, .needs = "stream-put"},
    {.name = "list", .is_of_cluster = true},
    {.name = "s3-put", .is_of_cluster = true, .is_of_gateway = true},
    {.name = "s3-get", .is_of_cluster = true, .is_of_gateway = true, .needs = "s3-put"},
    {.name = "s3-put-large", .is_of_cluster = true, .is_of_gateway = true},
    {.name = "s3-get-large", .is_of_cluster = true, .is_of_gateway = true, .needs = "s3-put-large"},
    {.name = "s3-list", .is_of_cluster = true, .is_of_gateway = true},
};

enum { MEASUREMENTS = sizeof measurements / sizeof measurements[0] };

/* Is the name in the list, between commas? */
static bool is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',' ? 1 : 0;
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

bool bench_is_wanted(const struct bench_settings *settings, const char *name)
{
    return settings->only[0] == '\0' || is_listed(settings->only, name);
}

bool bench_needs_cluster(const struct bench_settings *settings)
{
    for (size_t i = 0; i < MEASUREMENTS; i++)
        if (measurements[i].is_of_cluster && bench_is_wanted(settings, measurements[i].name))
            return true;
    return false;
}

/* MEASUREMENTS: none has that name. */
static size_t find(const char *name, size_t length)
{
    size_t i = 0;
    while (i < MEASUREMENTS && (strlen(measurements[i].name) != length ||
                                strncmp(measurements[i].name, name, length) != 0))
        i++;
    return i;
}

static bool has_what_it_needs(const struct bench_settings *settings, size_t i)
{
    const char *needs = measurements[i].needs;
    const char *or_needs = measurements[i].or_needs;
    return needs == NULL || is_listed(settings->only, needs) ||
           (or_needs != NULL && is_listed(settings->only, or_needs));
}

bool bench_only_is_good(const struct bench_settings *settings, char *ret_text, size_t size)
{
    const char *only = settings->only;
    while (*only != '\0') {
        size_t length = strcspn(only, ",");
        size_t i = find(only, length);
        if (i == MEASUREMENTS) {
            (void)snprintf(ret_text, size, "--only: no measurement is called \"%.*s\"",
                           (int)(length < 64 ? length : 64), only);
            return false;
        }
        if (measurements[i].is_of_gateway && settings->s3[0] == '\0') {
            (void)snprintf(ret_text, size, "--only %s needs a gateway: --s3 HOST:PORT",
                           measurements[i].name);
            return false;
        }
        if (!has_what_it_needs(settings, i)) {
            (void)snprintf(ret_text, size, "--only %s measures what %s has put: name both",
                           measurements[i].name, measurements[i].needs);
            return false;
        }
        only += length + (only[length] == ',' ? 1 : 0);
    }
    return true;
}
