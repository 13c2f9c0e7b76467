// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bring-up of a board: from the command line to a member of the rack. Every step that fails says
 * what and why, in one line; what it has made so far stays, because the machine ends then.
 */
#define LOG_SUBSYS "board"
#include <mon/board.h>

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/string.h>
#include <kern/wait.h>

#include "ctl_start.h"
#include "member.h"

static struct board self;
static bool started;

struct board *board_self(void)
{
	return started ? &self : NULL;
}

static int read_identity(struct board *b, enum proto_role role)
{
	const char *name = cmdline_get("name"), *r = cmdline_get("role");

	if (!name || !*name || kstrcpy(b->name, name, sizeof(b->name)) < 0) {
		log_err("name= is missing or longer than %d characters", BOARD_NAME_MAX - 1);
		return -EINVAL;
	}
	log_set_board(b->name);
	if (r && strcmp(r, board_role_name(role))) {
		log_err("role=%s, but this is the image of a %s", r, board_role_name(role));
		return -EINVAL;
	}
	b->ip = cmdline_ipv4("fabric.ip");
	if (!b->ip) {
		log_err("fabric.ip= is missing or not an address");
		return -EINVAL;
	}
	b->role = role;
	b->incarnation = random_u64() | 1;
	return 0;
}

static int start_fabric(struct board *b)
{
	int err;

	b->loop = loop_create("fabric", 0);
	if (!b->loop)
		return -ENOMEM;
	err = fabric_open(b);
	if (err)
		return err;
	b->fit = fit_create(&(struct fit_config){ .dev = b->dev, .loop = b->loop, .ip = b->ip,
		.incarnation = b->incarnation,
		.self = b->role == ROLE_MANAGER ? FIT_NODE_MANAGER : FIT_NODE_NONE }, &err);
	if (!b->fit) {
		log_err("FIT: error %d", err);
		return err;
	}
	return loop_start(b->loop);
}

int board_start(enum proto_role role, struct board **out)
{
	struct board *b = &self;
	int err;

	kassert(!started);
	err = read_identity(b, role);
	if (err)
		return err;
	waitq_init(&b->changed);
	view_init(&b->view);
	err = start_fabric(b);
	if (err)
		return err;
	started = true;
	err = ctl_start(b);
	if (err)
		log_err("control channel: error %d", err);
	*out = b;
	return err;
}

static int join_manager(struct board *b)
{
	uint32_t manager_ip = cmdline_ipv4("manager.ip");
	int err;

	if (!manager_ip) {
		log_err("manager.ip= is missing or not an address");
		return -EINVAL;
	}
	err = member_start(b, manager_ip);
	if (!err)
		wait_event(&b->changed, atomic_load(&b->joined));
	return err;
}

int board_join(struct board *b)
{
	int err = 0;

	if (b->role == ROLE_MANAGER) {
		atomic_store(&b->joined, true);
		waitq_wake_all(&b->changed);
	} else {
		err = join_manager(b);
	}
	if (err)
		return err;
	ctl_ready(b);
	fitping_start(b);
	return 0;
}
