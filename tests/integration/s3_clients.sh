#!/usr/bin/env bash
# S3 clients as people have them, over HTTP and HTTPS against a real cluster with two gateways. What they did must be
# what the table in docs/s3.md says. Usage: s3_clients.sh BIN DOCS/S3.MD [CLIENT...]
#
# With names of clients only those run, and the table is not compared. S3_TABLE=write writes it. S3_RESULTS=FILE keeps the
# lines.
set -uo pipefail
bin=$(cd "$1" && pwd)
table=$(realpath "$2")
shift 2
here=$(cd "$(dirname "$0")" && pwd)
source_tree=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/catena-s3-clients-XXXXXX")
failures=0
gateways=()
unset CATENA_MASTERS AWS_PROFILE AWS_CA_BUNDLE SSL_CERT_FILE HTTP_PROXY HTTPS_PROXY http_proxy https_proxy AWS_SESSION_TOKEN AWS_ENDPOINT_URL
export PYTHONDONTWRITEBYTECODE=1 NODE_NO_WARNINGS=1

finish() {
    for pid in "${gateways[@]}"; do kill "$pid" 2>/dev/null; done
    "$bin/catena" down --dir "$work/cluster" >/dev/null 2>&1 || true
    if [ "$failures" -eq 0 ]; then rm -rf -- "$work"; else echo "kept for a look: $work" >&2; fi
}
trap finish EXIT
die() {
    failures=1
    echo "FAILED: $*" >&2
    exit 1
}

# ---- the cluster and its gateways ----
"$bin/catena" up --dir "$work/cluster" --no-gateway --chains 8 >"$work/up.log" 2>&1 || die "$(cat "$work/up.log")"
CATENA_MASTERS=$(jq -r .masters "$work/cluster/cluster.json")
export CATENA_MASTERS
export AWS_ACCESS_KEY_ID=AKIATEST AWS_SECRET_ACCESS_KEY=secret-of-the-test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
(umask 077 && echo "key $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY *:owner" >"$work/keys")
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1,DNS:localhost \
    -keyout "$work/tls.key" -out "$work/tls.crt" >/dev/null 2>&1 || die "openssl makes no certificate"

declare -A endpoint
start() { # TRANSPORT OPTION...
    local name=$1
    shift
    : >"$work/$name.ready"
    "$bin/catena-gateway" --keys "$work/keys" --listen 127.0.0.1:0 --admin-listen "" --ready-fd 3 "$@" \
        3>"$work/$name.ready" 2>"$work/$name.log" &
    gateways+=("$!")
    for _ in $(seq 200); do
        grep -q '^ready' "$work/$name.ready" && break
        sleep 0.05
    done
    endpoint[$name]=$(sed -n 's/.*address=\([^ ]*\) scheme=\([^ ]*\).*/\2:\/\/\1/p' "$work/$name.ready")
    [ -n "${endpoint[$name]}" ] || die "the gateway for $name did not start: $(cat "$work/$name.log")"
}
start HTTP
start HTTPS --tls-cert "$work/tls.crt" --tls-key "$work/tls.key"

# ---- what they store ----
export S3_DATA=$work/data S3_CA=$work/tls.crt S3_CLIENTS=${S3_CLIENTS:-$source_tree/build/clients}
mkdir -p "$S3_DATA/tree/sub dir/deeper"
head -c 100003 /dev/urandom >"$S3_DATA/small"
head -c 20971523 /dev/urandom >"$S3_DATA/large"
echo one >"$S3_DATA/tree/one"
echo plus >"$S3_DATA/tree/a+b & c"
head -c 70001 /dev/urandom >"$S3_DATA/tree/sub dir/dätä"
for i in $(seq 12); do echo "$i" >"$S3_DATA/tree/sub dir/deeper/$i"; done

# ---- the clients ----
# run NAME TRANSPORT COMMAND...: its lines go to $work/NAME-TRANSPORT.results
run() {
    local name=$1 transport=$2 began=$SECONDS
    shift 2
    mkdir -p "$work/run-$name-$transport"
    S3_TRANSPORT=$transport S3_ENDPOINT=${endpoint[$transport]} S3_BUCKET=${name//_/-}-${transport,,} S3_WORK=$work/run-$name-$transport \
        HOME=$work/run-$name-$transport NODE_EXTRA_CA_CERTS=$S3_CA timeout 400 "$@" \
        >"$work/$name-$transport.results" 2>"$work/$name-$transport.errors" </dev/null || echo "$name ended $transport FAILED" >>"$work/$name-$transport.results"
    echo "$name over $transport: $(grep -c ' ok$' "$work/$name-$transport.results") operations, $((SECONDS - began)) s"
}
missing() { # NAME REASON
    for transport in HTTP HTTPS; do echo "$1 all $transport skipped $2" >"$work/$1-$transport.results"; done
    echo "$1: skipped, $2"
}
has() { command -v "$1" >/dev/null; }
node() { # the newest there is
    local own=$S3_CLIENTS/npm/node_modules/.bin/node
    if [ -x "$own" ]; then echo "$own"; else command -v node; fi
}
clients=(aws-cli-2 aws-cli-1 boto3 boto3-1.26 sdk-js rclone s3cmd restic s3fs curl browser)
client() { # NAME TRANSPORT
    case "$1" in
    aws-cli-2) if [ -x /usr/bin/aws ]; then run "$@" "$here/s3_clients/aws.sh" "$1" /usr/bin/aws; else missing "$1" "awscli is not installed"; fi ;;
    aws-cli-1)
        if [ -x "$S3_CLIENTS/pip/bin/aws" ]; then
            PYTHONPATH=$S3_CLIENTS/pip run "$@" "$here/s3_clients/aws.sh" "$1" /usr/bin/python3 "$S3_CLIENTS/pip/bin/aws"
        else missing "$1" "pip could not install it"; fi
        ;;
    boto3)
        if [ -d "$S3_CLIENTS/pip/boto3" ]; then
            PYTHONPATH=$S3_CLIENTS/pip run "$@" /usr/bin/python3 "$here/s3_clients/boto3_client.py" "$1"
        else missing "$1" "pip could not install it"; fi
        ;;
    boto3-1.26)
        if /usr/bin/python3 -c 'import boto3' 2>/dev/null; then run "$@" /usr/bin/python3 "$here/s3_clients/boto3_client.py" "$1"; else missing "$1" "python3-boto3 is not installed"; fi
        ;;
    sdk-js)
        if [ -d "$S3_CLIENTS/npm/node_modules/@aws-sdk/client-s3" ]; then
            run "$@" "$(node)" "$here/s3_clients/sdk_js.mjs"
        else missing "$1" "npm could not install it"; fi
        ;;
    browser) if has chromium; then run "$@" "$here/s3_clients/browser.py"; else missing "$1" "chromium is not installed"; fi ;;
    *) if has "$1"; then run "$@" "$here/s3_clients/$1.sh"; else missing "$1" "$1 is not installed"; fi ;;
    esac
}
# Both transports of a client at once, one client after the other: two processors are kept busy.
chosen=("$@")
[ $# -gt 0 ] || chosen=("${clients[@]}")
for name in "${chosen[@]}"; do
    client "$name" HTTP &
    first=$!
    client "$name" HTTPS
    wait "$first"
done

cat "$work"/*.results >"$work/results"
[ -z "${S3_RESULTS:-}" ] || cp "$work/results" "$S3_RESULTS"
cat "$work"/*.errors >&2
for name in HTTP HTTPS; do
    grep -hE 'level=(error|fatal)|AddressSanitizer|runtime error' "$work/$name.log" && die "the gateway for $name complains"
done
for pid in "${gateways[@]}"; do kill -0 "$pid" 2>/dev/null || die "a gateway died: $(tail -n 5 "$work"/HTTP*.log)"; done
if grep ' FAILED' "$work/results" >&2; then failures=1; fi
if [ $# -eq 0 ]; then
    "$here/s3_table.py" "--${S3_TABLE:-check}" "$work/results" "$table" || failures=1
fi
echo "$(grep -c ' ok$' "$work/results") operations, $SECONDS s"
[ "$failures" -eq 0 ]
