/* SPDX-License-Identifier: GPL-2.0-only */
/* PCI: enumeration at boot, BARs, capabilities, MSI-X (PCI 3.0, PCI Express 3.0). */
#pragma once

#include <kern/irq.h>
#include <kern/types.h>

struct pci_dev {
	uint8_t bus, slot, func;
	uint16_t vendor, device, subsys_vendor, subsys_device;
	uint32_t class_code;
	struct { uint64_t phys; uint64_t len; bool io; void *kva; } bar[6];
	uint8_t *msix_table;
	unsigned msix_count;
	void *driver_priv;
	struct pci_dev *next;
};
struct pci_driver {
	const char *name;
	uint16_t vendor;
	const uint16_t *devices; /* 0-terminated */
	/* 0, or -errno: the device is left alone and the reason logged by the driver. */
	int (*probe)(struct pci_dev *dev);
};
#define PCI_DRIVER(drv)                                                                           \
	static const struct pci_driver *const pci_driver_ptr_##drv                                \
		__attribute__((used, section("pci_drivers"))) = &(drv)

/* Enumerates all buses and probes drivers, in bus order. Thread context. */
void pci_init(void);
uint32_t pci_cfg_read32(const struct pci_dev *d, unsigned off);
uint16_t pci_cfg_read16(const struct pci_dev *d, unsigned off);
uint8_t pci_cfg_read8(const struct pci_dev *d, unsigned off);
void pci_cfg_write32(const struct pci_dev *d, unsigned off, uint32_t v);
void pci_cfg_write16(const struct pci_dev *d, unsigned off, uint16_t v);
void pci_enable(struct pci_dev *d); /* memory space, bus mastering, INTx off */
/* Maps BAR n; NULL when absent or an I/O BAR. */
void *pci_map_bar(struct pci_dev *d, unsigned n);
/* Config offset of the next capability with this id after `from` (0: first); 0: none. */
unsigned pci_find_cap(const struct pci_dev *d, uint8_t id, unsigned from);
/* Routes MSI-X entry to a new vector on cpu and unmasks it. 0 or -errno. */
int __must_check pci_msix_request(struct pci_dev *d, unsigned entry, int cpu, irq_handler_t fn,
				  void *arg, const char *name);
