"""Keys and public buckets as gateways serve them. Usage: s3_keys.py BIN CLUSTER URL-OF-OWNERS-MODE URL-WITH-FILE SECRETS"""

import datetime
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse

from s3_harness import run
from s3_signer import Client

binary, cluster, one, two, secrets_path = sys.argv[1:]
failures = 0


def check(what, good, detail=""):
    global failures
    if not good:
        failures += 1
        print(f"FAILED: {what} {detail}", flush=True)


def expect(what, answer, status, code=None):
    good = answer.status == status and (code is None or answer.code() == code)
    check(what, good, f"-> {answer.status} {answer.code()} {answer.body[:200]!r}")
    return answer


def admin(*arguments):
    done = subprocess.run([binary + "/catena", "admin", *arguments, "--json"], capture_output=True, text=True, timeout=60)
    check("catena admin " + " ".join(arguments), done.returncode == 0, done.stderr)
    return json.loads(done.stdout)


def make(name, *grants):
    return keep(admin("key", "create", name, *grants))


def keep(made):
    with open(secrets_path, "a", encoding="ascii") as file:
        file.write(made["secret"] + "\n")
    return made["secret"]


def within(seconds, what, condition):
    """The time it took; complains when it did not come true."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        if condition():
            return time.monotonic() - begun
        time.sleep(0.02)
    check(f"{what} within {seconds} s", False)
    return seconds


def anonymous(url, method, path, query="", headers=None, body=b""):
    client = Client(url, "", "")
    fields = {"host": urllib.parse.urlsplit(url).netloc}
    fields.update(headers or {})
    return client.send(method, path + ("?" + query if query else ""), fields, body)


def signed(url, key, secret):
    return lambda method, bucket="", name=None, **more: Client(url, key, secret).request(method, bucket, name, **more)


def lives():
    print("-- a key's life", flush=True)
    secret = make("OWNER", "*:owner")
    for url in (one, two):
        within(2, "a new key counts", lambda u=url: signed(u, "OWNER", secret)("GET").status == 200)
    owner = signed(one, "OWNER", secret)
    expect("create", owner("PUT", "photos"), 200)
    expect("put", owner("PUT", "photos", "a", body=b"one"), 200)
    reader = make("READER", "photos:read")
    within(2, "a reader", lambda: signed(two, "READER", reader)("GET", "photos", "a").status == 200)
    expect("a reader does not write", signed(two, "READER", reader)("PUT", "photos", "b", body=b"x"), 403, "AccessDenied")
    admin("key", "grant", "READER", "photos:write")
    within(2, "a grant", lambda: signed(two, "READER", reader)("PUT", "photos", "b", body=b"x").status == 200)
    admin("key", "grant", "READER", "photos:none")
    within(2, "no grant", lambda: signed(two, "READER", reader)("GET", "photos", "b").status == 403)

    print("-- rotation", flush=True)
    second = keep(admin("key", "rotate", "READER", "--keep-old"))
    admin("key", "grant", "READER", "photos:write")
    within(2, "the new secret", lambda: signed(two, "READER", second)("GET", "photos", "a").status == 200)
    expect("the old secret still", signed(two, "READER", reader)("GET", "photos", "a"), 200)
    expect("the old secret, in chunks", signed(two, "READER", reader)(
        "PUT", "photos", "chunks", body=b"c" * 100000, form="STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), 200)
    expires = int(time.time()) + 60
    url = Client(two, "READER", reader).presign_v2("GET", "photos", "a", expires)
    path = url[len(two):]
    expect("the old secret, presigned the old way", anonymous(two, "GET", path.split("?")[0], path.split("?")[1]), 200)
    third = keep(admin("key", "rotate", "READER"))
    within(2, "the old one ends", lambda: signed(two, "READER", second)("GET", "photos", "a").status == 403)
    expect("the third", signed(two, "READER", third)("GET", "photos", "a"), 200)

    print("-- revocation", flush=True)
    took = []
    for number in range(5):
        name = f"SHORT-{number}"
        short = make(name, "photos:read")
        for url in (one, two):
            within(2, "a short life", lambda u=url: signed(u, name, short)("GET", "photos", "a").status == 200)
        admin("key", "revoke", name)
        begun = time.monotonic()
        for url in (one, two):
            within(2, "revoked", lambda u=url: signed(u, name, short)("GET", "photos", "a").code() == "InvalidAccessKeyId")
        took.append(time.monotonic() - begun)
    print(f"   a revoked key was refused everywhere after {max(took):.2f} s at most, {sum(took) / len(took):.2f} s on average",
          flush=True)

    print("-- keys of a file beside them", flush=True)
    expect("the file's", signed(two, "FILE-KEY", "secret-of-the-file")("GET", "photos", "a"), 200)
    expect("only there", signed(one, "FILE-KEY", "secret-of-the-file")("GET", "photos", "a"), 403, "InvalidAccessKeyId")
    make("FILE-KEY", "photos:read")
    later = make("MADE-AFTER-IT", "photos:read")  # a gateway that knows this one knows the other too
    within(2, "the later key", lambda: signed(two, "MADE-AFTER-IT", later)("GET", "photos", "a").status == 200)
    expect("the file's wins", signed(two, "FILE-KEY", "secret-of-the-file")("PUT", "photos", "file", body=b"x"), 200)
    return owner


def public(owner):
    print("-- public buckets", flush=True)
    expect("private by default", anonymous(one, "GET", "/photos/a"), 403, "AccessDenied")
    expect("no bucket", anonymous(one, "GET", "/no-such-bucket/a"), 404, "NoSuchBucket")
    admin("bucket-public", "photos", "on")
    for url in (one, two):
        within(2, "public", lambda u=url: anonymous(u, "GET", "/photos/a").status == 200)
        check("the bytes", anonymous(url, "GET", "/photos/a").body == b"one")
        expect("head", anonymous(url, "HEAD", "/photos/a"), 200)
        expect("list", anonymous(url, "GET", "/photos"), 200)
        expect("list 2", anonymous(url, "GET", "/photos", "list-type=2"), 200)
        expect("missing", anonymous(url, "GET", "/photos/none"), 404, "NoSuchKey")
        for method, path, query in [("PUT", "/photos/x", ""), ("DELETE", "/photos/a", ""), ("DELETE", "/photos", ""),
                                    ("PUT", "/photos", ""), ("POST", "/photos", "delete"), ("GET", "/", ""),
                                    ("GET", "/photos", "acl"), ("GET", "/photos", "cors"), ("PUT", "/photos", "acl"),
                                    ("GET", "/photos/a", "tagging"), ("GET", "/photos", "uploads"),
                                    ("POST", "/photos/a", "uploads"), ("PUT", "/photos/a", "partNumber=1&uploadId=x")]:
            expect(f"not for everybody: {method} {path}?{query}", anonymous(url, method, path, query), 403)
        expect("nor headers of choice", anonymous(url, "GET", "/photos/a", "response-content-type=text/html"), 400,
               "InvalidRequest")
        expect("nor copies", anonymous(url, "PUT", "/photos/c", headers={"x-amz-copy-source": "/photos/a"}), 403)
    stranger = make("STRANGER")
    within(2, "who may nothing reads what everybody may",
           lambda: signed(one, "STRANGER", stranger)("GET", "photos", "a").status == 200)
    expect("and nothing else", signed(one, "STRANGER", stranger)("PUT", "photos", "a", body=b"x"), 403)
    check("the acl shows it", b"AllUsers" in owner("GET", "photos", parameters={"acl": ""}).body)
    admin("bucket-public", "photos", "off")
    for url in (one, two):
        within(2, "private again", lambda u=url: anonymous(u, "GET", "/photos/a").status == 403)

    print("-- by ACL", flush=True)
    acl = {"acl": ""}
    file = signed(two, "FILE-KEY", "secret-of-the-file")
    expect("where it is not allowed", file("PUT", "photos", parameters=acl, headers={"x-amz-acl": "public-read"}), 501)
    expect("where it is", owner("PUT", "photos", parameters=acl, headers={"x-amz-acl": "public-read"}), 200)
    within(2, "public", lambda: anonymous(two, "GET", "/photos/a").status == 200)
    writer = make("WRITER", "photos:write")
    within(2, "a writer", lambda: signed(one, "WRITER", writer)("GET", "photos", "a").status == 200)
    expect("who is no owner", signed(one, "WRITER", writer)("PUT", "photos", parameters=acl, headers={"x-amz-acl": "private"}),
           403)
    expect("private is always allowed", file("PUT", "photos", parameters=acl, headers={"x-amz-acl": "private"}), 200)
    within(2, "private again", lambda: anonymous(one, "GET", "/photos/a").status == 403)
    expect("others are not", owner("PUT", "photos", parameters=acl, headers={"x-amz-acl": "public-read-write"}), 501)
    expect("created public", owner("PUT", "shown", headers={"x-amz-acl": "public-read"}), 200)
    expect("put", owner("PUT", "shown", "a", body=b"shown"), 200)
    within(2, "public", lambda: anonymous(two, "GET", "/shown/a").status == 200)
    expect("created otherwise", owner("PUT", "shown2", headers={"x-amz-acl": "public-read-write"}), 501)
    expect("the object goes", owner("DELETE", "shown", "a"), 204)
    expect("the bucket goes", owner("DELETE", "shown"), 204)
    expect("and comes again", owner("PUT", "shown"), 200)
    within(2, "private", lambda: anonymous(two, "GET", "/shown").status == 403)
    expect("ignored there", file("PUT", "shown3", headers={"x-amz-acl": "public-read"}), 200)
    within(2, "private", lambda: anonymous(two, "GET", "/shown3").status == 403)


def masters():
    with open(cluster + "/cluster.json", encoding="utf-8") as file:
        return [process["pid"] for process in json.load(file)["processes"] if process["role"] == "master"]


def is_there(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def without_masters(owner):
    print("-- without masters", flush=True)
    pids = masters()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    expect("the last table stays", owner("GET", "photos", "a"), 200)
    expect("of both", signed(two, "FILE-KEY", "secret-of-the-file")("GET", "photos", "a"), 200)
    within(15, "then 503", lambda: owner("GET", "photos", "a").status == 503)
    check("not before --keys-max-age", time.monotonic() - begun > 1.5, f"{time.monotonic() - begun:.1f} s")
    expect("503", owner("GET", "photos", "a"), 503, "ServiceUnavailable")
    # Nodes have no leases now, so nothing can be read; but the key is known: that is another 503.
    expect("the file's keys stay", signed(two, "FILE-KEY", "secret-of-the-file")("GET", "photos", "a"), 503, "SlowDown")
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    within(20, "back", lambda: owner("GET", "photos", "a").status == 200)

    print("-- after all masters were killed", flush=True)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    within(10, "they are gone", lambda: not any(is_there(pid) for pid in pids))
    run(binary + "/catena", "up", "--dir", cluster)
    within(20, "the keys are there", lambda: owner("GET", "photos", "a").status == 200)
    names = [key["access_key"] for key in admin("key", "list")["access_keys"]]
    check("all of them", "OWNER" in names and "READER" in names and "B-KEY" in names, names)
    check("none that was revoked", not any(name.startswith("SHORT") for name in names), names)


owner = lives()
public(owner)
without_masters(owner)
print(f"{datetime.datetime.now().isoformat(timespec='seconds')} {failures} failures")
sys.exit(1 if failures else 0)
