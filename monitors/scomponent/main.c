// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sComponent: files on a disk of the host, behind 9P channels. Exports and server are ready
 * before the board joins; GSM is told once it has.
 */
#define LOG_SUBSYS "main"
#include <kern/board.h>
#include <kern/log.h>
#include <mon/board.h>
#include "export.h"
#include "server.h"

static struct board *board;

static void on_member(const struct proto_member *m, bool up, void *arg)
{
	if (!up)
		server_owner_gone(le16_get(m->node));
}

/* The loop's sources are added in the loop. */
static void register_exports(struct loop_call *c)
{
	int err = export_register(board->fit, board->loop);

	if (err)
		log_err("cannot register at GSM: error %d", -err);
}

static int start(struct board *b)
{
	static struct loop_call registering = { .fn = register_exports };
	int err = export_init();

	if (err) {
		log_err("no export: the board needs a virtio-9p device that works");
		return err;
	}
	err = server_start(b->fit);
	if (err)
		return err;
	mon_on_member(b, on_member, NULL);
	err = board_join(b);
	if (!err)
		loop_post(b->loop, &registering);
	return err;
}

void board_main(void)
{
	int err = board_start(ROLE_SCOMPONENT, &board);

	if (!err)
		err = start(board);
	if (err) {
		log_err("cannot start: error %d", -err);
		board_exit(1);
	}
}
