/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 82574L statistics (10.2.7) and the dump of registers and rings, for people.
 *
 * The registers are cleared by reading, so one function reads them all and adds up. Thread context.
 */
#define LOG_SUBSYS "e1000e"
#include "e1000e.h"

#include <kern/log.h>

COUNTERS_DEFINE(e1000e, E1000E_COUNTERS);

#define STAT_REG(r) E1000E_##r,
#define STAT_NAME(r) #r,
static const unsigned stat_reg[] = { E1000E_STATS(STAT_REG) };
static const char *const stat_name[] = { E1000E_STATS(STAT_NAME) };

void e1000e_stats_update(struct e1000e *e)
{
	spin_lock(&e->stat_lock);
	for (unsigned i = 0; i < E1000E_NSTATS; i++)
		e->stat[i] += e1000e_read(e, stat_reg[i]);
	uint64_t dropped = e->stat[E1000E_STAT_MPC] + e->stat[E1000E_STAT_RNBC];
	netdev_count(&e->dev, e1000e, rx_dropped, dropped - atomic_load(&e->dev.stats.rx_dropped));
	spin_unlock(&e->stat_lock);
}

static const struct {
	const char *name;
	unsigned reg;
} dump_regs[] = {
	{ "CTRL", E1000E_CTRL }, { "STATUS", E1000E_STATUS }, { "CTRL_EXT", E1000E_CTRL_EXT },
	{ "EEC", E1000E_EEC }, { "PBA", E1000E_PBA }, { "IMS", E1000E_IMS },
	{ "ICS", E1000E_ICS }, { "IVAR", E1000E_IVAR }, { "EIAC", E1000E_EIAC },
	{ "RCTL", E1000E_RCTL }, { "RXCSUM", E1000E_RXCSUM }, { "RFCTL", E1000E_RFCTL },
	{ "RXDCTL", E1000E_RXDCTL }, { "RDLEN", E1000E_RDLEN }, { "RDH", E1000E_RDH },
	{ "RDT", E1000E_RDT }, { "TCTL", E1000E_TCTL }, { "TIPG", E1000E_TIPG },
	{ "TXDCTL", E1000E_TXDCTL }, { "TDLEN", E1000E_TDLEN }, { "TDH", E1000E_TDH },
	{ "TDT", E1000E_TDT },
};

static void dump_rings(struct e1000e *e)
{
	const char *name = e->dev.name;
	log_info("%s: rx next %u fill %u bell %u vector %u", name, e->rx_next, e->rx_fill,
		 e->rx_bell, e->vec);
	for (unsigned i = e->rx_next; i != e->rx_fill; i = e1000e_next(i)) {
		const struct e1000e_rxd *d = &e->rx_ring[i];
		if (d->status & RXD_DD)
			log_info("%s: rx[%u] len %u status %02x errors %02x", name, i, d->len,
				 d->status, d->errors);
	}
	log_info("%s: tx next %u clean %u bell %u%s", name, e->tx_next, e->tx_clean, e->tx_bell,
		 e->tx_blocked ? " blocked" : "");
	for (unsigned i = e->tx_clean; i != e->tx_next; i = e1000e_next(i)) {
		const union e1000e_txd *d = &e->tx_ring[i];
		log_info("%s: tx[%u] cmd_len %08x status %02x popts %02x", name, i,
			 d->data.cmd_len, d->data.status, d->data.popts);
	}
}

/* Not ICR: reading it clears causes, and a dump changes nothing. */
void e1000e_dump(struct netdev *dev)
{
	struct e1000e *e = dev->priv;
	for (unsigned i = 0; i < ARRAY_SIZE(dump_regs); i++)
		log_info("%s: %s %08x", dev->name, dump_regs[i].name,
			 e1000e_read(e, dump_regs[i].reg));
	e1000e_stats_update(e);
	for (unsigned i = 0; i < E1000E_NSTATS; i++)
		if (e->stat[i])
			log_info("%s: %s %llu", dev->name, stat_name[i],
				 (unsigned long long)e->stat[i]);
	dump_rings(e);
}
