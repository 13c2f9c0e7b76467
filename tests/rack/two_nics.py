#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 100
"""An nComponent with two NICs: GNM knows both, servers are reached by either address, and connections of the
rack's programs are spread over them; what belongs to an address stays on its NIC."""
import json

from lib import Rack, Tap, rack

FIRST, SECOND, HOST = "192.168.77.10", "192.168.77.11", "192.168.77.1"
SIZE = 1 << 20
SERVER = "busybox httpd -f -p 80 -h /www"
FETCH = f"wget -q -O - http://%s/random.bin | head -c {SIZE} | md5sum"

PEERS = """
import socket, sys
l = socket.create_server((sys.argv[1], 7400))
seen = []
for i in range(4):
    c, who = l.accept()
    seen.append(who[0])
    c.sendall(b"x" * 100000)
    while c.recv(65536):
        pass
    c.close()
print(*sorted(seen))
"""


def frames():
    s = json.loads(rack("stats", "--json").out)["n0"]
    return [(s.get(f"netdev_e1000e{i}.rx_bytes", 0), s.get(f"netdev_e1000e{i}.tx_bytes", 0)) for i in (0, 1)]


def served_by(t, r, nic, ip):
    before = frames()
    got = r.client("sh", "-c", f"curl -s -r 0-{SIZE - 1} http://{ip}/random.bin | head -c {SIZE} | wc -c")
    after = frames()
    out = [after[i][1] - before[i][1] for i in (0, 1)]
    t.check(f"{ip}: {SIZE} bytes", got.out.strip() == str(SIZE), got)
    t.check(f"{ip}: by its own NIC", out[nic] >= SIZE and out[1 - nic] < SIZE // 16, out)


def spread(t, r):
    """Four connections from the rack, each begun alone: two by each NIC."""
    script = f"python3 -c '{PEERS}' {HOST} >/tmp/two_nics.out 2>&1 & sleep 0.5; echo up"
    r.client("sh", "-c", script)
    before = frames()
    x = r.sh(f"for i in 1 2 3 4; do nc {HOST} 7400 </dev/null | wc -c; done", on="p0")
    after = frames()
    t.check("four connections out", x.out.split() == ["100000"] * 4, x)
    seen = r.client("sh", "-c", "sleep 0.3; cat /tmp/two_nics.out; rm /tmp/two_nics.out").out.split()
    t.check("two from each address", seen == [FIRST] * 2 + [SECOND] * 2, seen)
    came = [after[i][0] - before[i][0] for i in (0, 1)]
    t.check("and by each NIC", min(came) >= 200_000, came)


def datagrams(t, r):
    """From a socket of every address the answer leaves by the first, as on Linux."""
    r.start("udpecho", "serve", "7500", "1", on="p1")
    got = r.client("sh", "-c", f"echo ping | nc -u -w 1 {FIRST} 7500")
    t.check("a datagram is answered", got.out == "ping\n", got)


def main():
    t = Tap()
    with Rack("--set", f"board.n0.eth2={SECOND}") as r:
        names = r.run("ifaddrs", on="p0").out
        t.check("programs see both addresses", FIRST in names and SECOND in names, names)
        r.start(*SERVER.split(), on="p0")
        r.client("sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9; do nc -z {FIRST} 80 && break; sleep 0.3; done")
        served_by(t, r, 0, FIRST)
        served_by(t, r, 1, SECOND)
        spread(t, r)
        datagrams(t, r)
        got = r.sh(f"wget -q -O - http://{SECOND}/index.html | grep -c board", on="p1")
        t.check("inside the rack by the second address", got.out.strip() >= "1", got)
    with Rack("--set", f"board.n0.eth2={SECOND}", "--set", "net.local=off") as r:
        r.start(*SERVER.split(), on="p0")
        got = r.sh(f"for i in 1 2 3 4 5 6; do nc -z {FIRST} 80 && break; sleep 0.3; done; "
                   f"wget -q -O - http://{SECOND}/index.html | grep -c board", on="p1")
        t.check("from one NIC's address to the other's, not joined", got.out.strip() >= "1", got)
    t.end()


if __name__ == "__main__":
    main()
