/* A call that comes between the engine's looks at its queue and at its events. The linker puts
 * __wrap_transport_wait in the place of transport_wait: the engine's calls pass here. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "client/include/catena.h"
#include "fake_cluster.h"
#include "tests/unit/base/suite.h"
#include "wire/transport/transport.h"

uint32_t __real_transport_wait(struct transport *transport, struct transport_event *events,
                               uint32_t max, uint64_t timeout_us);
uint32_t __wrap_transport_wait(struct transport *transport, struct transport_event *events,
                               uint32_t max, uint64_t timeout_us);

static struct catena_client *client;
static atomic_int
    stage; /* 1: at the next look a call is made; 2: it was; 3: what followed is known */
static atomic_bool was_seen;
static _Thread_local bool is_engine;
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

/* The engine's first look without a wait after stage 1 is where the call comes; the look may find
 * the wake-up and nothing else. Then the engine has to look at its queue before it waits. (The fake
 * cluster's thread always waits.) */
static uint32_t look(struct transport *transport, struct transport_event *events, uint32_t max)
{
    pthread_t thread;
    void *succeeded = NULL;
    int expected = 1;
    is_engine = true;
    if (!atomic_compare_exchange_strong(&stage, &expected, 2)) {
        expected = 2;
        if (atomic_compare_exchange_strong(&stage, &expected, 3))
            atomic_store(&was_seen, true); /* it came by way of the queue */
        return __real_transport_wait(transport, events, max, 0);
    }
    if (pthread_create(&thread, NULL, call, NULL) != 0 || pthread_join(thread, &succeeded) != 0 ||
        succeeded == NULL)
        abort();
    uint32_t count = __real_transport_wait(transport, events, max, 0);
    if (count > 0)
        atomic_store(&stage, 1); /* events came with it: that shows nothing, once more */
    return count;
}

uint32_t __wrap_transport_wait(struct transport *transport, struct transport_event *events,
                               uint32_t max, uint64_t timeout_us)
{
    int expected = 2;
    if (timeout_us == 0)
        return look(transport, events, max);
    if (is_engine)
        (void)atomic_compare_exchange_strong(&stage, &expected, 3); /* with the call in its queue */
    return __real_transport_wait(transport, events, max, timeout_us);
}

START_TEST(a_call_that_comes_while_the_engine_looks_at_its_events_is_not_slept_over)
{
    struct fake_cluster *cluster = fake_cluster_new();
    struct catena_options options = CATENA_OPTIONS_INIT;
    options.masters = fake_cluster_address(cluster);
    ck_assert_int_eq(catena_open(&options, &client), CATENA_OK);
    ck_assert_int_eq(catena_bucket_create(client, "photos"), CATENA_OK);
    atomic_store(&stage, 1);
    /* Something has to bring the engine round its loop. */
    for (int i = 0; i < 1000 && atomic_load(&stage) != 3; i++)
        (void)catena_stat(client, "photos", "other", 5, NULL, &(struct catena_info){0});
    ck_assert_int_eq(atomic_load(&stage), 3);
    ck_assert(atomic_load(&was_seen));
    pthread_mutex_lock(&mutex);
    while (atomic_load(&done) == 0)
        pthread_cond_wait(&changed, &mutex); /* the time limit of the test */
    pthread_mutex_unlock(&mutex);
    catena_close(client);
    fake_cluster_free(cluster);
}
END_TEST

SUITE_MAIN("client_wake", a_call_that_comes_while_the_engine_looks_at_its_events_is_not_slept_over)
