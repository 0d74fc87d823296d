#!/usr/bin/env bash
# A node whose disk was wiped comes back and gets copies; a fourth node joins, and takes over when another is dead for good;
# then one more dies, and every byte is still there.
#
#   nodes_change.sh BIN
set -uo pipefail
. "$(dirname "$0")/lib/daemons.sh"
found 1
for id in 1 2 3; do start_node "$id"; done
"$catena" admin init --chains 16 --replicas 3 >/dev/null || die "init"
healthy
"$catena" mb nodes >/dev/null || die "mb"
mkdir "$work/in"
for i in $(seq 1 200); do echo "file $i" >"$work/in/$i"; done
head -c 20000000 /dev/urandom >"$work/in/large"
"$catena" cp -r --quiet "$work/in" catena:nodes/in >/dev/null || die "cp"
same() { # nothing is missing
    rm -rf "$work/out"
    "$catena" cp -r --quiet catena:nodes/in "$work/out" >/dev/null && diff -r "$work/in" "$work/out" >/dev/null ||
        complain "$1: the tree is not what went in"
}
members_on() { # NODE: how many chains have it as a serving member
    "$catena" status --json --timeout 5 |
        jq "[.chains[] | select(any(.members[]; .node == $1 and .role != \"joiner\"))] | length"
}

say "node 2 loses its disk"
kill_9 node-2
rm -rf "$work/node-2"
same "with two nodes"
start_node 2
healthy 90
[ "$(members_on 2)" -eq 16 ] || complain "the wiped node serves $(members_on 2) of 16 chains"
for id in 1 3; do kill_9 "node-$id"; done
until_true 30 "the wiped node serves alone" status_is 'all(.chains[]; .serves)'
same "from the wiped node alone"
for id in 1 3; do start_node "$id"; done
healthy 90
say "it has a full copy"

say "a fourth node; node 1 is dead for good"
start_node 4
kill_9 node-1
until_true 90 "every chain has three replicas again, on 2, 3 and 4" \
    status_is 'all(.chains[]; .serves and ([.members[] | select(.role != "joiner") | .node] | sort) == [2, 3, 4])'
say "its chains have three replicas again"
"$catena" admin node-remove 1 >/dev/null || complain "node-remove 1"
healthy
refused 3 'node' "$catena" admin node-remove 77
for id in 2 3; do kill_9 "node-$id"; done
until_true 30 "node 4 serves alone" status_is 'all(.chains[]; .serves)'
same "from the fourth node alone"
echo more | "$catena" put - nodes/more >/dev/null || complain "put with one node left"
for id in 2 3; do start_node "$id"; done
healthy 90
same "at the end"

say "a second node with an id that is in use; a removed node that returns"
refused 1 'id|alive' "$bin/catena-node" --id 4 --dir "$work/second" --masters "$CATENA_MASTERS"
start_node 1
until_true 30 "node 1 is known again" status_is 'any(.nodes[]; .id == 1 and .state == "alive")'
healthy
same "with a node that was removed"
all_alive
[ "$failures" -eq 0 ] && say "ok: nodes"
