#include "base/contract.h"
#include "base/text.h"
#include "wire/transport/internal.h"

enum { REST_MS = 50 };

static void on_accepted(void *argument)
{
    struct listener *listener = argument;
    int result = nng_aio_result(listener->aio);
    if (result == NNG_ECLOSED || result == NNG_ECANCELED)
        return;
    bool was_resting = listener->is_resting;
    listener->is_resting = false;
    if (!was_resting && result == 0) {
        (void)conn_start(listener->transport, nng_aio_get_output(listener->aio, 0), false, 0,
                         nng_clock() + HELLO_TIMEOUT_MS);
    } else if (!was_resting) {
        /* Out of file descriptors, for instance: do not spin on it. */
        listener->is_resting = true;
        nng_sleep_aio(REST_MS, listener->aio);
        return;
    }
    nng_stream_listener_accept(listener->listener, listener->aio);
}

void listener_free(struct listener *listener)
{
    nng_aio_stop(listener->aio);
    nng_stream_listener_close(listener->listener);
    nng_stream_listener_free(listener->listener);
    nng_aio_free(listener->aio);
    mem_free(listener);
}

static void tell_bound(nng_stream_listener *listener, const char *url, char *ret_bound,
                       size_t bound_size)
{
    const char *host = strstr(url, "://") + strlen("://");
    const char *colon = strrchr(host, ':');
    int port = 0;
    if (nng_stream_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port) != 0)
        port = 0;
    if (ret_bound != NULL)
        text_format(ret_bound, bound_size, "%.*s:%d", (int)(colon - host), host, port);
}

enum err transport_listen(struct transport *transport, const char *address, char *ret_bound,
                          size_t bound_size, char *ret_text, size_t text_size)
{
    char url[BOUND_ADDRESS_BYTES + 16];
    if (!address_to_url(address, url, sizeof url)) {
        text_format(ret_text, text_size, "cannot listen on %s: the address is not HOST:PORT",
                    address);
        return ERR_INVALID;
    }
    struct listener *listener = mem_calloc(1, sizeof *listener);
    listener->transport = transport;
    int result = nng_stream_listener_alloc(&listener->listener, url);
    if (result == 0)
        result = nng_stream_listener_listen(listener->listener);
    if (result != 0) {
        text_format(ret_text, text_size, "cannot listen on %s: %s", address, text_of_nng(result));
        if (listener->listener != NULL)
            nng_stream_listener_free(listener->listener);
        mem_free(listener);
        return err_of_nng(result);
    }
    result = nng_aio_alloc(&listener->aio, on_accepted, listener);
    INVARIANT(result == 0);
    tell_bound(listener->listener, url, ret_bound, bound_size);
    pthread_mutex_lock(&transport->lock);
    listener->next = transport->listeners;
    transport->listeners = listener;
    pthread_mutex_unlock(&transport->lock);
    nng_stream_listener_accept(listener->listener, listener->aio);
    return ERR_OK;
}
