#!/usr/bin/env bash
# Ctrl-C, and then kill -9, in the middle of a 1 GiB put: nothing is visible, an older value stays, and the space of the
# chunks that had arrived is given back (with a short --upload-idle, which is what the killed one waits for).
#
#   put_interrupted.sh BIN
set -uo pipefail
. "$(dirname "$0")/lib/daemons.sh"
found 1
for id in 1 2 3; do start_node "$id" --upload-idle 2s --purge-grace 1s; done
"$catena" admin init --chains 8 --replicas 3 >/dev/null || die "init"
healthy
"$catena" mb inter >/dev/null || die "mb"
printf 'old value\n' | "$catena" put - inter/replaced >/dev/null || die "put"

mib_stored() { du -sm "$work"/node-1/store | cut -f 1; }
has_at_least() { [ "$(mib_stored)" -ge "$1" ]; }
has_at_most() { [ "$(mib_stored)" -le "$1" ]; }
empty=$(mib_stored)

# interrupt KEY SIGNAL STATUS
interrupt() {
    local writer status=0
    mkfifo "$work/pipe-$2"
    head -c 1073741824 /dev/urandom >"$work/pipe-$2" 2>/dev/null &
    "$catena" put "$work/pipe-$2" "$1" >"$work/out" 2>"$work/err" &
    writer=$!
    until_true 60 "100 MiB of the put have arrived" has_at_least $((empty + 100))
    kill "-$2" "$writer"
    wait "$writer" || status=$?
    say "put $1 ended by SIG$2 with $status when $(mib_stored) MiB were stored"
    [ "$status" -eq "$3" ] || complain "the put that SIG$2 ended has status $status, not $3"
    wait %?head 2>/dev/null
}

interrupt inter/new INT 130
refused 3 'no such|not' "$catena" stat inter/new
[ "$("$catena" ls -r --json inter | jq -r '[.items[].key] | join(" ")')" = replaced ] || complain "ls shows it"
until_true 120 "the interrupted put's space is given back" has_at_most $((empty + 40))
say "reclaimed: $(mib_stored) MiB are stored"

interrupt inter/replaced KILL 137
[ "$("$catena" get inter/replaced -)" = 'old value' ] || complain "the old value is damaged"
until_true 120 "the killed put's space is given back" has_at_most $((empty + 40))
say "reclaimed: $(mib_stored) MiB are stored"
all_alive
[ "$failures" -eq 0 ] && say "ok: interrupted put"
