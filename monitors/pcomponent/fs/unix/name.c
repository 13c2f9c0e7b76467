// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of AF_UNIX sockets: a socket file, found by its object and held open; or an abstract name,
 * of this pComponent. Two tables, under unix_lock.
 */
#include "fs/unix/unix.h"

#include <kern/mode.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include "fs/fs.h"
#include "net/abi.h"
#include "proc/task.h"

static struct unix_sock *by_object, *by_name;

/* ---- to and from users ---- */

int unix_name_from_user(struct unix_name *n, uint64_t addr, uint64_t len)
{
	struct { uint16_t family; char path[UNIX_PATH_MAX]; } u = { 0 };
	size_t text;

	if (len < sizeof(u.family) || len > sizeof(u))
		return -EINVAL;
	if (copy_from_user(&u, addr, len))
		return -EFAULT;
	if (u.family != AF_UNIX)
		return -EINVAL;
	*n = (struct unix_name){ .len = (uint16_t)len };
	text = len - sizeof(u.family);
	memcpy(n->path, u.path, text);
	if (text && n->path[0]) /* what follows the NUL does not count, and it gets one */
		n->len = (uint16_t)(sizeof(u.family) + strnlen(n->path, text) + 1);
	return 0;
}

int unix_name_to_user(const struct unix_name *n, uint64_t addr, uint64_t lenp)
{
	struct { uint16_t family; char path[UNIX_PATH_MAX + 1]; } u = { .family = AF_UNIX };
	int32_t room, len = n->len;

	if (copy_from_user(&room, lenp, sizeof(room)))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	memcpy(u.path, n->path, sizeof(u.path));
	if (copy_to_user(addr, &u, (size_t)KMIN(room, len)))
		return -EFAULT;
	return copy_to_user(lenp, &len, sizeof(len)) ? -EFAULT : 0;
}

static bool has_path(const struct unix_name *n)
{
	return n->len > 2 && n->path[0];
}

/* ---- finding ---- */

static struct unix_sock *find_name(const struct unix_name *n)
{
	struct unix_sock *s;

	HASH_FIND(hh, by_name, n->path, (unsigned)n->len - 2, s);
	return s;
}

static struct unix_sock *find_object(uint64_t object)
{
	struct unix_sock *s;

	HASH_FIND(hh, by_object, &object, sizeof(object), s);
	return s;
}

/* The socket file of a path, opened as with O_PATH; 0 or -errno. */
static int open_node(const struct unix_name *n, bool follow, struct attr *a)
{
	struct path_arg p;
	int err = path_from_kernel(&p, n->path, NULL);

	if (err)
		return err;
	err = path_open_attr(&p, O_PATH | (follow ? 0 : O_NOFOLLOW), a);
	path_put(&p);
	return err;
}

/* connect(2) needs the right to write. */
static bool may_write(const struct attr *a)
{
	const struct cred *c = &task_current()->cred;
	unsigned shift = c->fsuid == a->uid ? 6 : c->fsgid == a->gid ? 3 : 0;

	return !c->fsuid || (a->mode >> shift & 2);
}

static int object_of_path(const struct unix_name *n, uint64_t *object)
{
	struct attr a;
	int err = open_node(n, true, &a);

	if (err)
		return err == -EACCES ? -ECONNREFUSED : err;
	file_close(a.object); /* who is bound to it holds it open */
	if (!may_write(&a))
		return -EACCES;
	if (!S_ISSOCK(a.mode))
		return -ECONNREFUSED;
	*object = a.object;
	return 0;
}

struct unix_sock *unix_find(const struct unix_name *n, int type, int *err)
{
	struct unix_sock *s = NULL;
	uint64_t object = 0;

	*err = n->len <= 2 ? -EINVAL : has_path(n) ? object_of_path(n, &object) : 0;
	if (*err)
		return NULL;
	spin_lock(&unix_lock);
	s = object ? find_object(object) : find_name(n);
	*err = !s || s->dead ? -ECONNREFUSED : s->type != type ? -EPROTOTYPE : 0;
	s = *err ? NULL : unix_get(s);
	spin_unlock(&unix_lock);
	return s;
}

/* ---- binding ---- */

/* Gives s the name; -EINVAL: it has one, -EADDRINUSE. */
static int add_name(struct unix_sock *s, const struct unix_name *n, uint64_t object)
{
	int err = 0;

	spin_lock(&unix_lock);
	if (s->bound) {
		err = -EINVAL;
	} else if (object ? find_object(object) : find_name(n)) {
		err = -EADDRINUSE;
	} else {
		s->name = *n;
		s->object = object;
		if (object)
			HASH_ADD(hh, by_object, object, sizeof(s->object), s);
		else
			HASH_ADD_KEYPTR(hh, by_name, s->name.path, (unsigned)n->len - 2, s);
		if (HASH_ADDED(s))
			s->bound = s->in_table = true;
		else
			err = -ENOMEM;
	}
	spin_unlock(&unix_lock);
	return err;
}

/* Makes the socket file and opens it. */
static int make_node(const struct unix_name *n, uint64_t *object)
{
	struct path_arg p;
	struct attr a;
	int err = path_from_kernel(&p, n->path, NULL);

	if (err)
		return err;
	err = path_make(&p, OP_FILE_MKNOD, S_IFSOCK | (0777 & ~task_current()->umask), 0);
	path_put(&p);
	if (err)
		return err == -EEXIST ? -EADDRINUSE : err;
	err = open_node(n, false, &a);
	if (!err)
		*object = a.object;
	return err;
}

static void remove_node(const struct unix_name *n)
{
	struct path_arg p;

	if (path_from_kernel(&p, n->path, NULL))
		return;
	(void)path_remove(&p, OP_FILE_UNLINK);
	path_put(&p);
}

static int bind_path(struct unix_sock *s, const struct unix_name *n)
{
	uint64_t object;
	int err = make_node(n, &object);

	if (err)
		return err;
	err = add_name(s, n, object);
	if (err) {
		file_close(object);
		remove_node(n);
	}
	return err;
}

int unix_bind(struct unix_sock *s, const struct unix_name *n)
{
	if (n->len <= 2)
		return unix_autobind(s);
	return has_path(n) ? bind_path(s, n) : add_name(s, n, 0);
}

/* unix(7), autobind: an abstract name of five hexadecimal digits. */
int unix_autobind(struct unix_sock *s)
{
	static _Atomic uint32_t next;
	int err = -EADDRINUSE;

	if (s->bound)
		return 0;
	for (uint32_t i = 0; i < 1u << 20 && err == -EADDRINUSE; i++) {
		struct unix_name n = { .len = 2 + 1 + 5 };

		snprintf(n.path + 1, sizeof(n.path) - 1, "%05x",
			 atomic_fetch_add(&next, 1) & 0xfffff);
		err = add_name(s, &n, 0);
	}
	return err == -EINVAL ? 0 : err; /* bound by another thread */
}

void unix_unname(struct unix_sock *s)
{
	uint64_t object = 0;

	spin_lock(&unix_lock);
	if (s->in_table && s->object)
		HASH_DEL(by_object, s);
	else if (s->in_table)
		HASH_DEL(by_name, s);
	if (s->in_table)
		object = s->object;
	s->in_table = false;
	spin_unlock(&unix_lock);
	if (object)
		file_close(object);
}
