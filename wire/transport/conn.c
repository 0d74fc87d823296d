#include "base/contract.h"
#include "base/text.h"
#include "wire/transport/internal.h"

static void on_sent(void *argument);

/* ---- references ---- */

struct conn *conn_ref(struct conn *conn)
{
    unsigned before = atomic_fetch_add_explicit(&conn->references, 1u, memory_order_relaxed);
    INVARIANT(before > 0);
    return conn;
}

void conn_unref(struct conn *conn)
{
    if (conn == NULL || atomic_fetch_sub_explicit(&conn->references, 1u, memory_order_acq_rel) > 1)
        return;
    INVARIANT(conn->stream == NULL);
    frame_reader_release(&conn->reader);
    frame_writer_release(&conn->writer);
    inbox_batch_release(&conn->batch);
    pthread_mutex_destroy(&conn->lock);
    mem_free(conn);
}

/* ---- start ---- */

static bool enter_map(struct transport *transport, struct conn *conn)
{
    pthread_mutex_lock(&transport->lock);
    bool may_start = !transport->is_closing &&
                     (conn->is_dialed || transport->accepted < transport->connections_max);
    if (may_start) {
        conn->id = transport->next_id++;
        (void)map_put(&transport->conns, conn->id, conn);
        transport->accepted += conn->is_dialed ? 0 : 1;
    }
    pthread_mutex_unlock(&transport->lock);
    return may_start;
}

static void queue_hello(struct conn *conn)
{
    struct wire_message hello;
    pthread_mutex_lock(&conn->transport->lock);
    wire_message_copy(&conn->transport->hello, &hello);
    pthread_mutex_unlock(&conn->transport->lock);
    (void)conn_queue(conn, &hello);
    wire_message_release(&hello);
}

bool conn_start(struct transport *transport, nng_stream *stream, bool is_dialed, uint64_t tag,
                nng_time hello_deadline_ms)
{
    struct conn *conn = mem_calloc(1, sizeof *conn);
    atomic_init(&conn->references, 1u);
    conn->transport = transport;
    conn->stream = stream;
    conn->is_dialed = is_dialed;
    conn->tag = tag;
    conn->hello_deadline_ms = hello_deadline_ms;
    frame_reader_init(&conn->reader, HELLO_HEADER_BYTES_MAX, 0);
    frame_writer_init(&conn->writer);
    int failed = pthread_mutex_init(&conn->lock, NULL);
    failed |= nng_aio_alloc(&conn->receiving, conn_on_received, conn);
    failed |= nng_aio_alloc(&conn->sending, on_sent, conn);
    INVARIANT(failed == 0);
    /* Small messages must not wait for acknowledgements of earlier ones. Best effort. */
    (void)nng_stream_set_bool(stream, NNG_OPT_TCP_NODELAY, true);
    (void)nng_stream_set_bool(stream, NNG_OPT_TCP_KEEPALIVE, true);
    if (!enter_map(transport, conn)) {
        conn_bury(conn);
        return false;
    }
    pthread_mutex_lock(&conn->lock);
    queue_hello(conn);
    conn_send(conn);
    conn_receive(conn);
    pthread_mutex_unlock(&conn->lock);
    return true;
}

/* ---- sending ---- */

bool conn_queue(struct conn *conn, const struct wire_message *message)
{
    if (conn->state > CONN_OPEN)
        return false;
    uint64_t queued = conn->writer.bytes;
    if (queued > conn->transport->queue_bytes_max) {
        char text[96];
        conn_end(conn, ERR_BUSY,
                 text_format(text, sizeof text, "the peer does not read: %llu bytes are queued",
                             (unsigned long long)queued));
        return false;
    }
    return frame_writer_add(&conn->writer, message, conn->transport->frame_payload_bytes_max) ==
           ERR_OK;
}

void conn_send(struct conn *conn)
{
    if (conn->is_sending || conn->state == CONN_ENDED || conn->writer.count == 0)
        return;
    struct frame_part parts[FRAME_PARTS_MAX];
    nng_iov pieces[FRAME_PARTS_MAX];
    unsigned count = frame_writer_parts(&conn->writer, parts);
    for (unsigned i = 0; i < count; i++)
        pieces[i] = (nng_iov){.iov_buf = parts[i].data, .iov_len = parts[i].length};
    int failed = nng_aio_set_iov(conn->sending, count, pieces);
    INVARIANT(failed == 0);
    nng_aio_set_timeout(conn->sending,
                        conn->state == CONN_LINGER ? LINGER_TIMEOUT_MS : SEND_TIMEOUT_MS);
    conn->is_sending = true;
    nng_stream_send(conn->stream, conn->sending);
}

static void on_sent(void *argument)
{
    struct conn *conn = argument;
    int result = nng_aio_result(conn->sending);
    pthread_mutex_lock(&conn->lock);
    conn->is_sending = false;
    if (result == 0)
        frame_writer_sent(&conn->writer, nng_aio_count(conn->sending));
    if (conn->state != CONN_ENDED) {
        if (result != 0)
            conn_end(conn, err_of_nng(result),
                     result == NNG_ETIMEDOUT ? "the peer does not read" : text_of_nng(result));
        else if (conn->writer.count > 0)
            conn_send(conn);
        else if (conn->state == CONN_LINGER)
            conn_end(conn, ERR_OK, "");
    }
    pthread_mutex_unlock(&conn->lock);
}

/* ---- end ---- */

static void report_end(struct conn *conn, enum err err, const char *text)
{
    bool was_open = conn->state == CONN_OPEN;
    if (!was_open && !(conn->state == CONN_HELLO && conn->is_dialed))
        return;
    struct inbox_batch batch = {0};
    struct transport_event *event = &inbox_batch_add(&batch)->event;
    event->kind = was_open ? TRANSPORT_CLOSED : TRANSPORT_FAILED;
    event->conn = was_open ? conn->id : 0;
    event->tag = conn->tag;
    event->is_dialed = conn->is_dialed;
    event->err = err;
    text_format(event->text, sizeof event->text, "%s", text);
    inbox_push(&conn->transport->inbox, &batch);
    inbox_batch_release(&batch);
}

static void hand_to_owner(struct conn *conn)
{
    struct transport *transport = conn->transport;
    pthread_mutex_lock(&transport->lock);
    (void)map_remove(&transport->conns, conn->id);
    transport->accepted -= conn->is_dialed ? 0 : 1;
    conn->next_dead = transport->dead; /* the map's reference is now the dead list's */
    transport->dead = conn;
    pthread_mutex_unlock(&transport->lock);
    inbox_add_chore(&transport->inbox);
}

void conn_end(struct conn *conn, enum err err, const char *text)
{
    if (conn->state == CONN_ENDED)
        return;
    report_end(conn, err, text);
    conn->state = CONN_ENDED;
    nng_aio_abort(conn->receiving, NNG_ECANCELED);
    nng_aio_abort(conn->sending, NNG_ECANCELED);
    hand_to_owner(conn);
}

void conn_end_after_sending(struct conn *conn, enum err err, const char *text)
{
    if (conn->state >= CONN_LINGER)
        return;
    if (conn->writer.count == 0) {
        conn_end(conn, err, text);
        return;
    }
    report_end(conn, err, text);
    conn->state = CONN_LINGER;
    nng_aio_abort(conn->receiving, NNG_ECANCELED);
    conn_send(conn);
}

void conn_bury(struct conn *conn)
{
    nng_aio_stop(conn->receiving);
    nng_aio_stop(conn->sending);
    nng_stream_close(conn->stream);
    nng_stream_free(conn->stream);
    nng_aio_free(conn->receiving);
    nng_aio_free(conn->sending);
    conn->stream = NULL;
    conn_unref(conn);
}
