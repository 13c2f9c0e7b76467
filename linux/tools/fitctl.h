/* SPDX-License-Identifier: GPL-2.0-only */
/* fitctl's verbs. Each returns the exit status: 0, or 1 after saying what failed on stderr. */
#pragma once

#include <mon/board.h>

struct fitctl {
	struct board *b;
	const char *target; /* name of the board; NULL for nodes and watch */
	fit_node_t node;
	unsigned n;         /* -n */
	size_t size;        /* -s */
	bool quiet;
};
int fitctl_ping(struct fitctl *c);
int fitctl_perf(struct fitctl *c);
int fitctl_check(struct fitctl *c);
int fitctl_nodes(struct fitctl *c);
int fitctl_watch(struct fitctl *c);

/* ---- transfer.c ---- */
/* Learns the target's scratch region; 0 or -errno. */
int fitctl_region(struct fitctl *c, struct proto_mr *mr);
struct transfer {
	struct fit_xfer x;
	struct completion done;
	int status;
};
/* Starts a transfer of len bytes at off of the region. */
void transfer_start(struct fitctl *c, struct transfer *t, const struct proto_mr *mr, bool read,
		    void *mem, uint64_t off, uint32_t len);
int transfer_wait(struct transfer *t);
