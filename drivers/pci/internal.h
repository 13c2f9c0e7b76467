/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of drivers/pci share. */
#pragma once

#include <dev/pci.h>

/* All functions found, in bus order; fixed after pci_init(). */
extern struct pci_dev *pci_devices;

/* Reads and sizes the BARs of a function (bar.c). */
void pci_bars_read(struct pci_dev *d);
/* Gives every BAR without an address one from the memory hole (bar.c). All BARs are read. */
void pci_bars_assign(void);
