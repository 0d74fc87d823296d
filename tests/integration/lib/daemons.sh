# A cluster of daemons that the test starts itself, for what `catena up` does not offer: other options, masters that
# join, disks that fill up. Sourced with $1 = directory of the binaries; sets $bin, $catena, $work, CATENA_MASTERS.
# Every wait is for a condition, with a deadline.

bin=$(cd "$1" && pwd)
catena="$bin/catena"
work=$(mktemp -d "${TMPDIR:-/tmp}/catena-$(basename "$0" .sh)-XXXXXX")
cluster_uuid=$(cat /proc/sys/kernel/random/uuid)
declare -A pid_of address_of
failures=0
mounts=()
unset CATENA_MASTERS

finish() {
    local status=$? name mount
    trap - EXIT
    for name in "${!pid_of[@]}"; do kill -KILL "${pid_of[$name]}" 2>/dev/null; done
    for name in $(jobs -p); do kill -KILL "$name" 2>/dev/null; done
    wait 2>/dev/null
    for mount in "${mounts[@]}"; do until_true 10 "$mount is unmounted" umount "$mount"; done
    [ "$failures" -eq 0 ] || status=1
    if [ "$status" -eq 0 ]; then rm -rf -- "$work"; else echo "kept for a look: $work" >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { printf '%6d ms  %s\n' "$((($(date +%s%N) - began) / 1000000))" "$*"; }
began=$(date +%s%N)
complain() {
    failures=$((failures + 1))
    echo "FAILED: $*" >&2
}
die() {
    complain "$@"
    exit 1
}

# until_true SECONDS WHAT COMMAND...: repeats the command until it succeeds.
until_true() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || die "not in time: $what"
        read -rt 0.05 <> <(:) || true
    done
}

# refused STATUS TEXT COMMAND...: ends with that status and says TEXT (a regular expression) on standard error.
refused() {
    local wanted=$1 text=$2 status=0
    shift 2
    timeout 60 "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
    if [ "$status" -ne "$wanted" ]; then
        complain "status $status instead of $wanted: $*: $(head -c 300 "$work/stderr")"
    elif ! grep -qiE -- "$text" "$work/stderr"; then
        complain "does not say /$text/: $*: $(head -c 300 "$work/stderr")"
    fi
}

free_port() { # one that nobody listens on, below the range of outgoing connections
    local port
    while :; do
        port=$((10000 + (RANDOM * 32768 + RANDOM) % 20000))
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# start NAME COMMAND...: in the background, its words in $work/NAME.log; waits until DIR/ready is there.
start() {
    local name=$1 dir=$2
    shift 2
    rm -f "$dir/ready"
    "$@" >>"$work/$name.log" 2>&1 </dev/null &
    pid_of[$name]=$!
    until_true 30 "$name is ready" is_ready_or_dead "$name" "$dir"
    kill -0 "${pid_of[$name]}" 2>/dev/null || die "$name ended: $(tail -n 3 "$work/$name.log")"
}
is_ready_or_dead() { [ -s "$2/ready" ] || ! kill -0 "${pid_of[$1]}" 2>/dev/null; }

# start_master ID OPTION...: its address was chosen before, in address_of[master-ID].
start_master() {
    local name="master-$1" dir="$work/master-$1" id=$1
    shift
    start "$name" "$dir" "$bin/catena-master" --id "$id" --dir "$dir" --listen "${address_of[$name]}" \
        --cluster "$cluster_uuid" "$@"
}
start_node() {
    local name="node-$1" dir="$work/node-$1" id=$1
    shift
    start "$name" "$dir" "$bin/catena-node" --id "$id" --dir "$dir" --cluster "$cluster_uuid" \
        --masters "$CATENA_MASTERS" "$@"
}
choose_addresses() { # FIRST LAST: of masters
    local i
    for i in $(seq "$1" "$2"); do address_of[master-$i]=127.0.0.1:$(free_port); done
}
# found MASTERS: starts that many new ones and sets CATENA_MASTERS.
found() {
    local i list="" clients=""
    choose_addresses 1 "$1"
    for i in $(seq 1 "$1"); do
        list+="${list:+,}$i=${address_of[master-$i]}"
        clients+="${clients:+,}${address_of[master-$i]}"
    done
    export CATENA_MASTERS=$clients
    for i in $(seq 1 "$1"); do start_master "$i" --bootstrap --masters "$list"; done
}
is_gone() { # PID: no such process, or a zombie that has no other threads (they would still hold its files)
    local facts
    facts=$(grep -sE '^(State|Threads):' "/proc/$1/status") || return 0
    grep -qE '^State:.[ZX]' <<<"$facts" && grep -qE '^Threads:.[01]$' <<<"$facts"
}
kill_9() { # NAME: and its worker, if it is a node
    local workers
    workers=$(cat "/proc/${pid_of[$1]}/task/${pid_of[$1]}/children")
    kill -KILL "${pid_of[$1]}" $workers
    { wait "${pid_of[$1]}"; } 2>/dev/null || true
    unset "pid_of[$1]"
    local worker # not a child of ours; its directory is free when all of its threads are gone
    for worker in $workers; do until_true 10 "the worker of $1 is gone" is_gone "$worker"; done
}
stop() { # NAME: cleanly
    kill -TERM "${pid_of[$1]}"
    wait "${pid_of[$1]}" || complain "$1 ended with $? after SIGTERM"
    unset "pid_of[$1]"
}
all_alive() {
    local name
    for name in "${!pid_of[@]}"; do
        kill -0 "${pid_of[$name]}" 2>/dev/null || complain "$name died: $(tail -n 3 "$work/$name.log")"
    done
}
status_is() { "$catena" status --json --timeout 5 | jq -e "$1"; }
healthy() { until_true "${1:-60}" "the cluster is healthy" "$catena" status --check --timeout 5; }
