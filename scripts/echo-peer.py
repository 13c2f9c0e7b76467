#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Frame echo on a Linux interface: the native end of the hop floor (drivers/echo.h).

  echo-peer.py serve --if tap0 [--once]
  echo-peer.py ping --if tap0 [-n 1000] [--sizes 60,1514,9014]

`ping` prints one line a size, like a board does, and fails when a reply is missing or wrong.
Needs a packet socket: run it as root of the network namespace.
"""
import argparse
import fcntl
import os
import socket
import struct
import sys
import time

ETHERTYPE, MAGIC = 0x88B5, 0x65636830
REQUEST, REPLY, BYE = 1, 2, 3
HEAD = struct.Struct("!6s6sHIBBHI")  # struct echo_frame
FRAME_MIN = 60
SIOCGIFMTU = 0x8921  # linux/sockios.h
SIZES = "60,128,512,1024,1514,2048,4096,9014"


def open_socket(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    s.bind((name, ETHERTYPE))
    return s


def mtu_of(sock, name):
    """By ioctl: /sys may be that of another network namespace."""
    ifreq = fcntl.ioctl(sock, SIOCGIFMTU, struct.pack("16si20x", name.encode(), 0))
    return struct.unpack_from("16si", ifreq)[1]


def decode(frame):
    if len(frame) < HEAD.size:
        return None
    fields = HEAD.unpack_from(frame)
    dst, src, ethertype, magic, op, _, length, seq = fields
    if ethertype != ETHERTYPE or magic != MAGIC or length != len(frame):
        return None
    return src, op, seq


def serve(sock, mac, once):
    buf = bytearray(65536)
    view = memoryview(buf)
    while True:
        n, addr = sock.recvfrom_into(buf)
        if addr[2] == socket.PACKET_OUTGOING:
            continue
        got = decode(view[:n])
        if not got:
            continue
        if got[1] == BYE and once:
            return 0
        if got[1] == REQUEST:
            buf[0:6] = buf[6:12]
            buf[6:12] = mac
            buf[18] = REPLY
            sock.send(view[:n])


class Pinger:
    def __init__(self, sock, mac):
        self.sock, self.mac, self.peer, self.seq = sock, mac, b"\xff" * 6, 0

    def frame(self, op, size, payload):
        self.seq += 1
        head = HEAD.pack(self.peer, self.mac, ETHERTYPE, MAGIC, op, 0, size, self.seq)
        return head + payload

    def round_trip(self, size, payload, timeout):
        """Nanoseconds and whether the bytes were right; None when there was no reply."""
        out = self.frame(REQUEST, size, payload)
        begin = time.perf_counter_ns()
        self.sock.send(out)
        while True:
            left = timeout - (time.perf_counter_ns() - begin) / 1e9
            if left <= 0:
                return None
            self.sock.settimeout(left)
            try:
                frame, addr = self.sock.recvfrom(65536)
            except TimeoutError:
                return None
            end = time.perf_counter_ns()
            if addr[2] == socket.PACKET_OUTGOING:
                continue
            got = decode(frame)
            if got and got[1] == REPLY and got[2] == self.seq:
                self.peer = got[0]
                return end - begin, frame[HEAD.size:] == payload

    def find_peer(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.round_trip(FRAME_MIN, os.urandom(FRAME_MIN - HEAD.size), 0.1):
                return True
        return False

    def measure(self, size, count):
        samples = []
        missing = 0
        while len(samples) < count:
            got = self.round_trip(size, os.urandom(size - HEAD.size), 1.0)
            if got is None:
                missing += 1
                if missing > 30:
                    return None, f"size={size}: no reply {len(samples) + 1} of {count}"
                continue
            if not got[1]:
                return None, f"size={size}: a reply had other bytes than were sent"
            samples.append(got[0])
        return sorted(samples), None


def ping(sock, mac, sizes, count, mtu):
    p = Pinger(sock, mac)
    if not p.find_peer(60):
        print("echo: no peer answers", file=sys.stderr)
        return 1
    for size in sizes:
        if size > mtu + 14:
            print(f"echo: size={size} skipped: mtu {mtu}")
            continue
        samples, error = p.measure(size, count)
        if error:
            print(f"echo: {error}", file=sys.stderr)
            return 1
        print(f"echo: size={size} n={count} median_ns={samples[count // 2]} best_ns={samples[0]}",
              flush=True)
    sock.send(p.frame(BYE, FRAME_MIN, bytes(FRAME_MIN - HEAD.size)))
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("mode", choices=("serve", "ping"))
    parser.add_argument("--if", dest="name", required=True, metavar="NAME", help="interface")
    parser.add_argument("--once", action="store_true", help="serve: end when the peer is done")
    parser.add_argument("-n", type=int, default=1000, help="ping: round trips a size")
    parser.add_argument("--sizes", default=SIZES, help="ping: frame sizes in bytes, commas between")
    args = parser.parse_args()
    try:
        sizes = [int(w) for w in args.sizes.split(",")]
    except ValueError:
        parser.error(f"--sizes {args.sizes}: not numbers")
    if args.n < 1 or not all(FRAME_MIN <= s <= 9014 for s in sizes):
        parser.error("-n at least 1, sizes from 60 to 9014")
    try:
        sock = open_socket(args.name)
    except OSError as e:
        sys.exit(f"echo-peer: {args.name}: {e.strerror}")
    mac = sock.getsockname()[4]
    if args.mode == "serve":
        return serve(sock, mac, args.once)
    return ping(sock, mac, sizes, args.n, mtu_of(sock, args.name))


if __name__ == "__main__":
    sys.exit(main())
