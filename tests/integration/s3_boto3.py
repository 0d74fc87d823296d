#!/usr/bin/env python3
"""boto3 with its defaults against a gateway. Usage: s3_boto3.py ENDPOINT"""

import hashlib
import io
import os
import sys
import warnings

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

warnings.filterwarnings("ignore")
endpoint = sys.argv[1]
bucket = "boto3-" + endpoint.split(":")[0]
options = dict(endpoint_url=endpoint, aws_access_key_id="AKIATEST", aws_secret_access_key="secret-of-the-test",
               region_name="us-east-1", verify=False)
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}), **options)


def code_of(call, **arguments):
    try:
        call(**arguments)
        return None
    except ClientError as error:
        return error.response["Error"]["Code"]


s3.create_bucket(Bucket=bucket)
assert bucket in [b["Name"] for b in s3.list_buckets()["Buckets"]]
s3.head_bucket(Bucket=bucket)
for size in (0, 1, 70_000, 3_000_001):
    body = os.urandom(size)
    answer = s3.put_object(Bucket=bucket, Key=f"size {size}", Body=io.BytesIO(body), Metadata={"size": str(size)}, ContentType="a/b")
    assert answer["ETag"].strip('"') == hashlib.md5(body).hexdigest()
    answer = s3.get_object(Bucket=bucket, Key=f"size {size}")
    assert answer["Body"].read() == body and answer["Metadata"] == {"size": str(size)} and answer["ContentType"] == "a/b"
body = os.urandom(2_000_000)
for algorithm in ("CRC32", "SHA1", "SHA256"):
    s3.put_object(Bucket=bucket, Key=algorithm, Body=io.BytesIO(body), ChecksumAlgorithm=algorithm)
    answer = s3.get_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")
    assert "Checksum" + algorithm in answer and answer["Body"].read() == body
assert s3.get_object(Bucket=bucket, Key="CRC32", Range="bytes=5-9")["Body"].read() == body[5:10]
assert code_of(s3.get_object, Bucket=bucket, Key="no") == "NoSuchKey"
assert code_of(s3.head_object, Bucket=bucket, Key="no") == "404"
assert code_of(s3.create_multipart_upload, Bucket=bucket, Key="mp") == "NotImplemented"
s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "SHA1"})
assert s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == len(body)
for number in range(25):
    s3.put_object(Bucket=bucket, Key=f"many/{number:02}é\n", Body=b"x")
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="many/", PaginationConfig={"PageSize": 7})
keys = [item["Key"] for page in pages for item in page["Contents"]]
assert keys == [f"many/{number:02}é\n" for number in range(25)], keys
pages = s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 10})
everything = [item["Key"] for page in pages for item in page["Contents"]]
assert len(everything) == 33, everything
assert [p["Prefix"] for p in s3.list_objects_v2(Bucket=bucket, Delimiter="/")["CommonPrefixes"]] == ["many/"]
assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 33
url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "SHA1"})
print("presigned", url)
assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in everything]})["Deleted"]) == 33
s3.delete_bucket(Bucket=bucket)
print(f"boto3 {boto3.__version__}: good")
