#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 300
"""Programs that check themselves (user/), each on this machine's Linux and on a pComponent with a
small exCache: the same answers, and nothing stays behind. Then programs that crash, and files that
are no programs."""
import json
import os
import re
import subprocess

from lib import BUILD, Rack, Tap, rack

EXCACHE_MIB = 16
PROGRAMS = (  # and their seconds on the rack
    (["basics"], 30),
    (["threads"], 60),
    (["signals"], 60),
    (["pipes"], 60),
    (["files"], 60),
    (["badptr"], 60),
    (["procs"], 60),
    (["vdso"], 30),
    (["exec"], 60),
    (["dyn-exec"], 60),
    (["pseudo"], 60),
    (["locks"], 60),
    (["unixsock"], 60),
    (["inet6"], 30),
    (["fdcalls"], 60),
    (["forkcow", str(EXCACHE_MIB + 4)], 90),
    (["bigmem", str(4 * EXCACHE_MIB), "10000"], 120),
    (["dyn-basics"], 30),
    (["dyn-threads"], 60),
)
CRASHES = (("segv", 11), ("jump", 11), ("stack", 11), ("kernel", 11), ("privileged", 11),
           ("illegal", 4), ("divide", 8), ("trap", 5), ("abort", 6))
HELD = re.compile(r"slab\.(task|uthread|thread|rmap|p_\w+|m_page|m_vma|m_leaves)$")


def held(r):
    """What programs hold, on the board that runs them and on the one that has their memory."""
    r.sh("echo 3 >/proc/sys/vm/drop_caches", on="p0")
    s = json.loads(rack("stats", "--json").out or "{}")
    return {f"{b}.{k}": v for b in ("p0", "m0") for k, v in s.get(b, {}).items() if HELD.match(k)}


def natively(argv):
    r = subprocess.run([os.path.join(BUILD, "user", argv[0]), *argv[1:]], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, cwd="/")
    return r.returncode, r.stdout.decode("utf-8", "replace")


def programs(t, r):
    for argv, seconds in PROGRAMS:
        name = " ".join(argv)
        rc, linux = natively(argv)
        t.check(f"{name}, on Linux", rc == 0 and f"{argv[0].replace('dyn-', '')} ok" in linux, linux)
        x = r.run(*argv, on="p0", timeout=seconds)
        t.check(f"{name}, on the rack", x.rc == 0 and x.out == linux, x)


def crashes(t, r):
    for how, sig in CRASHES:
        x = r.run("crash", how, on="p0")
        t.check(f"crash {how}: signal {sig}", x.rc == 128 + sig and x.out == f"crash {how}\n", x)
    x = r.sh("crash segv >/dev/null; echo $?; crash abort >/dev/null; echo $?", on="p0")
    t.check("seen by the parent", x.out == "139\n134\n", x)
    x = r.run("hello", on="p0")
    t.check("the board goes on", x.rc == 0, x)


def refused(t, r):
    for what, said, argv in (
            ("not there", "not found", ["no-such-program"]),
            ("not an ELF file", "ELF", ["/tmp/junk"]),
            ("dynamic, without its interpreter", "not found", ["dynamic"])):
        r.sh("echo neither > /tmp/junk; chmod +x /tmp/junk", on="p0")
        x = r.run(*argv, on="p0")
        line = x.err.strip()
        t.check(f"{what}: one line says so", x.rc == 125 and not x.out and "\n" not in line
                and said in line and argv[0] in line, x)
    x = r.sh("no-such-program; echo $?; /tmp/junk; echo $?; dynamic; echo $?; rm /tmp/junk",
             on="p0")
    t.check("the same below a shell", x.rc == 0 and x.out.split("\n")[0] == "127"
            and x.out.strip().endswith("127"), x)


def traced(t, r):
    x = rack("run", "--on", "p0", "--strace", "--", "sh", "-c", "hello one; exit 3")
    t.check("traced: the program's own output and status", x.rc == 3 and x.out.startswith("hello")
            and x.out.count("\n") == 1, x)
    calls = set(re.findall(r"^\[\d+\] (\w+)\(", x.err, re.M))
    t.check("traced: its calls and its child's", {"execve", "write", "uname", "exit_group"} <= calls
            and 'execve("/bin/hello"' in x.err and "= -1 ENOENT" not in x.out, x)


def main():
    t = Tap()
    with Rack("--set", f"board.p0.excache={EXCACHE_MIB}M") as r:
        r.sh("hello; crash segv; ls /tmp", on="p0")
        before = held(r)
        programs(t, r)
        crashes(t, r)
        refused(t, r)
        traced(t, r)
        after = held(r)
        t.check("nothing is held afterwards", before and before == after,
                {k: (before.get(k), v) for k, v in after.items() if before.get(k) != v})
        left = r.sh("ls /tmp", on="p0")
        t.check("no files are left", left.rc == 0 and left.out == "", left)
    t.end()


if __name__ == "__main__":
    main()
