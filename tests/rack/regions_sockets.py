# SPDX-License-Identifier: GPL-2.0-only
"""For regions.py: sockets in `dma` whose bytes lie on two mComponents. Two programs with different homes, each with its own
socket memory; then a file of one and a program's memory on both, by reference, also within one connection. Both
connections are open and stand still while counters are looked at, so what is there is there at once."""
import json
import subprocess
import time

from byref import expected
from lib import RACK, rack

MIB = 1 << 20
BOARDS = ("m0", "m1")

# Connects to all ports, then obeys: "I N" takes N bytes of connection I, "end" what is left of all, in turn.
CLIENT = r"""
import hashlib, socket, sys, time
def connect(port):
    for i in range(100):
        try:
            s = socket.create_connection((sys.argv[1], int(port)), 20)
            s.settimeout(60)
            return s
        except OSError:
            time.sleep(0.1)
conns = [[connect(p), 0, hashlib.sha256()] for p in sys.argv[2:]]
print("connected", flush=True)
def take(c, n):
    b = c[0].recv(min(n, 65536))
    c[1] += len(b)
    c[2].update(b)
    return len(b)
for line in sys.stdin:
    if line == "end\n":
        break
    i, n = map(int, line.split())
    while n:
        n -= take(conns[i], n) or n
    print("taken", flush=True)
left = list(conns)
while left:
    left = [c for c in left if take(c, 65536)]
for c in conns:
    print(c[1], c[2].hexdigest(), flush=True)
"""


def counters():
    return json.loads(rack("stats", "--json").out or "{}")


def on_boards(s, key):
    return [s.get(b, {}).get(key, 0) for b in BOARDS]


def grown(before, after, key):
    return [b - a for a, b in zip(on_boards(before, key), on_boards(after, key))]


class Client:
    def __init__(self, address, ports):
        self.p = subprocess.Popen([RACK, "client", "--", "python3", "-c", CLIENT, address, *map(str, ports)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.connected = self.p.stdout.readline() == "connected\n"

    def take(self, i, n):
        self.p.stdin.write(f"{i} {n}\n")
        self.p.stdin.flush()
        return self.p.stdout.readline() == "taken\n"

    def rest(self):
        try:
            return self.p.communicate("end\n", timeout=90)[0].splitlines()
        except subprocess.TimeoutExpired:
            self.p.kill()
            return self.p.communicate()[0].splitlines()


def until(what, seconds=15):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.1)
    return what()


def pools():
    return counters()["p0"].get("stub_dma.pools", 0)


def two_homes(r, n):
    """Servers until there is one of each home: the first and the last. Each home's first socket makes a pool."""
    pids, ports = [], []
    while len(pids) < 12:
        ports.append(7200 + len(ports))
        pids.append(r.start("byref", str(ports[-1]), "memory0", str(n), on="p0", data="dma"))
        if until(lambda: pools() >= min(len(pids), 2), 15 if len(pids) == 1 else 1):
            if len(pids) > 1:
                break
    for pid in pids[1:-1]:
        rack("kill", "-s", "KILL", pid)
    return [ports[0], ports[-1]]


def socket_memory(t, r, address):
    n = 2 * MIB
    ports = two_homes(r, n)
    t.check("programs of both homes have socket memory there", pools() == 2, pools())
    before = counters()
    c = Client(address, ports)
    got = c.rest() if c.connected else []
    after = counters()
    t.check("each gets its bytes, while the other does", got == [expected(n)] * 2, got)
    sent = grown(before, after, "softroce.tx_payload_bytes")
    read = after["n0"]["ddma.read_bytes"] - before["n0"].get("ddma.read_bytes", 0)
    t.check("each mComponent had those of its own program", min(sent) >= n and read >= 2 * n and
            not any(grown(before, after, "mheld.fetched_bytes")), (sent, read))


def held():
    return on_boards(counters(), "slab.m_hold")


def by_reference(t, r, address):
    memory, file = 8 * MIB, 3 * MIB + 17
    before = counters()
    r.start("byref", "7220", "memory40", str(memory), on="p0", data="dma")
    r.start("byref", "7221", "sendfile", str(file), on="p0", data="dma")
    c = Client(address, (7220, 7221))
    both = False
    for _ in range(6): # a region of the memory is 2 MiB
        both = c.connected and until(lambda: all(held()), 1)
        if both or not c.take(0, MIB):
            break
    t.check("a file and memory by reference: both mComponents hold bytes at once", both, held())
    got = c.rest()
    after = counters()
    t.check("their bytes are as they were", got == [expected(memory), expected(file)], got)
    fetched = grown(before, after, "mheld.fetched_bytes")
    total = after["n0"]["ddma.fetch_bytes"] - before["n0"].get("ddma.fetch_bytes", 0)
    t.check("the nComponent fetched from both, within one connection too", min(fetched) >= 2 * MIB and
            sum(fetched) == total and memory - 2 * MIB + file <= total <= memory + file, (fetched, total))
    t.check("nothing is held in the end", until(lambda: not any(held())), held())


def run(t, r, address):
    socket_memory(t, r, address)
    by_reference(t, r, address)
