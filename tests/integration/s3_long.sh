#!/usr/bin/env bash
# What takes long: a copy of 5 GB in parts, 100,000 keys listed while nodes are killed, 200 rounds of a race while heads are,
# memory under load.
#
#   s3_long.sh BIN copy|list|race|soak [MINUTES]
set -uo pipefail
. "$(dirname "$0")/lib/daemons.sh"
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONDONTWRITEBYTECODE=1
what=$2
cluster=$work/cluster
gateways=()
trap 'for pid in "${gateways[@]}"; do kill "$pid" 2>/dev/null; done; "$catena" down --dir "$cluster" >/dev/null 2>&1; finish' EXIT

"$catena" up --dir "$cluster" --json >"$work/up.json" || die "no cluster"
CATENA_MASTERS=$(jq -r .masters "$work/up.json")
AWS_ACCESS_KEY_ID=$(jq -r .s3.access_key "$work/up.json")
AWS_SECRET_ACCESS_KEY=$(jq -r .s3.secret_key "$work/up.json")
export CATENA_MASTERS AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
one=$(jq -r .s3.endpoint "$work/up.json")
second() { # a second gateway: sets two
    "$bin/catena-gateway" --listen 127.0.0.1:0 --admin-listen "" --ready-fd 3 3>"$work/two.ready" 2>"$work/two.log" &
    gateways+=("$!")
    until_true 20 "the second gateway serves" grep -q '^ready' "$work/two.ready"
    two=http://$(sed -n 's/.*address=\([^ ]*\).*/\1/p' "$work/two.ready")
}

case "$what" in
copy)
    free=$(df --output=avail -B1G "$work" | tail -n 1)
    if [ "$free" -lt 45 ]; then
        echo "skipped: 5 GB twice on three replicas need 45 GB, $free are free"
        exit 77
    fi
    "$here/s3_copy_large.py" "$one" 5000000000 || complain "copy"
    ;;
list)
    second
    "$bin/catena-bench" --s3 "${one#http://}" --bucket many-keys --only s3-put --size 1 --keys 100000 --inflight 128 --seconds 300s --once --json >"$work/bench.json" ||
        die "no keys: $(cat "$work/bench.json")"
    keys=$(jq '.results[0].operations | if . > 100000 then 100000 else . end' "$work/bench.json")
    [ "$keys" -eq 100000 ] || complain "only $keys keys were stored in 5 minutes"
    "$here/s3_list_kill.py" "$one" "$two" "$catena" "$cluster" many-keys "$keys" || complain "list"
    ;;
race)
    second
    "$here/s3_kill_race.py" "$one" "$two" "$catena" "$cluster" 200 10 || complain "race"
    ;;
soak)
    "$here/s3_soak.py" "$bin" "$cluster" "${3:-20}" || complain "soak"
    ;;
*) die "what is $what?" ;;
esac
[ "$failures" -eq 0 ] && say "ok: $what"
