/* Stores a value, reads it back, and creates an object only if there is none.
 * Build: cc example.c $(pkg-config --cflags --libs catena)
 * Run:   CATENA_MASTERS=127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103 ./a.out */
#include <catena.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    struct catena_client *client;
    if (catena_open(NULL, &client) != CATENA_OK) { /* masters from CATENA_MASTERS */
        fprintf(stderr, "%s\n", catena_error_text());
        return 1;
    }
    enum catena_status status = catena_bucket_create(client, "example");
    if (status == CATENA_OK || status == CATENA_BUCKET_EXISTS)
        status = catena_put(client, "example", "hello", 5, "world", 5, NULL, NULL);
    void *value = NULL;
    size_t length = 0;
    if (status == CATENA_OK)
        status = catena_get(client, "example", "hello", 5, NULL, &value, &length, NULL);
    if (status == CATENA_OK) {
        printf("%.*s\n", (int)length, (const char *)value);
        struct catena_op_options once = CATENA_OP_OPTIONS_INIT;
        once.condition = CATENA_IF_ABSENT;
        status = catena_put(client, "example", "lock", 4, "mine", 4, &once, NULL);
        puts(status == CATENA_OK ? "the lock is mine" : "somebody has the lock");
    }
    if (status != CATENA_OK && status != CATENA_CONDITION_FAILED)
        fprintf(stderr, "%s\n", catena_error_text());
    free(value);
    catena_close(client);
    return status == CATENA_OK || status == CATENA_CONDITION_FAILED ? 0 : 1;
}
