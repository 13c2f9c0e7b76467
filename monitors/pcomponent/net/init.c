// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start of the sockets. Command line: net.data=ddio|dma|auto (ddio; auto is ddio for now),
 * net.pool= and net.sockmem= (bytes), net.dma.prefetch=, net.dma.pack= and net.dma.early=on|off
 * (on), net.gather= (longest send, in bytes, that may share a record with others; 0: none),
 * net.local=on|off (on: connections inside the rack are joined).
 */
#define LOG_SUBSYS "net"
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/random.h>
#include <kern/string.h>
#include <kern/work.h>
#include <mon/board.h>

#include "excache/excache.h"
#include "mem_client.h"
#include "net/proc_net.h"
#include "net/stub.h"
#include "proc/task.h"

static uint8_t data_mode(void)
{
	const char *v = cmdline_get("net.data");

	if (!v || !strcmp(v, "ddio"))
		return DATA_DDIO;
	if (!strcmp(v, "auto"))
		return DATA_AUTO;
	if (!strcmp(v, "dma"))
		return DATA_DMA;
	log_warn("net.data=%s: neither ddio nor dma nor auto; ddio is used", v);
	return DATA_DDIO;
}

static struct workq *join_queue;
static struct work join_work;
static _Atomic uint64_t joined; /* bit per nComponent that came */

static_assert(FIT_NODES_MAX <= 64, "one word of nodes");

static void run_joined(struct work *w)
{
	uint64_t nodes = atomic_exchange(&joined, 0);

	for (fit_node_t n = 0; n < FIT_NODES_MAX; n++)
		if (nodes >> n & 1)
			net_node_joined(n);
}

static void on_member(const struct proto_member *m, bool up, void *arg)
{
	fit_node_t node = le16_get(m->node);

	if (!up)
		net_node_gone(node);
	if (!up || m->role != ROLE_NCOMPONENT || node >= FIT_NODES_MAX)
		return;
	gnm_forget(); /* it may hold addresses that were not there before */
	atomic_fetch_or(&joined, 1ULL << node);
	work_queue(join_queue, &join_work);
}

static bool remote_run(uint64_t addr, uint64_t *n, struct tx_ref *r)
{
	return excache_remote_run(addr, n, &r->home, &r->as);
}

void net_init(void)
{
	struct net_config cfg = {
		.fit = mem_client_fit(),
		.loop = board_self()->loop,
		.local = cmdline_bool("net.local", true),
		.incarnation = random_u64(),
		.pool_bytes = (uint32_t)cmdline_u64("net.pool", NET_POOL_DEFAULT),
		.sockmem_bytes = (uint32_t)cmdline_u64("net.sockmem", NET_SOCKMEM_DEFAULT),
		.dma_prefetch = cmdline_bool("net.dma.prefetch", true),
		.dma_pack = cmdline_bool("net.dma.pack", true),
		.dma_early = cmdline_bool("net.dma.early", true),
		.gather_max = (uint32_t)cmdline_u64("net.gather", NET_GATHER_DEFAULT),
		.data_mode = data_mode(),
		.remote_run = remote_run,
	};
	int err = net_core_init(&cfg);

	kassert(!err); /* at boot: no memory for the table of handles, or served twice */
	join_queue = workq_create("net join", 1);
	kassert(join_queue);
	work_init(&join_work, run_joined);
	mon_on_member(board_self(), on_member, NULL);
	proc_net_init();
}
