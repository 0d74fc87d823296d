#!/usr/bin/env bash
# The AWS command line. Usage: aws.sh NAME PROGRAM...
set -uo pipefail
client=$1
shift
aws=("$@")
. "$(dirname "$0")/lib.sh"
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_CA_BUNDLE=$S3_CA AWS_PAGER='' AWS_EC2_METADATA_DISABLED=true
b=$S3_BUCKET
w=$S3_WORK

s3() { "${aws[@]}" --endpoint-url "$S3_ENDPOINT" s3 "$@"; }
api() {
    local operation=$1
    shift
    "${aws[@]}" --endpoint-url "$S3_ENDPOINT" --output json s3api "$operation" --bucket "$b" "$@"
}

put() { s3 cp --only-show-errors "$S3_DATA/small" "s3://$b/a b+é"; }
get() { s3 cp --only-show-errors "s3://$b/a b+é" "$w/small" && same small "$w/small"; }
metadata() {
    api put-object --key meta --body "$S3_DATA/small" --metadata colour=blue --content-type text/plain --cache-control max-age=5 &&
        api head-object --key meta | jq -e '.Metadata.colour == "blue" and .ContentType == "text/plain" and .CacheControl == "max-age=5"'
}
range() {
    api get-object --key meta --range bytes=10-99 "$w/range" &&
        cmp "$w/range" <(tail -c +11 "$S3_DATA/small" | head -c 90)
}
copy() {
    s3 cp --only-show-errors "s3://$b/meta" "s3://$b/copied" && s3 cp --only-show-errors "s3://$b/copied" "$w/copied" && same small "$w/copied"
}
multipart() {
    s3 cp --only-show-errors "$S3_DATA/large" "s3://$b/large" && s3 cp --only-show-errors "s3://$b/large" "$w/large" && same large "$w/large"
}
multipart_copy() {
    s3 cp --only-show-errors "s3://$b/large" "s3://$b/large-2" && s3 cp --only-show-errors "s3://$b/large-2" "$w/large-2" && same large "$w/large-2"
}
stream() { s3 cp --only-show-errors - "s3://$b/stream" <"$S3_DATA/large" && s3 cp --only-show-errors "s3://$b/stream" - | cmp - "$S3_DATA/large"; }
list() { [ "$(s3 ls --recursive "s3://$b/tree/" | wc -l)" = "$(find "$S3_DATA/tree" -type f | wc -l)" ]; }
list_pages() {
    [ "$(api list-objects-v2 --prefix tree/ --page-size 3 --query 'Contents[].Key' | jq length)" = "$(find "$S3_DATA/tree" -type f | wc -l)" ]
}
sync_up() {
    s3 sync --only-show-errors "$S3_DATA/tree" "s3://$b/tree" && s3 sync "$S3_DATA/tree" "s3://$b/tree" >"$w/again" && [ ! -s "$w/again" ]
}
sync_down() { s3 sync --only-show-errors "s3://$b/tree" "$w/tree" && diff -r "$S3_DATA/tree" "$w/tree"; }
presigned_get() {
    fetch -o "$w/presigned" "$(s3 presign "s3://$b/meta")" && same small "$w/presigned"
}
checksum() {
    api put-object --key checksum --body "$S3_DATA/small" --checksum-algorithm SHA256 | jq -e .ChecksumSHA256 &&
        api get-object --key checksum --checksum-mode ENABLED "$w/checksum" | jq -e .ChecksumSHA256 && same small "$w/checksum"
}
conditional_put() {
    api put-object --key once --body "$S3_DATA/small" --if-none-match '*' || return 1
    ! api put-object --key once --body "$S3_DATA/small" --if-none-match '*' 2>"$w/refused" && grep PreconditionFailed "$w/refused"
}
tagging() {
    api put-object-tagging --key meta --tagging 'TagSet=[{Key=a,Value=b c}]' &&
        api get-object-tagging --key meta | jq -e '.TagSet == [{"Key": "a", "Value": "b c"}]' && api delete-object-tagging --key meta
}
attributes() { api get-object-attributes --key large --object-attributes ETag ObjectSize ObjectParts | jq -e '.ObjectSize == 20971523'; }
delete() { s3 rm --only-show-errors "s3://$b/copied" && ! api head-object --key copied; }

# Each call takes half a second of a processor: what boto3, which is below it, shows anyway is left to that; and the
# older version shows less.
version "$("${aws[@]}" --version 2>&1 | sed -E 's,aws-cli/([^ ]*).*,\1,')"
op make-bucket s3 mb "s3://$b"
op put put
op get get
op metadata metadata
op range-get range
op multipart multipart
op multipart-copy multipart_copy
op stream stream
op sync-up sync_up
op sync-down sync_down
op list list
op presigned-get presigned_get
if [ "$client" = aws-cli-1 ]; then # version 2.9 knows no conditions
    op conditional-put conditional_put
    op copy copy
    op list-pages list_pages
    op checksum checksum
    op tagging tagging
    op attributes attributes
    op delete delete
fi
op delete-many s3 rm --only-show-errors --recursive "s3://$b"
op remove-bucket s3 rb "s3://$b"
