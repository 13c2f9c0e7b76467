# SPDX-License-Identifier: GPL-2.0-only
"""A TCP, UDP and ICMP end of a test's own on a rack's Ethernet: frames by hand, each checked as it comes.

Port is the cable, with an address of its own that the rack finds by ARP and that no kernel answers for. Conn
is one connection's numbers: what it sends is what the test says, in whatever order and with whatever flags.
Nothing is sent of its own accord but ARP replies. Waiting for the program on the rack (App) reads the wire too.
"""
import collections
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

from garbage import checksum
from lib import RACK, TOP

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
TCP, UDP, ICMP = 6, 17, 1
MAC = bytes.fromhex("525400770a42")
BROADCAST = b"\xff" * 6
PATIENCE = 8.0  # seconds for what must come; a loaded machine may take them
NOBODY = 19999  # a port at both ends where nothing listens


class Segment(collections.namedtuple("Segment", "src dst sport dport seq ack flags win options data at")):
    def __repr__(self):
        names = "".join(c for i, c in enumerate("FSRPAU") if self.flags & 1 << i)
        return f"<{names} seq {self.seq} ack {self.ack} win {self.win} {len(self.data)} bytes>"


def pattern(n, seed, start=0):
    """As user/wireapp.c fills."""
    return bytes((at * 31 + at // 251 * 7 + seed * 17) & 255 for at in range(start, start + n))


def addr(text):
    return socket.inet_aton(text)


def ip_packet(src, dst, proto, payload, ident=1, offset=0, more=False, ttl=64):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, more << 13 | offset // 8, ttl, proto, 0,
                       src, dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def with_sum(src, dst, proto, payload, at):
    pseudo = src + dst + struct.pack("!HH", proto, len(payload))
    return payload[:at] + struct.pack("!H", checksum(pseudo + payload) or 0xffff) + payload[at + 2:]


def tcp_segment(src, dst, sport, dport, seq, ack, flags, win=65535, data=b"", options=b""):
    options += b"\1" * (-len(options) % 4)
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff,
                       (20 + len(options)) // 4 << 4, flags, win, 0, 0)
    return with_sum(src, dst, TCP, head + options + data, 16)


def udp_datagram(src, dst, sport, dport, data):
    return with_sum(src, dst, UDP, struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data, 6)


def icmp_message(kind, code, rest, data):
    m = struct.pack("!BBH4s", kind, code, 0, rest) + data
    return m[:2] + struct.pack("!H", checksum(m)) + m[4:]


def tcp_options(data):
    """{kind: value} of a header's options."""
    got, at = {}, 0
    while at < len(data) and data[at]:
        if data[at] == 1:
            at += 1
            continue
        got[data[at]] = data[at + 2:at + data[at + 1]]
        at += max(2, data[at + 1])
    return got


class Port:
    """The cable. Received packets wait in self.tcp[local port], self.udp, self.icmp; damaged ones are in self.bad."""

    def __init__(self, ip, rack_ip):
        self.name, self.ip, self.rack_ip = ip, addr(ip), addr(rack_ip)
        self.tcp = collections.defaultdict(collections.deque)
        self.udp, self.icmp, self.bad = collections.deque(), collections.deque(), []
        self.fragments = {}
        self.marks = 0
        self.silent = False  # no ARP replies
        self.also = set()    # further addresses that are answered for
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            with socket.socket(socket.AF_UNIX) as u:
                u.bind(path)
                u.listen(1)
                u.settimeout(20)
                self.helper = subprocess.Popen(
                    [RACK, "client", "--", sys.executable, os.path.join(TOP, "tests", "rack", "wirehelper.py"),
                     "port", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                c, _ = u.accept()
                _, fds, _, _ = socket.recv_fds(c, 10, 1)
                c.close()
        self.sock = socket.socket(fileno=fds[0])
        self.sock.setblocking(False)
        self.rack_mac = None
        self.arp_request()
        self.until(lambda: self.rack_mac)
        if not self.rack_mac:
            raise RuntimeError("the rack does not answer ARP")

    def end(self):
        self.helper.stdin.close()
        self.helper.wait(10)
        self.sock.close()

    # ---- out
    def frame(self, dst, kind, payload):
        while True:
            try:
                self.sock.send(dst + MAC + struct.pack("!H", kind) + payload)
                return
            except BlockingIOError:
                select.select([], [self.sock], [], 1)

    def arp_request(self):
        self.frame(BROADCAST, 0x806, struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, MAC, self.ip, bytes(6),
                                                 self.rack_ip))

    def packet(self, proto, payload, src=None, **kw):
        self.frame(self.rack_mac, 0x800, ip_packet(src or self.ip, self.rack_ip, proto, payload, **kw))

    @staticmethod
    def pieces(payload, size):
        """A packet's payload cut into fragments: (offset, more, bytes), in order."""
        return [(at, at + size < len(payload), payload[at:at + size]) for at in range(0, len(payload), size)]

    # ---- in
    def take(self):
        """Reads what is there; what is not ours is left out."""
        for _ in range(256):
            try:
                frame, where = self.sock.recvfrom(65536)
            except BlockingIOError:
                return
            if where[2] != socket.PACKET_OUTGOING:
                self.sort(frame)

    def sort(self, frame):
        kind = frame[12:14]
        if kind == b"\x08\x06" and len(frame) >= 42:
            op, mac, ip_, _, want = struct.unpack("!H6s4s6s4s", frame[20:42])
            if ip_ == self.rack_ip:
                self.rack_mac = mac
            if op == 1 and (want == self.ip or want in self.also) and not self.silent:
                self.frame(mac, 0x806, struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 2, MAC, want, mac, ip_))
        elif kind == b"\x08\x00" and frame[:6] == MAC:
            self.ipv4(frame[14:])

    def ipv4(self, p):
        total, ident, flags, proto = struct.unpack("!HHHxB", p[2:10])
        if checksum(p[:20]) or total > len(p):
            self.bad.append("IP header")
            return
        src, dst, body = p[12:16], p[16:20], p[20:total]
        if flags & 0x3fff:  # a fragment
            parts = self.fragments.setdefault((src, ident, proto), {})
            parts[(flags & 0x1fff) * 8] = body
            if not flags & 0x2000:
                parts["end"] = (flags & 0x1fff) * 8 + len(body)
            whole = b"".join(parts[k] for k in sorted(k for k in parts if k != "end"))
            if len(whole) != parts.get("end"):
                return
            del self.fragments[(src, ident, proto)]
            body = whole
        if proto == ICMP:
            self.icmp.append(body) if not checksum(body) else self.bad.append("ICMP")
        elif checksum(src + dst + struct.pack("!HH", proto, len(body)) + body):
            self.bad.append("TCP" if proto == TCP else "UDP")
        elif proto == UDP:
            self.udp.append((*struct.unpack("!HH", body[:4]), body[8:]))
        elif proto == TCP:
            sport, dport, seq, ack, size, flags, win = struct.unpack("!HHIIBBH", body[:16])
            size = size >> 4 << 2
            self.tcp[dport].append(Segment(src, dst, sport, dport, seq, ack, flags, win,
                                           tcp_options(body[20:size]), body[size:], time.monotonic()))

    def until(self, done, seconds=PATIENCE, *others):
        """Reads until done() says something true, or for so long; others: file descriptors that end the wait."""
        end = time.monotonic() + seconds
        while True:
            self.take()
            got = done()
            left = end - time.monotonic()
            if got or left <= 0:
                return got
            ready = select.select([self.sock, *others], [], [], left)[0]
            if set(ready) & set(others):
                return None

    def barrier(self):
        """Everything sent before has been taken, and answered if it is at once: frames go in order, and this one,
        an ACK for nobody, is answered with a RST that has its number."""
        self.marks += 1
        inbox = self.tcp[NOBODY]
        for _ in range(3):
            self.packet(TCP, tcp_segment(self.ip, self.rack_ip, NOBODY, NOBODY, 0, self.marks, ACK))
            if self.until(lambda: any(s.seq == self.marks and s.flags & RST for s in inbox)):
                inbox.clear()
                return
        raise RuntimeError("no RST for a segment to nobody")

    def quiet(self, seconds):
        self.until(lambda: False, seconds)


class Conn:
    """One connection. snd and rcv are absolute sequence numbers: the next to send, the next expected."""

    def __init__(self, port, sport, dport, isn=None):
        self.p, self.sport, self.dport = port, sport, dport
        self.isn = self.snd = isn if isn is not None else zlib.crc32(struct.pack("!HH", sport, dport))
        self.rcv = self.peer_isn = 0
        self.win, self.scale = 65535, 0
        self.inbox = port.tcp[sport]
        self.inbox.clear()

    def send(self, flags=ACK, data=b"", seq=None, ack=None, win=None, options=b"", **kw):
        self.p.packet(TCP, self.segment(flags, data, seq, ack, win, options), **kw)

    def segment(self, flags=ACK, data=b"", seq=None, ack=None, win=None, options=b""):
        return tcp_segment(self.p.ip, self.p.rack_ip, self.sport, self.dport, self.snd if seq is None else seq,
                           (self.rcv if ack is None else ack) if flags & ACK else ack or 0, flags,
                           self.win if win is None else win, data, options)

    def get(self, want=lambda s: True, seconds=PATIENCE):
        """The next segment that is wanted; those before it are thrown away. None: it did not come."""
        def look():
            while self.inbox:
                s = self.inbox.popleft()
                if want(s):
                    return s
            return None
        return self.p.until(look, seconds)

    def flush(self):
        self.p.barrier()
        self.inbox.clear()

    def silent(self):
        """No answer to what was sent; a SYN or FIN may come once more."""
        self.p.barrier()
        return all(s.flags & (SYN | FIN) for s in self.inbox)

    # ---- the handshake
    def syn(self, options=b"\2\4\5\xb4"):
        self.send(SYN, options=options)
        s = self.get(lambda s: s.flags & (SYN | ACK) == SYN | ACK)
        if s:
            self.answered(s)
        return s

    def answered(self, s):
        self.peer_isn, self.rcv, self.snd = s.seq, (s.seq + 1) & 0xffffffff, (self.isn + 1) & 0xffffffff
        self.scale = s.options.get(3, b"\0")[0]
        self.opened = s

    def open(self, options=b"\2\4\5\xb4"):
        s = self.syn(options)
        if s:
            self.send()
        return s

    def accept(self, options=b"\2\4\5\xb4", seconds=PATIENCE):
        """The other direction: the rack connects."""
        s = self.get(lambda s: s.flags & SYN, seconds)
        if not s:
            return None
        self.dport, self.peer_isn, self.rcv = s.sport, s.seq, (s.seq + 1) & 0xffffffff
        self.opened = s
        return s

    def answer(self, options=b"\2\4\5\xb4"):
        self.send(SYN | ACK, options=options)
        self.snd = (self.isn + 1) & 0xffffffff
        return self.get(lambda s: s.flags & ACK and s.ack == self.snd)

    # ---- data
    def push(self, data, size=1460):
        """In order, whatever is acknowledged."""
        for at in range(0, len(data), size):
            self.send(ACK | PSH, data[at:at + size])
            self.snd = (self.snd + len(data[at:at + size])) & 0xffffffff

    def acked(self, seconds=PATIENCE, seq=None):
        seq = self.snd if seq is None else seq
        return self.get(lambda s: s.flags & ACK and s.ack == seq & 0xffffffff, seconds)

    def receive(self, n, ack=True, seconds=PATIENCE):
        """The next n bytes, in order, acknowledged; b"" and fewer when they do not come."""
        got, end = b"", time.monotonic() + seconds
        while len(got) < n:
            s = self.get(lambda s: s.data, max(0, end - time.monotonic()))
            if not s:
                break
            skip = (self.rcv - s.seq) & 0xffffffff
            if skip < len(s.data):
                got += s.data[skip:]
                self.rcv = (s.seq + len(s.data)) & 0xffffffff
            if ack:
                self.send()
        return got

    def fin(self, data=b""):
        self.send(FIN | ACK, data)
        self.snd = (self.snd + len(data) + 1) & 0xffffffff

    def kill(self):
        """A RST that counts: what the other end expects next is asked for before, until nobody answers there."""
        for _ in range(20):
            self.flush()
            self.send(ACK, b"?", seq=self.snd - 1)
            s = self.get(lambda s: s.flags & (ACK | RST))
            if not s or s.flags & RST:
                return
            self.send(RST, seq=s.ack)
        raise RuntimeError("a connection cannot be reset")

    def got_fin(self, ack=True, seconds=PATIENCE):
        s = self.get(lambda s: s.flags & FIN, seconds)
        if s:
            self.rcv = (s.seq + len(s.data) + 1) & 0xffffffff
            if ack:
                self.send()
        return s


class App:
    """user/wireapp.c, started by a verb of the rack, obeying; the wire is read while it works."""

    def __init__(self, port, verb):
        self.port = port
        self.p = subprocess.Popen([RACK, *verb], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.buffer = b""
        self.answer()

    def tell(self, *words):
        self.p.stdin.write((" ".join(str(w) for w in words) + "\n").encode())
        self.p.stdin.flush()

    def answer(self, seconds=30):
        end = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0:
                raise RuntimeError("the program on the rack does not answer")
            self.port.until(lambda: False, left, self.p.stdout)
            if select.select([self.p.stdout], [], [], 0)[0]:
                more = os.read(self.p.stdout.fileno(), 65536)
                if not more:
                    raise RuntimeError("the program on the rack has ended")
                self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def do(self, *words):
        self.tell(*words)
        return self.answer()

    def end(self):
        self.p.stdin.close()
        self.p.wait(20)


def crc(data):
    return f"{zlib.crc32(data):08x}"
