#!/usr/bin/env python3
"""An object is put in one piece, copied in parts on the server's side, and both are read and compared byte by byte.

Usage: s3_copy_large.py ENDPOINT BYTES"""

import hashlib
import http.client
import os
import re
import sys
import time

from s3_signer import Client

endpoint, size = sys.argv[1], int(sys.argv[2])
account = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
client = Client(endpoint, *account)
bucket = "large-copy"
BLOCK = 1 << 20
PART = 512 << 20
SALT = os.urandom(BLOCK)


def block(number):
    """Other bytes in every block: the number is in each 4 KiB."""
    data = bytearray(SALT)
    for at in range(0, BLOCK, 4096):
        data[at : at + 8] = number.to_bytes(8, "big")
    return bytes(data)


def connect():
    connection = http.client.HTTPConnection(client.url.hostname, client.url.port, timeout=600)
    return connection


def target(method, key):
    url = client.presign(method, bucket, key, expires=3600)
    return url[len(endpoint):]


def timed(what, began):
    seconds = time.monotonic() - began
    print(f"{what}: {seconds:.1f} s, {size / 1e6 / seconds:.0f} MB/s", flush=True)


client.request("PUT", bucket)
began = time.monotonic()
md5 = hashlib.md5()
connection = connect()
connection.putrequest("PUT", target("PUT", "source"))
connection.putheader("Content-Length", str(size))
connection.endheaders()
for number in range(-(-size // BLOCK)):
    data = block(number)[: size - number * BLOCK]
    md5.update(data)
    connection.send(data)
answer = connection.getresponse()
body = answer.read()
assert answer.status == 200, (answer.status, body)
assert answer.headers["ETag"] == f'"{md5.hexdigest()}"', answer.headers["ETag"]
timed("put", began)

began = time.monotonic()
upload = re.search(b"<UploadId>(.*?)</UploadId>", client.request("POST", bucket, "copy", parameters={"uploads": ""}).body).group(1).decode()
parts, digests = "", b""
for number, at in enumerate(range(0, size, PART), 1):
    last = min(at + PART, size) - 1
    client.connect().timeout = 600
    answer = client.request("PUT", bucket, "copy", parameters={"partNumber": str(number), "uploadId": upload},
                            headers={"x-amz-copy-source": f"/{bucket}/source", "x-amz-copy-source-range": f"bytes={at}-{last}"})
    assert answer.status == 200, (answer.status, answer.body)
    etag = re.search(b"<ETag>&quot;(.*?)&quot;</ETag>", answer.body).group(1).decode()
    digests += bytes.fromhex(etag)
    parts += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
answer = client.request("POST", bucket, "copy", parameters={"uploadId": upload},
                        body=f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode())
assert answer.status == 200, (answer.status, answer.body)
etag = f"{hashlib.md5(digests).hexdigest()}-{number}"
assert etag.encode() in answer.body, (etag, answer.body)
timed(f"copied in {number} parts", began)

began = time.monotonic()
connections = [connect(), connect()]
answers = []
for connection, key in zip(connections, ("source", "copy")):
    connection.request("GET", target("GET", key))
    answers.append(connection.getresponse())
assert [a.status for a in answers] == [200, 200]
assert [int(a.headers["Content-Length"]) for a in answers] == [size, size]
for number in range(-(-size // BLOCK)):
    wanted = block(number)[: size - number * BLOCK]
    for key, answer in zip(("source", "copy"), answers):
        assert answer.read(len(wanted)) == wanted, f"{key} differs in block {number}"
assert [a.read(1) for a in answers] == [b"", b""]
timed("both read and compared, byte by byte", began)
for key in ("source", "copy"):
    assert client.request("DELETE", bucket, key).status == 204
assert client.request("DELETE", bucket).status == 204
print(f"{size} bytes copied in {len(range(0, size, PART))} parts: equal")
