#!/usr/bin/env bash
# Access keys in the masters: `catena admin key` and `bucket-public`, what gateways make of them, where secrets are.
# Usage: admin_keys.sh BIN
set -uo pipefail
bin=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/catena-keys-XXXXXX")
cluster="$work/cluster"
failures=0
gateways=()
unset CATENA_MASTERS HTTP_PROXY http_proxy
export PYTHONDONTWRITEBYTECODE=1

finish() {
    for pid in "${gateways[@]}"; do kill "$pid" 2>/dev/null; done
    "$bin/catena" down --dir "$cluster" >/dev/null 2>&1 || true
    if [ "$failures" -eq 0 ]; then rm -rf -- "$work"; else echo "kept for a look: $work" >&2; fi
}
trap finish EXIT

complain() {
    failures=$((failures + 1))
    echo "FAILED: $*" >&2
    sed 's/^/    out: /' "$work/out" | head -n 20 >&2
    sed 's/^/    err: /' "$work/err" | head -n 20 >&2
}
section() { echo "== $1"; }

# expect STATUS ARGUMENT...: `catena admin` ends with that status; a failure says something.
expect() {
    local want=$1
    shift
    "$bin/catena" admin "$@" >"$work/out" 2>"$work/err" </dev/null
    local got=$?
    if [ "$got" -ne "$want" ]; then
        complain "catena admin $* ended with $got, not $want"
    elif [ "$want" -ne 0 ] && [ ! -s "$work/err" ]; then
        complain "catena admin $* failed without a word"
    fi
}
expect_out() { grep -qE -- "$1" "$work/out" || complain "the output lacks: $1"; }
expect_err() { grep -qE -- "$1" "$work/err" || complain "the error lacks: $1"; }
expect_no() { if grep -qE -- "$1" "$work/out" "$work/err"; then complain "shows: $1"; fi; }
expect_json() { jq -e "$1" "$work/out" >/dev/null 2>&1 || complain "the JSON does not satisfy: $1"; }

"$bin/catena" up --dir "$cluster" --no-gateway --chains 4 >"$work/out" 2>"$work/err" || {
    complain "the cluster does not start"
    exit 1
}
CATENA_MASTERS=$(jq -r .masters "$cluster/cluster.json")
export CATENA_MASTERS

section "the command"
expect 2 key
expect 2 key make A-KEY
expect 2 key create
expect 2 key create 'with blank'
expect 2 key create ab
expect 2 key create A-KEY --grant photos
expect 2 key create A-KEY --grant photos:admin
expect 2 key create A-KEY --grant Photos:read
expect 2 key grant A-KEY
expect 2 key list A-KEY
expect 2 key rotate A-KEY photos:read
expect 3 key rotate A-KEY
expect 3 key revoke A-KEY
expect 3 key grant A-KEY photos:read
expect 0 key create A-KEY --grant photos:owner --grant 'logs-*:read' 'music:write'
expect_out '^access key: A-KEY$'
expect_out '^secret: [A-Za-z0-9]{40}$'
first=$(sed -n 's/^secret: //p' "$work/out")
expect 4 key create A-KEY
expect_err 'exists'
expect 0 key list
expect_out 'A-KEY  logs-\*:read music:write photos:owner$'
expect_no "$first"
expect 0 key list --json
expect_json '.access_keys | length == 1 and .[0].access_key == "A-KEY" and (.[0] | has("secret") | not)'
expect_json '.access_keys[0].grants == [{"bucket":"logs-*","right":"read"},{"bucket":"music","right":"write"},{"bucket":"photos","right":"owner"}]'
expect 0 key rotate A-KEY --json
expect_json '.access_key == "A-KEY" and (.secret | length == 40)'
second=$(jq -r .secret "$work/out")
[ "$first" != "$second" ] || complain "rotation gave the same secret"
expect 0 key grant A-KEY photos:none music:read
expect 0 key list
expect_out 'A-KEY  logs-\*:read music:read$'
third=a-secret-of-my-own
if ! echo "$third" | "$bin/catena" admin key create B-KEY --secret-stdin >"$work/out" 2>"$work/err"; then
    complain "--secret-stdin"
fi
expect_no "$third"
if echo short | "$bin/catena" admin key create C-KEY --secret-stdin >"$work/out" 2>"$work/err"; then
    complain "a short secret was taken"
fi
if : | "$bin/catena" admin key create C-KEY --secret-stdin >"$work/out" 2>"$work/err"; then
    complain "an empty secret was taken"
fi
expect 0 key revoke A-KEY
expect 0 key list
expect_no A-KEY
expect 3 bucket-public no-bucket on
expect 2 bucket-public photos
expect 2 bucket-public photos maybe

section "what gateways make of it"
# start NAME OPTION...: sets url and pid.
start() {
    local name=$1
    shift
    : >"$work/$name.ready"
    "$bin/catena-gateway" --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --ready-fd 3 "$@" \
        3>"$work/$name.ready" 2>"$work/$name.log" &
    pid=$!
    gateways+=("$pid")
    for _ in $(seq 200); do
        grep -q '^ready' "$work/$name.ready" && break
        sleep 0.05
    done
    url=$(sed -n 's/.*address=\([^ ]*\) scheme=\([^ ]*\).*/\2:\/\/\1/p' "$work/$name.ready")
    [ -n "$url" ] || complain "$name did not start: $(cat "$work/$name.log")"
}
(umask 077 && echo "key FILE-KEY secret-of-the-file *:owner" >"$work/keys")
start one --acl-mode owners --keys-max-age 3s
one=$url
start two --keys "$work/keys" --keys-max-age 3s
two=$url
if ! python3 "$here/s3_keys.py" "$bin" "$cluster" "$one" "$two" "$work/secrets" >"$work/out" 2>"$work/err"; then
    complain "s3_keys.py"
    cat "$work/out" "$work/err" >&2
fi
cat "$work/out"

section "where secrets are"
printf '%s\n' "$first" "$second" "$third" >>"$work/secrets"
if grep -rFl -f "$work/secrets" "$cluster/log" "$work"/*.log >"$work/out" 2>&1; then
    complain "a log holds a secret"
fi
open=$(find "$cluster"/master-* -path '*/store/*' -type f -perm /077 | head -n 3)
[ -z "$open" ] || complain "others may read the masters' store: $open"
closed=$(stat -c %a "$cluster"/master-1)
[ "$closed" = 700 ] || complain "the masters' directory has mode $closed"

[ "$failures" -eq 0 ] && echo "passed"
[ "$failures" -eq 0 ]
