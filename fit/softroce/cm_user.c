/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The communication manager's calls of fit/verbs.h: any thread. What is asked for is written into
 * the connection, then posted to the loop as a bit of cm->ops (cm.c); of accept and reject the
 * first one counts.
 */
#include "cm.h"

struct rdma_cm *rdma_listen(struct rdma_dev *dev, uint16_t port, rdma_cm_handler fn, void *arg,
			    int *err)
{
	struct rdma_cm *cm = cm_alloc(dev, CMS_LISTEN);

	*err = cm ? 0 : -ENOMEM;
	if (!cm)
		return NULL;
	cm->port = port;
	cm->fn = fn;
	cm->arg = arg;
	cm_post_op(cm, CMO_LISTEN);
	return cm;
}

struct rdma_cm *rdma_connect(struct rdma_dev *dev, uint32_t ip, uint16_t port, struct rdma_qp *qp,
			     const void *private_data, size_t len, rdma_cm_handler fn, void *arg,
			     int *err)
{
	struct rdma_cm *cm;

	*err = -EINVAL;
	if (len > RDMA_CM_REQ_PRIVATE)
		return NULL;
	*err = -ENOMEM;
	cm = cm_alloc(dev, CMS_RESOLVE);
	if (!cm)
		return NULL;
	qp_get(qp);
	cm->qp = qp;
	cm->fn = fn;
	cm->arg = arg;
	cm->peer_ip = ip;
	cm->port = cm->peer_port = port;
	if (len)
		memcpy(cm->out_private, private_data, len);
	cm->out_len = len;
	cm->offer = (struct cm_offer){ .id = cm->local_id, .qpn = rdma_qp_num(qp),
		.psn = qp->resp.epsn, .mtu = dev->mtu, .resources = SR_RD_ATOMIC,
		.depth = SR_RD_ATOMIC, .service_port = port, .src_ip = dev->cfg.ip, .dst_ip = ip,
		.ack_timeout_us = qp->cfg.ack_timeout_us,
		.peer_port = (uint16_t)(49152 + atomic_fetch_add(&dev->cm->next_port, 1) % 16384) };
	*err = 0;
	cm_post_op(cm, CMO_CONNECT);
	return cm;
}

int rdma_accept(struct rdma_cm *cm, struct rdma_qp *qp, const void *private_data, size_t len,
		rdma_cm_handler fn, void *arg)
{
	if (len > RDMA_CM_REP_PRIVATE)
		return -EINVAL;
	if (atomic_exchange(&cm->answered, true))
		return -EALREADY;
	qp_get(qp);
	cm->qp = qp;
	cm->next_fn = fn;
	cm->next_arg = arg;
	if (len)
		memcpy(cm->out_private, private_data, len);
	cm->out_len = len;
	cm_post_op(cm, CMO_ACCEPT);
	return 0;
}

int rdma_reject(struct rdma_cm *cm, const void *private_data, size_t len)
{
	if (len > RDMA_CM_REJ_PRIVATE)
		return -EINVAL;
	if (atomic_exchange(&cm->answered, true))
		return -EALREADY;
	if (len)
		memcpy(cm->out_private, private_data, len);
	cm->out_len = len;
	cm_post_op(cm, CMO_REJECT);
	return 0;
}

void rdma_disconnect(struct rdma_cm *cm)
{
	cm_post_op(cm, CMO_DISCONNECT);
}

void rdma_cm_destroy(struct rdma_cm *cm)
{
	struct completion gone;

	if (!cm)
		return;
	if (loop_is_current(cm->dev->cfg.loop)) {
		cm_destroy_here(cm);
		return;
	}
	completion_init(&gone);
	cm->gone = &gone;
	cm_post_op(cm, CMO_DESTROY);
	(void)completion_wait(&gone, 0);
}
