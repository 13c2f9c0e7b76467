// SPDX-License-Identifier: GPL-2.0-only
/*
 * What time does to connections (patches/lwip/0007), without a look at those that wait for nothing:
 * lwIP would walk all of them every 40 ms. Here a connection is in one of these places:
 *
 *   busy     something is under way: looked at in every tick, as lwIP does
 *   due      being looked at in this tick
 *   wheel    only the clock can change it (keep-alive, TIME_WAIT, a closed FIN_WAIT_2): in the slot
 *            of the tick in which that may be
 *   nowhere  nothing but a segment or its owner can change it
 *
 * A segment, or the owner, makes it busy (stack_timer_wake); after a look it goes where it belongs.
 * One that is in the wheel for longer than a turn is looked at once a turn.
 *
 * Also here: the way out of lwIP's lists, which is one step and no walk.
 */
#include "lwip/priv/tcp_priv.h"
#include "stack/lwip_hooks.h"
#include "stack/priv.h"

#define SLOTS 4096u   /* slow ticks of 80 ms; a power of two */
#define NEVER UINT32_MAX

static struct tcp_pcb *busy, *due_active, *due_waiting, *wheel[SLOTS];
static struct tcp_pcb *current; /* given to lwIP by the last stack_timer_next() */

/* ---- lwIP's own lists ---- */

void stack_list_enter(struct tcp_pcb **list, struct tcp_pcb *p)
{
	p->link = list;
	if (p->next)
		p->next->link = &p->next;
}

void stack_list_leave(struct tcp_pcb *p)
{
	if (!p->link)
		return;
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	p->link = NULL;
}

/* ---- places ---- */

static void put(struct tcp_pcb **list, struct tcp_pcb *p)
{
	p->timer_next = *list;
	p->timer_link = list;
	if (*list)
		(*list)->timer_link = &p->timer_next;
	*list = p;
}

static void take(struct tcp_pcb *p)
{
	if (!p->timer_link)
		return;
	*p->timer_link = p->timer_next;
	if (p->timer_next)
		p->timer_next->timer_link = p->timer_link;
	p->timer_link = NULL;
}

/* Nothing of it is under way that a tick could drive on. */
static bool at_rest(const struct tcp_pcb *p)
{
	const struct stack_tcp *t = tcp_ext_arg_get(p, stack_instance()->ext_id);

	if (p->state != ESTABLISHED && p->state != CLOSE_WAIT && p->state != FIN_WAIT_2)
		return false;
	if (p->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND | TF_NAGLEMEMERR))
		return false;
	if (p->unacked || p->unsent || p->ooseq || p->refused_data || p->persist_backoff ||
	    p->rtime >= 0)
		return false;
	return !t || (!t->ticks && !t->held_ns);
}

/*
 * The slow tick before which nothing happens by itself; NEVER; 0: the next one, or a fast one. What
 * is in TIME_WAIT is never busy: lwIP's loop over connections is not for it.
 */
static uint32_t due_of(const struct tcp_pcb *p)
{
	uint32_t wait = NEVER;

	if (p->state == TIME_WAIT)
		wait = 2 * TCP_MSL / TCP_SLOW_INTERVAL;
	else if (!at_rest(p))
		return 0;
	else if (p->state == FIN_WAIT_2)
		wait = p->flags & TF_RXCLOSED ? TCP_FIN_WAIT_TIMEOUT / TCP_SLOW_INTERVAL : NEVER;
	else if (ip_get_option(p, SOF_KEEPALIVE))
		wait = (p->keep_idle + p->keep_cnt_sent * p->keep_intvl) / TCP_SLOW_INTERVAL;
	if (wait == NEVER)
		return NEVER;
	if ((int32_t)(p->tmr + wait + 1 - tcp_ticks) > 0)
		return p->tmr + wait + 1;
	return p->state == TIME_WAIT ? tcp_ticks + 1 : 0;
}

static void settle(struct tcp_pcb *p)
{
	uint32_t due = due_of(p);

	take(p);
	p->timer_busy = !due;
	p->timer_due = due;
	if (!due)
		put(&busy, p);
	else if (due != NEVER)
		put(&wheel[due % SLOTS], p);
}

void stack_timer_wake(struct tcp_pcb *p)
{
	if (p->state == LISTEN || p->state == CLOSED || p->state == TIME_WAIT || p->timer_busy)
		return; /* a listener has no such fields */
	take(p);
	p->timer_busy = true;
	put(&busy, p);
}

void stack_timer_enter(struct tcp_pcb *p)
{
	settle(p);
}

void stack_timer_leave(struct tcp_pcb *p)
{
	take(p);
	p->timer_busy = false;
	if (current == p)
		current = NULL;
}

/* ---- ticks ---- */

void stack_timer_fast(void)
{
	due_active = busy;
	if (due_active)
		due_active->timer_link = &due_active;
	busy = NULL;
}

void stack_timer_slow(void)
{
	struct tcp_pcb *p, *next;

	stack_timer_fast();
	for (p = wheel[tcp_ticks % SLOTS]; p; p = next) {
		next = p->timer_next;
		counter_add(lwip, timer_looks, 1);
		if ((int32_t)(p->timer_due - tcp_ticks) > 0)
			continue;
		take(p);
		p->timer_busy = p->state != TIME_WAIT;
		put(p->timer_busy ? &due_active : &due_waiting, p);
	}
}

/* The next to look at; the one before goes where it belongs now. */
struct tcp_pcb *stack_timer_next(int time_wait)
{
	struct tcp_pcb *p;

	if (current)
		settle(current);
	p = time_wait ? due_waiting : due_active;
	if (p) {
		counter_add(lwip, timer_looks, 1);
		take(p);
		if (!time_wait)
			put(&busy, p);
	}
	current = p;
	return p;
}
