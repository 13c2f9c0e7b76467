#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""An Ethernet hub for QEMU's socket netdevs that loses, doubles, delays and damages frames.

    lossy.py SEED PER_MILLE PORT...     a board on PORT sends from there to PORT + 1000

Each fault happens to PER_MILLE of the frames. Ends when it is killed.
"""
import heapq
import random
import select
import socket
import sys
import time


def main():
    rng = random.Random(int(sys.argv[1]))
    rate = int(sys.argv[2]) / 1000
    ports = [int(p) for p in sys.argv[3:]]
    socks = {}
    for p in ports:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        s.bind(("127.0.0.1", p + 1000))
        socks[s] = p
    late = []  # (when, order, socket, frame)
    order = 0
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else None
        for s in select.select(list(socks), [], [], wait)[0]:
            frame = s.recv(65536)
            for out, port in socks.items():
                if out is s:
                    continue
                order += 1
                f, copies, when = frame, 1, time.monotonic()
                if rng.random() < rate:
                    continue
                if rng.random() < rate:
                    copies = 2
                if rng.random() < rate:
                    when += rng.uniform(0, 0.003)
                if rng.random() < rate and len(f) > 60:
                    i = rng.randrange(14, len(f))
                    f = f[:i] + bytes([f[i] ^ 1 << rng.randrange(8)]) + f[i + 1:]
                for _ in range(copies):
                    heapq.heappush(late, (when, order, out, f))
        while late and late[0][0] <= time.monotonic():
            _, _, out, f = heapq.heappop(late)
            out.sendto(f, ("127.0.0.1", socks[out]))


main()
