#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 240
"""Cases over files, memory, processes, threads, signals and events (tests/abi/calls) on a Linux VM and on
a pComponent. Arguments choose cases (NAME or PREFIX*)."""
import json
import re
import sys
import time

from abilib import Compared, Linux, parse, rack
from lib import Rack

LIMIT = 200
HELD = re.compile(r"slab\.(task|uthread|thread|rmap|file|pipe|m_page|m_vma|m_leaves)$")


def held():
    s = json.loads(rack("stats", "--json").out or "{}")
    return {f"{b}.{k}": v for b in ("p0", "m0") for k, v in s.get(b, {}).items() if HELD.match(k)}


def settled(before):
    """What is held more than before, once it has had time to go."""
    for _ in range(30):
        after = held()
        more = {k: (before.get(k), v) for k, v in after.items() if v > before.get(k, 0)}
        if not more:
            break
        time.sleep(0.3)
    return more


def main(names):
    t = Compared()
    linux = Linux("calls", names, timeout=LIMIT)
    with Rack() as r:
        r.sh("hello; crash segv; ls /tmp", on="p0")
        before = held()
        x = r.run("abi-calls", *names, on="p0", timeout=LIMIT)
        there, complete = parse(x.out)
        more = settled(before)
    want, whole = linux.cases()
    t.compare("", want, there)
    t.check("the run on Linux came to its end", whole)
    t.check("the run on the rack came to its end", complete, x)
    t.check("nothing is held afterwards", before and not more, more)
    t.end()


if __name__ == "__main__":
    main(sys.argv[1:])
