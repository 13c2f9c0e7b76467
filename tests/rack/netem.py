#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 240
"""A download while the fabric loses, doubles, reorders and damages frames: the same bytes. By tc netem on
every fabric tap, or, where the kernel has none, by a wire of our own at p0's tap."""
import hashlib
import json
import os
import subprocess
import sys
import time

from lib import BUILD, RACK, TOP, Rack, Tap, rack

LOSS, DUP, REORDER, CORRUPT = "1", "1", "5", "0.5"
MIB = 2 << 20
URL = "http://192.168.77.10/download"


def fabric_taps(r):
    links = r.client("ip", "-o", "link", "show", "master", "fabric").out
    return [line.split(":")[1].strip().split("@")[0] for line in links.split("\n") if line]


class Netem:
    """Every tap; None from make() says that there is no sch_netem here."""

    def __init__(self, r):
        self.r, self.taps = r, fabric_taps(r)
        self.ok = bool(self.taps) and all(r.client("tc", "qdisc", "add", "dev", t, "root", "netem", "delay", "1ms",
                               "loss", LOSS + "%", "duplicate", DUP + "%", "corrupt", CORRUPT + "%",
                               "reorder", REORDER + "%").rc == 0 for t in self.taps)

    def end(self):
        for t in self.taps:
            self.r.client("tc", "qdisc", "del", "dev", t, "root")
        return "netem on " + " ".join(self.taps)


class FakeWire:
    """The tap of p0."""

    def __init__(self, r):
        script = os.path.join(TOP, "tests", "rack", "fake_wire.py")
        self.p = subprocess.Popen([RACK, "client", "--", sys.executable, script, "f-p0", "fabric", LOSS, DUP,
                                   REORDER, CORRUPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)
        self.ok = self.p.stdout.readline() == "ready\n"

    def end(self):
        self.p.stdin.close()
        said = self.p.stdout.read().strip()
        self.p.wait(10)
        return said


def counters():
    got = rack("stats", "--json")
    boards = json.loads(got.out) if got.rc == 0 else {}
    return {k: sum(b.get(k, 0) for b in boards.values())
            for k in ("softroce.retransmits", "softroce.drop_icrc", "softroce.duplicate_requests")}


def wait_for_server(r):
    for _ in range(40):
        if r.client("curl", "-sf", "-m", "5", "-o", "/dev/null", URL).rc == 0:
            return
        time.sleep(0.5)


def main():
    t = Tap()
    with open(os.path.join(BUILD, "www", "random.bin"), "rb") as f:
        want = f.read(MIB)
    with Rack() as r:
        made = r.sh(f"mkdir /tmp/d && head -c {MIB} /www/random.bin >/tmp/d/download", on="p0")
        t.check("a file on the rack", made.rc == 0, made)
        r.start("busybox", "httpd", "-f", "-p", "80", "-h", "/tmp/d", on="p0")
        wait_for_server(r)
        before = counters()
        faults = Netem(r)
        if not faults.ok:
            faults.end()
            print("# sch_netem is not in this kernel: a wire of our own at p0's tap", flush=True)
            faults = FakeWire(r)
        t.check("the fabric has faults", faults.ok)
        started = time.monotonic()
        got = r.client("curl", "-sf", "-m", "120", URL, timeout=130)
        seconds = time.monotonic() - started
        print(f"# {len(got.raw)} bytes in {seconds:.1f} s", flush=True)
        t.check("the download is the same", hashlib.sha256(got.raw).digest() ==
                hashlib.sha256(want).digest(), f"{got.rc}: {len(got.raw)} bytes of {MIB}")
        sums = r.sh("sha256sum </www/random.bin", on="p0", timeout=120)
        print(f"# {faults.end()}", flush=True)
        now = counters()
        delta = {k: now[k] - before[k] for k in now}
        t.check("there were faults, and they were repaired", delta["softroce.retransmits"] > 0 and
                delta["softroce.drop_icrc"] > 0, delta)
        with open(os.path.join(BUILD, "www", "random.bin"), "rb") as f:
            t.check("so is a file read on the rack", hashlib.sha256(f.read()).hexdigest()
                    in sums.out, sums)
        up = rack("status")
        t.check("nobody was declared dead", up.rc == 0 and "dead" not in up.out, up)
    t.end()


if __name__ == "__main__":
    main()
