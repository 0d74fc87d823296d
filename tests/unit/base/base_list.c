#include "base/list.h"

#include "base/contract.h"
#include "tests/unit/base/suite.h"

struct thing {
    int number;
    struct list_node node;
};

START_TEST(new_list_is_empty)
{
    struct list_node head;
    list_init(&head);
    ck_assert(list_is_empty(&head));
    ck_assert_ptr_null(list_first(&head));
    ck_assert_ptr_null(list_last(&head));
}
END_TEST

START_TEST(order_is_that_of_appending)
{
    struct list_node head;
    list_init(&head);
    struct thing things[5];
    for (int i = 0; i < 5; i++) {
        things[i].number = i;
        list_append(&head, &things[i].node);
    }
    int expected = 0;
    LIST_FOREACH (node, &head) {
        ck_assert_int_eq(CONTAINER_OF(node, struct thing, node)->number, expected++);
    }
    ck_assert_int_eq(expected, 5);
    ck_assert_ptr_eq(list_first(&head), &things[0].node);
    ck_assert_ptr_eq(list_last(&head), &things[4].node);
}
END_TEST

START_TEST(inserting_before_keeps_the_rest)
{
    struct list_node head;
    struct thing a;
    struct thing b;
    list_init(&head);
    list_append(&head, &b.node);
    list_insert_before(&b.node, &a.node);
    ck_assert_ptr_eq(list_first(&head), &a.node);
    ck_assert_ptr_eq(list_last(&head), &b.node);
}
END_TEST

START_TEST(removing_twice_is_harmless)
{
    struct list_node head;
    struct thing a;
    struct thing b;
    list_init(&head);
    list_append(&head, &a.node);
    list_append(&head, &b.node);
    list_remove(&a.node);
    list_remove(&a.node);
    ck_assert_ptr_eq(list_first(&head), &b.node);
    ck_assert_ptr_eq(list_last(&head), &b.node);
}
END_TEST

START_TEST(loop_may_remove_its_node)
{
    struct list_node head;
    list_init(&head);
    struct thing things[6];
    for (int i = 0; i < 6; i++) {
        things[i].number = i;
        list_append(&head, &things[i].node);
    }
    LIST_FOREACH_SAFE (node, &head) {
        if (CONTAINER_OF(node, struct thing, node)->number % 2 == 0)
            list_remove(node);
    }
    int expected = 1;
    LIST_FOREACH (node, &head) {
        ck_assert_int_eq(CONTAINER_OF(node, struct thing, node)->number, expected);
        expected += 2;
    }
    ck_assert_int_eq(expected, 7);
}
END_TEST

SUITE_MAIN("base_list", new_list_is_empty, order_is_that_of_appending,
           inserting_before_keeps_the_rest, removing_twice_is_harmless, loop_may_remove_its_node)
