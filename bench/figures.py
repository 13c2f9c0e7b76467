# SPDX-License-Identifier: GPL-2.0-only
"""What the CSV files say: the tables and charts of every figure, and the goals with what was reached.

A table is (name, title, header, rows of text); a chart is (title, {series: [(x, y)]}). Values are medians over
the rounds of a run; a ratio is of medians of the same run. Nothing here measures or prints.
"""
import statistics

from benchlib import OUT, median, ratio, read_results

TARGETS = ("linux", "ddio", "dma")
PARTS = ("hop", "fabric", "tcp", "shaped", "connect", "local", "joined", "words", "scale", "two", "nics", "engine",
         "plain", "path", "auto")
PAPER_RATE = 880  # Mb/s
OPS = {"echo": ("us_median", "half a round trip, us"), "in": ("mbps", "into the server, Mb/s"),
       "out": ("mbps", "out of the server, Mb/s")}


def read_all(folder=OUT):
    return {p: read_results(f"{p}.csv", folder) for p in PARTS}


def number(value, digits=1):
    return "-" if value is None else f"{value:.{digits}f}"


def in_order(rows, field, order=()):
    have = list(dict.fromkeys(r[field] for r in rows))
    return [x for x in order if x in have] + [x for x in have if x not in order]


def sizes(rows, op):
    return sorted({int(r["size"]) for r in rows if r["op"] == op})


# ---- tables by message size -----------------------------------------------------------------------
def by_size(name, title, rows, op, **where):
    """One row a size: each target's median, then each one's ratio to Linux."""
    rows = [r for r in rows if r["op"] == op and all(r[k] == v for k, v in where.items())]
    if not rows:
        return None
    targets, field = in_order(rows, "target", TARGETS), OPS[op][0]
    others = [t for t in targets if t != "linux"] if "linux" in targets else []
    table = []
    for s in sizes(rows, op):
        v = {t: median(rows, field, target=t, size=s) for t in targets}
        table.append([str(s)] + [number(v[t]) for t in targets]
                     + [number(ratio(v[t], v["linux"]), 2) for t in others])
    return name, title, ["size"] + targets + [f"{t} / linux" for t in others], table


def size_tables(data):
    for part, words in (("tcp", "Fig. 6"), ("shaped", "Fig. 6, Ethernet at 1 Gb/s")):
        for op, (_, title) in OPS.items():
            yield by_size(f"{part}-{op}", f"{words}: {title}", data[part], op)
    for where, words in (("intra", "one pComponent"), ("inter", "two pComponents")):
        for op, (_, title) in OPS.items():
            yield by_size(f"local-{where}-{op}", f"Fig. 7, {words}, by way of the nComponent: {title}",
                          data["local"], op, where=where)
            yield by_size(f"joined-{where}-{op}", f"Fig. 7, {words}, joined: {title}", data["joined"], op,
                          where=where)


# ---- the other tables -------------------------------------------------------------------------------
def connect_table(data):
    rows = data["connect"]
    if not rows:
        return None
    table = []
    for where, words, op in (("in", "remote to rack", "connect"), ("out", "rack to remote", "connect"),
                             ("in", "remote to rack, 3 ms apart", "apart"), ("out", "rack to remote, 3 ms apart", "apart")):
        linux, ddio = (median(rows, "us_median", where=where, target=t, op=op) for t in ("linux", "ddio"))
        if op == "apart" and not linux:
            continue  # results of before
        table.append([words, number(linux), number(ddio), number(ratio(ddio, linux), 2),
                      number(ddio - linux if ddio and linux else None)])
    return "connect", "connect(), us", ["", "linux", "rack", "rack / linux", "rack - linux"], table


def words_value(rows, target, field):
    found = []
    for r in rows:
        if r["target"] == target:
            seconds = float(r["us"]) / 1e6
            found.append(seconds if field == "seconds" else float(r[field]) / seconds)
    return statistics.median(found) if found else None


def words_table(data):
    rows = data["words"]
    if not rows:
        return None
    base, table = words_value(rows, "linux", "seconds"), []
    for t in in_order(rows, "target", TARGETS):
        table.append([t, number(words_value(rows, t, "seconds"), 2), number(words_value(rows, t, "pairs"), 0),
                      number(words_value(rows, t, "words"), 0),
                      number(ratio(words_value(rows, t, "seconds"), base), 2)])
    megabytes = int(rows[0]["bytes"]) / (1 << 20)
    return ("words", f"Fig. 8: word count of {megabytes:.0f} MB",
            ["mapper on", "seconds", "pairs/s", "words/s", "time / linux"], table)


def per_row(rows, value, **where):
    """Median of value(row) over the rows that match."""
    found = [value(r) for r in rows if all(r[k] == str(v) for k, v in where.items())]
    found = [x for x in found if x is not None]
    return statistics.median(found) if found else None


def core_share(r):
    """Of a core by the host's word, at the paper's rate."""
    share = float(r["host_s"]) / float(r["seconds"])
    return 100 * share * PAPER_RATE / float(r["mbps"])


def per_gigabyte(r):
    return float(r["host_s"]) * 1e9 / float(r["bytes"])


def network_board(target):
    return "linux" if target == "linux" else "n0"


def scale_table(data):
    rows, table = data["scale"], []
    if not rows:
        return None
    for way in in_order(rows, "way", ("in", "out")):
        for t in in_order(rows, "target", TARGETS):
            board = network_board(t)
            where = dict(target=t, way=way)
            cells = [f"{t}, {way}", number(median(rows, "mbps", board=board, **where)),
                     number(per_row(rows, core_share, board=board, **where), 0) + " %"]
            for b in ("p0", "m0", "n0", "linux"):
                cells.append(number(per_row(rows, per_gigabyte, board=b, **where), 1))
            table.append(cells)
    return ("scale", "cost of carrying data, by the host's word",
            ["", "Mb/s", f"share of a core at {PAPER_RATE} Mb/s: n0, or the Linux VM", "s/GB: p0", "m0", "n0",
             "Linux VM"], table)


def busy_per_frame(rows, nics, way):
    """us of the host's time per frame of all nComponents that carry."""
    found = []
    boards = ("n0", "n1")[:nics]
    for r in dict.fromkeys(x["round"] for x in rows):
        mine = [x for x in rows if (x["round"], x["nics"], x["way"]) == (r, str(nics), way)
                and x["board"] in boards]
        frames = sum(int(x["frames"]) for x in mine)
        if frames:
            found.append(sum(float(x["host_s"]) for x in mine) * 1e6 / frames)
    return statistics.median(found) if found else None


def two_table(data, name="two", what="nComponent"):
    rows, table = data[name], []
    if not rows:
        return None
    for way in ("in", "out"):
        one, both = (busy_per_frame(rows, n, way) for n in (1, 2))
        table.append([way] + [number(median(rows, "mbps", way=way, nics=n, board="n0")) for n in (1, 2)]
                     + [number(one, 2), number(both, 2), number(ratio(both, one), 2)])
    return (name, f"one {what}, and two at once",
            ["", "Mb/s: one", "two", "host us per frame: one", "two", "two / one"], table)


def engine_table(data):
    """dma with and without packing and prefetch, each beside Linux of its own run."""
    rows = {k: data[k] for k in ("engine", "plain")}
    if not all(rows.values()):
        return None
    table = []
    for op in OPS:
        field = OPS[op][0]
        for size in sizes(rows["engine"], op):
            line = [op, str(size)]
            for name in ("plain", "engine"):
                dma, linux = (median(rows[name], field, op=op, target=t, size=size) for t in ("dma", "linux"))
                asked = [int(x["reads"]) / int(x["messages"]) for x in rows[name]
                         if (x["op"], x["size"], x["target"]) == (op, str(size), "dma") and int(x["messages"])]
                line += [number(dma), number(ratio(dma, linux), 2),
                         number(statistics.median(asked), 2) if op == "out" and asked else "-"]
            table.append(line)
    return ("engine", "dma as the paper has it, and with packing and prefetch", ["", "size", "paper's", "/ linux",
            "reads a message", "here", "/ linux", "reads a message"], table)


def auto_ratio(rows, op, size):
    """Median over the rounds of what auto takes, as a multiple of the better of the two ways beside it."""
    found = []
    for r in dict.fromkeys(x["round"] for x in rows):
        field = "us_median" if op == "echo" else "mbps"
        ddio, dma, auto = (median(rows, field, round=r, op=op, size=size, target=t) for t in ("ddio", "dma", "auto"))
        if ddio and dma and auto:
            found.append(auto / min(ddio, dma) if op == "echo" else max(ddio, dma) / auto)
    return statistics.median(found) if found else None


def auto_points(rows):
    return [(op, s) for op in in_order(rows, "op", ("echo", "out", "file")) for s in sizes(rows, op)]


def auto_table(data):
    rows, table = data["auto"], []
    for op, s in auto_points(rows):
        mine = [r for r in rows if (r["op"], int(r["size"]), r["target"]) == (op, s, "auto")]
        field = "us_median" if op == "echo" else "mbps"
        went = [str(sum(int(r[k]) for r in mine)) for k in ("straight", "by_way", "held")]
        table.append([f"{op}, {s}"] + [number(median(rows, field, op=op, size=s, target=t))
                                       for t in ("ddio", "dma", "auto")]
                     + [number(auto_ratio(rows, op, s), 2)] + went)
    return ("auto", "auto: us for echo, Mb/s for the others; records by each way",
            ["", "ddio", "dma", "auto", "auto / the better", "straight", "by way of m0", "by reference"],
            table) if rows else None


def path_table(data):
    rows = data["path"]
    if not rows:
        return None
    table = [[r["data"], r["board"], r["stage"], number(float(r["us"]))] for r in rows]
    size = rows[0]["size"]
    return "path", f"one request of {size} bytes, hop by hop", ["", "board", "stage", "us"], table


def crossings_table(data):
    """The boards in turn, as a request's packets go over the fabric."""
    rows, table = [r for r in data["path"] if r["stage"] == "fabric"], []
    for d in in_order(rows, "data", ("ddio", "dma")):
        hops = [r["board"].split(" to ") for r in rows if r["data"] == d]
        table.append([d, str(len(hops)), " > ".join([hops[0][0]] + [h[1] for h in hops])])
    return ("crossings", "crossings of the fabric by one request and its answer",
            ["", "crossings", "boards"], table) if rows else None


def hop_table(data):
    rows = data["hop"]
    if not rows:
        return None
    kinds = in_order(rows, "kind", ("native", "board", "fit", "fit call"))
    table = [[str(s)] + [number(median(rows, "median_us", kind=k, size=s)) for k in kinds]
             for s in sorted({int(r["size"]) for r in rows})]
    return "hop", "fabric: whole round trip, us", ["size"] + kinds, table


def fabric_table(data):
    rows, table = [r for r in data["fabric"] if r["op"] != "idle"], []
    for key in dict.fromkeys(tuple(r[k] for k in ("target", "op", "size", "depth", "how")) for r in rows):
        where = dict(zip(("target", "op", "size", "depth", "how"), key))
        table.append([*key, number(median(rows, "median_us", **where)), number(median(rows, "mbps", **where))])
    return ("fabric", "RoCE between two machines",
            ["machines", "operation", "size", "at a time", "how", "us", "MB/s"], table) if rows else None


def tables(data):
    found = [*size_tables(data), connect_table(data), words_table(data), scale_table(data), two_table(data),
             two_table(data, "nics", "NIC"), engine_table(data), auto_table(data),
             path_table(data), crossings_table(data), hop_table(data), fabric_table(data)]
    return [t for t in found if t]


# ---- charts -----------------------------------------------------------------------------------------
def series(rows, op, names):
    """{name: points} of one operation; names: {name: (rows, where)} overrides by target."""
    found = {}
    for name, where in names.items():
        points = [(s, median(rows, OPS[op][0], op=op, size=s, **where)) for s in sizes(rows, op)]
        found[name] = [(x, y) for x, y in points if y]
    return found


def outside_charts(rows, ops):
    targets = {t: dict(target=t) for t in TARGETS}
    return [(OPS[op][1], series(rows, op, targets)) for op in ops]


def inside_charts(data, where):
    """Both runs in one chart; Linux is the joined run's."""
    charts = []
    for op in OPS:
        lines = series(data["joined"], op, {"linux": dict(target="linux", where=where)})
        lines |= series(data["local"], op, {t: dict(target=t, where=where) for t in ("ddio", "dma")})
        name = "pipe" if where == "intra" else "fit"
        lines |= series(data["joined"], op, {name: dict(target=name, where=where)})
        charts.append((OPS[op][1], lines))
    return charts


def plots(data):
    """{file name: charts}"""
    found = {}
    if data["tcp"]:
        found["tcp.svg"] = outside_charts(data["tcp"], OPS)
    if data["shaped"]:
        found["shaped.svg"] = outside_charts(data["shaped"], ("in", "out"))
    for where in ("intra", "inter"):
        if data["local"] and data["joined"]:
            found[f"{where}.svg"] = inside_charts(data, where)
    return found
