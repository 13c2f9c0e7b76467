// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which connection or listener a segment belongs to (patches/lwip/0003): connections, those in
 * TIME_WAIT included, are in one hash by their four numbers, so that the work a segment costs does
 * not grow with their number. Listeners are few; of several that share a port by SO_REUSEPORT a
 * hash of the four numbers chooses, so a peer's retransmitted SYN finds the same one again.
 *
 * Ports that connections in TIME_WAIT hold are counted: binding looks at the count.
 */
#include <kern/hash.h>
#include <kern/log.h>
#include <kern/random.h>

#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "stack/lwip_hooks.h"
#include "stack/priv.h"

#define BUCKETS 4096u /* a power of two */

static struct tcp_pcb *table[BUCKETS];
static uint16_t waiting[65536], rigid_waiting[65536]; /* by local port */
static unsigned connections;

/* The key is secret: nobody outside chooses which connections share a bucket. */
static uint32_t hash(uint32_t local, uint16_t lport, uint32_t remote, uint16_t rport)
{
	static uint64_t key;
	uint64_t h;

	if (!key)
		key = random_u64() | 1;
	h = (((uint64_t)local << 32 | remote) ^ key) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ h >> 32 ^ ((uint64_t)lport << 16 | rport)) * 0xbf58476d1ce4e5b9ULL;
	return (uint32_t)(h >> 32);
}

static struct tcp_pcb **bucket_of(const struct tcp_pcb *p)
{
	return &table[hash(p->local_ip.addr, p->local_port, p->remote_ip.addr, p->remote_port) %
		      BUCKETS];
}

static void count_waiting(const struct tcp_pcb *p, int n)
{
	waiting[p->local_port] = (uint16_t)(waiting[p->local_port] + n);
	if (!ip_get_option(p, SOF_OWNER_REUSES))
		rigid_waiting[p->local_port] = (uint16_t)(rigid_waiting[p->local_port] + n);
}

static unsigned half_open; /* of all listeners */

unsigned stack_half_open(void)
{
	return half_open;
}

void stack_half_open_add(struct tcp_pcb_listen *l, int n)
{
	l->half_open = (u16_t)(l->half_open + n);
	half_open += (unsigned)n;
}

void stack_tcp_linked(struct tcp_pcb **list, struct tcp_pcb *p)
{
	struct tcp_pcb **b;

	if (list != &tcp_active_pcbs && list != &tcp_tw_pcbs)
		return;
	b = bucket_of(p);
	p->hash_next = *b;
	*b = p;
	connections++;
	if (list == &tcp_tw_pcbs)
		count_waiting(p, 1);
	if (p->state == SYN_RCVD && p->listener)
		stack_half_open_add(p->listener, 1);
	stack_timer_enter(p);
}

void stack_tcp_unlinked(struct tcp_pcb *p)
{
	if (p->state != LISTEN)
		stack_timer_leave(p);
	for (struct tcp_pcb **at = bucket_of(p); *at; at = &(*at)->hash_next) {
		if (*at != p)
			continue;
		*at = p->hash_next;
		p->hash_next = NULL;
		connections--;
		if (p->state == TIME_WAIT)
			count_waiting(p, -1);
		if (p->state == SYN_RCVD && p->listener)
			stack_half_open_add(p->listener, -1);
		return;
	}
}

unsigned stack_tcp_connections(void)
{
	return connections;
}

bool stack_port_waits(uint16_t port, bool rigid)
{
	return rigid ? rigid_waiting[port] : waiting[port];
}

/*
 * RFC 9293 3.10.7.4 and RFC 6191: a SYN that lies behind what a connection in TIME_WAIT has seen
 * begins a new one; our sequence numbers have moved on by the clock in them.
 */
static bool begins_anew(const struct tcp_pcb *p, const struct tcp_hdr *h)
{
	unsigned flags = TCPH_FLAGS(h) & (TCP_SYN | TCP_ACK | TCP_RST);

	return p->state == TIME_WAIT && flags == TCP_SYN && TCP_SEQ_GT(h->seqno, p->rcv_nxt);
}

struct tcp_pcb *stack_tcp_find(const struct tcp_hdr *h, int time_wait)
{
	uint32_t local = ip4_current_dest_addr()->addr, remote = ip4_current_src_addr()->addr;
	struct tcp_pcb *p = table[hash(local, h->dest, remote, h->src) % BUCKETS];

	for (; p; p = p->hash_next) {
		if (p->remote_port == h->src && p->local_port == h->dest &&
		    p->remote_ip.addr == remote && p->local_ip.addr == local &&
		    (p->state == TIME_WAIT) == time_wait)
			break;
	}
	if (!p || begins_anew(p, h))
		return NULL;
	stack_timer_wake(p);
	if (TCPH_FLAGS(h) & TCP_URG && !time_wait)
		stack_tcp_urgent_in(p, h);
	return p;
}

int stack_tcp_taken(const struct tcp_pcb *p, const ip_addr_t *to, u16_t port)
{
	struct tcp_pcb *o = table[hash(p->local_ip.addr, p->local_port, to->addr, port) % BUCKETS];

	while (o && (o->remote_port != port || o->local_port != p->local_port ||
		     o->remote_ip.addr != to->addr || o->local_ip.addr != p->local_ip.addr))
		o = o->hash_next;
	return o != NULL;
}

struct tcp_pcb *stack_tcp_find_named(uint32_t local, uint16_t lport, uint32_t remote,
				     uint16_t rport)
{
	struct tcp_pcb *p;

	local = lwip_htonl(local);
	remote = lwip_htonl(remote);
	p = table[hash(local, lport, remote, rport) % BUCKETS];
	while (p && (p->remote_port != rport || p->local_port != lport || p->state == TIME_WAIT ||
		     p->remote_ip.addr != remote || p->local_ip.addr != local))
		p = p->hash_next;
	return p;
}

/* ---- listeners ---- */

/* 0: not this one; the address is better than the wildcard. */
static unsigned fits(const struct tcp_pcb_listen *l, const struct tcp_hdr *h)
{
	if (l->local_port != h->dest)
		return 0;
	if (ip_addr_isany_val(l->local_ip))
		return 1;
	return ip4_addr_cmp(&l->local_ip, ip4_current_dest_addr()) ? 2 : 0;
}

struct tcp_pcb_listen *stack_tcp_listener(const struct tcp_hdr *h)
{
	struct tcp_pcb_listen *l, *best = NULL;
	unsigned top = 0, equal = 0, n;

	for (l = tcp_listen_pcbs.listen_pcbs; l; l = l->next) {
		unsigned f = fits(l, h);

		if (f > top) {
			top = f;
			best = l;
			equal = 0;
		}
		equal += f && f == top;
	}
	if (equal < 2)
		return best;
	n = hash(ip4_current_dest_addr()->addr, h->dest, ip4_current_src_addr()->addr, h->src) %
	    equal;
	for (l = best; l; l = l->next)
		if (fits(l, h) == top && !n--)
			return l;
	return best;
}
