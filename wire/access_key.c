#include "wire/access_key.h"

#include "base/bytes.h"
#include "base/contract.h"

static bool is_letter_or_digit(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool wire_access_key_id_is_valid(struct slice id)
{
    if (id.length < BOUND_ACCESS_KEY_ID_MIN || id.length > BOUND_ACCESS_KEY_ID_MAX)
        return false;
    for (size_t i = 0; i < id.length; i++) {
        uint8_t c = id.data[i];
        if (!is_letter_or_digit(c) && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

bool wire_secret_is_valid(struct slice secret)
{
    if (secret.length < BOUND_SECRET_MIN || secret.length > BOUND_SECRET_MAX)
        return false;
    for (size_t i = 0; i < secret.length; i++) {
        if (secret.data[i] <= ' ' || secret.data[i] > '~')
            return false;
    }
    return true;
}

bool wire_grant_bucket_is_valid(struct slice bucket)
{
    if (bucket.length == 0 || bucket.length > BOUND_GRANT_BUCKET_BYTES)
        return false;
    bool is_pattern = bucket.data[bucket.length - 1] == '*';
    size_t length = bucket.length - (is_pattern ? 1 : 0);
    if (!is_pattern && (length < BOUND_BUCKET_NAME_MIN || length > BOUND_BUCKET_NAME_MAX))
        return false;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = bucket.data[i];
        bool is_lower = is_letter_or_digit(c) && !(c >= 'A' && c <= 'Z');
        if (!is_lower && c != '.' && c != '-')
            return false;
    }
    return true;
}

/* ---- records ---- */

size_t wire_access_key_size(const struct wire_access_key *key)
{
    size_t bytes = 3 + key->id.length + key->secret.length + key->old_secret.length + 8 + 1;
    for (uint32_t i = 0; i < key->grant_count; i++)
        bytes += 2 + key->grants[i].bucket.length;
    return bytes;
}

static uint8_t *put_text(uint8_t *out, struct slice text)
{
    PRE(text.length <= UINT8_MAX);
    *out++ = (uint8_t)text.length;
    if (text.length > 0)
        memcpy(out, text.data, text.length);
    return out + text.length;
}

uint8_t *wire_access_key_put(const struct wire_access_key *key, uint8_t *out)
{
    PRE(key->grant_count <= BOUND_GRANTS);
    out = put_text(out, key->id);
    out = put_text(out, key->secret);
    out = put_text(out, key->old_secret);
    bytes_put_u64(out, key->created_ms);
    out += 8;
    *out++ = (uint8_t)key->grant_count;
    for (uint32_t i = 0; i < key->grant_count; i++) {
        *out++ = (uint8_t)key->grants[i].right;
        out = put_text(out, key->grants[i].bucket);
    }
    return out;
}

static bool take_bytes(struct slice *rest, size_t length, const uint8_t **ret_bytes)
{
    if (rest->length < length)
        return false;
    *ret_bytes = rest->data;
    *rest = slice_of(rest->data + length, rest->length - length);
    return true;
}

static bool take_text(struct slice *rest, struct slice *ret_text)
{
    const uint8_t *length;
    const uint8_t *bytes;
    if (!take_bytes(rest, 1, &length) || !take_bytes(rest, *length, &bytes))
        return false;
    *ret_text = slice_of(bytes, *length);
    return true;
}

static bool take_grants(struct slice *rest, struct wire_access_key *key)
{
    const uint8_t *count;
    const uint8_t *right;
    if (!take_bytes(rest, 1, &count) || *count > BOUND_GRANTS)
        return false;
    key->grant_count = *count;
    for (uint32_t i = 0; i < key->grant_count; i++) {
        struct wire_grant *grant = &key->grants[i];
        if (!take_bytes(rest, 1, &right) || *right > WIRE_RIGHT_OWNER ||
            !take_text(rest, &grant->bucket) || !wire_grant_bucket_is_valid(grant->bucket) ||
            (i > 0 && slice_compare(key->grants[i - 1].bucket, grant->bucket) >= 0))
            return false;
        grant->right = (enum wire_right) * right;
    }
    return true;
}

bool wire_access_key_take(struct slice *rest, struct wire_access_key *ret_key)
{
    struct wire_access_key *key = ret_key;
    const uint8_t *created;
    if (!take_text(rest, &key->id) || !take_text(rest, &key->secret) ||
        !take_text(rest, &key->old_secret) || !take_bytes(rest, 8, &created) ||
        !take_grants(rest, key))
        return false;
    key->created_ms = bytes_get_u64(created);
    return (key->id.length == 0 || wire_access_key_id_is_valid(key->id)) &&
           (key->secret.length == 0 || wire_secret_is_valid(key->secret)) &&
           (key->old_secret.length == 0 || wire_secret_is_valid(key->old_secret));
}

bool wire_access_key_read(struct slice bytes, struct wire_access_key *ret_key)
{
    return wire_access_key_take(&bytes, ret_key) && bytes.length == 0;
}

/* ---- grants ---- */

/* Position of the first grant whose bucket is not below. */
static uint32_t grant_position(const struct wire_access_key *key, struct slice bucket)
{
    uint32_t at = 0;
    while (at < key->grant_count && slice_compare(key->grants[at].bucket, bucket) < 0)
        at++;
    return at;
}

static bool grant_is_at(const struct wire_access_key *key, uint32_t at, struct slice bucket)
{
    return at < key->grant_count && slice_equal(key->grants[at].bucket, bucket);
}

bool wire_grant_set(struct wire_access_key *key, const struct wire_grant *grant)
{
    uint32_t at = grant_position(key, grant->bucket);
    struct wire_grant *place = &key->grants[at];
    if (!grant_is_at(key, at, grant->bucket)) {
        if (key->grant_count == BOUND_GRANTS)
            return false;
        memmove(place + 1, place, (key->grant_count - at) * sizeof *place);
        key->grant_count++;
    }
    *place = *grant;
    return true;
}

static void grant_remove(struct wire_access_key *key, struct slice bucket)
{
    uint32_t at = grant_position(key, bucket);
    if (!grant_is_at(key, at, bucket))
        return;
    struct wire_grant *place = &key->grants[at];
    key->grant_count--;
    memmove(place, place + 1, (key->grant_count - at) * sizeof *place);
}

bool wire_grants_merge(struct wire_access_key *key, const struct wire_grant *changes,
                       uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) { /* makes room for the others */
        if (changes[i].right == WIRE_RIGHT_NONE)
            grant_remove(key, changes[i].bucket);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (changes[i].right != WIRE_RIGHT_NONE && !wire_grant_set(key, &changes[i]))
            return false;
    }
    return true;
}
