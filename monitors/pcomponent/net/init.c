// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start of the sockets. Command line: net.data=ddio|dma|auto (ddio; auto is ddio for now)
 * net.pool= and net.sockmem= (bytes) net.dma.prefetch=on|off (on).
 */
#define LOG_SUBSYS "net"
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/random.h>
#include <kern/string.h>
#include <mon/board.h>

#include "mem_client.h"
#include "net/stub.h"
#include "proc/task.h"

static uint8_t data_mode(void)
{
	const char *v = cmdline_get("net.data");

	if (!v || !strcmp(v, "ddio") || !strcmp(v, "auto"))
		return DATA_DDIO;
	if (!strcmp(v, "dma"))
		return DATA_DMA;
	log_warn("net.data=%s: neither ddio nor dma nor auto; ddio is used", v);
	return DATA_DDIO;
}

static void on_member(const struct proto_member *m, bool up, void *arg)
{
	if (up && m->role == ROLE_NCOMPONENT)
		gnm_forget(); /* it may hold addresses that were not there before */
	else if (!up)
		net_node_gone(le16_get(m->node));
}

void net_init(void)
{
	struct net_config cfg = {
		.fit = mem_client_fit(),
		.incarnation = random_u64(),
		.pool_bytes = (uint32_t)cmdline_u64("net.pool", NET_POOL_DEFAULT),
		.sockmem_bytes = (uint32_t)cmdline_u64("net.sockmem", NET_SOCKMEM_DEFAULT),
		.dma_prefetch = cmdline_bool("net.dma.prefetch", true),
		.data_mode = data_mode(),
	};
	int err = net_core_init(&cfg);

	kassert(!err); /* at boot: no memory for the table of handles, or served twice */
	mon_on_member(board_self(), on_member, NULL);
}
