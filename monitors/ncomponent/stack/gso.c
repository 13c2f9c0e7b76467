// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segments larger than the MSS, cut by the device (NETDEV_F_TSO4): decisions that patches/lwip/0002
 * asks for. Everything else in lwIP counts bytes and does not notice.
 *
 * A segment is at most half of what the peer's window and the congestion window allow, so that
 * acknowledgements keep flowing. When windows shrink after it was queued, the head waits while data
 * in flight can still make room for it, and is cut at a multiple of the MSS when nothing can. A
 * large segment that is lost is sent again as a whole or, after a timeout, piece by piece.
 */
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/tcp.h"
#include "stack/lwip_hooks.h"
#include "stack/priv.h"

#define GSO_SEGMENTS_MAX 22 /* 32 KiB: eight of them make a send buffer */

/*
 * Between two sockets of this board nothing passes the NIC, so nobody would cut. Segments stay
 * small there: when this file was new, large ones lost bytes, and two connections acknowledged each
 * other for ever in one round of the loop. What was wrong then is not known; test_turned_round of
 * tests/unit/monitors/ncomponent/test_stack passes with large ones, too. Connections inside the
 * rack come this way with net.local=off only.
 */
static bool is_local(const struct tcp_pcb *pcb)
{
	const ip4_addr_t *to = ip_2_ip4(&pcb->remote_ip);

	return ip4_addr_isloopback(to) ||
	       stack_nic_of(stack_instance(), lwip_ntohl(to->addr));
}

u16_t stack_tcp_send_size(const struct tcp_pcb *pcb)
{
	u16_t plain = LWIP_MIN(pcb->mss, TCPWND_MIN16(pcb->snd_wnd_max / 2));

	const struct stack_tcp *t = tcp_ext_arg_get(pcb, stack_instance()->ext_id);

	if (!stack_instance()->gso || plain < pcb->mss || is_local(pcb) || (t && t->urgent))
		return plain; /* a device would copy the urgent pointer to all pieces */
	uint32_t n = LWIP_MIN(pcb->snd_wnd_max, pcb->cwnd) / 2 / pcb->mss;
	n = KMIN(n, (uint32_t)GSO_SEGMENTS_MAX);
	return n > 1 ? (u16_t)(n * pcb->mss) : plain;
}

struct tcp_seg *stack_tcp_fit_head(struct tcp_pcb *pcb, u32_t wnd)
{
	struct tcp_seg *seg = pcb->unsent;

	if (seg && stack_tcp_holds(pcb, seg))
		return NULL;
	if (!seg || seg->len <= pcb->mss || seg->p->ref != 1)
		return seg;
	uint32_t used = lwip_ntohl(seg->tcphdr->seqno) - pcb->lastack;
	if (used + seg->len <= wnd || (seg->len <= wnd && pcb->unacked))
		return seg;
	/* used is below zero when the peer has acknowledged a part of it */
	uint32_t room = (int32_t)(wnd - used) > 0 ? wnd - used : 0;
	uint32_t n = room / pcb->mss * pcb->mss;
	if (n && n < seg->len && tcp_split_unsent_seg(pcb, (u16_t)n) == ERR_OK)
		counter_add(lwip, gso_splits, 1);
	return pcb->unsent;
}

/* By the connection, not by what was sent last: the segment may have waited for an ARP reply. */
uint16_t stack_gso_size(const struct ip_hdr *ip, const struct tcp_hdr *tcp, uint32_t payload)
{
	const struct tcp_pcb *pcb;
	uint16_t mss;

	if (!stack_instance()->gso || payload <= MSS_MIN)
		return 0;
	pcb = stack_tcp_find_named(lwip_ntohl(ip->src.addr), lwip_ntohs(tcp->src),
				   lwip_ntohl(ip->dest.addr), lwip_ntohs(tcp->dest));
	mss = pcb ? pcb->mss : TCP_MSS;
	return payload > mss ? mss : 0;
}

u32_t *stack_tcp_segment(const struct pbuf *p, struct tcp_hdr *h,
			 const struct tcp_pcb *pcb, u32_t *opts)
{
	u16_t head = TCPH_HDRLEN_BYTES(h);

	if (pcb && p->tot_len > head) {
		stack_tcp_time_segment(pcb, lwip_ntohl(h->seqno), p->tot_len - head);
		stack_tcp_urgent_out(pcb, h, p->tot_len - head);
	}
	return opts;
}
