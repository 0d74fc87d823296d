#!/usr/bin/env python3
"""Writers over two gateways race to create objects while a node dies: at most one success each, and what is there is
the winner's. Usage: s3_kill_race.py ENDPOINT SECOND-ENDPOINT PID"""

import os
import signal
import sys
import threading

from s3_signer import Client

endpoint, second, pid = sys.argv[1], sys.argv[2], int(sys.argv[3])
WRITERS = 32
ROUNDS = 60
KILL_AT = 20
clients = [Client(endpoint if i % 2 else second, "AKIATEST", "secret-of-the-test") for i in range(WRITERS)]
reader = Client(endpoint, "AKIATEST", "secret-of-the-test")
reader.request("PUT", "kill-race")
gate = threading.Barrier(WRITERS + 1)
statuses = [None] * WRITERS


def write(number):
    for turn in range(ROUNDS):
        gate.wait()
        try:
            statuses[number] = clients[number].request("PUT", "kill-race", f"object-{turn:03}", body=f"{turn} {number}".encode(),
                                                       headers={"If-None-Match": "*"}).status
        except OSError as error:
            statuses[number] = type(error).__name__
        gate.wait()


threads = [threading.Thread(target=write, args=(i,), daemon=True) for i in range(WRITERS)]
for thread in threads:
    thread.start()
undecided = 0
for turn in range(ROUNDS):
    if turn == KILL_AT:
        threading.Timer(0.002, os.kill, (pid, signal.SIGKILL)).start()
    gate.wait(60)
    gate.wait(60)
    won = [i for i, status in enumerate(statuses) if status == 200]
    assert len(won) <= 1, (turn, statuses)
    answer = reader.request("GET", "kill-race", f"object-{turn:03}")
    if won:
        assert answer.body == f"{turn} {won[0]}".encode(), (turn, statuses, answer.body)
    else:  # the only excuse: answers that were lost or unknown, of which one may have won
        undecided += 1
        perhaps = [f"{turn} {i}".encode() for i, status in enumerate(statuses) if status not in (412, 503)]
        assert answer.status == 404 or answer.body in perhaps, (turn, statuses, answer.body)
    assert turn < KILL_AT or set(statuses) <= {200, 412, 500, 503}, (turn, statuses)
listed = reader.request("GET", "kill-race", parameters={"list-type": "2"}).body.count(b"<Contents>")
assert listed >= ROUNDS - undecided, listed
print(f"{ROUNDS} rounds of {WRITERS} writers, a node killed: one winner each, {undecided} undecided")
