// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory lent to one peer for one-sided access. Each peer has its own protection domain, so a key
 * is worth nothing to anybody else. The peer's death revokes the key; the struct stays with the
 * owner until fit_mr_dereg(). Any thread; may sleep.
 */
#include <kern/mm.h>

#include "rpc.h"

struct fit_mr {
	struct fit_peer *peer;   /* holds a reference */
	struct rdma_mr *mr;      /* NULL: revoked; peer's lock */
	LIST_ENTRY(fit_mr) link; /* peer's lock; on it while mr is set */
	struct proto_mr wire;
};

static bool mr_enlist(struct fit_peer *p, struct fit_mr *m)
{
	bool ok;

	spin_lock(&p->lock);
	ok = !p->dead;
	if (ok)
		LIST_INSERT_HEAD(&p->mrs, m, link);
	spin_unlock(&p->lock);
	return ok;
}

struct fit_mr *fit_mr_reg(struct fit *f, fit_node_t peer, void *addr, size_t len, unsigned access)
{
	struct fit_peer *p = fit_peer_get(f, peer);
	struct fit_mr *m;

	if (!p)
		return NULL;
	m = len <= UINT32_MAX ? kzalloc(sizeof(*m)) : NULL;
	if (!m)
		goto out_peer;
	m->peer = p;
	m->mr = rdma_mr_reg(p->pd, addr, len, access);
	if (!m->mr)
		goto out_free;
	m->wire = (struct proto_mr){ .addr = le64(m->mr->addr), .len = le32((uint32_t)len),
		.rkey = le32(m->mr->rkey) };
	if (!mr_enlist(p, m))
		goto out_mr;
	return m;
out_mr:
	rdma_mr_dereg(m->mr);
out_free:
	kfree(m);
out_peer:
	fit_peer_put(p);
	return NULL;
}

/* Takes the registration away from whoever else might end it. */
static struct rdma_mr *mr_take(struct fit_mr *m)
{
	struct rdma_mr *mr;

	spin_lock(&m->peer->lock);
	mr = m->mr;
	m->mr = NULL;
	if (mr)
		LIST_REMOVE(m, link);
	spin_unlock(&m->peer->lock);
	return mr;
}

void fit_mr_dereg(struct fit *f, struct fit_mr *m)
{
	struct rdma_mr *mr = mr_take(m);

	if (mr)
		rdma_mr_dereg(mr);
	fit_peer_put(m->peer);
	kfree(m);
}

void fit_mr_wire(const struct fit_mr *m, struct proto_mr *out)
{
	*out = m->wire;
}

/* Loop; the peer is dead, so none is added any more. */
void fit_mrs_revoke(struct fit_peer *p)
{
	for (;;) {
		struct rdma_mr *mr = NULL;
		struct fit_mr *m;

		spin_lock(&p->lock);
		m = LIST_FIRST(&p->mrs);
		if (m) {
			LIST_REMOVE(m, link);
			mr = m->mr;
			m->mr = NULL;
		}
		spin_unlock(&p->lock);
		if (!mr)
			return;
		rdma_mr_dereg(mr);
	}
}
