#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Writes the seed corpora of the fuzz targets: seeds.py FOLDER makes FOLDER/TARGET/*.

The formats are in the heads of the targets.
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


def skel():
    """Options, steps; the order of each step's bytes is that of fuzz_skel.c."""
    def call(i, *body):
        return bytes([0, i]) + bytes(body)

    def oneway(i, *body):
        return bytes([4, i]) + bytes(body)

    def opened(kind, port=0, ip=0, bind=1, opts=0):  # stub, 8, type, ip, port, bind, home, reuse, window
        return call(0, 1, 1, kind, ip, port, bind, 0, opts, 6, 0)

    def record(who, size=3, slot=0, how=0, ip=1, port=2):
        head = bytes([7, how, who, size, slot])
        dgram = bytes([ip, port, 0, 0, 0])
        return head + (dgram + bytes([64] * bool(how & 64)) + bytes([slot, 0]))

    def ended(i, who, how=1, flags=0):
        return oneway(i, who, 0, how, flags)
    stream, dgram, wait, talk = 0, 1, b"\x0b\x05", b"\x0f"
    longer = b"\x0b\xff"
    listen, connect = (lambda who, n=4: call(2, who, 1, n)), (
        lambda who, port=2, ip=1: call(1, who, ip, port))
    pair = opened(stream, 2) + listen(0) + opened(stream, bind=0) + connect(1) + wait
    rx_done, attach, accepted = (lambda who: oneway(2, who, 0, 6)), (
        lambda who: oneway(1, who, 1, 6, 1, 7)), (lambda who, n=1: oneway(0, who, 1, n))
    defer = opened(stream, 2) + call(3, 0, 2, 5, 0) + listen(0) + opened(stream, bind=0) + \
        connect(1) + wait
    for name, steps in {
        "pair": pair + attach(2) + accepted(0) + record(1) + wait + rx_done(2) + record(2, 4) + wait
        + ended(3, 1) + wait + ended(4, 2) + ended(4, 1) + wait + ended(4, 0),
        "bulk": pair + b"".join(record(1, 5, i) for i in range(8)) + wait + longer + ended(4, 1),
        "to-b": opened(stream, bind=0) + connect(0, 1) + wait + record(0) + wait,
        "at-once": call(0, 1, 1, 0, 0, 0, 1, 0, 0, 6, 255, 1, 1) + wait + record(0) + wait + ended(4, 0),
        "refused": opened(stream, bind=0) + connect(0, 3) + wait + connect(0, 2) + wait,
        "black-hole": opened(stream) + connect(0, 1, 4) + wait + b"\x0c" + wait,
        "dgram": opened(dgram, 6) + record(0, 3) + wait + record(0, 3, 1, ip=1, port=4)
        + record(0, 3, 2, ip=1, port=5) + connect(0, 5) + record(0, 4) + wait + ended(4, 0),
        "dgrams": opened(dgram, 6) + b"".join(record(0, 4, i, ip=1, port=5) for i in range(9)) + wait
        + rx_done(0) + longer,
        "desc": pair + record(1, 3, 1, 8) + record(1, 4, 2, 8) + wait + record(1, 5, 3, 9) + longer,
        "defer": defer + record(1) + wait + attach(2) + wait + longer,
        "defer-accepted": defer + accepted(0) + record(1) + wait + longer + ended(4, 1, 0, 1) + wait,
        "defer-closed": defer + ended(4, 2) + record(1) + wait + longer,
        "cork": pair + call(3, 1, 1, 1, 0) + record(1, 3, 0, 2) + call(3, 1, 1, 0, 100) + wait,
        "info": pair + call(4, 0, 11) + call(4, 1, 11) + call(4, 1, 2) + call(5, 1, 1) + call(5, 1, 3),
        "listener-done": opened(stream, 2) + listen(0) + rx_done(0),
        "hello": pair + record(1) + call(6, 1) + wait + opened(stream) + call(6, 0),
        "nodes": pair + record(1, 5, 1, 8) + b"\x8e" + wait + b"\xce" + call(6, 0) + opened(stream),
        "faults": pair + b"\x5d" + record(1) + wait + b"\x8d" + record(1, 3, 1, 8) + longer,
        "reset": pair + attach(2) + record(1, 5) + ended(4, 2, 0, 1) + wait + record(1) + wait,
        "shut": pair + attach(2) + ended(3, 1, 0) + record(2, 5) + ended(3, 1, 2) + wait + talk,
        "foreign": opened(stream) + ended(4, 230) + rx_done(231) + connect(230) + listen(232)
        + record(230) + attach(231) + accepted(229),
    }.items():
        for options in range(4):
            yield f"{name}-{options}", bytes([options]) + steps


def stub():
    """Options, steps; the order of each step's bytes is that of fuzz_stub.c."""
    def event(i, *body, peer=0):
        return bytes([peer, i]) + bytes(body)

    def record(who, size, slot=0, how=0, peer=0):
        return bytes([4 | peer, how, who, size, slot] + [64] * bool(how & 64) + [slot, 0])

    def program(what, i, *body):
        return bytes([7, what, i]) + bytes(body)
    stream, dgram, p = 1, 0, 128
    up, done, talk = b"\x0c", b"\x0f", b"\x0e"
    bind, listen, connect, accept, close = (
        lambda i, t=stream, w=0: program(w, i, t), lambda i: program(0x41, i),
        lambda i, t=stream: program(2, i, t), lambda i: program(3, i), lambda i: program(9, i))
    send, recv = (lambda i, n=3: program(4, i, n, 0)), (lambda i, n=6: program(6, i, n, 0))
    conn = connect(0) + up
    tx_done, fin, reset, closed, end = (
        lambda peer=0: event(1, 0, 0, 7, peer=peer), lambda peer=0: event(2, 0, 0, 1, 0, peer=peer),
        lambda peer=0: event(2, 0, 101, 2, 0, peer=peer), lambda: event(3, 0),
        lambda peer=p, r=0: event(4, 0, 0, r, peer=peer))
    took = event(0, 0, 5, 1, 7, 4)
    hello, join = bytes([11, 4]), (lambda who=0, win=7: bytes([11, 1, who, 2, win]))
    for name, steps in {
        "conn": conn + send(0) + done + tx_done() + record(0, 3) + recv(0) + fin() + recv(0)
        + close(0) + closed(),
        "refused": connect(0) + b"\x1c" + connect(0) + up + close(0),
        "connected": connect(0) + event(6, 0, 0, 1, 3, 7) + record(0, 3) + recv(0) + close(0),
        "early": connect(0) + record(0, 3) + event(6, 0, 200, 1, 3, 7) + recv(0) + connect(0) + recv(0),
        "reset": conn + record(0, 3) + reset() + recv(0) + close(0) + closed(),
        "server": bind(0) + listen(0) + took + record(0, 2) + accept(0) + recv(1) + send(1, 4) + done
        + tx_done() + close(1) + close(0) + closed(),
        "backlog": bind(0) + listen(0) + took * 6 + close(0),
        "dgram": bind(0, dgram) + record(0, 3) + record(0, 4, 9) + recv(0) + send(0) + done
        + tx_done() + event(5, 0, 40, 3, 3) + recv(0) + close(0),
        "dgram-conn": connect(0, dgram) + send(0) + event(5, 0, 40, 3, 3) + send(0) + closed() + close(0),
        "desc": conn + record(0, 3, 1, 8) + done + recv(0) + record(0, 5, 2, 8) + b"\x0d\x10",
        "big": conn + send(0, 6) * 6 + b"\x0d\xf8" + tx_done() + send(0, 6) + b"\x0d\x10" + tx_done(),
        "small": conn + send(0, 1) * 9 + b"\x0d\x28" + send(0, 2) + program(0x18, 0) + done + tx_done(),
        "shut": conn + program(8, 0) + program(0x18, 0) + fin() + close(0) + closed(),
        "joined": connect(0) + up + record(0, 3, 0, 0, p) + recv(0) + send(0) + done + tx_done(p)
        + fin(p) + end() + close(0),
        "joining": hello + bind(0) + listen(0) + join() + record(0, 3, 0, 0, p) + accept(0) + recv(1)
        + send(1) + done + tx_done(p) + close(1) + end(r=1),
        "join-queue": hello + bind(0) + listen(0) + join() * 6 + accept(0) + close(0) + end(),
        "lost": conn + record(0, 3) + b"\x4e" + recv(0) + connect(1) + up + b"\xce\x6e" + send(1),
        "foreign": conn + event(3, 210) + event(1, 211, 0, 7) + record(210, 3) + event(2, 210, 101, 2, 0)
        + event(0, 211, 1, 1, 1, 1) + event(5, 212, 9, 3, 3) + talk,
    }.items():
        for options in range(4):
            yield f"{name}-{options}", bytes([options]) + steps


def main():
    for target in (frames, cm, fit, p9, skel, stub):
        folder = os.path.join(sys.argv[1], target.__name__)
        os.makedirs(folder, exist_ok=True)
        for name, data in target():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)


main()
