#include "tools/gateway/checksum.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#include "tools/gateway/encode.h"

static const struct {
    const char *name;
    const char *header;
    size_t bytes;
    uint64_t polynomial; /* reflected */
} kinds[GW_CHECKSUM_COUNT] = {
    [GW_CHECKSUM_NONE] = {"", "", 0, 0},
    [GW_CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", 4, 0xedb88320u},
    [GW_CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", 4, 0x82f63b78u},
    [GW_CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", 8, 0x9a6c9329ac4bc9b5u},
    [GW_CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", 20, 0},
    [GW_CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", 32, 0},
    [GW_CHECKSUM_MD5] = {"MD5", "", 16, 0},
};

struct gw_checksum {
    enum gw_checksum_kind kind;
    uint64_t crc;
    EVP_MD_CTX *digest;
};

enum { LANES = 8 };
static uint64_t tables[GW_CHECKSUM_CRC64NVME + 1][LANES][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

/* tables[k][i][b]: what byte b does to the remainder when i more bytes follow it. */
static void make_tables(void)
{
    for (unsigned kind = GW_CHECKSUM_CRC32; kind <= GW_CHECKSUM_CRC64NVME; kind++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            uint64_t crc = byte;
            for (unsigned bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? crc >> 1 ^ kinds[kind].polynomial : crc >> 1;
            tables[kind][0][byte] = crc;
        }
        for (unsigned lane = 1; lane < LANES; lane++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                uint64_t crc = tables[kind][lane - 1][byte];
                tables[kind][lane][byte] = crc >> 8 ^ tables[kind][0][crc & 255];
            }
        }
    }
}

static uint64_t crc_update(enum gw_checksum_kind kind, uint64_t crc, struct slice bytes)
{
    uint64_t(*const table)[256] = tables[kind];
    const uint8_t *cursor = bytes.data;
    size_t rest = bytes.length;
    for (; rest >= LANES; rest -= LANES, cursor += LANES) {
        for (unsigned i = 0; i < LANES; i++)
            crc ^= (uint64_t)cursor[i] << (8 * i);
        crc = table[7][crc & 255] ^ table[6][crc >> 8 & 255] ^ table[5][crc >> 16 & 255] ^
              table[4][crc >> 24 & 255] ^ table[3][crc >> 32 & 255] ^ table[2][crc >> 40 & 255] ^
              table[1][crc >> 48 & 255] ^ table[0][crc >> 56];
    }
    for (; rest > 0; rest--)
        crc = crc >> 8 ^ table[0][(crc ^ *cursor++) & 255];
    return crc;
}

/* Fetched once: what EVP_sha256() and the like name is looked up again with every use. */
static EVP_MD *digests[GW_CHECKSUM_COUNT];
static EVP_MAC *hmac_method;
static pthread_key_t scratch_key;
static pthread_once_t methods_once = PTHREAD_ONCE_INIT;

/* Contexts of one thread, for short inputs. Whoever takes one has begun and ended before anybody
 * else of the thread does. */
struct scratch {
    EVP_MD_CTX *digest;
    EVP_MAC_CTX *hmacs[GW_CHECKSUM_COUNT]; /* made when they are first needed */
};

static void free_scratch(void *context)
{
    struct scratch *scratch = context;
    EVP_MD_CTX_free(scratch->digest);
    for (unsigned i = 0; i < GW_CHECKSUM_COUNT; i++)
        EVP_MAC_CTX_free(scratch->hmacs[i]);
    free(scratch);
}

static void fetch_methods(void)
{
    digests[GW_CHECKSUM_MD5] = EVP_MD_fetch(NULL, "MD5", NULL);
    digests[GW_CHECKSUM_SHA1] = EVP_MD_fetch(NULL, "SHA1", NULL);
    digests[GW_CHECKSUM_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
    hmac_method = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (pthread_key_create(&scratch_key, free_scratch) != 0)
        abort();
}

static void begin_digest(EVP_MD_CTX *context, enum gw_checksum_kind kind)
{
    pthread_once(&methods_once, fetch_methods);
    if (context == NULL || digests[kind] == NULL ||
        EVP_DigestInit_ex2(context, digests[kind], NULL) != 1)
        abort(); /* only without memory, or with an OpenSSL that lacks the digest */
}

static void add_to_digest(EVP_MD_CTX *context, const void *bytes, size_t length)
{
    if (EVP_DigestUpdate(context, bytes, length) != 1)
        abort();
}

static void end_digest(EVP_MD_CTX *context, uint8_t *value)
{
    if (EVP_DigestFinal_ex(context, value, NULL) != 1)
        abort();
}

static struct scratch *scratch(void)
{
    pthread_once(&methods_once, fetch_methods);
    struct scratch *scratch = pthread_getspecific(scratch_key);
    if (scratch != NULL)
        return scratch;
    scratch = gw_zalloc(sizeof *scratch);
    scratch->digest = EVP_MD_CTX_new();
    if (pthread_setspecific(scratch_key, scratch) != 0)
        abort();
    return scratch;
}

static bool is_crc(enum gw_checksum_kind kind)
{
    return kind >= GW_CHECKSUM_CRC32 && kind <= GW_CHECKSUM_CRC64NVME;
}

struct gw_checksum *gw_checksum_new(enum gw_checksum_kind kind)
{
    struct gw_checksum *sum = gw_zalloc(sizeof *sum);
    sum->kind = kind;
    if (is_crc(kind)) {
        pthread_once(&tables_once, make_tables);
        sum->crc = kind == GW_CHECKSUM_CRC64NVME ? UINT64_MAX : UINT32_MAX;
        return sum;
    }
    sum->digest = EVP_MD_CTX_new();
    begin_digest(sum->digest, kind);
    return sum;
}

void gw_checksum_update(struct gw_checksum *sum, struct slice bytes)
{
    if (is_crc(sum->kind))
        sum->crc = crc_update(sum->kind, sum->crc, bytes);
    else
        add_to_digest(sum->digest, bytes.data, bytes.length);
}

size_t gw_checksum_final(struct gw_checksum *sum, uint8_t value[GW_CHECKSUM_BYTES_MAX])
{
    size_t bytes = kinds[sum->kind].bytes;
    if (!is_crc(sum->kind)) {
        end_digest(sum->digest, value);
        return bytes;
    }
    for (size_t i = 0; i < bytes; i++)
        value[i] = (uint8_t)(~sum->crc >> (8 * (bytes - 1 - i)));
    return bytes;
}

void gw_checksum_free(struct gw_checksum *sum)
{
    if (sum == NULL)
        return;
    EVP_MD_CTX_free(sum->digest);
    free(sum);
}

size_t gw_checksum_bytes(enum gw_checksum_kind kind)
{
    return kinds[kind].bytes;
}

const char *gw_checksum_name(enum gw_checksum_kind kind)
{
    return kinds[kind].name;
}

const char *gw_checksum_header(enum gw_checksum_kind kind)
{
    return kinds[kind].header;
}

enum gw_checksum_kind gw_checksum_by_name(const char *name)
{
    for (int i = GW_CHECKSUM_CRC32; i <= GW_CHECKSUM_LAST_NAMED; i++) {
        if (gw_is_equal_ignoring_case(kinds[i].name, name))
            return (enum gw_checksum_kind)i;
    }
    return GW_CHECKSUM_NONE;
}

enum gw_checksum_kind gw_checksum_by_header(const char *header)
{
    for (int i = GW_CHECKSUM_CRC32; i <= GW_CHECKSUM_LAST_NAMED; i++) {
        if (gw_is_equal_ignoring_case(kinds[i].header, header))
            return (enum gw_checksum_kind)i;
    }
    return GW_CHECKSUM_NONE;
}

const char *gw_checksum_type_name(enum gw_checksum_type type)
{
    return type == GW_CHECKSUM_COMPOSITE ? "COMPOSITE" : "FULL_OBJECT";
}

char *gw_checksum_element(enum gw_checksum_kind kind, char *name)
{
    return text_format(name, 32, "Checksum%s", gw_checksum_name(kind));
}

/* ---- combining ---- */

bool gw_checksum_is_linear(enum gw_checksum_kind kind)
{
    return is_crc(kind);
}

static uint64_t load(const uint8_t *value, size_t bytes)
{
    uint64_t crc = 0;
    for (size_t i = 0; i < bytes; i++)
        crc = crc << 8 | value[i];
    return crc;
}

/* a * b modulo the polynomial; reflected, so that the highest bit is x^0. */
static uint64_t multiply(uint64_t a, uint64_t b, uint64_t one, uint64_t polynomial)
{
    uint64_t product = 0;
    for (uint64_t bit = one; bit != 0; bit >>= 1) {
        if ((a & bit) != 0)
            product ^= b;
        b = (b & 1) != 0 ? b >> 1 ^ polynomial : b >> 1;
    }
    return product;
}

void gw_checksum_combine(enum gw_checksum_kind kind, uint8_t first[GW_CHECKSUM_BYTES_MAX],
                         const uint8_t second[GW_CHECKSUM_BYTES_MAX], uint64_t second_length)
{
    size_t bytes = kinds[kind].bytes;
    uint64_t polynomial = kinds[kind].polynomial;
    uint64_t one = 1ull << (8 * bytes - 1);
    uint64_t shift = one;
    uint64_t power = one >> 8; /* x^8 */
    for (uint64_t rest = second_length; rest > 0; rest >>= 1) {
        if ((rest & 1) != 0)
            shift = multiply(shift, power, one, polynomial);
        power = multiply(power, power, one, polynomial);
    }
    uint64_t crc = multiply(shift, load(first, bytes), one, polynomial) ^ load(second, bytes);
    for (size_t i = 0; i < bytes; i++)
        first[i] = (uint8_t)(crc >> (8 * (bytes - 1 - i)));
}

/* ---- short inputs ---- */

void gw_sha256(struct slice bytes, uint8_t digest[32])
{
    EVP_MD_CTX *context = scratch()->digest;
    begin_digest(context, GW_CHECKSUM_SHA256);
    add_to_digest(context, bytes.data, bytes.length);
    end_digest(context, digest);
}

static EVP_MAC_CTX *hmac_of(struct scratch *scratch, enum gw_checksum_kind kind)
{
    if (scratch->hmacs[kind] == NULL) {
        char *name = (char *)EVP_MD_get0_name(digests[kind]); /* only read */
        const OSSL_PARAM options[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
            OSSL_PARAM_construct_end()};
        scratch->hmacs[kind] = EVP_MAC_CTX_new(hmac_method);
        if (scratch->hmacs[kind] == NULL ||
            EVP_MAC_CTX_set_params(scratch->hmacs[kind], options) != 1)
            abort();
    }
    return scratch->hmacs[kind];
}

static void hmac(enum gw_checksum_kind kind, struct slice key, struct slice bytes, uint8_t *digest)
{
    static const uint8_t empty[1]; /* NULL would mean the key of before */
    EVP_MAC_CTX *context = hmac_of(scratch(), kind);
    size_t length = gw_checksum_bytes(kind);
    if (EVP_MAC_init(context, key.length > 0 ? key.data : empty, key.length, NULL) != 1 ||
        EVP_MAC_update(context, bytes.data, bytes.length) != 1 ||
        EVP_MAC_final(context, digest, &length, length) != 1)
        abort();
}

void gw_hmac_sha256(struct slice key, struct slice bytes, uint8_t digest[32])
{
    hmac(GW_CHECKSUM_SHA256, key, bytes, digest);
}

void gw_hmac_sha1(struct slice key, struct slice bytes, uint8_t digest[20])
{
    hmac(GW_CHECKSUM_SHA1, key, bytes, digest);
}
