// SPDX-License-Identifier: GPL-2.0-only
/*
 * Membership. The manager alone declares death, and a view says so to everybody:
 *
 *   JOIN -> alive, in a new view  --no heartbeat for member.missed periods-->  dead, in no view
 *                                 --the same board joins as a new incarnation-->  dead, then alive
 *
 * Every view has a number (epoch), is sent to every member as a call and sent again until it is
 * confirmed. Epochs grow over restarts of the manager, because they begin at the wall clock.
 * A manager that has just started knows nobody: its views are marked LEARNING for one full death
 * period, and boards keep the members that are missing in them.
 * A number belongs to a name: a board that comes back gets its old one.
 * When the manager itself was held up, the time it lost is nobody's silence.
 */
#define LOG_SUBSYS "member"
#include "member/members.h"

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/string.h>
#include <kern/timer.h>

#define HEARTBEAT_MS_DEFAULT 1000
#define HEARTBEAT_MS_MIN 10
#define HEARTBEAT_MS_MAX 60000
#define MISSED_DEFAULT 5
#define VIEW_TIMEOUT_NS (2 * NSEC_PER_SEC)

static struct {
	struct board *b;
	struct member at[FIT_NODES_MAX]; /* by node; 0 is this board */
	uint64_t epoch;
	uint64_t period_ns, death_ns;
	uint64_t learned_ns;   /* until then views are LEARNING; 0: over */
	uint64_t last_tick_ns;
	struct timer timer;
	struct loop_call tick;
	struct {
		struct member_view head;
		struct proto_member member[FIT_NODES_MAX];
	} view;
	size_t view_len;
} ms;

const struct member *members_get(fit_node_t node)
{
	return node < FIT_NODES_MAX && ms.at[node].alive ? &ms.at[node] : NULL;
}

uint64_t members_epoch(void)
{
	return ms.epoch;
}

/* ---- views ---- */

static void push(struct member *m);

static void pushed(struct fit_call *c, const struct fit_reply *r)
{
	struct member *m = container_of(c, struct member, call);

	m->pushing = false;
	if (r->status || !m->alive)
		return; /* the tick tries again, or it is dead */
	m->acked_epoch = m->pushed_epoch;
	push(m);
}

static void push(struct member *m)
{
	if (!m->alive || m->pushing || m->acked_epoch == ms.epoch || m == &ms.at[0])
		return;
	m->pushing = true;
	m->pushed_epoch = ms.epoch;
	m->call = (struct fit_call){ .node = le16_get(m->m.node), .op = OP_MEMBER_VIEW,
		.req = &ms.view, .req_len = ms.view_len, .timeout_ns = VIEW_TIMEOUT_NS,
		.done = pushed };
	fit_call_start(ms.b->fit, &m->call);
}

/* A new view: here first, then to everybody. */
static void publish(void)
{
	unsigned n = 0;

	ms.epoch++;
	for (unsigned i = 0; i < FIT_NODES_MAX; i++)
		if (ms.at[i].alive)
			ms.view.member[n++] = ms.at[i].m;
	ms.view.head = (struct member_view){ .epoch = le64(ms.epoch), .n = le32(n),
		.flags = le32(ms.learned_ns ? MEMBER_VIEW_LEARNING : 0) };
	ms.view_len = sizeof(ms.view.head) + n * sizeof(ms.view.member[0]);
	view_apply(ms.b, ms.epoch, ms.view.member, n, false);
	for (unsigned i = 0; i < FIT_NODES_MAX; i++)
		push(&ms.at[i]);
}

/* ---- join ---- */

static int join_decode(const struct fit_req *req, struct proto_member *m)
{
	struct member_join j;
	uint64_t incarnation;
	uint32_t ip;

	if (req->len != sizeof(j))
		return -EINVAL;
	memcpy(&j, req->data, sizeof(j));
	*m = j.self;
	if (member_decode(m) || m->role == ROLE_MANAGER)
		return -EINVAL;
	if (le16_get(m->node) != FIT_NODE_NONE &&
	    (le16_get(m->node) >= FIT_NODES_MAX || !le16_get(m->node)))
		return -EINVAL;
	fit_req_source(req, &ip, &incarnation);
	return ip == le32_get(m->ip) && incarnation == le64_get(m->incarnation) ? 0 : -EINVAL;
}

static bool same_life(const struct member *a, const struct proto_member *m)
{
	return le64_get(a->m.incarnation) == le64_get(m->incarnation);
}

static void die(struct member *m, const char *why)
{
	log_warn("%s (node %u) is dead: %s", m->m.name, le16_get(m->m.node), why);
	m->alive = false;
}

/*
 * Room for a number: its own from before, else the lowest that was never used, else any free one.
 */
static struct member *slot_for(const struct proto_member *p)
{
	struct member *fresh = NULL, *spare = NULL;
	fit_node_t wish = le16_get(p->node);

	if (wish != FIT_NODE_NONE)
		return ms.at[wish].alive || (ms.at[wish].known &&
			strcmp(ms.at[wish].m.name, p->name)) ? NULL : &ms.at[wish];
	for (unsigned i = 1; i < FIT_NODES_MAX; i++) {
		struct member *m = &ms.at[i];

		if (m->known && !m->alive && !strcmp(m->m.name, p->name))
			return m;
		if (!m->known && !fresh)
			fresh = m;
		if (!m->alive && !spare)
			spare = m;
	}
	return fresh ? fresh : spare;
}

/* 0: it may join; *again: it is a member already. Declares its former life dead. */
static int join_check(const struct proto_member *p, struct member **again)
{
	*again = NULL;
	for (unsigned i = 0; i < FIT_NODES_MAX; i++) {
		struct member *m = &ms.at[i];
		bool name = !strcmp(m->m.name, p->name);
		bool ip = le32_get(m->m.ip) == le32_get(p->ip);

		if (m->known && same_life(m, p)) {
			*again = m->alive ? m : NULL;
			return m->alive ? 0 : -ESTALE;
		}
		if (!m->alive || (!name && !ip))
			continue;
		if (!name || !ip || !i)
			return -EEXIST;
		die(m, "it started anew");
	}
	return 0;
}

/* *news: there has to be a new view. */
static int join_commit(const struct proto_member *p, struct member **out, bool *news)
{
	int err = join_check(p, out);
	struct member *m;

	*news = !err && !*out;
	if (!*news)
		return err;
	m = slot_for(p);
	if (!m)
		return le16_get(p->node) == FIT_NODE_NONE ? -ENOSPC : -ESTALE;
	m->m = *p;
	m->m.node = le16((uint16_t)(m - ms.at));
	m->alive = m->known = true;
	m->seen_ns = clock_mono_ns();
	m->load = m->capacity = m->acked_epoch = 0;
	*out = m;
	return 0;
}

static void on_join(struct fit_req *req)
{
	struct proto_member p;
	struct member *m = NULL;
	struct member_join_reply r = { .heartbeat_ms = le16((uint16_t)(ms.period_ns /
								     NSEC_PER_MSEC)) };
	bool news = false;
	int err = join_decode(req, &p);

	if (!err)
		err = join_commit(&p, &m, &news);
	if (err) {
		log_warn("%.15s may not join: error %d", err == -EINVAL ? "a board" : p.name, err);
		fit_reply(req, err, NULL, 0);
		return;
	}
	r.node = m->m.node;
	r.epoch = le64(ms.epoch);
	/* the peer is adopted before the reply, so that the reply goes out on its connection */
	if (fit_peer_set(ms.b->fit, le16_get(m->m.node), le32_get(m->m.ip),
			 le64_get(m->m.incarnation)))
		log_err("%s cannot be a peer", m->m.name);
	fit_reply(req, 0, &r, sizeof(r));
	if (news)
		publish();
}

/* ---- heartbeats and death ---- */

static void on_heartbeat(struct fit_req *req)
{
	struct member_heartbeat h;
	struct member *m = req->from < FIT_NODES_MAX ? &ms.at[req->from] : NULL;
	uint64_t incarnation;
	uint32_t ip;

	if (req->len != sizeof(h)) {
		fit_reply(req, -EINVAL, NULL, 0);
		return;
	}
	memcpy(&h, req->data, sizeof(h));
	fit_req_source(req, &ip, &incarnation);
	if (!m || !m->alive || le64_get(m->m.incarnation) != incarnation) {
		fit_reply(req, -ENOENT, NULL, 0); /* joins again, and learns then if it is dead */
		return;
	}
	m->seen_ns = clock_mono_ns();
	m->load = le64_get(h.load);
	m->capacity = le64_get(h.capacity);
	if (le64_get(h.epoch) == ms.epoch)
		m->acked_epoch = ms.epoch;
	fit_reply(req, 0, NULL, 0);
}

static void handler(struct fit_req *req, void *arg)
{
	if (req->oneway)
		fit_req_put(req);
	else if (req->op == OP_MEMBER_JOIN)
		on_join(req);
	else if (req->op == OP_MEMBER_HEARTBEAT)
		on_heartbeat(req);
	else
		fit_reply(req, -ENOSYS, NULL, 0);
}

/* Adds the time in which this board did not run to everybody's last heartbeat. */
static void forgive(uint64_t now)
{
	uint64_t late = now - ms.last_tick_ns;

	if (late < ms.period_ns)
		return;
	for (unsigned i = 1; i < FIT_NODES_MAX; i++)
		ms.at[i].seen_ns = KMIN(ms.at[i].seen_ns + late, now);
}

static void tick(struct loop_call *c)
{
	uint64_t now = clock_mono_ns();
	bool change = false;

	if (ms.last_tick_ns)
		forgive(now);
	ms.last_tick_ns = now;
	for (unsigned i = 1; i < FIT_NODES_MAX; i++) {
		struct member *m = &ms.at[i];

		if (!m->alive || now - m->seen_ns <= ms.death_ns)
			continue;
		die(m, "its heartbeats stopped");
		change = true;
	}
	if (ms.learned_ns && now >= ms.learned_ns) {
		ms.learned_ns = 0;
		change = true;
	}
	if (change)
		publish();
	for (unsigned i = 1; i < FIT_NODES_MAX; i++)
		push(&ms.at[i]);
	timer_arm(&ms.timer, now + ms.period_ns / 2);
}

static void timer_fired(void *arg)
{
	loop_post(ms.b->loop, &ms.tick);
}

int members_start(struct board *b)
{
	uint64_t now = clock_mono_ns(),
		 ms_wished = cmdline_u64("heartbeat_ms", HEARTBEAT_MS_DEFAULT);
	int err;

	memset(&ms, 0, sizeof(ms));
	ms.b = b;
	ms_wished = KMAX(ms_wished, (uint64_t)HEARTBEAT_MS_MIN);
	ms.period_ns = KMIN(ms_wished, (uint64_t)HEARTBEAT_MS_MAX) * NSEC_PER_MSEC;
	ms.death_ns = ms.period_ns * KMAX(cmdline_u64("member.missed", MISSED_DEFAULT), 2ULL);
	ms.learned_ns = now + ms.death_ns;
	ms.epoch = clock_wall_ns() / NSEC_PER_SEC << 16;
	ms.tick.fn = tick;
	ms.at[0].m = (struct proto_member){ .node = le16(FIT_NODE_MANAGER), .role = ROLE_MANAGER,
		.ip = le32(b->ip), .incarnation = le64(b->incarnation) };
	kstrcpy(ms.at[0].m.name, b->name, sizeof(ms.at[0].m.name));
	ms.at[0].alive = ms.at[0].known = true;
	err = fit_serve(b->fit, PROTO_CLASS_MEMBER, handler, NULL);
	if (err)
		return err;
	timer_init(&ms.timer, timer_fired, NULL);
	timer_arm(&ms.timer, now + ms.period_ns / 2);
	fit_accept_joiners(b->fit, true);
	return 0;
}
