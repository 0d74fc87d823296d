/* Assertions that stay on in every build.
 *
 * A failed contract is a programmer's error: the process says where and stops, because a crashed
 * server is repaired by its chain and a wrong one corrupts it. Nothing that arrives from outside
 * may reach one of these: outside data is validated, refused with an `enum err` and counted. */
#ifndef CATENA_BASE_CONTRACT_H
#define CATENA_BASE_CONTRACT_H

_Noreturn void contract_fail(const char *kind, const char *what, const char *file, int line);

#define CONTRACT_CHECK_(kind, condition)                                                           \
    ((condition) ? (void)0 : contract_fail(kind, #condition, __FILE__, __LINE__))

/* What the caller owes. */
#define PRE(condition) CONTRACT_CHECK_("precondition", condition)
/* What the function owes. */
#define POST(condition) CONTRACT_CHECK_("postcondition", condition)
/* What always holds between steps. */
#define INVARIANT(condition) CONTRACT_CHECK_("invariant", condition)
/* If a then b. */
#define ERGO(a, b) (!(a) || (b))
/* A place that cannot be reached, with the reason. */
#define IMPOSSIBLE(why) contract_fail("impossible", why, __FILE__, __LINE__)

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
