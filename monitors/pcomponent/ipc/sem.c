// SPDX-License-Identifier: GPL-2.0-only
/*
 * Semaphore sets: semget, semop, semtimedop, semctl (semop(2)). The operations of one call are
 * made all at once or not at all: who cannot go on sleeps on its set's queue and tries again when
 * anything in the set has changed. What SEM_UNDO is to undo is kept in the set, by process, and
 * made good when that process ends.
 *
 * A set that is removed while others sleep on it stays until the last of them has gone.
 */
#include "ipc/ipc.h"

#include <asm/sembuf.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/ipc.h>
#include "proc/task.h"
#include "syscall/table.h"

/* <linux/sem.h> needs the C library's headers. */
#define SEM_UNDO 0x1000
#define GETPID 11
#define GETVAL 12
#define GETALL 13
#define GETNCNT 14
#define GETZCNT 15
#define SETVAL 16
#define SETALL 17
#define SEM_STAT 18
#define SEM_INFO 19
#define SEM_STAT_ANY 20
#define SEMVMX 32767
#define SEMAEM SEMVMX
struct sembuf {
	unsigned short sem_num;
	short sem_op, sem_flg;
};
struct seminfo {
	int semmap, semmni, semmns, semmnu, semmsl, semopm, semume, semusz, semvmx, semaem;
};

#define SETS_SEMS 256   /* semaphores in a set */
#define OPS_MAX 64      /* operations in a call */

struct sem {
	int val, pid;
	unsigned waits_more, waits_zero; /* sleepers: GETNCNT, GETZCNT */
};
struct undo {
	LIST_ENTRY(undo) link;
	const struct task *task;
	short adjust[SETS_SEMS];
};
struct set {
	struct ipc_obj o;
	unsigned refs;          /* the table's and sleepers'; the table's lock guards all */
	bool removed;
	unsigned n;
	int64_t otime;
	struct waitq wq;
	_Atomic uint64_t changes;
	LIST_HEAD(, undo) undos;
	struct sem sem[SETS_SEMS];
};

static struct ipc_table sets;
static _Atomic unsigned nundos;

void sem_init(void)
{
	ipc_table_init(&sets, "sem");
}

static void changed(struct set *s)
{
	atomic_fetch_add(&s->changes, 1);
	waitq_wake_all(&s->wq);
}

static void drop_undos(struct set *s)
{
	struct undo *u;

	while ((u = LIST_FIRST(&s->undos))) {
		LIST_REMOVE(u, link);
		kfree(u);
		atomic_fetch_sub(&nundos, 1);
	}
}

static void put_set(struct set *s)
{
	if (--s->refs)
		return;
	drop_undos(s);
	kfree(s);
}

/* ---- semget ---- */

static int64_t get_locked(int key, int n, uint32_t flags)
{
	struct set *s = (struct set *)ipc_by_key(&sets, key);
	int err;

	if (s) {
		err = ipc_may_get(&s->o, flags);
		return err ? err : n > (int)s->n ? -EINVAL : s->o.id;
	}
	if (key != IPC_PRIVATE && !(flags & IPC_CREAT))
		return -ENOENT;
	if (!n)
		return -EINVAL;
	s = kzalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->refs = 1;
	s->n = (unsigned)n;
	waitq_init(&s->wq);
	LIST_INIT(&s->undos);
	err = ipc_add(&sets, &s->o, key, flags);
	if (err)
		kfree(s);
	return err ? err : s->o.id;
}

static int64_t sys_semget(struct syscall_args *a)
{
	int64_t ret;

	if ((int)a->a[1] < 0 || (int)a->a[1] > SETS_SEMS)
		return -EINVAL;
	mutex_lock(&sets.lock);
	ret = get_locked((int)a->a[0], (int)a->a[1], (uint32_t)a->a[2]);
	mutex_unlock(&sets.lock);
	return ret;
}
SYSCALL_DEFINE(__NR_semget, "semget", sys_semget);

/* ---- semop ---- */

struct ops {
	struct sembuf op[OPS_MAX];
	unsigned n;
	const struct sembuf *stuck; /* the first that cannot be made now */
	bool undo, alters;
};

static struct undo *undo_of(struct set *s, const struct task *t, bool make)
{
	struct undo *u;

	LIST_FOREACH(u, &s->undos, link)
		if (u->task == t)
			return u;
	u = make ? kzalloc(sizeof(*u)) : NULL;
	if (!u)
		return NULL;
	u->task = t;
	LIST_INSERT_HEAD(&s->undos, u, link);
	atomic_fetch_add(&nundos, 1);
	return u;
}

/* 0: all could be made (and are, in s); -EAGAIN: o->stuck not now; -ERANGE. */
static int make_all(struct set *s, struct ops *o, struct undo *u)
{
	int err = 0;
	unsigned i;

	for (i = 0; i < o->n && !err; i++) {
		const struct sembuf *op = &o->op[i];
		int to = s->sem[op->sem_num].val + op->sem_op;
		bool undo = u && (op->sem_flg & SEM_UNDO);
		int adjust = undo ? u->adjust[op->sem_num] - op->sem_op : 0;

		if (to < 0 || (!op->sem_op && s->sem[op->sem_num].val)) {
			o->stuck = op;
			err = -EAGAIN;
		} else if (to > SEMVMX || adjust < -SEMAEM - 1 || adjust > SEMAEM) {
			err = -ERANGE;
		} else {
			s->sem[op->sem_num].val = to;
			if (undo)
				u->adjust[op->sem_num] = (short)adjust;
			continue;
		}
		break;
	}
	while (err && i--) { /* none at all */
		s->sem[o->op[i].sem_num].val -= o->op[i].sem_op;
		if (u && (o->op[i].sem_flg & SEM_UNDO))
			u->adjust[o->op[i].sem_num] += o->op[i].sem_op;
	}
	return err;
}

static void all_made(struct set *s, const struct ops *o)
{
	s->otime = ipc_now();
	for (unsigned i = 0; i < o->n; i++)
		s->sem[o->op[i].sem_num].pid = task_current()->pid;
	if (o->alters)
		changed(s);
}

static void count_sleeper(struct set *s, const struct sembuf *op, int by)
{
	struct sem *sem = &s->sem[op->sem_num];

	if (op->sem_op)
		sem->waits_more += (unsigned)by;
	else
		sem->waits_zero += (unsigned)by;
}

static int check_ops(const struct set *s, struct ops *o)
{
	for (unsigned i = 0; i < o->n; i++) {
		if (o->op[i].sem_num >= s->n)
			return -EFBIG;
		o->undo |= (o->op[i].sem_flg & SEM_UNDO) != 0;
		o->alters |= o->op[i].sem_op != 0;
	}
	return ipc_may(&s->o, o->alters ? 0222 : 0444);
}

/* Table locked; not while it sleeps. */
static int64_t operate(struct set *s, struct ops *o, struct undo *u, uint64_t deadline)
{
	int err;

	for (;;) {
		uint64_t seen = atomic_load(&s->changes);

		err = make_all(s, o, u);
		if (!err)
			all_made(s, o);
		if (err != -EAGAIN || (o->stuck->sem_flg & IPC_NOWAIT))
			return err;
		count_sleeper(s, o->stuck, 1);
		mutex_unlock(&sets.lock);
		err = wait_event_signal(&s->wq, atomic_load(&s->changes) != seen, deadline);
		mutex_lock(&sets.lock);
		count_sleeper(s, o->stuck, -1);
		if (s->removed)
			return -EIDRM;
		if (err)
			/* a signal: never restarted, signal(7) */
			return err == -ETIMEDOUT ? -EAGAIN : -EINTR;
	}
}

static int64_t semop_locked(int id, struct ops *o, uint64_t deadline)
{
	struct undo *u = NULL;
	struct ipc_obj *obj;
	struct set *s;
	int64_t ret = ipc_by_id(&sets, id, &obj);

	if (ret)
		return ret;
	s = (struct set *)obj;
	ret = check_ops(s, o);
	if (!ret && o->undo) {
		u = undo_of(s, task_current(), true);
		ret = u ? 0 : -ENOMEM;
	}
	if (ret)
		return ret;
	s->refs++;
	ret = operate(s, o, u, deadline);
	put_set(s);
	return ret;
}

static int64_t do_semop(int id, uint64_t ops, uint64_t n, uint64_t deadline)
{
	struct ops *o;
	int64_t ret;

	if (!n || id < 0)
		return -EINVAL;
	if (n > OPS_MAX)
		return -E2BIG;
	o = kzalloc(sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->n = (unsigned)n;
	ret = copy_from_user(o->op, ops, n * sizeof(o->op[0])) ? -EFAULT : 0;
	if (!ret) {
		mutex_lock(&sets.lock);
		ret = semop_locked(id, o, deadline);
		mutex_unlock(&sets.lock);
	}
	kfree(o);
	return ret;
}

static int64_t sys_semop(struct syscall_args *a)
{
	return do_semop((int)a->a[0], a->a[1], (uint32_t)a->a[2], 0);
}
SYSCALL_DEFINE(__NR_semop, "semop", sys_semop);

static int64_t sys_semtimedop(struct syscall_args *a)
{
	int64_t ts[2];

	if (!a->a[3])
		return sys_semop(a);
	if (copy_from_user(ts, a->a[3], sizeof(ts)))
		return -EFAULT;
	if (ts[0] < 0 || ts[1] < 0 || ts[1] >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	return do_semop((int)a->a[0], a->a[1], (uint32_t)a->a[2],
			clock_mono_ns() + (uint64_t)ts[1] +
				(uint64_t)KMIN(ts[0], 1000000000L) * NSEC_PER_SEC);
}
SYSCALL_DEFINE(__NR_semtimedop, "semtimedop", sys_semtimedop);

/* ---- the end of a process ---- */

static void undo_in(struct set *s, const struct task *t)
{
	struct undo *u = undo_of(s, t, false);

	if (!u)
		return;
	for (unsigned i = 0; i < s->n; i++) {
		int to = s->sem[i].val + u->adjust[i];

		s->sem[i].val = to < 0 ? 0 : KMIN(to, SEMVMX);
		if (u->adjust[i])
			s->sem[i].pid = t->pid;
	}
	LIST_REMOVE(u, link);
	kfree(u);
	atomic_fetch_sub(&nundos, 1);
	s->otime = ipc_now();
	changed(s);
}

void sem_task_exit(struct task *t)
{
	if (!atomic_load(&nundos))
		return;
	mutex_lock(&sets.lock);
	for (unsigned i = 0; i < IPC_SLOTS; i++)
		if (sets.slot[i])
			undo_in((struct set *)sets.slot[i], t);
	mutex_unlock(&sets.lock);
}

/* ---- semctl ---- */

/* What was to be undone of these semaphores is forgotten: they have been set (semctl(2)). */
static void forget_undo(struct set *s, unsigned from, unsigned n)
{
	struct undo *u;

	LIST_FOREACH(u, &s->undos, link)
		memset(u->adjust + from, 0, n * sizeof(u->adjust[0]));
}

static int64_t set_value(struct set *s, unsigned num, int val)
{
	if (val < 0 || val > SEMVMX)
		return -ERANGE;
	forget_undo(s, num, 1);
	s->sem[num].val = val;
	s->sem[num].pid = task_current()->pid;
	s->o.ctime = ipc_now();
	changed(s);
	return 0;
}

static int64_t one_of(const struct set *s, int cmd, unsigned num)
{
	const struct sem *sem = &s->sem[num];

	return cmd == GETVAL ? sem->val : cmd == GETPID ? sem->pid :
	       cmd == GETNCNT ? (int64_t)sem->waits_more : (int64_t)sem->waits_zero;
}

static void set_all(struct set *s, const unsigned short *val)
{
	forget_undo(s, 0, s->n);
	for (unsigned i = 0; i < s->n; i++) {
		s->sem[i].val = val[i];
		s->sem[i].pid = task_current()->pid;
	}
	s->o.ctime = ipc_now();
	changed(s);
}

static void remove_set(struct set *s)
{
	ipc_remove(&sets, &s->o);
	s->removed = true;
	changed(s);
	put_set(s);
}

/* What goes to or comes from user memory, which is not touched with the table locked. */
struct ctl {
	int cmd;
	unsigned num;
	int val;
	unsigned n;                   /* of the set, for GETALL */
	struct semid64_ds ds;
	unsigned short all[SETS_SEMS];
};

static bool stats(int cmd)
{
	return cmd == IPC_STAT || cmd == SEM_STAT || cmd == SEM_STAT_ANY;
}

static void stat_set(const struct set *s, struct semid64_ds *d)
{
	*d = (struct semid64_ds){ .sem_otime = s->otime, .sem_ctime = s->o.ctime,
				  .sem_nsems = s->n };
	ipc_fill(&s->o, &d->sem_perm);
}

static int64_t own_ctl(struct set *s, struct ctl *c)
{
	int err = ipc_may_own(&s->o);

	if (err)
		return err;
	if (c->cmd == IPC_SET)
		ipc_set(&s->o, &c->ds.sem_perm);
	else
		remove_set(s);
	return 0;
}

static int64_t value_ctl(struct set *s, struct ctl *c)
{
	bool sets_it = c->cmd == SETVAL || c->cmd == SETALL;
	int err = 0;

	if (c->cmd != GETALL && c->cmd != SETALL && c->num >= s->n)
		return -EINVAL;
	err = ipc_may(&s->o, sets_it ? 0222 : 0444);
	if (err)
		return err;
	if (c->cmd == SETVAL)
		return set_value(s, c->num, c->val);
	c->n = s->n;
	for (unsigned i = 0; c->cmd == SETALL && i < s->n; i++)
		if (c->all[i] > SEMVMX)
			return -ERANGE;
	if (c->cmd == SETALL)
		set_all(s, c->all);
	for (unsigned i = 0; c->cmd == GETALL && i < s->n; i++)
		c->all[i] = (unsigned short)s->sem[i].val;
	return sets_it || c->cmd == GETALL ? 0 : one_of(s, c->cmd, c->num);
}

static int64_t ctl_locked(int id, struct ctl *c)
{
	struct ipc_obj *o;
	int err;

	if (c->cmd == SEM_STAT || c->cmd == SEM_STAT_ANY) {
		o = id < IPC_SLOTS ? sets.slot[id] : NULL;
		err = o ? 0 : -EINVAL;
	} else {
		err = ipc_by_id(&sets, id, &o);
	}
	if (err)
		return err;
	if (c->cmd == IPC_SET || c->cmd == IPC_RMID)
		return own_ctl((struct set *)o, c);
	if (!stats(c->cmd))
		return value_ctl((struct set *)o, c);
	err = c->cmd == SEM_STAT_ANY ? 0 : ipc_may(o, 0444);
	if (!err)
		stat_set((struct set *)o, &c->ds);
	return err ? err : c->cmd == IPC_STAT ? 0 : o->id;
}

static int64_t put_info(int cmd, uint64_t to)
{
	struct seminfo i = { .semmni = IPC_SLOTS, .semmsl = SETS_SEMS, .semopm = OPS_MAX,
			     .semmns = IPC_SLOTS * SETS_SEMS, .semmap = IPC_SLOTS * SETS_SEMS,
			     .semmnu = IPC_SLOTS * SETS_SEMS, .semume = OPS_MAX,
			     .semusz = 20, .semvmx = SEMVMX, .semaem = SEMAEM };
	int highest;

	mutex_lock(&sets.lock);
	highest = ipc_highest(&sets);
	if (cmd == SEM_INFO) {
		i.semusz = (int)sets.n;
		i.semaem = 0;
		for (int k = 0; k <= highest; k++)
			i.semaem += sets.slot[k] ? (int)((struct set *)sets.slot[k])->n : 0;
	}
	mutex_unlock(&sets.lock);
	return copy_to_user(to, &i, sizeof(i)) ? -EFAULT : highest;
}

/* How many values SETALL reads. */
static int size_of(int id)
{
	struct ipc_obj *o;
	int err;

	mutex_lock(&sets.lock);
	err = ipc_by_id(&sets, id, &o);
	if (!err)
		err = (int)((struct set *)o)->n;
	mutex_unlock(&sets.lock);
	return err;
}

static int64_t do_semctl(int id, struct ctl *c, uint64_t arg)
{
	int n = c->cmd == SETALL ? size_of(id) : 0;
	int64_t ret;

	if (n < 0)
		return n;
	if (c->cmd == SETALL && copy_from_user(c->all, arg, (size_t)n * sizeof(c->all[0])))
		return -EFAULT;
	if (c->cmd == IPC_SET && copy_from_user(&c->ds, arg, sizeof(c->ds)))
		return -EFAULT;
	mutex_lock(&sets.lock);
	ret = ctl_locked(id, c);
	mutex_unlock(&sets.lock);
	if (ret >= 0 && stats(c->cmd) && copy_to_user(arg, &c->ds, sizeof(c->ds)))
		return -EFAULT;
	if (!ret && c->cmd == GETALL && copy_to_user(arg, c->all, c->n * sizeof(c->all[0])))
		return -EFAULT;
	return ret;
}

static int64_t sys_semctl(struct syscall_args *a)
{
	int id = (int)a->a[0], cmd = (int)a->a[2];
	struct ctl *c;
	int64_t ret;

	if (id < 0)
		return -EINVAL;
	if (cmd == IPC_INFO || cmd == SEM_INFO)
		return put_info(cmd, a->a[3]);
	if (!stats(cmd) && cmd != IPC_SET && cmd != IPC_RMID && (cmd < GETPID || cmd > SETALL))
		return -EINVAL;
	c = kzalloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->cmd = cmd;
	c->num = (uint32_t)a->a[1];
	c->val = (int)a->a[3];
	ret = do_semctl(id, c, a->a[3]);
	kfree(c);
	return ret;
}
SYSCALL_DEFINE(__NR_semctl, "semctl", sys_semctl);
