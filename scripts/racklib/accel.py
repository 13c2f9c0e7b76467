# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator machines run with: KVM where a machine really runs under it, else TCG.

That /dev/kvm opens says little: it may exist, make a machine, and still let QEMU abort on its first
register. So a probe boots a few instructions that leave through isa-debug-exit. One answer a run: it is kept in
RACK_ACCEL, which children inherit and an operator may set.
"""
import os
import struct
import subprocess
import tempfile

KVM, TCG = "kvm", "tcg,thread=multi"
PROBE_TIMEOUT = 10  # seconds; the probe itself takes well under one
PROBE_CODE = 0x2a
LOAD = 0x100000


def probe_image():
    """A Multiboot image (Multiboot specification 3.1) that writes PROBE_CODE to port 0xf4."""
    magic, flags, end = 0x1BADB002, 1 << 16, LOAD + 48
    header = struct.pack("<8I", magic, flags, -(magic + flags) & 0xffffffff,
                         LOAD, LOAD, end, end, LOAD + 32)
    # mov $0xf4, %dx (66 ba); mov $code, %al; out %al, (%dx); hlt; jmp to the hlt
    code = bytes((0x66, 0xba, 0xf4, 0x00, 0xb0, PROBE_CODE, 0xee, 0xf4, 0xeb, 0xfd))
    return (header + code).ljust(48, b"\0")


def runs_under(accelerator, program):
    """True when a machine under accelerator executes what it was given."""
    with tempfile.NamedTemporaryFile(prefix="probe-") as f:
        f.write(probe_image())
        f.flush()
        args = [program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "q35",
                "-accel", accelerator, "-cpu", "max", "-m", "32M", "-kernel", f.name,
                "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
        try:
            r = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, timeout=PROBE_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired):
            return False
    return r.returncode == (PROBE_CODE << 1 | 1)


def choose(program):
    """The argument of QEMU's -accel."""
    if "RACK_ACCEL" not in os.environ:
        usable = os.access("/dev/kvm", os.R_OK | os.W_OK) and "RACK_QEMU" not in os.environ
        os.environ["RACK_ACCEL"] = "kvm" if usable and runs_under(KVM, program) else "tcg"
    return KVM if os.environ["RACK_ACCEL"] == "kvm" else TCG
