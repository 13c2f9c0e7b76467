// SPDX-License-Identifier: GPL-2.0-only
/* Membership, GPM, GMM and GNM, as boards and the operator see them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <kern/log.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <proto/gnm.h>
#include <proto/gsm.h>

#include "../../../managers/gpm/gpm.h"
#include "rack.h"

static struct board *p0, *p1, *m0, *n0;

static int join_role(struct board *b, const char *name, uint8_t role, uint32_t ip,
		     struct member_join_reply *r)
{
	struct member_join j = { .self = { .node = le16(FIT_NODE_NONE), .role = role,
		.ip = le32(ip), .incarnation = le64(b->incarnation) } };
	size_t len;

	kstrcpy(j.self.name, name, sizeof(j.self.name));
	return fit_call(b->fit, 0, OP_MEMBER_JOIN, &j, sizeof(j), r, sizeof(*r), &len);
}

static int join_as(struct board *b, const char *name, uint32_t ip, struct member_join_reply *r)
{
	return join_role(b, name, ROLE_PCOMPONENT, ip, r);
}

static void test_boards_join(void **state)
{
	struct proto_member m;

	p0 = rack_board("p0", ROLE_PCOMPONENT, RACK_IP(1), true);
	m0 = rack_board("m0", ROLE_MCOMPONENT, RACK_IP(2), true);
	p1 = rack_board("p1", ROLE_PCOMPONENT, RACK_IP(3), true);
	assert_int_equal(fit_self(p0->fit), 1);
	assert_int_equal(fit_self(m0->fit), 2);
	assert_int_equal(fit_self(p1->fit), 3);
	assert_int_equal(mon_member_wait(p0, "p1", clock_mono_ns() + NSEC_PER_SEC, &m), 0);
	assert_int_equal(le16_get(m.node), 3);
	assert_true(mon_member_by_node(p0, 0, &m));
	assert_string_equal(m.name, "manager");
	assert_int_equal(mon_members(p0, ROLE_PCOMPONENT, NULL, 0), 2);
}

static void test_boards_reach_each_other(void **state)
{
	uint32_t x = 5, y = 0;
	size_t len;

	assert_int_equal(fit_call(p0->fit, 2, OP_TEST_ECHO, &x, 4, &y, 4, &len), 0);
	assert_int_equal(fit_call(m0->fit, 3, OP_TEST_ECHO, &x, 4, &y, 4, &len), 0);
	assert_int_equal(fit_call(p1->fit, 1, OP_TEST_ECHO, &x, 4, &y, 4, &len), 0);
	assert_int_equal(fit_call(rack_manager.fit, 1, OP_TEST_ECHO, &x, 4, &y, 4, &len), 0);
}

static void test_names_and_addresses_are_unique(void **state)
{
	struct board *x = rack_board("x", ROLE_PCOMPONENT, RACK_IP(9), false);
	struct member_join_reply r;
	size_t len;

	assert_int_equal(join_as(x, "p0", RACK_IP(9), &r), -EEXIST);
	assert_int_equal(join_as(x, "manager", RACK_IP(9), &r), -EEXIST);
	assert_int_equal(join_as(x, "x", RACK_IP(1), &r), -EINVAL); /* not where it comes from */
	assert_int_equal(join_as(x, "", RACK_IP(9), &r), -EINVAL);
	assert_int_equal(join_as(x, "a b", RACK_IP(9), &r), -EINVAL);
	assert_int_equal(fit_call(x->fit, 0, OP_MEMBER_JOIN, "short", 5, NULL, 0, &len), -EINVAL);
	assert_int_equal(fit_call(x->fit, 0, OP_MEMBER_HEARTBEAT,
				  &(struct member_heartbeat){ .load = le64(1) },
				  sizeof(struct member_heartbeat), NULL, 0, &len), -ENOENT);
	rack_end(x);
}

static _Atomic unsigned downs;

static void went(const struct proto_member *m, bool up, void *arg)
{
	if (!up && !strcmp(m->name, "p2"))
		atomic_fetch_add(&downs, 1);
}

/* p2 dies, comes back as a new incarnation with its number; then restarts faster than its death. */
static void test_death_and_return(void **state)
{
	struct board *p2 = rack_board("p2", ROLE_PCOMPONENT, RACK_IP(4), false), *again;
	struct member_join_reply r;
	struct proto_member m;

	mon_on_member(p0, went, NULL);
	assert_int_equal(join_as(p2, "p2", RACK_IP(4), &r), 0);
	assert_int_equal(le16_get(r.node), 4);
	assert_int_equal(mon_member_wait(p0, "p2", clock_mono_ns() + NSEC_PER_SEC, &m), 0);
	rack_silence(p2);
	assert_true(rack_wait(atomic_load(&downs) == 1));
	assert_false(mon_member_by_name(p0, "p2", &m));
	assert_true(mon_member_by_name(p0, "m0", &m));
	mock_unplug(p2->ip, false);
	mock_hold(p2->ip, false);
	assert_int_equal(join_as(p2, "p2", RACK_IP(4), &r), -EHOSTDOWN); /* forgotten */
	assert_int_equal(join_as(p2, "p2", RACK_IP(4), &r), -ESTALE); /* dead for good */
	rack_end(p2);
	again = rack_board("p2", ROLE_PCOMPONENT, RACK_IP(4), false);
	assert_int_equal(join_as(again, "p2", RACK_IP(4), &r), 0);
	assert_int_equal(le16_get(r.node), 4);
	assert_int_equal(mon_member_wait(p0, "p2", clock_mono_ns() + NSEC_PER_SEC, &m), 0);
	assert_int_equal(le64_get(m.incarnation), again->incarnation);
	rack_end(again);
	again = rack_board("p2", ROLE_PCOMPONENT, RACK_IP(4), false);
	assert_int_equal(join_as(again, "p2", RACK_IP(4), &r), 0);
	assert_true(rack_wait(mon_member_by_name(p0, "p2", &m) &&
			      le64_get(m.incarnation) == again->incarnation));
	assert_true(rack_wait(atomic_load(&downs) >= 2));
	rack_end(again);
	assert_true(rack_wait(!mon_member_by_name(p0, "p2", &m)));
}

/* ---- GMM ---- */

static void load(uint64_t *l, uint64_t *c)
{
	*l = 1000;
	*c = 1000000;
}

static void test_home_has_most_memory(void **state)
{
	struct gmm_home_reply r;
	size_t len;

	mon_set_load(load);
	assert_int_equal(fit_call(p0->fit, 0, OP_GMM_HOME, NULL, 0, &r, sizeof(r), &len), 0);
	assert_int_equal(le16_get(r.node), fit_self(m0->fit));
	assert_int_equal(fit_call(p0->fit, 0, OP_GMM_HOME, "x", 1, &r, sizeof(r), &len), -EINVAL);
}

static void heartbeat(struct board *b, uint64_t free)
{
	struct member_heartbeat h = { .load = le64(free), .capacity = le64(100000) };
	size_t len;

	assert_int_equal(fit_call(b->fit, 0, OP_MEMBER_HEARTBEAT, &h, sizeof(h), NULL, 0, &len), 0);
}

static struct board *join_mcomponent(const char *name, uint32_t ip)
{
	struct board *b = rack_board(name, ROLE_MCOMPONENT, ip, false);
	struct member_join_reply r;

	assert_int_equal(join_role(b, name, ROLE_MCOMPONENT, ip, &r), 0);
	return b;
}

static fit_node_t region(fit_node_t home, uint64_t pages)
{
	struct gmm_region m = { .home = le16(home), .pages = le64(pages) };
	struct gmm_home_reply r;
	size_t len;
	int err = fit_call(p0->fit, 0, OP_GMM_REGION, &m, sizeof(m), &r, sizeof(r), &len);

	return err ? FIT_NODE_NONE : le16_get(r.node);
}

static uint64_t total_now;

static uint64_t free_now(void)
{
	struct gmm_room_reply room;
	size_t len;

	assert_int_equal(fit_call(p0->fit, 0, OP_GMM_ROOM, NULL, 0, &room, sizeof(room), &len), 0);
	total_now = le64_get(room.total_pages);
	return le64_get(room.free_pages);
}

/* m0 has 1000 pages; two boards whose heartbeats are made here have more. */
static void test_regions_go_where_there_is_room(void **state)
{
	struct board *a = join_mcomponent("ma", RACK_IP(7)), *b = join_mcomponent("mb", RACK_IP(8));
	fit_node_t na, nb, nc = fit_self(m0->fit);
	struct proto_member m;

	assert_true(rack_wait(free_now() == 1000)); /* m0's heartbeat has come */
	assert_int_equal(mon_member_wait(p0, "ma", clock_mono_ns() + NSEC_PER_SEC, &m), 0);
	na = le16_get(m.node);
	assert_int_equal(mon_member_wait(p0, "mb", clock_mono_ns() + NSEC_PER_SEC, &m), 0);
	nb = le16_get(m.node);
	heartbeat(a, 50000);
	heartbeat(b, 61000);
	/* the home, as long as it has half of what the best has, and room for two */
	assert_int_equal(region(na, 10000), na);
	assert_int_equal(region(na, 10000), na);
	assert_int_equal(region(na, 10000), nb);     /* 30000 and 61000 are left */
	assert_int_equal(region(nc, 10000), nb);     /* m0 has too little */
	/* what was promised is used: only the board's own figure counts */
	heartbeat(a, 30000);
	heartbeat(b, 41000);
	assert_int_equal(region(na, 10000), na);
	assert_int_equal(region(na, 10000), nb);     /* 20000, not half of 41000 */
	/* promises that are never kept are forgotten */
	for (unsigned i = 0; i < 60; i++) {
		heartbeat(a, 30000);
		heartbeat(b, 12000);
		(void)free_now();
	}
	assert_int_equal(region(nb, 10000), na);
	assert_int_equal(region(na, 10000), na);
	assert_int_equal(region(na, 0), FIT_NODE_NONE);
	assert_int_equal(region(na, 1ULL << 40), FIT_NODE_NONE);
	assert_int_equal(region(12345, 100), nb);    /* nobody's home */
	heartbeat(a, 3000);
	heartbeat(b, 2000);
	assert_int_equal(free_now(), 3000 + 2000 + 1000);
	assert_int_equal(total_now, 100000 + 100000 + 1000000);
	rack_end(a);
	rack_end(b);
	assert_true(rack_wait(!mon_member_by_name(p0, "ma", &m) &&
			      !mon_member_by_name(p0, "mb", &m)));
}

/* ---- GPM ---- */

static struct spawn_start last_start;
static char last_args[SPAWN_ARGS_MAX];
static int spawn_status;

static void spawn_handler(struct fit_req *req, void *arg)
{
	struct spawn_reply r = { .pid = le32(42) };

	memcpy(&last_start, req->data, sizeof(last_start));
	memcpy(last_args, req->data + sizeof(last_start), req->len - sizeof(last_start));
	fit_reply(req, spawn_status, &r, spawn_status ? 0 : sizeof(r));
}

static void run(const char *board, uint64_t stream, const char *args, size_t len, unsigned argc)
{
	uint8_t buf[8192];
	struct ctl_run h = { .argc = le16(argc), .flags = SPAWN_STDIN, .data_mode = DATA_DMA };

	kstrcpy(h.board, board, sizeof(h.board));
	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), args, len);
	rack_ctl_send(CTL_RUN, stream, buf, sizeof(h) + len);
}

static struct rack_frame f;

static void expect_failed(uint64_t stream, int err, const char *text)
{
	le32_t e;

	assert_true(rack_ctl_read(&f));
	assert_int_equal(f.type, CTL_FAILED);
	assert_int_equal(f.stream, stream);
	memcpy(&e, f.data, 4);
	assert_int_equal(le32_get(e), err);
	f.data[f.len] = 0;
	assert_non_null(strstr((char *)f.data + 4, text));
}

static void test_run(void **state)
{
	struct ctl_started s;
	struct gpm_exit e;

	assert_int_equal(fit_serve(p0->fit, PROTO_CLASS_SPAWN, spawn_handler, NULL), 0);
	assert_int_equal(fit_serve(p1->fit, PROTO_CLASS_SPAWN, spawn_handler, NULL), 0);
	run("", 7, "httpd\0-f", 9, 2);
	assert_true(rack_ctl_read(&f));
	assert_int_equal(f.type, CTL_STARTED);
	assert_int_equal(f.stream, 7);
	memcpy(&s, f.data, sizeof(s));
	assert_string_equal(s.board, "p0");
	assert_int_equal(le32_get(s.pid), 42);
	assert_int_equal(le16_get(last_start.home), fit_self(m0->fit));
	assert_int_equal(last_start.data_mode, DATA_DMA);
	assert_int_equal(le32_get(last_start.args_len), 9);
	assert_memory_equal(last_args, "httpd\0-f", 9);
	assert_int_equal(gpm_programs(1), 1);
	run("", 8, "sh", 3, 1); /* p0 has one: the other */
	assert_true(rack_ctl_read(&f));
	memcpy(&e.token, &((struct ctl_started *)f.data)->token, 8);
	assert_string_equal(((struct ctl_started *)f.data)->board, "p1");
	assert_int_equal(gpm_programs(3), 1);
	e = (struct gpm_exit){ .token = e.token };
	assert_int_equal(fit_send(p0->fit, 0, OP_GPM_EXIT, &e, sizeof(e)), 0); /* not p0's */
	assert_int_equal(fit_send(p1->fit, 0, OP_GPM_EXIT, &e, sizeof(e)), 0);
	assert_true(rack_wait(gpm_programs(3) == 0));
	assert_int_equal(gpm_programs(1), 1);
}

static void test_run_refused(void **state)
{
	char big[SPAWN_ARGS_MAX + 2] = { 'a' };

	spawn_status = -ENOENT;
	run("p0", 20, "nosuch", 7, 1);
	expect_failed(20, ENOENT, "nosuch: not found on m0's file system");
	spawn_status = 0;
	run("p9", 21, "sh", 3, 1);
	expect_failed(21, EHOSTDOWN, "p9: no board of that name is up");
	run("m0", 22, "sh", 3, 1);
	expect_failed(22, EINVAL, "m0 is a mcomponent");
	run("", 23, "sh", 2, 1);
	expect_failed(23, EINVAL, "malformed");
	run("", 24, "sh", 3, 2);
	expect_failed(24, EINVAL, "malformed");
	run("", 25, big, sizeof(big), 1);
	expect_failed(25, E2BIG, "longer than");
	rack_ctl_send(CTL_RUN, 26, "", 0);
	expect_failed(26, EINVAL, "malformed");
	rack_ctl_send(CTL_PS, 27, "", 0);
	expect_failed(27, ENOSYS, "does not serve");
	assert_int_equal(gpm_programs(1), 1);
}

static void test_hello_and_stats(void **state)
{
	rack_ctl_send(CTL_HELLO, 3, "", 0);
	assert_true(rack_ctl_read(&f));
	assert_int_equal(f.type, CTL_READY);
	assert_int_equal(f.stream, 3);
	assert_memory_equal(f.data, "manager manager 0", 17);
	rack_ctl_send(CTL_STATS, 4, "", 0);
	assert_true(rack_ctl_read(&f));
	assert_int_equal(f.type, CTL_STATS_REPLY);
	f.data[f.len] = 0;
	assert_non_null(strstr((char *)f.data, "fit.calls "));
	assert_non_null(strstr((char *)f.data, "slab.fit_buf "));
	assert_int_equal(f.data[f.len - 1], '\n');
}

/* ---- GNM ---- */

static int reg(struct board *b, unsigned nic, uint32_t ip, unsigned prefix, uint32_t gw,
	       unsigned ld)
{
	struct gnm_nic n = { .incarnation = le64(b->incarnation), .nic = le16(nic), .ip = le32(ip),
		.prefix_len = prefix, .link_up = 1, .gateway = le32(gw), .load = le32(ld) };
	struct gnm_lease l;
	size_t len;

	return fit_call(b->fit, 0, OP_GNM_REGISTER, &n, sizeof(n), &l, sizeof(l), &len);
}

static int ask(uint16_t op, uint32_t ip, unsigned policy, struct gnm_place *p)
{
	struct gnm_route r = { .dst = le32(ip), .policy = le32(policy) };
	size_t len;

	return fit_call(p0->fit, 0, op, &r, sizeof(r), p, sizeof(*p), &len);
}

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static void test_gnm(void **state)
{
	struct gnm_place p;
	struct board *n1;
	uint32_t first;

	assert_int_equal(ask(OP_GNM_RESOLVE, 0, 0, &p), -EADDRNOTAVAIL);
	assert_int_equal(ask(OP_GNM_ROUTE, IP(8, 8, 8, 8), 0, &p), -ENETUNREACH);
	n1 = rack_board("n1", ROLE_NCOMPONENT, RACK_IP(6), true);
	n0 = rack_board("n0", ROLE_NCOMPONENT, RACK_IP(5), true);
	assert_int_equal(reg(p0, 0, IP(10, 0, 0, 1), 24, 0, 0), -EPERM);
	assert_int_equal(reg(n0, 0, IP(127, 0, 0, 1), 8, 0, 0), -EINVAL);
	assert_int_equal(reg(n0, 0, IP(10, 0, 0, 2), 33, 0, 0), -EINVAL);
	assert_int_equal(reg(n0, 0, IP(10, 0, 0, 2), 24, IP(10, 0, 0, 254), 0), 0);
	assert_int_equal(reg(n0, 0, IP(10, 0, 0, 2), 24, IP(10, 0, 0, 254), 0), 0);
	assert_int_equal(reg(n1, 0, IP(10, 0, 0, 2), 24, 0, 0), -EADDRINUSE);
	assert_int_equal(reg(n1, 0, IP(10, 0, 0, 1), 24, 0, 0), 0);
	assert_int_equal(reg(n1, 1, IP(10, 0, 1, 1), 28, 0, 0), 0);
	assert_int_equal(ask(OP_GNM_RESOLVE, 0, 0, &p), 0);
	assert_int_equal(le32_get(p.n), 3);
	assert_int_equal(ask(OP_GNM_RESOLVE, IP(10, 0, 0, 2), 0, &p), 0);
	assert_int_equal(le16_get(p.at[0].node), fit_self(n0->fit));
	assert_int_equal(ask(OP_GNM_RESOLVE, IP(10, 0, 0, 3), 0, &p), -EADDRNOTAVAIL);
	assert_int_equal(ask(OP_GNM_RESOLVE, IP(127, 0, 0, 1), 0, &p), 0);
	assert_int_equal(le16_get(p.at[0].node), fit_self(n1->fit)); /* joined first */
	assert_int_equal(le32_get(p.at[0].ip), IP(127, 0, 0, 1));
	assert_int_equal(ask(OP_GNM_ROUTE, IP(10, 0, 1, 7), 0, &p), 0);
	assert_int_equal(le32_get(p.at[0].ip), IP(10, 0, 1, 1));
	assert_int_equal(ask(OP_GNM_ROUTE, IP(8, 8, 8, 8), 0, &p), 0);
	assert_int_equal(le32_get(p.at[0].ip), IP(10, 0, 0, 2)); /* the one with a gateway */
	assert_int_equal(ask(OP_GNM_ROUTE, IP(10, 0, 0, 1), 0, &p), 0);
	assert_int_equal(le32_get(p.at[0].local), 1);
	assert_int_equal(ask(OP_GNM_ROUTE, IP(10, 0, 0, 9), GNM_POLICY_SPREAD, &p), 0);
	first = le32_get(p.at[0].ip);
	assert_int_equal(first, IP(10, 0, 0, 1)); /* the other has the route to 8.8.8.8 */
	assert_int_equal(reg(n0, 0, IP(10, 0, 0, 2), 24, IP(10, 0, 0, 254), 0), 0);
	assert_int_equal(ask(OP_GNM_ROUTE, IP(10, 0, 0, 9), GNM_POLICY_SPREAD, &p), 0);
	assert_int_not_equal(le32_get(p.at[0].ip), first);
	assert_int_equal(ask(OP_GNM_ROUTE, IP(10, 0, 0, 9), GNM_POLICY_PACK, &p), 0);
	assert_int_equal(le32_get(p.at[0].ip), IP(10, 0, 0, 1));
	assert_int_equal(ask(OP_GNM_ROUTE, IP(10, 0, 0, 9), 9, &p), -EINVAL);
	rack_silence(n1);
	assert_true(rack_wait(!ask(OP_GNM_RESOLVE, 0, 0, &p) && le32_get(p.n) == 1));
	assert_int_equal(le32_get(p.at[0].ip), IP(10, 0, 0, 2));
}

/* Registers two exports, "" being none. */
static int bring(struct board *b, const char *x, const char *y, unsigned flags)
{
	struct gsm_list l = { .n = le32(*y ? 2 : 1) };
	struct gsm_lease lease;
	size_t len;

	memcpy(l.at[0].name, x, strlen(x));
	memcpy(l.at[1].name, y, strlen(y));
	l.at[0].flags = le16((uint16_t)flags);
	return fit_call(b->fit, FIT_NODE_MANAGER, OP_GSM_REGISTER, &l, sizeof(l), &lease,
			sizeof(lease), &len);
}

static unsigned exports(struct gsm_list *l)
{
	size_t len;

	if (fit_call(p0->fit, FIT_NODE_MANAGER, OP_GSM_LIST, NULL, 0, l, sizeof(*l), &len) ||
	    len != sizeof(*l))
		return 99;
	return le32_get(l->n);
}

static void test_gsm(void **state)
{
	struct board *s0 = rack_board("s0", ROLE_SCOMPONENT, RACK_IP(8), true);
	struct board *s1 = rack_board("s1", ROLE_SCOMPONENT, RACK_IP(9), true);
	char longest[GSM_NAME_MAX + 1];
	struct gsm_list l;
	size_t len;

	assert_int_equal(exports(&l), 0);
	assert_int_equal(le32_get(l.expected), 2);
	assert_int_equal(bring(p0, "root", "", 0), -EPERM);
	assert_int_equal(bring(s0, "", "", 0), -EINVAL);
	assert_int_equal(bring(s0, "a/b", "", 0), -EINVAL);
	assert_int_equal(bring(s0, "..", "", 0), -EINVAL);
	assert_int_equal(bring(s0, "root", "", 2), -EINVAL);
	assert_int_equal(bring(s0, "root", "root", 0), -EEXIST);
	memset(longest, 'x', sizeof(longest));
	longest[GSM_NAME_MAX] = 0; /* one byte too long: no NUL in its place */
	assert_int_equal(bring(s0, longest, "", 0), -EINVAL);
	assert_int_equal(fit_call(s0->fit, FIT_NODE_MANAGER, OP_GSM_REGISTER, &l, 8, NULL, 0, &len),
			 -EBADMSG);
	assert_int_equal(exports(&l), 0);
	assert_int_equal(bring(s1, "host", "", GSM_READ_ONLY), 0);
	assert_int_equal(bring(s0, "root", "data", 0), 0);
	assert_int_equal(bring(s0, "root", "data", 0), 0);
	assert_int_equal(bring(s1, "root", "", 0), -EEXIST);
	assert_int_equal(exports(&l), 3);
	assert_string_equal(l.at[0].name, "root"); /* joined first */
	assert_string_equal(l.at[2].name, "host");
	assert_int_equal(le16_get(l.at[2].node), fit_self(s1->fit));
	assert_int_equal(le16_get(l.at[2].flags), GSM_READ_ONLY);
	assert_int_equal(bring(s0, "root", "", 0), 0); /* it has one less now */
	assert_int_equal(exports(&l), 2);
	rack_silence(s0);
	assert_true(rack_wait(exports(&l) == 1));
	assert_string_equal(l.at[0].name, "host");
	assert_int_equal(bring(s1, "root", "host", 0), 0);
	assert_int_equal(exports(&l), 2);
}

/* Last: the program on it ends with the board. */
static void test_programs_end_with_their_board(void **state)
{
	assert_int_equal(gpm_programs(1), 1);
	rack_silence(p0);
	assert_true(rack_wait(gpm_programs(1) == 0));
	run("p0", 30, "sh", 3, 1);
	expect_failed(30, EHOSTDOWN, "p0: no board");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boards_join),
		cmocka_unit_test(test_boards_reach_each_other),
		cmocka_unit_test(test_names_and_addresses_are_unique),
		cmocka_unit_test(test_death_and_return),
		cmocka_unit_test(test_home_has_most_memory),
		cmocka_unit_test(test_regions_go_where_there_is_room),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_run_refused),
		cmocka_unit_test(test_hello_and_stats),
		cmocka_unit_test(test_gnm),
		cmocka_unit_test(test_gsm),
		cmocka_unit_test(test_programs_end_with_their_board),
	};

	rack_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
