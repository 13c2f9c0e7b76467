/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI configuration space by mechanism #1, the port pair 0xcf8/0xcfc (PCI 3.0 3.2.2.3.2).
 *
 * Address and data port are one transaction, so a lock is held over both. Any context.
 * Left out: ECAM, and with it the extended space above 256 bytes: no driver here needs it.
 */
#define LOG_SUBSYS "pci"
#include "internal.h"

#include <kern/log.h>
#include <kern/mmio.h>
#include <kern/spinlock.h>

#define CFG_ADDRESS 0xcf8
#define CFG_DATA 0xcfc
#define CFG_ENABLE 0x80000000u

static struct spinlock cfg_lock = SPINLOCK_INIT("pci_cfg");

static void cfg_select(const struct pci_dev *d, unsigned off)
{
	kassert(off < 256);
	io_out32(CFG_ADDRESS, CFG_ENABLE | (uint32_t)d->bus << 16 | (uint32_t)d->slot << 11 |
				      (uint32_t)d->func << 8 | (off & 0xfc));
}

uint32_t pci_cfg_read32(const struct pci_dev *d, unsigned off)
{
	uint64_t flags = spin_lock_irqsave(&cfg_lock);
	cfg_select(d, off);
	uint32_t v = io_in32(CFG_DATA);
	spin_unlock_irqrestore(&cfg_lock, flags);
	return v;
}

uint16_t pci_cfg_read16(const struct pci_dev *d, unsigned off)
{
	return (uint16_t)(pci_cfg_read32(d, off & ~3u) >> (off & 2) * 8);
}

uint8_t pci_cfg_read8(const struct pci_dev *d, unsigned off)
{
	return (uint8_t)(pci_cfg_read32(d, off & ~3u) >> (off & 3) * 8);
}

void pci_cfg_write32(const struct pci_dev *d, unsigned off, uint32_t v)
{
	uint64_t flags = spin_lock_irqsave(&cfg_lock);
	cfg_select(d, off);
	io_out32(CFG_DATA, v);
	spin_unlock_irqrestore(&cfg_lock, flags);
}

/* A true 16-bit cycle: beside the command register lie write-one-to-clear status bits. */
void pci_cfg_write16(const struct pci_dev *d, unsigned off, uint16_t v)
{
	uint64_t flags = spin_lock_irqsave(&cfg_lock);
	cfg_select(d, off);
	io_out16(CFG_DATA + (off & 2), v);
	spin_unlock_irqrestore(&cfg_lock, flags);
}
