#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 120
"""A rack whose fabric is an 82574L: the same programs, the same bytes, no virtio-net anywhere."""
import hashlib
import json
import os

from lib import Rack, Tap, rack


def main():
    t = Tap()
    with Rack("--set", "fabric.nic=e1000e") as r:
        got = r.sh("echo $((6 * 7)); exit 5")
        t.check("a program runs", (got.rc, got.out) == (5, "42\n"), got)
        data = os.urandom(300000)
        got = r.sh("cat >/tmp/x; sha256sum </tmp/x", stdin=data)
        t.check("300 kB through a file on m0", got.out.split(" ")[0] == hashlib.sha256(data).hexdigest(), got)
        stats = json.loads(rack("stats", "--json").out)
        for board, values in stats.items():
            t.check(f"{board}: frames went through e1000e", values.get("e1000e.rx_frames", 0) > 0, values)
            t.check(f"{board}: none through virtio-net", not values.get("virtio_net.rx_frames"), values)
    t.end()


if __name__ == "__main__":
    main()
