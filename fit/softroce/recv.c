/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way in for every RoCE packet: decode the headers (changing nothing), check the ICRC, find the
 * queue pair, and hand over to the responder (requests) or the completer (responses). Loop only.
 *
 * The order is cheap checks, then the ICRC over the whole packet, then state: nothing of a packet
 * is believed before its ICRC, and no CRC is computed for a packet nobody wants.
 */
#include "softroce.h"

/* IBTA 9.6: header checks. False: dropped and counted. */
static bool decode(struct rx_pkt *rx)
{
	const struct bth *bth = (const struct bth *)rx->bth;
	uint32_t pad = BTH_PAD(bth->flags);
	uint32_t psn = be32_get(bth->psn);

	rx->opcode = bth->opcode;
	rx->op = roce_op(bth->opcode);
	if (!rx->op) {
		sr_count(drop_opcode);
		return false;
	}
	if (BTH_VERSION(bth->flags)) {
		sr_count(drop_bth);
		return false;
	}
	if ((be16_get(bth->pkey) & 0x7fff) != (ROCE_PKEY & 0x7fff)) {
		sr_count(drop_pkey);
		return false;
	}
	if (rx->len < rx->op->hdr_len + pad + ROCE_ICRC_LEN) {
		sr_count(drop_length);
		return false;
	}
	rx->payload_off = rx->bth_off + rx->op->hdr_len;
	rx->payload_len = rx->len - rx->op->hdr_len - pad - ROCE_ICRC_LEN;
	if (rx->payload_len && !(rx->op->flags & OPF_PAYLOAD)) {
		sr_count(drop_length);
		return false;
	}
	rx->qpn = be32_get(bth->qpn) & BTH_MASK24;
	rx->psn = psn & BTH_MASK24;
	rx->ackreq = psn & BTH_ACKREQ;
	return true;
}

static bool icrc_ok(const struct rx_pkt *rx)
{
	uint32_t body = rx->len - sizeof(struct bth) - ROCE_ICRC_LEN;
	uint32_t off = rx->bth_off + sizeof(struct bth);
	le32_t icrc;

	rx_copy(rx, off + body, &icrc, sizeof(icrc));
	return le32_get(icrc) == ~rx_crc(rx, off, body, icrc_headers(rx->hdr));
}

/* A datagram: only queue pair 1 exists, and only management datagrams go there (IBTA 13.5). */
static void gsi_rx(struct rdma_dev *dev, struct rx_pkt *rx)
{
	const struct deth *deth = (const struct deth *)(rx->bth + rx->op->deth);
	uint8_t mad[MAD_LEN];

	if (!(rx->op->flags & OPF_UD) || rx->opcode != UD_SEND_ONLY || rx->payload_len != MAD_LEN ||
	    be32_get(deth->qkey) != GSI_QKEY) {
		sr_count(drop_mad);
		return;
	}
	if (!icrc_ok(rx)) {
		sr_count(drop_icrc);
		return;
	}
	sr_count(rx_packets);
	sr_count(rx_mads);
	neigh_learn(dev, rx->src_ip, rx->src_mac);
	rx_copy(rx, rx->payload_off, mad, sizeof(mad));
	cm_rx_mad(dev, rx->src_ip, mad);
}

static void qp_rx_locked(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	if (qp->state != QPS_RTR && qp->state != QPS_RTS) {
		sr_count(drop_state);
		return;
	}
	if (rx->src_ip != qp->path.ip) {
		sr_count(drop_peer);
		return;
	}
	sr_count(rx_packets);
	sr_count_n(rx_payload_bytes, rx->payload_len);
	if (rx->op->flags & OPF_REQUEST)
		responder_rx_locked(qp, rx);
	else
		completer_rx_locked(qp, rx);
}

static void rc_rx(struct rdma_dev *dev, struct rx_pkt *rx)
{
	struct rdma_qp *qp;
	struct rdma_cm *told = NULL;

	if (rx->op->flags & OPF_UD) {
		sr_count(drop_opcode);
		return;
	}
	qp = qp_lookup(dev, rx->qpn);
	if (!qp) {
		sr_count(drop_qpn);
		return;
	}
	if (icrc_ok(rx)) {
		spin_lock(&qp->lock);
		qp_rx_locked(qp, rx);
		if (qp->state == QPS_RTR && !qp->established_seen && qp->resp.msn) {
			qp->established_seen = true;
			told = qp->cm;
		}
		spin_unlock(&qp->lock);
	} else {
		sr_count(drop_icrc);
	}
	qp_put(qp);
	if (told)
		cm_established(told);
}

void roce_rx(struct rdma_dev *dev, struct rx_pkt *rx)
{
	if (dev->dead || !decode(rx))
		return;
	TRACE(TRACE_SOFTROCE_RX, (uint64_t)rx->qpn << 32 | rx->psn, rx->opcode);
	if (rx->qpn == GSI_QPN)
		gsi_rx(dev, rx);
	else
		rc_rx(dev, rx);
}
