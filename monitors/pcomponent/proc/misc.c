/* SPDX-License-Identifier: GPL-2.0-only */
/* Small calls: the machine, the thread, random bytes. */
#include <asm/prctl.h>
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/string.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/random.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include <mon/board.h>

#include "proc/proc.h"
#include "syscall/table.h"

#define RANDOM_CHUNK 256

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

static int64_t put_int(uint64_t addr, int v)
{
	return copy_to_user(addr, &v, sizeof(v));
}

static int64_t prctl_death_signal(uint64_t sig)
{
	if (sig > NSIG_K)
		return -EINVAL;
	task_current()->pdeath_sig = (int)sig;
	return 0;
}

static int64_t prctl_dumpable(uint64_t v)
{
	if (v > 1)
		return -EINVAL;
	task_current()->not_dumpable = !v;
	return 0;
}

static int64_t prctl_no_new_privs(const struct syscall_args *a)
{
	if (a->a[1] != 1 || a->a[2] || a->a[3] || a->a[4])
		return -EINVAL;
	task_current()->no_new_privs = true;
	return 0;
}

static int64_t prctl_keep_caps(uint64_t v)
{
	if (v > 1)
		return -EINVAL;
	task_current()->keep_caps = v;
	return 0;
}

/* Timers have no slack here; the default of Linux is what a program is told. */
#define TIMER_SLACK_NS 50000

static int64_t sys_prctl(struct syscall_args *a)
{
	struct task *t = task_current();
	uint64_t v = a->a[1];

	switch ((int)a->a[0]) {
	case PR_SET_NAME:
		return prctl_name(v, true);
	case PR_GET_NAME:
		return prctl_name(v, false);
	case PR_SET_PDEATHSIG:
		return prctl_death_signal(v);
	case PR_GET_PDEATHSIG:
		return put_int(v, t->pdeath_sig);
	case PR_SET_DUMPABLE:
		return prctl_dumpable(v);
	case PR_GET_DUMPABLE:
		return !t->not_dumpable;
	case PR_SET_NO_NEW_PRIVS:
		return prctl_no_new_privs(a);
	case PR_GET_NO_NEW_PRIVS:
		return v || a->a[2] || a->a[3] || a->a[4] ? -EINVAL : t->no_new_privs;
	case PR_SET_KEEPCAPS:
		return prctl_keep_caps(v);
	case PR_GET_KEEPCAPS:
		return t->keep_caps;
	case PR_SET_CHILD_SUBREAPER:
		t->subreaper = v;
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return put_int(v, t->subreaper);
	case PR_CAPBSET_READ:
		return v <= CAP_LAST_CAP ? 1 : -EINVAL;
	case PR_CAPBSET_DROP:
		return v > CAP_LAST_CAP ? -EINVAL : task_privileged() ? 0 : -EPERM;
	case PR_GET_SECUREBITS:
	case PR_GET_SECCOMP:
	case PR_GET_TIMING:
	case PR_SET_THP_DISABLE:
	case PR_GET_THP_DISABLE:
	case PR_SET_TIMERSLACK:
	case PR_SET_VMA:
		return 0;
	case PR_GET_TIMERSLACK:
		return TIMER_SLACK_NS;
	case PR_GET_TID_ADDRESS:
		return copy_to_user(v, &uthread_current()->clear_child_tid, 8);
	default:
		return -EINVAL;
	}
}
SYSCALL_DEFINE(__NR_prctl, "prctl", sys_prctl);

static int64_t sys_personality(struct syscall_args *a)
{
	struct task *t = task_current();
	uint32_t old = t->personality;

	if (a->a[0] != UINT32_MAX)
		t->personality = (uint32_t)a->a[0];
	return old;
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

/* The log is the operator's (`rack logs`). */
static int64_t sys_syslog(struct syscall_args *a)
{
	return -EPERM;
}
SYSCALL_DEFINE(__NR_syslog, "syslog", sys_syslog);

/* The board's name is the rack's to give. */
static int64_t sys_sethostname(struct syscall_args *a)
{
	return -EPERM;
}
SYSCALL_DEFINE(__NR_sethostname, "sethostname", sys_sethostname);
