// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verbs device of a board that is a Linux machine: the RDMA device with address fabric.ip=. It
 * has no network device of ours; whoever lists those finds none.
 */
#define LOG_SUBSYS "board"
#include <dev/netdev.h>
#include <kern/log.h>
#include <mon/board.h>

#include "../verbs/create.h"

int fabric_open(struct board *b)
{
	int err = 0;

	b->dev = ibverbs_create(&(struct rdma_dev_config){ .loop = b->loop, .ip = b->ip }, &err);
	if (!b->dev)
		log_err("no RDMA device: error %d", err);
	return err;
}

struct netdev *netdev_first(void)
{
	return NULL;
}
