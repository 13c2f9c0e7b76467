/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tables: processes, threads, their numbers, references. A process is in the table from its
 * publication until it is reaped; a number is free again when neither a thread nor a process nor
 * a group uses it.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <linux/resource.h>

#define LOG_SUBSYS "proc"
#include <kern/log.h>

#include "excache/aspace.h"
#include "fs/file.h"
#include "mem_client.h"
#include "proc/proc.h"

#define PID_FIRST 2

struct spinlock tasks_lock = SPINLOCK_INIT("tasks");

/* guarded by tasks_lock */
static struct tid_slot {
	bool used;
	struct task *task;    /* process with this number */
	struct uthread *ut;   /* thread with this number */
} slots[PID_MAX];
static int last_tid = PID_FIRST - 1;
static LIST_HEAD(, task) all_tasks = LIST_HEAD_INITIALIZER(all_tasks);
static uint64_t group_signals; /* how often many processes were signalled at once */

static struct kmem_cache *task_cache, *uthread_cache;

void task_init(void)
{
	task_cache = kmem_cache_create("task", sizeof(struct task), 16);
	uthread_cache = kmem_cache_create("uthread", sizeof(struct uthread), 16);
	kassert(task_cache && uthread_cache);
	cputime_init();
	pidfd_init();
}

/* ---- numbers ---- */
int tid_alloc(void)
{
	int found = -EAGAIN;

	spin_lock(&tasks_lock);
	for (int i = 0; i < PID_MAX && found < 0; i++) {
		last_tid = last_tid + 1 < PID_MAX ? last_tid + 1 : PID_FIRST;
		if (!slots[last_tid].used)
			found = last_tid;
	}
	if (found >= 0)
		slots[found].used = true;
	spin_unlock(&tasks_lock);
	return found;
}

void tid_free(int tid)
{
	spin_lock(&tasks_lock);
	slots[tid] = (struct tid_slot){ 0 };
	spin_unlock(&tasks_lock);
}

/* ---- the calling thread ---- */
struct uthread *uthread_current(void)
{
	return thread_private(thread_current());
}

struct task *task_current(void)
{
	struct uthread *ut = uthread_current();

	return ut ? ut->task : NULL;
}

/* ---- processes ---- */
static void default_limits(struct rlimit64 *r)
{
	for (unsigned i = 0; i < RLIM_NLIMITS; i++)
		r[i] = (struct rlimit64){ RLIM64_INFINITY, RLIM64_INFINITY };
	r[RLIMIT_STACK].rlim_cur = 8 << 20;
	r[RLIMIT_NOFILE] = (struct rlimit64){ 1024, 4096 };
	r[RLIMIT_NPROC] = (struct rlimit64){ PID_MAX, PID_MAX };
	r[RLIMIT_CORE] = (struct rlimit64){ 0, 0 };
	r[RLIMIT_SIGPENDING] = (struct rlimit64){ SIGQUEUE_MAX, SIGQUEUE_MAX };
	r[RLIMIT_MEMLOCK] = (struct rlimit64){ 8 << 20, 8 << 20 };
}

struct task *task_alloc(void)
{
	int pid = tid_alloc();
	struct task *t = pid < 0 ? NULL : kmem_cache_alloc(task_cache);

	if (!t) {
		if (pid >= 0)
			tid_free(pid);
		return NULL;
	}
	atomic_store(&t->refs, 1);
	t->pid = t->pgid = t->sid = pid;
	t->start_ns = clock_mono_ns();
	t->exit_signal = SIGCHLD;
	t->umask = 022;
	LIST_INIT(&t->children);
	LIST_INIT(&t->threads);
	LIST_INIT(&t->ptimers);
	spin_init(&t->lock, "task");
	sigpending_init(&t->sig.pending);
	waitq_init(&t->child_wq);
	waitq_init(&t->stop_wq);
	default_limits(t->rlim);
	return t;
}

static void task_free(struct task *t)
{
	sigpending_flush(&t->sig.pending, ~0ULL);
	kfree(t->cmdline);
	kmem_cache_free(task_cache, t);
}

void task_discard(struct task *t)
{
	tid_free(t->pid);
	t->state = TASK_REAPED; /* for who has a descriptor of it */
	task_put(t);
}

struct task *task_get(struct task *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void task_put(struct task *t)
{
	if (atomic_fetch_sub(&t->refs, 1) == 1)
		task_free(t);
}

bool task_publish(struct task *t, struct task *parent, uint64_t seen)
{
	bool late;

	spin_lock(&tasks_lock);
	late = seen != group_signals;
	if (!late) {
		slots[t->pid].task = t;
		t->parent = parent;
		if (parent)
			LIST_INSERT_HEAD(&parent->children, t, sibling);
		LIST_INSERT_HEAD(&all_tasks, t, all);
	}
	spin_unlock(&tasks_lock);
	return !late;
}

void task_unlink_locked(struct task *t)
{
	kassert(t->state != TASK_REAPED);
	t->state = TASK_REAPED;
	if (t->parent)
		LIST_REMOVE(t, sibling);
	t->parent = NULL;
	LIST_REMOVE(t, all);
	slots[t->pid] = (struct tid_slot){ 0 };
}

struct task *task_find_locked(int pid)
{
	return pid > 0 && pid < PID_MAX ? slots[pid].task : NULL;
}

struct task *task_find(int pid)
{
	struct task *t;

	spin_lock(&tasks_lock);
	t = task_find_locked(pid);
	if (t)
		task_get(t);
	spin_unlock(&tasks_lock);
	return t;
}

void task_each(void (*fn)(struct task *t, void *arg), void *arg)
{
	struct task *t;

	spin_lock(&tasks_lock);
	LIST_FOREACH(t, &all_tasks, all)
		fn(t, arg);
	spin_unlock(&tasks_lock);
}

void task_each_signal(void (*fn)(struct task *t, void *arg), void *arg)
{
	struct task *t;

	spin_lock(&tasks_lock);
	group_signals++;
	LIST_FOREACH(t, &all_tasks, all)
		fn(t, arg);
	spin_unlock(&tasks_lock);
}

uint64_t task_group_signals(void)
{
	uint64_t n;

	spin_lock(&tasks_lock);
	n = group_signals;
	spin_unlock(&tasks_lock);
	return n;
}

uint64_t task_rlimit(unsigned resource)
{
	struct task *t = task_current();
	uint64_t flags = spin_lock_irqsave(&t->lock);
	uint64_t r = t->rlim[resource].rlim_cur;

	spin_unlock_irqrestore(&t->lock, flags);
	return r;
}

bool task_privileged(void)
{
	struct task *t = task_current();

	return !t || t->cred.euid == 0;
}

/* ---- threads ---- */
struct uthread *uthread_get(struct uthread *ut)
{
	atomic_fetch_add(&ut->refs, 1);
	return ut;
}

void uthread_put(struct uthread *ut)
{
	if (atomic_fetch_sub(&ut->refs, 1) != 1)
		return;
	sigpending_flush(&ut->pending, ~0ULL);
	kfree(ut->page);
	if (ut->thread)
		thread_put(ut->thread);
	task_put(ut->task);
	kmem_cache_free(uthread_cache, ut);
}

struct uthread *uthread_find(int tid)
{
	struct uthread *ut = NULL;

	spin_lock(&tasks_lock);
	if (tid > 0 && tid < PID_MAX)
		ut = slots[tid].ut;
	if (ut)
		uthread_get(ut);
	spin_unlock(&tasks_lock);
	return ut;
}

static void switch_in(struct thread *th)
{
	struct uthread *ut = thread_private(th);

	cputime_switch_in(ut);
	ut->rseq_moved = true;
	atomic_store(&ut->cpu, cpu_id());
	upt_activate(ut->as ? ut->as->upt : NULL);
	fpu_load(&ut->fpu);
	uspace_set_fsbase(ut->fsbase);
	uspace_set_gsbase(ut->gsbase);
}

static void switch_out(struct thread *th)
{
	struct uthread *ut = thread_private(th);

	fpu_save(&ut->fpu);
	upt_activate(NULL);
	atomic_store(&ut->cpu, -1);
	cputime_switch_out(ut);
}

static const struct thread_ops uthread_ops = { .switch_in = switch_in, .switch_out = switch_out };

static void uthread_main(void *arg)
{
	struct uthread *ut = arg;
	struct uregs r;

	if (ut->first)
		ut->first(ut, ut->first_arg);
	r = ut->start;
	uspace_enter(&r);
}

struct uthread *uthread_alloc(struct task *t, struct aspace *as, int tid)
{
	struct uthread *ut = kmem_cache_alloc(uthread_cache);

	if (!ut)
		return NULL;
	atomic_store(&ut->refs, 1);
	ut->task = task_get(t);
	ut->tid = tid;
	atomic_store(&ut->cpu, -1);
	sigpending_init(&ut->pending);
	fpu_init(&ut->fpu);
	ut->page = kmalloc(MEM_REPLY_BUF);
	ut->thread = thread_create("user", uthread_main, ut, CPU_ANY);
	if (!ut->page || !ut->thread) {
		uthread_put(ut);
		return NULL;
	}
	ut->as = as;
	thread_set_private(ut->thread, ut);
	thread_set_ops(ut->thread, &uthread_ops);
	return ut;
}

void uthread_discard(struct uthread *ut)
{
	aspace_put(ut->as);
	uthread_put(ut);
}

int uthread_start(struct uthread *ut)
{
	struct task *t = ut->task;
	uint64_t flags;
	bool ending;

	spin_lock(&tasks_lock);
	flags = spin_lock_irqsave(&t->lock);
	ending = t->exiting;
	if (!ending) {
		LIST_INSERT_HEAD(&t->threads, ut, link);
		t->nthreads++;
		slots[ut->tid].ut = ut;
		signal_recalc_locked(ut);
	}
	spin_unlock_irqrestore(&t->lock, flags);
	spin_unlock(&tasks_lock);
	if (ending)
		return -EAGAIN;
	thread_start(ut->thread);
	return 0;
}

unsigned uthread_unlink(struct uthread *ut)
{
	struct task *t = ut->task;
	uint64_t flags;
	unsigned left;

	(void)uthread_run_ns(ut); /* the last that its process is charged for */
	spin_lock(&tasks_lock);
	flags = spin_lock_irqsave(&t->lock);
	LIST_REMOVE(ut, link);
	left = --t->nthreads;
	slots[ut->tid].ut = NULL;
	if (ut->tid != t->pid)
		slots[ut->tid].used = false;
	/* what it was to handle for the process falls to the others */
	signal_recalc_all_locked(t);
	spin_unlock_irqrestore(&t->lock, flags);
	spin_unlock(&tasks_lock);
	return left;
}

void uthread_become_leader(struct uthread *ut)
{
	struct task *t = ut->task;

	spin_lock(&tasks_lock);
	if (ut->tid != t->pid) {
		slots[ut->tid] = (struct tid_slot){ 0 };
		ut->tid = t->pid;
		slots[t->pid].ut = ut;
	}
	spin_unlock(&tasks_lock);
}

/* ---- working directory ---- */

struct file *task_cwd_get(void)
{
	struct task *t = task_current();
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct file *f = t->cwd ? file_get(t->cwd) : NULL;

	spin_unlock_irqrestore(&t->lock, flags);
	return f;
}

void task_cwd_set(struct file *dir)
{
	struct task *t = task_current();
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct file *old = t->cwd;

	t->cwd = dir;
	spin_unlock_irqrestore(&t->lock, flags);
	if (old)
		file_put(old);
}
