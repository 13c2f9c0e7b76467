// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mComponent: address spaces, page cache, loader and the ramfs. Everything is ready before the
 * board joins, so the first caller finds it complete; after that only the fabric loop touches it.
 */
#define LOG_SUBSYS "main"
#include <kern/board.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <mon/board.h>
#include "cpio.h"
#include "inode.h"
#include "opens.h"
#include "page.h"
#include "server.h"
#include "sockmem.h"
#include "space.h"

static int load_archive(void)
{
	size_t size;
	const void *archive = boot_archive(&size);
	int files = archive ? cpio_unpack(archive, size) : 0;

	if (files < 0)
		return files;
	log_info("ramfs: %d files, %zu KiB archive", files, size / 1024);
	return 0;
}

static void on_member(const struct proto_member *m, bool up, void *arg)
{
	fit_node_t node = le16_get(m->node);

	if (up)
		return;
	space_destroy_owner(node);
	opens_drop_node(node);
	sockmem_drop_node(node);
}

static int start(struct board *b)
{
	int err = page_init();

	if (!err)
		err = vma_init();
	if (!err)
		err = inode_init();
	if (!err)
		err = load_archive();
	if (!err)
		err = server_start(b->fit);
	if (err)
		return err;
	sockmem_init(b->fit);
	mon_on_member(b, on_member, NULL);
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
