/* Planning a new local cluster: identity, ports, directories. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/catena/local_cluster.h"

/* Below the range from which Linux takes the ports of outgoing connections, so that a stopped
 * cluster finds its ports free again. */
enum { PORT_FIRST = 12000, PORT_COUNT = 20000, PORT_TRIES = 400 };

static bool random_bytes(void *bytes, size_t length)
{
    return getrandom(bytes, length, 0) == (ssize_t)length;
}

static void make_uuid(char *out)
{
    unsigned char bytes[16];
    if (!random_bytes(bytes, sizeof bytes))
        abort();
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* RFC 4122, version 4 */
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    size_t at = 0;
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        (void)snprintf(out + at, 3, "%02x", bytes[i]);
        at += 2;
    }
}

/* A socket bound to that port on loopback, -1 if it is taken. */
static int bind_port(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Free ports for all, held together until the last is found so that none is given twice. */
static bool choose_ports(size_t count, unsigned *ports)
{
    int held[LOCAL_PROCESSES_MAX + LOCAL_GATEWAYS_MAX]; /* a gateway has two */
    size_t found = 0;
    for (unsigned tries = 0; found < count && tries < PORT_TRIES; tries++) {
        uint32_t draw = 0;
        if (!random_bytes(&draw, sizeof draw))
            break;
        unsigned port = PORT_FIRST + draw % PORT_COUNT;
        int fd = bind_port(port);
        if (fd < 0)
            continue;
        held[found] = fd;
        ports[found++] = port;
    }
    for (size_t i = 0; i < found; i++)
        (void)close(held[i]);
    return found == count;
}

static void plan_process(struct local_cluster *cluster, enum local_role role, uint32_t id,
                         unsigned port)
{
    struct local_process *process = &cluster->processes[cluster->count++];
    *process = (struct local_process){.role = role, .id = id, .pidfd = -1};
    local_process_place(process, cluster->dir);
    (void)snprintf(process->address, sizeof process->address, "127.0.0.1:%u", port);
}

static void plan_gateway(struct local_cluster *cluster, unsigned port, unsigned admin_port)
{
    plan_process(cluster, LOCAL_GATEWAY, 1, port);
    struct local_process *process = &cluster->processes[cluster->count - 1];
    (void)snprintf(process->admin, sizeof process->admin, "127.0.0.1:%u", admin_port);
}

enum cli_exit local_cluster_plan(const struct cli *cli, const char *dir,
                                 struct local_cluster *cluster)
{
    unsigned ports[LOCAL_PROCESSES_MAX + LOCAL_GATEWAYS_MAX];
    uint32_t servers = cluster->masters + cluster->nodes;
    size_t wanted = servers + 2 * cluster->gateways;
    cluster->count = 0;
    cluster->dir = realpath(dir, NULL);
    if (cluster->dir == NULL)
        return cli_error(cli, CLI_FAILED, "cannot find %s: %s", dir, strerror(errno));
    if (!choose_ports(wanted, ports))
        return cli_error(cli, CLI_FAILED, "cannot find %zu free ports on 127.0.0.1", wanted);
    make_uuid(cluster->uuid);
    cluster->master_list = cli_format("%s", "");
    for (uint32_t i = 0; i < servers; i++) {
        bool is_node = i >= cluster->masters;
        plan_process(cluster, is_node ? LOCAL_NODE : LOCAL_MASTER,
                     is_node ? i - cluster->masters + 1 : i + 1, ports[i]);
        if (is_node)
            continue;
        char *longer = cli_format("%s%s%s", cluster->master_list, i > 0 ? "," : "",
                                  cluster->processes[i].address);
        free(cluster->master_list);
        cluster->master_list = longer;
    }
    if (cluster->gateways > 0)
        plan_gateway(cluster, ports[servers], ports[servers + 1]);
    return CLI_OK;
}

enum cli_exit local_cluster_add_gateway(const struct cli *cli, struct local_cluster *cluster)
{
    unsigned ports[2];
    if (!choose_ports(2, ports))
        return cli_error(cli, CLI_FAILED, "cannot find 2 free ports on 127.0.0.1");
    cluster->gateways = 1;
    plan_gateway(cluster, ports[0], ports[1]);
    return CLI_OK;
}
