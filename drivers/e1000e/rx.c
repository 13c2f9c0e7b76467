/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 82574L receive (7.1): one ring of legacy descriptors, a buffer of the pool behind each.
 *
 *      rx_next                    rx_fill = RDT after the next doorbell
 *         v                          v
 *   ... [filled][filled][empty][empty][none][none] ...
 *
 * A buffer holds a whole frame (RCTL.FLXBUF), yet a frame may come in several and is then a
 * chain. The loop's thread alone. Buffers are put back and the tail written in batches: a write
 * is an exit to the emulator. RCTL.SECRC is set: without it QEMU spends a descriptor on the FCS.
 */
#define LOG_SUBSYS "e1000e"
#include "e1000e.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/trace.h>

/*
 * 14 bytes Ethernet, 20 IPv4, 8 UDP, 12 BTH: at 10 modulo 16 the payload of RoCE is aligned to
 * 16.
 */
#define RX_ALIGN16 10
/* Entries without a buffer before the tail is written. */
#define RX_REFILL_BATCH (E1000E_RING / 8)

static uint32_t rctl_bits(const struct e1000e *e)
{
	uint32_t rctl = RCTL_EN | RCTL_BAM | RCTL_SECRC;
	if (e->dev.mtu <= 1500)
		return rctl | RCTL_BSIZE_2048;
	return rctl | RCTL_LPE | E1000E_RX_KIB_JUMBO << RCTL_FLXBUF_SHIFT;
}

/* 4.6.5 */
int e1000e_rx_init(struct e1000e *e)
{
	uint32_t space = e->dev.mtu <= 1500 ? 2048 : E1000E_RX_KIB_JUMBO * 1024;
	e->rx_ring = page_alloc_zeroed(0);
	if (!e->rx_ring)
		return -ENOMEM;
	int err = rxpool_init(&e->pool, &e->dev, space, RX_ALIGN16, E1000E_RING, 2 * E1000E_RING);
	if (err)
		return err;
	uint64_t phys = kva_to_phys(e->rx_ring);
	e1000e_write(e, E1000E_RDBAL, (uint32_t)phys);
	e1000e_write(e, E1000E_RDBAH, (uint32_t)(phys >> 32));
	e1000e_write(e, E1000E_RDLEN, E1000E_RING * sizeof(e->rx_ring[0]));
	e1000e_write(e, E1000E_RDH, 0);
	e1000e_write(e, E1000E_RDT, 0);
	e1000e_write(e, E1000E_RXDCTL, RXDCTL_GRAN | 1u << RXDCTL_WTHRESH_SHIFT);
	e1000e_write(e, E1000E_RFCTL, RFCTL_ACK_DIS);
	e1000e_write(e, E1000E_RXCSUM, RXCSUM_IPOFL | RXCSUM_TUOFL);
	e1000e_write(e, E1000E_RCTL, rctl_bits(e));
	e1000e_rx_refill(e);
	return 0;
}

/* Gives the device buffers up to one entry before rx_next: head equal to tail means none. */
void e1000e_rx_refill(struct e1000e *e)
{
	while (e1000e_next(e->rx_fill) != e->rx_next) {
		struct rxbuf *b = rxpool_take(&e->pool);
		if (!b)
			break;
		struct e1000e_rxd *d = &e->rx_ring[e->rx_fill];
		e->rx_buf[e->rx_fill] = b;
		d->addr = b->phys;
		*(volatile uint8_t *)&d->status = 0;
		e->rx_fill = e1000e_next(e->rx_fill);
	}
	if (e->rx_fill == e->rx_bell)
		return;
	/* Descriptors are in memory before the tail that hands them over. */
	dma_wmb_before_doorbell();
	e->rx_bell = e->rx_fill;
	e1000e_write(e, E1000E_RDT, e->rx_bell);
}

bool e1000e_rx_pending(const struct e1000e *e)
{
	return e->rx_next != e->rx_fill &&
	       (*(volatile const uint8_t *)&e->rx_ring[e->rx_next].status & RXD_DD);
}

/* 7.1.10: valid in the last descriptor of a frame. */
static uint32_t csum_flags(const struct e1000e_rxd *d)
{
	uint32_t flags = 0;
	if (d->status & RXD_IXSM)
		return 0;
	if ((d->status & RXD_IPCS) && !(d->errors & RXD_ERR_IPE))
		flags |= NB_L3_CSUM_OK;
	if ((d->status & (RXD_TCPCS | RXD_UDPCS)) && !(d->errors & (RXD_ERR_TCPE | RXD_ERR_IPE)))
		flags |= NB_L4_CSUM_OK;
	return flags;
}

static void append_piece(struct e1000e *e, struct rxbuf *b, uint32_t len)
{
	struct netbuf *nb = &b->nb;
	nb->next = NULL;
	nb->data = b->base;
	nb->len = KMIN(len, e->pool.space);
	if (!e->rx_first) {
		e->rx_first = nb;
		nb->frame_len = 0;
	} else {
		*e->rx_link = nb;
	}
	e->rx_link = &nb->next;
	e->rx_first->frame_len += nb->len;
}

static void finish_frame(struct e1000e *e, const struct e1000e_rxd *d)
{
	struct netbuf *nb = e->rx_first;
	e->rx_first = NULL;
	if ((d->errors & RXD_ERR_FRAME) || nb->frame_len < 14) {
		netbuf_free_chain(nb);
		netdev_count(&e->dev, e1000e, rx_errors, 1);
		return;
	}
	nb->flags = csum_flags(d);
	nb->gso_size = 0;
	netdev_count(&e->dev, e1000e, rx_frames, 1);
	netdev_count(&e->dev, e1000e, rx_bytes, nb->frame_len);
	e->pause.frames++;
	e->pause.bytes += nb->frame_len;
	TRACE(TRACE_E1000E_RX, nb->frame_len, 0);
	e->dev.rx(&e->dev, nb, e->dev.arg);
}

unsigned e1000e_rx_poll(struct e1000e *e, unsigned budget)
{
	unsigned work = 0;
	while (work < budget && e1000e_rx_pending(e)) {
		/* Length and errors are read after the flag that says they are there. */
		dma_rmb_after_done();
		struct e1000e_rxd d = e->rx_ring[e->rx_next];
		struct rxbuf *b = e->rx_buf[e->rx_next];
		e->rx_next = e1000e_next(e->rx_next);
		append_piece(e, b, d.len);
		if (d.status & RXD_EOP)
			finish_frame(e, &d);
		work++;
	}
	unsigned empty = (e->rx_next - e->rx_fill - 1) % E1000E_RING;
	if (empty >= RX_REFILL_BATCH)
		e1000e_rx_refill(e);
	return work;
}
