#!/usr/bin/env bash
# Multipart uploads, restamps, tokens over a real cluster: what they promise, heads that are killed under them, the command
# line for operators, and that nothing is left in the stores.
#
#   multipart.sh BIN PROGRAM     PROGRAM: the test program multipart
set -uo pipefail
. "$(dirname "$0")/lib/daemons.sh"
program=$2
options=(--purge-grace 1s --upload-idle 3s)
found 1
for id in 1 2 3; do start_node "$id" "${options[@]}"; done
"$catena" admin init --chains 4 --replicas 3 >/dev/null || die "init"
healthy
"$catena" mb parts >/dev/null || die "mb"

run() { "$program" "$@" || die "multipart $*"; }
run assemble
run many
run uploads
run restamp
run race 100

# Two processes, one token: the second one finds what the first one did.
first=$(run token one first)
second=$(run token one first)
third=$(run token one second)
[ "$first" = "$second" ] || complain "two processes with one token: $first, then $second"
[ "$first" != "$third" ] || complain "two tokens had one effect: $first"
say "tokens: $first; $third"

# The operator's view.
id=$(run begin "forgotten key")
"$catena" uploads parts >"$work/out" || complain "catena uploads"
grep -qE "^$id +[0-9]+s  forgotten key\$" "$work/out" || complain "catena uploads does not show it: $(cat "$work/out")"
"$catena" uploads parts/for --json | jq -e ".uploads == [{key: \"forgotten key\", upload: \"$id\",
    created_ms: .uploads[0].created_ms}] and .is_complete and .uploads[0].created_ms > 1600000000000" >/dev/null ||
    complain "catena uploads --json"
[ -z "$("$catena" uploads parts/other)" ] || complain "the prefix is not obeyed"
"$catena" uploads --abort "parts/forgotten key" "$id" >"$work/out" || complain "catena uploads --abort"
grep -qx 'aborted 1 upload' "$work/out" || complain "catena uploads --abort says $(cat "$work/out")"
refused 3 'completed or aborted' "$catena" uploads --abort "parts/forgotten key" "$id"
say "an upload was listed and dropped by catena uploads"

# Heads die while parts are staged (the large ones) and while uploads are completed (the small ones).
head_of() { "$catena" locate "parts/$1" --json --timeout 5 | jq -r '.members[] | select(.role == "head") | .node'; }
declare -A bytes_of=([moving]=1300000 [small-1]=10 [small-2]=100 [small-3]=1000) worker_of=()
for key in "${!bytes_of[@]}"; do
    "$program" steady "$key" 20 "${bytes_of[$key]}" >"$work/steady-$key.out" 2>"$work/steady-$key.err" &
    worker_of[$key]=$!
done
for round in 1 2 3 4 5 6; do
    until_true 30 "the chain of parts/moving has a head" eval '[ -n "$(head_of moving)" ]'
    node=$(head_of moving)
    kill_9 "node-$node"
    say "round $round: node $node, the head, is killed"
    start_node "$node" "${options[@]}"
    healthy
done
for key in "${!bytes_of[@]}"; do
    wait "${worker_of[$key]}" || die "uploads while heads died: $(cat "$work/steady-$key.err")"
    say "$(cat "$work/steady-$key.out")"
done

# A part whose client dies is collected, an upload that goes on stays.
kept=$(run begin kept)
"$program" steady dying 1000 1300000 >/dev/null 2>&1 &
worker=$!
has_upload() { "$catena" uploads parts/dying | grep -q dying; }
until_true 30 "the uploads on parts/dying have begun" has_upload
kill -KILL "$worker"
{ wait "$worker"; } 2>/dev/null
for id in $("$catena" uploads parts/dying | cut -d ' ' -f 1); do
    "$catena" uploads --abort parts/dying "$id" >/dev/null || complain "abort what a dead client began"
done
[ "$("$catena" uploads parts | cut -d ' ' -f 1)" = "$kept" ] || complain "not only the kept upload is there"

# All nodes die at once: an upload and its parts are as durable as an object.
for id in 1 2 3; do kill_9 "node-$id"; done
for id in 1 2 3; do start_node "$id" "${options[@]}"; done
healthy
run finish kept "$kept"
say "an upload outlived all nodes and was completed"
"$catena" rm -r parts/ >/dev/null || complain "rm"

# Nothing is left: when what is collected has been collected, the stores hold no row of all this.
rows() { # NODE: of its store, when it is stopped
    "$program" rows "$work/node-$1/store"
}
is_empty() {
    local id all=""
    for id in 1 2 3; do stop "node-$id"; done
    for id in 1 2 3; do all+="$(rows "$id") "; done
    echo "$all" >"$work/rows"
    grep -qE '^(uploads 0 chunks 0 multi 0 purge 0 objects 0 ){3}$' "$work/rows" && return 0
    for id in 1 2 3; do start_node "$id" "${options[@]}"; done
    healthy
    read -rt 2 <> <(:) || true # what is due is purged by a running node only
    return 1
}
until_true 60 "the stores are empty" is_empty
say "nothing is left: $(cat "$work/rows")"
[ "$failures" -eq 0 ] && say "ok: multipart"
