/* Rows of the family TOKENS (D19): by token what is remembered, and by position which tokens.
 *
 * Keys: chain, 0, token high, token low, hash of (bucket, key), lsn; and chain, 1, lsn. Both kinds
 * name the position, so forgetting one never touches a later one of the same token. */
#include "base/bytes.h"
#include "chainnode/core/cn_internal.h"

enum {
    FORMAT = 1,
    BY_TOKEN = 0,
    BY_AGE = 1,
    AGE_KEY_BYTES = 4 + 1 + 8,
    TOKEN_BYTES = 1 + 4 + 16 + 16,
    AGE_BYTES = 1 + 8 + 24,
};

struct cn_key cn_key_token(uint32_t chain, uint64_t high, uint64_t low, uint64_t key_hash,
                           uint64_t lsn)
{
    struct cn_key key = cn_key_chain(chain);
    key.bytes[key.length++] = BY_TOKEN;
    bytes_put_u64(key.bytes + key.length, high);
    bytes_put_u64(key.bytes + key.length + 8, low);
    bytes_put_u64(key.bytes + key.length + 16, key_hash);
    bytes_put_u64(key.bytes + key.length + 24, lsn);
    key.length += 32;
    return key;
}

struct cn_key cn_key_token_age(uint32_t chain, uint64_t lsn)
{
    struct cn_key key = cn_key_chain(chain);
    key.bytes[key.length++] = BY_AGE;
    bytes_put_u64(key.bytes + key.length, lsn);
    key.length += 8;
    return key;
}

bool cn_token_row_decode(struct slice value, struct cn_outcome_row *ret_row)
{
    if (value.length != TOKEN_BYTES || value.data[0] != FORMAT)
        return false;
    const uint8_t *in = value.data + 1;
    uint32_t outcome = bytes_get_u32(in);
    if (!err_is_valid(outcome))
        return false;
    *ret_row = (struct cn_outcome_row){
        .outcome = outcome,
        .version = {.epoch = bytes_get_u64(in + 4), .lsn = bytes_get_u64(in + 12)},
        .current = {.epoch = bytes_get_u64(in + 20), .lsn = bytes_get_u64(in + 28)},
    };
    return true;
}

bool cn_token_age_decode(struct slice key, struct slice value, struct cn_token_age *ret_age)
{
    if (key.length != AGE_KEY_BYTES || key.data[4] != BY_AGE || value.length != AGE_BYTES ||
        value.data[0] != FORMAT)
        return false;
    *ret_age = (struct cn_token_age){
        .lsn = bytes_get_u64(key.data + 5),
        .ms = bytes_get_u64(value.data + 1),
        .high = bytes_get_u64(value.data + 9),
        .low = bytes_get_u64(value.data + 17),
        .key_hash = bytes_get_u64(value.data + 25),
    };
    return ret_age->lsn <= CN_LSN_MAX;
}

struct cn_token_age cn_token_age_of(const struct wire_forward *f)
{
    return (struct cn_token_age){
        .lsn = f->origin.lsn,
        .ms = f->token_ms,
        .high = f->token_high,
        .low = f->token_low,
        .key_hash = cn_token_of_key(f),
    };
}

void cn_token_rows_put(struct kv_batch *batch, const struct wire_forward *f)
{
    struct cn_token_age age = cn_token_age_of(f);
    bool is_done = f->outcome == ERR_OK;
    uint8_t row[TOKEN_BYTES] = {FORMAT};
    bytes_put_u32(row + 1, f->outcome);
    bytes_put_u64(row + 5, is_done ? f->origin.epoch : 0);
    bytes_put_u64(row + 13, is_done ? f->origin.lsn : 0);
    bytes_put_u64(row + 21, f->current.epoch);
    bytes_put_u64(row + 29, f->current.lsn);
    struct cn_key key = cn_key_token(f->chain, age.high, age.low, age.key_hash, age.lsn);
    kv_batch_put(batch, CN_FAMILY_TOKENS, cn_key_slice(&key), slice_of(row, sizeof row), NULL);
    uint8_t by_age[AGE_BYTES] = {FORMAT};
    bytes_put_u64(by_age + 1, age.ms);
    bytes_put_u64(by_age + 9, age.high);
    bytes_put_u64(by_age + 17, age.low);
    bytes_put_u64(by_age + 25, age.key_hash);
    key = cn_key_token_age(f->chain, age.lsn);
    kv_batch_put(batch, CN_FAMILY_TOKENS, cn_key_slice(&key), slice_of(by_age, sizeof by_age),
                 NULL);
}
