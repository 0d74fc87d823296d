/* SETTING_SET: one of the cluster's replicated settings. */
#include "base/contract.h"
#include "config_master/core/apply.h"
#include "config_master/core/leader.h"

static const struct {
    const char *name;
    uint64_t least;
    uint64_t most;
    const char *what;
} settings[] = {
    {"replicas", 1, BOUND_CHAIN_MEMBERS - 1, "members that each chain should have"},
    {"write-floor", 1, BOUND_CHAIN_MEMBERS - 1, "fewest members with which a chain takes writes"},
    {"rebalance-roles", 0, 1, "whether heads and tails are evened out when the cluster is quiet"},
};

static bool setting_is_valid(struct slice name, uint64_t value, const char **ret_what)
{
    *ret_what = "known settings: replicas, write-floor, rebalance-roles";
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        if (!slice_equal(name, slice_of_text(settings[i].name)))
            continue;
        *ret_what = settings[i].what;
        return value >= settings[i].least && value <= settings[i].most;
    }
    return false;
}

/* With more members asked for than a chain will ever have, it takes no write any more. */
static bool has_reachable_floor(const struct cm_core *core, struct slice name, uint64_t value)
{
    uint64_t replicas = core->state->replicas; /* 0: no chains yet */
    uint64_t floor = cm_state_setting(core->state, "write-floor", 1);
    if (slice_equal(name, slice_of_text("write-floor")))
        floor = value;
    if (slice_equal(name, slice_of_text("replicas")))
        replicas = value;
    return replicas == 0 || floor <= replicas;
}

void cm_op_setting_set(struct cm_core *core, struct cm_request *request)
{
    const char *what;
    if (!setting_is_valid(cm_request_name(request), request->a, &what)) {
        cm_request_reply(core, request, ERR_INVALID, 0, 0,
                         "no such setting, or a value out of its range of 0 or 1 to %u (%s)",
                         BOUND_CHAIN_MEMBERS - 1, what);
        return;
    }
    if (!has_reachable_floor(core, cm_request_name(request), request->a)) {
        cm_request_reply(core, request, ERR_INVALID, 0, 0,
                         "write-floor would be above replicas: no chain would take a write");
        return;
    }
    struct cm_item item = {.kind = CM_ITEM_SETTING_SET};
    item.u.setting_set.name = cm_request_name(request);
    item.u.setting_set.value = request->a;
    cm_request_propose(core, request, &item);
}

void cm_apply_setting_set(struct cm_apply *apply, const struct cm_item *item,
                          struct cm_answer *answer)
{
    const char *what;
    struct slice name = item->u.setting_set.name;
    if (!setting_is_valid(name, item->u.setting_set.value, &what) ||
        !cm_state_set_setting(apply->state, name, item->u.setting_set.value)) {
        cm_answer_refuse(answer, ERR_INVALID, "no such setting or value");
        return;
    }
    if (slice_equal(name, slice_of_text("replicas")))
        apply->state->replicas = (uint32_t)item->u.setting_set.value;
    answer->value = item->u.setting_set.value;
    if (apply->observer != NULL && apply->observer->on_setting != NULL)
        apply->observer->on_setting(apply->observer->context);
}
