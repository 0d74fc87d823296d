#include "base/contract.h"
#include "base/text.h"
#include "wire/transport/internal.h"

bool address_to_url(const char *address, char *url, size_t size)
{
    static const char scheme[] = "tcp://";
    const char *rest = address;
    if (strncmp(address, scheme, sizeof scheme - 1) == 0)
        rest += sizeof scheme - 1;
    else if (strstr(address, "://") != NULL)
        return false;
    size_t length = strlen(rest);
    if (length == 0 || length > BOUND_ADDRESS_BYTES || strchr(rest, '/') != NULL ||
        strchr(rest, ':') == NULL || length + sizeof scheme > size)
        return false;
    text_format(url, size, "%s%s", scheme, rest);
    return true;
}

static void report_failed(struct transport *transport, uint64_t tag, int number, enum err err,
                          const char *text)
{
    struct inbox_batch batch = {0};
    struct transport_event *event = &inbox_batch_add(&batch)->event;
    event->kind = TRANSPORT_FAILED;
    event->tag = tag;
    event->is_dialed = true;
    event->refused = number == NNG_ECONNREFUSED;
    event->err = err;
    text_format(event->text, sizeof event->text, "%s", text);
    inbox_push(&transport->inbox, &batch);
    inbox_batch_release(&batch);
}

/* Where the owner itself meets the failure. */
static void report_failed_at_once(struct transport *transport, uint64_t tag, int number,
                                  enum err err, const char *text)
{
    report_failed(transport, tag, number, err, text);
    inbox_wake(&transport->inbox);
}

static void on_dialed(void *argument)
{
    struct dial *dial = argument;
    struct transport *transport = dial->transport;
    int result = nng_aio_result(dial->aio);
    if (result == 0)
        (void)conn_start(transport, nng_aio_get_output(dial->aio, 0), true, dial->tag,
                         dial->deadline_ms);
    else
        report_failed(transport, dial->tag, result, err_of_nng(result), text_of_nng(result));
    pthread_mutex_lock(&transport->lock);
    dial->is_done = true;
    pthread_mutex_unlock(&transport->lock);
    inbox_add_chore(&transport->inbox);
}

void dial_free(struct dial *dial)
{
    nng_aio_stop(dial->aio);
    nng_stream_dialer_close(dial->dialer);
    nng_stream_dialer_free(dial->dialer);
    nng_aio_free(dial->aio);
    mem_free(dial);
}

void transport_dial(struct transport *transport, const char *address, uint64_t tag,
                    uint32_t timeout_ms)
{
    char url[BOUND_ADDRESS_BYTES + 16];
    if (!address_to_url(address, url, sizeof url)) {
        report_failed_at_once(transport, tag, 0, ERR_INVALID, "the address is not HOST:PORT");
        return;
    }
    nng_stream_dialer *dialer = NULL;
    int result = nng_stream_dialer_alloc(&dialer, url);
    if (result != 0) {
        report_failed_at_once(transport, tag, result, err_of_nng(result), text_of_nng(result));
        return;
    }
    struct dial *dial = mem_calloc(1, sizeof *dial);
    dial->transport = transport;
    dial->dialer = dialer;
    dial->tag = tag;
    dial->deadline_ms = nng_clock() + timeout_ms;
    result = nng_aio_alloc(&dial->aio, on_dialed, dial);
    INVARIANT(result == 0);
    nng_aio_set_timeout(dial->aio, (nng_duration)timeout_ms);
    pthread_mutex_lock(&transport->lock);
    dial->next = transport->dials;
    transport->dials = dial;
    pthread_mutex_unlock(&transport->lock);
    nng_stream_dialer_dial(dial->dialer, dial->aio);
}
