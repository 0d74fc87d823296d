/* A call that comes while another thread is the engine and has looked at the queue for the last
 * time. The linker puts __wrap_transport_take in the place of transport_take, with which the engine
 * looks at its events after the queue, and likewise for what the client's own thread sleeps in. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "client/io/client.h"
#include "fake_cluster.h"
#include "tests/unit/base/suite.h"
#include "wire/transport/transport.h"

uint32_t __real_transport_take(struct transport *transport, struct transport_event *events,
                               uint32_t max);
uint32_t __wrap_transport_take(struct transport *transport, struct transport_event *events,
                               uint32_t max);
void __real_transport_sleep(struct transport *transport, uint64_t timeout_us);
void __wrap_transport_sleep(struct transport *transport, uint64_t timeout_us);

static struct catena_client *client;
static _Thread_local bool is_own;  /* the client's own thread, after its first sleep */
static _Thread_local bool is_left; /* a call came since this thread looked at the queue */
static atomic_bool is_wanted;
static atomic_bool was_looked_for;
static atomic_bool was_slept_over;
static atomic_uint made;
static atomic_uint done;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void on_done(void *context, const struct catena_result *result)
{
    (void)context;
    (void)result;
    pthread_mutex_lock(&mutex);
    atomic_fetch_add(&done, 1);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

static void *call(void *context)
{
    enum catena_status status = catena_stat_async(client, "photos", "k", 1, NULL, on_done, context);
    return status == CATENA_OK ? client : NULL;
}

/* The call is made now: the queue was looked at, and this look finds nothing. */
static void make_call(void)
{
    pthread_t thread;
    void *succeeded = NULL;
    if (pthread_create(&thread, NULL, call, NULL) != 0 || pthread_join(thread, &succeeded) != 0 ||
        succeeded == NULL)
        abort();
    atomic_fetch_add(&made, 1);
}

uint32_t __wrap_transport_take(struct transport *transport, struct transport_event *events,
                               uint32_t max)
{
    if (is_left)
        atomic_store(&was_looked_for, true);
    is_left = false;
    uint32_t count = __real_transport_take(transport, events, max);
    if (is_own && count == 0 && atomic_exchange(&is_wanted, false)) {
        make_call();
        is_left = true;
    }
    return count;
}

void __wrap_transport_sleep(struct transport *transport, uint64_t timeout_us)
{
    if (is_left)
        atomic_store(&was_slept_over, true);
    is_left = false;
    is_own = true;
    __real_transport_sleep(transport, timeout_us);
}

static struct fake_cluster *open_client(void)
{
    struct fake_cluster *cluster = fake_cluster_new();
    struct catena_options options = CATENA_OPTIONS_INIT;
    options.masters = fake_cluster_address(cluster);
    ck_assert_int_eq(catena_open(&options, &client), CATENA_OK);
    return cluster;
}

START_TEST(a_call_that_comes_while_another_thread_is_the_engine_is_not_left_behind)
{
    struct fake_cluster *cluster = open_client();
    ck_assert_int_eq(catena_bucket_create(client, "photos"), CATENA_OK);
    atomic_store(&is_wanted, true);
    while (!atomic_load(&was_looked_for) && !atomic_load(&was_slept_over)) {
        transport_wake(client->transport);
        (void)catena_stat(client, "photos", "other", 5, NULL, &(struct catena_info){0});
    }
    ck_assert(!atomic_load(&was_slept_over));
    pthread_mutex_lock(&mutex);
    while (atomic_load(&done) < atomic_load(&made))
        pthread_cond_wait(&changed, &mutex); /* the time limit of the test */
    pthread_mutex_unlock(&mutex);
    catena_close(client);
    fake_cluster_free(cluster);
}
END_TEST

static pthread_t ended_by;

static void on_end(struct call *call, const struct call_end *end)
{
    (void)call;
    (void)end;
    ended_by = pthread_self();
    on_done(NULL, NULL);
}

START_TEST(a_call_that_ends_at_once_is_not_ended_inside_the_call_that_started_it)
{
    struct fake_cluster *cluster = open_client();
    for (int i = 0; i < 100; i++) {
        struct call call = {.done = on_end};
        call.submit.kind = CL_OP_MAP; /* the map is there */
        call.submit.deadline_us = UINT64_MAX;
        atomic_store(&done, 0);
        /* What its end wants to lock may be locked by whoever starts it. */
        pthread_mutex_lock(&mutex);
        call_start(client, &call);
        while (atomic_load(&done) == 0)
            pthread_cond_wait(&changed, &mutex);
        pthread_mutex_unlock(&mutex);
        ck_assert(!pthread_equal(ended_by, pthread_self()));
    }
    catena_close(client);
    fake_cluster_free(cluster);
}
END_TEST

SUITE_MAIN("client_wake", a_call_that_comes_while_another_thread_is_the_engine_is_not_left_behind,
           a_call_that_ends_at_once_is_not_ended_inside_the_call_that_started_it)
