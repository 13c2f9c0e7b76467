// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of another mComponent. GMM spreads spaces over all mComponents, but the first has the
 * files; a space here that maps one asks their home as a pComponent would: FILE_OPEN (so that the
 * file lives while it is mapped), FILE_FILL for every page that is missed, FILE_CLOSE. Lines keep
 * the home's identities; what is written in a shared mapping goes from the pComponent straight to
 * it.
 *
 * Pages are not cached here but for a short while (RECENT), so that a job that needs several finds
 * the earlier ones when it runs again: one counts that came after the job did. For the same reason
 * files stay open for a while when nothing refers to them, but not for long: their home keeps the
 * bytes of one that has no name any more (IDLE_MAX, IDLE_NS).
 *
 * Context: the fabric loop.
 */
#include "far.h"

#include <kern/counter.h>
#include <kern/log.h>
#include <kern/loop.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <linux/fcntl.h>

#define FAR_COUNTERS(X) X(opens) X(closes) X(fills) X(recent) X(errors)
COUNTERS_DECLARE(mfar, FAR_COUNTERS);
COUNTERS_DEFINE(mfar, FAR_COUNTERS);

#define RECENT 128   /* pages */
#define IDLE_MAX 64  /* files */
#define IDLE_NS NSEC_PER_SEC
#define WALKS 8      /* paths that were walked just now */

struct recent {
	struct page p;      /* identity, seq and data */
	uint64_t size, came_ns;
	struct far_call *asking;
};
static struct recent *recent;
static unsigned next_recent;

static struct { uint64_t base, object, came_ns; int err; char path[256]; } walks[WALKS];
static unsigned next_walk;

static struct fs *far_fs;
static struct inode *far_inodes; /* by object, which is the wire's */
static TAILQ_HEAD(, inode) idle = TAILQ_HEAD_INITIALIZER(idle);
static unsigned nidle;
static struct loop *loop;
static struct timer idle_timer;
static struct loop_call idle_call;
static bool ticking;

/* One question; who needs the answer waits on it. */
struct far_call {
	struct fit_call call;
	struct waitlist waiters;
	void (*done)(struct far_call *c, int status, const void *rep, size_t len);
	struct inode *inode;
	struct recent *slot;
	uint64_t object;
	LIST_ENTRY(far_call) link;
	size_t len;
	uint8_t req[sizeof(struct file_open) + 256];
};
static LIST_HEAD(, far_call) opens = LIST_HEAD_INITIALIZER(opens);

static fit_node_t home_of(uint64_t object)
{
	return (fit_node_t)(object >> 48);
}

static void call_done(struct fit_call *f, const struct fit_reply *r)
{
	struct far_call *c = container_of(f, struct far_call, call);
	int status = r->status == -EHOSTDOWN || r->status == -EINPROGRESS ? -EIO : r->status;

	counter_add(mfar, errors, status != 0);
	c->done(c, status, r->data, r->len);
	kfree(c);
}

/* The job waits on the call from now on. */
static int call_start(uint64_t object, uint16_t op, struct far_call *c)
{
	int err = job_park(&c->waiters, NULL);

	if (err != JOB_PARKED) {
		kfree(c);
		return err;
	}
	c->call = (struct fit_call){ .node = home_of(object), .op = op, .req = c->req,
		.req_len = c->len, .timeout_ns = FIT_TIMEOUT_NONE, .done = call_done };
	store_port.call(&c->call);
	return err;
}

static struct far_call *call_new(const void *req, size_t len)
{
	struct far_call *c = kzalloc(sizeof(*c));

	if (!c)
		return NULL;
	waitlist_init(&c->waiters);
	memcpy(c->req, req, len);
	c->len = len;
	return c;
}

/* ---- inodes ---- */

static struct inode *find(uint64_t object)
{
	struct inode *i;

	HASH_FIND(hh_store, far_inodes, &object, sizeof(object), i);
	return i;
}

static void close_far(uint64_t object)
{
	struct file_obj m = { le64(object) };

	counter_add(mfar, closes, 1);
	store_port.send(home_of(object), OP_FILE_CLOSE, &m, sizeof(m));
}

/* An answer to FILE_OPEN: the inode with a reference, and one open at its home. */
static struct inode *learn(const struct file_attr *a)
{
	uint64_t object = le64_get(a->object);
	struct inode *i = find(object);

	if (i) { /* one open is enough */
		inode_get(i);
		close_far(object);
	} else {
		if (!far_fs)
			far_fs = fs_create("far", NULL);
		i = far_fs ? inode_create(far_fs, le32_get(a->mode), 0, 0) : NULL;
		if (!i) {
			close_far(object);
			return NULL;
		}
		far_fs->far = true;
		i->object = i->store_key = object;
		i->nlink = 1;
		HASH_ADD(hh_store, far_inodes, store_key, sizeof(i->store_key), i);
	}
	i->mode = le32_get(a->mode);
	i->size = le64_get(a->size);
	return i;
}

static void forget(struct inode *i)
{
	for (unsigned k = 0; recent && k < RECENT; k++)
		if (recent[k].p.id.object == i->object && !recent[k].asking)
			recent[k].p.id.object = 0;
	HASH_DELETE(hh_store, far_inodes, i);
	close_far(i->object);
	inode_free_far(i);
}

static void tick_later(void)
{
	if (!loop || ticking || !nidle)
		return;
	ticking = true;
	timer_arm(&idle_timer, clock_mono_ns() + IDLE_NS);
}

static void on_tick(struct loop_call *c)
{
	uint64_t now = clock_mono_ns();
	struct inode *i;

	ticking = false;
	while ((i = TAILQ_FIRST(&idle)) && now - i->idle_ns >= IDLE_NS)
		forget(i);
	tick_later();
}

static void on_timer(void *arg)
{
	loop_post(loop, &idle_call);
}

void far_init(struct loop *l)
{
	loop = l;
	idle_call.fn = on_tick;
	timer_init(&idle_timer, on_timer, NULL);
}

void far_idle(struct inode *i)
{
	struct inode *old;

	TAILQ_INSERT_TAIL(&idle, i, lru);
	i->on_lru = true;
	i->idle_ns = clock_mono_ns();
	nidle++;
	while (nidle > IDLE_MAX && (old = TAILQ_FIRST(&idle)) && old != i)
		forget(old);
	tick_later();
}

void far_unidle(struct inode *i)
{
	TAILQ_REMOVE(&idle, i, lru);
	i->on_lru = false;
	nidle--;
}

void far_drop_idle(void)
{
	struct inode *i;

	while ((i = TAILQ_FIRST(&idle)))
		forget(i);
}

/* ---- opening ---- */

static void opened(struct far_call *c, int status, const void *rep, size_t len)
{
	struct inode *i = NULL;

	LIST_REMOVE(c, link);
	if (!status && len != sizeof(struct file_attr))
		status = -EIO;
	if (!status) {
		i = learn(rep);
		status = i ? 0 : -ENOMEM;
	}
	jobs_wake(&c->waiters, status == -ESTALE ? -EBADF : status);
	if (i)
		inode_put(i);
}

int far_find(uint64_t wire, struct inode **out)
{
	struct file_open m = { .at.base = le64(wire), .oflags = le32(O_PATH) };
	struct far_call *c;

	*out = inode_by_object(wire);
	if (!*out)
		*out = find(wire);
	if (*out)
		return 0;
	if (page_local(wire) || !home_of(wire) || home_of(wire) >= FIT_NODES_MAX)
		return -EBADF;
	LIST_FOREACH(c, &opens, link)
		if (c->object == wire)
			return job_park(&c->waiters, NULL);
	c = call_new(&m, sizeof(m));
	if (!c)
		return -ENOMEM;
	c->object = wire;
	c->done = opened;
	LIST_INSERT_HEAD(&opens, c, link);
	counter_add(mfar, opens, 1);
	return call_start(wire, OP_FILE_OPEN, c);
}

static void walked(struct far_call *c, int status, const void *rep, size_t len)
{
	const struct file_open *m = (const void *)c->req;
	size_t n = le16_get(m->at.len);
	struct inode *i = NULL;

	if (!status && len != sizeof(struct file_attr))
		status = -EIO;
	if (!status) {
		i = learn(rep);
		status = i ? 0 : -ENOMEM;
	}
	walks[next_walk].base = le64_get(m->at.base);
	walks[next_walk].object = i ? i->object : 0;
	walks[next_walk].err = status;
	walks[next_walk].came_ns = clock_mono_ns();
	memcpy(walks[next_walk].path, m + 1, n);
	walks[next_walk].path[n] = '\0';
	next_walk = (next_walk + 1) % WALKS;
	jobs_wake(&c->waiters, 0);
	if (i)
		inode_put(i);
}

int far_walk(const struct inode *file, uint64_t base, const char *path, struct inode **out)
{
	size_t n = strlen(path);
	struct file_open m = { .at.base = le64(base), .at.len = le16(n), .oflags = le32(O_PATH) };
	struct far_call *c;

	for (unsigned k = 0; k < WALKS; k++) {
		if (walks[k].came_ns < job_now()->since_ns || walks[k].base != base ||
		    strcmp(walks[k].path, path))
			continue;
		*out = find(walks[k].object);
		if (*out || walks[k].err)
			return walks[k].err;
	}
	if (n >= sizeof(walks[0].path))
		return -ENAMETOOLONG;
	c = call_new(&m, sizeof(m));
	if (!c)
		return -ENOMEM;
	memcpy(c->req + c->len, path, n);
	c->len += n;
	c->done = walked;
	counter_add(mfar, opens, 1);
	return call_start(file->object, OP_FILE_OPEN, c);
}

/* ---- contents ---- */

static void filled(struct far_call *c, int status, const void *rep, size_t len)
{
	const struct file_fill_reply *h = rep;
	struct recent *s = c->slot;

	s->asking = NULL;
	if (!status && len != sizeof(*h) + PAGE_SIZE)
		status = -EIO;
	if (status) {
		s->p.id.object = 0;
	} else {
		s->size = c->inode->size = le64_get(h->size);
		s->p.seq = le64_get(h->seq);
		memcpy(s->p.data, h + 1, PAGE_SIZE);
		s->came_ns = clock_mono_ns();
	}
	jobs_wake(&c->waiters, status);
	inode_put(c->inode);
}

/* The oldest that nobody waits for. NULL: all are asked for, or no memory. */
static struct recent *recent_slot(void)
{
	if (!recent)
		recent = kzalloc(RECENT * sizeof(*recent));
	for (unsigned k = 0; recent && k < RECENT; k++) {
		struct recent *s = &recent[next_recent];

		next_recent = (next_recent + 1) % RECENT;
		if (s->asking)
			continue;
		return page_bytes(&s->p) ? s : NULL;
	}
	return NULL;
}

int far_page(struct inode *i, uint64_t index, struct page **out)
{
	struct file_fill m = { le64(i->object), le64(index) };
	struct recent *s;
	struct far_call *c;

	for (unsigned k = 0; recent && k < RECENT; k++) {
		s = &recent[k];
		if (s->p.id.object != i->object || s->p.id.index != index)
			continue;
		if (s->asking)
			return job_park(&s->asking->waiters, NULL);
		if (s->came_ns < job_now()->since_ns)
			continue;
		counter_add(mfar, recent, 1);
		*out = &s->p;
		return 0;
	}
	s = recent_slot();
	c = s ? call_new(&m, sizeof(m)) : NULL;
	if (!c)
		return -ENOMEM;
	s->p.id = (struct line_id){ i->object, index };
	s->asking = c;
	c->slot = s;
	c->inode = i;
	c->done = filled;
	inode_get(i);
	counter_add(mfar, fills, 1);
	int err = call_start(i->object, OP_FILE_FILL, c);
	if (err != JOB_PARKED) {
		s->asking = NULL;
		s->p.id.object = 0;
		inode_put(i);
	}
	return err;
}

static void fsynced(struct far_call *c, int status, const void *rep, size_t len)
{
	c->inode->attr_ns = clock_mono_ns();
	jobs_wake(&c->waiters, status);
	inode_put(c->inode);
}

int far_fsync(struct inode *i)
{
	struct file_obj m = { le64(i->object) };
	struct far_call *c;
	int err;

	if (i->attr_ns >= job_now()->since_ns)
		return 0;
	c = call_new(&m, sizeof(m));
	if (!c)
		return -ENOMEM;
	c->inode = i;
	c->done = fsynced;
	inode_get(i);
	err = call_start(i->object, OP_FILE_FSYNC, c);
	if (err != JOB_PARKED)
		inode_put(i);
	return err;
}
