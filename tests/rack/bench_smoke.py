#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 150
"""The benchmarks' programs on a rack: every byte arrives, and the counters of the boards agree. No timings.

Bounds are of bytes and of counters only, so that a slow machine changes nothing: what went out of one board
came into the other, `dma` crossed the mComponent and `ddio` did not, and the reducer counted the words that
the mapper read. The parsers of results are given a run that is made up.
"""
import json
import os
import subprocess
import sys
import tempfile

from lib import BUILD, TOP, Rack, Tap, rack

sys.path.insert(0, os.path.join(TOP, "bench"))
SIZE, COUNT, WARM_UP, TEXT = 1024, 400, 100, 512 << 10
PORTS = {"ddio": 7001, "dma": 7002, "auto": 7004}
ASK = 16  # bytes in which the client says what it wants
IP, HOST = "192.168.77.10", "192.168.77.1"


def counters():
    return json.loads(rack("stats", "--json").out)


def grown(before, after, board, key):
    return after[board].get(key, 0) - before[board].get(key, 0)


def client(r, *words):
    return r.client(os.path.join(BUILD, "bench", "tcpbench"), "client", *words)


def stream(t, r, data):
    """In and out: bytes equal at every station."""
    payload = SIZE * COUNT
    for op in ("in", "out"):
        before = counters()
        got = client(r, IP, str(PORTS[data]), op, str(SIZE), str(COUNT))
        t.check(f"{data}, {op}: the client is content", got.rc == 0 and got.out.startswith(f"{op},{SIZE},"),
                got)
        after = counters()
        received, sent = (grown(before, after, "p0", f"stub.{k}_bytes") for k in ("recv", "send"))
        expected = (payload + ASK, 1) if op == "in" else (ASK, payload)
        t.check(f"{data}, {op}: the server got and gave what the client did", (received, sent) == expected,
                f"{received}, {sent}; expected {expected}")
        if data == "auto":
            continue  # both ways: see automatic()
        via = grown(before, after, "n0", "ddma.write_bytes" if op == "in" else "ddma.read_bytes")
        t.check(f"{data}, {op}: by way of the mComponent or not",
                via >= payload if data == "dma" else via == 0, via)
        counted = grown(before, after, "n0", f"e1000e.{'rx' if op == 'in' else 'tx'}_bytes")
        t.check(f"{data}, {op}: the NIC carried them", counted >= payload, counted)


def automatic(t, r):
    """Both ways carry bytes of the same sockets, and the cheaper one nearly all of them."""
    before = counters()
    stream(t, r, "auto")
    got = client(r, IP, str(PORTS["auto"]), "echo", str(SIZE), "300")
    after = counters()
    t.check("auto: echoes", got.rc == 0, got)
    straight, by_way, tries = (grown(before, after, "p0", f"stub_dma.auto_{k}") for k in ("ddio", "dma", "tries"))
    t.check("auto: both ways are taken, the dearer one to try it", straight > 0 < by_way and tries > 0,
            f"{straight} straight, {by_way} by way of m0, {tries} tries")
    read = grown(before, after, "n0", "ddma.read_bytes")
    t.check("auto: the nComponent gets them both ways", read > 0, read)


def local(t, r, where, board):
    """From p0: joined, so that the nComponent sees nothing of it."""
    before = counters()
    got = r.run("tcpbench", "client", IP, "7003", "echo", str(SIZE), "50", on=board)
    after = counters()
    t.check(f"{where}: echoes", got.rc == 0 and got.out.startswith(f"echo,{SIZE},50,"), got)
    n = grown(before, after, board, "stub.joined") + grown(before, after, board, "stub.joined_self")
    t.check(f"{where}: joined directly", n >= 1, n)
    through = grown(before, after, "n0", "dddio.rx_bytes") + grown(before, after, "n0", "dddio.tx_bytes")
    t.check(f"{where}: not by way of the nComponent", through == 0, through)
    if where == "two pComponents":
        back = grown(before, after, board, "stub.recv_bytes")
        t.check(f"{where}: every byte back", back == SIZE * (50 + WARM_UP), back)


def words(t, r):
    """The mapper on p0 fails by itself when the reducer has counted something else."""
    text = r.run("wordcount", "text", "/tmp/text", str(TEXT), on="p0")
    t.check("a text", text.rc == 0, text)
    script = f"{BUILD}/bench/wordcount reducer 7300 & echo $!"
    pid = r.client("sh", "-c", f"({script}) 2>/dev/null </dev/null >/tmp/pid.$$; cat /tmp/pid.$$; rm /tmp/pid.$$")
    for data in PORTS:
        got = r.run("wordcount", "mapper", HOST, "7300", "/tmp/text", str(TEXT), on="p0", data=data)
        fields = got.out.strip().split(",")
        t.check(f"word count, {data}: every word is counted",
                got.rc == 0 and len(fields) == 5 and int(fields[0]) == TEXT, got)
    r.client("kill", pid.out.strip())


def connects(t, r):
    got = client(r, IP, "7003", "connect", "1", "20")
    t.check("connections from outside", got.rc == 0 and got.out.startswith("connect,0,20,"), got)


def reports(t):
    """Tables, goals and plots of a made-up run."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "tcp.csv"), "w") as f:
            f.write("round,where,target,op,size,n,us_median,us_p10,us_p99,us_min,mbps\n")
            for n in range(3):
                for target, us in (("linux", 100 + n), ("ddio", 110 + n), ("dma", 300 + n)):
                    f.write(f"{n},outside,{target},echo,128,5,{us},1,1,1,\n")
        r = subprocess.run([os.path.join(TOP, "bench", "report"), "--from", folder], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
        lines = [line.split() for line in r.stdout.split("\n")]
        t.check("report: medians and ratios", ["128", "101.0", "111.0", "301.0", "1.10", "2.98"] in lines,
                r.stdout)
        goal = [line for line in r.stdout.split("\n") if "latency 128 B to 1 KiB" in line]
        t.check("report: a goal that is reached", goal and goal[0].endswith(" reached")
                and "not" not in goal[0], r.stdout)
        t.check("report: a plot", os.path.exists(os.path.join(folder, "tcp.svg")))


def main():
    t = Tap()
    reports(t)
    with Rack("--set", "board.p0.cpus=1", "--set", "board.p1.cpus=1") as r:
        for data, port in PORTS.items():
            r.start("tcpbench", "server", str(port), on="p0", data=data)
        r.start("tcpbench", "server", "7003", on="p0")
        r.client("sh", "-c", f"for p in 7001 7002 7003 7004; do for i in 1 2 3 4 5 6 7 8; do "
                             f"nc -z {IP} $p && break; sleep 0.3; done; done")
        for data in ("ddio", "dma"):
            stream(t, r, data)
        automatic(t, r)
        local(t, r, "one pComponent", "p0")
        local(t, r, "two pComponents", "p1")
        connects(t, r)
        words(t, r)
    t.end()


if __name__ == "__main__":
    main()
