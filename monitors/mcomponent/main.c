// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mComponent: address spaces, loader, page cache and names of files, in memory or on
 * sComponents. After the board has joined, only the fabric loop touches any of it.
 */
#define LOG_SUBSYS "main"
#include <kern/board.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <mon/board.h>
#include "cache.h"
#include "far.h"
#include "inode.h"
#include "job.h"
#include "line.h"
#include "mount.h"
#include "opens.h"
#include "page.h"
#include "server.h"
#include "sockmem.h"
#include "space.h"
#include "store.h"
#include "wb.h"

static void on_member(const struct proto_member *m, bool up, void *arg)
{
	fit_node_t node = le16_get(m->node);

	if (m->role == ROLE_SCOMPONENT && up)
		mount_store_up();
	if (up)
		return;
	if (m->role == ROLE_SCOMPONENT)
		store_lost(node);
	jobs_orphan(node);
	space_destroy_owner(node);
	opens_drop_node(node);
	sockmem_drop_node(node);
	line_room_drop(node);
}

/* Pages of files that are only kept because there is room count as free. */
static void load(uint64_t *free, uint64_t *total)
{
	struct mm_stats mm;

	mm_stats(&mm);
	*free = mm.free_pages + cache_pages();
	*total = mm.total_pages;
}

static int start(struct board *b)
{
	int err = page_init();

	if (!err)
		err = vma_init();
	if (!err)
		err = space_init();
	if (!err)
		err = inode_init();
	if (!err)
		err = job_init();
	if (!err)
		err = server_start(b->fit);
	if (err)
		return err;
	sockmem_init(b->fit);
	store_init(b->fit);
	cache_init();
	wb_init(b->loop);
	far_init(b->loop);
	mount_init(b->loop);
	mon_on_member(b, on_member, NULL);
	mon_set_load(load);
	return board_join(b);
}

void board_main(void)
{
	struct board *b;
	int err = board_start(ROLE_MCOMPONENT, &b);

	if (!err)
		err = start(b);
	if (err) {
		log_err("cannot start: error %d", -err);
		board_exit(1);
	}
}
