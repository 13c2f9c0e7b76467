// SPDX-License-Identifier: GPL-2.0-only
/*
 * GMM: which mComponent is the home of a new address space, and which keeps a region of one that is
 * touched for the first time.
 *
 * An mComponent's free memory comes with its heartbeats. What was promised since is taken off it:
 * a guess for a home, all of a region, so that what is started in one go does not all land on one
 * board. A promise is kept by the board's memory becoming less, and forgotten bit by bit, as most
 * regions are never used up. Nothing is reserved: a board may still run full.
 */
#define LOG_SUBSYS "gmm"
#include "gmm/gmm.h"

#include <kern/cmdline.h>
#include <kern/counter.h>
#include <kern/log.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <proto/gpm.h>

#include "member/members.h"

#define GMM_COUNTERS(X) X(homes) X(regions_at_home) X(regions_away)
COUNTERS_DECLARE(gmm, GMM_COUNTERS);
COUNTERS_DEFINE(gmm, GMM_COUNTERS);

#define HOME_GUESS_PAGES 4096 /* 16 MiB: a small server */
#define FORGET 8              /* one part in so many of what is promised, when a heartbeat came */
#define HALF_NS (4 * NSEC_PER_SEC) /* and half of it in this time */

static struct {
	struct board *b;
	bool spread; /* "gmm.policy=spread": in turn, where there is room */
	fit_node_t last;
	struct { uint64_t promised, seen_ns, free; } at[FIT_NODES_MAX];
} gmm;

static int64_t free_pages(const struct member *m, fit_node_t node)
{
	uint64_t *promised = &gmm.at[node].promised, was = gmm.at[node].free;
	uint64_t seen = gmm.at[node].seen_ns;

	if (seen != m->seen_ns) {
		gmm.at[node].seen_ns = m->seen_ns;
		gmm.at[node].free = m->load;
		if (m->load < was)
			*promised -= KMIN(*promised, was - m->load);
		*promised -= DIV_ROUND_UP(*promised, FORGET);
		*promised >>= KMIN((m->seen_ns - seen) / HALF_NS, 63ULL);
	}
	return (int64_t)m->load - (int64_t)*promised;
}

static const struct member *mcomponent(fit_node_t node)
{
	const struct member *m = node && node < FIT_NODES_MAX ? members_get(node) : NULL;

	return m && m->m.role == ROLE_MCOMPONENT ? m : NULL;
}

/* Also brings what is known of each up to date. */
static fit_node_t most_free(int64_t *most)
{
	fit_node_t best = FIT_NODE_NONE;

	*most = INT64_MIN;
	for (fit_node_t i = 1; i < FIT_NODES_MAX; i++) {
		const struct member *m = mcomponent(i);
		int64_t n = m ? free_pages(m, i) : INT64_MIN;

		if (n > *most) {
			*most = n;
			best = i;
		}
	}
	return best;
}

fit_node_t gmm_choose_home(void)
{
	int64_t most;
	fit_node_t best = most_free(&most);

	if (best != FIT_NODE_NONE) {
		gmm.at[best].promised += HOME_GUESS_PAGES;
		counter_add(gmm, homes, 1);
	}
	return best;
}

static fit_node_t next_in_turn(fit_node_t otherwise, uint64_t pages)
{
	for (unsigned k = 1; k <= FIT_NODES_MAX; k++) {
		fit_node_t i = (gmm.last + k) % FIT_NODES_MAX;
		const struct member *m = mcomponent(i);

		if (m && free_pages(m, i) >= (int64_t)pages)
			return gmm.last = i;
	}
	return otherwise;
}

/*
 * The home, which costs no messages beyond those it gets anyway, while it has room for this region
 * and another, and not less than half of what the best has.
 */
fit_node_t gmm_choose_region(fit_node_t home, uint64_t pages)
{
	int64_t most, at_home;
	fit_node_t best = most_free(&most);

	if (best == FIT_NODE_NONE)
		return best;
	at_home = mcomponent(home) ? free_pages(mcomponent(home), home) : INT64_MIN;
	if (gmm.spread)
		best = next_in_turn(best, pages);
	else if (at_home >= most / 2 && at_home >= 2 * (int64_t)pages)
		best = home;
	gmm.at[best].promised += pages;
	if (best == home)
		counter_add(gmm, regions_at_home, 1);
	else
		counter_add(gmm, regions_away, 1);
	return best;
}

static struct gmm_room_reply room(void)
{
	uint64_t total = 0, free = 0;
	int64_t most;

	(void)most_free(&most); /* promises are looked at */
	for (fit_node_t i = 1; i < FIT_NODES_MAX; i++) {
		const struct member *m = mcomponent(i);

		total += m ? m->capacity : 0;
		free += m ? m->load : 0;
	}
	return (struct gmm_room_reply){ le64(total), le64(free) };
}

static void reply_node(struct fit_req *req, fit_node_t node)
{
	struct gmm_home_reply r = { .node = le16(node) };

	if (node == FIT_NODE_NONE)
		fit_reply(req, -ENOMEM, NULL, 0);
	else
		fit_reply(req, 0, &r, sizeof(r));
}

static void serve_region(struct fit_req *req)
{
	const struct gmm_region *m = (const void *)req->data;

	/* a region cannot be more than an address space */
	if (req->len != sizeof(*m) || !le64_get(m->pages) || le64_get(m->pages) >> 36)
		fit_reply(req, -EINVAL, NULL, 0);
	else
		reply_node(req, gmm_choose_region(le16_get(m->home), le64_get(m->pages)));
}

static void handler(struct fit_req *req, void *arg)
{
	if (req->oneway) {
		fit_req_put(req);
	} else if (req->op == OP_GMM_REGION) {
		serve_region(req);
	} else if (req->op != OP_GMM_HOME && req->op != OP_GMM_ROOM) {
		fit_reply(req, -ENOSYS, NULL, 0);
	} else if (req->len) {
		fit_reply(req, -EINVAL, NULL, 0);
	} else if (req->op == OP_GMM_HOME) {
		reply_node(req, gmm_choose_home());
	} else {
		struct gmm_room_reply r = room();

		fit_reply(req, 0, &r, sizeof(r));
	}
}

int gmm_start(struct board *b)
{
	const char *policy = cmdline_get("gmm.policy");

	gmm.b = b;
	gmm.spread = policy && !strcmp(policy, "spread");
	return fit_serve(b->fit, PROTO_CLASS_GMM, handler, NULL);
}
