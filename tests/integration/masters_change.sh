#!/usr/bin/env bash
# Masters come and go while objects are written: 3 -> 5 -> 3, the leadership is handed over, and a master that lost its
# disk is refused until it is removed and added again. No put fails, nothing that was acknowledged is missing.
#
#   masters_change.sh BIN
set -uo pipefail
. "$(dirname "$0")/lib/daemons.sh"
found 3
for id in 1 2 3; do start_node "$id"; done
"$catena" admin init --chains 16 --replicas 3 >/dev/null || die "init"
healthy
"$catena" mb load >/dev/null || die "mb"

# The load: one process after the other puts the next object; it ends when the file "stop" is there.
load() {
    local i=0
    while [ ! -e "$work/stop" ]; do
        if echo "value $i" | "$catena" put --masters "$(cat "$work/masters")" --timeout 20 - "load/key-$i" >/dev/null 2>"$work/load.err"; then
            echo "$i" >"$work/load.count.new" && mv "$work/load.count.new" "$work/load.count"
        else
            echo "put $i: $(cat "$work/load.err")" >>"$work/load.failed"
        fi
        i=$((i + 1))
    done
}
echo "$CATENA_MASTERS" >"$work/masters"
load &
loader=$!
puts_done() { cat "$work/load.count" 2>/dev/null || echo 0; }
more_puts() { # the load goes on
    local from
    from=$(puts_done)
    until_true 60 "20 more puts" puts_beyond $((from + 20))
}
puts_beyond() { [ "$(puts_done)" -ge "$1" ]; }
leader() { "$catena" status --json --timeout 5 | jq '[.masters[] | select(.is_leader) | .id][0] // 0'; }
leader_is() { [ "$(leader)" -eq "$1" ]; }
admin() { "$catena" admin "$@" >"$work/out" 2>"$work/err" || complain "admin $*: $(cat "$work/err")"; }
masters_are() { status_is "([.masters[].id] | sort | map(tostring) | join(\" \")) == \"$*\""; }

more_puts
say "three masters; adding two"
choose_addresses 4 5
for id in 4 5; do
    start_master "$id" --join
    admin master-add "$id" "${address_of[master-$id]}"
    until_true 30 "master $id follows" status_is ".masters | map(select(.id == $id and .is_reachable)) | length == 1"
done
masters_are 1 2 3 4 5 >/dev/null || complain "the masters are not 1 to 5"
refused 4 'member already' "$catena" admin master-add 4 "${address_of[master-4]}"
more_puts

say "leadership to 5, to 1, to any other"
for id in 5 1; do
    admin transfer-leader "$id"
    until_true 20 "master $id leads" leader_is "$id"
    more_puts
done
admin transfer-leader 0
more_puts

say "five masters survive two: 1 and 2 are killed and removed"
for id in 1 2; do kill_9 "master-$id"; done
more_puts
export CATENA_MASTERS=${address_of[master-3]},${address_of[master-4]},${address_of[master-5]}
echo "$CATENA_MASTERS" >"$work/masters.new" && mv "$work/masters.new" "$work/masters"
until_true 20 "there is a leader" status_is '.degraded.has_leader'
for id in 1 2; do admin master-remove "$id"; done
masters_are 3 4 5 >/dev/null || complain "the masters are not 3 to 5"
more_puts
healthy

say "a removed master that starts again stays outside"
start_master 1
more_puts
masters_are 3 4 5 >/dev/null || complain "a removed master came back by itself"
kill_9 master-1

say "the leading master loses its disk"
lost=$(leader)
kill_9 "master-$lost"
rm -rf "$work/master-$lost"
more_puts
refused 1 'empty|--join|--bootstrap' "$bin/catena-master" --id "$lost" --dir "$work/master-$lost" \
    --listen "${address_of[master-$lost]}" --cluster "$cluster_uuid"
# Founding again, out of habit: it must not take part in the old cluster with an empty log.
list=""
for id in 3 4 5; do list+="${list:+,}$id=${address_of[master-$id]}"; done
start_master "$lost" --bootstrap --masters "$list"
more_puts
until_true 20 "there is a leader" status_is '.degraded.has_leader'
status_is ".masters | map(select(.id == $lost and .is_reachable == true and .is_leader)) | length == 0" >/dev/null ||
    complain "a master with an empty disk leads"
grep -qiE 'refuse|lost|disk' "$work/master-$lost.log" || complain "a master with a new disk says nothing about it"
say "it says: $(grep -iE 'refuse|lost|disk' "$work/master-$lost.log" | tail -n 1 | cut -c 1-200)"
if kill -0 "${pid_of[master-$lost]}" 2>/dev/null; then kill_9 "master-$lost"; else unset "pid_of[master-$lost]"; fi
rm -rf "$work/master-$lost"
say "removed, started with --join on an empty directory, added again"
admin master-remove "$lost"
start_master "$lost" --join
admin master-add "$lost" "${address_of[master-$lost]}"
healthy
more_puts
admin transfer-leader "$lost"
until_true 20 "master $lost leads" leader_is "$lost"
more_puts

touch "$work/stop"
wait "$loader"
total=$(puts_done)
[ ! -e "$work/load.failed" ] || complain "puts failed: $(head -n 3 "$work/load.failed")"
"$catena" cp -r --quiet catena:load "$work/back" >/dev/null || complain "cp"
for i in $(seq 0 "$total"); do
    [ "$(cat "$work/back/key-$i" 2>/dev/null)" = "value $i" ] || complain "key-$i is missing or wrong"
done
say "$((total + 1)) puts, all there"
all_alive
[ "$failures" -eq 0 ] && say "ok: masters"
