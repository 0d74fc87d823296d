#!/usr/bin/env python3
"""Prints the policy of a form upload and its signature. Usage: form_policy.py DATE BUCKET KEY-PREFIX

DATE as in x-amz-date; the key comes from the environment. The policy holds for an hour."""

import base64
import datetime
import hashlib
import hmac
import json
import os
import sys

date, bucket, prefix = sys.argv[1:4]
region = os.environ["AWS_REGION"]
expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
policy = {
    "expiration": expires.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "conditions": [
        {"bucket": bucket},
        ["starts-with", "$key", prefix],
        {"success_action_status": "201"},
        {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
        {"x-amz-credential": f"{os.environ['AWS_ACCESS_KEY_ID']}/{date[:8]}/{region}/s3/aws4_request"},
        {"x-amz-date": date},
        ["content-length-range", 1, 1000000],
    ],
}
encoded = base64.b64encode(json.dumps(policy).encode()).decode()
key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
for part in (date[:8], region, "s3", "aws4_request", encoded):
    key = hmac.new(key, part.encode(), hashlib.sha256).digest()
print(encoded, key.hex())
