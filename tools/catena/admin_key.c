/* admin key: access keys, kept by the masters. A secret is printed once, when it is made; nothing
 * else here shows one. */
#include "tools/catena/admin_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/catena/json.h"

static const char *const right_names[] = {"none", "read", "write", "owner"};

struct grants {
    struct catena_grant *items;
    size_t count;
};

/* "photos:read" */
static enum cli_exit parse_grant(const struct cli *cli, const char *text, size_t length,
                                 struct grants *grants)
{
    const char *colon = memrchr(text, ':', length);
    size_t name = colon == NULL ? 0 : (size_t)(colon - text);
    struct catena_grant grant = {.right = CATENA_RIGHT_OWNER};
    if (name == 0 || name >= sizeof grant.bucket)
        return cli_error(cli, CLI_USAGE, "\"%.*s\": BUCKET:read, :write, :owner or :none is wanted",
                         (int)length, text);
    memcpy(grant.bucket, text, name);
    for (unsigned right = 0; right < sizeof right_names / sizeof right_names[0]; right++) {
        size_t size = strlen(right_names[right]);
        if (length - name - 1 != size || memcmp(colon + 1, right_names[right], size) != 0)
            continue;
        grant.right = (enum catena_right)right;
        grants->items = cli_realloc(grants->items, (grants->count + 1) * sizeof *grants->items);
        grants->items[grants->count++] = grant;
        return CLI_OK;
    }
    return cli_error(cli, CLI_USAGE, "\"%.*s\": a right is read, write, owner or none", (int)length,
                     text);
}

/* From the option, and from the operands after the id. */
static enum cli_exit parse_grants(const struct cli *cli, const struct admin_key_options *options,
                                  struct grants *grants)
{
    const char *rest = options->grants == NULL ? "" : options->grants;
    enum cli_exit exit = CLI_OK;
    while (exit == CLI_OK && *rest != '\0') {
        size_t length = strcspn(rest, ",");
        exit = parse_grant(cli, rest, length, grants);
        rest += length + (rest[length] == ',' ? 1 : 0);
    }
    for (int i = 3; exit == CLI_OK && i < cli->operand_count; i++)
        exit = parse_grant(cli, cli->operands[i], strlen(cli->operands[i]), grants);
    return exit;
}

/* The first line of standard input. */
static enum cli_exit read_secret(const struct cli *cli, char *secret, size_t size)
{
    size_t length = 0;
    ssize_t got = 1;
    while (length < size && got > 0) {
        got = read(STDIN_FILENO, secret + length, 1);
        if (got == 1 && secret[length] == '\n')
            break;
        length += got == 1 ? 1 : 0;
    }
    if (length == size || length == 0)
        return cli_error(cli, CLI_USAGE, "--secret-stdin: a line of 8 to 128 characters is wanted");
    secret[length] = '\0';
    return CLI_OK;
}

/* `what` happened to the key. A secret that cannot be printed is lost: nobody is told to keep it.
 */
static enum cli_exit print_key(struct cli *cli, const struct catena_access_key *key,
                               const char *what, bool with_secret)
{
    if (with_secret)
        cli_done(cli,
                 "access key %s %s. The secret is lost: make another (catena admin key rotate %s) "
                 "or drop the key (catena admin key revoke %s)",
                 key->id, what, key->id, key->id);
    else
        cli_done(cli, "access key %s %s", key->id, what);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_text(&json, "access_key", key->id);
        if (with_secret)
            json_text(&json, "secret", key->secret);
        json_finish(&json);
        return CLI_OK;
    }
    (void)printf("access key: %s\n", key->id);
    if (!with_secret)
        return CLI_OK;
    (void)printf("secret: %s\n", key->secret);
    enum cli_exit exit = cli_flush(cli, CLI_OK);
    if (exit == CLI_OK)
        cli_note(cli, "keep the secret: it is not shown again");
    return exit;
}

static void print_done(struct cli *cli, const char *what)
{
    cli_done(cli, "access key %s: %s", cli->operands[2], what);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_text(&json, "access_key", cli->operands[2]);
        json_text(&json, "result", what);
        json_finish(&json);
    } else if (!cli->is_quiet) {
        (void)printf("%s: %s\n", cli->operands[2], what);
    }
}

static enum cli_exit fail(const struct cli *cli, enum catena_status status)
{
    return cli_status_error(cli, status, NULL, "admin key %s", cli->operands[1]);
}

static enum cli_exit run_create(struct cli *cli, const struct admin_key_options *options)
{
    char secret[130] = ""; /* one more than a good one may have */
    struct grants grants = {0};
    struct catena_access_key key = {0};
    enum cli_exit exit = parse_grants(cli, options, &grants);
    if (exit == CLI_OK && options->takes_secret)
        exit = read_secret(cli, secret, sizeof secret - 1);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit == CLI_OK) {
        enum catena_status status = catena_access_key_create(cli->client, cli->operands[2], secret,
                                                             grants.items, grants.count, &key);
        if (status == CATENA_OK)
            exit = print_key(cli, &key, "was made", !options->takes_secret);
        else
            exit = fail(cli, status);
    }
    explicit_bzero(secret, sizeof secret);
    catena_access_key_release(&key);
    free(grants.items);
    return exit;
}

static enum cli_exit run_rotate(struct cli *cli, const struct admin_key_options *options)
{
    struct catena_access_key key;
    enum cli_exit exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    enum catena_status status =
        catena_access_key_rotate(cli->client, cli->operands[2], options->keeps_old, &key);
    if (status != CATENA_OK)
        return fail(cli, status);
    exit = print_key(cli, &key, "was given a new secret", true);
    catena_access_key_release(&key);
    return exit;
}

static enum cli_exit run_grant(struct cli *cli, const struct admin_key_options *options)
{
    struct grants grants = {0};
    enum cli_exit exit = parse_grants(cli, options, &grants);
    if (exit == CLI_OK && grants.count == 0)
        exit = cli_error(cli, CLI_USAGE, "admin key grant: BUCKET:RIGHT is missing");
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit == CLI_OK) {
        enum catena_status status =
            catena_access_key_grant(cli->client, cli->operands[2], grants.items, grants.count);
        if (status == CATENA_OK)
            print_done(cli, "granted");
        else
            exit = fail(cli, status);
    }
    free(grants.items);
    return exit;
}

static enum cli_exit run_revoke(struct cli *cli, const struct admin_key_options *options)
{
    (void)options;
    enum cli_exit exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    enum catena_status status = catena_access_key_revoke(cli->client, cli->operands[2]);
    if (status != CATENA_OK)
        return fail(cli, status);
    print_done(cli, "revoked");
    return CLI_OK;
}

/* ---- list ---- */

static void print_line(const struct catena_access_key *key)
{
    char when[32] = "";
    time_t seconds = (time_t)(key->created_ms / 1000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) != NULL)
        (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    (void)printf("%s  %s ", when, key->id);
    for (size_t i = 0; i < key->grant_count; i++)
        (void)printf(" %s:%s", key->grants[i].bucket, right_names[key->grants[i].right]);
    (void)printf("\n");
}

static void print_json(const struct catena_access_keys *keys)
{
    struct json json;
    json_begin(&json, stdout);
    json_number(&json, "version", keys->version);
    json_array(&json, "access_keys");
    for (size_t i = 0; i < keys->count; i++) {
        const struct catena_access_key *key = &keys->items[i];
        json_object(&json, NULL);
        json_text(&json, "access_key", key->id);
        json_number(&json, "created_ms", key->created_ms);
        json_array(&json, "grants");
        for (size_t j = 0; j < key->grant_count; j++) {
            json_object(&json, NULL);
            json_text(&json, "bucket", key->grants[j].bucket);
            json_text(&json, "right", right_names[key->grants[j].right]);
            json_end(&json);
        }
        json_end(&json);
        json_end(&json);
    }
    json_finish(&json);
}

static enum cli_exit run_list(struct cli *cli, const struct admin_key_options *options)
{
    (void)options;
    struct catena_access_keys keys = {0};
    enum cli_exit exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    enum catena_status status = catena_access_keys_get(cli->client, false, 0, &keys);
    if (status != CATENA_OK)
        return fail(cli, status);
    if (cli->is_json)
        print_json(&keys);
    for (size_t i = 0; i < keys.count && !cli->is_json; i++)
        print_line(&keys.items[i]);
    catena_access_keys_release(&keys);
    return CLI_OK;
}

enum cli_exit admin_key_run(struct cli *cli, const struct admin_key_options *options)
{
    static const struct {
        const char *name;
        int operands_min;
        int operands_max;
        enum cli_exit (*run)(struct cli *cli, const struct admin_key_options *options);
    } operations[] = {
        {"create", 3, ADMIN_KEY_OPERANDS_MAX, run_create},
        {"list", 2, 2, run_list},
        {"rotate", 3, 3, run_rotate},
        {"grant", 3, ADMIN_KEY_OPERANDS_MAX, run_grant},
        {"revoke", 3, 3, run_revoke},
    };
    const char *name = cli->operand_count < 2 ? "" : cli->operands[1];
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (strcmp(operations[i].name, name) != 0)
            continue;
        if (cli->operand_count < operations[i].operands_min)
            return cli_error(cli, CLI_USAGE, "admin key %s: the access key is missing", name);
        if (cli->operand_count > operations[i].operands_max)
            return cli_error(cli, CLI_USAGE, "admin key %s: too many arguments", name);
        return operations[i].run(cli, options);
    }
    return cli_error(cli, CLI_USAGE, "admin key: create, list, rotate, grant or revoke is wanted");
}
