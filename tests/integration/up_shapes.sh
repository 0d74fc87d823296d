#!/usr/bin/env bash
# catena up with one, three and five masters, one, two and four nodes: each stores, survives what it should, and starts again.
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
refused 2 'odd' "$catena" up --dir "$work/even" --masters 4
[ ! -e "$work/even" ] || complain "up that refused its options made a directory"
[ "$failures" -eq 0 ] && say "ok: shapes"
