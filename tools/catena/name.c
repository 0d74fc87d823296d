#include "tools/catena/name.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "tools/catena/json.h"

const char *name_without_mark(const char *text)
{
    if (strncmp(text, NAME_MARK, strlen(NAME_MARK)) == 0)
        return text + strlen(NAME_MARK);
    return strncmp(text, "//", 2) == 0 ? text + 2 : text;
}

bool name_is_marked(const char *text)
{
    return name_without_mark(text) != text;
}

const char *name_key_problem(const char *key, size_t length)
{
    if (length == 0)
        return "the key is empty";
    if (length > NAME_KEY_BYTES_MAX)
        return "the key is longer than 1,024 bytes";
    if (!utf8_valid(key, length))
        return "the key is not valid UTF-8";
    return NULL;
}

enum cli_exit name_parse(const struct cli *cli, const char *text, bool needs_key,
                         struct name *ret_name)
{
    const char *whole = text;
    text = name_without_mark(text);
    size_t length = strcspn(text, "/");
    if (length == 0)
        return cli_error(cli, CLI_USAGE, "\"%s\" names no bucket: write BUCKET/KEY", whole);
    if (length >= sizeof ret_name->bucket)
        return cli_error(cli, CLI_USAGE, "\"%.80s\": the bucket's name is longer than 63 bytes",
                         whole);
    memcpy(ret_name->bucket, text, length);
    ret_name->bucket[length] = '\0';
    ret_name->key = text[length] == '/' ? text + length + 1 : "";
    ret_name->key_length = strlen(ret_name->key);
    if (ret_name->key_length == 0 && !needs_key)
        return CLI_OK;
    const char *problem = name_key_problem(ret_name->key, ret_name->key_length);
    if (problem != NULL)
        return cli_error(cli, CLI_USAGE, "\"%.80s\": %s%s", whole, problem,
                         ret_name->key_length == 0 ? ": write BUCKET/KEY" : "");
    return CLI_OK;
}

void name_make_directory(struct name *name, char **ret_key)
{
    *ret_key = NULL;
    if (name->key_length == 0 || name->key[name->key_length - 1] == '/')
        return;
    *ret_key = cli_format("%s/", name->key);
    name->key = *ret_key;
    name->key_length++;
}

const char *name_last_part(const char *key)
{
    const char *part = key;
    for (const char *at = key; *at != '\0'; at++)
        if (*at == '/' && at[1] != '\0')
            part = at + 1;
    return part;
}

void name_print(FILE *out, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < 0x20 || c == 0x7f || c == '\\')
            (void)fprintf(out, "\\x%02x", c);
        else
            (void)fputc(c, out);
    }
}

char *show_bytes(uint64_t bytes, char *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    double value = (double)bytes;
    for (; value >= 1024 && unit < 6; unit++)
        value /= 1024;
    if (unit == 0)
        (void)snprintf(out, SHOW_SIZE, "%" PRIu64 " B", bytes);
    else
        (void)snprintf(out, SHOW_SIZE, "%.1f %s", value, units[unit]);
    return out;
}

char *show_time(uint64_t milliseconds, char *out)
{
    time_t seconds = (time_t)(milliseconds / 1000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL || strftime(out, SHOW_SIZE, "%F %TZ", &parts) == 0)
        (void)snprintf(out, SHOW_SIZE, "?");
    return out;
}
