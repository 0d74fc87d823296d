#!/usr/bin/env bash
# s3fs: the bucket as a directory, where this machine allows mounts by FUSE.
set -uo pipefail
client=s3fs
. "$(dirname "$0")/lib.sh"
w=$S3_WORK
m=$w/mount
mkdir "$m"

mount_it() {
    fetch -X PUT "$(signed PUT '')" || return 1
    (umask 077 && echo "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" >"$w/passwd")
    local trust=""
    # It knows the certificates of the system only.
    if [ "$S3_TRANSPORT" = HTTPS ]; then trust=,no_check_certificate; fi
    s3fs "$S3_BUCKET" "$m" -o url="$S3_ENDPOINT",use_path_request_style,passwd_file="$w/passwd",endpoint="$AWS_REGION",retries=1,logfile="$w/log$trust"
    for _ in $(seq 100); do
        mountpoint -q "$m" && return 0
        sleep 0.05
    done
    tail "$w/log"
    return 1
}
is_allowed() { [ -r /dev/fuse ] && [ -w /dev/fuse ] && command -v fusermount3 fusermount >/dev/null; }
unmount() { fusermount -u "$m" || umount "$m"; }

put() { cp "$S3_DATA/small" "$m/a b+é"; }
get() { cmp "$S3_DATA/small" "$m/a b+é" && [ "$(stat -c %s "$m/a b+é")" = "$(stat -c %s "$S3_DATA/small")" ]; }
directories() { cp -r "$S3_DATA/tree" "$m/tree" && diff -r "$S3_DATA/tree" "$m/tree"; }
multipart() { cp "$S3_DATA/large" "$m/large" && cmp "$S3_DATA/large" "$m/large"; }
append() { cp "$S3_DATA/small" "$w/appended" && echo more | tee -a "$w/appended" >>"$m/a b+é" && cmp "$w/appended" "$m/a b+é"; }
rename() { mv "$m/large" "$m/tree/renamed" && cmp "$S3_DATA/large" "$m/tree/renamed" && [ ! -e "$m/large" ]; }
attributes() { chmod 640 "$m/a b+é" && touch -d 2001-01-01 "$m/a b+é" && [ "$(stat -c '%a %y' "$m/a b+é" | cut -c1-14)" = "640 2001-01-01" ]; }
list() { [ "$(find "$m/tree" -type f | wc -l)" = "$(($(find "$S3_DATA/tree" -type f | wc -l) + 1))" ]; }
delete() { rm -r "$m/tree" && rm "$m/a b+é" && [ -z "$(ls -A "$m")" ]; }

version "$(s3fs --version | sed -nE '1s/.*V([0-9.]+).*/\1/p')"
operations=(mount put get directories append attributes multipart rename list delete)
if ! is_allowed || ! mount_it >"$w/out" 2>&1; then
    if is_allowed && [ -c /dev/fuse ] && ! grep -qiE 'permission|not permitted|no such device' "$w/out" "$w/log" 2>/dev/null; then
        op mount cat "$w/out" /nonexistent
    else
        for name in "${operations[@]}"; do skip "$name" "no mounts by FUSE here"; done
    fi
    exit 0
fi
trap 'unmount 2>/dev/null' EXIT
op mount true
for name in "${operations[@]:1}"; do op "$name" "$name"; done
op unmount unmount
