/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names for addresses, from the table that the second link put into the image (scripts/ksyms.py).
 */
#include <kern/string.h>

#include "arch.h"

/* The first link has no table; the linker script gives it a count of 0. */
extern const uint64_t ksyms_count;
extern const uint64_t ksyms_addr[];
extern const uint32_t ksyms_name_off[];
extern const char ksyms_names[];

void ksym_format(uint64_t addr, char *buf, size_t size)
{
	uint64_t lo = 0, hi = ksyms_count;

	while (lo < hi) { /* first symbol behind addr */
		uint64_t mid = lo + (hi - lo) / 2;

		if (ksyms_addr[mid] <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		snprintf(buf, size, "%#llx", (unsigned long long)addr);
	else
		snprintf(buf, size, "%s+%#llx", ksyms_names + ksyms_name_off[lo - 1],
			 (unsigned long long)(addr - ksyms_addr[lo - 1]));
}
