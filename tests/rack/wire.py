#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 300
"""What a TCP of our own does to the rack's, frame by frame: states and RST, segments in every order and size,
windows of zero, fragments, ICMP, loss. Every case knows which bytes the program must get or have sent and what
the wire must say; afterwards no connection, buffer or socket is left.

    tests/rack/wire.py [--linux | --ddio | --dma] [GROUP | CASE]...

With --linux the same cases meet this machine's own kernel, which shows what they ask is not too much.
"""
import json
import os
import sys
import time

import wire_data
import wire_flood
import wire_ip
import wire_loss
import wire_states
from lib import BUILD, Rack, Tap, rack
from wirepeer import App, Conn, Port

LISTEN = 5000
GROUPS = {"ip": wire_ip, "states": wire_states, "data": wire_data, "loss": wire_loss, "flood": wire_flood}


class Cases:
    """What the cases share: the wire, a program with a listener, ports and slots that were not used before."""

    ports = 20000  # each connection of a run has its own

    def __init__(self, tap, port, app, prefix, only):
        self.tap, self.port, self.app, self.prefix, self.only = tap, port, app, prefix, only
        self.slot = 1
        app.do("tcp", 0)
        got = (app.do("bind", 0, LISTEN), app.do("listen", 0, 100))
        self.check("a listener, also where one has just ended", got == ("0", "0"), got)

    def check(self, what, ok, detail=""):
        self.tap.check(f"{self.prefix}: {what}", bool(ok), detail)

    def case(self, case, once=False):
        """once: does not depend on how the bytes go inside the rack."""
        if self.only and case.__name__ not in self.only or once and self.prefix == "dma":
            return
        started = time.monotonic()
        case(self)
        self.check(f"no damaged packet ({case.__name__})", not self.port.bad, self.port.bad)
        self.port.bad.clear()
        print(f"# {case.__name__}: {time.monotonic() - started:.2f} s", flush=True)

    def conn(self, sport=None, dport=LISTEN):
        return Conn(self.port, sport or self.new_port(), dport)

    @classmethod
    def new_port(cls):
        cls.ports += 1
        return cls.ports

    def accept(self):
        self.slot += 1
        got = self.app.do("accept", 0, self.slot)
        if got.startswith("-1"):
            raise RuntimeError(f"accept: {got}")
        return self.slot

    def server(self, options=b"\2\4\5\xb4", win=65535):
        """A connection to the rack's listener and the program's slot."""
        c = self.conn()
        c.win = win
        if not c.open(options):
            raise RuntimeError("no answer to a SYN")
        return c, self.accept()

    def client(self):
        """A SYN of the rack's to us, not answered yet."""
        self.slot += 1
        c = Conn(self.port, self.new_port(), 0)
        self.app.do("tcp", self.slot)
        self.app.do("connect", self.slot, self.port.name, c.sport)
        if not c.accept():
            raise RuntimeError("no SYN came")
        return c, self.slot

    def close(self, slot):
        self.app.do("close", slot)


def run(tap, port, argv, prefix, groups, only):
    app = App(port, argv)
    k = Cases(tap, port, app, prefix, only)
    for g in groups:
        try:
            GROUPS[g].run(k)
        except RuntimeError as e:
            k.check(f"{g}: runs to its end", False, e)
    app.end()


def stats():
    r = rack("stats", "--json")
    return json.loads(r.out) if r.rc == 0 else {}


def nothing_left(t):
    n, p = {}, {}
    for _ in range(40):
        all_ = stats()
        n, p = all_.get("n0", {}), all_.get("p0", {})
        left = {k: v for k, v in n.items() if k in ("slab.skeleton", "slab.stack_tcp", "slab.tx_item", "slab.stack_udp",
                                                    "lwip.tcp_connections", "lwip.rx_kept") and v}
        left.update({k: v for k, v in p.items() if k == "slab.net_leg" and v})
        if not left:
            break
        time.sleep(0.5)
    t.check("no connection, buffer or handle is left", n and p and not left, left)
    bad = {k: v for k, v in {**n, **p}.items() if v and k.split(".")[-1] in (
        "bad_event", "bad_record", "bad_message", "window_violation", "stale_handle")}
    t.check("the boards agreed all the time", not bad, bad)
    r = rack("sockets")
    t.check("rack sockets shows nothing", r.rc == 0 and len(r.out.strip().split("\n")) == 1, r)


def main(argv):
    t = Tap()
    linux = "--linux" in argv
    groups = [a for a in argv if a in GROUPS] or list(GROUPS)
    only = [a for a in argv if a not in GROUPS and a[0] != "-"]
    with Rack("--set", "append=tcp.time_wait_ms=1500") as r:
        port = Port("192.168.77.66", "192.168.77.1" if linux else "192.168.77.10")
        if linux:
            r.client("sysctl", "-q", "-w", "net.ipv4.tcp_invalid_ratelimit=0")  # challenges, per connection
            run(t, port, ["client", "--", os.path.join(BUILD, "user", "wireapp")], "Linux", groups, only)
        else:
            for data in [d for d in ("ddio", "dma") if "--" + d in argv] or ("ddio", "dma"):
                run(t, port, ["run", "--on", "p0", "--data", data, "--", "wireapp"], data, groups, only)
        port.end()
        if not linux:
            nothing_left(t)
    t.end()


if __name__ == "__main__":
    main(sys.argv[1:])
