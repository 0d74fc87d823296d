#include "tools/gateway/encode.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <strings.h>

static bool is_unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void gw_uri_encode(struct text *out, struct slice bytes, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t begin = 0; /* of a run that stays as it is */
    for (size_t i = 0; i < bytes.length; i++) {
        uint8_t c = bytes.data[i];
        if (is_unreserved(c) || (c == '/' && keep_slash))
            continue;
        char piece[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (i > begin)
            text_append_bytes(out, slice_of(bytes.data + begin, i - begin));
        text_append_bytes(out, slice_of(piece, 3));
        begin = i + 1;
    }
    if (bytes.length > begin)
        text_append_bytes(out, slice_of(bytes.data + begin, bytes.length - begin));
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool gw_uri_decode(struct text *out, struct slice text, bool plus_is_space)
{
    size_t begin = 0; /* of a run that stays as it is */
    for (size_t i = 0; i < text.length; i++) {
        char c = (char)text.data[i];
        bool is_escape = c == '%';
        if (!is_escape && !(c == '+' && plus_is_space))
            continue;
        if (i > begin)
            text_append_bytes(out, slice_of(text.data + begin, i - begin));
        if (is_escape) {
            if (text.length - i < 3)
                return false;
            int high = digit_of((char)text.data[i + 1]);
            int low = digit_of((char)text.data[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else {
            c = ' ';
        }
        text_append_bytes(out, slice_of(&c, 1));
        begin = i + 1;
    }
    if (text.length > begin)
        text_append_bytes(out, slice_of(text.data + begin, text.length - begin));
    return true;
}

void gw_hex_encode(const uint8_t *bytes, size_t length, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * length] = '\0';
}

bool gw_hex_decode(const char *text, uint8_t *bytes, size_t length)
{
    if (strlen(text) != 2 * length)
        return false;
    for (size_t i = 0; i < length; i++) {
        int high = digit_of(text[2 * i]);
        int low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void gw_base64_encode(const uint8_t *bytes, size_t length, char *text)
{
    for (size_t i = 0; i < length; i += 3) {
        size_t rest = length - i;
        uint32_t word = (uint32_t)bytes[i] << 16;
        if (rest > 1)
            word |= (uint32_t)bytes[i + 1] << 8;
        if (rest > 2)
            word |= bytes[i + 2];
        *text++ = base64_digits[word >> 18];
        *text++ = base64_digits[(word >> 12) & 63];
        *text++ = rest > 1 ? base64_digits[(word >> 6) & 63] : '=';
        *text++ = rest > 2 ? base64_digits[word & 63] : '=';
    }
    *text = '\0';
}

bool gw_base64_decode(const char *text, uint8_t *bytes, size_t size, size_t *ret_length)
{
    size_t length = strlen(text);
    if (length % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    size_t total = length / 4 * 3 - padding;
    if (total > size)
        return false;
    size_t done = 0;
    for (size_t i = 0; i < length; i += 4) {
        uint32_t word = 0;
        for (size_t j = 0; j < 4; j++) {
            const char *digit = text[i + j] == '\0' ? NULL : strchr(base64_digits, text[i + j]);
            bool is_padding = text[i + j] == '=' && i + j >= length - padding;
            if (digit == NULL && !is_padding)
                return false;
            word = word << 6 | (uint32_t)(is_padding ? 0 : digit - base64_digits);
        }
        for (int shift = 16; shift >= 0 && done < total; shift -= 8)
            bytes[done++] = (uint8_t)(word >> shift);
    }
    *ret_length = total;
    return true;
}

bool gw_secret_equal(const char *a, const char *b)
{
    size_t length = strlen(a);
    return length == strlen(b) && CRYPTO_memcmp(a, b, length) == 0;
}

bool gw_is_token_byte(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')
        return true;
    return c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL;
}

bool gw_is_token(const char *text)
{
    const char *end = text;
    while (gw_is_token_byte((uint8_t)*end))
        end++;
    return end > text && *end == '\0';
}

bool gw_is_equal_ignoring_case(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

bool gw_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool gw_starts_with_ignoring_case(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

bool gw_parse_u64(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return true;
}

void *gw_zalloc(size_t bytes)
{
    void *memory = calloc(1, bytes == 0 ? 1 : bytes);
    if (memory == NULL)
        abort();
    return memory;
}

char *gw_copy_bytes(const void *bytes, size_t length)
{
    char *copy = malloc(length + 1);
    if (copy == NULL)
        abort();
    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

char *gw_copy(const char *text)
{
    return gw_copy_bytes(text, strlen(text));
}
