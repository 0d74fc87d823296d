#!/usr/bin/env python3
"""A gateway that insists on its region tells it. Usage: s3_region.py URL; it runs with --region eu-west-7 --region-strict."""

import sys

from s3_harness import SECRET, check, expect, finish, section
from s3_signer import Client

REGION = "eu-west-7"
right = Client(sys.argv[1], "AKIATEST", SECRET, region=REGION)
wrong = Client(sys.argv[1], "AKIATEST", SECRET)
stranger = Client(sys.argv[1], "AKIANOBODY", SECRET, region=REGION)


def names_region(what, answer):
    check(what + " names the region", answer.headers.get("x-amz-bucket-region") == REGION, answer.headers)


section("region")
expect("create", right.request("PUT", "region"), 200)
expect("put", right.request("PUT", "region", "k", body=b"value"), 200)
names_region("a head", expect("head", right.request("HEAD", "region"), 200))
answer = expect("get from elsewhere", wrong.request("GET", "region", "k"), 400, "AuthorizationHeaderMalformed")
check("the document says which", f"<Region>{REGION}</Region>".encode() in answer.body, answer.body)
names_region("the refusal", answer)
names_region("that of a bucket's head", expect("head from elsewhere", wrong.request("HEAD", "region"), 400))
names_region("that of an object's head", expect("head from elsewhere", wrong.request("HEAD", "region", "k"), 400))
names_region("that of a stranger", expect("a stranger", stranger.request("HEAD", "region"), 403))
names_region("that without a signature", expect("nobody", right.send("HEAD", "/region", {"Host": "h"}, b""), 403))
answer = expect("missing bucket", right.request("HEAD", "missing-bucket"), 404)
check("a bucket that is not there has no region", "x-amz-bucket-region" not in answer.headers)
answer = expect("missing key", right.request("GET", "region", "nothing"), 404, "NoSuchKey")
check("other errors do not name it", "x-amz-bucket-region" not in answer.headers)
finish()
