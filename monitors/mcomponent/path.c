// SPDX-License-Identifier: GPL-2.0-only
/*
 * Path walk (path_resolution(7)) through all mounted file systems: components are taken from the
 * front of a buffer; a symbolic link puts its target in front of what is left. At most SYMLINKS_MAX
 * links are followed.
 */
#include "path.h"

#include <kern/string.h>
#include <kern/mode.h>
#include "sfs.h"

#define SYMLINKS_MAX 40

/* Where the last walk that ended with -EREMOTE was going. */
static char remote_path[2 * FILE_PATH_MAX];

const char *walk_remote(size_t *len)
{
	*len = strlen(remote_path);
	return remote_path;
}

/*
 * Does this component, the first below the root, lead to what a pComponent serves itself? /dev/shm
 * is a directory like any other.
 */
static bool is_remote(const char *name, size_t len, const char *rest)
{
	if (len == 4 && !memcmp(name, "proc", 4))
		return true;
	if (len != 3)
		return false;
	if (!memcmp(name, "dev", 3))
		return strncmp(rest, "shm", 3) || (rest[3] && rest[3] != '/');
	return !memcmp(name, "sys", 3);
}

static int go_remote(const char *name, size_t len, const char *rest)
{
	size_t n = strlen(rest);

	if (len + n + 3 > FILE_PATH_MAX)
		return -ENAMETOOLONG;
	remote_path[0] = '/';
	memcpy(remote_path + 1, name, len);
	remote_path[len + 1] = '/';
	memcpy(remote_path + len + 2, rest, n + 1);
	return -EREMOTE;
}

/* ".." from /dev/shm leads to what the pComponents serve. */
static bool came_up_to_dev(const struct walk *w)
{
	struct dirent *e = dir_find(inode_root(), "dev", 3);

	return !w->last_len && e && w->inode == e->inode;
}

static void walk_set(struct inode **slot, struct inode *to)
{
	if (to)
		inode_get(to);
	if (*slot)
		inode_put(*slot);
	*slot = to;
}

/* Puts target in front of what is left of the path, which is empty or begins with a slash. */
static int splice_link(struct walk *w, const char *target, const char *rest)
{
	size_t tlen = strlen(target), rlen = strlen(rest);

	if (tlen + rlen + 1 > sizeof(w->buf))
		return -ENAMETOOLONG;
	memmove(w->buf + tlen, rest, rlen + 1);
	memcpy(w->buf, target, tlen);
	return 0;
}

static int lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct dirent *e;
	int err = 0;

	if (inode_is_store(dir))
		err = sfs_lookup(dir, name, len, &e);
	else
		e = dir_find(dir, name, len);
	if (!err)
		*out = e ? e->inode : NULL;
	return err;
}

/* One component: sets dir, inode, last. -errno ends the walk. */
static int walk_step(struct walk *w, const char *name, size_t len, struct cred cred)
{
	struct inode *found;
	int err;

	if (!S_ISDIR(w->inode->mode))
		return -ENOTDIR;
	err = inode_permission(w->inode, cred, 1);
	if (err)
		return err;
	if (len > NAME_LEN_MAX)
		return -ENAMETOOLONG;
	w->last_len = 0;
	w->kind = LAST_DOT;
	if (len == 1 && name[0] == '.')
		return 0;
	w->kind = LAST_DOTDOT;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		walk_set(&w->inode, w->inode->parent ? w->inode->parent : w->inode);
		walk_set(&w->dir, w->inode);
		return 0;
	}
	walk_set(&w->dir, w->inode);
	w->kind = LAST_NAME;
	w->last = name;
	w->last_len = len;
	err = lookup(w->dir, name, len, &found);
	if (!err)
		walk_set(&w->inode, found);
	return err;
}

static int walk_loop(struct walk *w, struct cred cred, unsigned flags)
{
	bool leave = !(flags & WALK_STAY);
	unsigned links = 0;
	char *at = w->buf;
	int err;

	for (;;) {
		size_t len = 0;

		while (*at == '/')
			at++;
		if (!*at)
			return 0;
		while (at[len] && at[len] != '/')
			len++;
		if (!w->inode)
			return -ENOENT;
		char *rest = at + len;
		while (*rest == '/')
			rest++;
		w->must_be_dir = !*rest && at[len] == '/';
		if (leave && w->inode == inode_root() && is_remote(at, len, rest))
			return go_remote(at, len, *rest || !w->must_be_dir ? rest : ".");
		err = walk_step(w, at, len, cred);
		if (err)
			return err;
		if (leave && came_up_to_dev(w))
			return go_remote("dev", 3, rest);
		if (w->inode && S_ISLNK(w->inode->mode) &&
		    (*rest || (flags & WALK_FOLLOW) ||
		     (w->must_be_dir && !(flags & WALK_PARENT)))) {
			const char *target;

			if (++links > SYMLINKS_MAX)
				return -ELOOP;
			err = inode_is_store(w->inode) ? sfs_target(w->inode) : 0;
			if (err)
				return err;
			target = w->inode->target;
			struct inode *from = target[0] == '/' ? inode_root() : w->dir;
			err = splice_link(w, target, at + len);
			if (err)
				return err;
			walk_set(&w->inode, from);
			walk_set(&w->dir, from);
			w->last_len = 0;
			w->kind = LAST_ROOT; /* if nothing follows */
			at = w->buf;
			continue;
		}
		if (!*rest)
			return 0;
		at = rest;
	}
}

int walk_path(struct walk *w, struct inode *base, const char *path, size_t len, struct cred cred,
	      unsigned flags)
{
	int err;

	w->dir = w->inode = NULL;
	w->last = NULL;
	w->last_len = 0;
	w->kind = LAST_ROOT;
	w->must_be_dir = false;
	if (len >= FILE_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(w->buf, path, len);
	w->buf[len] = '\0';
	if (strlen(w->buf) != len)
		return -EINVAL;
	if (path[0] == '/' && len)
		base = inode_root();
	walk_set(&w->dir, base);
	walk_set(&w->inode, base);
	err = walk_loop(w, cred, flags);
	if (!err && w->must_be_dir && !(flags & WALK_PARENT) && w->inode &&
	    !S_ISDIR(w->inode->mode))
		err = -ENOTDIR;
	if (err)
		walk_end(w);
	return err;
}

void walk_end(struct walk *w)
{
	walk_set(&w->dir, NULL);
	walk_set(&w->inode, NULL);
}
