"""Multipart uploads for the checks over the wire: the bucket `multipart` through two gateways, which the program's first
two arguments name."""

import hashlib
import os
import re
import sys
import threading
import xml.etree.ElementTree as ET

from s3_harness import SECRET, expect
from s3_signer import Client

endpoint, second = sys.argv[1:3]
BUCKET = "multipart"
MIB = 1 << 20
PART = 5 * MIB
client = Client(endpoint, "AKIATEST", SECRET)
other = Client(second, "AKIATEST", SECRET)
bytes_of_a_part = os.urandom(PART)


def body_of(number, length=PART):
    """Different for each part, without asking the kernel for every byte."""
    return (f"{number:08}".encode() + bytes_of_a_part * 2)[:length]


def parse(answer):
    return ET.fromstring(re.sub(rb' xmlns="[^"]+"', b"", answer.body))


def upload_id_of(answer):
    """Without a parser: a key may hold what XML cannot carry."""
    found = re.search(rb"<UploadId>(.*?)</UploadId>", answer.body)
    return found[1].decode() if found else ""


def create(key, headers=None, who=client):
    answer = expect("create " + repr(key), who.request("POST", BUCKET, key, parameters={"uploads": ""}, headers=headers), 200)
    return upload_id_of(answer)


def upload(key, upload_id, number, body, who=client, **more):
    return who.request("PUT", BUCKET, key, parameters={"uploadId": upload_id, "partNumber": str(number)}, body=body, **more)


def document(parts, quote=True, sums=None):
    out = ""
    for number, etag in parts:
        mark = "&quot;" if quote else ""
        extra = f"<Checksum{sums[0]}>{sums[1][number]}</Checksum{sums[0]}>" if sums else ""
        out += f"<Part><PartNumber>{number}</PartNumber><ETag>{mark}{etag}{mark}</ETag>{extra}</Part>"
    return f"<CompleteMultipartUpload>{out}</CompleteMultipartUpload>".encode()


def complete(key, upload_id, parts, who=client, headers=None, **more):
    return who.request("POST", BUCKET, key, parameters={"uploadId": upload_id}, body=document(parts, **more), headers=headers)


def abort(key, upload_id, who=client):
    return who.request("DELETE", BUCKET, key, parameters={"uploadId": upload_id})


def get(key, who=client, **more):
    return who.request("GET", BUCKET, key, **more)


def put(key, body=b"x", **more):
    return client.request("PUT", BUCKET, key, body=body, **more)


def etag_of(bodies):
    return hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest() + f"-{len(bodies)}"


def make(key, bodies, headers=None, numbers=None):
    """An object of parts; returns the answer to its completion."""
    upload_id = create(key, headers)
    parts = []
    for number, body in zip(numbers or range(1, len(bodies) + 1), bodies):
        parts.append((number, expect("part", upload(key, upload_id, number, body), 200).etag()))
    return expect("complete " + repr(key), complete(key, upload_id, parts), 200)


def together(functions):
    """Runs all at once, in clients of their own connections."""
    results = [None] * len(functions)
    gate = threading.Barrier(len(functions))

    def run(index):
        gate.wait()
        results[index] = functions[index]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def run(parts):
    """All, or those that the program's further arguments name."""
    client.request("PUT", BUCKET)
    for part in parts:
        if not sys.argv[3:] or part.__name__ in sys.argv[3:]:
            part()
