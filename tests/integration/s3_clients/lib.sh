# Sourced by the scripts of clients. They find in their environment:
#   S3_ENDPOINT   of the gateway; S3_TRANSPORT says HTTP or HTTPS
#   S3_BUCKET     a name that is theirs alone
#   S3_DATA       files to store: small, large (20 MiB), tree/
#   S3_WORK       an empty directory of their own
#   S3_CA         the certificate of an HTTPS gateway
#   S3_CLIENTS    where pip and npm put theirs (tools/install-packages)
#   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_DEFAULT_REGION
# and print on standard output a line for each operation: CLIENT OPERATION TRANSPORT ok|FAILED|skipped [REASON]

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

result() { echo "$client $1 $S3_TRANSPORT $2${3:+ $3}"; }
skip() { result "$1" skipped "$2"; }
version() { echo "$client version $S3_TRANSPORT $1"; }

# op NAME COMMAND...: the operation is the command (a program, or a function whose status counts), which must succeed.
op() {
    local name=$1
    shift
    if ("$@") >"$S3_WORK/out" 2>&1 </dev/null; then
        result "$name" ok
    else
        result "$name" FAILED
        {
            echo "-- $client $name $S3_TRANSPORT: $*"
            tail -n 15 "$S3_WORK/out"
        } >&2
    fi
}

same() { cmp "$S3_DATA/$1" "$2"; }
# signed METHOD KEY: a presigned URL of our own making.
signed() {
    PYTHONPATH=$here/.. python3 -c 'import os, sys
from s3_signer import Client
client = Client(os.environ["S3_ENDPOINT"], os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
print(client.presign(sys.argv[1], os.environ["S3_BUCKET"], sys.argv[2]))' "$1" "$2"
}
fetch() { curl -sS -f --cacert "$S3_CA" "$@"; }
