# SPDX-License-Identifier: GPL-2.0-only
"""A rack and Linux VMs beside it, with the benchmarks' programs on them: what bench/run measures with.

Outside the rack's network namespace: up(), serve(), down(). Inside (`rack client`): the VMs, one measurement
from any place to any other, the Ethernet's shaping, what the host spends on each machine.
"""
import json
import os
import signal
import socket
import subprocess
import time

from benchlib import OUT, RACK, TOP, Failure
from racklib import net

NAME = os.environ.get("BENCH_RACK", "bench")
TCPBENCH, WORDCOUNT = (os.path.join(OUT, p) for p in ("tcpbench", "wordcount"))
HOST_IP, RACK_IP, RACK2_IP = "192.168.77.1", "192.168.77.10", "192.168.77.11"
LINUX_IP, LINUX2_IP, CLIENT_IP = "192.168.77.20", "192.168.77.21", "192.168.77.2"
HOST = (HOST_IP, 7200)  # the native server
# the servers and agents of every place: each data configuration has its own, on both pComponents
SERVERS = {"linux": (LINUX_IP, 7000), "linux2": (LINUX2_IP, 7000),
           "ddio": (RACK_IP, 7001), "dma": (RACK_IP, 7002),
           "ddio p1": (RACK_IP, 7011), "dma p1": (RACK_IP, 7012),
           "auto": (RACK_IP, 7003), "auto p1": (RACK_IP, 7013)}
AGENTS = {"linux": (LINUX_IP, 7100), "ddio": (RACK_IP, 7101), "dma": (RACK_IP, 7102), "auto": (RACK_IP, 7103)}
MEASURED = ("op", "size", "n", "us_median", "us_p10", "us_p99", "us_min", "mbps")
MEASURE_TIMEOUT = int(os.environ.get("BENCH_TIMEOUT", 120))  # seconds
BOOT_TIMEOUT = 90
RATE = "1gbit"
GUEST_TCPBENCH, GUEST_WORDCOUNT = "/bin/tcpbench", "/bin/wordcount"


def rack(*args, timeout=120):
    try:
        r = subprocess.run([RACK, "--rack", NAME, *args], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failure(f"rack {' '.join(args)}: no end after {timeout} s") from None
    if r.returncode:
        raise Failure(f"rack {' '.join(args)}: status {r.returncode}: {r.stderr.strip()}")
    return r.stdout


# ---- outside: the rack -------------------------------------------------------------------------
def up(sets):
    r = subprocess.run([RACK, "up", "--name", NAME, *(x for s in sets for x in ("--set", s))],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True)
    if r.returncode:
        raise Failure(f"the rack did not come up: {r.stdout.strip()[-600:]}")


def down():
    subprocess.run([RACK, "down", "--rack", NAME], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def serve(modes=("ddio", "dma"), boards=("p0", "p1")):
    """A server on each board, an agent on the first, for each data configuration."""
    for mode in modes:
        for board in boards:
            port = SERVERS[mode if board == "p0" else f"{mode} p1"][1]
            rack("run", "--detach", "--on", board, "--data", mode, "--", "tcpbench", "server", str(port))
        rack("run", "--detach", "--on", boards[0], "--data", mode, "--", "tcpbench", "agent",
             str(AGENTS[mode][1]))


# ---- inside: machines --------------------------------------------------------------------------
class LinuxVm:
    """Debian's kernel with the same programs; agent: it also runs them when asked."""

    def __init__(self, ip=LINUX_IP, nic="e1000e"):
        self.ip, self.nic = ip, nic

    def __enter__(self):
        script = "tcpbench agent 7100 & exec tcpbench server 7000"
        mac = "52:54:00:77:03:" + f"{int(self.ip.split('.')[-1]):02x}"
        self.p = subprocess.Popen(
            [os.path.join(TOP, "scripts", "linuxvm"), "--nic", f"{self.nic},ip={self.ip}/24,mac={mac}",
             "--add", TCPBENCH, "--add", WORDCOUNT, "--", "sh", "-c", script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        signal.signal(signal.SIGALRM, lambda *_: self.p.terminate())
        signal.alarm(BOOT_TIMEOUT)
        came = any("linuxvm: ready" in line for line in self.p.stdout)
        signal.alarm(0)
        if not came:
            self.p.wait()
            raise Failure("the Linux VM did not come up")
        return self

    def __exit__(self, *_):
        self.p.terminate()
        self.p.wait()

    @property
    def tap(self):
        return f"l0-{self.p.pid}"

    def machine(self):
        """The process that is the machine."""
        with open(f"/proc/{self.p.pid}/task/{self.p.pid}/children") as f:
            return int(f.read().split()[0])


class Native:
    """A program of this machine, for as long as the block lasts."""

    def __init__(self, *command):
        self.command = command

    def __enter__(self):
        self.p = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.p.kill()
        self.p.wait()


def host_seconds(pid):
    """What the host has spent on a process."""
    with open(f"/proc/{pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def board_pids():
    return {b["board"]: b["pid"] for b in json.loads(rack("status", "--json"))["boards"]}


# ---- inside: measurements ----------------------------------------------------------------------
def run_here(command, what, timeout):
    try:
        r = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failure(f"{what}: no end after {timeout} s") from None
    if r.returncode:
        raise Failure(f"{what}: {r.stderr.strip()}")
    return r.stdout


def run_there(agent, words, what, timeout):
    """What a program prints that the agent runs."""
    got = b""
    try:
        with socket.create_connection(agent, 10) as s:
            s.settimeout(timeout)
            s.sendall(" ".join(words).encode() + b"\n")
            while part := s.recv(4096):
                got += part
    except OSError as e:
        raise Failure(f"{what}: the agent: {e}") from None
    return got.decode("utf-8", "replace")


def run_from(place, words, what, timeout=MEASURE_TIMEOUT):
    """What a program prints; place None is this machine. words[0] is the program's name."""
    if place is None:
        return run_here([os.path.join(OUT, words[0]), *words[1:]], what, timeout)
    return run_there(AGENTS[place], [f"/bin/{words[0]}", *words[1:]], what, timeout)


def measure(place, server, op, size, n):
    """One measurement of tcpbench, from place to the server, as CSV fields."""
    what = f"{place or 'outside'} to {server[0]}:{server[1]}: {op} of {size} bytes"
    said = run_from(place, ["tcpbench", "client", server[0], str(server[1]), op, str(size), str(n)], what)
    values = said.strip().split(",")
    if len(values) != len(MEASURED):
        raise Failure(f"{what}: {said.strip() or 'nothing came back'}")
    return dict(zip(MEASURED, values))


def wait_for(server):
    for _ in range(50):
        try:
            return measure(None, server, "echo", 64, 1)
        except Failure as e:
            last = e
            time.sleep(0.2)
    raise last


# ---- inside: the Ethernet at the paper's rate ----------------------------------------------------
class Shaped:
    """The Ethernet at 1 Gb/s, both ways: a token bucket in front of every tap, and in front of the machine
    outside, which for this stands behind a veth pair with an address of its own (traffic into the rack's
    namespace itself passes no queue)."""

    def __init__(self, taps, peers):
        self.taps, self.peers = taps, peers

    def __enter__(self):
        with open("/proc/sys/net/ipv4/conf/all/arp_ignore", "w") as f:
            f.write("1\n")  # each address is answered for by its own interface only
        net.ip_batch(["link add bc0 type veth peer name bc1", f"link set bc1 master {net.ETHERNET} up",
                      "link set bc0 up", f"addr add {CLIENT_IP}/32 dev bc0"]
                     + [f"route add {ip}/32 dev bc0 src {CLIENT_IP}" for ip in self.peers])
        for dev in [*self.taps, "bc1"]:
            tc("qdisc", "add", "dev", dev, "root", "tbf", "rate", RATE, "burst", "128k", "latency", "20ms")
        return self

    def __exit__(self, *_):
        for dev in self.taps:
            tc("qdisc", "del", "dev", dev, "root")
        net.ip_batch(["link del bc0"])


def tc(*words):
    r = subprocess.run(["tc", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        raise Failure(f"tc {' '.join(words)}: {r.stdout.strip()}")
