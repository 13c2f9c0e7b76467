#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes tests/unit/fit/softroce/icrc_vectors.h: RoCEv2 frames with ICRCs computed by zlib's crc32."""
import os
import random
import struct
import sys
import zlib


def ip_checksum(h):
    s = sum(struct.unpack(">10H", h))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def icrc(ip, udp, bth, rest):
    """IBTA A17.3.3: LRH of ones, then the packet with its mutable fields set to ones."""
    ip, udp, bth = bytearray(ip), bytearray(udp), bytearray(bth)
    ip[1] = ip[8] = ip[10] = ip[11] = 0xff
    udp[6] = udp[7] = 0xff
    bth[4] = 0xff
    return zlib.crc32(b"\xff" * 8 + bytes(ip) + bytes(udp) + bytes(bth) + rest)


def frame(rng, opcode, ext, payload, tos=0, ttl=64):
    pad = -len(payload) % 4
    bth = struct.pack(">BBHII", opcode, 0x40 | pad << 4, 0xffff, rng.getrandbits(24),
                      rng.getrandbits(24) | 0x80000000)
    rest = ext + payload + bytes(pad)
    n = 8 + 12 + len(rest) + 4
    udp = struct.pack(">HHHH", rng.randrange(0xc000, 0x10000), 4791, n, rng.getrandbits(16))
    ip = bytearray(struct.pack(">BBHHHBBHII", 0x45, tos, 20 + n, 0, 0x4000, ttl, 17, 0,
                               0x0a000001, 0x0a000002))
    ip[10:12] = struct.pack(">H", ip_checksum(ip))
    crc = icrc(ip, udp, bth, rest)
    eth = bytes(rng.randrange(256) for _ in range(12)) + b"\x08\x00"
    return eth + bytes(ip) + udp + bth + rest + struct.pack("<I", crc), crc


def main():
    rng = random.Random(4791)
    blob = lambda n: bytes(rng.randrange(256) for _ in range(n))
    frames = [
        frame(rng, 0x11, struct.pack(">I", 0x1f000007), b""),
        frame(rng, 0x04, b"", b"hello, rack"),
        frame(rng, 0x0a, blob(16), blob(64), tos=0x2e, ttl=1),
        frame(rng, 0x0c, blob(16), b""),
        frame(rng, 0x0b, blob(20), blob(255)),
        frame(rng, 0x64, blob(8), blob(256)),
        frame(rng, 0x13, blob(28), b""),
    ]
    out = [
        "/* SPDX-License-Identifier: GPL-2.0-only */",
        "/* Made by tests/vectors/icrc.py; not edited by hand. */", "#pragma once", "",
        "#include <kern/types.h>", "",
        "struct icrc_vector {", "\tuint32_t icrc, len;", "\tuint8_t frame[400];", "};",
        "static const struct icrc_vector icrc_vectors[] = {",
    ]
    for data, crc in frames:
        out.append("\t{ 0x%08x, %d, {" % (crc, len(data)))
        for i in range(0, len(data), 16):
            out.append("\t\t" + " ".join("0x%02x," % b for b in data[i:i + 16]))
        out.append("\t} },")
    out.append("};")
    path = os.path.join(os.path.dirname(__file__), "../unit/fit/softroce/icrc_vectors.h")
    with open(sys.argv[1] if len(sys.argv) > 1 else path, "w") as f:
        f.write("\n".join(out) + "\n")


main()
