#!/usr/bin/env bash
# clang-format decides how C looks (.clang-format). To mend: clang-format -i FILE.
set -u
. tests/style/sources.sh
sources '*.c' '*.h' | xargs -r -P "$(nproc)" -n 24 clang-format --dry-run -Werror
