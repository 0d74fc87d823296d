"""A small S3 client of our own: every form of signature and of body, and requests that are wrong on purpose."""

import base64
import datetime
import hashlib
import hmac
import http.client
import ssl
import urllib.parse
import zlib


def encode(text, safe="-_.~"):
    if isinstance(text, str):
        text = text.encode()
    return urllib.parse.quote(text, safe=safe)


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = body

    def code(self):
        text = self.body.decode(errors="replace")
        return text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in text else ""

    def etag(self):
        return self.headers.get("etag", "").strip('"')


class Client:
    def __init__(self, endpoint, access_key, secret, region="us-east-1"):
        self.url = urllib.parse.urlsplit(endpoint)
        self.access_key = access_key
        self.secret = secret
        self.region = region
        self.connection = None

    def connect(self):
        if self.connection is None:
            if self.url.scheme == "https":
                context = ssl._create_unverified_context()
                self.connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, timeout=30, context=context)
            else:
                self.connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=30)
        return self.connection

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def signing_key(self, date):
        key = sign(("AWS4" + self.secret).encode(), date)
        return sign(sign(sign(key, self.region), "s3"), "aws4_request")

    def path(self, bucket, key):
        path = "/" + encode(bucket) if bucket else "/"
        if key is not None:
            path += "/" + encode(key, safe="-_.~/")
        return path

    def query(self, parameters):
        pairs = sorted((encode(name), encode(value)) for name, value in (parameters or {}).items())
        return "&".join(f"{name}={value}" for name, value in pairs)

    def signature(self, method, path, query, headers, payload, stamp):
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}"
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode())}"
        return hmac.new(self.signing_key(stamp[:8]), to_sign.encode(), hashlib.sha256).hexdigest(), names, scope

    def chunks(self, body, form, seed, stamp, trailer, size, damage):
        """The aws-chunked stream."""
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        key = self.signing_key(stamp[:8])
        previous = seed
        out = b""
        pieces = [body[i : i + size] for i in range(0, len(body), size)] + [b""]
        for number, piece in enumerate(pieces):
            extension = ""
            if "UNSIGNED" not in form:
                text = f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{previous}\n{sha256(b'')}\n{sha256(piece)}"
                previous = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
                extension = f";chunk-signature={previous}"
            if damage == "chunk" and number == 0:
                piece = bytes([piece[0] ^ 1]) + piece[1:]
            out += f"{len(piece):x}{extension}\r\n".encode() + piece
            out += b"\r\n" if piece else b""
        if form.endswith("TRAILER"):
            name, value = trailer
            out += f"{name}:{value}".encode() + (b"\n\r\n" if damage == "feed" else b"\r\n")  # as minio-go
            if "UNSIGNED" not in form:
                line = sha256(f"{name}:{value}\n".encode())
                text = f"AWS4-HMAC-SHA256-TRAILER\n{stamp}\n{scope}\n{previous}\n{line}"
                out += ("x-amz-trailer-signature:" + hmac.new(key, text.encode(), hashlib.sha256).hexdigest() + "\r\n").encode()
        if damage == "cut":
            return out[:-7]
        return out + b"\r\n"

    def request(self, method, bucket="", key=None, parameters=None, headers=None, body=b"", form=None, trailer=None,
                chunk_size=65536, damage=None, raw_path=None, when=None, transfer_chunked=False):
        now = when or datetime.datetime.now(datetime.timezone.utc)
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        path = raw_path or self.path(bucket, key)
        query = self.query(parameters)
        signed = {name.lower(): value for name, value in (headers or {}).items()}
        signed.setdefault("host", self.url.netloc)
        signed["x-amz-date"] = stamp
        payload = form or sha256(body)
        signed["x-amz-content-sha256"] = payload
        is_chunked = form is not None and form.startswith("STREAMING")
        if is_chunked:
            signed["x-amz-decoded-content-length"] = str(len(body))
            signed["content-encoding"] = "aws-chunked"
            if trailer and damage != "unannounced":
                signed["x-amz-trailer"] = trailer[0]
        signature, names, scope = self.signature(method, path, query, signed, payload, stamp)
        signed["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope},SignedHeaders={names},"
                                   f"Signature={signature}")
        if is_chunked:
            body = self.chunks(body, form, signature, stamp, trailer, chunk_size, damage)
        target = path + ("?" + query if query else "")
        return self.send(method, target, signed, body, transfer_chunked)

    def send(self, method, target, headers, body, transfer_chunked=False):
        for attempt in range(2):  # a server may close an idle connection
            connection = self.connect()
            try:
                connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
                for name, value in headers.items():
                    connection.putheader(name, value.encode() if isinstance(value, str) else value)
                if transfer_chunked:
                    connection.putheader("Transfer-Encoding", "chunked")
                elif body or method in ("PUT", "POST"):
                    connection.putheader("Content-Length", str(len(body)))
                connection.endheaders()
                if transfer_chunked:
                    for at in range(0, len(body), 10000):
                        piece = body[at : at + 10000]
                        connection.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    connection.send(b"0\r\n\r\n")
                elif body:
                    connection.send(body)
                response = connection.getresponse()
                answer = Answer(response, response.read())
                if response.will_close:
                    self.close()
                return answer
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
                if attempt == 1:
                    raise
        raise AssertionError("not reached")

    def presign(self, method, bucket, key, expires=60, parameters=None, when=None):
        now = when or datetime.datetime.now(datetime.timezone.utc)
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        parameters = dict(parameters or {})
        parameters.update({"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.access_key}/{scope}",
                           "X-Amz-Date": stamp, "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": "host"})
        path = self.path(bucket, key)
        query = self.query(parameters)
        signature, _, _ = self.signature(method, path, query, {"host": self.url.netloc}, "UNSIGNED-PAYLOAD", stamp)
        return f"{self.url.scheme}://{self.url.netloc}{path}?{query}&X-Amz-Signature={signature}"

    def presign_v2(self, method, bucket, key, expires):
        path = self.path(bucket, key)
        digest = hmac.new(self.secret.encode(), f"{method}\n\n\n{expires}\n{path}".encode(), hashlib.sha1).digest()
        signature = encode(base64.b64encode(digest))
        return (f"{self.url.scheme}://{self.url.netloc}{path}?AWSAccessKeyId={self.access_key}&Expires={expires}"
                f"&Signature={signature}")


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
