#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 90
# Boots a monitor the way a PC does: GRUB, multiboot2, an archive as module. Passes when the
# board's self-tests of the arch layer do.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
image=$build/manager.elf
iso=$build/test/grub.iso
tree=$build/test/grub

for tool in grub-mkrescue xorriso mformat qemu-system-x86_64; do
	command -v $tool >/dev/null || { echo "no $tool: run scripts/setup"; exit 77; }
done
[ -d /usr/lib/grub/i386-pc ] || { echo "no grub-pc-bin: run scripts/setup"; exit 77; }

rm -rf "$tree"
mkdir -p "$tree/boot/grub"
cp "$image" "$tree/boot/monitor.elf"
echo "not a cpio archive, only a module" >"$tree/boot/module"
cat >"$tree/boot/grub/grub.cfg" <<EOF
set timeout=0
menuentry monitor {
	multiboot2 /boot/monitor.elf selftest=arch,uspace board=grub
	module2 /boot/module
	boot
}
EOF
grub-mkrescue -d /usr/lib/grub/i386-pc -o "$iso" "$tree" >"$build/test/grub-mkrescue.log" 2>&1 ||
	{ cat "$build/test/grub-mkrescue.log"; exit 1; }

status=0
timeout 60 qemu-system-x86_64 -accel tcg -M q35 -cpu max -smp 2 -m 512 -display none -no-reboot \
	-nic none -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=0x04 \
	-boot d -cdrom "$iso" </dev/null || status=$?
rm -rf "$tree" "$iso"
# isa-debug-exit turns status s into 2 s + 1
[ $status -eq 1 ] || { echo "not ok: QEMU ended with $status"; exit 1; }
