/* The wire under the HTTP engine: TLS against OpenSSL's own client over a pair of sockets, and the
 * same calls over a plain one. Everything is non-blocking and in one thread, so each side moves
 * when the test says so. */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/base/suite.h"
#include "tools/gateway/http_tls.h"

enum { TURNS_MAX = 20, LARGE = 999999 };

/* ---- certificates ---- */

struct identity {
    struct text certificate;
    struct text key;
};

static void take_pem(BIO *bio, struct text *into)
{
    char *bytes = NULL;
    long length = BIO_get_mem_data(bio, &bytes);
    text_init(into);
    text_append_bytes(into, slice_of(bytes, (size_t)length));
    BIO_free(bio);
}

static void identity_make(struct identity *identity, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    ck_assert_ptr_nonnull(key);
    ck_assert_int_eq(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notBefore(certificate), -60));
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    ck_assert_int_eq(X509_set_pubkey(certificate, key), 1);
    X509_NAME *subject = X509_get_subject_name(certificate);
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    ck_assert_int_eq(X509_set_issuer_name(certificate, subject), 1);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    BIO *out = BIO_new(BIO_s_mem());
    ck_assert_int_eq(PEM_write_bio_X509(out, certificate), 1);
    take_pem(out, &identity->certificate);
    out = BIO_new(BIO_s_mem());
    ck_assert_int_eq(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    take_pem(out, &identity->key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void identity_release(struct identity *identity)
{
    text_release(&identity->certificate);
    text_release(&identity->key);
}

/* ---- two sides ---- */

struct sides {
    struct identity identity;
    struct http_tls *tls;
    struct http_wire wire;
    SSL_CTX *context;
    SSL *client;
    int client_fd;
};

static void open_sockets(struct http_wire *wire, struct http_tls *tls, int *ret_client)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    ck_assert(http_wire_open(wire, pair[0], tls));
    *ret_client = pair[1];
}

static void sides_open(struct sides *sides)
{
    struct text error;
    *sides = (struct sides){.client_fd = -1};
    text_init(&error);
    identity_make(&sides->identity, "one");
    sides->tls = http_tls_new(sides->identity.certificate.data, sides->identity.key.data, &error);
    ck_assert_msg(sides->tls != NULL, "%s", error.data);
    text_release(&error);
    open_sockets(&sides->wire, sides->tls, &sides->client_fd);
    sides->context = SSL_CTX_new(TLS_client_method());
    sides->client = SSL_new(sides->context);
    ck_assert_int_eq(SSL_set_fd(sides->client, sides->client_fd), 1);
    SSL_set_connect_state(sides->client);
}

static void sides_close(struct sides *sides)
{
    http_wire_close(&sides->wire);
    ck_assert_int_eq(sides->wire.fd, -1);
    http_tls_free(sides->tls);
    SSL_free(sides->client);
    SSL_CTX_free(sides->context);
    close(sides->client_fd);
    identity_release(&sides->identity);
}

/* The handshake's outcome on the server's side, with the client taking its turns. */
static enum http_wire_result shake(struct sides *sides)
{
    enum http_wire_result result = HTTP_WIRE_BLOCKED;
    for (int turn = 0; turn < TURNS_MAX && result == HTTP_WIRE_BLOCKED; turn++) {
        (void)SSL_do_handshake(sides->client);
        ERR_clear_error();
        result = http_wire_handshake(&sides->wire);
    }
    return result;
}

static void expect_read(struct sides *sides, const char *expected)
{
    char bytes[100];
    size_t length = 0;
    ck_assert_int_eq(http_wire_read(&sides->wire, bytes, sizeof bytes, &length), HTTP_WIRE_DONE);
    ck_assert_uint_eq(length, strlen(expected));
    ck_assert_mem_eq(bytes, expected, length);
}

START_TEST(bytes_go_both_ways_after_the_handshake)
{
    struct sides sides;
    char bytes[100];
    size_t length = 0;
    sides_open(&sides);
    ck_assert_int_eq(http_wire_handshake(&sides.wire), HTTP_WIRE_BLOCKED);
    ck_assert_int_eq(shake(&sides), HTTP_WIRE_DONE);
    ck_assert_int_eq(SSL_do_handshake(sides.client), 1);
    ck_assert_int_eq(http_wire_read(&sides.wire, bytes, sizeof bytes, &length), HTTP_WIRE_BLOCKED);
    ck_assert_uint_eq(length, 0);
    ck_assert_int_eq(SSL_write(sides.client, "question", 8), 8);
    expect_read(&sides, "question");
    ck_assert_int_eq(http_wire_write(&sides.wire, "answer", 6, true, &length), HTTP_WIRE_DONE);
    ck_assert_uint_eq(length, 6);
    ck_assert_int_eq(SSL_read(sides.client, bytes, sizeof bytes), 6);
    ck_assert_mem_eq(bytes, "answer", 6);
    sides_close(&sides);
}
END_TEST

START_TEST(large_answer_goes_out_in_pieces_from_any_buffer)
{
    struct sides sides;
    static char sent[LARGE];
    static char moved[LARGE + 1];
    static char got[LARGE];
    size_t out = 0;
    size_t in = 0;
    unsigned turn = 0;
    bool was_blocked = false;
    for (size_t i = 0; i < LARGE; i++)
        sent[i] = (char)(i * 7 + i / 251);
    sides_open(&sides);
    ck_assert_int_eq(shake(&sides), HTTP_WIRE_DONE);
    while (in < LARGE) {
        size_t length = 1;
        while (out < LARGE && length > 0) {
            /* Not from where the call before took them. */
            memmove(moved + turn % 2, sent + out, LARGE - out);
            enum http_wire_result result =
                http_wire_write(&sides.wire, moved + turn++ % 2, LARGE - out, true, &length);
            ck_assert_int_eq(result, length > 0 ? HTTP_WIRE_DONE : HTTP_WIRE_BLOCKED);
            was_blocked = was_blocked || length == 0;
            out += length;
        }
        int read = 0;
        while (in < LARGE && (read = SSL_read(sides.client, got + in, (int)(LARGE - in))) > 0)
            in += (size_t)read;
        ck_assert(read > 0 || SSL_get_error(sides.client, read) == SSL_ERROR_WANT_READ);
    }
    ck_assert_msg(was_blocked, "the socket took all at once: nothing was tried");
    ck_assert_mem_eq(got, sent, LARGE);
    sides_close(&sides);
}
END_TEST

START_TEST(farewell_is_an_end_and_a_broken_connection_a_failure)
{
    struct sides sides;
    char bytes[100];
    size_t length = 0;
    sides_open(&sides);
    ck_assert_int_eq(shake(&sides), HTTP_WIRE_DONE);
    ck_assert_int_eq(SSL_do_handshake(sides.client), 1);
    (void)SSL_shutdown(sides.client);
    ck_assert_int_eq(http_wire_read(&sides.wire, bytes, sizeof bytes, &length), HTTP_WIRE_ENDED);
    sides_close(&sides);

    /* Cut in the middle, TLS cannot know that all was said: a body must not end like that. */
    sides_open(&sides);
    ck_assert_int_eq(shake(&sides), HTTP_WIRE_DONE);
    ck_assert_int_eq(shutdown(sides.client_fd, SHUT_WR), 0);
    ck_assert_int_eq(http_wire_read(&sides.wire, bytes, sizeof bytes, &length), HTTP_WIRE_FAILED);
    sides_close(&sides);
}
END_TEST

START_TEST(our_farewell_reaches_the_client_and_the_rest_is_discarded)
{
    struct sides sides;
    char bytes[100];
    size_t length = 0;
    sides_open(&sides);
    ck_assert_int_eq(shake(&sides), HTTP_WIRE_DONE);
    ck_assert_int_eq(SSL_do_handshake(sides.client), 1);
    ck_assert_int_eq(SSL_write(sides.client, "too late", 8), 8);
    http_wire_end(&sides.wire);
    int read = SSL_read(sides.client, bytes, sizeof bytes);
    ck_assert_int_eq(SSL_get_error(sides.client, read), SSL_ERROR_ZERO_RETURN);
    ck_assert_int_eq(http_wire_discard(&sides.wire, bytes, sizeof bytes, &length), HTTP_WIRE_DONE);
    ck_assert_uint_gt(length, 0);
    ck_assert_int_eq(http_wire_discard(&sides.wire, bytes, sizeof bytes, &length),
                     HTTP_WIRE_BLOCKED);
    ck_assert_int_eq(shutdown(sides.client_fd, SHUT_WR), 0);
    ck_assert_int_eq(http_wire_discard(&sides.wire, bytes, sizeof bytes, &length), HTTP_WIRE_ENDED);
    sides_close(&sides);
}
END_TEST

START_TEST(plain_http_on_a_tls_port_fails)
{
    struct sides sides;
    static const char request[] = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
    sides_open(&sides);
    ck_assert_int_eq(write(sides.client_fd, request, sizeof request - 1), sizeof request - 1);
    ck_assert_int_eq(http_wire_handshake(&sides.wire), HTTP_WIRE_FAILED);
    ck_assert_uint_eq(ERR_peek_error(), 0); /* nothing is left for the next session */
    sides_close(&sides);
}
END_TEST

START_TEST(protocols_before_1_2_are_refused_and_1_2_is_not)
{
    struct sides sides;
    sides_open(&sides);
    SSL_set_security_level(sides.client, 0);
    ck_assert_int_eq(SSL_set_max_proto_version(sides.client, TLS1_1_VERSION), 1);
    ck_assert_int_eq(shake(&sides), HTTP_WIRE_FAILED);
    sides_close(&sides);
    sides_open(&sides);
    ck_assert_int_eq(SSL_set_max_proto_version(sides.client, TLS1_2_VERSION), 1);
    ck_assert_int_eq(shake(&sides), HTTP_WIRE_DONE);
    sides_close(&sides);
}
END_TEST

START_TEST(client_that_offers_protocols_learns_which_we_speak)
{
    static const unsigned char offered[] = "\x02h2\x08http/1.1";
    struct sides sides;
    const unsigned char *chosen = NULL;
    unsigned length = 0;
    sides_open(&sides);
    ck_assert_int_eq(SSL_set_alpn_protos(sides.client, offered, sizeof offered - 1), 0);
    ck_assert_int_eq(shake(&sides), HTTP_WIRE_DONE);
    SSL_get0_alpn_selected(sides.client, &chosen, &length);
    ck_assert_uint_eq(length, 8);
    ck_assert_mem_eq(chosen, "http/1.1", 8);
    sides_close(&sides);
}
END_TEST

static void expect_unusable(const char *certificate, const char *key)
{
    struct text error;
    text_init(&error);
    ck_assert_ptr_null(http_tls_new(certificate, key, &error));
    ck_assert_uint_gt(error.length, 0);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    text_release(&error);
}

START_TEST(unusable_certificates_and_keys_are_refused)
{
    struct identity one;
    struct identity other;
    identity_make(&one, "one");
    identity_make(&other, "other");
    expect_unusable("", one.key.data);
    expect_unusable(one.certificate.data, "");
    expect_unusable("no certificate", "no key");
    expect_unusable(one.key.data, one.certificate.data);
    expect_unusable(one.certificate.data, other.key.data);
    identity_release(&one);
    identity_release(&other);
}
END_TEST

START_TEST(reloaded_certificate_leaves_sessions_of_the_old_one_alone)
{
    struct sides sides;
    sides_open(&sides);
    ck_assert_int_eq(shake(&sides), HTTP_WIRE_DONE);
    http_tls_free(sides.tls);
    sides.tls = NULL;
    ck_assert_int_eq(SSL_do_handshake(sides.client), 1);
    ck_assert_int_eq(SSL_write(sides.client, "still here", 10), 10);
    expect_read(&sides, "still here");
    sides_close(&sides);
}
END_TEST

START_TEST(plain_wire_has_the_same_manners)
{
    struct http_wire wire;
    int client = -1;
    char bytes[100];
    size_t length = 0;
    open_sockets(&wire, NULL, &client);
    ck_assert_int_eq(http_wire_handshake(&wire), HTTP_WIRE_DONE);
    ck_assert_int_eq(http_wire_read(&wire, bytes, sizeof bytes, &length), HTTP_WIRE_BLOCKED);
    ck_assert_int_eq(write(client, "question", 8), 8);
    ck_assert_int_eq(http_wire_read(&wire, bytes, sizeof bytes, &length), HTTP_WIRE_DONE);
    ck_assert_uint_eq(length, 8);
    ck_assert_int_eq(http_wire_write(&wire, "answer", 6, true, &length), HTTP_WIRE_DONE);
    ck_assert_uint_eq(length, 6);
    ck_assert_int_eq(read(client, bytes, sizeof bytes), 6);
    ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
    ck_assert_int_eq(http_wire_read(&wire, bytes, sizeof bytes, &length), HTTP_WIRE_ENDED);
    http_wire_end(&wire);
    ck_assert_int_eq(read(client, bytes, sizeof bytes), 0);
    close(client);
    ck_assert_int_eq(http_wire_write(&wire, "nobody", 6, true, &length), HTTP_WIRE_FAILED);
    http_wire_close(&wire);
}
END_TEST

SUITE_MAIN("http_tls", bytes_go_both_ways_after_the_handshake,
           large_answer_goes_out_in_pieces_from_any_buffer,
           farewell_is_an_end_and_a_broken_connection_a_failure,
           our_farewell_reaches_the_client_and_the_rest_is_discarded,
           plain_http_on_a_tls_port_fails, protocols_before_1_2_are_refused_and_1_2_is_not,
           client_that_offers_protocols_learns_which_we_speak,
           unusable_certificates_and_keys_are_refused,
           reloaded_certificate_leaves_sessions_of_the_old_one_alone,
           plain_wire_has_the_same_manners)
