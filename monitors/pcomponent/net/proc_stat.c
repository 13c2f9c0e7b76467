// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/dev and snmp: what the rack's nComponents have counted, asked for when somebody reads
 * (OP_SOCK_COUNTS); one that does not answer counts as nothing. Connections inside the rack are in
 * no stack and are not counted. Thread context.
 */
#include <kern/mm.h>
#include <kern/string.h>

#include "fs/pseudo.h"
#include "fs/text.h"
#include "net/proc_net.h"
#include "net/stub.h"

static void counts_of(fit_node_t node, struct sock_counts *out)
{
	size_t len = 0;

	memset(out, 0, sizeof(*out));
	if (fit_call(net.fit, node, OP_SOCK_COUNTS, NULL, 0, out, sizeof(*out), &len) ||
	    len < sizeof(*out))
		memset(out, 0, sizeof(*out));
}

static unsigned long long v(le64_t x)
{
	return le64_get(x);
}

static void dev_line(struct text *t, const char *name, const struct sock_counts *c)
{
	text_add(t, "%6s: %7llu %7llu %4llu %4llu    0     0          0         0 "
		    "%8llu %7llu    0 %4llu    0     0       0          0\n", name,
		 v(c->rx_bytes), v(c->rx_frames), v(c->rx_errors), v(c->rx_drops), v(c->tx_bytes),
		 v(c->tx_frames), v(c->tx_drops));
}

static int show_dev(const struct pseudo_place *at, struct text *t)
{
	struct gnm_list *l = net_nics();
	struct sock_counts c = { 0 };
	char name[16];

	if (!l)
		return -ENOMEM;
	text_add(t, "Inter-|   Receive                                                |  Transmit\n"
		    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    "
		    "packets errs drop fifo colls carrier compressed\n");
	dev_line(t, "lo", &c);
	for (uint32_t i = 0; i < le32_get(l->n); i++) {
		snprintf(name, sizeof(name), "eth%u", i);
		if (i && le16_get(l->at[i].node) == le16_get(l->at[i - 1].node))
			memset(&c, 0, sizeof(c)); /* all of a board's stands at its first */
		else
			counts_of(le16_get(l->at[i].node), &c);
		dev_line(t, name, &c);
	}
	kfree(l);
	return 0;
}

/* ---- snmp: all nComponents together ---- */

static void add_all(struct sock_counts *sum, const struct sock_counts *c)
{
#define ADD(name) sum->name = le64(le64_get(sum->name) + le64_get(c->name));
	SOCK_COUNTS(ADD)
}

static int sum_up(struct sock_counts *sum)
{
	struct gnm_list *l = net_nics();
	struct sock_counts c;

	memset(sum, 0, sizeof(*sum));
	if (!l)
		return -ENOMEM;
	for (uint32_t i = 0; i < le32_get(l->n); i++) {
		if (i && le16_get(l->at[i].node) == le16_get(l->at[i - 1].node))
			continue; /* another NIC of the same board */
		counts_of(le16_get(l->at[i].node), &c);
		add_all(sum, &c);
	}
	kfree(l);
	return 0;
}

/* The columns are those of Linux; what is not counted is 0. */
static int show_snmp(const struct pseudo_place *at, struct text *t)
{
	struct sock_counts c;
	int err = sum_up(&c);

	if (err)
		return err;
	text_add(t, "Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams "
		    "InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes "
		    "ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates\n"
		    "Ip: 2 64 %llu %llu %llu 0 0 %llu %llu %llu 0 %llu 0 0 %llu %llu %llu 0 %llu\n",
		 v(c.ip_in), v(c.ip_in_header_errors), v(c.ip_in_address_errors),
		 v(c.ip_in_discards), v(c.ip_in_delivers), v(c.ip_out), v(c.ip_out_no_routes),
		 v(c.ip_reasm_ok), v(c.ip_reasm_fails), v(c.ip_frag_ok), v(c.ip_frag_creates));
	text_add(t, "Icmp: InMsgs InErrors InCsumErrors InEchos OutMsgs OutErrors OutEchoReps\n"
		    "Icmp: %llu 0 0 %llu %llu 0 %llu\n", v(c.icmp_in), v(c.icmp_in_echos),
		 v(c.icmp_out), v(c.icmp_out_echo_replies));
	text_add(t, "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails "
		    "EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n"
		    "Tcp: 1 200 120000 -1 %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu 0\n",
		 v(c.tcp_active), v(c.tcp_passive), v(c.tcp_fails), v(c.tcp_resets),
		 v(c.tcp_now), v(c.tcp_in), v(c.tcp_out), v(c.tcp_retransmits), v(c.tcp_in_errors),
		 v(c.tcp_out_resets));
	text_add(t, "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors "
		    "InCsumErrors IgnoredMulti MemErrors\n"
		    "Udp: %llu %llu %llu %llu %llu 0 0 0 0\n", v(c.udp_in), v(c.udp_no_port),
		 v(c.udp_in_errors), v(c.udp_out), v(c.udp_drops));
	return 0;
}

void proc_stat_init(void)
{
	pseudo_net_file("dev", show_dev);
	pseudo_net_file("snmp", show_snmp);
}
