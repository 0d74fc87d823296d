/* Access keys and a bucket's configuration in the masters (D20), changed and read by all clients.
 *
 * One client after the other gives a key its life: created, perhaps rotated, revoked; names are
 * never used again. Others list the keys all the time. What a listing shows must be what could be
 * there between its call and its return: in particular a key is never seen again once its
 * revocation was acknowledged. Two writers replace the configuration of the bucket by compare and
 * swap: of those who replace the same version one wins. */
#include <string.h>

#include "base/buf.h"
#include "base/contract.h"
#include "tests/sim/workload.h"
#include "wire/access_key.h"

enum {
    LIVES_MAX = 1024,
    WINS_MAX = 4096,
    WRITERS = 2,
    LISTERS = 3,
    DEADLINE_US = 4000000,
    PAUSE_MAX_US = 120000
};

/* Stamps: 0 = it has not happened, or nobody knows that it has. */
struct life {
    char id[16];
    uint64_t created; /* acknowledged */
    uint64_t rotate_called;
    uint64_t rotated; /* acknowledged */
    uint64_t revoke_called;
    uint64_t revoked; /* acknowledged */
};

struct win {
    uint64_t replaced; /* version */
    uint64_t made;
    uint64_t number; /* what was written */
    uint64_t stamp;  /* of the acknowledgement */
};

struct actor {
    struct cl_submit submit;
    uint64_t called; /* stamp */
    uint64_t floor;  /* versions below it were history when it called */
    uint64_t number; /* writers: what this one writes */
    bool wants_put;
    uint64_t version; /* writers: as read */
};

static struct {
    struct world *world;
    struct prng prng;
    bool is_running;
    uint32_t under_way;
    uint64_t stamp;
    struct life lives[LIVES_MAX];
    uint32_t life_count;
    uint64_t table_version; /* newest that anybody was told */
    uint64_t numbers;
    struct win wins[WINS_MAX];
    uint32_t win_count;
    struct actor owner;
    struct actor listers[LISTERS];
    struct actor writers[WRITERS];
    struct buf *first; /* records with the first and the second secret */
    struct buf *second;
} keys;

static const char first_secret[] = "the-first-secret";
static const char second_secret[] = "the-second-secret";

static uint64_t draw(uint64_t low, uint64_t high)
{
    return prng_between(&keys.prng, low, high);
}

static void plan(struct actor *actor, sim_action *next)
{
    if (!keys.is_running || keys.world->failed)
        return;
    keys.under_way++; /* a plan counts too */
    world_plan(keys.world, draw(1000, PAUSE_MAX_US), next, actor, 0);
}

/* At the begin of a planned action: false when the work is over. */
static bool goes_on(const struct world *world)
{
    if (keys.world != world)
        return false;
    keys.under_way--;
    return keys.is_running && !world->failed;
}

static void submit(struct actor *actor, uint32_t op, const char *name, sim_done *done)
{
    actor->submit.kind = CL_OP_ADMIN;
    actor->submit.admin_op = op;
    actor->submit.bucket = slice_of_text(name);
    actor->submit.deadline_us = DEADLINE_US;
    actor->called = ++keys.stamp;
    actor->floor = keys.table_version;
    keys.under_way++;
    uint32_t client = (uint32_t)draw(1, keys.world->options.clients);
    sim_client_submit(process_find(keys.world, SIM_CLIENT, client), &actor->submit, done, actor);
}

static uint64_t ended(void)
{
    keys.under_way--;
    return ++keys.stamp;
}

/* ---- the life of a key ---- */

static void create_key(struct world *world, void *subject, uint64_t number);
static void rotate_key(struct world *world, void *subject, uint64_t number);
static void revoke_key(struct world *world, void *subject, uint64_t number);

static struct life *present_life(void)
{
    return &keys.lives[keys.life_count - 1];
}

/* The acknowledgement's stamp, or 0. */
static uint64_t take_change(const struct cl_effect *effect, const char *what)
{
    uint64_t now = ended();
    world_trace(keys.world, "key %s: %s %s", present_life()->id, what,
                err_name(effect->result.err));
    if (effect->result.err != ERR_OK)
        return 0;
    uint64_t version = effect->result.admin->value;
    keys.table_version = version > keys.table_version ? version : keys.table_version;
    return now;
}

static void create_done(void *context, const struct cl_effect *effect)
{
    struct actor *owner = context;
    present_life()->created = take_change(effect, "create");
    if (effect->result.err == ERR_EXISTS)
        world_fail(keys.world, "key %s existed before it was created", present_life()->id);
    plan(owner, draw(0, 1) == 0 ? rotate_key : revoke_key);
}

static void create_key(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct actor *owner = subject;
    if (!goes_on(world) || keys.life_count == LIVES_MAX)
        return;
    struct life *life = &keys.lives[keys.life_count++];
    text_format(life->id, sizeof life->id, "KEY-%04u", keys.life_count);
    owner->submit = (struct cl_submit){.payload = keys.first};
    submit(owner, WIRE_ADMIN_KEY_CREATE, life->id, create_done);
}

static void rotate_done(void *context, const struct cl_effect *effect)
{
    present_life()->rotated = take_change(effect, "rotate");
    plan(context, revoke_key);
}

static void rotate_key(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct actor *owner = subject;
    if (!goes_on(world))
        return;
    owner->submit = (struct cl_submit){.payload = keys.second, .a = 1};
    present_life()->rotate_called = keys.stamp + 1;
    submit(owner, WIRE_ADMIN_KEY_ROTATE, present_life()->id, rotate_done);
}

static void revoke_done(void *context, const struct cl_effect *effect)
{
    struct life *life = present_life();
    uint64_t now = take_change(effect, "revoke");
    /* A creation whose end is not known may come later. */
    life->revoked = life->created != 0 ? now : 0;
    if (effect->result.err == ERR_NOT_FOUND && life->created != 0)
        world_fail(keys.world, "key %s was created, not revoked, and is not there", life->id);
    plan(context, create_key);
}

static void revoke_key(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct actor *owner = subject;
    if (!goes_on(world))
        return;
    owner->submit = (struct cl_submit){.payload = NULL};
    present_life()->revoke_called = keys.stamp + 1;
    submit(owner, WIRE_ADMIN_KEY_REVOKE, present_life()->id, revoke_done);
}

/* ---- listings ---- */

static void judge_key(const struct life *life, const struct wire_access_key *key, uint64_t called,
                      uint64_t returned)
{
    bool must_be_gone = life->revoked != 0 && life->revoked < called;
    bool must_be_there = life->created != 0 && life->created < called &&
                         (life->revoke_called == 0 || life->revoke_called > returned);
    if (key == NULL) {
        if (must_be_there)
            world_fail(keys.world, "key %s is missing in a listing", life->id);
        return;
    }
    if (must_be_gone)
        world_fail(keys.world, "key %s is seen again after it was revoked", life->id);
    bool is_first = slice_equal(key->secret, slice_of_text(first_secret));
    bool is_second = slice_equal(key->secret, slice_of_text(second_secret));
    bool may_be_first = life->rotated == 0 || life->rotated > called;
    bool may_be_second = life->rotate_called != 0 && life->rotate_called < returned;
    bool is_old_kept = slice_equal(key->old_secret, slice_of_text(first_secret));
    if (!(is_first && may_be_first && key->old_secret.length == 0) &&
        !(is_second && may_be_second && is_old_kept))
        world_fail(keys.world, "key %s has a secret that it cannot have", life->id);
}

static void judge_listing(struct slice records, uint64_t called, uint64_t returned)
{
    uint32_t next = 0; /* both are in the order of the names */
    struct wire_access_key key;
    while (records.length > 0 && !keys.world->failed) {
        if (!wire_access_key_take(&records, &key)) {
            world_fail(keys.world, "a listing of keys cannot be read");
            return;
        }
        while (next < keys.life_count && !slice_equal(slice_of_text(keys.lives[next].id), key.id))
            judge_key(&keys.lives[next++], NULL, called, returned);
        if (next == keys.life_count) {
            world_fail(keys.world, "a listing shows a key that nobody created, or twice");
            return;
        }
        judge_key(&keys.lives[next++], &key, called, returned);
    }
    while (next < keys.life_count)
        judge_key(&keys.lives[next++], NULL, called, returned);
}

static void list_keys(struct world *world, void *subject, uint64_t number);

static void list_done(void *context, const struct cl_effect *effect)
{
    struct actor *lister = context;
    uint64_t now = ended();
    if (effect->result.err == ERR_OK) {
        uint64_t version = effect->result.admin->value;
        if (version < lister->floor)
            world_fail(keys.world, "the table of keys went back from version %llu to %llu",
                       (unsigned long long)lister->floor, (unsigned long long)version);
        keys.table_version = version > keys.table_version ? version : keys.table_version;
        /* Without a payload it may be "as you know it". */
        if (lister->submit.b == 0 || version != lister->submit.b)
            judge_listing(buf_slice(effect->message.payload), lister->called, now);
        else if (buf_slice(effect->message.payload).length > 0)
            world_fail(keys.world, "a listing repeats what the client has");
    }
    plan(lister, list_keys);
}

static void list_keys(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct actor *lister = subject;
    if (!goes_on(world))
        return;
    lister->submit = (struct cl_submit){.a = 1, .b = draw(0, 2) == 0 ? keys.table_version : 0};
    submit(lister, WIRE_ADMIN_KEY_LIST, "", list_done);
}

/* ---- compare and swap ---- */

static void write_config(struct world *world, void *subject, uint64_t number);

static void note_win(const struct actor *writer, uint64_t made, uint64_t now)
{
    world_trace(keys.world, "configuration %llu by %llu", (unsigned long long)made,
                (unsigned long long)writer->number);
    for (uint32_t i = 0; i < keys.win_count; i++) {
        if (keys.wins[i].replaced == writer->version)
            world_fail(keys.world, "two writers replaced version %llu of the configuration",
                       (unsigned long long)writer->version);
    }
    if (made <= writer->version)
        world_fail(keys.world, "the configuration went from version %llu to %llu",
                   (unsigned long long)writer->version, (unsigned long long)made);
    if (keys.win_count < WINS_MAX)
        keys.wins[keys.win_count++] = (struct win){writer->version, made, writer->number, now};
}

static void put_done(void *context, const struct cl_effect *effect)
{
    struct actor *writer = context;
    uint64_t now = ended();
    buf_unref(writer->submit.payload);
    writer->submit.payload = NULL;
    writer->wants_put = false;
    if (effect->result.err == ERR_OK)
        note_win(writer, effect->result.admin->value, now);
    plan(writer, write_config);
}

static void get_done(void *context, const struct cl_effect *effect)
{
    struct actor *writer = context;
    (void)ended();
    if (effect->result.err == ERR_OK) {
        uint64_t version = effect->result.admin->value;
        struct slice document = buf_slice(effect->message.payload);
        uint64_t number = 0;
        if (document.length == sizeof number)
            memcpy(&number, document.data, sizeof number);
        for (uint32_t i = 0; i < keys.win_count; i++) {
            const struct win *win = &keys.wins[i];
            if (win->made == version && win->number != number)
                world_fail(keys.world, "version %llu of the configuration is not what was written",
                           (unsigned long long)version);
            if (win->stamp < writer->called && win->made > version)
                world_fail(keys.world, "an acknowledged configuration is not there any more");
        }
        writer->version = version;
        writer->wants_put = true;
    }
    plan(writer, write_config);
}

static void write_config(struct world *world, void *subject, uint64_t number)
{
    (void)number;
    struct actor *writer = subject;
    if (!goes_on(world))
        return;
    if (!writer->wants_put) {
        writer->submit = (struct cl_submit){.payload = NULL};
        submit(writer, WIRE_ADMIN_BUCKET_CONFIG_GET, "sim", get_done);
        return;
    }
    writer->number = ++keys.numbers;
    writer->submit = (struct cl_submit){
        .a = writer->version, .payload = buf_copy(slice_of(&writer->number, sizeof(uint64_t)))};
    submit(writer, WIRE_ADMIN_BUCKET_CONFIG_PUT, "sim", put_done);
}

/* ---- all of it ---- */

static struct buf *record_of(const char *secret)
{
    const struct wire_access_key record = {.secret = slice_of_text(secret), .created_ms = 1};
    struct buf *bytes = buf_new(wire_access_key_size(&record));
    (void)wire_access_key_put(&record, bytes->data);
    return bytes;
}

void keys_release(void)
{
    buf_unref(keys.first);
    buf_unref(keys.second);
    for (uint32_t i = 0; i < WRITERS; i++)
        buf_unref(keys.writers[i].submit.payload);
    memset(&keys, 0, sizeof keys);
}

void keys_begin(struct world *world)
{
    keys_release();
    keys.world = world;
    keys.is_running = true;
    prng_init(&keys.prng, world->options.seed ^ 0x6b657973u);
    keys.first = record_of(first_secret);
    keys.second = record_of(second_secret);
    plan(&keys.owner, create_key);
    for (uint32_t i = 0; i < LISTERS; i++)
        plan(&keys.listers[i], list_keys);
    for (uint32_t i = 0; i < WRITERS; i++)
        plan(&keys.writers[i], write_config);
}

void keys_end(void)
{
    keys.is_running = false;
}

bool keys_are_idle(void)
{
    return keys.under_way == 0;
}
