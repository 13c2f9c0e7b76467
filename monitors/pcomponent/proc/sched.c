/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Scheduling as programs see it: every thread is SCHED_OTHER with priority 0 on all CPUs of the
 * board, and says so. What a program asks for beyond that is refused as Linux refuses one without
 * the privilege (EPERM), or, where it is only a wish (affinity, nice), accepted and without
 * effect.
 */
#include <linux/membarrier.h>
#include <linux/sched.h>

#include "proc/proc.h"
#include "syscall/table.h"

#define NICE_ZERO 20   /* getpriority(2) returns 20 - nice */
#define RT_PRIO_MAX 99
#define SLICE_NS (10 * NSEC_PER_MSEC)

static int64_t sys_sched_yield(struct syscall_args *a)
{
	thread_yield();
	return 0;
}
SYSCALL_DEFINE(__NR_sched_yield, "sched_yield", sys_sched_yield);

/* 0, or -ESRCH when there is no such thread. */
static int check_tid(uint64_t tid)
{
	struct uthread *ut;

	if ((int)tid < 0)
		return -EINVAL;
	if (!(int)tid)
		return 0;
	ut = uthread_find((int)tid);
	if (!ut)
		return -ESRCH;
	uthread_put(ut);
	return 0;
}

/* The raw call's result is the size of the kernel's mask. */
static int64_t sys_sched_getaffinity(struct syscall_args *a)
{
	uint64_t mask = cpu_count() < 64 ? (1ULL << cpu_count()) - 1 : UINT64_MAX;
	int ret;

	if (a->a[1] < sizeof(mask) || a->a[1] % sizeof(mask))
		return -EINVAL;
	ret = check_tid(a->a[0]);
	if (ret)
		return ret;
	return copy_to_user(a->a[2], &mask, sizeof(mask)) ? -EFAULT : (int64_t)sizeof(mask);
}
SYSCALL_DEFINE(__NR_sched_getaffinity, "sched_getaffinity", sys_sched_getaffinity);

static int64_t sys_sched_setaffinity(struct syscall_args *a)
{
	uint64_t have = cpu_count() < 64 ? (1ULL << cpu_count()) - 1 : UINT64_MAX, mask = 0;

	if (copy_from_user(&mask, a->a[2], KMIN(a->a[1], sizeof(mask))))
		return -EFAULT;
	int ret = check_tid(a->a[0]);
	if (ret)
		return ret;
	return mask & have ? 0 : -EINVAL;
}
SYSCALL_DEFINE(__NR_sched_setaffinity, "sched_setaffinity", sys_sched_setaffinity);

static int64_t sys_sched_getscheduler(struct syscall_args *a)
{
	int ret = check_tid(a->a[0]);

	return ret ? ret : SCHED_NORMAL;
}
SYSCALL_DEFINE(__NR_sched_getscheduler, "sched_getscheduler", sys_sched_getscheduler);

static int64_t sys_sched_getparam(struct syscall_args *a)
{
	int32_t priority = 0;
	int ret = check_tid(a->a[0]);

	if (!ret && !a->a[1])
		ret = -EINVAL;
	return ret ? ret : copy_to_user(a->a[1], &priority, sizeof(priority));
}
SYSCALL_DEFINE(__NR_sched_getparam, "sched_getparam", sys_sched_getparam);

static int set_policy(uint64_t tid, int policy, uint64_t param)
{
	int32_t priority;
	int ret;

	if (!param || policy < 0)
		return -EINVAL;
	if (copy_from_user(&priority, param, sizeof(priority)))
		return -EFAULT;
	ret = check_tid(tid);
	if (ret)
		return ret;
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return priority >= 1 && priority <= RT_PRIO_MAX ? -EPERM : -EINVAL;
	if (policy != SCHED_NORMAL && policy != SCHED_BATCH && policy != SCHED_IDLE)
		return -EINVAL;
	return priority ? -EINVAL : 0;
}

static int64_t sys_sched_setscheduler(struct syscall_args *a)
{
	return set_policy(a->a[0], (int)a->a[1], a->a[2]);
}
SYSCALL_DEFINE(__NR_sched_setscheduler, "sched_setscheduler", sys_sched_setscheduler);

static int64_t sys_sched_setparam(struct syscall_args *a)
{
	return set_policy(a->a[0], SCHED_NORMAL, a->a[1]);
}
SYSCALL_DEFINE(__NR_sched_setparam, "sched_setparam", sys_sched_setparam);

/* Highest or lowest priority of a policy. */
static int64_t priority_bound(int policy, int realtime)
{
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return realtime;
	if (policy == SCHED_NORMAL || policy == SCHED_BATCH || policy == SCHED_IDLE)
		return 0;
	return -EINVAL;
}

static int64_t sys_sched_get_priority_max(struct syscall_args *a)
{
	return priority_bound((int)a->a[0], RT_PRIO_MAX);
}
SYSCALL_DEFINE(__NR_sched_get_priority_max, "sched_get_priority_max", sys_sched_get_priority_max);

static int64_t sys_sched_get_priority_min(struct syscall_args *a)
{
	return priority_bound((int)a->a[0], 1);
}
SYSCALL_DEFINE(__NR_sched_get_priority_min, "sched_get_priority_min", sys_sched_get_priority_min);

static int64_t sys_sched_rr_get_interval(struct syscall_args *a)
{
	int64_t slice[2] = { 0, SLICE_NS };
	int ret = check_tid(a->a[0]);

	return ret ? ret : copy_to_user(a->a[1], slice, sizeof(slice));
}
SYSCALL_DEFINE(__NR_sched_rr_get_interval, "sched_rr_get_interval", sys_sched_rr_get_interval);

static int64_t sys_getcpu(struct syscall_args *a)
{
	uint32_t cpu = (uint32_t)cpu_id(), node = 0;

	if (a->a[0] && copy_to_user(a->a[0], &cpu, sizeof(cpu)))
		return -EFAULT;
	return a->a[1] ? copy_to_user(a->a[1], &node, sizeof(node)) : 0;
}
SYSCALL_DEFINE(__NR_getcpu, "getcpu", sys_getcpu);

static int64_t sys_getpriority(struct syscall_args *a)
{
	if (a->a[0] > PRIO_USER)
		return -EINVAL;
	int ret = a->a[0] == PRIO_PROCESS ? check_tid(a->a[1]) : 0;
	return ret ? ret : NICE_ZERO;
}
SYSCALL_DEFINE(__NR_getpriority, "getpriority", sys_getpriority);

static int64_t sys_setpriority(struct syscall_args *a)
{
	if (a->a[0] > PRIO_USER)
		return -EINVAL;
	int ret = a->a[0] == PRIO_PROCESS ? check_tid(a->a[1]) : 0;
	if (!ret && (int)a->a[2] < 0 && !task_privileged())
		ret = -EACCES;
	return ret;
}
SYSCALL_DEFINE(__NR_setpriority, "setpriority", sys_setpriority);

/* None of its commands is offered; asking which are is. */
static int64_t sys_membarrier(struct syscall_args *a)
{
	return a->a[0] == MEMBARRIER_CMD_QUERY && !a->a[1] ? 0 : -EINVAL;
}
SYSCALL_DEFINE(__NR_membarrier, "membarrier", sys_membarrier);
