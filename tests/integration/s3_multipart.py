#!/usr/bin/env python3
"""Multipart uploads, parts of objects and their attributes, over the wire.
Usage: s3_multipart.py ENDPOINT SECOND-ENDPOINT [PID of a node to kill, or name of a part]..."""

import base64
import hashlib
import os
import re
import signal
import sys
import threading
import time
import urllib.parse

from s3_harness import SECRET, await_progress, check, expect, finish, section
from s3_signer import Client, crc32
from s3_uploads import (BUCKET, MIB, PART, abort, body_of, client, complete, create, document, endpoint, etag_of, get, make, other,
                        parse, put, run, second, upload, upload_id_of)

victim = int(sys.argv[3]) if sys.argv[3:] and sys.argv[3].isdigit() else None


def crc(polynomial, width, data):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ polynomial if byte & 1 else byte >> 1
        table.append(byte)
    value = (1 << width) - 1
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 255]
    return (value ^ (1 << width) - 1).to_bytes(width // 8, "big")


def digest(kind, data):
    if kind == "CRC32":
        return base64.b64decode(crc32(data))
    if kind == "CRC32C":
        return crc(0x82F63B78, 32, data)
    if kind == "CRC64NVME":
        return crc(0x9A6C9329AC4BC9B5, 64, data)
    return hashlib.new(kind.lower(), data).digest()


def text(value):
    return base64.b64encode(value).decode()


def lifes():
    section("uploads")
    client.request("PUT", BUCKET)
    bodies = [body_of(1), body_of(2), b"the end"]
    upload_id = create("plain", {"Content-Type": "text/plain", "x-amz-meta-Colour": "blue", "Cache-Control": "no-cache",
                                 "x-amz-tagging": "a=1&b=2"})
    expect("nothing is visible", get("plain"), 404, "NoSuchKey")
    etags = {}
    for number in (3, 1, 2):  # in any order
        answer = expect("part", upload("plain", upload_id, number, bodies[number - 1]), 200)
        etags[number] = answer.etag()
        check("its etag", answer.etag() == hashlib.md5(bodies[number - 1]).hexdigest())
    expect("still nothing is visible", get("plain"), 404, "NoSuchKey")
    answer = expect("complete", complete("plain", upload_id, sorted(etags.items())), 200)
    root = parse(answer)
    wanted = etag_of(bodies)
    check("etag", root.findtext("ETag") == f'"{wanted}"', root.findtext("ETag"))
    check("names", root.findtext("Bucket") == BUCKET and root.findtext("Key") == "plain"
          and root.findtext("Location") == f"{endpoint}/{BUCKET}/plain", answer.body)
    check("a version", re.fullmatch(r"\d+\.\d+", answer.headers.get("x-catena-version", "")) is not None)
    answer = get("plain")
    check("all of it", answer.body == b"".join(bodies) and answer.etag() == wanted)
    check("headers", answer.headers["content-type"] == "text/plain" and answer.headers["x-amz-meta-colour"] == "blue"
          and answer.headers["cache-control"] == "no-cache" and answer.headers["x-amz-tagging-count"] == "2")
    check("range over parts", get("plain", headers={"Range": f"bytes={PART - 5}-{PART + 4}"}).body
          == b"".join(bodies)[PART - 5 : PART + 5])
    again = expect("complete again", complete("plain", upload_id, sorted(etags.items())), 200)
    check("the same answer", parse(again).findtext("ETag") == f'"{wanted}"')
    expect("complete again, elsewhere", complete("plain", upload_id, sorted(etags.items()), who=other), 200)
    expect("abort what is complete", abort("plain", upload_id), 404, "NoSuchUpload")
    expect("part of what is complete", upload("plain", upload_id, 1, b"x"), 404, "NoSuchUpload")
    expect("parts of what is complete", get("plain", parameters={"uploadId": upload_id}), 404, "NoSuchUpload")
    put("plain", b"another")
    expect("complete what was replaced", complete("plain", upload_id, sorted(etags.items())), 404, "NoSuchUpload")
    check("it stays replaced", get("plain").body == b"another")

    answer = make("gaps", bodies, numbers=[2, 300, 10000])
    check("numbers with gaps", get("gaps").body == b"".join(bodies))
    check("unquoted etags", True)
    upload_id = create("one")
    etag = upload("one", upload_id, 7, b"small").etag()
    expect("one small part", complete("one", upload_id, [(7, etag)], quote=False), 200)
    check("its bytes", get("one").body == b"small" and get("one").etag() == etag_of([b"small"]))
    upload_id = create("void")
    etag = upload("void", upload_id, 1, b"").etag()
    expect("one empty part", complete("void", upload_id, [(1, etag)]), 200)
    check("no bytes", get("void").body == b"" and client.request("HEAD", BUCKET, "void").headers["content-length"] == "0")

    upload_id = create("replaced")
    old = upload("replaced", upload_id, 1, body_of(8)).etag()
    new = upload("replaced", upload_id, 1, body_of(9)).etag()
    expect("the replaced part", complete("replaced", upload_id, [(1, old)]), 400, "InvalidPart")
    expect("the new part", complete("replaced", upload_id, [(1, new)]), 200)
    check("the last one counts", get("replaced").body == body_of(9))

    upload_id = create("subset")
    etags = {number: upload("subset", upload_id, number, body_of(number)).etag() for number in (1, 2, 3)}
    expect("some of the parts", complete("subset", upload_id, [(1, etags[1]), (3, etags[3])]), 200)
    check("only those", get("subset").body == body_of(1) + body_of(3))
    upload_id = create("aborted")
    upload("aborted", upload_id, 1, body_of(1))
    expect("abort", abort("aborted", upload_id), 204)
    expect("abort again", abort("aborted", upload_id), 404, "NoSuchUpload")
    expect("part of what was aborted", upload("aborted", upload_id, 1, b"x"), 404, "NoSuchUpload")
    expect("long part of what was aborted", upload("aborted", upload_id, 1, body_of(1)), 404, "NoSuchUpload")
    expect("nothing came of it", get("aborted"), 404)


def errors():
    section("errors")
    upload_id = create("errors")
    first = upload("errors", upload_id, 1, body_of(1)).etag()
    second_etag = upload("errors", upload_id, 2, b"short").etag()
    third = upload("errors", upload_id, 3, b"last").etag()
    never = hashlib.md5(b"never").hexdigest()

    def refused(what, body, status, code, headers=None):
        expect(what, client.request("POST", BUCKET, "errors", parameters={"uploadId": upload_id}, body=body, headers=headers),
               status, code)

    refused("no document", b"", 400, "MalformedXML")
    refused("no XML", b"part 1", 400, "MalformedXML")
    refused("no parts", document([]), 400, "MalformedXML")
    refused("doctype", b'<!DOCTYPE a [<!ENTITY b "1">]>' + document([(1, first)]), 400, "MalformedXML")
    refused("wrong order", document([(3, third), (1, first)]), 400, "InvalidPartOrder")
    refused("twice", document([(1, first), (1, first)]), 400, "InvalidPartOrder")
    refused("another etag", document([(1, never)]), 400, "InvalidPart")
    refused("no etag", document([(1, "nonsense")]), 400, "InvalidPart")
    refused("missing part", document([(1, first), (4, never)]), 400, "InvalidPart")
    refused("too small", document([(1, first), (2, second_etag), (3, third)]), 400, "EntityTooSmall")
    refused("part 0", document([(0, first)]), 400, "InvalidArgument")
    refused("part 10001", document([(10001, first)]), 400, "InvalidArgument")
    refused("other size", document([(1, first)]), 400, "InvalidRequest", {"x-amz-mp-object-size": "17"})
    refused("size as text", document([(1, first)]), 400, "InvalidRequest", {"x-amz-mp-object-size": "x"})
    refused("checksum without kind", document([(1, first)]), 400, "InvalidRequest", {"x-amz-checksum-crc32": "AAAAAA=="})
    refused("If-Match of nothing", document([(1, first)]), 404, "NoSuchKey", {"If-Match": "*"})
    check("nothing of it is visible", get("errors").status == 404)
    refused("but it goes on", document([(1, first), (3, third)]), 200, "")
    expect("with its size", complete("errors", upload_id, [(1, first), (3, third)], headers={"x-amz-mp-object-size": "17"}), 200)

    unknown = "0123456789abcdef0123456789abcdef"
    for name in (unknown, "nonsense", "", "0" * 32, unknown.upper() + "x"):
        expect("part of " + repr(name), upload("errors", name, 1, b"x"), 404, "NoSuchUpload")
        expect("complete " + repr(name), complete("errors", name, [(1, first)]), 404, "NoSuchUpload")
        expect("abort " + repr(name), abort("errors", name), 404, "NoSuchUpload")
        expect("parts of " + repr(name), get("errors", parameters={"uploadId": name}), 404, "NoSuchUpload")
    upload_id = create("errors")
    for number in ("0", "10001", "-1", "x", ""):
        expect("part number " + repr(number), upload("errors", upload_id, number, b"x"), 400, "InvalidArgument")
    expect("no part number", client.request("PUT", BUCKET, "errors", parameters={"uploadId": upload_id}, body=b"x"), 400,
           "InvalidArgument")
    expect("part number alone", client.request("PUT", BUCKET, "errors", parameters={"partNumber": "1"}, body=b"x"), 400,
           "InvalidArgument")
    expect("another key", upload("errors-2", upload_id, 1, b"x"), 404, "NoSuchUpload")
    expect("another key's abort", abort("errors-2", upload_id), 404, "NoSuchUpload")
    expect("missing bucket", client.request("POST", "missing-bucket", "k", parameters={"uploads": ""}), 404, "NoSuchBucket")
    expect("uploads of a missing bucket", client.request("GET", "missing-bucket", parameters={"uploads": ""}), 404, "NoSuchBucket")
    body = os.urandom(200_000)
    expect("wrong MD5", upload("errors", upload_id, 1, body, headers={"Content-MD5": text(b"0" * 16)}), 400, "BadDigest")
    expect("wrong checksum", upload("errors", upload_id, 1, body, headers={"x-amz-checksum-crc32": "AAAAAA=="}), 400, "BadDigest")
    expect("wrong sha256", upload("errors", upload_id, 1, body, form="0" * 64), 400, "XAmzContentSHA256Mismatch")
    expect("damaged chunk", upload("errors", upload_id, 1, body, form="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", damage="chunk"),
           403, "SignatureDoesNotMatch")
    expect("encryption", client.request("POST", BUCKET, "errors", parameters={"uploads": ""},
                                        headers={"x-amz-server-side-encryption": "AES256"}), 501, "NotImplemented")
    check("no part of it", b"<Part>" not in get("errors", parameters={"uploadId": upload_id}).body)
    for headers in ({"x-amz-checksum-algorithm": "XXHASH3"}, {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-type": "FULL_OBJECT"},
                    {"x-amz-checksum-algorithm": "CRC64NVME", "x-amz-checksum-type": "COMPOSITE"},
                    {"x-amz-checksum-type": "COMPOSITE"}, {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "x"}):
        expect(f"create with {headers}", client.request("POST", BUCKET, "errors", parameters={"uploads": ""}, headers=headers), 400,
               "InvalidRequest")
    expect("metadata over 2 KiB", client.request("POST", BUCKET, "errors", parameters={"uploads": ""},
                                                 headers={"x-amz-meta-a": "v" * 2048}), 400, "MetadataTooLarge")
    expect("abort", abort("errors", upload_id), 204)


def bodies_and_checksums():
    section("bodies and checksums")
    body = os.urandom(300_000)
    upload_id = create("forms")
    for form in ("UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                 "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"):
        trailer = ("x-amz-checksum-crc32", crc32(body)) if form.endswith("TRAILER") else None
        answer = expect(form, upload("forms", upload_id, 1, body, form=form, trailer=trailer), 200)
        check("etag", answer.etag() == hashlib.md5(body).hexdigest())
        if trailer:
            check("checksum", answer.headers.get("x-amz-checksum-crc32") == trailer[1])
    etag = expect("HTTP chunks", upload("forms", upload_id, 1, body, form="UNSIGNED-PAYLOAD", transfer_chunked=True), 200).etag()
    expect("Expect", upload("forms", upload_id, 1, body, headers={"Expect": "100-continue"}), 200)
    expect("complete", complete("forms", upload_id, [(1, etag)]), 200)
    check("back", get("forms").body == body)

    bodies = [body_of(1), body_of(2, 5 * MIB + 7), b"end"]
    whole = b"".join(bodies)
    for kind, kind_type in (("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT"), ("CRC32C", "FULL_OBJECT"), ("CRC64NVME", "FULL_OBJECT"),
                            ("SHA1", "COMPOSITE"), ("SHA256", "COMPOSITE")):
        key = f"sum-{kind}-{kind_type}"
        header = "x-amz-checksum-" + kind.lower()
        sums = [digest(kind, body) for body in bodies]
        value = text(digest(kind, whole)) if kind_type == "FULL_OBJECT" else text(digest(kind, b"".join(sums))) + "-3"
        upload_id = create(key, {"x-amz-checksum-algorithm": kind, "x-amz-checksum-type": kind_type})
        parts = []
        for number, body in enumerate(bodies, 1):  # the second without: the gateway computes it
            headers = {header: text(sums[number - 1])} if number != 2 else None
            answer = expect("part", upload(key, upload_id, number, body, headers=headers), 200)
            check(f"{key}: of part {number}", answer.headers.get(header) == text(sums[number - 1]), answer.headers)
            parts.append((number, answer.etag()))
        expect("a part of another kind", upload(key, upload_id, 9, b"123456789", headers={
            "x-amz-checksum-crc32": "y/Q5Jg=="} if kind != "CRC32" else {"x-amz-checksum-crc32c": "4waSgw=="}), 400, "InvalidRequest")
        listed = parse(get(key, parameters={"uploadId": upload_id}))
        check("listed", [p.findtext("Checksum" + kind) for p in listed.findall("Part")] == [text(s) for s in sums])
        check("kind and type listed", listed.findtext("ChecksumAlgorithm") == kind and listed.findtext("ChecksumType") == kind_type)
        wrong = {number: text(sums[0]) for number in (1, 2, 3)}
        expect("wrong sum of a part", complete(key, upload_id, parts, sums=(kind, wrong)), 400, "InvalidPart")
        expect("wrong sum of the object", complete(key, upload_id, parts, headers={header: text(sums[0])}), 400, "BadDigest")
        expect("wrong type", complete(key, upload_id, parts, headers={
            "x-amz-checksum-type": "COMPOSITE" if kind_type == "FULL_OBJECT" else "FULL_OBJECT"}), 400, "InvalidRequest")
        right = {number: text(sums[number - 1]) for number in (1, 2, 3)}
        said = {header: value if kind != "SHA1" else value.split("-")[0], "x-amz-checksum-type": kind_type}
        answer = expect("complete", complete(key, upload_id, parts, sums=(kind, right), headers=said), 200)
        check(key, parse(answer).findtext("Checksum" + kind) == value and parse(answer).findtext("ChecksumType") == kind_type,
              answer.body)
        for method in ("GET", "HEAD"):
            answer = client.request(method, BUCKET, key, headers={"x-amz-checksum-mode": "ENABLED"})
            check(method + " says it", answer.headers.get(header) == value and answer.headers.get("x-amz-checksum-type") == kind_type)
        answer = get(key, headers={"x-amz-checksum-mode": "ENABLED", "Range": "bytes=0-9"})
        check("not of a range", header not in answer.headers)
        answer = get(key, headers={"x-amz-checksum-mode": "ENABLED"}, parameters={"partNumber": "1"})
        check("of the part", answer.headers.get(header) == text(sums[0]))
        answer = client.request("GET", BUCKET, key, parameters={"attributes": ""}, headers={
            "x-amz-object-attributes": "Checksum,ObjectParts"})
        root = parse(answer)
        check("attributes say it", root.findtext(f"Checksum/Checksum{kind}") == value
              and [p.findtext("Checksum" + kind) for p in root.findall("ObjectParts/Part")] == [text(s) for s in sums])


def parts_of_objects():
    section("parts of objects")
    bodies = [body_of(1), body_of(2, 6 * MIB), b"tail"]
    make("parts", bodies, numbers=[1, 4, 9])
    total = sum(len(b) for b in bodies)
    offset = 0
    for number, body in zip([1, 4, 9], bodies):
        for method in ("GET", "HEAD"):
            answer = expect(f"{method} part {number}", client.request(method, BUCKET, "parts", parameters={"partNumber": str(number)}), 206)
            check("its range", answer.headers["content-range"] == f"bytes {offset}-{offset + len(body) - 1}/{total}"
                  and answer.headers["content-length"] == str(len(body)))
            check("how many", answer.headers["x-amz-mp-parts-count"] == "3")
            check("its bytes", method == "HEAD" or answer.body == body)
            check("the object's etag", answer.etag() == etag_of(bodies))
        offset += len(body)
    expect("no such part", get("parts", parameters={"partNumber": "2"}), 416, "InvalidPartNumber")
    expect("no such part", client.request("HEAD", BUCKET, "parts", parameters={"partNumber": "10"}), 416)
    expect("part 0", get("parts", parameters={"partNumber": "0"}), 400, "InvalidArgument")
    expect("part and range", get("parts", parameters={"partNumber": "1"}, headers={"Range": "bytes=0-1"}), 400, "InvalidRequest")
    expect("part of nothing", get("no-parts", parameters={"partNumber": "1"}), 404, "NoSuchKey")
    put("whole", b"whole")
    answer = expect("part 1 of a whole", get("whole", parameters={"partNumber": "1"}), 206)
    check("is the whole", answer.body == b"whole" and "x-amz-mp-parts-count" not in answer.headers)
    expect("part 2 of a whole", get("whole", parameters={"partNumber": "2"}), 416, "InvalidPartNumber")

    def attributes(key, names, **headers):
        extra = {"x-amz-" + name.replace("_", "-"): value for name, value in headers.items()}
        return client.request("GET", BUCKET, key, parameters={"attributes": ""},
                              headers={"x-amz-object-attributes": names, **extra})

    root = parse(expect("attributes", attributes("parts", "ETag, ObjectSize,StorageClass,ObjectParts,Checksum"), 200))
    check("etag, size, class", root.findtext("ETag") == etag_of(bodies) and root.findtext("ObjectSize") == str(total)
          and root.findtext("StorageClass") == "STANDARD" and root.find("Checksum") is None)
    found = [(p.findtext("PartNumber"), p.findtext("Size")) for p in root.findall("ObjectParts/Part")]
    check("parts", root.findtext("ObjectParts/PartsCount") == "3"
          and found == [("1", str(PART)), ("4", str(6 * MIB)), ("9", "4")], found)
    seen = []
    marker = "0"
    for _ in range(5):
        root = parse(attributes("parts", "ObjectParts", max_parts="1", part_number_marker=marker))
        seen += [p.findtext("PartNumber") for p in root.findall("ObjectParts/Part")]
        marker = root.findtext("ObjectParts/NextPartNumberMarker")
        if root.findtext("ObjectParts/IsTruncated") == "false":
            break
    check("parts, page by page", seen == ["1", "4", "9"], seen)
    answer = attributes("whole", "ETag,ObjectParts")
    check("of a whole", parse(answer).findtext("ETag") == hashlib.md5(b"whole").hexdigest() and b"ObjectParts" not in answer.body)
    check("time", "last-modified" in answer.headers)
    expect("unknown attribute", attributes("whole", "Colour"), 400, "InvalidArgument")
    expect("no attribute", client.request("GET", BUCKET, "whole", parameters={"attributes": ""}), 400, "InvalidArgument")
    expect("of nothing", attributes("no-parts", "ETag"), 404, "NoSuchKey")


def listings():
    section("lists of parts and uploads")
    upload_id = create("listed")
    etags = {number: upload("listed", upload_id, number, f"part {number}".encode()).etag() for number in (5, 1, 9, 2)}
    root = parse(expect("parts", get("listed", parameters={"uploadId": upload_id}), 200))
    found = [(int(p.findtext("PartNumber")), p.findtext("ETag").strip('"'), p.findtext("Size")) for p in root.findall("Part")]
    check("all, in order", found == [(n, etags[n], "6") for n in sorted(etags)], found)
    check("whose", root.findtext("Bucket") == BUCKET and root.findtext("Key") == "listed" and root.findtext("UploadId") == upload_id
          and root.findtext("IsTruncated") == "false" and root.findtext("MaxParts") == "1000")
    seen = []
    marker = "0"
    while marker is not None:
        root = parse(get("listed", parameters={"uploadId": upload_id, "max-parts": "1", "part-number-marker": marker}))
        seen += [int(p.findtext("PartNumber")) for p in root.findall("Part")]
        marker = root.findtext("NextPartNumberMarker")
    check("page by page", seen == sorted(etags), seen)
    root = parse(get("listed", parameters={"uploadId": upload_id, "max-parts": "0"}))
    check("none", root.find("Part") is None and root.findtext("IsTruncated") == "false")
    root = parse(get("listed", parameters={"uploadId": upload_id, "part-number-marker": "99999"}))
    check("after the last", root.find("Part") is None)
    expect("bad number", get("listed", parameters={"uploadId": upload_id, "max-parts": "x"}), 400, "InvalidArgument")
    abort("listed", upload_id)

    name = "multipart-listing"
    client.request("PUT", name)
    keys = ["a", "b/1", "b/1", "b/2", "b+", "c/x/y", "é &<", "new\nline"]
    made = []
    for key in keys:
        answer = client.request("POST", name, key, parameters={"uploads": ""})
        made.append((key, upload_id_of(answer)))
    made.sort(key=lambda item: (item[0].encode(), item[1]))

    def page(**parameters):
        query = {"uploads": "", "encoding-type": "url", **{k.replace("_", "-"): v for k, v in parameters.items()}}
        return parse(expect("uploads", client.request("GET", name, parameters=query), 200))

    def walk(size, **parameters):
        uploads, prefixes, key, upload_id = [], [], "", ""
        for _ in range(100):
            root = page(max_uploads=str(size), key_marker=key, upload_id_marker=upload_id, **parameters)
            uploads += [(decode(u.findtext("Key")), u.findtext("UploadId")) for u in root.findall("Upload")]
            prefixes += [decode(p.findtext("Prefix")) for p in root.findall("CommonPrefixes")]
            if root.findtext("IsTruncated") == "false":
                break
            key, upload_id = decode(root.findtext("NextKeyMarker")), root.findtext("NextUploadIdMarker") or ""
        return uploads, prefixes

    def decode(value):
        return urllib.parse.unquote(value)

    for size in (1, 2, 3, 1000):
        check(f"all uploads, pages of {size}", walk(size)[0] == made, walk(size))
        uploads, prefixes = walk(size, delimiter="/")
        check(f"folded, pages of {size}", prefixes == ["b/", "c/"] and uploads == [m for m in made if "/" not in m[0]], (uploads, prefixes))
    check("prefix", walk(1000, prefix="b/")[0] == [m for m in made if m[0].startswith("b/")])
    root = page(key_marker="b/1")
    check("key marker alone", decode(root.findall("Upload")[0].findtext("Key")) == "b/2")
    first = [m for m in made if m[0] == "b/1"][0]
    root = page(key_marker="b/1", upload_id_marker=first[1])
    check("key marker and id", decode(root.findall("Upload")[0].findtext("Key")) == "b/1")
    root = page(max_uploads="0")
    check("none", root.find("Upload") is None and root.findtext("IsTruncated") == "false")
    for query in ({"max-uploads": "x"}, {"encoding-type": "x"}, {"key-marker": "a", "upload-id-marker": "x"}):
        expect(f"bad {query}", client.request("GET", name, parameters={"uploads": "", **query}), 400, "InvalidArgument")
    for key, upload_id in made:
        expect("abort " + repr(key), client.request("DELETE", name, key, parameters={"uploadId": upload_id}), 204)
    check("all gone", walk(1000) == ([], []))
    expect("uploads do not keep a bucket", client.request("POST", name, "k", parameters={"uploads": ""}), 200)
    expect("it goes", client.request("DELETE", name), 204)
    client.request("PUT", name)
    check("and they with it", walk(1000) == ([], []))
    client.request("DELETE", name)


def torture():
    section("keys")
    for key in ["&+-é\"", "a//b", "/x", ".", "..", "./..", "k" * 1024, "😀", "new\nline", "\x7f\x01", " ", "?", "#", "%41", "trailing/"]:
        bodies = [body_of(1), key.encode()]
        make(key, bodies)
        check("back " + repr(key), get(key).body == b"".join(bodies))
        root = parse(client.request("GET", BUCKET, key, parameters={"attributes": ""}, headers={"x-amz-object-attributes": "ObjectSize"}))
        check("size " + repr(key), root.findtext("ObjectSize") == str(PART + len(key.encode())))
        expect("delete " + repr(key), client.request("DELETE", BUCKET, key), 204)


def copies():
    section("copies of parts")
    source = body_of(0) + os.urandom(1_000_000)
    etag = put("source é", source, headers={"x-amz-meta-a": "1"}).etag()
    name = f"/{BUCKET}/source%20%C3%A9"
    upload_id = create("copied", {"x-amz-checksum-algorithm": "CRC32"})

    def copy(number, **headers):
        extra = {"x-amz-copy-source" + k.replace("_", "-"): v for k, v in headers.items()}
        return upload("copied", upload_id, number, b"", headers={"x-amz-copy-source": name, **extra})

    answer = expect("whole", copy(1), 200)
    check("its etag", parse(answer).findtext("ETag") == f'"{etag}"' and parse(answer).findtext("LastModified"))
    check("its checksum", parse(answer).findtext("ChecksumCRC32") == crc32(source))
    answer = expect("range", copy(2, _range="bytes=10-1000009"), 200)
    two = parse(answer).findtext("ETag").strip('"')
    expect("condition", copy(3, _if_match=etag), 200)
    expect("condition fails", copy(3, _if_match="wrong"), 412, "PreconditionFailed")
    expect("condition fails", copy(3, _if_none_match=f'"{etag}"'), 412, "PreconditionFailed")
    for wrong in ("bytes=10-", "bytes=-10", "10-20", "bytes=20-10", "bytes=a-b", "bytes=0-1,3-4", "nonsense"):
        expect("range " + wrong, copy(3, _range=wrong), 400, "InvalidArgument")
    expect("beyond the end", copy(3, _range=f"bytes=0-{len(source)}"), 400, "InvalidArgument")
    expect("all beyond", copy(3, _range=f"bytes={len(source)}-{len(source)}"), 400, "InvalidArgument")
    expect("to the last byte", copy(3, _range=f"bytes=0-{len(source) - 1}"), 200)
    expect("missing source", upload("copied", upload_id, 3, b"", headers={"x-amz-copy-source": f"/{BUCKET}/no"}), 404, "NoSuchKey")
    expect("no key", upload("copied", upload_id, 3, b"", headers={"x-amz-copy-source": BUCKET}), 400, "InvalidArgument")
    expect("missing upload", upload("copied", "0" * 31 + "1", 3, b"", headers={"x-amz-copy-source": name}), 404, "NoSuchUpload")
    reader = Client(endpoint, "AKIAREAD", "secret-of-the-reader")
    expect("without right", upload("copied", upload_id, 3, b"", who=reader, headers={"x-amz-copy-source": name}), 403, "AccessDenied")
    expect("complete", complete("copied", upload_id, [(1, etag), (2, two)]), 200)
    check("its bytes", get("copied").body == source + source[10:1000010])

    section("copies of such objects")
    expect("copy", put("flat", b"", headers={"x-amz-copy-source": f"/{BUCKET}/copied"}), 200)
    answer = get("flat", headers={"x-amz-checksum-mode": "ENABLED"})
    whole = source + source[10:1000010]
    check("one piece", answer.body == whole and answer.etag() == hashlib.md5(whole).hexdigest())
    check("its own checksum", answer.headers.get("x-amz-checksum-crc32") == crc32(whole)
          and answer.headers.get("x-amz-checksum-type") == "FULL_OBJECT")
    before = client.request("HEAD", BUCKET, "copied")
    answer = expect("onto itself", put("copied", b"", headers={
        "x-amz-copy-source": f"/{BUCKET}/copied", "x-amz-metadata-directive": "REPLACE", "x-amz-meta-new": "1",
        "Content-Type": "a/b"}), 200)
    check("the same etag", parse(answer).findtext("ETag") == f'"{before.etag()}"')
    after = client.request("HEAD", BUCKET, "copied", headers={"x-amz-checksum-mode": "ENABLED"})
    check("new version, new metadata, same parts", after.headers["x-catena-version"] != before.headers["x-catena-version"]
          and after.headers["x-amz-meta-new"] == "1" and after.headers["content-type"] == "a/b" and after.etag() == before.etag())
    expect("still in parts", get("copied", parameters={"partNumber": "2"}), 206)
    check("same bytes", get("copied").body == whole)
    expect("source condition on itself", put("copied", b"", headers={
        "x-amz-copy-source": f"/{BUCKET}/copied", "x-amz-metadata-directive": "REPLACE",
        "x-amz-copy-source-if-match": "wrong"}), 412, "PreconditionFailed")
    expect("condition on itself", put("copied", b"", headers={
        "x-amz-copy-source": f"/{BUCKET}/copied", "x-amz-metadata-directive": "REPLACE", "If-Match": "wrong"}), 412,
           "PreconditionFailed")
    expect("nothing onto itself", put("nothing-here", b"", headers={
        "x-amz-copy-source": f"/{BUCKET}/nothing-here", "x-amz-metadata-directive": "REPLACE"}), 404, "NoSuchKey")
    expect("another checksum for itself", put("copied", b"", headers={
        "x-amz-copy-source": f"/{BUCKET}/copied", "x-amz-metadata-directive": "REPLACE",
        "x-amz-checksum-algorithm": "SHA256"}), 200)
    answer = get("copied", headers={"x-amz-checksum-mode": "ENABLED"})
    check("it was computed", answer.headers.get("x-amz-checksum-sha256") == text(hashlib.sha256(whole).digest())
          and answer.body == whole)


def killed():
    section("a node is killed under uploads")
    failures = []
    results = []

    def work(number):
        who = Client(endpoint if number % 2 else second, "AKIATEST", SECRET)
        for turn in range(6):
            key = f"killed-{number}-{turn}"
            bodies = [body_of(number * 100 + turn * 10 + i) for i in range(2)] + [key.encode()]
            try:
                results.append((key, bodies, one_upload(who, key, bodies)))
            except (OSError, AssertionError) as error:
                failures.append((key, repr(error)))

    def insist(function):
        """As SDKs do: 500 and 503 are tried again."""
        for _ in range(30):
            answer = function()
            if answer.status not in (500, 503):
                return answer
            assert answer.status != 503 or answer.code() in ("SlowDown", "ServiceUnavailable"), answer.body
            time.sleep(0.2)
        raise AssertionError("unavailable for too long")

    def one_upload(who, key, bodies):
        answer = insist(lambda: who.request("POST", BUCKET, key, parameters={"uploads": ""}))
        upload_id = upload_id_of(answer)
        parts = [(i, insist(lambda i=i, body=body: upload(key, upload_id, i, body, who=who)).etag())
                 for i, body in enumerate(bodies, 1)]
        answer = insist(lambda: complete(key, upload_id, parts, who=who))
        assert answer.status == 200, (answer.status, answer.body)
        answer = insist(lambda: get(key, who=who))
        assert answer.body == b"".join(bodies), "short or mixed"
        return answer.etag()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    await_progress(lambda: len(results) + len(failures), 6)  # in the middle of it, however fast the machine is
    os.kill(victim, signal.SIGKILL)
    for thread in threads:
        thread.join()
    check("every upload came through", not failures and len(results) == 36, failures)
    for key, bodies, etag in results:
        answer = get(key)
        check("as a whole " + key, answer.body == b"".join(bodies) and answer.etag() == etag == etag_of(bodies))


if victim:
    client.request("PUT", BUCKET)
    killed()
else:
    run([lifes, errors, bodies_and_checksums, parts_of_objects, listings, torture, copies])
finish()
