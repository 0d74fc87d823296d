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
    int held[LOCAL_PROCESSES_MAX];
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

enum cli_exit local_cluster_plan(const struct cli *cli, const char *dir,
                                 struct local_cluster *cluster)
{
    unsigned ports[LOCAL_PROCESSES_MAX];
    cluster->count = cluster->masters + cluster->nodes;
    cluster->dir = realpath(dir, NULL);
    if (cluster->dir == NULL)
        return cli_error(cli, CLI_FAILED, "cannot find %s: %s", dir, strerror(errno));
    if (!choose_ports(cluster->count, ports))
        return cli_error(cli, CLI_FAILED, "cannot find %zu free ports on 127.0.0.1",
                         cluster->count);
    make_uuid(cluster->uuid);
    cluster->master_list = cli_format("%s", "");
    for (size_t i = 0; i < cluster->count; i++) {
        struct local_process *process = &cluster->processes[i];
        bool is_node = i >= cluster->masters;
        uint32_t id = (uint32_t)(is_node ? i - cluster->masters + 1 : i + 1);
        const char *role = is_node ? "node" : "master";
        *process = (struct local_process){
            .is_node = is_node,
            .id = id,
            .dir = cli_format("%s/%s-%" PRIu32, cluster->dir, role, id),
            .log = cli_format("%s/log/%s-%" PRIu32 ".log", cluster->dir, role, id),
            .pidfd = -1,
        };
        (void)snprintf(process->address, sizeof process->address, "127.0.0.1:%u", ports[i]);
        if (!is_node) {
            char *longer =
                cli_format("%s%s%s", cluster->master_list, i > 0 ? "," : "", process->address);
            free(cluster->master_list);
            cluster->master_list = longer;
        }
    }
    return CLI_OK;
}
