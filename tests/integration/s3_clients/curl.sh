#!/usr/bin/env bash
# curl: presigned URLs, and its own signatures.
set -uo pipefail
client=curl
. "$(dirname "$0")/lib.sh"
w=$S3_WORK

sigv4() {
    fetch --aws-sigv4 "aws:amz:$AWS_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@"
}
put() { sigv4 -T "$S3_DATA/small" "$S3_ENDPOINT/$S3_BUCKET/small"; }
get() { sigv4 -o "$w/small" "$S3_ENDPOINT/$S3_BUCKET/small" && same small "$w/small"; }
range() { sigv4 -r 10-99 -o "$w/range" "$S3_ENDPOINT/$S3_BUCKET/small" && cmp "$w/range" <(tail -c +11 "$S3_DATA/small" | head -c 90); }
presigned_put() { fetch -T "$S3_DATA/large" "$(signed PUT "a b+é")"; }
presigned_get() { fetch -o "$w/large" "$(signed GET "a b+é")" && same large "$w/large"; }
http_chunks() {
    fetch -H 'Transfer-Encoding: chunked' -T - "$(signed PUT chunked)" <"$S3_DATA/large" && fetch -o "$w/chunked" "$(signed GET chunked)" &&
        same large "$w/chunked"
}
delete() { fetch -X DELETE "$(signed DELETE small)" && [ "$(curl -s -o "$w/none" -w '%{http_code}' --cacert "$S3_CA" "$(signed GET small)")" = 404 ]; }
# POST with a policy, as a form of a web page sends it.
form_upload() {
    local policy signature date scope form
    date=$(date -u +%Y%m%dT%H%M%SZ)
    scope=$AWS_ACCESS_KEY_ID/${date%T*}/$AWS_REGION/s3/aws4_request
    read -r policy signature < <("$here/form_policy.py" "$date" "$S3_BUCKET" form/)
    form=(-F "key=form/\${filename}" -F "policy=$policy" -F x-amz-algorithm=AWS4-HMAC-SHA256 -F "x-amz-credential=$scope" -F "x-amz-date=$date"
        -F "x-amz-signature=$signature" -F success_action_status=201)
    fetch "${form[@]}" -F "file=@$S3_DATA/small" "$S3_ENDPOINT/$S3_BUCKET" | grep '<Key>form/small</Key>' &&
        fetch -o "$w/form" "$(signed GET form/small)" && same small "$w/form" || return 1
    # A key that the policy does not allow.
    form[1]=key=elsewhere
    [ "$(curl -s -o "$w/none" -w '%{http_code}' --cacert "$S3_CA" "${form[@]}" -F "file=@$S3_DATA/small" "$S3_ENDPOINT/$S3_BUCKET")" = 403 ]
}

version "$(curl --version | sed -nE '1s/curl ([^ ]*).*/\1/p')"
op make-bucket sigv4 -X PUT "$S3_ENDPOINT/$S3_BUCKET"
op put put
op get get
op range-get range
op presigned-put presigned_put
op presigned-get presigned_get
op http-chunks http_chunks
op form-upload form_upload
op delete delete
