/* admin key and admin bucket-public: who may do what through the S3 gateway. */
#ifndef CATENA_TOOLS_CATENA_ADMIN_KEY_H
#define CATENA_TOOLS_CATENA_ADMIN_KEY_H

#include "tools/catena/cli.h"

/* The options that `admin key` takes, as their values stand in cli->values. */
struct admin_key_options {
    const char *grants; /* BUCKET:RIGHT,... or NULL */
    bool takes_secret;  /* from standard input */
    bool keeps_old;
};

enum { ADMIN_KEY_OPERANDS_MAX = 3 + CATENA_GRANTS_MAX };

/* operands: key create|list|rotate|grant|revoke [ID [BUCKET:RIGHT]...] */
enum cli_exit admin_key_run(struct cli *cli, const struct admin_key_options *options);
/* operands: bucket-public BUCKET on|off */
enum cli_exit admin_bucket_public_run(struct cli *cli);

#endif
