/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a thread's end does to futexes: robust mutexes it held are marked and their waiters woken,
 * its tid word is cleared for who joins it. The list is the program's: walked with a limit,
 * believed in nothing.
 */
#include <kern/string.h>
#include <linux/futex.h>

#include "proc/proc.h"
#include "syscall/table.h"

#define ROBUST_LIMIT 2048 /* entries walked of a list that may be a ring */

static int64_t sys_set_robust_list(struct syscall_args *a)
{
	if (a->a[1] != sizeof(struct robust_list_head))
		return -EINVAL;
	uthread_current()->robust_list = a->a[0];
	return 0;
}
SYSCALL_DEFINE(__NR_set_robust_list, "set_robust_list", sys_set_robust_list);

static int64_t sys_get_robust_list(struct syscall_args *a)
{
	struct uthread *ut = uthread_current();
	uint64_t len = sizeof(struct robust_list_head);

	struct uthread *other = a->a[0] ? uthread_find((int)a->a[0]) : uthread_get(ut);
	uint64_t list;

	if (!other)
		return -ESRCH;
	list = other->robust_list;
	if (other->task != ut->task && !task_privileged()) {
		uthread_put(other);
		return -EPERM;
	}
	uthread_put(other);
	if (copy_to_user(a->a[1], &list, 8) || copy_to_user(a->a[2], &len, 8))
		return -EFAULT;
	return 0;
}
SYSCALL_DEFINE(__NR_get_robust_list, "get_robust_list", sys_get_robust_list);

static int64_t sys_set_tid_address(struct syscall_args *a)
{
	struct uthread *ut = uthread_current();

	ut->clear_child_tid = a->a[0];
	return ut->tid;
}
SYSCALL_DEFINE(__NR_set_tid_address, "set_tid_address", sys_set_tid_address);

/* ---- the end of a thread ---- */
/* pending: the thread was about to take it, or had left it and not yet woken who waits. */
static void robust_release(uint64_t addr, int tid, bool pending)
{
	uint32_t word, got;

	if (addr % 4 || read_user_u32(addr, &word))
		return;
	if (pending && !word)
		(void)futex_wake_addr(addr, 1, false);
	while ((word & FUTEX_TID_MASK) == (uint32_t)tid) {
		if (cmpxchg_user_u32(addr, word, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &got))
			return;
		if (got == word) {
			if (word & FUTEX_WAITERS)
				(void)futex_wake_addr(addr, 1, false);
			return;
		}
		word = got;
	}
}

static void robust_walk(struct uthread *ut)
{
	struct { uint64_t next; int64_t offset; uint64_t pending; } head;
	uint64_t e;

	if (copy_from_user(&head, ut->robust_list, sizeof(head)))
		return;
	e = head.next & ~1ULL;
	for (int i = 0; i < ROBUST_LIMIT && e != ut->robust_list; i++) {
		uint64_t next;

		if (copy_from_user(&next, e, sizeof(next)))
			break;
		if (e != (head.pending & ~1ULL))
			robust_release(e + (uint64_t)head.offset, ut->tid, false);
		e = next & ~1ULL;
	}
	if (head.pending & ~1ULL)
		robust_release((head.pending & ~1ULL) + (uint64_t)head.offset, ut->tid, true);
}

void futex_exit(struct uthread *ut)
{
	uint32_t zero = 0;

	if (!ut->as)
		return;
	if (ut->robust_list)
		robust_walk(ut);
	ut->robust_list = 0;
	if (ut->clear_child_tid && !copy_to_user(ut->clear_child_tid, &zero, sizeof(zero)))
		(void)futex_wake_addr(ut->clear_child_tid, 1, false);
	ut->clear_child_tid = 0;
}
