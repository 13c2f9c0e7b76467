#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 120
"""Looking into a rack that works: gdb on a board, frames on its links, processes, logs, counters."""
import json
import os
import re
import tempfile

from lib import Rack, Tap, rack

DRIFT = 1e-3  # what boards' clocks may run apart: they are calibrated to some 1e-5


def one_time_line(t, r):
    """All boards' traces in one file; no packet arrives before it was sent, by more than the verb says its times
    may be wrong by, at either end. p1's ring may have nothing but samples."""
    r.start("busybox", "httpd", "-f", "-p", "80", "-h", "/www", on="p0")
    r.client("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do curl -s http://192.168.77.10/ && break; sleep 0.3; done")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.json")
        got = rack("perfetto", "-o", path)
        with open(path, encoding="ascii") as f:
            events = json.load(f)["traceEvents"]
    boards = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    t.check("a trace for Perfetto has every board, by name", set(boards.values()) >=
            {"m0", "manager", "n0", "p0"} and {e["pid"] for e in events} == set(boards), (got, boards))
    tracks = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    slices = {(e["pid"], e["tid"], e["ts"]) for e in events if e["ph"] == "X"}
    ends = {ph: {e["id"]: e for e in events if e["ph"] == ph} for ph in "sf"}
    t.check("every event is on a CPU's track, every arrow between two events", {s[:2] for s in slices} == tracks
            and len(ends["s"]) > 100 and ends["s"].keys() == ends["f"].keys()
            and all((e["pid"], e["tid"], e["ts"]) in slices for es in ends.values() for e in es.values()))
    wrong = int(re.search(r"right to (\d+) us", got.out)[1])
    times = [e["ts"] for e in events if "ts" in e]
    bound = -(2 * wrong + 1 + DRIFT * (max(times) - min(times)))
    took = [(ends["f"][i]["ts"] - e["ts"], boards[e["pid"]], boards[ends["f"][i]["pid"]])
            for i, e in ends["s"].items()]
    pairs = {frozenset(p[1:]) for p in took}
    t.check("what one board sends arrives at another afterwards", min(times) == 0 and min(took)[0] >= bound and
            {frozenset(p) for p in (("p0", "m0"), ("p0", "n0"), ("p0", "manager"))} <= pairs, (bound, min(took), pairs))


def main():
    t = Tap()
    with Rack("--set", "append=trace=on", "--set", "board.p1.append=sample=100") as r:
        one_time_line(t, r)
        ident = r.start("sleep", "100", on="p0")
        got = rack("ps", "--json")
        rows = json.loads(got.out or "[]")
        t.check("ps names a program", any(f"{p['board']}:{p['pid']}" == ident and "sleep" in p["command"]
                                          for p in rows), got)
        got = rack("kill", "-s", "TERM", ident)
        t.check("and it can be killed", got.rc == 0, got)
        got = rack("gdb", "m0", "-batch", "-ex", "bt", "-ex", "detach", timeout=60) # which is never in user mode
        t.check("gdb on a board has its symbols and lines",
                re.search(r"\w \(.*\) at (kernel|fit|drivers|monitors)/[\w/]+\.[chS]:\d+", got.out), got)
        got = r.sh("echo goes on", on="p0")
        t.check("the board goes on after it", got.out == "goes on\n", got)
        got = rack("pcap", "fabric", "-c", "3", "udp", "port", "4791", timeout=30)
        t.check("pcap: RoCEv2 on the fabric", got.rc == 0 and got.out.count("UDP") == 3, got)
        got = rack("pcap", "x1")
        t.check("pcap of no link names those there are", "n0.eth" in got.err and got.rc == 1, got)
        got = rack("logs", "m0")
        t.check("a log has board and time", got.out.count("[m0 ") > 3, got)
        got = rack("trace", "m0")
        t.check("the trace of a board names its events", "softroce-rx" in got.out and "fit-rx" in got.out
                and "fit-tx" in got.out, got)
        busy = r.start("sh", "-c", "while :; do :; done", on="p1")
        r.sh("i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); done", on="p1")
        got = rack("profile", "p1")  # while it runs: the ring has the last half second
        rack("kill", busy)
        t.check("a profile names user mode and functions", "(user mode)" in got.out and "%" in got.out, got)
        got = rack("profile", "m0")
        t.check("a board that does not sample has none", not got.out, got)
        got = rack("perf", "m0", "p0", "read", "--size", "4096", "-n", "50", "--depth", "4", "--json")
        figures = json.loads(got.out or "{}")
        t.check("perf measures between two boards", figures.get("n") == 50 and
                0 < figures["best_ns"] <= figures["median_ns"] <= figures["max_ns"] and
                0 < figures["busy_ns"], got)
        for what, *args in (("to itself", "m0", "m0", "echo"), ("of nothing", "m0", "p0", "write", "--size", "0"),
                            ("of more than a message", "m0", "p0", "echo", "--size", "5000"),
                            ("deeper than long", "m0", "p0", "echo", "--depth", "9", "-n", "8")):
            got = rack("perf", *args)
            t.check(f"perf {what} is refused", got.rc == 1 and "Invalid argument" in got.err, got)
        stats = json.loads(rack("stats", "--json").out)
        t.check("every board has counters of FIT", all(v.get("fit.tx_bytes", 0) > 0
                                                       for v in stats.values()), list(stats))
    t.end()


if __name__ == "__main__":
    main()
