#!/usr/bin/env python3
"""A page in headless Chromium uploads by a form and by fetch() from another origin. See lib.sh for environment and output.

The page comes from a server of our own, fills in the form, submits it as a user would, and reports what it saw to that server; what
was stored is then read by another client."""

import base64
import datetime
import http.server
import json
import os
import queue
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from s3_signer import Client

environment = os.environ
endpoint, transport, bucket, data, work = (environment["S3_" + key] for key in ("ENDPOINT", "TRANSPORT", "BUCKET", "DATA", "WORK"))
small = open(f"{data}/small", "rb").read()
client = Client(endpoint, environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
OPERATIONS = ["form-upload", "cors-put", "cors-get", "cors-refused"]
PATIENCE_S = 60

PAGE = """<!DOCTYPE html><meta charset="utf-8"><title>upload</title>
<form id="form" method="post" enctype="multipart/form-data" target="answer"></form><iframe name="answer" id="answer"></iframe>
<script>
const settings = SETTINGS;
const bytes = Uint8Array.from(atob(settings.small), (c) => c.charCodeAt(0));
const results = {};
function submit() {
  const form = document.getElementById("form");
  form.action = settings.url;
  for (const [name, value] of Object.entries(settings.fields)) {
    const input = Object.assign(document.createElement("input"), { type: "hidden", name, value });
    form.append(input);
  }
  const picker = Object.assign(document.createElement("input"), { type: "file", name: "file" });
  const files = new DataTransfer();
  files.items.add(new File([bytes], "fox 🦊.bin", { type: "application/x-fox" }));
  picker.files = files.files;
  form.append(picker);
  return new Promise((resolve) => { document.getElementById("answer").onload = () => resolve("sent"); form.submit(); });
}
async function attempt(name, action) {
  try { results[name] = await action(); } catch (error) { results[name] = String(error); }
}
(async () => {
  await attempt("form-upload", submit);
  await attempt("cors-put", async () => (await fetch(settings.put, { method: "PUT", body: bytes })).status);
  await attempt("cors-get", async () => {
    const answer = await fetch(settings.get);
    return [(await answer.arrayBuffer()).byteLength, answer.headers.get("ETag") !== null];
  });
  await attempt("cors-refused", async () => (await fetch(settings.refused)).status);
  await fetch("/result", { method: "POST", body: JSON.stringify(results) });
})();
</script>"""

results = queue.Queue()
asked = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.set()
        body = PAGE.replace("SETTINGS", json.dumps(settings)).encode()
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def said(operation, result):
    print("browser", operation, transport, result, flush=True)


def policy_fields():
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    tool = os.path.join(os.path.dirname(os.path.abspath(__file__)), "form_policy.py")
    policy, signature = subprocess.run([tool, date, bucket, "form/"], check=True, capture_output=True, text=True).stdout.split()
    scope = f"{client.access_key}/{date[:8]}/{environment['AWS_REGION']}/s3/aws4_request"
    return {"key": "form/${filename}", "policy": policy, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": scope,
            "x-amz-date": date, "x-amz-signature": signature, "success_action_status": "201"}


def cors_rule(origin):
    return (f"<CORSConfiguration><CORSRule><AllowedOrigin>{origin}</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"
            "<AllowedMethod>PUT</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader></CORSRule>"
            "</CORSConfiguration>").encode()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
origin = f"http://127.0.0.1:{server.server_port}"
closed = bucket + "-closed"
for name in (bucket, closed):
    assert client.request("PUT", name).status == 200
cors = client.request("PUT", bucket, parameters={"cors": ""}, body=cors_rule(origin))
if cors.status != 200:
    print(f"-- browser: CORS of the bucket could not be set: {cors.status} {cors.code()}", file=sys.stderr)
for name in (bucket, closed):
    assert client.request("PUT", name, "stored", body=small).status == 200
settings = {"url": f"{endpoint}/{bucket}", "fields": policy_fields(), "small": base64.b64encode(small).decode(),
            "put": client.presign("PUT", bucket, "fetched"), "get": client.presign("GET", bucket, "stored"),
            "refused": client.presign("GET", closed, "stored")}

log = open(f"{work}/chromium.log", "wb")
chromium = subprocess.Popen(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                             "--ignore-certificate-errors", "--disable-background-networking", "--disable-component-update",
                             "--remote-debugging-port=0", f"--user-data-dir={work}/profile", origin + "/"],
                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
try:
    seen = results.get(timeout=PATIENCE_S)
except queue.Empty:
    seen = None
finally:
    chromium.terminate()
    try:
        chromium.wait(10)
    except subprocess.TimeoutExpired:
        chromium.kill()
        chromium.wait()

if seen is None and not asked.is_set():
    for operation in OPERATIONS:
        said(operation, "skipped chromium does not run here")
    sys.exit(0)
version = subprocess.run(["chromium", "--version"], capture_output=True, text=True).stdout.split()
said("version", version[1] if len(version) > 1 else "?")
seen = seen or {}
form = client.request("GET", bucket, "form/fox 🦊.bin")
fetched = client.request("GET", bucket, "fetched")
good = {
    "form-upload": seen.get("form-upload") == "sent" and form.body == small and form.headers.get("content-type") is not None,
    "cors-put": seen.get("cors-put") == 200 and fetched.body == small,
    "cors-get": seen.get("cors-get") == [len(small), True],
    "cors-refused": "TypeError" in str(seen.get("cors-refused")),
}
for operation in OPERATIONS:
    said(operation, "ok" if good[operation] else "FAILED")
    if not good[operation]:
        print(f"-- browser {operation} {transport}: the page says {seen.get(operation)!r}", file=sys.stderr)
