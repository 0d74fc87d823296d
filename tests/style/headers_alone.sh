#!/usr/bin/env bash
# Every header compiles alone, with both compilers: nobody has to know what to include before it.
set -u
. tests/style/sources.sh

check_header() {
    local warnings="-std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -Wconversion -Wstrict-prototypes -Wundef -Werror"
    for compiler in gcc clang; do
        # Unused static functions and macros are what headers are made of.
        # shellcheck disable=SC2086
        echo "#include \"$1\"" | "$compiler" $warnings -Wno-unused-function -fsyntax-only -x c - ||
            { echo "$1: does not compile alone with $compiler" && return 1; }
    done
}
export -f check_header

sources '*.h' | xargs -r -P "$(nproc)" -I{} bash -c 'check_header {}'
