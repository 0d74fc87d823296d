#!/usr/bin/env python3
"""What a gateway promises, over the wire. Usage: s3_checks.py ENDPOINT SECOND-ENDPOINT ADMIN

Keys of the gateways: AKIATEST (owner of all) and AKIAREAD (reads the bucket `shared`)."""

import base64
import datetime
import hashlib
import os
import re
import socket
import sys
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ET

from s3_harness import SECRET, TRUSTING, check, expect, fetch, finish, section
from s3_signer import Client, crc32

endpoint, second, admin = sys.argv[1:4]
UNSIGNED = "UNSIGNED-PAYLOAD"
CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
client = Client(endpoint, "AKIATEST", SECRET)


def put(key, body=b"x", **more):
    return client.request("PUT", "checks", key, body=body, **more)


def get(key, **more):
    return client.request("GET", "checks", key, **more)


def buckets():
    section("buckets")
    expect("create", client.request("PUT", "checks"), 200)
    expect("create again", client.request("PUT", "checks"), 200)
    expect("head", client.request("HEAD", "checks"), 200)
    expect("head of a missing one", client.request("HEAD", "missing-bucket"), 404)
    expect("bad name", client.request("PUT", "Bad_Name"), 400, "InvalidBucketName")
    expect("address as a name", client.request("PUT", "10.0.0.1"), 400, "InvalidBucketName")
    expect("constraint", client.request(
        "PUT", "checks-two", body=b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>"
        b"</CreateBucketConfiguration>"), 200)
    expect("tags at creation", client.request(
        "PUT", "checks-three", body=b"<CreateBucketConfiguration><Tags><Tag><Key>k</Key><Value>v</Value></Tag></Tags>"
        b"</CreateBucketConfiguration>"), 501, "NotImplemented")
    expect("bad XML", client.request("PUT", "checks-three", body=b"<Create"), 400, "MalformedXML")
    expect("location", client.request("GET", "checks", parameters={"location": ""}), 200)
    names = re.findall(b"<Name>(.*?)</Name>", client.request("GET").body)
    check("both are listed", [b"checks", b"checks-two"] == [n for n in names if n.startswith(b"checks")])
    page = client.request("GET", parameters={"max-buckets": "1", "prefix": "checks"})
    token = re.search(b"<ContinuationToken>(.*?)<", page.body)
    check("one page of buckets", page.body.count(b"<Bucket>") == 1 and token is not None)
    page = client.request("GET", parameters={"max-buckets": "1", "prefix": "checks", "continuation-token": token[1].decode()})
    check("the second page", b"checks-two" in page.body and b"ContinuationToken" not in page.body)
    for method in ("GET", "PUT", "POST", "DELETE"):
        expect(method + " of a setting that we do not know", client.request(method, "checks-two", parameters={"abac": ""}), 501,
               "NotImplemented")
    expect("delete", client.request("DELETE", "checks-two"), 204)
    expect("delete a missing one", client.request("DELETE", "checks-two"), 404, "NoSuchBucket")
    put("in-the-way")
    expect("delete a full one", client.request("DELETE", "checks"), 409, "BucketNotEmpty")
    client.request("DELETE", "checks", "in-the-way")
    for sub, status in [("acl", 200), ("versioning", 200), ("policy", 404), ("cors", 404), ("lifecycle", 404),
                        ("object-lock", 404), ("encryption", 404), ("publicAccessBlock", 404), ("tagging", 404),
                        ("analytics", 501)]:
        expect("stub " + sub, client.request("GET", "checks", parameters={sub: ""}), status)
    expect("stub of a missing bucket", client.request("GET", "missing-bucket", parameters={"acl": ""}), 404, "NoSuchBucket")


def objects():
    section("objects")
    body = os.urandom(300_000)
    answer = expect("put", put("object", body, headers={
        "Content-Type": "text/plain", "x-amz-meta-Colour": "blue", "Cache-Control": "no-cache",
        "Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}), 200)
    check("etag is the MD5", answer.etag() == hashlib.md5(body).hexdigest())
    check("version", re.fullmatch(r"\d+\.\d+", answer.headers.get("x-catena-version", "")) is not None)
    check("durable on all replicas", answer.headers.get("x-catena-replicas-durable") == "3")
    answer = expect("get", get("object"), 200)
    check("value", answer.body == body)
    check("headers", answer.headers.get("x-amz-meta-colour") == "blue" and answer.headers["content-type"] == "text/plain"
          and answer.headers["cache-control"] == "no-cache" and answer.headers["accept-ranges"] == "bytes")
    head = expect("head", client.request("HEAD", "checks", "object"), 200)
    check("head says the same", head.headers["content-length"] == "300000" and head.etag() == answer.etag())
    answer = get("object", parameters={"response-content-type": "a/b", "response-cache-control": "max-age=1"})
    check("overrides", answer.headers["content-type"] == "a/b" and answer.headers["cache-control"] == "max-age=1")
    for header, start, end in [("bytes=0-9", 0, 10), ("bytes=299990-", 299990, 300000), ("bytes=-5", 299995, 300000),
                               ("bytes=100-999999", 100, 300000)]:
        answer = expect("range " + header, get("object", headers={"Range": header}), 206)
        check("its bytes", answer.body == body[start:end])
        check("Content-Range", answer.headers["content-range"] == f"bytes {start}-{end - 1}/300000")
    for header in ["bytes=5-4", "bytes=a-b", "bytes=0-1,3-4", "rows=1-2"]:
        expect("ignored range " + header, get("object", headers={"Range": header}), 200)
    modified = answer.headers["last-modified"]
    for known, status in [(f'"{answer.etag()}"', 206), (modified, 206), ('"another"', 200), ("Sat, 01 Jan 2000 00:00:00 GMT", 200)]:
        for header, start, end in [("bytes=10-19", 10, 20), ("bytes=-5", 299995, 300000)]:
            answer = expect("If-Range", get("object", headers={"Range": header, "If-Range": known}), status)
            check("part or all", answer.body == (body[start:end] if status == 206 else body))
        head = client.request("HEAD", "checks", "object", headers={"Range": "bytes=0-9", "If-Range": known})
        expect("If-Range of a head", head, status)
    answer = expect("range beyond", get("object", headers={"Range": "bytes=300000-"}), 416, "InvalidRange")
    check("says the size", answer.headers["content-range"] == "bytes */300000")
    expect("empty", put("empty", b""), 200)
    check("empty back", get("empty").body == b"")
    expect("range of nothing", get("empty", headers={"Range": "bytes=0-"}), 416, "InvalidRange")
    expect("part 1", get("object", parameters={"partNumber": "1"}), 206)
    expect("part 2", get("object", parameters={"partNumber": "2"}), 416, "InvalidPartNumber")
    expect("missing", get("nothing"), 404, "NoSuchKey")
    expect("missing head", client.request("HEAD", "checks", "nothing"), 404)
    expect("missing bucket", client.request("PUT", "missing-bucket", "a", body=b"x"), 404, "NoSuchBucket")
    expect("missing bucket, long body", client.request("PUT", "missing-bucket", "a", body=b"x" * 1_000_000), 404, "NoSuchBucket")
    expect("delete", client.request("DELETE", "checks", "empty"), 204)
    expect("delete again", client.request("DELETE", "checks", "empty"), 204)
    expect("other version", get("object", parameters={"versionId": "abc"}), 404, "NoSuchVersion")
    expect("null version", get("object", parameters={"versionId": "null"}), 200)
    expect("object acl", get("object", parameters={"acl": ""}), 200)
    expect("object tags", get("object", parameters={"tagging": ""}), 200)
    big = os.urandom(5_500_000)
    expect("several chunks", put("big", big), 200)
    check("several chunks back", get("big").body == big)
    check("range over chunks", get("big", headers={"Range": "bytes=1048570-3145740"}).body == big[1048570:3145741])
    small = Client(endpoint, "AKIATEST", SECRET)
    for size in (65535, 65536, 65537, 262143, 262144, 262145, 1048576, 1048577):
        data = os.urandom(size)
        small.request("PUT", "checks", "edge", body=data)
        check(f"{size} bytes", small.request("GET", "checks", "edge").body == data)


def torture():
    section("keys")
    keys = ["&+-é\"", "a//b", "/x", ".", "..", "./..", "k" * 1024, "😀", "new\nline", "\x7f\x01", " ", "a b", "?", "#", "%",
            "%41", "a+b", "~:@!$'()*,;=", "ü/../ü", "trailing/"]
    for key in keys:
        expect("put " + repr(key), put(key, key.encode()), 200)
    for key in keys:
        check("get " + repr(key), get(key).body == key.encode())
    listed = all_keys({"encoding-type": "url"})
    check("all are listed in byte order", [k for k in listed if k in keys] == sorted(keys, key=lambda k: k.encode()), listed)
    document = "".join(f"<Object><Key>{key.replace('&', '&amp;')}</Key></Object>" for key in keys if key != "\x7f\x01")
    answer = expect("delete them", client.request("POST", "checks", parameters={"delete": ""},
                                                  body=f"<Delete>{document}</Delete>".encode()), 200)
    check("all deleted", answer.body.count(b"<Deleted>") == len(keys) - 1 and b"<Error>" not in answer.body)
    client.request("DELETE", "checks", "\x7f\x01")
    expect("too long", put("k" * 1025), 400, "KeyTooLongError")
    expect("NUL", client.request("PUT", raw_path="/checks/a%00b", body=b"x"), 400)
    expect("not UTF-8", client.request("PUT", raw_path="/checks/a%FFb", body=b"x"), 400)
    expect("escaped otherwise", client.request("PUT", raw_path="/checks/a:b@c!", body=b"x"), 200)
    check("is the same key", get("a:b@c!").body == b"x")


def all_keys(parameters, bucket="checks"):
    keys = []
    token = None
    while True:
        query = dict(parameters, **{"list-type": "2"})
        if token:
            query["continuation-token"] = token
        answer = client.request("GET", bucket, parameters=query)
        if answer.status != 200:
            check("list", False, answer.code())
            return keys
        root = ET.fromstring(re.sub(rb' xmlns="[^"]+"', b"", answer.body))
        for item in root.findall("Contents"):
            keys.append(urllib.parse.unquote(item.findtext("Key")))
        for item in root.findall("CommonPrefixes"):
            keys.append(urllib.parse.unquote(item.findtext("Prefix")))
        if root.findtext("IsTruncated") != "true":
            return keys
        token = root.findtext("NextContinuationToken")


def listing():
    section("listing")
    client.request("PUT", "listing")
    names = ["a", "b/1", "b/2", "b/3/x", "b+", "c/1", "d", "é", "z/z"]
    for name in names:
        client.request("PUT", "listing", name, body=name.encode())
    ordered = sorted(names, key=lambda n: n.encode())
    for page in ("1", "2", "1000"):
        check("pages of " + page, all_keys({"max-keys": page, "encoding-type": "url"}, "listing") == ordered)
        check("folded, pages of " + page, sorted(all_keys({"max-keys": page, "delimiter": "/", "encoding-type": "url"}, "listing"))
              == sorted(["a", "b+", "b/", "c/", "d", "é", "z/"]))
    check("prefix", all_keys({"prefix": "b/"}, "listing") == ["b/1", "b/2", "b/3/x"])
    check("prefix and delimiter", all_keys({"prefix": "b/", "delimiter": "/"}, "listing") == ["b/1", "b/2", "b/3/"])
    check("long delimiter", all_keys({"delimiter": "/3/"}, "listing")[-1] == "b/3/" or
          "b/3/" in all_keys({"delimiter": "/3/"}, "listing"))
    check("start-after", all_keys({"start-after": "c/1", "encoding-type": "url"}, "listing") == ordered[ordered.index("c/1") + 1:])
    answer = client.request("GET", "listing", parameters={"max-keys": "2"})
    check("V1 page", b"<IsTruncated>true" in answer.body and b"NextMarker" not in answer.body)
    answer = client.request("GET", "listing", parameters={"max-keys": "2", "delimiter": "/"})
    check("V1 NextMarker", b"<NextMarker>b+</NextMarker>" in answer.body)
    answer = client.request("GET", "listing", parameters={"marker": "b+", "max-keys": "1", "delimiter": "/"})
    check("V1 goes on", b"<Prefix>b/</Prefix>" in answer.body)
    answer = client.request("GET", "listing", parameters={"versions": ""})
    check("versions", answer.body.count(b"<VersionId>null</VersionId>") == len(names))
    answer = client.request("GET", "listing", parameters={"max-keys": "0", "list-type": "2"})
    check("no keys", b"<KeyCount>0<" in answer.body and b"<IsTruncated>false" in answer.body)
    for wrong in ("-1", "x", "99999999999999999999"):
        expect("max-keys " + wrong, client.request("GET", "listing", parameters={"max-keys": wrong}), 400, "InvalidArgument")
    expect("bad token", client.request("GET", "listing", parameters={"list-type": "2", "continuation-token": "!"}), 400,
           "InvalidArgument")
    answer = client.request("GET", "listing", parameters={"prefix": b"\xff", "marker": b"\xc3("})
    check("parameters that are not UTF-8", answer.status == 200 and ET.fromstring(answer.body) is not None)
    expect("bad encoding", client.request("GET", "listing", parameters={"encoding-type": "x"}), 400, "InvalidArgument")
    expect("missing bucket", client.request("GET", "missing-bucket"), 404, "NoSuchBucket")
    expect("missing bucket, no keys", client.request("GET", "missing-bucket", parameters={"max-keys": "0"}), 404, "NoSuchBucket")
    etag = hashlib.md5(b"a").hexdigest().encode()
    check("etags", b"<ETag>&quot;" + etag + b"&quot;</ETag>" in client.request("GET", "listing").body)


def bodies():
    section("forms of bodies")
    body = os.urandom(200_000)
    expect("unsigned", put("form", body, form=UNSIGNED), 200)
    for size in (1000, 65536, 1_000_000):
        expect(f"signed chunks of {size}", put("form", body, form=CHUNKS, chunk_size=size), 200)
        check("back", get("form").body == body)
    trailer = ("x-amz-checksum-crc32", crc32(body))
    answer = expect("unsigned trailer", put("form", body, form=TRAILER, trailer=trailer), 200)
    check("its checksum", answer.headers.get("x-amz-checksum-crc32") == trailer[1])
    expect("signed trailer", put("form", body, form=SIGNED_TRAILER, trailer=trailer), 200)
    for form in (TRAILER, SIGNED_TRAILER):
        expect("trailer as minio-go writes it", put("form", body, form=form, trailer=trailer, damage="feed"), 200)
    answer = get("form", headers={"x-amz-checksum-mode": "ENABLED"})
    check("checksum comes back", answer.headers.get("x-amz-checksum-crc32") == trailer[1])
    check("aws-chunked is not kept", "content-encoding" not in answer.headers)
    expect("HTTP chunks", put("form", body, form=UNSIGNED, transfer_chunked=True), 200)
    check("back", get("form").body == body)
    expect("HTTP chunks around aws-chunked", put("form", body, form=TRAILER, trailer=trailer, transfer_chunked=True), 200)
    check("back", get("form").body == body)
    put("kept", b"before")
    expect("damaged chunk", put("kept", body, form=CHUNKS, damage="chunk"), 403, "SignatureDoesNotMatch")
    expect("cut stream", put("kept", body, form=TRAILER, trailer=trailer, damage="cut"), 400, "IncompleteBody")
    expect("wrong trailer", put("kept", body, form=TRAILER, trailer=("x-amz-checksum-crc32", "AAAAAA==")), 400, "BadDigest")
    for form in (TRAILER, SIGNED_TRAILER):
        expect("trailer that was not announced", put("kept", body, form=form, trailer=trailer, damage="unannounced"), 400,
               "MalformedTrailerError")
    expect("bad trailer", put("kept", body, form=TRAILER, trailer=("x-amz-checksum-crc32", "!!")), 400, "InvalidRequest")
    expect("wrong checksum", put("kept", headers={"x-amz-checksum-crc32": "AAAAAA=="}), 400, "BadDigest")
    expect("bad checksum", put("kept", headers={"x-amz-checksum-crc32": "AAAA"}), 400, "InvalidRequest")
    expect("two checksums", put("kept", headers={"x-amz-checksum-crc32": crc32(b"x"), "x-amz-checksum-crc32c": "AAAAAA=="}),
           400, "InvalidRequest")
    for kind in ("xxhash3", "sha512", "of-tomorrow"):
        expect("unknown checksum " + kind, put("kept", headers={"x-amz-checksum-" + kind: "AAAAAAAAAAA="}), 501, "NotImplemented")
    expect("wrong MD5", put("kept", headers={"Content-MD5": base64.b64encode(b"0" * 16).decode()}), 400, "BadDigest")
    expect("bad MD5", put("kept", headers={"Content-MD5": "nonsense"}), 400, "InvalidDigest")
    expect("wrong sha256", put("kept", form="0" * 64), 400, "XAmzContentSHA256Mismatch")
    check("nothing of it is visible", get("kept").body == b"before")
    for name, digest in (("sha1", hashlib.sha1), ("sha256", hashlib.sha256)):
        value = base64.b64encode(digest(b"x").digest()).decode()
        expect(name, put("sum", headers={"x-amz-checksum-" + name: value}), 200)
    expect("crc64nvme", put("sum", b"123456789", headers={"x-amz-checksum-crc64nvme": "rosUhgp5mIg="}), 200)
    expect("crc32c", put("sum", b"123456789", headers={"x-amz-checksum-crc32c": "4waSgw=="}), 200)
    expect("metadata of 2 KiB", put("meta", headers={"x-amz-meta-a": "v" * 2047}), 200)
    expect("many names", put("meta", headers={f"x-amz-meta-{'n' * 20}-{i:02}": "v" for i in range(80)}), 200)
    check("all are there", sum(name.startswith("x-amz-meta-") for name in get("meta").headers) == 80)
    expect("metadata over 2 KiB", put("meta", headers={"x-amz-meta-a": "v" * 2048}), 400, "MetadataTooLarge")
    for header in ("x-amz-server-side-encryption", "x-amz-object-lock-mode", "x-amz-website-redirect-location"):
        expect("refused " + header, put("kept", headers={header: "AES256"}), 501, "NotImplemented")
    expect("grant", put("kept", headers={"x-amz-grant-read": "id=1"}), 400, "AccessControlListNotSupported")
    expect("canned acl", put("kept", headers={"x-amz-acl": "public-read"}), 200)


def conditions():
    section("conditions")
    one = put("cond", b"one").etag()
    expect("create only", put("cond", b"two", headers={"If-None-Match": "*"}), 412, "PreconditionFailed")
    expect("wrong etag", put("cond", b"two", headers={"If-Match": '"0123"'}), 412, "PreconditionFailed")
    expect("same etag forbidden", put("cond", b"two", headers={"If-None-Match": f'"{one}"'}), 412, "PreconditionFailed")
    two = expect("right etag", put("cond", b"two", headers={"If-Match": f'"{one}"'}), 200).etag()
    expect("old etag", put("cond", b"three", headers={"If-Match": one}), 412, "PreconditionFailed")
    expect("any", put("cond", b"three" * 100_000, headers={"If-Match": "*"}), 200)
    expect("absent with etag", put("cond-no", b"x", headers={"If-Match": f'"{one}"'}), 404, "NoSuchKey")
    expect("absent with star", put("cond-no", b"x", headers={"If-Match": "*"}), 404, "NoSuchKey")
    expect("absent, other etag", put("cond-new", b"x", headers={"If-None-Match": f'"{one}"'}), 200)
    etag = put("cond", b"read").etag()
    modified = client.request("HEAD", "checks", "cond").headers["last-modified"]
    early = "Sat, 01 Jan 2000 00:00:00 GMT"
    for headers, status in [({"If-Match": etag}, 200), ({"If-Match": two}, 412), ({"If-None-Match": f'"{etag}"'}, 304),
                            ({"If-None-Match": two}, 200), ({"If-Modified-Since": modified}, 304),
                            ({"If-Modified-Since": early}, 200), ({"If-Unmodified-Since": early}, 412),
                            ({"If-Unmodified-Since": modified}, 200), ({"If-Match": etag, "If-Unmodified-Since": early}, 200),
                            ({"If-None-Match": two, "If-Modified-Since": modified}, 200)]:
        answer = expect(f"read with {headers}", get("cond", headers=headers), status)
        if status == 304:
            check("304 has no body but the etag", answer.body == b"" and answer.etag() == etag)
    for condition in ({"If-None-Match": f'"{etag}"'}, {"If-Unmodified-Since": early}):
        expect(f"delete with {condition}", client.request("DELETE", "checks", "cond", headers=condition), 501, "NotImplemented")
    expect("put with a date", put("cond", b"lost", headers={"If-Unmodified-Since": early}), 501, "NotImplemented")
    expect("an etag goes before a date", put("cond", b"read", headers={"If-Match": etag, "If-Unmodified-Since": early}), 200)
    expect("delete with another etag", client.request("DELETE", "checks", "cond", headers={"If-Match": two}), 412,
           "PreconditionFailed")
    expect("delete with the etag", client.request("DELETE", "checks", "cond", headers={"If-Match": etag}), 204)
    expect("delete what is gone", client.request("DELETE", "checks", "cond", headers={"If-Match": etag}), 404, "NoSuchKey")
    etag = put("batch", b"batch").etag()
    answer = client.request("POST", "checks", parameters={"delete": ""}, body=(
        "<Delete><Object><Key>batch</Key><ETag>wrong</ETag></Object><Object><Key>never</Key></Object></Delete>").encode())
    check("etag in DeleteObjects", b"PreconditionFailed" in answer.body and b"<Deleted><Key>never</Key>" in answer.body)
    put("batch")
    for condition in ("<Size>5</Size>", "<LastModifiedTime>2020-01-01T00:00:00Z</LastModifiedTime>"):
        answer = client.request("POST", "checks", parameters={"delete": ""}, body=(
            f"<Delete><Object><Key>batch</Key>{condition}</Object></Delete>").encode())
        check("condition that we do not know in DeleteObjects", b"<Code>NotImplemented</Code>" in answer.body
              and get("batch").status == 200, answer.body)
    expect("empty delete", client.request("POST", "checks", parameters={"delete": ""}, body=b"<Delete></Delete>"), 400,
           "MalformedXML")
    expect("doctype", client.request("POST", "checks", parameters={"delete": ""}, body=(
        b'<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>')), 400, "MalformedXML")


def copies():
    section("copies")
    etag = put("source", b"source", headers={"x-amz-meta-a": "1", "Content-Type": "text/plain"}).etag()
    expect("copy", put("target", b"", headers={"x-amz-copy-source": "/checks/source"}), 200)
    answer = get("target")
    check("all of it", answer.body == b"source" and answer.headers.get("x-amz-meta-a") == "1"
          and answer.headers["content-type"] == "text/plain" and answer.etag() == etag)
    expect("replace", put("target", b"", headers={"x-amz-copy-source": "checks/source", "x-amz-meta-b": "2",
                                                  "x-amz-metadata-directive": "REPLACE"}), 200)
    answer = get("target")
    check("other metadata", "x-amz-meta-a" not in answer.headers and answer.headers.get("x-amz-meta-b") == "2")
    expect("onto itself", put("source", b"", headers={"x-amz-copy-source": "/checks/source"}), 400, "InvalidRequest")
    expect("onto itself, replaced", put("source", b"", headers={
        "x-amz-copy-source": "/checks/source", "x-amz-metadata-directive": "REPLACE", "x-amz-meta-c": "3"}), 200)
    answer = get("source")
    check("same bytes", answer.body == b"source" and answer.headers.get("x-amz-meta-c") == "3" and answer.etag() == etag)
    put("a+b é", b"odd")
    expect("encoded source", put("target", b"", headers={"x-amz-copy-source": "/checks/a%2Bb%20%C3%A9"}), 200)
    check("odd name", get("target").body == b"odd")
    answer = expect("missing source", put("target", b"", headers={"x-amz-copy-source": "/checks/no"}), 404, "NoSuchKey")
    check("it is the source that is missing", b"<Key>no</Key>" in answer.body, answer.body)
    answer = expect("missing bucket of a source", put("target", b"", headers={"x-amz-copy-source": "/missing-bucket/o"}), 404,
                    "NoSuchBucket")
    check("it is the bucket of the source", b"<BucketName>missing-bucket</BucketName>" in answer.body, answer.body)
    expect("no key", put("target", b"", headers={"x-amz-copy-source": "checks"}), 400, "InvalidArgument")
    expect("source condition", put("target", b"", headers={
        "x-amz-copy-source": "/checks/source", "x-amz-copy-source-if-match": "wrong"}), 412, "PreconditionFailed")
    expect("source condition holds", put("target", b"", headers={
        "x-amz-copy-source": "/checks/source", "x-amz-copy-source-if-match": etag}), 200)
    expect("destination condition", put("target", b"", headers={
        "x-amz-copy-source": "/checks/source", "If-None-Match": "*"}), 412, "PreconditionFailed")


def access():
    section("access")
    client.request("PUT", "shared")
    client.request("PUT", "shared", "o", body=b"shared")
    url = urllib.parse.urlsplit(endpoint)
    stranger = Client(endpoint, "AKIANOBODY", SECRET)
    expect("unknown key", stranger.request("GET", "checks"), 403, "InvalidAccessKeyId")
    liar = Client(endpoint, "AKIATEST", "secret-of-another")
    expect("wrong secret", liar.request("GET", "checks"), 403, "SignatureDoesNotMatch")
    reader = Client(endpoint, "AKIAREAD", "secret-of-the-reader")
    expect("reader reads", reader.request("GET", "shared", "o"), 200)
    expect("reader writes", reader.request("PUT", "shared", "o", body=b"x"), 403, "AccessDenied")
    expect("reader elsewhere", reader.request("GET", "checks"), 403, "AccessDenied")
    expect("reader copies from elsewhere", reader.request("PUT", "shared", "p", headers={"x-amz-copy-source": "/checks/source"}),
           403, "AccessDenied")
    check("reader sees its bucket", re.findall(b"<Name>(.*?)</Name>", reader.request("GET").body) == [b"shared"])
    now = datetime.datetime.now(datetime.timezone.utc)
    for minutes in (-16, 16):
        expect("skew", client.request("GET", "checks", when=now + datetime.timedelta(minutes=minutes)), 403, "RequestTimeTooSkewed")
    status, body = fetch(f"{endpoint}/checks/source")
    check("anonymous", status == 403 and b"AccessDenied" in body)
    put("presigned", b"presigned")
    check("presigned", fetch(client.presign("GET", "checks", "presigned")) == (200, b"presigned"))
    check("presigned, overrides", fetch(client.presign("GET", "checks", "presigned", parameters={
        "response-content-type": "a/b"}))[0] == 200)
    check("presigned put", fetch(client.presign("PUT", "checks", "by url"), "PUT", b"by url")[0] == 200)
    check("put by url", get("by url").body == b"by url")
    by_url = client.presign("PUT", "checks", "by url", parameters={
        "x-amz-meta-a": "b c", "x-amz-tagging": "d=e", "x-amz-checksum-crc32": "AAAAAA=="})
    check("presigned put with headers in the URL", fetch(by_url, "PUT", b"by url")[0] == 200)
    answer = client.request("HEAD", "checks", "by url")
    check("they count", answer.headers.get("x-amz-meta-a") == "b c" and answer.headers.get("x-amz-tagging-count") == "1")
    by_url = client.presign("PUT", "checks", "copied by url", parameters={"x-amz-copy-source": "/checks/presigned"})
    check("presigned copy", fetch(by_url, "PUT", b"")[0] == 200 and get("copied by url").body == b"presigned")
    by_url = client.presign("PUT", "checks", "refused by url", parameters={"x-amz-server-side-encryption": "AES256"})
    check("presigned put with what is refused", fetch(by_url, "PUT", b"x")[0] == 501)
    check("expired", fetch(client.presign("GET", "checks", "presigned", when=now - datetime.timedelta(minutes=5)))[0] == 403)
    check("other method", fetch(client.presign("GET", "checks", "presigned"), "DELETE")[0] == 403)
    check("out of range", fetch(client.presign("GET", "checks", "presigned", expires=604801))[0] == 400)
    check("version 2", fetch(client.presign_v2("GET", "checks", "presigned", int(time.time()) + 60)) == (200, b"presigned"))
    check("version 2 expired", fetch(client.presign_v2("GET", "checks", "presigned", int(time.time()) - 1))[0] == 403)
    host = f"checks.s3.test:{url.port}"
    answer = client.request("GET", raw_path="/presigned", headers={"Host": host})
    check("virtual host", answer.status == 200 and answer.body == b"presigned", answer.code())


def dial(timeout=5):
    url = urllib.parse.urlsplit(endpoint)
    connection = socket.create_connection((url.hostname, url.port), timeout=timeout)
    return connection if url.scheme == "http" else TRUSTING.wrap_socket(connection)


def raw(request):
    """Sends bytes as they are; returns the answer up to the close or two seconds of silence."""
    with dial(2) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while True:
                piece = connection.recv(65536)
                if not piece:
                    return answer
                answer += piece
                if b"\r\n\r\n" in answer and b"Connection: close" not in answer and b"HTTP/1.1 100" not in answer:
                    return answer
        except (socket.timeout, ConnectionResetError):
            return answer


def framing():
    section("framing")
    head = b"PUT /checks/f HTTP/1.1\r\nHost: h\r\n"
    check("two lengths in one", raw(head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").startswith(
        b"HTTP/1.1 400"))
    check("two lengths", raw(head + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd").startswith(b"HTTP/1.1 400"))
    check("odd coding", raw(head + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n").startswith(b"HTTP/1.1 400"))
    check("bad length", raw(head + b"Content-Length: -3\r\n\r\n").startswith(b"HTTP/1.1 400"))
    check("no host", raw(b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400"))
    document = raw(b"GET /checks/\xff%ff HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").partition(b"\r\n\r\n")[2]
    check("a path that is not UTF-8", ET.fromstring(document).findtext("Code") == "InvalidURI")
    check("no HTTP", raw(b"nonsense\r\n\r\n")[:12] in (b"HTTP/1.1 400", b"HTTP/1.0 400", b""))
    check("huge header", raw(b"GET / HTTP/1.1\r\nHost: h\r\nX-A: " + b"a" * 200_000 + b"\r\n\r\n")[:10] in (b"HTTP/1.1 4", b""))
    refused = raw(head + b"Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
    check("no 100 for strangers", refused.startswith(b"HTTP/1.1 403"), refused[:40])
    body = b"e" * 100_000
    answer = client.request("PUT", "checks", "expect", body=body, headers={"Expect": "100-continue"})
    check("100-continue", answer.status == 200)
    expect("other expectation", client.request("PUT", "checks", "expect", body=b"x", headers={"Expect": "banana"}), 200)
    keep = Client(endpoint, "AKIATEST", SECRET)
    keep.request("GET", "checks", "source")
    connection = keep.connection
    keep.request("GET", "checks", "nothing")
    keep.request("PUT", "checks", "bad", body=b"x", headers={"Content-MD5": "nonsense"})
    keep.request("GET", "checks", "source")
    check("one connection served all four", keep.connection is connection and connection is not None)
    url = urllib.parse.urlsplit(client.presign("PUT", "checks", "cut"))
    with dial() as cut:
        cut.sendall(f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 100\r\n\r\nhalf".encode())
        cut.shutdown(socket.SHUT_WR)
        while cut.recv(4096):  # until the gateway has done with it
            pass
    expect("a cut put leaves nothing", get("cut"), 404)
    with dial() as plain:
        plain.sendall(f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        check("no length", plain.recv(100).startswith(b"HTTP/1.1 411"))


def race(rounds=200, writers=32):
    section(f"race: {writers} writers over two gateways, {rounds} rounds")
    clients = [Client(endpoint if i % 2 else second, "AKIATEST", SECRET) for i in range(writers)]
    results = [None] * writers
    gate = threading.Barrier(writers + 1)
    etag = [None]

    def write(number):
        for turn in range(rounds):
            gate.wait()
            headers = {"If-None-Match": "*"} if turn % 2 == 0 else {"If-Match": etag[0]}
            body = f"{turn} {number}".encode()
            if number % 8 == 0:
                body += b" " * 100_000  # staged in chunks
            try:
                results[number] = clients[number].request("PUT", "checks", f"race-{turn // 2}", body=body, headers=headers)
            except Exception as error:
                results[number] = error
            gate.wait()

    threads = [threading.Thread(target=write, args=(i,), daemon=True) for i in range(writers)]
    for thread in threads:
        thread.start()
    for turn in range(rounds):
        gate.wait(60)
        gate.wait(60)
        statuses = [getattr(r, "status", str(r)) for r in results]
        won = [i for i, status in enumerate(statuses) if status == 200]
        check(f"round {turn}: one winner, the others 412", len(won) == 1 and statuses.count(412) == writers - 1, statuses)
        if won:
            winner = get(f"race-{turn // 2}")
            check("the winner's value is there", winner.etag() == results[won[0]].etag())
            etag[0] = winner.etag()
    for thread in threads:
        thread.join(10)


def administration():
    section("administration")
    check("live", fetch(admin + "/health/live")[0] == 200)
    check("ready", fetch(admin + "/health/ready")[0] == 200)
    status, text = fetch(admin + "/metrics")
    check("metrics", status == 200 and b'catena_gateway_requests_total{operation="PutObject",status="2xx"}' in text)


for part in (buckets, objects, torture, listing, bodies, conditions, copies, access, framing, race, administration):
    part()
finish()
