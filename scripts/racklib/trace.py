# SPDX-License-Identifier: GPL-2.0-only
"""A board's trace ring (include/kern/trace.h), with the image's names: as lines, and as a profile."""
import bisect
import collections
import struct
import subprocess

ENTRY = struct.Struct("<QIHHQQ")  # struct trace_entry: ns, event, cpu, reserved, a, b
SAMPLE = 1
# as in include/kern/trace.h, fit/softroce/softroce.h, fit/rpc/rpc.h, drivers/e1000e/e1000e.h,
# monitors/ncomponent/skeleton/skel.c, monitors/pcomponent/net/stub.h
EVENTS = {SAMPLE: "sample", 0x0a01: "softroce-rx", 0x0a02: "softroce-tx", 0x5301: "skel-state",
          0x0f01: "fit-tx", 0x0f02: "fit-rx", 0x0f03: "fit-end", 0x0f04: "fit-piece", 0x0f05: "fit-xfer",
          0x0f06: "fit-link", 0x0e01: "e1000e-rx", 0x0e02: "e1000e-tx", 0x5201: "stub-send",
          0x5202: "stub-recv"}


class Names:
    def __init__(self, image):
        out = subprocess.run(["nm", "-n", "--defined-only", image], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
        rows = [line.split() for line in out.split("\n")]
        self.table = [(int(r[0], 16), r[2]) for r in rows if len(r) == 3 and r[1] in "tTwW"]
        self.starts = [a for a, _ in self.table]

    def find(self, address):
        """(name, offset) of the function at address."""
        i = bisect.bisect_right(self.starts, address) - 1
        return (self.table[i][1], address - self.starts[i]) if i >= 0 else ("?", address)


def entries(raw):
    return sorted(ENTRY.iter_unpack(raw))


def lines(raw, image):
    names = Names(image)
    for ns, event, cpu, _, a, b in entries(raw):
        what = EVENTS.get(event, f"event {event}")
        if event == SAMPLE:
            where = "user mode" if b else "%s+%#x" % names.find(a)
            yield f"{ns / 1e9:12.6f} cpu{cpu} {what} {a:#x} {where}"
        else:
            yield f"{ns / 1e9:12.6f} cpu{cpu} {what} {a:#x} {b:#x}"


def profile(raw, image):
    """(share, samples, function), the most frequent first."""
    names = Names(image)
    count = collections.Counter("(user mode)" if b else names.find(a)[0]
                                for _, event, _, _, a, b in entries(raw) if event == SAMPLE)
    total = sum(count.values())
    return [(n / total, n, name) for name, n in count.most_common()]
