#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Connections inside the rack: between two pComponents and on one, contents compared; they pass no
nComponent and outlive its death; a listener that is gone refuses, a peer that dies resets."""
# timeout: 240
import hashlib
import json
import os
import threading
import time

from lib import BUILD, Rack, Tap, rack

ADDRESS = "192.168.77.10"


def stats(board):
    """Also where other boards are dead and the verb says so by its status."""
    return json.loads(rack("stats", "--json").out or "{}").get(board, {})


def figures(board, *names):
    s = stats(board)
    return {n: s.get(n, 0) for n in names}


def fetch(r, on, url):
    return r.sh(f"wget -q -O - {url} | md5sum", on=on).out.split()[:1]


def transfers(t, r, md5):
    before = figures("n0", "lwip.rx_bytes", "dddio.tx_bytes", "dddio.rx_bytes")
    for on, url in (("p1", f"http://{ADDRESS}/random.bin"), ("p0", f"http://{ADDRESS}/random.bin"),
                    ("p0", "http://127.0.0.1/random.bin"), ("p1", "http://127.0.0.1/random.bin")):
        got = fetch(r, on, url)
        t.check(f"{on} {url}: same contents", got == [md5], got)
    after = figures("n0", "lwip.rx_bytes", "dddio.tx_bytes", "dddio.rx_bytes")
    moved = sum(after.values()) - sum(before.values())
    t.check("the nComponent carried none of it", moved < 1 << 20, (before, after))
    s0, s1 = figures("p0", "stub.joined_self"), figures("p1", "stub.joined")
    t.check("two on one board, two between boards", s0["stub.joined_self"] == 2 and
            s1["stub.joined"] == 2, (s0, s1))


def until(what, seconds=15):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.3)


def refusals(t, r):
    x = r.sh(f"wget -q -O - http://{ADDRESS}:81/", on="p1")
    t.check("nobody listens: refused", x.rc != 0 and "refused" in x.err, x)
    pid = r.start("busybox", "httpd", "-f", "-p", "82", "-h", "/www", on="p0")
    get = f"wget -q -O /dev/null http://{ADDRESS}:82/"
    until(lambda: r.sh(get, on="p1").rc == 0)
    rack("kill", "-s", "KILL", pid)
    until(lambda: r.sh(get, on="p1").rc != 0)
    x = r.sh(get, on="p1")
    t.check("the listener is gone: refused", x.rc != 0 and "refused" in x.err, x)


def stream(r, port, lines):
    """p0 sends a line a second to p1; a thread that leaves p1's result in its list."""
    r.start("sh", "-c", f"i=0; (while [ $i -lt {lines} ]; do i=$((i+1)); echo $i; sleep 1; done) |"
            f" nc -l -p {port}", on="p0")
    time.sleep(1)
    got = []
    th = threading.Thread(target=lambda: got.append(
        r.sh(f"{{ sleep 99 & echo $! >/tmp/{port}; wait; }} | "
             f"{{ nc {ADDRESS} {port}; kill $(cat /tmp/{port}); }}", on="p1", timeout=lines + 40)))
    th.start()
    time.sleep(2)
    return th, got


def heard(r):
    """What a server of datagrams and a listener answer to the outside."""
    got = []
    until(lambda: got.append(r.client("sh", "-c", f"echo ping | nc -u -w 1 {ADDRESS} 7500").out) or got[-1])
    until(lambda: got.append(r.client("curl", "-s", "-m", "3", f"http://{ADDRESS}/").rc) or got[-1] == 0)
    return got[-1] == 0 and "ping\n" in got


def deaths(t, r):
    r.start("udpecho", "serve", "7500", "99", on="p1")
    t.check("heard from outside", heard(r))
    th, got = stream(r, 83, 12)
    th2, got2 = stream(r, 84, 90)
    rack("crash", "n0")
    th.join()
    t.check("the nComponent's death ends nothing",
            got[0].out.split() == [str(i) for i in range(1, 13)], got)
    t.check("nor the other connection", th2.is_alive(), got2)
    x = rack("boot", "n0")
    t.check("an nComponent that is back hears for those who were bound before", x.rc == 0 and heard(r), x)
    before = figures("p1", "stub.reset")["stub.reset"]
    rack("crash", "p0")
    th2.join()
    after = figures("p1", "stub.reset")["stub.reset"]  # busybox nc says nothing of it
    t.check("the other pComponent's death resets", got2[0].rc is not None and after == before + 1,
            (before, after))


def main():
    t = Tap()
    with open(os.path.join(BUILD, "www", "random.bin"), "rb") as f:
        md5 = hashlib.md5(f.read()).hexdigest()
    with Rack("--set", "board.manager.append=member.missed=3") as r: # dead after 6 s
        r.start("busybox", "httpd", "-f", "-p", "80", "-h", "/www", on="p0")
        until(lambda: r.client("curl", "-s", f"http://{ADDRESS}/").rc == 0)
        transfers(t, r, md5)
        refusals(t, r)
        deaths(t, r)
    t.end()


if __name__ == "__main__":
    main()
