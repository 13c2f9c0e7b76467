/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Intel 82574L: what the files of the driver share. It reads in the order of the datasheet:
 * hw.c (4.6 initialisation, 3.3 EEPROM, PHY, link), irq.c (7.4), pause.c, rx.c (7.1), tx.c (7.2),
 * stats.c (10.2.7 and the dump), main.c (probe, netdev).
 *
 * Left out, because nothing here needs it: the second queue pair and RSS, VLAN, packet split,
 * multicast, flow control, wake-up, management, power states, IEEE 1588, EEPROM writing.
 */
#pragma once

#include "../netdev.h"
#include "../rxpool.h"
#include "regs.h"

#include <dev/pci.h>
#include <kern/mmio.h>
#include <kern/spinlock.h>
#include <kern/timer.h>

/* Limits. */
#define E1000E_RING 256u       /* descriptors a ring; 4 KiB, so one page */
#define E1000E_MTU_MAX 9000u   /* bytes; 1.4: jumbo frames to 9018 with header and FCS */
#define E1000E_RX_KIB_JUMBO 10u /* KiB of a receive buffer above MTU 1500 (RCTL.FLXBUF) */
#define E1000E_DATA_MAX 8192u  /* bytes of one data descriptor; well below the packet buffer */
#define E1000E_TSO_HDR_MAX 128u /* bytes of Ethernet, IP and TCP header */

static_assert(E1000E_RING * 16 % 128 == 0, "10.2.5: RDLEN is a multiple of 128");
static_assert(E1000E_RX_KIB_JUMBO * 1024 >= E1000E_MTU_MAX + 18, "a jumbo frame is one buffer");

/* a: bytes of the frame */
#define TRACE_E1000E_RX 0x0e01 /* taken from the ring */
#define TRACE_E1000E_TX 0x0e02 /* in the ring, its doorbell soon */

/* MSI-X entries. Receive has four of them, see irq.c. */
#define E1000E_VEC_RX 0u
#define E1000E_NVEC_RX 4u
#define E1000E_VEC_OTHER 4u

#define E1000E_STATS(X)                                                                           \
	X(CRCERRS) X(RXERRC) X(MPC) X(RLEC) X(GPRC) X(GPTC) X(RNBC) X(RUC) X(ROC) X(RJC)           \
	X(TPR) X(TPT) X(TSCTC)
#define E1000E_STAT_ENUM(r) E1000E_STAT_##r,
enum e1000e_stat { E1000E_STATS(E1000E_STAT_ENUM) E1000E_NSTATS };

#define E1000E_COUNTERS(X) NETDEV_COUNTERS(X) X(rx_pauses)
COUNTERS_DECLARE(e1000e, E1000E_COUNTERS);

struct e1000e_tx_ctx { /* what the device's offload context holds */
	uint8_t flags; /* NTX_*; 0: nothing yet */
	uint8_t css, cso;
};

/* Receive pauses, pause.c: the loop's thread but for what is atomic. */
struct e1000e_pause {
	uint64_t frames, bytes; /* received since since_ns */
	uint64_t since_ns;
	unsigned streak;        /* windows in which a stream came */
	bool was_pause;         /* the window is a pause */
	uint64_t usual;         /* frames in the last window that was none */
	unsigned slow;          /* pauses that brought far less */
	unsigned rest;          /* windows until there may be one again */
	_Atomic bool on;        /* cleared by the timer */
	_Atomic bool answered;  /* more than acknowledgements was sent since since_ns */
	struct timer timer;
};

struct e1000e {
	struct netdev dev;
	struct pci_dev *pci;
	uint8_t *regs;

	/* the loop's thread */
	struct e1000e_rxd *rx_ring;
	struct rxbuf *rx_buf[E1000E_RING];
	unsigned rx_next;  /* first entry that the device may have filled */
	unsigned rx_fill;  /* first entry without a buffer; RDT after the next doorbell */
	unsigned rx_bell;  /* RDT as the device knows it */
	struct netbuf *rx_first, **rx_link; /* a frame of which the end has not come */
	struct rxpool pool;
	unsigned vec;      /* receive vector in use */
	uint64_t vec_used_ns[E1000E_NVEC_RX]; /* when it last interrupted */
	unsigned polls;
	struct e1000e_pause pause;

	/* tx_lock */
	struct spinlock tx_lock;
	union e1000e_txd *tx_ring;
	struct e1000e_tx_slot {
		struct nettx *tx;
		unsigned end; /* its last descriptor */
	} tx_slot[E1000E_RING]; /* by first descriptor */
	unsigned tx_next, tx_clean, tx_bell;
	struct e1000e_tx_ctx tx_ctx;
	bool tx_blocked;   /* a sender was refused and waits for tx_room */
	uint8_t *tx_hdr;   /* E1000E_TSO_HDR_MAX bytes a ring entry; NULL: segmentation is off */
	struct netdev_reaper reaper;

	/* from interrupt handlers to the loop */
	_Atomic bool rx_fired, other_fired;

	struct spinlock stat_lock;
	uint64_t stat[E1000E_NSTATS];
};

static inline uint32_t e1000e_read(const struct e1000e *e, unsigned reg)
{
	return mmio_read32(e->regs + reg);
}
static inline void e1000e_write(struct e1000e *e, unsigned reg, uint32_t v)
{
	mmio_write32(e->regs + reg, v);
}
static inline unsigned e1000e_next(unsigned i)
{
	return (i + 1) % E1000E_RING;
}

/* hw.c */
int __must_check e1000e_hw_reset(struct e1000e *e);
int __must_check e1000e_eeprom_read(struct e1000e *e, unsigned word, uint16_t *out);
int __must_check e1000e_phy_read(struct e1000e *e, unsigned reg, uint16_t *out);
int __must_check e1000e_hw_read_mac(struct e1000e *e, uint8_t *mac);
void e1000e_hw_init_filters(struct e1000e *e);
void e1000e_hw_set_link_up(struct e1000e *e);
bool e1000e_link_up(struct netdev *dev);

/* irq.c */
int __must_check e1000e_irq_init(struct e1000e *e);
void e1000e_irq_enable(struct e1000e *e);
bool e1000e_arm(struct netdev *dev);
void e1000e_irq_enable_tx_locked(struct e1000e *e);
void e1000e_other_poll(struct e1000e *e);

/* pause.c */
void e1000e_pause_init(struct e1000e *e);
/* A frame of len bytes is sent. Any thread. */
void e1000e_pause_sent(struct e1000e *e, uint32_t len);
#define E1000E_PAUSE_NS NSEC_PER_MSEC /* at 1 Gb/s 83 frames: a third of the ring */
/* A window has ended: whether the next one is a pause. */
bool e1000e_pause_wanted(struct e1000e_pause *p, uint64_t elapsed);
/* The ring is empty. True: what comes is looked at after a pause, without an interrupt. */
bool e1000e_pause_begin(struct e1000e *e);
static inline bool e1000e_paused(const struct e1000e *e)
{
	return atomic_load_explicit(&e->pause.on, memory_order_relaxed);
}

/* rx.c */
int __must_check e1000e_rx_init(struct e1000e *e);
unsigned e1000e_rx_poll(struct e1000e *e, unsigned budget);
bool e1000e_rx_pending(const struct e1000e *e);
void e1000e_rx_refill(struct e1000e *e);

/* tx.c */
int __must_check e1000e_tx_init(struct e1000e *e);
int e1000e_xmit(struct netdev *dev, struct nettx *tx, bool more);
/* Takes back what was sent and calls done(). No lock held. */
void e1000e_tx_reap(struct e1000e *e);
/* Tells a refused sender that there is room. 1: did so, or is to be called again. Loop's thread. */
unsigned e1000e_tx_unblock(struct e1000e *e);

/* stats.c */
void e1000e_stats_update(struct e1000e *e);
void e1000e_dump(struct netdev *dev);
