#!/usr/bin/env python3
"""Connections that have served a request and idle cost next to nothing. Usage: s3_idle.py ENDPOINT PID [CONNECTIONS]

Prints what was measured. Over HTTP 10,000 of them have to stay under 100 MiB (the whole process); over HTTPS, where
OpenSSL keeps 14 KiB for each session, under 20 KiB each."""

import resource
import socket
import sys
import urllib.parse

from s3_harness import SECRET, TRUSTING, check, finish
from s3_signer import Client

endpoint, pid = sys.argv[1:3]
url = urllib.parse.urlsplit(endpoint)
wanted = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
count = wanted if limit == resource.RLIM_INFINITY else min(wanted, limit - 200)


def rss():
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024


def answer(connection):
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65536)
    head, body = got.split(b"\r\n\r\n", 1)
    while len(body) < 4096:
        body += connection.recv(65536)
    return head.startswith(b"HTTP/1.1 200")


client = Client(endpoint, "AKIATEST", SECRET)
client.request("PUT", "idle")
check("an object", client.request("PUT", "idle", "object", body=b"x" * 4096).status == 200)
target = urllib.parse.urlsplit(client.presign("GET", "idle", "object"))
request = f"GET {target.path}?{target.query} HTTP/1.1\r\nHost: {target.netloc}\r\n\r\n".encode()
before = rss()
connections = []
good = 0
for _ in range(count):
    connection = socket.create_connection((url.hostname, url.port), timeout=30)
    if url.scheme == "https":
        connection = TRUSTING.wrap_socket(connection)
    connection.sendall(request)
    good += answer(connection)
    connections.append(connection)
after = rss()
check("every connection served a request", good == count, f"{good} of {count}")
if url.scheme == "http":
    check("in bounded memory", after < 100 << 20, f"{after >> 20} MiB")
else:
    check("in bounded memory", after - before < count * 20 * 1024, f"{(after - before) // count} bytes each")
for connection in connections[:: max(1, count // 100)]:
    connection.sendall(request)
    check("they are still there", answer(connection))
print(f"{count} idle connections ({url.scheme}): {after >> 20} MiB, {before >> 20} MiB before")
finish()
