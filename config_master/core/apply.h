/* The apply function of each command item: pure, deterministic, no refusal is an error here (what
 * no longer fits the state has no effect, or is answered with the reason). Internal to the state
 * half. */
#ifndef CATENA_CONFIG_MASTER_CORE_APPLY_H
#define CATENA_CONFIG_MASTER_CORE_APPLY_H

#include "config_master/core/cm_state.h"

struct cm_apply {
    struct cm_state *state;
    uint64_t index;
    const struct cm_observer *observer; /* may be NULL */
};

/* Tells the observer. */
void cm_apply_on_row(struct cm_apply *apply, uint32_t chain, unsigned change_kind);
void cm_apply_on_node(struct cm_apply *apply, uint32_t node, bool is_registered);
void cm_apply_on_bucket(struct cm_apply *apply, uint64_t bucket);

void cm_apply_register_node(struct cm_apply *apply, const struct cm_item *item);
void cm_apply_chain_marks(struct cm_apply *apply, const struct cm_item *item);
void cm_apply_node_state(struct cm_apply *apply, const struct cm_item *item);
/* Makes row the active one, with the books that go with it. */
void cm_apply_install_row(struct cm_apply *apply, struct cm_chain *chain,
                          const struct plan_row *row);
/* True if the change took effect. */
bool cm_apply_change(struct cm_apply *apply, const struct cm_change *change);

/* Administrative items fill the answer (err is OK before). One in each op_*.c file. */
void cm_apply_init_chains(struct cm_apply *apply, const struct cm_item *item,
                          struct cm_answer *answer);
void cm_apply_session_open(struct cm_apply *apply, const struct cm_item *item,
                           struct cm_answer *answer);
void cm_apply_bucket_create(struct cm_apply *apply, const struct cm_item *item,
                            struct cm_answer *answer);
void cm_apply_bucket_mark(struct cm_apply *apply, const struct cm_item *item,
                          struct cm_answer *answer);
void cm_apply_bucket_finish(struct cm_apply *apply, const struct cm_item *item,
                            struct cm_answer *answer);
void cm_apply_bucket_revert(struct cm_apply *apply, const struct cm_item *item,
                            struct cm_answer *answer);
void cm_apply_node_remove(struct cm_apply *apply, const struct cm_item *item,
                          struct cm_answer *answer);
void cm_apply_setting_set(struct cm_apply *apply, const struct cm_item *item,
                          struct cm_answer *answer);
void cm_apply_key_change(struct cm_apply *apply, const struct cm_item *item,
                         struct cm_answer *answer);
void cm_apply_bucket_config(struct cm_apply *apply, const struct cm_item *item,
                            struct cm_answer *answer);
void cm_apply_chain_forget(struct cm_apply *apply, const struct cm_item *item,
                           struct cm_answer *answer);

/* answer->err and its text. */
void cm_answer_refuse(struct cm_answer *answer, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
