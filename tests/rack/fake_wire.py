# SPDX-License-Identifier: GPL-2.0-only
"""A wire with faults between a board's tap and the fabric's bridge, for kernels without sch_netem.

    rack client -- python3 tests/rack/fake_wire.py TAP BRIDGE LOSS DUP REORDER CORRUPT    (per cent)

Takes the tap out of the bridge and carries its frames over a veth pair. Prints "ready", and "faults: N"
when its stdin ends, after the tap is back in the bridge.
"""
import fcntl
import heapq
import random
import select
import socket
import struct
import subprocess
import sys
import time

SIOCGIFMTU = 0x8921


def ip(*args):
    subprocess.run(["ip", *args], check=True)


def raw(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((name, 0))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.setblocking(False)
    return s


def damaged(frame, rng):
    i = rng.randrange(len(frame))
    return frame[:i] + bytes([frame[i] ^ 1 << rng.randrange(8)]) + frame[i + 1:]


def mtu_of(name):
    """By ioctl: /sys shows another network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        got = fcntl.ioctl(s, SIOCGIFMTU, struct.pack("16sI12x", name.encode(), 0))
    return struct.unpack_from("I", got, 16)[0]


class Wire:
    def __init__(self, tap, out, chances):
        self.ends = {raw(tap): None, raw(out): None}
        a, b = self.ends
        self.ends = {a: b, b: a}
        self.chances = chances
        self.rng = random.Random(1)
        self.late, self.order, self.faults = [], 0, 0

    def happens(self, which):
        yes = self.rng.random() < self.chances[which]
        self.faults += yes
        return yes

    def carry(self, to, frame):
        if self.happens("loss"):
            return
        copies = 2 if self.happens("dup") else 1
        if self.happens("corrupt"):
            frame = damaged(frame, self.rng)
        for _ in range(copies):
            wait = self.rng.uniform(0, 0.01) if self.happens("reorder") else 0
            self.order += 1
            heapq.heappush(self.late, (time.monotonic() + wait, self.order, to, frame))

    def receive(self, s):
        try:
            for _ in range(64):
                frame, where = s.recvfrom(65536)
                if where[2] != socket.PACKET_OUTGOING:
                    self.carry(self.ends[s], frame)
        except BlockingIOError:
            pass

    def run(self):
        while True:
            wait = max(0, self.late[0][0] - time.monotonic()) if self.late else None
            ready = select.select([*self.ends, sys.stdin], [], [], wait)[0]
            for s in ready:
                if s is not sys.stdin:
                    self.receive(s)
            while self.late and self.late[0][0] <= time.monotonic():
                _, _, to, frame = heapq.heappop(self.late)
                try:
                    to.send(frame)
                except OSError:
                    pass  # a full queue is one more loss
            if sys.stdin in ready:
                return


def main():
    tap, bridge = sys.argv[1:3]
    chances = dict(zip(("loss", "dup", "reorder", "corrupt"), (float(x) / 100 for x in sys.argv[3:])))
    mtu = str(mtu_of(tap))
    ip("link", "add", "faulty0", "mtu", mtu, "type", "veth", "peer", "name", "faulty1", "mtu", mtu)
    wire = None
    try:
        ip("link", "set", tap, "nomaster")
        ip("link", "set", "faulty1", "master", bridge, "up")
        ip("link", "set", "faulty0", "up")
        wire = Wire(tap, "faulty0", chances)
        print("ready", flush=True)
        wire.run()
    finally:
        ip("link", "del", "faulty0")
        ip("link", "set", tap, "master", bridge)
    print(f"faults: {wire.faults}", flush=True)


if __name__ == "__main__":
    main()
