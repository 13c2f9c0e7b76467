// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP connections on lwIP's raw API, without its traps: a struct stack_tcp outlives its PCB (lwIP
 * frees PCBs in TIME_WAIT and LAST_ACK on its own; the ext-arg's destroy callback tells us), and an
 * abort or release asked for inside a callback is done when the callback returns, as lwIP demands
 * ERR_ABRT there.
 *
 * Invariant: t->pcb is NULL or a PCB that lwIP has, whose ext-arg points back to t. A PCB without
 * an ext-arg has no owner: it ends by itself.
 */
#define LOG_SUBSYS "stack"
#include <kern/log.h>
#include <kern/timer.h>

#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/icmp.h"
#include "lwip/tcp.h"
#include "stack/lwip_hooks.h"
#include "stack/priv.h"

static void on_destroy(u8_t id, void *data)
{
	struct stack_tcp *t = data;

	if (t)
		t->pcb = NULL;
}
static const struct tcp_ext_arg_callbacks ext_callbacks = { .destroy = on_destroy };

void stack_tcp_init(struct stack *s)
{
	s->ext_id = tcp_ext_arg_alloc_id();
	s->tcp_cache = kmem_cache_create("stack_tcp", sizeof(struct stack_tcp), CACHE_LINE);
}

/* ---- callbacks from lwIP ---- */

static void enter(struct stack_tcp *t)
{
	kassert(!t->in_callback);
	t->in_callback = true;
}

/* Carries out what the callback asked for. */
static err_t leave(struct stack_tcp *t)
{
	struct tcp_pcb *pcb = t->pcb;
	bool abort = t->abort_after && pcb;

	t->in_callback = false;
	if (t->free_after)
		kmem_cache_free(t->stack->tcp_cache, t);
	if (abort) {
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	return ERR_OK;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct stack_tcp *t = arg;

	if (!t)
		return ERR_OK;
	counter_add(lwip, connects, 1);
	stack_tcp_rtt_syn(pcb);
	if (!pcb->nrtx)
		stack_tcp_time_sample(t, clock_mono_ns() - t->progress_ns);
	stack_tcp_progress(t);
	stack_tcp_apply_mss(t);
	enter(t);
	t->ops->connected(t, t->arg);
	return leave(t);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	struct stack_tcp *t = arg;

	if (!t)
		return ERR_OK;
	stack_tcp_progress(t);
	stack_tcp_time_acked(t);
	enter(t);
	t->ops->sent(t, t->arg, len);
	return leave(t);
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct stack_tcp *t = arg;

	if (!t) {
		if (p)
			pbuf_free(p);
		return ERR_OK;
	}
	/* Joined segments are acknowledged at once, as two that came alone (RFC 9293 3.8.6.3). */
	if (p && p->tot_len > pcb->mss)
		tcp_ack_now(pcb);
	enter(t);
	if (!p)
		t->ops->recv(t, t->arg, NULL);
	while (p) {
		struct pbuf *rest = p->next;
		if (rest)
			pbuf_ref(rest); /* p's reference to it ends with the chain */
		pbuf_dechain(p);
		if (!p->len || t->free_after) {
			pbuf_free(p);
		} else {
			counter_add(lwip, tcp_rx_bytes, p->len);
			t->ops->recv(t, t->arg, (struct stack_buf *)p);
		}
		p = rest;
	}
	return leave(t);
}

err_t stack_tcp_admit(const struct tcp_pcb *pcb, const struct pbuf *p)
{
	const struct stack_tcp *t;

	if (!p->tot_len || pcb->state == LISTEN)
		return ERR_OK;
	t = pcb->ext_args[stack_instance()->ext_id].data;
	if (!t || !t->ops->may_recv || t->ops->may_recv(t->arg, p->tot_len))
		return ERR_OK;
	counter_add(lwip, rx_refused, 1);
	return ERR_MEM;
}

static void disown(struct stack_tcp *t)
{
	struct tcp_pcb *pcb = t->pcb;

	t->pcb = NULL;
	tcp_arg(pcb, NULL);
	tcp_ext_arg_set(pcb, t->stack->ext_id, NULL);
}

static void on_error(void *arg, err_t err)
{
	struct stack_tcp *t = arg;

	if (!t)
		return;
	if (t->pcb)
		disown(t); /* lwIP frees it just after; else it was freed just before */
	int late = t->soft_error ? t->soft_error : ETIMEDOUT;
	int e = err == ERR_CLSD ? 0 : err == ERR_RST ? ECONNRESET : late;
	enter(t);
	t->ops->error(t, t->arg, e);
	(void)leave(t);
}

static void adopt(struct stack_tcp *t, struct tcp_pcb *pcb)
{
	t->pcb = pcb;
	tcp_arg(pcb, t);
	tcp_ext_arg_set_callbacks(pcb, t->stack->ext_id, &ext_callbacks);
	tcp_ext_arg_set(pcb, t->stack->ext_id, t);
	if (pcb->state == LISTEN)
		return;
	tcp_recv(pcb, on_recv);
	tcp_sent(pcb, on_sent);
	tcp_poll(pcb, stack_tcp_poll, 1);
	tcp_err(pcb, on_error);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct stack_tcp *l = arg;

	if (!pcb || err != ERR_OK || !l)
		return ERR_VAL;
	struct stack_tcp *t = kmem_cache_alloc(l->stack->tcp_cache);
	if (!t)
		return ERR_MEM;
	t->stack = l->stack;
	if (pcb->listener && pcb->listener->half_open)
		stack_half_open_add(pcb->listener, -1);
	adopt(t, pcb);
	tcp_backlog_delayed(pcb);
	enter(l);
	int e = l->ops->accept(l, l->arg, t);
	(void)leave(l);
	if (!e) {
		counter_add(lwip, accepts, 1);
		return ERR_OK;
	}
	disown(t);
	kmem_cache_free(t->stack->tcp_cache, t);
	tcp_abort(pcb);
	return ERR_ABRT;
}

err_t stack_tcp_tick(struct stack_tcp *t)
{
	enter(t);
	t->ticks = t->ops->tick(t, t->arg);
	return leave(t);
}

/* ---- ICMP errors ---- */

/* icmp_err_convert of Linux; 0: none of them. */
static int icmp_errno(const struct stack_icmp *e)
{
	static const uint8_t unreachable[] = { ENETUNREACH, EHOSTUNREACH, ENOPROTOOPT, ECONNREFUSED,
		EMSGSIZE, EOPNOTSUPP, ENETUNREACH, EHOSTDOWN, ENONET, ENETUNREACH, EHOSTUNREACH,
		ENETUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH };

	if (e->type == ICMP_DUR)
		return e->code < ARRAY_SIZE(unreachable) ? unreachable[e->code] : 0;
	return e->type == ICMP_TE ? EHOSTUNREACH : EPROTO;
}

static struct tcp_pcb *find_active(const struct stack_icmp *e, uint32_t local, uint16_t port)
{
	return stack_tcp_find_named(local, port, e->dst_ip, e->dst_port);
}

bool stack_listener_full(struct tcp_pcb_listen *l)
{
	struct stack_tcp *t = l->ext_args[stack_instance()->ext_id].data;

	return !t || (t->ops->full && t->ops->full(t->arg));
}

/*
 * RFC 5927: only about what is in flight. A connection in the making ends with it; one that stands
 * keeps it as the reason of a time-out (RFC 1122 4.2.3.9).
 */
void stack_tcp_icmp(const struct stack_icmp *e, uint32_t local, uint16_t port, uint32_t seq)
{
	struct stack_tcp *t;
	struct tcp_pcb *pcb = find_active(e, local, port);
	int err = icmp_errno(e);

	t = pcb ? tcp_ext_arg_get(pcb, stack_instance()->ext_id) : NULL;
	if (!t || !err || err == EMSGSIZE || TCP_SEQ_LT(seq, pcb->lastack) ||
	    TCP_SEQ_GT(seq, pcb->snd_nxt)) {
		counter_add(lwip, icmp_unmatched, 1);
		return;
	}
	t->soft_error = err;
	if (pcb->state == SYN_SENT)
		tcp_abandon(pcb, 0);
}

/* ---- for the owner ---- */

struct stack_tcp *stack_tcp_open(struct stack *s, const struct stack_tcp_ops *ops, void *arg)
{
	stack_assert_context();
	struct stack_tcp *t = kmem_cache_alloc(s->tcp_cache);
	struct tcp_pcb *pcb = t ? tcp_new_ip_type(IPADDR_TYPE_V4) : NULL;

	if (!pcb) {
		if (t)
			kmem_cache_free(s->tcp_cache, t);
		return NULL;
	}
	t->stack = s;
	stack_tcp_set_owner(t, ops, arg);
	ip_set_option(pcb, SOF_REUSEADDR);
	adopt(t, pcb);
	return t;
}

void stack_tcp_set_owner(struct stack_tcp *t, const struct stack_tcp_ops *ops, void *arg)
{
	t->ops = ops;
	t->arg = arg;
	t->ticks = ops->tick != NULL;
}

int stack_tcp_bind(struct stack_tcp *t, uint32_t ip, uint16_t port)
{
	ip_addr_t a;

	stack_assert_context();
	ip_addr_set_ip4_u32(&a, lwip_htonl(ip));
	return t->pcb ? stack_errno(tcp_bind(t->pcb, &a, port)) : -EINVAL;
}

void stack_tcp_set_reuse(struct stack_tcp *t, bool on)
{
	stack_assert_context();
	if (!t->pcb || t->pcb->state == TIME_WAIT) /* counted there by what it had */
		return;
	if (on)
		ip_set_option(t->pcb, SOF_OWNER_REUSES);
	else
		ip_reset_option(t->pcb, SOF_OWNER_REUSES);
}

int stack_tcp_listen(struct stack_tcp *t, unsigned backlog)
{
	err_t err;
	u16_t n = (u16_t)(backlog < 1 ? 1 : KMIN(backlog, (unsigned)STACK_BACKLOG_MAX));

	stack_assert_context();
	struct tcp_pcb *pcb = t->pcb;
	if (!pcb)
		return -EINVAL;
	if (pcb->state == LISTEN) {
		tcp_backlog_set((struct tcp_pcb_listen *)pcb, n);
		return 0;
	}
	if (pcb->state != CLOSED)
		return -EINVAL;
	disown(t);
	struct tcp_pcb *l = tcp_listen_with_backlog_and_err(pcb, n, &err);
	if (!l) {
		adopt(t, pcb);
		return stack_errno(err);
	}
	adopt(t, l);
	tcp_accept(l, on_accept);
	return 0;
}

void stack_tcp_backlog_done(struct stack_tcp *t)
{
	if (t->pcb)
		tcp_backlog_accepted(t->pcb);
}

int stack_tcp_connect(struct stack_tcp *t, uint32_t ip, uint16_t port)
{
	ip_addr_t a;

	stack_assert_context();
	if (!t->pcb || t->pcb->state != CLOSED)
		return -EISCONN;
	ip_addr_set_ip4_u32(&a, lwip_htonl(ip));
	stack_tcp_progress(t);
	return stack_errno(tcp_connect(t->pcb, &a, port, on_connected));
}

int stack_tcp_write(struct stack_tcp *t, const void *data, uint32_t len, bool more)
{
	stack_assert_context();
	kassert(len && len <= 0xffff);
	if (!t->pcb)
		return -EPIPE;
	if (!t->pcb->unacked && !t->pcb->unsent)
		stack_tcp_progress(t); /* from now on something is waited for */
	stack_timer_wake(t->pcb);
	err_t err = tcp_write(t->pcb, data, (u16_t)len, more ? TCP_WRITE_FLAG_MORE : 0);
	if (err == ERR_OK) {
		counter_add(lwip, tcp_tx_bytes, len);
		t->more = more;
	}
	return stack_errno(err);
}

uint32_t stack_tcp_room(const struct stack_tcp *t)
{
	if (!t->pcb || tcp_sndqueuelen(t->pcb) >= TCP_SND_QUEUELEN)
		return 0;
	return tcp_sndbuf(t->pcb);
}

void stack_tcp_output(struct stack_tcp *t)
{
	stack_assert_context();
	if (!t->pcb)
		return;
	stack_timer_wake(t->pcb);
	tcp_output(t->pcb); /* an error leaves the segment queued: timers and tcp_txnow() */
}

void stack_tcp_recved(struct stack_tcp *t, uint32_t bytes)
{
	stack_assert_context();
	if (t->pcb)
		stack_timer_wake(t->pcb);
	while (t->pcb && bytes) {
		u16_t n = (u16_t)KMIN(bytes, 0xffffu);
		tcp_recved(t->pcb, n);
		bytes -= n;
	}
}

int stack_tcp_shutdown(struct stack_tcp *t)
{
	stack_assert_context();
	if (!t->pcb)
		return -ENOTCONN;
	stack_timer_wake(t->pcb);
	return stack_errno(tcp_shutdown(t->pcb, 0, 1));
}

/*
 * What is half open at a listener that ends leads nowhere, and would hold its port: after a flood
 * of SYNs no server could begin again.
 */
static void drop_half_open(struct tcp_pcb_listen *l)
{
	struct tcp_pcb *p, *next;

	for (p = l->half_open ? tcp_active_pcbs : NULL; p; p = next) {
		next = p->next;
		if (p->state == SYN_RCVD && p->listener == l)
			tcp_abandon(p, 0);
	}
	stack_half_open_add(l, -l->half_open);
}

static void end(struct stack_tcp *t, bool abort)
{
	stack_assert_context();
	struct tcp_pcb *pcb = t->pcb;

	kassert(!t->in_callback || !pcb || pcb->state != LISTEN);
	if (abort && t->in_callback) {
		if (pcb)
			disown(t);
		t->pcb = pcb; /* for leave() */
		t->abort_after = true;
		t->free_after = true;
		return;
	}
	if (pcb) {
		disown(t);
		stack_timer_wake(pcb);
		if (pcb->state == LISTEN)
			drop_half_open((struct tcp_pcb_listen *)pcb);
		if (abort && pcb->state != LISTEN)
			tcp_abort(pcb);
		else
			(void)tcp_close(pcb); /* queues the FIN itself when memory is short */
	}
	if (t->in_callback)
		t->free_after = true;
	else
		kmem_cache_free(t->stack->tcp_cache, t);
}

void stack_tcp_release(struct stack_tcp *t)
{
	end(t, false);
}

void stack_tcp_abort(struct stack_tcp *t)
{
	counter_add(lwip, aborts, 1);
	end(t, true);
}

bool stack_tcp_alive(const struct stack_tcp *t)
{
	return t->pcb != NULL;
}

uint32_t stack_tcp_window_max(const struct stack_tcp *t)
{
	return t->pcb && t->pcb->state != LISTEN ? TCP_WND_MAX(t->pcb) : TCP_WND;
}

void stack_tcp_name(const struct stack_tcp *t, struct stack_tcp_name *out)
{
	const struct tcp_pcb *pcb = t->pcb;

	*out = (struct stack_tcp_name){ 0 };
	if (!pcb)
		return;
	out->local_ip = lwip_ntohl(pcb->local_ip.addr);
	out->local_port = pcb->local_port;
	if (pcb->state == LISTEN)
		return;
	out->remote_ip = lwip_ntohl(pcb->remote_ip.addr);
	out->remote_port = pcb->remote_port;
	out->mss = pcb->mss;
}

/* ---- received bytes ---- */

void *stack_buf_data(const struct stack_buf *b)
{
	return ((const struct pbuf *)b)->payload;
}

uint32_t stack_buf_len(const struct stack_buf *b)
{
	return ((const struct pbuf *)b)->len;
}

void stack_buf_get(struct stack_buf *b)
{
	stack_assert_context();
	pbuf_ref((struct pbuf *)b);
}

void stack_buf_put(struct stack_buf *b)
{
	stack_assert_context();
	pbuf_free((struct pbuf *)b);
}

/* The link is the pbuf's own, which lwIP follows when it frees: popped buffers have none. */
void stack_bufq_push(struct stack_bufq *q, struct stack_buf *b)
{
	if (q->head)
		((struct pbuf *)q->tail)->next = (struct pbuf *)b;
	else
		q->head = b;
	q->tail = b;
}

struct stack_buf *stack_bufq_pop(struct stack_bufq *q)
{
	struct pbuf *p = (struct pbuf *)q->head;

	if (p) {
		q->head = (struct stack_buf *)p->next;
		p->next = NULL;
	}
	return (struct stack_buf *)p;
}

uint32_t stack_bufq_bytes(const struct stack_bufq *q, unsigned n)
{
	uint32_t bytes = 0;

	for (const struct pbuf *p = (struct pbuf *)q->head; p && n; p = p->next, n--)
		bytes += p->len;
	return bytes;
}
