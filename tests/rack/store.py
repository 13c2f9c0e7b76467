#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 400
"""Files on the disk of an sComponent, seen by programs on Debian's root: what is written is there after the
rack went down or was killed, names stay inside the export, a full disk says so, and /host shows a folder of
this machine's."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

from lib import BUILD, RACK, TOP, Rack, Tap, rack

NAME = os.environ["RACK"]
HOST = os.path.join(BUILD, "test", "store-host")
SMALL_MIB = 4
SECRET = "this machine's own"


class DebianRack(Rack):
    """racks/debian.toml with a /host, whose folder small is a small disk in the rack's eyes only."""

    def __init__(self, *options):
        with open(os.path.join(TOP, "racks", "debian.toml")) as f:
            text = f.read()
        text = re.sub(r"^name = .*$", f'name = "{NAME}"\nhost = "{HOST}"', text, 1, re.M)
        self.config = os.path.join(BUILD, "test", "store.toml")
        with open(self.config, "w") as f:
            f.write(text)
        super().__init__("-c", self.config, *options)

    def __enter__(self):
        own = [] if os.geteuid() == 0 else ["-r"]
        script = f'mount -t tmpfs -o size={SMALL_MIB}m none "$0" && exec "$@"'
        r = subprocess.run(["unshare", "-m", *own, "sh", "-c", script, os.path.join(HOST, "small"),
                            RACK, "up", *self.up], stdin=subprocess.DEVNULL, timeout=180,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print("# " + r.stdout.strip().replace("\n", "\n# "), flush=True)
        if r.returncode:
            print("not ok 1 - the rack comes up")
            raise SystemExit(1)
        return self


def kill_rack():
    """As if this machine's power went: nobody says goodbye."""
    pid = json.loads(rack("status", "--json").out)["pid"]
    os.kill(pid, signal.SIGKILL)
    for _ in range(500):
        if not os.path.exists(f"/proc/{pid}/exe"):
            return
        time.sleep(0.01)


def basics(t, r):
    x = r.run("bash", "-c", "cat /etc/debian_version; echo $BASH_VERSION", on="p0")
    t.check("a dynamic program of Debian's runs", x.rc == 0 and x.out.startswith("12."), x)
    x = r.sh("cd /root && echo one >f && echo two >>f && cat f && mv f g && ln g h && stat -c %h g && rm g"
             " && cat h && rm h && ls")
    t.check("files are made, linked, renamed, removed", x.out == "one\ntwo\n2\none\ntwo\n", x)
    x = r.sh("cd /root && echo still >f && exec 3<f && rm f && echo new >f && cat <&3 && cat f && rm f")
    t.check("a removed file can be read while it is open", x.out == "still\nnew\n", x)
    x = r.sh("cd /root && echo old >f && exec 3<f && echo new >g && mv g f && cat <&3 && cat f && rm f")
    t.check("a replaced file too", x.out == "old\nnew\n", x)
    n = "n" * 255
    x = r.sh(f"cd /root && echo x >{n} && cat {n} && rm {n}; echo x >{n}n")
    t.check("a name has at most 255 bytes", x.out == "x\n" and "too long" in x.err, x)
    x = r.sh("mkdir /root/d && cd /root/d && rmdir /root/d && ls && echo x >y")
    t.check("nothing can be made in a removed folder", x.rc and "nonexistent" in x.err, x)


def inside(t, r):
    """The root's own files are found, this machine's never."""
    up = "../" * 20
    x = r.sh(f"cd /root && ln -s {up}etc/hostname up && ln -s /etc/hostname abs && ln -s loop loop"
             f" && cat up abs /{up}etc/hostname; cat loop; rm up abs loop")
    t.check("links and .. end at the rack's root", x.out == f"{NAME}\n" * 3 and
            "Too many levels" in x.err, x)
    secret = os.path.join(BUILD, "test", "store-secret")
    with open(secret, "w") as f:
        f.write(SECRET)
    for name, target in (("in-abs", secret), ("in-up", "../store-secret"), ("in-dir", "..")):
        if not os.path.lexists(os.path.join(HOST, name)):
            os.symlink(target, os.path.join(HOST, name))
    x = r.sh("cat /host/in-abs; cat /host/in-up; cat /host/in-dir/store-secret; ls /host/..;"
             " cat /host/../store-secret")
    t.check("links in /host do not lead out of it", SECRET not in x.out + x.err and
            "bin" in x.out, x)
    x = r.sh("mknod /root/disk b 8 0; ls /root/.rack-removed; mkdir /.rack-removed; echo $?")
    t.check("no devices of this machine's, and nobody else's folder", x.out == "1\n", x)


def host_folder(t, r):
    source, program = os.path.join(HOST, "hello.c"), os.path.join(HOST, "hello")
    with open(source, "w") as f:
        f.write('#include <stdio.h>\nint main(void) { puts("just compiled"); return 7; }\n')
    subprocess.run(["gcc", "-o", program, source], check=True)
    x = r.run("/host/hello", on="p1")
    t.check("a program just compiled on this machine runs", x.rc == 7 and
            x.out == "just compiled\n", x)
    x = r.sh("echo from the rack >/host/note")
    with open(os.path.join(HOST, "note")) as f:
        t.check("what a program writes there is an ordinary file", f.read() == "from the rack\n", x)
    with open(os.path.join(HOST, "note"), "w") as f:
        f.write("from this machine, and longer\n")
    time.sleep(1.2)
    x = r.sh("cat /host/note")
    t.check("and what this machine writes is seen", x.out == "from this machine, and longer\n", x)


def full_disk(t, r):
    """What fsync() confirmed stays. Of the rest the disk, which only s0's host knows to be small, takes batches
    in any order: the file ends where its last one did, and has nothing in it that was not written."""
    page = bytes(range(1, 256)) + b"\xff"
    with open(os.path.join(HOST, "pattern"), "wb") as f:
        f.write(page * (2 * SMALL_MIB << 12))
    x = r.sh("cd /host/small && dd if=/host/pattern of=kept bs=64k count=16 conv=fsync 2>/dev/null && echo kept;"
             " dd if=/host/pattern of=a bs=64k; sync; stat -c %s a")
    t.check("a full disk is ENOSPC", "No space left" in x.err, x)
    y = r.sh("cmp -n 1048576 /host/pattern /host/small/kept && stat -c %s /host/small/kept")
    t.check("what was synced before is there", y.out == "1048576\n", f"{x}\n{y}")
    y = r.run("cat", "/host/small/a")
    pieces = [y.raw[k:k + 256] for k in range(0, len(y.raw), 256)]
    took = 256 * pieces.count(page)
    t.check("what the disk took is there, and no more", x.out == f"kept\n{len(y.raw)}\n" and
            SMALL_MIB << 18 < took < SMALL_MIB << 20 and all(v in (page, bytes(256)) for v in pieces),
            f"{x}\n{took} bytes of {len(y.raw)}")
    x = r.sh("cd /host/small && rm a kept && echo room >b && exec 3<b && rm b && cat <&3 && echo more >b && ls -A")
    t.check("and there is room after a file was removed", x.out == "room\nb\n", x)


def after_down(t, r):
    r.sh("cd /root && seq 1 5000 >numbers && mkdir -p kept && cp /bin/ls kept/ls && chmod 751 kept/ls")
    x = r.run("sqlite3", "/root/db", "create table t(n integer); insert into t values (42)")
    t.check("sqlite3 makes a data base", x.rc == 0, x)


def check_kept(t, r):
    x = r.sh("cd /root && seq 1 5000 | cmp - numbers && cmp /bin/ls kept/ls && stat -c %a kept/ls")
    t.check("files survive the rack", x.out == "751\n", x)
    x = r.run("sqlite3", "/root/db", "select n from t")
    t.check("and so does the data base", x.out == "42\n", x)


def insert_until_killed(t, r):
    """sqlite3 says `n` when it has committed n; the rack is killed while it works."""
    out = os.path.join(BUILD, "test", "store-inserts")
    sql = "begin; insert into k select coalesce(max(n), 0) + 1 from k; commit; select max(n) from k;\n"
    r.run("sqlite3", "/root/db", "create table k(n integer)")
    with open(out, "wb") as f:
        p = subprocess.Popen([RACK, "run", "--", "sqlite3", "/root/db"], stdin=subprocess.PIPE,
                             stdout=f, stderr=subprocess.DEVNULL)
        p.stdin.write(sql.encode() * 3000)
        p.stdin.flush()
        for _ in range(600):
            time.sleep(0.1)
            if os.path.getsize(out) > 60:
                break
        kill_rack()
        try:
            p.communicate(timeout=30)
        except BrokenPipeError:
            p.wait(30)
    with open(out) as f:
        said = [int(w) for w in f.read().split("\n")[:-1] if w.isdigit()]
    return t.check("sqlite3 was killed at work", 3 < len(said) < 3000 and said, said[-3:]) and said[-1]


def check_journal(t, r, said):
    x = r.run("sqlite3", "/root/db", "pragma integrity_check; select count(*), max(n) from k")
    lines = x.out.split()
    ok = x.rc == 0 and len(lines) == 2 and lines[0] == "ok"
    count, most = (int(w) for w in lines[1].split("|")) if ok else (0, 0)
    t.check("the data base is whole, with all that was committed",
            ok and count == most and said <= most <= said + 1, f"{x}\nsaid {said}")


def board_dies(t, r):
    """Last: without its disk a rack has no programs to start, so one that runs already looks."""
    p = subprocess.Popen([RACK, "run", "--", "sh", "-c", "read x; cat /var/log/dpkg.log /etc/motd"
                          " /usr/share/zoneinfo/Europe/Rome; echo x >/root/y; echo over"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(2)
    rack("crash", "s0")
    try:
        out = p.communicate(b"go\n", timeout=40)[0].decode()
    except subprocess.TimeoutExpired:
        p.kill()
        out = "no end in time: " + p.communicate()[0].decode()
    t.check("without the disk's board programs get errors, and go on", "over" in out, out)
    x = r.run("ls", "/", timeout=40)
    t.check("and a new one is refused in time", x.rc not in (0, None), x)


def main():
    t = Tap()
    shutil.rmtree(HOST, ignore_errors=True)
    os.makedirs(os.path.join(HOST, "small"))
    with DebianRack("--fresh") as r:
        basics(t, r)
        inside(t, r)
        host_folder(t, r)
        full_disk(t, r)
        after_down(t, r)
    with DebianRack() as r:
        check_kept(t, r)
        said = insert_until_killed(t, r)
    with DebianRack("--set", "board.manager.append=member.missed=3") as r: # dead after 6 s
        check_journal(t, r, said)
        board_dies(t, r)
    shutil.rmtree(os.path.join(BUILD, "rack", NAME, "root"))
    t.end()


main()
