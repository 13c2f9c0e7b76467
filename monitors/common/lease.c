// SPDX-License-Identifier: GPL-2.0-only
/* See lease.h. */
#define LOG_SUBSYS "lease"
#include "lease.h"

#include <kern/log.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <proto/gnm.h>
#include <proto/gsm.h>

#define RETRY_NS NSEC_PER_SEC
#define LEASE_MIN_MS 200u
#define LEASE_MAX_MS 60000u

static_assert(sizeof(struct gnm_lease) == sizeof(struct gsm_lease), "one reply for both");

static void on_reply(struct fit_call *c, const struct fit_reply *r)
{
	struct lease *l = c->priv;
	uint64_t now = clock_mono_ns();
	struct gnm_lease g;
	uint32_t ms;

	l->busy = false;
	l->next_ns = now + RETRY_NS;
	if (r->status || r->len < sizeof(g)) {
		if (l->registered)
			log_warn("%s does not renew the registration: error %d", l->manager,
				 -r->status);
		l->registered = false;
		return;
	}
	memcpy(&g, r->data, sizeof(g));
	ms = KMAX(le32_get(g.period_ms), LEASE_MIN_MS);
	ms = KMIN(ms, LEASE_MAX_MS);
	l->next_ns = now + ms * NSEC_PER_MSEC / 2;
	if (!l->registered)
		log_info("registered at %s, lease %u ms", l->manager, ms);
	l->registered = true;
}

static unsigned source_poll(struct loop_source *s, unsigned budget)
{
	struct lease *l = container_of(s, struct lease, source);

	if (l->busy || (clock_mono_ns() < l->next_ns && !(l->changed && l->changed(l))))
		return 0;
	l->busy = true;
	if (l->fill)
		l->fill(l);
	l->call = (struct fit_call){ .node = FIT_NODE_MANAGER, .op = l->op, .req = l->req,
		.req_len = l->req_len, .done = on_reply, .priv = l };
	fit_call_start(l->fit, &l->call);
	return 1;
}

static bool source_arm(struct loop_source *s)
{
	return true;
}

static uint64_t source_deadline(struct loop_source *s)
{
	struct lease *l = container_of(s, struct lease, source);

	return l->busy ? UINT64_MAX : l->next_ns;
}

void lease_start(struct lease *l, struct loop *loop)
{
	l->source.name = "lease";
	l->source.poll = source_poll;
	l->source.arm = source_arm;
	l->source.deadline = source_deadline;
	loop_add(loop, &l->source);
}
