// SPDX-License-Identifier: GPL-2.0-only
/*
 * epoll(7): level, edge, one-shot, nested.
 *
 * An item is one (descriptor, file) of one epoll. It is on the ready list when its file notified
 * since it was last looked at, or is level-triggered and still had events then. epoll_wait takes
 * items from the list, asks each file what it has now, and puts level-triggered ones back.
 *
 * Locks: epoll.mtx (items, add and remove) over poll_head.lock over epoll.lock (ready list; any
 * context). epoll_tree_lock serialises the links between files and items.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include "fs/fs.h"
#include "proc/task.h"
#include "syscall/table.h"

#define EP_PRIVATE (EPOLLONESHOT | EPOLLET | EPOLLWAKEUP | EPOLLEXCLUSIVE)
#define EP_NEST_MAX 5
/* What may stand beside EPOLLEXCLUSIVE (epoll_ctl(2)). */
#define EP_EXCLUSIVE_OK                                                                           \
	(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

struct epoll;
struct epoll_item {
	struct poll_entry entry;
	struct epoll *ep;
	struct file *file;          /* not a reference: epoll_forget() comes before it goes */
	int fd;
	struct epoll_event event;
	bool watched;               /* entry is on the file's poll head */
	bool ready;                 /* on the list; epoll.lock */
	TAILQ_ENTRY(epoll_item) ready_link;
	LIST_ENTRY(epoll_item) link;      /* of the epoll; mtx */
	struct epoll_item *file_next;     /* of the file; tree lock */
};
struct epoll {
	struct mutex mtx;
	struct spinlock lock;
	LIST_HEAD(, epoll_item) items;
	TAILQ_HEAD(ready_list, epoll_item) ready;
	struct waitq wq;
	struct poll_head poll;
};

static struct mutex tree_lock;
static struct kmem_cache *items_cache, *epolls;
static const struct file_ops epoll_ops;

/* ---- ready list ---- */

static void mark_ready(struct epoll_item *it)
{
	struct epoll *ep = it->ep;
	uint64_t flags = spin_lock_irqsave(&ep->lock);

	if (!it->ready) {
		it->ready = true;
		TAILQ_INSERT_TAIL(&ep->ready, it, ready_link);
	}
	spin_unlock_irqrestore(&ep->lock, flags);
	waitq_wake_one(&ep->wq);
	poll_notify(&ep->poll, EPOLLIN | EPOLLRDNORM);
}

static void unmark_ready(struct epoll_item *it)
{
	struct epoll *ep = it->ep;
	uint64_t flags = spin_lock_irqsave(&ep->lock);

	if (it->ready) {
		it->ready = false;
		TAILQ_REMOVE(&ep->ready, it, ready_link);
	}
	spin_unlock_irqrestore(&ep->lock, flags);
}

static void item_notified(struct poll_entry *e, uint32_t events)
{
	struct epoll_item *it = container_of(e, struct epoll_item, entry);

	if (events & (it->event.events | EPOLLERR | EPOLLHUP))
		mark_ready(it);
}

static uint32_t item_events(const struct epoll_item *it)
{
	uint32_t want = it->event.events & ~(uint32_t)EP_PRIVATE;

	if (!want)
		return 0; /* one-shot, already given */
	return it->file->ops->poll(it->file) & (want | EPOLLERR | EPOLLHUP);
}

/* ---- items ---- */

static struct epoll_item *item_find(struct epoll *ep, const struct file *f, int fd)
{
	struct epoll_item *it;

	LIST_FOREACH(it, &ep->items, link)
		if (it->file == f && it->fd == fd)
			return it;
	return NULL;
}

/* Both locks held. */
static void item_remove(struct epoll_item *it)
{
	struct epoll_item **at = &it->file->epoll;

	if (it->watched)
		poll_remove(&it->entry);
	unmark_ready(it);
	while (*at != it)
		at = &(*at)->file_next;
	*at = it->file_next;
	LIST_REMOVE(it, link);
	kmem_cache_free(items_cache, it);
}

void epoll_forget(struct file *f)
{
	if (!f->epoll)
		return;
	mutex_lock(&tree_lock);
	while (f->epoll) {
		struct epoll *ep = f->epoll->ep;

		mutex_lock(&ep->mtx);
		item_remove(f->epoll);
		mutex_unlock(&ep->mtx);
	}
	mutex_unlock(&tree_lock);
}

/* Does ep (at some depth) watch target? */
static bool reaches(struct epoll *ep, struct epoll *target, unsigned depth)
{
	struct epoll_item *it;

	if (ep == target || depth > EP_NEST_MAX)
		return true;
	LIST_FOREACH(it, &ep->items, link)
		if (it->file->ops == &epoll_ops && reaches(it->file->priv, target, depth + 1))
			return true;
	return false;
}

static int item_add(struct epoll *ep, struct file *f, int fd, const struct epoll_event *ev)
{
	struct poll_head *h = f->ops->poll_head ? f->ops->poll_head(f) : NULL;
	struct epoll_item *it;

	if (!h || !f->ops->poll)
		return -EPERM; /* regular files, as on Linux */
	if (f->ops == &epoll_ops && reaches(f->priv, ep, 1))
		return -ELOOP;
	it = kmem_cache_alloc(items_cache);
	if (!it)
		return -ENOMEM;
	it->ep = ep;
	it->file = f;
	it->fd = fd;
	it->event = *ev;
	it->entry.fn = item_notified;
	LIST_INSERT_HEAD(&ep->items, it, link);
	it->file_next = f->epoll;
	f->epoll = it;
	poll_add(h, &it->entry);
	it->watched = true;
	if (item_events(it))
		mark_ready(it);
	return 0;
}

static int ctl_locked(struct epoll *ep, int op, struct file *f, int fd,
		      const struct epoll_event *ev)
{
	struct epoll_item *it = item_find(ep, f, fd);

	switch (op) {
	case EPOLL_CTL_ADD:
		if ((ev->events & EPOLLEXCLUSIVE) &&
		    ((ev->events & ~(uint32_t)EP_EXCLUSIVE_OK) || f->ops == &epoll_ops))
			return -EINVAL;
		return it ? -EEXIST : item_add(ep, f, fd, ev);
	case EPOLL_CTL_DEL:
		if (!it)
			return -ENOENT;
		item_remove(it);
		return 0;
	case EPOLL_CTL_MOD:
		if (!it)
			return -ENOENT;
		if ((it->event.events | ev->events) & EPOLLEXCLUSIVE)
			return -EINVAL;
		it->event = *ev;
		if (item_events(it))
			mark_ready(it);
		return 0;
	}
	return -EINVAL;
}

static int64_t epoll_ctl_files(struct file *e, int op, struct file *f, int fd, uint64_t user_event)
{
	struct epoll_event ev = { 0 };
	struct epoll *ep = e->priv;
	int err;

	if (e->ops != &epoll_ops || e == f)
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && copy_from_user(&ev, user_event, sizeof(ev)))
		return -EFAULT;
	mutex_lock(&tree_lock);
	mutex_lock(&ep->mtx);
	err = ctl_locked(ep, op, f, fd, &ev);
	mutex_unlock(&ep->mtx);
	mutex_unlock(&tree_lock);
	return err;
}

static int64_t sys_epoll_ctl(struct syscall_args *a)
{
	struct file *e = fd_get((int)a->a[0]), *f = fd_get((int)a->a[2]);
	int64_t ret = -EBADF;

	if (e && f)
		ret = epoll_ctl_files(e, (int)a->a[1], f, (int)a->a[2], a->a[3]);
	if (e)
		file_put(e);
	if (f)
		file_put(f);
	return ret;
}
SYSCALL_DEFINE(__NR_epoll_ctl, "epoll_ctl", sys_epoll_ctl);

/* ---- waiting ---- */

static struct epoll_item *take_ready(struct epoll *ep, struct ready_list *from)
{
	uint64_t flags = spin_lock_irqsave(&ep->lock);
	struct epoll_item *it = TAILQ_FIRST(from);

	if (it) {
		TAILQ_REMOVE(from, it, ready_link);
		it->ready = false;
	}
	spin_unlock_irqrestore(&ep->lock, flags);
	return it;
}

static unsigned ready_count(struct epoll *ep)
{
	uint64_t flags = spin_lock_irqsave(&ep->lock);
	struct epoll_item *it;
	unsigned n = 0;

	TAILQ_FOREACH(it, &ep->ready, ready_link)
		n++;
	spin_unlock_irqrestore(&ep->lock, flags);
	return n;
}

/* Fills out with up to max events. */
static unsigned collect(struct epoll *ep, struct epoll_event *out, unsigned max)
{
	unsigned n = 0, look;

	mutex_lock(&ep->mtx);
	/* each ready item is looked at once: level-triggered ones go back to the end */
	for (look = ready_count(ep); look && n < max; look--) {
		struct epoll_item *it = take_ready(ep, &ep->ready);
		uint32_t events = it ? item_events(it) : 0;

		if (!events)
			continue;
		out[n++] = (struct epoll_event){ events, it->event.data };
		if (it->event.events & EPOLLONESHOT)
			it->event.events &= EP_PRIVATE;
		else if (!(it->event.events & EPOLLET))
			mark_ready(it);
	}
	mutex_unlock(&ep->mtx);
	return n;
}

static int64_t epoll_wait_file(struct file *e, uint64_t user, int max, uint64_t deadline,
			       bool poll_only)
{
	struct epoll *ep = e->priv;
	struct epoll_event *out;
	int64_t n;

	if (e->ops != &epoll_ops || max <= 0)
		return -EINVAL;
	max = KMIN(max, 1024);
	out = kmalloc((size_t)max * sizeof(out[0]));
	if (!out)
		return -ENOMEM;
	for (;;) {
		n = collect(ep, out, (unsigned)max);
		if (n || poll_only || (deadline && clock_mono_ns() >= deadline))
			break;
		n = wait_event_signal(&ep->wq, !TAILQ_EMPTY(&ep->ready), deadline);
		if (n == -ETIMEDOUT)
			n = 0;
		else if (!n)
			continue;
		break;
	}
	if (n > 0 && copy_to_user(user, out, (size_t)n * sizeof(out[0])))
		n = -EFAULT;
	kfree(out);
	return n == -ERESTARTSYS ? -EINTR : n; /* never restarted: signal(7) */
}

static int64_t epoll_wait_fd(int fd, uint64_t user, int max, uint64_t deadline, bool poll_only)
{
	struct file *e = fd_get(fd);
	int64_t ret;

	if (!e)
		return -EBADF;
	ret = epoll_wait_file(e, user, max, deadline, poll_only);
	file_put(e);
	return ret;
}

static uint64_t ms_deadline(int32_t ms)
{
	return ms < 0 ? 0 : clock_mono_ns() + (uint64_t)ms * NSEC_PER_MSEC;
}

static int64_t sys_epoll_wait(struct syscall_args *a)
{
	int32_t ms = (int32_t)a->a[3];

	return epoll_wait_fd((int)a->a[0], a->a[1], (int)a->a[2], ms_deadline(ms), ms == 0);
}
SYSCALL_DEFINE(__NR_epoll_wait, "epoll_wait", sys_epoll_wait);

static int temp_mask(uint64_t mask, uint64_t size)
{
	sigmask_t m;
	int err = mask ? sigmask_from_user(&m, mask, size) : 0;

	if (mask && !err)
		task_sigmask_temp(m);
	return err;
}

static int64_t sys_epoll_pwait(struct syscall_args *a)
{
	int err = temp_mask(a->a[4], a->a[5]);

	return err ? err : sys_epoll_wait(a);
}
SYSCALL_DEFINE(__NR_epoll_pwait, "epoll_pwait", sys_epoll_pwait);

static int64_t sys_epoll_pwait2(struct syscall_args *a)
{
	uint64_t deadline = 0;
	int64_t t[2] = { 1, 0 };
	int err = temp_mask(a->a[4], a->a[5]);

	if (err)
		return err;
	if (a->a[3]) {
		if (copy_from_user(t, a->a[3], sizeof(t)))
			return -EFAULT;
		if (t[0] < 0 || t[1] < 0 || t[1] >= (int64_t)NSEC_PER_SEC)
			return -EINVAL;
		if (t[0] < 1000000000)
			deadline = clock_mono_ns() + (uint64_t)t[0] * NSEC_PER_SEC + (uint64_t)t[1];
	}
	return epoll_wait_fd((int)a->a[0], a->a[1], (int)a->a[2], deadline, !t[0] && !t[1]);
}
SYSCALL_DEFINE(__NR_epoll_pwait2, "epoll_pwait2", sys_epoll_pwait2);

/* ---- the epoll's own file ---- */

static void put_back(struct epoll_item *it)
{
	struct epoll *ep = it->ep;
	uint64_t flags = spin_lock_irqsave(&ep->lock);

	if (!it->ready) {
		it->ready = true;
		TAILQ_INSERT_TAIL(&ep->ready, it, ready_link);
	}
	spin_unlock_irqrestore(&ep->lock, flags);
}

/*
 * Items on the list that have nothing any more are taken off. May sleep for the mutex: what
 * epolls watch each other forms no circle.
 */
static uint32_t epoll_poll(struct file *f)
{
	struct epoll *ep = f->priv;
	bool any = false;

	if (TAILQ_EMPTY(&ep->ready))
		return 0;
	mutex_lock(&ep->mtx);
	for (unsigned look = ready_count(ep); look && !any; look--) {
		struct epoll_item *it = take_ready(ep, &ep->ready);

		any = it && item_events(it);
		if (any)
			put_back(it);
	}
	mutex_unlock(&ep->mtx);
	return any ? EPOLLIN | EPOLLRDNORM : 0;
}

static struct poll_head *epoll_poll_head(struct file *f)
{
	struct epoll *ep = f->priv;

	return &ep->poll;
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = f->priv;

	mutex_lock(&tree_lock);
	mutex_lock(&ep->mtx);
	while (!LIST_EMPTY(&ep->items))
		item_remove(LIST_FIRST(&ep->items));
	mutex_unlock(&ep->mtx);
	mutex_unlock(&tree_lock);
	kmem_cache_free(epolls, ep);
}

static const struct file_ops epoll_ops = {
	.name = "epoll",
	.seek_is_zero = true,
	.poll = epoll_poll,
	.poll_head = epoll_poll_head,
	.release = epoll_release,
};

static int64_t make_epoll(bool cloexec)
{
	struct epoll *ep = kmem_cache_alloc(epolls);
	struct file *f;

	if (!ep)
		return -ENOMEM;
	mutex_init(&ep->mtx, "epoll");
	spin_init(&ep->lock, "epoll ready");
	LIST_INIT(&ep->items);
	TAILQ_INIT(&ep->ready);
	waitq_init(&ep->wq);
	poll_head_init(&ep->poll);
	f = file_alloc(&epoll_ops, O_RDWR, ep);
	if (!f) {
		kmem_cache_free(epolls, ep);
		return -ENOMEM;
	}
	return fd_install_or_put(f, cloexec);
}

static int64_t sys_epoll_create(struct syscall_args *a)
{
	return (int)a->a[0] <= 0 ? -EINVAL : make_epoll(false);
}
SYSCALL_DEFINE(__NR_epoll_create, "epoll_create", sys_epoll_create);

static int64_t sys_epoll_create1(struct syscall_args *a)
{
	if (a->a[0] & ~(uint64_t)EPOLL_CLOEXEC)
		return -EINVAL;
	return make_epoll(a->a[0] & EPOLL_CLOEXEC);
}
SYSCALL_DEFINE(__NR_epoll_create1, "epoll_create1", sys_epoll_create1);

void epoll_init(void)
{
	mutex_init(&tree_lock, "epoll tree");
	items_cache = kmem_cache_create("p_epoll_item", sizeof(struct epoll_item), 8);
	epolls = kmem_cache_create("p_epoll", sizeof(struct epoll), 8);
	kassert(items_cache && epolls);
}
