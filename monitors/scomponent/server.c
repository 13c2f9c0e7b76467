// SPDX-License-Identifier: GPL-2.0-only
/*
 * STORE's requests. The fabric loop checks a message whole, finds the handles it names and queues
 * a job; a worker does it with 9P requests and transfers, one after the other, and answers.
 *
 * A worker waits for the 9P server and for transfers only, both of which end (p9/p9.h; a transfer
 * ends with its peer), never for another board's handler: nothing waits in a circle. Jobs of one
 * owner run side by side and end in any order; what must follow something is sent after its reply.
 * Forgotten handles are reaped by the workers between jobs.
 */
#define LOG_SUBSYS "store"
#include "server.h"

#include <kern/mm.h>
#include "limits.h"

COUNTERS_DEFINE(store, STORE_COUNTERS);

static const struct store_op *const ops[] = {
	[2] = &op_attach, [3] = &op_lookup, [5] = &op_getattr, [6] = &op_setattr, [7] = &op_read,
	[8] = &op_write, [9] = &op_fsync, [10] = &op_readdir, [11] = &op_create,
	[12] = &op_symlink, [13] = &op_readlink, [14] = &op_link, [15] = &op_unlink,
	[16] = &op_rename, [17] = &op_statfs,
};
static_assert(OP_STORE_STATFS == PROTO_OP(PROTO_CLASS_STORE, 17), "ops[] goes by number");

static struct {
	struct fit *fit;
	struct kmem_cache *jobs;
	struct worker worker[STORE_WORKERS];
	struct { bool known; struct proto_mr slots; } owner[FIT_NODES_MAX]; /* the loop's */
	struct waitq work;
	struct spinlock lock; /* guards the queue */
	STAILQ_HEAD(, job) queue;
	unsigned queued;
} srv = { .lock = SPINLOCK_INIT("store_jobs"), .queue = STAILQ_HEAD_INITIALIZER(srv.queue) };

struct fit *server_fit(void)
{
	return srv.fit;
}

void server_wake(void)
{
	waitq_wake_one(&srv.work);
}

void server_owner_gone(fit_node_t owner)
{
	if (srv.owner[owner].known)
		counter_add(store, owners_lost, 1);
	srv.owner[owner].known = false;
	handle_forget_owner(owner);
}

/* ---- the fabric loop ---- */

static void job_free(struct job *j)
{
	for (unsigned i = 0; i < ARRAY_SIZE(j->h); i++)
		if (j->h[i])
			handle_put(j->h[i]);
	kmem_cache_free(srv.jobs, j);
}

static int find_handle(struct job *j, unsigned i, size_t at)
{
	le64_t id;

	memcpy(&id, j->req->data + at, sizeof(id));
	j->h[i] = handle_get(le64_get(id), j->req->from);
	if (j->h[i])
		return 0;
	counter_add(store, stale, 1);
	return -ESTALE;
}

static int job_decode(struct job *j)
{
	const struct store_op *op = j->op;
	const struct fit_req *req = j->req;

	if (req->len < op->min_len || (!op->decode && req->len != op->min_len)) {
		counter_add(store, bad_message, 1);
		return -EBADMSG;
	}
	int err = op->decode ? op->decode(j, req->data, req->len) : 0;

	if (!err && op->handles)
		err = find_handle(j, 0, 0);
	if (!err && op->handles > 1)
		err = find_handle(j, 1, op->second);
	if (!err && op->handles)
		j->x = j->h[0]->x;
	if (!err && op->handles > 1 && j->h[1]->x != j->x)
		err = -EXDEV;
	return err;
}

static int job_queue(struct fit_req *req, const struct store_op *op)
{
	struct job *j = kmem_cache_alloc(srv.jobs);

	if (!j)
		return -ENOMEM;
	j->req = req;
	j->op = op;
	j->epoch = handle_epoch(req->from);
	j->slots = srv.owner[req->from].slots;
	int err = srv.owner[req->from].known ? job_decode(j) : -ESTALE;

	if (!err) {
		spin_lock(&srv.lock);
		if (srv.queued >= STORE_JOBS_MAX) {
			err = -EBUSY;
		} else {
			STAILQ_INSERT_TAIL(&srv.queue, j, link);
			srv.queued++;
		}
		spin_unlock(&srv.lock);
		counter_add(store, jobs_refused, err ? 1 : 0);
	}
	if (err)
		job_free(j);
	else
		waitq_wake_one(&srv.work);
	return err;
}

/* Idempotent: a board that calls again lends other slots. */
static int hello(const struct fit_req *req)
{
	struct store_hello m;

	if (req->len != sizeof(m))
		return -EBADMSG;
	memcpy(&m, req->data, sizeof(m));
	if (le32_get(m.slots.len) < STORE_SLOTS * STORE_SLOT_SIZE)
		return -EINVAL;
	srv.owner[req->from].slots = m.slots;
	srv.owner[req->from].known = true;
	return 0;
}

static void forget(struct fit_req *req)
{
	struct store_obj m;

	if (req->op == OP_STORE_FORGET && req->len == sizeof(m)) {
		memcpy(&m, req->data, sizeof(m));
		if (handle_forget(le64_get(m.handle), req->from))
			counter_add(store, forgotten, 1);
		else
			counter_add(store, stale, 1);
	} else {
		counter_add(store, bad_message, 1);
	}
	fit_req_put(req);
}

static void handler(struct fit_req *req, void *arg)
{
	unsigned n = req->op & 0xff;
	int err = -EOPNOTSUPP;

	counter_add(store, requests, 1);
	if (req->oneway) {
		forget(req);
		return;
	}
	if (req->from >= FIT_NODES_MAX)
		err = -EPERM;
	else if (req->op == OP_STORE_HELLO)
		err = hello(req);
	else if (n < ARRAY_SIZE(ops) && ops[n])
		err = job_queue(req, ops[n]);
	else
		counter_add(store, bad_op, 1);
	if (err)
		counter_add(store, errors, 1);
	if (err || req->op == OP_STORE_HELLO)
		fit_reply(req, err, NULL, 0);
}

/* ---- workers ---- */

static struct job *take_job(void)
{
	spin_lock(&srv.lock);
	struct job *j = STAILQ_FIRST(&srv.queue);

	if (j) {
		STAILQ_REMOVE_HEAD(&srv.queue, link);
		srv.queued--;
	}
	spin_unlock(&srv.lock);
	return j;
}

/* A directory that was removed while it was held: empty, and otherwise as it was last. */
static int run_dead(struct job *j, const struct p9_attr *last, struct answer *a)
{
	struct store_readdir_reply empty = { .eof = le32(1) };
	struct store_attr attr;

	if (j->op == &op_readdir) {
		ANSWER(a, empty);
	} else if (j->op == &op_getattr) {
		attr_wire(last, &attr);
		ANSWER(a, attr);
	} else {
		return -ENOENT;
	}
	return 0;
}

static int run_job(struct worker *w, struct job *j, struct answer *a)
{
	for (unsigned i = 0; i < ARRAY_SIZE(j->h); i++) {
		struct p9_attr *last = j->h[i] ? atomic_load(&j->h[i]->dead) : NULL;

		if (last)
			return run_dead(j, last, a);
	}
	return j->op->run(w, j, a);
}

static int run_locked(struct worker *w, struct job *j, struct answer *a)
{
	struct export *x = j->x;
	int err;

	if (j->op->lock == LOCK_NAMES_WRITE) {
		rwlock_write(&x->names);
		err = run_job(w, j, a);
		rwlock_write_done(&x->names);
		return err;
	}
	if (j->op->lock == LOCK_NAMES)
		rwlock_read(&x->names);
	rwlock_read(&x->fids);
	err = run_job(w, j, a);
	rwlock_read_done(&x->fids);
	if (j->op->lock == LOCK_NAMES)
		rwlock_read_done(&x->names);
	return err;
}

static void work(void *arg)
{
	struct worker *w = arg;
	struct answer *a = kmalloc(sizeof(*a));
	struct job *j = NULL;

	kassert(a); /* at boot */
	fit_work_begin(PROTO_CLASS_STORE);
	for (;;) {
		wait_event(&srv.work, (j = take_job()) != NULL || handle_any_dying());
		if (!j) {
			handle_reap();
			continue;
		}
		a->len = 0;
		int err = run_locked(w, j, a);

		counter_add(store, errors, err ? 1 : 0);
		fit_reply(j->req, err, a->data, err ? 0 : a->len);
		job_free(j);
	}
}

int server_init(void)
{
	waitq_init(&srv.work);
	srv.jobs = kmem_cache_create("store_job", sizeof(struct job), 8);
	return srv.jobs ? handle_init() : -ENOMEM;
}

int server_start(struct fit *fit)
{
	int err = server_init();

	srv.fit = fit;

	for (unsigned i = 0; i < STORE_WORKERS && !err; i++) {
		struct worker *w = &srv.worker[i];

		w->index = i;
		waitq_init(&w->wait);
		w->buf = kmalloc(STORE_SLOT_SIZE);
		err = w->buf ? thread_spawn("store", work, w, CPU_ANY) : -ENOMEM;
	}
	return err ? err : fit_serve(fit, PROTO_CLASS_STORE, handler, NULL);
}
