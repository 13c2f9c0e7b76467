#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 120
"""scripts/wireshark/fit.lua on a capture of a rack's fabric: requests, replies and hellos have their names, and
none is an error to tshark."""
import os
import shutil
import subprocess
import sys
import tempfile
import threading

from lib import TOP, Rack, Tap, rack

LUA = os.path.join(TOP, "scripts", "wireshark", "fit.lua")


def tshark(capture, show, *fields):
    cmd = ["tshark", "-n", "-X", f"lua_script:{LUA}", "-r", capture, "-Y", show]
    if fields:
        cmd += ["-T", "fields"] + [x for f in fields for x in ("-e", f)]
    r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    return r.stdout, r.stderr


def main():
    if not shutil.which("tshark"):
        print("tshark is not installed")
        sys.exit(77)
    t = Tap()
    with tempfile.TemporaryDirectory() as work, Rack() as r:
        capture = os.path.join(work, "fabric.pcap")
        sniffer = threading.Thread(target=rack, args=("pcap", "fabric", "-w", capture, "-c", "600"))
        sniffer.start()
        r.sh("find / >/dev/null; cat /www/random.bin | head -c 1000000 >/dev/null; ls -l /bin", on="p0")
        sniffer.join(40)
        t.check("a capture", os.path.exists(capture) and os.path.getsize(capture) > 10000)
        text, errors = tshark(capture, "fit", "fit.type", "fit.op", "fit.len", "_ws.col.Info")
        rows = [line.split("\t") for line in text.split("\n") if line]
        infos = [row[3] for row in rows if len(row) == 4]
        t.check("messages with their operations' names", len(rows) > 50 and
                any(i.startswith("FIT REQUEST OP_FILE_") for i in infos) and
                any(i.startswith("FIT REPLY OP_FILE_") for i in infos), text[-800:] + errors)
        t.check("every operation has a name or is FIT's own",
                all("OP_" in i or "CREDIT" in i or "CANCEL" in i for i in infos),
                [i for i in infos if "OP_" not in i][:5])
        bad, errors = tshark(capture, "_ws.lua.error || (fit && _ws.malformed)")
        t.check("no error of the dissector", not bad and "Lua" not in errors, bad + errors)
    t.end()


if __name__ == "__main__":
    main()
