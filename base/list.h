/* Intrusive doubly linked circular list. The head is a node that belongs to no element. */
#ifndef CATENA_BASE_LIST_H
#define CATENA_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next;
    struct list_node *previous;
};

static inline void list_init(struct list_node *head)
{
    head->next = head;
    head->previous = head;
}

static inline bool list_is_empty(const struct list_node *head)
{
    return head->next == head;
}

static inline void list_insert_before(struct list_node *place, struct list_node *node)
{
    node->next = place;
    node->previous = place->previous;
    place->previous->next = node;
    place->previous = node;
}

static inline void list_append(struct list_node *head, struct list_node *node)
{
    list_insert_before(head, node);
}

/* Unlinks node and leaves it a list of its own, so removing twice is harmless. */
static inline void list_remove(struct list_node *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    list_init(node);
}

/* First node, or NULL when empty. */
static inline struct list_node *list_first(const struct list_node *head)
{
    return list_is_empty(head) ? NULL : head->next;
}

static inline struct list_node *list_last(const struct list_node *head)
{
    return list_is_empty(head) ? NULL : head->previous;
}

/* Use CONTAINER_OF(node, struct thing, member) from base/contract.h to reach the element. */
#define LIST_FOREACH(node, head)                                                                   \
    for (struct list_node *node = (head)->next; node != (head); node = node->next)
/* The loop body may remove `node`. */
#define LIST_FOREACH_SAFE(node, head)                                                              \
    for (struct list_node *node = (head)->next, *node##_next = node->next; node != (head);         \
         node = node##_next, node##_next = node->next)

#endif
