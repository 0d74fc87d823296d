#!/usr/bin/env python3
"""CORS, lifecycle, bucket tags and form uploads, and the framing of HTTP, over the wire.
Usage: s3_bucket_features.py ENDPOINT ADMIN

The gateway runs with --lifecycle-interval 1s --lifecycle-day 1s: a day is a second."""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import socket
import sys
import time
import urllib.parse
import xml.etree.ElementTree as ET

from s3_harness import SECRET, TRUSTING, check, expect, fetch, finish, section
from s3_signer import Client

endpoint, admin = sys.argv[1:3]
client = Client(endpoint, "AKIATEST", SECRET)
reader = Client(endpoint, "AKIAREAD", "secret-of-the-reader")
BUCKET = "features"
URL = urllib.parse.urlsplit(endpoint)


def configure(kind, document, method="PUT", who=client):
    return who.request(method, BUCKET, parameters={kind: ""}, body=document.encode())


def names(document):
    return [element.tag.split("}")[-1] for element in ET.fromstring(document).iter()]


def dial():
    connection = socket.create_connection((URL.hostname, URL.port), timeout=10)
    return connection if URL.scheme == "http" else TRUSTING.wrap_socket(connection)


def raw(request, half_close=False):
    """Sends bytes as they are; returns all that comes back until the server closes."""
    with dial() as connection:
        connection.sendall(request)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while True:
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
        except (socket.timeout, ConnectionResetError):
            answer += b" (not closed)"
        return answer


def plain(method, path, headers, body=b""):
    """Unsigned."""
    kind = http.client.HTTPSConnection if URL.scheme == "https" else http.client.HTTPConnection
    more = {"context": TRUSTING} if URL.scheme == "https" else {}
    connection = kind(URL.hostname, URL.port, timeout=30, **more)
    connection.request(method, path, body=body, headers=headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, text


def tags():
    section("bucket tags")
    expect("no tags", configure("tagging", "", "GET"), 404, "NoSuchTagSet")
    document = "<Tagging><TagSet><Tag><Key>a</Key><Value>b + c</Value></Tag></TagSet></Tagging>"
    expect("set tags", configure("tagging", document), 200)
    answer = expect("get tags", configure("tagging", "", "GET"), 200)
    check("the tags are there", b"<Key>a</Key><Value>b + c</Value>" in answer.body, answer.body)
    many = "".join(f"<Tag><Key>{i}</Key><Value/></Tag>" for i in range(51))
    check("51 tags", configure("tagging", f"<Tagging><TagSet>{many}</TagSet></Tagging>").status == 400)
    expect("no XML", configure("tagging", "<Tagging>"), 400, "MalformedXML")
    expect("not the owner", configure("tagging", document, who=reader), 403, "AccessDenied")
    expect("no bucket", client.request("PUT", "features-none", parameters={"tagging": ""}, body=document.encode()), 404,
           "NoSuchBucket")
    expect("delete tags", configure("tagging", "", "DELETE"), 204)
    expect("tags are gone", configure("tagging", "", "GET"), 404, "NoSuchTagSet")


def cors():
    section("CORS")
    expect("no rules", configure("cors", "", "GET"), 404, "NoSuchCORSConfiguration")
    path = f"/{BUCKET}/page"
    ask = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "PUT",
           "Access-Control-Request-Headers": "content-type,x-amz-date"}
    status, _, text = plain("OPTIONS", path, ask)
    check("preflight without rules", status == 403 and b"AccessForbidden" in text, text)
    rules = """<CORSConfiguration><CORSRule><ID>app</ID><AllowedOrigin>https://*.example.com</AllowedOrigin>
        <AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader>
        <ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>
        <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule></CORSConfiguration>"""
    expect("set rules", configure("cors", rules), 200)
    answer = expect("get rules", configure("cors", "", "GET"), 200)
    check("both rules are there", names(answer.body).count("CORSRule") == 2, answer.body)
    status, headers, _ = plain("OPTIONS", path, ask)
    check("preflight", status == 200 and headers.get("access-control-allow-origin") == ask["Origin"] and
          headers.get("access-control-allow-methods") == "PUT, GET" and headers.get("access-control-max-age") == "60" and
          headers.get("access-control-allow-headers") == "content-type,x-amz-date" and
          headers.get("access-control-allow-credentials") == "true" and "Origin" in headers.get("vary", ""), headers)
    check("another method", plain("OPTIONS", path, {**ask, "Access-Control-Request-Method": "DELETE"})[0] == 403)
    check("another origin", plain("OPTIONS", path, {**ask, "Origin": "https://example.org"})[0] == 403)
    check("no origin", plain("OPTIONS", path, {"Access-Control-Request-Method": "PUT"})[0] == 400)
    check("no method", plain("OPTIONS", path, {"Origin": "https://a.example.com"})[0] == 400)
    check("no such bucket", plain("OPTIONS", "/features-none/x", ask)[0] == 403)
    answer = expect("put from a page", client.request("PUT", BUCKET, "page", body=b"x", headers={"Origin": ask["Origin"]}), 200)
    check("its headers", answer.headers.get("access-control-allow-origin") == ask["Origin"] and
          answer.headers.get("access-control-expose-headers") == "ETag", answer.headers)
    answer = client.request("HEAD", BUCKET, "page", headers={"Origin": "null"})
    check("any origin may HEAD", answer.headers.get("access-control-allow-origin") == "*" and
          "access-control-allow-credentials" not in answer.headers, answer.headers)
    answer = client.request("DELETE", BUCKET, "nothing", headers={"Origin": ask["Origin"]})
    check("what no rule allows has no headers", "access-control-allow-origin" not in answer.headers)
    status, headers, _ = plain("GET", path, {"Origin": ask["Origin"]})
    check("refusals can be seen by the page", status == 403 and
          headers.get("access-control-allow-origin") == ask["Origin"], headers)
    expect("two wildcards", configure("cors", rules.replace("https://*.", "https://*.*.")), 400, "InvalidRequest")
    expect("unknown method", configure("cors", rules.replace("HEAD", "PATCH")), 400, "InvalidRequest")
    expect("no XML", configure("cors", "<CORSConfiguration>"), 400, "MalformedXML")
    expect("delete rules", configure("cors", "", "DELETE"), 204)
    deadline = time.time() + 10
    while plain("OPTIONS", path, ask)[0] != 403 and time.time() < deadline:
        time.sleep(0.1)
    check("rules are gone", plain("OPTIONS", path, ask)[0] == 403)


def rule(identity, filter_, action):
    return f"<Rule><ID>{identity}</ID><Filter>{filter_}</Filter><Status>Enabled</Status>{action}</Rule>"


def lifecycle_of(*rules):
    return "<LifecycleConfiguration>" + "".join(rules) + "</LifecycleConfiguration>"


def until(what, condition, seconds=30):
    deadline = time.time() + seconds
    while not condition() and time.time() < deadline:
        time.sleep(0.2)
    check(what, condition())


def metric(name):
    text = fetch(admin + "/metrics")[1].decode()
    return int(text.split(f"\ncatena_gateway_lifecycle_{name} ")[1].split()[0])


def lifecycle():
    section("lifecycle")
    expect("no rules", configure("lifecycle", "", "GET"), 404, "NoSuchLifecycleConfiguration")
    days = "<Expiration><Days>{}</Days></Expiration>"
    past = "<Expiration><Date>2001-01-01T00:00:00.000Z</Date></Expiration>"
    expect("transitions are not there", configure("lifecycle", lifecycle_of(rule(
        "x", "", "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"))), 501, "NotImplemented")
    expect("zero days", configure("lifecycle", lifecycle_of(rule("x", "", days.format(0)))), 400, "InvalidArgument")
    expect("no action", configure("lifecycle", lifecycle_of(rule("x", "", ""))), 400, "InvalidRequest")
    for key in ("old/1", "old/2", "keep/1", "sized/big", "sized/small", "tagged/yes", "tagged/no"):
        headers = {"x-amz-tagging": "end=now"} if key == "tagged/yes" else {}
        body = b"x" * (100 if key == "sized/big" else 1)
        expect("put " + key, client.request("PUT", BUCKET, key, body=body, headers=headers), 200)
    upload = expect("upload", client.request("POST", BUCKET, "old/upload", parameters={"uploads": ""}), 200)
    upload_id = upload.body.decode().split("<UploadId>")[1].split("<")[0]
    size = "<And><Prefix>sized/</Prefix><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan></And>"
    tag = "<And><Prefix>tagged/</Prefix><Tag><Key>end</Key><Value>now</Value></Tag></And>"
    document = lifecycle_of(
        rule("by date", "<Prefix>old/</Prefix>", past), rule("size", size, days.format(1)), rule("tag", tag, days.format(1)),
        rule("future", "<Prefix>keep/</Prefix>", "<Expiration><Date>2100-01-01T00:00:00.000Z</Date></Expiration>"),
        rule("uploads", "<Prefix>old/</Prefix>",
             "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"))
    expect("set rules", configure("lifecycle", document), 200)
    answer = expect("get rules", configure("lifecycle", "", "GET"), 200)
    check("all rules are there", names(answer.body).count("Rule") == 5, answer.body)
    answer = client.request("HEAD", BUCKET, "keep/1")
    wanted = 'expiry-date="Fri, 01 Jan 2100 00:00:00 GMT", rule-id="future"'
    check("HEAD says when it ends", answer.headers.get("x-amz-expiration") == wanted, answer.headers)
    answer = client.request("PUT", BUCKET, "keep/2", body=b"x")
    check("so does PUT", answer.headers.get("x-amz-expiration") == wanted, answer.headers)
    answer = client.request("HEAD", BUCKET, "sized/small")
    check("not what no rule ends", "x-amz-expiration" not in answer.headers, answer.headers)

    def status(key):
        return client.request("HEAD", BUCKET, key).status

    for key in ("old/1", "old/2", "sized/big", "tagged/yes"):
        until(key + " expires", lambda name=key: status(name) == 404)
    until("the upload is aborted", lambda: client.request("GET", BUCKET, "old/upload", parameters={"uploadId": upload_id})
          .code() == "NoSuchUpload")
    for key in ("keep/1", "keep/2", "sized/small", "tagged/no"):
        check(key + " stays", status(key) == 200)
    check("counted", metric("expired_total") >= 4 and metric("aborted_total") >= 1)
    expect("delete rules", configure("lifecycle", "", "DELETE"), 204)
    expect("rules are gone", configure("lifecycle", "", "GET"), 404, "NoSuchLifecycleConfiguration")
    passes = metric("passes_total")
    until("two more passes", lambda: metric("passes_total") >= passes + 2)
    expect("put", client.request("PUT", BUCKET, "old/3", body=b"x"), 200)
    passes = metric("passes_total")
    until("two more passes", lambda: metric("passes_total") >= passes + 2)
    check("nothing expires without rules", status("old/3") == 200)


def form(fields, content=b"content", filename="name.txt", boundary="----browser"):
    body = b""
    for name, value in fields:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    if content is not None:
        body += (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
                 "Content-Type: text/plain\r\n\r\n").encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def policy_of(conditions, expires=3600):
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=expires)
    text = json.dumps({"expiration": end.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "conditions": conditions})
    return base64.b64encode(text.encode()).decode()


def signed_v4(fields, conditions, expires=3600):
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    own = [("x-amz-algorithm", "AWS4-HMAC-SHA256"), ("x-amz-date", stamp),
           ("x-amz-credential", f"AKIATEST/{stamp[:8]}/us-east-1/s3/aws4_request")]
    policy = policy_of(conditions + [{name: value} for name, value in own] + [{"bucket": BUCKET}], expires)
    signature = hmac.new(client.signing_key(stamp[:8]), policy.encode(), hashlib.sha256).hexdigest()
    return fields + own + [("policy", policy), ("x-amz-signature", signature)]


def post(fields, code=None, status=204, what="", **more):
    body, headers = form(fields, **more)
    got, headers, text = plain("POST", "/" + BUCKET, headers, body)
    check(what, got == status and (code is None or f"<Code>{code}</Code>".encode() in text), f"{got} {text}")
    return headers, text


def forms():
    section("form uploads")
    fields = [("key", "form/${filename}"), ("Content-Type", "text/html"), ("x-amz-meta-from", "form")]
    conditions = [["starts-with", "$key", "form/"], {"Content-Type": "text/html"}, ["starts-with", "$x-amz-meta-from", ""]]
    headers, _ = post(signed_v4(fields, conditions), what="upload")
    answer = expect("it is there", client.request("GET", BUCKET, "form/name.txt"), 200)
    check("as it was sent", answer.body == b"content" and answer.headers.get("content-type") == "text/html" and
          answer.headers.get("x-amz-meta-from") == "form" and answer.etag() == hashlib.md5(b"content").hexdigest(), answer.headers)
    check("the answer says where", headers.get("location") == f"{endpoint}/{BUCKET}/form/name.txt" and
          headers.get("etag") == answer.headers.get("etag"), headers)
    large = bytes(range(256)) * 4 * 4096
    post(signed_v4([("key", "form/large")], [{"key": "form/large"}]), content=large, what="large upload")
    check("whole", client.request("GET", BUCKET, "form/large").body == large)
    _, text = post(signed_v4([("key", "form/201"), ("success_action_status", "201")],
                             [{"key": "form/201"}, {"success_action_status": "201"}]), status=201, what="201")
    check("a document", b"<Key>form/201</Key>" in text and b"<PostResponse>" in text, text)
    headers, _ = post(signed_v4([("key", "form/r"), ("success_action_redirect", "http://app/done?x=1")],
                                [{"key": "form/r"}, ["starts-with", "$success_action_redirect", "http://app/"]]), status=303,
                      what="redirect")
    check("to the page", headers.get("location", "").startswith(
        f"http://app/done?x=1&bucket={BUCKET}&key=form%2Fr&etag=%22"), headers)
    tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
    post(signed_v4([("key", "form/t"), ("tagging", tagging)], [{"key": "form/t"}, {"tagging": tagging}]), what="with tags")
    check("tags", b"<Key>a</Key>" in client.request("GET", BUCKET, "form/t", parameters={"tagging": ""}).body)
    old = policy_of([["starts-with", "$key", "form/"], {"bucket": BUCKET}])
    signature = base64.b64encode(hmac.new(SECRET.encode(), old.encode(), hashlib.sha1).digest()).decode()
    v2 = [("AWSAccessKeyId", "AKIATEST"), ("key", "form/v2"), ("policy", old), ("signature", signature)]
    post(v2, what="signature version 2")

    section("form uploads that are refused")
    good = signed_v4([("key", "form/no")], [{"key": "form/no"}])
    post([("key", "form/no")], "AccessDenied", 403, "anonymous")
    post(good[:-1] + [("x-amz-signature", "0" * 64)], "SignatureDoesNotMatch", 403, "bad signature")
    post(v2[:-1] + [("signature", "x" * 28)], "SignatureDoesNotMatch", 403, "bad signature of version 2")
    post([("AWSAccessKeyId", "nobody")] + v2[1:], "InvalidAccessKeyId", 403, "unknown key")
    post(good[1:], "InvalidArgument", 400, "no key")
    post(good, "InvalidArgument", 400, "no file", content=None)
    post(good + [("x-amz-meta-more", "1")], "AccessDenied", 403, "a field that the policy does not mention")
    post(signed_v4([("key", "form/no")], [{"key": "form/other"}]), "AccessDenied", 403, "a condition that does not hold")
    post(signed_v4([("key", "form/no")], [{"key": "form/no"}], expires=-60), "AccessDenied", 403, "an expired policy")
    post(signed_v4([("key", "form/no")], [{"key": "form/no"}, ["content-length-range", 0, 3]]), "EntityTooLarge", 400, "too large")
    post(signed_v4([("key", "form/no")], [{"key": "form/no"}, ["content-length-range", 50, 60]]), "EntityTooSmall", 400,
         "too small")
    post(signed_v4([("key", "form/no"), ("x-amz-server-side-encryption", "AES256")],
                   [{"key": "form/no"}, {"x-amz-server-side-encryption": "AES256"}]), "NotImplemented", 501, "encryption")
    nonsense = base64.b64encode(b"no JSON").decode()
    signature = base64.b64encode(hmac.new(SECRET.encode(), nonsense.encode(), hashlib.sha1).digest()).decode()
    post(v2[:2] + [("policy", nonsense), ("signature", signature)], "InvalidPolicyDocument", 400, "a policy that is none")
    # What is called like this would be headers of its own in every answer with the object.
    name = "x-amz-meta-a: 1%0D%0AContent-Length: 5%0D%0A%0D%0AEVIL!HTTP/1.1 200 OK%0D%0Ax-b"
    post(signed_v4([("key", "form/no"), (name, "v")], [{"key": "form/no"}, {urllib.parse.unquote(name): "v"}]),
         "InvalidArgument", 400, "a name that is no header's")
    body, headers = form(good)
    status, _, text = plain("POST", "/" + BUCKET, headers, body[:-20])
    check("a form that is cut", status == 400 and b"MalformedPOSTRequest" in text, text)
    status, _, text = plain("POST", "/" + BUCKET, {"Content-Type": "text/plain"}, b"hello")
    check("no form", status == 412, text)
    expect("nothing was stored", client.request("HEAD", BUCKET, "form/no"), 404)


def framing():
    section("framing of HTTP")
    head = f"PUT /{BUCKET}/f HTTP/1.1\r\nHost: h\r\n".encode()
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    for what, request in (
            ("bare line feeds in the head", b"GET / HTTP/1.1\nHost: h\n\n"),
            ("a bare line feed after a chunk's size", chunked + b"5\nhello\r\n0\r\n\r\n"),
            ("a bare line feed after a chunk", chunked + b"5\r\nhello\n0\r\n\r\n"),
            ("a bare line feed at the end of chunks", chunked + b"5\r\nhello\r\n0\n\n"),
            ("a chunk longer than its size", chunked + b"5\r\nhello!\r\n0\r\n\r\n"),
            ("a negative chunk", chunked + b"-5\r\nhello\r\n0\r\n\r\n"),
            ("a huge chunk", chunked + b"ffffffffffffffff1\r\nhello\r\n0\r\n\r\n"),
            ("a folded header", head + b"X-A: a\r\n b\r\n\r\n"),
            ("a blank before the colon", head + b"Content-Length : 3\r\n\r\nabc"),
            ("a plus in the length", head + b"Content-Length: +3\r\n\r\nabc"),
            ("a list of lengths", head + b"Content-Length: 3, 3\r\n\r\nabc"),
            ("two codings", head + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("another coding", head + b"Transfer-Encoding: identity\r\n\r\n"),
            ("chunks in HTTP/1.0", b"PUT /x HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
            ("another host in the target", b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"),
            ("a NUL", b"GET / HTTP/1.1\r\nHost: h\r\nX-A: a\0b\r\n\r\n"),
            ("a head without an end", b"GET / HTTP/1.1\r\nHost: h\r\nX-A: " + b"a" * 70000)):
        answer = raw(request + (b"" if b"70000" in request else b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"))
        check(what, answer.startswith(b"HTTP/1.1 4") and answer.count(b"HTTP/1.1") == 1 and
              answer.endswith(b"</Error>"), answer[:300])
    answer = raw(b"GET / HTTP/3.0\r\nHost: h\r\n\r\n")
    check("another version", answer.startswith(b"HTTP/1.1 505"), answer[:100])
    if URL.scheme == "http":
        url = urllib.parse.urlsplit(client.presign("PUT", BUCKET, "half"))
        start = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 9\r\n\r\nhalf".encode()
        answer = raw(start, half_close=True)
        check("a body that ends early", answer.startswith(b"HTTP/1.1 400") and b"IncompleteBody" in answer, answer[:300])
        expect("is not stored", client.request("HEAD", BUCKET, "half"), 404)
    refused = f"PUT /{BUCKET}/f HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n".encode()
    with dial() as connection:
        connection.sendall(refused)
        try:
            for _ in range(24):
                connection.sendall(b"x" * 65536)
        except OSError:
            pass
        answer = connection.recv(65536)
        check("a refused long upload hears why", answer.startswith(b"HTTP/1.1 403") and b"Connection: close" in answer, answer[:200])


expect("create", client.request("PUT", BUCKET), 200)
for part in (tags, cors, lifecycle, forms, framing):
    part()
finish()
