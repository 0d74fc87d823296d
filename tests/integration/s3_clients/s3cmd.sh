#!/usr/bin/env bash
set -uo pipefail
client=s3cmd
. "$(dirname "$0")/lib.sh"
b=$S3_BUCKET
w=$S3_WORK
host=${S3_ENDPOINT#*://}
cat >"$w/s3cfg" <<CFG
[default]
access_key = $AWS_ACCESS_KEY_ID
secret_key = $AWS_SECRET_ACCESS_KEY
host_base = $host
host_bucket = $host
use_https = $([ "$S3_TRANSPORT" = HTTPS ] && echo True || echo False)
ca_certs_file = $S3_CA
signurl_use_https = $([ "$S3_TRANSPORT" = HTTPS ] && echo True || echo False)
CFG
s3() { s3cmd -c "$w/s3cfg" --no-progress "$@"; }

get() { s3 get --force "s3://$b/a b+é" "$w/small" && same small "$w/small"; }
metadata() { s3 put --add-header=x-amz-meta-colour:blue "$S3_DATA/small" "s3://$b/meta" && s3 info "s3://$b/meta" | grep 'x-amz-meta-colour: blue'; }
copy() { s3 cp "s3://$b/a b+é" "s3://$b/copied" && s3 get --force "s3://$b/copied" "$w/copied" && same small "$w/copied"; }
multipart() {
    s3 put --multipart-chunk-size-mb=5 "$S3_DATA/large" "s3://$b/large" && s3 get --force "s3://$b/large" "$w/large" && same large "$w/large"
}
sync_up() { s3 sync "$S3_DATA/tree/" "s3://$b/tree/" && s3 sync "$S3_DATA/tree/" "s3://$b/tree/" >"$w/again" && ! grep upload: "$w/again"; }
sync_down() { s3 sync "s3://$b/tree/" "$w/tree/" && diff -r "$S3_DATA/tree" "$w/tree"; }
list() { [ "$(s3 ls -r "s3://$b/tree/" | wc -l)" = "$(find "$S3_DATA/tree" -type f | wc -l)" ]; }
delete() { s3 rm "s3://$b/copied" && ! s3 info "s3://$b/copied"; }
presigned_get() { fetch -o "$w/presigned" "$(s3 signurl "s3://$b/meta" +60)" && same small "$w/presigned"; }

version "$(s3cmd --version | sed 's/.* //')"
op make-bucket s3 mb "s3://$b"
op put s3 put "$S3_DATA/small" "s3://$b/a b+é"
op get get
op metadata metadata
op copy copy
op multipart multipart
op sync-up sync_up
op sync-down sync_down
op list list
op presigned-get presigned_get
op delete delete
op delete-many s3 rm -r --force "s3://$b"
op remove-bucket s3 rb "s3://$b"
