#!/usr/bin/env bash
# Every bad input gets a clear error and a status that is not 0; nothing is lost, no process dies of it.
#
#   bad_input.sh BIN HOSTILE_PEER
set -euo pipefail
bin=$(cd "$1" && pwd)
hostile=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/catena-bad-XXXXXX")
catena="$bin/catena"
failures=0

finish() {
    status=$?
    "$catena" down --dir "$work/cluster" >/dev/null 2>&1 || true
    if [ "$status" -eq 0 ]; then rm -rf -- "$work"; else echo "kept for a look: $work" >&2; fi
    exit "$status"
}
trap finish EXIT

# refused STATUS TEXT COMMAND...: ends with that status, and says TEXT (a regular expression) on standard error.
refused() {
    local wanted=$1 text=$2 status=0
    shift 2
    timeout 60 "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
    if [ "$status" -ne "$wanted" ]; then
        echo "FAILED: status $status instead of $wanted: $*"
        cat "$work/stderr"
        failures=$((failures + 1))
    elif ! grep -qiE -- "$text" "$work/stderr"; then
        echo "FAILED: does not say /$text/: $*"
        cat "$work/stderr"
        failures=$((failures + 1))
    else
        echo "ok: $(head -c 160 "$work/stderr" | head -1)"
    fi
}

"$catena" up --dir "$work/cluster" --chains 8 >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2; exit 1; }
json="$work/cluster/cluster.json"
CATENA_MASTERS=$(sed -n 's/.*"masters": *"\([^"]*\)".*/\1/p' "$json" | head -1)
export CATENA_MASTERS
field() { # ROLE ID FIELD
    jq -r ".processes[] | select(.role == \"$1\" and .id == $2) | .$3" "$json"
}
pids() { jq -r '.processes[] | "\(.role) \(.id) \(.pid)"' "$json"; }
before=$(pids)
node_dir=$(field node 1 dir)
node2_dir=$(field node 2 dir)
node_address=$(field node 1 address)
master_address=$(field master 1 address)

"$catena" mb good >/dev/null
echo "kept" >"$work/kept"
"$catena" put "$work/kept" good/kept >/dev/null

echo "-- names"
refused 3 'bucket' "$catena" get missing/key -
refused 3 'key|object' "$catena" get good/missing -
refused 2 'bucket' "$catena" mb 'NOT A BUCKET'
refused 2 '1,?024|key' "$catena" put "$work/kept" "good/$(printf 'x%.0s' {1..1025})"
refused 2 'utf' "$catena" put "$work/kept" "good/$(printf '\xff\xfe')"
refused 3 'no such' "$catena" put "$work/nothing" good/kept
refused 4 'exist' "$catena" mb good
refused 4 'not empty' "$catena" rb good
refused 4 'condition' "$catena" put --if-none-match '*' "$work/kept" good/kept
refused 4 'condition' "$catena" put --if-match 999.999 "$work/kept" good/kept
refused 2 'out of range' "$catena" get --offset 99 good/kept "$work/kept"
[ "$(cat "$work/kept")" = kept ]

echo "-- flags"
refused 2 'unknown|option' "$catena" --nonsense
refused 2 'unknown|command' "$catena" nonsense
refused 2 'unknown option' "$bin/catena-node" --nonsense
refused 2 'required' "$bin/catena-node" --id 1
refused 2 'between' "$bin/catena-node" --id 0 --dir "$work/x" --masters 127.0.0.1:1
refused 2 'HOST:PORT' "$bin/catena-node" --id 1 --dir "$work/x" --masters nowhere
printf 'id = 1\nwhat = 2\n' >"$work/bad.conf"
refused 2 'bad.conf:2: unknown key' "$bin/catena-node" --config "$work/bad.conf"
refused 2 'option' "$bin/catena-master" --nonsense
refused 2 'no measurement is called "putt"' "$bin/catena-bench" --only put,putt
refused 2 'what s3-put has put' "$bin/catena-bench" --s3 127.0.0.1:1 --only s3-get
refused 2 'needs a gateway' "$bin/catena-bench" --only put,s3-put

echo "-- masters that are not there"
refused 6 '127.0.0.1:1' "$catena" --masters 127.0.0.1:1 --timeout 1 ls
refused 2 'masters' env -u CATENA_MASTERS "$catena" ls

echo "-- directories that are not ours"
mkdir "$work/foreign"
echo mine >"$work/foreign/thesis.txt"
refused 1 'something else' "$bin/catena-node" --id 9 --dir "$work/foreign" --masters "$CATENA_MASTERS"
[ "$(ls -A "$work/foreign")" = thesis.txt ]
refused 1 "$work/kept: what has that name is not a directory" \
    "$bin/catena-node" --id 9 --dir "$work/kept" --masters "$CATENA_MASTERS"
refused 1 "$work/kept: what has that name is not a directory" \
    "$bin/catena-master" --id 9 --dir "$work/kept" --listen 127.0.0.1:0 --join \
    --cluster 11111111-1111-1111-1111-111111111111
refused 1 "$work/kept: not a directory" "$catena" up --dir "$work/kept"
refused 3 'no cluster' "$catena" down --dir "$work/kept"
[ "$(cat "$work/kept")" = kept ]
refused 1 'in use' "$bin/catena-node" --id 1 --dir "$node_dir" --masters "$CATENA_MASTERS"
mkdir "$work/copy"
cp "$node2_dir/identity" "$work/copy/identity"
refused 1 'belongs to node 2' "$bin/catena-node" --id 9 --dir "$work/copy" --masters "$CATENA_MASTERS"
refused 1 'belongs to cluster' "$bin/catena-node" --id 2 --dir "$work/copy" --masters "$CATENA_MASTERS" \
    --cluster 11111111-1111-1111-1111-111111111111
sed 's/^cluster=.*/cluster=11111111-1111-1111-1111-111111111111/' "$node2_dir/identity" >"$work/copy/identity"
refused 1 'cluster' "$bin/catena-node" --id 2 --dir "$work/copy" --masters "$CATENA_MASTERS"

cp "$node2_dir/identity" "$work/copy/identity"
rm -rf "$work/copy/store"
mkdir "$work/copy/store"
echo nonsense >"$work/copy/store/CURRENT"
refused 1 'cannot open the store .* start it with an empty directory' \
    "$bin/catena-node" --id 2 --dir "$work/copy" --masters "$CATENA_MASTERS"
rm -r "$work/copy/store"

echo "-- two nodes with one id"
refused 1 'id|alive' "$bin/catena-node" --id 1 --dir "$work/second" --masters "$CATENA_MASTERS"
cp "$node2_dir/identity" "$work/copy/identity"
refused 1 'id|alive|copy' "$bin/catena-node" --id 2 --dir "$work/copy" --masters "$CATENA_MASTERS"

echo "-- peers that break the protocol"
"$hostile" "${node_address%:*}" "${node_address##*:}" 1 50
"$hostile" "${master_address%:*}" "${master_address##*:}" 2 50

echo "-- nothing was lost, nobody died"
"$catena" get good/kept "$work/kept.back" >/dev/null
cmp "$work/kept" "$work/kept.back"
"$catena" status --check >/dev/null
while read -r role id pid; do
    kill -0 "$pid" 2>/dev/null || { echo "FAILED: $role $id (pid $pid) is dead"; failures=$((failures + 1)); }
done <<<"$before"
[ "$failures" -eq 0 ] || { echo "$failures failed"; exit 1; }
echo "ok: bad input"
