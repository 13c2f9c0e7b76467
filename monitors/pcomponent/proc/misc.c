/* SPDX-License-Identifier: GPL-2.0-only */
/* Small calls: the machine, the thread, random bytes. */
#include <asm/prctl.h>
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/string.h>
#include <linux/prctl.h>
#include <linux/random.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include <mon/board.h>

#include "proc/proc.h"
#include "syscall/table.h"

#define RANDOM_CHUNK 256
#define CPU_MASK_BYTES 8

static int64_t sys_uname(struct syscall_args *a)
{
	struct new_utsname u = { .sysname = "Linux", .release = "6.1.0-rack",
				 .version = "#1 rack", .machine = "x86_64",
				 .domainname = "(none)" };

	(void)kstrcpy(u.nodename, board_self() ? board_self()->name : "p", sizeof(u.nodename));
	return copy_to_user(a->a[0], &u, sizeof(u));
}
SYSCALL_DEFINE(__NR_uname, "uname", sys_uname);

static void count_task(struct task *t, void *arg)
{
	++*(unsigned *)arg;
}

static int64_t sys_sysinfo(struct syscall_args *a)
{
	struct sysinfo s = { .uptime = (long)(clock_mono_ns() / NSEC_PER_SEC), .mem_unit = 4096 };
	struct mm_stats mm;
	unsigned procs = 0;

	mm_stats(&mm);
	task_each(count_task, &procs);
	s.totalram = mm.total_pages;
	s.freeram = mm.free_pages;
	s.procs = (uint16_t)procs;
	return copy_to_user(a->a[0], &s, sizeof(s));
}
SYSCALL_DEFINE(__NR_sysinfo, "sysinfo", sys_sysinfo);

static int64_t sys_arch_prctl(struct syscall_args *a)
{
	struct uthread *ut = uthread_current();
	uint64_t v = a->a[1];

	switch ((int)a->a[0]) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (v >= USER_ADDR_MAX)
			return -EPERM;
		preempt_disable();
		if (a->a[0] == ARCH_SET_FS) {
			ut->fsbase = v;
			uspace_set_fsbase(v);
		} else {
			ut->gsbase = v;
			uspace_set_gsbase(v);
		}
		preempt_enable();
		return 0;
	case ARCH_GET_FS:
		return copy_to_user(v, &ut->fsbase, 8);
	case ARCH_GET_GS:
		return copy_to_user(v, &ut->gsbase, 8);
	default:
		return -EINVAL;
	}
}
SYSCALL_DEFINE(__NR_arch_prctl, "arch_prctl", sys_arch_prctl);

static int64_t prctl_name(uint64_t addr, bool set)
{
	struct task *t = task_current();
	char name[TASK_COMM_LEN] = { 0 };
	uint64_t flags;
	ssize_t_k n;

	if (set) {
		n = strncpy_from_user(name, addr, sizeof(name));
		if (n == -EFAULT)
			return n;
		name[sizeof(name) - 1] = '\0';
	}
	flags = spin_lock_irqsave(&t->lock);
	memcpy(set ? t->comm : name, set ? name : t->comm, sizeof(name));
	spin_unlock_irqrestore(&t->lock, flags);
	return set ? 0 : copy_to_user(addr, name, sizeof(name));
}

static int64_t sys_prctl(struct syscall_args *a)
{
	switch ((int)a->a[0]) {
	case PR_SET_NAME:
		return prctl_name(a->a[1], true);
	case PR_GET_NAME:
		return prctl_name(a->a[1], false);
	case PR_GET_DUMPABLE:
		return 1;
	case PR_SET_DUMPABLE:
	case PR_SET_NO_NEW_PRIVS:
	case PR_SET_KEEPCAPS:
		return 0;
	default:
		return -EINVAL;
	}
}
SYSCALL_DEFINE(__NR_prctl, "prctl", sys_prctl);

static int64_t sys_personality(struct syscall_args *a)
{
	return 0; /* PER_LINUX, and stays */
}
SYSCALL_DEFINE(__NR_personality, "personality", sys_personality);

static int64_t sys_getrandom(struct syscall_args *a)
{
	uint8_t buf[RANDOM_CHUNK];
	uint64_t done = 0, len = KMIN(a->a[1], (uint64_t)INT32_MAX);

	if (a->a[2] & ~(uint64_t)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	while (done < len) {
		size_t n = KMIN(len - done, (uint64_t)sizeof(buf));

		random_bytes(buf, n);
		if (copy_to_user(a->a[0] + done, buf, n))
			return done ? (int64_t)done : -EFAULT;
		done += n;
		if (fatal_pending())
			break;
	}
	return (int64_t)done;
}
SYSCALL_DEFINE(__NR_getrandom, "getrandom", sys_getrandom);

/* ---- scheduling: one class, all CPUs ---- */
static int64_t sys_sched_yield(struct syscall_args *a)
{
	thread_yield();
	return 0;
}
SYSCALL_DEFINE(__NR_sched_yield, "sched_yield", sys_sched_yield);

static int64_t sys_sched_getaffinity(struct syscall_args *a)
{
	uint64_t mask = (1ULL << cpu_count()) - 1;

	if (a->a[1] < CPU_MASK_BYTES || a->a[1] % CPU_MASK_BYTES)
		return -EINVAL;
	return copy_to_user(a->a[2], &mask, sizeof(mask)) ? -EFAULT : CPU_MASK_BYTES;
}
SYSCALL_DEFINE(__NR_sched_getaffinity, "sched_getaffinity", sys_sched_getaffinity);

static int64_t sys_sched_setaffinity(struct syscall_args *a)
{
	uint64_t mask = 0;

	if (copy_from_user(&mask, a->a[2], KMIN(a->a[1], (uint64_t)sizeof(mask))))
		return -EFAULT;
	return mask & ((1ULL << cpu_count()) - 1) ? 0 : -EINVAL;
}
SYSCALL_DEFINE(__NR_sched_setaffinity, "sched_setaffinity", sys_sched_setaffinity);

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
	return 20; /* nice 0, as the raw call reports it */
}
SYSCALL_DEFINE(__NR_getpriority, "getpriority", sys_getpriority);

static int64_t sys_setpriority(struct syscall_args *a)
{
	return 0;
}
SYSCALL_DEFINE(__NR_setpriority, "setpriority", sys_setpriority);

static int64_t sys_sched_getscheduler(struct syscall_args *a)
{
	return 0; /* SCHED_OTHER */
}
SYSCALL_DEFINE(__NR_sched_getscheduler, "sched_getscheduler", sys_sched_getscheduler);

static int64_t sys_sched_getparam(struct syscall_args *a)
{
	int32_t prio = 0;

	return copy_to_user(a->a[1], &prio, sizeof(prio));
}
SYSCALL_DEFINE(__NR_sched_getparam, "sched_getparam", sys_sched_getparam);
