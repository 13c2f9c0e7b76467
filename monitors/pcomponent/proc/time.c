/* SPDX-License-Identifier: GPL-2.0-only */
/* Clocks and sleeping. Process and thread CPU clocks count run time. */
#include <kern/string.h>
#include <linux/time.h>
#include <linux/times.h>

#include "proc/proc.h"
#include "syscall/table.h"

struct ktimespec { int64_t sec, nsec; };
struct ktimeval { int64_t sec, usec; };

#define NSEC_PER_TICK (NSEC_PER_SEC / 100) /* times(2), AT_CLKTCK */
#define SEC_MAX 1000000000LL               /* longer sleeps end there */

/*
 * Clocks with negative numbers: process or thread in the upper bits, inverted; bit 2: a thread's
 * (clock_getcpuclockid(3)). Only the caller's own.
 */
static int cpu_clock(int id, uint64_t *ns)
{
	struct uthread *ut;
	int of = ~(id >> 3), err = -EINVAL;

	if (id & 4) {
		ut = of ? uthread_find(of) : uthread_get(uthread_current());
		if (ut && ut->task == task_current()) {
			*ns = uthread_run_ns(ut);
			err = 0;
		}
		if (ut)
			uthread_put(ut);
	} else if (!of || of == task_current()->pid) {
		*ns = task_run_ns(task_current());
		err = 0;
	}
	return err;
}

static int clock_read(int clk, uint64_t *ns)
{
	switch (clk) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		*ns = clock_wall_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ns = clock_mono_ns();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*ns = task_run_ns(task_current());
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = uthread_run_ns(uthread_current());
		return 0;
	default:
		return clk < 0 ? cpu_clock(clk, ns) : -EINVAL;
	}
}

static int put_timespec(uint64_t addr, uint64_t ns)
{
	struct ktimespec ts = { (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC) };

	return copy_to_user(addr, &ts, sizeof(ts));
}

static int get_timespec(uint64_t addr, uint64_t *ns)
{
	struct ktimespec ts;

	if (copy_from_user(&ts, addr, sizeof(ts)))
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	*ns = (uint64_t)KMIN(ts.sec, 4 * SEC_MAX) * NSEC_PER_SEC + (uint64_t)ts.nsec;
	return 0;
}

static int64_t sys_clock_gettime(struct syscall_args *a)
{
	uint64_t ns;
	int err = clock_read((int)a->a[0], &ns);

	return err ? err : put_timespec(a->a[1], ns);
}
SYSCALL_DEFINE(__NR_clock_gettime, "clock_gettime", sys_clock_gettime);

static int64_t sys_clock_getres(struct syscall_args *a)
{
	uint64_t ns;
	int err = clock_read((int)a->a[0], &ns);

	return err || !a->a[1] ? err : put_timespec(a->a[1], 1);
}
SYSCALL_DEFINE(__NR_clock_getres, "clock_getres", sys_clock_getres);

static int64_t sys_clock_settime(struct syscall_args *a)
{
	return -EPERM; /* the wall clock is the rack's, not a program's */
}
SYSCALL_DEFINE(__NR_clock_settime, "clock_settime", sys_clock_settime);

static int64_t sys_settimeofday(struct syscall_args *a)
{
	return -EPERM;
}
SYSCALL_DEFINE(__NR_settimeofday, "settimeofday", sys_settimeofday);

static int64_t sys_gettimeofday(struct syscall_args *a)
{
	uint64_t ns = clock_wall_ns();
	struct ktimeval tv = { (int64_t)(ns / NSEC_PER_SEC),
			       (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC) };
	int32_t tz[2] = { 0, 0 };

	if (a->a[0] && copy_to_user(a->a[0], &tv, sizeof(tv)))
		return -EFAULT;
	return a->a[1] ? copy_to_user(a->a[1], tz, sizeof(tz)) : 0;
}
SYSCALL_DEFINE(__NR_gettimeofday, "gettimeofday", sys_gettimeofday);

static int64_t sys_time(struct syscall_args *a)
{
	int64_t s = (int64_t)(clock_wall_ns() / NSEC_PER_SEC);

	if (a->a[0] && copy_to_user(a->a[0], &s, sizeof(s)))
		return -EFAULT;
	return s;
}
SYSCALL_DEFINE(__NR_time, "time", sys_time);

static int64_t sys_times(struct syscall_args *a)
{
	struct task *t = task_current();
	struct { int64_t utime, stime, cutime, cstime; } tms;
	struct cputimes own = task_times(t);

	tms.utime = (int64_t)(own.user_ns / NSEC_PER_TICK);
	tms.stime = (int64_t)(own.sys_ns / NSEC_PER_TICK);
	spin_lock(&tasks_lock);
	tms.cutime = (int64_t)(t->child_times.user_ns / NSEC_PER_TICK);
	tms.cstime = (int64_t)(t->child_times.sys_ns / NSEC_PER_TICK);
	spin_unlock(&tasks_lock);
	if (a->a[0] && copy_to_user(a->a[0], &tms, sizeof(tms)))
		return -EFAULT;
	return (int64_t)(clock_mono_ns() / NSEC_PER_TICK);
}
SYSCALL_DEFINE(__NR_times, "times", sys_times);

/* ---- sleeping ---- */
/* rem: user address of the time left, or 0. */
static int64_t sleep_until(uint64_t deadline, uint64_t rem)
{
	struct waitq never;
	uint64_t now;
	int err;

	waitq_init(&never);
	err = wait_event_signal(&never, false, deadline ? deadline : 1);
	if (err == -ETIMEDOUT)
		return 0;
	now = clock_mono_ns();
	if (rem && put_timespec(rem, deadline > now ? deadline - now : 0))
		return -EFAULT;
	return err;
}

static int64_t sleep_again(struct restart *r)
{
	int64_t err = sleep_until(r->arg[0], r->arg[1]);

	return err == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : err;
}

static int64_t sleep_relative(uint64_t ns, uint64_t rem)
{
	uint64_t deadline = clock_mono_ns() + ns;
	int64_t err = sleep_until(deadline, rem);

	if (err != -ERESTARTSYS)
		return err;
	uthread_current()->restart = (struct restart){ sleep_again, { deadline, rem } };
	return -ERESTART_RESTARTBLOCK;
}

static int64_t sys_nanosleep(struct syscall_args *a)
{
	uint64_t ns;
	int err = get_timespec(a->a[0], &ns);

	return err ? err : sleep_relative(ns, a->a[1]);
}
SYSCALL_DEFINE(__NR_nanosleep, "nanosleep", sys_nanosleep);

static int64_t sys_clock_nanosleep(struct syscall_args *a)
{
	uint64_t ns, now;
	int err = clock_read((int)a->a[0], &now);
	int64_t r;

	if (err || (int)a->a[0] == CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	if ((int)a->a[0] < 0 || a->a[0] == CLOCK_PROCESS_CPUTIME_ID)
		return -EOPNOTSUPP; /* run time goes by at no fixed rate */
	err = get_timespec(a->a[2], &ns);
	if (err)
		return err;
	if (!(a->a[1] & TIMER_ABSTIME))
		return sleep_relative(ns, a->a[3]);
	if (ns <= now)
		return 0;
	r = sleep_until(clock_mono_ns() + (ns - now), 0);
	return r == -ERESTARTSYS ? -ERESTARTNOHAND : r;
}
SYSCALL_DEFINE(__NR_clock_nanosleep, "clock_nanosleep", sys_clock_nanosleep);
