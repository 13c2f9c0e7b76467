#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 180
"""Two racks side by side, with the same addresses: each sees only its own; the host's network sees neither."""
import os
import subprocess

from lib import Rack, Tap, rack

OTHER = os.environ["RACK"] + "-2"


def host_links():
    out = subprocess.run(["ip", "-o", "link"], stdout=subprocess.PIPE, text=True).stdout
    return sorted(line.split(":")[1].strip() for line in out.split("\n") if line)


def main():
    t = Tap()
    before = host_links()
    with Rack():
        up = rack("up", "--rack", OTHER, "--set", "net.data=dma", timeout=150)
        t.check("a second rack beside it", up.rc == 0, up)
        try:
            for name in (os.environ["RACK"], OTHER):
                got = rack("--rack", name, "run", "--on", "p0", "--", "sh", "-c",
                           f"echo {name} >/tmp/name; cat /tmp/name")
                t.check(f"{name}: its own files", got.out == name + "\n", got)
                got = rack("--rack", name, "run", "--detach", "--on", "p0", "--", "sh", "-c",
                           "while :; do nc -l -p 5000 </tmp/name; done")
                t.check(f"{name}: a server", got.rc == 0, got)
            for name in (os.environ["RACK"], OTHER):
                got = rack("--rack", name, "client", "--", "sh", "-c",
                           "for i in 1 2 3 4 5 6; do nc -w 3 192.168.77.10 5000 </dev/null && break;"
                           " sleep 0.5; done")
                t.check(f"{name}: answers under the same address", got.out == name + "\n", got)
            t.check("the host's links are as they were", host_links() == before, host_links())
        finally:
            down = rack("down", "--rack", OTHER)
        t.check("the second goes down alone", down.rc == 0 and rack("status").rc == 0, down)
    t.check("nothing of both is left", host_links() == before, host_links())
    t.end()


if __name__ == "__main__":
    main()
