#!/usr/bin/env bash
# The style checks can fail: each planted fault below must be refused by its check, and a clean tree by none.
set -u
here=$PWD
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
bad=0

# plant CHECK PATH LINE...: a tree of that one file must be refused.
plant() {
    local check=$1 path=$2
    shift 2
    fresh
    mkdir -p "$tree/$(dirname "$path")"
    printf '%s\n' "$@" >"$tree/$path"
    if (cd "$tree" && "tests/style/$check.sh" >/dev/null 2>&1); then
        echo "$check.sh does not notice in $path: $*"
        bad=1
    fi
}

fresh() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree/tests" "$tree/docs"
    cp -r "$here/tests/style" "$tree/tests/style"
    cp "$here/.clang-format" "$tree/"
    echo '- **R1** is stated.' >"$tree/docs/protocol.md"
    touch "$tree/README.md"
}

fresh
for check in layers headers_alone banned files docs; do
    (cd "$tree" && "tests/style/$check.sh") || {
        echo "$check.sh refuses a clean tree"
        bad=1
    }
done

plant layers base/a.c '#include "wire/messages.h"'
plant layers chainnode/core/a.c '#include "config_master/core/cm_core.h"'
plant layers chainnode/core/a.c '#include <time.h>'
plant layers placement/a.h '#include <stdio.h>'
plant layers base/a.h '#include <pthread.h>'
plant layers chainnode/io/a.c '#include <nng/nng.h>'
plant layers client/io/a.c '#include <rocksdb/c.h>'
plant layers tools/catena/a.c '#include "base/text.h"'
plant layers tools/catena/a.c '#include "tools/bench/b.h"'
plant layers base/a.c '#include "a.h"'
plant headers_alone base/a.h 'size_t length;'
plant banned wire/a.c 'int f(char *a) { return atoi(a); }'
plant banned tests/unit/a.c 'void f(void) { sleep(1); }'
plant banned client/core/a.c 'void *f(void) { return malloc(1); }'
plant files base/a.c "$(yes '/* */' | head -n 801)"
plant files base/a.c "/* TO""DO: this */"
plant files base/a.h '#ifndef WRONG_H' '#define WRONG_H' '#endif'
plant docs base/a.c '/* R9 */'
plant docs docs/a.md '[link](nowhere.md)'
command -v clang-format >/dev/null && plant format base/a.c 'int  a ;'
command -v mandoc >/dev/null && plant docs docs/man/a.1 '.Dd x' '.Nonsense'
exit $bad
