/* The ledger on paper. A line of a file: what TAB row TAB column TAB role TAB count; lines of the
 * same cell add up, so a file may be appended to by many runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/contract.h"
#include "tests/sim/ledger.h"

enum { LINE_BYTES = 256, FIELDS = 5 };

static const char *const operation_names[LEDGER_OPERATIONS] = {
    [LEDGER_GET] = "get",
    [LEDGER_STAT] = "stat",
    [LEDGER_CHUNK] = "chunk",
    [LEDGER_LIST] = "list",
    [LEDGER_PUT] = "put",
    [LEDGER_PUT_CONDITION] = "put if",
    [LEDGER_PUT_CHUNKS] = "put chunked",
    [LEDGER_DELETE] = "delete",
    [LEDGER_DELETE_CONDITION] = "delete if",
    [LEDGER_STAGE] = "stage",
    [LEDGER_ABORT] = "abort",
    [LEDGER_OPEN] = "multi open",
    [LEDGER_PART] = "multi part",
    [LEDGER_COMPLETE] = "multi complete",
    [LEDGER_CLOSE] = "multi abort",
    [LEDGER_RESTAMP] = "restamp",
    [LEDGER_PUT_TOKEN] = "put with token",
    [LEDGER_LIST_UPLOADS] = "list uploads",
    [LEDGER_PARTS_LIST] = "list parts",
    [LEDGER_BUCKET_CREATE] = "bucket create",
    [LEDGER_BUCKET_DELETE] = "bucket delete",
};

static const char *const fault_names[LEDGER_FAULTS] = {
#define X(name, text) #name,
    LEDGER_FAULTS_LIST(X)
#undef X
};

bool ledger_append(const struct ledger *ledger, const char *path)
{
    FILE *file = fopen(path, "a");
    if (file == NULL)
        return false;
    (void)fprintf(file, "worlds\t-\t-\t-\t%llu\n", (unsigned long long)ledger->worlds);
    (void)fprintf(file, "seconds\t-\t-\t-\t%llu\n",
                  (unsigned long long)(ledger->simulated_us / 1000000));
    for (unsigned o = 0; o < LEDGER_OPERATIONS; o++) {
        for (unsigned f = 0; f < LEDGER_FAULTS; f++) {
            for (unsigned r = 0; r < LEDGER_ROLES; r++) {
                if (ledger->cells[o][f][r] > 0)
                    (void)fprintf(file, "cell\t%s\t%s\t%s\t%llu\n", operation_names[o],
                                  fault_names[f], ledger_role_name((enum ledger_role)r),
                                  (unsigned long long)ledger->cells[o][f][r]);
            }
        }
    }
    for (unsigned k = 0; kill_point_name(k) != NULL; k++) {
        for (unsigned r = 0; r < LEDGER_ROLES; r++) {
            if (ledger->kills[k][r] > 0)
                (void)fprintf(file, "kill\t%s\t-\t%s\t%llu\n", kill_point_name(k),
                              ledger_role_name((enum ledger_role)r),
                              (unsigned long long)ledger->kills[k][r]);
        }
    }
    return fclose(file) == 0;
}

static unsigned find(const char *const *names, unsigned count, const char *name)
{
    unsigned i = 0;
    while (i < count && strcmp(names[i], name) != 0)
        i++;
    return i;
}

static void add_cell(struct ledger *ledger, char *const *fields, uint64_t count)
{
    unsigned role = 0;
    while (role < LEDGER_ROLES && strcmp(ledger_role_name((enum ledger_role)role), fields[3]) != 0)
        role++;
    if (strcmp(fields[0], "worlds") == 0) {
        ledger->worlds += count;
    } else if (strcmp(fields[0], "seconds") == 0) {
        ledger->simulated_us += count * 1000000;
    } else if (strcmp(fields[0], "cell") == 0) {
        unsigned operation = find(operation_names, LEDGER_OPERATIONS, fields[1]);
        unsigned fault = find(fault_names, LEDGER_FAULTS, fields[2]);
        /* What an older program counted and this one does not know is left out. */
        if (operation < LEDGER_OPERATIONS && fault < LEDGER_FAULTS && role < LEDGER_ROLES)
            ledger->cells[operation][fault][role] += count;
    } else if (strcmp(fields[0], "kill") == 0) {
        unsigned point = 0;
        while (kill_point_name(point) != NULL && strcmp(kill_point_name(point), fields[1]) != 0)
            point++;
        if (kill_point_name(point) != NULL && role < LEDGER_ROLES)
            ledger->kills[point][role] += count;
    }
}

bool ledger_add_file(struct ledger *ledger, const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    char line[LINE_BYTES];
    bool good = true;
    while (good && fgets(line, sizeof line, file) != NULL) {
        char *fields[FIELDS] = {line};
        unsigned count = 1;
        line[strcspn(line, "\n")] = '\0';
        for (char *at = line; *at != '\0' && count < FIELDS; at++) {
            if (*at != '\t')
                continue;
            *at = '\0';
            fields[count++] = at + 1;
        }
        good = count == FIELDS;
        if (good)
            add_cell(ledger, fields, strtoull(fields[FIELDS - 1], NULL, 10));
    }
    (void)fclose(file);
    return good;
}

/* Roles that a fault's victim can have. */
static bool is_possible(enum ledger_fault fault, enum ledger_role role)
{
    bool is_of_node = role <= LEDGER_OUTSIDE;
    bool is_of_master = role == LEDGER_LEADER || role == LEDGER_FOLLOWER;
    switch (fault) {
    case LEDGER_FAULT_KILL_MASTER:
    case LEDGER_FAULT_LOSE_MASTER:
    case LEDGER_FAULT_MASTERS:
    case LEDGER_FAULT_TRANSFER:
        return is_of_master;
    case LEDGER_FAULT_POWER_CUT:
    case LEDGER_FAULT_SPLIT:
    case LEDGER_FAULT_STORM:
    case LEDGER_FAULT_ROLES:
    case LEDGER_FAULT_REPLAY:
        return role == LEDGER_ALL;
    case LEDGER_FAULT_BREAK:
    case LEDGER_FAULT_PAUSE:
    case LEDGER_FAULT_PAUSE_IN_BATCH:
    case LEDGER_FAULT_DRIFT:
        return role != LEDGER_ALL;
    case LEDGER_FAULT_ISOLATE:
    case LEDGER_FAULT_KILL_POINT:
        return is_of_node || is_of_master;
    case LEDGER_FAULT_LOSE_DISK:
    case LEDGER_FAULT_RESTORE_DISK:
    case LEDGER_FAULT_FSYNC:
    case LEDGER_FAULT_SWAP_DISKS:
    case LEDGER_FAULT_REPLACE_NODE:
        /* Only while every chain is whole. */
        return is_of_node && role != LEDGER_SINGLE && role != LEDGER_JOINER;
    case LEDGER_FAULT_KILL_WORKER:
    case LEDGER_FAULT_KILL_HOST:
    case LEDGER_FAULT_CUT_LINK:
    case LEDGER_FAULT_CUT_ONE_WAY:
    case LEDGER_FAULT_CLOG:
    case LEDGER_FAULT_SLOW_DISK:
    case LEDGER_FAULT_DISK_FULL:
        return is_of_node;
    case LEDGER_FAULTS:
        break;
    }
    return false;
}

static void print_cells(const struct ledger *ledger)
{
    unsigned possible = 0;
    unsigned hit = 0;
    (void)printf("| fault | role of its victim |");
    for (unsigned o = 0; o < LEDGER_OPERATIONS; o++)
        (void)printf(" %s |", operation_names[o]);
    (void)printf("\n|---|---|");
    for (unsigned o = 0; o < LEDGER_OPERATIONS; o++)
        (void)printf("---|");
    (void)printf("\n");
    for (unsigned f = 0; f < LEDGER_FAULTS; f++) {
        for (unsigned r = 0; r < LEDGER_ROLES; r++) {
            if (!is_possible((enum ledger_fault)f, (enum ledger_role)r))
                continue;
            (void)printf("| %s | %s |", ledger_fault_text((enum ledger_fault)f),
                         ledger_role_name((enum ledger_role)r));
            for (unsigned o = 0; o < LEDGER_OPERATIONS; o++) {
                uint64_t count = ledger->cells[o][f][r];
                possible++;
                hit += count > 0 ? 1u : 0u;
                if (count > 0)
                    (void)printf(" %llu |", (unsigned long long)count);
                else
                    (void)printf(" **hole** |");
            }
            (void)printf("\n");
        }
    }
    (void)printf("\n%u of %u cells hit.\n\n", hit, possible);
}

static void print_kills(const struct ledger *ledger, bool of_masters)
{
    static const enum ledger_role nodes[] = {LEDGER_HEAD, LEDGER_MIDDLE, LEDGER_TAIL, LEDGER_SINGLE,
                                             LEDGER_JOINER};
    static const enum ledger_role masters[] = {LEDGER_LEADER, LEDGER_FOLLOWER};
    const enum ledger_role *roles = of_masters ? masters : nodes;
    unsigned roles_count = of_masters ? 2 : 5;
    unsigned possible = 0;
    unsigned hit = 0;
    (void)printf("| a process dies when a |");
    for (unsigned i = 0; i < roles_count; i++)
        (void)printf(" %s |", ledger_role_name(roles[i]));
    (void)printf("\n|---|%s\n", of_masters ? "---|---|" : "---|---|---|---|---|");
    for (unsigned k = 0; kill_point_name(k) != NULL; k++) {
        if (kill_point_is_of_master(k) != of_masters)
            continue;
        (void)printf("| %s |", kill_point_name(k));
        for (unsigned i = 0; i < roles_count; i++) {
            uint64_t count = ledger->kills[k][roles[i]];
            bool is_one = count > 0 || kill_point_is_possible(k, roles[i]);
            possible += is_one ? 1u : 0u;
            hit += count > 0 ? 1u : 0u;
            if (count > 0)
                (void)printf(" %llu |", (unsigned long long)count);
            else
                (void)printf(is_one ? " **hole** |" : " |");
        }
        (void)printf("\n");
    }
    (void)printf("\n%u of %u cells hit.\n\n", hit, possible);
}

void ledger_print(const struct ledger *ledger)
{
    (void)printf("%llu worlds, %llu simulated seconds. An empty cell cannot happen; a hole can and "
                 "did not.\n\n",
                 (unsigned long long)ledger->worlds,
                 (unsigned long long)(ledger->simulated_us / 1000000));
    print_cells(ledger);
    print_kills(ledger, false);
    print_kills(ledger, true);
}
