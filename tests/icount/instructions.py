#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 300
"""Guest instructions of what boards do most, against the figures of record (figures.txt beside this file).

    tests/icount/instructions.py [--record] [NAME...]

A figure that exceeds its record by more than 5 % fails. A change that is meant to cost more, or that costs less,
records anew (`make icount-record`) and commits figures.txt with it.
"""
import os
import subprocess
import sys
import time

from lib_icount import CountedRack
from lib import BUILD, RACK, Tap

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "figures.txt")
HEAD = """\
# SPDX-License-Identifier: GPL-2.0-only
# Guest instructions for one operation, on the board named last; recorded by `make icount-record`.
#   rpc       call of 64 bytes each way, started by the last one's callback     call   by a thread that waits
#   write4k   one-sided write of 4 KiB, one at a time                           read4k  the same, read
#   miss      touch of a page that is on the mComponent, with the eviction of an unmodified one
#   page      the same where pages are touched in order, so that most are asked for ahead
#   fork      fork, exit and wait of a process with 2 MiB
#   sendfile  a MiB by sendfile() in dma: by reference, and p0 has little to do with it
#   pipe      a MiB in messages of 2 KiB between two programs of p0: from the client, and to it
#   packet    Ethernet frame in or out, of an echo of 128 bytes                 echo   the whole exchange, ddio
#   crowd     echo, while 2,000 other connections are established and idle: no more than echo
"""
TOLERANCE = 1.05
CROWD_TOLERANCE = 1.10  # of two figures that each may be off; a walk over all would be far more
ROUNDS, ROUNDS_MAX = 3, 12  # more than the first only while a figure is over its record: load adds, never takes
BATCHES, CALLS = 8, 200
WALK_MIB, WALK_PASSES = 6, (1, 3)
FORK_MIB, FORKS = 2, (5, 45)
ECHOES = (100, 400)
SERVER = ("192.168.77.10", "7000")
FILES = ("192.168.77.10", "7001")
OUTSIDE = ("192.168.77.1", "7003")
CONNECTIONS, CONNECTIONS_MORE = 150, 10  # and so many that the client begins with
CONNECTION_MESSAGES, CONNECTION_TRIES = 3.6, 5  # OPEN, its reply, CLOSE; CLOSED of several, credits
FILE_BLOCKS = (64, 576)  # of 4 KiB
SENDFILE_P0 = 600_000  # how many pieces it takes varies; in ddio it is more than 4 million
PIPE_SIZE, PIPE_MESSAGES = 2048, (512, 2048)
PIPE_READS = 64  # a MiB; sixteen, as read() takes 64 KiB, where the programs do not take turns message by message
CROWD, CROWD_PORT = 2000, "7002"
CROWD_CLIENT = f"""
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
socks = [socket.create_connection(("{SERVER[0]}", {CROWD_PORT}), timeout=20) for _ in range({CROWD})]
print("made", flush=True)
sys.stdin.readline()
for s in socks:
    s.send(b"x")
for s in socks:
    s.recv(1)
"""


def fabric(op, size):
    """op between m0 and the manager, for the one that asks and the one that serves."""
    def measure(r):
        costs = r.costs(*[lambda: r.perf("m0", "manager", op, size, CALLS)] * BATCHES)
        return [min(c.instructions(b) for c in costs) / CALLS for b in ("m0", "manager")]
    return measure


def pages(counter, *how):
    """Touches of pages that are not there; more than half have to show in the counter."""
    def measure(r):
        few, many = r.costs(*(lambda p=p: must(r.run("pagewalk", str(WALK_MIB), str(p), *how, on="p0"))
                              for p in WALK_PASSES))
        n = WALK_MIB * 256 * (WALK_PASSES[1] - WALK_PASSES[0])
        counted = many.count("p0", counter) - few.count("p0", counter)
        if counted < 0.6 * n:
            raise RuntimeError(f"{counted} {counter} of {n} pages")
        return [(many.instructions(b) - few.instructions(b)) / n for b in ("p0", "m0")]
    return measure


def forks(r):
    few, many = r.costs(*(lambda n=n: must(r.run("membench", "fork", str(FORK_MIB), str(n), on="p0"))
                          for n in FORKS))
    n = FORKS[1] - FORKS[0]
    shared = (many.count("p0", "excache.fork_shared") - few.count("p0", "excache.fork_shared")) / n
    if shared < FORK_MIB * 256:
        raise RuntimeError(f"{shared} lines shared by a fork of {FORK_MIB} MiB")
    return [(many.instructions("p0") - few.instructions("p0")) / n]


def echoes(r):
    """Less what a connection costs: the difference between many echoes and few."""
    client = os.path.join(BUILD, "bench", "tcpbench")
    costs = r.costs(*(lambda n=n: must(r.client(client, "client", *SERVER, "echo", "128", str(n)))
                      for _ in range(3) for n in ECHOES))
    few, many = costs[0::2], costs[1::2]
    n = ECHOES[1] - ECHOES[0]
    frames = [c.count("n0", "netdev_e1000e0.rx_frames", "netdev_e1000e0.tx_frames") for c in costs]
    if min(frames[1::2]) < 2 * n:
        raise RuntimeError(f"{min(frames[1::2])} frames for {ECHOES[1]} echoes")
    n0, p0 = (min(c.instructions(b) for c in many) - min(c.instructions(b) for c in few)
              for b in ("n0", "p0"))
    return [n0 / (min(frames[1::2]) - min(frames[0::2])), n0 / n, p0 / n]


class Crowd:
    """Idle connections to a program on p0, for as long as it is entered."""

    def __init__(self, r):
        self.rack = r

    def __enter__(self):
        self.rack.start("sockopts", "many", CROWD_PORT, str(CROWD), on="p0")
        self.p = subprocess.Popen([RACK, "client", "--", sys.executable, "-c", CROWD_CLIENT],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.p.stdout.readline() != "made\n":
            raise RuntimeError(f"{CROWD} connections were not made")

    def __exit__(self, *_):
        self.p.communicate("\n")


def crowded(r):
    packets, n0, p0 = echoes(r)
    return n0, p0


def sendfiles(r):
    """Less what a connection and the file's making cost."""
    client = os.path.join(BUILD, "bench", "tcpbench")
    costs = r.costs(*(lambda n=n: must(r.client(client, "client", *FILES, "file", "4096", str(n)))
                      for _ in range(2) for n in FILE_BLOCKS))
    few, many = costs[0::2], costs[1::2]
    mib = (FILE_BLOCKS[1] - FILE_BLOCKS[0]) / 256
    if min(c.count("p0", "stub_dma.held_bytes") for c in many) < FILE_BLOCKS[1] * 4096:
        raise RuntimeError("not by reference")
    p0, m0 = ((min(c.instructions(b) for c in many) - min(c.instructions(b) for c in few)) / mib
              for b in ("p0", "m0"))
    if p0 > SENDFILE_P0:
        raise RuntimeError(f"sendfile: p0 spends {p0:.0f} instructions on a MiB that it does not carry")
    return [m0]


def pipe(op):
    """Both programs on p0, on its one CPU: the reader's wake-up must not stop the writer."""
    def mib_of(messages):
        return messages * PIPE_SIZE / (1 << 20)

    def measure(r):
        costs = r.costs(*(lambda n=n: must(r.run("tcpbench", "client", *SERVER, op, str(PIPE_SIZE), str(n),
                                                 on="p0")) for _ in range(2) for n in PIPE_MESSAGES))
        few, many = costs[0::2], costs[1::2]
        mib = mib_of(PIPE_MESSAGES[1])
        reads, sends = (max(c.count("p0", what) for c in many) / mib for what in ("stub.recvs", "stub.sends"))
        if reads > PIPE_READS or sends < 0.9 * (1 << 20) / PIPE_SIZE:
            raise RuntimeError(f"pipe, {op}: {reads:.0f} reads and {sends:.0f} sends a MiB")
        few, many = (min(c.instructions("p0") for c in x) for x in (few, many))
        return [(many - few) / mib_of(PIPE_MESSAGES[1] - PIPE_MESSAGES[0])]
    return measure


def dialling(r):
    """Messages between p0 and n0 for a connection of p0's to the outside, closed at once; the least."""
    server = [RACK, "client", "--", os.path.join(BUILD, "bench", "tcpbench"), "server", OUTSIDE[1]]
    client = ["tcpbench", "client", *OUTSIDE, "connect", "1", str(CONNECTIONS)]
    n = CONNECTIONS + CONNECTIONS_MORE
    least = CONNECTION_MESSAGES + 1
    with subprocess.Popen(server) as p:
        try:
            time.sleep(1)
            for _ in range(CONNECTION_TRIES):
                cost = r.costs(lambda: must(r.run(*client, on="p0")))[0]
                if cost.count("n0", "sock.connected") != n:
                    raise RuntimeError(f"{cost.count('n0', 'sock.connected')} connections, not {n}")
                least = min(least, cost.count("n0", *(f"fit.{d}_{c}" for d in ("tx", "rx")
                                                      for c in ("sock", "sockevt"))) / n)
                if least <= CONNECTION_MESSAGES:
                    break
        finally:
            p.terminate()
    return least


def must(result):
    if result.rc != 0:
        raise RuntimeError(repr(result))


# figures that one piece of work gives
WORK = (
    (("rpc.m0", "rpc.manager"), fabric("echo", 64)),
    (("call.m0", "call.manager"), fabric("call", 64)),
    (("write4k.m0", "write4k.manager"), fabric("write", 4096)),
    (("read4k.m0", "read4k.manager"), fabric("read", 4096)),
    (("miss.p0", "miss.m0"), pages("excache.miss", "mixed")),
    (("page.p0", "page.m0"), pages("excache.ahead")),
    (("fork.p0",), forks),
    (("sendfile.m0",), sendfiles),
    (("pipe.in.p0",), pipe("in")),
    (("pipe.out.p0",), pipe("out")),
    (("packet.n0", "echo.n0", "echo.p0"), echoes),
)
# the same, with the crowd there
CROWD_WORK = ((("crowd.n0", "crowd.p0"), crowded),)


def recorded():
    with open(RECORD) as f:
        lines = [line.split() for line in f if line.strip() and not line.startswith("#")]
    return {name: int(value) for name, value in lines}


def over(name, value, record):
    return value > record.get(name, value) * TOLERANCE


def measure_all(r, chosen, record):
    """{name: instructions}, the least of several measurements; all work in turns."""
    least = {}
    for n in range(ROUNDS_MAX):
        for names, work in chosen:
            if n < ROUNDS or any(over(x, least[x], record) for x in names):
                for name, value in zip(names, work(r)):
                    least[name] = min(least.get(name, value), value)
    return {name: round(value) for name, value in least.items()}


def crowd_limits(found, record):
    """A crowd's echo is also measured again while it is over what one without a crowd took here."""
    return {n: min(v, found.get(n.replace("crowd", "echo"), v)) for n, v in record.items()}


def judge(found, record, messages):
    t = Tap()
    if messages:
        t.check(f"a connection to the outside: {messages:.2f} messages (at most {CONNECTION_MESSAGES})",
                messages <= CONNECTION_MESSAGES)
    for name, value in found.items():
        old = record.get(name)
        t.check(f"{name}: {value} instructions (recorded: {old}"
                + (f", {100 * value / old - 100:+.1f} %)" if old else ")"),
                old and not over(name, value, record),
                "more than 5 % over the record: find out why, or `make icount-record` and say why")
    for board in ("n0", "p0"):
        alone, crowd = found.get("echo." + board), found.get("crowd." + board)
        if alone and crowd:
            t.check(f"{CROWD} idle connections cost an echo nothing at {board}: {alone} -> {crowd}",
                    crowd <= alone * CROWD_TOLERANCE)
    if old_names := sorted(set(record) - {n for names, _ in WORK + CROWD_WORK for n in names}):
        t.check("every recorded figure is measured", False, " ".join(old_names))
    t.end()


def main():
    recording = "--record" in sys.argv
    wanted = [a for a in sys.argv[1:] if a != "--record"]
    chosen, crowd = ([(names, work) for names, work in all_work
                      if not wanted or any(n.startswith(a) for n in names for a in wanted)]
                     for all_work in (WORK, CROWD_WORK))
    record = recorded()
    with CountedRack("board.p0.excache=4M") as r:
        r.start("tcpbench", "server", SERVER[1], on="p0", data="ddio")
        r.start("tcpbench", "server", FILES[1], on="p0", data="dma")
        messages = 0 if recording or wanted else dialling(r)
        found = measure_all(r, chosen, {} if recording else record)
        if crowd:
            with Crowd(r):
                found.update(measure_all(r, crowd, {} if recording else crowd_limits(found, record)))
    if not recording:
        judge(found, record, messages)
    record.update(found)
    with open(RECORD, "w") as f:
        f.write(HEAD + "".join(f"{n:16} {record[n]}\n" for names, _ in WORK + CROWD_WORK
                               for n in names))
    print(open(RECORD).read(), end="")


if __name__ == "__main__":
    main()
