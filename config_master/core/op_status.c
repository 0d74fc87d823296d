/* STATUS: what this master knows about the masters. Any master answers, also without a leader: it
 * is how people find out that there is none. Nodes, chains and buckets come by WATCH. */
#include "base/text.h"
#include "config_master/core/leader.h"

void cm_op_status(struct cm_core *core, uint64_t conn, const struct wire_admin *admin)
{
    struct wire_message *message = cm_emit_message(core, conn, WIRE_ADMIN_REPLY);
    struct wire_admin_reply *reply = &message->u.admin_reply;
    reply->request = admin->request;
    reply->err = ERR_OK;
    reply->value = core->options.id;
    reply->version = core->state->version;
    reply->term = core->term;
    reply->leader = core->is_leader ? core->options.id : core->leader;
    reply->masters = core->masters;
    reply->masters_count = core->masters_count;
    if (reply->leader == 0)
        reply->text = slice_of_text("the masters have no leader at the moment");
    struct text alarms;
    text_init(&alarms);
    cm_alarms_print(core, &alarms);
    if (alarms.length > 0)
        reply->text = cm_message_format(message, "%s", text_cstr(&alarms));
    text_release(&alarms);
}
