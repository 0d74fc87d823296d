#include "base/contract.h"
#include "base/io/log.h"
#include "base/text.h"
#include "chainnode/io/node.h"

/* The first reason wins: it is the cause of the others. */
void node_halt(struct node *node, enum err err, const char *text)
{
    if (node->is_halted)
        return;
    node->is_halted = true;
    node->halt_err = err;
    text_format(node->halt_text, sizeof node->halt_text, "%s",
                text == NULL || text[0] == '\0' ? err_text(err) : text);
}

/* What the core says of the disk is about this directory. */
static void on_halt(struct node *node, const struct cn_effect *effect)
{
    char text[sizeof node->halt_text];
    bool is_disk = effect->err == ERR_DISK_LOST || effect->err == ERR_NO_SPACE;
    if (is_disk)
        text_format(text, sizeof text, "%.300s: %s", node->settings->directory, effect->text);
    node_halt(node, effect->err, is_disk ? text : effect->text);
}

static void on_peer(struct node *node, const struct cn_effect *effect)
{
    char address[BOUND_ADDRESS_BYTES + 1];
    if (effect->address.length == 0) {
        links_remove(node->peers, effect->node);
        return;
    }
    if (effect->address.length > BOUND_ADDRESS_BYTES)
        return;
    memcpy(address, effect->address.data, effect->address.length);
    address[effect->address.length] = '\0';
    links_set(node->peers, effect->node, address);
}

static void run(struct node *node, struct cn_effect *effect)
{
    switch (effect->kind) {
    case CN_EFFECT_SEND_NODE:
        if (!links_send(node->peers, effect->node, &effect->message))
            node->counters.lost_sends++;
        return;
    case CN_EFFECT_SEND_MASTER:
        masters_send(node->masters, &effect->message, node->now_us);
        return;
    case CN_EFFECT_REPLY:
        (void)transport_send(node->transport, effect->conn, &effect->message);
        return;
    case CN_EFFECT_STORE:
        space_submitted(&node->space, effect->batch->bytes);
        store_writer_submit(node->writer, effect->token, effect->batch, effect->sync);
        effect->batch = NULL;
        return;
    case CN_EFFECT_PEER:
        on_peer(node, effect);
        return;
    case CN_EFFECT_HALT:
        on_halt(node, effect);
        return;
    }
    IMPOSSIBLE("unknown effect of the core");
}

void node_run_effects(struct node *node)
{
    for (uint32_t i = 0; i < node->effects.count; i++)
        run(node, &node->effects.items[i]);
    cn_effects_clear(&node->effects);
}

void node_step(struct node *node, struct cn_event *event)
{
    if (node->is_halted)
        return;
    event->now_us = node->now_us;
    event->wall_ms = node->wall_ms;
    cn_core_step(node->core, event, &node->effects);
    node_run_effects(node);
}
