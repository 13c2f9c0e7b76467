# SPDX-License-Identifier: GPL-2.0-only
"""For tests that boot a rack: `with Rack("--set", ...) as r:`, its verbs, and TAP lines.

The rack's name is $RACK, which scripts/test sets, so that one left up is found and ended.
"""
import os
import subprocess
import sys
import threading

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RACK = os.path.join(TOP, "scripts", "rack")
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
os.environ.setdefault("RACK", "t-manual")


class Tap:
    """Counts checks, of several threads too; a failed one does not stop the test."""

    def __init__(self):
        self.n = self.failed = 0
        self.lock = threading.Lock()

    def check(self, what, ok, detail=""):
        with self.lock:
            self.n += 1
            self.failed += not ok
            print(f"{'ok' if ok else 'not ok'} {self.n} - {what}", flush=True)
            if not ok:
                for line in str(detail).split("\n")[-15:]:
                    print(f"# {line}", flush=True)
        return ok

    def end(self):
        print(f"1..{self.n}", flush=True)
        sys.exit(1 if self.failed or not self.n else 0)


class Result:
    def __init__(self, rc, out, err):
        self.rc, self.raw, self.err = rc, out, err.decode("utf-8", "replace")
        self.out = out.decode("utf-8", "replace")

    def __repr__(self):
        return f"status {self.rc}\nstdout: {self.out[-800:]}\nstderr: {self.err[-800:]}"


def rack(*args, stdin=b"", timeout=60):
    """A verb; never raises: a verb that hangs gives status None."""
    try:
        r = subprocess.run([RACK, *args], input=stdin, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=timeout)
    except subprocess.TimeoutExpired as e:
        return Result(None, e.stdout or b"", (e.stderr or b"") + b"\n(no end in time)")
    return Result(r.returncode, r.stdout, r.stderr)


class Rack:
    def __init__(self, *up):
        self.up = up

    def __enter__(self):
        r = rack("up", *self.up, timeout=120)
        print("# " + r.out.strip().replace("\n", "\n# "), flush=True)
        if r.rc != 0:
            print(f"not ok 1 - the rack comes up\n# {r.err}")
            sys.exit(1)
        return self

    def __exit__(self, *_):
        rack("down")

    def run(self, *argv, on=None, data=None, stdin=b"", timeout=60):
        options = (["--on", on] if on else []) + (["--data", data] if data else [])
        return rack("run", *options, "--", *argv, stdin=stdin, timeout=timeout)

    def sh(self, script, **kw):
        return self.run("sh", "-c", script, **kw)

    def start(self, *argv, on=None, data=None):
        """Leaves a program running; its BOARD:PID."""
        options = (["--on", on] if on else []) + (["--data", data] if data else [])
        r = rack("run", "--detach", *options, "--", *argv)
        if r.rc != 0:
            raise RuntimeError(f"{argv}: {r}")
        return r.out.strip()

    def client(self, *argv, stdin=b"", timeout=60):
        return rack("client", "--", *argv, stdin=stdin, timeout=timeout)
