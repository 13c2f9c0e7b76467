# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmarks share: where results lie, how they are written, read and summed up."""
import csv
import os
import statistics
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "scripts"))
from racklib import BUILD  # noqa: E402

OUT = os.path.join(BUILD, "bench")
RACK = os.path.join(TOP, "scripts", "rack")


class Failure(Exception):
    pass


def prepare():
    """Monitors, programs and Debian's kernel, before a network namespace is entered: nothing can be fetched there.
    Once for all parts of a run, and not by tests, who have it all."""
    if "BENCH_PREPARED" in os.environ:
        return
    r = subprocess.run(["make", "-s", "-C", TOP, "bench-programs"], stdin=subprocess.DEVNULL)
    if r.returncode:
        raise Failure("what is measured could not be built")
    os.environ["BENCH_PREPARED"] = "1"


class Results:
    """A CSV file that grows row by row, so that an interrupted run keeps what it has."""

    def __init__(self, name, fields, append=False):
        os.makedirs(OUT, exist_ok=True)
        self.file = open(os.path.join(OUT, name), "a" if append else "w", newline="")
        self.writer = csv.DictWriter(self.file, fields, lineterminator="\n")
        if not append:
            self.writer.writeheader()
            self.file.flush()
        self.rows = []

    def add(self, **row):
        self.rows.append({k: str(v) for k, v in row.items()})
        self.writer.writerow(row)
        self.file.flush()


def read_results(name, folder=OUT):
    """The rows of a CSV file, none when there is no such file."""
    try:
        with open(os.path.join(folder, name), newline="") as f:
            return list(csv.DictReader(line for line in f if not line.startswith("#")))
    except OSError:
        return []


def median(rows, field, **where):
    """Median over the rounds of the rows that match; None when there are none."""
    values = [float(r[field]) for r in rows
              if r.get(field) and all(r[k] == str(v) for k, v in where.items())]
    return statistics.median(values) if values else None


def cell(value, digits=1, width=12):
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"


def ratio(a, b):
    return a / b if a and b else None


class Progress:
    """How far a part is: a line that bench/all reads, else a bar on a terminal's last line."""

    def __init__(self, part, total):
        self.part, self.total, self.done = part, max(1, total), 0
        self.watched = os.environ.get("BENCH_PROGRESS") == "1"

    def step(self):
        self.done += 1
        if self.watched:
            print(f"@ {self.part} {self.done} {self.total}", flush=True)
        elif sys.stderr.isatty():
            print(f"\r{bar(self.done / self.total)} {self.part}", end="\n" * (self.done == self.total),
                  file=sys.stderr, flush=True)


def bar(share, width=40):
    full = int(min(1.0, share) * width)
    return f"[{'#' * full}{'.' * (width - full)}] {100 * min(1.0, share):3.0f} %"
