/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every board does: bring-up, membership, the view of the rack.
 *
 *   board_start(role, &b)    command line, loop, fabric device, FIT, control channel: nobody
 *                            can call us yet
 *   fit_serve(b->fit, ...)   the board's own handlers, mon_on_member(), ctl_handle()
 *   board_join(b)            joins at the manager and returns when the board has its number
 *
 * Command line: name= role= fabric.dev= (virtio0) fabric.ip= fabric.prefix= (24) fabric.mtu=
 * manager.ip= (not on the manager) heartbeat_ms= fitping=<board>.
 *
 * A board that is told that it was declared dead ends its machine with BOARD_EXIT_STALE; whoever
 * runs it starts it again, as a new incarnation.
 */
#pragma once

#include <fit/fit.h>
#include <kern/loop.h>
#include <kern/spinlock.h>
#include <proto/member.h>

#define BOARD_EXIT_CONFIG 2  /* the command line or the rack's description is wrong */
#define BOARD_EXIT_STALE 3
#define BOARD_MEMBER_FNS 8

struct netdev;
struct rdma_dev;

/* Called in the loop. up: in the view and a peer of FIT. !up: declared dead, its calls end. */
typedef void (*mon_member_fn)(const struct proto_member *m, bool up, void *arg);

struct view {
	struct spinlock lock;
	uint64_t epoch;
	unsigned n;
	struct proto_member member[FIT_NODES_MAX];
};

struct board {
	char name[BOARD_NAME_MAX];
	enum proto_role role;
	uint32_t ip;
	uint64_t incarnation;
	struct loop *loop;
	struct netdev *netdev;
	struct rdma_dev *dev;
	struct fit *fit;
	_Atomic bool joined;
	struct waitq changed;        /* joined, or a new view */
	struct view view;
	struct { mon_member_fn fn; void *arg; } member_fn[BOARD_MEMBER_FNS];
	_Atomic unsigned nmember_fns;
};

/* 0 or -errno; the reason is logged. Thread context. */
int __must_check board_start(enum proto_role role, struct board **out);
/* Waits for the manager as long as it takes. The manager itself: at once. */
int __must_check board_join(struct board *b);
/* The board of this image; NULL before board_start(). */
struct board *board_self(void);
const char *board_role_name(enum proto_role role);

/* Before board_join(): fn is called for every member that comes or goes, this board excepted. */
void mon_on_member(struct board *b, mon_member_fn fn, void *arg);
/* Any thread. False: no such member. */
bool mon_member_by_node(struct board *b, fit_node_t node, struct proto_member *out);
bool mon_member_by_name(struct board *b, const char *name, struct proto_member *out);
/* Members of a role in ascending order of node; returns how many (at most max are stored). */
unsigned mon_members(struct board *b, enum proto_role role, fit_node_t *out, unsigned max);
/* Waits for a member; 0 or -ETIMEDOUT. deadline 0: none. */
int __must_check mon_member_wait(struct board *b, const char *name, uint64_t deadline_ns,
				 struct proto_member *out);

/* Figures of the next heartbeats; a board's own, default free and total pages. */
void mon_set_load(void (*fn)(uint64_t *load, uint64_t *capacity));

/* ---- for this folder and the membership manager ---- */
/*
 * Makes b->dev on b->loop; 0 or -errno, logged. One of two files is linked: fabric.c here, or
 * Linux's.
 */
int __must_check fabric_open(struct board *b);
void view_init(struct view *v);
/* Loop. Replaces the view by m[0..n): FIT's peers and callbacks follow. keep: a member that is
 * missing in m stays. */
void view_apply(struct board *b, uint64_t epoch, const struct proto_member *m, unsigned n,
		bool keep);
/* 0 when every field is one a manager may send. */
int __must_check member_decode(const struct proto_member *m);
void mon_load(uint64_t *load, uint64_t *capacity);
void fitping_start(struct board *b);
