/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signal numbers, masks, queues. Layouts are Linux's x86-64 ABI. Constants come from
 * <asm/signal.h>; its struct sigaction is the C library's, so the kernel's has its own name here.
 */
#pragma once

#include <kern/types.h>
#include <linux/signal.h>
#include <sys/queue.h>

typedef uint64_t sigmask_t; /* bit n-1: signal n */
#define NSIG_K 64
#define SIGMASK(sig) (1ULL << ((sig) - 1))
#define SIGMASK_UNBLOCKABLE (SIGMASK(SIGKILL) | SIGMASK(SIGSTOP))
#define SIGQUEUE_MAX 512 /* entries waiting per queue; beyond it real-time signals give EAGAIN */

#define siginfo_k siginfo /* struct siginfo of <asm/siginfo.h> */

struct ksigaction {
	uint64_t handler; /* SIG_DFL 0, SIG_IGN 1 */
	uint64_t flags;
	uint64_t restorer;
	sigmask_t mask;
};
static_assert(sizeof(struct ksigaction) == 32, "rt_sigaction(2)");

struct sigpending;
struct sigqueue_entry {
	TAILQ_ENTRY(sigqueue_entry) link;
	siginfo_t info;
	bool kept;               /* part of a timer: not freed when taken */
	struct sigpending *in;   /* kept: the queue it is in, or NULL */
};
struct sigpending {
	sigmask_t set;
	unsigned n;
	TAILQ_HEAD(, sigqueue_entry) queue; /* entries for bits in set; a bit may have none */
};
/* Of a process, guarded by task.lock. */
struct sighand {
	struct ksigaction action[NSIG_K];
	struct sigpending pending; /* for the process as a whole */
};
