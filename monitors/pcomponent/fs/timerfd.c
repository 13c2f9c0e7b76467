// SPDX-License-Identifier: GPL-2.0-only
/*
 * timerfd_create(2): expirations of a timer as a file. The timer's function only marks that the
 * time has come; a periodic timer is armed again, and what was missed counted, when somebody looks.
 */
#include <kern/mm.h>
#include <kern/timer.h>
#include <kern/uspace.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/time.h>
#include <linux/timerfd.h>
#include "fs/fs.h"
#include "proc/task.h"
#include "syscall/table.h"

struct timerfd {
	struct spinlock lock;  /* guards the fields below; taken in interrupts */
	int clock;             /* constant */
	struct timer timer;
	uint64_t next_ns;      /* monotonic; 0: disarmed */
	uint64_t interval_ns;
	uint64_t ticks;        /* not yet read */
	bool expired;          /* next_ns has passed and was counted; not armed */
	struct waitq wq;
	struct poll_head poll;
};

static struct kmem_cache *timerfds;

static void on_time(void *arg)
{
	struct timerfd *t = arg;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	bool fire = t->next_ns && !t->expired && clock_mono_ns() >= t->next_ns;

	if (fire) {
		t->expired = true;
		t->ticks++;
	}
	spin_unlock_irqrestore(&t->lock, flags);
	if (!fire)
		return;
	waitq_wake_all(&t->wq);
	poll_notify(&t->poll, EPOLLIN | EPOLLRDNORM);
}

/* Counts the periods that went by and arms the next. Lock held. */
static void catch_up(struct timerfd *t)
{
	uint64_t now = clock_mono_ns(), missed;

	if (!t->expired || !t->interval_ns)
		return;
	missed = now > t->next_ns ? (now - t->next_ns) / t->interval_ns : 0;
	t->ticks += missed;
	t->next_ns += (missed + 1) * t->interval_ns;
	t->expired = false;
	timer_arm(&t->timer, t->next_ns);
}

static uint64_t take_ticks(struct timerfd *t)
{
	uint64_t flags = spin_lock_irqsave(&t->lock), n;

	if (t->ticks)
		catch_up(t);
	n = t->ticks;
	t->ticks = 0;
	spin_unlock_irqrestore(&t->lock, flags);
	return n;
}

static ssize_t_k timerfd_read(struct file *f, struct uio *to, uint64_t *off)
{
	struct timerfd *t = f->priv;
	uint64_t n;

	if (to->left < sizeof(n))
		return -EINVAL;
	while (!(n = take_ticks(t))) {
		int err;

		if (file_nonblock(f))
			return -EAGAIN;
		err = wait_event_signal(&t->wq, t->ticks, 0);
		if (err)
			return err;
	}
	return uio_copy_out(to, &n, sizeof(n));
}

static uint32_t timerfd_poll(struct file *f)
{
	struct timerfd *t = f->priv;

	return t->ticks ? EPOLLIN | EPOLLRDNORM : 0;
}

static struct poll_head *timerfd_poll_head(struct file *f)
{
	struct timerfd *t = f->priv;

	return &t->poll;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->priv;

	timer_cancel_sync(&t->timer);
	kmem_cache_free(timerfds, t);
}

static const struct file_ops timerfd_ops = {
	.name = "timerfd",
	.seek_is_zero = true,
	.read = timerfd_read,
	.poll = timerfd_poll,
	.poll_head = timerfd_poll_head,
	.release = timerfd_release,
};

/* ---- system calls ---- */

static bool clock_known(int clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
	       clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
}

static int64_t sys_timerfd_create(struct syscall_args *a)
{
	uint32_t flags = (uint32_t)a->a[1];
	struct timerfd *t;
	struct file *f;

	if (!clock_known((int)a->a[0]) || (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK)))
		return -EINVAL;
	t = kmem_cache_alloc(timerfds);
	if (!t)
		return -ENOMEM;
	t->clock = (int)a->a[0];
	spin_init(&t->lock, "timerfd");
	timer_init(&t->timer, on_time, t);
	waitq_init(&t->wq);
	poll_head_init(&t->poll);
	f = file_alloc(&timerfd_ops, O_RDWR | (flags & O_NONBLOCK), t);
	if (!f) {
		kmem_cache_free(timerfds, t);
		return -ENOMEM;
	}
	return fd_install_or_put(f, flags & O_CLOEXEC);
}
SYSCALL_DEFINE(__NR_timerfd_create, "timerfd_create", sys_timerfd_create);

static int to_ns(const struct __kernel_timespec *ts, uint64_t *ns)
{
	if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= (long long)NSEC_PER_SEC)
		return -EINVAL;
	*ns = (uint64_t)KMIN(ts->tv_sec, (__kernel_time64_t)1 << 33) * NSEC_PER_SEC +
	      (uint64_t)ts->tv_nsec;
	return 0;
}

static struct __kernel_timespec to_timespec(uint64_t ns)
{
	return (struct __kernel_timespec){ (long long)(ns / NSEC_PER_SEC),
					   (long long)(ns % NSEC_PER_SEC) };
}

/* What is left, and the period. Lock held. */
static struct __kernel_itimerspec setting(struct timerfd *t)
{
	uint64_t now = clock_mono_ns(), left = 0;

	catch_up(t);
	if (t->next_ns && !t->expired)
		left = t->next_ns > now ? t->next_ns - now : 1;
	return (struct __kernel_itimerspec){ to_timespec(t->interval_ns), to_timespec(left) };
}

/* The moment on the monotonic clock; never 0. */
static uint64_t moment(const struct timerfd *t, uint64_t value, bool absolute)
{
	uint64_t now = clock_mono_ns(), wall;

	if (!absolute)
		return now + value;
	if (t->clock != CLOCK_REALTIME && t->clock != CLOCK_REALTIME_ALARM)
		return value;
	wall = clock_wall_ns();
	return value > wall ? now + (value - wall) : now;
}

static void set(struct timerfd *t, uint64_t value, uint64_t interval, bool absolute,
		struct __kernel_itimerspec *old)
{
	uint64_t flags;

	timer_cancel_sync(&t->timer);
	flags = spin_lock_irqsave(&t->lock);
	*old = setting(t);
	t->ticks = 0;
	t->expired = false;
	t->interval_ns = interval;
	t->next_ns = value ? moment(t, value, absolute) : 0;
	if (t->next_ns)
		timer_arm(&t->timer, t->next_ns);
	else
		(void)timer_cancel(&t->timer); /* setting() may have armed it */
	spin_unlock_irqrestore(&t->lock, flags);
}

static int64_t with_timerfd(uint64_t fd, struct file **f)
{
	*f = fd_get((int)fd);
	if (!*f)
		return -EBADF;
	if ((*f)->ops == &timerfd_ops)
		return 0;
	file_put(*f);
	return -EINVAL;
}

static int64_t sys_timerfd_settime(struct syscall_args *a)
{
	struct __kernel_itimerspec new, old;
	uint64_t value, interval;
	struct file *f;
	int64_t err;

	if (a->a[1] & ~(uint64_t)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	if (copy_from_user(&new, a->a[2], sizeof(new)))
		return -EFAULT;
	if (to_ns(&new.it_value, &value) || to_ns(&new.it_interval, &interval))
		return -EINVAL;
	err = with_timerfd(a->a[0], &f);
	if (err)
		return err;
	set(f->priv, value, interval, a->a[1] & TFD_TIMER_ABSTIME, &old);
	file_put(f);
	return a->a[3] && copy_to_user(a->a[3], &old, sizeof(old)) ? -EFAULT : 0;
}
SYSCALL_DEFINE(__NR_timerfd_settime, "timerfd_settime", sys_timerfd_settime);

static int64_t sys_timerfd_gettime(struct syscall_args *a)
{
	struct __kernel_itimerspec now;
	struct timerfd *t;
	struct file *f;
	uint64_t flags;
	int64_t err = with_timerfd(a->a[0], &f);

	if (err)
		return err;
	t = f->priv;
	flags = spin_lock_irqsave(&t->lock);
	now = setting(t);
	spin_unlock_irqrestore(&t->lock, flags);
	file_put(f);
	return copy_to_user(a->a[1], &now, sizeof(now)) ? -EFAULT : 0;
}
SYSCALL_DEFINE(__NR_timerfd_gettime, "timerfd_gettime", sys_timerfd_gettime);

void timerfd_init(void)
{
	timerfds = kmem_cache_create("p_timerfd", sizeof(struct timerfd), 8);
	kassert(timerfds);
}
