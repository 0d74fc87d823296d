/* admin: what an operator does to a cluster. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/catena/admin_key.h"
#include "tools/catena/cluster_view.h"
#include "tools/catena/commands.h"
#include "tools/catena/json.h"

enum {
    ADMIN_CHAINS,
    ADMIN_REPLICAS,
    ADMIN_YES,
    ADMIN_GRANT,
    ADMIN_SECRET_STDIN,
    ADMIN_KEEP_OLD,
};

static const struct cli_option options[] = {
    {"chains", 0, "NUMBER", "init: how many chains, for ever (default 64)"},
    {"replicas", 0, "NUMBER", "init: members of each chain (default 3)"},
    {"yes", 'y', NULL, "chain-restart-from: yes, writes may be lost"},
    {"grant", 0, "BUCKET:RIGHT", "key: read, write, owner or none; any number of times"},
    {"secret-stdin", 0, NULL, "key create: the secret is the first line of standard input"},
    {"keep-old", 0, NULL, "key rotate: the old secret stays valid until the next rotation"},
};

static enum cli_exit number_option(const struct cli *cli, int index, uint64_t initial,
                                   uint64_t maximum, uint32_t *ret_value)
{
    uint64_t value = initial;
    if (cli->values[index] != NULL &&
        (!cli_parse_u64(cli->values[index], maximum, &value) || value == 0))
        return cli_error(cli, CLI_USAGE, "--%s %s: a number from 1 to %" PRIu64 " is wanted",
                         options[index].name, cli->values[index], maximum);
    *ret_value = (uint32_t)value;
    return CLI_OK;
}

static enum cli_exit number_operand(const struct cli *cli, int index, const char *what,
                                    uint64_t minimum, uint32_t *ret_value)
{
    uint64_t value = 0;
    if (index >= cli->operand_count)
        return cli_error(cli, CLI_USAGE, "admin %s: the %s is missing", cli->operands[0], what);
    if (!cli_parse_u64(cli->operands[index], UINT32_MAX, &value) || value < minimum)
        return cli_error(cli, CLI_USAGE, "admin %s: %s is no %s", cli->operands[0],
                         cli->operands[index], what);
    *ret_value = (uint32_t)value;
    return CLI_OK;
}

/* What an operation names, to tell why it was refused: ids and numbers that must be there (0 and
 * false: none), or must not. */
struct named {
    uint32_t master;
    uint32_t node;
    uint32_t chain;
    bool has_chain;
    bool is_new_master; /* `master` must not be there */
    bool is_new_chains; /* there must be no chains */
};

/* To the library all that the masters refuse is CATENA_INVALID; the cluster's state tells what it
 * was, so that the exit status is the one that the same thing has elsewhere. */
static enum cli_exit exit_of_refusal(struct cli *cli, const struct named *named)
{
    struct catena_cluster *cluster = NULL;
    enum cli_exit exit = CLI_USAGE;
    if (catena_cluster_get(cli->client, &cluster) != CATENA_OK)
        return exit;
    bool has_master = named->master != 0 && view_master(cluster, named->master) != NULL;
    if ((named->is_new_master && has_master) || (named->is_new_chains && cluster->chain_count > 0))
        exit = CLI_CONDITION;
    else if ((named->master != 0 && !named->is_new_master && !has_master) ||
             (named->node != 0 && view_node(cluster, named->node) == NULL) ||
             (named->has_chain && named->chain >= cluster->chain_count))
        exit = CLI_NOT_FOUND;
    catena_cluster_free(cluster);
    return exit;
}

static enum cli_exit fail(struct cli *cli, enum catena_status status, const struct named *named)
{
    char *text = cli_format("%s", catena_error_text()); /* the next call has another */
    enum cli_exit exit = CLI_OK;
    if (status == CATENA_INVALID)
        exit = exit_of_refusal(cli, named);
    exit = exit == CLI_NOT_FOUND || exit == CLI_CONDITION
               ? cli_error(cli, exit, "admin %s: %s", cli->operands[0], text)
               : cli_status_error(cli, status, text, "admin %s", cli->operands[0]);
    free(text);
    return exit;
}

static enum cli_exit finish(struct cli *cli, enum catena_status status, struct named named)
{
    if (status != CATENA_OK)
        return fail(cli, status, &named);
    cli_done(cli, "admin %s", cli->operands[0]);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_text(&json, "operation", cli->operands[0]);
        json_text(&json, "result", "done");
        json_finish(&json);
    } else if (!cli->is_quiet) {
        (void)printf("done\n");
    }
    return CLI_OK;
}

static enum cli_exit run_init(struct cli *cli)
{
    uint32_t chains = 0;
    uint32_t replicas = 0;
    enum cli_exit exit = number_option(cli, ADMIN_CHAINS, 64, CLI_CHAINS_MAX, &chains);
    if (exit == CLI_OK)
        exit = number_option(cli, ADMIN_REPLICAS, 3, CLI_REPLICAS_MAX, &replicas);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    return finish(cli, catena_admin_init_chains(cli->client, chains, replicas),
                  (struct named){.is_new_chains = true});
}

static enum cli_exit run_master_add(struct cli *cli)
{
    uint32_t id = 0;
    enum cli_exit exit = number_operand(cli, 1, "master's id", 1, &id);
    if (exit == CLI_OK && cli->operand_count < 3)
        exit = cli_error(cli, CLI_USAGE, "admin master-add: the address (HOST:PORT) is missing");
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    return finish(cli, catena_admin_master_add(cli->client, id, cli->operands[2]),
                  (struct named){.master = id, .is_new_master = true});
}

static enum cli_exit run_on_master(struct cli *cli, const char *what, uint32_t minimum,
                                   enum catena_status (*call)(struct catena_client *, uint32_t))
{
    uint32_t id = 0;
    enum cli_exit exit = number_operand(cli, 1, what, minimum, &id);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    return exit == CLI_OK ? finish(cli, call(cli->client, id), (struct named){.master = id}) : exit;
}

static enum cli_exit run_master_remove(struct cli *cli)
{
    return run_on_master(cli, "master's id", 1, catena_admin_master_remove);
}

static enum cli_exit run_transfer_leader(struct cli *cli)
{
    return run_on_master(cli, "master's id (0 = any)", 0, catena_admin_transfer_leader);
}

static enum cli_exit run_node_remove(struct cli *cli)
{
    uint32_t node = 0;
    enum cli_exit exit = number_operand(cli, 1, "node's id", 1, &node);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    return finish(cli, catena_admin_node_remove(cli->client, node), (struct named){.node = node});
}

static enum cli_exit run_chain_restart_from(struct cli *cli)
{
    uint32_t chain = 0;
    uint32_t node = 0;
    enum cli_exit exit = number_operand(cli, 1, "chain's number", 0, &chain);
    if (exit == CLI_OK)
        exit = number_operand(cli, 2, "node's id", 1, &node);
    if (exit == CLI_OK && cli->values[ADMIN_YES] == NULL)
        exit = cli_error(cli, CLI_USAGE,
                         "admin chain-restart-from gives up the last serving set of chain %" PRIu32
                         ": writes that only its lost members had are gone for good. Wait for one "
                         "of them to return if there is any hope; otherwise say --yes",
                         chain);
    if (exit == CLI_OK)
        exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    return finish(cli, catena_admin_chain_restart_from(cli->client, chain, node),
                  (struct named){.node = node, .chain = chain, .has_chain = true});
}

/* What the masters take; NULL if `name` is none of these or `value` is in its range. */
static const char *setting_range(const char *name, uint64_t value)
{
    static const struct {
        const char *name;
        uint64_t least;
        uint64_t most;
        const char *range;
    } settings[] = {
        {"replicas", 1, CLI_REPLICAS_MAX, "not in its range, 1 to 7"},
        {"write-floor", 1, CLI_REPLICAS_MAX, "not in its range, 1 to 7"},
        {"rebalance-roles", 0, 1, "not in its range, 0 or 1"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (strcmp(name, settings[i].name) == 0 &&
            (value < settings[i].least || value > settings[i].most))
            return settings[i].range;
    return NULL;
}

static enum cli_exit run_set(struct cli *cli)
{
    uint64_t value = 0;
    if (cli->operand_count < 3 || !cli_parse_u64(cli->operands[2], UINT32_MAX, &value))
        return cli_error(cli, CLI_USAGE, "admin set: a setting and a number are wanted");
    enum cli_exit exit = cli_open(cli);
    if (exit != CLI_OK)
        return exit;
    enum catena_status status = catena_admin_set(cli->client, cli->operands[1], value);
    const char *range = setting_range(cli->operands[1], value);
    if (status == CATENA_INVALID && range != NULL)
        return cli_status_error(cli, status, range, "admin set %s %s", cli->operands[1],
                                cli->operands[2]);
    return finish(cli, status, (struct named){0});
}

static enum cli_exit run_key(struct cli *cli)
{
    const struct admin_key_options key = {
        .grants = cli->values[ADMIN_GRANT],
        .takes_secret = cli->values[ADMIN_SECRET_STDIN] != NULL,
        .keeps_old = cli->values[ADMIN_KEEP_OLD] != NULL,
    };
    return admin_key_run(cli, &key);
}

static const struct {
    const char *name;
    int operands_max;
    enum cli_exit (*run)(struct cli *cli);
} operations[] = {
    {"init", 1, run_init},
    {"master-add", 3, run_master_add},
    {"master-remove", 2, run_master_remove},
    {"transfer-leader", 2, run_transfer_leader},
    {"node-remove", 2, run_node_remove},
    {"chain-restart-from", 3, run_chain_restart_from},
    {"set", 3, run_set},
    {"key", ADMIN_KEY_OPERANDS_MAX, run_key},
    {"bucket-public", 3, admin_bucket_public_run},
};

static enum cli_exit run(struct cli *cli)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (strcmp(operations[i].name, cli->operands[0]) != 0)
            continue;
        if (cli->operand_count > operations[i].operands_max)
            return cli_error(cli, CLI_USAGE, "admin %s: too many arguments", cli->operands[0]);
        return operations[i].run(cli);
    }
    return cli_error(cli, CLI_USAGE, "admin: unknown operation \"%s\" (see catena admin --help)",
                     cli->operands[0]);
}

const struct cli_command command_admin = {
    .name = "admin",
    .operands = "OPERATION [ARGUMENT...]",
    .summary = "Administer the cluster",
    .details =
        "Operations:\n"
        "  init [--chains N] [--replicas N]   create the chains of a new cluster, once\n"
        "  master-add ID HOST:PORT            add a master (started with --join on an empty "
        "directory)\n"
        "  master-remove ID                   remove a master\n"
        "  transfer-leader ID                 let another master lead (0 = any)\n"
        "  node-remove ID                     forget a node that is down or drained\n"
        "  chain-restart-from CHAIN NODE      the last serving set is lost: restart the chain "
        "from\n"
        "                                     what NODE holds. Writes may be lost: needs --yes\n"
        "  set NAME NUMBER                    a setting: replicas (1 to 7), write-floor (1 to 7), "
        "rebalance-roles\n                                     (0 or 1)\n"
        "  key create ID [--grant BUCKET:RIGHT]...  an access key for the S3 gateway; prints its "
        "secret\n"
        "  key list | rotate ID | grant ID BUCKET:RIGHT... | revoke ID\n"
        "  bucket-public BUCKET on|off        whether everybody may read the bucket over S3\n"
        "RIGHT is read, write, owner or none; BUCKET may be * or end with *.\n"
        "Exit status 3: no such master, node, chain or access key; 4: it exists already.\n",
    .operands_min = 1,
    .operands_max = -1,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .list_options = 1u << ADMIN_GRANT,
    .run = run,
};
