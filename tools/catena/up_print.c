/* up: what it prints. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/catena/up.h"

static void print_processes(const struct local_cluster *cluster, const struct catena_cluster *view)
{
    for (size_t i = 0; i < cluster->count; i++) {
        const struct local_process *process = &cluster->processes[i];
        const char *note = local_process_is_alive(process) ? "" : "  NOT RUNNING";
        if (view != NULL && process->role == LOCAL_MASTER)
            for (size_t j = 0; j < view->master_count; j++)
                if (view->masters[j].master == process->id && view->masters[j].is_leader)
                    note = "  leads";
        (void)printf("  %-7s %-3" PRIu32 " %-21s  pid %d%s\n", local_role_name(process->role),
                     process->id, process->address,
                     (int)(process->pid != 0 ? process->pid : process->supervisor), note);
    }
}

static void print_gateway(const struct up *up, const struct local_process *gateway)
{
    if (!up->has_access_key) {
        (void)printf("\nexport AWS_ENDPOINT_URL=http://%s\n"
                     "The access key %s is no longer there: see catena admin key list.\n",
                     gateway->address, up->cluster.access_key);
        return;
    }
    (void)printf("\nS3 is served too; keep this to yourself:\n\n"
                 "export AWS_ENDPOINT_URL=http://%s\n"
                 "export AWS_ACCESS_KEY_ID=%s\n"
                 "export AWS_SECRET_ACCESS_KEY=%s\n"
                 "export AWS_REGION=us-east-1\n",
                 gateway->address, up->access_key.id, up->access_key.secret);
}

static void gateway_json(struct json *json, const struct up *up,
                         const struct local_process *gateway)
{
    char *endpoint = cli_format("http://%s", gateway->address);
    json_object(json, "s3");
    json_text(json, "endpoint", endpoint);
    if (up->has_access_key) {
        json_text(json, "access_key", up->access_key.id);
        json_text(json, "secret_key", up->access_key.secret);
    }
    json_end(json);
    free(endpoint);
}

void up_print_serving(struct up *up, const struct catena_cluster *view, size_t started)
{
    const struct local_cluster *cluster = &up->cluster;
    const struct local_process *gateway =
        up->has_gateway ? local_cluster_gateway(&up->cluster) : NULL;
    cli_done(up->cli, "the cluster in %s serves", cluster->dir);
    if (up->cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_bool(&json, "serves", true);
        json_number(&json, "started", started);
        local_cluster_json(&json, cluster);
        if (gateway != NULL)
            gateway_json(&json, up, gateway);
        json_finish(&json);
        return;
    }
    struct view_health health = view_health(view);
    (void)printf("The cluster serves: %" PRIu32 " masters, %" PRIu32
                 " nodes, %zu chains of %" PRIu32 " (%zu processes started).\n",
                 cluster->masters, cluster->nodes, view->chain_count, cluster->replicas, started);
    print_processes(cluster, view);
    if (health.chains_short > 0)
        (void)printf("%zu chains are still short of a replica: see catena status.\n",
                     health.chains_short);
    (void)printf("\nexport CATENA_MASTERS=%s\n", cluster->master_list);
    if (gateway != NULL)
        print_gateway(up, gateway);
    (void)printf("\nStop it with: catena down --dir %s\n", cluster->dir);
}

enum cli_exit up_show_status(struct cli *cli, const char *dir)
{
    struct local_cluster cluster;
    enum cli_exit exit = local_cluster_read(cli, dir, &cluster);
    if (exit == CLI_NOT_FOUND)
        return cli_error(cli, exit, "there is no cluster in %s", dir);
    if (exit != CLI_OK)
        return exit;
    size_t alive = 0;
    for (size_t i = 0; i < cluster.count; i++)
        alive += local_process_is_alive(&cluster.processes[i]);
    if (cli->is_json) {
        struct json json;
        json_begin(&json, stdout);
        json_number(&json, "running", alive);
        json_number(&json, "expected", cluster.count);
        local_cluster_json(&json, &cluster);
        json_finish(&json);
    } else {
        (void)printf("%zu of %zu processes run\n", alive, cluster.count);
        print_processes(&cluster, NULL);
        (void)printf("\nexport CATENA_MASTERS=%s\n", cluster.master_list);
    }
    if (alive < cluster.count)
        exit = cli_error(cli, CLI_FAILED,
                         "%zu of %zu processes do not run; catena up --dir %s "
                         "starts them",
                         cluster.count - alive, cluster.count, cluster.dir);
    local_cluster_release(&cluster);
    return exit;
}
