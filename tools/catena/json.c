#include "tools/catena/json.h"

#include <inttypes.h>
#include <string.h>

size_t utf8_sequence(const unsigned char *bytes, size_t length)
{
    if (length == 0)
        return 0;
    unsigned first = bytes[0];
    if (first < 0x80)
        return 1;
    size_t size = first >= 0xf0 ? 4 : (first >= 0xe0 ? 3 : 2);
    if (first < 0xc2 || first > 0xf4 || length < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    unsigned second = bytes[1];
    bool is_overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    bool is_outside = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
    return is_overlong || is_outside ? 0 : size;
}

bool utf8_valid(const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    while (length > 0) {
        size_t size = utf8_sequence(at, length);
        if (size == 0)
            return false;
        at += size;
        length -= size;
    }
    return true;
}

static void put_string(FILE *out, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    (void)fputc('"', out);
    while (length > 0) {
        size_t size = utf8_sequence(at, length);
        if (size == 0) {
            (void)fputs("\xef\xbf\xbd", out);
            size = 1;
        } else if (*at == '"' || *at == '\\') {
            (void)fprintf(out, "\\%c", *at);
        } else if (*at < 0x20 || *at == 0x7f) {
            (void)fprintf(out, "\\u%04x", *at);
        } else {
            (void)fwrite(at, 1, size, out);
        }
        at += size;
        length -= size;
    }
    (void)fputc('"', out);
}

/* Comma, line, indentation and key of the next item. */
static void start_item(struct json *json, const char *key)
{
    if (json->depth > 0) {
        bool *has_items = &json->has_items[json->depth - 1];
        (void)fputs(*has_items ? ",\n" : "\n", json->out);
        *has_items = true;
        for (unsigned i = 0; i < json->depth; i++)
            (void)fputs("  ", json->out);
    }
    if (key != NULL) {
        put_string(json->out, key, strlen(key));
        (void)fputs(": ", json->out);
    }
}

static void open_level(struct json *json, const char *key, char opener, char closer)
{
    start_item(json, key);
    (void)fputc(opener, json->out);
    if (json->depth < JSON_DEPTH_MAX) {
        json->closer[json->depth] = closer;
        json->has_items[json->depth] = false;
        json->depth++;
    }
}

void json_begin(struct json *json, FILE *out)
{
    *json = (struct json){.out = out};
    open_level(json, NULL, '{', '}');
}

void json_object(struct json *json, const char *key)
{
    open_level(json, key, '{', '}');
}

void json_array(struct json *json, const char *key)
{
    open_level(json, key, '[', ']');
}

void json_end(struct json *json)
{
    if (json->depth == 0)
        return;
    json->depth--;
    if (json->has_items[json->depth]) {
        (void)fputc('\n', json->out);
        for (unsigned i = 0; i < json->depth; i++)
            (void)fputs("  ", json->out);
    }
    (void)fputc(json->closer[json->depth], json->out);
}

void json_finish(struct json *json)
{
    while (json->depth > 0)
        json_end(json);
    (void)fputc('\n', json->out);
}

void json_text(struct json *json, const char *key, const char *text)
{
    start_item(json, key);
    if (text == NULL)
        (void)fputs("null", json->out);
    else
        put_string(json->out, text, strlen(text));
}

void json_bytes(struct json *json, const char *key, const void *bytes, size_t length)
{
    start_item(json, key);
    put_string(json->out, bytes, length);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
    start_item(json, key);
    (void)fprintf(json->out, "%" PRIu64, value);
}

void json_bool(struct json *json, const char *key, bool value)
{
    start_item(json, key);
    (void)fputs(value ? "true" : "false", json->out);
}
