// SPDX-License-Identifier: GPL-2.0-only
/*
 * The view: who is in the rack, as the manager last said. A new view is compared with the old
 * one; who left is removed from FIT first (its calls end, its keys die), then the board's own code
 * is told; who came is a peer before anybody is told. Applied in the loop only, read from any
 * thread.
 */
#define LOG_SUBSYS "member"
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/wait.h>

#include <mon/board.h>

const char *board_role_name(enum proto_role role)
{
	static const char *const name[] = { "manager", "pcomponent", "mcomponent", "ncomponent",
		"scomponent", "linux" };

	return (unsigned)role < ARRAY_SIZE(name) ? name[role] : "?";
}

void view_init(struct view *v)
{
	spin_init(&v->lock, "view");
}

int member_decode(const struct proto_member *m)
{
	size_t len = strnlen(m->name, BOARD_NAME_MAX);

	if (m->role > ROLE_LINUX || m->flags || !le32_get(m->ip) || !le64_get(m->incarnation))
		return -EINVAL;
	if (!len || len == BOARD_NAME_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (m->name[i] <= ' ' || m->name[i] > '~')
			return -EINVAL;
	return 0;
}

void mon_on_member(struct board *b, mon_member_fn fn, void *arg)
{
	unsigned i = atomic_load(&b->nmember_fns);

	kassert(i < BOARD_MEMBER_FNS);
	b->member_fn[i].fn = fn;
	b->member_fn[i].arg = arg;
	atomic_store(&b->nmember_fns, i + 1);
}

static void tell(struct board *b, const struct proto_member *m, bool up)
{
	log_info("%s (%s, node %u) is %s", m->name, board_role_name(m->role),
		 le16_get(m->node), up ? "up" : "down");
	for (unsigned i = 0; i < atomic_load(&b->nmember_fns); i++)
		b->member_fn[i].fn(m, up, b->member_fn[i].arg);
}

static bool same(const struct proto_member *a, const struct proto_member *b)
{
	return le16_get(a->node) == le16_get(b->node) &&
	       le64_get(a->incarnation) == le64_get(b->incarnation);
}

static bool listed(const struct proto_member *m, const struct proto_member *in, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (same(m, &in[i]))
			return true;
	return false;
}

/* Another life of the same board or number is not kept beside the new one. */
static bool superseded(const struct proto_member *m, const struct proto_member *in, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (le16_get(m->node) == le16_get(in[i].node) || !strcmp(m->name, in[i].name))
			return true;
	return false;
}

static void sort(struct proto_member *m, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		struct proto_member x = m[i];
		unsigned j = i;

		for (; j && le16_get(m[j - 1].node) > le16_get(x.node); j--)
			m[j] = m[j - 1];
		m[j] = x;
	}
}

/* The manager is a peer before there is a view, and stays one whoever it is by now (member.c). */
static bool is_manager(const struct proto_member *m)
{
	return le16_get(m->node) == FIT_NODE_MANAGER;
}

static void come(struct board *b, const struct proto_member *m)
{
	int err = 0;

	if (le16_get(m->node) == fit_self(b->fit))
		return;
	if (!is_manager(m))
		err = fit_peer_set(b->fit, le16_get(m->node), le32_get(m->ip),
				   le64_get(m->incarnation));
	if (err)
		log_err("%s: cannot be a peer: error %d", m->name, err);
	else
		tell(b, m, true);
}

static void leave(struct board *b, const struct proto_member *m)
{
	if (le16_get(m->node) == fit_self(b->fit))
		return;
	if (!is_manager(m))
		fit_peer_remove(b->fit, le16_get(m->node));
	tell(b, m, false);
}

/* The members of both that count: new ones, and when keep is set old ones that are only missing. */
static unsigned merge(struct proto_member *out, const struct view *old,
		      const struct proto_member *m, unsigned n, bool keep)
{
	unsigned k = n;

	memcpy(out, m, n * sizeof(*m));
	for (unsigned i = 0; keep && i < old->n && k < FIT_NODES_MAX; i++)
		if (!superseded(&old->member[i], m, n))
			out[k++] = old->member[i];
	sort(out, k);
	return k;
}

void view_apply(struct board *b, uint64_t epoch, const struct proto_member *m, unsigned n,
		bool keep)
{
	struct view *v = &b->view;
	struct proto_member *old = kmalloc(2 * sizeof(v->member)), *now;
	unsigned nold, nnow;

	kassert(n <= FIT_NODES_MAX);
	if (!old)
		return; /* the manager sees our old epoch and sends the view again */
	now = old + FIT_NODES_MAX;
	nold = v->n;
	memcpy(old, v->member, nold * sizeof(*old));
	nnow = merge(now, v, m, n, keep);
	spin_lock(&v->lock);
	memcpy(v->member, now, nnow * sizeof(*now));
	v->n = nnow;
	v->epoch = epoch;
	spin_unlock(&v->lock);
	for (unsigned i = 0; i < nold; i++)
		if (!listed(&old[i], now, nnow))
			leave(b, &old[i]);
	for (unsigned i = 0; i < nnow; i++)
		if (!listed(&now[i], old, nold))
			come(b, &now[i]);
	kfree(old);
	waitq_wake_all(&b->changed);
}

bool mon_member_by_node(struct board *b, fit_node_t node, struct proto_member *out)
{
	bool found = false;

	spin_lock(&b->view.lock);
	for (unsigned i = 0; i < b->view.n && !found; i++) {
		found = le16_get(b->view.member[i].node) == node;
		if (found)
			*out = b->view.member[i];
	}
	spin_unlock(&b->view.lock);
	return found;
}

bool mon_member_by_name(struct board *b, const char *name, struct proto_member *out)
{
	bool found = false;

	spin_lock(&b->view.lock);
	for (unsigned i = 0; i < b->view.n && !found; i++) {
		found = !strcmp(b->view.member[i].name, name);
		if (found)
			*out = b->view.member[i];
	}
	spin_unlock(&b->view.lock);
	return found;
}

unsigned mon_members(struct board *b, enum proto_role role, fit_node_t *out, unsigned max)
{
	unsigned n = 0;

	spin_lock(&b->view.lock);
	for (unsigned i = 0; i < b->view.n; i++) {
		if (b->view.member[i].role != role)
			continue;
		if (n < max)
			out[n] = le16_get(b->view.member[i].node);
		n++;
	}
	spin_unlock(&b->view.lock);
	return n;
}

int mon_member_wait(struct board *b, const char *name, uint64_t deadline_ns,
		    struct proto_member *out)
{
	return wait_event_deadline(&b->changed, mon_member_by_name(b, name, out), deadline_ns);
}
