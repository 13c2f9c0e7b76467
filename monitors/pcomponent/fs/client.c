// SPDX-License-Identifier: GPL-2.0-only
/*
 * FILE messages to the mComponents: the only file of fs/ that knows <proto/file.h> layouts. Every
 * call blocks the calling thread until the answer is there; replies are small and live on the
 * stack.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <mon/board.h>
#include "fs/fs.h"
#include "mem_client.h"
#include "proc/task.h"

static uint16_t root_node = FIT_NODE_NONE;

void fs_set_root(uint16_t node)
{
	root_node = node;
}

uint16_t fs_home_of(uint64_t object)
{
	return object == FILE_ROOT_OBJECT ? root_node : (uint16_t)(object >> 48);
}

static int call(uint64_t object, uint16_t op, const void *req, size_t len, void *rep, size_t max,
		size_t *got)
{
	/* a disk may be slow */
	return fit_call_unlimited(mem_client_fit(), fs_home_of(object), op, req, len, rep, max,
				  got);
}

/* A call whose reply has exactly one size. */
static int call_fixed(uint64_t object, uint16_t op, const void *req, size_t len, void *rep,
		      size_t size)
{
	size_t got;
	int err = call(object, op, req, len, rep, size, &got);

	return !err && got != size ? -EPROTO : err;
}

/* A request with `fixed` bytes of struct (beginning with its file_path), then texts; its reply. */
struct named {
	size_t len, got;
	uint8_t bytes[sizeof(struct file_two) + 2 * FILE_PATH_MAX +
		      TASK_GROUPS_MAX * sizeof(le32_t)];
	char reply[FILE_PATH_MAX];
};

static_assert(sizeof(struct file_setattr) + FILE_PATH_MAX + TASK_GROUPS_MAX * sizeof(le32_t) <=
	      FIT_MSG_MAX, "the largest request with one path");

#define HOPS_MAX 40 /* as many as symbolic links */

/* The walk came to what this board serves: what is left is in the reply. */
static int come_back(struct path_arg *p, const struct named *n)
{
	if (!n->got || n->got >= sizeof(p->path) || memchr(n->reply, '\0', n->got))
		return -EPROTO;
	if (++p->hops > HOPS_MAX)
		return -ELOOP;
	memcpy(p->path, n->reply, n->got);
	p->path[n->got] = '\0';
	p->len = n->got;
	path_put(p);
	p->dir = NULL;
	p->base = FILE_ROOT_OBJECT;
	return p->path[0] == '/' && pseudo_begins(p) ? -EREMOTE : -EPROTO;
}

/* Behind all else: what the caller is a member of. Root needs no groups. */
static void add_groups(struct named *n)
{
	const struct cred *c = &task_current()->cred;
	struct file_path *at = (struct file_path *)n->bytes;

	if (!c->fsuid)
		return;
	at->ngroups = le16(c->ngroups);
	for (unsigned i = 0; i < c->ngroups; i++, n->len += sizeof(le32_t))
		*(le32_t *)(n->bytes + n->len) = le32(c->groups[i]);
}

static int named_call(struct path_arg *p, uint16_t op, struct named *n)
{
	int err;

	add_groups(n);
	err = call(p->base, op, n->bytes, n->len, n->reply, sizeof(n->reply), &n->got);
	return err == -EREMOTE ? come_back(p, n) : err;
}

static struct named *named_alloc(struct path_arg *p, const void *fixed, size_t size,
				 bool follow)
{
	struct named *n = kmalloc(sizeof(*n));
	struct task *t = task_current();
	struct file_path *at;

	if (!n)
		return NULL;
	memcpy(n->bytes, fixed, size);
	at = (struct file_path *)n->bytes;
	*at = (struct file_path){ .base = le64(p->base), .uid = le32(t->cred.fsuid),
		.gid = le32(t->cred.fsgid), .len = le16(p->len),
		.flags = le16(follow ? 0 : FILE_NOFOLLOW) };
	memcpy(n->bytes + size, p->path, p->len);
	n->len = size + p->len;
	return n;
}

static int call_named(uint16_t op, struct path_arg *p, const void *fixed, size_t size,
		      bool follow, void *rep, size_t rep_size)
{
	struct named *n = named_alloc(p, fixed, size, follow);
	int err;

	if (!n)
		return -ENOMEM;
	err = named_call(p, op, n);
	if (!err && n->got != rep_size)
		err = -EPROTO;
	if (!err && rep)
		memcpy(rep, n->reply, rep_size);
	kfree(n);
	return err;
}

static void attr_get(const struct file_attr *w, struct attr *a)
{
	*a = (struct attr){ le64_get(w->object), le64_get(w->size), le64_get(w->version),
		le64_get(w->rdev), le64_get(w->ino), le64_get(w->blocks), le64_get(w->atime_ns),
		le64_get(w->mtime_ns), le64_get(w->ctime_ns), le32_get(w->mode),
		le32_get(w->nlink), le32_get(w->uid), le32_get(w->gid), le32_get(w->dev) };
}

static int attr_result(int err, const struct file_attr *w, struct attr *out)
{
	if (!err)
		attr_get(w, out);
	return err;
}

int file_open(struct path_arg *p, uint32_t oflags, uint32_t mode, struct attr *out)
{
	struct file_open m = { .oflags = le32(oflags), .mode = le32(mode) };
	struct file_attr w;

	return attr_result(call_named(OP_FILE_OPEN, p, &m, sizeof(m), true, &w, sizeof(w)), &w,
			   out);
}

void file_close(uint64_t object)
{
	struct file_obj m = { le64(object) };

	/* A home that is gone has closed it already. */
	(void)!fit_send(mem_client_fit(), fs_home_of(object), OP_FILE_CLOSE, &m, sizeof(m));
}

int file_stat(struct path_arg *p, bool follow, struct attr *out)
{
	struct file_path m = { 0 };
	struct file_attr w;

	return attr_result(call_named(OP_FILE_STAT, p, &m, sizeof(m), follow, &w, sizeof(w)), &w,
			   out);
}

int file_getattr(uint64_t object, struct attr *out)
{
	struct file_obj m = { le64(object) };
	struct file_attr w;

	return attr_result(call_fixed(object, OP_FILE_GETATTR, &m, sizeof(m), &w, sizeof(w)), &w,
			   out);
}

int file_fsync(uint64_t object)
{
	struct file_obj m = { le64(object) };

	return call_fixed(object, OP_FILE_FSYNC, &m, sizeof(m), NULL, 0);
}

/* The root's home last: others may keep files of it open. */
int file_drop_caches(void)
{
	fit_node_t node[FIT_NODES_MAX];
	unsigned n = mon_members(board_self(), ROLE_MCOMPONENT, node, ARRAY_SIZE(node));

	for (unsigned i = 0; i < n; i++)
		if (node[i] != root_node)
			(void)!fit_call(mem_client_fit(), node[i], OP_FILE_DROP_CACHES, NULL, 0,
					NULL, 0, NULL);
	return call_fixed(FILE_ROOT_OBJECT, OP_FILE_DROP_CACHES, NULL, 0, NULL, 0);
}

int file_sync(void)
{
	return call_fixed(FILE_ROOT_OBJECT, OP_FILE_SYNC, NULL, 0, NULL, 0);
}

int file_write_through(uint64_t object, uint64_t off, const void *data, uint32_t n,
		       struct file_write_reply *out)
{
	struct { struct file_write m; uint8_t data[PAGE_SIZE]; } *req = kmalloc(sizeof(*req));
	int err;

	if (!req)
		return -ENOMEM;
	req->m = (struct file_write){ le64(object), le64(off), le32(n), le32(0) };
	memcpy(req->data, data, n);
	err = call_fixed(object, OP_FILE_WRITE, req, sizeof(req->m) + n, out, sizeof(*out));
	kfree(req);
	return err;
}

int file_truncate(uint64_t object, uint64_t size, struct attr *out)
{
	struct file_truncate m = { le64(object), le64(size) };
	struct file_attr w;

	return attr_result(call_fixed(object, OP_FILE_TRUNCATE, &m, sizeof(m), &w, sizeof(w)), &w,
			   out);
}

int file_readdir(uint64_t object, uint64_t cookie, void *buf, size_t *len)
{
	struct file_readdir m = { le64(object), le64(cookie) };
	int err = call(object, OP_FILE_READDIR, &m, sizeof(m), buf, FIT_MSG_MAX, len);

	return !err && *len < sizeof(struct file_readdir_reply) ? -EPROTO : err;
}

int file_path_op(uint16_t op, struct path_arg *p)
{
	struct file_path m = { 0 };

	return call_named(op, p, &m, sizeof(m), false, NULL, 0);
}

int file_make(uint16_t op, struct path_arg *p, uint32_t mode, uint64_t rdev)
{
	struct file_mk m = { .mode = le32(mode), .rdev = le64(rdev) };

	return call_named(op, p, &m, sizeof(m), false, NULL, 0);
}

int file_two(uint16_t op, struct path_arg *p, uint64_t base2, const char *path2, size_t len2,
	     unsigned flags)
{
	struct file_two m = { .base2 = le64(base2), .len2 = le16(len2), .flags = le16(flags) };
	struct named *n;
	int err;

	if (len2 >= FILE_PATH_MAX)
		return -ENAMETOOLONG;
	n = named_alloc(p, &m, sizeof(m), false);
	if (!n)
		return -ENOMEM;
	memcpy(n->bytes + n->len, path2, len2);
	n->len += len2;
	err = n->len + TASK_GROUPS_MAX * sizeof(le32_t) > FIT_MSG_MAX ? -ENAMETOOLONG :
									named_call(p, op, n);
	if (!err && n->got)
		err = -EPROTO;
	kfree(n);
	return err;
}

ssize_t_k file_readlink(struct path_arg *p, char *buf, size_t size)
{
	struct file_path m = { 0 };
	struct named *n = named_alloc(p, &m, sizeof(m), false);
	ssize_t_k ret;

	if (!n)
		return -ENOMEM;
	ret = named_call(p, OP_FILE_READLINK, n);
	if (!ret) {
		ret = (ssize_t_k)KMIN(n->got, size);
		memcpy(buf, n->reply, (size_t)ret);
	}
	kfree(n);
	return ret;
}

int file_set(struct path_arg *p, bool follow, const struct file_setattr *what)
{
	struct file_attr w;

	return call_named(OP_FILE_SETATTR, p, what, sizeof(*what), follow, &w, sizeof(w));
}

int file_statfs(struct path_arg *p, struct file_statfs *out)
{
	struct file_path m = { 0 };

	return call_named(OP_FILE_STATFS, p, &m, sizeof(m), true, out, sizeof(*out));
}

ssize_t_k file_getpath(uint64_t object, char *buf, size_t size)
{
	struct file_obj m = { le64(object) };
	size_t got;
	int err = call(object, OP_FILE_GETPATH, &m, sizeof(m), buf, size, &got);

	return err ? err : (ssize_t_k)got;
}
