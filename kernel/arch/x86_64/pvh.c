/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PVH start information (Xen's public/arch-x86/hvm/start_info.h describes it; QEMU's -kernel
 * fills it in): command line, first module as the boot archive, memory map, RSDP.
 */
#include <kern/log.h>
#include <kern/string.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

struct pvh_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr;
	uint64_t memmap_paddr; /* from version 1 */
	uint32_t memmap_entries, reserved;
} __packed;
static_assert(sizeof(struct pvh_start_info) == 56, "hvm_start_info");

struct pvh_module {
	uint64_t paddr, size, cmdline_paddr, reserved;
} __packed;

struct pvh_memmap {
	uint64_t addr, size;
	uint32_t type, reserved; /* E820 types: 1 is RAM */
} __packed;

/* The loader's memory lies below 4 GiB: all of it comes from 32-bit code. */
static const void *at(uint64_t phys)
{
	return (const void *)(DIRECT_MAP + phys);
}

void pvh_parse(uint64_t start_info_phys)
{
	const struct pvh_start_info *si = at(start_info_phys);

	if (si->magic != ELF_MAGIC_PVH || si->version < 1)
		panic("PVH start information has no memory map");
	if (si->cmdline_paddr)
		boot_set_cmdline(at(si->cmdline_paddr));
	if (si->nr_modules) {
		const struct pvh_module *m = at(si->modlist_paddr);
		boot_info.archive_phys = m->paddr;
		boot_info.archive_len = m->size;
	}
	if (si->rsdp_paddr) {
		memcpy(boot_info.rsdp, at(si->rsdp_paddr), sizeof(boot_info.rsdp));
		boot_info.have_rsdp = true;
	}
	const struct pvh_memmap *map = at(si->memmap_paddr);
	for (uint32_t i = 0; i < si->memmap_entries; i++)
		if (map[i].type == 1)
			boot_add_ram(map[i].addr, map[i].size);
}
