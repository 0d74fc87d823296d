#!/usr/bin/env python3
"""Writers over two gateways race to create objects; in some rounds the head of the key's chain is killed. Exactly one wins
each round, and what is there is the winner's.

Usage: s3_kill_race.py ENDPOINT SECOND-ENDPOINT CATENA CLUSTER-DIR [ROUNDS [KILLS]]

A writer whose answer is lost or unknown asks again with the same x-catena-request-id, until it knows. Keys: the environment's
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else those of s3_gateway.sh."""

import json
import os
import random
import signal
import sys
import threading
import time

from s3_harness import run
from s3_signer import Client

endpoint, second, catena, cluster = sys.argv[1:5]
ROUNDS = int(sys.argv[5]) if len(sys.argv) > 5 else 200
KILLS = int(sys.argv[6]) if len(sys.argv) > 6 else 5
WRITERS = 32
PATIENCE_S = 60
BUCKET = "kill-race"
seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
chance = random.Random(seed)
account = os.environ.get("AWS_ACCESS_KEY_ID", "AKIATEST"), os.environ.get("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
clients = [Client(endpoint if i % 2 else second, *account) for i in range(WRITERS)]
reader = Client(endpoint, *account)
reader.request("PUT", BUCKET)
gate = threading.Barrier(WRITERS + 1)
statuses = [None] * WRITERS
repeats = [0] * WRITERS


def key_of(turn):
    return f"object-{turn:03}"


def write_until_known(number, turn):
    headers = {"If-None-Match": "*", "x-catena-request-id": f"{turn}-{number}"}
    deadline = time.monotonic() + PATIENCE_S
    status = None
    while time.monotonic() < deadline:
        try:
            status = clients[number].request("PUT", BUCKET, key_of(turn), body=f"{turn} {number}".encode(), headers=dict(headers)).status
        except OSError as error:
            clients[number].close()
            status = type(error).__name__
        if status in (200, 412):
            return status
        repeats[number] += 1
        time.sleep(0.1)
    return f"unknown after {PATIENCE_S} s: {status}"


def write(number):
    for turn in range(ROUNDS):
        gate.wait()
        statuses[number] = write_until_known(number, turn)
        gate.wait()


def head_of(turn):
    head = json.loads(run(catena, "locate", f"{BUCKET}/{key_of(turn)}", "--json"))["members"][0]
    assert head["role"] in ("head", "single"), head
    return head["pid"], head["node"]


threads = [threading.Thread(target=write, args=(i,), daemon=True) for i in range(WRITERS)]
for thread in threads:
    thread.start()
kill_rounds = {(2 * i + 1) * ROUNDS // (2 * KILLS) for i in range(KILLS)} if KILLS else set()
killed = []
began = time.monotonic()
for turn in range(ROUNDS):
    killer = None
    if turn in kill_rounds:
        pid, node = head_of(turn)
        killer = threading.Timer(chance.uniform(0, 0.01), os.kill, (pid, signal.SIGKILL))
        killed.append(node)
        killer.start()
    gate.wait(2 * PATIENCE_S)
    gate.wait(2 * PATIENCE_S)
    won = [i for i, status in enumerate(statuses) if status == 200]
    assert set(statuses) <= {200, 412}, (seed, turn, statuses)
    assert len(won) == 1, (seed, turn, statuses)
    answer = reader.request("GET", BUCKET, key_of(turn))
    assert answer.body == f"{turn} {won[0]}".encode(), (seed, turn, won, answer.status, answer.body)
    if killer is not None:
        killer.join()
        run(catena, "up", "--dir", cluster, "--no-gateway")
answer = reader.request("GET", BUCKET, parameters={"list-type": "2"})
assert answer.body.count(b"<Contents>") == ROUNDS, answer.body.count(b"<Contents>")
print(f"{ROUNDS} rounds of {WRITERS} writers over two gateways, the head killed in {len(killed)} of them (nodes {killed}): one winner "
      f"each, {sum(repeats)} requests repeated, {time.monotonic() - began:.0f} s, seed {seed}")
