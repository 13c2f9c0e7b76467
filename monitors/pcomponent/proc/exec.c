/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * execve, execveat: open at the home, #! scripts, a new address space made there, the first stack
 * written here. Until the new space stands nothing of the old program is touched; after that an
 * error can only kill.
 */
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <linux/fcntl.h>
#include <linux/personality.h>

#define LOG_SUBSYS "proc"
#include <kern/log.h>

#include "excache/aspace.h"
#include "excache/excache.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "mem_client.h"
#include "ipc/ipc.h"
#include "proc/proc.h"
#include "syscall/table.h"

#define STRINGS_MAX (2048 * 1024) /* argv and environment of one program */
#define STRING_MAX (128 * 1024)   /* one of them, with its NUL */
#define ARGS_MAX 65536            /* strings */
#define SCRIPT_DEPTH 5            /* interpreters that are scripts */
#define SCRIPT_LINE 256           /* of the first line that counts */

void exec_args_free(struct exec_args *x)
{
	kfree(x->strings);
	x->strings = NULL;
	if (x->dir)
		file_put(x->dir);
	x->dir = NULL;
}

const char *exec_shown(const struct exec_args *x)
{
	return x->shown[0] ? x->shown : x->path;
}

/* ---- the file ---- */
struct image {
	uint64_t object, size;
	uint32_t mode, uid, gid;
};

static int open_image(const struct exec_args *x, struct image *im)
{
	struct path_arg p;
	struct attr a;
	int err = path_from_kernel(&p, x->path, x->dir);

	if (err)
		return err;
	err = path_open_attr(&p, O_RDONLY | (x->nofollow ? O_NOFOLLOW : 0), &a);
	path_put(&p);
	if (err)
		return err == -EISDIR ? -EACCES : err;
	*im = (struct image){ a.object, a.size, a.mode, a.uid, a.gid };
	return 0;
}

static void close_image(const struct image *im)
{
	file_close(im->object);
}

static bool in_group(const struct cred *c, uint32_t gid)
{
	bool in = c->fsgid == gid;

	for (unsigned i = 0; i < c->ngroups && !in; i++)
		in = c->groups[i] == gid;
	return in;
}

static int may_execute(const struct image *im)
{
	const struct cred *c = &task_current()->cred;
	uint32_t bits = im->mode & 0111;

	if (!S_ISREG(im->mode))
		return -EACCES;
	if (c->fsuid && c->fsuid == im->uid)
		bits &= 0100;
	else if (c->fsuid)
		bits &= in_group(c, im->gid) ? 0010 : 0001;
	return bits ? 0 : -EACCES;
}

/* ---- #! ---- */
/* Replaces argv[0] by interpreter, its argument (if any), and the script's path. */
static int script_args(struct exec_args *x, const char *interp, const char *arg)
{
	size_t first = strlen(x->strings) + 1, keep = x->len - (x->argc ? first : 0);
	const char *script = x->dir ? x->shown : x->path;
	size_t n = strlen(interp) + 1 + (arg ? strlen(arg) + 1 : 0) + strlen(script) + 1;
	char *s, *p;

	if (n + keep > STRINGS_MAX)
		return -E2BIG;
	s = p = kmalloc(n + keep);
	if (!s)
		return -ENOMEM;
	p += snprintf(p, n, "%s", interp) + 1;
	if (arg)
		p += snprintf(p, n, "%s", arg) + 1;
	p += snprintf(p, n, "%s", script) + 1;
	memcpy(p, x->strings + (x->len - keep), keep);
	kfree(x->strings);
	x->strings = s;
	x->len = n + keep;
	x->argc += (x->argc ? 1 : 2) + (arg ? 1 : 0);
	if (!x->shown[0])
		(void)kstrcpy(x->shown, x->path, sizeof(x->shown));
	if (x->dir)
		file_put(x->dir);
	x->dir = NULL;
	x->nofollow = false;
	return kstrcpy(x->path, interp, sizeof(x->path)) < 0 ? -ENAMETOOLONG : 0;
}

/*
 * Cuts "#! interpreter argument" apart, in place; blanks end the name, and only they are taken off
 * the argument. -ENOEXEC: no name, or one that may go on behind what was read. (A file that ends
 * before a name makes Linux open "".)
 */
static int parse_script(char *line, bool whole, char **interp, char **arg)
{
	char *p = line + 2, *end = strchr(p, '\n');
	bool ends = !end && whole;

	if (end)
		*end = '\0';
	else
		end = p + strlen(p);
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	while (*p == ' ' || *p == '\t')
		p++;
	*interp = p;
	while (*p && *p != ' ' && *p != '\t')
		p++;
	if (p == *interp || (!*p && !whole))
		return ends ? -EACCES : -ENOEXEC;
	*arg = NULL;
	if (!*p)
		return 0;
	*p++ = '\0';
	while (*p == ' ' || *p == '\t')
		p++;
	*arg = *p ? p : NULL;
	return 0;
}

/* 1: it was a script and x now names the interpreter; 0: it is not; -errno. */
static int try_script(struct exec_args *x, const struct image *im)
{
	char line[SCRIPT_LINE + 1], *interp, *arg;
	unsigned n = (unsigned)KMIN(im->size, (uint64_t)SCRIPT_LINE);
	int err;

	if (n < 2)
		return 0;
	err = excache_read_file(im->object, 0, 0, line, n);
	if (err)
		return err;
	line[n] = '\0';
	if (line[0] != '#' || line[1] != '!')
		return 0;
	if (x->closes_dir && x->dir)
		return -ENOENT;
	err = parse_script(line, strchr(line, '\n') || n < SCRIPT_LINE, &interp, &arg);
	if (!err)
		err = script_args(x, interp, arg);
	return err ? err : 1;
}

/* Opens what finally runs, through scripts. */
static int open_program(struct exec_args *x, struct image *im)
{
	for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
		int err = open_image(x, im);

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

/* path as it is, or behind the working directory; bytes, without the NUL. */
static ssize_t_k absolute_path(const char *path, char *out, size_t size)
{
	struct file *cwd = path[0] == '/' ? NULL : task_cwd_get();
	ssize_t_k n = cwd ? file_getpath(cwd->object, out, size - 1) : 0;

	if (cwd)
		file_put(cwd);
	n = KMAX(n, (ssize_t_k)0);
	if (path[0] != '/' && (!n || out[n - 1] != '/') && n < (ssize_t_k)size - 1)
		out[n++] = '/';
	if (path[0] == '.' && path[1] == '/')
		path += 2;
	(void)kstrcpy(out + n, path, size - (size_t)n);
	return (ssize_t_k)strlen(out);
}

/* /proc/self/exe: the file itself, however it was named, where its home can say. */
static void set_exe(struct task *t, const struct exec_args *x, const struct image *im)
{
	char path[TASK_PATH_MAX];
	ssize_t_k n;
	uint64_t flags;

	if (im->object == t->layout.exe_object)
		return; /* the same program again, perhaps by /proc/self/exe */
	n = file_getpath(im->object, path, sizeof(path) - 1);
	if (n <= 0)
		n = absolute_path(x->path, path, sizeof(path));
	path[n] = '\0';
	flags = spin_lock_irqsave(&t->lock);
	(void)kstrcpy(t->exe, path, sizeof(t->exe));
	t->layout.exe_object = im->object;
	spin_unlock_irqrestore(&t->lock, flags);
}

static void set_names(struct task *t, struct exec_args *x)
{
	const char *name = exec_shown(x), *base = strrchr(name, '/');
	uint64_t flags = spin_lock_irqsave(&t->lock);
	const char *end = x->strings;
	char *old = t->cmdline;

	for (unsigned i = 0; i < x->argc; i++)
		end += strlen(end) + 1;
	(void)kstrcpy(t->comm, base ? base + 1 : name, sizeof(t->comm));
	/* the strings go to the process; exec_args_free() then finds nothing */
	t->cmdline = x->strings;
	t->cmdline_len = (size_t)(end - x->strings);
	x->strings = NULL;
	spin_unlock_irqrestore(&t->lock, flags);
	kfree(old);
}

/* Set-user-id and set-group-id of the file; saved ids follow the effective ones. */
static void set_ids(struct task *t, const struct image *im)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct cred *c = &t->cred;

	if ((im->mode & S_ISUID) && !t->no_new_privs)
		c->euid = im->uid;
	if ((im->mode & (S_ISGID | 0010)) == (S_ISGID | 0010) && !t->no_new_privs)
		c->egid = im->gid;
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	spin_unlock_irqrestore(&t->lock, flags);
}

static void reset_thread(struct uthread *ut)
{
	struct fpu_state fpu;

	fpu_init(&fpu);
	ut->clear_child_tid = 0;
	ut->robust_list = 0;
	ut->rseq = 0;
	preempt_disable();
	ut->fsbase = ut->gsbase = 0;
	uspace_set_fsbase(0);
	uspace_set_gsbase(0);
	fpu_load(&fpu);
	preempt_enable();
}

/* No way back: the old program is gone, so an error kills. */
static void commit(struct exec_args *x, struct aspace *as, const struct image *im,
		   const struct mem_exec_reply *m, struct uregs *r)
{
	struct uthread *ut = uthread_current();
	struct task *t = ut->task;
	uint64_t sp = 0;
	int err;

	futex_exit(ut);
	uthread_become_leader(ut);
	aspace_put(uthread_set_aspace(ut, as));
	shm_task_gone();
	vfork_release(t);
	err = fdtable_exec(&t->files);
	signal_exec_reset(t);
	ptimer_exit(t);
	reset_thread(ut);
	set_ids(t, im);
	if (!err)
		err = -(int)le32_get(m->status);
	if (!err)
		err = exec_make_stack(x, m, &sp);
	set_exe(t, x, im);
	set_names(t, x);
	uregs_init(r, le64_get(m->entry), sp);
	if (err) {
		log_info("%s[%d]: could not be started: %d", t->comm, t->pid, err);
		task_begin_exit(t, SIGSEGV);
	}
}

int exec_load(struct exec_args *x, struct uregs *r)
{
	struct task *t = task_current();
	struct mem_exec_args ask = { .stack_size = task_rlimit(RLIMIT_STACK),
				     .fixed = t->personality & ADDR_NO_RANDOMIZE };
	struct mem_exec_reply m;
	struct file *cwd;
	struct aspace *as;
	struct image im;
	int err = open_program(x, &im);

	if (err)
		return err;
	cwd = task_cwd_get();
	ask.file = im.object;
	ask.base = cwd ? cwd->object : FILE_ROOT_OBJECT;
	as = aspace_create(t->home, &err);
	if (as)
		err = aspace_exec(as, &ask, &m);
	if (cwd)
		file_put(cwd);
	if (!err)
		err = end_other_threads(uthread_current());
	if (!err)
		commit(x, as, &im, &m, r);
	else if (as)
		aspace_put(as);
	close_image(&im);
	return err;
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
			int err = *cap - x->len > STRING_MAX ? -E2BIG :
				grow(&x->strings, cap, x->len);

			if (err)
				return err;
		}
		if (l < 0)
			return (int)l;
		if (l >= STRING_MAX)
			return -E2BIG;
		x->len += (size_t)l + 1;
	}
}

/* Linux gives a program without arguments an empty one. */
static int copy_vectors(struct exec_args *x, uint64_t argv, uint64_t envp)
{
	size_t cap = PAGE_SIZE;
	int n;

	x->strings = kmalloc(cap);
	if (!x->strings)
		return -ENOMEM;
	x->strings[0] = '\0';
	n = copy_vector(x, &cap, argv);
	if (n < 0)
		return n;
	x->len += !n;
	x->argc = (unsigned)KMAX(n, 1);
	n = copy_vector(x, &cap, envp);
	if (n < 0)
		return n;
	x->envc = (unsigned)n;
	return 0;
}

static int64_t do_execve(struct exec_args *x, uint64_t argv, uint64_t envp, struct uregs *r)
{
	int64_t err = copy_vectors(x, argv, envp);

	if (!err)
		err = exec_load(x, r);
	exec_args_free(x);
	return err;
}

/* On the heap: two paths are a large part of a kernel stack. */
static struct exec_args *args_with_path(uint64_t path, bool empty_ok, int64_t *err)
{
	struct exec_args *x = kzalloc(sizeof(*x));
	ssize_t_k l = x ? strncpy_from_user(x->path, path, sizeof(x->path)) : -ENOMEM;

	*err = l < 0 ? l : l || empty_ok ? 0 : -ENOENT;
	if (*err) {
		kfree(x);
		x = NULL;
	}
	return x;
}

static int64_t sys_execve(struct syscall_args *a)
{
	int64_t err;
	struct exec_args *x = args_with_path(a->a[0], false, &err);

	if (!x)
		return err;
	err = do_execve(x, a->a[1], a->a[2], a->regs);
	kfree(x);
	return err;
}
SYSCALL_DEFINE(__NR_execve, "execve", sys_execve);

/* Where a relative or empty path starts, and the name such a program has. */
static int start_at(struct exec_args *x, int fd)
{
	x->dir = fd_get(fd);
	if (!x->dir)
		return -EBADF;
	if (!x->dir->object)
		return x->path[0] ? -ENOTDIR : -EACCES;
	x->closes_dir = fd_cloexec(fd);
	(void)snprintf(x->shown, sizeof(x->shown), x->path[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d%s",
		       fd, x->path);
	return 0;
}

static int64_t sys_execveat(struct syscall_args *a)
{
	uint64_t flags = a->a[4];
	struct exec_args *x;
	int64_t err;

	if (flags & ~(uint64_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	x = args_with_path(a->a[1], flags & AT_EMPTY_PATH, &err);
	if (!x)
		return err;
	x->nofollow = flags & AT_SYMLINK_NOFOLLOW;
	if (x->path[0] != '/' && (int)a->a[0] != AT_FDCWD)
		err = start_at(x, (int)a->a[0]);
	if (!err)
		err = do_execve(x, a->a[2], a->a[3], a->regs);
	else
		exec_args_free(x);
	kfree(x);
	return err;
}
SYSCALL_DEFINE(__NR_execveat, "execveat", sys_execveat);
