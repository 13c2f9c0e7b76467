// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long a segment is waited for (RFC 6298; patches/lwip/0011), in ticks of TCP_SLOW_INTERVAL. A
 * PCB's sa is eight times the smoothed round trip, sv four times its variation; sa is -1 until the
 * first measurement.
 *
 * Context: the stack's loop.
 */
#include "lwip/priv/tcp_priv.h"
#include "stack/lwip_hooks.h"
#include "stack/priv.h"

#define SV_MIN 3 /* the smallest timeout is 240 ms; Linux's is 200, RFC 6298's 1000 */

void stack_tcp_rtt(struct tcp_pcb *p, s16_t m)
{
	if (p->sa < 0) { /* RFC 6298 2.2 */
		p->sa = (s16_t)(m << 3);
		p->sv = (s16_t)(m << 1);
	} else { /* 2.3, by Jacobson and Karels */
		s16_t d = (s16_t)(m - (p->sa >> 3));
		s16_t var = d < 0 ? (s16_t)-d : d;

		p->sa = (s16_t)(p->sa + d);
		p->sv = (s16_t)(p->sv + var - (p->sv >> 2));
	}
	p->sv = LWIP_MAX(p->sv, SV_MIN);
	p->rto = (s16_t)((p->sa >> 3) + p->sv);
}

int stack_tcp_rtt_first(const struct tcp_pcb *p, u32_t seq)
{
	if (p->state == SYN_SENT) /* lwIP counts its SYN as sent before it is */
		return !p->nrtx;
	return TCP_SEQ_GEQ(seq, p->snd_nxt);
}

/* We have connected: the SYN's round trip, unless it was sent twice (Karn). */
void stack_tcp_rtt_syn(struct tcp_pcb *p)
{
	if (p->rttest)
		stack_tcp_rtt(p, (s16_t)(tcp_ticks - p->rttest));
	p->rttest = 0;
}
