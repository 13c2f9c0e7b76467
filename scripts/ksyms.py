#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Reads `nm -n` on stdin, writes the symbol table for panics as assembly.

Layout: ksyms_count (u64), ksyms_addr[] (u64, ascending), ksyms_name_off[] (u32), ksyms_names.
"""
import sys

syms = []
for line in sys.stdin:
    parts = line.split()
    if len(parts) == 3 and parts[1] in "tT" and not parts[2].startswith(".L"):
        syms.append((int(parts[0], 16), parts[2]))
print('.section .ksyms,"a"\n.globl ksyms_count, ksyms_addr, ksyms_name_off, ksyms_names')
print(f".balign 8\nksyms_count: .quad {len(syms)}\nksyms_addr:")
for addr, _ in syms:
    print(f".quad {addr:#x}")
print("ksyms_name_off:")
off = 0
for _, name in syms:
    print(f".long {off}")
    off += len(name) + 1
print("ksyms_names:")
for _, name in syms:
    print(f'.asciz "{name}"')
print('.section .note.GNU-stack,"",@progbits')
