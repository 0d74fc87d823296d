#!/usr/bin/env python3
"""boto3 with its defaults. Usage: boto3_client.py NAME; see lib.sh for the environment and the output."""

import hashlib
import io
import os
import sys
import traceback
import urllib.request
import ssl

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

name = sys.argv[1]
environment = os.environ
transport, bucket, data, work = (environment["S3_" + key] for key in ("TRANSPORT", "BUCKET", "DATA", "WORK"))
small = open(f"{data}/small", "rb").read()
large = open(f"{data}/large", "rb").read()
MIB = 1 << 20
KEYS = ['&+-é"', "a//b", "/x", ".", "..", "k" * 1019, "emoji 🦊", "new\nline", "per%20cent", "tab\t", "a b", "<&>'", "trailing/"]
s3 = boto3.client("s3", endpoint_url=environment["S3_ENDPOINT"], verify=environment["S3_CA"],
                  config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))
NUMBERS = range(25)
operations = []


def operation(function):
    operations.append(function)
    return function


def code_of(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def read(key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


@operation
def make_bucket():
    s3.create_bucket(Bucket=bucket)
    assert bucket in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket=bucket)
    assert code_of(s3.head_bucket, Bucket="no-such-bucket") == "404"


@operation
def put():
    for size in (0, 1, 70_000, 3_000_001):
        body = os.urandom(size)
        answer = s3.put_object(Bucket=bucket, Key=f"size {size}", Body=io.BytesIO(body))
        assert answer["ETag"].strip('"') == hashlib.md5(body).hexdigest()
        assert read(f"size {size}") == body
    # An empty file with Expect: 100-continue, then another request on that connection.
    one = boto3.client("s3", endpoint_url=environment["S3_ENDPOINT"], verify=environment["S3_CA"],
                       config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, max_pool_connections=1, read_timeout=20))
    for body in (b"", small, b"", small):
        with open(f"{work}/expected-{len(body)}", "wb+") as file:
            file.write(body)
            file.seek(0)
            one.put_object(Bucket=bucket, Key=f"expected {len(body)}", Body=file)
        assert read(f"expected {len(body)}") == body
    s3.put_object(Bucket=bucket, Key="small", Body=small)


@operation
def get():
    assert read("small") == small
    assert code_of(s3.get_object, Bucket=bucket, Key="no") == "NoSuchKey"


@operation
def head():
    assert s3.head_object(Bucket=bucket, Key="small")["ContentLength"] == len(small)
    assert code_of(s3.head_object, Bucket=bucket, Key="no") == "404"


@operation
def range_get():
    assert read("small", Range="bytes=5-9") == small[5:10]
    assert read("small", Range="bytes=-7") == small[-7:]
    assert code_of(s3.get_object, Bucket=bucket, Key="small", Range="bytes=99999999-") == "InvalidRange"


@operation
def metadata():
    s3.put_object(Bucket=bucket, Key="meta", Body=b"x", Metadata={"a": "b c"}, ContentType="a/b", CacheControl="no-cache")
    answer = s3.head_object(Bucket=bucket, Key="meta")
    assert answer["Metadata"] == {"a": "b c"} and answer["ContentType"] == "a/b" and answer["CacheControl"] == "no-cache"


@operation
def checksum():
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        s3.put_object(Bucket=bucket, Key=algorithm, Body=io.BytesIO(large[:2_000_000]), ChecksumAlgorithm=algorithm)
        answer = s3.get_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")
        assert "Checksum" + algorithm in answer and answer["Body"].read() == large[:2_000_000]


@operation
def keys():
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key="keys/" + key, Body=key.encode())
        assert read("keys/" + key) == key.encode(), key
    for key in KEYS[:5] + ["k" * 1024]:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert read(key) == key.encode(), key
        s3.delete_object(Bucket=bucket, Key=key)
    listed = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="keys/")["Contents"]]
    assert listed == sorted(("keys/" + key for key in KEYS), key=str.encode), listed


@operation
def copy():
    s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": 'keys/&+-é"'})
    assert read("copied") == KEYS[0].encode()
    s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": "copied"}, MetadataDirective="REPLACE", Metadata={"new": "1"})
    assert s3.head_object(Bucket=bucket, Key="copied")["Metadata"] == {"new": "1"}


@operation
def multipart():
    s3.upload_file(f"{data}/large", bucket, "large")
    answer = s3.head_object(Bucket=bucket, Key="large")
    assert answer["ETag"].endswith('-3"') and answer["ContentLength"] == len(large)
    s3.download_file(bucket, "large", f"{work}/large")
    assert open(f"{work}/large", "rb").read() == large
    s3.upload_fileobj(io.BytesIO(large), bucket, "large-5", Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB))
    assert s3.head_object(Bucket=bucket, Key="large-5")["ETag"].endswith('-5"') and read("large-5") == large


@operation
def multipart_steps():
    upload = s3.create_multipart_upload(Bucket=bucket, Key="steps", Metadata={"m": "1"})["UploadId"]
    named = dict(Bucket=bucket, Key="steps", UploadId=upload)
    etags = {}
    for number in (3, 1, 2, 1):
        body = large[: 5 * MIB] if number < 3 else b"end"
        etags[number] = s3.upload_part(PartNumber=number, Body=body, **named)["ETag"]
    assert [p["PartNumber"] for p in s3.list_parts(**named)["Parts"]] == [1, 2, 3]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    assert code_of(s3.head_object, Bucket=bucket, Key="steps") == "404"
    wrong = {"Parts": [{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}]}
    assert code_of(s3.complete_multipart_upload, MultipartUpload=wrong, **named) == "InvalidPart"
    parts = {"Parts": [{"PartNumber": number, "ETag": etags[number]} for number in (1, 2, 3)]}
    s3.complete_multipart_upload(MultipartUpload=parts, **named)
    answer = s3.head_object(Bucket=bucket, Key="steps")
    assert answer["ContentLength"] == 10 * MIB + 3 and answer["Metadata"] == {"m": "1"}
    assert s3.get_object(Bucket=bucket, Key="steps", PartNumber=3)["Body"].read() == b"end"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@operation
def multipart_abort():
    upload = s3.create_multipart_upload(Bucket=bucket, Key="aborted")["UploadId"]
    named = dict(Bucket=bucket, Key="aborted", UploadId=upload)
    s3.upload_part(PartNumber=1, Body=b"x", **named)
    s3.abort_multipart_upload(**named)
    assert code_of(s3.list_parts, **named) == "NoSuchUpload"


@operation
def multipart_copy():
    s3.copy(CopySource={"Bucket": bucket, "Key": "large"}, Bucket=bucket, Key="large-2",
            Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=8 * MIB))
    assert read("large-2") == large
    assert s3.head_object(Bucket=bucket, Key="large-2")["ETag"].endswith('-3"')


@operation
def multipart_checksum():
    for algorithm in ("CRC32", "SHA256"):
        upload = s3.create_multipart_upload(Bucket=bucket, Key="checked", ChecksumAlgorithm=algorithm)["UploadId"]
        named = dict(Bucket=bucket, Key="checked", UploadId=upload)
        field = "Checksum" + algorithm
        parts = []
        for number, body in ((1, large[: 5 * MIB]), (2, b"end")):
            answer = s3.upload_part(PartNumber=number, Body=body, ChecksumAlgorithm=algorithm, **named)
            parts.append({"PartNumber": number, "ETag": answer["ETag"], field: answer[field]})
        s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **named)
        assert field in s3.head_object(Bucket=bucket, Key="checked", ChecksumMode="ENABLED"), algorithm
        assert read("checked", ChecksumMode="ENABLED") == large[: 5 * MIB] + b"end"


@operation
def list_pages():
    for number in NUMBERS:
        s3.put_object(Bucket=bucket, Key=f"many/{number:02}é\n", Body=b"x")
    wanted = [f"many/{number:02}é\n" for number in NUMBERS]
    for kind in ("list_objects_v2", "list_objects"):
        pages = s3.get_paginator(kind).paginate(Bucket=bucket, Prefix="many/", PaginationConfig={"PageSize": 7})
        assert [item["Key"] for page in pages for item in page["Contents"]] == wanted, kind
    assert "many/" in [p["Prefix"] for p in s3.list_objects_v2(Bucket=bucket, Delimiter="/")["CommonPrefixes"]]


@operation
def list_versions():
    assert len(s3.list_object_versions(Bucket=bucket, Prefix="many/")["Versions"]) == 25


@operation
def conditional_get():
    etag = s3.head_object(Bucket=bucket, Key="small")["ETag"]
    assert read("small", IfMatch=etag) == small
    assert code_of(s3.get_object, Bucket=bucket, Key="small", IfNoneMatch=etag) == "304"
    assert code_of(s3.get_object, Bucket=bucket, Key="small", IfMatch='"other"') == "PreconditionFailed"


def knows(method, parameter):
    return parameter in s3.meta.service_model.operation_model(method).input_shape.members


if knows("PutObject", "IfMatch"):

    @operation
    def conditional_put():
        etag = s3.put_object(Bucket=bucket, Key="once", Body=b"1", IfNoneMatch="*")["ETag"]
        assert code_of(s3.put_object, Bucket=bucket, Key="once", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
        s3.put_object(Bucket=bucket, Key="once", Body=b"3", IfMatch=etag)
        assert code_of(s3.put_object, Bucket=bucket, Key="once", Body=b"4", IfMatch=etag) == "PreconditionFailed"
        assert read("once") == b"3"

    @operation
    def conditional_complete():
        upload = s3.create_multipart_upload(Bucket=bucket, Key="once")["UploadId"]
        named = dict(Bucket=bucket, Key="once", UploadId=upload)
        etag = s3.upload_part(PartNumber=1, Body=b"parts", **named)["ETag"]
        named["MultipartUpload"] = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        assert code_of(s3.complete_multipart_upload, IfNoneMatch="*", **named) == "PreconditionFailed"
        s3.complete_multipart_upload(IfMatch=s3.head_object(Bucket=bucket, Key="once")["ETag"], **named)
        assert read("once") == b"parts"

    @operation
    def conditional_delete():
        s3.put_object(Bucket=bucket, Key="lease", Body=b"1")
        assert code_of(s3.delete_object, Bucket=bucket, Key="lease", IfMatch='"other"') == "PreconditionFailed"
        s3.delete_object(Bucket=bucket, Key="lease", IfMatch=s3.head_object(Bucket=bucket, Key="lease")["ETag"])


@operation
def tagging():
    tags = [{"Key": "a", "Value": "b c"}]
    s3.put_object_tagging(Bucket=bucket, Key="small", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="small")["TagSet"] == tags
    s3.put_object(Bucket=bucket, Key="tagged", Body=b"x", Tagging="k=v")
    assert s3.get_object_tagging(Bucket=bucket, Key="tagged")["TagSet"] == [{"Key": "k", "Value": "v"}]
    s3.delete_object_tagging(Bucket=bucket, Key="small")
    assert s3.get_object_tagging(Bucket=bucket, Key="small")["TagSet"] == []


@operation
def bucket_tagging():
    tags = [{"Key": "a", "Value": "b"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    assert code_of(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"


@operation
def attributes():
    answer = s3.get_object_attributes(Bucket=bucket, Key="large", ObjectAttributes=["ETag", "ObjectSize", "ObjectParts", "StorageClass"])
    assert answer["ObjectSize"] == len(large) and answer["ObjectParts"]["TotalPartsCount"] == 3, answer


@operation
def cors():
    rule = {"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"][0]["AllowedMethods"] == ["GET", "PUT"]
    s3.delete_bucket_cors(Bucket=bucket)
    assert code_of(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"


@operation
def lifecycle():
    rules = [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "old/"}, "Expiration": {"Days": 9},
              "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    said = s3.put_object(Bucket=bucket, Key="old/x", Body=b"x")["Expiration"]
    assert said == s3.head_object(Bucket=bucket, Key="old/x")["Expiration"] and 'rule-id="r"' in said, said
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert code_of(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"


TRUST = ssl.create_default_context(cafile=environment["S3_CA"])


@operation
def presigned_get():
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "small"})
    with urllib.request.urlopen(url, context=TRUST) as answer:
        assert answer.read() == small


@operation
def presigned_put():
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "presigned"})
    request = urllib.request.Request(url, data=small, method="PUT", headers={"Content-Type": ""})
    with urllib.request.urlopen(request, context=TRUST):
        assert read("presigned") == small


@operation
def form_upload():
    post = s3.generate_presigned_post(bucket, "form/${filename}", Fields={"x-amz-meta-a": "b"}, Conditions=[{"x-amz-meta-a": "b"}])
    lines = []
    for field, value in post["fields"].items():
        lines += [b"--edge", f'Content-Disposition: form-data; name="{field}"'.encode(), b"", value.encode()]
    lines += [b"--edge", 'Content-Disposition: form-data; name="file"; filename="fä.bin"'.encode(), b"Content-Type: a/b", b"", small, b"--edge--", b""]
    request = urllib.request.Request(post["url"], data=b"\r\n".join(lines), headers={"Content-Type": "multipart/form-data; boundary=edge"})
    with urllib.request.urlopen(request, context=TRUST) as answer:
        assert answer.status == 204
    assert read("form/fä.bin") == small


@operation
def delete():
    s3.delete_object(Bucket=bucket, Key="copied")
    assert code_of(s3.head_object, Bucket=bucket, Key="copied") == "404"
    s3.delete_object(Bucket=bucket, Key="copied")


@operation
def delete_many():
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    everything = [{"Key": item["Key"]} for page in pages for item in page["Contents"]]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": everything})["Deleted"]) == len(everything)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@operation
def remove_bucket():
    s3.delete_bucket(Bucket=bucket)
    assert code_of(s3.head_bucket, Bucket=bucket) == "404"


print(name, "version", transport, boto3.__version__)
for function in operations:
    result = "ok"
    try:
        function()
    except Exception:
        result = "FAILED"
        print(f"-- {name} {function.__name__} {transport}: {traceback.format_exc(limit=-1)[-600:]}", file=sys.stderr)
    print(name, function.__name__.replace("_", "-"), transport, result, flush=True)
