# SPDX-License-Identifier: GPL-2.0-only
"""Cases of wire.py: 10,000 SYN a second from senders that do not exist, while a download goes on and hosts connect.

The download keeps half its rate, 19 of 20 connects succeed within 3 s, and the flood leaves nothing behind. The
rates are compared in turns of half a second without and with the flood, so that what else the machine does
meets both alike. That is asked of the whole flood (tests/soak/synflood.sh); of the short one, which a slow or busy
machine feels more than a rack on it does, a tenth of the rate and 8 s: a stack that keeps a state for each SYN has no
room for a connection for 20 s.
"""
import json
import os
import random
import statistics
import struct
import subprocess
import time

from lib import RACK, rack
from wirepeer import MAC, SYN, TCP, ip_packet, tcp_segment

RATE, TURN = 10000, 0.5
TURNS = int(os.environ.get("WIRE_FLOOD_TURNS", "2"))  # with the flood; as many without
SHORT = TURNS < 10
SHARE, PATIENCE = (0.1, 8) if SHORT else (0.5, 3)

DOWNLOAD = """
import select, socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.settimeout(5)
buf, total, told = bytearray(1 << 20), 0, 0
print("ready", flush=True)
while True:
    total += s.recv_into(buf)
    now = time.monotonic()
    if now - told > 0.02:
        told = now
        print(f"{now} {total}", flush=True)
    if select.select([sys.stdin], [], [], 0)[0]:
        break
"""

CONNECT = """
import socket, sys, time
good, longest = 0, 0
for _ in range(20):
    t = time.monotonic()
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[4])).close()
        good += 1
    except OSError:
        pass
    longest = max(longest, time.monotonic() - t)
    time.sleep(float(sys.argv[3]))
print(good, longest)
"""


def frames(port, dport, n):
    """From addresses outside; each with numbers of its own."""
    rng = random.Random(9)
    zero, ether = bytes(4), port.rack_mac + MAC + b"\x08\x00"
    seg = tcp_segment(zero, port.rack_ip, 0, dport, 0, 0, SYN, options=b"\2\4\5\xb4")
    ip = ip_packet(zero, port.rack_ip, TCP, seg)[:20]
    out = []
    for _ in range(n):
        src, numbers = b"\x0a" + rng.randbytes(3), struct.pack("!HI", rng.randrange(1024, 65536), rng.randrange(1 << 32))
        out.append(ether + ip[:10] + summed(ip[10:12], src) + src + ip[16:] + numbers[:2] + seg[2:4] + numbers[2:] +
                   seg[8:16] + summed(seg[16:18], src + numbers) + seg[18:])
    return out


def summed(of_zeroes, there):
    """A checksum for a packet that has these words where the one of of_zeroes has zeroes (RFC 1624)."""
    n = (0xffff ^ int.from_bytes(of_zeroes, "big")) + sum(struct.unpack(f"!{len(there) // 2}H", there))
    n = (n & 0xffff) + (n >> 16)
    return struct.pack("!H", 0xffff ^ (n & 0xffff) + (n >> 16))


def flood(port, pool, at, seconds):
    """Sends RATE a second; how many were sent."""
    start, sent = time.monotonic(), 0
    while True:
        now = min(time.monotonic() - start, seconds)
        while sent < now * RATE:
            port.sock.send(pool[(at + sent) % len(pool)])
            sent += 1
        if now == seconds:
            return sent
        time.sleep(0.002)


def python(*args):
    return subprocess.Popen([RACK, "client", "--", "python3", "-c", *(str(a) for a in args)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


def at_time(samples, when):
    """Bytes at that moment, between two samples."""
    for (t0, n0), (t1, n1) in zip(samples, samples[1:]):
        if t0 <= when <= t1:
            return n0 + (n1 - n0) * (when - t0) / max(t1 - t0, 1e-9)
    return samples[-1][1]


def counters():
    return json.loads(rack("stats", "--json").out)["n0"]


def syn_flood(k):
    address = ".".join(str(b) for b in k.port.rack_ip)
    listen = 5000
    before = counters()
    down = python(DOWNLOAD, address, listen)
    pool = frames(k.port, listen, RATE)
    slot = k.accept()
    k.app.tell("write", slot, (1 << 31) - 1, 11, 10000)
    down.stdout.readline()
    time.sleep(0.3)
    turns, sent, connects = [], 0, None
    for i in range(2 * TURNS):
        started = time.monotonic()
        if i % 2:
            connects = connects or python(CONNECT, address, listen, TURN * TURNS * 2 / 25, PATIENCE)
            sent += flood(k.port, pool, sent, TURN)
        else:
            time.sleep(TURN)
        turns.append((started, time.monotonic(), i % 2))
    down.stdin.close()
    samples = [tuple(float(x) for x in line.split()) for line in down.stdout]
    good, longest = connects.communicate(timeout=200)[0].split()
    rate = [[(at_time(samples, b) - at_time(samples, a)) / (b - a) for a, b, f in turns if f == with_flood]
            for with_flood in (0, 1)]
    quiet = statistics.median(rate[0])
    # of a few turns the best: the machine may have had something else to do in the others
    flooded = max(rate[1]) if SHORT else statistics.median(rate[1])
    after = counters()
    took = {c: after[f"lwip.{c}"] - before[f"lwip.{c}"] for c in ("cookies_sent", "syn_dropped", "rx_frames")}
    lost = after["e1000e.rx_dropped"] - before["e1000e.rx_dropped"]
    print(f"# {sent} SYN in {TURN * TURNS:.1f} s: {quiet / 1e6:.1f} MB/s without, {flooded / 1e6:.1f} with; {good} of 20 "
          f"connects, the slowest {float(longest):.2f} s; {took}, {lost} lost at the NIC", flush=True)
    arrived = took["rx_frames"] > sent * (0.1 if SHORT else 0.9)
    k.check("the flood is one", k.prefix == "Linux" or arrived and took["cookies_sent"] > sent / 10, (sent, took))
    k.check(f"a download keeps {SHARE} of its rate", flooded > quiet * SHARE, rate)
    k.check(f"19 of 20 connects within {PATIENCE} s", int(good) >= 19, (good, longest))
    k.app.answer()
    k.close(slot)
    for _ in range(int(good)):
        k.close(k.accept())


def run(k):
    k.case(syn_flood)
