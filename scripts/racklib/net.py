# SPDX-License-Identifier: GPL-2.0-only
"""The rack's networks: bridges and taps in a network namespace of the rack's own.

Everything here runs inside that namespace (scripts/racklib/supervisor.py was started there by
unshare), so that the host's own network is out of reach, and everything disappears with the last
process of the namespace. Where the operator is not root, a user namespace stands around it.
"""
import ipaddress
import os
import subprocess

from . import RackError

FABRIC, ETHERNET = "fabric", "eth"


def enter_command(pid):
    """Prefix that runs a command in the namespaces of process pid."""
    cmd = ["nsenter", "-t", str(pid), "-n"]
    if os.geteuid() != 0:
        cmd += ["-U", "--preserve-credentials"]
    return cmd + ["--"]


def unshare_command():
    """Prefix that runs a command in a new network namespace."""
    if os.geteuid() == 0:
        return ["unshare", "-n", "--"]
    return ["unshare", "-r", "-n", "--"]


def fabric_tap(board):
    return f"f-{board.name}"


def eth_tap(board):
    return f"e-{board.name}"


def eth_taps(board):
    """One for each NIC on the Ethernet."""
    return [eth_tap(board)] * bool(board.eth) + [f"e2-{board.name}"] * bool(board.eth2)


def ip_batch(lines):
    r = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode:
        raise RackError(f"network set-up failed: {' '.join(r.stdout.split())}")


def bridge_lines(name, mtu):
    # no spanning tree and no multicast snooping: a port forwards as soon as it is up; an address of its own:
    # else it is a port's, and changes when that one goes
    last = 0xfe if name == FABRIC else 0xff
    return [f"link add {name} address 52:54:00:77:ff:{last:02x} type bridge "
            "stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link set {name} mtu {mtu} up"]


def tap_lines(name, bridge, mtu):
    return [f"tuntap add dev {name} mode tap vnet_hdr",
            f"link set {name} mtu {mtu} master {bridge} up"]


def set_of_ours(name, value):
    """A setting of the current network namespace; hosts differ in which there are."""
    try:
        with open(f"/proc/sys/net/{name}", "w") as f:
            f.write(f"{value}\n")
    except OSError:
        pass


def quiet():
    """Keeps the host side of the rack's links from talking of its own accord, and what crosses the bridges from
    being shown to the host's IP filters, which costs every frame and finds no rule here."""
    for key in ("all", "default"):
        set_of_ours(f"ipv6/conf/{key}/disable_ipv6", 1)
    for filters in ("iptables", "ip6tables", "arptables"):
        set_of_ours(f"bridge/bridge-nf-call-{filters}", 0)


def make_links(cfg):
    """Bridges, taps and the external side's address, in the current namespace."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise RackError("/dev/net/tun cannot be opened: taps cannot be made")
    quiet()
    prefix = ipaddress.IPv4Network(cfg.ethernet["network"]).prefixlen
    lines = ["link set lo up"]
    lines += bridge_lines(FABRIC, cfg.fabric["mtu"]) + bridge_lines(ETHERNET, cfg.ethernet["mtu"])
    for b in cfg.boards:
        lines += tap_lines(fabric_tap(b), FABRIC, cfg.fabric["mtu"])
        for tap in eth_taps(b):
            lines += tap_lines(tap, ETHERNET, cfg.ethernet["mtu"])
    lines.append(f"addr add {cfg.ethernet['host']}/{prefix} dev {ETHERNET}")
    ip_batch(lines)


def link_names(cfg):
    """What `rack pcap` may name, and the interface it is."""
    links = {"fabric": FABRIC, "ethernet": ETHERNET, "eth": ETHERNET}
    for b in cfg.boards:
        links[b.name] = fabric_tap(b)
        for i, tap in enumerate(eth_taps(b)):
            links[f"{b.name}.eth{i + 1 if i else ''}"] = tap
    return links


def kill_namespace(pid):
    """Ends every other process in the network namespace of pid (commands left by `rack client`)."""
    try:
        ours = os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in (pid, os.getpid()):
            try:
                if os.stat(f"/proc/{entry}/ns/net").st_ino == ours:
                    os.kill(int(entry), 9)
            except OSError:
                continue
