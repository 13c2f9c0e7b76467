#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Recomputes the ICRC of every RoCEv2 frame of a capture, or of an interface until SIGTERM.

    icrc-check.py FILE.pcap
    icrc-check.py --live t0

Prints how many were right and wrong; status 0 when there was at least one and none was wrong.
"""
import argparse
import signal
import socket
import struct
import sys
import zlib

ROCE_PORT = 4791
ETH_P_ALL = 3


def icrc_state(frame):
    """None: not RoCEv2 over IPv4. Else (expected, found), IBTA A17.3.3."""
    if len(frame) < 14 + 20 + 8 + 12 + 4 or frame[12:14] != b"\x08\x00" or frame[14] != 0x45:
        return None
    length, = struct.unpack_from(">H", frame, 16)
    if frame[23] != 17 or struct.unpack_from(">H", frame, 36)[0] != ROCE_PORT:
        return None
    p = bytearray(frame[14:14 + length])  # without Ethernet padding
    found, = struct.unpack_from("<I", p, len(p) - 4)
    for i in (1, 8, 10, 11, 26, 27, 32):  # TOS, TTL, checksums, BTH's reserved byte
        p[i] = 0xff
    return zlib.crc32(b"\xff" * 8 + bytes(p[:-4])), found


def pcap_frames(path):
    with open(path, "rb") as f:
        magic = f.read(24)[:4]
        end = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">",
               b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}.get(magic)
        if not end:
            sys.exit("%s: not a pcap file" % path)
        while True:
            head = f.read(16)
            if len(head) < 16:
                return
            caplen, length = struct.unpack(end + "II", head[8:])
            data = f.read(caplen)
            if caplen == length:
                yield data


class Stop(Exception):
    pass


def live_frames(ifname):
    def stop(*_):
        raise Stop

    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    s.bind((ifname, 0))
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print("capturing", flush=True)
    try:
        while True:
            yield s.recv(20000)
    except Stop:
        s.setblocking(False)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        while True:
            yield s.recv(20000)
    except BlockingIOError:
        pass


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("file", nargs="?")
    ap.add_argument("--live", metavar="IF")
    args = ap.parse_args()
    if bool(args.file) == bool(args.live):
        ap.error("one of FILE and --live IF")
    good = bad = 0
    for frame in pcap_frames(args.file) if args.file else live_frames(args.live):
        state = icrc_state(frame)
        if state is None:
            continue
        if state[0] == state[1]:
            good += 1
        else:
            bad += 1
            if bad <= 5:
                print("bad ICRC: %08x, not %08x: %s" % (state[1], state[0], frame[:80].hex()))
    print("%d frames right, %d wrong" % (good, bad))
    return 0 if good and not bad else 1


sys.exit(main())
