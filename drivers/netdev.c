/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registry of network devices and their join to an event loop.
 *
 * Devices are added while pci_init() runs, on one thread, and never leave; afterwards the list is
 * read without a lock. A device has one consumer for its lifetime.
 */
#define LOG_SUBSYS "netdev"
#include "netdev.h"

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/string.h>

static struct netdev *devices;
static struct netdev **devices_tail = &devices;

struct netdev *netdev_first(void)
{
	return devices;
}

struct netdev *netdev_find(const char *name)
{
	for (struct netdev *d = devices; d; d = d->next)
		if (!strcmp(d->name, name))
			return d;
	return NULL;
}

void netdev_assign_name(struct netdev *dev, const char *driver)
{
	unsigned n = 0;
	do
		snprintf(dev->name, sizeof(dev->name), "%s%u", driver, n++);
	while (netdev_find(dev->name));
}

uint32_t netdev_cmdline_mtu(const struct netdev *dev, uint32_t def, uint32_t max)
{
	char key[32];
	snprintf(key, sizeof(key), "mtu.%s", dev->name);
	uint64_t mtu = cmdline_u64(key, def);
	if (mtu < 68 || mtu > max) {
		log_warn("%s=%llu: not between 68 and %u", key, (unsigned long long)mtu, max);
		mtu = mtu < 68 ? 68 : max;
	}
	return (uint32_t)mtu;
}

int netdev_register(struct netdev *dev, const char *driver)
{
	const struct netdev_ops *ops = dev->ops;
	kassert(ops && ops->xmit && ops->poll && ops->arm && ops->link_up && ops->dump);
	if (!dev->name[0])
		netdev_assign_name(dev, driver);
	if (netdev_find(dev->name))
		return -EEXIST;
	dev->next = NULL;
	*devices_tail = dev;
	devices_tail = &dev->next;
	const uint8_t *m = dev->mac;
	log_info("%s: %02x:%02x:%02x:%02x:%02x:%02x mtu %u%s%s%s%s", dev->name, m[0], m[1], m[2],
		 m[3], m[4], m[5], dev->mtu, dev->features & NETDEV_F_TX_CSUM ? " tx-csum" : "",
		 dev->features & NETDEV_F_RX_CSUM ? " rx-csum" : "",
		 dev->features & NETDEV_F_TSO4 ? " tso4" : "",
		 dev->features & NETDEV_F_IP_CSUM ? " ip-csum" : "");
	return 0;
}

/*
 * armed is cleared before outstanding() looks, and a sender queues before it tries to set it: so
 * either the sender arms anew, or its frame is seen here.
 */
static void reaper_fire(void *arg)
{
	struct netdev_reaper *r = arg;
	atomic_exchange(&r->armed, false);
	if (r->outstanding(r->dev) && r->dev->loop)
		loop_kick(r->dev->loop);
}

void netdev_reaper_init(struct netdev_reaper *r, struct netdev *dev,
			bool (*outstanding)(struct netdev *))
{
	r->dev = dev;
	r->outstanding = outstanding;
	timer_init(&r->timer, reaper_fire, r);
}

void netdev_reaper_arm(struct netdev_reaper *r)
{
	if (!atomic_exchange(&r->armed, true))
		timer_arm(&r->timer, clock_mono_ns() + NETDEV_TX_REAP_NS);
}

static unsigned source_poll(struct loop_source *s, unsigned budget)
{
	struct netdev *dev = container_of(s, struct netdev, source);
	return dev->ops->poll(dev, budget);
}

static bool source_arm(struct loop_source *s)
{
	struct netdev *dev = container_of(s, struct netdev, source);
	return dev->ops->arm(dev);
}

int netdev_attach(struct netdev *dev, struct loop *loop,
		  void (*rx)(struct netdev *, struct netbuf *, void *),
		  void (*tx_room)(struct netdev *, void *), void *arg)
{
	if (dev->loop)
		return -EBUSY;
	kassert(rx && tx_room);
	dev->rx = rx;
	dev->tx_room = tx_room;
	dev->arg = arg;
	dev->source.name = dev->name;
	dev->source.poll = source_poll;
	dev->source.arm = source_arm;
	/* The interrupt handler looks at loop: it must find the callbacks set. */
	atomic_thread_fence(memory_order_release);
	dev->loop = loop;
	loop_add(loop, &dev->source);
	return 0;
}
