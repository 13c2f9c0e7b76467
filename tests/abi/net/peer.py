#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The external peer of the socket cases: does what a case tells it over a control connection.

    peer.py [--port 7700] [--bind ADDRESS]

A line is a command, its answer a line: a value, "ok", "timeout", or -ERRNO. Sockets have the names that the
case gives them and end with the control connection; a thread serves each.
"""
import argparse
import errno
import socket
import struct
import threading
import time

LIMIT = 5.0  # seconds that any command may take
RST = struct.pack("ii", 1, 0)


def pattern(n, at=0):
    return bytes((at + i) * 7 % 251 for i in range(n))


class Session:
    def __init__(self, control, address):
        self.control, self.address = control, address
        self.socks, self.peers = {}, {}

    def serve(self):
        stream = self.control.makefile("r")
        for line in stream:
            try:
                answer = self.run(line.split())
            except TimeoutError:
                answer = "timeout"
            except OSError as e:
                answer = "-" + errno.errorcode.get(e.errno, str(e.errno))
            except (KeyError, IndexError, ValueError, AttributeError) as e:
                answer = f"?{type(e).__name__}"
            try:
                self.control.sendall((str(answer) + "\n").encode())
            except OSError:
                break
        for s in self.socks.values():
            s.close()
        self.control.close()

    def run(self, words):
        return getattr(self, "do_" + words[0])(*words[1:])

    def keep(self, name, s):
        s.settimeout(LIMIT)
        self.socks[name] = s
        return s

    # ---- TCP ----
    def do_listen(self, name, backlog="5", rcvbuf="0"):
        s = self.keep(name, socket.socket())
        if int(rcvbuf):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(rcvbuf))
        s.bind((self.address, 0))
        s.listen(int(backlog))
        return s.getsockname()[1]

    def do_refuse(self, name):
        """A port that refuses: bound, and nobody listens."""
        s = self.keep(name, socket.socket())
        s.bind((self.address, 0))
        return s.getsockname()[1]

    def do_blackhole(self, name):
        """A port that does not answer: its queue is full."""
        port = self.do_listen(name, "0")
        for i in range(2):
            s = self.keep(f"{name}-fill{i}", socket.socket())
            s.setblocking(False)
            s.connect_ex((self.address, port))
        time.sleep(0.05)
        return port

    def do_accept(self, listener, name):
        s, self.peers[name] = self.socks[listener].accept()
        self.keep(name, s)
        return "ok"

    def do_port(self, name):
        return self.peers[name][1]

    def do_connect(self, name, ip, port, sndbuf="0"):
        s = self.keep(name, socket.socket())
        if int(sndbuf):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, int(sndbuf))
        s.connect((ip, int(port)))
        return "ok"

    def do_myport(self, name):
        return self.socks[name].getsockname()[1]

    def do_send(self, name, text):
        self.socks[name].sendall(text.encode())
        return "ok"

    def do_urgent(self, name, text):
        self.socks[name].send(text.encode(), socket.MSG_OOB)
        return "ok"

    def do_oob(self, name):
        """Asks again and again: with a timeout, recv() would wait for other bytes first."""
        s, end = self.socks[name], time.monotonic() + LIMIT
        s.settimeout(0)
        try:
            while time.monotonic() < end:
                try:
                    return s.recv(1, socket.MSG_OOB).decode()
                except OSError:
                    time.sleep(0.02)
            return "timeout"
        finally:
            s.settimeout(LIMIT)

    def do_fill(self, name, n):
        self.socks[name].sendall(pattern(int(n)))
        return "ok"

    def do_fillbg(self, name, n):
        s = self.socks[name]

        def work():
            try:
                s.sendall(pattern(int(n)))
            except OSError:
                pass
        threading.Thread(target=work, daemon=True).start()
        return "ok"

    def do_recv(self, name, n):
        data = b""
        while len(data) < int(n):
            part = self.socks[name].recv(int(n) - len(data))
            if not part:
                break
            data += part
        return f"{len(data)} {data.decode('latin-1') if len(data) < 64 else ''}".strip()

    def do_drain(self, name):
        """Reads to the end: the number of bytes, and whether they are the pattern."""
        data = b""
        while True:
            part = self.socks[name].recv(65536)
            if not part:
                break
            data += part
        return f"{len(data)} {'good' if data == pattern(len(data)) else 'other'}"

    def do_discard(self, name):
        s = self.socks[name]

        def work():
            try:
                while s.recv(65536):
                    pass
            except OSError:
                pass
        threading.Thread(target=work, daemon=True).start()
        return "ok"

    def do_echo(self, name):
        s = self.socks[name]

        def work():
            try:
                while True:
                    part = s.recv(65536)
                    if not part:
                        break
                    s.sendall(part)
                s.close()
            except OSError:
                pass
        threading.Thread(target=work, daemon=True).start()
        return "ok"

    def do_eof(self, name):
        return "data" if self.socks[name].recv(1) else "eof"

    def do_shut(self, name, how):
        self.socks[name].shutdown({"rd": 0, "wr": 1, "both": 2}[how])
        return "ok"

    def do_close(self, name):
        self.socks.pop(name).close()
        return "ok"

    def do_rst(self, name):
        s = self.socks.pop(name)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        s.close()
        return "ok"

    # ---- UDP ----
    def do_udp(self, name):
        s = self.keep(name, socket.socket(type=socket.SOCK_DGRAM))
        s.bind((self.address, 0))
        return s.getsockname()[1]

    def do_usend(self, name, ip, port, n):
        self.socks[name].sendto(pattern(int(n)), (ip, int(port)))
        return "ok"

    def do_urecv(self, name):
        data, self.peers[name] = self.socks[name].recvfrom(65536)
        return f"{len(data)} {'good' if data == pattern(len(data)) else data[:40].decode('latin-1')}"

    def do_uport(self, name):
        return self.peers[name][1]

    def do_uecho(self, name):
        s = self.socks[name]

        def work():
            try:
                while True:
                    data, who = s.recvfrom(65536)
                    s.sendto(data, who)
            except OSError:
                pass
        threading.Thread(target=work, daemon=True).start()
        return "ok"

    def do_sleep(self, ms):
        time.sleep(int(ms) / 1000)
        return "ok"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--port", type=int, default=7700)
    p.add_argument("--bind", default="0.0.0.0")
    args = p.parse_args()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((args.bind, args.port))
    listener.listen(16)
    print("peer: ready", flush=True)
    while True:
        control, _ = listener.accept()
        control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = Session(control, control.getsockname()[0])
        threading.Thread(target=session.serve, daemon=True).start()


if __name__ == "__main__":
    main()
