/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 82574L transmit (7.2): a context descriptor where the offload changes, then a data descriptor for
 * each of the caller's fragments; nothing is copied (but the header of a frame to be segmented,
 * tso.c).
 *
 *      tx_clean                       tx_next = TDT after the next doorbell
 *         v                              v
 *   ... [frame     ][frame][frame       ][free][free] ...
 *
 * Any thread sends, under tx_lock. The last descriptor of a frame asks for a status report; frames
 * are taken back in poll, when a sender finds the ring half full, or after NETDEV_TX_REAP_NS.
 * QEMU: a write of TDT sends everything up to it before it returns, so one write for many frames
 * (the `more` flag) is what counts, and the ring is never full there.
 */
#define LOG_SUBSYS "e1000e"
#include "tx.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/trace.h>

static bool tx_outstanding(struct netdev *dev)
{
	const struct e1000e *e = dev->priv;
	return *(volatile const unsigned *)&e->tx_clean != *(volatile const unsigned *)&e->tx_next;
}

/* 4.6.6 */
int e1000e_tx_init(struct e1000e *e)
{
	spin_init(&e->tx_lock, "e1000e_tx");
	netdev_reaper_init(&e->reaper, &e->dev, tx_outstanding);
	e->tx_ring = page_alloc_zeroed(0);
	if (!e->tx_ring)
		return -ENOMEM;
	if (e->dev.features & NETDEV_F_TSO4) {
		e->tx_hdr = kmalloc(E1000E_RING * E1000E_TSO_HDR_MAX);
		if (!e->tx_hdr)
			return -ENOMEM;
	}
	uint64_t phys = kva_to_phys(e->tx_ring);
	e1000e_write(e, E1000E_TDBAL, (uint32_t)phys);
	e1000e_write(e, E1000E_TDBAH, (uint32_t)(phys >> 32));
	e1000e_write(e, E1000E_TDLEN, E1000E_RING * sizeof(e->tx_ring[0]));
	e1000e_write(e, E1000E_TDH, 0);
	e1000e_write(e, E1000E_TDT, 0);
	e1000e_write(e, E1000E_TXDCTL, TXDCTL_GRAN | TXDCTL_COUNT_DESC);
	e1000e_write(e, E1000E_TIPG, TIPG_DEFAULT);
	e1000e_write(e, E1000E_TCTL, TCTL_EN | TCTL_PSP | 0x0fu << TCTL_CT_SHIFT |
		     0x3fu << TCTL_COLD_SHIFT);
	return 0;
}

static unsigned room(const struct e1000e *e)
{
	return (e->tx_clean - e->tx_next - 1) % E1000E_RING;
}

static union e1000e_txd *take_desc(struct e1000e *e)
{
	union e1000e_txd *d = &e->tx_ring[e->tx_next];
	e->tx_next = e1000e_next(e->tx_next);
	memset(d, 0, sizeof(*d));
	return d;
}

/* 7.2.6: written only when it differs from what the device has. */
static void put_context(struct e1000e *e, const struct nettx *tx)
{
	struct e1000e_tx_ctx want = { tx->flags & (NTX_CSUM | NTX_TSO4 | NTX_IP_CSUM),
				      (uint8_t)tx->csum_start,
				      (uint8_t)(tx->csum_start + tx->csum_offset) };
	bool same = want.flags == e->tx_ctx.flags && want.css == e->tx_ctx.css &&
		    want.cso == e->tx_ctx.cso;
	/* A segmented frame has its own length in it. */
	if (!want.flags || (same && !(tx->flags & NTX_TSO4)))
		return;
	e->tx_ctx = want;
	union e1000e_txd *d = take_desc(e);
	d->ctx.ipcss = 14;
	d->ctx.ipcso = 14 + 10;
	d->ctx.ipcse = tx->csum_start ? tx->csum_start - 1 : 14 + 20 - 1;
	d->ctx.tucss = want.css;
	d->ctx.tucso = want.cso;
	d->ctx.tucse = 0; /* to the end */
	d->ctx.cmd_len = TXD_CMD_DEXT | TXD_TUCMD_IP;
	if (tx->csum_offset == TCP_CSUM_OFFSET)
		d->ctx.cmd_len |= TXD_TUCMD_TCP;
	if (tx->flags & NTX_TSO4)
		e1000e_tso_context(d, tx);
}

static union e1000e_txd *put_data(struct e1000e *e, const void *kva, uint32_t len, uint32_t cmd,
				  uint8_t popts)
{
	union e1000e_txd *d = NULL;
	uint64_t phys = kva_to_phys(kva);
	while (len) {
		uint32_t n = KMIN(len, E1000E_DATA_MAX);
		d = take_desc(e);
		d->data.addr = phys;
		d->data.cmd_len = n | TXD_DTYP_DATA | TXD_CMD_DEXT | cmd;
		d->data.popts = popts;
		phys += n;
		len -= n;
	}
	return d;
}

/* Data descriptors of the frame; returns the last. */
static union e1000e_txd *put_frame(struct e1000e *e, const struct nettx *tx)
{
	uint32_t cmd = TXD_CMD_IFCS, skip = 0;
	uint8_t popts = (tx->flags & (NTX_CSUM | NTX_TSO4) ? TXD_POPTS_TXSM : 0) |
			(tx->flags & (NTX_IP_CSUM | NTX_TSO4) ? TXD_POPTS_IXSM : 0);
	union e1000e_txd *last = NULL;
	if (tx->flags & NTX_TSO4) {
		cmd |= TXD_CMD_TSE;
		skip = tx->hdr_len;
		uint8_t *hdr = e->tx_hdr + e->tx_next * E1000E_TSO_HDR_MAX;
		e1000e_tso_header(hdr, tx);
		last = put_data(e, hdr, skip, cmd, popts);
	}
	for (unsigned i = 0; i < tx->nfrags; i++) {
		const struct netfrag *f = &tx->frag[i];
		if (f->len > skip)
			last = put_data(e, (const uint8_t *)f->kva + skip, f->len - skip, cmd,
					popts);
		skip = 0;
	}
	return last;
}

static void queue_frame_locked(struct e1000e *e, struct nettx *tx)
{
	unsigned first = e->tx_next;
	put_context(e, tx);
	put_frame(e, tx)->data.cmd_len |= TXD_CMD_EOP | TXD_CMD_RS;
	e->tx_slot[first].tx = tx;
	e->tx_slot[first].end = (e->tx_next - 1) % E1000E_RING;
	if (e->tx_clean == first)
		netdev_reaper_arm(&e->reaper);
	netdev_count(&e->dev, e1000e, tx_frames, 1);
	netdev_count(&e->dev, e1000e, tx_bytes, nettx_len(tx));
	e1000e_pause_sent(e, nettx_len(tx));
	TRACE(TRACE_E1000E_TX, nettx_len(tx), 0);
}

static void ring_doorbell_locked(struct e1000e *e)
{
	if (e->tx_bell == e->tx_next)
		return;
	/* Descriptors are in memory before the tail that hands them over. */
	dma_wmb_before_doorbell();
	e->tx_bell = e->tx_next;
	e1000e_write(e, E1000E_TDT, e->tx_bell);
}

static unsigned descs_needed(const struct nettx *tx)
{
	unsigned n = 2; /* context, separate header */
	for (unsigned i = 0; i < tx->nfrags; i++)
		n += DIV_ROUND_UP(tx->frag[i].len, E1000E_DATA_MAX);
	return n;
}

static bool frame_is_sound(const struct netdev *dev, const struct nettx *tx)
{
	uint32_t need = (tx->flags & NTX_CSUM ? NETDEV_F_TX_CSUM : 0) |
			(tx->flags & NTX_TSO4 ? NETDEV_F_TSO4 : 0) |
			(tx->flags & NTX_IP_CSUM ? NETDEV_F_IP_CSUM : 0);
	if ((need & ~dev->features) || tx->nfrags == 0 || tx->nfrags > NETDEV_TX_FRAGS)
		return false;
	if ((tx->flags & NTX_CSUM) && tx->csum_start + tx->csum_offset > 0xff)
		return false;
	uint32_t len = nettx_len(tx);
	if (tx->flags & NTX_TSO4)
		return e1000e_tso_is_sound(tx) && len <= 0xffff + 14u;
	return len >= 14 && len <= dev->mtu + 14 + 4;
}

int e1000e_xmit(struct netdev *dev, struct nettx *tx, bool more)
{
	struct e1000e *e = dev->priv;
	unsigned need = descs_needed(tx);
	if (!frame_is_sound(dev, tx))
		return -EINVAL;
	if (room(e) < E1000E_RING / 2) /* unlocked look; either answer is right */
		e1000e_tx_reap(e);
	int err = 0;
	spin_lock(&e->tx_lock);
	if (room(e) >= need) {
		queue_frame_locked(e, tx);
	} else {
		err = -ENOSPC;
		more = false;
		e->tx_blocked = true;
		e1000e_irq_enable_tx_locked(e);
	}
	if (!more)
		ring_doorbell_locked(e);
	spin_unlock(&e->tx_lock);
	if (err) {
		netdev_count(dev, e1000e, tx_full, 1);
		/* What finished before the interrupt was enabled is found by one more poll. */
		if (dev->loop)
			loop_kick(dev->loop);
	}
	return err;
}

static bool first_done(const struct e1000e *e)
{
	unsigned clean = *(volatile const unsigned *)&e->tx_clean;
	const struct e1000e_tx_slot *slot = &e->tx_slot[clean];
	return *(struct nettx *volatile const *)&slot->tx &&
	       (*(volatile const uint8_t *)&e->tx_ring[slot->end].data.status & TXD_STATUS_DD);
}

static unsigned pop_batch(struct e1000e *e, struct nettx **done)
{
	unsigned n = 0;
	spin_lock(&e->tx_lock);
	while (n < NETDEV_REAP_BATCH && first_done(e)) {
		struct e1000e_tx_slot *slot = &e->tx_slot[e->tx_clean];
		done[n++] = slot->tx;
		slot->tx = NULL;
		e->tx_clean = e1000e_next(slot->end);
	}
	spin_unlock(&e->tx_lock);
	return n;
}

void e1000e_tx_reap(struct e1000e *e)
{
	struct nettx *done[NETDEV_REAP_BATCH];
	unsigned n;
	if (!first_done(e))
		return;
	do {
		n = pop_batch(e, done);
		for (unsigned i = 0; i < n; i++)
			done[i]->done(done[i]);
	} while (n == NETDEV_REAP_BATCH);
}

unsigned e1000e_tx_unblock(struct e1000e *e)
{
	if (likely(!*(volatile bool *)&e->tx_blocked))
		return 0;
	spin_lock(&e->tx_lock);
	bool enough = room(e) >= E1000E_RING / 4;
	if (enough) {
		e->tx_blocked = false;
		e1000e_write(e, E1000E_IMC, INT_TXQ0);
	} else {
		e1000e_irq_enable_tx_locked(e);
	}
	/* Reports that came between reaping and enabling are seen by another poll. */
	bool again = !enough && first_done(e);
	spin_unlock(&e->tx_lock);
	if (enough)
		e->dev.tx_room(&e->dev, e->dev.arg);
	return enough || again;
}
