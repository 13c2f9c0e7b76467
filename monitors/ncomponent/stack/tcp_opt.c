// SPDX-License-Identifier: GPL-2.0-only
/*
 * What setsockopt() changes in a connection, and what time does to it: a piece of a segment that is
 * held back because more follows goes after HOLD_NS, as on Linux; a connection whose peer
 * acknowledges nothing ends after TCP_USER_TIMEOUT. lwIP calls us every 80 ms for this. Round trips
 * are timed.
 */
#define LOG_SUBSYS "stack"
#include <asm-generic/socket.h>
#include <kern/log.h>
#include <kern/timer.h>
#include <linux/in.h>
#include <linux/tcp.h>

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "stack/priv.h"

#define HOLD_NS (200 * NSEC_PER_MSEC)

void stack_tcp_progress(struct stack_tcp *t)
{
	t->progress_ns = clock_mono_ns();
}

/* The segments that we send; the peer's are its own affair. */
void stack_tcp_apply_mss(struct stack_tcp *t)
{
	if (t->pcb && t->maxseg && t->pcb->state != LISTEN && t->pcb->mss > t->maxseg)
		t->pcb->mss = t->maxseg;
}

/* ---- more follows ---- */

bool stack_tcp_holds(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	struct stack_tcp *t = tcp_ext_arg_get(pcb, stack_instance()->ext_id);
	uint64_t now;

	if (!t || !t->more || seg->next || seg->len >= pcb->mss || !seg->len ||
	    TCPH_FLAGS(seg->tcphdr) & (TCP_FIN | TCP_SYN) ||
	    TCP_SEQ_LT(lwip_ntohl(seg->tcphdr->seqno), pcb->snd_nxt)) {
		if (t)
			t->held_ns = 0;
		return false;
	}
	now = clock_mono_ns();
	if (!t->held_ns)
		t->held_ns = now;
	if (now - t->held_ns < HOLD_NS)
		return true;
	t->held_ns = 0;
	return false;
}

void stack_tcp_push(struct stack_tcp *t)
{
	t->more = false;
	stack_tcp_output(t);
}

/* ---- time ---- */

static bool timed_out(const struct stack_tcp *t, const struct tcp_pcb *pcb)
{
	if (!t->user_timeout_ms || (!pcb->unacked && !pcb->unsent))
		return false;
	return clock_mono_ns() - t->progress_ns > t->user_timeout_ms * NSEC_PER_MSEC;
}

err_t stack_tcp_poll(void *arg, struct tcp_pcb *pcb)
{
	struct stack_tcp *t = arg;

	if (!t)
		return ERR_OK;
	if (timed_out(t, pcb)) {
		tcp_abandon(pcb, 0); /* tells the owner */
		return ERR_ABRT;
	}
	if (t->held_ns && clock_mono_ns() - t->held_ns >= HOLD_NS)
		tcp_output(pcb);
	return t->ticks ? stack_tcp_tick(t) : ERR_OK;
}

/* ---- round-trip time, as TCP_INFO shows it: lwIP's own is in ticks ---- */

void stack_tcp_time_sample(struct stack_tcp *t, uint64_t ns)
{
	uint32_t us = (uint32_t)KMIN(ns / NSEC_PER_USEC + 1, (uint64_t)INT32_MAX);
	uint32_t off = us > t->srtt_us ? us - t->srtt_us : t->srtt_us - us;

	if (!t->srtt_us) { /* RFC 6298 2.2 and 2.3 */
		t->srtt_us = us;
		t->rttvar_us = us / 2;
		return;
	}
	t->rttvar_us += off / 4 - t->rttvar_us / 4;
	t->srtt_us += us / 8 - t->srtt_us / 8;
}

/* One segment is timed at a time, and none that was sent twice (Karn). */
void stack_tcp_time_segment(const struct tcp_pcb *pcb, uint32_t seq, uint32_t len)
{
	struct stack_tcp *t = tcp_ext_arg_get(pcb, stack_instance()->ext_id);
	bool again = TCP_SEQ_LT(seq, pcb->snd_nxt);

	if (t && again && TCP_SEQ_LT(seq, t->rtt_end))
		t->rtt_at_ns = 0;
	if (!t || again || t->rtt_at_ns)
		return;
	t->rtt_at_ns = clock_mono_ns();
	t->rtt_end = seq + len;
}

void stack_tcp_time_acked(struct stack_tcp *t)
{
	if (!t->rtt_at_ns || TCP_SEQ_LT(t->pcb->lastack, t->rtt_end))
		return;
	stack_tcp_time_sample(t, clock_mono_ns() - t->rtt_at_ns);
	t->rtt_at_ns = 0;
}

/* ---- options ---- */

static void set_flag(struct tcp_pcb *pcb, uint16_t flag, bool on)
{
	if (on)
		tcp_set_flags(pcb, flag);
	else
		tcp_clear_flags(pcb, flag);
}

static int set_tcp_option(struct tcp_pcb *pcb, uint32_t name, uint32_t value)
{
	switch (name) {
	case TCP_NODELAY:
		set_flag(pcb, TF_NODELAY, value != 0);
		if (value)
			tcp_output(pcb);
		return 0;
	case TCP_KEEPIDLE:
		pcb->keep_idle = value * 1000;
		return 0;
	case TCP_KEEPINTVL:
		pcb->keep_intvl = value * 1000;
		return 0;
	case TCP_KEEPCNT:
		pcb->keep_cnt = value;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int stack_tcp_setopt(struct stack_tcp *t, uint32_t level, uint32_t name, uint32_t value)
{
	stack_assert_context();
	struct tcp_pcb *pcb = t->pcb;

	if (!pcb)
		return -EINVAL;
	stack_timer_wake(pcb);
	if (level == SOL_SOCKET && name == SO_KEEPALIVE) {
		if (value)
			ip_set_option(pcb, SOF_KEEPALIVE);
		else
			ip_reset_option(pcb, SOF_KEEPALIVE);
		return 0;
	}
	if (level == IPPROTO_IP && name == IP_TOS) {
		pcb->tos = (u8_t)value;
		return 0;
	}
	if (level == IPPROTO_IP && name == IP_TTL && value >= 1 && value <= 255) {
		pcb->ttl = (u8_t)value;
		return 0;
	}
	if (level != IPPROTO_TCP || pcb->state == LISTEN)
		return -ENOPROTOOPT;
	if (name == TCP_MAXSEG) {
		t->maxseg = (uint16_t)value;
		stack_tcp_apply_mss(t);
		return 0;
	}
	if (name == TCP_USER_TIMEOUT) {
		t->user_timeout_ms = value;
		return 0;
	}
	return set_tcp_option(pcb, name, value);
}

/* lwIP's states in the numbers of <linux/tcp.h>'s users (TCP_ESTABLISHED = 1 ...). */
static uint8_t linux_state(enum tcp_state s)
{
	static const uint8_t map[] = { [CLOSED] = 7, [LISTEN] = 10, [SYN_SENT] = 2, [SYN_RCVD] = 3,
		[ESTABLISHED] = 1, [FIN_WAIT_1] = 4, [FIN_WAIT_2] = 5, [CLOSE_WAIT] = 8,
		[CLOSING] = 11, [LAST_ACK] = 9, [TIME_WAIT] = 6 };

	return map[s];
}

void stack_tcp_info(const struct stack_tcp *t, struct stack_tcp_info *out)
{
	const struct tcp_pcb *pcb = t->pcb;

	*out = (struct stack_tcp_info){ .state = linux_state(pcb ? pcb->state : CLOSED) };
	if (!pcb || pcb->state == LISTEN)
		return;
	out->retransmits = pcb->nrtx;
	out->snd_cwnd = pcb->cwnd;
	out->snd_wnd = pcb->snd_wnd;
	out->rcv_wnd = pcb->rcv_wnd;
	out->rtt_us = t->srtt_us;
	out->rttvar_us = t->rttvar_us;
	out->rto_us = (uint32_t)pcb->rto * TCP_SLOW_INTERVAL * 1000;
	out->ssthresh = pcb->ssthresh;
	out->mss = pcb->mss;
	out->unacked = pcb->mss ? (pcb->snd_nxt - pcb->lastack + pcb->mss - 1) / pcb->mss : 0;
	out->sack = pcb->flags & TF_SACK;
	out->scaled = pcb->flags & TF_WND_SCALE;
	out->snd_scale = pcb->snd_scale;
	out->rcv_scale = pcb->rcv_scale;
}
