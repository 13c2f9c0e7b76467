# SPDX-License-Identifier: GPL-2.0-only
"""The folders that a rack's sComponents export.

A rack with rootfs.packages has a root of its own, build/rack/NAME/root: a copy of the packages' tree, made at
the first `rack up`. What programs write there stays when the rack goes down. When the list of packages has
changed since, what the new tree has more is added and what was there is left alone; `rack up --fresh` begins
anew.
"""
import os
import shutil
import struct
import subprocess

from . import RackError, debian, wire


def folder_of(cfg, key, path):
    """A folder named in the description; a relative one is relative to the description's file."""
    full = os.path.join(os.path.dirname(os.path.abspath(cfg.path)), os.path.expanduser(path))
    if not os.path.isdir(full):
        raise RackError(f"{os.path.relpath(cfg.path)}: {key}: {path} is not a folder")
    return os.path.realpath(full)


def host_of(cfg):
    return folder_of(cfg, "host", cfg.host)


def root_of(cfg):
    """The folder that is the root of the rack's programs."""
    if "folder" in cfg.rootfs:
        return folder_of(cfg, "rootfs.folder", cfg.rootfs["folder"])
    return os.path.join(wire.state_dir(cfg.name), "root")


def copy(tree, root, *options):
    r = subprocess.run(["cp", "-a", "--reflink=auto", *options, tree + "/.", root],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True)
    if r.returncode:
        raise RackError(f"{os.path.relpath(root)}: {r.stdout.strip().split(chr(10))[-1]}")


def keep_owners(tree, root):
    """Tells the sComponent whose files were to be whose (monitors/scomponent/owners.c)."""
    with open(os.path.join(os.path.dirname(tree), "owners")) as f:
        rows = [line.rstrip("\n").split(" ", 2) for line in f]
    if rows:
        with open(os.path.join(root, ".rack-owners"), "wb") as f:
            for uid, gid, path in rows:
                ino = os.lstat(os.path.join(root, path)).st_ino
                f.write(struct.pack("<QII", ino, int(uid), int(gid)))


def describe(cfg, root):
    """Files that tell of the rack itself, where nobody has written others."""
    hosts = "".join(f"{b.eth}\t{b.name}\n" for b in cfg.boards if b.eth)
    files = {"etc/hostname": cfg.name + "\n",
             "etc/hosts": f"127.0.0.1\tlocalhost\n{cfg.ethernet['host']}\thost\n{hosts}",
             "etc/resolv.conf": f"nameserver {cfg.nameserver}\n" if cfg.nameserver else ""}
    for path, text in files.items():
        full = os.path.join(root, path)
        if not os.path.lexists(full):
            with open(full, "w") as f:
                f.write(text)


def prepare(cfg, say, fresh=False):
    """Before the boards boot: every exported folder is there. RackError says what is wrong."""
    if cfg.host:
        host_of(cfg)
    if "packages" not in cfg.rootfs:
        return root_of(cfg) if cfg.rootfs else None
    tree = debian.tree_of(cfg.rootfs["packages"], say)
    root, key = root_of(cfg), os.path.basename(os.path.dirname(tree))
    stamp = root + ".key"
    os.makedirs(os.path.dirname(root), exist_ok=True)
    if os.geteuid() == 0:  # there may be programs with set-user-ID bits in it
        os.chmod(os.path.dirname(root), 0o700)
    if fresh:
        for path in (root, stamp):
            remove(path)
    if not os.path.exists(stamp) or not os.path.isdir(root):
        say(f"rootfs: copying to {os.path.relpath(root)}")
        remove(root)
        os.mkdir(root)
        copy(tree, root)
        keep_owners(tree, root)
    else:
        with open(stamp) as f:
            same = f.read().strip() == key
        if not same:
            say(f"rootfs: adding to {os.path.relpath(root)}")
            copy(tree, root, "--no-clobber")
            subprocess.run(debian.as_root() + ["/sbin/ldconfig", "-r", root], check=False)
    describe(cfg, root)
    with open(stamp, "w") as f:
        f.write(key + "\n")
    return root


def remove(path):
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
