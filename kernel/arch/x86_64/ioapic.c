/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * I/O interrupt controllers (82093AA): lines that are not message-signalled. All lines are masked
 * at boot and routed one by one to a vector on one CPU. Polarity and trigger come from the MADT
 * for ISA lines (ACPI 5.2.12.5); others are PCI's: level, active low.
 */
#include <kern/log.h>
#include <kern/mmio.h>
#include <kern/spinlock.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

#define REG_SELECT 0x00
#define REG_WINDOW 0x10
#define IDX_VERSION 1
#define IDX_REDIR(n) (0x10 + 2 * (n))
#define REDIR_MASKED (1u << 16)
#define REDIR_LEVEL (1u << 15)
#define REDIR_LOW (1u << 13)

static struct { uint8_t *regs; unsigned gsi_base, lines; } chips[ARRAY_SIZE(acpi_info.ioapic)];
static unsigned nchips;
static struct spinlock ioapic_lock = SPINLOCK_INIT("ioapic"); /* select and window go together */

static uint32_t chip_read(uint8_t *regs, unsigned idx)
{
	mmio_write32(regs + REG_SELECT, idx);
	return mmio_read32(regs + REG_WINDOW);
}

static void chip_write(uint8_t *regs, unsigned idx, uint32_t v)
{
	mmio_write32(regs + REG_SELECT, idx);
	mmio_write32(regs + REG_WINDOW, v);
}

void ioapic_init(void)
{
	for (unsigned i = 0; i < acpi_info.nioapic; i++) {
		uint8_t *regs = mmio_map(acpi_info.ioapic[i].phys, PAGE_SIZE);
		if (!regs)
			panic("no memory to map the I/O APIC");
		unsigned lines = (chip_read(regs, IDX_VERSION) >> 16 & 0xff) + 1;
		for (unsigned n = 0; n < lines; n++)
			chip_write(regs, IDX_REDIR(n), REDIR_MASKED);
		chips[nchips].regs = regs;
		chips[nchips].gsi_base = acpi_info.ioapic[i].gsi_base;
		chips[nchips++].lines = lines;
	}
}

static int write_redir(unsigned gsi, uint32_t high, uint32_t low)
{
	for (unsigned i = 0; i < nchips; i++) {
		unsigned n = gsi - chips[i].gsi_base;
		if (gsi < chips[i].gsi_base || n >= chips[i].lines)
			continue;
		uint64_t flags = spin_lock_irqsave(&ioapic_lock);
		chip_write(chips[i].regs, IDX_REDIR(n), REDIR_MASKED);
		chip_write(chips[i].regs, IDX_REDIR(n) + 1, high);
		chip_write(chips[i].regs, IDX_REDIR(n), low);
		spin_unlock_irqrestore(&ioapic_lock, flags);
		return 0;
	}
	return -ENODEV;
}

/*
 * MPS INTI flags: polarity in bits 0-1, trigger in bits 2-3; 0 is the bus's default, 3 is
 * low/level.
 */
static uint32_t isa_mode(uint16_t flags)
{
	return ((flags & 3) == 3 ? REDIR_LOW : 0) | ((flags >> 2 & 3) == 3 ? REDIR_LEVEL : 0);
}

static unsigned isa_gsi(unsigned irq)
{
	return acpi_info.isa[irq].present ? acpi_info.isa[irq].gsi : irq;
}

int ioapic_route(unsigned gsi, unsigned vector, uint32_t apic_id)
{
	uint32_t mode = REDIR_LEVEL | REDIR_LOW;

	if (gsi < 16) {
		mode = isa_mode(acpi_info.isa[gsi].flags);
		gsi = isa_gsi(gsi);
	}
	return write_redir(gsi, apic_id << 24, mode | vector);
}

void ioapic_mask(unsigned gsi)
{
	(void)write_redir(gsi < 16 ? isa_gsi(gsi) : gsi, 0, REDIR_MASKED);
}
