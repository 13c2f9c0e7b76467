/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Communication manager: connects queue pairs by REQ, REP and RTU, ends connections by DREQ and
 * DREP (IBTA 12.9). All state is the loop's: calls of the user from other threads (cm_user.c) are
 * posted as bits of cm->ops, timers post a call, so there is no lock here.
 *
 * Every message that may be lost is kept in cm->last and sent again on a timer; a duplicate of the
 * peer's is answered again, until TIMEWAIT is over. Each handle sees at most one terminal event.
 * Left out: SIDR, alternate paths, LAP, peer-to-peer connects, IPv6.
 */
#include "cm.h"

static const char *const cm_state_names[] = { "listen", "resolve", "req_sent", "req_rcvd",
	"rep_sent", "established", "dreq_sent", "timewait", "closed" };

static void cm_op_call(struct loop_call *c);
static void cm_timer_call(struct loop_call *c);

/* ---- life ---- */

static void cm_put(struct rdma_cm *cm)
{
	if (atomic_fetch_sub(&cm->refs, 1) != 1)
		return;
	if (cm->qp)
		qp_put(cm->qp);
	atomic_fetch_sub(&cm->dev->cm->count, 1);
	kfree(cm);
}

static void cm_post(struct rdma_cm *cm, struct loop_call *call)
{
	atomic_fetch_add(&cm->refs, 1);
	if (!loop_post(cm->dev->cfg.loop, call))
		cm_put(cm);
}

void cm_post_op(struct rdma_cm *cm, enum cm_op op)
{
	atomic_fetch_or(&cm->ops, op);
	cm_post(cm, &cm->op_call);
}

static void cm_timer_fn(void *arg)
{
	struct rdma_cm *cm = arg;

	cm_post(cm, &cm->timer_call);
}

struct rdma_cm *cm_alloc(struct rdma_dev *dev, enum cm_state state)
{
	struct rdma_cm *cm;

	if (atomic_fetch_add(&dev->cm->count, 1) >= SR_CM_MAX)
		goto out_count;
	cm = kzalloc(sizeof(*cm));
	if (!cm)
		goto out_count;
	cm->dev = dev;
	cm->state = state;
	cm->op_call.fn = cm_op_call;
	cm->timer_call.fn = cm_timer_call;
	timer_init(&cm->timer, cm_timer_fn, cm);
	atomic_store(&cm->refs, 1);
	cm->tid = random_u64();
	do
		cm->local_id = (uint32_t)random_u64();
	while (!cm->local_id);
	return cm;
out_count:
	atomic_fetch_sub(&dev->cm->count, 1);
	return NULL;
}

void cm_link(struct rdma_cm *cm)
{
	TAILQ_INSERT_TAIL(&cm->dev->cm->all, cm, link);
	cm->linked = true;
}

static void cm_unlink(struct rdma_cm *cm)
{
	if (!cm->linked)
		return;
	cm->linked = false;
	TAILQ_REMOVE(&cm->dev->cm->all, cm, link);
	timer_cancel_sync(&cm->timer);
	if (cm->qp)
		qp_set_cm(cm->qp, NULL);
	cm_put(cm);
}

void cm_arm(struct rdma_cm *cm, uint64_t ns)
{
	cm->deadline_ns = clock_mono_ns() + ns;
	timer_arm(&cm->timer, cm->deadline_ns);
}

/* What is kept only as long as somebody needs it goes. */
void cm_set_state(struct rdma_cm *cm, enum cm_state state)
{
	log_debug("cm %08x: %s -> %s", cm->local_id, cm_state_names[cm->state],
		  cm_state_names[state]);
	cm->state = state;
	cm->retries = 0;
	cm->deadline_ns = 0;
	if (state == CMS_TIMEWAIT)
		cm_arm(cm, SR_CM_TIMEWAIT_NS);
	if (state == CMS_CLOSED && cm->dead)
		cm_unlink(cm);
}

void cm_event(struct rdma_cm *cm, enum rdma_cm_event event, uint16_t reason,
		     const uint8_t *private_data, size_t len)
{
	struct rdma_cm_info info = { .event = event, .peer_ip = cm->peer_ip,
		.peer_port = cm->peer_port, .reject_reason = reason,
		.private_data = private_data, .private_len = len };
	bool terminal = event == RDMA_CM_REJECTED || event == RDMA_CM_UNREACHABLE ||
			event == RDMA_CM_DISCONNECTED;

	if (cm->dead || !cm->fn || cm->terminal)
		return;
	cm->terminal = terminal;
	cm->fn(cm, &info, cm->arg);
}

void cm_qp_error(struct rdma_cm *cm)
{
	if (cm->qp)
		rdma_qp_error(cm->qp);
}

uint64_t cm_wait_ns(const struct rdma_cm *cm)
{
	return (4096ULL << SR_CM_RESPONSE) << KMIN(cm->retries, 3u);
}

/* Sends cm->last, which will be sent again until the state changes. */
static void cm_send_last(struct rdma_cm *cm)
{
	cm_msg_send(cm->dev, cm->peer_ip, &cm->last);
	cm_arm(cm, cm_wait_ns(cm));
}

void cm_send_simple(struct rdma_cm *cm, enum cm_attr attr)
{
	union cm_mad m;

	cm_msg_begin(&m, attr, cm->tid, cm->local_id, cm->remote_id);
	cm_msg_send(cm->dev, cm->peer_ip, &m);
}

/* ---- what the user asked for, in the loop ---- */

void cm_send_req(struct rdma_cm *cm)
{
	cm_msg_req(&cm->last, cm->tid, &cm->offer, cm_msg_guid(cm->dev), cm->out_private,
		   cm->out_len);
	cm_set_state(cm, CMS_REQ_SENT);
	cm_send_last(cm);
}

static void do_connect(struct rdma_cm *cm)
{
	int err;

	cm_link(cm);
	sr_count(cm_connects);
	err = neigh_resolve(cm->dev, cm->peer_ip, false);
	if (!err) {
		cm_send_req(cm);
	} else if (err == -EAGAIN) {
		cm_arm(cm, SR_ARP_RETRY_NS);
	} else {
		cm_set_state(cm, CMS_CLOSED);
		cm_event(cm, RDMA_CM_UNREACHABLE, 0, NULL, 0);
	}
}

static void cm_refuse(struct rdma_cm *cm, uint16_t reason)
{
	cm_msg_rej(&cm->last, cm->tid, cm->local_id, cm->remote_id, CM_ABOUT_REQ, reason,
		   cm->out_private, KMIN(cm->out_len, (size_t)RDMA_CM_REJ_PRIVATE));
	cm_msg_send(cm->dev, cm->peer_ip, &cm->last);
	cm_set_state(cm, CMS_TIMEWAIT);
}

static void do_accept(struct rdma_cm *cm)
{
	const struct cm_offer *o = &cm->offer;
	struct qp_peer peer = { cm->peer_ip, o->qpn, o->psn, o->mtu };
	struct cm_rep *rep = &cm->last.rep;

	cm->fn = cm->next_fn;
	cm->arg = cm->next_arg;
	cm->listener = NULL;
	if (cm->state != CMS_REQ_RCVD) { /* the peer gave up meanwhile */
		cm_event(cm, RDMA_CM_UNREACHABLE, 0, NULL, 0);
		return;
	}
	if (qp_to_rtr(cm->qp, &peer)) {
		cm->out_len = 0;
		cm_refuse(cm, CM_REJ_NO_RESOURCES);
		cm_event(cm, RDMA_CM_UNREACHABLE, 0, NULL, 0);
		return;
	}
	qp_set_cm(cm->qp, cm);
	cm->rd_atomic = KMIN((uint32_t)o->resources, SR_RD_ATOMIC);
	cm_msg_begin(&cm->last, CM_REP, cm->tid, cm->local_id, cm->remote_id);
	rep->qpn = be32(rdma_qp_num(cm->qp) << 8);
	rep->psn = be32(cm->qp->resp.epsn << 8);
	rep->resources = (uint8_t)KMIN((uint32_t)o->depth, SR_RD_ATOMIC);
	rep->depth = (uint8_t)cm->rd_atomic;
	rep->rnr_srq = 7 << 5;
	rep->ca_guid = be64(cm_msg_guid(cm->dev));
	memcpy(rep->private_data, cm->out_private, cm->out_len);
	cm_set_state(cm, CMS_REP_SENT);
	cm_send_last(cm);
}

static void do_reject(struct rdma_cm *cm)
{
	cm->fn = NULL;
	cm->listener = NULL;
	if (cm->state == CMS_REQ_RCVD)
		cm_refuse(cm, CM_REJ_CONSUMER);
}

static void do_disconnect(struct rdma_cm *cm)
{
	if (cm->state != CMS_ESTABLISHED && cm->state != CMS_REP_SENT)
		return;
	cm_qp_error(cm);
	cm_msg_begin(&cm->last, CM_DREQ, cm->tid, cm->local_id, cm->remote_id);
	cm->last.dreq.remote_qpn = be32(cm->remote_qpn << 8);
	cm_set_state(cm, CMS_DREQ_SENT);
	cm_send_last(cm);
}

static void orphan_children(struct rdma_cm *listener)
{
	struct rdma_cm *cm;

	TAILQ_FOREACH(cm, &listener->dev->cm->all, link)
		if (cm->listener == listener) {
			cm->listener = NULL;
			cm->fn = NULL;
		}
}

static void do_destroy(struct rdma_cm *cm)
{
	cm->dead = true;
	switch (cm->state) {
	case CMS_LISTEN:
		orphan_children(cm);
		cm_unlink(cm);
		break;
	case CMS_REQ_RCVD:
		cm->out_len = 0;
		cm_refuse(cm, CM_REJ_CONSUMER);
		break;
	case CMS_REP_SENT:
	case CMS_ESTABLISHED:
		do_disconnect(cm);
		break;
	case CMS_RESOLVE:
	case CMS_REQ_SENT:
		/* its REP, if it comes, is for nobody and is rejected */
		cm_qp_error(cm);
		cm_set_state(cm, CMS_CLOSED);
		break;
	case CMS_CLOSED:
		cm_unlink(cm);
		break;
	default:
		break;
	}
}

void cm_become_established(struct rdma_cm *cm, const uint8_t *private_data, size_t len)
{
	if (qp_to_rts(cm->qp, cm->rd_atomic)) {
		do_disconnect(cm);
		return;
	}
	cm_set_state(cm, CMS_ESTABLISHED);
	timer_cancel(&cm->timer);
	cm_event(cm, RDMA_CM_ESTABLISHED, 0, private_data, len);
}

static void cm_run_ops(struct rdma_cm *cm)
{
	uint32_t ops = atomic_exchange(&cm->ops, 0);

	if (ops & CMO_LISTEN)
		cm_link(cm);
	if (ops & CMO_CONNECT)
		do_connect(cm);
	if (ops & CMO_ACCEPT)
		do_accept(cm);
	if (ops & CMO_REJECT)
		do_reject(cm);
	if ((ops & CMO_ESTABLISHED) && cm->state == CMS_REP_SENT)
		cm_become_established(cm, NULL, 0);
	if (ops & CMO_DISCONNECT)
		do_disconnect(cm);
	if (ops & CMO_DESTROY) {
		struct completion *gone = cm->gone;

		do_destroy(cm);
		complete(gone);
	}
}

void cm_destroy_here(struct rdma_cm *cm)
{
	atomic_fetch_add(&cm->refs, 1);
	cm_run_ops(cm); /* what was asked for before is done before */
	do_destroy(cm);
	cm_put(cm);
}

static void cm_op_call(struct loop_call *c)
{
	struct rdma_cm *cm = container_of(c, struct rdma_cm, op_call);

	cm_run_ops(cm);
	cm_put(cm);
}

/* ---- time ---- */

static void cm_expired(struct rdma_cm *cm)
{
	bool again = ++cm->retries <= SR_CM_RETRIES;

	switch (cm->state) {
	case CMS_RESOLVE:
		if (cm->retries <= SR_ARP_RETRIES) {
			neigh_resolve(cm->dev, cm->peer_ip, true);
			cm_arm(cm, SR_ARP_RETRY_NS);
			return;
		}
		break;
	case CMS_REQ_SENT:
	case CMS_REP_SENT:
	case CMS_DREQ_SENT:
		if (again) {
			neigh_resolve(cm->dev, cm->peer_ip, true);
			cm_send_last(cm);
			return;
		}
		break;
	case CMS_TIMEWAIT:
		cm_set_state(cm, CMS_CLOSED);
		return;
	default:
		return;
	}
	if (cm->state == CMS_DREQ_SENT) {
		cm_set_state(cm, CMS_TIMEWAIT);
		cm_event(cm, RDMA_CM_DISCONNECTED, 0, NULL, 0);
		return;
	}
	cm_qp_error(cm);
	cm_set_state(cm, CMS_CLOSED);
	cm_event(cm, RDMA_CM_UNREACHABLE, 0, NULL, 0);
}

static void cm_timer_call(struct loop_call *c)
{
	struct rdma_cm *cm = container_of(c, struct rdma_cm, timer_call);

	/* a timer that was armed anew after it fired is early here */
	if (cm->linked && cm->deadline_ns && clock_mono_ns() >= cm->deadline_ns)
		cm_expired(cm);
	cm_put(cm);
}

void cm_established(struct rdma_cm *cm)
{
	cm_post_op(cm, CMO_ESTABLISHED);
}

/* ---- the device's ---- */

int cm_init(struct rdma_dev *dev)
{
	dev->cm = kzalloc(sizeof(*dev->cm));
	if (!dev->cm)
		return -ENOMEM;
	TAILQ_INIT(&dev->cm->all);
	atomic_store(&dev->cm->next_port, (uint32_t)random_u64());
	return 0;
}

void cm_destroy_all(struct rdma_dev *dev)
{
	struct rdma_cm *cm;

	while ((cm = TAILQ_FIRST(&dev->cm->all))) {
		cm->dead = true;
		cm_unlink(cm);
	}
}
