/* Records of access keys: canonical, and nothing from outside gets past the checks. */
#include <check.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/prng.h"
#include "wire/access_key.h"

static struct wire_access_key some_key(void)
{
    struct wire_access_key key = {.id = slice_of_text("AKIA-1"),
                                  .secret = slice_of_text("secret-of-the-first"),
                                  .old_secret = slice_of_text("the-one-before"),
                                  .created_ms = 1234567890123};
    key.grants[0] = (struct wire_grant){slice_of_text("*"), WIRE_RIGHT_READ};
    key.grants[1] = (struct wire_grant){slice_of_text("logs-*"), WIRE_RIGHT_WRITE};
    key.grants[2] = (struct wire_grant){slice_of_text("photos"), WIRE_RIGHT_OWNER};
    key.grant_count = 3;
    return key;
}

static struct buf *bytes_of(const struct wire_access_key *key)
{
    struct buf *bytes = buf_new(wire_access_key_size(key));
    ck_assert_ptr_eq(wire_access_key_put(key, bytes->data), bytes->data + bytes->length);
    return bytes;
}

START_TEST(a_record_is_read_as_it_was_written)
{
    struct wire_access_key key = some_key();
    struct wire_access_key read;
    struct buf *bytes = bytes_of(&key);
    ck_assert(wire_access_key_read(buf_slice(bytes), &read));
    ck_assert(slice_equal(read.id, key.id));
    ck_assert(slice_equal(read.secret, key.secret));
    ck_assert(slice_equal(read.old_secret, key.old_secret));
    ck_assert_uint_eq(read.created_ms, key.created_ms);
    ck_assert_uint_eq(read.grant_count, 3);
    ck_assert(slice_equal(read.grants[1].bucket, slice_of_text("logs-*")));
    ck_assert_int_eq(read.grants[2].right, WIRE_RIGHT_OWNER);
    buf_unref(bytes);
}
END_TEST

START_TEST(the_longest_record_fits_a_command)
{
    static char names[BOUND_GRANTS][BOUND_GRANT_BUCKET_BYTES + 1];
    static char longest[BOUND_SECRET_MAX + 1];
    memset(longest, 'x', BOUND_SECRET_MAX);
    struct wire_access_key key = {.id = slice_of_text(longest),
                                  .secret = slice_of_text(longest),
                                  .old_secret = slice_of_text(longest)};
    for (unsigned i = 0; i < BOUND_GRANTS; i++) {
        memset(names[i], 'b', BOUND_GRANT_BUCKET_BYTES - 1);
        names[i][0] = (char)('a' + i / 10);
        names[i][1] = (char)('a' + i % 10);
        names[i][BOUND_GRANT_BUCKET_BYTES - 1] = '*';
        struct wire_grant grant = {slice_of_text(names[i]), WIRE_RIGHT_READ};
        ck_assert(wire_grant_set(&key, &grant));
    }
    struct wire_access_key read;
    struct buf *bytes = bytes_of(&key);
    ck_assert_uint_lt(bytes->length, 8192);
    ck_assert(wire_access_key_read(buf_slice(bytes), &read));
    struct wire_grant one_more = {slice_of_text("zzz"), WIRE_RIGHT_READ};
    ck_assert(!wire_grant_set(&key, &one_more));
    ck_assert(!wire_grants_merge(&read, &one_more, 1));
    buf_unref(bytes);
}
END_TEST

START_TEST(cut_records_and_longer_ones_are_refused)
{
    struct wire_access_key key = some_key();
    struct wire_access_key read;
    struct buf *bytes = bytes_of(&key);
    for (size_t length = 0; length < bytes->length; length++) {
        struct buf *cut = buf_copy(slice_of(bytes->data, length)); /* of exact size */
        ck_assert(!wire_access_key_read(buf_slice(cut), &read));
        buf_unref(cut);
    }
    struct buf *twice = buf_new(bytes->length * 2);
    memcpy(twice->data, bytes->data, bytes->length);
    memcpy(twice->data + bytes->length, bytes->data, bytes->length);
    ck_assert(!wire_access_key_read(buf_slice(twice), &read));
    struct slice rest = buf_slice(twice);
    ck_assert(wire_access_key_take(&rest, &read) && wire_access_key_take(&rest, &read));
    ck_assert_uint_eq(rest.length, 0);
    buf_unref(twice);
    buf_unref(bytes);
}
END_TEST

START_TEST(what_is_read_from_garbage_is_written_back_the_same)
{
    struct prng prng;
    prng_init(&prng, 5);
    struct wire_access_key key = some_key();
    struct wire_access_key read;
    struct buf *bytes = bytes_of(&key);
    unsigned accepted = 0;
    for (int round = 0; round < 100000; round++) {
        struct buf *bad = buf_copy(buf_slice(bytes));
        for (uint64_t flips = prng_between(&prng, 1, 3); flips > 0; flips--)
            bad->data[prng_below(&prng, bad->length)] = (uint8_t)prng_next(&prng);
        if (wire_access_key_read(buf_slice(bad), &read)) {
            struct buf *again = bytes_of(&read);
            ck_assert(slice_equal(buf_slice(again), buf_slice(bad)));
            buf_unref(again);
            accepted++;
        }
        buf_unref(bad);
    }
    ck_assert_uint_gt(accepted, 0);
    buf_unref(bytes);
}
END_TEST

START_TEST(ids_secrets_and_buckets_follow_the_rules)
{
    static char longest[200];
    memset(longest, 'x', sizeof longest - 1);
    ck_assert(wire_access_key_id_is_valid(slice_of_text("aB9._-")));
    ck_assert(wire_access_key_id_is_valid(slice_of(longest, 128)));
    ck_assert(!wire_access_key_id_is_valid(slice_of(longest, 129)));
    ck_assert(!wire_access_key_id_is_valid(slice_of_text("ab")));
    ck_assert(!wire_access_key_id_is_valid(slice_of_text("a/b")));
    ck_assert(wire_secret_is_valid(slice_of_text("!~/+=abc")));
    ck_assert(wire_secret_is_valid(slice_of(longest, 128)));
    ck_assert(!wire_secret_is_valid(slice_of(longest, 129)));
    ck_assert(!wire_secret_is_valid(slice_of_text("seven77")));
    ck_assert(!wire_secret_is_valid(slice_of_text("with blank")));
    ck_assert(!wire_secret_is_valid(slice_of_text("with\ttab")));
    ck_assert(!wire_secret_is_valid(slice_of_text("umlaut-\xc3\xa4")));
    ck_assert(wire_grant_bucket_is_valid(slice_of_text("*")));
    ck_assert(wire_grant_bucket_is_valid(slice_of_text("a*")));
    ck_assert(wire_grant_bucket_is_valid(slice_of_text("a.b-c")));
    ck_assert(wire_grant_bucket_is_valid(slice_of(longest, 63)));
    ck_assert(!wire_grant_bucket_is_valid(slice_of(longest, 64)));
    ck_assert(!wire_grant_bucket_is_valid(slice_of_text("")));
    ck_assert(!wire_grant_bucket_is_valid(slice_of_text("ab")));
    ck_assert(!wire_grant_bucket_is_valid(slice_of_text("a*b")));
    ck_assert(!wire_grant_bucket_is_valid(slice_of_text("**")));
    ck_assert(!wire_grant_bucket_is_valid(slice_of_text("Photos")));
}
END_TEST

START_TEST(grants_keep_their_order_and_none_removes)
{
    struct wire_access_key key = some_key();
    const struct wire_grant changes[] = {{slice_of_text("logs-*"), WIRE_RIGHT_NONE},
                                         {slice_of_text("music"), WIRE_RIGHT_READ},
                                         {slice_of_text("nothing"), WIRE_RIGHT_NONE},
                                         {slice_of_text("photos"), WIRE_RIGHT_READ}};
    ck_assert(wire_grants_merge(&key, changes, 4));
    ck_assert_uint_eq(key.grant_count, 3);
    ck_assert(slice_equal(key.grants[0].bucket, slice_of_text("*")));
    ck_assert(slice_equal(key.grants[1].bucket, slice_of_text("music")));
    ck_assert(slice_equal(key.grants[2].bucket, slice_of_text("photos")));
    ck_assert_int_eq(key.grants[2].right, WIRE_RIGHT_READ);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("access_key");
    TCase *tcase = tcase_create("records");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_record_is_read_as_it_was_written);
    tcase_add_test(tcase, the_longest_record_fits_a_command);
    tcase_add_test(tcase, cut_records_and_longer_ones_are_refused);
    tcase_add_test(tcase, what_is_read_from_garbage_is_written_back_the_same);
    tcase_add_test(tcase, ids_secrets_and_buckets_follow_the_rules);
    tcase_add_test(tcase, grants_keep_their_order_and_none_removes);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
