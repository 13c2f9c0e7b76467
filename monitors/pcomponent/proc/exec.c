/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * execve: open at the home, #! scripts, a new address space made there, the first stack written
 * here. Until the new space stands nothing of the old program is touched; after that an error can
 * only kill.
 */
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <linux/fcntl.h>

#define LOG_SUBSYS "proc"
#include <kern/log.h>

#include "excache/aspace.h"
#include "excache/excache.h"
#include "fs/file.h"
#include "mem_client.h"
#include "proc/proc.h"
#include "syscall/table.h"

#define STRINGS_MAX (1024 * 1024) /* argv and environment of one program */
#define ARGS_MAX 16384            /* strings */
#define SCRIPT_DEPTH 4
#define SCRIPT_LINE 256           /* of the first line that counts */

void exec_args_free(struct exec_args *x)
{
	kfree(x->strings);
	x->strings = NULL;
}

/* ---- the file ---- */
struct image {
	uint64_t object, size;
	uint32_t mode;
};

static int open_image(const char *path, struct image *im)
{
	struct { struct file_open q; char path[TASK_PATH_MAX]; } m = { 0 };
	struct task *t = task_current();
	struct file *cwd = task_cwd_get();
	struct file_attr attr;
	size_t len = strlen(path), got = 0;
	int err;

	m.q.at.base = le64(cwd ? cwd->object : FILE_ROOT_OBJECT);
	m.q.at.uid = le32(t->cred.fsuid);
	m.q.at.gid = le32(t->cred.fsgid);
	m.q.at.len = le16((uint16_t)len);
	m.q.oflags = le32(O_RDONLY);
	memcpy(m.path, path, len);
	err = fit_call(mem_client_fit(), t->home, OP_FILE_OPEN, &m, sizeof(m.q) + len, &attr,
		       sizeof(attr), &got);
	if (cwd)
		file_put(cwd);
	if (err)
		return err;
	if (got != sizeof(attr))
		return -EPROTO;
	im->object = le64_get(attr.object);
	im->size = le64_get(attr.size);
	im->mode = le32_get(attr.mode);
	return 0;
}

static void close_image(const struct image *im)
{
	struct file_obj q = { le64(im->object) };
	int err = fit_send(mem_client_fit(), task_current()->home, OP_FILE_CLOSE, &q, sizeof(q));

	if (err)
		log_warn("file 0x%llx was not closed: %d", (unsigned long long)im->object, err);
}

static int may_execute(const struct image *im)
{
	if (!S_ISREG(im->mode))
		return -EACCES;
	return im->mode & 0111 ? 0 : -EACCES;
}

/* ---- #! ---- */
/* Replaces argv[0] by interpreter, its argument (if any), and the script's path. */
static int script_args(struct exec_args *x, const char *interp, const char *arg)
{
	size_t first = strlen(x->strings) + 1, keep = x->len - (x->argc ? first : 0);
	size_t n = strlen(interp) + 1 + (arg ? strlen(arg) + 1 : 0) + strlen(x->path) + 1;
	char *s, *p;

	if (n + keep > STRINGS_MAX)
		return -E2BIG;
	s = p = kmalloc(n + keep);
	if (!s)
		return -ENOMEM;
	p += snprintf(p, n, "%s", interp) + 1;
	if (arg)
		p += snprintf(p, n, "%s", arg) + 1;
	p += snprintf(p, n, "%s", x->path) + 1;
	memcpy(p, x->strings + (x->len - keep), keep);
	kfree(x->strings);
	x->strings = s;
	x->len = n + keep;
	x->argc += (x->argc ? 1 : 2) + (arg ? 1 : 0);
	return kstrcpy(x->path, interp, sizeof(x->path)) < 0 ? -ENAMETOOLONG : 0;
}

/* 1: it was a script and x now names the interpreter; 0: it is not; -errno. */
static int try_script(struct exec_args *x, const struct image *im)
{
	char line[SCRIPT_LINE], *p = line + 2, *interp, *arg = NULL;
	unsigned n = (unsigned)KMIN(im->size, sizeof(line) - 1);
	int err;

	if (n < 4)
		return 0;
	err = excache_read_file(im->object, 0, 0, line, n);
	if (err)
		return err;
	line[n] = '\0';
	if (line[0] != '#' || line[1] != '!')
		return 0;
	p[strnlen(p, n)] = '\0';
	if (strchr(p, '\n'))
		*strchr(p, '\n') = '\0';
	while (*p == ' ' || *p == '\t')
		p++;
	interp = p;
	while (*p && *p != ' ' && *p != '\t')
		p++;
	if (*p) {
		*p++ = '\0';
		while (*p == ' ' || *p == '\t')
			p++;
		for (size_t l = strlen(p); l && (p[l - 1] == ' ' || p[l - 1] == '\t'); l--)
			p[l - 1] = '\0';
		arg = *p ? p : NULL;
	}
	if (!*interp)
		return -ENOEXEC;
	err = script_args(x, interp, arg);
	return err ? err : 1;
}

/* Opens what finally runs, through scripts. */
static int open_program(struct exec_args *x, struct image *im)
{
	for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
		int err = open_image(x->path, im);

		if (err)
			return err;
		err = may_execute(im);
		if (!err)
			err = try_script(x, im);
		if (!err)
			return 0;
		close_image(im);
		if (err < 0)
			return err;
	}
	return -ELOOP;
}

/* ---- replacing the program ---- */
static bool alone(struct task *t)
{
	bool r;

	spin_lock(&tasks_lock);
	r = t->nthreads == 1;
	spin_unlock(&tasks_lock);
	return r;
}

/* The other threads end. -EINTR: this one is to end itself. */
static int end_other_threads(struct uthread *self)
{
	struct task *t = self->task;
	struct uthread *ut;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	bool lost = t->exiting || self->dying;

	LIST_FOREACH(ut, &t->threads, link)
		if (ut != self && !lost)
			ut->dying = true;
	signal_wake_all_locked(t);
	spin_unlock_irqrestore(&t->lock, flags);
	if (lost)
		return -EINTR;
	wait_event(&t->stop_wq, alone(t));
	return 0;
}

static void set_names(struct task *t, struct exec_args *x)
{
	const char *base = strrchr(x->path, '/');
	uint64_t flags = spin_lock_irqsave(&t->lock);
	const char *end = x->strings;
	char *old = t->cmdline;

	for (unsigned i = 0; i < x->argc; i++)
		end += strlen(end) + 1;
	(void)kstrcpy(t->comm, base ? base + 1 : x->path, sizeof(t->comm));
	(void)kstrcpy(t->exe, x->path, sizeof(t->exe));
	/* the strings go to the process; exec_args_free() then finds nothing */
	t->cmdline = x->strings;
	t->cmdline_len = (size_t)(end - x->strings);
	x->strings = NULL;
	spin_unlock_irqrestore(&t->lock, flags);
	kfree(old);
}

static void reset_thread(struct uthread *ut)
{
	struct fpu_state fpu;

	fpu_init(&fpu);
	ut->clear_child_tid = 0;
	ut->robust_list = 0;
	preempt_disable();
	ut->fsbase = ut->gsbase = 0;
	uspace_set_fsbase(0);
	uspace_set_gsbase(0);
	fpu_load(&fpu);
	preempt_enable();
}

/* No way back: the old program is gone, so an error kills. */
static void commit(struct exec_args *x, struct aspace *as, const struct mem_exec_reply *m,
		   struct uregs *r)
{
	struct uthread *ut = uthread_current();
	struct task *t = ut->task;
	uint64_t sp = 0;
	int err;

	futex_exit(ut);
	uthread_become_leader(ut);
	aspace_put(uthread_set_aspace(ut, as));
	vfork_release(t);
	err = fdtable_exec(&t->files);
	signal_exec_reset(t);
	reset_thread(ut);
	if (!err)
		err = exec_make_stack(x, m, &sp);
	set_names(t, x);
	uregs_init(r, le64_get(m->entry), sp);
	if (err) {
		log_warn("%s[%d]: could not be started: %d", t->comm, t->pid, err);
		task_begin_exit(t, SIGKILL);
	}
}

int exec_load(struct exec_args *x, struct uregs *r)
{
	struct task *t = task_current();
	struct mem_exec_reply m;
	struct aspace *as;
	struct image im;
	int err = open_program(x, &im);

	if (err)
		return err;
	as = aspace_create(t->home, &err);
	if (as)
		err = aspace_exec(as, im.object, &m);
	close_image(&im);
	if (!err)
		err = end_other_threads(uthread_current());
	if (err) {
		if (as)
			aspace_put(as);
		return err;
	}
	commit(x, as, &m, r);
	return 0;
}

/* ---- the system call ---- */
static int grow(char **buf, size_t *cap, size_t len)
{
	char *n;

	if (*cap >= STRINGS_MAX)
		return -E2BIG;
	n = kmalloc(*cap * 2);
	if (!n)
		return -ENOMEM;
	memcpy(n, *buf, len);
	kfree(*buf);
	*buf = n;
	*cap *= 2;
	return 0;
}

/* Appends the strings of a NULL-terminated user vector; their number or -errno. */
static int copy_vector(struct exec_args *x, size_t *cap, uint64_t vec)
{
	int n = 0;

	if (!vec)
		return 0;
	for (;; n++, vec += 8) {
		uint64_t p;
		ssize_t_k l;

		if (n == ARGS_MAX)
			return -E2BIG;
		if (copy_from_user(&p, vec, sizeof(p)))
			return -EFAULT;
		if (!p)
			return n;
		while ((l = strncpy_from_user(x->strings + x->len, p, *cap - x->len)) ==
		       -ENAMETOOLONG) {
			int err = grow(&x->strings, cap, x->len);

			if (err)
				return err;
		}
		if (l < 0)
			return (int)l;
		x->len += (size_t)l + 1;
	}
}

static int64_t do_execve(uint64_t path, uint64_t argv, uint64_t envp, struct uregs *r)
{
	struct exec_args x = { 0 };
	size_t cap = PAGE_SIZE;
	ssize_t_k l = strncpy_from_user(x.path, path, sizeof(x.path));
	int n;

	if (l < 0)
		return l;
	if (!l)
		return -ENOENT;
	x.strings = kmalloc(cap);
	if (!x.strings)
		return -ENOMEM;
	x.strings[0] = '\0';
	n = copy_vector(&x, &cap, argv);
	x.argc = n < 0 ? 0 : (unsigned)n;
	if (n >= 0) {
		n = copy_vector(&x, &cap, envp);
		x.envc = n < 0 ? 0 : (unsigned)n;
	}
	if (n >= 0)
		n = exec_load(&x, r);
	exec_args_free(&x);
	return n;
}

static int64_t sys_execve(struct syscall_args *a)
{
	return do_execve(a->a[0], a->a[1], a->a[2], a->regs);
}
SYSCALL_DEFINE(__NR_execve, "execve", sys_execve);
