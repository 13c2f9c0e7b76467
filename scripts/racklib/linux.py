# SPDX-License-Identifier: GPL-2.0-only
"""Debian's stock kernel as a guest: its modules, programs with their libraries, RDMA's user space, and
the initramfs that is a rack's managers. Nothing is installed; all of it lies in build/linux and build/rdma."""
import os
import re
import subprocess

from . import BUILD, TOP, RackError, cpio

LINUX = os.path.join(BUILD, "linux")
RDMA = os.path.join(BUILD, "rdma")
BASE_MODULES = ["virtio_pci", "virtio_rng"]
RDMA_MODULES = ["crc32_generic", "rdma_rxe", "ib_uverbs", "rdma_ucm"]  # rxe asks for crc32 by name
LIB = "usr/lib/x86_64-linux-gnu"
PROVIDER = f"{LIB}/libibverbs/librxe-rdmav34.so"
DRIVER = "etc/libibverbs.d/rxe.driver"
GCC_LIB = "libgcc_s.so.1"
MANAGERS = os.path.join(BUILD, "host", "fit-managers")


def fetch(what):
    """Packages linux or rdma, unpacked; RackError when they cannot be had."""
    if os.path.exists(os.path.join(BUILD, what, "stamp")):
        return
    r = subprocess.run([os.path.join(TOP, "scripts", "fetch"), what], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        lines = r.stdout.strip().split("\n")
        raise RackError(f"packages of {what} cannot be fetched: {lines[-1]} (inside `rack client` there is no "
                        f"network: run scripts/fetch {what} outside, before)")


def module_files():
    root = os.path.join(LINUX, "modules", "kernel")
    return {f[:-3].replace("-", "_"): os.path.join(d, f)
            for d, _, files in os.walk(root) for f in files if f.endswith(".ko")}


def with_dependencies(names):
    """Module files in the order in which they can be loaded. What is built in has no file."""
    files, order = module_files(), []

    def add(name):
        path = files.get(name.replace("-", "_"))
        if path is None or path in order:
            return
        with open(path, "rb") as f:
            m = re.search(rb"\0depends=([^\0]*)\0", f.read())
        for need in m.group(1).decode().split(",") if m and m.group(1) else []:
            add(need)
        order.append(path)
    for n in names:
        add(n)
    return order


def add_modules(archive, names):
    """The modules, and /modules/order for whoever loads them."""
    order = with_dependencies(names)
    for p in order:
        archive.copy(f"modules/{os.path.basename(p)}", p, 0o644)
    archive.file("modules/order", "\n".join(os.path.basename(p) for p in order).encode())


def libraries(programs):
    """The shared objects that programs load, as {path in the guest: file}."""
    env = dict(os.environ, LD_LIBRARY_PATH=f"{RDMA}/{LIB}:{RDMA}/lib/x86_64-linux-gnu")
    r = subprocess.run(["ldd", *programs], env=env, stdout=subprocess.PIPE, text=True)
    libs = {}
    for line in r.stdout.split("\n"):
        m = re.match(r"\s+(\S+)(?: => (\S+))? \(0x", line)
        path = m and (m.group(2) or m.group(1))
        if path and path.startswith("/"):
            name = os.path.basename(path)
            folder = "lib64" if name.startswith("ld-linux") else "lib/x86_64-linux-gnu"
            libs[f"{folder}/{name}"] = path
        elif "not found" in line:
            raise RackError(f"{programs[0]} needs a library that is not there:{line.rstrip()}")
    return libs


def add_programs(archive, programs, rdma):
    """Programs in /bin with what they load; rdma: also iproute2's `rdma` and rxe's user space."""
    programs, extra = list(programs), []
    if rdma:
        fetch("rdma")
        programs.append(os.path.join(RDMA, "usr", "bin", "rdma"))
        extra = [os.path.join(RDMA, PROVIDER), os.path.join(RDMA, LIB, "librdmacm.so.1")]
        for path in (PROVIDER, DRIVER):
            archive.copy(path, os.path.join(RDMA, path))
        archive.copy("lib/x86_64-linux-gnu/librdmacm.so.1", extra[1])
    if programs:  # pthread_exit() loads it by name
        archive.copy(f"lib/x86_64-linux-gnu/{GCC_LIB}", f"/lib/x86_64-linux-gnu/{GCC_LIB}", 0o755)
    for p in programs:
        archive.copy(f"bin/{os.path.basename(p)}", p, 0o755)
    if programs:
        for target, path in sorted(libraries(programs + extra).items()):
            if target.strip("/") not in archive.seen:
                archive.copy(target, path, 0o755)


def begin_initramfs(path):
    archive = cpio.Archive(path)
    for d in ("proc", "sys", "dev", "tmp", "root", "etc", "run"):
        archive.directory(d)
    archive.device("dev/console", 5, 1, 0o600)
    archive.device("dev/null", 1, 3)
    cpio.add_busybox(archive)
    return archive


# ---- the managers as a board ----------------------------------------------------------------
# The words behind "--" on the kernel's command line are init's arguments: the board's own. The machine ends
# like a board's, through isa-debug-exit at port 0xf4, with the program's status.
MANAGERS_INIT = """#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/ TERM=linux
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for m in $(cat /modules/order); do insmod /modules/$m || echo "managers: no module $m"; done
for w in "$@"; do
	case $w in
	fabric.ip=*) ip=${w#*=} ;;
	fabric.prefix=*) prefix=${w#*=} ;;
	fabric.mtu=*) mtu=${w#*=} ;;
	esac
done
ip link set lo up
ip link set eth0 mtu $mtu up
ip addr add $ip/$prefix dev eth0
for i in 1 2 3 4 5 6 7 8 9 10; do [ "$(cat /sys/class/net/eth0/carrier)" = 1 ] && break; sleep 0.2; done
for i in 1 2 3 4 5 6 7 8 9 10; do [ -e /dev/vport*p1 ] && break; sleep 0.2; done
ulimit -l unlimited
rdma link add rxe0 type rxe netdev eth0
( fit-managers ctl.dev=$(echo /dev/vport*p1) "$@" )
status=$?
echo "managers: fit-managers ended with status $status"
[ $status -gt 127 ] && status=127
printf "\\\\x$(printf %02x $status)" | dd of=/dev/port bs=1 seek=244 2>/dev/null
poweroff -f
"""


def managers_initramfs():
    """Path of the initramfs, made anew when the program is newer."""
    fetch("linux")
    fetch("rdma")
    if not os.path.exists(MANAGERS):
        raise RackError(f"{os.path.relpath(MANAGERS)} is not there: run `make linux-tools`")
    path = os.path.join(LINUX, "managers.initrd")
    newest = max(os.path.getmtime(p) for p in (MANAGERS, __file__, os.path.join(RDMA, "stamp"),
                                               os.path.join(LINUX, "stamp")))
    if os.path.exists(path) and os.path.getmtime(path) > newest:
        return path
    draft = f"{path}.{os.getpid()}"
    archive = begin_initramfs(draft)
    add_modules(archive, BASE_MODULES + ["virtio_net", "virtio_console"] + RDMA_MODULES)
    add_programs(archive, [MANAGERS], rdma=True)
    archive.file("init", MANAGERS_INIT.encode(), 0o755)
    archive.close()
    os.replace(draft, path)
    return path


def kernel():
    return os.path.join(LINUX, "vmlinuz")
