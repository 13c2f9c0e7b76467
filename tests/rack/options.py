#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 200
"""Socket options that change what happens, with an outside peer: defaults as on Linux, TCP_CORK and MSG_MORE,
TCP_DEFER_ACCEPT, TCP_USER_TIMEOUT, SO_REUSEPORT over two boards, a full backlog; 2,000 connections at once; and
a pComponent that takes all it can get of an nComponent while another one goes on."""
import difflib
import json
import os
import subprocess
import time

from lib import BUILD, RACK, Rack, Tap, rack

HOST, RACK_IP = "192.168.77.1", "192.168.77.10"
MANY = 2000
FIT_BUF = 4384  # at least so large is a message's buffer; how many are under way at once is the machine's matter

CORK = """
import socket, time
l = socket.create_server(("%s", 7300))
print("ready", flush=True)
c, _ = l.accept()
begin, got = time.monotonic(), []
while (data := c.recv(100)):
    got.append((len(data), time.monotonic() - begin))
print([n for n, _ in got], got[1][1] - got[0][1] > 0.55)
""" % HOST

DEFER = """
import socket, time
c = socket.create_connection(("%s", 7301))
time.sleep(2)
print("sends", flush=True)
c.send(b"hello")
c.recv(1)
""" % RACK_IP

SPREAD = """
import socket
for _ in range(60):
    socket.create_connection(("%s", 7302), timeout=5).close()
print("done")
""" % RACK_IP

BACKLOG = """
import socket, time
socks = []
for _ in range(6):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("%s", 7303))
    socks.append(s)
    time.sleep(0.2) # one after the other: who comes when it is full is not let in
time.sleep(1)
states = [s.getsockopt(socket.IPPROTO_TCP, 11, 8)[0] for s in socks]
print(states.count(1), states.count(2), flush=True)
end, n = time.monotonic() + 25, 0
while n < 6 and time.monotonic() < end: # SYNs come again after 1, 3, 7 and 15 s
    time.sleep(0.1)
    n = sum(s.getsockopt(socket.IPPROTO_TCP, 11, 8)[0] in (1, 8) for s in socks)
print(n)
""" % RACK_IP

CROWD = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
def more(n):
    return [socket.create_connection(("%s", 7304), timeout=20) for _ in range(n)]
socks = more(%d)
print("half", flush=True)
sys.stdin.readline()
socks += more(len(socks))
print("made", flush=True)
sys.stdin.readline()
for s in socks:
    s.send(b"x")
print(sum(s.recv(1) == b"x" for s in socks), flush=True)
""" % (RACK_IP, MANY // 2)

VISITORS = """
import socket
for _ in range(%d):
    with socket.create_connection(("%s", 7305), timeout=20) as s:
        s.send(b"x")
        assert s.recv(1) == b"x"
print("done")
"""


class Ran:
    """A program of the outside or of the rack whose lines we read."""

    def __init__(self, *argv):
        self.p = subprocess.Popen([RACK, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self):
        return self.p.stdout.readline().strip()

    def end(self):
        out, _ = self.p.communicate(timeout=60)
        return out.strip()


def on_rack(board, *argv):
    r = Ran("run", "--on", board, "--", "sockopts", *argv)
    assert r.line() == "ready"
    return r


def outside(source):
    return Ran("client", "--", "python3", "-c", source)


def stats():
    r = rack("stats", "--json")
    return json.loads(r.out) if r.rc == 0 else {}


def defaults(t, r):
    linux = subprocess.run([os.path.join(BUILD, "user", "sockopts"), "defaults"], stdout=subprocess.PIPE).stdout.decode()
    x = r.run("sockopts", "defaults", on="p0")
    t.check("every default is Linux's", x.rc == 0 and linux == x.out,
            "\n".join(difflib.unified_diff(linux.split("\n"), x.out.split("\n"), "linux", "rack", lineterm="", n=0)))


def one_end(t, r):
    for data in ("ddio", "dma"):
        o = outside(CORK)
        o.line()
        x = r.run("sockopts", "cork", HOST, "7300", on="p0", data=data)
        got = o.end()
        t.check(f"{data}: TCP_CORK joins, and lets go; MSG_MORE too", x.rc == 0 and got == "[20, 10] True", (x, got))
    x = r.run("sockopts", "timeout", "192.168.77.99", on="p0")
    t.check("TCP_USER_TIMEOUT", x.out == "timed out\n", x)


def listeners(t):
    """All at once: each waits for seconds of its own."""
    late, p = on_rack("p0", "defer", "7301"), on_rack("p0", "backlog", "7303")
    sender, o = outside(DEFER), outside(BACKLOG)
    a, b = on_rack("p0", "spread", "7302", "8"), on_rack("p1", "spread", "7302", "8")
    done = outside(SPREAD).end()
    n = [int((x.end() or "-1").split()[0]) for x in (a, b)]
    t.check("SO_REUSEPORT spreads over two boards", done == "done" and sum(n) == 60 and min(n) >= 10, (done, n))
    sender.line()
    got = late.end()
    t.check("TCP_DEFER_ACCEPT: accepted with its first bytes", got == "31, with 5 bytes", got)
    sender.end()
    first = o.line()
    p.p.stdin.write("\n")
    p.p.stdin.flush()
    later = o.line()
    t.check("a full backlog drops SYNs, and takes them later", first == "2 4" and later == "6"
            and p.end() == "6 accepted", (first, later))


def crowd(t):
    p = on_rack("p0", "many", "7304", str(MANY))
    o = outside(CROWD)
    o.line()
    time.sleep(1)
    before = stats() # what the first thousand made grow once is no connection's
    o.p.stdin.write("\n")
    o.p.stdin.flush()
    made, there = o.line(), p.line()
    t.check(f"{MANY} connections", made == "made" and there == f"{MANY} there", (made, there))
    for _ in range(10): # what is under way when many come at once is no connection's either
        time.sleep(1)
        now = stats()
        kinds = {b: {k: now[b][k] - before[b].get(k, 0) for k in now[b] if k.startswith("slab.")
                     and now[b][k] - before[b].get(k, 0) > MANY // 20} for b in ("p0", "n0")}
        more = {b: {k: now[b][k] - before[b][k] for k in ("mm.slab_bytes", "slab.fit_buf")} for b in ("p0", "n0")}
        per = {b: (m["mm.slab_bytes"] - m["slab.fit_buf"] * FIT_BUF) // (MANY // 2) for b, m in more.items()}
        if max(per.values()) <= 2048:
            break
    print(f"# bytes of memory for an idle connection, its descriptor included: {per}", flush=True)
    t.check("an idle one costs at most 2 KiB on each board", max(per.values()) <= 2048, (per, kinds))
    o.p.stdin.write("\n")
    o.p.stdin.flush()
    t.check("and all of them work", o.end() == str(MANY) and p.end() == "all ended")


def starving(t):
    """The limit is the owner's: who asked for too much is refused, time after time, and nobody else is."""
    hoard = on_rack("p1", "hoard")
    had = int(hoard.line() or 0)
    t.check("one pComponent gets so many sockets and no more", 8000 < had <= 8192, had)
    p = on_rack("p0", "each", "7305", "200")
    o = outside(VISITORS % (200, RACK_IP))
    got, served = o.end(), p.end()
    t.check("while it goes on asking, another one serves", got == "done" and served == "all served", (got, served))
    refused = int(hoard.end() or 0)
    limit = stats()["n0"].get("proxy.node_limit", 0)
    t.check("every refusal is counted", 1 < refused <= limit, (refused, limit))


def main():
    t = Tap()
    with Rack() as r:
        defaults(t, r)
        one_end(t, r)
        listeners(t)
        crowd(t)
        starving(t)
        s = stats()
        t.check("nothing bad was seen", all(s["p0"].get(k, 0) == 0 for k in ("stub.bad_event", "stub.bad_record")), s["p0"])
    t.end()


if __name__ == "__main__":
    main()
