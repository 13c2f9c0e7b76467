// SPDX-License-Identifier: GPL-2.0-only
/*
 * Received segments that follow each other are joined before lwIP sees them, which then does its
 * work, and acknowledges, once for all of them.
 *
 *   frame -> stack_gro_rx() -> a slot of its connection: [headers|bytes][bytes][bytes]...
 *                                      '-> lwIP, at the latest when the loop has polled the NIC
 *
 * Joined are plain data segments of one connection whose checksum the device has verified: IPv4 and
 * TCP headers without options, no flags but ACK and PSH, each beginning where the one before ends.
 * The first one's headers stand for all, with the last one's acknowledgement and window. Anything
 * else that comes passes after what is held, so a connection's segments keep their order. Nothing
 * waits longer than the round in which it came: no time is lost by it.
 *
 * Context: the stack's loop. Left out: segments with timestamps (we never offer them), IPv6.
 */
#define LOG_SUBSYS "stack"
#include <kern/log.h>
#include <kern/string.h>

#include "lwip/ip.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/tcp.h"
#include "stack/priv.h"

#define HEADERS (SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN)
#define JOINED_MAX (0xffff - IP_HLEN - TCP_HLEN) /* the IP header's length has 16 bits */

static struct ip_hdr *ip_of(const struct pbuf *p)
{
	return (struct ip_hdr *)((uint8_t *)p->payload + SIZEOF_ETH_HDR);
}

static struct tcp_hdr *tcp_of(const struct pbuf *p)
{
	return (struct tcp_hdr *)((uint8_t *)p->payload + SIZEOF_ETH_HDR + IP_HLEN);
}

/* Payload bytes of a segment that may be joined to others; 0: it is another kind of frame. */
static uint32_t plain_bytes(const struct pbuf *p)
{
	const struct ip_hdr *ip = ip_of(p);

	if (p->next || p->len <= HEADERS ||
	    ((const struct eth_hdr *)p->payload)->type != PP_HTONS(ETHTYPE_IP) ||
	    ip->_v_hl != 0x45 || IPH_PROTO(ip) != IP_PROTO_TCP ||
	    IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF))
		return 0;
	const struct tcp_hdr *tcp = tcp_of(p);
	uint32_t len = lwip_ntohs(IPH_LEN(ip));
	if (len <= IP_HLEN + TCP_HLEN || len + SIZEOF_ETH_HDR > p->len ||
	    TCPH_HDRLEN_BYTES(tcp) != TCP_HLEN || (TCPH_FLAGS(tcp) & ~TCP_PSH) != TCP_ACK)
		return 0;
	return len - IP_HLEN - TCP_HLEN;
}

/* One connection: addresses, and both ports as they stand in the header. */
static bool same_flow(const struct pbuf *a, const struct pbuf *b)
{
	return !memcmp(&ip_of(a)->src, &ip_of(b)->src, 2 * sizeof(ip_of(a)->src)) &&
	       !memcmp(tcp_of(a), tcp_of(b), 2 * sizeof(u16_t));
}

static uint32_t seq_of(const struct pbuf *p)
{
	return lwip_ntohl(tcp_of(p)->seqno);
}

/* Every piece of a chain tells the length from it to the end. */
static void set_lengths(struct pbuf *head, uint32_t total)
{
	for (struct pbuf *p = head; p; p = p->next) {
		p->tot_len = (u16_t)total;
		total -= p->len;
	}
}

static void flush_slot(struct stack *s, struct stack_gro *g)
{
	struct pbuf *p = g->head;

	if (!p)
		return;
	g->head = NULL;
	s->gro_used--;
	if (g->tail != p) {
		set_lengths(p, HEADERS + g->bytes);
		IPH_LEN_SET(ip_of(p), lwip_htons((u16_t)(IP_HLEN + TCP_HLEN + g->bytes)));
		counter_add(lwip, rx_joined, g->segments);
	}
	stack_netif_checks(s, 0);
	stack_netif_input(s, p);
}

void stack_gro_flush(struct stack *s)
{
	for (unsigned i = 0; s->gro_used && i < STACK_GRO_SLOTS; i++)
		flush_slot(s, &s->gro[i]);
}

static void hold(struct stack *s, struct stack_gro *g, struct pbuf *p, uint32_t bytes)
{
	if (p->len != HEADERS + bytes)
		pbuf_realloc(p, (u16_t)(HEADERS + bytes)); /* Ethernet's padding */
	*g = (struct stack_gro){ .head = p, .tail = p, .bytes = bytes, .segments = 1,
		.next_seq = seq_of(p) + bytes };
	s->gro_used++;
}

/* p, of the same connection and the next in order, behind what the slot holds. */
static void join(struct stack_gro *g, struct pbuf *p, uint32_t bytes)
{
	struct tcp_hdr *first = tcp_of(g->head);
	const struct tcp_hdr *last = tcp_of(p);

	first->ackno = last->ackno;
	first->wnd = last->wnd;
	if (TCPH_FLAGS(last) & TCP_PSH)
		TCPH_SET_FLAG(first, TCP_PSH);
	pbuf_realloc(p, (u16_t)(HEADERS + bytes));
	(void)pbuf_remove_header(p, HEADERS);
	g->tail->next = p;
	g->tail = p;
	g->bytes += bytes;
	g->next_seq += bytes;
	g->segments++;
}

bool stack_gro_rx(struct stack *s, struct pbuf *p)
{
	uint32_t bytes = plain_bytes(p);
	struct stack_gro *free = NULL;

	if (!bytes) {
		stack_gro_flush(s);
		return false;
	}
	for (unsigned i = 0; i < STACK_GRO_SLOTS; i++) {
		struct stack_gro *g = &s->gro[i];

		if (g->head && same_flow(g->head, p)) {
			if (seq_of(p) == g->next_seq && g->bytes + bytes <= JOINED_MAX) {
				join(g, p, bytes);
				return true;
			}
			flush_slot(s, g);
		}
		if (!g->head && !free)
			free = g;
		if (free && !s->gro_used)
			break; /* nothing is held */
	}
	if (!free) {
		stack_gro_flush(s);
		free = &s->gro[0];
	}
	hold(s, free, p, bytes);
	return true;
}
