// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a connection believes of the segments that carry its four numbers (patches/lwip/0010),
 * before any of it takes effect. Whoever knows the four numbers can send such a segment; without
 * the sequence numbers it must change nothing:
 *
 *   no ACK                                      dropped          RFC 9293 3.10.7.4, fifth
 *   acknowledges what was not sent              ACK, dropped     the same
 *   acknowledges what is older than a window    ACK, dropped     RFC 5961 5.2
 *   begins behind the window                    ACK, dropped     RFC 9293 3.10.7.4, first
 *   lies before the window by more than one     ACK, dropped     the same
 *
 * What begins before the window and is young is left to lwIP, which takes its acknowledgement and
 * trims its data. RST and SYN are handled before this: RFC 5961 3.2, 4.2.
 *
 * Context: the stack's loop, inside tcp_input().
 */
#include <kern/log.h>

#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "stack/lwip_hooks.h"
#include "stack/priv.h"

u16_t stack_tcp_offered_mss(u16_t mss)
{
	return !mss || mss > TCP_MSS ? TCP_MSS : LWIP_MAX(mss, MSS_MIN);
}

/* A probe of a window of zero begins one beyond it when it was taken before. */
static bool seq_ok(const struct tcp_pcb *p, u32_t seq, u16_t len)
{
	u32_t right = p->rcv_nxt + LWIP_MAX(p->rcv_wnd, 1);

	return TCP_SEQ_LEQ(seq, right) && TCP_SEQ_GEQ(seq + len, p->rcv_nxt - TCP_WND);
}

static bool ack_ok(const struct tcp_pcb *p, u32_t ack)
{
	return TCP_SEQ_LEQ(ack, p->snd_nxt) &&
	       TCP_SEQ_GEQ(ack, p->lastack - LWIP_MAX(p->snd_wnd_max, TCP_MSS));
}

int stack_tcp_acceptable(struct tcp_pcb *p, const struct tcp_hdr *h, u8_t flags, u16_t len)
{
	if (p->state < SYN_RCVD || flags & TCP_SYN)
		return 1;
	if (p->state > SYN_RCVD && !(flags & TCP_ACK)) {
		counter_add(lwip, tcp_unacceptable, 1);
		return 0;
	}
	if (seq_ok(p, h->seqno, len) && (p->state == SYN_RCVD || ack_ok(p, h->ackno)))
		return 1;
	counter_add(lwip, tcp_unacceptable, 1);
	tcp_ack_now(p);
	return 0;
}
