#!/usr/bin/env bash
# The command line against a real cluster: results, exit statuses, JSON, bad input. Usage: cli_test.sh BIN
set -uo pipefail
bin=$(cd "$1" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/catena-cli-XXXXXX")
cluster="$work/cluster"
failures=0
checks=0
unset CATENA_MASTERS

finish() {
    "$bin/catena" down --dir "$cluster" >"$work/down.txt" 2>&1 || true
    if [ "$failures" -eq 0 ]; then rm -rf -- "$work"; else echo "kept for a look: $work" >&2; fi
}
trap finish EXIT

complain() {
    failures=$((failures + 1))
    echo "FAILED: $*" >&2
    sed 's/^/    out: /' "$work/out" | head -n 20 >&2
    sed 's/^/    err: /' "$work/err" | head -n 20 >&2
}

# expect STATUS ARGUMENT...: catena ends with that status; a failure says something, success says nothing bad.
expect() {
    local want=$1
    shift
    checks=$((checks + 1))
    "$bin/catena" "$@" >"$work/out" 2>"$work/err" </dev/null
    local got=$?
    if [ "$got" -ne "$want" ]; then
        complain "catena $* ended with $got, not $want"
    elif [ "$want" -ne 0 ] && [ ! -s "$work/err" ]; then
        complain "catena $* failed without a word"
    fi
}

# expect_out PATTERN / expect_err PATTERN: of the last command.
expect_out() { grep -qE -- "$1" "$work/out" || complain "the output lacks: $1"; }
expect_err() { grep -qE -- "$1" "$work/err" || complain "the error lacks: $1"; }
# expect_json FILTER: standard output of the last command is one JSON document for which the filter holds.
expect_json() { jq -e "$1" "$work/out" >/dev/null 2>&1 || complain "the JSON does not satisfy: $1"; }
expect_json_error() { jq -e ".error | (.code | length > 0) and (.message | length > 0)" "$work/err" >/dev/null 2>&1 ||
    complain "the error is no JSON"; }
section() { echo "-- $1"; }

section "without a cluster"
expect 2 put
expect 2 frobnicate
expect 2 ls --no-such-option
expect 2 ls
expect_err 'CATENA_MASTERS'
expect 6 ls --masters 127.0.0.1:1 --timeout 500ms
expect 6 ls --masters 127.0.0.1:1 --timeout 500ms --json
expect_json_error
expect 2 ls --masters not-an-address --timeout 500ms
expect 0 --help
expect 0 help
for command in up down mb rb ls put get stat rm cp uploads status locate admin; do
    expect 0 "$command" --help
    expect_out "^usage: catena $command"
done
expect 3 down --dir "$work/nowhere"
expect 3 up --dir "$work/nowhere" --status
expect 2 up
expect 2 up --dir "$work/x" --masters 2
expect 2 up --dir "$work/x" --nodes 2 --replicas 3
expect 2 up --dir "$work/x" --chains many
mkdir "$work/other" && echo data >"$work/other/file"
expect 1 up --dir "$work/other"
expect_err 'something else'
[ "$(ls -A "$work/other")" = file ] || complain "up left something in a directory that is not ours"

section "up"
expect 0 up --dir "$cluster" --chains 8 --json
cp "$work/out" "$work/up.json"
expect_json '.serves and (.processes | length == 7) and (.processes | all(.pid > 0))'
jq -e '.processes | map(select(.role == "node")) | length == 3 and all(.supervisor_pid > 0)' "$cluster/cluster.json" \
    >/dev/null || complain "cluster.json lacks something"
masters=$(jq -r .masters "$cluster/cluster.json")
pids=$(jq -c '[.processes[].pid]' "$cluster/cluster.json")
export CATENA_MASTERS=$masters
expect 0 up --dir "$cluster"
[ "$(jq -c '[.processes[].pid]' "$cluster/cluster.json")" = "$pids" ] || complain "a second up restarted something"
expect 0 up --dir "$cluster" --status
expect_out '^7 of 7 processes run'
expect 2 up --dir "$cluster" --nodes 4
expect_err 'was made with'

section "gateway"
s3=$(jq -r .s3.endpoint "$work/up.json")
s3_key=$(jq -r '.s3.access_key + ":" + .s3.secret_key' "$work/up.json")
s3() { curl -sf --aws-sigv4 aws:amz:us-east-1:s3 --user "$s3_key" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@"; }
grep -rlF "${s3_key#*:}" "$cluster/cluster.json" "$cluster/log" && complain "the secret is in a file that others can read"
expect 2 up --dir "$cluster" --no-gateway --gateway-listen 127.0.0.1:1
expect 2 up --dir "$cluster" --gateway-listen 127.0.0.1
expect 2 up --dir "$cluster" --gateway-listen 127.0.0.1:1
expect_err 'serves on'
s3 -X PUT "$s3/by-s3" || complain "no bucket by S3"
s3 -T "$work/up.json" "$s3/by-s3/up.json" || complain "no put by S3"
expect 0 get by-s3/up.json "$work/up.again"
cmp -s "$work/up.json" "$work/up.again" || complain "the object of the gateway differs"
expect 0 rm by-s3/up.json
expect 0 rb by-s3
kill -KILL "$(jq '.processes[] | select(.role == "gateway").pid' "$cluster/cluster.json")"
expect 1 up --dir "$cluster" --status
expect_out '^6 of 7 processes run'
expect 0 up --dir "$cluster" --no-gateway
expect_out 'NOT RUNNING'
expect 0 up --dir "$cluster"
expect_out "^export AWS_ENDPOINT_URL=$s3"
expect_out "^export AWS_ACCESS_KEY_ID=${s3_key%%:*}"
s3 "$s3/" -o "$work/out" || complain "the key is not the same after a restart"

section "buckets"
expect 0 mb first
expect 4 mb first
expect 0 mb second --json
expect_json '.bucket == "second"'
expect 2 mb UPPER
expect 2 mb a
expect 2 mb first/key
expect 0 ls
expect_out '^first$'
expect 0 ls --json
expect_json '[.buckets[].name] == ["first", "second"]'
expect 0 stat first
expect 3 stat third
expect 0 rb second
expect 3 rb second
expect 3 ls third

section "objects"
printf 'hello, world\n' >"$work/hello"
expect 0 put "$work/hello" first/hello
expect_out 'version'
expect 0 get first/hello "$work/back"
cmp -s "$work/hello" "$work/back" || complain "hello came back changed"
expect 0 get first/hello -
cmp -s "$work/hello" "$work/out" || complain "hello came back changed on standard output"
expect 0 get first/hello - --offset 7 --length 5
[ "$(cat "$work/out")" = world ] || complain "the range is wrong"
cp "$work/hello" "$work/mine" && echo mine >>"$work/mine" && cp "$work/mine" "$work/mine.before"
for offset in 13 14 1000000; do
    expect 2 get first/hello "$work/mine" --offset "$offset"
    expect_err 'out of range, it has 13 bytes'
    cmp -s "$work/mine" "$work/mine.before" || complain "a get past the end changed a file"
    expect 2 get first/hello "$work/nothing" --offset "$offset"
    [ ! -e "$work/nothing" ] || complain "a get past the end made a file"
    expect 2 get first/hello - --offset "$offset"
done
expect 0 get first/hello - --offset 12
[ "$(wc -c <"$work/out")" -eq 1 ] || complain "the last byte is wrong"
expect 0 stat first/hello --json
expect_json '.size == 13 and (.version | test("^[0-9]+\\.[0-9]+$"))'
version=$(jq -r .version "$work/out")
"$bin/catena" put - first/piped <"$work/hello" >"$work/out" 2>"$work/err" || complain "put - failed"
expect 0 put first/swapped "$work/hello"
expect 0 get first/swapped -
expect 3 get first/nothing "$work/nothing"
[ ! -e "$work/nothing" ] || complain "a failed get left a file"
expect 3 get third/hello -
expect 3 stat first/nothing
expect 3 put "$work/no-such-file" first/x
expect 2 put "$work" first/x
expect 1 get first/hello /no/such/directory/file
: >"$work/empty"
expect 0 put "$work/empty" first/empty
expect 0 get first/empty - --offset 0
[ ! -s "$work/out" ] || complain "the empty object is not empty"
expect 2 get first/empty - --offset 1
head -c 5000000 /dev/urandom >"$work/large"
expect 0 put "$work/large" first/large
expect 0 get first/large "$work/large.back"
cmp -s "$work/large" "$work/large.back" || complain "large came back changed"
expect 0 get first/large - --offset 1048570 --length 20
cmp -s <(tail -c +1048571 "$work/large" | head -c 20) "$work/out" || complain "a range over a chunk's end is wrong"

section "conditions"
expect 4 put "$work/hello" first/hello --if-none-match '*'
expect 0 put "$work/hello" first/new --if-none-match '*'
expect 0 put "$work/hello" first/hello --if-match "$version"
expect 4 put "$work/hello" first/hello --if-match "$version"
expect 0 put "$work/hello" first/hello --if-match '*'
expect 4 put "$work/hello" first/absent --if-match '*'
expect 3 stat first/absent
expect 2 put "$work/hello" first/hello --if-match bogus
expect 2 put "$work/hello" first/hello --if-none-match yes
expect 4 rm first/hello --if-match "$version"
expect 0 stat first/hello

section "bad names"
expect 2 put "$work/hello" "first/$(printf '\xff\xfe')"
expect_err 'UTF-8'
expect 2 put "$work/hello" "first/$(head -c 1025 /dev/zero | tr '\0' k)"
expect_err '1,024'
expect 0 put "$work/hello" "first/$(head -c 1024 /dev/zero | tr '\0' k)"
expect 2 get first/
expect 2 get /key
odd=$(printf 'line\nbreak "quoted" \\ \xc3\xa4')
expect 0 put "$work/hello" "first/$odd"
expect 0 ls first/line
expect_out '^line\\x0abreak'
expect 0 ls first/line --json
[ "$(jq -r '.items[0].key' "$work/out")" = "$odd" ] || complain "the odd key is changed in JSON"

section "listing"
for i in 1 2 3; do expect 0 put "$work/hello" "first/dir/sub$i/file"; done
expect 0 ls first/dir/
[ "$(cat "$work/out")" = "$(printf 'dir/sub1/\ndir/sub2/\ndir/sub3/')" ] || complain "the folding is wrong"
expect 0 ls -r first/dir/
[ "$(wc -l <"$work/out")" -eq 3 ] || complain "the recursive listing is wrong"
expect 0 ls -l first/dir/sub1/
expect_out '13 .*dir/sub1/file$'
expect 0 ls -r --limit 2 first/dir/ --json
expect_json '(.items | length == 2) and .is_complete'
expect 0 ls -r --start-after dir/sub1/file first/dir/
[ "$(head -n 1 "$work/out")" = dir/sub2/file ] || complain "start-after is wrong"

section "multipart uploads" # tests/integration/multipart.c has some; here there are none
expect 2 uploads
expect 2 uploads first second
expect 2 uploads --abort first/x
expect 2 uploads --abort first 00000000000000000000000000000001
expect 2 uploads --abort first/x 1
expect_err '32 digits'
expect 2 uploads --limit many first
expect 3 uploads third
expect 0 uploads first
[ ! -s "$work/out" ] || complain "there are uploads that nobody began"
expect 0 uploads first/dir/ --json
expect_json '(.uploads | length == 0) and .is_complete'
expect 3 uploads --abort first/x 00000000000000000000000000000001
expect_err 'abort upload of first/x'
expect 3 uploads --abort --json first/x 00000000000000000000000000000001
expect_json_error
expect_json '.aborted == 0'

section "trees"
mkdir -p "$work/tree/a/b" "$work/tree/void"
for i in $(seq 1 300); do echo "$i" >"$work/tree/a/b/file $i"; done
: >"$work/tree/a/empty"
cp "$work/large" "$work/tree/large"
ln -s a "$work/tree/link"
mkfifo "$work/tree/pipe"
expect 0 cp -r "$work/tree" catena:first/tree
expect_err 'link: a symbolic link'
expect_out '2 skipped'
expect 0 cp -r catena:first/tree "$work/tree.back"
rm "$work/tree/link" "$work/tree/pipe"
diff -r "$work/tree" "$work/tree.back" >"$work/out" 2>"$work/err" || complain "the tree came back changed"
[ -z "$(find "$work/tree.back" -name '.catena-*')" ] || complain "temporary files are left"
expect 0 cp -r //first/tree "$work/tree.again" --json
expect_json '.failed == 0 and .is_complete and .files == 303'
expect 3 cp -r catena:first/no-such-tree "$work/x"
expect 3 cp -r "$work/no-such-tree" catena:first/x
expect 2 cp -r "$work/tree" first/tree
expect 2 cp catena:first/a catena:first/b
touch "$work/tree/$(printf 'bad-\xff')"
expect 1 cp -r "$work/tree" catena:first/tree2
expect_err 'UTF-8'
expect 0 stat first/tree2/a/empty
expect 0 cp "$work/hello" catena:first/
expect 0 cp catena:first/hello "$work/tree.back"
cmp -s "$work/hello" "$work/tree.back/hello" || complain "cp of one file is wrong"
expect 0 put "$work/hello" first/evil/../../escape
expect 1 cp -r catena:first/evil "$work/evil/inside"
[ ! -e "$work/escape" ] && [ ! -e "$work/evil/escape" ] || complain "a key escaped from the directory"

section "interrupted put"
# A put whose input never ends: it has begun to send when it has taken more than a pipe and a piece hold.
mkfifo "$work/slow"
"$bin/catena" put "$work/slow" first/interrupted >"$work/out" 2>"$work/err" &
writer=$!
exec 7>"$work/slow"
head -c 4194304 /dev/zero >&7
kill -INT "$writer"
wait "$writer"
status=$?
exec 7>&-
[ "$status" -eq 130 ] || complain "an interrupted put ended with $status"
expect 3 stat first/interrupted

section "removal"
expect 3 rm first/nothing
expect 0 rm -f first/nothing
expect 0 rm first/hello first/piped
expect 3 stat first/hello
expect 4 rb first
expect 0 rm -r first/tree/
expect 0 ls -r first/tree/
[ ! -s "$work/out" ] || complain "rm -r left something"
# A directory is what it is for cp -r: never what merely begins with the same letters.
expect 0 mb trees
neighbours=$(printf 'dir-old/a\ndir.txt\ndir1\ndirectory/a')
plant() {
    local key
    for key in dir dir/a dir/b/c dir/b/d $neighbours; do expect 0 put "$work/hello" "trees/$key"; done
    expect 0 put "$work/empty" trees/dir/
}
left() { # NAME... : are all that is left in the bucket trees
    expect 0 ls -r trees
    [ "$(cat "$work/out")" = "$1" ] || complain "rm -r left something else than $(echo $1)"
}
plant
expect 0 cp -r catena:trees/dir "$work/dir.back"
[ "$(cd "$work/dir.back" && find . -type f | sort | tr '\n' ' ')" = "./a ./b/c ./b/d " ] || complain "cp -r took something else"
expect 0 rm -r trees/dir --json
expect_json '.removed == 5'
left "$neighbours"
plant
expect 0 rm -r catena:trees/dir/
expect_out '^removed 4 objects'
left "$(printf 'dir\n%s' "$neighbours")"
expect 0 rm -r trees/dir1 trees/dir-old trees/di
expect_out '^removed 2 objects'
left "$(printf 'dir\ndir.txt\ndirectory/a')"
expect 0 rm -r "trees/$(head -c 1024 /dev/zero | tr '\0' d)"
expect_out '^removed 0 objects'
expect 0 put "$work/hello" "trees/$(head -c 1024 /dev/zero | tr '\0' d)"
expect 0 rm -r "trees/$(head -c 1024 /dev/zero | tr '\0' d)"
expect_out '^removed 1 object'
expect 3 rm -r third/dir
expect 0 rm -r trees
expect_out '^removed 3 objects'
expect 0 rb trees
expect 0 rb --force first
expect 0 ls
[ ! -s "$work/out" ] || complain "the bucket is still there"

section "cluster"
expect 0 status
expect_out 'leads'
expect 0 status --check
expect 0 status --json
expect_json '.is_healthy and (.masters | length == 3) and (.nodes | length == 3) and (.chains | length == 8)'
expect 0 status -c
expect_out 'head [0-9]+  middle [0-9]+  tail [0-9]+'
expect 0 mb again
expect 0 locate again/some/key --json
expect_json '(.members | length == 3) and ([.members[].role] == ["head", "middle", "tail"]) and (.members | all(.pid > 0))'
expect 3 locate third/key
expect 2 admin
expect 2 admin frobnicate
expect 2 admin master-remove x
expect 2 admin chain-restart-from 0 1
expect_err 'yes'
expect 0 admin set rebalance-roles 0
expect 0 admin set rebalance-roles 1
expect 2 admin set rebalance-roles
expect 2 admin set rebalance-roles 2
expect_err 'rebalance-roles 2: not in its range, 0 or 1'
expect 2 admin set replicas 9 --json
expect_json_error
expect_err 'replicas 9: not in its range, 1 to 7'
expect 2 admin set no-such-setting 1
expect_err 'write-floor'
expect 2 admin init --replicas 8
expect_err '1 to 7'
expect 4 admin init
expect_err '8 chains already'
expect 4 admin init --json
expect_json_error
expect 3 admin node-remove 99
expect_err 'no node 99'
expect 3 admin master-remove 77
expect_err 'master 77'
expect 3 admin transfer-leader 9
expect_err 'master 9'
expect 4 admin master-add 1 127.0.0.1:1
expect 3 admin chain-restart-from 99 1 --yes
expect 3 admin chain-restart-from 0 99 --yes

section "results that cannot be printed"
# unprinted PATTERN ARGUMENT...: with a full disk or a closed pipe behind standard output it fails, and says what was done.
unprinted() {
    local pattern=$1 status
    shift
    checks=$((checks + 2))
    "$bin/catena" "$@" >/dev/full 2>"$work/err" </dev/null
    status=$?
    [ "$status" -eq 1 ] || complain "catena $* >/dev/full ended with $status"
    expect_err "cannot write to standard output.*$pattern"
    ! grep -q 'keep the secret' "$work/err" || complain "catena $* >/dev/full: a secret that nobody has is to be kept"
}
unprinted 'but this was done: bucket full was created' mb full
unprinted 'but this was done: full/hello was stored' put "$work/hello" full/hello
expect 0 get full/hello -
unprinted 'but this was done: .*/full.back was written' get full/hello "$work/full.back"
cmp -s "$work/hello" "$work/full.back" || complain "the file is not there"
unprinted '$' ls full
! grep -q 'but this was done' "$work/err" || complain "a listing did something"
unprinted 'but this was done: 1 object was removed' rm full/hello
expect 3 stat full/hello
unprinted 'but this was done: bucket full was removed' rb full
unprinted 'access key FULL was made. The secret is lost.*key rotate FULL.*key revoke FULL' admin key create FULL
unprinted 'access key FULL2 was made. The secret is lost' admin key create FULL2 --json
unprinted 'access key FULL was given a new secret. The secret is lost' admin key rotate FULL
unprinted 'but this was done: access key FULL: revoked' admin key revoke FULL
expect 0 admin key list
expect_out 'FULL2'
expect 0 admin key revoke FULL2
expect 3 admin key revoke FULL2
mkfifo "$work/gone" && exec 6<>"$work/gone" 7>"$work/gone" 6<&-
checks=$((checks + 1))
"$bin/catena" admin key create PIPE >&7 2>"$work/err" 6<&-
[ "$?" -eq 1 ] || complain "a result into a closed pipe is no failure"
exec 7>&-
expect_err 'access key PIPE was made. The secret is lost'
expect 0 admin key revoke PIPE

section "down and up again"
expect 0 put "$work/large" again/large
expect 0 down --dir "$cluster"
expect_out '^node 1 +stopped'
expect 1 up --dir "$cluster" --status
expect 6 get again/large - --timeout 500ms
expect 0 down --dir "$cluster" --json
expect_json '.processes | all(.result == "was not running")'
expect 0 up --dir "$cluster"
[ "$(jq -r .masters "$cluster/cluster.json")" = "$masters" ] || complain "the addresses changed"
expect 0 get again/large "$work/large.again"
s3 "$s3/" -o "$work/out" || complain "gateway, address or key are not the same after down and up"
expect 0 admin key revoke "${s3_key%%:*}"
expect 0 up --dir "$cluster"
expect_out "access key ${s3_key%%:*} is no longer there"
cmp -s "$work/large" "$work/large.again" || complain "large came back changed after a restart"

echo "$checks commands, $failures failures"
[ "$failures" -eq 0 ]
