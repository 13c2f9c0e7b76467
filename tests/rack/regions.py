#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 240
"""A program's memory on two small mComponents, in regions: sockets whose bytes lie on both, a working set larger than
either, random changes of mappings, fork, no memory left, the death of one. user/regions.c compares every page."""
import json
import os
import shutil
import subprocess
import tempfile
import time

import regions_sockets
from lib import BUILD, Rack, Tap, rack

TOML = """name = "regions"
timeout = 120
[fabric]
network = "10.84.0.0/24"
[ethernet]
network = "192.168.84.0/24"
host = "192.168.84.1"
[board.manager]
role = "manager"
ip = "10.84.0.2"
memory = "128M"
append = "gmm.policy=spread member.missed=3"
[board.p0]
role = "pcomponent"
ip = "10.84.0.11"
memory = "128M"
excache = "16M"
append = "mem.region=2M net.sockmem=1M"
[board.m0]
role = "mcomponent"
ip = "10.84.0.21"
memory = "64M"
initrd = "{initrd}"
[board.m1]
role = "mcomponent"
ip = "10.84.0.22"
memory = "64M"
initrd = "{initrd}"
[board.n0]
role = "ncomponent"
ip = "10.84.0.31"
memory = "128M"
eth = "192.168.84.10"
"""
BOARDS = ("m0", "m1")


def make_initrd(folder):
    root = os.path.join(folder, "root")
    for d in ("bin", "tmp"):
        os.makedirs(os.path.join(root, d))
    for program in ("regions", "byref"):
        shutil.copy(os.path.join(BUILD, "user", program), os.path.join(root, "bin"))
    names = "bin\ntmp\nbin/regions\nbin/byref\n"
    path = os.path.join(folder, "small.cpio")
    with open(path, "wb") as f:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names.encode(),
                       stdout=f, check=True)
    return path


def counters():
    return json.loads(rack("stats", "--json").out or "{}")


def held():
    """What mComponents have beside files."""
    s = counters()
    return {f"{b}.{k}": s.get(b, {}).get(f"slab.{k}", 0) for b in BOARDS
            for k in ("m_page", "m_vma", "m_job")}


def back_to(r, want, seconds=10):
    r.run("regions", "drop")
    end = time.monotonic() + seconds
    while held() != want and time.monotonic() < end:
        time.sleep(0.3)
    return held()


def far_open():
    """Files of one mComponent that another has open."""
    s = counters()
    return {b: s[b].get("mfar.opens", 0) - s[b].get("mfar.closes", 0) - s[b].get("mfar.errors", 0)
            for b in BOARDS}


def spread(t, r):
    r.run("regions", "drop")
    base = held()
    s = counters()
    mib = max(s[b]["mm.free_pages"] for b in BOARDS) // 256 + 4
    x = r.run("regions", "large", str(mib), timeout=120)
    t.check(f"a program of {mib} MiB, more than one mComponent has, forks twice",
            x.rc == 0 and x.out.endswith("large ok\n"), x)
    s = counters()
    t.check("both have had lines of it",
            all(s[b].get("mline.writeback", 0) > 2000 for b in BOARDS), s)
    for seed in range(1, 13): # which keepers a page moves between is the addresses' chance
        x = r.run("regions", "ops", str(seed), "40", timeout=60)
        t.check(f"random changes of mappings over ten regions, seed {seed}", x.out == "ops ok\n", x)
        copied = counters()["p0"].get("excache.moved_copy", 0)
        if copied and seed > 1:
            break
    x = r.run("regions", "shared", timeout=60)
    t.check("shared memory, a mapped file and the heap over many regions", x.out == "shared ok\n", x)
    t.check("pages were copied from one to the other by mremap", copied > 0)
    end = time.monotonic() + 8
    while any(far_open().values()) and time.monotonic() < end:
        time.sleep(0.3)
    t.check("neither keeps files of the other open that nobody maps", not any(far_open().values()), far_open())
    t.check("each has nothing left of them", back_to(r, base) == base, (base, held()))


def full(t, r):
    base = held()
    x = r.run("regions", "eat", timeout=60)
    t.check("no memory left: the program that took it is ended, others are not",
            x.rc == 137 and "MiB" in x.out, x)
    t.check("all of it is free again", back_to(r, base) == base, (base, held()))
    x = r.run("regions", "shared", timeout=60)
    t.check("the rack goes on", x.out == "shared ok\n", x)


def has_files(board):
    return "root in memory" in rack("logs", board).out


def on_both():
    return all(held()[f"{b}.m_page"] > 1000 for b in BOARDS)


def hold_on_both(r):
    """Starts a program with memory on both. GMM goes by what it believes to be free, and memory that was given
    back a moment ago it counts as promised for a while: it is asked again until then."""
    end = time.monotonic() + 40
    while True:
        large = r.start("regions", "hold", "20")
        seen = time.monotonic() + 5
        while not on_both() and time.monotonic() < seen:
            time.sleep(0.3)
        if on_both() or time.monotonic() > end:
            return large
        rack("kill", large)
        r.run("regions", "drop")


def death(t, r):
    large = hold_on_both(r)
    small = [r.start("regions", "hold", "0") for _ in range(4)]
    t.check("the large one has memory on both", on_both(), held())
    victim = "m1" if has_files("m0") else "m0"
    rack("crash", victim)
    end = time.monotonic() + 30
    while "is gone" not in rack("logs", "p0").out and time.monotonic() < end:
        time.sleep(0.5)
    time.sleep(1)
    ps = rack("ps").out
    left = [p for p in small if p + " " in ps]
    t.check("it ends, and those whose home that was", large + " " not in ps and 0 < len(left) < 4,
            ps)
    t.check("the log says why",
            f"regions[{large.split(':')[1]}]: SIGBUS, memory of it was on {victim}, which is gone" in
            rack("logs", "p0").out, rack("logs", "p0").out[-800:])
    x = r.run("regions", "shared", timeout=60)
    t.check("what starts now has its memory on the other", x.out == "shared ok\n", x)


def main():
    t = Tap()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rack.toml")
        with open(path, "w", encoding="ascii") as f:
            f.write(TOML.format(initrd=make_initrd(folder)))
        with Rack("-c", path) as r:
            regions_sockets.run(t, r, "192.168.84.10")
            spread(t, r)
            full(t, r)
            death(t, r)
    t.end()


if __name__ == "__main__":
    main()
