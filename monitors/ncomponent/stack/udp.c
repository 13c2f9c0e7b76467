// SPDX-License-Identifier: GPL-2.0-only
/*
 * UDP (RFC 768) over lwIP's IP layer. lwIP's own UDP walks one list for every packet and knows
 * neither Linux's order of choice nor senders that keep their bytes; so datagrams are taken by a
 * raw PCB, after reassembly, and found here by a hash of the local port.
 *
 * Who gets a datagram: of the sockets of the port whose address is its destination or any, and
 * whose peer, if they have one, is its sender, the most specific; of equals the latest, or, when
 * they spread, one by hash of the four numbers. A broadcast goes to all of them.
 *
 * Left out: multicast groups.
 */
#define LOG_SUBSYS "stack"
#include <kern/endian.h>
#include <kern/hash.h>
#include <kern/log.h>
#include <kern/string.h>
#include <sys/queue.h>

#include "lwip/icmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip4.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/udp.h"
#include "lwip/raw.h"
#include "stack/priv.h"

#define BUCKETS 512u
#define IP_DATAGRAM_MAX 65535u

struct stack_udp {
	struct stack *stack;
	const struct stack_udp_ops *ops;
	void *arg;
	uint32_t ip, bound_ip, remote_ip; /* 0: any */
	uint16_t port, remote_port;       /* port 0: not bound */
	bool spread, deaf;
	LIST_ENTRY(stack_udp) link;
};
static LIST_HEAD(udp_list, stack_udp) table[BUCKETS];

static struct udp_list *bucket(uint16_t port)
{
	return &table[port % BUCKETS];
}

/* ---- which socket ---- */

struct flow { uint32_t local, remote; uint16_t lport, rport; };

/* 0: not this one; more: more specific. */
static unsigned score(const struct stack_udp *u, const struct flow *f)
{
	if (u->port != f->lport || (u->ip && u->ip != f->local))
		return 0;
	if (u->remote_ip && (u->remote_ip != f->remote || u->remote_port != f->rport))
		return 0;
	return 1 + (u->ip != 0) + 4 * (u->remote_ip != 0);
}

static uint32_t flow_hash(const struct flow *f)
{
	uint64_t h = ((uint64_t)f->local << 32 | f->remote) * 0x9e3779b97f4a7c15ULL;

	h = (h ^ h >> 29 ^ ((uint64_t)f->lport << 16 | f->rport)) * 0xbf58476d1ce4e5b9ULL;
	return (uint32_t)(h >> 32);
}

static struct stack_udp *nth_equal(const struct flow *f, unsigned best, unsigned n)
{
	struct stack_udp *u;

	LIST_FOREACH(u, bucket(f->lport), link) {
		if (u->spread && score(u, f) == best && !n--)
			return u;
	}
	return NULL;
}

static struct stack_udp *find(const struct flow *f)
{
	struct stack_udp *u, *best = NULL;
	unsigned top = 0, equal = 0;

	LIST_FOREACH(u, bucket(f->lport), link) {
		unsigned n = score(u, f);

		if (n > top) {
			top = n;
			best = u;
			equal = 0;
		}
		equal += n && n == top && u->spread;
	}
	if (best && best->spread && equal > 1)
		return nth_equal(f, top, flow_hash(f) % equal);
	return best;
}

/* ---- in ---- */

/* Hands p, which begins at the payload, to u; consumes it. */
static void deliver(struct stack_udp *u, const struct stack_dgram *d, struct pbuf *p)
{
	struct stack_bufq q = { NULL, NULL };

	if (pbuf_clen(p) > STACK_UDP_PIECES) {
		struct pbuf *flat = pbuf_clone(PBUF_RAW, PBUF_RAM, p);

		pbuf_free(p);
		p = flat;
		if (!p) {
			counter_add(lwip, udp_nomem, 1);
			return;
		}
	}
	while (p) {
		struct pbuf *rest = p->next;

		if (rest)
			pbuf_ref(rest); /* p's reference to it ends with the chain */
		pbuf_dechain(p);
		if (p->len)
			stack_bufq_push(&q, (struct stack_buf *)p);
		else
			pbuf_free(p);
		p = rest;
	}
	counter_add(lwip, udp_rx, 1);
	u->ops->recv(u->arg, d, &q);
}

static void deliver_all(const struct flow *f, const struct stack_dgram *d, struct pbuf *p)
{
	struct stack_udp *u, *next;

	for (u = LIST_FIRST(bucket(f->lport)); u; u = next) {
		next = LIST_NEXT(u, link);
		if (!score(u, f)) /* who is bound to the NIC's own address does not hear it */
			continue;
		struct pbuf *copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);

		if (copy)
			deliver(u, d, copy);
		else
			counter_add(lwip, udp_nomem, 1);
	}
	pbuf_free(p);
}

/* Strips the headers and checks the rest: false: not a datagram. */
static bool strip(struct pbuf *p, u16_t hlen, uint16_t len)
{
	bool has_sum = ((const struct udp_hdr *)((const uint8_t *)p->payload + hlen))->chksum;

	pbuf_remove_header(p, hlen);
	pbuf_realloc(p, len); /* what the link padded */
	if (has_sum && ip_current_input_netif()->chksum_flags & NETIF_CHECKSUM_CHECK_UDP &&
	    ip_chksum_pseudo(p, IP_PROTO_UDP, p->tot_len, ip_current_src_addr(),
			     ip_current_dest_addr())) {
		counter_add(lwip, udp_csum_errors, 1);
		return false;
	}
	pbuf_remove_header(p, UDP_HLEN);
	return true;
}

static void no_port(struct pbuf *p)
{
	counter_add(lwip, udp_no_port, 1);
	if (stack_icmp_may_send())
		icmp_dest_unreach(p, ICMP_DUR_PORT);
}

/* lwIP's raw callback: p begins at the IP header and is ours when we return 1. */
static u8_t on_packet(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
	const struct ip_hdr *ip = p->payload;
	u16_t hlen = IPH_HL_BYTES(ip);
	const struct udp_hdr *udp = (const struct udp_hdr *)((const uint8_t *)ip + hlen);
	bool all = ip_addr_isbroadcast(ip_current_dest_addr(), ip_current_netif()) ||
		   ip_addr_ismulticast(ip_current_dest_addr());
	uint16_t len = p->len < hlen + UDP_HLEN ? 0 : lwip_ntohs(udp->len);

	if (len < UDP_HLEN || len > p->tot_len - hlen) {
		counter_add(lwip, udp_malformed, 1);
		pbuf_free(p);
		return 1;
	}
	struct flow f = { lwip_ntohl(ip4_current_dest_addr()->addr),
			  lwip_ntohl(ip4_current_src_addr()->addr), lwip_ntohs(udp->dest),
			  lwip_ntohs(udp->src) };
	struct stack_dgram d = { .ip = f.remote, .port = f.rport, .local_ip = f.local,
		.tos = IPH_TOS(ip), .ttl = IPH_TTL(ip), .len = (uint16_t)(len - UDP_HLEN) };
	struct stack_udp *u = all ? NULL : find(&f);

	if (!u && !all) {
		no_port(p);
		pbuf_free(p);
	} else if (!strip(p, hlen, len)) {
		pbuf_free(p);
	} else if (all) {
		deliver_all(&f, &d, p);
	} else {
		deliver(u, &d, p);
	}
	return 1;
}

void stack_udp_icmp(const struct stack_icmp *e, uint32_t local, uint16_t port)
{
	struct flow f = { local, e->dst_ip, port, e->dst_port };
	struct stack_udp *u = find(&f);

	if (!u) {
		counter_add(lwip, icmp_unmatched, 1);
		return;
	}
	u->ops->icmp(u->arg, e);
}

/* ---- out ---- */

struct udp_tx {
	struct pbuf_custom pc; /* first: lwIP frees by this address */
	void (*done)(void *arg);
	void *arg;
};

static void tx_free(struct pbuf *p)
{
	struct udp_tx *t = (struct udp_tx *)p;
	void (*done)(void *arg) = t->done;
	void *arg = t->arg;

	stack_assert_context();
	kmem_cache_free(stack_instance()->udp_tx_cache, t);
	done(arg);
}

/* Headers and data as one chain; done() comes with its end. NULL: it has come. */
static struct pbuf *make_packet(struct stack *s, const void *data, uint32_t len,
				void (*done)(void *arg), void *arg)
{
	struct pbuf *head = pbuf_alloc(PBUF_IP, UDP_HLEN, PBUF_RAM);
	struct udp_tx *t = head && len ? kmem_cache_alloc(s->udp_tx_cache) : NULL;

	if (!t) { /* a pbuf without bytes ends a packet in lwIP's eyes: there is none */
		if (head && len) {
			pbuf_free(head);
			head = NULL;
		}
		done(arg);
		return head;
	}
	t->done = done;
	t->arg = arg;
	t->pc.custom_free_function = tx_free;
	pbuf_cat(head, pbuf_alloced_custom(PBUF_RAW, (u16_t)len, PBUF_REF, &t->pc, (void *)data,
					   (u16_t)len));
	return head;
}

/* Where it leaves; loopback and our own address need no link. */
static struct netif *route(uint32_t from, uint32_t ip)
{
	ip4_addr_t to = { lwip_htonl(ip) }, src = { lwip_htonl(from) };

	return ip4_route_src(&src, &to);
}

static uint32_t source(const struct stack_udp *u, const struct stack_dgram *to,
		       const struct netif *nif)
{
	if (to->local_ip)
		return to->local_ip;
	return u->ip && !stack_is_group(u->stack, u->ip) ? u->ip :
							   lwip_ntohl(netif_ip4_addr(nif)->addr);
}

/* Left to the device where the datagram is one packet; unused inside the board. */
static void fill_checksum(struct stack *s, struct udp_hdr *udp, struct pbuf *p,
			  const struct netif *nif, const ip4_addr_t *from, const ip4_addr_t *to)
{
	const struct stack_nic *nic = nif->state;

	if (nif->linkoutput != s->nic[0].netif.linkoutput || /* the loop's */
	    ip4_addr_cmp(to, netif_ip4_addr(nif)))
		return;
	if (nic->dev->features & NETDEV_F_TX_CSUM && p->tot_len + IP_HLEN <= nif->mtu)
		return;
	udp->chksum = inet_chksum_pseudo(p, IP_PROTO_UDP, p->tot_len, from, to);
	if (!udp->chksum)
		udp->chksum = 0xffff; /* 0 says that there is none */
}

int stack_udp_send(struct stack_udp *u, const struct stack_dgram *to, const void *data,
		   uint32_t len, void (*done)(void *arg), void *done_arg)
{
	struct netif *nif = route(to->local_ip ? to->local_ip : u->ip, to->ip);
	struct pbuf *p;

	stack_assert_context();
	if (!nif || len > IP_DATAGRAM_MAX - IP_HLEN - UDP_HLEN) {
		done(done_arg);
		return nif ? -EMSGSIZE : -ENETUNREACH;
	}
	p = make_packet(u->stack, data, len, done, done_arg);
	if (!p)
		return -ENOBUFS;
	ip4_addr_t src = { lwip_htonl(source(u, to, nif)) }, dst = { lwip_htonl(to->ip) };
	struct udp_hdr *udp = p->payload;

	*udp = (struct udp_hdr){ .src = lwip_htons(u->port), .dest = lwip_htons(to->port),
		.len = lwip_htons(p->tot_len) };
	fill_checksum(u->stack, udp, p, nif, &src, &dst);
	err_t err = ip4_output_if_src(p, &src, &dst, to->ttl, to->tos, IP_PROTO_UDP, nif);

	pbuf_free(p);
	counter_add(lwip, udp_tx, err == ERR_OK);
	return stack_errno(err);
}

/* ---- for the owner ---- */

struct stack_udp *stack_udp_open(struct stack *s, const struct stack_udp_ops *ops, void *arg)
{
	struct stack_udp *u = kmem_cache_alloc(s->udp_cache);

	stack_assert_context();
	if (u)
		*u = (struct stack_udp){ .stack = s, .ops = ops, .arg = arg };
	return u;
}

void stack_udp_bind(struct stack_udp *u, uint32_t ip, uint16_t port, bool spread)
{
	stack_assert_context();
	kassert(!u->port && port);
	u->ip = u->bound_ip = ip;
	u->port = port;
	u->spread = spread;
	LIST_INSERT_HEAD(bucket(port), u, link);
}

int stack_udp_connect(struct stack_udp *u, uint32_t ip, uint16_t port, uint32_t *local)
{
	struct netif *nif = ip ? route(u->bound_ip, ip) : NULL;

	stack_assert_context();
	if (ip && !nif)
		return -ENETUNREACH;
	u->remote_ip = ip;
	u->remote_port = port;
	u->ip = u->bound_ip || !nif ? u->bound_ip : lwip_ntohl(netif_ip4_addr(nif)->addr);
	*local = u->ip;
	return 0;
}

void stack_udp_deafen(struct stack_udp *u)
{
	stack_assert_context();
	if (u->port && !u->deaf)
		LIST_REMOVE(u, link);
	u->deaf = true;
}

void stack_udp_close(struct stack_udp *u)
{
	stack_udp_deafen(u);
	kmem_cache_free(u->stack->udp_cache, u);
}

int stack_udp_init(struct stack *s)
{
	struct raw_pcb *pcb = raw_new(IP_PROTO_UDP);

	s->udp_cache = kmem_cache_create("stack_udp", sizeof(struct stack_udp), CACHE_LINE);
	s->udp_tx_cache = kmem_cache_create("stack_udp_tx", sizeof(struct udp_tx), 16);
	if (!pcb || !s->udp_cache || !s->udp_tx_cache)
		return -ENOMEM;
	raw_recv(pcb, on_packet, s);
	return 0;
}
