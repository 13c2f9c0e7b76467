// SPDX-License-Identifier: GPL-2.0-only
/*
 * Urgent data (RFC 9293 3.8.5, RFC 6093), which lwIP leaves alone: the urgent pointer is put into
 * segments that leave until the byte before it is acknowledged, and its position in what comes is
 * told to the owner. As Linux has it, the pointer stands behind the urgent byte.
 */
#define LOG_SUBSYS "stack"
#include <kern/log.h>

#include "lwip/priv/tcp_priv.h"
#include "stack/lwip_hooks.h"
#include "stack/priv.h"

void stack_tcp_set_urgent(struct stack_tcp *t, uint32_t off)
{
	stack_assert_context();
	if (!t->pcb)
		return;
	t->urgent = true;
	t->snd_up = t->pcb->snd_lbb + off;
}

/* Headers are kept for retransmission: what an earlier one had is taken back. */
void stack_tcp_urgent_out(const struct tcp_pcb *pcb, struct tcp_hdr *h, uint32_t len)
{
	struct stack_tcp *t = tcp_ext_arg_get(pcb, stack_instance()->ext_id);
	uint32_t seq = lwip_ntohl(h->seqno), ahead;

	if (TCPH_FLAGS(h) & TCP_URG) {
		TCPH_UNSET_FLAG(h, TCP_URG);
		h->urgp = 0;
	}
	if (!t || !t->urgent)
		return;
	ahead = t->snd_up - seq;
	if (TCP_SEQ_GEQ(pcb->lastack, t->snd_up))
		t->urgent = false;
	if (!t->urgent || !ahead || ahead > 0xffff || len > pcb->mss)
		return;
	TCPH_SET_FLAG(h, TCP_URG);
	h->urgp = lwip_htons((u16_t)ahead);
}

/* h is in host order, but for the pointer; nothing of the segment has been checked yet. */
void stack_tcp_urgent_in(struct tcp_pcb *pcb, const struct tcp_hdr *h)
{
	struct stack_tcp *t = tcp_ext_arg_get(pcb, stack_instance()->ext_id);
	uint32_t at = h->seqno + lwip_ntohs(h->urgp) - 1;
	bool in_window = TCP_SEQ_BETWEEN(h->seqno, pcb->rcv_nxt, pcb->rcv_nxt + pcb->rcv_wnd);

	if (!t || !t->ops->urgent || !h->urgp || !in_window || TCP_SEQ_LT(at, pcb->rcv_nxt))
		return;
	if (pcb->state != ESTABLISHED && pcb->state != FIN_WAIT_1 && pcb->state != FIN_WAIT_2)
		return;
	t->ops->urgent(t, t->arg, at - pcb->rcv_nxt);
}
