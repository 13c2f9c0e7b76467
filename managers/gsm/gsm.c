// SPDX-License-Identifier: GPL-2.0-only
/*
 * GSM. What each sComponent last registered, in ascending order of its node. A registration
 * replaces the board's earlier one; entries go when their board leaves the view. The first board to
 * bring a name keeps it while it lives.
 *
 * A mounter asks for the list and for how many sComponents the rack has (gsm.expected on the
 * command line), so that one which asks early knows that it does not see all of them yet.
 */
#define LOG_SUBSYS "gsm"
#include "gsm/gsm.h"

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/string.h>
#include <proto/gsm.h>

#include "member/members.h"

#define GSM_LEASE_MS 5000

static struct {
	uint32_t expected;
	unsigned n;
	struct gsm_export at[GSM_EXPORTS_MAX];
} gsm;

static bool name_ok(const char *name)
{
	size_t len = strnlen(name, GSM_NAME_MAX);

	if (!len || len == GSM_NAME_MAX || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	return true;
}

static const struct gsm_export *find(const char *name)
{
	for (unsigned i = 0; i < gsm.n; i++)
		if (!strcmp(gsm.at[i].name, name))
			return &gsm.at[i];
	return NULL;
}

static void drop(fit_node_t node)
{
	unsigned k = 0;

	for (unsigned i = 0; i < gsm.n; i++)
		if (le16_get(gsm.at[i].node) != node)
			gsm.at[k++] = gsm.at[i];
	gsm.n = k;
}

static int list_decode(const struct fit_req *req, struct gsm_list *l)
{
	const struct member *m = members_get(req->from);

	if (req->len != sizeof(*l))
		return -EBADMSG;
	memcpy(l, req->data, sizeof(*l));
	if (!m || m->m.role != ROLE_SCOMPONENT)
		return -EPERM;
	if (le32_get(l->n) > GSM_EXPORTS_MAX || le32_get(l->expected))
		return -EINVAL;
	for (unsigned i = 0; i < le32_get(l->n); i++) {
		const struct gsm_export *x = &l->at[i], *holder;

		if (!name_ok(x->name) || le16_get(x->flags) & ~GSM_READ_ONLY ||
		    le32_get(x->reserved))
			return -EINVAL;
		holder = find(x->name);
		if (holder && le16_get(holder->node) != req->from)
			return -EEXIST;
		for (unsigned k = 0; k < i; k++)
			if (!strcmp(x->name, l->at[k].name))
				return -EEXIST;
	}
	return 0;
}

static unsigned held_by(fit_node_t node)
{
	unsigned n = 0;

	for (unsigned i = 0; i < gsm.n; i++)
		n += le16_get(gsm.at[i].node) == node;
	return n;
}

static int on_register(const struct fit_req *req)
{
	struct gsm_list l;
	int err = list_decode(req, &l);
	unsigned before = held_by(req->from), at = 0;

	if (err)
		return err;
	if (gsm.n - before + le32_get(l.n) > GSM_EXPORTS_MAX)
		return -ENOSPC;
	if (!before)
		log_info("node %u brings %u exports", req->from, le32_get(l.n));
	drop(req->from);
	while (at < gsm.n && le16_get(gsm.at[at].node) < req->from)
		at++;
	memmove(&gsm.at[at + le32_get(l.n)], &gsm.at[at], (gsm.n - at) * sizeof(gsm.at[0]));
	for (unsigned i = 0; i < le32_get(l.n); i++) {
		gsm.at[at + i] = l.at[i];
		gsm.at[at + i].node = le16(req->from);
	}
	gsm.n += le32_get(l.n);
	return 0;
}

static void on_member(const struct proto_member *m, bool up, void *arg)
{
	if (!up)
		drop(le16_get(m->node));
}

static void reply_lease(struct fit_req *req)
{
	struct gsm_lease l = { .period_ms = le32(GSM_LEASE_MS) };
	int err = on_register(req);

	fit_reply(req, err, &l, err ? 0 : sizeof(l));
}

static void reply_list(struct fit_req *req)
{
	struct gsm_list l = { .n = le32(gsm.n), .expected = le32(gsm.expected) };

	memcpy(l.at, gsm.at, gsm.n * sizeof(gsm.at[0]));
	fit_reply(req, req->len ? -EBADMSG : 0, &l, req->len ? 0 : sizeof(l));
}

static void handler(struct fit_req *req, void *arg)
{
	if (req->oneway)
		fit_req_put(req);
	else if (req->op == OP_GSM_REGISTER)
		reply_lease(req);
	else if (req->op == OP_GSM_LIST)
		reply_list(req);
	else
		fit_reply(req, -ENOSYS, NULL, 0);
}

int gsm_start(struct board *b)
{
	memset(&gsm, 0, sizeof(gsm));
	gsm.expected = (uint32_t)KMIN(cmdline_u64("gsm.expected", 0), (uint64_t)FIT_NODES_MAX);
	mon_on_member(b, on_member, NULL);
	return fit_serve(b->fit, PROTO_CLASS_GSM, handler, NULL);
}
