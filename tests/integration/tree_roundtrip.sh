#!/usr/bin/env bash
# A directory tree of small files and one large file go in and come out byte-equal.
#
#   tree_roundtrip.sh BIN [FILES] [LARGE_MIB]      default 10000 files, 1024 MiB
#
# Starts a cluster of its own in a temporary directory. Prints times and rates.
set -euo pipefail
bin=$(cd "$1" && pwd)
files=${2:-10000}
large_mib=${3:-1024}
work=$(mktemp -d "${TMPDIR:-/tmp}/catena-tree-XXXXXX")
catena="$bin/catena"

finish() {
    status=$?
    "$catena" down --dir "$work/cluster" >/dev/null 2>&1 || true
    if [ "$status" -eq 0 ]; then rm -rf -- "$work"; else echo "kept for a look: $work" >&2; fi
    exit "$status"
}
trap finish EXIT

seconds_of() { # runs a command, prints "label: N.NNN s"
    local label=$1 start end
    shift
    start=$(date +%s%N)
    "$@"
    end=$(date +%s%N)
    awk -v label="$label" -v ns="$((end - start))" 'BEGIN { printf "%s: %.2f s\n", label, ns / 1e9 }'
}

make_tree() {
    local i dir
    for ((i = 0; i < files; i++)); do
        dir="$work/in/d$((i % 97))/e$((i % 13))"
        [ -d "$dir" ] || mkdir -p "$dir"
        printf 'file %d\n%*s\n' "$i" $((i % 3000)) x >"$dir/file-$i.txt"
    done
    : >"$work/in/empty"
}

"$catena" up --dir "$work/cluster" >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2; exit 1; }
CATENA_MASTERS=$(sed -n 's/.*"masters": *"\([^"]*\)".*/\1/p' "$work/cluster/cluster.json" | head -1)
export CATENA_MASTERS
[ -n "$CATENA_MASTERS" ]
make_tree
head -c "$((large_mib * 1048576))" /dev/urandom >"$work/large.in"

"$catena" mb tree
seconds_of "put $files files" "$catena" cp -r "$work/in" //tree/copy
seconds_of "get $files files" "$catena" cp -r //tree/copy "$work/out"
diff -r "$work/in" "$work/out"
echo "tree: $files files are equal"
seconds_of "put $large_mib MiB" "$catena" put tree/large "$work/large.in"
seconds_of "get $large_mib MiB" "$catena" get tree/large "$work/large.out"
cmp "$work/large.in" "$work/large.out"
echo "large: $large_mib MiB are equal"
