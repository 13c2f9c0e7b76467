// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk through /proc, /dev and /sys. It works on path_arg.path in place, as the mComponent's
 * does: a link's text goes in front of what is left. Links that lead out end it.
 */
#include <asm/stat.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/timer.h>
#include "fs/fs.h"
#include "fs/pseudo.h"
#include "proc/task.h"

#define DEV_PSEUDO 0x14 /* st_dev of the first tree */

static const struct pseudo_def *const roots[] = { &pseudo_proc, &pseudo_dev, &pseudo_sys };

/* The first component of an absolute path; *len its length. */
static const char *first_name(const char *path, size_t *len)
{
	while (*path == '/')
		path++;
	*len = 0;
	while (path[*len] && path[*len] != '/')
		++*len;
	return path;
}

/* /dev/shm is the mComponent's. */
static bool is_shm(const char *rest)
{
	size_t len;
	const char *name = first_name(rest, &len);

	return len == 3 && !memcmp(name, "shm", 3);
}

static const struct pseudo_def *find_root(const char *path, const char **rest)
{
	size_t len;
	const char *name = first_name(path, &len);

	for (unsigned i = 0; i < ARRAY_SIZE(roots); i++) {
		const struct pseudo_def *d = roots[i];

		if (strlen(d->name) != len || memcmp(d->name, name, len))
			continue;
		*rest = name + len;
		return d == &pseudo_dev && is_shm(*rest) ? NULL : d;
	}
	return NULL;
}

bool pseudo_begins(const struct path_arg *p)
{
	const char *rest;

	if (p->path[0] == '/')
		return find_root(p->path, &rest);
	return p->dir && pseudo_place_of(p->dir);
}

/* ---- places ---- */

static void place_copy(struct pseudo_place *to, const struct pseudo_place *from)
{
	*to = *from;
	if (to->task)
		task_get(to->task);
}

static void place_root(struct pseudo_place *at, const struct pseudo_def *root)
{
	*at = (struct pseudo_place){ .depth = 1, .node[0].def = root };
	(void)kstrcpy(at->node[0].name, root->name, PSEUDO_NAME);
}

void pseudo_put(struct pseudo_place *at)
{
	if (at->task)
		task_put(at->task);
	at->task = NULL;
}

static void place_up(struct pseudo_place *at)
{
	at->depth--;
	if (at->task && at->depth < at->task_depth)
		pseudo_put(at);
	if (at->tid && at->depth < at->task_depth + 2)
		at->tid = 0;
}

ssize_t_k pseudo_path(const struct pseudo_place *at, char *buf, size_t size)
{
	size_t n = 0;

	for (unsigned i = 0; i < at->depth; i++) {
		int len = snprintf(buf + n, size - n, "/%s", at->node[i].name);

		if ((size_t)len >= size - n)
			return -ERANGE;
		n += (size_t)len;
	}
	return (ssize_t_k)n;
}

/* ---- one name ---- */

static int look_up(struct pseudo_place *at, const char *name, size_t len)
{
	const struct pseudo_def *d = pseudo_last(at)->def;
	struct pseudo_node *n = &at->node[at->depth];
	int err = -ENOENT;

	if (at->depth == PSEUDO_DEPTH || len >= PSEUDO_NAME)
		return -ENOENT;
	*n = (struct pseudo_node){ 0 };
	memcpy(n->name, name, len);
	for (unsigned i = 0; i < d->nchildren && !n->def; i++)
		if (d->children[i].name && !strcmp(d->children[i].name, n->name))
			n->def = &d->children[i];
	if (!n->def && d->lookup)
		err = d->lookup(at, n);
	if (!n->def)
		return err;
	at->depth++;
	return 0;
}

/* ---- the walk ---- */

struct pwalk {
	struct path_arg *p;
	struct pseudo_place *at;
	struct file **file;
	bool follow;
	char *pos;      /* what is left, in p->path */
};

/* p becomes text followed by rest; from dir when text is relative (reference taken over). */
static int set_rest(struct path_arg *p, const char *text, size_t n, const char *rest,
		    struct file *dir)
{
	size_t r = strlen(rest);

	if (n + r + 2 > sizeof(p->path)) {
		if (dir)
			file_put(dir);
		return -ENAMETOOLONG;
	}
	memmove(p->path + n + (n && r), rest, r + 1);
	memcpy(p->path, text, n);
	if (n && r)
		p->path[n] = '/';
	p->len = strlen(p->path);
	if (p->dir)
		file_put(p->dir);
	p->dir = dir;
	p->base = dir ? dir->object : FILE_ROOT_OBJECT;
	return 0;
}

/* The walk goes on at the mComponent. */
static int go_away(struct pwalk *w, const char *text, struct file *dir)
{
	int err = set_rest(w->p, text, strlen(text), w->pos, dir);

	pseudo_put(w->at);
	return err ? err : PSEUDO_AWAY;
}

/* A link led to an open file, whose reference is taken over. */
static int at_file(struct pwalk *w, struct file *f)
{
	const struct pseudo_place *there = pseudo_place_of(f);

	if (there) {
		pseudo_put(w->at);
		place_copy(w->at, there);
		file_put(f);
		return PSEUDO_FOUND;
	}
	if (f->object)
		return go_away(w, "", f);
	if (*w->pos) {
		file_put(f);
		return -ENOTDIR;
	}
	pseudo_put(w->at);
	*w->file = f;
	return PSEUDO_FOUND;
}

/* The last node is a link that is to be followed. PSEUDO_FOUND: go on from at. */
static int follow_link(struct pwalk *w)
{
	const struct pseudo_def *d = pseudo_last(w->at)->def;
	char text[FILE_PATH_MAX];
	ssize_t_k n;
	int err = 0;
	struct file *f = d->follow ? d->follow(w->at, &err) : NULL;

	if (f)
		return at_file(w, f);
	if (err)
		return err;
	n = pseudo_readlink(w->at, text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	if (text[0] == '/')
		return go_away(w, text, NULL);
	place_up(w->at);
	err = set_rest(w->p, text, (size_t)n, w->pos, w->p->dir ? file_get(w->p->dir) : NULL);
	w->pos = w->p->path;
	return err ? err : PSEUDO_FOUND;
}

/* One name of length len at w->pos; the rest begins behind its slashes. */
static int step(struct pwalk *w, size_t len, bool last)
{
	const char *name = w->pos;
	struct pseudo_place *at = w->at;
	bool slash = name[len] == '/';
	int err;

	w->pos += len;
	while (*w->pos == '/')
		w->pos++;
	if (!S_ISDIR(pseudo_last(at)->def->mode))
		return -ENOTDIR;
	if (len == 1 && name[0] == '.')
		return PSEUDO_FOUND;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		if (at->depth == 1)
			return go_away(w, "/", NULL);
		place_up(at);
		return PSEUDO_FOUND;
	}
	if (at->depth == 1 && at->node[0].def == &pseudo_dev && len == 3 && !memcmp(name, "shm", 3))
		return go_away(w, "/dev/shm", NULL);
	err = look_up(at, name, len);
	if (err)
		return err;
	if (S_ISLNK(pseudo_last(at)->def->mode) && (!last || slash || w->follow))
		return follow_link(w);
	return slash && !S_ISDIR(pseudo_last(at)->def->mode) ? -ENOTDIR : PSEUDO_FOUND;
}

static int walk(struct pwalk *w)
{
	for (unsigned links = 0; *w->pos; links++) {
		size_t len = 0, end;
		int ret;

		while (w->pos[len] && w->pos[len] != '/')
			len++;
		for (end = len; w->pos[end] == '/';)
			end++;
		ret = step(w, len, !w->pos[end]);
		if (ret != PSEUDO_FOUND || *w->file)
			return ret;
		if (links > FILE_PATH_MAX)
			return -ELOOP;
	}
	return PSEUDO_FOUND;
}

int pseudo_walk(struct path_arg *p, bool follow, struct pseudo_place *at, struct file **f)
{
	struct pwalk w = { p, at, f, follow, p->path };
	int ret;

	*f = NULL;
	if (p->path[0] == '/') {
		const char *rest;

		place_root(at, find_root(p->path, &rest));
		w.pos = p->path + (rest - p->path);
		while (*w.pos == '/')
			w.pos++;
	} else {
		place_copy(at, pseudo_place_of(p->dir));
	}
	ret = walk(&w);
	if (ret < 0)
		pseudo_put(at);
	return ret;
}

/* ---- what is known of a place ---- */

static uint64_t place_ino(const struct pseudo_place *at)
{
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a over the names */

	for (unsigned i = 0; i < at->depth; i++)
		for (const char *c = at->node[i].name;; c++) {
			h = (h ^ (uint8_t)*c) * 0x100000001b3ULL;
			if (!*c)
				break;
		}
	return h >> 32 | 1;
}

void pseudo_stat(const struct pseudo_place *at, struct stat *st)
{
	const struct pseudo_def *d = pseudo_last(at)->def;
	uint64_t now = clock_wall_ns();
	struct attr a = { .ino = place_ino(at), .mode = d->mode, .rdev = d->rdev,
			  .nlink = S_ISDIR(d->mode) ? 2 : 1, .atime_ns = now, .mtime_ns = now,
			  .ctime_ns = now };

	if (at->task) {
		a.uid = at->task->cred.euid;
		a.gid = at->task->cred.egid;
	}
	attr_to_stat(&a, st);
	for (unsigned i = 0; i < ARRAY_SIZE(roots); i++)
		if (at->node[0].def == roots[i])
			st->st_dev = DEV_PSEUDO + i;
	if (at->node[0].def != &pseudo_dev && S_ISREG(d->mode))
		st->st_blksize = 1024;
}

ssize_t_k pseudo_readlink(const struct pseudo_place *at, char *buf, size_t size)
{
	const struct pseudo_def *d = pseudo_last(at)->def;
	size_t n;

	if (!S_ISLNK(d->mode))
		return -EINVAL;
	if (d->readlink)
		return d->readlink(at, buf, size);
	n = KMIN(strlen(d->target), size);
	memcpy(buf, d->target, n);
	return (ssize_t_k)n;
}
