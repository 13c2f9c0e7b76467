# SPDX-License-Identifier: GPL-2.0-only
"""A tree of Debian packages in the build folder, made with apt and dpkg-deb, for racks to copy.

build/rootfs/KEY/tree is the root, KEY a digest of the package names and of how trees are made. apt resolves
what the packages depend on as for a machine with nothing installed, and verifies what it brings; the files
are unpacked without running a script (postinst.py does what those would have done). As root the files have
Debian's owners, else the operator's; build/rootfs/KEY/owners tells whose they were to be. Manuals, documentation and translations are left out.
"""
import hashlib
import os
import shutil
import subprocess
import sys

from . import BUILD, RackError, apt, postinst

TREES = os.path.join(BUILD, "rootfs")
# what every tree has: Debian's essential packages but those that install packages, and some data
BASE = ["base-files", "base-passwd", "bash", "bsdutils", "coreutils", "dash", "debianutils",
        "diffutils", "findutils", "grep", "gzip", "hostname", "libc-bin", "login", "mawk",
        "media-types", "ncurses-base", "ncurses-bin", "netbase", "perl-base", "sed",
        "sysvinit-utils", "tar", "tzdata", "usr-is-merged", "util-linux"]
LEFT_OUT = ["./usr/share/doc", "./usr/share/man", "./usr/share/info", "./usr/share/locale",
            "./usr/share/lintian", "./usr/share/doc-base", "./usr/share/bug"]
MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


def key_of(packages):
    """Names a tree: the same packages by the same code are the same tree."""
    h = hashlib.sha256(" ".join(sorted(set(packages + BASE))).encode())
    for path in (__file__, postinst.__file__):
        with open(path, "rb") as f:
            h.update(f.read())
    h.update(b"root" if os.geteuid() == 0 else b"user")
    return h.hexdigest()[:16]


def run(cmd, what, **kw):
    r = subprocess.run(cmd, stdin=kw.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, **kw)
    if r.returncode:
        last = (r.stdout.strip() or "no message").split("\n")[-1]
        raise RackError(f"{what}: {last}")
    return r.stdout


def unpack(deb, tree):
    """The package's files; a folder of the package may be a link in the tree (/bin)."""
    reader = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    with reader.stdout as files:
        run(["tar", "-x", "-p", "--numeric-owner", "--keep-directory-symlink", "-C", tree,
             *[f"--exclude={p}" for p in LEFT_OUT]], os.path.basename(deb), stdin=files)
    if reader.wait():
        raise RackError(f"{os.path.basename(deb)}: not a package that dpkg-deb can read")


def script_of(deb):
    r = subprocess.run(["dpkg-deb", "-I", deb, "postinst"], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, text=True, errors="replace")
    return r.stdout if r.returncode == 0 else ""


def as_root():
    """What makes a command root over the operator's own files."""
    return [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]


def compile_python(tree):
    """Byte code of the standard library, where this machine has the same Python: saves its making at
    every start of a program that cannot write it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if os.path.isdir(os.path.join(tree, "usr/lib", version)):
        subprocess.run([sys.executable, "-m", "compileall", "-q", "-j", "2", "-s", tree, "-p", "/",
                        os.path.join(tree, "usr/lib", version),
                        os.path.join(tree, "usr/lib/python3")],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def build(packages, tree, say):
    say(f"rootfs: resolving {', '.join(packages)}")
    try:
        debs = apt.archive().closure(sorted(set(BASE + packages)), cwd=apt.CACHE)
    except apt.FetchError as e:
        lines = [x for x in str(e).split("\n") if x.startswith("E:")] or str(e).split("\n")
        raise RackError(f"rootfs.packages: {lines[-1].removeprefix('E: ')}") from None
    say(f"rootfs: unpacking {len(debs)} packages")
    os.makedirs(tree)
    for name in MERGED:
        os.makedirs(os.path.join(tree, "usr", name))
        os.symlink(f"usr/{name}", os.path.join(tree, name))
    for deb in debs:
        unpack(deb, tree)
    scripts = {os.path.basename(d).split("_")[0]: script_of(d) for d in debs}
    owners = postinst.finish(tree, scripts)
    with open(os.path.join(os.path.dirname(tree), "owners"), "w") as f:
        f.write("".join(f"{uid} {gid} {path}\n" for path, uid, gid in owners))
    run(as_root() + ["/sbin/ldconfig", "-r", tree], "ldconfig")
    compile_python(tree)


def make(packages, folder, say):
    shutil.rmtree(folder, ignore_errors=True)
    draft = f"{folder}.{os.getpid()}"
    try:
        build(packages, os.path.join(draft, "tree"), say)
        with open(os.path.join(draft, "stamp"), "w") as f:
            f.write(" ".join(packages) + "\n")
        os.replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def tree_of(packages, say):
    """Path of the tree with these packages, made when it is not there yet."""
    folder = os.path.join(TREES, key_of(packages))
    tree = os.path.join(folder, "tree")
    if os.path.exists(os.path.join(folder, "stamp")):
        return tree
    with apt.locked():
        if not os.path.exists(os.path.join(folder, "stamp")):  # or another rack made it meanwhile
            make(packages, folder, say)
    return tree
