#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 240
"""UDP: the same static program on this Linux and on the rack in ddio and in dma gives the same output; with the
external side: every length up to the longest, both ways, a closed port, broadcast, names through a DNS server;
between two processor boards; nothing is left on any board."""
import difflib
import json
import os
import subprocess
import time

from lib import BUILD, RACK, Rack, Tap, rack

HOST, RACK_IP = "192.168.77.1", "192.168.77.10"

ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("%s", 7000))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(70000)
    s.sendto(data, peer)
""" % HOST

PROBE = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(("%s", int(sys.argv[1])))
good = 0
for n in (0, 1, 2, 100, 1471, 1472, 1473, 2952, 2953, 9000, 30000, 65507):
    data = bytes((i * 13 + i // 249) & 255 for i in range(n))
    s.send(data)
    good += s.recv(70000) == data
print(good)
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
c.settimeout(5)
c.connect(("%s", 7777))
c.send(b"x")
try:
    c.recv(1)
except OSError as e:
    print(e.strerror)
""" % (RACK_IP, RACK_IP)

BROADCAST = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.settimeout(5)
s.sendto(b"anybody", ("192.168.77.255", 7100))
print(s.recvfrom(100))
"""

PING = """
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(5)
got = []
for n in (56, 3000):
    m = struct.pack("!BBHHH", 8, 0, 0, 0x7261, n) + b"x" * n
    c = sum(struct.unpack(f"!{len(m) // 2}H", m))
    c = (c >> 16) + (c & 65535)
    c = ~((c >> 16) + c) & 65535
    s.sendto(m[:2] + c.to_bytes(2, "big") + m[4:], ("%s", 0))
    while True:
        r = s.recv(70000)
        if r[20] == 0 and r[24:28] == m[4:8]:
            got.append(len(r) - 28)
            break
print(*got)
""" % RACK_IP

# A DNS server (RFC 1035) that knows three names and no IPv6; its own address is the second.
DNS_AT = """
import socket
NAMES = {"one.test": ["192.0.2.1"], "many.test": ["192.0.2.%%d" %% i for i in range(1, 31)], "rack.test": ["%s"]}
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("%s", 53))
print("ready", flush=True)
while True:
    q, peer = s.recvfrom(1500)
    at, labels = 12, []
    while q[at]:
        labels.append(q[at + 1:at + 1 + q[at]].decode())
        at += 1 + q[at]
    question, name = q[12:at + 5], ".".join(labels)
    ips = NAMES.get(name, []) if q[at + 1:at + 3] == b"\\0\\1" else []
    code = 0 if name in NAMES else 3
    answer = b"".join(b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + socket.inet_aton(i) for i in ips)
    s.sendto(q[:2] + bytes((0x81, 0x80 | code)) + b"\\0\\1" + len(ips).to_bytes(2, "big") + b"\\0\\0\\0\\0"
             + question + answer, peer)
"""
DNS = DNS_AT % (RACK_IP, HOST)


class Outside:
    """A Python program of the external side, which says when it is ready."""

    def __init__(self, source):
        self.p = subprocess.Popen([RACK, "client", "--", "python3", "-c", source], stdout=subprocess.PIPE)
        self.p.stdout.readline()

    def end(self):
        self.p.terminate()
        self.p.wait()


def stats(board):
    r = rack("stats", "--json")
    return json.loads(r.out).get(board, {}) if r.rc == 0 else {}


def same_as_linux(t, r):
    linux = subprocess.run([os.path.join(BUILD, "user", "udptest")], stdout=subprocess.PIPE,
                           timeout=100).stdout.decode()
    for data in ("ddio", "dma"):
        x = r.run("udptest", on="p0", data=data, timeout=100)
        diff = list(difflib.unified_diff(linux.split("\n"), x.out.split("\n"), "linux", data, lineterm="", n=0))
        t.check(f"{data}: as on Linux", x.rc == 0 and not diff, "\n".join(diff) or x)


def outside(t, r):
    echo = Outside(ECHO)
    for data in ("ddio", "dma"):
        x = r.run("udpecho", "probe", HOST, "7000", on="p0", data=data)
        t.check(f"{data}: to the outside and back, every length", x.out.count("same\n") == 12, x)
        t.check(f"{data}: a closed port outside", "closed port: -1 Connection refused" in x.out, x)
        r.start("udpecho", "serve", "7001", "12", on="p0", data=data)
        time.sleep(1)
        x = r.client("python3", "-c", PROBE, "7001")
        t.check(f"{data}: from the outside and back; a closed port", x.out == "12\nConnection refused\n", x)
    echo.end()
    r.start("udpecho", "serve", "7100", "1", on="p1")
    time.sleep(1)
    x = r.client("python3", "-c", BROADCAST)
    t.check("a broadcast is heard", x.out == f"(b'anybody', ('{RACK_IP}', 7100))\n", x)
    x = r.client("python3", "-c", PING)
    t.check("ICMP echo, fragmented too", x.out == "56 3000\n", x)


def names(t, r):
    dns = Outside(DNS)
    x = r.run("dyn-resolve", "one.test", "many.test", "none.test", "localhost", "192.0.2.77")
    many = " ".join(sorted(f"192.0.2.{i}" for i in range(1, 31)))
    t.check("names by the C library", x.out == f"one.test: 192.0.2.1\nmany.test: {many}\n"
            "none.test: Name or service not known\nlocalhost: 127.0.0.1\n192.0.2.77: 192.0.2.77\n", x)
    x = r.sh("nslookup one.test")
    t.check("names by busybox", "192.0.2.1" in x.out, x)
    dns.end()


def looks(t, r):
    """What programs and the operator see of sockets and routes."""
    r.start("udpecho", "serve", "7400", "1", on="p1")
    r.start("nc", "-l", "-p", "7401", on="p0")
    time.sleep(1)
    x = rack("sockets")
    rows = [line.split() for line in x.out.splitlines()]
    t.check("rack sockets", any(f[:2] == ["p1", "udp"] and f[5] == "0.0.0.0:7400" for f in rows)
            and any(f[:3] == ["p0", "tcp", "LISTEN"] and f[5] == "0.0.0.0:7401" for f in rows), x)
    x = r.sh("netstat -ltn; route -n; ifconfig eth0", on="p0")
    t.check("netstat, route and ifconfig of busybox", "0.0.0.0:7401" in x.out and RACK_IP in x.out
            and any(f.split()[:2] == ["0.0.0.0", HOST] for f in x.out.splitlines() if f), x)
    x = r.sh("grep eth0 /proc/net/dev; grep Udp: /proc/net/snmp; grep Tcp: /proc/net/snmp", on="p0")
    dev, udp = [line.split() for line in x.out.splitlines()][:3:2] if x.out.count("\n") == 5 else ([], [])
    counted = stats("n0")
    t.check("/proc/net/dev and snmp count what the NIC does", dev and int(dev[1]) > 100000 and int(dev[2]) > 50
            and int(dev[9]) > 100000 and 0 < int(udp[1]) <= counted["lwip.udp_rx"]
            and int(udp[4]) == counted["lwip.udp_tx"], (x, counted))
    x = r.run("ifaddrs", on="p0")
    t.check("getifaddrs()", x.out == f"lo 1 127.0.0.1 255.0.0.0 up\neth0 2 {RACK_IP} 255.255.255.0 up\n", x)
    x = r.sh("ip addr show eth0; ip route", on="p1")
    t.check("ip of busybox", f"inet {RACK_IP}/24" in x.out and f"default via {HOST} dev eth0" in x.out, x)
    r.client("python3", "-c", PROBE, "7400", timeout=20)
    r.client("python3", "-c", f"import socket; socket.create_connection(('{RACK_IP}', 7401)).close()")


def boards(t, r):
    r.start("udpecho", "serve", "7200", "12", on="p1")
    time.sleep(1)
    x = r.run("udpecho", "probe", RACK_IP, "7200", on="p0")
    t.check("between two processor boards", x.out.count("same\n") == 12 and "refused" in x.out, x)


def main():
    t = Tap()
    with Rack() as r:
        same_as_linux(t, r)
        outside(t, r)
        names(t, r)
        boards(t, r)
        looks(t, r)
        for _ in range(30):
            legs = [stats(b).get("slab.net_leg", -1) for b in ("p0", "p1")]
            if legs == [0, 0]:
                break
            time.sleep(1)
        t.check("no handle is left", legs == [0, 0], legs)
        s, n = stats("p0"), stats("n0")
        t.check("nothing on the nComponent", not n.get("slab.skeleton", -1) and not n.get("slab.stack_udp_tx", -1)
                and not n.get("slab.rx_dgram", -1), n)
        t.check("no bad event", all(s.get(k, 0) == 0 for k in
                                    ("stub.bad_event", "stub.bad_record", "stub.window_violation")),
                {k: v for k, v in s.items() if k.startswith("stub.")})
    t.end()


if __name__ == "__main__":
    main()
