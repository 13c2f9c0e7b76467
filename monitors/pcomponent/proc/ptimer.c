/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * POSIX timers (timer_create and friends). A timer on a wall or monotonic clock is a kernel timer;
 * one on a CPU clock is looked at in the tick of cputime.c. A shot queues the timer's own signal
 * entry; while that is still queued, further shots count as overruns. Shots that lie closer than
 * PTIMER_GAP_NS are made together and counted, so that no timer keeps a CPU busy.
 *
 * Timers belong to the process, end with it and with exec, and are not inherited. task->lock guards
 * the list and the timers; a shot comes in interrupt context and takes it too.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/time.h>

#include "proc/proc.h"
#include "syscall/table.h"

#define PTIMERS_MAX 256                       /* of one process */
#define PTIMER_GAP_NS (100 * NSEC_PER_USEC)
#define OVERRUN_MAX 0x7fffffffULL             /* DELAYTIMER_MAX */
#define NS_MAX (INT64_MAX / 4)

struct ptimer {
	LIST_ENTRY(ptimer) link;
	struct task *task;         /* outlives the timer */
	struct uthread *to;        /* SIGEV_THREAD_ID: referenced; else NULL */
	struct uthread *of;        /* a thread's CPU clock: referenced; else NULL */
	int id, clock, notify;
	bool cpu;                  /* on a CPU clock */
	uint64_t next_ns;          /* in its clock's time, wall clocks in monotonic; 0: not armed */
	uint64_t interval_ns;
	struct sigqueue_entry signal;
	struct timer timer;
};

struct kitimerspec { struct { int64_t sec, nsec; } interval, value; };

/* ---- shots ---- */
/* Sends, and counts the further periods that have gone by at now. */
static void shoot_locked(struct ptimer *p, uint64_t now)
{
	uint64_t missed = 0;

	if (p->interval_ns) {
		missed = (now - p->next_ns) / p->interval_ns;
		p->next_ns += (missed + 1) * p->interval_ns;
	} else {
		p->next_ns = 0;
	}
	if (p->notify == SIGEV_NONE)
		return;
	if (!p->signal.in)
		p->signal.info.si_overrun = 0;
	missed = KMIN(missed, OVERRUN_MAX - (uint64_t)p->signal.info.si_overrun - 1);
	p->signal.info.si_overrun += (int)missed;
	signal_send_kept_locked(p->task, p->to, &p->signal);
}

static void shot(void *arg)
{
	struct ptimer *p = arg;
	uint64_t flags = spin_lock_irqsave(&p->task->lock), now = clock_mono_ns();

	if (p->next_ns && p->next_ns <= now)
		shoot_locked(p, now);
	if (p->next_ns)
		timer_arm(&p->timer, KMAX(p->next_ns, now + PTIMER_GAP_NS));
	spin_unlock_irqrestore(&p->task->lock, flags);
}

static uint64_t clock_now(const struct ptimer *p)
{
	if (!p->cpu)
		return clock_mono_ns();
	return atomic_load(p->of ? &p->of->run_ns : &p->task->run_ns);
}

void ptimer_tick_locked(struct task *t, struct uthread *ut)
{
	struct ptimer *p;

	LIST_FOREACH(p, &t->ptimers, link) {
		if (p->cpu && p->next_ns && p->next_ns <= clock_now(p))
			shoot_locked(p, clock_now(p));
	}
}

/* ---- life ---- */
static struct ptimer *find_locked(struct task *t, int id)
{
	struct ptimer *p;

	LIST_FOREACH(p, &t->ptimers, link)
		if (p->id == id)
			return p;
	return NULL;
}

/* Out of the list already. */
static void ptimer_free(struct ptimer *p)
{
	timer_cancel_sync(&p->timer);
	if (p->to)
		uthread_put(p->to);
	if (p->of)
		uthread_put(p->of);
	kfree(p);
}

static void unlink_locked(struct ptimer *p)
{
	p->next_ns = 0;
	LIST_REMOVE(p, link);
	p->task->nptimers--;
	signal_forget_kept_locked(&p->signal);
}

void ptimer_exit(struct task *t)
{
	for (;;) {
		uint64_t flags = spin_lock_irqsave(&t->lock);
		struct ptimer *p = LIST_FIRST(&t->ptimers);

		if (p)
			unlink_locked(p);
		spin_unlock_irqrestore(&t->lock, flags);
		if (!p)
			return;
		ptimer_free(p);
	}
}

/* ---- timer_create ---- */
/* The thread with this number, of the caller's process; referenced. */
static struct uthread *own_thread(int tid)
{
	struct uthread *ut = uthread_find(tid);

	if (ut && ut->task != task_current()) {
		uthread_put(ut);
		ut = NULL;
	}
	return ut;
}

/* Which clock a number means: 0, -EINVAL. CPU clocks of threads are looked up. */
static int choose_clock(struct ptimer *p, int clock)
{
	p->clock = clock;
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		p->cpu = true;
		p->of = uthread_get(uthread_current());
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		p->cpu = true;
		return 0;
	}
	/* clock_getcpuclockid(3): see time.c */
	if (clock >= 0)
		return -EINVAL;
	p->cpu = true;
	if (clock & 4) {
		int tid = ~(clock >> 3);

		p->of = tid ? own_thread(tid) : uthread_get(uthread_current());
		return p->of ? 0 : -EINVAL;
	}
	return ~(clock >> 3) == 0 || ~(clock >> 3) == task_current()->pid ? 0 : -EINVAL;
}

static int choose_event(struct ptimer *p, uint64_t addr)
{
	struct sigevent ev = { .sigev_signo = SIGALRM, .sigev_notify = SIGEV_SIGNAL };

	if (addr && copy_from_user(&ev, addr, sizeof(ev)))
		return -EFAULT;
	if (!addr)
		ev.sigev_value.sival_ptr = (void *)(uintptr_t)p->id;
	p->notify = ev.sigev_notify;
	if (p->notify == SIGEV_NONE)
		return 0;
	if (ev.sigev_signo < 1 || ev.sigev_signo > NSIG_K)
		return -EINVAL;
	p->signal.info.si_signo = ev.sigev_signo;
	p->signal.info.si_code = SI_TIMER;
	p->signal.info.si_tid = p->id;
	p->signal.info.si_value = ev.sigev_value;
	p->signal.kept = true;
	if (p->notify == SIGEV_SIGNAL || p->notify == SIGEV_THREAD)
		return 0;
	if (p->notify != (SIGEV_SIGNAL | SIGEV_THREAD_ID))
		return -EINVAL;
	p->to = own_thread(ev._sigev_un._tid);
	return p->to ? 0 : -EINVAL;
}

static int publish(struct ptimer *p)
{
	struct task *t = p->task;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	int err = t->nptimers < PTIMERS_MAX ? 0 : -EAGAIN;

	if (!err) {
		LIST_INSERT_HEAD(&t->ptimers, p, link);
		t->nptimers++;
	}
	spin_unlock_irqrestore(&t->lock, flags);
	return err;
}

static int64_t sys_timer_create(struct syscall_args *a)
{
	struct ptimer *p = kzalloc(sizeof(*p));
	int err, id;

	if (!p)
		return -EAGAIN;
	p->task = task_current();
	p->id = id = atomic_fetch_add(&p->task->next_ptimer, 1) & 0x7fffffff;
	timer_init(&p->timer, shot, p);
	err = choose_clock(p, (int)a->a[0]);
	if (!err)
		err = choose_event(p, a->a[1]);
	if (!err && copy_to_user(a->a[2], &id, sizeof(id)))
		err = -EFAULT;
	if (!err)
		err = publish(p);
	if (err)
		ptimer_free(p);
	return err;
}
SYSCALL_DEFINE(__NR_timer_create, "timer_create", sys_timer_create);

static int64_t sys_timer_delete(struct syscall_args *a)
{
	struct task *t = task_current();
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct ptimer *p = find_locked(t, (int)a->a[0]);

	if (p)
		unlink_locked(p);
	spin_unlock_irqrestore(&t->lock, flags);
	if (!p)
		return -EINVAL;
	ptimer_free(p);
	return 0;
}
SYSCALL_DEFINE(__NR_timer_delete, "timer_delete", sys_timer_delete);

/* ---- setting and asking ---- */
static struct kitimerspec left_locked(const struct ptimer *p)
{
	uint64_t now = clock_now(p), left = 0, every = p->interval_ns;

	if (p->next_ns)
		left = p->next_ns > now ? p->next_ns - now : 1;
	return (struct kitimerspec){
		.interval = { (int64_t)(every / NSEC_PER_SEC), (int64_t)(every % NSEC_PER_SEC) },
		.value = { (int64_t)(left / NSEC_PER_SEC), (int64_t)(left % NSEC_PER_SEC) },
	};
}

static int to_ns(int64_t sec, int64_t nsec, uint64_t *ns)
{
	if (sec < 0 || nsec < 0 || nsec >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	*ns = (uint64_t)sec >= NS_MAX / NSEC_PER_SEC ? NS_MAX :
		(uint64_t)sec * NSEC_PER_SEC + (uint64_t)nsec;
	return 0;
}

/* When a value given by the program lies, in the time of clock_now(). */
static uint64_t deadline(const struct ptimer *p, uint64_t value, bool absolute)
{
	uint64_t now = clock_now(p);

	if (!absolute)
		return now + value;
	if (p->clock != CLOCK_REALTIME && p->clock != CLOCK_TAI)
		return value;
	return value > clock_wall_ns() ? now + (value - clock_wall_ns()) : now;
}

static int64_t sys_timer_settime(struct syscall_args *a)
{
	struct task *t = task_current();
	struct kitimerspec in, old;
	uint64_t flags, value, every;
	struct ptimer *p;

	if (copy_from_user(&in, a->a[2], sizeof(in)))
		return -EFAULT;
	if (to_ns(in.value.sec, in.value.nsec, &value) ||
	    to_ns(in.interval.sec, in.interval.nsec, &every))
		return -EINVAL;
	flags = spin_lock_irqsave(&t->lock);
	p = find_locked(t, (int)a->a[0]);
	if (p) {
		old = left_locked(p);
		signal_forget_kept_locked(&p->signal);
		p->signal.info.si_overrun = 0;
		p->interval_ns = value ? every : 0;
		p->next_ns = value ? KMAX(deadline(p, value, a->a[1] & TIMER_ABSTIME), 1ULL) : 0;
		if (p->next_ns && !p->cpu)
			timer_arm(&p->timer, p->next_ns);
		else
			timer_cancel(&p->timer);
	}
	spin_unlock_irqrestore(&t->lock, flags);
	if (!p)
		return -EINVAL;
	return a->a[3] ? copy_to_user(a->a[3], &old, sizeof(old)) : 0;
}
SYSCALL_DEFINE(__NR_timer_settime, "timer_settime", sys_timer_settime);

static int64_t sys_timer_gettime(struct syscall_args *a)
{
	struct task *t = task_current();
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct ptimer *p = find_locked(t, (int)a->a[0]);
	struct kitimerspec now = { 0 };

	if (p)
		now = left_locked(p);
	spin_unlock_irqrestore(&t->lock, flags);
	return p ? copy_to_user(a->a[1], &now, sizeof(now)) : -EINVAL;
}
SYSCALL_DEFINE(__NR_timer_gettime, "timer_gettime", sys_timer_gettime);

static int64_t sys_timer_getoverrun(struct syscall_args *a)
{
	struct task *t = task_current();
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct ptimer *p = find_locked(t, (int)a->a[0]);
	int64_t r = p ? p->signal.info.si_overrun : -EINVAL;

	spin_unlock_irqrestore(&t->lock, flags);
	return r;
}
SYSCALL_DEFINE(__NR_timer_getoverrun, "timer_getoverrun", sys_timer_getoverrun);
