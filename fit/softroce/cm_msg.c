/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Building, reading and sending communication manager messages; no state. Fields that only
 * InfiniBand proper has (LIDs, Q_Keys, end-to-end contexts) are what Linux sends over RoCE.
 */
#include "cm_msg.h"

#include "softroce.h"

#define LID_PERMISSIVE 0xffff
#define RATE_10_GBPS 3
#define HOP_LIMIT 64
#define ACK_TIMEOUT_MIN 14 /* 67 ms: a Linux peer in the emulator */
#define CM_TIMEOUT 18      /* 1.07 s, 4.096 us * 2^n */

static uint8_t mtu_encode(uint32_t mtu) /* 256 is 1, 4096 is 5 */
{
	return (uint8_t)(__builtin_ctz(mtu) - 7);
}

static uint32_t mtu_decode(uint8_t code)
{
	return code >= 1 && code <= 5 ? 128u << code : 0;
}

static struct cm_gid gid_of_ip(uint32_t ip)
{
	return (struct cm_gid){ { [10] = 0xff, [11] = 0xff, [12] = (uint8_t)(ip >> 24),
		[13] = (uint8_t)(ip >> 16), [14] = (uint8_t)(ip >> 8), [15] = (uint8_t)ip } };
}

static uint8_t timeout_encode(uint32_t us)
{
	uint8_t n = ACK_TIMEOUT_MIN;

	while (n < 31 && (4096ULL << n) < us * 1000ULL)
		n++;
	return n;
}

uint64_t cm_msg_guid(const struct rdma_dev *dev)
{
	const uint8_t *m = dev->cfg.netdev->mac;

	return (uint64_t)(m[0] ^ 2) << 56 | (uint64_t)m[1] << 48 | (uint64_t)m[2] << 40 |
	       0xfffeULL << 24 | (uint64_t)m[3] << 16 | (uint64_t)m[4] << 8 | m[5];
}

void cm_msg_begin(union cm_mad *m, enum cm_attr attr, uint64_t tid, uint32_t local_id,
		  uint32_t remote_id)
{
	memset(m, 0, sizeof(*m));
	m->hdr.base_version = MAD_BASE_VERSION;
	m->hdr.mgmt_class = MAD_CLASS_CM;
	m->hdr.class_version = MAD_CM_VERSION;
	m->hdr.method = MAD_METHOD_SEND;
	m->hdr.tid = be64(tid);
	m->hdr.attr_id = be16(attr);
	m->rtu.local_id = be32(local_id);
	m->rtu.remote_id = be32(remote_id); /* reserved in a REQ: 0 */
}

void cm_msg_req(union cm_mad *m, uint64_t tid, const struct cm_offer *o, uint64_t guid,
		const void *private_data, size_t len)
{
	struct cm_req *r = &m->req;
	struct cm_gid src = gid_of_ip(o->src_ip), dst = gid_of_ip(o->dst_ip);

	cm_msg_begin(m, CM_REQ, tid, o->id, 0);
	r->service_id = be64(CM_SERVICE_TCP | o->service_port);
	r->ca_guid = be64(guid);
	r->qpn_resources = be32(o->qpn << 8 | o->resources);
	r->eecn_depth = be32(o->depth);
	r->eecn_timeout = be32(CM_TIMEOUT << 3);
	r->psn_timeout = be32(o->psn << 8 | CM_TIMEOUT << 3 | 7);
	r->pkey = be16(ROCE_PKEY);
	r->mtu_rnr = (uint8_t)(mtu_encode(o->mtu) << 4 | 7);
	r->retries_srq = 15 << 4;
	r->primary.local_lid = r->primary.remote_lid = be16(LID_PERMISSIVE);
	r->primary.local_gid = src;
	r->primary.remote_gid = dst;
	r->primary.flow_rate = be32(RATE_10_GBPS);
	r->primary.hop_limit = HOP_LIMIT;
	r->primary.ack_timeout = (uint8_t)(timeout_encode(o->ack_timeout_us) << 3);
	r->ip.ip_version = 4 << 4;
	r->ip.port = be16(o->peer_port);
	memcpy(r->ip.src + 12, src.raw + 12, 4);
	memcpy(r->ip.dst + 12, dst.raw + 12, 4);
	memcpy(r->private_data, private_data, len);
}

int cm_msg_parse_req(const union cm_mad *m, struct cm_offer *o)
{
	const struct cm_req *r = &m->req;
	uint64_t service = be64_get(r->service_id);

	*o = (struct cm_offer){
		.id = be32_get(r->local_id),
		.qpn = be32_get(r->qpn_resources) >> 8,
		.resources = (uint8_t)be32_get(r->qpn_resources),
		.depth = (uint8_t)be32_get(r->eecn_depth),
		.psn = be32_get(r->psn_timeout) >> 8,
		.mtu = mtu_decode(r->mtu_rnr >> 4),
		.service_port = (uint16_t)service,
		.peer_port = be16_get(r->ip.port),
	};
	if ((service & ~0xffffULL) != CM_SERVICE_TCP || r->ip.version || r->ip.ip_version >> 4 != 4)
		return CM_REJ_INVALID_SERVICE_ID;
	if (be32_get(r->eecn_timeout) & 6) /* not RC */
		return CM_REJ_INVALID_TRANSPORT;
	return o->mtu ? 0 : CM_REJ_INVALID_MTU;
}

void cm_msg_rej(union cm_mad *m, uint64_t tid, uint32_t local_id, uint32_t remote_id,
		enum cm_about about, uint16_t reason, const void *private_data, size_t len)
{
	cm_msg_begin(m, CM_REJ, tid, local_id, remote_id);
	m->rej.about = (uint8_t)(about << 6);
	m->rej.reason = be16(reason);
	if (len)
		memcpy(m->rej.private_data, private_data, len);
}

void cm_msg_send(struct rdma_dev *dev, uint32_t ip, const union cm_mad *m)
{
	struct rdma_sge sge = { .addr = (void *)m->raw, .len = MAD_LEN };
	struct sge_cursor c = { 0, 0 };
	struct deth *deth;
	struct path path;
	struct pkt *p;

	static_assert(MAD_LEN <= SR_INLINE_MAX, "a MAD is copied, so that it need not stay");
	if (neigh_resolve(dev, ip, false)) { /* asked for; or nowhere */
		sr_count(drop_tx_no_neighbour);
		return;
	}
	p = pkt_alloc(dev, NULL);
	if (!p) {
		sr_count(drop_tx_no_packet);
		return;
	}
	deth = (struct deth *)pkt_begin(p, UD_SEND_ONLY, 0, GSI_QPN, dev->gsi_psn++ & BTH_MASK24);
	deth->qkey = be32(GSI_QKEY);
	deth->src_qpn = be32(GSI_QPN);
	path_init(dev, &path, ip, 0xc001);
	if (pkt_payload(p, &sge, 1, &c, MAD_LEN) || pkt_send(p, &path, false)) {
		sr_count(drop_tx_ring);
		pkt_free(p);
		return;
	}
	sr_count(tx_mads);
}
