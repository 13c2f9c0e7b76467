/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI enumeration and the match of functions to drivers.
 *
 * The tree is walked once at boot, from bus 0 through every bridge that firmware has numbered;
 * the list is in bus order and does not change afterwards, so that it needs no lock and device
 * names are stable. Left out: hot-plug, bus renumbering, power management.
 */
#define LOG_SUBSYS "pci"
#include "internal.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <linux/pci_regs.h>

#define BRIDGE_DEPTH_MAX 8 /* deeper is a loop in the bridges' numbers */

struct pci_dev *pci_devices;
static struct pci_dev **pci_tail = &pci_devices;

extern const struct pci_driver *const __start_pci_drivers[] __attribute__((weak));
extern const struct pci_driver *const __stop_pci_drivers[] __attribute__((weak));

static void scan_bus(uint8_t bus, unsigned depth);

/* False: there is no such function. */
static bool scan_function(uint8_t bus, uint8_t slot, uint8_t func, unsigned depth)
{
	struct pci_dev key = { .bus = bus, .slot = slot, .func = func };
	uint32_t id = pci_cfg_read32(&key, PCI_VENDOR_ID);
	if ((id & 0xffff) == 0xffff)
		return false;
	struct pci_dev *d = kzalloc(sizeof(*d));
	if (!d) {
		log_err("no memory for %02x:%02x.%u", bus, slot, func);
		return true;
	}
	d->bus = bus;
	d->slot = slot;
	d->func = func;
	d->vendor = (uint16_t)id;
	d->device = (uint16_t)(id >> 16);
	d->class_code = pci_cfg_read32(d, PCI_CLASS_REVISION) >> 8;
	uint32_t sub = pci_cfg_read32(d, PCI_SUBSYSTEM_VENDOR_ID);
	d->subsys_vendor = (uint16_t)sub;
	d->subsys_device = (uint16_t)(sub >> 16);
	pci_bars_read(d);
	*pci_tail = d;
	pci_tail = &d->next;

	uint8_t type = pci_cfg_read8(d, PCI_HEADER_TYPE) & 0x7f;
	if (type == PCI_HEADER_TYPE_BRIDGE) {
		uint8_t secondary = pci_cfg_read8(d, PCI_SECONDARY_BUS);
		if (secondary > bus && depth < BRIDGE_DEPTH_MAX)
			scan_bus(secondary, depth + 1);
	}
	return true;
}

static bool is_multifunction(uint8_t bus, uint8_t slot)
{
	struct pci_dev key = { .bus = bus, .slot = slot };
	return pci_cfg_read8(&key, PCI_HEADER_TYPE) & 0x80;
}

static void scan_bus(uint8_t bus, unsigned depth)
{
	for (uint8_t slot = 0; slot < 32; slot++) {
		if (!scan_function(bus, slot, 0, depth) || !is_multifunction(bus, slot))
			continue;
		for (uint8_t func = 1; func < 8; func++)
			scan_function(bus, slot, func, depth);
	}
}

static bool driver_matches(const struct pci_driver *drv, const struct pci_dev *d)
{
	if (drv->vendor != d->vendor)
		return false;
	for (const uint16_t *id = drv->devices; *id; id++)
		if (*id == d->device)
			return true;
	return false;
}

static void probe_function(struct pci_dev *d)
{
	const struct pci_driver *const *p = __start_pci_drivers;
	for (; p < __stop_pci_drivers; p++) {
		if (!driver_matches(*p, d))
			continue;
		int err = (*p)->probe(d);
		log_debug("%02x:%02x.%u %04x:%04x: %s: %d", d->bus, d->slot, d->func, d->vendor,
			  d->device, (*p)->name, err);
		if (!err)
			return;
	}
}

void pci_init(void)
{
	scan_bus(0, 0);
	pci_bars_assign();
	for (struct pci_dev *d = pci_devices; d; d = d->next)
		probe_function(d);
}

void pci_enable(struct pci_dev *d)
{
	uint16_t cmd = pci_cfg_read16(d, PCI_COMMAND);
	cmd |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;
	pci_cfg_write16(d, PCI_COMMAND, cmd);
}

/* A list of capabilities cannot be longer than fits in 192 bytes; a loop ends there too. */
#define CAPS_MAX 48

unsigned pci_find_cap(const struct pci_dev *d, uint8_t id, unsigned from)
{
	if (!(pci_cfg_read16(d, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	unsigned off = from ? from + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST;
	off = pci_cfg_read8(d, off) & ~3u;
	for (unsigned n = 0; n < CAPS_MAX && off >= 0x40; n++) {
		if (pci_cfg_read8(d, off) == id)
			return off;
		off = pci_cfg_read8(d, off + PCI_CAP_LIST_NEXT) & ~3u;
	}
	return 0;
}
