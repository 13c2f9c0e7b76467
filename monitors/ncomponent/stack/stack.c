// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stack's instance and its place in the loop. The NIC's own source delivers frames (and so runs
 * lwIP's input); this source runs after it: packets that turned round inside, timers that are due,
 * and at last the doorbell for everything built in this round.
 */
#define LOG_SUBSYS "stack"
#include <kern/log.h>
#include <kern/string.h>
#include <kern/timer.h>

#include "lwip/init.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/stats.h"
#include "lwip/timeouts.h"
#include "stack/priv.h"

COUNTERS_DEFINE(lwip, LWIP_COUNTERS);

static struct stack the_stack;
static bool stack_made;

struct stack *stack_instance(void)
{
	return &the_stack;
}

uint32_t stack_ip(const struct stack *s)
{
	return lwip_ntohl(netif_ip4_addr(&s->nic[0].netif)->addr);
}

bool stack_has_ip(struct stack *s, uint32_t ip)
{
	return stack_nic_of(s, ip);
}

bool stack_is_group(const struct stack *s, uint32_t ip)
{
	ip4_addr_t a = { lwip_htonl(ip) };

	for (unsigned i = 0; i < s->nnics; i++)
		if (ip4_addr_isbroadcast(&a, &s->nic[i].netif))
			return true;
	return ip4_addr_ismulticast(&a);
}

bool stack_link_up(const struct stack *s, unsigned nic)
{
	return netif_is_link_up(&s->nic[nic].netif);
}

int stack_errno(err_t e)
{
	switch (e) {
	case ERR_OK: return 0;
	case ERR_MEM: return -ENOBUFS;
	case ERR_BUF: return -ENOBUFS;
	case ERR_RTE: return -ENETUNREACH;
	case ERR_USE: return -EADDRINUSE;
	case ERR_ALREADY: return -EALREADY;
	case ERR_ISCONN: return -EISCONN;
	case ERR_CONN: return -ENOTCONN;
	case ERR_CLSD: return -EPIPE;
	case ERR_ABRT: return -ECONNABORTED;
	case ERR_RST: return -ECONNRESET;
	default: return -EINVAL;
	}
}

/* lwIP's own statistics become counters; at most every 100 ms. */
static void export_stats(struct stack *s, uint64_t now)
{
	if (now < s->stats_at_ns)
		return;
	s->stats_at_ns = now + 100 * NSEC_PER_MSEC;
	atomic_store(counter_ref(lwip, tcp_retransmits), lwip_stats.mib2.tcpretranssegs);
	atomic_store(counter_ref(lwip, tcp_drops), lwip_stats.tcp.drop);
	atomic_store(counter_ref(lwip, tcp_csum_errors), lwip_stats.tcp.chkerr);
	atomic_store(counter_ref(lwip, tcp_memerr), lwip_stats.tcp.memerr);
	atomic_store(counter_ref(lwip, ip_drops), lwip_stats.ip.drop);
	atomic_store(counter_ref(lwip, rx_kept), s->rx_held);
	atomic_store(counter_ref(lwip, tcp_connections), stack_tcp_connections());
}

static bool turned_round(const struct stack *s)
{
	struct netif *n;

	NETIF_FOREACH(n) {
		if (n->loop_first)
			return true;
	}
	return false;
}

static unsigned source_poll(struct loop_source *src, unsigned budget)
{
	struct stack *s = container_of(src, struct stack, source);
	unsigned work = 0;

	s->running = true;
	stack_gro_flush(s);
	if (turned_round(s)) {
		stack_netif_checks(s, 0); /* never on a wire: nobody filled in checksums */
		netif_poll_all();
		work = 1;
	}
	sys_check_timeouts();
	export_stats(s, clock_mono_ns());
	stack_netif_flush(s);
	return work;
}

static bool source_arm(struct loop_source *src)
{
	struct stack *s = container_of(src, struct stack, source);

	return stack_netif_idle(s) && !turned_round(s);
}

static uint64_t source_deadline(struct loop_source *src)
{
	u32_t ms = sys_timeouts_sleeptime();

	return ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? UINT64_MAX
						     : clock_mono_ns() + ms * NSEC_PER_MSEC;
}

void stack_flush(struct stack *s)
{
	stack_netif_flush(s);
}

bool stack_port_lingers(struct stack *s, uint32_t ip, uint16_t port, bool rigid)
{
	stack_assert_context();
	for (const struct tcp_pcb *p = tcp_active_pcbs; p; p = p->next) {
		if (p->local_port == port && !p->ext_args[s->ext_id].data &&
		    (!ip || lwip_ntohl(p->local_ip.addr) == ip) &&
		    !(rigid && ip_get_option(p, SOF_OWNER_REUSES)))
			return true;
	}
	return stack_port_waits(port, rigid);
}

struct stack *stack_create(const struct stack_config *cfg, int *err)
{
	struct stack *s = &the_stack;

	*err = stack_made ? -EBUSY : !cfg->ip || cfg->prefix_len > 32 ? -EINVAL : 0;
	if (*err)
		return NULL;
	stack_made = true;
	s->loop = cfg->loop;
	if (cfg->time_wait_ms)
		stack_tcp_msl_ms = cfg->time_wait_ms / 2;
	lwip_init();
	stack_tcp_init(s);
	*err = s->tcp_cache ? stack_udp_init(s) : -ENOMEM;
	if (!*err)
		*err = stack_icmp_init(s);
	if (!*err)
		*err = stack_netif_init(s, cfg);
	if (*err)
		return NULL;
	s->source.name = "stack";
	s->source.poll = source_poll;
	s->source.arm = source_arm;
	s->source.deadline = source_deadline;
	loop_add(s->loop, &s->source);
	return s;
}

int stack_add_nic(struct stack *s, const struct stack_config *cfg)
{
	if (s->nnics == STACK_NICS_MAX)
		return -ENOSPC;
	if (!cfg->ip || cfg->prefix_len > 32 || stack_nic_of(s, cfg->ip))
		return -EINVAL;
	return stack_netif_init(s, cfg);
}
