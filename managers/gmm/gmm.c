// SPDX-License-Identifier: GPL-2.0-only
/*
 * GMM. An mComponent's free memory comes with its heartbeats; homes given since then are taken off
 * it by a guess, so that programs started in one go do not all land on one board.
 */
#define LOG_SUBSYS "gmm"
#include "gmm/gmm.h"

#include <kern/log.h>
#include <proto/gpm.h>

#include "member/members.h"

#define HOME_GUESS_PAGES 4096 /* 16 MiB: a small server */

static struct {
	struct board *b;
	struct { uint64_t given, seen_ns; } at[FIT_NODES_MAX]; /* since the heartbeat of seen_ns */
} gmm;

static int64_t free_pages(const struct member *m, fit_node_t node)
{
	if (gmm.at[node].seen_ns != m->seen_ns) {
		gmm.at[node].seen_ns = m->seen_ns;
		gmm.at[node].given = 0;
	}
	return (int64_t)m->load - (int64_t)(gmm.at[node].given * HOME_GUESS_PAGES);
}

fit_node_t gmm_choose_home(void)
{
	fit_node_t best = FIT_NODE_NONE;
	int64_t most = INT64_MIN;

	for (fit_node_t i = 1; i < FIT_NODES_MAX; i++) {
		const struct member *m = members_get(i);

		if (!m || m->m.role != ROLE_MCOMPONENT || free_pages(m, i) <= most)
			continue;
		most = free_pages(m, i);
		best = i;
	}
	if (best != FIT_NODE_NONE)
		gmm.at[best].given++;
	return best;
}

static void handler(struct fit_req *req, void *arg)
{
	struct gmm_home_reply r = { 0 };
	fit_node_t home;

	if (req->oneway) {
		fit_req_put(req);
		return;
	}
	if (req->op != OP_GMM_HOME || req->len) {
		fit_reply(req, req->op == OP_GMM_HOME ? -EINVAL : -ENOSYS, NULL, 0);
		return;
	}
	home = gmm_choose_home();
	r.node = le16(home);
	if (home == FIT_NODE_NONE)
		fit_reply(req, -ENOMEM, NULL, 0);
	else
		fit_reply(req, 0, &r, sizeof(r));
}

int gmm_start(struct board *b)
{
	gmm.b = b;
	return fit_serve(b->fit, PROTO_CLASS_GMM, handler, NULL);
}
