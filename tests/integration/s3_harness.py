"""What the checks over the wire share: counting, and comparing answers."""

import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

SECRET = "secret-of-the-test"
TRUSTING = ssl._create_unverified_context()
counts = {"checks": 0, "failures": 0}


def check(what, is_good, detail=""):
    counts["checks"] += 1
    if not is_good:
        counts["failures"] += 1
        print(f"FAILED: {what} {detail}", file=sys.stderr)


def expect(what, answer, status, code=None):
    check(what, answer.status == status and (code is None or answer.code() == code),
          f"status {answer.status} {answer.code()} instead of {status} {code or ''}")
    return answer


def run(*command):
    """What the command prints; ends the test with what it complained of when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    if done.returncode != 0:
        sys.exit(f"FAILED: {' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def await_progress(progress, wanted, seconds=60):
    """Until progress() has reached it: for what has to happen in the middle of something."""
    until = time.monotonic() + seconds
    while progress() < wanted:
        if time.monotonic() > until:
            check(f"got to {wanted} within {seconds} s", False, progress())
            return
        time.sleep(0.01)


def section(name):
    print("-- " + name, flush=True)


def fetch(url, method="GET", data=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=data), timeout=30, context=TRUSTING) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def finish():
    print(f"{counts['checks']} checks, {counts['failures']} failures")
    sys.exit(1 if counts["failures"] else 0)
