#!/usr/bin/env python3
"""Strangers who only begin requests keep nobody out. Usage: s3_places.py URL; the gateway runs with --requests 8."""

import socket
import sys
import urllib.parse

from s3_harness import SECRET, check, expect, finish, section
from s3_signer import Client

url = urllib.parse.urlsplit(sys.argv[1])
client = Client(sys.argv[1], "AKIATEST", SECRET)
opened = []


def begin(text):
    connection = socket.create_connection((url.hostname, url.port))
    connection.sendall(text.encode())
    opened.append(connection)


section("places")
expect("create", client.request("PUT", "places"), 200)
expect("put", client.request("PUT", "places", "k", body=b"value"), 200)
for _ in range(40):
    begin("PUT /places/x HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n")
    begin("POST /places HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\n")
for _ in range(10):
    expect("who has a key is served", client.request("GET", "places", "k"), 200)
    expect("and writes", client.request("PUT", "places", "k", body=b"value"), 200)
last = opened[-1]
last.settimeout(20)
last.shutdown(socket.SHUT_WR)
answer = last.recv(1000)
check("a stranger beyond their places is told to come again", answer.startswith(b"HTTP/1.1 503"), answer)
finish()
