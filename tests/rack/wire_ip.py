# SPDX-License-Identifier: GPL-2.0-only
"""Cases of wire.py: what lies below TCP. ICMP echo, ICMP errors that reach the socket, fragments of UDP and TCP in
every order, some of them missing, and senders that cannot be."""
import random
import struct

from wirepeer import ACK, ICMP, TCP, UDP, addr, crc, icmp_message, ip_packet, pattern, udp_datagram

PORT, SPORT = 5100, 6100


def echo(k):
    p = k.port
    for n in (0, 56, 1472, 3000):
        p.icmp.clear()
        message = icmp_message(8, 0, struct.pack("!HH", 77, n), pattern(n, 1))
        for at, more, piece in p.pieces(message, 1480):
            p.packet(ICMP, piece, ident=100 + n, offset=at, more=more)
        got = p.until(lambda: p.icmp and p.icmp.popleft())
        k.check(f"ICMP echo of {n} bytes", got and got[0] == 0 and got[4:] == message[4:], got)
    p.packet(ICMP, message[:2] + b"\x12\x34" + message[4:1400])
    p.barrier()
    k.check("a wrong ICMP checksum is not answered", not p.icmp)


def quoted(k, proto, head):
    return ip_packet(k.port.rack_ip, k.port.ip, proto, head)


def unreachable(k, code, quote):
    k.port.packet(ICMP, icmp_message(3, code, bytes(4), quote))


def errors_tcp(k):
    for code, name in ((1, "EHOSTUNREACH"), (3, "ECONNREFUSED"), (0, "ENETUNREACH")):
        c, slot = k.client()
        head = struct.pack("!HHI", c.dport, c.sport, (c.peer_isn + 77777) & 0xffffffff)
        unreachable(k, code, quoted(k, TCP, head + bytes(12)))
        c.p.quiet(0.1)
        got = k.app.do("state", slot)
        k.check(f"ICMP that quotes other numbers does not end connect() ({name})", got == "2", got)
        unreachable(k, code, quoted(k, TCP, struct.pack("!HHI", c.dport, c.sport, c.peer_isn) + bytes(12)))
        k.app.do("poll", slot, 5000)
        got = k.app.do("error", slot)
        k.check(f"ICMP ends connect() with {name}", got == name, got)
        k.close(slot)
    c, slot = k.server()
    unreachable(k, 1, quoted(k, TCP, struct.pack("!HHI", c.dport, c.sport, c.rcv) + bytes(12)))
    c.push(b"still here")
    got = k.app.do("show", slot, 10)
    k.check("ICMP does not end a connection that stands", got.startswith(b"still here".hex()), got)
    c.kill()
    k.close(slot)


def udp_slot(k, port=0):
    k.slot += 1
    k.app.do("udp", k.slot)
    if port:
        k.app.do("bind", k.slot, port)
    return k.slot


def errors_udp(k):
    slot, port = udp_slot(k), k.new_port()
    k.port.udp.clear()
    k.app.do("connect", slot, k.port.name, port)
    k.app.do("write", slot, 100, 4, 1000)
    got = k.port.until(lambda: k.port.udp and k.port.udp.popleft())
    k.check("a datagram comes out", got and got[1:] == (port, pattern(100, 4)), got)
    unreachable(k, 3, quoted(k, UDP, struct.pack("!HHHH", got[0], port, 108, 0)))
    got = k.app.do("recvfrom", slot)
    k.check("a closed port reaches the datagram socket", got == "-1 ECONNREFUSED", got)
    k.close(slot)


def send_pieces(k, pieces, ident, proto=UDP):
    for at, more, piece in pieces:
        k.port.packet(proto, piece, ident=ident, offset=at, more=more)


def datagram(k, n, seed):
    return udp_datagram(k.port.ip, k.port.rack_ip, SPORT, PORT, pattern(n, seed))


def heard(k, slot, what, n, seed):
    got = k.app.do("recvfrom", slot)
    k.check(what, got == f"{n} {crc(pattern(n, seed))} {SPORT}", got)


def heard_at_most(k, slot, what, n, seed):
    """Nothing but copies of that datagram comes before one that is sent now."""
    k.port.packet(UDP, datagram(k, 33, 14))
    wanted, mark = (f"{m} {crc(pattern(m, s))} {SPORT}" for m, s in ((n, seed), (33, 14)))
    got = k.app.do("recvfrom", slot)
    while got == wanted:
        got = k.app.do("recvfrom", slot)
    k.check(what, got == mark, got)


def fragments(k):
    rng, p = random.Random(3), k.port
    slot = udp_slot(k, PORT)
    for name, order in (("in order", lambda x: x), ("backwards", lambda x: x[::-1]),
                        ("shuffled", lambda x: rng.sample(x, len(x))), ("each of them twice", lambda x: x + x),
                        ("twice in a row", lambda x: [f for f in x for _ in (0, 1)][:-1])):
        send_pieces(k, order(p.pieces(datagram(k, 9000, 5), 1000)), rng.randrange(1 << 16))
        heard(k, slot, f"fragments {name}", 9000, 5)
        if name == "each of them twice":  # the second copy is a datagram of its own, or dropped
            heard_at_most(k, slot, "the copy is whole", 9000, 5)
    a, b = p.pieces(datagram(k, 4000, 6), 1480), p.pieces(datagram(k, 4000, 7), 1480)
    for x, y in zip(a, b):
        send_pieces(k, [x], 901)
        send_pieces(k, [y], 902)
    heard(k, slot, "fragments of two datagrams in turns", 4000, 6)
    heard(k, slot, "and the second", 4000, 7)
    a, b = p.pieces(datagram(k, 3000, 8), 1000), p.pieces(datagram(k, 3000, 9), 1000)
    whole = datagram(k, 3000, 8)
    send_pieces(k, [a[0], (504, True, whole[504:1504]), (1000, True, bytes(1000)), a[2], a[1]], 903)
    heard_at_most(k, slot, "fragments that overlap: the datagram or nothing", 3000, 8)
    for i in range(60):  # each keeps two of the stack's buffers
        send_pieces(k, p.pieces(datagram(k, 4000, 10), 1000)[1:3], 1000 + i)
    send_pieces(k, [(65528, False, bytes(100)), (65528, True, bytes(8)), (8, True, b"123"), (0, True, b"")], 2000)
    send_pieces(k, p.pieces(datagram(k, 9000, 11), 1000), 2001)
    heard(k, slot, "fragments without their rest do not stand in the way", 9000, 11)
    k.close(slot)


def fragments_tcp(k):
    c, slot = k.server()
    data = pattern(1400, 12)
    pieces = k.port.pieces(c.segment(ACK, data), 104)
    send_pieces(k, pieces[::-1], 3000, TCP)
    c.snd += len(data)
    k.check("a segment in fragments is acknowledged", c.acked())
    got = k.app.do("read", slot, len(data))
    k.check("and read", got == f"{len(data)} {crc(data)} -", got)
    c.kill()
    k.close(slot)


def martians(k):
    slot = udp_slot(k, PORT)
    for src in ("127.0.0.1", "224.0.0.1", "255.255.255.255", ".".join(str(b) for b in k.port.rack_ip)):
        src = addr(src)
        k.port.packet(UDP, udp_datagram(src, k.port.rack_ip, SPORT, PORT, b"from nowhere"), src=src)
    k.port.packet(UDP, datagram(k, 20, 13))
    heard(k, slot, "datagrams from senders that cannot be are not heard", 20, 13)
    k.close(slot)


def run(k):
    for case in (fragments, fragments_tcp, errors_udp, errors_tcp, martians):
        k.case(case)
    k.case(echo, once=True)
