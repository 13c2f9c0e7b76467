// SPDX-License-Identifier: GPL-2.0-only
/*
 * ICMP errors that come back (RFC 792): decoded and given to the socket whose datagram or segment
 * they quote. Echo stays lwIP's. What we send ourselves is limited as Linux limits it: so many a
 * second.
 */
#define LOG_SUBSYS "stack"
#include <kern/endian.h>
#include <kern/log.h>
#include <kern/string.h>
#include <kern/timer.h>

#include "lwip/inet_chksum.h"
#include "lwip/icmp.h"
#include "lwip/ip.h"
#include "lwip/prot/icmp.h"
#include "lwip/prot/ip4.h"
#include "lwip/raw.h"
#include "stack/priv.h"

#define ICMP_PER_SECOND 1000u /* net.ipv4.icmp_msgs_per_sec of Linux */
#define QUOTE_MAX 576u        /* RFC 1812 4.3.2.3: as much as an error may carry */

bool stack_icmp_may_send(void)
{
	static uint64_t second;
	static unsigned sent;
	uint64_t now = clock_mono_ns() / NSEC_PER_SEC;

	if (now != second) {
		second = now;
		sent = 0;
	}
	if (sent++ < ICMP_PER_SECOND)
		return true;
	counter_add(lwip, icmp_limited, 1);
	return false;
}

static bool is_error(uint8_t type)
{
	return type == ICMP_DUR || type == ICMP_TE || type == ICMP_PP;
}

/* On a wire its checksum must be right; inside the board there is none. */
static bool sum_ok(struct pbuf *p, u16_t hlen)
{
	u16_t sum;

	if (!(ip_current_input_netif()->chksum_flags & NETIF_CHECKSUM_CHECK_ICMP) ||
	    ip4_addr_cmp(ip4_current_src_addr(), ip4_current_dest_addr()))
		return true;
	pbuf_remove_header(p, hlen);
	sum = inet_chksum_pbuf(p);
	pbuf_header_force(p, (s16_t)hlen); /* a reference to the NIC's memory */
	return !sum;
}

/* The quoted packet and who sent it, from a copy of the message. */
static void dispatch(struct stack_icmp *e, const uint8_t *msg, uint16_t len)
{
	const struct ip_hdr *ip = (const struct ip_hdr *)(msg + sizeof(struct icmp_echo_hdr));
	u16_t hlen = IPH_HL_BYTES(ip), at = (u16_t)(sizeof(struct icmp_echo_hdr) + hlen);
	uint16_t ports[2];
	uint32_t seq;

	if (hlen < IP_HLEN || len < at + 8 || IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK)) {
		counter_add(lwip, icmp_malformed, 1);
		return;
	}
	memcpy(ports, msg + at, sizeof(ports));
	memcpy(&seq, msg + at + sizeof(ports), sizeof(seq));
	e->dst_ip = lwip_ntohl(ip->dest.addr);
	e->dst_port = lwip_ntohs(ports[1]);
	e->data = msg + at + 8;
	e->len = (uint16_t)(len - at - 8);
	counter_add(lwip, icmp_rx_errors, 1);
	if (IPH_PROTO(ip) == IP_PROTO_UDP)
		stack_udp_icmp(e, lwip_ntohl(ip->src.addr), lwip_ntohs(ports[0]));
	else if (IPH_PROTO(ip) == IP_PROTO_TCP)
		stack_tcp_icmp(e, lwip_ntohl(ip->src.addr), lwip_ntohs(ports[0]),
			       lwip_ntohl(seq));
}

/* lwIP's raw callback: we only look. */
static u8_t on_packet(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
	const struct ip_hdr *outer = p->payload;
	u16_t hlen = IPH_HL_BYTES(outer);
	uint8_t msg[QUOTE_MAX] __attribute__((aligned(4)));
	uint16_t len;

	if (p->len < hlen + sizeof(struct icmp_echo_hdr) ||
	    !is_error(((const uint8_t *)outer)[hlen]))
		return 0;
	len = pbuf_copy_partial(p, msg, sizeof(msg), hlen);
	if (len < sizeof(struct icmp_echo_hdr) + IP_HLEN || !sum_ok(p, hlen)) {
		counter_add(lwip, icmp_malformed, 1);
		return 0;
	}
	struct stack_icmp e = { .offender = lwip_ntohl(ip4_current_src_addr()->addr),
		.type = msg[0], .code = msg[1],
		.mtu = (uint16_t)(msg[0] == ICMP_DUR && msg[1] == ICMP_DUR_FRAG ?
				  msg[6] << 8 | msg[7] : 0) };

	dispatch(&e, msg, len);
	return 0;
}

int stack_icmp_init(struct stack *s)
{
	struct raw_pcb *pcb = raw_new(IP_PROTO_ICMP);

	if (!pcb)
		return -ENOMEM;
	raw_recv(pcb, on_packet, s);
	return 0;
}
