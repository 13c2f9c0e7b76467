# SPDX-License-Identifier: GPL-2.0-only
"""Makes a raw port on a rack's Ethernet and hands its socket to the test. Run through `rack client`.

    python3 tests/rack/wirehelper.py port PATH            the socket goes to the UNIX socket PATH
    python3 tests/rack/wirehelper.py host IP/BITS         a Linux host behind a wire; each line on stdin says how many
                                                          per cent of the frames are lost from then on

Both print "ready", and leave nothing when their stdin ends. The bridge's end of each cable has no offloads:
what comes out of it are frames as on a wire, at most 1514 bytes long and with checksums.
"""
import array
import fcntl
import os
import socket
import struct
import subprocess
import sys

from fake_wire import Wire, ip, raw

SIOCETHTOOL, ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO = 0x8946, 0x17, 0x1f, 0x24


def no_offloads(name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for command in (ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_STXCSUM):
            value = array.array("I", [command, 0])
            fcntl.ioctl(s, SIOCETHTOOL, struct.pack("16sP16x", name.encode(), value.buffer_info()[0]))


def cable(a, b):
    """A veth pair whose end a is a port of the bridge."""
    ip("link", "add", a, "type", "veth", "peer", "name", b)
    no_offloads(a)
    no_offloads(b)
    ip("link", "set", a, "master", "eth", "up")
    ip("link", "set", b, "up")


def port(path):
    cable("port0", "port1")
    try:
        s = raw("port1")
        with socket.socket(socket.AF_UNIX) as u:
            u.connect(path)
            socket.send_fds(u, [b"fd"], [s.fileno()])
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        ip("link", "del", "port0")


def host(address):
    """Prints "ready PID": commands run there by nsenter -t PID -n. Answers each line with what was lost so far."""
    cable("lossy0", "lossy1")
    ip("link", "add", "lossy2", "type", "veth", "peer", "name", "far")
    inside = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        inside.stdout.readline()
        no_offloads("lossy2")
        no_offloads("far")
        ip("link", "set", "lossy2", "up")
        ip("link", "set", "far", "netns", str(inside.pid))
        enter = ["nsenter", "-t", str(inside.pid), "-n", "ip"]
        for line in (["link", "set", "lo", "up"], ["link", "set", "far", "up"], ["addr", "add", address, "dev", "far"]):
            subprocess.run(enter + line, check=True)
        print(f"ready {inside.pid}", flush=True)
        wire = Wire("lossy1", "lossy2", {"loss": 0, "dup": 0, "reorder": 0, "corrupt": 0})
        wire.run()
        while percent := sys.stdin.readline():
            wire.chances["loss"] = float(percent) / 100
            print(wire.faults, flush=True)
            wire.run()
    finally:
        inside.stdin.close()
        inside.wait()
        ip("link", "del", "lossy0")


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    {"port": port, "host": host}[sys.argv[1]](*sys.argv[2:])
