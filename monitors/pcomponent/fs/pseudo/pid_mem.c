// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of /proc/PID that are read from the process's own memory: cmdline (which programs write
 * over, to be seen in ps), environ, auxv. The reader's thread lives in that memory for a moment.
 */
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include "excache/aspace.h"
#include "fs/pseudo.h"
#include "fs/pseudo/proc.h"
#include "proc/proc.h"

#define PIECE 4096

static struct task_layout layout_of(struct task *t)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct task_layout l = t->layout;

	spin_unlock_irqrestore(&t->lock, flags);
	return l;
}

/* Appends [start, end) of the process's memory; what cannot be read ends it. */
static int add_memory(struct task *task, uint64_t start, uint64_t end, struct text *t)
{
	struct uthread *me = uthread_current();
	struct aspace *as = proc_get_memory(task), *mine;
	char *buf = kmalloc(PIECE);
	int err = 0;

	if (!as || !buf) {
		if (as)
			aspace_put(as);
		kfree(buf);
		return as ? -ENOMEM : 0;
	}
	mine = uthread_set_aspace(me, as);
	for (uint64_t n; start < end && !err; start += n) {
		n = KMIN(end - start, (uint64_t)PIECE);
		err = copy_from_user(buf, start, n);
		if (!err)
			text_bytes(t, buf, n);
	}
	(void)uthread_set_aspace(me, mine);
	aspace_put(as);
	kfree(buf);
	return 0;
}

/* As the process was started, when its memory cannot be read. */
static void add_saved(struct task *task, struct text *t)
{
	uint64_t flags;
	size_t len = task->cmdline_len;
	char *copy = len ? kmalloc(len) : NULL;

	if (!copy)
		return;
	flags = spin_lock_irqsave(&task->lock);
	len = KMIN(len, task->cmdline_len);
	memcpy(copy, task->cmdline, len);
	spin_unlock_irqrestore(&task->lock, flags);
	text_bytes(t, copy, len);
	kfree(copy);
}

/* proc(5): a title that was written over the last NUL goes on into the environment's place. */
int proc_show_cmdline(const struct pseudo_place *at, struct text *t)
{
	struct task_layout l = layout_of(at->task);
	int err = add_memory(at->task, l.arg_start, l.arg_end, t);
	size_t n = t->len;

	if (err)
		return err;
	if (n && t->buf[n - 1]) {
		err = add_memory(at->task, l.env_start, l.env_end, t);
		t->len = strnlen(t->buf, t->len);
	}
	if (!n && at->task->state == TASK_LIVE)
		add_saved(at->task, t);
	return err;
}

int proc_show_environ(const struct pseudo_place *at, struct text *t)
{
	struct task_layout l = layout_of(at->task);
	int err = proc_may_look(at->task);

	return err ? err : add_memory(at->task, l.env_start, l.env_end, t);
}

int proc_show_auxv(const struct pseudo_place *at, struct text *t)
{
	struct task_layout l = layout_of(at->task);
	int err = proc_may_look(at->task);

	return err ? err : add_memory(at->task, l.auxv, l.auxv + l.auxv_len, t);
}
