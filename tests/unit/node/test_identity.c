#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io/identity.h"
#include "tests/unit/node/temp_dir.h"

static char root[64];
static char directory[128];
static char text[512];
static const struct uuid any = {{0}};
static struct uuid cluster_a;
static struct uuid cluster_b;

static void setup(void)
{
    (void)snprintf(root, sizeof root, "/tmp/catena_identity_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    (void)snprintf(directory, sizeof directory, "%s/node", root);
    memset(cluster_a.bytes, 0xaa, sizeof cluster_a.bytes);
    memset(cluster_b.bytes, 0xbb, sizeof cluster_b.bytes);
    text[0] = '\0';
}

static void teardown(void)
{
    temp_dir_remove(root);
}

static struct identity *open_good(uint32_t node, const struct uuid *cluster)
{
    struct identity *identity = NULL;
    enum err err = identity_open(directory, "node", node, cluster, &identity, text, sizeof text);
    ck_assert_msg(err == ERR_OK, "%s: %s", err_name(err), text);
    return identity;
}

static void assert_refused(uint32_t node, const struct uuid *cluster, enum err expected,
                           const char *says)
{
    struct identity *identity = NULL;
    enum err err = identity_open(directory, "node", node, cluster, &identity, text, sizeof text);
    ck_assert_str_eq(err_name(err), err_name(expected));
    ck_assert_ptr_null(identity);
    ck_assert_msg(strstr(text, says) != NULL, "\"%s\" lacks \"%s\"", text, says);
}

/* One whole start; returns the incarnation. */
static uint64_t start_once(uint32_t node, const struct uuid *cluster, uint64_t wall_ms)
{
    struct identity *identity = open_good(node, cluster);
    ck_assert_int_eq(identity_start(identity, wall_ms, text, sizeof text), ERR_OK);
    uint64_t incarnation = identity->incarnation;
    identity_close(identity);
    return incarnation;
}

static void write_file(const char *name, const char *content)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    (void)fputs(content, file);
    (void)fclose(file);
}

START_TEST(incarnation_grows_with_each_start_and_the_rest_stays)
{
    struct identity *identity = open_good(3, &cluster_a);
    ck_assert_int_eq(identity_start(identity, 1000, text, sizeof text), ERR_OK);
    struct uuid disk = identity->disk;
    ck_assert(!uuid_is_zero(&disk));
    ck_assert_uint_eq(identity->incarnation, 1000);
    identity_close(identity);
    /* A clock that went back does not take the incarnation with it. */
    ck_assert_uint_eq(start_once(3, &any, 5), 1001);
    identity = open_good(3, &cluster_a);
    ck_assert(uuid_equal(&identity->cluster, &cluster_a));
    ck_assert(uuid_equal(&identity->disk, &disk));
    ck_assert_int_eq(identity_start(identity, 9999999, text, sizeof text), ERR_OK);
    ck_assert_uint_eq(identity->incarnation, 1002);
    identity_close(identity);
}
END_TEST

START_TEST(open_without_start_uses_up_nothing)
{
    (void)start_once(3, &cluster_a, 1000);
    identity_close(open_good(3, &any));
    ck_assert_uint_eq(start_once(3, &any, 0), 1001);
}
END_TEST

START_TEST(unknown_cluster_is_adopted_and_kept)
{
    struct identity *identity = open_good(3, &any);
    ck_assert(uuid_is_zero(&identity->cluster));
    identity_adopt(identity, &cluster_b);
    ck_assert_int_eq(identity_start(identity, 1, text, sizeof text), ERR_OK);
    identity_close(identity);
    assert_refused(3, &cluster_a, ERR_NOT_OURS, "belongs to cluster bbbbbbbb-");
}
END_TEST

START_TEST(another_node_is_refused)
{
    (void)start_once(3, &cluster_a, 1);
    assert_refused(4, &any, ERR_NOT_OURS, "belongs to node 3, not to node 4");
}
END_TEST

START_TEST(another_cluster_is_refused)
{
    (void)start_once(3, &cluster_a, 1);
    assert_refused(3, &cluster_b, ERR_NOT_OURS, "belongs to cluster aaaaaaaa-");
}
END_TEST

START_TEST(a_master_directory_is_refused)
{
    ck_assert_int_eq(mkdir(directory, 0755), 0);
    write_file("identity", "format=1\nrole=master\nid=1\n");
    assert_refused(3, &any, ERR_NOT_OURS, "belongs to a master");
}
END_TEST

START_TEST(a_foreign_directory_is_refused_and_left_alone)
{
    ck_assert_int_eq(mkdir(directory, 0755), 0);
    write_file("thesis.txt", "years of work\n");
    assert_refused(3, &any, ERR_NOT_OURS, "thesis.txt");
    char path[200];
    (void)snprintf(path, sizeof path, "%s/catena.lock", directory);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_start_that_died_early_leaves_a_usable_directory)
{
    ck_assert_int_eq(mkdir(directory, 0755), 0);
    write_file("catena.lock", "");
    write_file("identity.new", "form");
    ck_assert_uint_eq(start_once(3, &cluster_a, 77), 77);
}
END_TEST

START_TEST(a_damaged_identity_is_refused)
{
    static const char *const damaged[] = {
        "", "format=1\nrole=node\nid=3\n",
        "format=1\nrole=node\nid=3\ncluster=zz\ndisk=zz\nincarnation=1\n",
        "format=1\nrole=node\nid=3\nincarnation=x\n", "\x7f\x45\x4c\x46"};
    ck_assert_int_eq(mkdir(directory, 0755), 0);
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        write_file("identity", damaged[i]);
        assert_refused(3, &any, ERR_CORRUPT, "is damaged");
    }
}
END_TEST

START_TEST(a_later_format_is_refused)
{
    ck_assert_int_eq(mkdir(directory, 0755), 0);
    write_file("identity",
               "format=2\nrole=node\nid=3\ncluster=aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa\n"
               "disk=aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa\nincarnation=1\n");
    assert_refused(3, &any, ERR_NOT_OURS, "another version");
}
END_TEST

START_TEST(a_second_process_is_kept_out_until_the_first_is_dead)
{
    int ready[2];
    int go[2];
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(go), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct identity *identity = NULL;
        if (identity_open(directory, "node", 3, &cluster_a, &identity, text, sizeof text) != ERR_OK)
            _exit(1);
        char byte = 1;
        (void)!write(ready[1], &byte, 1);
        (void)!read(go[0], &byte, 1);
        _exit(0); /* without closing: as a kill */
    }
    char byte = 0;
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    assert_refused(3, &cluster_a, ERR_DUPLICATE_ID, "in use by");
    ck_assert_int_eq(write(go[1], &byte, 1), 1);
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    (void)start_once(3, &cluster_a, 1);
}
END_TEST

START_TEST(a_file_in_place_of_the_directory_is_an_error)
{
    int fd = open(directory, O_CREAT | O_WRONLY, 0644);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    assert_refused(3, &any, ERR_EXISTS, "cannot make the directory");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("identity");
    TCase *tcase = tcase_create("identity");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, incarnation_grows_with_each_start_and_the_rest_stays);
    tcase_add_test(tcase, open_without_start_uses_up_nothing);
    tcase_add_test(tcase, unknown_cluster_is_adopted_and_kept);
    tcase_add_test(tcase, another_node_is_refused);
    tcase_add_test(tcase, another_cluster_is_refused);
    tcase_add_test(tcase, a_master_directory_is_refused);
    tcase_add_test(tcase, a_foreign_directory_is_refused_and_left_alone);
    tcase_add_test(tcase, a_start_that_died_early_leaves_a_usable_directory);
    tcase_add_test(tcase, a_damaged_identity_is_refused);
    tcase_add_test(tcase, a_later_format_is_refused);
    tcase_add_test(tcase, a_second_process_is_kept_out_until_the_first_is_dead);
    tcase_add_test(tcase, a_file_in_place_of_the_directory_is_an_error);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
