#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The probe that decides between KVM and emulation: it tells a machine that runs from one that does not."""
import os
import sys

from lib import TOP, Tap

sys.path.insert(0, os.path.join(TOP, "scripts"))
from racklib import accel, qemu  # noqa: E402


def main():
    t = Tap()
    os.environ.pop("RACK_ACCEL", None)
    t.check("an emulated machine runs the probe", accel.runs_under(accel.TCG, qemu.REAL))
    t.check("an accelerator that is not there does not", not accel.runs_under("nonsense", qemu.REAL))
    t.check("nor does a QEMU that is not there", not accel.runs_under(accel.TCG, "/nonexistent"))
    got = accel.choose(qemu.REAL)
    t.check(f"one is chosen: {got}", got in (accel.KVM, accel.TCG))
    t.check("a machine runs with it", accel.runs_under(got, qemu.REAL))
    os.environ["RACK_ACCEL"] = "tcg"
    t.check("the operator's word counts", accel.choose(qemu.REAL) == accel.TCG)
    t.end()


if __name__ == "__main__":
    main()
