// SPDX-License-Identifier: GPL-2.0-only
/* Boards for tests: a loop, a mock device and FIT each. */
#include "rig.h"

#include <kern/log.h>
#include <kern/random.h>
#include <kern/string.h>

void rig_board_up(struct rig_board *b, fit_node_t self, uint32_t ip)
{
	int err = 0;

	b->ip = ip;
	b->incarnation = random_u64() | 1;
	if (!b->loop) {
		b->loop = loop_create("fit", CPU_ANY);
		kassert(!loop_start(b->loop));
	}
	b->dev = mock_dev_create(ip, b->loop);
	b->fit = fit_create(&(struct fit_config){ .dev = b->dev, .loop = b->loop, .ip = ip,
		.incarnation = b->incarnation, .self = self }, &err);
	kassert(b->fit && !err);
}

void rig_board_down(struct rig_board *b)
{
	fit_destroy(b->fit);
	rdma_dev_destroy(b->dev);
	b->fit = NULL;
}

void rig_up(struct rig_board *b, unsigned n)
{
	memset(b, 0, n * sizeof(*b));
	for (unsigned i = 0; i < n; i++)
		rig_board_up(&b[i], i, RIG_IP(i));
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < n; j++)
			if (i != j)
				kassert(!fit_peer_set(b[i].fit, j, b[j].ip, b[j].incarnation));
}

void rig_down(struct rig_board *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (b[i].fit)
			rig_board_down(&b[i]);
}
