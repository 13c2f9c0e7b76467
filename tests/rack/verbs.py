#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 120
"""The verbs of scripts/rack, on boards made of Python (fakeqemu.py): what an operator sees, exit
statuses, and that nothing stays behind. No monitor takes part."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RACK = os.path.join(TOP, "scripts", "rack")
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(TOP, "scripts"))

number = 0
failures = 0


def check(what, ok, detail=""):
    global number, failures
    number += 1
    failures += not ok
    print(f"{'ok' if ok else 'not ok'} {number} - {what}", flush=True)
    if not ok and detail:
        print(f"# {detail}", flush=True)


def rack(*args, stdin=b""):
    r = subprocess.run([RACK, *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=60)
    return r.returncode, r.stdout.decode("utf-8", "replace"), r.stderr.decode("utf-8", "replace")


def description(**changes):
    """A file with the default rack after textual changes."""
    with open(os.path.join(TOP, "racks", "default.toml")) as f:
        text = f.read()
    for old, new in changes.items():
        text = text.replace(*new) if isinstance(new, tuple) else text + new
    f = tempfile.NamedTemporaryFile("w", suffix=".toml", dir=WORK, delete=False)
    f.write(text)
    f.close()
    return f.name


def refused(what, said, *up):
    """`rack up` fails at once with one line that says `said`, and starts nothing."""
    rc, out, err = rack("up", *up)
    lines = err.strip().split("\n")
    check(f"refused: {what}", rc == 1 and len(lines) == 1 and said in err and not out,
          f"rc {rc}: {err}")


def test_descriptions():
    refused("an unknown key", "board.p0.cpuz: unknown key",
            "-c", description(a=('role = "pcomponent"\nip = "10.77.0.11"',
                                 'role = "pcomponent"\nip = "10.77.0.11"\ncpuz = 3')))
    refused("a wrong value, with its line", ".toml:9: fabric.mtu: 90000 is not a number",
            "-c", description(a=("mtu = 9000", "mtu = 90000")))
    refused("an address twice", "10.77.0.11 is already used by board.p0.ip",
            "-c", description(a=("10.77.0.12", "10.77.0.11")))
    refused("an address off its network", "10.99.0.12 is not in 10.77.0.0/24",
            "--set", "board.p1.ip=10.99.0.12")
    refused("no memory board", "the rack has no mcomponent",
            "-c", description(a=('role = "mcomponent"', 'role = "pcomponent"')))
    refused("two managers", "2 managers",
            "-c", description(b='\n[board.x]\nrole = "manager"\nip = "10.77.0.99"\n'))
    refused("no TOML", "at line", "-c", description(a=("[fabric]", "[fabric")))
    refused("no file", "no such rack description", "-c", "/nonexistent.toml")
    refused("--set without a value", "expected KEY=VALUE", "--set", "net.data")
    refused("--set of nonsense", "--set net.data: 'tcp' is not ddio or dma or auto",
            "--set", "net.data=tcp")
    refused("an image that is not there", "image nowhere.elf is not there",
            "--set", "board.p0.image=nowhere.elf")
    disk = ["--set", "board.s0.role=scomponent", "--set", "board.s0.ip=10.77.0.41"]
    refused("a disk with nothing on it", "board.s0: it has nothing to export", *disk)
    refused("a folder and no board for it", "no scomponent to export it", "--set", f"host={WORK}")
    refused("a folder that is not there", "host: /nonexistent is not a folder", *disk,
            "--set", "host=/nonexistent")
    refused("two roots", "either packages or a folder", *disk, "--set", "rootfs.packages=bash",
            "--set", f"rootfs.folder={WORK}")
    refused("an export without a folder", "export 'root' has no folder", *disk,
            "--set", f"host={WORK}", "--set", "board.s0.exports=host,root")
    refused("one export on two boards", "export 'host' is another board's too", *disk,
            "--set", "board.s1.role=scomponent", "--set", "board.s1.ip=10.77.0.42",
            "--set", f"host={WORK}", "--set", "board.s0.exports=host",
            "--set", "board.s1.exports=host")


def test_boards_that_fail():
    rc, out, err = rack("up", "--set", "timeout=1", "--set", "board.m0.append=fake=silent")
    check("a silent board is named, with the end of its log",
          rc == 1 and "board m0: did not come up in 1 s" in err and "last words of m0" in out, err)
    rc, out, err = rack("up", "--set", "board.n0.append=fake=exit")
    check("a board that ends is named", rc == 1 and "board n0: ended itself" in err, err)
    check("nothing is up after that", rack("status")[0] != 0)


def test_programs():
    rc, out, err = rack("run", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    check("stdio and exit status", (rc, out, err) == (3, "out\n", "err\n"), f"{rc} {out} {err}")
    rc, out, err = rack("run", "--", "sh", "-c", "kill -SEGV $$")
    check("a killed program", rc == 139 and "SIGSEGV" in err)
    rc, _, err = rack("run", "--", "nothing")
    check("a program that is not there", rc == 125 and err == "rack: nothing: no such file\n", err)
    rc, _, err = rack("run", "--on", "n0", "--", "ls")
    check("a board without processes", rc == 125 and "ncomponent" in err)
    data = os.urandom(1 << 20)
    r = subprocess.run([RACK, "run", "--", "cat"], input=data, stdout=subprocess.PIPE, timeout=60)
    check("1 MiB through stdin and stdout", r.stdout == data and r.returncode == 0)
    r = subprocess.run([RACK, "run", "--", "sh", "-c", "yes | head -c 20000000"],
                       stdout=subprocess.PIPE, timeout=60)
    check("20 MB of early output, in order", r.stdout == b"y\n" * 10000000, str(len(r.stdout)))
    p = subprocess.Popen([RACK, "run", "--", "sleep", "60"], stdin=subprocess.DEVNULL,
                         stderr=subprocess.PIPE)
    time.sleep(1)
    p.send_signal(signal.SIGINT)
    check("signals are forwarded", p.wait(20) == 128 + signal.SIGINT)
    p = subprocess.Popen([RACK, "run", "--on", "p1", "--", "sleep", "60"],
                         stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(1)
    rack("crash", "p1")
    check("the board's death ends a run", p.wait(20) == 125)
    check("and is seen in status", "p1" in rack("status")[1].split("dead")[0].split("\n")[-1])
    rc, out, _ = rack("run", "--detach", "--", "sleep", "1")
    check("detached", rc == 0 and out.startswith("p0:"))


def test_looking():
    rc, out, _ = rack("stats", "--json")
    stats = json.loads(out)
    check("stats", rc == 1 and stats["m0"]["fake.answers"] == 1 and "p1" not in stats, out)
    rc, out, _ = rack("client", "--", "ip", "-br", "addr", "show", "eth")
    check("client", rc == 0 and "192.168.77.1/24" in out, out)
    rc, out, _ = rack("client", "--", "sh", "-c", "ip -o link | grep -c 'f-.*mtu 9000'")
    check("fabric ports", out == "5\n", out)
    check("client's exit status", rack("client", "--", "sh", "-c", "exit 9")[0] == 9)
    check("logs", "fake board" in rack("logs", "p0")[1])
    rc, _, err = rack("kill", "p0:4711")
    check("kill's error", rc == 1 and "No such process" in err, err)
    check("an unknown verb", rack("frobnicate")[0] == 2)
    check("an unknown link", "no link 'x9'" in rack("pcap", "x9")[2])


def test_side_by_side():
    rc, _, err = rack("up")
    check("up twice", rc == 1 and "already up" in err, err)
    other = os.environ["RACK"] + "-2"
    check("another rack beside it", rack("up", "--rack", other)[0] == 0)
    check("goes down alone", rack("down", "--rack", other)[0] == 0 and rack("status")[0] == 0)


def test_end():
    pid = json.loads(rack("status", "--json")[1])["pid"]
    left = subprocess.Popen([RACK, "client", "--", "sleep", "300"], stdin=subprocess.DEVNULL)
    time.sleep(0.5)
    check("down", rack("down")[0] == 0)
    check("ends what the client left", left.wait(10) != 0)
    check("the supervisor has gone", not os.path.exists(f"/proc/{pid}/exe"))
    check("up again", rack("up")[0] == 0)
    status = json.loads(rack("status", "--json")[1])
    os.kill(status["pid"], signal.SIGKILL)
    time.sleep(1)
    alive = [b["board"] for b in status["boards"] if os.path.exists(f"/proc/{b['pid']}/exe")]
    check("boards die with the supervisor", not alive, str(alive))
    check("and a rack can come up where one died",
          rack("up")[0] == 0 and rack("down")[0] == 0)


def main():
    build = os.environ["BUILD"]
    for role in ("manager", "pcomponent", "mcomponent", "ncomponent", "scomponent"):
        open(os.path.join(build, role + ".elf"), "w").close()
    open(os.path.join(build, "ramfs.cpio"), "w").close()
    test_descriptions()
    test_boards_that_fail()
    check("up", rack("up")[0] == 0)
    try:
        test_programs()
        test_looking()
        test_side_by_side()
        test_end()
    finally:
        rack("down", "--all")
    print(f"1..{number}")
    return 1 if failures else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as WORK:
        os.environ.setdefault("RACK", "t-verbs")
        os.environ["BUILD"] = WORK
        os.environ["RACK_QEMU"] = os.path.join(HERE, "fakeqemu.py")
        sys.exit(main())
