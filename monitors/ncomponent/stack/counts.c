// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs may read of what this board's NIC and stack have counted (/proc/net/dev and snmp on
 * pComponents): lwIP's MIB and our own counters. Loop.
 */
#include <kern/counter.h>

#include "lwip/stats.h"
#include "stack/priv.h"

void stack_counts(struct stack_counts *out)
{
	const struct stats_mib2 *m = &lwip_stats.mib2;

	*out = (struct stack_counts){
		.rx_bytes = counter_get(lwip, rx_bytes), .rx_frames = counter_get(lwip, rx_frames),
		.rx_errors = counter_get(lwip, rx_malformed),
		.rx_drops = counter_get(lwip, rx_nomem),
		.tx_bytes = counter_get(lwip, tx_bytes), .tx_frames = counter_get(lwip, tx_frames),
		.tx_drops = counter_get(lwip, tx_dropped),
		.ip_in = m->ipinreceives, .ip_in_header_errors = m->ipinhdrerrors,
		.ip_in_address_errors = m->ipinaddrerrors, .ip_in_discards = m->ipindiscards,
		.ip_in_delivers = m->ipindelivers, .ip_out = m->ipoutrequests,
		.ip_out_no_routes = m->ipoutnoroutes, .ip_reasm_ok = m->ipreasmoks,
		.ip_reasm_fails = m->ipreasmfails, .ip_frag_ok = m->ipfragoks,
		.ip_frag_creates = m->ipfragcreates,
		.icmp_in = m->icmpinmsgs, .icmp_out = m->icmpoutmsgs,
		.icmp_in_echos = m->icmpinechos, .icmp_out_echo_replies = m->icmpoutechoreps,
		.tcp_active = m->tcpactiveopens, .tcp_passive = m->tcppassiveopens,
		.tcp_fails = m->tcpattemptfails, .tcp_resets = m->tcpestabresets,
		.tcp_in = m->tcpinsegs, .tcp_out = m->tcpoutsegs,
		.tcp_retransmits = m->tcpretranssegs, .tcp_in_errors = m->tcpinerrs,
		.tcp_out_resets = m->tcpoutrsts,
		.udp_in = counter_get(lwip, udp_rx), .udp_out = counter_get(lwip, udp_tx),
		.udp_no_port = counter_get(lwip, udp_no_port),
		.udp_in_errors = counter_get(lwip, udp_malformed) +
				 counter_get(lwip, udp_csum_errors),
	};
}
