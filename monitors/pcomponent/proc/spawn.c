/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs that GPM starts here: SPAWN_START, SPAWN_SIGNAL, the report of their end, and the
 * operator's view of all processes (CTL_PS, CTL_KILL, CTL_SIGNAL). Requests come in the fabric's
 * loop and are carried out by workers, the loading of a program by the new process itself.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/work.h>
#include <proto/gpm.h>

#define LOG_SUBSYS "spawn"
#include <kern/log.h>

#include <mon/board.h>
#include <mon/ctl.h>

#include "excache/aspace.h"
#include "mem_client.h"
#include "proc/proc.h"

#define SPAWN_WORKERS 2
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PS_BYTES 60000
#define STATUS_NOT_STARTED W_EXITED(127)

struct job {
	struct work work;
	struct fit_req *req;
	struct exec_args x;
	const char *path_var; /* directories to search */
};
static struct workq *workers;

/* ---- decoding ---- */
/* Checks the strings; *path gets the value of PATH, or NULL. */
static int decode_strings(const struct spawn_start *s, size_t len, const char **path)
{
	unsigned want = le16_get(s->argc) + le16_get(s->envc), n = 0;
	size_t size = le32_get(s->args_len), at = 0;

	*path = NULL;
	if (size > SPAWN_ARGS_MAX || size != len - sizeof(*s) || !le16_get(s->argc))
		return -EINVAL;
	if (!size || s->args[size - 1])
		return -EINVAL;
	while (at < size) {
		const char *str = s->args + at;

		if (n >= le16_get(s->argc) && !strncmp(str, "PATH=", 5))
			*path = str + 5;
		at += strlen(str) + 1;
		n++;
	}
	return n == want ? 0 : -EINVAL;
}

static int decode(struct job *j, const struct spawn_start *s, size_t len)
{
	int err = len < sizeof(*s) ? -EINVAL : decode_strings(s, len, &j->path_var);
	size_t size;

	if (err)
		return err;
	if (s->data_mode > DATA_AUTO || le16_get(s->home) >= FIT_NODES_MAX)
		return -EINVAL;
	if (strlen(s->args) >= TASK_PATH_MAX)
		return -ENAMETOOLONG;
	size = le32_get(s->args_len);
	j->x.strings = kmalloc(size);
	if (!j->x.strings)
		return -ENOMEM;
	memcpy(j->x.strings, s->args, size);
	j->x.len = size;
	j->x.argc = le16_get(s->argc);
	j->x.envc = le16_get(s->envc);
	return 0;
}

/* ---- in the new process ---- */
static int load_from_path(struct job *j, struct uregs *r)
{
	const char *dir = j->path_var ? j->path_var : DEFAULT_PATH, *name = j->x.strings;
	char prog[TASK_PATH_MAX];
	int err = -ENOENT, e;

	if (kstrcpy(prog, name, sizeof(prog)) < 0)
		return -ENAMETOOLONG;
	while (*dir && j->x.strings) {
		const char *colon = strchr(dir, ':');
		size_t n = colon ? (size_t)(colon - dir) : strlen(dir);
		int len = snprintf(j->x.path, sizeof(j->x.path), "%.*s%s%s", (int)n, dir,
				   n ? "/" : "", prog);

		e = len < (int)sizeof(j->x.path) ? exec_load(&j->x, r) : -ENAMETOOLONG;
		if (!e)
			return 0;
		if (e != -ENOENT && e != -ENOTDIR)
			err = e;
		if ((e != -ENOENT && e != -ENOTDIR && e != -EACCES) || j->x.shown[0])
			return err;
		dir += n + (colon ? 1 : 0);
	}
	return err;
}

static int load(struct job *j, struct uregs *r)
{
	if (!strchr(j->x.strings, '/'))
		return load_from_path(j, r);
	(void)kstrcpy(j->x.path, j->x.strings, sizeof(j->x.path));
	return exec_load(&j->x, r);
}

static void first(struct uthread *ut, void *arg)
{
	struct job *j = arg;
	struct task *t = ut->task;
	struct spawn_reply rep = { le32((uint32_t)t->pid), le32(0) };
	int err;

	fit_work_begin(PROTO_CLASS_SPAWN);
	err = load(j, &ut->start);
	fit_work_end();
	exec_args_free(&j->x);
	fit_reply(j->req, err, &rep, err ? 0 : sizeof(rep));
	kfree(j);
	if (!err) {
		log_info("%s is process %d", t->exe, t->pid);
		return;
	}
	t->spawned = false;
	stdio_end(t->token);
	task_begin_exit(t, STATUS_NOT_STARTED);
	uthread_exit();
}

/* ---- workers ---- */
static int make_process(struct job *j, const struct spawn_start *s)
{
	struct task *t = task_alloc();
	struct uthread *ut = NULL;
	int err = -ENOMEM;

	if (!t)
		return -EAGAIN;
	t->home = le16_get(s->home);
	t->data_mode = s->data_mode;
	t->token = le64_get(s->token);
	t->spawned = true;
	t->files = fdtable_create();
	if (!t->files)
		goto out_task;
	t->traced = s->flags & SPAWN_STRACE;
	err = stdio_attach(t->files, t->token, s->flags);
	if (err)
		goto out_files;
	ut = uthread_alloc(t, NULL, t->pid);
	if (!ut) {
		err = -ENOMEM;
		goto out_stdio;
	}
	ut->first = first;
	ut->first_arg = j;
	while (!task_publish(t, NULL, task_group_signals()))
		; /* of no group that anybody knows */
	err = uthread_start(ut);
	kassert(!err); /* nobody could end it before */
	return 0;
out_stdio:
	stdio_end(t->token);
out_files:
	fdtable_put(t->files);
out_task:
	task_discard(t);
	return err;
}

static void start_work(struct work *w)
{
	struct job *j = container_of(w, struct job, work);
	const struct spawn_start *s = (const void *)j->req->data;
	int err = decode(j, s, j->req->len);

	if (!err)
		err = make_process(j, s);
	if (!err)
		return;
	exec_args_free(&j->x);
	fit_reply(j->req, err, NULL, 0);
	kfree(j);
}

static int signal_pid(const struct spawn_signal *s)
{
	int sig = (int)le32_get(s->sig), err = 0;
	struct task *t = task_find((int)le32_get(s->pid));

	if (!t)
		return -ESRCH;
	if (sig < 0 || sig > NSIG_K)
		err = -EINVAL;
	else if (sig)
		task_signal(t, sig, NULL);
	task_put(t);
	return err;
}

static void on_spawn(struct fit_req *req, void *arg)
{
	struct job *j;

	if (req->op == OP_SPAWN_SIGNAL && req->len == sizeof(struct spawn_signal)) {
		fit_reply(req, signal_pid((const void *)req->data), NULL, 0);
		return;
	}
	j = req->op == OP_SPAWN_START && !req->oneway ? kzalloc(sizeof(*j)) : NULL;
	if (!j) {
		if (req->oneway)
			fit_req_put(req);
		else
			fit_reply(req, req->op == OP_SPAWN_START ? -ENOMEM : -EINVAL, NULL, 0);
		return;
	}
	j->req = req;
	work_init(&j->work, start_work);
	work_queue(workers, &j->work);
}

void spawn_ended(struct task *t, int wait_status)
{
	struct gpm_exit m = { le64(t->token), le32((uint32_t)t->pid), le32((uint32_t)wait_status) };
	le32_t status = le32((uint32_t)wait_status);
	int err;

	log_info("%s[%d] ended, status 0x%x", t->comm, t->pid, (unsigned)wait_status);
	stdio_end(t->token);
	(void)ctl_send(CTL_EXIT, t->token, &status, sizeof(status));
	err = fit_send(mem_client_fit(), FIT_NODE_MANAGER, OP_GPM_EXIT, &m, sizeof(m));
	if (err)
		log_warn("the end of process %d was not reported: %d", t->pid, err);
}

/* ---- the operator ---- */
struct ps {
	char *buf;
	size_t n;
};

/* Memory counts, with commas: faults, misses, zero fills, copies, cached, then misses by time. */
static void ps_counts(struct ps *p, struct task *t)
{
	static const struct aspace_counts none;
	struct uthread *ut = LIST_FIRST(&t->threads);
	const struct aspace_counts *c = ut && ut->as ? &ut->as->counts : &none;
	const _Atomic uint64_t *v[] = { &c->faults, &c->misses, &c->zero_fills, &c->copies,
					&c->cached };

	for (unsigned i = 0; i < ARRAY_SIZE(v) + MISS_BUCKETS && p->n + 32 < PS_BYTES; i++) {
		const _Atomic uint64_t *n = i < ARRAY_SIZE(v) ? v[i] :
			&c->miss_us[i - ARRAY_SIZE(v)];

		p->n += (size_t)snprintf(p->buf + p->n, PS_BYTES - p->n, i ? ",%llu" : "%llu",
					 (unsigned long long)atomic_load(n));
	}
	p->buf[p->n++] = ' ';
}

static void ps_one(struct task *t, void *arg)
{
	struct ps *p = arg;
	const char *state = t->state == TASK_ZOMBIE ? "Z" : t->stopped ? "T" : "R";
	uint64_t flags = spin_lock_irqsave(&t->lock);

	p->n += (size_t)snprintf(p->buf + p->n, PS_BYTES - p->n, "%d %d %s %llu ", t->pid,
				 t->parent ? t->parent->pid : 1, state,
				 (unsigned long long)t->token);
	p->n = KMIN(p->n, (size_t)PS_BYTES - 34);
	ps_counts(p, t);
	p->n += (size_t)snprintf(p->buf + p->n, PS_BYTES - p->n, "%s",
				 t->cmdline_len ? "" : t->comm);
	for (size_t i = 0; i < t->cmdline_len && p->n + 2 < PS_BYTES; i++) {
		char c = t->cmdline[i];

		p->buf[p->n++] = c ? c : ' ';
	}
	spin_unlock_irqrestore(&t->lock, flags);
	p->n = KMIN(p->n, (size_t)PS_BYTES - 2);
	p->buf[p->n++] = '\n';
}

static void on_ps(uint16_t type, uint64_t stream, const uint8_t *data, size_t len, void *arg)
{
	struct ps p = { .buf = kmalloc(PS_BYTES) };

	if (!p.buf) {
		ctl_fail(stream, ENOMEM, "ps: no memory");
		return;
	}
	task_each(ps_one, &p);
	(void)ctl_send(CTL_PS_REPLY, stream, p.buf, p.n);
	kfree(p.buf);
}

static void on_kill(uint16_t type, uint64_t stream, const uint8_t *data, size_t len, void *arg)
{
	int err = len == sizeof(struct spawn_signal) ? signal_pid((const void *)data) : -EINVAL;
	le32_t rep = le32((uint32_t)-err);

	(void)ctl_send(CTL_DONE, stream, &rep, sizeof(rep));
}

struct token_signal {
	uint64_t token;
	int sig, pid;
};

static void find_token(struct task *t, void *arg)
{
	struct token_signal *s = arg;

	if (t->spawned && t->token == s->token && t->state == TASK_LIVE)
		s->pid = t->pid;
}

/* What a terminal would send goes to the program's whole group, the rest to the program. */
static void on_signal(uint16_t type, uint64_t stream, const uint8_t *data, size_t len, void *arg)
{
	struct token_signal s = { .token = stream };
	struct task *t;

	if (len != sizeof(le32_t))
		return;
	s.sig = (int)le32_get(*(const le32_t *)data);
	task_each(find_token, &s);
	if (s.sig < 1 || s.sig > NSIG_K || !s.pid)
		return;
	if (s.sig == SIGINT || s.sig == SIGQUIT || s.sig == SIGHUP || s.sig == SIGTSTP) {
		(void)pgrp_signal(s.pid, s.sig, NULL);
		return;
	}
	t = task_find(s.pid);
	if (t) {
		task_signal(t, s.sig, NULL);
		task_put(t);
	}
}

void spawn_init(void)
{
	int err;

	workers = workq_create("spawn", SPAWN_WORKERS);
	kassert(workers);
	err = fit_serve(mem_client_fit(), PROTO_CLASS_SPAWN, on_spawn, NULL);
	kassert(!err);
	ctl_handle(CTL_PS, on_ps, NULL);
	ctl_handle(CTL_KILL, on_kill, NULL);
	ctl_handle(CTL_SIGNAL, on_signal, NULL);
}
