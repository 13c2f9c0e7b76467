/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network devices: the contract between a NIC driver and the code above it (the fabric, or a
 * TCP/IP stack). One frame in, one frame out, scatter/gather both ways, no copy in between.
 *
 * Receive and completion processing happens in netdev_ops.poll, called by one loop thread. xmit may
 * be called from any thread (no interrupt context); the driver locks its transmit ring.
 */
#pragma once

#include <kern/loop.h>
#include <kern/types.h>

#define ETH_ADDR_LEN 6
#define NETDEV_TX_FRAGS 18 /* headers + 64 KiB of 4-KiB chunks + one split */

/* A piece of a received frame. The consumer owns it and calls nb->free(nb), from any thread. */
struct netbuf {
	struct netbuf *next; /* next piece of the same frame */
	uint8_t *data;
	uint32_t len;       /* bytes in this piece */
	uint32_t frame_len; /* whole frame; valid in the first piece */
	uint32_t flags;     /* NB_*; valid in the first piece */
	uint16_t gso_size;  /* not 0: several TCP segments of this size, coalesced by the device */
	void (*free)(struct netbuf *nb); /* frees this piece only */
	void *priv;         /* the driver's */
};
#define NB_L4_CSUM_OK 1u /* the device verified the TCP/UDP checksum (and the IP header's) */
#define NB_L3_CSUM_OK 2u

static inline void netbuf_free_chain(struct netbuf *nb)
{
	while (nb) {
		struct netbuf *next = nb->next;
		nb->free(nb);
		nb = next;
	}
}

struct netfrag {
	const void *kva; /* direct-map or kmalloc memory; may cross pages */
	uint32_t len;
};
/* One frame to send. The caller keeps it and the bytes until done() is called. */
struct nettx {
	struct netfrag frag[NETDEV_TX_FRAGS];
	uint8_t nfrags;
	uint8_t flags;        /* NTX_* */
	uint16_t csum_start;  /* NTX_CSUM: the device sums from here to the end ... */
	/* ... and stores at csum_start + csum_offset (holds the pseudo-header sum) */
	uint16_t csum_offset;
	uint16_t gso_size;    /* NTX_TSO4: payload bytes per segment */
	uint16_t hdr_len;     /* NTX_TSO4: Ethernet + IP + TCP header bytes */
	/* from poll or xmit, no lock of the driver's held; not in irq */
	void (*done)(struct nettx *tx);
	void *priv;           /* the caller's */
};
#define NTX_CSUM 1u
#define NTX_TSO4 2u
#define NTX_IP_CSUM 4u /* also fill the IPv4 header checksum (driver needs NETDEV_F_IP_CSUM) */

#define NETDEV_F_TX_CSUM 1u
#define NETDEV_F_RX_CSUM 2u
#define NETDEV_F_TSO4 4u
#define NETDEV_F_IP_CSUM 8u

struct netdev;
struct netdev_ops { /* all mandatory; asserted at registration */
	/* 0, or -ENOSPC when the ring is full: dev->tx_room(dev) will be called, or -ENODEV.
	 * more: another frame follows at once, the doorbell may wait. */
	int (*xmit)(struct netdev *dev, struct nettx *tx, bool more);
	/* Delivers up to budget received frames by dev->rx, reaps sent ones. Returns work done.
	 * With budget 0 also from within dev->rx. */
	unsigned (*poll)(struct netdev *dev, unsigned budget);
	/* Enables the receive interrupt; false if frames arrived meanwhile (it stays disabled). */
	bool (*arm)(struct netdev *dev);
	bool (*link_up)(struct netdev *dev);
	/* Registers and rings, for people. */
	void (*dump)(struct netdev *dev);
};
struct netdev {
	char name[16];       /* driver and index in PCI order: "virtio0", "e1000e0" */
	const struct netdev_ops *ops;
	uint8_t mac[ETH_ADDR_LEN];
	uint32_t mtu;        /* largest payload of an Ethernet frame */
	uint32_t features;   /* NETDEV_F_* */
	/* set by the consumer with netdev_attach() */
	void (*rx)(struct netdev *dev, struct netbuf *nb, void *arg);
	void (*tx_room)(struct netdev *dev, void *arg);
	void (*link_change)(struct netdev *dev, void *arg); /* may be NULL */
	void *arg;
	struct loop *loop;   /* kicked by the driver's interrupt handler */
	struct loop_source source;
	struct netdev_stats {
		_Atomic uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
		_Atomic uint64_t rx_dropped, rx_errors, tx_full, interrupts;
	} stats;
	void *priv;
	struct netdev *next;
};

/* Driver side: fills name from "driver" and its index, checks ops, adds to the list. */
int __must_check netdev_register(struct netdev *dev, const char *driver);
/* NULL when there is none of that name. */
struct netdev *netdev_find(const char *name);
struct netdev *netdev_first(void);
/* Consumer side: sets the callbacks and adds dev->source to the loop. -EBUSY if attached. */
int __must_check netdev_attach(struct netdev *dev, struct loop *loop,
			       void (*rx)(struct netdev *, struct netbuf *, void *),
			       void (*tx_room)(struct netdev *, void *), void *arg);
