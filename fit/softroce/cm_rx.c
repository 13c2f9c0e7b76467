/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Communication manager, messages that arrive: to which connection they belong, what they do
 * to it. A duplicate is answered again; a message for nobody is answered where the sender waits.
 * Loop only. Every event to the user is the last thing done with a connection.
 */
#include "cm.h"

static struct rdma_cm *find_local(struct rdma_dev *dev, uint32_t id, uint32_t ip)
{
	struct rdma_cm *cm;

	TAILQ_FOREACH(cm, &dev->cm->all, link)
		if (cm->local_id == id && cm->peer_ip == ip && cm->state != CMS_LISTEN)
			return cm;
	return NULL;
}

static struct rdma_cm *find_listener(struct rdma_dev *dev, uint16_t port)
{
	struct rdma_cm *cm;

	TAILQ_FOREACH(cm, &dev->cm->all, link)
		if (cm->state == CMS_LISTEN && cm->port == port)
			return cm;
	return NULL;
}

/* The passive connection this REQ began. */
static struct rdma_cm *find_request(struct rdma_dev *dev, uint32_t ip, const struct cm_offer *o)
{
	struct rdma_cm *cm;

	TAILQ_FOREACH(cm, &dev->cm->all, link)
		if (cm->state != CMS_LISTEN && cm->peer_ip == ip && cm->remote_id == o->id &&
		    cm->remote_qpn == o->qpn && cm->offer.id == o->id)
			return cm;
	return NULL;
}

static void reject_unknown(struct rdma_dev *dev, uint32_t ip, const union cm_mad *in,
			   enum cm_about about, uint16_t reason)
{
	union cm_mad m;

	cm_msg_rej(&m, be64_get(in->hdr.tid), 0, be32_get(in->rtu.local_id), about, reason, NULL,
		   0);
	cm_msg_send(dev, ip, &m);
}

static void rx_duplicate_req(struct rdma_cm *cm)
{
	sr_count(cm_duplicates);
	if (cm->state == CMS_REQ_RCVD) {
		union cm_mad m;

		cm_msg_begin(&m, CM_MRA, cm->tid, cm->local_id, cm->remote_id);
		m.mra.service = SR_CM_MRA_SERVICE << 3;
		cm_msg_send(cm->dev, cm->peer_ip, &m);
	} else if (cm->state == CMS_REP_SENT ||
		   (cm->state == CMS_TIMEWAIT && be16_get(cm->last.hdr.attr_id) == CM_REJ)) {
		cm_msg_send(cm->dev, cm->peer_ip, &cm->last);
	}
}

/* IBTA 12.9.8.3.1: the peer has forgotten a connection of its queue pair that we still have. */
static void drop_stale(struct rdma_dev *dev, uint32_t ip, uint32_t qpn)
{
	struct rdma_cm *cm;

	TAILQ_FOREACH(cm, &dev->cm->all, link) {
		if (cm->peer_ip != ip || cm->remote_qpn != qpn || cm->state != CMS_ESTABLISHED)
			continue;
		cm_qp_error(cm);
		cm_set_state(cm, CMS_TIMEWAIT);
		cm_event(cm, RDMA_CM_DISCONNECTED, 0, NULL, 0);
		return;
	}
}

static void rx_req(struct rdma_dev *dev, uint32_t ip, const union cm_mad *m)
{
	struct rdma_cm *cm, *listener;
	struct cm_offer o;
	int reason = cm_msg_parse_req(m, &o);

	cm = find_request(dev, ip, &o);
	if (cm) {
		rx_duplicate_req(cm);
		return;
	}
	listener = find_listener(dev, o.service_port);
	if (!reason && !listener)
		reason = CM_REJ_INVALID_SERVICE_ID;
	if (!reason && o.mtu > dev->mtu)
		reason = CM_REJ_INVALID_MTU;
	cm = reason ? NULL : cm_alloc(dev, CMS_REQ_RCVD);
	if (!cm) {
		reject_unknown(dev, ip, m, CM_ABOUT_REQ,
			       (uint16_t)(reason ? reason : CM_REJ_NO_RESOURCES));
		return;
	}
	drop_stale(dev, ip, o.qpn);
	cm->offer = o;
	cm->tid = be64_get(m->hdr.tid);
	cm->remote_id = o.id;
	cm->remote_qpn = o.qpn;
	cm->peer_ip = ip;
	cm->peer_port = o.peer_port;
	cm->port = o.service_port;
	cm->listener = listener;
	cm->fn = listener->fn;
	cm->arg = listener->arg;
	cm_link(cm);
	sr_count(cm_accepts);
	cm_event(cm, RDMA_CM_CONNECT_REQUEST, 0, m->req.private_data,
		 sizeof(m->req.private_data));
}

static void rx_rep(struct rdma_cm *cm, const union cm_mad *m)
{
	const struct cm_rep *rep = &m->rep;
	struct qp_peer peer = { .ip = cm->peer_ip, .qpn = be32_get(rep->qpn) >> 8,
		.psn = be32_get(rep->psn) >> 8, .mtu = cm->offer.mtu };

	if (cm->state == CMS_ESTABLISHED && cm->remote_id == be32_get(rep->local_id)) {
		sr_count(cm_duplicates);
		cm_send_simple(cm, CM_RTU);
		return;
	}
	if (cm->state != CMS_REQ_SENT) {
		sr_count(drop_mad);
		return;
	}
	cm->remote_id = be32_get(rep->local_id);
	cm->remote_qpn = peer.qpn;
	cm->rd_atomic = KMIN((uint32_t)rep->resources, SR_RD_ATOMIC);
	if (qp_to_rtr(cm->qp, &peer)) { /* destroyed or failed by the user */
		cm_msg_rej(&cm->last, cm->tid, cm->local_id, cm->remote_id, CM_ABOUT_REP,
			   CM_REJ_CONSUMER, NULL, 0);
		cm_msg_send(cm->dev, cm->peer_ip, &cm->last);
		cm_set_state(cm, CMS_CLOSED);
		cm_event(cm, RDMA_CM_UNREACHABLE, 0, NULL, 0);
		return;
	}
	cm_send_simple(cm, CM_RTU);
	cm_become_established(cm, rep->private_data, sizeof(rep->private_data));
}

static void rx_rtu(struct rdma_cm *cm)
{
	if (cm->state == CMS_REP_SENT)
		cm_become_established(cm, NULL, 0);
}

static void rx_mra(struct rdma_cm *cm, const union cm_mad *m)
{
	unsigned shift = KMIN((unsigned)m->mra.service >> 3, SR_CM_MRA_SERVICE);

	if (cm->state == CMS_REQ_SENT || cm->state == CMS_REP_SENT)
		cm_arm(cm, (4096ULL << shift) + cm_wait_ns(cm));
}

static void rx_rej(struct rdma_cm *cm, const union cm_mad *m)
{
	bool established = cm->state == CMS_ESTABLISHED;

	if (cm->state == CMS_REQ_RCVD) { /* the user's answer will meet it */
		cm_set_state(cm, CMS_CLOSED);
		return;
	}
	if (cm->state != CMS_REQ_SENT && cm->state != CMS_REP_SENT && !established) {
		sr_count(drop_mad);
		return;
	}
	cm_qp_error(cm);
	cm_set_state(cm, CMS_CLOSED);
	if (established)
		cm_event(cm, RDMA_CM_DISCONNECTED, 0, NULL, 0);
	else
		cm_event(cm, RDMA_CM_REJECTED, be16_get(m->rej.reason), m->rej.private_data,
			 sizeof(m->rej.private_data));
}

/* Answered also for a connection we know nothing of: the peer waits for it. */
static void rx_dreq(struct rdma_dev *dev, uint32_t ip, struct rdma_cm *cm, const union cm_mad *m)
{
	union cm_mad drep;

	if (cm && be32_get(m->dreq.remote_qpn) >> 8 != (cm->qp ? rdma_qp_num(cm->qp) : 0)) {
		sr_count(drop_mad);
		return;
	}
	cm_msg_begin(&drep, CM_DREP, be64_get(m->hdr.tid), be32_get(m->dreq.remote_id),
		     be32_get(m->dreq.local_id));
	cm_msg_send(dev, ip, &drep);
	if (!cm || (cm->state != CMS_ESTABLISHED && cm->state != CMS_REP_SENT &&
		    cm->state != CMS_DREQ_SENT))
		return;
	cm_qp_error(cm);
	cm_set_state(cm, CMS_TIMEWAIT);
	cm_event(cm, RDMA_CM_DISCONNECTED, 0, NULL, 0);
}

static void rx_drep(struct rdma_cm *cm)
{
	if (cm->state != CMS_DREQ_SENT)
		return;
	cm_set_state(cm, CMS_TIMEWAIT);
	cm_event(cm, RDMA_CM_DISCONNECTED, 0, NULL, 0);
}

static void rx_known(struct rdma_cm *cm, const union cm_mad *m, uint16_t attr)
{
	/* once the peer's id is known, every message must bear it (a REJ may come before it has
	 * one) */
	bool id_ok = attr == CM_REP || !cm->remote_id || attr == CM_REJ || attr == CM_MRA ||
		     be32_get(m->rtu.local_id) == cm->remote_id;

	if (!id_ok)
		sr_count(drop_mad);
	else if (attr == CM_REP)
		rx_rep(cm, m);
	else if (attr == CM_RTU)
		rx_rtu(cm);
	else if (attr == CM_MRA)
		rx_mra(cm, m);
	else if (attr == CM_REJ)
		rx_rej(cm, m);
	else if (attr == CM_DREP)
		rx_drep(cm);
}

void cm_rx_mad(struct rdma_dev *dev, uint32_t src_ip, const uint8_t *mad)
{
	const union cm_mad *m = (const union cm_mad *)mad;
	uint16_t attr = be16_get(m->hdr.attr_id);
	struct rdma_cm *cm;

	if (m->hdr.base_version != MAD_BASE_VERSION || m->hdr.mgmt_class != MAD_CLASS_CM ||
	    m->hdr.class_version != MAD_CM_VERSION || m->hdr.method != MAD_METHOD_SEND ||
	    attr < CM_REQ || attr > CM_DREP) {
		sr_count(drop_mad);
		return;
	}
	if (attr == CM_REQ) {
		rx_req(dev, src_ip, m);
		return;
	}
	cm = find_local(dev, be32_get(m->rtu.remote_id), src_ip);
	if (attr == CM_DREQ)
		rx_dreq(dev, src_ip, cm, m);
	else if (cm)
		rx_known(cm, m, attr);
	else if (attr == CM_REP)
		reject_unknown(dev, src_ip, m, CM_ABOUT_REP, CM_REJ_INVALID_COMM_ID);
	else
		sr_count(drop_mad);
}

void cm_neigh_resolved(struct rdma_dev *dev, uint32_t ip)
{
	struct rdma_cm *cm;

	TAILQ_FOREACH(cm, &dev->cm->all, link)
		if (cm->state == CMS_RESOLVE && cm->peer_ip == ip)
			cm_send_req(cm);
}
