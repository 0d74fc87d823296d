#include <stdlib.h>
#include <string.h>

#include "tools/catena/cli.h"
#include "tools/catena/json.h"

struct reader {
    const char *at;
    unsigned depth;
};

static struct json_value *read_value(struct reader *reader);

static void skip_blanks(struct reader *reader)
{
    reader->at += strspn(reader->at, " \t\r\n");
}

static bool take(struct reader *reader, char c)
{
    skip_blanks(reader);
    if (*reader->at != c)
        return false;
    reader->at++;
    return true;
}

static int hex_value(const char *digits)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        static const char known[] = "0123456789abcdef";
        char digit = digits[i] >= 'A' && digits[i] <= 'F' ? (char)(digits[i] + 32) : digits[i];
        const char *place = digit == '\0' ? NULL : strchr(known, digit);
        if (place == NULL)
            return -1;
        value = value * 16 + (int)(place - known);
    }
    return value;
}

/* Text after the opening quote. Of \u escapes only those of ASCII are known: we write no others. */
static char *read_text(struct reader *reader)
{
    char *text = cli_alloc(strlen(reader->at) + 1);
    size_t length = 0;
    while (*reader->at != '"') {
        char c = *reader->at++;
        if (c == '\\') {
            static const char from[] = "\"\\/bfnrt";
            static const char to[] = "\"\\/\b\f\n\r\t";
            char escape = *reader->at++;
            const char *place = escape == '\0' ? NULL : strchr(from, escape);
            int code = escape == 'u' ? hex_value(reader->at) : -1;
            if (code > 0 && code < 0x80)
                reader->at += 4;
            else if (place == NULL)
                goto bad;
            c = place != NULL ? to[place - from] : (char)code;
        } else if ((unsigned char)c < 0x20) {
            goto bad;
        }
        text[length++] = c;
    }
    reader->at++;
    text[length] = '\0';
    return text;
bad:
    free(text);
    return NULL;
}

/* Members after the opening bracket, into value. */
static bool read_members(struct reader *reader, struct json_value *value, char closer)
{
    struct json_value **last = &value->first;
    if (take(reader, closer))
        return true;
    do {
        char *key = NULL;
        if (value->kind == JSON_OBJECT) {
            if (!take(reader, '"') || (key = read_text(reader)) == NULL)
                return false;
            if (!take(reader, ':')) {
                free(key);
                return false;
            }
        }
        struct json_value *member = read_value(reader);
        if (member == NULL) {
            free(key);
            return false;
        }
        member->key = key;
        *last = member;
        last = &member->next;
    } while (take(reader, ','));
    return take(reader, closer);
}

static bool read_number(struct reader *reader, struct json_value *value)
{
    size_t length = strspn(reader->at, "0123456789");
    char digits[24];
    if (length == 0 || length >= sizeof digits)
        return false;
    memcpy(digits, reader->at, length);
    digits[length] = '\0';
    reader->at += length;
    return cli_parse_u64(digits, UINT64_MAX, &value->number);
}

static bool read_word(struct reader *reader, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(reader->at, word, length) != 0)
        return false;
    reader->at += length;
    return true;
}

static struct json_value *read_value(struct reader *reader)
{
    struct json_value *value = cli_alloc(sizeof *value);
    *value = (struct json_value){.kind = JSON_NULL};
    bool is_good = false;
    if (++reader->depth > JSON_DEPTH_MAX)
        goto out;
    skip_blanks(reader);
    if (take(reader, '"')) {
        value->kind = JSON_TEXT;
        value->text = read_text(reader);
        is_good = value->text != NULL;
    } else if (take(reader, '{')) {
        value->kind = JSON_OBJECT;
        is_good = read_members(reader, value, '}');
    } else if (take(reader, '[')) {
        value->kind = JSON_ARRAY;
        is_good = read_members(reader, value, ']');
    } else if (read_word(reader, "true") || read_word(reader, "false")) {
        value->kind = JSON_BOOL;
        value->number = reader->at[-2] == 'u';
        is_good = true;
    } else if (read_word(reader, "null")) {
        is_good = true;
    } else {
        value->kind = JSON_NUMBER;
        is_good = read_number(reader, value);
    }
out:
    reader->depth--;
    if (is_good)
        return value;
    json_value_free(value);
    return NULL;
}

struct json_value *json_read(const char *text)
{
    struct reader reader = {.at = text};
    struct json_value *value = read_value(&reader);
    if (value == NULL)
        return NULL; /* the reader may stand behind the end */
    skip_blanks(&reader);
    if (*reader.at == '\0')
        return value;
    json_value_free(value);
    return NULL;
}

void json_value_free(struct json_value *value)
{
    while (value != NULL) {
        struct json_value *next = value->next;
        json_value_free(value->first);
        free(value->key);
        free(value->text);
        free(value);
        value = next;
    }
}

const struct json_value *json_member(const struct json_value *object, const char *key,
                                     enum json_kind kind)
{
    if (object == NULL || object->kind != JSON_OBJECT)
        return NULL;
    for (const struct json_value *member = object->first; member != NULL; member = member->next)
        if (strcmp(member->key, key) == 0)
            return member->kind == kind ? member : NULL;
    return NULL;
}
