// SPDX-License-Identifier: GPL-2.0-only
/*
 * SYN cookies (RFC 4987 3.6; patches/lwip/0005). While too many connections of a listener are half
 * open, a SYN is answered without keeping anything: the sequence number of the
 * answer is a keyed hash of the connection's name, a clock of 64 s and the peer's MSS, rounded
 * down to one of four. The ACK that comes back makes the connection. Such a connection has
 * neither window scaling nor SACK. When the backlog is full of what waits to be accepted, SYN and
 * final ACK are dropped, as on Linux: the peer tries again.
 *
 *   cookie = clock (5 bits) | MSS (3) | hash (24)
 */
#include <kern/log.h>
#include <kern/random.h>
#include <kern/timer.h>

#include "lwip/inet_chksum.h"
#include "lwip/ip4.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "stack/lwip_hooks.h"
#include "stack/priv.h"

#define CLOCK_NS (64 * NSEC_PER_SEC)
#define HALF_OPEN_MIN 64  /* with state, by one listener: its backlog, but not fewer */
#define HALF_OPEN_MAX 256 /* and not more */
#define HALF_OPEN_ALL 4096 /* of all listeners: no owner's flood takes the memory of others */
#define OPT_MSS 2

static const uint16_t mss_of[] = { 536, 1220, 1360, 1460 };
static bool dropped;

static uint32_t clock_now(void)
{
	return (uint32_t)(clock_mono_ns() / CLOCK_NS) & 31;
}

static uint32_t cookie(const struct tcp_hdr *h, uint32_t peer_isn, uint32_t clock, unsigned mss)
{
	static uint64_t key[2];
	uint64_t name = (uint64_t)ip4_current_dest_addr()->addr << 32 |
			ip4_current_src_addr()->addr;

	if (!key[0])
		random_bytes(key, sizeof(key));
	uint64_t k[2] = { key[0], key[1] ^ (clock << 3 | mss) };
	uint64_t f = stack_siphash2(k, name, (uint64_t)peer_isn << 32 |
					     (uint32_t)h->dest << 16 | h->src);

	return clock << 27 | mss << 24 | (uint32_t)(f & 0xffffff);
}

/* The MSS that the SYN offers, as the number of the largest of ours below it. */
static unsigned mss_index(const struct tcp_hdr *h)
{
	const uint8_t *o = (const uint8_t *)(h + 1);
	unsigned left = TCPH_HDRLEN_BYTES(h) - TCP_HLEN, mss = 536, i = ARRAY_SIZE(mss_of) - 1;

	while (left >= 4 && o[0]) {
		unsigned len = o[0] == 1 ? 1 : o[1];

		if (o[0] == OPT_MSS && len == 4)
			mss = (unsigned)o[2] << 8 | o[3];
		if (!len || len > left)
			break;
		o += len;
		left -= len;
	}
	while (i && mss_of[i] > mss)
		i--;
	return i;
}

/* SYN|ACK with the MSS as its only option; nothing is kept. */
static void answer(const struct tcp_hdr *in, uint32_t isn)
{
	struct pbuf *p = pbuf_alloc(PBUF_IP, TCP_HLEN + 4, PBUF_RAM);
	struct netif *nif = ip_current_netif();
	struct tcp_hdr *h;
	uint8_t *o;

	if (!p)
		return;
	h = p->payload;
	*h = (struct tcp_hdr){ .src = lwip_htons(in->dest), .dest = lwip_htons(in->src),
		.seqno = lwip_htonl(isn), .ackno = lwip_htonl(in->seqno + 1),
		.wnd = PP_HTONS(0xffff) };
	TCPH_HDRLEN_FLAGS_SET(h, (TCP_HLEN + 4) / 4, TCP_SYN | TCP_ACK);
	o = (uint8_t *)(h + 1);
	o[0] = OPT_MSS;
	o[1] = 4;
	o[2] = TCP_MSS >> 8;
	o[3] = TCP_MSS & 255;
	if (nif->chksum_flags & NETIF_CHECKSUM_GEN_TCP)
		h->chksum = ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len, ip_current_dest_addr(),
					     ip_current_src_addr());
	(void)ip4_output_if(p, ip4_current_dest_addr(), ip4_current_src_addr(), 64, 0,
			    IP_PROTO_TCP, nif);
	pbuf_free(p);
}

int stack_tcp_syn(struct tcp_pcb_listen *l, const struct tcp_hdr *h, u32_t seqno)
{
	unsigned mss;

	if (stack_listener_full(l)) {
		counter_add(lwip, syn_dropped, 1);
		return 1;
	}
	if (l->half_open < LWIP_MIN(LWIP_MAX(l->backlog, HALF_OPEN_MIN), HALF_OPEN_MAX) &&
	    stack_half_open() < HALF_OPEN_ALL)
		return 0;
	mss = mss_index(h);
	counter_add(lwip, cookies_sent, 1);
	answer(h, cookie(h, seqno, clock_now(), mss));
	return 1;
}

/* As tcp_listen_input() makes one of a SYN, but with the handshake behind it. */
static struct tcp_pcb *make(struct tcp_pcb_listen *l, const struct tcp_hdr *h, u32_t seqno,
			    u32_t ackno, unsigned mss)
{
	struct tcp_pcb *p = tcp_alloc(l->prio);

	if (!p)
		return NULL;
	ip_addr_copy(p->local_ip, *ip_current_dest_addr());
	ip_addr_copy(p->remote_ip, *ip_current_src_addr());
	p->local_port = l->local_port;
	p->remote_port = h->src;
	p->state = SYN_RCVD;
	p->rcv_nxt = seqno;
	p->rcv_ann_right_edge = seqno + p->rcv_wnd;
	p->snd_nxt = p->snd_lbb = ackno;
	p->lastack = p->snd_wl2 = ackno - 1;
	p->snd_wl1 = seqno - 1;
	p->snd_wnd = p->snd_wnd_max = h->wnd;
	p->mss = mss_of[mss];
	p->callback_arg = l->callback_arg;
	p->listener = l;
	p->so_options = l->so_options & SOF_INHERITED;
	p->netif_idx = l->netif_idx;
	TCP_REG_ACTIVE(p);
	return p;
}

struct tcp_pcb *stack_tcp_cookie_ack(struct tcp_pcb_listen *l, const struct tcp_hdr *h,
				     u8_t flags, u32_t seqno, u32_t ackno)
{
	uint32_t c = ackno - 1, now = clock_now(), then = c >> 27;
	unsigned mss = c >> 24 & 7;
	struct tcp_pcb *p = NULL;

	dropped = false;
	if ((flags & (TCP_ACK | TCP_SYN | TCP_RST)) != TCP_ACK || ((now - then) & 31) > 1 ||
	    mss >= ARRAY_SIZE(mss_of) || cookie(h, seqno - 1, then, mss) != c)
		return NULL;
	if (!stack_listener_full(l))
		p = make(l, h, seqno, ackno, mss);
	dropped = !p;
	if (p)
		counter_add(lwip, cookies_accepted, 1);
	else
		counter_add(lwip, syn_dropped, 1);
	return p;
}

int stack_tcp_accept_waits(const struct tcp_pcb *p)
{
	if (!p->listener || !stack_listener_full(p->listener))
		return 0;
	counter_add(lwip, syn_dropped, 1);
	return 1;
}

int stack_tcp_cookie_dropped(void)
{
	return dropped;
}
