// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections by librdmacm. The library keeps the protocol's state; here is what the user asked for
 * and has been told:
 *
 *   active    RESOLVING --address, route--> CONNECTING --response: queue pair to RTS--> ESTABLISHED
 *   passive   REQUESTED --accept: queue pair to RTS--> CONNECTING --RTU--> ESTABLISHED
 *   any       --rejected, unreachable, disconnected: told once--> ENDED
 *
 * The event thread only copies an event and posts it; events and the user's calls (bits of cm->ops)
 * are executed by the loop, so nothing here is locked. An event holds a reference, taken before the
 * library lets the id be destroyed.
 */
#define LOG_SUBSYS "ibverbs"
#include <errno.h>
#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>

#include "ibverbs.h"

enum cm_op { CMO_CONNECT = 1, CMO_ACCEPT = 2, CMO_REJECT = 4, CMO_DISCONNECT = 8,
	CMO_DESTROY = 16 };

struct rdma_cm {
	struct rdma_dev *dev;
	_Atomic uint32_t refs;      /* the user's, one for each posted call or event */
	_Atomic uint32_t ops;
	_Atomic bool answered;
	struct loop_call op_call;
	struct completion *gone;
	/* set by the user's call before its op bit, then the loop's */
	struct rdma_qp *qp;         /* referenced */
	rdma_cm_handler fn, next_fn;
	void *arg, *next_arg;
	uint8_t out_private[RDMA_CM_REP_PRIVATE];
	size_t out_len;
	/* the loop's */
	struct cma_id *id;
	bool established, dead, ended;
	uint32_t peer_ip;
	uint16_t peer_port;
};

struct cm_record {
	struct loop_call call;
	struct rdma_cm *cm;         /* referenced; of a request: the listener */
	struct rdma_cm *fresh;      /* of a request: the new connection */
	struct cma_event ev;
};

static void op_call(struct loop_call *c);

/* ---- life ---- */

static void cm_put(struct rdma_cm *cm)
{
	if (atomic_fetch_sub(&cm->refs, 1) != 1)
		return;
	if (cm->qp)
		qp_put(cm->qp);
	kfree(cm);
}

static struct rdma_cm *cm_alloc(struct rdma_dev *dev, rdma_cm_handler fn, void *arg)
{
	struct rdma_cm *cm = kzalloc(sizeof(*cm));

	if (!cm)
		return NULL;
	cm->dev = dev;
	cm->fn = fn;
	cm->arg = arg;
	cm->op_call.fn = op_call;
	atomic_store(&cm->refs, 1);
	return cm;
}

static void post_op(struct rdma_cm *cm, enum cm_op op)
{
	atomic_fetch_or(&cm->ops, op);
	atomic_fetch_add(&cm->refs, 1);
	if (!loop_post(cm->dev->cfg.loop, &cm->op_call))
		cm_put(cm);
}

static void tell(struct rdma_cm *cm, enum rdma_cm_event event, const struct cma_event *ev)
{
	struct rdma_cm_info info = { .event = event, .peer_ip = cm->peer_ip,
		.peer_port = cm->peer_port };

	if (cm->dead || cm->ended || !cm->fn)
		return;
	cm->ended = event != RDMA_CM_ESTABLISHED && event != RDMA_CM_CONNECT_REQUEST;
	if (ev) {
		info.private_data = ev->private_data;
		info.private_len = ev->private_len;
		info.reject_reason = event == RDMA_CM_REJECTED ? (uint16_t)ev->status : 0;
	}
	cm->fn(cm, &info, cm->arg);
}

static void cm_lost(struct rdma_cm *cm, enum rdma_cm_event event, const struct cma_event *ev)
{
	if (cm->qp)
		rdma_qp_error(cm->qp);
	tell(cm, event, ev);
}

static void cm_close(struct rdma_cm *cm)
{
	cm->dead = true;
	if (cm->id)
		cma_id_destroy(cm->id);
	cm->id = NULL;
}

/* ---- what the user asked for ---- */

static struct cma_param param_of(const struct rdma_cm *cm)
{
	return (struct cma_param){ .qpn = rdma_qp_num(cm->qp),
		.retry_count = cm->qp->cfg.retry_count, .rnr_retry = cm->qp->cfg.rnr_retry,
		.private_data = cm->out_private, .private_len = cm->out_len };
}

static int begin_connect(struct rdma_cm *cm)
{
	int err = cma_id_create(cm->dev->cma, cm, &cm->id);

	iv_count(connects);
	if (!err)
		err = cma_bind(cm->id, cm->dev->cfg.ip, 0);
	if (!err)
		err = cma_resolve_addr(cm->id, cm->peer_ip, cm->peer_port, IBV_RESOLVE_MS);
	return err;
}

static void do_accept(struct rdma_cm *cm)
{
	struct cma_param p = param_of(cm);
	int err = cm->ended ? -ENOTCONN : qp_connect(cm->qp, cm->id);

	cm->fn = cm->next_fn;
	cm->arg = cm->next_arg;
	if (!err)
		err = cma_accept(cm->id, &p);
	if (err) {
		log_warn("a connection cannot be accepted: error %d", err);
		cm->ended = false; /* the new handler has not been told */
		cm_lost(cm, RDMA_CM_UNREACHABLE, NULL);
	}
}

static void run_ops(struct rdma_cm *cm)
{
	uint32_t ops = atomic_exchange(&cm->ops, 0);

	if (cm->dead)
		return;
	if ((ops & CMO_CONNECT) && begin_connect(cm))
		cm_lost(cm, RDMA_CM_UNREACHABLE, NULL);
	if (ops & CMO_ACCEPT)
		do_accept(cm);
	if ((ops & CMO_REJECT) && cma_reject(cm->id, cm->out_private, cm->out_len))
		log_debug("the peer of a rejected connection is gone");
	if ((ops & CMO_DISCONNECT) && cm->id && cma_disconnect(cm->id))
		log_debug("the peer of an ended connection is gone");
	if (ops & CMO_DESTROY) {
		struct completion *gone = cm->gone;

		cm_close(cm);
		cm_put(cm);
		complete(gone);
	}
}

static void op_call(struct loop_call *c)
{
	struct rdma_cm *cm = container_of(c, struct rdma_cm, op_call);

	run_ops(cm);
	cm_put(cm);
}

/* ---- events ---- */

static void on_response(struct rdma_cm *cm, const struct cma_event *ev)
{
	int err = ev->status ? -ECONNREFUSED : qp_connect(cm->qp, cm->id);

	if (!err)
		err = cma_establish(cm->id);
	if (err) {
		cma_reject(cm->id, NULL, 0);
		cm_lost(cm, RDMA_CM_UNREACHABLE, NULL);
		return;
	}
	cm->established = true;
	qp_set_rts(cm->qp);
	tell(cm, RDMA_CM_ESTABLISHED, ev);
}

static void on_event(struct rdma_cm *cm, const struct cma_event *ev)
{
	struct cma_param p;

	switch (ev->kind) {
	case CMA_ADDR_RESOLVED:
		if (cma_resolve_route(cm->id, IBV_RESOLVE_MS))
			cm_lost(cm, RDMA_CM_UNREACHABLE, NULL);
		break;
	case CMA_ROUTE_RESOLVED:
		p = param_of(cm);
		if (cma_connect(cm->id, &p))
			cm_lost(cm, RDMA_CM_UNREACHABLE, NULL);
		break;
	case CMA_RESPONSE:
		on_response(cm, ev);
		break;
	case CMA_ESTABLISHED:
		if (!cm->qp || cm->established)
			break;
		cm->established = true;
		qp_set_rts(cm->qp);
		tell(cm, RDMA_CM_ESTABLISHED, ev);
		break;
	case CMA_REJECTED:
		cm_lost(cm, RDMA_CM_REJECTED, ev);
		break;
	case CMA_UNREACHABLE:
		cm_lost(cm, RDMA_CM_UNREACHABLE, NULL);
		break;
	case CMA_DISCONNECTED:
		cma_disconnect(cm->id); /* answers the DREQ */
		cm_lost(cm, cm->established ? RDMA_CM_DISCONNECTED : RDMA_CM_UNREACHABLE, NULL);
		break;
	default:
		break;
	}
}

/* The new connection belongs to the user from here on, if there still is one. */
static void on_request(struct rdma_cm *listener, struct rdma_cm *cm, const struct cma_event *ev)
{
	iv_count(accepts);
	if (listener->dead || cm->ended) {
		cm_close(cm);
		cm_put(cm);
		return;
	}
	cm->fn = listener->fn;
	cm->arg = listener->arg;
	tell(cm, RDMA_CM_CONNECT_REQUEST, ev);
}

static void record_call(struct loop_call *c)
{
	struct cm_record *r = container_of(c, struct cm_record, call);

	if (r->fresh)
		on_request(r->cm, r->fresh, &r->ev);
	else if (!r->cm->dead)
		on_event(r->cm, &r->ev);
	cm_put(r->cm);
	kfree(r);
}

static struct rdma_cm *fresh_connection(struct rdma_dev *dev, const struct cma_event *ev)
{
	struct rdma_cm *cm = cm_alloc(dev, NULL, NULL);

	if (!cm)
		return NULL;
	cm->id = ev->id;
	cm->peer_ip = ev->peer_ip;
	cm->peer_port = ev->peer_port;
	cma_id_set_context(ev->id, cm); /* its own events name it from here on */
	return cm;
}

void cm_event(const struct cma_event *ev, void *arg)
{
	struct rdma_dev *dev = arg;
	struct cm_record *r;

	iv_count(cm_events);
	if (!ev->context) /* the device's own id */
		return;
	r = kzalloc(sizeof(*r));
	if (!r) {
		iv_count(no_memory);
		return; /* like a lost message: time-outs end what it was about */
	}
	r->call.fn = record_call;
	r->cm = ev->context;
	r->ev = *ev;
	if (ev->kind == CMA_REQUEST) {
		r->fresh = fresh_connection(dev, ev);
		if (!r->fresh) {
			iv_count(no_memory);
			cma_reject(ev->id, NULL, 0); /* the id stays until the process ends */
			kfree(r);
			return;
		}
	}
	atomic_fetch_add(&r->cm->refs, 1);
	loop_post(dev->cfg.loop, &r->call);
}

/* ---- the user's calls ---- */

struct rdma_cm *rdma_listen(struct rdma_dev *dev, uint16_t port, rdma_cm_handler fn, void *arg,
			    int *err)
{
	struct rdma_cm *cm = cm_alloc(dev, fn, arg);

	*err = -ENOMEM;
	if (!cm)
		return NULL;
	*err = cma_id_create(dev->cma, cm, &cm->id);
	if (!*err)
		*err = cma_bind(cm->id, dev->cfg.ip, port);
	if (!*err)
		*err = cma_listen(cm->id);
	if (!*err)
		return cm;
	cm_close(cm);
	cm_put(cm);
	return NULL;
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
	cm = cm_alloc(dev, fn, arg);
	if (!cm)
		return NULL;
	qp_get(qp);
	cm->qp = qp;
	cm->peer_ip = ip;
	cm->peer_port = port;
	if (len)
		memcpy(cm->out_private, private_data, len);
	cm->out_len = len;
	*err = 0;
	post_op(cm, CMO_CONNECT);
	return cm;
}

/* The first answer counts: what the caller sets after 0 is the connection's, and then posted. */
static int answer(struct rdma_cm *cm, const void *private_data, size_t len, size_t max)
{
	if (len > max)
		return -EINVAL;
	if (atomic_exchange(&cm->answered, true))
		return -EALREADY;
	if (len)
		memcpy(cm->out_private, private_data, len);
	cm->out_len = len;
	return 0;
}

int rdma_accept(struct rdma_cm *cm, struct rdma_qp *qp, const void *private_data, size_t len,
		rdma_cm_handler fn, void *arg)
{
	int err = answer(cm, private_data, len, RDMA_CM_REP_PRIVATE);

	if (err)
		return err;
	qp_get(qp);
	cm->qp = qp;
	cm->next_fn = fn;
	cm->next_arg = arg;
	post_op(cm, CMO_ACCEPT);
	return 0;
}

int rdma_reject(struct rdma_cm *cm, const void *private_data, size_t len)
{
	int err = answer(cm, private_data, len, RDMA_CM_REJ_PRIVATE);

	if (!err)
		post_op(cm, CMO_REJECT);
	return err;
}

void rdma_disconnect(struct rdma_cm *cm)
{
	post_op(cm, CMO_DISCONNECT);
}

void rdma_cm_destroy(struct rdma_cm *cm)
{
	struct completion gone;

	if (!cm)
		return;
	if (loop_is_current(cm->dev->cfg.loop)) {
		run_ops(cm); /* what was asked for before is done before */
		cm_close(cm);
		cm_put(cm);
		return;
	}
	completion_init(&gone);
	cm->gone = &gone;
	post_op(cm, CMO_DESTROY);
	(void)completion_wait(&gone, 0);
}
