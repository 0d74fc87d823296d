/* catena_open and catena_close. */
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "client/io/client.h"

enum {
    DEFAULT_TIMEOUT_MS = 30000,
    DEFAULT_WINDOW_BYTES = 8 * 1024 * 1024,
    DEFAULT_REQUESTS_MAX = 1024,
    ADDRESSES_MAX = 16,
};

static void free_addresses(struct catena_client *client)
{
    for (uint32_t i = 0; i < client->addresses_count; i++)
        mem_free(client->addresses[i]);
    mem_free(client->addresses);
}

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\n';
}

/* "host:port": a host, a colon, and a number of 1 to 65535. */
static bool address_is_valid(const char *address)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address || strlen(address) > BOUND_ADDRESS_BYTES)
        return false;
    unsigned long port = 0;
    for (const char *digit = colon + 1; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9' || port > 65535)
            return false;
        port = port * 10 + (unsigned long)(*digit - '0');
    }
    return port >= 1 && port <= 65535;
}

static enum catena_status parse_addresses(struct catena_client *client, const char *list)
{
    client->addresses = mem_calloc(ADDRESSES_MAX, sizeof *client->addresses);
    const char *cursor = list;
    while (*cursor != '\0') {
        while (is_separator(*cursor))
            cursor++;
        size_t length = 0;
        while (cursor[length] != '\0' && !is_separator(cursor[length]))
            length++;
        if (length == 0)
            break;
        if (client->addresses_count == ADDRESSES_MAX)
            return fail_text(CATENA_INVALID, "more than %d masters are listed", ADDRESSES_MAX);
        char *address = mem_alloc(length + 1);
        memcpy(address, cursor, length);
        address[length] = '\0';
        client->addresses[client->addresses_count++] = address;
        if (!address_is_valid(address))
            return fail_text(CATENA_INVALID, "\"%s\" is not the address of a master (host:port)",
                             address);
        cursor += length;
    }
    if (client->addresses_count == 0)
        return fail_text(CATENA_INVALID, "the list of masters is empty");
    return CATENA_OK;
}

static enum catena_status configure(struct catena_client *client,
                                    const struct catena_options *options)
{
    struct catena_options defaults = CATENA_OPTIONS_INIT;
    if (options == NULL)
        options = &defaults;
    if (options->struct_size != sizeof *options)
        return fail_text(CATENA_INVALID,
                         "begin options with CATENA_OPTIONS_INIT (struct_size is %zu)",
                         options->struct_size);
    client->timeout_ms = options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : options->timeout_ms;
    client->window_bytes =
        options->window_bytes == 0 ? DEFAULT_WINDOW_BYTES : options->window_bytes;
    client->requests_max =
        options->requests_max == 0 ? DEFAULT_REQUESTS_MAX : options->requests_max;
    client->round_ended = options->round_ended;
    client->round_context = options->round_context;
    const char *masters = options->masters != NULL ? options->masters : getenv("CATENA_MASTERS");
    if (masters == NULL)
        return fail_text(CATENA_INVALID,
                         "no masters: give their addresses or set CATENA_MASTERS to "
                         "\"host:port,host:port\"");
    return parse_addresses(client, masters);
}

static struct catena_client *client_new(void)
{
    struct catena_client *client = mem_calloc(1, sizeof *client);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&client->mutex, NULL);
    pthread_mutex_init(&client->engine, NULL);
    pthread_cond_init(&client->slots_freed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    list_init(&client->queue);
    client->next_number = 1;
    return client;
}

static void client_free(struct catena_client *client)
{
    free_addresses(client);
    mem_free(client->cancels);
    pthread_cond_destroy(&client->slots_freed);
    pthread_mutex_destroy(&client->engine);
    pthread_mutex_destroy(&client->mutex);
    mem_free(client);
}

static enum catena_status wait_for_map(struct catena_client *client)
{
    struct wait wait;
    wait_init(&wait, client);
    wait.call.submit.kind = CL_OP_MAP;
    wait.call.submit.deadline_us = deadline_after(client, 0);
    return wait_finish(&wait);
}

enum catena_status catena_open(const struct catena_options *options,
                               struct catena_client **ret_client)
{
    if (ret_client == NULL)
        return fail_text(CATENA_INVALID, "ret_client is NULL");
    struct catena_client *client = client_new();
    enum catena_status status = configure(client, options);
    if (status == CATENA_OK && engine_start(client) != ERR_OK)
        status = fail_text(CATENA_INTERNAL, "the library's thread or transport could not be "
                                            "started; is there memory left?");
    if (status != CATENA_OK) {
        client_free(client);
        return status;
    }
    status = wait_for_map(client);
    if (status != CATENA_OK) {
        char text[CL_TEXT_BYTES]; /* closing must not replace it */
        (void)text_format(text, sizeof text, "%s", catena_error_text());
        engine_stop(client);
        client_free(client);
        return fail_text(status, "%s", text);
    }
    *ret_client = client;
    return succeed();
}

void catena_close(struct catena_client *client)
{
    if (client == NULL)
        return;
    PRE(!engine_is_this_thread(client));
    engine_stop(client);
    client_free(client);
}
