/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSI-X (PCI 3.0 6.8.2): a table of messages in a BAR, one interrupt vector for each entry.
 *
 * The capability is switched on at the first request; entries nobody asked for keep the mask bit
 * they have after reset. Thread context; a function belongs to one driver, so no lock.
 */
#define LOG_SUBSYS "pci"
#include "internal.h"

#include <kern/log.h>
#include <kern/mmio.h>
#include <linux/pci_regs.h>

static int msix_open(struct pci_dev *d)
{
	unsigned cap = pci_find_cap(d, PCI_CAP_ID_MSIX, 0);
	if (!cap)
		return -ENODEV;
	uint16_t flags = pci_cfg_read16(d, cap + PCI_MSIX_FLAGS);
	uint32_t table = pci_cfg_read32(d, cap + PCI_MSIX_TABLE);
	unsigned count = (flags & PCI_MSIX_FLAGS_QSIZE) + 1u;
	unsigned bir = table & PCI_MSIX_TABLE_BIR;
	uint64_t off = table & PCI_MSIX_TABLE_OFFSET;
	if (bir > 5 || off + count * PCI_MSIX_ENTRY_SIZE > d->bar[bir].len)
		return -EINVAL;
	uint8_t *kva = pci_map_bar(d, bir);
	if (!kva)
		return -ENOMEM;
	d->msix_table = kva + off;
	d->msix_count = count;
	for (unsigned i = 0; i < count; i++)
		mmio_write32(d->msix_table + i * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL,
			     PCI_MSIX_ENTRY_CTRL_MASKBIT);
	flags = (flags | PCI_MSIX_FLAGS_ENABLE) & ~PCI_MSIX_FLAGS_MASKALL;
	pci_cfg_write16(d, cap + PCI_MSIX_FLAGS, flags);
	return 0;
}

int pci_msix_request(struct pci_dev *d, unsigned entry, int cpu, irq_handler_t fn, void *arg,
		     const char *name)
{
	int err = d->msix_table ? 0 : msix_open(d);
	if (err)
		return err;
	if (entry >= d->msix_count)
		return -ENOSPC;
	uint64_t addr;
	uint32_t data;
	int vector = irq_alloc_msi(cpu, fn, arg, name, &addr, &data);
	if (vector < 0)
		return vector;
	uint8_t *e = d->msix_table + entry * PCI_MSIX_ENTRY_SIZE;
	mmio_write32(e + PCI_MSIX_ENTRY_LOWER_ADDR, (uint32_t)addr);
	mmio_write32(e + PCI_MSIX_ENTRY_UPPER_ADDR, (uint32_t)(addr >> 32));
	mmio_write32(e + PCI_MSIX_ENTRY_DATA, data);
	mmio_write32(e + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	return 0;
}
