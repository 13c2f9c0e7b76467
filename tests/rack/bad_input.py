#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 240
"""Bad input to a whole rack: one clear line, a status that is not 0, nothing left running, and the rack serves on.

Descriptions are tested one by one in verbs.py; here a few of them meet the real thing.
"""
import json
import os
import re
import sys
import time

from lib import TOP, Rack, Tap, rack

GARBAGE = os.path.join(TOP, "tests", "rack", "garbage.py")
SENT = 5  # frames of each kind


def refused(t, what, said, *up):
    """`rack up` fails with one line on stderr that says all of `said`, and leaves nothing."""
    r = rack("up", *up, timeout=120)
    line = r.err.strip()
    t.check(f"{what}: refused in one line", r.rc == 1 and "\n" not in line
            and all(s in line for s in said), r)
    t.check(f"{what}: nothing is left running", rack("status").rc != 0)
    return r


def bad_racks(t):
    refused(t, "an unknown key", ["board.p0.cpuz: unknown key"], "--set", "board.p0.cpuz=3")
    refused(t, "an address twice", ["10.77.0.11 is already used by board.p0.ip"],
            "--set", "board.p1.ip=10.77.0.11")
    r = refused(t, "a board that stops while it boots", ["board m0:"],
                "--set", "board.m0.append=fabric.dev=nothing0")
    t.check("and the end of its log tells why", "fabric.dev=nothing0" in r.out, r)
    r = refused(t, "a manager that nobody reaches", ["did not come up in 8 s"],
                "--set", "board.m0.append=manager.ip=10.77.0.99", "--set", "timeout=8")
    late = re.search(r"board (\w+): did not come up", r.err)
    t.check("the log of what is late is shown", late and f"[{late[1]} " in r.out, r)


def bad_programs(t, r):
    for what, said, argv in (
            ("a program that is not there", ["/bin/nothing", "not found"], ["/bin/nothing"]),
            ("nor in PATH", ["nothing", "not found"], ["nothing"]),
            ("a file that is no program", ["/www/index.html"], ["/www/index.html"]),
            ("a directory", ["/etc"], ["/etc"])):
        got = r.run(*argv)
        t.check(f"{what}: {' '.join(said)}", got.rc == 125 and not got.out
                and len(got.err.strip().split("\n")) == 1 and all(s in got.err for s in said), got)
    made = r.sh("head -c 100 /bin/busybox >/tmp/short; echo junk >/tmp/junk; chmod +x /tmp/short /tmp/junk")
    t.check("files made for it", made.rc == 0, made)
    for name in ("/tmp/short", "/tmp/junk"):
        got = r.run(name)
        t.check(f"{name}: not an ELF", got.rc == 125 and "ELF" in got.err and name in got.err, got)
    got = r.run("ls", on="n0")
    t.check("a board without processes", got.rc == 125 and "ncomponent" in got.err, got)
    got = r.run("ls", on="p9")
    t.check("a board that is not there", got.rc == 125 and "no board 'p9'" in got.err, got)
    got = r.run("x" * 5000)
    t.check("a name longer than any", got.rc == 125 and got.err.count("\n") == 1, got)
    got = r.sh("kill -SEGV $$")
    t.check("a program that crashes: its signal", got.rc == 139 and "SIGSEGV" in got.err, got)


def counters(board):
    return json.loads(rack("stats", "--json").out or "{}").get(board, {})


def garbage(t, r, board, what, interface, mac, address, prefix):
    """Every kind of bad frame raises its counter; the board answers afterwards."""
    before = counters(board)
    got = r.client(sys.executable, GARBAGE, what, interface, mac, address)
    t.check(f"{board}: bad frames are sent on {interface}", got.rc == 0, got)
    want = {}
    for line in got.out.strip().split("\n"):
        counter, _, kind = line.partition(" ")
        want.setdefault(counter, []).append(kind)
    time.sleep(0.5)
    after = counters(board)
    for counter, kinds in want.items():
        key = f"{prefix}.{counter}"
        grown = after.get(key, 0) - before.get(key, 0)
        t.check(f"{board}: dropped and counted as {counter}: {', '.join(kinds)}",
                grown >= SENT * len(kinds), f"{key} grew by {grown}")


def wire(t, r):
    garbage(t, r, "m0", "roce", "fabric", "52:54:00:77:00:04", "10.77.0.21", "softroce")
    garbage(t, r, "p0", "roce", "fabric", "52:54:00:77:00:02", "10.77.0.11", "softroce")
    garbage(t, r, "n0", "ip", "eth", "52:54:00:77:01:05", "192.168.77.10", "lwip")
    status = json.loads(rack("status", "--json").out)
    t.check("every board is still up", all(b["state"] == "up" for b in status["boards"]), status)
    got = r.sh("echo serves; cat /www/index.html | wc -c")
    t.check("programs still run", got.rc == 0 and got.out.startswith("serves"), got)


def crash(t, r):
    ident = r.start("sleep", "100", on="p1")
    t.check("a program runs on p1", ident.startswith("p1:"), ident)
    rack("crash", "p1")
    status = rack("status")
    row = next((x for x in status.out.split("\n") if x.startswith("p1")), "")
    t.check("a board that crashes is named", "dead" in row, status)
    got = rack("logs", "p1")
    t.check("its log is kept", "[p1 " in got.out, got)
    got = r.run("ls", on="p1")
    t.check("it runs nothing any more, and says so", got.rc == 125 and "p1" in got.err, got)
    got = r.sh("echo goes on", on="p0")
    t.check("the others go on", got.out == "goes on\n", got)


def main():
    t = Tap()
    bad_racks(t)
    with Rack() as r:
        bad_programs(t, r)
        wire(t, r)
        crash(t, r)
    t.end()


if __name__ == "__main__":
    main()
