/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The order in which CPU 0 comes up, from boot.S to kernel_main(). Up to paging_init() the boot
 * page tables are in use and the direct map ends at 4 GiB: the loader's data and the ACPI tables
 * are read in this time and not later.
 */
#define LOG_SUBSYS "boot"
#include <kern/log.h>
#include <kern/string.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/pic.h"
#include "arch/x86_64/x86.h"

struct boot_info boot_info;

void arch_main(uint32_t magic, uint64_t info);

void boot_add_ram(uint64_t phys, uint64_t len)
{
	if (len == 0 || phys + len < phys || boot_info.nram == BOOT_RAM_MAX)
		return;
	boot_info.ram[boot_info.nram++] = (struct arch_mem_region){ phys, len };
}

void boot_set_cmdline(const char *s)
{
	if (kstrcpy(boot_info.cmdline, s, sizeof(boot_info.cmdline)) < 0)
		log_warn("command line cut to %d characters", BOOT_CMDLINE_MAX - 1);
}

const char *arch_cmdline(void)
{
	return boot_info.cmdline;
}

const void *arch_boot_archive(size_t *size)
{
	*size = boot_info.archive_len;
	return boot_info.archive_len ? (const void *)(DIRECT_MAP + boot_info.archive_phys) : NULL;
}

void arch_main(uint32_t magic, uint64_t info)
{
	gdt_init(0);
	idt_init();
	idt_load();
	serial_init();
	cpu_detect();
	if (magic == ELF_MAGIC_PVH)
		pvh_parse(info);
	else if (magic == MB2_BOOT_MAGIC)
		multiboot2_parse(info);
	else
		panic("unknown boot protocol %#x", magic);
	ram_init();
	acpi_init();
	cpu_patch_smap();
	paging_init();
	cpu_init();
	pic_disable();
	lapic_init();
	ioapic_init();
	clock_init();
	timer_cpu_init();
	kernel_main();
	panic("kernel_main returned");
}
