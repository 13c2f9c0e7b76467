#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 150
"""The managers as a program on a Linux VM with rdma_rxe, the rest of the rack on boards: programs run, a web
server serves, a death is declared and a restarted board comes back in the view; Linux's RDMA stack saw no error."""
import hashlib
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "rack"))
import lib  # noqa: E402

FIT_MANAGERS = os.path.join(lib.BUILD, "host", "fit-managers")
SERVER = "192.168.77.10"
ADDRESS = f"http://{SERVER}/index.html"


def need():
    """What cannot be had is a reason to skip."""
    env = {k: v for k, v in os.environ.items() if k != "BUILD"}
    for what in ("linux", "rdma"):
        r = subprocess.run([os.path.join(lib.TOP, "scripts", "fetch"), what])
        if r.returncode:
            print(f"packages of {what} cannot be fetched")
            sys.exit(77)
    if not os.path.exists(FIT_MANAGERS):
        subprocess.run(["make", "-s", "-C", lib.TOP, "linux-tools"], env=env)
    if not os.path.exists(FIT_MANAGERS):
        print("fit-managers cannot be built here")
        sys.exit(77)


def fetch_page(r):
    """httpd was just started: it may take a moment until it listens."""
    for _ in range(20):
        got = r.client("curl", "-sSf", "--max-time", "5", ADDRESS)
        if got.rc == 0:
            return got
        time.sleep(0.3)
    return got



def web_server(t, r):
    want = r.sh("busybox sha256sum /www/index.html")
    r.start("busybox", "httpd", "-f", "-p", "80", "-h", "/www", on="p0")
    got = fetch_page(r)
    t.check("a page of httpd on p0", got.rc == 0 and want.rc == 0
            and hashlib.sha256(got.raw).hexdigest() == want.out.split(" ")[0], f"{want}\n{got}")


def manager_counters():
    s = lib.rack("stats", "--json")  # its status also says that another board is dead
    return json.loads(s.out)["manager"] if s.out.startswith("{") else {}


def death(t, r):
    lib.rack("crash", "p1")
    for _ in range(100):  # five heartbeats of two seconds, by default
        if int(manager_counters().get("board.members", 99)) == 4:
            break
        time.sleep(0.3)
    t.check("the managers declare a crashed board dead",
            int(manager_counters().get("board.members", 99)) == 4)
    still = r.sh("echo yes", on="p0")
    t.check("the others go on", still.out == "yes\n", still)


def main():
    need()
    t = lib.Tap()
    with lib.Rack("--set", "managers=linux", "--set", "timeout=100") as r:
        log = lib.rack("logs", "manager").out
        t.check("the managers run on libibverbs", re.search(r"ibverbs: rxe0", log), log)
        out = r.sh("busybox uname -s; busybox wc -l < /etc/passwd", on="p0")
        t.check("a program started by GPM", out.rc == 0 and out.out.startswith("Linux\n"), out)
        both = r.sh("echo p1", on="p1")
        t.check("and on another board", both.out == "p1\n", both)
        web_server(t, r)
        c = manager_counters()
        t.check("the managers' verbs saw no error", int(c.get("ibverbs.errors", 0)) == 0
                and int(c.get("ibverbs.completions", 0)) > 0, c)
        death(t, r)
    t.end()


main()
