#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 400
"""Cases over sockets (tests/abi/net) on a Linux VM and on a pComponent, in both data configurations, all
against the same peer on the external side. Arguments choose cases (NAME or PREFIX*). Random sequences run once more on
p1, where connections are not joined: each end has a skeleton."""
import json
import re
import subprocess
import sys
import time
from abilib import HERE, RACK, Compared, Linux, parse, rack
from lib import Rack

LIMIT = 180
HOST = "192.168.77.1"
LINUX = "192.168.77.20/24"
HELD = re.compile(r"slab\.(net_leg|task|file|pipe|uthread)$")


def held():
    s = json.loads(rack("stats", "--json").out or "{}")
    return {f"{b}.{k}": v for b in ("p0", "p1") for k, v in s.get(b, {}).items() if HELD.match(k)}


def settled(before):
    for _ in range(60):
        after = held()
        more = {k: (before.get(k), v) for k, v in after.items() if v > before.get(k, 0)}
        if not more:
            break
        time.sleep(0.5)
    return more


def start_peer():
    p = subprocess.Popen([RACK, "client", "--", f"{HERE}/net/peer.py", "--bind", HOST],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    if p.stdout.readline() != b"peer: ready\n":
        raise RuntimeError("the peer did not start")
    return p


def run(t, r, names):
    """{label: cases}"""
    there, seeds = {}, [n for n in names if n.startswith("random")] or ["random*"] * (not names)
    for label, on, which in (("", "p0", names), (", apart", "p1", seeds)):
        for data in ("ddio", "dma"):
            if seeds or on == "p0":
                x = r.run("abi-net", *which, on=on, data=data, timeout=LIMIT)
                there[data + label], complete = parse(x.out)
                t.check(f"the run in {data}{label} came to its end", complete, x)
    return there


def main(names):
    t = Compared()
    with Rack("--set", "board.p1.append=net.local=off") as r:
        peer = start_peer()
        linux = Linux("net", names, before=(RACK, "client", "--"),
                      options=("--nic", f"e1000e,ip={LINUX}"), timeout=LIMIT)
        for on in ("p0", "p1"):
            r.run("abi-net", "connect_blocking", on=on)
        before = held()
        there = run(t, r, names)
        want, whole = linux.cases()
        t.check("the run on Linux came to its end", whole)
        more = settled(before)
        t.check("nothing is held afterwards", before and not more, more)
        peer.terminate()
        peer.wait()
    for data, cases in there.items():
        mine = {n: c for n, c in want.items() if n.startswith("random")} if "apart" in data else want
        t.compare(data + "/", mine, cases)
    t.end()


if __name__ == "__main__":
    main(sys.argv[1:])
