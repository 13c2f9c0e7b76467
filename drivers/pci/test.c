/* SPDX-License-Identifier: GPL-2.0-only */
/* Self-tests of PCI: what enumeration promises to drivers, on whatever machine this is. */
#include "internal.h"

#include <kern/ktest.h>
#include <linux/pci_regs.h>

KTEST(pci, found_host_bridge)
{
	KT_ASSERT(pci_devices);
	KT_ASSERT(pci_devices->bus == 0 && pci_devices->slot == 0 && pci_devices->func == 0);
	KT_ASSERT(pci_devices->class_code >> 8 == 0x0600);
}

KTEST(pci, bus_order_and_unique)
{
	for (struct pci_dev *d = pci_devices; d && d->next; d = d->next) {
		unsigned a = d->bus << 8 | d->slot << 3 | d->func;
		unsigned b = d->next->bus << 8 | d->next->slot << 3 | d->next->func;
		KT_ASSERT(d->next->bus != d->bus || a < b);
	}
}

KTEST(pci, bars_sized_and_aligned)
{
	for (struct pci_dev *d = pci_devices; d; d = d->next)
		for (unsigned n = 0; n < 6; n++) {
			uint64_t len = d->bar[n].len;
			if (!len)
				continue;
			KT_ASSERT((len & (len - 1)) == 0);
			KT_ASSERT((d->bar[n].phys & (len - 1)) == 0);
			KT_ASSERT(d->bar[n].io || d->bar[n].phys);
		}
}

KTEST(pci, bars_do_not_overlap)
{
	for (struct pci_dev *d = pci_devices; d; d = d->next)
		for (struct pci_dev *e = d->next; e; e = e->next)
			for (unsigned i = 0; i < 36; i++) {
				unsigned m = i / 6, n = i % 6;
				if (d->bar[m].io != e->bar[n].io || !d->bar[m].len ||
				    !e->bar[n].len)
					continue;
				KT_ASSERT(d->bar[m].phys + d->bar[m].len <= e->bar[n].phys ||
					  e->bar[n].phys + e->bar[n].len <= d->bar[m].phys);
			}
}

KTEST(pci, narrow_reads_agree)
{
	const struct pci_dev *d = pci_devices;
	uint32_t id = pci_cfg_read32(d, PCI_VENDOR_ID);
	KT_ASSERT(pci_cfg_read16(d, PCI_VENDOR_ID) == (uint16_t)id);
	KT_ASSERT(pci_cfg_read16(d, PCI_DEVICE_ID) == id >> 16);
	KT_ASSERT(pci_cfg_read8(d, PCI_VENDOR_ID + 3) == id >> 24);
}

KTEST(pci, capability_walk_ends)
{
	for (struct pci_dev *d = pci_devices; d; d = d->next) {
		KT_ASSERT(pci_find_cap(d, 0xfe, 0) == 0);
		unsigned off = 0, n = 0;
		while ((off = pci_find_cap(d, PCI_CAP_ID_VNDR, off)) != 0)
			KT_ASSERT(++n < 32);
	}
}
