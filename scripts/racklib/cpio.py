# SPDX-License-Identifier: GPL-2.0-only
"""Writes cpio archives in the "newc" format (cpio(5)): what the mComponent's ramfs and Linux's
initramfs are filled from. Owner root, one fixed time, so that the same input gives the same bytes."""
import os
import stat


class Archive:
    def __init__(self, path):
        self.out = open(path, "wb")
        self.ino = 0
        self.seen = {""}

    def pad(self):
        self.out.write(b"\0" * (-self.out.tell() % 4))

    def entry(self, name, mode, data=b"", nlink=1, rdev=(0, 0)):
        self.ino += 1
        raw = name.encode() + b"\0"
        fields = (self.ino, mode, 0, 0, nlink, 1700000000, len(data), 0, 0, *rdev, len(raw), 0)
        self.out.write(b"070701" + b"".join(b"%08X" % f for f in fields) + raw)
        self.pad()
        self.out.write(data)
        self.pad()

    def directory(self, name, mode=0o755):
        """A directory, and those above it, once each."""
        name = name.strip("/")
        if name in self.seen:
            return
        self.directory(os.path.dirname(name))
        self.seen.add(name)
        self.entry(name, stat.S_IFDIR | mode, nlink=2)

    def file(self, name, data, mode=0o644):
        name = name.strip("/")
        self.directory(os.path.dirname(name))
        self.seen.add(name)
        self.entry(name, stat.S_IFREG | mode, data)

    def copy(self, name, path, mode=None):
        with open(path, "rb") as f:
            data = f.read()
        self.file(name, data, stat.S_IMODE(os.stat(path).st_mode) if mode is None else mode)

    def symlink(self, name, target):
        name = name.strip("/")
        if name in self.seen:
            return
        self.directory(os.path.dirname(name))
        self.seen.add(name)
        self.entry(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name, major, minor, mode=0o666):
        self.directory(os.path.dirname(name))
        self.entry(name.strip("/"), stat.S_IFCHR | mode, rdev=(major, minor))

    def close(self):
        self.ino = -1
        self.entry("TRAILER!!!", 0)
        self.out.write(b"\0" * (-self.out.tell() % 512))
        self.out.close()


def add_busybox(archive, busybox="/bin/busybox"):
    """Debian's static busybox, and a link for each of its applets."""
    import subprocess
    archive.copy("bin/busybox", busybox, 0o755)
    names = subprocess.run([busybox, "--list-full"], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.split()
    for name in names:
        archive.symlink(name, "/bin/busybox")
