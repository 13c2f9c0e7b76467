// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPM. A RUN frame from the operator becomes a SPAWN_START call:
 *
 *   RUN -> decoded (channel's thread) -> placed: pComponent and home chosen -> called
 *        -> STARTED, and the program is counted until GPM_EXIT or its board's death
 *        -> FAILED, with the errno and a sentence that says what and where
 *
 * Everything but the decoding happens in the loop.
 */
#define LOG_SUBSYS "gpm"
#include "gpm/gpm.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <mon/ctl.h>
#include <proto/gpm.h>

#include "gmm/gmm.h"
#include "gpm/why.h"
#include "member/members.h"

#define GPM_PROGRAMS 1024
#define SPAWN_TIMEOUT_NS (30 * NSEC_PER_SEC)

struct program {
	uint64_t token; /* 0: free */
	fit_node_t node;
};

/* One RUN on its way. */
struct run {
	struct loop_call place;
	struct fit_call call;
	uint64_t stream;
	struct program *program;
	char board[BOARD_NAME_MAX]; /* wished, then chosen */
	char home[BOARD_NAME_MAX];
	struct spawn_start start;   /* args follow: keep last */
	char args[SPAWN_ARGS_MAX];
};
static_assert(offsetof(struct run, args) == offsetof(struct run, start) +
	      sizeof(struct spawn_start), "header and strings are one message");

static struct {
	struct board *b;
	struct program program[GPM_PROGRAMS];
	unsigned running[FIT_NODES_MAX];
	uint64_t next_token;
} gpm;

unsigned gpm_programs(fit_node_t node)
{
	return node < FIT_NODES_MAX ? gpm.running[node] : 0;
}

static void program_end(struct program *p)
{
	gpm.running[p->node]--;
	p->token = 0;
}

static struct program *program_find(uint64_t token)
{
	for (unsigned i = 0; i < GPM_PROGRAMS; i++)
		if (gpm.program[i].token == token)
			return &gpm.program[i];
	return NULL;
}

/* ---- placing ---- */

static fit_node_t least_busy(void)
{
	fit_node_t best = FIT_NODE_NONE;

	for (fit_node_t i = 1; i < FIT_NODES_MAX; i++) {
		const struct member *m = members_get(i);

		if (m && m->m.role == ROLE_PCOMPONENT &&
		    (best == FIT_NODE_NONE || gpm.running[i] < gpm.running[best]))
			best = i;
	}
	return best;
}

/* The node, or FIT_NODE_NONE with a FAILED sent. */
static fit_node_t choose_board(struct run *r)
{
	struct proto_member m;
	fit_node_t node;

	if (!r->board[0]) {
		node = least_busy();
		if (node == FIT_NODE_NONE)
			ctl_fail(r->stream, EHOSTDOWN, "no pComponent is up");
		return node;
	}
	if (!mon_member_by_name(gpm.b, r->board, &m)) {
		ctl_fail(r->stream, EHOSTDOWN, "%s: no board of that name is up", r->board);
		return FIT_NODE_NONE;
	}
	if (m.role != ROLE_PCOMPONENT) {
		ctl_fail(r->stream, EINVAL, "%s is a %s; programs run on a pcomponent", r->board,
			 board_role_name(m.role));
		return FIT_NODE_NONE;
	}
	return le16_get(m.node);
}

static void spawned(struct fit_call *c, const struct fit_reply *rep)
{
	struct run *r = container_of(c, struct run, call);
	struct spawn_reply s = { 0 };
	char text[192];
	int err = rep->status;

	if (!err && rep->len != sizeof(s))
		err = -EPROTO;
	if (!err) {
		struct ctl_started started = { .token = r->start.token };

		memcpy(&s, rep->data, sizeof(s));
		started.pid = s.pid;
		kstrcpy(started.board, r->board, sizeof(started.board));
		ctl_send(CTL_STARTED, r->stream, &started, sizeof(started));
	} else {
		if (r->program->token == le64_get(r->start.token))
			program_end(r->program);
		gpm_why(text, sizeof(text), err, r->args, r->board, r->home);
		ctl_fail(r->stream, -err, "%s", text);
	}
	kfree(r);
}

static bool place_decide(struct run *r, fit_node_t *node)
{
	struct proto_member m;
	fit_node_t home;

	*node = choose_board(r);
	if (*node == FIT_NODE_NONE)
		return false;
	home = gmm_choose_home();
	if (home == FIT_NODE_NONE || !mon_member_by_node(gpm.b, home, &m)) {
		ctl_fail(r->stream, EHOSTDOWN, "no mComponent is up to hold the program");
		return false;
	}
	kstrcpy(r->home, m.name, sizeof(r->home));
	r->start.home = le16(home);
	if (mon_member_by_node(gpm.b, *node, &m))
		kstrcpy(r->board, m.name, sizeof(r->board));
	r->program = program_find(0);
	if (!r->program)
		ctl_fail(r->stream, EAGAIN, "%u programs run already", GPM_PROGRAMS);
	return r->program;
}

static void place(struct loop_call *c)
{
	struct run *r = container_of(c, struct run, place);
	fit_node_t node;

	if (!place_decide(r, &node)) {
		kfree(r);
		return;
	}
	r->program->token = gpm.next_token++;
	r->program->node = node;
	gpm.running[node]++;
	r->start.token = le64(r->program->token);
	r->call = (struct fit_call){ .node = node, .op = OP_SPAWN_START, .req = &r->start,
		.req_len = sizeof(r->start) + le32_get(r->start.args_len),
		.timeout_ns = SPAWN_TIMEOUT_NS, .done = spawned };
	fit_call_start(gpm.b->fit, &r->call);
}

/* ---- RUN ---- */

static int run_decode(const uint8_t *data, size_t len, struct ctl_run *h)
{
	const uint8_t *args = data + sizeof(*h);
	size_t n = len - sizeof(*h);
	unsigned strings = 0;

	if (len < sizeof(*h))
		return -EINVAL;
	memcpy(h, data, sizeof(*h));
	if (strnlen(h->board, sizeof(h->board)) == sizeof(h->board) || h->data_mode > DATA_AUTO ||
	    h->flags & ~(SPAWN_STDIN | SPAWN_STRACE) || le16_get(h->reserved))
		return -EINVAL;
	if (n > SPAWN_ARGS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++)
		strings += !args[i];
	if (!n || args[n - 1] || !args[0] || !le16_get(h->argc) ||
	    strings != (unsigned)le16_get(h->argc) + le16_get(h->envc))
		return -EINVAL;
	return 0;
}

static void on_run(uint16_t type, uint64_t stream, const uint8_t *data, size_t len, void *arg)
{
	struct ctl_run h;
	struct run *r;
	int err = run_decode(data, len, &h);

	if (err == -E2BIG)
		ctl_fail(stream, E2BIG, "arguments and environment are longer than %u bytes",
			 SPAWN_ARGS_MAX);
	else if (err)
		ctl_fail(stream, EINVAL, "the request to run is malformed");
	if (err)
		return;
	r = kzalloc(sizeof(*r));
	if (!r) {
		ctl_fail(stream, ENOMEM, "the manager has no memory");
		return;
	}
	r->place.fn = place;
	r->stream = stream;
	kstrcpy(r->board, h.board, sizeof(r->board));
	r->start = (struct spawn_start){ .data_mode = h.data_mode, .flags = h.flags, .argc = h.argc,
		.envc = h.envc, .args_len = le32((uint32_t)(len - sizeof(h))) };
	memcpy(r->args, data + sizeof(h), len - sizeof(h));
	loop_post(gpm.b->loop, &r->place);
}

/* ---- ends ---- */

static void on_exit(const struct fit_req *req)
{
	struct gpm_exit e;
	struct program *p;

	if (req->len != sizeof(e))
		return;
	memcpy(&e, req->data, sizeof(e));
	p = le64_get(e.token) ? program_find(le64_get(e.token)) : NULL;
	if (p && p->node == req->from)
		program_end(p);
}

static void handler(struct fit_req *req, void *arg)
{
	if (!req->oneway) {
		fit_reply(req, -ENOSYS, NULL, 0);
		return;
	}
	if (req->op == OP_GPM_EXIT)
		on_exit(req);
	fit_req_put(req);
}

static void on_member(const struct proto_member *m, bool up, void *arg)
{
	for (unsigned i = 0; !up && i < GPM_PROGRAMS; i++)
		if (gpm.program[i].token && gpm.program[i].node == le16_get(m->node))
			program_end(&gpm.program[i]);
}

int gpm_start(struct board *b)
{
	memset(&gpm, 0, sizeof(gpm));
	gpm.b = b;
	/* never a token of an earlier life: streams of its programs may still be open */
	gpm.next_token = (clock_wall_ns() / NSEC_PER_SEC << 20) + 1;
	mon_on_member(b, on_member, NULL);
	ctl_handle(CTL_RUN, on_run, NULL);
	return fit_serve(b->fit, PROTO_CLASS_GPM, handler, NULL);
}
