#!/usr/bin/env python3
"""What has to be exact: conditions, races, repeated requests; and tags, which change an object's version but not its ETag.
Usage: s3_exact.py ENDPOINT SECOND-ENDPOINT [PID of a node to kill, or name of a part]..."""

import hashlib
import os
import signal
import sys
import threading
import time

from s3_harness import SECRET, await_progress, check, expect, finish, section
from s3_signer import Client
from s3_uploads import (BUCKET, abort, body_of, client, complete, create, document, endpoint, get, other, parse, put, run, second,
                        together, upload, upload_id_of)


def tags():
    section("tags")

    def tag_set(key):
        root = parse(expect("tags of " + key, get(key, parameters={"tagging": ""}), 200))
        return [(t.findtext("Key"), t.findtext("Value") or "") for t in root.findall("TagSet/Tag")]

    def tagging(pairs):
        return ("<Tagging><TagSet>" + "".join(f"<Tag><Key>{k}</Key><Value>{v}</Value></Tag>" for k, v in pairs)
                + "</TagSet></Tagging>").encode()

    def set_tags(key, pairs, who=client, **more):
        return who.request("PUT", BUCKET, key, parameters={"tagging": ""}, body=tagging(pairs), **more)

    etag = put("tagged", b"tagged", headers={"x-amz-tagging": "colour=blue&empty=&a%20b=%C3%A9", "x-amz-meta-m": "1"}).etag()
    check("from the header", tag_set("tagged") == [("colour", "blue"), ("empty", ""), ("a b", "é")], tag_set("tagged"))
    head = client.request("HEAD", BUCKET, "tagged")
    check("count", head.headers["x-amz-tagging-count"] == "3")
    expect("set", set_tags("tagged", [("k", "v")]), 200)
    after = get("tagged")
    check("nothing else changes", after.body == b"tagged" and after.etag() == etag and after.headers["x-amz-meta-m"] == "1"
          and after.headers["last-modified"] == head.headers["last-modified"] and after.headers["x-amz-tagging-count"] == "1")
    check("but the version", after.headers["x-catena-version"] != head.headers["x-catena-version"])
    check("set", tag_set("tagged") == [("k", "v")])
    expect("copy", put("tagged-copy", b"", headers={"x-amz-copy-source": f"/{BUCKET}/tagged"}), 200)
    check("tags go along", tag_set("tagged-copy") == [("k", "v")])
    expect("copy with others", put("tagged-copy", b"", headers={
        "x-amz-copy-source": f"/{BUCKET}/tagged", "x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "new=1"}), 200)
    check("others", tag_set("tagged-copy") == [("new", "1")])
    expect("bad directive", put("tagged-copy", b"", headers={
        "x-amz-copy-source": f"/{BUCKET}/tagged", "x-amz-tagging-directive": "x"}), 400, "InvalidArgument")
    expect("others onto itself", put("tagged", b"", headers={
        "x-amz-copy-source": f"/{BUCKET}/tagged", "x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "self=1"}), 200)
    check("and nothing else", tag_set("tagged") == [("self", "1")] and get("tagged").headers["x-amz-meta-m"] == "1")
    expect("delete", client.request("DELETE", BUCKET, "tagged", parameters={"tagging": ""}), 204)
    check("gone", tag_set("tagged") == [] and "x-amz-tagging-count" not in client.request("HEAD", BUCKET, "tagged").headers)
    expect("none", set_tags("tagged", []), 200)
    expect("ten", set_tags("tagged", [(f"k{i}", "v" * 256) for i in range(10)]), 200)
    expect("eleven", set_tags("tagged", [(f"k{i}", "v") for i in range(11)]), 400, "InvalidTag")
    expect("long key", set_tags("tagged", [("k" * 129, "v")]), 400, "InvalidTag")
    expect("long value", set_tags("tagged", [("k", "v" * 257)]), 400, "InvalidTag")
    expect("same key twice", set_tags("tagged", [("k", "1"), ("k", "2")]), 400, "InvalidTag")
    expect("system tag", set_tags("tagged", [("aws:k", "1")]), 400, "InvalidTag")
    expect("no XML", client.request("PUT", BUCKET, "tagged", parameters={"tagging": ""}, body=b"x"), 400, "MalformedXML")
    expect("bad header", put("tagged", headers={"x-amz-tagging": "k=1&k=2"}), 400, "InvalidTag")
    check("the ten are still there", len(tag_set("tagged")) == 10)
    for method in ("GET", "PUT", "DELETE"):
        expect(method + " of nothing", client.request(method, BUCKET, "not-tagged", parameters={"tagging": ""}, body=tagging([])
                                                      if method == "PUT" else b""), 404, "NoSuchKey")
    reader = Client(endpoint, "AKIAREAD", "secret-of-the-reader")
    expect("without right", set_tags("tagged", [("k", "v")], who=reader), 403, "AccessDenied")
    setters = [threading.Thread(target=lambda n=n: expect("race", set_tags("tagged", [("n", str(n))], who=Client(
        endpoint if n % 2 else second, "AKIATEST", SECRET)), 200)) for n in range(8)]
    for thread in setters:
        thread.start()
    for thread in setters:
        thread.join()
    check("one of them", len(tag_set("tagged")) == 1 and get("tagged").body == b"tagged")


def conditions():
    section("conditional completion")
    body = body_of(1)
    put("cond", b"there")
    upload_id = create("cond")
    etag = upload("cond", upload_id, 1, body).etag()
    expect("only if absent", complete("cond", upload_id, [(1, etag)], headers={"If-None-Match": "*"}), 412, "PreconditionFailed")
    expect("wrong etag", complete("cond", upload_id, [(1, etag)], headers={"If-Match": '"0123"'}), 412, "PreconditionFailed")
    check("nothing happened", get("cond").body == b"there")
    there = hashlib.md5(b"there").hexdigest()
    expect("the etag", complete("cond", upload_id, [(1, etag)], headers={"If-Match": f'"{there}"'}), 200)
    check("replaced", get("cond").body == body)
    expect("again", complete("cond", upload_id, [(1, etag)], headers={"If-Match": f'"{there}"'}), 200)

    section("race of completions")
    for turn in range(10):
        key = f"race-{turn}"
        ids = [create(key, who=who) for who in (client, other)]
        bodies = [body_of(100 + turn), body_of(200 + turn)]
        etags = [upload(key, ids[i], 1, bodies[i]).etag() for i in range(2)]
        answers = together([lambda i=i: complete(key, ids[i], [(1, etags[i])], who=(client, other)[i],
                                                 headers={"If-None-Match": "*"}) for i in range(2)])
        statuses = sorted(answer.status for answer in answers)
        check("one winner", statuses == [200, 412], statuses)
        won = 0 if answers[0].status == 200 else 1
        check("its bytes", get(key).body == bodies[won])
        expect("the loser's upload is still there", get(key, parameters={"uploadId": ids[1 - won]}), 200)
        expect("until it is aborted", abort(key, ids[1 - won]), 204)
    for turn in range(10):
        key = f"same-{turn}"
        upload_id = create(key)
        etag = upload(key, upload_id, 1, body_of(turn)).etag()
        answers = together([lambda who=who: complete(key, upload_id, [(1, etag)], who=who) for who in (client, other)])
        check("both complete the same upload", [a.status for a in answers] == [200, 200], [a.code() for a in answers])
        check("to one version", len({a.headers["x-catena-version"] for a in answers}) == 1)
    for turn in range(10):
        key = f"abort-{turn}"
        upload_id = create(key)
        etag = upload(key, upload_id, 1, body_of(turn)).etag()
        answers = together([lambda: complete(key, upload_id, [(1, etag)]), lambda: abort(key, upload_id, who=other)])
        statuses = [answer.status for answer in answers]
        check("complete or abort", statuses in ([200, 404], [404, 204]), statuses)
        check("as was said", get(key).status == statuses[0] and (statuses[0] == 404 or get(key).body == body_of(turn)))


def repeated():
    section("repeated requests")
    for size in (10, 300_000):
        name = f"id-{size}-{time.time()}"
        first = expect("put", put("once", b"1" * size, headers={"x-catena-request-id": name}), 200)
        again = expect("the same again", other.request("PUT", BUCKET, "once", body=b"1" * size, headers={"x-catena-request-id": name}), 200)
        check("one effect", again.headers["x-catena-version"] == first.headers["x-catena-version"])
        between = expect("another", put("once", b"2" * size), 200)
        again = expect("the same, late", put("once", b"1" * size, headers={"x-catena-request-id": name}), 200)
        check("no second effect", again.headers["x-catena-version"] == first.headers["x-catena-version"]
              and get("once").body == b"2" * size)
        name += "-conditional"
        headers = {"x-catena-request-id": name, "If-Match": between.etag()}
        first = expect("conditional", put("once", b"3" * size, headers=headers), 200)
        again = expect("the same again", put("once", b"3" * size, headers=headers), 200)
        check("one effect", again.headers["x-catena-version"] == first.headers["x-catena-version"])
        expect("another id", put("once", b"3" * size, headers=dict(headers, **{"x-catena-request-id": name + "2"})), 412,
               "PreconditionFailed")
        headers = {"x-catena-request-id": name + "-absent", "If-None-Match": "*"}
        client.request("DELETE", BUCKET, "once")
        first = expect("if absent", put("once", b"4" * size, headers=headers), 200)
        again = expect("the same again", put("once", b"4" * size, headers=headers), 200)
        check("one effect", again.headers["x-catena-version"] == first.headers["x-catena-version"])
    expect("a deletion", client.request("DELETE", BUCKET, "once", headers={"x-catena-request-id": "d"}), 501, "NotImplemented")
    name = f"up-{time.time()}"
    upload_id = create("once-up", {"x-catena-request-id": name})
    check("the same upload", create("once-up", {"x-catena-request-id": name}, who=other) == upload_id)
    check("another upload", create("once-up", {"x-catena-request-id": name + "2"}) != upload_id)
    check("of another key too", create("twice-up", {"x-catena-request-id": name}) != upload_id)
    old = upload("once-up", upload_id, 1, b"old", headers={"x-catena-request-id": name})
    new = upload("once-up", upload_id, 1, b"new")
    again = expect("the old part, late", upload("once-up", upload_id, 1, b"old", headers={"x-catena-request-id": name}), 200)
    check("no second effect", again.headers["x-catena-version"] == old.headers["x-catena-version"])
    headers = {"x-catena-request-id": name, "If-None-Match": "*"}
    first = expect("complete", complete("once-up", upload_id, [(1, new.etag())], headers=headers), 200)
    client.request("DELETE", BUCKET, "once-up")
    again = expect("complete what is deleted", complete("once-up", upload_id, [(1, new.etag())], headers=headers), 200)
    check("no second effect", again.headers["x-catena-version"] == first.headers["x-catena-version"]
          and parse(again).findtext("ETag") == parse(first).findtext("ETag") and get("once-up").status == 404)
    headers["x-catena-request-id"] += "3"
    expect("by another name", complete("once-up", upload_id, [(1, new.etag())], headers=headers), 404, "NoSuchUpload")
    expect("too long", put("once", headers={"x-catena-request-id": "x" * 129}), 400, "InvalidArgument")
    expect("self copy", put("once", b"", headers={"x-amz-copy-source": f"/{BUCKET}/once", "x-amz-metadata-directive": "REPLACE",
                                                  "x-amz-meta-a": "1", "x-catena-request-id": name + "s"}), 200)
    put("once", b"6")
    expect("self copy again", put("once", b"", headers={"x-amz-copy-source": f"/{BUCKET}/once", "x-amz-metadata-directive": "REPLACE",
                                                        "x-amz-meta-a": "1", "x-catena-request-id": name + "s"}), 200)
    check("no second effect", "x-amz-meta-a" not in get("once").headers)


def overtaken():
    """Conditional puts of bodies that are staged, while tags change the version and not the ETag: no 409."""
    section("conditional puts of long bodies, overtaken")
    body = b"t" * 200_000
    put("moving", body)
    stop = threading.Event()
    statuses = []

    def retag():
        who = Client(second, "AKIATEST", SECRET)
        while not stop.is_set():
            who.request("PUT", BUCKET, "moving", parameters={"tagging": ""}, body=b"<Tagging><TagSet></TagSet></Tagging>")

    threads = [threading.Thread(target=retag) for _ in range(3)]
    for thread in threads:
        thread.start()
    etag = hashlib.md5(body).hexdigest()
    for _ in range(40):
        statuses.append(put("moving", body, headers={"If-Match": etag}).status)
    stop.set()
    for thread in threads:
        thread.join()
    check("all succeed", set(statuses) == {200}, statuses)
    check("its bytes", get("moving").body == body)


def rights():
    section("rights")
    reader = Client(endpoint, "AKIAREAD", "secret-of-the-reader")
    client.request("PUT", "shared")
    client.request("PUT", "shared", "o", body=b"shared")
    answer = client.request("POST", "shared", "up", parameters={"uploads": ""})
    upload_id = upload_id_of(answer)
    expect("reader lists uploads", reader.request("GET", "shared", parameters={"uploads": ""}), 200)
    expect("reader sees attributes", reader.request("GET", "shared", "o", parameters={"attributes": ""},
                                                    headers={"x-amz-object-attributes": "ETag"}), 200)
    expect("reader sees tags", reader.request("GET", "shared", "o", parameters={"tagging": ""}), 200)
    for what, answer in (
            ("creates", reader.request("POST", "shared", "up", parameters={"uploads": ""})),
            ("uploads", reader.request("PUT", "shared", "up", parameters={"uploadId": upload_id, "partNumber": "1"}, body=b"x")),
            ("lists parts", reader.request("GET", "shared", "up", parameters={"uploadId": upload_id})),
            ("completes", reader.request("POST", "shared", "up", parameters={"uploadId": upload_id}, body=document([(1, "0" * 32)]))),
            ("aborts", reader.request("DELETE", "shared", "up", parameters={"uploadId": upload_id}))):
        expect("reader " + what, answer, 403, "AccessDenied")
    expect("owner aborts", client.request("DELETE", "shared", "up", parameters={"uploadId": upload_id}), 204)


def give_up_early(number, body, headers):
    hasty = Client(endpoint if number % 2 else second, "AKIATEST", SECRET)
    hasty.connect().timeout = 0.002 * (1 + number % 4)
    try:
        return hasty.request("PUT", BUCKET, "counter", body=body, headers=headers).status
    except OSError:
        return "left"
    finally:
        hasty.close()


def counted(pid, writers=8, turns=25):
    """A counter that everybody raises by conditional puts, each repeated under its id until it is answered: no answer that was
    lost with the node counts twice, or not at all."""
    section("a counter, while a node is killed")
    put("counter", b"0 nobody")
    repeats = []
    start = time.time()

    def raise_it(number):
        who = Client(endpoint if number % 2 else second, "AKIATEST", SECRET)
        done = 0
        while done < turns and time.time() < start + 60:
            seen = get("counter", who=who)
            if seen.status != 200:
                continue
            value = int(seen.body.split()[0])
            headers = {"If-Match": seen.etag(), "x-catena-request-id": f"{start}-{number}-{done}-{seen.etag()}"}
            body = f"{value + 1} {number}".encode()
            if done % 3 == 0:  # an answer that is not waited for
                repeats.append(give_up_early(number, body, headers))
            status = 500
            while status in (500, 503):
                status = who.request("PUT", BUCKET, "counter", body=body, headers=headers).status
                if status in (500, 503):
                    repeats.append(status)
                    time.sleep(0.1)
            check("raised or overtaken", status in (200, 412), status)
            done += status == 200

    threads = [threading.Thread(target=raise_it, args=(n,)) for n in range(writers)]
    for thread in threads:
        thread.start()
    await_progress(lambda: int(get("counter").body.split()[0]), writers * turns // 8)  # in the middle of it
    os.kill(pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    final = int(get("counter").body.split()[0])
    check("as often as was said", final == writers * turns, f"{final} instead of {writers * turns}")
    check("some answers were lost", "left" in repeats)
    print(f"{len(repeats)} repeats, {repeats.count('left')} after answers that nobody waited for")


if sys.argv[3:] and sys.argv[3].isdigit():
    client.request("PUT", BUCKET)
    counted(int(sys.argv[3]))
else:
    run([tags, conditions, repeated, overtaken, rights])
finish()
