// SPDX-License-Identifier: GPL-2.0-only
/*
 * One request to several boards: a call for each, all under way at once, and one end when the last
 * of them has ended. A board that is dead or silent costs the others nothing but its time-out.
 *
 * The parts' calls are ordinary ones, so classes, credits, replay and the exactly-once end are
 * theirs; here is only the counting, which is the loop's: parts end in the loop. Left out: a frame
 * that reaches several boards. Queue pairs are reliable and join two ends.
 */
#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>

#include "rpc.h"

static void part_done(struct fit_call *c, const struct fit_reply *r)
{
	struct fit_part *part = container_of(c, struct fit_part, call);
	struct fit_multi *m = c->priv;

	part->status = r->status;
	part->rep_len = r->len;
	if (part->rep && r->len)
		memcpy(part->rep, r->data, KMIN(r->len, part->rep_max));
	if (part->rep && r->len > part->rep_max && !r->status)
		part->status = -EMSGSIZE;
	atomic_store(&part->ended, true);
	if (!--m->left)
		m->done(m);
}

void fit_multi_start(struct fit *f, struct fit_multi *m)
{
	unsigned n = m->n; /* m may be gone when the last part has been started */
	struct fit_part *part = m->part;

	kassert(n && m->done);
	m->left = n;
	for (unsigned i = 0; i < n; i++) {
		atomic_store(&part[i].ended, false);
		part[i].call = (struct fit_call){ .node = part[i].node, .op = m->op, .req = m->req,
			.req_len = m->req_len, .timeout_ns = m->timeout_ns, .done = part_done,
			.priv = m };
	}
	for (unsigned i = 0; i < n; i++)
		fit_call_start(f, &part[i].call);
}

void fit_multi_cancel(struct fit *f, struct fit_multi *m)
{
	for (unsigned i = 0; i < m->n; i++)
		if (!atomic_load(&m->part[i].ended))
			fit_call_cancel(f, &m->part[i].call);
}
