// SPDX-License-Identifier: GPL-2.0-only
/*
 * rtnetlink(7), reading: links, addresses and routes of IPv4 (RTM_GETLINK, RTM_GETADDR,
 * RTM_GETROUTE), from what GNM knows of the rack's NICs. Interfaces are numbered as if.c numbers
 * them: lo is 1, the NICs follow by node. Who wants to change something is told EPERM. Thread
 * context.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/rtnetlink.h>

#include "fs/text.h"
#include "net/abi.h"
#include "net/netlink.h"
#include "net/proc_net.h"

#define LO 1u
#define FIRST_NIC 2u
#define LOOPBACK_MTU 65536
#define OPER_UNKNOWN 0 /* RFC 2863 */
#define OPER_DOWN 2
#define OPER_UP 6
/* netdevice(7); <linux/if.h> does not go without a C library */
#define FLAG_UP 0x1
#define FLAG_BROADCAST 0x2
#define FLAG_LOOPBACK 0x8
#define FLAG_RUNNING 0x40
#define FLAG_MULTICAST 0x1000
#define FLAG_LOWER_UP 0x10000
#define ARPHRD_ETHER 1
#define ARPHRD_LOOPBACK 772


static void put_name(struct text *t, uint16_t type, unsigned index)
{
	char name[16];
	int n = index == LO ? snprintf(name, sizeof(name), "lo") :
			      snprintf(name, sizeof(name), "eth%u", index - FIRST_NIC);

	nl_attr(t, type, name, (size_t)n + 1);
}

static void put_u32(struct text *t, uint16_t type, uint32_t v)
{
	nl_attr(t, type, &v, sizeof(v));
}

static void put_ip(struct text *t, uint16_t type, uint32_t ip)
{
	put_u32(t, type, __builtin_bswap32(ip));
}

static void put_link(struct text *t, const struct nl_request *q, uint16_t flags, unsigned index,
		     const struct gnm_nic *n)
{
	static const uint8_t none[6], all[6] = { 255, 255, 255, 255, 255, 255 };
	bool up = !n || n->link_up;
	struct ifinfomsg m = { .ifi_type = n ? ARPHRD_ETHER : ARPHRD_LOOPBACK,
		.ifi_index = (int)index,
		.ifi_flags = FLAG_UP | (up ? FLAG_RUNNING | FLAG_LOWER_UP : 0) |
			     (n ? FLAG_BROADCAST | FLAG_MULTICAST : FLAG_LOOPBACK) };
	uint8_t oper = !n ? OPER_UNKNOWN : up ? OPER_UP : OPER_DOWN;
	size_t at = nl_begin(t, q, RTM_NEWLINK, flags, &m, sizeof(m));

	put_name(t, IFLA_IFNAME, index);
	put_u32(t, IFLA_TXQLEN, 1000);
	nl_attr(t, IFLA_OPERSTATE, &oper, sizeof(oper));
	put_u32(t, IFLA_MTU, n ? le16_get(n->mtu) : LOOPBACK_MTU);
	nl_attr(t, IFLA_QDISC, "noqueue", sizeof("noqueue"));
	nl_attr(t, IFLA_ADDRESS, n ? n->mac : none, sizeof(none));
	nl_attr(t, IFLA_BROADCAST, n ? all : none, sizeof(none));
	nl_end(t, at);
}

static uint32_t mask_of(unsigned bits)
{
	return bits ? UINT32_MAX << (32 - KMIN(bits, 32u)) : 0;
}

static void put_addr(struct text *t, const struct nl_request *q, unsigned index,
		     const struct gnm_nic *n)
{
	uint32_t ip = n ? le32_get(n->ip) : 0x7f000001;
	struct ifaddrmsg m = { .ifa_family = AF_INET, .ifa_prefixlen = n ? n->prefix_len : 8,
		.ifa_flags = IFA_F_PERMANENT, .ifa_scope = n ? RT_SCOPE_UNIVERSE : RT_SCOPE_HOST,
		.ifa_index = index };
	size_t at = nl_begin(t, q, RTM_NEWADDR, NLM_F_MULTI, &m, sizeof(m));

	put_ip(t, IFA_ADDRESS, ip);
	put_ip(t, IFA_LOCAL, ip);
	if (n)
		put_ip(t, IFA_BROADCAST, ip | ~mask_of(n->prefix_len));
	put_name(t, IFA_LABEL, index);
	nl_end(t, at);
}

/* Through the gateway, or (gw 0) the NIC's own network. */
static void put_route(struct text *t, const struct nl_request *q, unsigned index,
		      const struct gnm_nic *n, uint32_t gw)
{
	uint32_t ip = le32_get(n->ip);
	struct rtmsg m = { .rtm_family = AF_INET, .rtm_dst_len = gw ? 0 : n->prefix_len,
		.rtm_table = RT_TABLE_MAIN, .rtm_protocol = gw ? RTPROT_BOOT : RTPROT_KERNEL,
		.rtm_scope = gw ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK, .rtm_type = RTN_UNICAST };
	size_t at = nl_begin(t, q, RTM_NEWROUTE, NLM_F_MULTI, &m, sizeof(m));

	put_u32(t, RTA_TABLE, RT_TABLE_MAIN);
	if (gw) {
		put_ip(t, RTA_GATEWAY, gw);
	} else {
		put_ip(t, RTA_DST, ip & mask_of(n->prefix_len));
		put_ip(t, RTA_PREFSRC, ip);
	}
	put_u32(t, RTA_OIF, index);
	nl_end(t, at);
}

/* ---- the questions ---- */

static void dump(const struct nl_request *q, struct text *t, const struct gnm_list *l)
{
	if (q->type == RTM_GETLINK)
		put_link(t, q, NLM_F_MULTI, LO, NULL);
	else if (q->type == RTM_GETADDR)
		put_addr(t, q, LO, NULL);
	for (uint32_t i = 0; i < le32_get(l->n); i++) {
		const struct gnm_nic *n = &l->at[i].nic;

		if (q->type == RTM_GETLINK)
			put_link(t, q, NLM_F_MULTI, FIRST_NIC + i, n);
		if (q->type == RTM_GETADDR)
			put_addr(t, q, FIRST_NIC + i, n);
		if (q->type == RTM_GETROUTE && le32_get(n->gateway))
			put_route(t, q, FIRST_NIC + i, n, le32_get(n->gateway));
		if (q->type == RTM_GETROUTE)
			put_route(t, q, FIRST_NIC + i, n, 0);
	}
}

/* One link by its number, or by its name. */
static int one_link(const struct nl_request *q, struct text *t, const struct gnm_list *l)
{
	struct ifinfomsg m;
	uint32_t i;

	if (q->len < sizeof(m))
		return -EINVAL;
	memcpy(&m, q->data, sizeof(m));
	i = (uint32_t)m.ifi_index;
	if (i == LO)
		put_link(t, q, 0, LO, NULL);
	else if (i >= FIRST_NIC && i - FIRST_NIC < le32_get(l->n))
		put_link(t, q, 0, i, &l->at[i - FIRST_NIC].nic);
	else
		return i ? -ENODEV : -EINVAL;
	return 0;
}

static bool is_question(uint16_t type)
{
	return type == RTM_GETLINK || type == RTM_GETADDR || type == RTM_GETROUTE;
}

int nl_route_answer(const struct nl_request *q, struct text *t, bool *multi)
{
	struct gnm_list *l;
	int err = 0;

	*multi = false;
	if (q->type < RTM_BASE || q->type > RTM_MAX)
		return -EOPNOTSUPP;
	if ((q->type & 3) != 2) /* NEW, DEL, SET */
		return -EPERM;
	*multi = (q->flags & NLM_F_DUMP) == NLM_F_DUMP;
	if (!*multi && q->type != RTM_GETLINK)
		return -EOPNOTSUPP;
	if (!is_question(q->type) || (q->type != RTM_GETLINK && q->len && q->data[0] &&
				      q->data[0] != AF_INET))
		return 0; /* a dump of nothing */
	l = net_nics();
	if (!l)
		return -ENOMEM;
	if (*multi)
		dump(q, t, l);
	else
		err = one_link(q, t, l);
	kfree(l);
	return err;
}
