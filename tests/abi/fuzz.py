#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 150
"""Random system calls (tests/abi/fuzz) on a pComponent: no board ends or logs a panic, programs run
afterwards, what programs hold goes back to what it was. FUZZ_SECONDS (15), FUZZ_SEED (1, then on)."""
import os
import sys
import time

from abilib import rack
from calls import held, settled
from lib import BUILD, Rack, Tap

SECONDS = int(os.environ.get("FUZZ_SECONDS", 15))
SEED = int(os.environ.get("FUZZ_SEED", 1))
SLICE = 60  # seconds of one seed
BOARDS = ("manager", "p0", "p1", "m0", "n0")


def panics():
    found = []
    for b in BOARDS:
        path = os.path.join(BUILD, "rack", os.environ["RACK"], "logs", f"{b}.log")
        with open(path, errors="replace") as f:
            found += [f"{b}: {line.strip()}" for line in f if "panic:" in line or "PANIC" in line]
    return found


def one_seed(t, r, seed, seconds, before):
    x = r.run("abi-fuzz", str(seed), str(seconds), on="p0", timeout=seconds + 60)
    good = t.check(f"seed {seed}, {seconds} s: the fuzzer comes to its end",
                   x.rc == 0 and "calls" in x.out, x)
    print(f"# {x.out.strip()}", flush=True)
    bad = panics()
    t.check(f"seed {seed}: no monitor has panicked", not bad, "\n".join(bad[:12]))
    for board in ("p0", "p1"):
        y = r.run("hello", on=board, timeout=30)
        t.check(f"seed {seed}: {board} runs a program", y.rc == 0, y)
    more = settled(before)
    t.check(f"seed {seed}: nothing is held afterwards", not more, more)
    return good and not bad


def main():
    t = Tap()
    with Rack("--set", "board.p0.excache=16M") as r:
        r.run("abi-fuzz", "0", "1", on="p0")
        time.sleep(0.5)
        before, seed, left = held(), SEED, SECONDS
        t.check("the counters are there", bool(before) and rack("status").rc == 0)
        while left > 0 and one_seed(t, r, seed, min(left, SLICE), before):
            left -= SLICE
            seed += 1
    t.end()


if __name__ == "__main__":
    sys.exit(main())
