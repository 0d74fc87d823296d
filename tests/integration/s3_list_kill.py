#!/usr/bin/env python3
"""A bucket of many keys is listed over two gateways while nodes are killed: every listing is complete and in byte order.

Usage: s3_list_kill.py ENDPOINT SECOND-ENDPOINT CATENA CLUSTER-DIR BUCKET KEYS

BUCKET holds the KEYS objects of catena-bench already; keys that are harder to sort are added."""

import html
import json
import os
import re
import signal
import sys
import threading
import time
import urllib.parse

from s3_harness import run
from s3_signer import Client

endpoint, second, catena, cluster, bucket, wanted = sys.argv[1:7]
account = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
clients = [Client(endpoint, *account), Client(second, *account)]
HARD = ['&+-é"', "a//b", "/x", ".", "..", "k" * 1024, "emoji 🦊", "new\nline", "bench", "bench-", "bench-\x01", "bench-1-~", "benché",
        "bench-1-0000005", "bench-1-000000050", "\u00ff", "\u0100", "\uffff", "\U00010000"] + [f"depth/{'a/' * i}x" for i in range(40)]
PATIENCE_S = 60


def page(client, token):
    """A page, asked for again while the answer is 503: that is what clients do."""
    parameters = {"list-type": "2", "encoding-type": "url"}
    if token is not None:
        parameters["continuation-token"] = token
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = client.request("GET", bucket, parameters=parameters)
            if answer.status == 200:
                return answer.body.decode()
            assert answer.status == 503, answer.status
        except OSError:
            client.close()
        assert time.monotonic() < deadline, "no page in a minute"
        time.sleep(0.05)


def listing(client, at_page=None, action=None):
    keys, token, pages, began = [], None, 0, time.monotonic()
    while True:
        text = page(client, token)
        keys += [urllib.parse.unquote_to_bytes(html.unescape(key)) for key in re.findall("<Key>(.*?)</Key>", text, re.S)]
        pages += 1
        if pages == at_page:
            action()
        if "<IsTruncated>true</IsTruncated>" not in text:
            return keys, pages, time.monotonic() - began
        token = html.unescape(re.search("<NextContinuationToken>(.*?)</NextContinuationToken>", text).group(1))


def judge(what, result, expected):
    keys, pages, seconds = result
    if keys != expected:
        missing, extra = set(expected) - set(keys), set(keys) - set(expected)
        sys.exit(f"FAILED: {what}: {len(keys)} keys of {len(expected)}, {len(missing)} missing ({sorted(missing)[:3]}), {len(extra)} too many "
                 f"({sorted(extra)[:3]}), sorted: {keys == sorted(keys)}")
    print(f"{what}: {len(keys)} keys, {pages} pages, {seconds:.2f} s, complete and in byte order", flush=True)


for key in HARD:
    assert clients[0].request("PUT", bucket, key, body=b"x").status == 200, key
everything = [f"s3-bench-1-{i:08}".encode() for i in range(int(wanted))] + [key.encode() for key in HARD]
expected = sorted(everything)
for number, client in enumerate(clients):
    judge(f"all nodes alive, gateway {number + 1}", listing(client), expected)
nodes = [process["id"] for process in json.load(open(f"{cluster}/cluster.json"))["processes"] if process["role"] == "node"]
for number, node in enumerate(nodes[:2]):
    def kill():
        pid = next(p["pid"] for p in json.load(open(f"{cluster}/cluster.json"))["processes"] if p["role"] == "node" and p["id"] == node)
        os.kill(pid, signal.SIGKILL)

    results = [None, None]

    def other():
        results[1] = listing(clients[1 - number])

    thread = threading.Thread(target=other)
    thread.start()
    results[0] = listing(clients[number], at_page=int(wanted) // 3000, action=kill)
    thread.join()
    for place, result in enumerate(results):
        judge(f"node {node} killed under way, gateway {1 + (number if place == 0 else 1 - number)}", result, expected)
    run(catena, "up", "--dir", cluster, "--no-gateway")
print("listings: good")
