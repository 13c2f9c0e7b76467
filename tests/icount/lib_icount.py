# SPDX-License-Identifier: GPL-2.0-only
"""Guest instructions as a figure: a rack whose machines count them (QEMU's -icount).

Under -icount shift=N an instruction takes 2^N ns of the machine's time, so a board's clock counts instructions
while it is not halted, and its own account of busy time (board.busy_ns of its statistics) is the number of
instructions that it executed, in the kernel and in programs, interrupts included and waiting left out. That
does not depend on the host's speed. It depends a little on its load: whether a frame that comes finds the board
awake, or its own frame sent already. Such accidents only add, so the least of many short measurements counts.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "rack"), os.path.join(HERE, "..", "..", "scripts")]
from lib import Rack  # noqa: E402
from racklib import wire  # noqa: E402

SHIFT = 3  # 8 ns: 125 million instructions a second, about what the emulator does

LOOKS = 5  # to know what a look costs, when nothing comes between


class CountedRack(Rack):
    """The default rack, one CPU each, counting. sets: further keys."""

    def __init__(self, *sets, boards=("manager", "p0", "p1", "m0", "n0")):
        counted = [f"board.{b}.{x}" for b in boards for x in ("cpus=1", f"icount={SHIFT}")]
        super().__init__(*(w for s in (*counted, "timeout=120", *sets) for w in ("--set", s)))

    def ask(self, verb, **request):
        return wire.Connection(wire.state_dir(os.environ["RACK"])).request({"verb": verb, **request})

    def stats(self):
        got = self.ask("stats")
        if got["errors"]:
            raise RuntimeError(f"statistics: {got['errors']}")
        return got["boards"]

    def perf(self, board, to, op, size, n, depth=1):
        return self.ask("perf", board=board, to=to, op=op, size=size, n=n, depth=depth)

    def costs(self, *works):
        """A Cost for each of works, which are called one after the other."""
        looks = [self.stats() for _ in range(LOOKS)]
        alone = {b: min(busy(y[b]) - busy(x[b]) for x, y in zip(looks, looks[1:])) for b in looks[0]}
        costs = []
        for work in works:
            work()
            looks.append(self.stats())
            costs.append(Cost(*looks[-2:], alone))
        return costs


def busy(stats):
    return sum(v for k, v in stats.items() if k.startswith("board.busy_ns"))


class Cost:
    """What happened on each board between two looks at it, without the look itself."""

    def __init__(self, before, after, alone):
        self.counts = {b: {k: v - before[b].get(k, 0) for k, v in after[b].items()} for b in after}
        self.busy_ns = {b: busy(after[b]) - busy(before[b]) - alone[b] for b in after}

    def count(self, board, *names):
        return sum(self.counts[board][n] for n in names)

    def instructions(self, board):
        return self.busy_ns[board] >> SHIFT
