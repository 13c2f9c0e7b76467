# SPDX-License-Identifier: GPL-2.0-only
"""Cases of wire.py: bytes. Segments of every size, order and overlap coming in, windows of zero both ways, what is
acknowledged that was never sent, small MSS, loss seen from the sender: the program has exactly the bytes that it must have."""
import random
import time

from wirepeer import ACK, FIN, PSH, RST, SYN, crc, pattern

SACK_MSS_SCALE = b"\2\4\5\xb4\1\3\3\7\1\1\4\2"


def read_all(k, what, slot, data):
    got = k.app.do("read", slot, len(data))
    k.check(what, got == f"{len(data)} {crc(data)} -", f"{got}, not {crc(data)}")


def end(k, c, slot):
    c.kill()
    k.close(slot)


def tiny(k):
    c, slot = k.server()
    data = pattern(1200, 1)
    c.push(data, 1)
    read_all(k, "segments of one byte", slot, data)
    end(k, c, slot)


def shuffled(k):
    """Every order, some of them twice."""
    rng = random.Random(5)
    c, slot = k.server(SACK_MSS_SCALE)
    data = pattern(40000, 2)
    parts = [(at, data[at:at + 997]) for at in range(0, len(data), 997)]
    first, rest = parts[0], parts[1:] + rng.sample(parts, 10)
    rng.shuffle(rest)
    for at, piece in rest:
        c.send(ACK, piece, seq=c.snd + at)
    s = c.get(lambda s: 5 in s.options and s.ack == c.snd)
    k.check("out of order: SACK says what is there", s and all(
        0 < int.from_bytes(s.options[5][i:i + 4], "big") - c.snd <= len(data) for i in range(0, len(s.options[5]), 4)), s)
    c.send(ACK, first[1])
    c.snd += len(data)
    k.check("out of order: the first piece acknowledges them all", c.acked())
    read_all(k, "out of order", slot, data)
    end(k, c, slot)


def overlapping(k):
    rng = random.Random(6)
    c, slot = k.server()
    data = pattern(30000, 3)
    parts = [(0, 1000), (len(data) - 1000, len(data))]
    for at in range(0, len(data), 700):
        parts.append((max(0, at - rng.randrange(400)), min(len(data), at + 700 + rng.randrange(300))))
    rng.shuffle(parts)
    for a, b in parts:
        c.send(ACK, data[a:b], seq=c.snd + a)
    c.snd += len(data)
    k.check("overlapping segments are acknowledged to the end", c.acked())
    read_all(k, "overlapping segments", slot, data)
    end(k, c, slot)


def conflicting(k):
    """Two versions of the same bytes: each byte is one of them, and a FIN inside does not count twice."""
    rng = random.Random(7)
    c, slot = k.server()
    versions = [bytes([65 + at % 26 for at in range(6000)]), bytes([97 + at % 26 for at in range(6000)])]
    for at in rng.sample(range(0, 6000, 100), 60):
        for v in rng.sample(versions, 2):
            n = rng.randrange(100, 600)
            c.send(ACK, v[at:at + n], seq=c.snd + at)
    c.snd += 6000
    k.check("conflicting segments are acknowledged to the end", c.acked())
    got = bytes.fromhex(k.app.do("show", slot, 6000).split()[0])
    k.check("conflicting segments: each byte is of one of them", got.lower() == versions[1] and len(got) == 6000, got[:80])
    end(k, c, slot)


def unacceptable(k):
    """RFC 9293 3.10.7.4: what is not in the window, or acknowledges nonsense, is answered and not taken."""
    c, slot = k.server()
    c.send(ACK, b"old", seq=c.snd - 3)
    s = c.get()
    k.check("old data is answered with an ACK", s and s.flags == ACK and s.ack == c.snd, s)
    c.send(ACK, b"far", seq=c.snd + (1 << 22))
    s = c.get()
    k.check("data beyond the window is answered with an ACK", s and s.flags == ACK and s.ack == c.snd, s)
    c.send(0, b"no ACK")
    k.check("a segment without ACK is dropped", c.silent())
    c.send(ACK, b"ahead", ack=c.rcv + 1000)
    s = c.get()
    k.check("an ACK of what was not sent is answered with an ACK", s and s.flags == ACK and s.ack == c.snd, s)
    c.send(ACK, b"behind", ack=c.rcv - (1 << 26))
    c.flush()
    c.send(ACK, b"good")
    c.snd += 4
    k.check("good data goes on", c.acked())
    got = k.app.do("show", slot, 4)
    k.check("and only that is read", got.split()[0] == b"good".hex(), got)
    end(k, c, slot)


def fill_window(c, data, seconds=10):
    """Sends what the window takes until it has been zero for a while: the bytes that were acknowledged."""
    base, sent, acked = c.snd, 0, 0
    edge = c.opened.win
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        while sent < edge:
            n = min(1460, edge - sent)
            c.send(ACK, data[sent:sent + n], seq=base + sent)
            sent += n
        s = c.get(seconds=0.25)
        if not s and acked == sent:
            c.send(ACK, seq=base + sent - 1)  # asks
            s = c.get()
            if s and s.ack - base + s.win <= edge:
                break
        if s:
            acked = max(acked, s.ack - base)
            edge = max(edge, s.ack - base + s.win)
    c.snd = base + acked
    return acked if acked == sent == edge else 0


def their_window(k):
    """Nobody reads: the window closes, a probe is answered; the reader opens it by no less than a segment."""
    c, slot = k.server()
    data = pattern(1 << 20, 5)
    n = fill_window(c, data)
    k.check("the window closes", 4096 < n < len(data) - 20000, n)
    for _ in range(3):
        c.send(ACK, data[n:n + 1])
        s = c.get()
        k.check("a probe of a window of zero is answered", s and s.ack - c.snd in (0, 1) and not s.win, (s, c.snd))
        if s and s.ack == c.snd + 1:  # it has a little room that it did not tell of
            c.snd, n = c.snd + 1, n + 1
    for at in (40000, 3000, 1460):
        c.send(ACK, data[n + at:n + at + 1460], seq=c.snd + at)
    c.flush()
    c.send(ACK, data[n - 1:n], seq=c.snd - 1)
    s = c.get()
    k.check("nothing beyond a closed window is taken", s and s.ack == c.snd, (s, c.snd))
    k.app.tell("read", slot, n)
    s = c.get(lambda s: s.win)
    k.check("the window opens by a segment or more", s and s.win >= 1460 and s.ack == c.snd, s)
    got = k.app.answer()
    k.check("what was in the window is read", got == f"{n} {crc(data[:n])} -", got)
    c.push(data[n:n + 20000])
    read_all(k, "and the rest afterwards", slot, data[n:n + 20000])
    end(k, c, slot)


def further_apart(c, want):
    """Segments that come by a timer, until one takes clearly longer than the one before; the times, None when none does.
    Two are enough, on a loaded machine perhaps not. The first gap may be short by a tick of the timer."""
    c.flush()
    times, got = [time.monotonic()], []
    while len(got) < 6:
        s = c.get(want)
        if not s:
            return None, got
        got.append(s)
        times.append(s.at)
        gaps = [b - a for a, b in zip(times, times[1:])]
        if len(gaps) > 1 and gaps[-1] > gaps[-2] * 1.6 and gaps[-1] > 0.3:
            return times, got
    return None, got


def our_window(k):
    """We close our window: the rack probes, further and further apart, and sends no more than it may."""
    c, slot = k.server(win=4000)
    k.app.tell("write", slot, 60000, 6, 10000)
    want, got = pattern(60000, 6), b""
    got += c.receive(4000, ack=False, seconds=0.3)
    k.check("no more than the window", 1460 <= len(got) <= 4000, len(got))
    c.win = 0
    c.send()
    times, probes = further_apart(c, lambda s: s.seq == c.rcv or s.seq == c.rcv - 1)
    k.check("a window of zero is probed", probes and all(len(s.data) <= 1 for s in probes), probes)
    k.check("probes come further and further apart", times, (times, probes))
    for c.win in (1, 7, 1, 500):  # a silly peer
        c.send()
        c.p.barrier()
    c.win = 65535
    c.send()
    got += c.receive(len(want) - len(got))
    k.check("all of it when the window opens", got == want, (len(got), len(want)))
    k.check("the program wrote all", k.app.answer() == "60000 -")
    end(k, c, slot)


def shrinking_window(k):
    """RFC 9293 3.8.6: a peer should not shrink its window, but one that does gets its bytes all the same."""
    c, slot = k.server()
    k.app.tell("write", slot, 30000, 7, 10000)
    want, got = pattern(30000, 7), b""
    for c.win in (9000, 3000, 100, 2000, 50, 65535):
        c.send()
        got += c.receive(1500, seconds=0.6)
    got += c.receive(len(want) - len(got))
    k.check("a window that shrinks", got == want, (len(got), len(want)))
    k.app.answer()
    end(k, c, slot)


def small_mss(k):
    for mss, most in ((536, 536), (100, 100), (1, 1460)):
        c, slot = k.server(b"\2\4" + mss.to_bytes(2, "big"))
        k.app.tell("write", slot, 3000, 8, 10000)
        want, got, largest, n = pattern(3000, 8), b"", 0, 0
        while len(got) < len(want):
            s = c.get(lambda s: s.data)
            if not s:
                break
            n += 1
            largest = max(largest, len(s.data))
            if s.seq == c.rcv:
                got += s.data
                c.rcv += len(s.data)
            c.send()
        k.check(f"an MSS of {mss}", got == want and largest <= most, (len(got), largest))
        if mss == 1:
            k.check("an MSS of 1 does not make segments of one byte", n < 200, n)
        k.app.answer()
        end(k, c, slot)


def lost(k):
    """The peer loses segments: three duplicate ACKs bring one at once, silence brings it by a timeout, later and later."""
    c, slot = k.server(b"\2\4\5\xb4")
    k.app.tell("write", slot, 1460 * 8, 9, 10000)
    want = pattern(1460 * 8, 9)
    first = c.receive(len(want), ack=False, seconds=0.5)
    k.check("ten segments make the first flight (RFC 6928)", len(first) == len(want), len(first))
    c.rcv -= len(first)
    c.flush()
    for _ in range(4):
        c.send()
    s = c.get(lambda s: s.data and s.seq == c.rcv, 2)
    k.check("duplicate ACKs: sent again at once", first and s and s.data[:100] == want[:100], s)
    k.app.answer()
    times, again = further_apart(c, lambda s: s.data and s.seq == c.rcv)
    k.check("silence: sent again, further and further apart", times, (times, again))
    got = again[-1].data if again else b""
    c.rcv += len(got)
    c.send()
    got += c.receive(len(want) - len(got), seconds=15)
    k.check("and all of it arrives", got == want, (len(got), len(want)))
    end(k, c, slot)


def lost_fin(k):
    """What waits for the window leaves as one large segment with the FIN. Lost and cut: the FIN comes with its last piece."""
    c, slot = k.server(b"\2\4\5\xb4")
    want, flight, got, early = pattern(1460 * 13, 10), 1460 * 10, b"", []
    k.app.do("write", slot, len(want), 10, 10000)
    k.app.do("shutdown", slot, 1)
    c.receive(flight, ack=False)
    c.flush()
    c.send()
    k.check("the FIN comes with the last bytes", c.get(lambda s: s.flags & FIN and s.data))
    while len(got) < len(want) - flight:
        s = c.get(lambda s: s.seq == c.rcv, 3)
        if not s or not s.data:
            break
        got, c.rcv = got + s.data, c.rcv + len(s.data)
        early += [len(got)] * bool(s.flags & FIN and len(got) < len(want) - flight)
        c.send()
    k.check("sent again in pieces: all bytes, and no FIN before them", got == want[flight:] and not early, (len(got), early))
    end(k, c, slot)


def damaged(k):
    c, slot = k.server()
    seg = bytearray(c.segment(ACK | PSH, b"damaged"))
    seg[-1] ^= 1
    c.p.packet(6, bytes(seg))
    for cut in (10, 19):
        c.p.packet(6, c.segment(ACK | PSH, b"")[:cut])
    seg = bytearray(c.segment(ACK, b"y"))
    seg[12] = 0x40  # a header of 16 bytes
    c.p.packet(6, bytes(seg))
    seg[12] = 0xf0  # one that is longer than the packet
    c.p.packet(6, bytes(seg))
    for options in (b"\2\1", b"\3\x20\1", b"\x05\x02", b"\xfe\x00\x00\x00", b"\2\4\0\0\3\3\xff\1"):
        c.send(ACK, options=options)
    c.push(b"intact")
    got = k.app.do("show", slot, 6)
    k.check("damaged headers, checksums and options are not taken", got.split()[0] == b"intact".hex(), got)
    end(k, c, slot)


def fin_everywhere(k):
    """FIN inside, at the end and beyond what else says where the end is: the first one in order counts."""
    c, slot = k.server()
    c.send(ACK | FIN, b"ghij", seq=c.snd + 6)
    c.send(ACK, b"defghijkl", seq=c.snd + 3)
    c.send(ACK, b"abc")
    c.p.quiet(0.1)
    got = k.app.do("show", slot, 100)
    text = bytes.fromhex(got.split()[0])
    k.check("FIN out of order and data beyond it", text in (b"abcdefghij", b"abcdefghijkl") and (
        got.endswith("EOF") or got.endswith("TIMEOUT")), (text, got))
    end(k, c, slot)


def syn_in_window(k):
    c, slot = k.server()
    c.send(SYN | ACK, b"evil", seq=c.snd)
    s = c.get()
    k.check("SYN and ACK in a connection is challenged", s and s.flags == ACK and s.ack == c.snd, s)
    c.push(b"fine")
    got = k.app.do("show", slot, 4)
    k.check("and brings no data", got.split()[0] == b"fine".hex(), got)
    end(k, c, slot)


def run(k):
    for case in (tiny, shuffled, overlapping, conflicting, unacceptable, their_window, our_window, shrinking_window,
                 small_mss, damaged, fin_everywhere, syn_in_window, lost, lost_fin):
        k.case(case)
