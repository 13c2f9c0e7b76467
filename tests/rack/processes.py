#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Programs on a pComponent whose exCache is small: processes, threads, signals, memory beyond the cache,
and that everything they held is free on both boards afterwards."""
# timeout: 240
import json
import re

from lib import Rack, Tap, rack

EXCACHE_MIB = 8


def stats():
    r = rack("stats", "--json")
    return json.loads(r.out) if r.rc == 0 else {}


def held(board):
    """What programs may hold on a board: objects of the caches that belong to them. What is known of closed
    files is kept on purpose, and dropped first."""
    rack("run", "--on", "p0", "--", "sh", "-c", "echo 3 >/proc/sys/vm/drop_caches")
    s = stats().get(board, {})
    names = r"slab\.(task|uthread|rmap|thread|m_page|m_vma|p_.*)$"
    return {k: v for k, v in s.items() if re.match(names, k)}


def programs(t, r):
    x = r.run("hello", "a b", "c", on="p0")
    t.check("arguments and output", x.rc == 0 and "2 arguments [a b] [c]" in x.out, x)
    t.check("exit status", r.run("hello", "fail", on="p0").rc == 7)
    x = r.run("no-such-program", on="p0")
    t.check("a program that is not there", x.rc not in (0, None) and "no-such-program" in x.err, x)
    x = r.run("/etc/passwd", on="p0")
    t.check("a file that may not be executed", x.rc not in (0, None) and "/etc/passwd" in x.err, x)
    x = r.sh("printf '#!/bin/sh\\necho script $1 $0\\n' > /tmp/s; chmod +x /tmp/s; /tmp/s one; rm /tmp/s",
             on="p0")
    t.check("a script", x.rc == 0 and x.out == "script one /tmp/s\n", x)
    for name, args in (("threads", ["1000"]), ("signals", []), ("forkcow", ["4"]),
                       ("forkthreads", ["10"])):
        x = r.run(name, *args, on="p0", timeout=60)
        t.check(" ".join([name, *args]), x.rc == 0 and f"{name} ok" in x.out, x)


def beyond_the_cache(t, r):
    before = stats()["p0"]
    x = r.run("bigmem", str(4 * EXCACHE_MIB), "8000", on="p0", timeout=120)
    after = stats()["p0"]
    t.check("a program four times larger than exCache", x.rc == 0 and "bigmem ok" in x.out, x)
    n = 4 * EXCACHE_MIB << 20
    grown = {k: after.get(k, 0) - before.get(k, 0)
             for k in ("excache.writeback_bytes", "excache.fill_bytes")}
    t.check("its lines went out and came back", all(v > n // 2 for v in grown.values()), grown)
    before = after
    x = r.run("streams", str(EXCACHE_MIB), on="p0", timeout=120)
    after = stats()["p0"]
    t.check("mappings that change ahead of who reads in order", x.rc == 0 and "streams ok" in x.out, x)
    ahead = {k: after.get(f"excache.{k}", 0) - before.get(f"excache.{k}", 0)
             for k in ("ahead", "ahead_used", "ahead_wasted", "miss")}
    t.check("most lines were asked for ahead, and used", ahead["miss"] < ahead["ahead"] < 2 * ahead["ahead_used"],
            ahead)
    x = r.sh("bigmem 6 2000 & forkcow 3 & threads 300 & bigmem 5 2000 & signals & wait; echo all",
             on="p0", timeout=120)
    t.check("five at once", x.rc == 0 and x.out.count(" ok\n") == 5 and x.out.endswith("all\n"), x)


def death(t, r):
    x = r.sh("sleep 100 & hello x >/dev/null; kill -9 $!; wait $!; echo $?", on="p0")
    t.check("a sleeper killed", x.out == "137\n", x)
    where = r.start("sleep", "1000", on="p0")
    t.check("a program seen by ps", "sleep 1000" in rack("ps").out, where)
    t.check("killed from outside", rack("kill", where).rc == 0)
    x = rack("ps")
    t.check("and gone", "sleep 1000" not in x.out, x)
    x = r.sh("forkcow 2 >/dev/null & bigmem 12 100000 >/dev/null & sleep 1; kill -9 %1 %2; wait; echo dead",
             on="p0")
    t.check("killed while missing lines", x.out.endswith("dead\n"), x)


def main():
    t = Tap()
    with Rack("--set", f"board.p0.excache={EXCACHE_MIB}M") as r:
        r.run("hello", on="p0")
        first = held("p0"), held("m0")
        programs(t, r)
        beyond_the_cache(t, r)
        death(t, r)
        last = held("p0"), held("m0")
        t.check("nothing is held on p0 afterwards", first[0] == last[0], (first[0], last[0]))
        t.check("nothing is held on m0 afterwards", first[1] == last[1], (first[1], last[1]))
    t.end()


if __name__ == "__main__":
    main()
