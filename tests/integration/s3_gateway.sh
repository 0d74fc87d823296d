#!/usr/bin/env bash
# Gateways over a real cluster: the protocol (s3_checks.py and others), keys and certificates that change, draining. Clients
# as people have them are in s3_clients.sh. Usage: s3_gateway.sh BIN
set -uo pipefail
bin=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/catena-s3-XXXXXX")
failures=0
gateways=()
unset CATENA_MASTERS AWS_PROFILE AWS_CA_BUNDLE SSL_CERT_FILE HTTP_PROXY HTTPS_PROXY http_proxy https_proxy
export PYTHONDONTWRITEBYTECODE=1 AWS_EC2_METADATA_DISABLED=true

finish() {
    for pid in "${gateways[@]}"; do kill "$pid" 2>/dev/null; done
    "$bin/catena" down --dir "$work/cluster" >/dev/null 2>&1 || true
    if [ "$failures" -eq 0 ]; then rm -rf -- "$work"; else echo "kept for a look: $work" >&2; fi
}
trap finish EXIT

complain() {
    failures=$((failures + 1))
    echo "FAILED: $*" >&2
}
section() { echo "== $1"; }
# good COMMAND...: must succeed; its output is shown if it does not.
good() {
    timeout 100 "$@" >"$work/out" 2>&1 </dev/null || {
        complain "$*"
        tail -n 25 "$work/out" >&2
    }
}
bad() {
    if timeout 30 "$@" >"$work/out" 2>&1 </dev/null; then complain "should have failed: $*"; fi
}

"$bin/catena" up --dir "$work/cluster" --no-gateway --chains 8 >"$work/up.log" 2>&1 || {
    cat "$work/up.log" >&2
    failures=1
    exit 1
}
CATENA_MASTERS=$(jq -r .masters "$work/cluster/cluster.json")
export CATENA_MASTERS
(umask 077 && cat >"$work/keys" <<'KEYS'
# access key, secret, rights
key AKIATEST secret-of-the-test *:owner
key AKIAREAD secret-of-the-reader shared:read
KEYS
)
certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$work/tls.key" -out "$work/tls.crt" >/dev/null 2>&1
}
certificate first

# start NAME OPTION...: sets pid, url and admin.
start() {
    local name=$1
    shift
    : >"$work/$name.ready"
    "$bin/catena-gateway" --keys "$work/keys" --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --ready-fd 3 "$@" \
        3>"$work/$name.ready" 2>"$work/$name.log" &
    pid=$!
    gateways+=("$pid")
    for _ in $(seq 200); do
        grep -q '^ready' "$work/$name.ready" && break
        sleep 0.05
    done
    url=$(sed -n 's/.*address=\([^ ]*\) scheme=\([^ ]*\).*/\2:\/\/\1/p' "$work/$name.ready")
    admin=http://$(sed -n 's/.*admin=\([^ ]*\).*/\1/p' "$work/$name.ready")
    [ -n "$url" ] || complain "$name did not start: $(cat "$work/$name.log")"
}

section "options and files that are wrong"
bad "$bin/catena-gateway"
bad "$bin/catena-gateway" --keys "$work/nothing"
grep -q "nothing" "$work/out" || complain "the missing file is not named"
install -m 644 "$work/keys" "$work/keys-open"
bad "$bin/catena-gateway" --keys "$work/keys-open"
grep -q "chmod 600" "$work/out" || complain "an open key file is not explained"
bad "$bin/catena-gateway" --config "$here/../../docs/catena-gateway.conf.example"
grep -q "10.0.0.1:7000" "$work/out" || complain "the example of a configuration is not read: $(cat "$work/out")"
bad "$bin/catena-gateway" --keys "$work/keys" --tls-cert "$work/tls.crt"
bad "$bin/catena-gateway" --keys "$work/keys" --masters 127.0.0.1:1 --timeout 500ms

start one --domain s3.test
one=$url one_pid=$pid one_admin=$admin
start two --domain s3.test
two=$url
start secure --domain s3.test --tls-cert "$work/tls.crt" --tls-key "$work/tls.key"
secure=$url secure_pid=$pid secure_admin=$admin

section "protocol over HTTP"
good "$here/s3_checks.py" "$one" "$two" "$one_admin"
tail -n 1 "$work/out"
good "$here/s3_multipart.py" "$one" "$two"
tail -n 1 "$work/out"
good "$here/s3_exact.py" "$one" "$two"
tail -n 1 "$work/out"
section "protocol over HTTPS"
for bucket in checks shared listing multipart; do good "$bin/catena" rm -r "$bucket/" && "$bin/catena" rb "$bucket" >/dev/null; done
good "$here/s3_checks.py" "$secure" "$secure" "$secure_admin"
tail -n 1 "$work/out"
good "$here/s3_multipart.py" "$secure" "$secure"
tail -n 1 "$work/out"
good "$here/s3_exact.py" "$secure" "$secure"
tail -n 1 "$work/out"

section "curl with a presigned URL"
presign() {
    python3 -c "import sys; sys.path.insert(0, '$here'); from s3_signer import Client
print(Client('$1', 'AKIATEST', 'secret-of-the-test').presign('$2', 'shared', '$3'))"
}
head -c 3000000 /dev/urandom >"$work/data"
good curl -sfk -T "$work/data" "$(presign "$one" PUT by-curl)"
good curl -sfk -o "$work/back" "$(presign "$secure" GET by-curl)"
cmp -s "$work/data" "$work/back" || complain "curl got something else"
good curl -sfk -H "Transfer-Encoding: chunked" -T - "$(presign "$one" PUT chunked)"

section "the store behind it"
good "$bin/catena" get shared/by-curl "$work/back2"
cmp -s "$work/data" "$work/back2" || complain "catena get differs"
good "$bin/catena" put "$work/data" shared/by-catena
good curl -sf -o "$work/back3" "$(presign "$one" GET by-catena)"
cmp -s "$work/data" "$work/back3" || complain "an object of catena put differs"

section "reload"
subject() { openssl s_client -connect "${secure#https://}" </dev/null 2>/dev/null | sed -n 's/^subject=//p'; }
[[ $(subject) == *first* ]] || complain "the first certificate is not served: $(subject)"
certificate second
kill -HUP "$secure_pid"
for _ in $(seq 50); do
    [[ $(subject) == *second* ]] && break
    sleep 0.1
done
[[ $(subject) == *second* ]] || complain "the second certificate is not served"
good curl -sfk -o /dev/null "$(presign "$secure" GET by-curl)"
cp "$work/tls.crt" "$work/tls-good.crt" && cp "$work/tls.key" "$work/tls-good.key"
echo nonsense >"$work/tls.crt"
kill -HUP "$secure_pid"
for _ in $(seq 50); do
    grep -q reload_failed "$work/secure.log" && break
    sleep 0.1
done
good curl -sfk -o /dev/null "$(presign "$secure" GET by-curl)"
grep -q reload_failed "$work/secure.log" || complain "a bad certificate is not reported"
sed -i 's/secret-of-the-test/another-secret-now/' "$work/keys"
kill -HUP "$one_pid"
for _ in $(seq 50); do
    curl -sf -o /dev/null "$(presign "$one" GET by-curl)" || break
    sleep 0.1
done
bad curl -sf -o /dev/null "$(presign "$one" GET by-curl)"

section "draining"
sed -i 's/another-secret-now/secret-of-the-test/' "$work/keys"
start draining
# A download that is slower than the signal: it has to end complete.
head -c 30000000 /dev/urandom >"$work/large"
good curl -sf -T "$work/large" "$(presign "$url" PUT large)"
address=$(presign "$url" GET large)
curl -s --limit-rate 15M -o "$work/slow" "$address" &
slow=$!
for _ in $(seq 100); do
    [ -s "$work/slow" ] && break
    sleep 0.02
done
kill -TERM "$pid"
wait "$slow" || complain "a download was cut by SIGTERM"
cmp -s "$work/large" "$work/slow" || complain "a download was damaged by SIGTERM"
wait "$pid" || complain "the gateway ended with $?"
bad curl -sf "$url/"

section "logs"
grep -q 'operation=PutObject' "$work/one.log" || complain "no access log"
grep -rlE 'secret-of-the|X-Amz-Signature|Signature=' "$work"/*.log && complain "a log holds a secret"

section "CORS, lifecycle, tags, forms, framing"
start features --lifecycle-interval 1s --lifecycle-day 1s
good "$here/s3_bucket_features.py" "$url" "$admin"
tail -n 1 "$work/out"
grep -q 'event=lifecycle_expired' "$work/features.log" || complain "what a rule deleted is not logged"
kill "$pid"
good "$bin/catena" rm -r features/ && "$bin/catena" rb features >/dev/null
start features-secure --lifecycle-interval 1s --lifecycle-day 1s --tls-cert "$work/tls-good.crt" --tls-key "$work/tls-good.key"
good "$here/s3_bucket_features.py" "$url" "$admin"
tail -n 1 "$work/out"

section "idle connections"
good "$here/s3_idle.py" "$url" "$pid" 2000
tail -n 2 "$work/out"
kill "$pid"
start idle
good "$here/s3_idle.py" "$url" "$pid"
tail -n 2 "$work/out"
kill "$pid"

section "places"
start places --requests 8
good "$here/s3_places.py" "$url"
tail -n 1 "$work/out"

kill "$pid"

section "region"
start region --region eu-west-7 --region-strict
good "$here/s3_region.py" "$url"
tail -n 1 "$work/out"
kill "$pid"

section "race while heads are killed"
sed -i 's/another-secret-now/secret-of-the-test/' "$work/keys"
start three
good "$here/s3_kill_race.py" "$two" "$url" "$bin/catena" "$work/cluster" 60 3
tail -n 1 "$work/out"

section "multipart uploads and a counter while nodes are killed"
"$bin/catena" up --dir "$work/cluster" --no-gateway >/dev/null 2>&1 # brings the killed one back
good "$here/s3_multipart.py" "$two" "$url" "$(jq '.processes | map(select(.role == "node"))[2].pid' "$work/cluster/cluster.json")"
tail -n 1 "$work/out"
"$bin/catena" up --dir "$work/cluster" --no-gateway >/dev/null 2>&1
good "$here/s3_exact.py" "$two" "$url" "$(jq '.processes | map(select(.role == "node"))[0].pid' "$work/cluster/cluster.json")"
tail -n 2 "$work/out"

section "without a cluster"
"$bin/catena" down --dir "$work/cluster" >/dev/null 2>&1
start_of_outage=$(date +%s)
curl -s -o "$work/out" -D "$work/headers" -m 60 "$(presign "$two" GET by-curl)"
grep -q '^HTTP/1.1 503' "$work/headers" || complain "no 503 without a cluster: $(head -1 "$work/headers")"
grep -qi '^Retry-After' "$work/headers" || complain "503 without Retry-After"
grep -q SlowDown "$work/out" || complain "503 without SlowDown"
[ $(($(date +%s) - start_of_outage)) -le 30 ] || complain "the answer took too long"

if [ "$failures" -eq 0 ]; then echo "good"; else echo "$failures failures" >&2; fi
[ "$failures" -eq 0 ]
