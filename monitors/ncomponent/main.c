// SPDX-License-Identifier: GPL-2.0-only
/*
 * nComponent: NIC, TCP/IP stack, Proxy and skeletons, all run to completion in the board's fabric
 * loop.
 *
 *   board_start -> stack on the NIC -> sockets served over FIT -> join -> registration at GNM
 */
#define LOG_SUBSYS "ncomponent"
#include <kern/board.h>
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/wait.h>
#include <mon/board.h>

#include "register.h"
#include "setup.h"
#include "skeleton/nsock.h"
#include "standalone.h"

static struct nsock *sockets;

/* What is set up in the loop, and its result. */
struct bring_up {
	struct loop_call call;
	struct board *board;
	struct eth_configs eth;
	int err;
	struct completion done;
};

static void on_member(const struct proto_member *m, bool up, void *arg)
{
	if (!up)
		nsock_node_gone(sockets, le16_get(m->node));
}

static void load(uint64_t *load_out, uint64_t *capacity)
{
	*load_out = sockets->nskels;
	*capacity = SKEL_MAX;
}

static int bring_up(struct bring_up *u)
{
	struct board *b = u->board;
	int err;
	struct stack *s = setup_stack(&u->eth, b->loop, &err);

	if (!s)
		return err;
	struct nsock_config cfg = { .fit = b->fit, .stack = s, .loop = b->loop,
		.dma_pack = cmdline_bool("net.dma.pack", true),
		.dma_prefetch = cmdline_bool("net.dma.prefetch", true),
		.dma_early = cmdline_bool("net.dma.early", true) };
	sockets = nsock_create(&cfg, &err);
	return err;
}

static void bring_up_call(struct loop_call *c)
{
	struct bring_up *u = container_of(c, struct bring_up, call);

	u->err = bring_up(u);
	complete(&u->done);
}

static void lease_call(struct loop_call *c)
{
	struct bring_up *u = container_of(c, struct bring_up, call);

	u->err = register_start(sockets, &u->eth, u->board->incarnation);
	complete(&u->done);
}

/* Runs fn in the board's loop and waits for its result. */
static int in_loop(struct bring_up *u, void (*fn)(struct loop_call *c))
{
	completion_init(&u->done);
	u->call.fn = fn;
	if (!loop_post(u->board->loop, &u->call) || completion_wait(&u->done, 0))
		return -EBUSY;
	return u->err;
}

static int start(void)
{
	struct bring_up u = { .err = 0 };
	int err = board_start(ROLE_NCOMPONENT, &u.board);

	if (err)
		return err;
	err = setup_eth(&u.eth);
	if (!err)
		err = in_loop(&u, bring_up_call);
	if (err)
		return err;
	mon_on_member(u.board, on_member, NULL);
	mon_set_load(load);
	err = board_join(u.board);
	return err ? err : in_loop(&u, lease_call);
}

void board_main(void)
{
	int err = cmdline_get("standalone") ? standalone_main() : start();

	if (err) {
		log_err("the board cannot start: error %d", err);
		board_exit(BOARD_EXIT_CONFIG);
	}
}
