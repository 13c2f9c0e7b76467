// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exports: each 9P channel is one, under its mount tag. A session is opened and its root attached
 * before the board joins. GSM is told of all of them, as long as the board lives (mon/lease.h).
 */
#define LOG_SUBSYS "export"
#include "export.h"

#include <kern/mm.h>
#include <mon/lease.h>
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

struct registration {
	struct lease lease;
	struct gsm_list list;
};

int export_register(struct fit *fit, struct loop *loop)
{
	struct registration *r = kzalloc(sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->list.n = le32(exports.n);
	for (unsigned i = 0; i < exports.n; i++)
		memcpy(r->list.at[i].name, exports.at[i].name, sizeof(exports.at[i].name));
	r->lease.fit = fit;
	r->lease.manager = "GSM";
	r->lease.op = OP_GSM_REGISTER;
	r->lease.req = &r->list;
	r->lease.req_len = sizeof(r->list);
	lease_start(&r->lease, loop);
	return 0;
}
