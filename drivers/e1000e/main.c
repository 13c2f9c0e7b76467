/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 82574L: probe in the order of the datasheet's 4.6, and the netdev operations.
 *
 * Command line: mtu.e1000eN= or e1000e.mtu= (68 to 9000), e1000e.tso=on. Segmentation is off by
 * default.
 * QEMU: up to 7.2 it makes IP fragments of a large segment unless the backend is a tap with
 * vnet_hdr.
 */
#define LOG_SUBSYS "e1000e"
#include "e1000e.h"

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/mm.h>

#define BAR_REGS 0
#define REGS_LEN 0x20000
#define STATS_EVERY 4096 /* polls; reading the registers costs a dozen exits */

static unsigned e1000e_poll(struct netdev *dev, unsigned budget)
{
	struct e1000e *e = dev->priv;
	unsigned work = e1000e_paused(e) ? 0 : e1000e_rx_poll(e, budget);
	e1000e_tx_reap(e);
	if (e->tx_clean != e->tx_next && !netdev_reaper_armed(&e->reaper))
		netdev_reaper_arm(&e->reaper);
	work += e1000e_tx_unblock(e);
	e1000e_other_poll(e);
	if (++e->polls % STATS_EVERY == 0)
		e1000e_stats_update(e);
	return work;
}

static const struct netdev_ops e1000e_ops = {
	.xmit = e1000e_xmit,
	.poll = e1000e_poll,
	.arm = e1000e_arm,
	.link_up = e1000e_link_up,
	.dump = e1000e_dump,
};

/* 4.6.1: reset, filters, link, rings; interrupts are enabled last, by the caller. */
static int init_device(struct e1000e *e)
{
	int err = e1000e_hw_reset(e);
	if (!err)
		err = e1000e_hw_read_mac(e, e->dev.mac);
	if (err)
		return err;
	e1000e_hw_init_filters(e);
	e1000e_hw_set_link_up(e);
	err = e1000e_irq_init(e);
	if (!err)
		err = e1000e_tx_init(e);
	if (!err)
		err = e1000e_rx_init(e);
	return err;
}

static int e1000e_probe(struct pci_dev *pci)
{
	struct e1000e *e = kzalloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->pci = pci;
	e->dev.priv = e;
	e->dev.ops = &e1000e_ops;
	spin_init(&e->stat_lock, "e1000e_stat");
	e1000e_pause_init(e);
	netdev_assign_name(&e->dev, "e1000e");
	uint32_t mtu = (uint32_t)KMIN(cmdline_u64("e1000e.mtu", 1500), (uint64_t)E1000E_MTU_MAX);
	e->dev.mtu = netdev_cmdline_mtu(&e->dev, mtu, E1000E_MTU_MAX);
	e->dev.features = NETDEV_F_TX_CSUM | NETDEV_F_RX_CSUM | NETDEV_F_IP_CSUM;
	if (cmdline_bool("e1000e.tso", false))
		e->dev.features |= NETDEV_F_TSO4;
	pci_enable(pci);
	int err = -ENODEV;
	e->regs = pci_map_bar(pci, BAR_REGS);
	if (e->regs && pci->bar[BAR_REGS].len >= REGS_LEN)
		err = init_device(e);
	if (!err)
		err = netdev_register(&e->dev, "e1000e");
	if (err) {
		/* Its memory stays: vectors already point at it. */
		log_warn("%s: not usable: %d", e->dev.name, err);
		if (e->regs && e1000e_hw_reset(e))
			log_warn("%s: does not reset", e->dev.name);
		return err;
	}
	pci->driver_priv = e;
	e1000e_irq_enable(e);
	return 0;
}

static const uint16_t e1000e_ids[] = { 0x10d3, 0 }; /* 82574L */
static const struct pci_driver e1000e_driver = {
	.name = "e1000e",
	.vendor = 0x8086,
	.devices = e1000e_ids,
	.probe = e1000e_probe,
};
PCI_DRIVER(e1000e_driver);
