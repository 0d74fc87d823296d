#!/usr/bin/env bash
set -uo pipefail
client=restic
. "$(dirname "$0")/lib.sh"
w=$S3_WORK
export RESTIC_PASSWORD=secret RESTIC_CACHE_DIR=$w/cache
re() { restic -q --cacert "$S3_CA" -r "s3:$S3_ENDPOINT/$S3_BUCKET/repository" "$@"; }
cp -r "$S3_DATA/tree" "$w/source"
cp "$S3_DATA/large" "$w/source/"

backup() {
    re backup "$w/source" || return 1
    echo more >"$w/source/more"
    re backup "$w/source" && [ "$(re snapshots --json | jq length)" = 2 ]
}
restore() { re restore latest --target "$w/back" && diff -r "$w/source" "$w/back$w/source"; }
prune() { re forget --keep-last 1 --prune && re check && [ "$(re snapshots --json | jq length)" = 1 ]; }

version "$(restic version | awk '{ print $2 }')"
op init re init
op backup backup
op check re check --read-data
op restore restore
op prune prune
