// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exports: each 9P channel is one, under its mount tag. A session is opened and its root attached
 * before the board joins. GSM is told of all of them every half lease, and every second after a
 * failure; its entries are soft state. Context of the lease: the fabric loop.
 */
#define LOG_SUBSYS "export"
#include "export.h"

#include <kern/mm.h>
#include <kern/timer.h>
#include "limits.h"
#include "owners.h"
#include "removed.h"

static struct {
	struct export at[GSM_EXPORTS_MAX];
	unsigned n;
} exports;

unsigned export_count(void)
{
	return exports.n;
}

struct export *export_find(const char *name)
{
	for (unsigned i = 0; i < exports.n; i++)
		if (!strcmp(exports.at[i].name, name))
			return &exports.at[i];
	return NULL;
}

/* A channel that does not answer is left out; the board goes on with the others. */
static void add(struct p9dev *dev)
{
	struct export *x = &exports.at[exports.n];
	int err;

	if (exports.n == GSM_EXPORTS_MAX || export_find(p9dev_tag(dev))) {
		log_warn("%s: one export too many, or its name a second time", p9dev_tag(dev));
		return;
	}
	x->p9 = p9_open(dev, &err);
	if (x->p9) {
		err = p9_attach(x->p9, FID_ROOT);
		if (err)
			p9_close(x->p9);
	}
	if (err) {
		log_err("%s: no 9P2000.L session: error %d", p9dev_tag(dev), -err);
		return;
	}
	(void)kstrcpy(x->name, p9dev_tag(dev), sizeof(x->name));
	rwlock_init(&x->names, "export_names");
	rwlock_init(&x->fids, "export_fids");
	removed_sweep(x);
	owners_load(x);
	exports.n++;
	log_info("export %s", x->name);
}

int export_init(void)
{
	static_assert(P9DEV_TAG_MAX <= GSM_NAME_MAX, "a tag is an export's name");
	for (struct p9dev *d = p9dev_next(NULL); d; d = p9dev_next(d))
		add(d);
	return exports.n ? 0 : -ENODEV;
}

/* ---- GSM ---- */

struct lease {
	struct loop_source source;
	struct fit *fit;
	struct fit_call call;
	struct gsm_list list;
	bool busy, registered;
	uint64_t next_ns;
};

static void on_reply(struct fit_call *c, const struct fit_reply *r)
{
	struct lease *l = c->priv;
	struct gsm_lease g;
	uint64_t now = clock_mono_ns();

	l->busy = false;
	l->next_ns = now + GSM_RETRY_NS;
	if (r->status || r->len < sizeof(g)) {
		if (l->registered)
			log_warn("GSM does not renew the registration: error %d", -r->status);
		l->registered = false;
		return;
	}
	memcpy(&g, r->data, sizeof(g));
	uint32_t ms = le32_get(g.period_ms);

	ms = ms < GSM_LEASE_MIN_MS ? GSM_LEASE_MIN_MS : ms;
	ms = KMIN(ms, (uint32_t)GSM_LEASE_MAX_MS);
	l->next_ns = now + ms * NSEC_PER_MSEC / 2;
	if (!l->registered)
		log_info("registered at GSM, lease %u ms", ms);
	l->registered = true;
}

static unsigned source_poll(struct loop_source *s, unsigned budget)
{
	struct lease *l = container_of(s, struct lease, source);

	if (l->busy || clock_mono_ns() < l->next_ns)
		return 0;
	l->busy = true;
	l->call = (struct fit_call){ .node = FIT_NODE_MANAGER, .op = OP_GSM_REGISTER,
		.req = &l->list, .req_len = sizeof(l->list), .done = on_reply, .priv = l };
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

int export_register(struct fit *fit, struct loop *loop)
{
	struct lease *l = kzalloc(sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->fit = fit;
	l->list.n = le32(exports.n);
	for (unsigned i = 0; i < exports.n; i++)
		memcpy(l->list.at[i].name, exports.at[i].name, sizeof(exports.at[i].name));
	l->source.name = "gsm-lease";
	l->source.poll = source_poll;
	l->source.arm = source_arm;
	l->source.deadline = source_deadline;
	loop_add(loop, &l->source);
	return 0;
}
