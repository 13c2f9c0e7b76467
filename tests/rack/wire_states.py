# SPDX-License-Identifier: GPL-2.0-only
"""Cases of wire.py: a connection's states as RFC 9293 3.10 and RFC 5961 have them, and RST in each of them."""
from wirepeer import ACK, FIN, PSH, RST, SYN, pattern

EST, SYN_SENT, FIN_WAIT1, FIN_WAIT2, CLOSED, CLOSE_WAIT, CLOSING = 1, 2, 4, 5, 7, 8, 11


def fin_unheard(c):
    """Their FIN comes, and nothing that we send afterwards acknowledges it."""
    c.got_fin(ack=False)
    c.rcv -= 1


def established(k):
    c, slot = k.server()
    return c, slot, EST


def fin_wait_1(k):
    c, slot = k.server()
    k.app.do("shutdown", slot, 1)
    fin_unheard(c)
    return c, slot, FIN_WAIT1


def fin_wait_2(k):
    c, slot = k.server()
    k.app.do("shutdown", slot, 1)
    c.got_fin()
    c.p.quiet(0.05)
    return c, slot, FIN_WAIT2


def close_wait(k):
    c, slot = k.server()
    c.fin()
    c.acked()
    return c, slot, CLOSE_WAIT


def closing(k):
    """Both FINs cross."""
    c, slot = k.server()
    k.app.do("shutdown", slot, 1)
    fin_unheard(c)
    c.fin()
    c.acked()
    return c, slot, CLOSING


def last_ack(k):
    c, slot = k.server()
    c.fin()
    c.acked()
    k.close(slot)
    fin_unheard(c)
    return c, None, None


def time_wait(k):
    c, slot = k.server()
    k.close(slot)
    c.got_fin()
    c.fin()
    c.acked()
    return c, None, None


def alive(c):
    """An old byte is answered with an ACK while the connection is there (RFC 9293 3.10.7.4)."""
    c.flush()
    c.send(ACK, b"x", seq=c.snd - 1)
    s = c.get()
    return bool(s) and s.flags & (RST | ACK) == ACK and s.ack == c.snd & 0xffffffff


def gone(c):
    c.flush()
    c.send(ACK)
    s = c.get(lambda s: s.flags & RST)
    return bool(s) and s.seq == c.rcv


def blind(k, name, c):
    """RST and SYN that somebody has guessed: beyond the window nothing, in it a challenge (RFC 5961 3.2, 4.2)."""
    c.flush()
    c.send(RST, seq=c.snd + (1 << 20))
    c.send(RST, seq=c.snd - 2)
    k.check(f"{name}: RST outside the window is not noticed", c.silent())
    c.send(RST, seq=c.snd + 100)
    s = c.get(lambda s: s.flags & (RST | ACK) == ACK and s.ack == c.snd)
    k.check(f"{name}: RST inside the window is challenged", s, s)
    c.send(SYN, seq=c.snd + 100)
    s = c.get(lambda s: s.flags & (RST | ACK) == ACK and s.ack == c.snd)
    k.check(f"{name}: so is a SYN", s, s)
    k.check(f"{name}: the connection stands", alive(c))


# how a state is reached; what recv() says after the RST, or, where a FIN came before and is read, SO_ERROR
SEEN = {
    "ESTABLISHED": (established, ["0 00000000 ECONNRESET"]),
    "FIN_WAIT_1": (fin_wait_1, ["0 00000000 ECONNRESET"]),
    "FIN_WAIT_2": (fin_wait_2, ["0 00000000 ECONNRESET"]),
    "CLOSE_WAIT": (close_wait, ["EPIPE"]),
    "CLOSING": (closing, ["0", "ECONNRESET"]),  # as the RFC has it, and as Linux has it
    "LAST_ACK": (last_ack, None),
}


def resets(k):
    for name, (make, seen) in SEEN.items():
        c, slot, state = make(k)
        if slot is not None:
            got = k.app.do("state", slot)
            k.check(f"{name} is reached", got == str(state), got)
        blind(k, name, c)
        c.send(RST)
        k.check(f"RST ends {name}", gone(c))
        if slot is None:
            continue
        got = k.app.do("read", slot, 1) if " " in seen[0] else k.app.do("error", slot)
        k.check(f"{name}: the program is told", got in seen, got)
        after = (k.app.do("poll", slot, 0), k.app.do("read", slot, 1), k.app.do("write", slot, 1, 0, 0),
                 k.app.do("state", slot), k.app.do("error", slot))
        k.check(f"{name}: and what comes after it", after == ("in out hup rdhup .", "0 00000000 EOF", "0 EPIPE",
                                                              str(CLOSED), "0"), after)
        k.close(slot)


def reset_time_wait(k):
    """RFC 1337: TIME_WAIT outlives a RST; a FIN that comes again is acknowledged."""
    c, _, _ = time_wait(k)
    c.send(RST, seq=c.snd + 100)
    c.send(SYN, seq=c.snd - 100)
    c.get()
    c.flush()
    c.send(FIN | ACK, seq=c.snd - 1)
    s = c.get()
    k.check("TIME_WAIT: a FIN that comes again is acknowledged", s and s.flags == ACK and s.ack == c.snd, s)
    again = k.conn(c.sport)
    again.isn = again.snd = (c.snd + 100000) & 0xffffffff
    k.check("a new SYN begins anew out of TIME_WAIT", again.open())
    slot = k.accept()
    again.push(b"again")
    got = k.app.do("read", slot, 5)
    k.check("and the connection works", got.startswith("5 ") and got.endswith(" -"), got)
    again.send(RST)
    k.close(slot)


def reset_syn_sent(k):
    c, slot = k.client()
    c.send(RST, seq=0)
    c.send(RST, seq=c.rcv)
    c.send(RST | ACK, seq=0, ack=c.rcv + 5)
    c.send(RST | ACK, seq=0, ack=c.rcv - 1)
    c.p.barrier()
    got = k.app.do("state", slot)
    k.check("SYN_SENT: RST that acknowledges another number is ignored", got == str(SYN_SENT), got)
    c.send(ACK, seq=77, ack=c.rcv + 5)
    s = c.get(lambda s: s.flags & RST)
    k.check("SYN_SENT: an ACK of what was not sent is reset (RFC 9293 3.10.7.3)", s and s.seq == c.rcv + 5, s)
    c.send(RST | ACK, seq=0)
    k.app.do("poll", slot, 5000)
    got = k.app.do("error", slot)
    k.check("SYN_SENT: RST refuses the connection", got == "ECONNREFUSED", got)
    k.close(slot)


def syn_rcvd(k):
    c = k.conn()
    c.syn()
    c.send(RST, seq=c.snd + (1 << 20))
    c.send(RST, seq=c.snd - 2)
    k.check("SYN_RCVD: RST outside the window is not noticed", c.silent())
    c.send(RST, seq=c.snd + 100)
    s = c.get(lambda s: s.flags & (RST | ACK) == ACK)
    k.check("SYN_RCVD: RST inside the window is challenged", s and s.ack == c.snd, s)
    c.send(ACK, ack=c.rcv + 7)
    s = c.get(lambda s: s.flags & RST)
    k.check("SYN_RCVD: an ACK of what was not sent is reset", s and s.seq == c.rcv + 7, s)
    c.send(SYN, seq=c.isn, options=b"\2\4\5\xb4")
    s = c.get(lambda s: s.flags & SYN)
    k.check("SYN_RCVD: the SYN once more is answered once more", s and s.seq == c.peer_isn, s)
    c.send(RST)
    k.check("RST ends SYN_RCVD", gone(c))
    c = k.conn()
    c.syn()
    c.send(ACK, b"early")
    c.snd += 5
    slot = k.accept()
    got = k.app.do("show", slot, 5)
    k.check("data in the handshake's last segment", got.startswith(b"early".hex()), got)
    c.send(RST)
    k.close(slot)


def refused(k):
    """No listener: RST with the numbers of RFC 9293 3.5.2."""
    c = k.conn(dport=5999)
    c.send(SYN)
    s = c.get()
    k.check("a closed port resets a SYN", s and s.flags == RST | ACK and s.seq == 0 and s.ack == c.isn + 1, s)
    c.send(ACK, b"abc", ack=1234567)
    s = c.get()
    k.check("and an ACK", s and s.flags & RST and s.seq == 1234567, s)
    c.send(RST)
    c.send(RST | ACK, ack=5)
    k.check("a RST is never answered", c.silent())


def closes(k):
    c, slot = k.server()
    c.push(b"last words")
    c.fin()
    got = k.app.do("show", slot, 100)
    k.check("half-close: data, then the end", got == b"last words".hex() + " 10 " + got.split()[2] + " EOF", got)
    k.app.tell("write", slot, 9000, 5, 3000)
    got = c.receive(9000)
    k.check("half-close: the other direction goes on", got == pattern(9000, 5), len(got))
    k.app.answer()
    c.send(ACK, b"more", seq=c.snd)
    c.p.quiet(0.1)
    got = k.app.do("read", slot, 1)
    k.check("what lies beyond a FIN is not data", got == "0 00000000 EOF", got)
    k.close(slot)
    s = c.got_fin()
    k.check("half-close: FIN at the end", s and gone(c), s)

    c, slot = k.server()
    c.send(FIN | ACK, b"tail", seq=c.snd + 4)
    c.p.quiet(0.05)
    c.send(ACK, b"head")
    c.snd += 9
    got = k.app.do("show", slot, 100)
    k.check("a FIN out of order waits for what is missing", got.startswith(b"headtail".hex() + " 8")
            and got.endswith("EOF"), got)
    k.close(slot)
    k.check("and closes", c.got_fin())

    c, slot = k.server()
    c.push(b"unread")
    c.acked()
    k.close(slot)
    s = c.get(lambda s: s.flags & (RST | FIN))
    k.check("close with unread data is a RST (RFC 2525 2.17)", s and s.flags & RST, s)

    c, slot = k.server()
    k.app.do("linger", slot, 0)
    k.close(slot)
    s = c.get(lambda s: s.flags & (RST | FIN))
    k.check("close with SO_LINGER of 0 is a RST", s and s.flags & RST and s.seq == c.rcv, s)

    c, slot = k.server()
    k.close(slot)
    c.got_fin()
    c.send(PSH | ACK, b"for nobody")
    s = c.get(lambda s: s.flags & RST)
    k.check("data for a socket that is closed is reset", s and s.seq == c.rcv, s)


def simultaneous_open(k):
    """RFC 9293 3.5: both send a SYN."""
    c, slot = k.client()
    c.send(SYN, options=b"\2\4\5\xb4")
    s = c.get(lambda s: s.flags & (SYN | ACK) == SYN | ACK)
    k.check("simultaneous open: SYN and ACK for a SYN", s and s.seq == c.peer_isn and s.ack == c.isn + 1, s)
    c.send(SYN | ACK, options=b"\2\4\5\xb4")
    c.snd = c.isn + 1
    got = k.app.do("poll", slot, 5000)
    k.check("simultaneous open: it is made", got == "out .", got)
    c.push(b"hello")
    got = k.app.do("show", slot, 5)
    k.check("simultaneous open: bytes come", got.startswith(b"hello".hex()), got)
    c.send(RST)
    k.close(slot)


def run(k):
    for case in (refused, reset_syn_sent, syn_rcvd, simultaneous_open, resets, reset_time_wait, closes):
        k.case(case)
