// SPDX-License-Identifier: GPL-2.0-only
/*
 * fit/verbs.h inside one process. A work request is executed in the loop of the board it is for,
 * in order; completions and CM events are delivered in the owner's loop, as the contract says.
 * One lock guards all; no callback runs under it. Not here: path MTU, time-outs, atomics.
 */
#include "mock_verbs.h"

#include <kern/log.h>
#include <kern/loop.h>
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/spinlock.h>
#include <kern/string.h>

struct rdma_dev {
	uint32_t ip;
	struct loop *loop;
	struct rdma_cm *listener;
	bool lose_acks, hold, unplugged;
	LIST_ENTRY(rdma_dev) link;
	LIST_HEAD(, rdma_qp) qps;
	LIST_HEAD(, mock_mr) mrs;
};
struct rdma_pd {
	struct rdma_dev *dev;
};
struct mock_mr {
	struct rdma_mr mr;
	struct rdma_pd *pd;
	unsigned access;
	LIST_ENTRY(mock_mr) link;
};
struct wc_item {
	struct rdma_wc wc;
	STAILQ_ENTRY(wc_item) link;
};
struct rdma_cq {
	struct rdma_dev *dev;
	void (*notify)(struct rdma_cq *, void *);
	void *arg;
	bool armed;
	STAILQ_HEAD(, wc_item) items;
};
struct send_item {
	struct rdma_send_wr wr;
	bool executed;
	STAILQ_ENTRY(send_item) link;
};
struct recv_item {
	struct rdma_recv_wr wr;
	STAILQ_ENTRY(recv_item) link;
};
enum qp_state { QP_INIT, QP_RTS, QP_ERR };
struct rdma_qp {
	struct rdma_dev *dev;
	struct rdma_qp_config cfg;
	enum qp_state state;
	struct rdma_qp *peer;
	uint32_t num, nsend, nrecv;
	STAILQ_HEAD(, send_item) sq;
	STAILQ_HEAD(, recv_item) rq;
	LIST_ENTRY(rdma_qp) link;
};
struct rdma_cm {
	struct rdma_dev *dev;
	rdma_cm_handler fn;
	void *arg;
	struct rdma_qp *qp;
	struct rdma_cm *other; /* the other end */
	uint32_t peer_ip;
	bool destroyed, closed;
	unsigned refs;         /* lock */
};

static struct spinlock lock = SPINLOCK_INIT("mock_verbs");
static LIST_HEAD(, rdma_dev) devs = LIST_HEAD_INITIALIZER(devs);
static uint32_t next_num = 16;

static struct rdma_dev *dev_find(uint32_t ip)
{
	struct rdma_dev *d;

	LIST_FOREACH(d, &devs, link)
		if (d->ip == ip)
			return d;
	return NULL;
}

struct rdma_dev *mock_dev_create(uint32_t ip, struct loop *loop)
{
	struct rdma_dev *d = kzalloc(sizeof(*d));

	d->ip = ip;
	d->loop = loop;
	spin_lock(&lock);
	LIST_INSERT_HEAD(&devs, d, link);
	spin_unlock(&lock);
	return d;
}

void rdma_dev_destroy(struct rdma_dev *d)
{
	kassert(LIST_EMPTY(&d->qps) && LIST_EMPTY(&d->mrs) && !d->listener);
	spin_lock(&lock);
	LIST_REMOVE(d, link);
	spin_unlock(&lock);
	kfree(d);
}

struct rdma_pd *rdma_pd_create(struct rdma_dev *dev)
{
	struct rdma_pd *pd = kzalloc(sizeof(*pd));

	pd->dev = dev;
	return pd;
}

void rdma_pd_destroy(struct rdma_pd *pd)
{
	kfree(pd);
}

struct rdma_mr *rdma_mr_reg(struct rdma_pd *pd, void *addr, size_t len, unsigned access)
{
	struct mock_mr *m = kzalloc(sizeof(*m));

	m->mr = (struct rdma_mr){ .addr = (uintptr_t)addr, .len = len,
		.rkey = (uint32_t)random_u64() | 1, .lkey = 1 };
	m->pd = pd;
	m->access = access;
	spin_lock(&lock);
	LIST_INSERT_HEAD(&pd->dev->mrs, m, link);
	spin_unlock(&lock);
	return &m->mr;
}

void rdma_mr_dereg(struct rdma_mr *mr)
{
	struct mock_mr *m = container_of(mr, struct mock_mr, mr);

	spin_lock(&lock);
	LIST_REMOVE(m, link);
	spin_unlock(&lock);
	kfree(m);
}

/* ---- completions ---- */

struct event {
	struct loop_call call;
	struct rdma_cq *cq;
	struct rdma_qp *qp;
	struct rdma_cm *cm;
	struct rdma_cm_info info;
	uint8_t data[256];
};

/* Objects an event names may be gone when it runs: cqs and qps are looked up first. */
static LIST_HEAD(, cq_ref) all_cqs = LIST_HEAD_INITIALIZER(all_cqs);
struct cq_ref {
	struct rdma_cq *cq;
	LIST_ENTRY(cq_ref) link;
};

static bool cq_alive(struct rdma_cq *cq)
{
	struct cq_ref *r;

	LIST_FOREACH(r, &all_cqs, link)
		if (r->cq == cq)
			return true;
	return false;
}

static void notify_event(struct loop_call *c)
{
	struct event *e = container_of(c, struct event, call);
	bool alive;

	spin_lock(&lock);
	alive = cq_alive(e->cq);
	spin_unlock(&lock);
	if (alive)
		e->cq->notify(e->cq, e->cq->arg);
	kfree(e);
}

static void cq_add(struct rdma_cq *cq, const struct rdma_wc *wc)
{
	struct wc_item *it = kzalloc(sizeof(*it));

	it->wc = *wc;
	STAILQ_INSERT_TAIL(&cq->items, it, link);
	if (cq->armed) {
		struct event *e = kzalloc(sizeof(*e));

		cq->armed = false;
		e->call.fn = notify_event;
		e->cq = cq;
		loop_post(cq->dev->loop, &e->call);
	}
}

struct rdma_cq *rdma_cq_create(struct rdma_dev *dev, unsigned entries,
			       void (*notify)(struct rdma_cq *cq, void *arg), void *arg)
{
	struct rdma_cq *cq = kzalloc(sizeof(*cq));
	struct cq_ref *r = kzalloc(sizeof(*r));

	cq->dev = dev;
	cq->notify = notify;
	cq->arg = arg;
	cq->armed = true;
	STAILQ_INIT(&cq->items);
	r->cq = cq;
	spin_lock(&lock);
	LIST_INSERT_HEAD(&all_cqs, r, link);
	spin_unlock(&lock);
	return cq;
}

void rdma_cq_destroy(struct rdma_cq *cq)
{
	struct cq_ref *r;
	struct wc_item *it;

	spin_lock(&lock);
	LIST_FOREACH(r, &all_cqs, link)
		if (r->cq == cq)
			break;
	LIST_REMOVE(r, link);
	kfree(r);
	while ((it = STAILQ_FIRST(&cq->items))) {
		STAILQ_REMOVE_HEAD(&cq->items, link);
		kfree(it);
	}
	spin_unlock(&lock);
	kfree(cq);
}

unsigned rdma_cq_poll(struct rdma_cq *cq, struct rdma_wc *wc, unsigned max)
{
	unsigned n = 0;
	struct wc_item *it;

	kassert(loop_is_current(cq->dev->loop));
	spin_lock(&lock);
	while (n < max && (it = STAILQ_FIRST(&cq->items))) {
		STAILQ_REMOVE_HEAD(&cq->items, link);
		wc[n++] = it->wc;
		kfree(it);
	}
	if (!n)
		cq->armed = true;
	spin_unlock(&lock);
	return n;
}

/* ---- queue pairs ---- */

struct rdma_qp *rdma_qp_create(struct rdma_dev *dev, const struct rdma_qp_config *cfg)
{
	struct rdma_qp *qp = kzalloc(sizeof(*qp));

	qp->dev = dev;
	qp->cfg = *cfg;
	STAILQ_INIT(&qp->sq);
	STAILQ_INIT(&qp->rq);
	spin_lock(&lock);
	qp->num = next_num++;
	LIST_INSERT_HEAD(&dev->qps, qp, link);
	spin_unlock(&lock);
	return qp;
}

/* first: the status of the oldest send that was not executed. */
static void qp_flush_locked(struct rdma_qp *qp, enum rdma_wc_status first)
{
	struct send_item *s;
	struct recv_item *r;

	if (qp->state == QP_ERR)
		return;
	qp->state = QP_ERR;
	while ((s = STAILQ_FIRST(&qp->sq))) {
		struct rdma_wc wc = { .wr_id = s->wr.wr_id, .op = s->wr.op, .qp = qp,
			.status = s->executed ? RDMA_WC_WR_FLUSH_ERR : first };

		if (!s->executed)
			first = RDMA_WC_WR_FLUSH_ERR;
		STAILQ_REMOVE_HEAD(&qp->sq, link);
		cq_add(qp->cfg.send_cq, &wc);
		kfree(s);
	}
	while ((r = STAILQ_FIRST(&qp->rq))) {
		struct rdma_wc wc = { .wr_id = r->wr.wr_id, .op = RDMA_OP_RECV, .qp = qp,
			.status = RDMA_WC_WR_FLUSH_ERR };

		STAILQ_REMOVE_HEAD(&qp->rq, link);
		cq_add(qp->cfg.recv_cq, &wc);
		kfree(r);
	}
}

void rdma_qp_destroy(struct rdma_qp *qp)
{
	spin_lock(&lock);
	qp_flush_locked(qp, RDMA_WC_WR_FLUSH_ERR);
	if (qp->peer)
		qp->peer->peer = NULL;
	LIST_REMOVE(qp, link);
	spin_unlock(&lock);
	kfree(qp);
}

void *rdma_qp_priv(struct rdma_qp *qp)
{
	return qp->cfg.priv;
}

uint32_t rdma_qp_num(const struct rdma_qp *qp)
{
	return qp->num;
}

void rdma_qp_error(struct rdma_qp *qp)
{
	spin_lock(&lock);
	qp_flush_locked(qp, RDMA_WC_WR_FLUSH_ERR);
	spin_unlock(&lock);
}

static uint32_t wr_len(const struct rdma_send_wr *wr)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < wr->nsge; i++)
		n += wr->sge[i].len;
	return n;
}

static bool remote_ok(struct rdma_qp *to, const struct rdma_send_wr *wr, unsigned access)
{
	struct mock_mr *m;
	uint32_t len = wr_len(wr);

	if (!len)
		return true;
	LIST_FOREACH(m, &to->dev->mrs, link)
		if (m->mr.rkey == wr->rkey && m->pd == to->cfg.pd && (m->access & access) &&
		    wr->remote_addr >= m->mr.addr &&
		    wr->remote_addr + len <= m->mr.addr + m->mr.len)
			return true;
	return false;
}

static void move(const struct rdma_send_wr *wr, char *remote, bool read)
{
	for (unsigned i = 0; i < wr->nsge; i++) {
		if (read)
			memcpy(wr->sge[i].addr, remote, wr->sge[i].len);
		else
			memcpy(remote, wr->sge[i].addr, wr->sge[i].len);
		remote += wr->sge[i].len;
	}
}

static void take_recv(struct rdma_qp *to, const struct rdma_send_wr *wr)
{
	struct recv_item *r = STAILQ_FIRST(&to->rq);
	struct rdma_wc wc = { .wr_id = r->wr.wr_id, .qp = to, .byte_len = wr_len(wr),
		.op = RDMA_OP_RECV };

	STAILQ_REMOVE_HEAD(&to->rq, link);
	to->nrecv--;
	if (wr->op == RDMA_OP_SEND) {
		kassert(r->wr.nsge == 1 && r->wr.sge[0].len >= wc.byte_len);
		move(wr, r->wr.sge[0].addr, false);
	} else {
		wc.op = RDMA_OP_RECV_WRITE_IMM;
		wc.imm = wr->imm;
		wc.has_imm = true;
	}
	cq_add(to->cfg.recv_cq, &wc);
	kfree(r);
}

/* False: it waits (no receive entry), or the pair has failed. */
static bool execute_locked(struct rdma_qp *from, struct send_item *s)
{
	struct rdma_qp *to = from->peer;
	const struct rdma_send_wr *wr = &s->wr;
	bool needs_recv = wr->op == RDMA_OP_SEND || wr->op == RDMA_OP_WRITE_IMM;

	if (needs_recv && STAILQ_EMPTY(&to->rq))
		return false;
	if (wr->op != RDMA_OP_SEND &&
	    !remote_ok(to, wr, wr->op == RDMA_OP_READ ? RDMA_REMOTE_READ : RDMA_REMOTE_WRITE)) {
		qp_flush_locked(from, RDMA_WC_REM_ACCESS_ERR);
		qp_flush_locked(to, RDMA_WC_WR_FLUSH_ERR);
		return false;
	}
	if (wr->op != RDMA_OP_SEND)
		move(wr, (char *)(uintptr_t)wr->remote_addr, wr->op == RDMA_OP_READ);
	if (needs_recv)
		take_recv(to, wr);
	s->executed = true;
	return true;
}

static void qp_run_locked(struct rdma_qp *qp)
{
	struct send_item *s, *next;

	if (qp->state != QP_RTS || !qp->peer || qp->peer->state == QP_ERR || qp->dev->hold)
		return;
	for (s = STAILQ_FIRST(&qp->sq); s; s = next) {
		next = STAILQ_NEXT(s, link);
		if (s->executed)
			continue;
		if (!execute_locked(qp, s))
			return;
		if (qp->dev->lose_acks)
			continue;
		STAILQ_REMOVE(&qp->sq, s, send_item, link);
		qp->nsend--;
		if (s->wr.flags & RDMA_SEND_SIGNALED) {
			struct rdma_wc wc = { .wr_id = s->wr.wr_id, .op = s->wr.op, .qp = qp };

			cq_add(qp->cfg.send_cq, &wc);
		}
		kfree(s);
	}
}

/* Runs every queue that leads to this board. */
static void wire_event(struct loop_call *c)
{
	struct event *e = container_of(c, struct event, call);
	uint32_t num = (uint32_t)(uintptr_t)e->qp;
	struct rdma_dev *d;
	struct rdma_qp *qp;

	spin_lock(&lock);
	LIST_FOREACH(d, &devs, link)
		LIST_FOREACH(qp, &d->qps, link)
			if (qp->num == num)
				qp_run_locked(qp);
	spin_unlock(&lock);
	kfree(e);
}

static void wire_kick_locked(struct rdma_qp *qp)
{
	struct event *e;

	if (!qp->peer)
		return;
	e = kzalloc(sizeof(*e));
	e->call.fn = wire_event;
	e->qp = (struct rdma_qp *)(uintptr_t)qp->num;
	loop_post(qp->peer->dev->loop, &e->call);
}

int rdma_post_send(struct rdma_qp *qp, const struct rdma_send_wr *wr)
{
	struct send_item *s;
	int err = 0;

	kassert(wr->nsge <= RDMA_MAX_SGE);
	spin_lock(&lock);
	if (qp->state != QP_RTS)
		err = -ENOTCONN;
	else if (qp->nsend == qp->cfg.max_send_wr)
		err = -ENOMEM;
	if (!err) {
		s = kzalloc(sizeof(*s));
		s->wr = *wr;
		STAILQ_INSERT_TAIL(&qp->sq, s, link);
		qp->nsend++;
		wire_kick_locked(qp);
	}
	spin_unlock(&lock);
	return err;
}

int rdma_post_recv(struct rdma_qp *qp, const struct rdma_recv_wr *wr)
{
	struct recv_item *r;
	int err = 0;

	spin_lock(&lock);
	if (qp->state == QP_ERR)
		err = -ENOTCONN;
	else if (qp->nrecv == qp->cfg.max_recv_wr)
		err = -ENOMEM;
	if (!err) {
		r = kzalloc(sizeof(*r));
		r->wr = *wr;
		STAILQ_INSERT_TAIL(&qp->rq, r, link);
		qp->nrecv++;
		if (qp->peer && !STAILQ_EMPTY(&qp->peer->sq))
			wire_kick_locked(qp->peer);
	}
	spin_unlock(&lock);
	return err;
}

/* ---- connections ---- */

static void cm_unref_locked(struct rdma_cm *cm)
{
	if (--cm->refs)
		return;
	if (cm->other)
		cm->other->other = NULL;
	kfree(cm);
}

static void cm_deliver(struct loop_call *c)
{
	struct event *e = container_of(c, struct event, call);

	if (!e->cm->destroyed && e->cm->fn)
		e->cm->fn(e->cm, &e->info, e->cm->arg);
	spin_lock(&lock);
	cm_unref_locked(e->cm);
	spin_unlock(&lock);
	kfree(e);
}

static void cm_event_locked(struct rdma_cm *cm, enum rdma_cm_event ev, const void *data, size_t len)
{
	struct event *e = kzalloc(sizeof(*e));

	cm->refs++;
	e->call.fn = cm_deliver;
	e->cm = cm;
	memcpy(e->data, data ? data : "", len);
	e->info = (struct rdma_cm_info){ .event = ev, .peer_ip = cm->peer_ip,
		.private_data = e->data, .private_len = len };
	loop_post(cm->dev->loop, &e->call);
}

static struct rdma_cm *cm_new(struct rdma_dev *dev, rdma_cm_handler fn, void *arg)
{
	struct rdma_cm *cm = kzalloc(sizeof(*cm));

	cm->dev = dev;
	cm->fn = fn;
	cm->arg = arg;
	cm->refs = 1;
	return cm;
}

struct rdma_cm *rdma_listen(struct rdma_dev *dev, uint16_t port, rdma_cm_handler fn, void *arg,
			    int *err)
{
	dev->listener = cm_new(dev, fn, arg);
	return dev->listener;
}

/* Nobody listens any more: the connection has no owner here. */
static void refuse_locked(struct rdma_cm *cm)
{
	cm->destroyed = true;
	if (cm->other) {
		cm_event_locked(cm->other, RDMA_CM_REJECTED, NULL, 0);
		cm->other->other = NULL;
		cm->other = NULL;
	}
	cm_unref_locked(cm);
}

static void request_deliver(struct loop_call *c)
{
	struct event *e = container_of(c, struct event, call);
	struct rdma_cm *l = e->cm->dev->listener;

	if (l && !e->cm->destroyed)
		l->fn(e->cm, &e->info, l->arg);
	spin_lock(&lock);
	if (!l && !e->cm->destroyed)
		refuse_locked(e->cm);
	cm_unref_locked(e->cm);
	spin_unlock(&lock);
	kfree(e);
}

struct rdma_cm *rdma_connect(struct rdma_dev *dev, uint32_t ip, uint16_t port, struct rdma_qp *qp,
			     const void *private_data, size_t len, rdma_cm_handler fn, void *arg,
			     int *err)
{
	struct rdma_cm *cm = cm_new(dev, fn, arg), *in;
	struct rdma_dev *to;
	struct event *e;

	kassert(len <= RDMA_CM_REQ_PRIVATE);
	cm->qp = qp;
	cm->peer_ip = ip;
	spin_lock(&lock);
	to = dev_find(ip);
	if (!to || !to->listener || to->unplugged || dev->unplugged) {
		cm_event_locked(cm, RDMA_CM_UNREACHABLE, NULL, 0);
	} else {
		in = cm_new(to, NULL, NULL);
		in->peer_ip = dev->ip;
		in->other = cm;
		cm->other = in;
		in->refs++;
		e = kzalloc(sizeof(*e));
		e->call.fn = request_deliver;
		e->cm = in;
		memcpy(e->data, private_data, len);
		e->info = (struct rdma_cm_info){ .event = RDMA_CM_CONNECT_REQUEST,
			.peer_ip = dev->ip, .private_data = e->data,
			.private_len = RDMA_CM_REQ_PRIVATE };
		loop_post(to->loop, &e->call);
	}
	spin_unlock(&lock);
	return cm;
}

int rdma_accept(struct rdma_cm *cm, struct rdma_qp *qp, const void *private_data, size_t len,
		rdma_cm_handler fn, void *arg)
{
	cm->fn = fn;
	cm->arg = arg;
	cm->qp = qp;
	spin_lock(&lock);
	if (!cm->other || cm->other->destroyed || cm->other->qp->state != QP_INIT) {
		cm_event_locked(cm, RDMA_CM_UNREACHABLE, NULL, 0);
	} else {
		cm->other->qp->peer = qp;
		qp->peer = cm->other->qp;
		qp->state = cm->other->qp->state = QP_RTS;
		cm_event_locked(cm->other, RDMA_CM_ESTABLISHED, private_data, len);
		cm_event_locked(cm, RDMA_CM_ESTABLISHED, NULL, 0);
	}
	spin_unlock(&lock);
	return 0;
}

int rdma_reject(struct rdma_cm *cm, const void *private_data, size_t len)
{
	spin_lock(&lock);
	if (cm->other)
		cm_event_locked(cm->other, RDMA_CM_REJECTED, private_data, len);
	cm->closed = true;
	spin_unlock(&lock);
	return 0;
}

static void disconnect_locked(struct rdma_cm *cm)
{
	if (cm->closed || !cm->other)
		return;
	cm->closed = true;
	if (cm->other->qp && cm->other->qp->state == QP_RTS)
		qp_flush_locked(cm->other->qp, RDMA_WC_WR_FLUSH_ERR);
	cm_event_locked(cm->other, cm->qp && cm->qp->state == QP_INIT ? RDMA_CM_REJECTED :
			RDMA_CM_DISCONNECTED, NULL, 0);
}

void rdma_disconnect(struct rdma_cm *cm)
{
	spin_lock(&lock);
	disconnect_locked(cm);
	spin_unlock(&lock);
}

void rdma_cm_destroy(struct rdma_cm *cm)
{
	spin_lock(&lock);
	cm->destroyed = true;
	if (cm->dev->listener == cm)
		cm->dev->listener = NULL;
	if (cm->other) {
		cm->other->other = NULL;
		cm->other = NULL;
	}
	cm_unref_locked(cm);
	spin_unlock(&lock);
}

const char *rdma_wc_status_name(enum rdma_wc_status s)
{
	return s == RDMA_WC_SUCCESS ? "success" : s == RDMA_WC_WR_FLUSH_ERR ? "flushed" : "error";
}

/* ---- faults ---- */

void mock_break(uint32_t ip_a, uint32_t ip_b)
{
	struct rdma_dev *d;
	struct rdma_qp *qp;

	spin_lock(&lock);
	d = dev_find(ip_a);
	LIST_FOREACH(qp, &d->qps, link) {
		if (!qp->peer || qp->peer->dev->ip != ip_b)
			continue;
		qp_flush_locked(qp, RDMA_WC_RETRY_EXC_ERR);
		qp_flush_locked(qp->peer, RDMA_WC_RETRY_EXC_ERR);
	}
	spin_unlock(&lock);
}

void mock_lose_acks(uint32_t ip, bool lose)
{
	spin_lock(&lock);
	dev_find(ip)->lose_acks = lose;
	spin_unlock(&lock);
}

void mock_hold(uint32_t ip, bool hold)
{
	struct rdma_dev *d;
	struct rdma_qp *qp;

	spin_lock(&lock);
	d = dev_find(ip);
	d->hold = hold;
	LIST_FOREACH(qp, &d->qps, link)
		wire_kick_locked(qp);
	spin_unlock(&lock);
}

void mock_unplug(uint32_t ip, bool unplugged)
{
	spin_lock(&lock);
	dev_find(ip)->unplugged = unplugged;
	spin_unlock(&lock);
}
