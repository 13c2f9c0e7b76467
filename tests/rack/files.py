#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 300
"""Files of an sComponent, compared with what the host's folder has: trees copied by Debian's
busybox, changes made on the host, paths that try to leave, a full disk, a rack that starts anew.
There are two mComponents, so that programs map files of another one than their memory's."""
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

from lib import Rack, Tap, rack

TOML = """name = "{name}"
host = "{host}"
[fabric]
network = "10.83.0.0/24"
[ethernet]
network = "192.168.83.0/24"
host = "192.168.83.1"
[rootfs]
folder = "{root}"
[board.manager]
role = "manager"
ip = "10.83.0.2"
memory = "128M"
[board.p0]
role = "pcomponent"
ip = "10.83.0.11"
memory = "192M"
excache = "32M"
[board.m0]
role = "mcomponent"
ip = "10.83.0.21"
memory = "192M"
[board.m1]
role = "mcomponent"
ip = "10.83.0.22"
memory = "192M"
[board.s0]
role = "scomponent"
ip = "10.83.0.41"
memory = "128M"
[board.n0]
role = "ncomponent"
ip = "10.83.0.31"
memory = "128M"
eth = "192.168.83.10"
"""
HELD = re.compile(r"slab\.(m_inode|m_page|m_job|m_vma|m_leaves|store_handle|store_job)$")
TREE_FILES = 60
DYNAMIC = "/usr/bin/sort"


def make_tree(top, rng):
    for k in range(TREE_FILES):
        d = os.path.join(top, *(f"d{rng.randrange(4)}" for _ in range(rng.randrange(4))))
        os.makedirs(d, exist_ok=True)
        path = os.path.join(d, f"file {k}")
        with open(path, "wb") as f:
            f.write(rng.randbytes(rng.choice((0, 1, 4095, 4096, 4097, 65536, 65537, 300000))))
        os.chmod(path, rng.choice((0o644, 0o600, 0o755)))
        os.utime(path, ns=(10**18, 10**18 + k * 10**9))
        if k % 6 == 0:
            os.symlink(f"file {k}", path + ".link")
        if k % 7 == 0:
            os.link(path, path + ".hard")


def tree(top):
    """What a copy has to have."""
    found = {}
    for d, dirs, files in os.walk(top):
        for n in dirs + files:
            path = os.path.join(d, n)
            st = os.lstat(path)
            what = os.readlink(path) if os.path.islink(path) else None
            if what is None and n in files:
                with open(path, "rb") as f:
                    what = (hashlib.md5(f.read()).hexdigest(), st.st_nlink,
                            st.st_mtime_ns // 10**9)
            found[os.path.relpath(path, top)] = (st.st_mode, what)
    return found


def make_root(root):
    for d in ("bin", "etc", "home"):
        os.makedirs(os.path.join(root, d))
    shutil.copy("/bin/busybox", os.path.join(root, "bin"))
    for a in ("sh", "cat", "cp", "tar", "dd", "rm", "mv", "ln", "ls", "md5sum", "find", "sync",
              "mkdir", "rmdir", "echo", "stat", "sleep", "wc", "chmod", "touch", "df"):
        os.symlink("busybox", os.path.join(root, "bin", a))
    ldd = subprocess.run(["ldd", DYNAMIC], capture_output=True, text=True, check=True).stdout
    for path in [DYNAMIC] + re.findall(r"(/\S+) \(", ldd):
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)
    with open(os.path.join(root, "etc", "passwd"), "w", encoding="ascii") as f:
        f.write("rack:x:0:0::/:/bin/sh\n")
    make_tree(os.path.join(root, "tree"), random.Random(3))


def held():
    s = json.loads(rack("stats", "--json").out or "{}")
    h = {f"{b}.{k}": v for b in ("m0", "m1", "s0") for k, v in s.get(b, {}).items()
         if HELD.search(k)}
    # the shell that drops caches may itself have its memory on the one that does not have the files (that
    # which joined first has them), and so keep its file there
    for b in ("m0", "m1"):
        h[f"{b}.slab.m_inode"] = max(h.get(f"{b}.slab.m_inode", 0), 1)
    return h


def drop(r):
    r.sh("sync; echo 3 >/proc/sys/vm/drop_caches; sleep 1")


def copies(t, r, root):
    x = r.sh("cp -a /tree /copy && sync")
    want = tree(os.path.join(root, "tree"))
    t.check("a tree copied by cp -a is the same on the host",
            x.rc == 0 and {k: (v[0], v[1] if isinstance(v[1], str) or v[1] is None else
                               (v[1][0], v[1][2])) for k, v in want.items()} ==
            {k: (v[0], v[1] if isinstance(v[1], str) or v[1] is None else (v[1][0], v[1][2]))
             for k, v in tree(os.path.join(root, "copy")).items()}, x)
    x = r.sh("mkdir /copy2 && cd /tree && tar cf - . | tar xf - -C /copy2 && sync", timeout=90)
    t.check("through tar, hard links included", x.rc == 0 and
            tree(os.path.join(root, "copy2")) == want, x)
    x = r.sh("cd /copy2 && find . -type f | wc -l; rm -r /copy /copy2; ls /")
    t.check("find sees every file, rm -r removes them",
            x.out.split()[0] == str(sum(not isinstance(v[1], (str, type(None)))
                                        for v in want.values())) and
            not os.path.exists(os.path.join(root, "copy2")), x)
    x = r.sh("cp -a /tree /tmp/tree && cd /tmp/tree && find . -type f -exec md5sum {} + | wc -l")
    t.check("to a file system in memory", x.rc == 0 and int(x.out) > TREE_FILES - 1, x)
    r.sh("rm -r /tmp/tree")


def contents(t, r, root):
    x = r.sh("dd if=/dev/urandom of=/home/big bs=64k count=192 2>/dev/null; md5sum /home/big; sync")
    with open(os.path.join(root, "home/big"), "rb") as f:
        t.check("12 MiB, written and read again", hashlib.md5(f.read()).hexdigest() in x.out, x)
    x = r.sh("dd if=/dev/zero of=/home/s bs=1000 count=7 conv=fsync 2>/dev/null && echo done")
    t.check("fsync: it is on the host when dd ends", x.out == "done\n" and
            os.path.getsize(os.path.join(root, "home/s")) == 7000, x)
    x = r.sh("cd /home; echo one >f; exec 3<f; rm f; echo two >f; cat f <&3; cat <&3; "
             "echo three >>f; mv f g; cat g; ls f 2>&1; rm g s big")
    t.check("unlinked files live on, names move",
            x.out == "two\none\ntwo\nthree\nls: f: No such file or directory\n", x)
    x = r.sh("cd /home; (for i in 1 2 3 4 5; do echo a$i >>log; done) & "
             "for i in 1 2 3 4 5; do echo b$i >>log; done; wait; wc -l <log; rm log")
    t.check("appending by two", x.out.strip() == "10", x)


def changes_on_the_host(t, r, host):
    for k in (1, 2):
        path = os.path.join(host, "prog")
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\necho build {k}\n")
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)
        x = r.run("/host/prog")
        t.check(f"a program made on the host runs at once, time {k}", x.out == f"build {k}\n", x)
    x = r.sh("echo from the rack >/host/out; sync")
    with open(os.path.join(host, "out"), encoding="ascii") as f:
        t.check("what the rack writes is there", f.read() == "from the rack\n", x)


def paths(t, r, root):
    os.symlink("../../../../../../../../etc/passwd", os.path.join(root, "home", "up"))
    os.symlink("/etc/passwd", os.path.join(root, "home", "abs"))
    os.symlink("self", os.path.join(root, "home", "self"))
    x = r.sh("cat /home/up /home/abs /../../../etc/passwd /host/../../etc/passwd | md5sum; "
             "cat /home/self 2>&1; cat /etc/passwd/x 2>&1")
    want = hashlib.md5(b"rack:x:0:0::/:/bin/sh\n" * 4).hexdigest()
    t.check("no path leads out of the export", x.out.startswith(want), x)
    t.check("a loop of links, a file as a directory", "Symbolic link loop" in x.out or
            "Too many levels" in x.out and "Not a directory" in x.out, x)


def a_full_disk(t, r, small):
    size = 20 << 20
    x = r.sh("dd if=/dev/zero of=/host/full bs=64k 2>&1; echo; md5sum </host/full; "
             "rm /host/full; echo again >/host/x && cat /host/x", timeout=120)
    t.check("a full disk is told to the writer", "No space left" in x.out and
            x.out.endswith("again\n"), x)
    m = re.search(r"\n([0-9a-f]{32})", x.out)
    got = re.search(r"(\d+)\+\d records out", x.out)
    n = int(got.group(1)) * 65536 if got else 0
    t.check("and what was written before is there", size // 2 < n <= size and m, x)
    t.check("nothing stays behind", os.listdir(small) == ["x"], os.listdir(small))


def once(t, work, small):
    root, host = os.path.join(work, "root"), small or os.path.join(work, "host")
    conf = os.path.join(work, "rack.toml")
    os.makedirs(host, exist_ok=True)
    make_root(root)
    with open(conf, "w", encoding="ascii") as f:
        f.write(TOML.format(name=os.environ["RACK"], root=root, host=host))
    with Rack("-c", conf) as r:
        x = r.sh("ls / /dev/shm; cat /etc/passwd")
        t.check("the export is the root, with what is in memory shown in it",
                {"bin", "dev", "host", "proc", "run", "sys", "tmp", "tree"} <= set(x.out.split())
                and "rack:x" in x.out, x)
        drop(r)
        drop(r)  # once more: now exCache has what it takes to do that
        before = held()
        x = r.run(DYNAMIC, stdin=b"c\na\nb\n")
        t.check("a dynamic program", x.out == "a\nb\nc\n", x)
        copies(t, r, root)
        contents(t, r, root)
        paths(t, r, root)
        if small:
            a_full_disk(t, r, small)
        else:
            print("# skipped: a full disk (needs root, for a small file system)", flush=True)
        changes_on_the_host(t, r, host)
        drop(r)
        drop(r)
        after = held()
        t.check("nothing stays behind on the boards", before and before == after,
                f"{before}\n{after}")
        r.sh("echo kept >/home/kept")
    with Rack("-c", conf) as r:
        x = r.sh("cat /home/kept; rm /home/kept; find /tree -type f -exec md5sum {} + | wc -l")
        t.check("a new rack finds it all", x.rc == 0 and x.out.startswith("kept\n"), x)


def main():
    if os.geteuid() == 0 and "FILES_PY" not in os.environ:
        os.environ["FILES_PY"] = "1"
        os.execvp("unshare", ["unshare", "-m", sys.executable, os.path.abspath(__file__)])
    t = Tap()
    with tempfile.TemporaryDirectory() as work:
        small = None
        if os.geteuid() == 0:
            small = os.path.join(work, "small")
            os.mkdir(small)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", small], check=True)
        try:
            once(t, work, small)
        finally:
            if small:
                subprocess.run(["umount", "-l", small], check=False)
    t.end()


if __name__ == "__main__":
    main()
