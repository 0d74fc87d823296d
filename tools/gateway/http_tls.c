#include "tools/gateway/http_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/gateway/encode.h"

/* ---- certificates ---- */

/* The first certificate is the server's, the others lead to its issuer. */
static bool use_chain(SSL_CTX *context, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *own = bio == NULL ? NULL : PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    bool is_good = own != NULL && SSL_CTX_use_certificate(context, own) == 1;
    X509_free(own);
    while (is_good) {
        X509 *next = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (next == NULL)
            break; /* the end of the text */
        is_good = SSL_CTX_add0_chain_cert(context, next) == 1;
        if (!is_good)
            X509_free(next);
    }
    BIO_free(bio);
    return is_good;
}

static bool use_key(SSL_CTX *context, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    bool is_good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1 &&
                   SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return is_good;
}

/* We speak one protocol; a client that offers others learns so. */
static int choose_protocol(SSL *session, const unsigned char **chosen, unsigned char *chosen_length,
                           const unsigned char *offered, unsigned offered_length, void *argument)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *found = NULL;
    (void)session;
    (void)argument;
    if (SSL_select_next_proto(&found, chosen_length, ours, sizeof ours - 1, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

struct http_tls *http_tls_new(const char *certificate, const char *private_key, struct text *error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        !use_chain(context, certificate) || !use_key(context, private_key)) {
        text_append(error, "certificate or private key is not usable");
        ERR_clear_error();
        SSL_CTX_free(context);
        return NULL;
    }
    ERR_clear_error();
    /* An idle connection holds no record buffers. */
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets do */
    (void)SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return (struct http_tls *)(void *)context;
}

void http_tls_free(struct http_tls *tls)
{
    SSL_CTX_free((SSL_CTX *)(void *)tls);
}

/* ---- bytes ---- */

bool http_wire_open(struct http_wire *wire, int fd, struct http_tls *tls)
{
    *wire = (struct http_wire){.fd = fd};
    if (tls == NULL)
        return true;
    SSL *session = SSL_new((SSL_CTX *)(void *)tls);
    wire->session = session;
    if (session == NULL || SSL_set_fd(session, fd) != 1)
        return false;
    SSL_set_accept_state(session);
    return true;
}

static enum http_wire_result result_of_socket(ssize_t got)
{
    if (got >= 0)
        return HTTP_WIRE_DONE;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? HTTP_WIRE_BLOCKED
                                                                     : HTTP_WIRE_FAILED;
}

/* Of a call that did not succeed. */
static enum http_wire_result result_of_tls(SSL *session, int returned)
{
    int reason = SSL_get_error(session, returned);
    ERR_clear_error(); /* the queue is the thread's: the next session must not see it */
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
        return HTTP_WIRE_BLOCKED;
    return reason == SSL_ERROR_ZERO_RETURN ? HTTP_WIRE_ENDED : HTTP_WIRE_FAILED;
}

enum http_wire_result http_wire_handshake(struct http_wire *wire)
{
    if (wire->session == NULL)
        return HTTP_WIRE_DONE;
    int returned = SSL_accept(wire->session);
    if (returned == 1)
        return HTTP_WIRE_DONE;
    enum http_wire_result result = result_of_tls(wire->session, returned);
    return result == HTTP_WIRE_BLOCKED ? result : HTTP_WIRE_FAILED;
}

enum http_wire_result http_wire_read(struct http_wire *wire, void *bytes, size_t size,
                                     size_t *ret_length)
{
    *ret_length = 0;
    if (wire->session != NULL) {
        int returned = SSL_read_ex(wire->session, bytes, size, ret_length);
        return returned == 1 ? HTTP_WIRE_DONE : result_of_tls(wire->session, returned);
    }
    ssize_t got = recv(wire->fd, bytes, size, 0);
    if (got == 0)
        return HTTP_WIRE_ENDED;
    *ret_length = got > 0 ? (size_t)got : 0;
    return result_of_socket(got);
}

enum http_wire_result http_wire_write(struct http_wire *wire, const void *bytes, size_t length,
                                      bool is_last, size_t *ret_written)
{
    *ret_written = 0;
    if (wire->session != NULL) {
        int returned = SSL_write_ex(wire->session, bytes, length, ret_written);
        return returned == 1 ? HTTP_WIRE_DONE : result_of_tls(wire->session, returned);
    }
    ssize_t got = send(wire->fd, bytes, length, MSG_NOSIGNAL | (is_last ? 0 : MSG_MORE));
    *ret_written = got > 0 ? (size_t)got : 0;
    return result_of_socket(got);
}

void http_wire_end(struct http_wire *wire)
{
    if (wire->session != NULL) {
        (void)SSL_shutdown(wire->session);
        ERR_clear_error();
    }
    (void)shutdown(wire->fd, SHUT_WR);
}

enum http_wire_result http_wire_discard(struct http_wire *wire, void *scratch, size_t size,
                                        size_t *ret_length)
{
    ssize_t got = recv(wire->fd, scratch, size, 0);
    *ret_length = got > 0 ? (size_t)got : 0;
    return got == 0 ? HTTP_WIRE_ENDED : result_of_socket(got);
}

void http_wire_close(struct http_wire *wire)
{
    SSL_free(wire->session);
    if (wire->fd >= 0)
        (void)close(wire->fd);
    *wire = (struct http_wire){.fd = -1};
}
