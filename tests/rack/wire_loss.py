# SPDX-License-Identifier: GPL-2.0-only
"""Cases of wire.py: a Linux host behind a wire that loses 1 and 5 per cent of the frames; bytes both ways, at the same
time, and the same at the other end."""
import json
import os
import subprocess
import sys
import time

from lib import RACK, TOP, rack
from wirepeer import crc, pattern

SIZE = {1: 300000, 5: 100000}

HOST = """
import socket, sys, threading, zlib
n = int(sys.argv[3])
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
print(got, f"{c:08x}")
"""


def lossy(k, percent):
    n = SIZE[percent]
    wire = subprocess.Popen([RACK, "client", "--", sys.executable, os.path.join(TOP, "tests", "rack", "wirehelper.py"),
                             "host", "192.168.77.67/24", str(percent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)
    said = wire.stdout.readline().split()
    address = ".".join(str(b) for b in k.port.rack_ip)
    host = subprocess.Popen([RACK, "client", "--", "nsenter", "-t", said[1], "-n", "python3", "-c", HOST, address, "5000",
                             str(n)], stdout=subprocess.PIPE, text=True)
    started = time.monotonic()
    slot = k.accept()
    wrote = k.app.do("write", slot, n, 6, 30000)
    read = k.app.do("read", slot, n)
    there = host.communicate(timeout=90)[0].strip()
    print(f"# {percent} %: {n} bytes each way in {time.monotonic() - started:.1f} s", flush=True)
    k.check(f"{percent} % lost: the program sent all", wrote == f"{n} -", wrote)
    k.check(f"{percent} % lost: it arrived", there == f"{n} {crc(pattern(n, 6))}", there)
    k.check(f"{percent} % lost: and what came is right", read == f"{n} {crc(pattern(n, 5))} -", read)
    k.close(slot)
    for _ in range(40):  # the last ACK may be lost, too
        if not json.loads(rack("stats", "--json").out or "{}").get("n0", {}).get("lwip.tcp_connections"):
            break
        k.port.quiet(0.3)
    wire.stdin.close()
    lost = wire.stdout.read().split()
    wire.wait(20)
    k.check(f"{percent} % lost: frames were lost", lost[:1] == ["lost:"] and int(lost[1]) > 0, lost)


def loss_1(k):
    lossy(k, 1)


def loss_5(k):
    lossy(k, 5)


def run(k):
    k.case(loss_1)
    k.case(loss_5, once=True)
