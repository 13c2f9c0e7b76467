#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 120
"""What is sent by reference arrives as it was, also of a file that is gone or memory that is overwritten by
then, and the counters say that the bytes passed no pComponent. Then packing, and dDMA as the paper has it."""
import hashlib
import json
import os
import time

from lib import BUILD, Rack, Tap, rack

IP, MIB = "192.168.77.10", 1 << 20
WANT = bytes((i ^ i >> 8 ^ i >> 16) & 255 for i in range(1 << 16))

RECEIVER = r"""
import hashlib, socket, sys, time
ip, port = sys.argv[1], int(sys.argv[2])
for i in range(50):
    try:
        s = socket.create_connection((ip, port), 20)
        break
    except OSError:
        time.sleep(0.1)
s.settimeout(60)
h, n = hashlib.sha256(), 0
time.sleep(float(sys.argv[3]))
while True:
    b = s.recv(1 << 18)
    if not b:
        break
    h.update(b)
    n += len(b)
print(n, h.hexdigest())
"""


def expected(n):
    h = hashlib.sha256()
    for block in range(0, n, 1 << 16):
        high = block >> 16 & 255
        h.update(bytes(b ^ high for b in WANT[:min(n - block, 1 << 16)]))
    return f"{n} {h.hexdigest()}"


def counters():
    return json.loads(rack("stats", "--json").out)


def one(t, r, way, sizes, data="dma", by_reference=None, slow=0.0, by_p0=0, port=[7100]):
    """sizes in one program; the counters of all together. by_p0: bytes that p0 fetches of a pipe's."""
    port[0] += 1
    before = counters()
    pid = r.start("byref", str(port[0]), way, *map(str, sizes), on="p0", data=data)
    for n in sizes:
        got = r.client("python3", "-c", RECEIVER, IP, str(port[0]), str(slow), timeout=90)
        t.check(f"{data}, {way}: {n} bytes as they were", got.out.strip() == expected(n), got)
    after = counters()

    def grown(key, boards=("p0", "m0", "m1", "n0")):
        return sum(after.get(b, {}).get(key, 0) - before.get(b, {}).get(key, 0) for b in boards)
    total = sum(sizes)
    passed = grown("stub.send_bytes") - grown("stub_dma.held_bytes")
    fetched = grown("mheld.fetched_bytes") - by_p0
    if by_reference is not None:
        t.check(f"{data}, {way}: {by_reference} bytes and more by reference",
                fetched >= by_reference and grown("ddma.fetch_bytes") == fetched, fetched)
        t.check(f"{data}, {way}: the rest passed p0", passed <= total - by_reference, passed)
    else:
        t.check(f"{data}, {way}: nothing by reference", fetched == 0, fetched)
    return pid


def nothing_left(t):
    for _ in range(20):
        held = counters()["m0"]["slab.m_hold"]
        if not held:
            break
        time.sleep(0.5)
    t.check("nothing is held in the end", held == 0, held)


def aborted(t, r):
    """The receiver goes in the middle: what it did not take is given back."""
    r.start("byref", "7190", "sendfile", str(8 * MIB), on="p0", data="dma")
    script = RECEIVER.replace("while True:", "s.recv(100000); s.close(); print('gone')\nwhile False:")
    got = r.client("python3", "-c", script, IP, "7190", "0.3")
    t.check("a receiver that goes", "gone" in got.out, got)


def engine(t, r, packs):
    """Small messages: packed into fewer reads, or one read for each."""
    n, client = 2000, os.path.join(BUILD, "bench", "tcpbench")
    r.start("tcpbench", "server", "7180", on="p0", data="dma")
    r.client("sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9; do nc -z {IP} 7180 && break; sleep 0.3; done")
    before = counters()
    got = r.client(client, "client", IP, "7180", "out", "128", str(n))
    after = counters()
    sends, reads, size = (after[b].get(k, 0) - before[b].get(k, 0) for b, k in
                          (("p0", "stub.sends"), ("n0", "ddma.reads"), ("n0", "ddma.read_bytes")))
    t.check(f"{n} messages of 128 bytes", got.rc == 0 and sends == n and size >= 128 * n, (got, sends, size))
    t.check("packed: fewer reads" if packs else "net.dma.pack=off: a read for each",
            reads < n if packs else reads == n, reads)


def main():
    t = Tap()
    with Rack("--set", "board.p0.excache=16M") as r:
        one(t, r, "sendfile", (8 * MIB, 3 * MIB + 17, 100_000), by_reference=11 * MIB)
        one(t, r, "odd", (2 * MIB + 5,), by_reference=2 * MIB - 70001)
        one(t, r, "splice", (3 * MIB + 17,), by_reference=3 * MIB)
        one(t, r, "piped", (MIB,), by_p0=MIB)
        one(t, r, "splice", (MIB,), data="ddio")
        one(t, r, "mapped", (300_000,), by_reference=300_000 - 70001)
        one(t, r, "memory40", (8 * MIB,), by_reference=6 * MIB)
        one(t, r, "memory0", (2 * MIB,), by_reference=0)
        one(t, r, "sendfile", (2 * MIB,), data="ddio")
        one(t, r, "sendfile", (4 * MIB,), by_reference=4 * MIB, slow=1.0)
        one(t, r, "polled", (4 * MIB,), by_reference=4 * MIB, slow=0.3)
        aborted(t, r)
        nothing_left(t)
        engine(t, r, packs=True)
    with Rack("--set", "net.dma.pack=off", "--set", "net.dma.prefetch=off") as r:
        engine(t, r, packs=False)
    t.end()


if __name__ == "__main__":
    main()
