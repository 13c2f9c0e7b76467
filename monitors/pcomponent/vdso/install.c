/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * At boot: the page with the vDSO's image and data, shown to all programs at one address above
 * their own memory, where no mapping of theirs can be (uspace_share_page()).
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <kern/uspace.h>

#include "proc/proc.h"
#include "vdso/vdso.h"

extern const char vdso_image[], vdso_image_end[];

static uint64_t address;

uint64_t vdso_address(void)
{
	return address;
}

void vdso_init(void)
{
	size_t size = (size_t)(vdso_image_end - vdso_image);
	struct uspace_clock c = uspace_clock();
	struct vdso_data d = { c.tsc_boot, c.tsc_to_ns, c.wall_ns, c.has_rdtscp };
	uint8_t *page = page_alloc_zeroed(0);

	kassert(size <= VDSO_DATA_AT && VDSO_DATA_AT + sizeof(d) <= PAGE_SIZE);
	if (!page)
		panic("no memory for the vDSO");
	memcpy(page, vdso_image, size);
	memcpy(page + VDSO_DATA_AT, &d, sizeof(d));
	address = uspace_share_page(page);
}
