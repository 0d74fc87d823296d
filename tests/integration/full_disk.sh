#!/usr/bin/env bash
# Nodes on small file systems fill up: puts are refused with what to do, deletes work, freed space is used again, nothing
# acknowledged is lost and no process dies. Mounts tmpfs, so it needs root; otherwise it is skipped (status 77).
#
#   full_disk.sh BIN
set -uo pipefail
. "$(dirname "$0")/lib/daemons.sh"

mount_small() { # ID MIB
    mkdir "$work/node-$1"
    mount -t tmpfs -o "size=${2}m" catena-test "$work/node-$1" 2>/dev/null || return 1
    mounts+=("$work/node-$1")
}
for id in 1 2 3; do
    mount_small "$id" 256 || {
        echo "SKIPPED: mounting a tmpfs needs root (CAP_SYS_ADMIN)"
        exit 77
    }
done
found 1
options=(--purge-grace 1s --reserve 64MiB --write-buffers 8MiB --cache 8MiB)
for id in 1 2 3; do start_node "$id" "${options[@]}"; done
"$catena" admin init --chains 8 --replicas 3 >/dev/null || die "init"
healthy
"$catena" mb full >/dev/null || die "mb"
printf 'small\n' >"$work/small"
"$catena" put "$work/small" full/before >/dev/null || die "put before"

say "filling 256 MiB per node, reserve 64 MiB"
stored=0
status=0
while [ "$stored" -lt 100 ]; do
    head -c 8388608 /dev/urandom >"$work/in-$stored"
    "$catena" put --timeout 20 "$work/in-$stored" "full/big-$stored" >"$work/out" 2>"$work/err" || {
        status=$?
        break
    }
    stored=$((stored + 1))
done
say "full after $stored objects of 8 MiB: exit status $status: $(cat "$work/err")"
[ "$stored" -ge 8 ] || complain "only $stored objects of 8 MiB fit into 256 MiB"
[ "$status" -eq 7 ] || complain "a put on a full disk ended with $status, not 7"
grep -qi 'no space' "$work/err" || complain "the error does not say that there is no space"
grep -qiE 'delete|remove|add' "$work/err" || complain "the error does not say what to do"
refused 7 'no space' "$catena" put --timeout 20 "$work/small" full/small-when-full
refused 3 'no such|not' "$catena" stat full/small-when-full
refused 3 'no such|not' "$catena" stat "full/big-$stored"
says_full() { "$catena" status | grep -q 'has reached the reserve of its disk and refuses puts'; }
until_true 10 "that status says which node is full" says_full
all_alive

say "nothing acknowledged is lost"
check_all() { # FROM
    local i
    for i in $(seq "$1" $((stored - 1))); do
        "$catena" get --timeout 20 "full/big-$i" "$work/back" >/dev/null && cmp "$work/back" "$work/in-$i" ||
            complain "big-$i is not what was put"
    done
    [ "$("$catena" get full/before -)" = small ] || complain "full/before is lost"
}
check_all 0

say "deletes work, and their space is used again"
half=$((stored / 2))
for i in $(seq 0 $((half - 1))); do
    "$catena" rm --timeout 20 "full/big-$i" >/dev/null || complain "rm on a full disk failed"
done
put_again() { "$catena" put --timeout 5 "$work/in-0" full/again; }
until_true 90 "a put of 8 MiB after half was deleted" put_again
say "a put works again"
says_nothing() { ! says_full; }
until_true 30 "that status says no longer that a node is full" says_nothing
"$catena" get full/again "$work/back" >/dev/null && cmp "$work/back" "$work/in-0" || complain "full/again is damaged"
check_all "$half"
all_alive

say "restarted while nearly full: everything is there"
for id in 1 2 3; do stop "node-$id"; done
for id in 1 2 3; do start_node "$id" "${options[@]}"; done
healthy
check_all "$half"

say "really full: somebody else takes what is left, down to the last byte"
for id in 1 2 3; do dd if=/dev/zero of="$work/node-$id/ballast" bs=64k status=none 2>/dev/null; done
timeout 60 "$catena" put --timeout 10 "$work/small" full/at-zero >"$work/out" 2>"$work/err"
say "put with no byte left: exit status $?: $(head -n 1 "$work/err")"
for id in 1 2 3; do rm -f "$work/node-$id/ballast"; done
for id in 1 2 3; do
    # A node whose disk fails a write stops, as it must after a failed fsync (docs/operations.md); it starts again.
    if ! kill -0 "${pid_of[node-$id]}" 2>/dev/null; then
        say "node $id stopped: $(grep -E 'level=(error|fatal)|no space|space' "$work/node-$id.log" | tail -n 1)"
        wait "${pid_of[node-$id]}" 2>/dev/null
        start_node "$id" "${options[@]}"
    fi
done
healthy 90
check_all "$half"
until_true 60 "a put after the ballast is gone" "$catena" put --timeout 5 "$work/small" full/after
[ "$failures" -eq 0 ] && say "ok: full disk"
