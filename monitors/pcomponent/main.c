/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pComponent's start. Order: memory for lines first, while RAM is in one piece; then
 * processes and system calls; then the fabric, and only when every handler is there does the
 * board join the rack.
 */
#include <kern/board.h>
#include <kern/work.h>
#include <mon/board.h>

#define LOG_SUBSYS "pcomponent"
#include <kern/log.h>

#include "excache/excache.h"
#include "fs/fs.h"
#include "excache/aspace.h"
#include "mem_client.h"
#include "proc/proc.h"
#include "syscall/table.h"

static struct workq *hello_queue;
static struct work hello_work;
static _Atomic uint64_t hello_nodes; /* bit per mComponent that is to be greeted */
static _Atomic bool have_root;       /* the first mComponent has the root directory */

/* Until sockets are linked in. */
__attribute__((weak)) void net_init(void)
{
}

static_assert(FIT_NODES_MAX <= 64, "one word of nodes");

static void say_hello(struct work *w)
{
	uint64_t nodes = atomic_exchange(&hello_nodes, 0);

	for (uint16_t n = 0; n < FIT_NODES_MAX; n++) {
		int err = nodes >> n & 1 ? mem_hello(n) : 0;

		if (err)
			log_warn("mComponent %u does not answer: %d; asked again on first use", n,
				 err);
	}
}

/* In the fabric's loop. */
static void on_member(const struct proto_member *m, bool up, void *arg)
{
	uint16_t node = le16_get(m->node);

	if (m->role != ROLE_MCOMPONENT || node >= FIT_NODES_MAX)
		return;
	mem_forget(node);
	aspaces_lose(node);
	memory_lost(m->name);
	if (!up)
		return;
	if (!atomic_exchange(&have_root, true))
		fs_set_root(node);
	atomic_fetch_or(&hello_nodes, 1ULL << node);
	work_queue(hello_queue, &hello_work);
}

void board_main(void)
{
	struct board *b;
	int err = excache_init();

	if (err) {
		log_err("no exCache: error %d", err);
		board_exit(BOARD_EXIT_CONFIG);
	}
	task_init();
	futex_init();
	syscall_table_init();
	entry_init();
	vdso_init();
	hello_queue = workq_create("mem hello", 1);
	kassert(hello_queue);
	work_init(&hello_work, say_hello);
	if (board_start(ROLE_PCOMPONENT, &b))
		board_exit(BOARD_EXIT_CONFIG);
	mem_client_init(b->fit);
	mon_on_member(b, on_member, NULL);
	spawn_init();
	fs_init();
	net_init();
	if (board_join(b))
		board_exit(BOARD_EXIT_CONFIG);
}
