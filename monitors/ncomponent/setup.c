// SPDX-License-Identifier: GPL-2.0-only
/* The Ethernet NICs and the stack on them, as the command line says. */
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

/* The key of a NIC's: "eth.ip", "eth1.ip". */
static const char *key_of(unsigned nic, const char *what, char *buf, size_t size)
{
	if (nic)
		snprintf(buf, size, "eth%u.%s", nic, what);
	else
		snprintf(buf, size, "eth.%s", what);
	return buf;
}

static int setup_nic(unsigned i, struct eth_config *out)
{
	char dev[16], ip[16], gw[16];
	const char *name = cmdline_get(key_of(i, "dev", dev, sizeof(dev)));
	const char *addr = cmdline_get(key_of(i, "ip", ip, sizeof(ip)));

	if (!name || !*name)
		name = i ? "" : "e1000e0";
	*out = (struct eth_config){ .dev = netdev_find(name),
		.gateway = cmdline_ipv4(key_of(i, "gw", gw, sizeof(gw))) };
	if (!out->dev) {
		log_err("%s=%s: no such device", dev, name);
		return -ENODEV;
	}
	if (!addr || parse_prefix(addr, &out->ip, &out->prefix_len)) {
		log_err("%s=%s: expected a.b.c.d/len", ip, addr ? addr : "");
		return -EINVAL;
	}
	return 0;
}

int setup_eth(struct eth_configs *out)
{
	char key[16];
	int err;

	out->n = 0;
	do {
		err = setup_nic(out->n, &out->nic[out->n]);
		out->n++;
	} while (!err && out->n < STACK_NICS_MAX &&
		 cmdline_get(key_of(out->n, "ip", key, sizeof(key))));
	return err;
}

static void add_nic(struct stack **s, const struct eth_config *e, struct loop *loop, int *err)
{
	struct stack_config cfg = { .dev = e->dev, .loop = loop, .ip = e->ip,
		.prefix_len = e->prefix_len, .gateway = e->gateway,
		.time_wait_ms = (uint32_t)cmdline_u64("tcp.time_wait_ms", 0) };

	if (*s)
		*err = stack_add_nic(*s, &cfg);
	else
		*s = stack_create(&cfg, err);
}

struct stack *setup_stack(const struct eth_configs *eth, struct loop *loop, int *err)
{
	struct stack *s = NULL;

	for (unsigned i = 0; i < eth->n; i++) {
		const struct eth_config *e = &eth->nic[i];

		add_nic(&s, e, loop, err);
		if (*err) {
			log_err("no TCP/IP stack on %s: error %d", e->dev->name, *err);
			return NULL;
		}
		log_info("%s: %u.%u.%u.%u/%u, link %s, checksums %s", e->dev->name, e->ip >> 24,
			 e->ip >> 16 & 255, e->ip >> 8 & 255, e->ip & 255, e->prefix_len,
			 stack_link_up(s, i) ? "up" : "down",
			 e->dev->features & NETDEV_F_TX_CSUM ? "by the device" : "in software");
	}
	return s;
}
