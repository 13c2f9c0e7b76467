/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Multiboot2 boot information (specification 2.0, 3.6), for GRUB on a PC: command line, first
 * module as the boot archive, memory map, RSDP. Other tags are skipped.
 */
#include <kern/string.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

enum { TAG_END = 0, TAG_CMDLINE = 1, TAG_MODULE = 3, TAG_MMAP = 6, TAG_RSDP1 = 14, TAG_RSDP2 = 15 };

struct mb2_tag {
	uint32_t type, size;
	uint8_t data[];
} __packed;

struct mb2_module {
	uint32_t start, end;
} __packed;

struct mb2_mmap {
	uint32_t entry_size, entry_version;
	uint8_t entries[];
} __packed;

struct mb2_mmap_entry {
	uint64_t addr, len;
	uint32_t type, reserved; /* 1 is RAM */
} __packed;

static void parse_mmap(const struct mb2_mmap *m, uint32_t size)
{
	for (uint32_t off = sizeof(*m); m->entry_size && off + m->entry_size <= size;
	     off += m->entry_size) {
		const struct mb2_mmap_entry *e = (const void *)((const uint8_t *)m + off);
		if (e->type == 1)
			boot_add_ram(e->addr, e->len);
	}
}

static void parse_tag(const struct mb2_tag *t)
{
	uint32_t size = t->size - sizeof(*t);

	switch (t->type) {
	case TAG_CMDLINE:
		boot_set_cmdline((const char *)t->data);
		break;
	case TAG_MODULE: {
		const struct mb2_module *m = (const void *)t->data;
		if (boot_info.archive_len == 0 && m->end > m->start) {
			boot_info.archive_phys = m->start;
			boot_info.archive_len = m->end - m->start;
		}
		break;
	}
	case TAG_MMAP:
		parse_mmap((const void *)t->data, size);
		break;
	case TAG_RSDP1: /* shorter; a later TAG_RSDP2 overwrites it */
	case TAG_RSDP2:
		memcpy(boot_info.rsdp, t->data, KMIN(size, (uint32_t)sizeof(boot_info.rsdp)));
		boot_info.have_rsdp = true;
		break;
	}
}

void multiboot2_parse(uint64_t info_phys)
{
	const uint8_t *info = (const uint8_t *)(DIRECT_MAP + info_phys);
	uint32_t total = *(const uint32_t *)info;

	for (uint32_t off = 8; off + sizeof(struct mb2_tag) <= total;) {
		const struct mb2_tag *t = (const void *)(info + off);
		if (t->type == TAG_END || t->size < sizeof(*t))
			break;
		parse_tag(t);
		off += ROUND_UP(t->size, 8u);
	}
}
