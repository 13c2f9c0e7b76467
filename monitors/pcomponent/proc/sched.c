/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Scheduling as programs see it: every thread is SCHED_OTHER with priority 0, and says so. What a
 * program asks for beyond that is refused as Linux refuses one without the privilege (EPERM), or,
 * where it is only a wish (nice), remembered and without effect. Affinity is honoured: a thread
 * that is on a CPU it may no longer use leaves it on its way to user mode.
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

/* Referenced; 0: the caller. NULL: there is none. */
static struct uthread *thread_by_tid(int tid)
{
	return tid ? uthread_find(tid) : uthread_get(uthread_current());
}

static bool may_change(const struct task *t)
{
	uint32_t euid = task_current()->cred.euid;

	return !euid || euid == t->cred.uid || euid == t->cred.euid;
}

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
	struct uthread *ut;
	uint64_t mask;

	if (a->a[1] < sizeof(mask) || a->a[1] % sizeof(mask))
		return -EINVAL;
	ut = thread_by_tid((int)a->a[0]);
	if (!ut)
		return -ESRCH;
	mask = thread_cpus(ut->thread);
	uthread_put(ut);
	return copy_to_user(a->a[2], &mask, sizeof(mask)) ? -EFAULT : (int64_t)sizeof(mask);
}
SYSCALL_DEFINE(__NR_sched_getaffinity, "sched_getaffinity", sys_sched_getaffinity);

static int64_t sys_sched_setaffinity(struct syscall_args *a)
{
	uint64_t mask = 0;
	struct uthread *ut;
	int err;

	if (copy_from_user(&mask, a->a[2], KMIN(a->a[1], (uint64_t)sizeof(mask))))
		return -EFAULT;
	ut = thread_by_tid((int)a->a[0]);
	if (!ut)
		return -ESRCH;
	err = may_change(ut->task) ? thread_set_cpus(ut->thread, (uint32_t)mask) : -EPERM;
	if (!err)
		uthread_move(ut);
	uthread_put(ut);
	return err;
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

/* ---- nice ---- */
struct nice_walk {
	int which, who;    /* PRIO_PGRP or PRIO_USER */
	int found, best;   /* lowest nice value */
	int set, err;      /* NICE_ASK: only look */
};
#define NICE_ASK 100
#define NICE_MIN (-20)
#define NICE_MAX 19

static int clamp_nice(int nice)
{
	return nice < NICE_MIN ? NICE_MIN : nice > NICE_MAX ? NICE_MAX : nice;
}

static int set_nice(struct task *t, int nice)
{
	if (!may_change(t))
		return -EPERM;
	if (nice < t->nice && !task_privileged())
		return -EACCES;
	t->nice = nice;
	return 0;
}

static void nice_one(struct task *t, void *arg)
{
	struct nice_walk *w = arg;
	int err;

	if (w->which == PRIO_PROCESS ? t->pid != w->who :
	    w->which == PRIO_PGRP ? t->pgid != w->who : (int)t->cred.uid != w->who)
		return;
	w->best = w->found++ ? KMIN(w->best, t->nice) : t->nice;
	err = w->set == NICE_ASK ? 0 : set_nice(t, w->set);
	if (err)
		w->err = err;
}

static int nice_walk(struct nice_walk *w, uint64_t which, uint64_t who)
{
	struct task *t = task_current();
	struct uthread *ut;

	if (which > PRIO_USER)
		return -EINVAL;
	w->which = (int)which;
	w->who = (int)who;
	if (!w->who)
		w->who = which == PRIO_PROCESS ? t->pid : which == PRIO_PGRP ? t->pgid :
			(int)t->cred.uid;
	else if (which == PRIO_PROCESS && (ut = uthread_find(w->who))) { /* a thread's number */
		w->who = ut->task->pid;
		uthread_put(ut);
	}
	task_each(nice_one, w);
	return w->found ? w->err : -ESRCH;
}

static int64_t sys_getpriority(struct syscall_args *a)
{
	struct nice_walk w = { .set = NICE_ASK };
	int err = nice_walk(&w, a->a[0], a->a[1]);

	return err ? err : NICE_ZERO - w.best;
}
SYSCALL_DEFINE(__NR_getpriority, "getpriority", sys_getpriority);

static int64_t sys_setpriority(struct syscall_args *a)
{
	int nice = (int)a->a[2];
	struct nice_walk w = { .set = clamp_nice(nice) };

	return nice_walk(&w, a->a[0], a->a[1]);
}
SYSCALL_DEFINE(__NR_setpriority, "setpriority", sys_setpriority);

/* ---- sched_getattr, sched_setattr ---- */
#define SCHED_ATTR_SIZE_VER0 48
#define SCHED_ATTR_SIZE_VER1 56
struct sched_attr_k {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};
static_assert(sizeof(struct sched_attr_k) == SCHED_ATTR_SIZE_VER1, "sched_setattr(2)");

static int64_t sys_sched_getattr(struct syscall_args *a)
{
	struct sched_attr_k s = { .policy = SCHED_NORMAL, .util_max = 1024 };
	uint64_t size = a->a[2];
	struct uthread *ut;

	if ((int)a->a[0] < 0 || !a->a[1] || size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE ||
	    a->a[3])
		return -EINVAL;
	ut = thread_by_tid((int)a->a[0]);
	if (!ut)
		return -ESRCH;
	s.nice = ut->task->nice;
	uthread_put(ut);
	s.size = (uint32_t)KMIN(size, (uint64_t)sizeof(s));
	return copy_to_user(a->a[1], &s, s.size);
}
SYSCALL_DEFINE(__NR_sched_getattr, "sched_getattr", sys_sched_getattr);

static int64_t sys_sched_setattr(struct syscall_args *a)
{
	struct sched_attr_k s = { 0 };
	struct uthread *ut;
	uint32_t size;
	int err;

	if (!a->a[1] || (int)a->a[0] < 0 || a->a[2])
		return -EINVAL;
	if (copy_from_user(&size, a->a[1], sizeof(size)))
		return -EFAULT;
	if (size && (size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE))
		return -E2BIG;
	size = size ? size : SCHED_ATTR_SIZE_VER0;
	if (copy_from_user(&s, a->a[1], KMIN(size, (uint32_t)sizeof(s))))
		return -EFAULT;
	if (s.policy == SCHED_FIFO || s.policy == SCHED_RR)
		return s.priority >= 1 && s.priority <= RT_PRIO_MAX ? -EPERM : -EINVAL;
	if (s.policy == SCHED_DEADLINE)
		return -EPERM;
	if ((s.policy != SCHED_NORMAL && s.policy != SCHED_BATCH && s.policy != SCHED_IDLE) ||
	    s.priority)
		return -EINVAL;
	ut = thread_by_tid((int)a->a[0]);
	if (!ut)
		return -ESRCH;
	err = set_nice(ut->task, clamp_nice(s.nice));
	uthread_put(ut);
	return err == -EACCES ? -EPERM : err;
}
SYSCALL_DEFINE(__NR_sched_setattr, "sched_setattr", sys_sched_setattr);

/* ---- membarrier ---- */
static void pass(void *arg)
{
}

/*
 * Every CPU is interrupted, and an interrupt is a barrier in whatever it interrupts: more than
 * each of the commands asks for.
 */
static int64_t sys_membarrier(struct syscall_args *a)
{
	const int registers = MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE;
	const int barriers = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
		MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE;
	struct task *t = task_current();
	int cmd = (int)a->a[0], needs = 0;

	if (a->a[1] || cmd < 0 || (cmd & (cmd - 1)) || (cmd & ~(registers | barriers)))
		return -EINVAL;
	if (!cmd)
		return registers | barriers;
	if (cmd & registers) {
		t->membarriers |= cmd;
		return 0;
	}
	if (cmd == MEMBARRIER_CMD_PRIVATE_EXPEDITED)
		needs = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
	else if (cmd == MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE)
		needs = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE;
	if (needs && !(t->membarriers & needs))
		return -EPERM;
	cpu_call_all(pass, NULL);
	return 0;
}
SYSCALL_DEFINE(__NR_membarrier, "membarrier", sys_membarrier);

/* ---- I/O priorities: kept by nobody, so always "none" ---- */
static int64_t sys_ioprio_get(struct syscall_args *a)
{
	return a->a[0] < 1 || a->a[0] > 3 ? -EINVAL : 0;
}
SYSCALL_DEFINE(__NR_ioprio_get, "ioprio_get", sys_ioprio_get);

static int64_t sys_ioprio_set(struct syscall_args *a)
{
	return a->a[0] < 1 || a->a[0] > 3 ? -EINVAL : 0;
}
SYSCALL_DEFINE(__NR_ioprio_set, "ioprio_set", sys_ioprio_set);
