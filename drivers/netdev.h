/* SPDX-License-Identifier: GPL-2.0-only */
/* What network drivers share below the contract of dev/netdev.h. */
#pragma once

#include <dev/netdev.h>
#include <kern/counter.h>
#include <kern/timer.h>

/* Fills dev->name early, for log lines and command-line keys; netdev_register() then keeps it. */
void netdev_assign_name(struct netdev *dev, const char *driver);
/* "mtu.<name>=" from the command line, else def; clamped to [68, max] (RFC 791 minimum). */
uint32_t netdev_cmdline_mtu(const struct netdev *dev, uint32_t def, uint32_t max);

/* Each driver has a counter set of these, for all its devices; dev->stats has them for one. */
#define NETDEV_COUNTERS(X)                                                                        \
	X(rx_frames) X(rx_bytes) X(tx_frames) X(tx_bytes) X(rx_dropped) X(rx_errors) X(tx_full)    \
	X(interrupts)
#define netdev_count(dev_, set, what, n)                                                          \
	do {                                                                                      \
		uint64_t n_ = (n);                                                                \
		atomic_fetch_add_explicit(&(dev_)->stats.what, n_, memory_order_relaxed);         \
		counter_add(set, what, n_);                                                       \
	} while (0)

static inline uint32_t nettx_len(const struct nettx *tx)
{
	uint32_t len = 0;
	for (unsigned i = 0; i < tx->nfrags; i++)
		len += tx->frag[i].len;
	return len;
}

/*
 * Gets sent frames taken back without a transmit interrupt: some time after the ring was empty
 * last, the loop is kicked if frames are still out. One timer a device, armed at most once per
 * NETDEV_TX_REAP_NS however many frames are sent.
 */
struct netdev_reaper {
	struct timer timer;
	_Atomic bool armed;
	struct netdev *dev;
	/* Frames are in the ring. Interrupt context, no lock. */
	bool (*outstanding)(struct netdev *dev);
};
void netdev_reaper_init(struct netdev_reaper *r, struct netdev *dev,
			bool (*outstanding)(struct netdev *));
static inline bool netdev_reaper_armed(const struct netdev_reaper *r)
{
	return atomic_load_explicit(&r->armed, memory_order_relaxed);
}
/* The ring was empty and has a frame now, or poll leaves frames in it. Any context. */
void netdev_reaper_arm(struct netdev_reaper *r);

/* A finished transmit waits at most this long for done() when nothing else wakes the loop. */
#define NETDEV_TX_REAP_NS (5 * NSEC_PER_MSEC)
/* Completions taken from a ring under one hold of its lock. */
#define NETDEV_REAP_BATCH 32
