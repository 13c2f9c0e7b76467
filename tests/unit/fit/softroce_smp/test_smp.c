/* SPDX-License-Identifier: GPL-2.0-only */
/* softroce's self-tests (fit/softroce/test.c) on Linux threads, under ASan and UBSan. */
#include "softroce/test.c"

static unsigned source_poll(struct loop_source *s, unsigned budget)
{
	struct netdev *nd = container_of(s, struct netdev, source);

	return nd->ops->poll(nd, budget);
}

static bool source_arm(struct loop_source *s)
{
	struct netdev *nd = container_of(s, struct netdev, source);

	return nd->ops->arm(nd);
}

/* A board's comes from drivers/netdev.c. */
int netdev_attach(struct netdev *nd, struct loop *loop,
		  void (*rx)(struct netdev *, struct netbuf *, void *),
		  void (*tx_room)(struct netdev *, void *), void *arg)
{
	nd->loop = loop;
	nd->rx = rx;
	nd->tx_room = tx_room;
	nd->arg = arg;
	nd->source.poll = source_poll;
	nd->source.arm = source_arm;
	loop_add(loop, &nd->source);
	return 0;
}

int main(void)
{
	return ktest_run("softroce");
}
