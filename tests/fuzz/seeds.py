#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Writes the seed corpora of the fuzz targets: seeds.py FOLDER makes FOLDER/{frames,cm,fit}/*.

The formats are in the heads of fuzz_frames.c, fuzz_cm.c and fuzz_fit.c.
"""
import os
import struct
import sys

TO_A, ANY_PSN, BAD_ICRC, LONG = 2, 8, 32, 128  # fuzz_frames.c: control
RAW = 1


def bth(opcode, psn=0, pad=0, ack=True):
    return struct.pack(">BBHII", opcode, pad << 4, 0xFFFF, 0, (0x80000000 if ack else 0) | psn)


def reth(off, length):
    return struct.pack(">QII", off, 0, length)


def atomic(swap_add, compare=0):
    return struct.pack(">QIQQ", 0, 0, swap_add, compare)


def aeth(syndrome, msn=1):
    return struct.pack(">I", syndrome << 24 | msn)


def frame(packet, control=0):
    if len(packet) > 255:
        packet += bytes(-len(packet) % 16)
        return bytes([control | LONG, len(packet) // 16]) + packet
    return bytes([control, len(packet)]) + packet


def frames():
    """Requests to B and answers to A; the path MTU is 256 with option 2 unset."""
    imm, part = struct.pack(">I", 7), bytes(range(256))
    one = {
        "send": [bth(0x04) + b"x" * 40], "send-imm": [bth(0x05) + imm + b"x" * 8],
        "send-long": [bth(0x00) + part, bth(0x02) + b"y" * 12],
        "send-middle": [bth(0x00) + part, bth(0x01) + part, bth(0x03) + imm + b"y" * 4],
        "send-inv": [bth(0x17) + imm + b"z" * 4],
        "write": [bth(0x0A) + reth(0, 32) + b"w" * 32],
        "write-long": [bth(0x06) + reth(16, 520) + part, bth(0x07) + part, bth(0x08) + b"w" * 8],
        "write-imm": [bth(0x0B) + reth(0, 8) + imm + b"w" * 8],
        "write-imm-long": [bth(0x06) + reth(0, 260) + part, bth(0x09) + imm + b"w" * 4],
        "read": [bth(0x0C) + reth(0, 700)], "read-again": [bth(0x0C) + reth(0, 300)] * 2,
        "fetch-add": [bth(0x14) + atomic(3)], "cmp-swap": [bth(0x13) + atomic(5, 0)],
        "over-the-end": [bth(0x0A) + reth(1190, 32) + b"w" * 32], "read-too-much": [
            bth(0x0C) + reth(0, 0x7FFFFFFF)],
        "gap": [bth(0x04, 3) + b"x" * 4], "old": [bth(0x04, 255) + b"x" * 4],
    }
    for name, packets in one.items():
        yield name, b"\x00" + b"".join(frame(p) for p in packets)
    answers = {
        "ack": [bth(0x11, 2) + aeth(0x1F)], "rnr": [bth(0x11) + aeth(0x2C)],
        "nak-psn": [bth(0x11) + aeth(0x60)], "nak-access": [bth(0x11) + aeth(0x62)],
        "read-resp": [bth(0x11, 2) + aeth(0x1F), bth(0x0D) + aeth(0x1F) + part,
                      bth(0x0E) + part, bth(0x0F) + aeth(0x1F) + b"r" * 188],
        "read-only": [bth(0x10, 3) + aeth(0x1F) + b"r" * 12],
        "atomic-ack": [bth(0x11, 5) + aeth(0x1F), bth(0x12) + aeth(0x1F) + bytes(8)],
    }
    for name, packets in answers.items():
        yield name, b"\x00" + b"".join(frame(p, TO_A) for p in packets)
    arp = bytes(12) + struct.pack(">HHHBBH", 0x806, 1, 0x800, 6, 4, 1) + bytes(6) + \
        bytes([10, 0, 0, 1]) + bytes(6) + bytes([10, 0, 0, 2])
    yield "arp", b"\x00" + frame(arp, RAW)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 0, 0, 0, 64, 1, 0) + bytes([10, 0, 0, 1, 10, 0, 0, 2])
    for name, n in (("ping", 21), ("ping-long", 800)):
        yield name, b"\x01" + frame(bytes(12) + b"\x08\x00" + ip + b"\x08\x00" + bytes(n), RAW)


def cm():
    """Control, kind, length, change. Kinds are REQ MRA REJ REP RTU DREQ DREP."""
    def message(kind, control=0, change=b""):
        return bytes([control, kind, len(change)]) + change
    req, mra, rej, rep, rtu, dreq, drep = range(7)
    for name, messages in {
        "accepted": [message(req), message(rtu), message(dreq)],
        "refused": [message(req, 0x10), message(req, 0x10)],
        "kept": [message(req, 0x20), message(req, 0x20), message(rej)],
        "twice": [message(req), message(req), message(rtu), message(rtu)],
        "answered": [message(mra, 1), message(rep, 1), message(rep, 1), message(dreq, 1)],
        "rejected": [message(rej, 1), message(drep, 1)],
        "left": [message(rep, 1), message(rej, 1), message(dreq, 1 + 8)],
        "other-port": [message(req, 0, bytes(15) + b"\x01")],
        "bad-mtu": [message(req, 0, bytes(50) + b"\xf0")],
        "forged": [message(req, 2, b"\x00\x01")],
    }.items():
        yield name, b"\x00" + b"".join(messages)


def fit():
    """Options, steps; a message is what, type, length, class, op, id, status, credits, body."""
    def message(kind, cls=5, op=1, ident=1, status=0, credits=0, body=b"", what=9):
        return bytes([what, kind, len(body), cls, op, ident, status, credits]) + body
    request, reply, oneway, cancel, credit = 1, 2, 3, 4, 5
    call, answer, wait, broken = b"\x03\x05\x64", b"\x05", b"\x06", b"\x02"
    for name, steps in {
        "request": [message(request, body=b"even"[:0])], "echo": [message(request, 15, 1, body=b"hi")],
        "region": [message(request, 15, 2)], "oneway": [message(oneway, body=b"note")],
        "kept": [message(request, body=b"\x01"), message(cancel), answer],
        "no-class": [message(request, 12)], "credit": [message(credit, credits=4)],
        "imm": [b"\x07\x10\x00\x00\x05"], "call": [call, message(reply, body=b"answer")],
        "late": [call, wait, message(reply), message(reply)], "lost": [call, broken, wait],
        "many": [message(oneway, ident=i) for i in range(20)],
        "raw": [message(request, what=8) + bytes(32)],
        "again": [message(request), b"\x00", b"\x10", message(request)],
    }.items():
        yield name, b"\x00" + b"".join(steps)
        yield name + "-to-us", b"\x01" + call + wait + b"".join(steps)
    yield "joiner", b"\x04" + message(request, 1, 1)
    yield "version", b"\x02" + bytes(4) + b"\x03" + bytes(43)
    yield "listener-version", b"\x03" + bytes(4) + b"\x03" + bytes(43) + call + wait


def p9():
    """Operations with the export's root as their handle, and a server that answers well or badly."""
    def step(op, body=b"", answers=b""):
        return bytes([op, 8 + len(body), 1]) + bytes(8) + body + answers
    name = struct.pack("<H6x", 1) + b"a"
    good, error, body, long_, raw, nothing = (bytes([i]) for i in range(6))
    attr = bytes(8 + 13) + struct.pack("<III", 0o40755, 0, 0) + bytes(200)
    entry = bytes(13) + struct.pack("<QBH", 1, 8, 1) + b"x"
    lookup = step(3, name, good + good)
    yield "attr", step(5, answers=body + bytes([160]) + attr)
    yield "lookup", lookup * 3
    yield "readdir", step(10, bytes(8), good + good + body + bytes([28]) +
                          struct.pack("<I", 24) + entry)
    yield "readdir-long", step(10, bytes(8), good + good + long_ + struct.pack("<I", 4000) + entry)
    yield "link", step(13, answers=body + b"\x04" + struct.pack("<H", 2) + b"ab")
    yield "read", step(7, bytes(16), good * 3)
    yield "unlink", lookup + step(15, bytes(4) + struct.pack("<HH", 1, 0) + b"a", good * 8)
    yield "rename", lookup * 2 + step(16, bytes(8) + struct.pack("<HHI", 1, 1, 0) + b"ab", good * 9)
    yield "create", step(11, struct.pack("<IIIHHQ", 0o100644, 1, 1, 1, 0, 0) + b"a", good * 6)
    for i, kind in enumerate((error + b"\x05", raw + bytes(9), nothing, long_)):
        yield f"bad-{i}", lookup + step(5, answers=kind) + lookup


def main():
    for target in (frames, cm, fit, p9):
        folder = os.path.join(sys.argv[1], target.__name__)
        os.makedirs(folder, exist_ok=True)
        for name, data in target():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)


main()
