/* JSON out and in. Out: a writer that keeps commas and indentation right. In: a small reader for
 * documents that we wrote ourselves (cluster.json), strict and bounded. */
#ifndef CATENA_TOOLS_CATENA_JSON_H
#define CATENA_TOOLS_CATENA_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_DEPTH_MAX = 16 };

struct json {
    FILE *out;
    unsigned depth;
    char closer[JSON_DEPTH_MAX];
    bool has_items[JSON_DEPTH_MAX];
};

/* Opens the outermost object. Keys are NULL inside arrays. */
void json_begin(struct json *json, FILE *out);
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
/* Closes the innermost object or array. */
void json_end(struct json *json);
/* Closes everything and ends the line. */
void json_finish(struct json *json);
/* NULL text is null. */
void json_text(struct json *json, const char *key, const char *text);
/* Bytes that are not UTF-8 become U+FFFD. */
void json_bytes(struct json *json, const char *key, const void *bytes, size_t length);
void json_number(struct json *json, const char *key, uint64_t value);
void json_bool(struct json *json, const char *key, bool value);

/* Length of the well-formed UTF-8 sequence at the start; 0 if there is none. */
size_t utf8_sequence(const unsigned char *bytes, size_t length);
bool utf8_valid(const void *bytes, size_t length);

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

struct json_value {
    enum json_kind kind;
    char *key;       /* in an object */
    char *text;      /* JSON_TEXT */
    uint64_t number; /* JSON_NUMBER: non-negative integers only; JSON_BOOL: 0 or 1 */
    struct json_value *first;
    struct json_value *next;
};

/* NULL when the text is not such a document. */
struct json_value *json_read(const char *text);
void json_value_free(struct json_value *value);
/* Member of an object, NULL when there is none of that kind. */
const struct json_value *json_member(const struct json_value *object, const char *key,
                                     enum json_kind kind);

#endif
