#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The same static program that exercises TCP sockets, on this Linux and on the rack: joined inside the rack,
and with net.local=off (p1) in ddio and in dma. The outputs, every result and errno, must be the same;
afterwards no socket is left on any board."""
# timeout: 240
import difflib
import json
import os
import subprocess
import time

from lib import BUILD, Rack, Tap, rack


def stats(board):
    r = rack("stats", "--json")
    return json.loads(r.out).get(board, {}) if r.rc == 0 else {}


def legs(board):
    return stats(board).get("slab.net_leg", -1)


def main():
    t = Tap()
    linux = subprocess.run([os.path.join(BUILD, "user", "socktest")], stdout=subprocess.PIPE,
                           timeout=150).stdout.decode()
    with Rack("--set", "board.p1.append=net.local=off") as r:
        for board, local, modes in (("p0", "on", ("ddio",)), ("p1", "off", ("ddio", "dma"))):
            for data in modes:
                one(t, r, linux, board, data, f"local={local}, {data}")
            after(t, board)
            joined = stats(board).get("stub.joined_self", 0)
            t.check(f"joined {joined} times", (joined > 0) == (local == "on"), joined)
    t.end()


def one(t, r, linux, board, data, name):
    x = r.run("socktest", on=board, data=data, timeout=150)
    diff = list(difflib.unified_diff(linux.split("\n"), x.out.split("\n"), "linux", data,
                                     lineterm="", n=0))
    t.check(f"{name}: as on Linux", x.rc == 0 and not diff, "\n".join(diff) or x)


def after(t, board):
    for _ in range(60):
        if legs(board) == 0:
            break
        time.sleep(0.5)
    t.check("no handle is left", legs(board) == 0, legs(board))
    s = stats(board)
    t.check("no bad event", all(s.get(k, 0) == 0 for k in
                                ("stub.bad_event", "stub.bad_record", "stub.window_violation")),
            {k: v for k, v in s.items() if k.startswith("stub.")})


if __name__ == "__main__":
    main()
