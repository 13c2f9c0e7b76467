// SPDX-License-Identifier: GPL-2.0-only
/*
 * A board's part in the membership: it joins, sends heartbeats, and takes the views the manager
 * sends. One thread; views arrive in the loop.
 *
 *   JOINING --number--> MEMBER --manager began a new life--> JOINING (with the same number)
 *      | name taken        '--told that it is dead--> the machine ends, to come back anew
 *      '--> the machine ends: the rack's description is wrong
 *
 * A silent manager changes nothing: no manager, no death.
 */
#define LOG_SUBSYS "member"
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <kern/wait.h>

#include <mon/board.h>

#include "member.h"

#define JOIN_TIMEOUT_NS (2 * NSEC_PER_SEC)
#define JOIN_RETRY_NS (200 * NSEC_PER_MSEC)
#define NAME_TAKEN_TRIES 3

static void (*load_fn)(uint64_t *load, uint64_t *capacity);

void mon_set_load(void (*fn)(uint64_t *load, uint64_t *capacity))
{
	load_fn = fn;
}

void mon_load(uint64_t *load, uint64_t *capacity)
{
	struct mm_stats s;

	if (load_fn) {
		load_fn(load, capacity);
		return;
	}
	mm_stats(&s);
	*load = s.free_pages;
	*capacity = s.total_pages;
}

static __noreturn void told_dead(const char *why)
{
	log_err("this board was declared dead (%s): stopping, to come back as a new one", why);
	board_exit(BOARD_EXIT_STALE);
}

/* ---- views ---- */

static int view_decode(const struct fit_req *req, struct member_view *v)
{
	const struct proto_member *m;
	uint32_t n;

	if (req->from != FIT_NODE_MANAGER)
		return -EPERM;
	if (req->oneway || req->op != OP_MEMBER_VIEW)
		return -ENOSYS;
	if (req->len < sizeof(*v))
		return -EINVAL;
	memcpy(v, req->data, sizeof(*v));
	n = le32_get(v->n);
	if (!n || n > FIT_NODES_MAX || req->len != sizeof(*v) + n * sizeof(*m) ||
	    le32_get(v->flags) & ~MEMBER_VIEW_LEARNING)
		return -EINVAL;
	m = (const struct proto_member *)(req->data + sizeof(*v));
	for (uint32_t i = 0; i < n; i++)
		if (member_decode(&m[i]) || le16_get(m[i].node) >= FIT_NODES_MAX)
			return -EINVAL;
	return 0;
}

/* Our entry also tells our number, maybe before the thread that joins has seen its reply. */
static bool contains_us(struct board *b, const struct proto_member *m, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (le64_get(m[i].incarnation) != b->incarnation)
			continue;
		fit_set_self(b->fit, le16_get(m[i].node));
		return true;
	}
	return false;
}

static void member_handler(struct fit_req *req, void *arg)
{
	struct board *b = arg;
	struct member_view v;
	const struct proto_member *m;
	int err = view_decode(req, &v);

	if (req->oneway) {
		fit_req_put(req);
		return;
	}
	if (err || le64_get(v.epoch) <= b->view.epoch) { /* an older one is news to nobody */
		fit_reply(req, err, NULL, 0);
		return;
	}
	m = (const struct proto_member *)(req->data + sizeof(v));
	if (!contains_us(b, m, le32_get(v.n))) {
		if (!(le32_get(v.flags) & MEMBER_VIEW_LEARNING))
			told_dead("not in the view");
		fit_reply(req, 0, NULL, 0);
		return;
	}
	view_apply(b, le64_get(v.epoch), m, le32_get(v.n),
		   le32_get(v.flags) & MEMBER_VIEW_LEARNING);
	fit_reply(req, 0, NULL, 0);
}

/* ---- joining ---- */

static int join_once(struct board *b, uint64_t *heartbeat_ns)
{
	struct member_join j = { .self = { .node = le16(fit_self(b->fit)), .role = b->role,
		.ip = le32(b->ip), .incarnation = le64(b->incarnation) } };
	struct member_join_reply r;
	size_t len = 0;
	int err;

	kstrcpy(j.self.name, b->name, sizeof(j.self.name));
	err = fit_call_intr(b->fit, FIT_NODE_MANAGER, OP_MEMBER_JOIN, &j, sizeof(j), &r, sizeof(r),
			    &len, JOIN_TIMEOUT_NS);
	if (err)
		return err;
	if (len != sizeof(r) || le16_get(r.node) >= FIT_NODES_MAX || !le16_get(r.node) ||
	    !le16_get(r.heartbeat_ms))
		return -EPROTO;
	fit_set_self(b->fit, le16_get(r.node));
	*heartbeat_ns = cmdline_u64("heartbeat_ms", le16_get(r.heartbeat_ms)) * NSEC_PER_MSEC;
	return 0;
}

static void join(struct board *b, uint64_t *heartbeat_ns)
{
	unsigned taken = 0, silent = 0;

	for (;;) {
		int err = join_once(b, heartbeat_ns);

		if (!err)
			break;
		if (err == -EEXIST && ++taken == NAME_TAKEN_TRIES) {
			log_err("another board of this rack has the name %s or its address",
				b->name);
			board_exit(BOARD_EXIT_CONFIG);
		}
		if (err == -ESTALE)
			told_dead("its number is another board's");
		if (++silent % 10 == 0)
			log_warn("waiting for the manager (error %d)", err);
		thread_sleep_ns(JOIN_RETRY_NS);
	}
	log_info("%s joined as node %u", b->name, fit_self(b->fit));
	atomic_store(&b->joined, true);
	waitq_wake_all(&b->changed);
}

/* 0: go on; else join again. */
static int heartbeat(struct board *b, uint64_t period_ns)
{
	struct member_heartbeat h = { .epoch = le64(b->view.epoch) };
	uint64_t load = 0, capacity = 0;
	size_t len;
	int err;

	mon_load(&load, &capacity);
	h.load = le64(load);
	h.capacity = le64(capacity);
	err = fit_call_intr(b->fit, FIT_NODE_MANAGER, OP_MEMBER_HEARTBEAT, &h, sizeof(h), NULL, 0,
			    &len, KMAX(4 * period_ns, NSEC_PER_SEC));
	if (err == -ESTALE)
		told_dead("by the manager");
	return err == -EHOSTDOWN || err == -ENOENT ? err : 0;
}

static void member_main(void *arg)
{
	struct board *b = arg;
	uint64_t period_ns = 0;

	join(b, &period_ns);
	for (;;) {
		thread_sleep_ns(period_ns);
		if (heartbeat(b, period_ns))
			join(b, &period_ns);
	}
}

int member_start(struct board *b, uint32_t manager_ip)
{
	int err = fit_peer_set(b->fit, FIT_NODE_MANAGER, manager_ip, 0);

	if (!err)
		err = fit_serve(b->fit, PROTO_CLASS_MEMBER, member_handler, b);
	return err ? err : thread_spawn("member", member_main, b, CPU_ANY);
}
