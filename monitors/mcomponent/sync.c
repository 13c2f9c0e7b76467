// SPDX-License-Identifier: GPL-2.0-only
/*
 * fsync and sync: dirty pages to the sComponent, then everything it has to its disk. In this order:
 * the pComponent has brought its lines home before it asked.
 */
#include <kern/mode.h>
#include "cache.h"
#include "far.h"
#include "file_req.h"
#include "job.h"
#include "opens.h"
#include "server.h"
#include "sfs.h"
#include "space.h"
#include "sync.h"
#include "wb.h"

#define WAITS_MAX 2000 /* runs of a job for a file that is written all the time */

static TAILQ_HEAD(, inode) unsynced = TAILQ_HEAD_INITIALIZER(unsynced);

void sync_want(struct inode *i)
{
	if (i->unsynced)
		return;
	i->unsynced = true;
	TAILQ_INSERT_TAIL(&unsynced, i, to_sync);
}

void sync_cancel(struct inode *i)
{
	if (!i->unsynced)
		return;
	i->unsynced = false;
	TAILQ_REMOVE(&unsynced, i, to_sync);
}

static int fsync_end(struct job *j, int status, struct reply *r)
{
	const struct file_obj *m = j->msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	int err = i ? opens_take_error(j->from, i) : 0;

	return status < 0 ? status : err;
}

static int op_fsync(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_obj *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	int err;

	if (!i)
		return -ESTALE;
	if (!inode_is_store(i))
		return 0;
	if (!wb_settled(i) && job_now()->runs < WAITS_MAX) {
		wb_flush(i);
		return job_park(&i->wb_wait, NULL);
	}
	err = opens_take_error(from, i);
	return err ? err : sfs_fsync(i, fsync_end);
}

static int sync_next(struct job *j, int status, struct reply *r)
{
	return job_run_op(j, 0, r); /* sync(2) tells no errors */
}

static int op_sync(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	struct inode *i;
	int err = wb_wait_all();

	if (err)
		return err;
	while ((i = TAILQ_FIRST(&unsynced))) {
		if (!i->nlink || sfs_alive(i)) {
			sync_cancel(i);
			continue;
		}
		sync_cancel(i);
		return sfs_fsync(i, sync_next);
	}
	return 0;
}

/* The first shared file of the range that is not on its disk; NULL: all are. */
static struct inode *range_unsynced(struct space *s, uint64_t start, uint64_t end, int *err)
{
	struct vma *v = vma_find(&s->vmas, start);

	*err = 0;
	for (; start < end; start = v->end, v = vma_next(v)) {
		if (!v || v->start > start) {
			*err = -ENOMEM;
			return NULL;
		}
		if (v->shared && v->inode && inode_is_far(v->inode))
			*err = far_fsync(v->inode);
		if (*err)
			return NULL;
		if (v->shared && v->inode && inode_is_store(v->inode) &&
		    (v->inode->unsynced || v->inode->writing))
			return v->inode;
	}
	return NULL;
}

static int op_msync(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_range *m = msg;
	struct space *s = space_find(le64_get(m->as), from);
	uint64_t start = le64_get(m->addr), n = ROUND_UP(le64_get(m->len), PAGE_SIZE);
	struct inode *i;
	int err;

	if (!s)
		return -ESRCH;
	if (start % PAGE_SIZE || start > SPACE_TOP || n > SPACE_TOP - start)
		return -EINVAL;
	i = range_unsynced(s, start, start + n, &err);
	if (!i)
		return err;
	if (!wb_settled(i) && job_now()->runs < WAITS_MAX) {
		wb_flush(i);
		return job_park(&i->wb_wait, NULL);
	}
	err = opens_take_error(from, i);
	if (!err && !i->unsynced) /* runs out of patience: it is written all the time */
		return 0;
	return err ? err : sfs_fsync(i, NULL);
}

static int op_drop_caches(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	cache_drop_all();
	far_drop_idle();
	inode_drop_unused();
	dir_drop_unused();
	return 0;
}

const struct op sync_ops[] = {
	{ OP_FILE_FSYNC, sizeof(struct file_obj), op_fsync, "fsync" },
	{ OP_FILE_SYNC, 0, op_sync, "sync" },
	{ OP_MEM_SYNC, sizeof(struct mem_range), op_msync, "msync" },
	{ OP_FILE_DROP_CACHES, 0, op_drop_caches, "drop-caches" },
	{ 0, 0, NULL, NULL },
};
