/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * System V IPC: what shared memory and semaphores have in common (svipc(7)). Objects are known on
 * one pComponent, by an id and perhaps a key; they stay until they are removed.
 *
 * A table's lock guards its slots and the objects in them; nobody holds it across a round trip.
 */
#pragma once

#include <asm/ipcbuf.h>
#include <kern/types.h>
#include <kern/wait.h>

#define IPC_SLOTS 512         /* objects of one kind */
#define IPC_ID_STEP 32768     /* an id is a slot and how often slots were used, as on Linux */

struct ipc_obj {
	int id, key;          /* key IPC_PRIVATE (0): none */
	uint32_t uid, gid, cuid, cgid, mode;
	int64_t ctime;        /* seconds */
};
struct ipc_table {
	struct mutex lock;
	uint16_t seq;
	unsigned n;
	struct ipc_obj *slot[IPC_SLOTS];
};

void ipc_table_init(struct ipc_table *t, const char *name);
/* All of these with the table's lock held. */
struct ipc_obj *ipc_by_key(struct ipc_table *t, int key); /* NULL: none, or key is IPC_PRIVATE */
/* 0, -EINVAL: no such id, -EIDRM: it was removed. */
int ipc_by_id(struct ipc_table *t, int id, struct ipc_obj **o);
/* Fills *o, whose owner is the caller, and puts it in. -ENOSPC. */
int ipc_add(struct ipc_table *t, struct ipc_obj *o, int key, uint32_t flags);
void ipc_remove(struct ipc_table *t, struct ipc_obj *o);
/* The highest slot in use, or 0. */
int ipc_highest(const struct ipc_table *t);
/* want: permission bits of any of the three classes, as in IPC flags. 0 or -EACCES. */
int ipc_may(const struct ipc_obj *o, uint32_t want);
/* May the caller change or remove it? 0 or -EPERM. */
int ipc_may_own(const struct ipc_obj *o);
/* IPC_CREAT, IPC_EXCL and the permissions of a get call on what is there. */
int ipc_may_get(const struct ipc_obj *o, uint32_t flags);
void ipc_fill(const struct ipc_obj *o, struct ipc64_perm *p);
void ipc_set(struct ipc_obj *o, const struct ipc64_perm *p);
int64_t ipc_now(void);

/* ---- shm.c, sem.c ---- */
void ipc_init(void);
void shm_init(void);
void sem_init(void);
struct task;
/* A process has ended, or has another program. */
void shm_task_gone(void);
void sem_task_exit(struct task *t);
