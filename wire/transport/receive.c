#include "base/contract.h"
#include "base/text.h"
#include "wire/transport/internal.h"

void conn_receive(struct conn *conn)
{
    struct frame_part parts[2];
    nng_iov pieces[2];
    unsigned count = frame_reader_space(&conn->reader, parts);
    for (unsigned i = 0; i < count; i++)
        pieces[i] = (nng_iov){.iov_buf = parts[i].data, .iov_len = parts[i].length};
    int failed = nng_aio_set_iov(conn->receiving, count, pieces);
    INVARIANT(failed == 0);
    nng_duration timeout = NNG_DURATION_INFINITE;
    if (conn->state == CONN_HELLO) {
        /* One deadline for the whole hello, however slowly its bytes drip in. */
        nng_time now_ms = nng_clock();
        timeout =
            conn->hello_deadline_ms > now_ms ? (nng_duration)(conn->hello_deadline_ms - now_ms) : 1;
    }
    nng_aio_set_timeout(conn->receiving, timeout);
    nng_stream_recv(conn->stream, conn->receiving);
}

/* ---- hello ---- */

/* Says why, then closes. */
static void refuse(struct conn *conn, enum err err, const char *text)
{
    struct wire_message refused = {
        .type = WIRE_REFUSED,
        .u.refused = {.err = (uint32_t)err, .text = slice_of_text(text)},
    };
    if (conn_queue(conn, &refused))
        conn_end_after_sending(conn, err, text);
}

static void copy_text(char *to, size_t size, struct slice text)
{
    size_t length = text.length < size - 1 ? text.length : size - 1;
    for (size_t i = 0; i < length; i++)
        to[i] = text.data[i] < 0x20 || text.data[i] >= 0x7f ? '?' : (char)text.data[i];
    to[length] = '\0';
}

static enum err judge_hello(const struct wire_hello *theirs, const struct wire_hello *ours,
                            char *ret_text, size_t size)
{
    char mine[UUID_TEXT_SIZE];
    char its[UUID_TEXT_SIZE];
    if (theirs->wire_version != ours->wire_version) {
        text_format(ret_text, size, "wire version %u was offered, version %u is spoken here",
                    theirs->wire_version, ours->wire_version);
        return ERR_WRONG_VERSION;
    }
    if (!uuid_is_zero(&theirs->cluster) && !uuid_is_zero(&ours->cluster) &&
        !uuid_equal(&theirs->cluster, &ours->cluster)) {
        text_format(ret_text, size, "belongs to cluster %s, not to %s",
                    uuid_format(&theirs->cluster, its), uuid_format(&ours->cluster, mine));
        return ERR_WRONG_CLUSTER;
    }
    return ERR_OK;
}

/* The first message decides. True: the connection is open. */
static bool take_hello(struct conn *conn, struct wire_message *message)
{
    char text[160];
    if (message->type == WIRE_REFUSED) {
        uint32_t number = message->u.refused.err;
        enum err err = number != ERR_OK && err_is_valid(number) ? (enum err)number : ERR_PROTOCOL;
        copy_text(text, sizeof text, message->u.refused.text);
        conn_end(conn, err, text);
        return false;
    }
    if (message->type != WIRE_HELLO) {
        refuse(conn, ERR_PROTOCOL, "the first message is not a hello");
        return false;
    }
    pthread_mutex_lock(&conn->transport->lock);
    enum err err =
        judge_hello(&message->u.hello, &conn->transport->hello.u.hello, text, sizeof text);
    pthread_mutex_unlock(&conn->transport->lock);
    if (err != ERR_OK) {
        refuse(conn, err, text);
        return false;
    }
    conn->state = CONN_OPEN;
    conn->reader.header_bytes_max = BOUND_FRAME_HEADER_BYTES;
    conn->reader.payload_bytes_max = conn->transport->frame_payload_bytes_max;
    struct transport_event *event = &inbox_batch_add(&conn->batch)->event;
    event->kind = TRANSPORT_OPENED;
    event->conn = conn->id;
    event->tag = conn->tag;
    event->is_dialed = conn->is_dialed;
    event->message = *message;
    memset(message, 0, sizeof *message);
    return true;
}

/* ---- messages ---- */

static void add_message(struct conn *conn, const struct wire_message *message, size_t bytes)
{
    struct inbox_item *item = inbox_batch_add(&conn->batch);
    item->conn = conn_ref(conn);
    item->bytes = bytes + sizeof *item;
    item->event.kind = TRANSPORT_MESSAGE;
    item->event.conn = conn->id;
    item->event.tag = conn->tag;
    item->event.is_dialed = conn->is_dialed;
    item->event.message = *message;
    atomic_fetch_add(&conn->inbox_bytes, item->bytes);
    atomic_fetch_add(&conn->transport->inbox_bytes, item->bytes);
}

/* Under conn.lock. Takes every whole message out of the reader and hands them over together. */
static void drain_reader(struct conn *conn)
{
    enum { BATCH_ITEMS_MAX = 64 };
    enum err err = ERR_OK;
    while (err == ERR_OK && conn->state <= CONN_OPEN) {
        struct wire_message message;
        size_t bytes = 0;
        err = frame_reader_next(&conn->reader, &message, &bytes);
        if (err != ERR_OK)
            break;
        if (conn->batch.count >= BATCH_ITEMS_MAX)
            inbox_push(&conn->transport->inbox, &conn->batch);
        if (conn->state == CONN_OPEN) {
            add_message(conn, &message, bytes);
        } else if (!take_hello(conn, &message)) {
            wire_message_release(&message);
        }
    }
    /* Before a CLOSED event, so that it stays the last one. */
    inbox_push(&conn->transport->inbox, &conn->batch);
    if (err != ERR_OK && err != ERR_NOT_READY && conn->state <= CONN_OPEN) {
        char text[96];
        text_format(text, sizeof text, "a frame that cannot be read: %s", err_text(err));
        refuse(conn, err, text);
    }
}

static bool must_pause(struct conn *conn)
{
    size_t mine = atomic_load(&conn->inbox_bytes);
    size_t total = atomic_load(&conn->transport->inbox_bytes);
    return mine > INBOX_CONN_BYTES_MAX ||
           (total > INBOX_TOTAL_BYTES_MAX && mine > INBOX_CONN_BYTES_MIN);
}

/* Under conn.lock. The flag is raised before the bytes are looked at, and conn_credit() lowers the
 * bytes before it looks at the flag: one of the two sees the other, so no pause is for ever. */
static void receive_or_pause(struct conn *conn)
{
    atomic_store(&conn->is_paused, true);
    if (must_pause(conn))
        return;
    atomic_store(&conn->is_paused, false);
    conn_receive(conn);
}

void conn_on_received(void *argument)
{
    struct conn *conn = argument;
    int result = nng_aio_result(conn->receiving);
    pthread_mutex_lock(&conn->lock);
    if (conn->state <= CONN_OPEN) {
        if (result != 0) {
            bool is_late = result == NNG_ETIMEDOUT;
            conn_end(conn, err_of_nng(result),
                     is_late ? "no hello from the peer in time" : text_of_nng(result));
        } else {
            frame_reader_received(&conn->reader, nng_aio_count(conn->receiving));
            drain_reader(conn);
        }
    }
    if (conn->state <= CONN_OPEN)
        receive_or_pause(conn);
    pthread_mutex_unlock(&conn->lock);
    transport_arrived(conn->transport);
}

void conn_credit(struct conn *conn, size_t bytes)
{
    atomic_fetch_sub(&conn->transport->inbox_bytes, bytes);
    atomic_fetch_sub(&conn->inbox_bytes, bytes);
    if (!atomic_load(&conn->is_paused))
        return;
    pthread_mutex_lock(&conn->lock);
    if (atomic_load(&conn->is_paused) && conn->state == CONN_OPEN)
        receive_or_pause(conn);
    pthread_mutex_unlock(&conn->lock);
}
