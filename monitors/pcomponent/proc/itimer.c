/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * alarm(2) and setitimer(2): ITIMER_REAL is a timer in wall time, SIGALRM at its end; the other two
 * count down in the ticks of cputime.c. They outlive exec, a fork does not copy them. A period
 * that has been missed is not made up: the next shot is the next multiple of the interval that
 * lies ahead.
 *
 * task->lock guards next_ns (0: not armed) and interval_ns, and the timer is armed with it held;
 * the shot comes in interrupt context and takes it too. itimer_exit() waits for a shot under way,
 * so the task outlives its timer.
 */
#include <linux/time.h>

#include "proc/proc.h"
#include "syscall/table.h"

#define ITIMER_GAP_NS (100 * NSEC_PER_USEC) /* between shots: interrupts leave time for the rest */
#define ITIMER_NS_MAX (INT64_MAX / 4) /* sums of two stay in range */

struct itimer_value {
	uint64_t left_ns, interval_ns;
};

static void itimer_shot(void *arg)
{
	struct task *t = arg;
	uint64_t flags = spin_lock_irqsave(&t->lock), now = clock_mono_ns();
	struct itimers *it = &t->itimer;
	bool due = it->next_ns && it->next_ns <= now;

	if (due && it->interval_ns) {
		it->next_ns += ((now - it->next_ns) / it->interval_ns + 1) * it->interval_ns;
		it->next_ns = KMAX(it->next_ns, now + ITIMER_GAP_NS);
		timer_arm(&it->timer, it->next_ns);
	} else if (due) {
		it->next_ns = 0;
	}
	spin_unlock_irqrestore(&t->lock, flags);
	if (due)
		task_signal(t, SIGALRM, NULL);
}

static struct itimer_value itimer_left_locked(struct task *t)
{
	struct itimer_value v = { .interval_ns = t->itimer.interval_ns };
	uint64_t now = clock_mono_ns();

	if (t->itimer.next_ns)
		v.left_ns = t->itimer.next_ns > now ? t->itimer.next_ns - now : 1;
	return v;
}

static struct itimer_value itimer_set(struct itimer_value v)
{
	struct task *t = task_current();
	struct itimers *it = &t->itimer;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct itimer_value old = itimer_left_locked(t);

	if (!it->timer.fn)
		timer_init(&it->timer, itimer_shot, t);
	it->next_ns = v.left_ns ? clock_mono_ns() + v.left_ns : 0;
	it->interval_ns = v.left_ns ? v.interval_ns : 0;
	if (it->next_ns)
		timer_arm(&it->timer, it->next_ns);
	else
		timer_cancel(&it->timer);
	spin_unlock_irqrestore(&t->lock, flags);
	return old;
}

void itimer_exit(struct task *t)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);

	t->itimer.next_ns = 0;
	spin_unlock_irqrestore(&t->lock, flags);
	if (t->itimer.timer.fn)
		timer_cancel_sync(&t->itimer.timer);
}

/* ---- ITIMER_VIRTUAL, ITIMER_PROF ---- */
static void count_down(struct task *t, unsigned which, uint64_t ns, int sig)
{
	uint64_t *left = &t->itimer.cpu[which].left_ns;

	if (!*left)
		return;
	if (*left > ns) {
		*left -= ns;
		return;
	}
	*left = t->itimer.cpu[which].interval_ns;
	signal_send_locked(t, sig);
}

void itimer_tick_locked(struct task *t, uint64_t ns, bool user)
{
	if (user)
		count_down(t, 0, ns, SIGVTALRM);
	count_down(t, 1, ns, SIGPROF);
}

/* The timer as it is; new_value, when not NULL, takes its place. */
static struct itimer_value itimer_cpu(unsigned which, const struct itimer_value *new_value)
{
	struct task *t = task_current();
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct itimer_value old = { t->itimer.cpu[which].left_ns,
				    t->itimer.cpu[which].interval_ns };

	if (new_value) {
		t->itimer.cpu[which].left_ns = new_value->left_ns;
		t->itimer.cpu[which].interval_ns = new_value->left_ns ? new_value->interval_ns : 0;
	}
	spin_unlock_irqrestore(&t->lock, flags);
	return old;
}

/* ---- system calls ---- */
static int64_t sys_alarm(struct syscall_args *a)
{
	struct itimer_value old = itimer_set((struct itimer_value){
		.left_ns = (uint32_t)a->a[0] * NSEC_PER_SEC });
	uint64_t sec = (old.left_ns + NSEC_PER_SEC / 2) / NSEC_PER_SEC;

	return old.left_ns ? (int64_t)KMAX(sec, 1ULL) : 0;
}
SYSCALL_DEFINE(__NR_alarm, "alarm", sys_alarm);

static int timeval_ns(const struct timeval *tv, uint64_t *ns)
{
	if (tv->tv_sec < 0 || tv->tv_usec < 0 || tv->tv_usec >= 1000000)
		return -EINVAL;
	*ns = (uint64_t)tv->tv_sec >= ITIMER_NS_MAX / NSEC_PER_SEC ? ITIMER_NS_MAX :
	      (uint64_t)tv->tv_sec * NSEC_PER_SEC + (uint64_t)tv->tv_usec * NSEC_PER_USEC;
	return 0;
}

/* Rounded up: a timer that runs is never shown as zero. */
static struct timeval ns_timeval(uint64_t ns)
{
	uint64_t us = DIV_ROUND_UP(ns, NSEC_PER_USEC);

	return (struct timeval){ (int64_t)(us / 1000000), (int64_t)(us % 1000000) };
}

static int itimer_to_user(uint64_t addr, struct itimer_value v)
{
	struct itimerval out = { ns_timeval(v.interval_ns), ns_timeval(v.left_ns) };

	return copy_to_user(addr, &out, sizeof(out));
}

static int64_t sys_getitimer(struct syscall_args *a)
{
	struct task *t = task_current();
	struct itimer_value v = { 0 };

	if ((int)a->a[0] < ITIMER_REAL || (int)a->a[0] > ITIMER_PROF)
		return -EINVAL;
	if ((int)a->a[0] != ITIMER_REAL) {
		v = itimer_cpu((unsigned)a->a[0] - ITIMER_VIRTUAL, NULL);
	} else {
		uint64_t flags = spin_lock_irqsave(&t->lock);
		v = itimer_left_locked(t);
		spin_unlock_irqrestore(&t->lock, flags);
	}
	return itimer_to_user(a->a[1], v);
}
SYSCALL_DEFINE(__NR_getitimer, "getitimer", sys_getitimer);

static int64_t sys_setitimer(struct syscall_args *a)
{
	struct itimer_value v = { 0 };
	struct itimerval in;

	if (a->a[1]) { /* NULL is a timer of zeros */
		if (copy_from_user(&in, a->a[1], sizeof(in)))
			return -EFAULT;
		if (timeval_ns(&in.it_value, &v.left_ns) ||
		    timeval_ns(&in.it_interval, &v.interval_ns))
			return -EINVAL;
	}
	if ((int)a->a[0] < ITIMER_REAL || (int)a->a[0] > ITIMER_PROF)
		return -EINVAL;
	if ((int)a->a[0] == ITIMER_REAL)
		v = itimer_set(v);
	else
		v = itimer_cpu((unsigned)a->a[0] - ITIMER_VIRTUAL, &v);
	return a->a[2] ? itimer_to_user(a->a[2], v) : 0;
}
SYSCALL_DEFINE(__NR_setitimer, "setitimer", sys_setitimer);
