// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interfaces as programs ask for them (netdevice(7)): lo and the NICs that GNM knows, named
 * eth0, eth1, ... Read only; whoever tries to change one is told EPERM.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/in.h>
#include <linux/sockios.h>

#include "net/abi.h"
#include "net/sock_file.h"

#define NAME_LEN 16 /* IFNAMSIZ */
#define LOOPBACK_MTU 65536
/* netdevice(7); <linux/if.h> does not go with a C library */
#define FLAG_UP 0x1
#define FLAG_BROADCAST 0x2
#define FLAG_LOOPBACK 0x8
#define FLAG_RUNNING 0x40
#define FLAG_MULTICAST 0x1000
#define ARPHRD_ETHER 1
#define ARPHRD_LOOPBACK 772

struct user_ifreq {
	char name[NAME_LEN];
	union {
		struct sockaddr_in in;
		struct { uint16_t family; uint8_t mac[14]; } hw;
		int16_t flags;
		int32_t v;
		uint8_t room[24];
	};
};
static_assert(sizeof(struct user_ifreq) == 40, "netdevice(7)");
struct user_ifconf {
	int32_t len;
	int32_t pad;
	uint64_t buf;
};

/* Index 0 is lo. */
static void if_name(unsigned i, char *out)
{
	memset(out, 0, NAME_LEN);
	if (i)
		snprintf(out, NAME_LEN, "eth%u", i - 1);
	else
		memcpy(out, "lo", 3);
}

static unsigned count(const struct gnm_list *l)
{
	return KMIN(le32_get(l->n), (uint32_t)ARRAY_SIZE(l->at)) + 1;
}

static const struct gnm_nic *nic(const struct gnm_list *l, unsigned i)
{
	return &l->at[i - 1].nic;
}

static void put_ip(struct user_ifreq *r, uint32_t ip)
{
	r->in = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = __builtin_bswap32(ip) };
}

static uint32_t mask(unsigned bits)
{
	return bits ? UINT32_MAX << (32 - KMIN(bits, 32u)) : 0;
}

static uint32_t address(const struct gnm_list *l, unsigned i)
{
	return i ? le32_get(nic(l, i)->ip) : 0x7f000001;
}

static int answer(const struct gnm_list *l, unsigned i, uint32_t cmd, struct user_ifreq *r)
{
	uint32_t bits = i ? nic(l, i)->prefix_len : 8;

	switch (cmd) {
	case SIOCGIFADDR:
		put_ip(r, address(l, i));
		return 0;
	case SIOCGIFNETMASK:
		put_ip(r, mask(bits));
		return 0;
	case SIOCGIFBRDADDR:
		put_ip(r, i ? address(l, i) | ~mask(bits) : 0);
		return 0;
	case SIOCGIFFLAGS:
		r->flags = i ? FLAG_UP | FLAG_BROADCAST | FLAG_MULTICAST |
			       (nic(l, i)->link_up ? FLAG_RUNNING : 0) :
			       FLAG_UP | FLAG_LOOPBACK | FLAG_RUNNING;
		return 0;
	case SIOCGIFMTU:
		r->v = i ? le16_get(nic(l, i)->mtu) : LOOPBACK_MTU;
		return 0;
	case SIOCGIFINDEX:
		r->v = (int32_t)i + 1;
		return 0;
	case SIOCGIFTXQLEN:
		r->v = i ? 1000 : 0;
		return 0;
	case SIOCGIFMETRIC:
		r->v = 0;
		return 0;
	case SIOCGIFHWADDR:
		memset(&r->hw, 0, sizeof(r->hw));
		r->hw.family = i ? ARPHRD_ETHER : ARPHRD_LOOPBACK;
		if (i)
			memcpy(r->hw.mac, nic(l, i)->mac, sizeof(nic(l, i)->mac));
		return 0;
	default:
		return -ENOTTY;
	}
}

static int64_t one_interface(const struct gnm_list *l, uint32_t cmd, uint64_t arg)
{
	struct user_ifreq r;
	char name[NAME_LEN];
	int err = -ENODEV;

	if (copy_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	r.name[NAME_LEN - 1] = 0;
	for (unsigned i = 0; i < count(l) && err == -ENODEV; i++) {
		if_name(i, name);
		if (!strcmp(name, r.name))
			err = answer(l, i, cmd, &r);
	}
	if (!err && copy_to_user(arg, &r, sizeof(r)))
		err = -EFAULT;
	return err;
}

static int64_t all_interfaces(const struct gnm_list *l, uint64_t arg)
{
	struct user_ifconf c;
	int32_t used = 0;

	if (copy_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	for (unsigned i = 0; i < count(l); i++) {
		struct user_ifreq r = { .room = { 0 } };

		if (c.buf && c.len - used < (int32_t)sizeof(r))
			break;
		if_name(i, r.name);
		put_ip(&r, address(l, i));
		if (c.buf && copy_to_user(c.buf + (uint32_t)used, &r, sizeof(r)))
			return -EFAULT;
		used += (int32_t)sizeof(r);
	}
	c.len = used;
	return copy_to_user(arg, &c, sizeof(c)) ? -EFAULT : 0;
}

/* SIOCGIFNAME: the name of an index. */
static int64_t name_of(const struct gnm_list *l, uint64_t arg)
{
	struct user_ifreq r;

	if (copy_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	if (r.v < 1 || r.v > (int32_t)count(l))
		return -ENODEV;
	if_name((unsigned)r.v - 1, r.name);
	return copy_to_user(arg, &r, sizeof(r)) ? -EFAULT : 0;
}

int64_t if_ioctl(uint32_t cmd, uint64_t arg)
{
	struct gnm_list *l;
	int64_t ret;

	if (cmd == SIOCSIFADDR || cmd == SIOCSIFFLAGS || cmd == SIOCSIFNETMASK || cmd == SIOCSIFMTU)
		return -EPERM;
	if ((cmd < SIOCGIFNAME || cmd > SIOCGIFINDEX) && cmd != SIOCGIFTXQLEN)
		return -ENOTTY;
	l = kzalloc(sizeof(*l));
	if (!l)
		return -ENOMEM;
	if (fit_call(net.fit, FIT_NODE_MANAGER, OP_GNM_LIST, NULL, 0, l, sizeof(*l), NULL))
		l->n = le32(0); /* lo is there always */
	if (cmd == SIOCGIFCONF)
		ret = all_interfaces(l, arg);
	else if (cmd == SIOCGIFNAME)
		ret = name_of(l, arg);
	else
		ret = one_interface(l, cmd, arg);
	kfree(l);
	return ret;
}
