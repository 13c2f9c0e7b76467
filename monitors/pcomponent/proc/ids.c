/* SPDX-License-Identifier: GPL-2.0-only */
/* Ids: processes, groups, sessions, users; limits. */
#include <kern/string.h>
#include <linux/capability.h>

#include "proc/proc.h"
#include "syscall/table.h"

#define SAME ((uint32_t)-1) /* "leave it" in setresuid and friends */

static int64_t sys_getpid(struct syscall_args *a)
{
	return task_current()->pid;
}
SYSCALL_DEFINE(__NR_getpid, "getpid", sys_getpid);

static int64_t sys_gettid(struct syscall_args *a)
{
	return uthread_current()->tid;
}
SYSCALL_DEFINE(__NR_gettid, "gettid", sys_gettid);

static int64_t sys_getppid(struct syscall_args *a)
{
	struct task *p;
	int pid;

	spin_lock(&tasks_lock);
	p = task_current()->parent;
	pid = p ? p->pid : 1;
	spin_unlock(&tasks_lock);
	return pid;
}
SYSCALL_DEFINE(__NR_getppid, "getppid", sys_getppid);

/* tasks_lock held; 0: the caller. */
static struct task *self_or_locked(int pid)
{
	return pid ? task_find_locked(pid) : task_current();
}

static int64_t get_pgid(int pid)
{
	struct task *t;
	int r;

	spin_lock(&tasks_lock);
	t = self_or_locked(pid);
	r = t ? t->pgid : -ESRCH;
	spin_unlock(&tasks_lock);
	return r;
}

static int64_t sys_getpgid(struct syscall_args *a)
{
	return get_pgid((int)a->a[0]);
}
SYSCALL_DEFINE(__NR_getpgid, "getpgid", sys_getpgid);

static int64_t sys_getpgrp(struct syscall_args *a)
{
	return get_pgid(0);
}
SYSCALL_DEFINE(__NR_getpgrp, "getpgrp", sys_getpgrp);

static int64_t sys_getsid(struct syscall_args *a)
{
	struct task *t;
	int r;

	spin_lock(&tasks_lock);
	t = self_or_locked((int)a->a[0]);
	r = t ? t->sid : -ESRCH;
	spin_unlock(&tasks_lock);
	return r;
}
SYSCALL_DEFINE(__NR_getsid, "getsid", sys_getsid);

static int set_pgid_locked(struct task *t, int pgid)
{
	struct task *self = task_current(), *leader;

	if (!t || (t != self && t->parent != self))
		return -ESRCH;
	if (t->sid != self->sid || t->sid == t->pid)
		return -EPERM;
	if (pgid != t->pid) {
		leader = task_find_locked(pgid);
		if (!leader || leader->pgid != pgid || leader->sid != self->sid)
			return -EPERM;
	}
	t->pgid = pgid;
	return 0;
}

static int64_t sys_setpgid(struct syscall_args *a)
{
	int pid = (int)a->a[0], pgid = (int)a->a[1], err;
	struct task *t;

	if (pgid < 0)
		return -EINVAL;
	spin_lock(&tasks_lock);
	t = self_or_locked(pid);
	err = set_pgid_locked(t, pgid ? pgid : t ? t->pid : 0);
	spin_unlock(&tasks_lock);
	return err;
}
SYSCALL_DEFINE(__NR_setpgid, "setpgid", sys_setpgid);

static int64_t sys_setsid(struct syscall_args *a)
{
	struct task *t = task_current();
	int err = 0;

	spin_lock(&tasks_lock);
	if (t->pgid == t->pid)
		err = -EPERM;
	else
		t->sid = t->pgid = t->pid;
	spin_unlock(&tasks_lock);
	return err ? err : t->pid;
}
SYSCALL_DEFINE(__NR_setsid, "setsid", sys_setsid);

/*
 * ---- users and groups; a process's own credentials are written by its threads only, under
 * task.lock ----
 */
static int64_t sys_getuid(struct syscall_args *a)
{
	return task_current()->cred.uid;
}
SYSCALL_DEFINE(__NR_getuid, "getuid", sys_getuid);

static int64_t sys_geteuid(struct syscall_args *a)
{
	return task_current()->cred.euid;
}
SYSCALL_DEFINE(__NR_geteuid, "geteuid", sys_geteuid);

static int64_t sys_getgid(struct syscall_args *a)
{
	return task_current()->cred.gid;
}
SYSCALL_DEFINE(__NR_getgid, "getgid", sys_getgid);

static int64_t sys_getegid(struct syscall_args *a)
{
	return task_current()->cred.egid;
}
SYSCALL_DEFINE(__NR_getegid, "getegid", sys_getegid);

static bool known(uint32_t v, uint32_t r, uint32_t e, uint32_t s)
{
	return v == SAME || v == r || v == e || v == s;
}

static int set_res(uint32_t *r, uint32_t *e, uint32_t *s, uint32_t *fs, const uint32_t new[3],
		   bool root)
{
	for (int i = 0; i < 3; i++)
		if (!root && !known(new[i], *r, *e, *s))
			return -EPERM;
	if (new[0] != SAME)
		*r = new[0];
	if (new[1] != SAME)
		*e = new[1];
	if (new[2] != SAME)
		*s = new[2];
	*fs = *e;
	return 0;
}

static int set_uids(uint32_t r, uint32_t e, uint32_t s)
{
	struct task *t = task_current();
	struct cred *c = &t->cred;
	uint32_t new[3] = { r, e, s };
	uint64_t flags = spin_lock_irqsave(&t->lock);
	int err = set_res(&c->uid, &c->euid, &c->suid, &c->fsuid, new, c->euid == 0);

	spin_unlock_irqrestore(&t->lock, flags);
	return err;
}

static int set_gids(uint32_t r, uint32_t e, uint32_t s)
{
	struct task *t = task_current();
	struct cred *c = &t->cred;
	uint32_t new[3] = { r, e, s };
	uint64_t flags = spin_lock_irqsave(&t->lock);
	int err = set_res(&c->gid, &c->egid, &c->sgid, &c->fsgid, new, c->euid == 0);

	spin_unlock_irqrestore(&t->lock, flags);
	return err;
}

static int64_t sys_setuid(struct syscall_args *a)
{
	uint32_t u = (uint32_t)a->a[0];

	if (u == SAME)
		return -EINVAL;
	return task_privileged() ? set_uids(u, u, u) : set_uids(SAME, u, SAME);
}
SYSCALL_DEFINE(__NR_setuid, "setuid", sys_setuid);

static int64_t sys_setgid(struct syscall_args *a)
{
	uint32_t g = (uint32_t)a->a[0];

	if (g == SAME)
		return -EINVAL;
	return task_privileged() ? set_gids(g, g, g) : set_gids(SAME, g, SAME);
}
SYSCALL_DEFINE(__NR_setgid, "setgid", sys_setgid);

static int64_t sys_setreuid(struct syscall_args *a)
{
	uint32_t r = (uint32_t)a->a[0], e = (uint32_t)a->a[1];

	return set_uids(r, e, r != SAME || e != task_current()->cred.uid ? e : SAME);
}
SYSCALL_DEFINE(__NR_setreuid, "setreuid", sys_setreuid);

static int64_t sys_setregid(struct syscall_args *a)
{
	uint32_t r = (uint32_t)a->a[0], e = (uint32_t)a->a[1];

	return set_gids(r, e, r != SAME || e != task_current()->cred.gid ? e : SAME);
}
SYSCALL_DEFINE(__NR_setregid, "setregid", sys_setregid);

static int64_t sys_setresuid(struct syscall_args *a)
{
	return set_uids((uint32_t)a->a[0], (uint32_t)a->a[1], (uint32_t)a->a[2]);
}
SYSCALL_DEFINE(__NR_setresuid, "setresuid", sys_setresuid);

static int64_t sys_setresgid(struct syscall_args *a)
{
	return set_gids((uint32_t)a->a[0], (uint32_t)a->a[1], (uint32_t)a->a[2]);
}
SYSCALL_DEFINE(__NR_setresgid, "setresgid", sys_setresgid);

static int64_t put_three(struct syscall_args *a, uint32_t r, uint32_t e, uint32_t s)
{
	if (copy_to_user(a->a[0], &r, 4) || copy_to_user(a->a[1], &e, 4) ||
	    copy_to_user(a->a[2], &s, 4))
		return -EFAULT;
	return 0;
}

static int64_t sys_getresuid(struct syscall_args *a)
{
	const struct cred *c = &task_current()->cred;

	return put_three(a, c->uid, c->euid, c->suid);
}
SYSCALL_DEFINE(__NR_getresuid, "getresuid", sys_getresuid);

static int64_t sys_getresgid(struct syscall_args *a)
{
	const struct cred *c = &task_current()->cred;

	return put_three(a, c->gid, c->egid, c->sgid);
}
SYSCALL_DEFINE(__NR_getresgid, "getresgid", sys_getresgid);

static int64_t sys_setfsuid(struct syscall_args *a)
{
	struct cred *c = &task_current()->cred;
	uint32_t old = c->fsuid, u = (uint32_t)a->a[0];

	if (task_privileged() || known(u, c->uid, c->euid, c->suid))
		c->fsuid = u == SAME ? old : u;
	return old;
}
SYSCALL_DEFINE(__NR_setfsuid, "setfsuid", sys_setfsuid);

static int64_t sys_setfsgid(struct syscall_args *a)
{
	struct cred *c = &task_current()->cred;
	uint32_t old = c->fsgid, g = (uint32_t)a->a[0];

	if (task_privileged() || known(g, c->gid, c->egid, c->sgid))
		c->fsgid = g == SAME ? old : g;
	return old;
}
SYSCALL_DEFINE(__NR_setfsgid, "setfsgid", sys_setfsgid);

static int64_t sys_getgroups(struct syscall_args *a)
{
	const struct cred *c = &task_current()->cred;
	int n = (int)a->a[0];

	if (!n)
		return c->ngroups;
	if (n < (int)c->ngroups)
		return -EINVAL;
	if (copy_to_user(a->a[1], c->groups, c->ngroups * sizeof(c->groups[0])))
		return -EFAULT;
	return c->ngroups;
}
SYSCALL_DEFINE(__NR_getgroups, "getgroups", sys_getgroups);

static int64_t sys_setgroups(struct syscall_args *a)
{
	struct task *t = task_current();
	uint32_t groups[TASK_GROUPS_MAX];
	uint64_t n = a->a[0], flags;

	if (!task_privileged())
		return -EPERM;
	if (n > TASK_GROUPS_MAX)
		return -EINVAL;
	if (n && copy_from_user(groups, a->a[1], n * sizeof(groups[0])))
		return -EFAULT;
	flags = spin_lock_irqsave(&t->lock);
	memcpy(t->cred.groups, groups, n * sizeof(groups[0]));
	t->cred.ngroups = (uint32_t)n;
	spin_unlock_irqrestore(&t->lock, flags);
	return 0;
}
SYSCALL_DEFINE(__NR_setgroups, "setgroups", sys_setgroups);

/* All of them with effective uid 0, else none. */
static int64_t sys_capget(struct syscall_args *a)
{
	struct __user_cap_data_struct d[2] = { 0 };
	struct __user_cap_header_struct h;
	unsigned n;

	if (copy_from_user(&h, a->a[0], sizeof(h)))
		return -EFAULT;
	n = h.version == _LINUX_CAPABILITY_VERSION_1 ? 1 : 2;
	if (n == 2 && h.version != _LINUX_CAPABILITY_VERSION_3) {
		h.version = _LINUX_CAPABILITY_VERSION_3;
		if (copy_to_user(a->a[0], &h, sizeof(h)))
			return -EFAULT;
		return a->a[1] ? -EINVAL : 0;
	}
	if (task_privileged()) {
		d[0].effective = d[0].permitted = UINT32_MAX;
		d[1].effective = d[1].permitted = (1u << (CAP_LAST_CAP - 31)) - 1;
	}
	return a->a[1] ? copy_to_user(a->a[1], d, n * sizeof(d[0])) : 0;
}
SYSCALL_DEFINE(__NR_capget, "capget", sys_capget);

/* Sets are those that capget tells: what asks for no more is done. */
static int64_t sys_capset(struct syscall_args *a)
{
	struct __user_cap_data_struct d[2] = { 0 };
	struct __user_cap_header_struct h;
	unsigned n;

	if (copy_from_user(&h, a->a[0], sizeof(h)))
		return -EFAULT;
	n = h.version == _LINUX_CAPABILITY_VERSION_1 ? 1 : 2;
	if (n == 2 && h.version != _LINUX_CAPABILITY_VERSION_3)
		return -EINVAL;
	if (h.pid && h.pid != task_current()->pid)
		return -EPERM;
	if (copy_from_user(d, a->a[1], n * sizeof(d[0])))
		return -EFAULT;
	if (task_privileged())
		return 0;
	return d[0].effective | d[0].permitted | d[1].effective | d[1].permitted ? -EPERM : 0;
}
SYSCALL_DEFINE(__NR_capset, "capset", sys_capset);

/* ---- limits ---- */
static int64_t do_prlimit(struct task *t, unsigned res, uint64_t new_addr, uint64_t old_addr)
{
	struct rlimit64 new, old;
	uint64_t flags;
	int err = 0;

	if (res >= RLIM_NLIMITS)
		return -EINVAL;
	if (new_addr && copy_from_user(&new, new_addr, sizeof(new)))
		return -EFAULT;
	if (new_addr && new.rlim_cur > new.rlim_max)
		return -EINVAL;
	flags = spin_lock_irqsave(&t->lock);
	old = t->rlim[res];
	if (new_addr && new.rlim_max > old.rlim_max && !task_privileged())
		err = -EPERM;
	else if (new_addr)
		t->rlim[res] = new;
	spin_unlock_irqrestore(&t->lock, flags);
	if (!err && old_addr)
		err = copy_to_user(old_addr, &old, sizeof(old));
	return err;
}

static int64_t sys_prlimit64(struct syscall_args *a)
{
	struct task *t = a->a[0] ? task_find((int)a->a[0]) : task_get(task_current());
	int64_t r;

	if (!t)
		return -ESRCH;
	if (t != task_current() && !task_privileged() && t->cred.uid != task_current()->cred.uid)
		r = -EPERM;
	else
		r = do_prlimit(t, (unsigned)a->a[1], a->a[2], a->a[3]);
	task_put(t);
	return r;
}
SYSCALL_DEFINE(__NR_prlimit64, "prlimit64", sys_prlimit64);

static int64_t sys_getrlimit(struct syscall_args *a)
{
	return a->a[1] ? do_prlimit(task_current(), (unsigned)a->a[0], 0, a->a[1]) : -EFAULT;
}
SYSCALL_DEFINE(__NR_getrlimit, "getrlimit", sys_getrlimit);

static int64_t sys_setrlimit(struct syscall_args *a)
{
	return a->a[1] ? do_prlimit(task_current(), (unsigned)a->a[0], a->a[1], 0) : -EFAULT;
}
SYSCALL_DEFINE(__NR_setrlimit, "setrlimit", sys_setrlimit);
