#!/usr/bin/env bash
# Every operation with both kinds of provider: Other (listing V1, path style) and Minio (V2, url-encoded).
set -uo pipefail
client=rclone
. "$(dirname "$0")/lib.sh"
w=$S3_WORK
tree=$w/source
cp -r "$S3_DATA/tree" "$tree"
kinds=(Other Minio)

rc() { rclone --config /dev/null --ca-cert "$S3_CA" --s3-provider "$kind" --s3-env-auth --s3-endpoint "$S3_ENDPOINT" --retries 1 "$@"; }
each() {
    for kind in "${kinds[@]}"; do
        at=":s3:$S3_BUCKET-${kind,,}"
        "$@" || return 1
    done
}
make() { rc mkdir "$at"; }
copy_up() { rc copy "$tree" "$at/tree" && rc copy -v "$tree" "$at/tree" 2>"$w/again" && ! grep Copied "$w/again"; }
check() { rc check "$tree" "$at/tree"; }
copy_down() { rc copy "$at/tree" "$w/back-$kind" && diff -r "$tree" "$w/back-$kind"; }
sync_one() { rc sync "$tree" "$at/tree" && rc check "$tree" "$at/tree" && [ "$(rc lsl "$at/tree/one" | grep -c 2001-01-01)" = 1 ]; }
sync_changes() {
    echo changed >"$tree/changed"
    touch -d 2001-01-01 "$tree/one"
    rm "$tree/sub dir/deeper/7"
    each sync_one
}
multipart() {
    rc copyto --s3-upload-cutoff 5M --s3-chunk-size 5M "$S3_DATA/large" "$at/large" && rc cat "$at/large" | cmp - "$S3_DATA/large" &&
        rc check --download "$at/large" "$S3_DATA"
}
copy() { rc copyto "$at/tree/one" "$at/copied" && [ "$(rc cat "$at/copied")" = "$(cat "$tree/one")" ]; }
multipart_copy() { rc copyto --s3-copy-cutoff 5M "$at/large" "$at/large-2" && rc cat "$at/large-2" | cmp - "$S3_DATA/large"; }
range() { rc cat --offset 10 --count 90 "$at/large" | cmp - <(tail -c +11 "$S3_DATA/large" | head -c 90); }
list() { [ "$(rc lsf -R --files-only "$at/tree" | sort)" = "$(cd "$tree" && find . -type f -printf '%P\n' | sort)" ]; }
presigned_get() { fetch -o "$w/linked" "$(rc link --expire 1m "$at/copied")" && cmp "$w/linked" "$tree/one"; }
delete() { rc deletefile "$at/copied" && [ -z "$(rc lsf "$at/copied")" ]; }
purge() { rc purge "$at"; }

version "$(rclone --version | sed -nE '1s/rclone v//p')"
op make-bucket each make
op sync-up each copy_up
op check each check
op sync-down each copy_down
op sync-changes sync_changes
op multipart each multipart
op copy each copy
op multipart-copy each multipart_copy
op range-get each range
op list each list
op presigned-get each presigned_get
op delete each delete
op remove-bucket each purge
