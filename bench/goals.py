# SPDX-License-Identifier: GPL-2.0-only
"""The project's goals for these figures, and what a run reached: (what, value, goal in words, reached).

Most are ratios to Linux in the same run. A goal over several message sizes takes the worst of them.
"""
import statistics

from benchlib import median, ratio
from figures import (OPS, auto_points, auto_ratio, busy_per_frame, core_share, per_gigabyte, per_row, sizes, words_value)

SMALL = (128, 256, 512, 1024)


def worst(values, best):
    values = [v for v in values if v is not None]
    return None if not values else max(values) if best == "low" else min(values)


def to_linux(rows, op, target, size, **where):
    field = OPS[op][0]
    return ratio(median(rows, field, op=op, size=size, target=target, **where),
                 median(rows, field, op=op, size=size, target="linux", **where))


def ratios(rows, op, target, among=None, **where):
    found = [to_linux(rows, op, target, s, **where) for s in among or sizes(rows, op)]
    return worst(found, "low" if op == "echo" else "high")


def paired(rows, a, b):
    """Median of the rounds' ratios of the rows that match a to those that match b: one round's measurements
    follow each other, so that what the machine's load does to one it did to the other."""
    found = [ratio(median(rows, "median_us", round=r, **a), median(rows, "median_us", round=r, **b))
             for r in dict.fromkeys(x["round"] for x in rows)]
    found = [x for x in found if x]
    return statistics.median(found) if found else None


# ---- the fabric ---------------------------------------------------------------------------------
def fabric_value(rows, target, op, size, field, best):
    """Median over the rounds, of the best of what was tried (depths, polling or events)."""
    tried = {(r["depth"], r["how"]) for r in rows if (r["target"], r["op"]) == (target, op)}
    values = [median(rows, field, target=target, op=op, size=size, depth=d, how=h) for d, h in tried]
    return best([v for v in values if v is not None], default=None)


def against_rxe(rows, op, size, field, best):
    return ratio(fabric_value(rows, "rack", op, size, field, best),
                 fabric_value(rows, "rxe", op, size, field, best))


def slowest_over_median(rows):
    """Of 1,000 calls outstanding, the median round's."""
    found = sorted(float(r["max_us"]) / float(r["median_us"]) for r in rows
                   if (r["op"], r["depth"]) == ("echo", "1000"))
    return found[len(found) // 2] if found else None


def fabric_goals(data):
    hop, rows = data["hop"], data["fabric"]
    idle = [float(r["mbps"]) for r in rows if r["op"] == "idle"]
    yield ("FIT round trip of 64 bytes / hop floor",
           paired(hop, dict(kind="fit", size=64), dict(kind="board", size=128)), "<=", 1.5)
    yield "WRITE of 64 KiB, MB/s / rdma_rxe", against_rxe(rows, "write", 65536, "mbps", max), ">=", 5
    yield "READ of 4 KiB, latency / rdma_rxe", against_rxe(rows, "read", 4096, "median_us", min), "<=", 0.5
    yield "1,000 outstanding calls: slowest / median", slowest_over_median(rows), "<=", 3
    yield ("ten calls from ten threads / one call",
           paired(rows, dict(op="call", depth=10), dict(op="call", depth=1)), "<=", 3)
    yield "idle board, percent of a core, the worst", max(idle, default=None), "<=", 3


# ---- the paper's figures ---------------------------------------------------------------------------
def tcp_goals(data):
    tcp, shaped = data["tcp"], data["shaped"]
    large = [s for s in (1024, 4096) if s in sizes(tcp, "in")]
    yield ("latency 128 B to 1 KiB, ddio / Linux, the worst",
           ratios(tcp, "echo", "ddio", [s for s in SMALL if s in sizes(tcp, "echo")]), "<=", 1.25)
    for way in ("in", "out"):
        yield (f"throughput {way} at 1 Gb/s from 128 B up, ddio / Linux, the worst",
               ratios(shaped, way, "ddio"), ">=", 0.95)
        yield (f"throughput {way} at 1 Gb/s, 1 and 4 KiB, dma / Linux, the worst",
               ratios(shaped, way, "dma", large), ">=", 0.9)
        yield (f"throughput {way} unshaped, 1 and 4 KiB, ddio / Linux, the worst",
               ratios(tcp, way, "ddio", large), ">=", 1.0)


def path_goals(data):
    """What dma's crossings of the fabric alone would take, and one round trip outside."""
    crossings = sum(1 for r in data["path"] if (r["data"], r["stage"]) == ("dma", "fabric"))
    board, native = (median(data["hop"], "median_us", kind=k, size=128) for k in ("board", "native"))
    trip = median(data["tcp"], "us_median", op="echo", target="dma", size=128)
    value = None
    if crossings and board and native and trip:
        value = 2 * trip / (crossings * board / 2 + native)
    yield f"latency 128 B, dma / {crossings} crossings at the hop floor", value, "<=", 1.15


def connect_goals(data):
    def value(where, target):
        return median(data["connect"], "us_median", where=where, target=target, op="connect")
    fit = median(data["hop"], "median_us", kind="fit call", size=64)
    yield "connect, remote to rack / Linux", ratio(value("in", "ddio"), value("in", "linux")), "<=", 1.0
    linux, rack = value("out", "linux"), value("out", "ddio")
    extra = ratio(rack - linux, fit) if rack and linux and fit else None
    yield "connect, rack to remote: more than Linux, in FIT round trips", extra, "<=", 1.3


def local_goals(data):
    rows = data["joined"]
    for where, name, rate in (("intra", "pipe", 2.0), ("inter", "fit", 1.0)):
        yield (f"{where}-pComponent latency / Linux, the worst", ratios(rows, "echo", name, where=where), "<=", 0.5)
        for way in ("in", "out"):
            yield (f"{where}-pComponent throughput {way} / Linux, the worst",
                   ratios(rows, way, name, where=where), ">=", rate)


def other_goals(data):
    words, scale = data["words"], data["scale"]
    for target, goal in (("ddio", 1.0), ("dma", 1.2)):
        yield (f"word count time, {target} / Linux",
               ratio(words_value(words, target, "seconds"), words_value(words, "linux", "seconds")), "<=", goal)
    yield ("sendfile, p0's CPU per GB, dma / ddio",
           ratio(per_row(scale, per_gigabyte, target="dma", way="file", board="p0"),
                 per_row(scale, per_gigabyte, target="ddio", way="file", board="p0")), "<=", 0.3)
    for way in ("in", "out"):
        yield (f"core share {way}, nComponent in ddio / Linux VM",
               ratio(per_row(scale, core_share, target="ddio", way=way, board="n0"),
                     per_row(scale, core_share, target="linux", way=way, board="linux")), "<=", 1.0)
        for rows, what in ((data["two"], "nComponents"), (data["nics"], "NICs")):
            yield (f"time per frame {way}, two {what} / one",
                   ratio(busy_per_frame(rows, 2, way), busy_per_frame(rows, 1, way)), "<=", 1.1)


def auto_goals(data):
    rows = data["auto"]
    yield ("auto / the better of the two ways, the worst",
           worst([auto_ratio(rows, op, s) for op, s in auto_points(rows)], "low"), "<=", 1.1)


def goals(data):
    """Every goal of which something was measured."""
    found = [*tcp_goals(data), *path_goals(data), *connect_goals(data), *local_goals(data), *other_goals(data), *auto_goals(data),
             *fabric_goals(data)]
    return [(what, value, f"{'at most' if way == '<=' else 'at least'} {goal:g}",
             value <= goal if way == "<=" else value >= goal)
            for what, value, way, goal in found if value is not None]
