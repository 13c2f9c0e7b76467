# SPDX-License-Identifier: GPL-2.0-only
"""Cases of wire.py: a Linux host behind a wire that loses 1 and 5 per cent of the frames; bytes both ways, at the same
time, and the same at the other end."""
import os
import subprocess
import sys
import time

from lib import RACK, TOP
from wirepeer import crc, pattern

SIZE = {1: 300000, 5: 100000}

HOST = """
import socket, sys, threading, zlib

def carry(n):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
    s.settimeout(60)
    data = bytes((at * 31 + at // 251 * 7 + 5 * 17) & 255 for at in range(n))
    t = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(1)))
    t.start()
    got, c = 0, 0
    while got < n:
        b = s.recv(65536)
        if not b:
            break
        got += len(b)
        c = zlib.crc32(b, c)
    t.join()
    print(got, f"{c:08x}", flush=True)
    s.recv(1)

for line in sys.stdin:
    carry(int(line))
"""


def start(*argv):
    return subprocess.Popen([RACK, "client", "--", *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(p, line):
    p.stdin.write(f"{line}\n")
    p.stdin.flush()


class Far:
    """The host and its wire."""

    def __init__(self, k):
        self.wire = start(sys.executable, os.path.join(TOP, "tests", "rack", "wirehelper.py"), "host", "192.168.77.67/24")
        said = self.wire.stdout.readline().split()
        address = ".".join(str(b) for b in k.port.rack_ip)
        self.host = start("nsenter", "-t", said[1], "-n", "python3", "-c", HOST, address, "5000")

    def lose(self, percent):
        """How many frames were lost so far."""
        ask(self.wire, percent)
        return int(self.wire.stdout.readline())

    def end(self):
        self.host.stdin.close()
        self.host.wait(20)
        self.lose(0)  # its last ACK has passed
        self.wire.stdin.close()
        self.wire.wait(20)


def lossy(k, far, percent):
    n = SIZE[percent]
    before = far.lose(percent)
    ask(far.host, n)
    started = time.monotonic()
    slot = k.accept()
    wrote = k.app.do("write", slot, n, 6, 30000)
    read = k.app.do("read", slot, n)
    there = far.host.stdout.readline().strip()
    print(f"# {percent} %: {n} bytes each way in {time.monotonic() - started:.1f} s", flush=True)
    k.check(f"{percent} % lost: the program sent all", wrote == f"{n} -", wrote)
    k.check(f"{percent} % lost: it arrived", there == f"{n} {crc(pattern(n, 6))}", there)
    k.check(f"{percent} % lost: and what came is right", read == f"{n} {crc(pattern(n, 5))} -", read)
    lost = far.lose(0)
    k.check(f"{percent} % lost: frames were lost", lost > before, (before, lost))
    k.close(slot)


def loss(k):
    far = Far(k)
    for percent in SIZE:
        lossy(k, far, percent)
    far.end()


def run(k):
    k.case(loss)
