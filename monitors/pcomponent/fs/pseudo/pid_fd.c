// SPDX-License-Identifier: GPL-2.0-only
/* /proc/PID/fd and fdinfo: a process's open files. Following a link opens what is behind it. */
#include <asm/stat.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <linux/fcntl.h>
#include "fs/fs.h"
#include "fs/pseudo.h"
#include "fs/pseudo/proc.h"

/* Reference to descriptor fd of the process, or NULL. */
static struct file *get_file(struct task *t, int fd, bool *cloexec)
{
	struct fdtable *files = task_files_get(t);
	struct file *f = files ? fdtable_file(files, fd, cloexec) : NULL;

	if (files)
		fdtable_put(files);
	return f;
}

static ssize_t_k describe_regular(struct file *f, char *buf, size_t size)
{
	ssize_t_k n = file_name(f, buf, size);
	struct attr a;

	if (n < 0) /* removed, or by a way that was not told */
		n = snprintf(buf, size, "/?%llx", (unsigned long long)f->object);
	if (!file_getattr(f->object, &a) && !a.nlink && (size_t)n < size)
		n += snprintf(buf + n, size - (size_t)n, " (deleted)");
	return KMIN(n, (ssize_t_k)size - 1);
}

static ssize_t_k describe(struct file *f, char *buf, size_t size)
{
	struct stat st = { 0 };
	const char *kind;
	int err;

	if (f->object)
		return describe_regular(f, buf, size);
	if (pseudo_place_of(f))
		return file_name(f, buf, size);
	if (f->ops->describe)
		return f->ops->describe(f, buf, size);
	err = f->ops->getattr ? f->ops->getattr(f, &st) : 0;
	if (err)
		return err;
	kind = S_ISFIFO(st.st_mode) ? "pipe" : S_ISSOCK(st.st_mode) ? "socket" : NULL;
	if (kind)
		return snprintf(buf, size, "%s:[%lu]", kind, st.st_ino);
	return snprintf(buf, size, "anon_inode:[%s]", f->ops->name);
}

static ssize_t_k read_fd(const struct pseudo_place *at, char *buf, size_t size)
{
	int err = proc_may_look(at->task);
	struct file *f = err ? NULL : get_file(at->task, pseudo_last(at)->num, NULL);
	char text[FILE_PATH_MAX];
	ssize_t_k n;

	if (!f)
		return err ? err : -ENOENT;
	n = describe(f, text, sizeof(text));
	file_put(f);
	if (n < 0)
		return n;
	n = KMIN(n, (ssize_t_k)size);
	memcpy(buf, text, (size_t)n);
	return n;
}

static struct file *follow_fd(const struct pseudo_place *at, int *err)
{
	struct file *f;

	*err = proc_may_look(at->task);
	f = *err ? NULL : get_file(at->task, pseudo_last(at)->num, NULL);
	if (!f && !*err)
		*err = -ENOENT;
	return f;
}

static int show_fdinfo(const struct pseudo_place *at, struct text *t)
{
	int err = proc_may_look(at->task);
	bool cloexec = false;
	struct file *f = err ? NULL : get_file(at->task, pseudo_last(at)->num, &cloexec);
	struct stat st = { 0 };

	if (!f)
		return err ? err : -ENOENT;
	if (f->ops->getattr)
		err = f->ops->getattr(f, &st);
	text_add(t, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t20\nino:\t%lu\n",
		 (unsigned long long)f->pos, f->flags | (cloexec ? O_CLOEXEC : 0), st.st_ino);
	file_put(f);
	return err;
}

static const struct pseudo_def fd_link = {
	.mode = S_IFLNK | 0700, .readlink = read_fd, .follow = follow_fd,
};
static const struct pseudo_def fd_info = PSEUDO_FILE(NULL, show_fdinfo);

static int find_fd(struct pseudo_place *dir, struct pseudo_node *out,
		   const struct pseudo_def *def)
{
	int fd = proc_number(out->name);
	struct file *f = fd >= 0 ? get_file(dir->task, fd, NULL) : NULL;

	if (!f)
		return -ENOENT;
	file_put(f);
	out->def = def;
	out->num = fd;
	return 0;
}

int proc_fd_lookup(struct pseudo_place *dir, struct pseudo_node *out)
{
	return find_fd(dir, out, &fd_link);
}

int proc_fdinfo_lookup(struct pseudo_place *dir, struct pseudo_node *out)
{
	return find_fd(dir, out, &fd_info);
}

void proc_fd_list(const struct pseudo_place *dir, struct text *names)
{
	struct fdtable *files = proc_may_look(dir->task) ? NULL : task_files_get(dir->task);
	char name[PSEUDO_NAME];

	if (!files)
		return;
	for (int fd = fdtable_next(files, 0); fd >= 0; fd = fdtable_next(files, fd + 1)) {
		snprintf(name, sizeof(name), "%d", fd);
		pseudo_list_name(names, S_IFLNK >> 12, name);
	}
	fdtable_put(files);
}
