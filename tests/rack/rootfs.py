#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 60
"""What is taken from packages' maintainer scripts (scripts/racklib/postinst.py) and how a rack's root is made
of a tree (rootfs.py). No rack, no download."""
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from types import SimpleNamespace

from lib import TOP, Tap

WORK = tempfile.mkdtemp()
os.environ["BUILD"] = WORK
sys.path.insert(0, os.path.join(TOP, "scripts"))
from racklib import RackError, debian, postinst, rootfs  # noqa: E402

SCRIPTS = {
    "mawk": r"""
	update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \
	    --slave /usr/bin/nawk nawk /usr/bin/mawk \
	    --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/mawk.1.gz
""",
    "gawk": "update-alternatives --quiet --install /usr/bin/awk awk /usr/bin/gawk 10"
            " --slave /usr/bin/nawk nawk /usr/bin/gawk || true\n",
    "gone": "update-alternatives --install /usr/bin/awk awk /usr/bin/absent 99\n",
    "odd": 'update-alternatives --install "$BIN"/x x "$BIN"/y 50\nadduser --system `id`\nrm -rf /\n',
    "redis-tools": 'USER="redis"\nadduser \\\n\t--system \\\n\t--home /var/lib/redis \\\n'
                   "\t--quiet \\\n\t--group \\\n\t${USER} || true\n",
    "iperf3": "  addgroup --system --quiet iperf3\n  adduser --system --quiet --ingroup iperf3 "
              "--no-create-home iperf3\n",
    "nginx-common": "for confpair in mod-a.conf:50-mod-a.conf  ; do\n",
}


def tree():
    """The least that finish() needs."""
    root = os.path.join(WORK, "rootfs", "key", "tree")
    for path, text in (("usr/share/base-passwd/passwd.master", "root:*:0:0:root:/root:/bin/bash\n"
                        "www-data:*:33:33:w:/var/www:/usr/sbin/nologin\n"),
                       ("usr/share/base-passwd/group.master", "root:*:0:\nadm:*:4:\n"
                        "www-data:*:33:\nnogroup:*:65534:\n"),
                       ("usr/bin/mawk", ""), ("usr/bin/gawk", ""), ("usr/bin/dash", ""),
                       ("usr/lib/sysusers.d/x.conf", '# users\nu _svc - "a service" /var/svc\ng _grp -\n'),
                       ("etc/nginx/sites-available/default",
                        "server {\n\tlisten 80;\n\tlisten [::]:80;\n}\n")):
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w") as f:
            f.write(text)
    return root


def rows(root, path):
    with open(os.path.join(root, path)) as f:
        return {w[0]: w[1:] for w in (line.rstrip("\n").split(":") for line in f)}


def scripts(t, root):
    refused = postinst.finish(root, SCRIPTS)
    users, groups = rows(root, "etc/passwd"), rows(root, "etc/group")
    t.check("the best alternative that is there wins",
            os.readlink(os.path.join(root, "etc/alternatives/awk")) == "/usr/bin/gawk" and
            os.readlink(os.path.join(root, "usr/bin/awk")) == "/etc/alternatives/awk" and
            os.readlink(os.path.join(root, "usr/bin/nawk")) == "/etc/alternatives/nawk")
    t.check("what cannot be told from the text is left out",
            not os.path.lexists(os.path.join(root, "etc/alternatives/x")))
    t.check("users have the groups they asked for",
            users["redis"][1] == users["redis"][2] == groups["redis"][1] and
            users["redis"][4] == "/var/lib/redis" and users["iperf3"][2] == groups["iperf3"][1] and
            users["_svc"][4] == "/var/svc" and "_grp" in groups, users)
    ids = [u[1] for u in users.values()]
    t.check("and numbers of their own", len(set(ids)) == len(ids), ids)
    t.check("nginx's modules and site are enabled", os.readlink(os.path.join(
        root, "etc/nginx/modules-enabled/50-mod-a.conf")).endswith("modules-available/mod-a.conf"))
    with open(os.path.join(root, "etc/nginx/sites-available/default")) as f:
        t.check("without IPv6", f.read().count("\n\t# listen [::]:80;") == 1)
    t.check("there is a shell, and the folders of a root",
            os.readlink(os.path.join(root, "usr/bin/sh")) == "dash" and
            os.stat(os.path.join(root, "tmp")).st_mode & 0o7777 == 0o1777 and
            os.path.isdir(os.path.join(root, "host")))
    mine = os.stat(os.path.join(root, "var/lib/redis")).st_uid == int(users["redis"][1])
    t.check("owners are given, or said", mine != bool(refused))
    return refused


def a_racks_root(t, base, refused):
    """The copy: made once, kept, added to, made anew."""
    with open(os.path.join(os.path.dirname(base), "owners"), "w") as f:
        f.write("102 103 var/lib/redis\n")
    debian.tree_of = lambda packages, say: base
    cfg = SimpleNamespace(name="r", path="x.toml", host="", nameserver="10.9.8.7", boards=[],
                          rootfs={"packages": ["x"]}, ethernet={"host": "10.9.8.1"})
    said = []
    root = rootfs.prepare(cfg, said.append)
    with open(os.path.join(root, "etc/resolv.conf")) as f:
        t.check("the rack's own files are there", f.read() == "nameserver 10.9.8.7\n")
    with open(os.path.join(root, ".rack-owners"), "rb") as f:
        ino = os.stat(os.path.join(root, "var/lib/redis")).st_ino
        t.check("owners that could not be given are told to the board",
                f.read() == struct.pack("<QII", ino, 102, 103))
    with open(os.path.join(root, "etc/hostname"), "w") as f:
        f.write("changed\n")
    said.clear()
    rootfs.prepare(cfg, said.append)
    with open(os.path.join(root, "etc/hostname")) as f:
        t.check("what was written stays, and nothing is copied", f.read() == "changed\n" and
                not said, said)
    with open(os.path.join(WORK, "rack", "r", "root.key"), "w") as f:
        f.write("another\n")
    with open(os.path.join(base, "added"), "w") as f:
        f.write("new\n")
    rootfs.prepare(cfg, said.append)
    with open(os.path.join(root, "etc/hostname")) as f:
        t.check("another list of packages adds", f.read() == "changed\n" and
                os.path.exists(os.path.join(root, "added")))
    rootfs.prepare(cfg, said.append, fresh=True)
    with open(os.path.join(root, "etc/hostname")) as f:
        t.check("--fresh begins anew", f.read() == "r\n")


def unpacking(t):
    """A package whose /bin is a folder, into a tree whose /bin is a link."""
    source, to = os.path.join(WORK, "deb"), os.path.join(WORK, "to")
    for path, text in (("DEBIAN/control", "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m\n"
                        "Description: d\n"), ("bin/prog", "x"), ("usr/share/doc/p/copyright", "x")):
        os.makedirs(os.path.dirname(os.path.join(source, path)), exist_ok=True)
        with open(os.path.join(source, path), "w") as f:
            f.write(text)
    deb = os.path.join(WORK, "p.deb")
    subprocess.run(["dpkg-deb", "-b", source, deb], check=True, stdout=subprocess.DEVNULL)
    os.makedirs(os.path.join(to, "usr", "bin"))
    os.symlink("usr/bin", os.path.join(to, "bin"))
    debian.unpack(deb, to)
    t.check("a merged /usr stays merged, documentation is left out",
            os.path.islink(os.path.join(to, "bin")) and
            os.path.exists(os.path.join(to, "usr/bin/prog")) and
            not os.path.exists(os.path.join(to, "usr/share/doc")))
    with open(deb, "wb") as f:
        f.write(b"no package")
    try:
        debian.unpack(deb, to)
        bad = "taken"
    except RackError as e:
        bad = str(e)
    t.check("what is no package is named", "p.deb" in bad, bad)


def main():
    t = Tap()
    try:
        base = tree()
        a_racks_root(t, base, scripts(t, base))
        unpacking(t)
    finally:
        shutil.rmtree(WORK)
    t.end()


main()
