# SPDX-License-Identifier: GPL-2.0-only
"""Frames that no sane host sends, put on a rack's bridge: run through `rack client`.

    python3 tests/rack/garbage.py roce|ip INTERFACE DST_MAC DST_IP

`roce` sends to a board's fabric address, `ip` to an nComponent's Ethernet. Each kind is sent COUNT times and
named on stdout with the counter it must raise; then RANDOM frames of random bytes with a right MAC header.
"""
import ipaddress
import os
import random
import socket
import struct
import sys
import zlib

COUNT, RANDOM = 5, 400
SRC_MAC = bytes.fromhex("525400770901")
ROCE_PORT = 4791


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_header(dst, length, proto, version=4, words=5, flags=0, ttl=64, good=True):
    src = dst[:3] + bytes([99])
    head = struct.pack("!BBHHHBBH4s4s", version << 4 | words, 0, length, 1, flags, ttl, proto, 0,
                       src, dst)
    sum_ = checksum(head) ^ (0 if good else 0x5555)
    return head[:10] + struct.pack("!H", sum_) + head[12:]


def ip(dst, proto, payload, **kw):
    length = kw.pop("length", 20 + len(payload))
    return ip_header(dst, length, proto, **kw) + payload


def icrc(packet):
    """Of an IPv4 packet without ICRC (IBTA annex A17.3.3): what changes on the way counts as ones."""
    p = bytearray(packet)
    for i in (1, 8, 10, 11, 26, 27, 32):  # tos, ttl, header checksum, UDP checksum, BTH reserved
        p[i] = 0xff
    return struct.pack("<I", zlib.crc32(b"\xff" * 8 + bytes(p)))


def roce(dst, opcode=4, qpn=0x777777, payload=b"", pkey=0xffff, good=True, version=0, udp_length=None):
    bth = struct.pack("!BBHII", opcode, version, pkey, qpn, 0)
    n = 8 + len(bth) + len(payload) + 4
    udp = struct.pack("!HHHH", 49152, ROCE_PORT, udp_length or n, 0)
    packet = ip(dst, 17, udp + bth + payload, length=20 + n, flags=0x4000)
    crc = icrc(packet)
    return packet + (crc if good else bytes(4))


def roce_kinds(dst):
    some = bytes(64)
    deth = struct.pack("!II", 0x80010000, 1)  # the well-known key of QP1, IBTA 10.2.5
    return [
        ("a frame that ends inside its IP header", "drop_short", ip(dst, 17, b"")[:12]),
        ("an IP header of 8 bytes", "drop_ip_header", ip(dst, 17, some, words=2)),
        ("a wrong IP checksum", "drop_ip_checksum", ip(dst, 17, some, good=False)),
        ("a fragment", "drop_fragment", ip(dst, 17, some, flags=0x2000)),
        ("TCP on the fabric", "drop_protocol", ip(dst, 6, some)),
        ("a UDP length beyond the frame", "drop_udp_length", roce(dst, payload=some, udp_length=900)),
        ("a wrong ICRC", "drop_icrc", roce(dst, 0x64, 1, deth + bytes(256), good=False)),
        ("a queue pair that is not there", "drop_qpn", roce(dst, payload=some)),
        ("a version of BTH to come", "drop_bth", roce(dst, payload=some, version=5)),
        ("an unknown opcode", "drop_opcode", roce(dst, opcode=0x7f, payload=some)),
        ("garbage for the connection manager", "drop_mad",
         roce(dst, opcode=0x64, qpn=1, payload=deth + os.urandom(256))),
    ]


def ip_kinds(dst):
    some = bytes(64)
    port = struct.pack("!HHIIHHHH", 4000, 80, 1, 0, 0x5002, 1000, 0xdead, 0)
    return [
        ("IP version 9", "ip_drops", ip(dst, 6, some, version=9)),
        ("an IP header of 8 bytes", "ip_drops", ip(dst, 6, some, words=2)),
        ("an IP length beyond the frame", "ip_drops", ip(dst, 6, some, length=1400)),
        ("a wrong TCP checksum", "tcp_csum_errors", ip(dst, 6, port + some)),
        ("half a TCP header", "tcp_drops", ip(dst, 6, port[:10])),
    ]


def main():
    what, interface, mac, address = sys.argv[1:]
    dst = ipaddress.IPv4Address(address).packed
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    head = bytes.fromhex(mac.replace(":", "")) + SRC_MAC
    for name, counter, packet in (roce_kinds if what == "roce" else ip_kinds)(dst):
        for _ in range(COUNT):
            sock.send(head + b"\x08\x00" + packet)
        print(f"{counter} {name}", flush=True)
    rng = random.Random(1)
    for _ in range(RANDOM):
        ethertype = rng.choice((b"\x08\x00", b"\x08\x06", b"\x88\xb5", rng.randbytes(2)))
        sock.send(head + ethertype + rng.randbytes(rng.randrange(1, 1480)))


if __name__ == "__main__":
    main()
