// SPDX-License-Identifier: GPL-2.0-only
/*
 * FIFOs (fifo(7)): a name at the mComponent, a pipe here. So the two ends meet on one pComponent.
 * All opens of one object share a pipe, which keeps the object open.
 */
#include <linux/fcntl.h>
#include "fs/fs.h"
#include "fs/pipe.h"
#include "proc/task.h"

static LIST_HEAD(, pipe) fifos = LIST_HEAD_INITIALIZER(fifos);
static struct spinlock fifos_lock = SPINLOCK_INIT("fifos");

/* False: it is on its way out. */
static bool get_live(struct pipe *p)
{
	uint32_t refs = p->refs;

	while (refs && !atomic_compare_exchange_weak(&p->refs, &refs, refs + 1))
		;
	return refs;
}

static struct pipe *find(uint64_t object)
{
	struct pipe *p;

	LIST_FOREACH(p, &fifos, link)
		if (p->object == object && get_live(p))
			return p;
	return NULL;
}

/* The pipe of the object, whose open is taken over. NULL: no memory, and it was closed. */
static struct pipe *get_pipe(uint64_t object)
{
	struct pipe *fresh = pipe_alloc(), *p;

	spin_lock(&fifos_lock);
	p = find(object);
	if (!p && fresh) {
		p = fresh;
		fresh = NULL;
		p->object = object;
		LIST_INSERT_HEAD(&fifos, p, link);
		object = 0;
	}
	spin_unlock(&fifos_lock);
	if (fresh)
		pipe_put(fresh);
	if (object)
		file_close(object);
	return p;
}

void fifo_forget(struct pipe *p)
{
	if (!p->object)
		return;
	spin_lock(&fifos_lock);
	LIST_REMOVE(p, link);
	spin_unlock(&fifos_lock);
	file_close(p->object);
}

struct file *fifo_open_pipe(struct pipe *p, uint32_t oflags, int *err)
{
	uint32_t acc = oflags & O_ACCMODE;
	unsigned readers = p->reader_opens, writers = p->writer_opens;
	struct file *f;

	*err = -ENXIO;
	if (acc == O_WRONLY && (oflags & O_NONBLOCK) && !p->readers)
		return NULL;
	*err = -ENOMEM;
	f = pipe_file(p, oflags);
	if (!f)
		return NULL;
	*err = 0;
	if (!(oflags & O_NONBLOCK) && acc == O_RDONLY)
		*err = wait_event_signal(&p->rd_wq, p->writers || p->writer_opens != writers, 0);
	else if (!(oflags & O_NONBLOCK) && acc == O_WRONLY)
		*err = wait_event_signal(&p->wr_wq, p->readers || p->reader_opens != readers, 0);
	if (!*err)
		return f;
	file_put(f);
	return NULL;
}

struct file *fifo_open(uint64_t object, uint32_t oflags, int *err)
{
	struct pipe *p = get_pipe(object);
	struct file *f = p ? fifo_open_pipe(p, oflags, err) : NULL;

	if (p)
		pipe_put(p);
	else
		*err = -ENOMEM;
	return f;
}
