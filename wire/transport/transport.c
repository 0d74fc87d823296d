#include "wire/transport/transport.h"

#include "base/contract.h"
#include "wire/transport/internal.h"

static void set_hello(struct transport *transport, const struct wire_hello *hello)
{
    struct wire_message message = {.type = WIRE_HELLO, .u.hello = *hello};
    if (message.u.hello.wire_version == 0)
        message.u.hello.wire_version = WIRE_VERSION;
    wire_message_copy(&message, &transport->hello);
}

struct transport *transport_new(const struct transport_options *options)
{
    struct transport *transport = mem_calloc(1, sizeof *transport);
    inbox_init(&transport->inbox);
    transport->inbox.is_quiet = options->arrived != NULL;
    transport->arrived = options->arrived;
    transport->arrived_context = options->arrived_context;
    transport->queue_bytes_max = options->queue_bytes_max;
    transport->connections_max = options->connections_max;
    transport->frame_payload_bytes_max = options->frame_payload_bytes_max;
    transport->next_id = 1;
    map_init(&transport->conns);
    int failed = pthread_mutex_init(&transport->lock, NULL);
    INVARIANT(failed == 0);
    set_hello(transport, &options->hello);
    return transport;
}

void transport_set_hello(struct transport *transport, const struct wire_hello *hello)
{
    pthread_mutex_lock(&transport->lock);
    wire_message_release(&transport->hello);
    set_hello(transport, hello);
    pthread_mutex_unlock(&transport->lock);
}

/* ---- sending ---- */

/* With a reference, or NULL. */
static struct conn *find(struct transport *transport, uint64_t id)
{
    pthread_mutex_lock(&transport->lock);
    struct conn *conn = map_get(&transport->conns, id);
    if (conn != NULL)
        conn_ref(conn);
    pthread_mutex_unlock(&transport->lock);
    return conn;
}

bool transport_send(struct transport *transport, uint64_t id, const struct wire_message *message)
{
    struct conn *conn = find(transport, id);
    if (conn == NULL)
        return false;
    pthread_mutex_lock(&conn->lock);
    bool is_queued = conn->state == CONN_OPEN && conn_queue(conn, message);
    bool is_new_dirty = is_queued && !conn->is_dirty;
    if (is_new_dirty)
        conn->is_dirty = true;
    pthread_mutex_unlock(&conn->lock);
    if (!is_new_dirty) {
        conn_unref(conn);
        return is_queued;
    }
    conn->next_dirty = transport->dirty; /* the reference goes along */
    transport->dirty = conn;
    return true;
}

void transport_flush(struct transport *transport)
{
    while (transport->dirty != NULL) {
        struct conn *conn = transport->dirty;
        transport->dirty = conn->next_dirty;
        pthread_mutex_lock(&conn->lock);
        conn->is_dirty = false;
        conn_send(conn);
        pthread_mutex_unlock(&conn->lock);
        conn_unref(conn);
    }
}

bool transport_post(struct transport *transport, uint64_t id, const struct wire_message *message)
{
    struct conn *conn = find(transport, id);
    if (conn == NULL)
        return false;
    pthread_mutex_lock(&conn->lock);
    bool is_queued = conn->state == CONN_OPEN && conn_queue(conn, message);
    if (is_queued)
        conn_send(conn);
    pthread_mutex_unlock(&conn->lock);
    conn_unref(conn);
    return is_queued;
}

void transport_close(struct transport *transport, uint64_t id)
{
    struct conn *conn = find(transport, id);
    if (conn == NULL)
        return;
    pthread_mutex_lock(&conn->lock);
    conn_end_after_sending(conn, ERR_CANCELLED, "closed on this side");
    pthread_mutex_unlock(&conn->lock);
    conn_unref(conn);
}

/* ---- chores ---- */

static void bury_the_dead(struct transport *transport)
{
    pthread_mutex_lock(&transport->lock);
    struct conn *dead = transport->dead;
    transport->dead = NULL;
    pthread_mutex_unlock(&transport->lock);
    while (dead != NULL) {
        struct conn *next = dead->next_dead;
        conn_bury(dead);
        dead = next;
    }
}

static void free_done_dials(struct transport *transport)
{
    struct dial *done = NULL;
    pthread_mutex_lock(&transport->lock);
    for (struct dial **at = &transport->dials; *at != NULL;) {
        struct dial *dial = *at;
        if (!dial->is_done) {
            at = &dial->next;
            continue;
        }
        *at = dial->next;
        dial->next = done;
        done = dial;
    }
    pthread_mutex_unlock(&transport->lock);
    while (done != NULL) {
        struct dial *next = done->next;
        dial_free(done);
        done = next;
    }
}

/* ---- receiving ---- */

void transport_arrived(struct transport *transport)
{
    if (transport->arrived != NULL)
        transport->arrived(transport->arrived_context);
}

void transport_tend(struct transport *transport)
{
    bury_the_dead(transport);
    free_done_dials(transport);
}

void transport_sleep(struct transport *transport, uint64_t timeout_us)
{
    (void)inbox_sleep(&transport->inbox, timeout_us);
}

static void copy_event(struct transport_event *to, const struct transport_event *from)
{
    bool has_text = from->text[0] != '\0';
    memcpy(to, from, has_text ? sizeof *to : offsetof(struct transport_event, text) + 1);
}

uint32_t transport_wait(struct transport *transport, struct transport_event *events, uint32_t max,
                        uint64_t timeout_us)
{
    /* A chore may end a wait early; the caller sees that as a spurious return of 0. */
    enum inbox_result result = inbox_wait(&transport->inbox, timeout_us);
    /* Another connection may end while the first is buried; its chore must not be lost. */
    while (result == INBOX_CHORES) {
        transport_tend(transport);
        result = inbox_wait(&transport->inbox, 0);
    }
    return result == INBOX_ITEMS ? transport_take(transport, events, max) : 0;
}

uint32_t transport_take(struct transport *transport, struct transport_event *events, uint32_t max)
{
    uint32_t count = 0;
    while (count < max && inbox_look(&transport->inbox)) {
        struct inbox_item *item = inbox_take(&transport->inbox);
        copy_event(&events[count++], &item->event);
        if (item->conn != NULL) {
            conn_credit(item->conn, item->bytes);
            conn_unref(item->conn);
        }
    }
    return count;
}

void transport_wake(struct transport *transport)
{
    inbox_wake(&transport->inbox);
}

/* ---- the end ---- */

static void end_all_conns(struct transport *transport)
{
    for (;;) {
        size_t cursor = 0;
        uint64_t id;
        pthread_mutex_lock(&transport->lock);
        struct conn *conn = map_next(&transport->conns, &cursor, &id);
        if (conn != NULL)
            conn_ref(conn);
        pthread_mutex_unlock(&transport->lock);
        if (conn == NULL)
            return;
        pthread_mutex_lock(&conn->lock);
        conn_end(conn, ERR_CANCELLED, "closed on this side");
        pthread_mutex_unlock(&conn->lock);
        conn_unref(conn);
    }
}

static void empty_inbox(struct transport *transport)
{
    struct transport_event event;
    while (transport_wait(transport, &event, 1, 0) > 0)
        if (event.kind == TRANSPORT_MESSAGE || event.kind == TRANSPORT_OPENED)
            wire_message_release(&event.message);
}

void transport_free(struct transport *transport)
{
    if (transport == NULL)
        return;
    pthread_mutex_lock(&transport->lock);
    transport->is_closing = true;
    struct listener *listeners = transport->listeners;
    struct dial *dials = transport->dials;
    transport->listeners = NULL;
    transport->dials = NULL;
    pthread_mutex_unlock(&transport->lock);
    while (listeners != NULL) {
        struct listener *next = listeners->next;
        listener_free(listeners);
        listeners = next;
    }
    while (dials != NULL) {
        struct dial *next = dials->next;
        dial_free(dials);
        dials = next;
    }
    end_all_conns(transport);
    while (transport->dirty != NULL) {
        struct conn *next = transport->dirty->next_dirty;
        conn_unref(transport->dirty);
        transport->dirty = next;
    }
    bury_the_dead(transport);
    empty_inbox(transport);
    inbox_release(&transport->inbox);
    map_release(&transport->conns);
    wire_message_release(&transport->hello);
    pthread_mutex_destroy(&transport->lock);
    mem_free(transport);
}
