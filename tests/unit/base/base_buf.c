#include "base/buf.h"

#include <signal.h>

#include "tests/unit/base/suite.h"

START_TEST(copy_holds_the_bytes)
{
    struct buf *buf = buf_copy(slice_of_text("payload"));
    ck_assert(slice_equal(buf_slice(buf), slice_of_text("payload")));
    buf_unref(buf);
}
END_TEST

START_TEST(empty_buffer_is_legal)
{
    struct buf *buf = buf_copy(slice_of(NULL, 0));
    ck_assert_uint_eq(buf->length, 0);
    buf_unref(buf);
}
END_TEST

START_TEST(null_is_an_empty_slice_and_needs_no_release)
{
    ck_assert_uint_eq(buf_slice(NULL).length, 0);
    ck_assert_ptr_null(buf_ref(NULL));
    buf_unref(NULL);
}
END_TEST

/* The sanitizer build turns a wrong count into a failure. */
START_TEST(view_outlives_its_parents_creator)
{
    struct buf *parent = buf_copy(slice_of_text("0123456789"));
    struct buf *view = buf_view(parent, 2, 5);
    buf_unref(parent);
    ck_assert(slice_equal(buf_slice(view), slice_of_text("23456")));
    struct buf *inner = buf_view(view, 1, 2);
    buf_unref(view);
    ck_assert(slice_equal(buf_slice(inner), slice_of_text("34")));
    buf_unref(inner);
}
END_TEST

START_TEST(view_shares_memory)
{
    struct buf *parent = buf_copy(slice_of_text("0123"));
    struct buf *view = buf_view(parent, 4, 0);
    ck_assert_ptr_eq(view->data, parent->data + 4);
    buf_unref(view);
    buf_unref(parent);
}
END_TEST

START_TEST(each_reference_keeps_the_buffer)
{
    struct buf *buf = buf_copy(slice_of_text("x"));
    ck_assert_ptr_eq(buf_ref(buf), buf);
    buf_unref(buf);
    ck_assert_uint_eq(buf->data[0], 'x');
    buf_unref(buf);
}
END_TEST

START_TEST(a_secret_is_overwritten_with_the_last_reference)
{
    struct buf *parent = buf_copy(slice_of_text("head secret tail"));
    struct buf *view = buf_view(parent, 5, 6);
    buf_keep_secret(view);
    buf_keep_secret(NULL);
    buf_ref(view);
    buf_unref(view);
    ck_assert(slice_equal(buf_slice(view), slice_of_text("secret")));
    buf_unref(view);
    ck_assert(slice_equal(buf_slice(parent), slice_of("head \0\0\0\0\0\0 tail", 16)));
    buf_unref(parent);
}
END_TEST

START_TEST(view_beyond_the_end_is_a_programmers_error)
{
    struct buf *buf = buf_copy(slice_of_text("0123"));
    (void)buf_view(buf, 3, 2);
}
END_TEST

START_TEST(memory_of_no_bytes_is_not_null)
{
    void *memory = mem_alloc(0);
    ck_assert_ptr_nonnull(memory);
    memory = mem_realloc(memory, 0);
    ck_assert_ptr_nonnull(memory);
    mem_free(memory);
    uint8_t *zeroed = mem_calloc(4, 4);
    for (size_t i = 0; i < 16; i++)
        ck_assert_uint_eq(zeroed[i], 0);
    mem_free(zeroed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base_buf");
    TCase *tcase = tcase_create("buf");
    tcase_add_test(tcase, copy_holds_the_bytes);
    tcase_add_test(tcase, empty_buffer_is_legal);
    tcase_add_test(tcase, null_is_an_empty_slice_and_needs_no_release);
    tcase_add_test(tcase, view_outlives_its_parents_creator);
    tcase_add_test(tcase, view_shares_memory);
    tcase_add_test(tcase, each_reference_keeps_the_buffer);
    tcase_add_test(tcase, a_secret_is_overwritten_with_the_last_reference);
    tcase_add_test(tcase, memory_of_no_bytes_is_not_null);
    tcase_add_test_raise_signal(tcase, view_beyond_the_end_is_a_programmers_error, SIGABRT);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
