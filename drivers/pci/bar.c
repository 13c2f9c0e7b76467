/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Base address registers: size, address, mapping (PCI 3.0 6.2.5.1).
 *
 * Firmware has normally given each BAR an address (SeaBIOS does, under -kernel too). One that has
 * none gets the next free place of the hole below 4 GiB. A BAR is sized with decoding off, so that
 * no stray address answers meanwhile. Left out: bridge windows (a device behind a bridge keeps
 * what firmware gave it), prefetch attributes, I/O BARs beyond their size.
 */
#define LOG_SUBSYS "pci"
#include "internal.h"

#include <kern/log.h>
#include <kern/mmio.h>
#include <linux/pci_regs.h>

/*
 * QEMU: q35 has its ECAM window at 0xb0000000 to 0xbfffffff, RAM below that, and the IOAPIC from
 * 0xfec00000; between them is the hole.
 */
#define HOLE_START 0xc0000000ULL
#define HOLE_END 0xfec00000ULL

static unsigned bar_off(unsigned n)
{
	return PCI_BASE_ADDRESS_0 + 4 * n;
}

/* Writes ones, reads back which bits stick, restores. */
static uint32_t bar_probe(struct pci_dev *d, unsigned n)
{
	uint32_t old = pci_cfg_read32(d, bar_off(n));
	pci_cfg_write32(d, bar_off(n), 0xffffffffu);
	uint32_t mask = pci_cfg_read32(d, bar_off(n));
	pci_cfg_write32(d, bar_off(n), old);
	return mask;
}

static bool bar_is_64(uint32_t v)
{
	return (v & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
}

/* Returns how many registers the BAR takes: 1 or 2. */
static unsigned bar_read(struct pci_dev *d, unsigned n)
{
	uint32_t v = pci_cfg_read32(d, bar_off(n));
	uint32_t mask = bar_probe(d, n);
	if (mask == 0)
		return 1;
	if (v & PCI_BASE_ADDRESS_SPACE_IO) {
		d->bar[n].io = true;
		d->bar[n].phys = v & PCI_BASE_ADDRESS_IO_MASK;
		d->bar[n].len = (uint16_t)~(mask & (uint32_t)PCI_BASE_ADDRESS_IO_MASK) + 1u;
		return 1;
	}
	uint64_t phys = v & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
	uint64_t wide = 0xffffffff00000000ULL | (mask & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK);
	unsigned regs = 1;
	if (bar_is_64(v) && n < 5) {
		phys |= (uint64_t)pci_cfg_read32(d, bar_off(n + 1)) << 32;
		wide = (uint64_t)bar_probe(d, n + 1) << 32 | (uint32_t)wide;
		regs = 2;
	}
	d->bar[n].phys = phys;
	d->bar[n].len = ~wide + 1;
	return regs;
}

void pci_bars_read(struct pci_dev *d)
{
	if ((pci_cfg_read8(d, PCI_HEADER_TYPE) & 0x7f) != PCI_HEADER_TYPE_NORMAL)
		return;
	uint16_t cmd = pci_cfg_read16(d, PCI_COMMAND);
	pci_cfg_write16(d, PCI_COMMAND, cmd & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	for (unsigned n = 0; n < 6;)
		n += bar_read(d, n);
	pci_cfg_write16(d, PCI_COMMAND, cmd);
}

static bool bar_wants_address(const struct pci_dev *d, unsigned n)
{
	return d->bar[n].len && !d->bar[n].io && !d->bar[n].phys;
}

/* First address of the hole above everything that firmware placed there. */
static uint64_t hole_first_free(void)
{
	uint64_t first = HOLE_START;
	for (struct pci_dev *d = pci_devices; d; d = d->next)
		for (unsigned n = 0; n < 6; n++) {
			uint64_t end = d->bar[n].phys + d->bar[n].len;
			if (!d->bar[n].io && d->bar[n].phys && end <= HOLE_END && end > first)
				first = end;
		}
	return first;
}

static void bar_place(struct pci_dev *d, unsigned n, uint64_t *next)
{
	uint64_t phys = ROUND_UP(*next, KMAX(d->bar[n].len, PAGE_SIZE));
	if (phys + d->bar[n].len > HOLE_END) {
		log_warn("%02x:%02x.%u: no room for BAR %u", d->bus, d->slot, d->func, n);
		d->bar[n].len = 0;
		return;
	}
	*next = phys + d->bar[n].len;
	d->bar[n].phys = phys;
	bool wide = bar_is_64(pci_cfg_read32(d, bar_off(n)));
	pci_cfg_write32(d, bar_off(n), (uint32_t)phys);
	if (wide)
		pci_cfg_write32(d, bar_off(n + 1), 0);
}

void pci_bars_assign(void)
{
	uint64_t next = hole_first_free();
	for (struct pci_dev *d = pci_devices; d; d = d->next)
		for (unsigned n = 0; n < 6; n++)
			if (bar_wants_address(d, n))
				bar_place(d, n, &next);
}

void *pci_map_bar(struct pci_dev *d, unsigned n)
{
	kassert(n < 6);
	if (!d->bar[n].len || d->bar[n].io || !d->bar[n].phys)
		return NULL;
	if (!d->bar[n].kva)
		d->bar[n].kva = mmio_map(d->bar[n].phys, d->bar[n].len);
	return d->bar[n].kva;
}
