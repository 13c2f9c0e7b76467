// SPDX-License-Identifier: GPL-2.0-only
/* Ids, keys, owners and permissions of System V IPC. See ipc.h. */
#include "ipc/ipc.h"

#include <kern/timer.h>
#include <linux/ipc.h>
#include "proc/task.h"

void ipc_init(void)
{
	shm_init();
	sem_init();
}

void ipc_table_init(struct ipc_table *t, const char *name)
{
	mutex_init(&t->lock, name);
}

int64_t ipc_now(void)
{
	return (int64_t)(clock_wall_ns() / NSEC_PER_SEC);
}

struct ipc_obj *ipc_by_key(struct ipc_table *t, int key)
{
	for (unsigned i = 0; key != IPC_PRIVATE && i < IPC_SLOTS; i++)
		if (t->slot[i] && t->slot[i]->key == key)
			return t->slot[i];
	return NULL;
}

int ipc_by_id(struct ipc_table *t, int id, struct ipc_obj **o)
{
	*o = id < 0 || id % IPC_ID_STEP >= IPC_SLOTS ? NULL : t->slot[id % IPC_ID_STEP];
	if (!*o)
		return -EINVAL;
	return (*o)->id == id ? 0 : -EIDRM;
}

int ipc_add(struct ipc_table *t, struct ipc_obj *o, int key, uint32_t flags)
{
	const struct cred *c = &task_current()->cred;
	unsigned i = 0;

	while (i < IPC_SLOTS && t->slot[i])
		i++;
	if (i == IPC_SLOTS)
		return -ENOSPC;
	*o = (struct ipc_obj){ .id = (int)i + t->seq * IPC_ID_STEP, .key = key, .uid = c->euid,
			       .gid = c->egid, .cuid = c->euid, .cgid = c->egid,
			       .mode = flags & 0777, .ctime = ipc_now() };
	t->slot[i] = o;
	t->n++;
	return 0;
}

void ipc_remove(struct ipc_table *t, struct ipc_obj *o)
{
	t->slot[o->id % IPC_ID_STEP] = NULL;
	t->n--;
	t->seq++;
}

int ipc_highest(const struct ipc_table *t)
{
	int i = IPC_SLOTS - 1;

	while (i && !t->slot[i])
		i--;
	return i;
}

static bool in_group(const struct cred *c, uint32_t gid)
{
	for (unsigned i = 0; i < c->ngroups; i++)
		if (c->groups[i] == gid)
			return true;
	return c->egid == gid;
}

int ipc_may(const struct ipc_obj *o, uint32_t want)
{
	const struct cred *c = &task_current()->cred;
	uint32_t mode = o->mode;

	want = (want >> 6 | want >> 3 | want) & 7;
	if (c->euid == o->uid || c->euid == o->cuid)
		mode >>= 6;
	else if (in_group(c, o->gid) || in_group(c, o->cgid))
		mode >>= 3;
	return (want & ~mode) && !task_privileged() ? -EACCES : 0;
}

int ipc_may_own(const struct ipc_obj *o)
{
	uint32_t euid = task_current()->cred.euid;

	return euid == o->uid || euid == o->cuid || task_privileged() ? 0 : -EPERM;
}

int ipc_may_get(const struct ipc_obj *o, uint32_t flags)
{
	if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
		return -EEXIST;
	return ipc_may(o, flags);
}

void ipc_fill(const struct ipc_obj *o, struct ipc64_perm *p)
{
	*p = (struct ipc64_perm){ .key = o->key, .uid = o->uid, .gid = o->gid, .cuid = o->cuid,
				  .cgid = o->cgid, .mode = o->mode,
				  .seq = (unsigned short)(o->id / IPC_ID_STEP) };
}

void ipc_set(struct ipc_obj *o, const struct ipc64_perm *p)
{
	o->uid = p->uid;
	o->gid = p->gid;
	o->mode = (o->mode & ~0777u) | (p->mode & 0777);
	o->ctime = ipc_now();
}
