#!/usr/bin/env bash
# catena up with one, three and five masters, one, two and four nodes: each stores, survives what it should, and starts again.
# A cluster that is copied or moved is where its directory is. A cluster without chains says so.
#
#   up_shapes.sh BIN
set -uo pipefail
. "$(dirname "$0")/lib/daemons.sh"
trap 'for d in "$work"/shape-*; do "$catena" down --dir "$d" >/dev/null 2>&1; done; finish' EXIT
printf 'hello\n' >"$work/hello"

# shape MASTERS NODES
shape() {
    local dir="$work/shape-$1-$2" chains
    "$catena" up --dir "$dir" --masters "$1" --nodes "$2" --chains 8 >"$work/out" 2>"$work/err" ||
        die "up with $1 masters and $2 nodes: $(cat "$work/err")"
    CATENA_MASTERS=$(jq -r .masters "$dir/cluster.json")
    export CATENA_MASTERS
    "$catena" status --check >/dev/null || complain "$1+$2 is not healthy"
    "$catena" mb shape >/dev/null && "$catena" put "$work/hello" shape/hello >/dev/null || complain "$1+$2: put"
    chains=$(jq .chains "$dir/cluster.json")
    status_is "(.masters | length == $1) and (.nodes | length == $2) and (.chains | length == $chains)" >/dev/null ||
        complain "$1+$2: status shows something else"
    # As many masters as may die; the leading one first.
    local survive=$((($1 - 1) / 2)) i pid
    for i in $(seq 1 "$survive"); do
        until_true 20 "a master leads" status_is '.degraded.has_leader'
        pid=$("$catena" status --json | jq '.masters[] | select(.is_leader) | .pid')
        kill -KILL "$pid"
        until_true 20 "$1+$2: a put after the death of $i masters" "$catena" put --timeout 10 "$work/hello" "shape/m-$i"
    done
    for i in $(seq 2 "$2"); do # all nodes but one may die, one after the other
        pid=$("$catena" locate shape/hello --json | jq '.members[0].pid')
        kill -KILL "$pid"
        until_true 20 "$1+$2: a put after the death of $((i - 1)) nodes" \
            "$catena" put --timeout 10 "$work/hello" shape/hello
        [ "$(jq .replicas "$dir/cluster.json")" -ge "$((i + 1))" ] || break
    done
    "$catena" up --dir "$dir" >/dev/null 2>"$work/err" || complain "$1+$2: up again: $(cat "$work/err")"
    "$catena" down --dir "$dir" >/dev/null || complain "$1+$2: down"
    "$catena" up --dir "$dir" >/dev/null 2>"$work/err" || complain "$1+$2: up on the same data: $(cat "$work/err")"
    [ "$("$catena" get shape/hello -)" = hello ] || complain "$1+$2: hello is lost"
    "$catena" down --dir "$dir" >/dev/null || complain "$1+$2: down"
    say "$1 masters, $2 nodes: ok"
}
shape 1 1
shape 1 2
shape 3 2
shape 5 3
shape 1 4

say "a copy and a move: what counts is the directory that is given"
a="$work/shape-a" b="$work/shape-b" moved="$work/shape-moved"
up() { "$catena" up --dir "$1" "${@:2}" >"$work/out" 2>"$work/err" || die "up --dir $1: $(cat "$work/err")"; }
running() { "$catena" up --dir "$1" --status --json 2>/dev/null | jq .running; }
up "$a" --masters 1 --nodes 1 --chains 4
CATENA_MASTERS=$(jq -r .masters "$a/cluster.json")
"$catena" mb shape >/dev/null && "$catena" put "$work/hello" shape/hello >/dev/null || complain "put"
pids=$(jq -c '[.processes[].pid]' "$a/cluster.json")
cp -r "$a" "$b" # of a running one: nothing to store data in, but it must not be taken for the original
[ "$(running "$b")" -eq 0 ] || complain "the original's processes count as those of a copy"
"$catena" down --dir "$b" >"$work/out" || complain "down of a copy"
[ "$(grep -c 'was not running' "$work/out")" -eq 3 ] || complain "down of a copy stopped something: $(cat "$work/out")"
[ "$(running "$a")" -eq 3 ] || complain "down of a copy stopped the original"
refused 1 "$a.*still runs there" "$catena" up --dir "$b"
[ "$(jq -c '[.processes[].pid]' "$a/cluster.json")" = "$pids" ] || complain "the original's cluster.json was changed"
"$catena" down --dir "$a" >/dev/null || complain "down"
rm -rf "$b" && cp -r "$a" "$b"
up "$b"
jq -e --arg dir "$b" '.dir == $dir and all(.processes[]; .dir + .log | startswith($dir + "/"))' "$b/cluster.json" >/dev/null ||
    complain "cluster.json of the copy names another place"
[ "$(jq -r .dir "$a/cluster.json")" = "$a" ] || complain "cluster.json of the original was changed"
for pid in $(jq '.processes[].pid' "$b/cluster.json"); do
    tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qF "$b/" || complain "a process of the copy works elsewhere"
done
"$catena" down --dir "$a" >/dev/null || complain "down of the original"
[ "$(running "$b")" -eq 3 ] || complain "down of the original stopped the copy"
echo copied | "$catena" put - shape/copied >/dev/null || complain "a put to the copy"
"$catena" down --dir "$b" >/dev/null || complain "down of the copy"
up "$a"
refused 3 'copied' "$catena" get shape/copied -
"$catena" down --dir "$a" >/dev/null || complain "down"
mv "$b" "$moved"
up "$moved"
[ "$("$catena" get shape/hello -)$("$catena" get shape/copied -)" = hellocopied ] || complain "the moved cluster lost something"
[ ! -e "$b" ] || complain "the moved cluster made its old directory again"
"$catena" down --dir "$moved" >"$work/out" || complain "down of the moved one"
[ "$(grep -c ' stopped' "$work/out")" -eq 3 ] || complain "down of the moved one: $(cat "$work/out")"
rm "$moved/log/node-1.log" && mkdir "$moved/log/node-1.log"
refused 1 "node 1: cannot write its log $moved/log/node-1.log: Is a directory" "$catena" up --dir "$moved"
"$catena" down --dir "$moved" >/dev/null || complain "down of what was started"
rm -rf "$moved/log" && echo >"$moved/log"
refused 1 "make directory $moved/log: Not a directory" "$catena" up --dir "$moved"
refused 1 "make directory $work/hello: Not a directory" "$catena" up --dir "$work/hello"

say "a cluster without chains"
found 1
start_node 1
until_true 20 "node 1 is known" status_is 'any(.nodes[]; .state == "alive")'
"$catena" status >"$work/out" || complain "status without chains"
grep -q 'NOT SERVING' "$work/out" && grep -q 'catena admin init' "$work/out" || complain "it does not say what to do: $(cat "$work/out")"
"$catena" status --check >/dev/null
[ "$?" -eq 9 ] || complain "status --check takes a cluster without chains for good"
status_is '(.is_healthy | not) and (.degraded.has_chains | not)' >/dev/null || complain "--json takes it for good"
"$catena" admin init --chains 4 --replicas 1 >/dev/null || complain "admin init"
healthy
status_is '.degraded.has_chains' >/dev/null || complain "--json does not see the chains"

refused 2 'odd' "$catena" up --dir "$work/even" --masters 4
[ ! -e "$work/even" ] || complain "up that refused its options made a directory"
[ "$failures" -eq 0 ] && say "ok: shapes"
