/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /proc, /dev and /sys: trees of files that this pComponent makes up itself. The mComponent's walk
 * hands every path that leads there back (<proto/file.h>), so it does not matter how a program got
 * there; and what leads out of them (symbolic links, "..", /proc/PID/cwd) goes on at the
 * mComponent.
 *
 * A place is a node with all nodes above it, by value. What a name means is found out when it is
 * looked up; nothing is kept. A place below /proc/PID holds a reference to the process.
 */
#pragma once

#include <kern/types.h>
#include "fs/file.h"
#include "fs/text.h"

struct task;
struct stat;
struct path_arg;
struct pseudo_def;

#define PSEUDO_DEPTH 10   /* names in the longest path */
#define PSEUDO_NAME 32

struct pseudo_node {
	const struct pseudo_def *def;
	int num;                /* number of a process, thread, descriptor, CPU */
	char name[PSEUDO_NAME];
};
struct pseudo_place {
	unsigned depth;         /* at least 1 */
	struct pseudo_node node[PSEUDO_DEPTH]; /* 0: /proc, /dev or /sys */
	struct task *task;      /* /proc/PID and below: reference */
	unsigned task_depth;    /* how deep that directory is */
	int tid;                /* below task/TID, else 0 */
};
static inline const struct pseudo_node *pseudo_last(const struct pseudo_place *at)
{
	return &at->node[at->depth - 1];
}

/* What one name is. mode tells its type; of the rest, what that type needs. */
struct pseudo_def {
	const char *name;       /* NULL: lookup() of the directory makes the names */
	uint32_t mode;
	uint32_t rdev;          /* major << 8 | minor */
	/* directories: fixed names, and made ones; lookup: out has its name only; 0, -ENOENT */
	const struct pseudo_def *children;
	unsigned nchildren;
	int (*lookup)(struct pseudo_place *dir, struct pseudo_node *out);
	void (*list)(const struct pseudo_place *dir, struct text *names);
	/* files: the whole contents; 0 or -errno. store: what one write(2) brought */
	int (*show)(const struct pseudo_place *at, struct text *t);
	int (*store)(const struct pseudo_place *at, const char *data, size_t len);
	/* devices: what an open gives */
	struct file *(*open)(const struct pseudo_def *d, uint32_t oflags, int *err);
	/*
	 * Links: the text, and where they lead when that is not what the text says. follow: a
	 * reference to a file; NULL and *err; NULL and *err 0: by the text.
	 */
	ssize_t_k (*readlink)(const struct pseudo_place *at, char *buf, size_t size);
	struct file *(*follow)(const struct pseudo_place *at, int *err);
	const char *target;     /* fixed text of a link */
	const char *text;       /* fixed contents of a file */
};
#define PSEUDO_DIR(name_, children_)                                                              \
	{ .name = (name_), .mode = S_IFDIR | 0555, .children = (children_),                       \
	  .nchildren = ARRAY_SIZE(children_) }
#define PSEUDO_FILE(name_, show_) { .name = (name_), .mode = S_IFREG | 0444, .show = (show_) }
#define PSEUDO_TEXT(name_, text_) { .name = (name_), .mode = S_IFREG | 0444, .text = (text_) }
#define PSEUDO_SYMLINK(name_, to_) { .name = (name_), .mode = S_IFLNK | 0777, .target = (to_) }

/* A made name in a directory's list. */
void pseudo_list_name(struct text *names, uint8_t type, const char *name);

/* ---- for other folders ---- */
/* /proc/net/NAME with these contents. At boot; name and show stay. */
void pseudo_net_file(const char *name, int (*show)(const struct pseudo_place *at, struct text *t));

/* ---- walk.c ---- */
extern const struct pseudo_def pseudo_proc, pseudo_dev, pseudo_sys;

/* Does the path start in one of the trees? */
bool pseudo_begins(const struct path_arg *p);
#define PSEUDO_AWAY 0
#define PSEUDO_FOUND 1
/*
 * Walks p from where it begins. PSEUDO_FOUND: *at is it, or *f when it is an open file (a link of
 * /proc/PID/fd to a pipe, ...). PSEUDO_AWAY: p was replaced by what is left to walk elsewhere.
 * -errno.
 */
int pseudo_walk(struct path_arg *p, bool follow, struct pseudo_place *at, struct file **f);
void pseudo_put(struct pseudo_place *at);
/* Its absolute path, at most size bytes; length or -ERANGE. */
ssize_t_k pseudo_path(const struct pseudo_place *at, char *buf, size_t size);
void pseudo_stat(const struct pseudo_place *at, struct stat *st);
ssize_t_k pseudo_readlink(const struct pseudo_place *at, char *buf, size_t size);

/* ---- file.c ---- */
struct file *pseudo_open(const struct pseudo_place *at, uint32_t oflags, int *err);
/* The place of an open file of these trees, or NULL. Lives as long as the file. */
const struct pseudo_place *pseudo_place_of(const struct file *f);
/* getdents64 on such a directory: as the system call. */
int64_t pseudo_getdents(struct file *f, uint64_t to, uint64_t room);
