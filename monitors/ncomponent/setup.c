// SPDX-License-Identifier: GPL-2.0-only
/* The Ethernet NIC and the stack on it, as the command line says. */
#define LOG_SUBSYS "setup"
#include "setup.h"

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/string.h>

/* "a.b.c.d/len" */
static int parse_prefix(const char *text, uint32_t *ip, uint8_t *len)
{
	char buf[32];
	uint64_t n;

	if (kstrcpy(buf, text, sizeof(buf)) < 0)
		return -EINVAL;
	char *slash = strchr(buf, '/');
	if (!slash)
		return -EINVAL;
	*slash = 0;
	if (kstrtoipv4(buf, ip) || kstrtou64(slash + 1, 10, &n) || n < 1 || n > 32)
		return -EINVAL;
	*len = (uint8_t)n;
	return 0;
}

int setup_eth(struct eth_config *out)
{
	const char *name = cmdline_get("eth.dev"), *ip = cmdline_get("eth.ip");

	if (!name || !*name)
		name = "e1000e0";
	*out = (struct eth_config){ .dev = netdev_find(name), .gateway = cmdline_ipv4("eth.gw") };
	if (!out->dev) {
		log_err("eth.dev=%s: no such device", name);
		return -ENODEV;
	}
	if (!ip || parse_prefix(ip, &out->ip, &out->prefix_len)) {
		log_err("eth.ip=%s: expected a.b.c.d/len", ip ? ip : "");
		return -EINVAL;
	}
	return 0;
}

struct stack *setup_stack(const struct eth_config *eth, struct loop *loop, int *err)
{
	struct stack_config cfg = { .dev = eth->dev, .loop = loop, .ip = eth->ip,
		.prefix_len = eth->prefix_len, .gateway = eth->gateway,
		.time_wait_ms = (uint32_t)cmdline_u64("tcp.time_wait_ms", 0) };
	struct stack *s = stack_create(&cfg, err);

	if (!s) {
		log_err("no TCP/IP stack on %s: error %d", eth->dev->name, *err);
		return NULL;
	}
	log_info("%s: %u.%u.%u.%u/%u, link %s, checksums %s", eth->dev->name, eth->ip >> 24,
		 eth->ip >> 16 & 255, eth->ip >> 8 & 255, eth->ip & 255, eth->prefix_len,
		 stack_link_up(s) ? "up" : "down",
		 eth->dev->features & NETDEV_F_TX_CSUM ? "by the device" : "in software");
	return s;
}
