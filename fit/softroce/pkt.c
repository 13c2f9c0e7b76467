/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets on their way out: a pool of buffers with room for the headers, the fragments of the
 * frame, and what must be given back when the NIC is done.
 *
 * A frame is: headers (buf), payload where it lies (up to SR_FRAGS pieces), pad and ICRC (trailer).
 * A small payload is copied behind the headers instead, with pad and ICRC behind it: one fragment
 * in place of three. A payload in too many pieces is gathered in a bounce page.
 * A packet that the NIC has holds a reference on its queue pair and, for a READ response, on the
 * region.
 */
#include "softroce.h"

static void pkt_done(struct nettx *tx);

int pkt_pool_init(struct rdma_dev *dev)
{
	spin_init(&dev->pkt_lock, "softroce pkt");
	TAILQ_INIT(&dev->waiting);
	dev->pkts = kzalloc(SR_PKT_MAX * sizeof(*dev->pkts));
	if (!dev->pkts)
		return -ENOMEM;
	for (unsigned i = 0; i < SR_PKT_MAX; i++) {
		struct pkt *p = &dev->pkts[i];

		p->dev = dev;
		p->tx.done = pkt_done;
		p->next_free = dev->free_pkts;
		dev->free_pkts = p;
	}
	return 0;
}

void pkt_pool_free(struct rdma_dev *dev)
{
	kfree(dev->pkts);
}

static void pkt_wait_room_locked(struct rdma_dev *dev, struct rdma_qp *qp)
{
	if (qp->waiting)
		return;
	qp_get(qp);
	qp->waiting = true;
	TAILQ_INSERT_TAIL(&dev->waiting, qp, wait_link);
}

void pkt_wait_room(struct rdma_dev *dev, struct rdma_qp *qp)
{
	spin_lock(&dev->pkt_lock);
	pkt_wait_room_locked(dev, qp);
	spin_unlock(&dev->pkt_lock);
}

struct pkt *pkt_alloc(struct rdma_dev *dev, struct rdma_qp *qp)
{
	struct pkt *p;

	spin_lock(&dev->pkt_lock);
	p = dev->free_pkts;
	if (p) {
		dev->free_pkts = p->next_free;
		dev->pkts_out++;
	} else if (qp) {
		pkt_wait_room_locked(dev, qp);
	}
	spin_unlock(&dev->pkt_lock);
	if (!p)
		return NULL;
	p->qp = NULL;
	p->mr = NULL;
	p->bounce = NULL;
	p->retx = false;
	p->tx.nfrags = 1;
	p->tx.flags = 0;
	p->inline_len = p->payload_len = 0;
	return p;
}

void pkt_free(struct pkt *p)
{
	struct rdma_dev *dev = p->dev;
	bool wake;

	if (p->mr)
		mr_put(dev, p->mr);
	kfree(p->bounce);
	spin_lock(&dev->pkt_lock);
	p->next_free = dev->free_pkts;
	dev->free_pkts = p;
	dev->pkts_out--;
	wake = !TAILQ_EMPTY(&dev->waiting);
	spin_unlock(&dev->pkt_lock);
	if (wake)
		loop_post(dev->cfg.loop, &dev->tx_call);
}

/* The NIC has finished with a frame. Any thread. */
static void pkt_done(struct nettx *tx)
{
	struct pkt *p = container_of(tx, struct pkt, tx);
	struct rdma_qp *qp = p->qp;
	bool kick = false;

	if (qp) {
		if (p->retx && atomic_fetch_sub(&qp->retx_inflight, 1) == 1)
			kick = true;
		if (atomic_fetch_sub(&qp->tx_inflight, 1) == 1 && atomic_load(&qp->in_error))
			kick = true;
	}
	pkt_free(p);
	if (!qp)
		return;
	if (kick)
		qp_kick(qp);
	qp_put(qp);
}

uint8_t *pkt_begin(struct pkt *p, uint8_t opcode, uint8_t flags, uint32_t qpn, uint32_t psn)
{
	struct bth *bth = (struct bth *)(p->buf + PATH_HDR_LEN);

	bth->opcode = opcode;
	bth->flags = flags | BTH_MIGREQ;
	bth->pkey = be16(ROCE_PKEY);
	bth->qpn = be32(qpn);
	bth->psn = be32(psn);
	p->hdr_len = PATH_HDR_LEN + roce_ops[opcode].hdr_len;
	return (uint8_t *)(bth + 1);
}

static void sge_next(const struct rdma_sge *sge, struct sge_cursor *c, uint32_t n)
{
	c->off += n;
	if (c->off == sge[c->idx].len) {
		c->idx++;
		c->off = 0;
	}
}

static void payload_copy(uint8_t *dst, const struct rdma_sge *sge, struct sge_cursor *c,
			 uint32_t len)
{
	while (len) {
		uint32_t n = KMIN(len, sge[c->idx].len - c->off);

		memcpy(dst, (const uint8_t *)sge[c->idx].addr + c->off, n);
		dst += n;
		len -= n;
		sge_next(sge, c, n);
	}
}

static int payload_bounce(struct pkt *p, const struct rdma_sge *sge, struct sge_cursor *c,
			  uint32_t len)
{
	p->bounce = kmalloc(len);
	if (!p->bounce)
		return -ENOMEM;
	payload_copy(p->bounce, sge, c, len);
	p->tx.frag[1] = (struct netfrag){ p->bounce, len };
	p->tx.nfrags = 2;
	return 0;
}

int pkt_payload(struct pkt *p, const struct rdma_sge *sge, uint32_t nsge, struct sge_cursor *c,
		uint32_t len)
{
	struct sge_cursor start = *c;
	uint32_t left = len;

	p->payload_len = len;
	if (len <= SR_INLINE_MAX) {
		payload_copy(p->buf + p->hdr_len, sge, c, len);
		p->inline_len = len;
		return 0;
	}
	while (left) {
		uint32_t n = KMIN(left, sge[c->idx].len - c->off);

		if (n && p->tx.nfrags > SR_FRAGS) {
			p->tx.nfrags = 1;
			*c = start;
			return payload_bounce(p, sge, c, len);
		}
		if (n)
			p->tx.frag[p->tx.nfrags++] = (struct netfrag){
				(const uint8_t *)sge[c->idx].addr + c->off, n };
		left -= n;
		sge_next(sge, c, n);
	}
	return 0;
}

/* Pad and ICRC behind everything; the first fragment gets its final length. */
static void pkt_seal(struct pkt *p, uint32_t pad)
{
	const uint32_t bth_end = PATH_HDR_LEN + sizeof(struct bth);
	bool inlined = p->tx.nfrags == 1;
	uint8_t *end = inlined ? p->buf + p->hdr_len + p->inline_len : p->trailer;
	uint32_t crc = icrc_headers(p->buf + PATH_IP_OFF);

	memset(end, 0, pad);
	crc = icrc_update(crc, p->buf + bth_end, p->hdr_len + p->inline_len - bth_end +
			  (inlined ? pad : 0));
	if (!inlined) {
		for (unsigned i = 1; i < p->tx.nfrags; i++)
			crc = icrc_update(crc, p->tx.frag[i].kva, p->tx.frag[i].len);
		crc = icrc_update(crc, end, pad);
	}
	*(le32_t *)(end + pad) = le32(~crc);
	p->tx.frag[0] = (struct netfrag){ p->buf, p->hdr_len + p->inline_len };
	if (inlined)
		p->tx.frag[0].len += pad + ROCE_ICRC_LEN;
	else
		p->tx.frag[p->tx.nfrags++] = (struct netfrag){ p->trailer, pad + ROCE_ICRC_LEN };
}

/* -ENOSPC is tried again after qp is on the list, so that a tx_room in between is not lost. */
static int pkt_xmit(struct rdma_dev *dev, struct pkt *p, struct rdma_qp *qp, bool more)
{
	struct netdev *nd = dev->cfg.netdev;
	int err = nd->ops->xmit(nd, &p->tx, more);

	if (err != -ENOSPC)
		return err;
	sr_count(tx_ring_full);
	if (!qp)
		return err;
	pkt_wait_room(dev, qp);
	return nd->ops->xmit(nd, &p->tx, false);
}

int pkt_send(struct pkt *p, struct path *path, bool more)
{
	struct rdma_dev *dev = p->dev;
	struct rdma_qp *qp = p->qp;
	struct bth *bth = (struct bth *)(p->buf + PATH_HDR_LEN);
	uint32_t pad = -p->payload_len & 3, payload = p->payload_len;
	uint8_t opcode = bth->opcode;
	bool retx = p->retx;
	int err;

	bth->flags |= (uint8_t)(pad << 4);
	if (!path_write(dev, path, p->buf, p->hdr_len - PATH_HDR_LEN + p->payload_len + pad +
			ROCE_ICRC_LEN)) {
		sr_count(drop_tx_no_neighbour);
		return -EHOSTUNREACH;
	}
	pkt_seal(p, pad);
	TRACE(TRACE_SOFTROCE_TX, (uint64_t)be32_get(bth->qpn) << 32 | be32_get(bth->psn), opcode);
	if (qp) {
		qp_get(qp);
		atomic_fetch_add(&qp->tx_inflight, 1);
		if (p->retx)
			atomic_fetch_add(&qp->retx_inflight, 1);
	}
	/* from here on p may already be done and somebody else's */
	err = pkt_xmit(dev, p, qp, more);
	if (!err) {
		sr_count(tx_packets);
		sr_count_n(tx_payload_bytes, payload);
		if (retx)
			sr_count(retransmits);
		return 0;
	}
	if (qp) {
		if (p->retx)
			atomic_fetch_sub(&qp->retx_inflight, 1);
		atomic_fetch_sub(&qp->tx_inflight, 1);
		qp_put(qp);
	}
	return err;
}

/* Loop: the NIC or the pool has room again. */
static void pkt_resume(struct rdma_dev *dev)
{
	for (unsigned i = 0; i < SR_QP_MAX; i++) {
		struct rdma_qp *qp;

		spin_lock(&dev->pkt_lock);
		qp = TAILQ_FIRST(&dev->waiting);
		if (qp) {
			TAILQ_REMOVE(&dev->waiting, qp, wait_link);
			qp->waiting = false;
		}
		spin_unlock(&dev->pkt_lock);
		if (!qp)
			return;
		qp_kick(qp);
		qp_put(qp);
	}
}

void pkt_tx_call(struct loop_call *c)
{
	pkt_resume(container_of(c, struct rdma_dev, tx_call));
}

void pkt_tx_room(struct netdev *nd, void *arg)
{
	struct rdma_dev *dev = arg;

	loop_post(dev->cfg.loop, &dev->tx_call);
}

/* One step of waiting for the NIC: sent frames are given back by its poll. */
static void pkt_drain_step(struct rdma_dev *dev)
{
	struct netdev *nd = dev->cfg.netdev;

	if (loop_is_current(dev->cfg.loop)) {
		nd->ops->poll(nd, 0);
		cpu_relax();
		return;
	}
	loop_kick(dev->cfg.loop);
	thread_sleep_ns(50 * NSEC_PER_USEC);
}

void pkt_drain(struct rdma_dev *dev, _Atomic uint32_t *count)
{
	uint64_t end = clock_mono_ns() + SR_DRAIN_NS;

	if (!count) {
		pkt_drain_step(dev);
		return;
	}
	while (atomic_load(count) && clock_mono_ns() < end)
		pkt_drain_step(dev);
	if (atomic_load(count))
		log_err("NIC keeps %u frames beyond %llu ms", atomic_load(count),
			(unsigned long long)(SR_DRAIN_NS / NSEC_PER_MSEC));
}
