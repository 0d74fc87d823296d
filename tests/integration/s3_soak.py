#!/usr/bin/env python3
"""Load on a gateway for a while, and its memory meanwhile: it has to be flat. Usage: s3_soak.py BIN CLUSTER-DIR MINUTES

Small and large puts and gets and listings by catena-bench; beside them multipart uploads, copies, refused requests and
connections that come and go. The resident memory is sampled every 5 seconds; the first quarter is warm-up, then the largest
sample of the last quarter may not be more than an eighth and 8 MiB above that of the second."""

import json
import os
import re
import subprocess
import sys
import threading
import time

from s3_signer import Client

bin_dir, cluster, minutes = sys.argv[1], sys.argv[2], float(sys.argv[3])
account = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
gateway = next(p for p in json.load(open(f"{cluster}/cluster.json"))["processes"] if p["role"] == "gateway")
endpoint = "http://" + gateway["address"]
end = time.monotonic() + minutes * 60
samples, counts, failures = [], {"variety": 0}, []
PART = os.urandom(5 << 20)


def resident_kib():
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{gateway['pid']}/status").read()).group(1))


def sample():
    while time.monotonic() < end:
        samples.append(resident_kib())
        time.sleep(5)


def must(answer, *statuses):
    if answer.status not in statuses:
        raise AssertionError(f"status {answer.status}: {answer.body[:200]}")
    return answer


def variety_once(client, turn):
    key = f"key-{turn % 50}"
    upload = re.search(b"<UploadId>(.*?)</UploadId>", must(client.request("POST", "soak", key, parameters={"uploads": ""}), 200).body).group(1).decode()
    etags = [must(client.request("PUT", "soak", key, parameters={"partNumber": str(n), "uploadId": upload}, body=body), 200).etag()
             for n, body in ((1, PART), (2, b"end"))]
    if turn % 3 == 0:
        must(client.request("DELETE", "soak", key, parameters={"uploadId": upload}), 204)
    else:
        parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in enumerate(etags, 1))
        must(client.request("POST", "soak", key, parameters={"uploadId": upload}, body=f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()), 200)
        must(client.request("GET", "soak", key), 200)
        must(client.request("GET", "soak", key, headers={"Range": "bytes=5000000-5300000"}), 206)
        must(client.request("PUT", "soak", key + "-copy", headers={"x-amz-copy-source": f"/soak/{key}"}), 200)
        must(client.request("DELETE", "soak", key + "-copy"), 204)
    must(client.request("GET", "soak", "no such key"), 404)
    must(client.request("PUT", "soak", "refused", body=b"x" * 200000, headers={"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}), 400)
    must(client.request("PUT", "no-such-bucket", "x", body=b"x"), 404)
    must(client.request("GET", "soak", parameters={"versions": ""}), 200)
    must(Client(endpoint, account[0], "wrong").request("GET", "soak"), 403)


def variety():
    turn = 0
    while time.monotonic() < end:
        client = Client(endpoint, *account)  # a connection of its own each time
        try:
            variety_once(client, turn)
            counts["variety"] += 1
        except (AssertionError, OSError) as error:
            failures.append(str(error))
        client.close()
        turn += 1
        time.sleep(0.2)


must(Client(endpoint, *account).request("PUT", "soak"), 200)
threads = [threading.Thread(target=sample), threading.Thread(target=variety)]
for thread in threads:
    thread.start()
while time.monotonic() < end:
    done = subprocess.run([f"{bin_dir}/catena-bench", "--s3", gateway["address"], "--bucket", "soak-bench", "--only", "s3-put,s3-get,s3-list,s3-put-large,s3-get-large",
                           "--size", "4KiB", "--large-size", "16MiB", "--seconds", "10s", "--json"], capture_output=True, text=True)
    for result in json.loads(done.stdout)["results"]:
        counts[result["name"]] = counts.get(result["name"], 0) + result["operations"]
        if result["errors"]:
            failures.append(f"{result['name']}: {result['errors']} errors: {result['first_error']}")
for thread in threads:
    thread.join()
quarters = [samples[i * len(samples) // 4 : (i + 1) * len(samples) // 4] for i in range(4)]
print(f"{minutes:.0f} minutes, operations {counts}, RSS in MiB by quarter (smallest to largest):",
      ", ".join(f"{min(q) / 1024:.1f} to {max(q) / 1024:.1f}" for q in quarters), f"at the end {samples[-1] / 1024:.1f}")
if len(failures) > 0:
    print(f"{len(failures)} failures, for instance {failures[:3]}")
sys.exit(0 if max(quarters[3]) <= max(quarters[1]) * 9 // 8 + 8192 and not failures else 1)
