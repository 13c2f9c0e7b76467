// SPDX-License-Identifier: GPL-2.0-only
/* Listing directories: getdents64, getdents. */
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include "fs/fs.h"
#include "fs/pseudo.h"
#include "proc/task.h"
#include "syscall/table.h"

struct user_dirent { /* struct linux_dirent64, getdents(2) */
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
} __packed;

int64_t dirent_put(uint64_t to, uint64_t room, const struct dirent_info *d)
{
	uint8_t buf[sizeof(struct user_dirent) + 256 + 8] = { 0 };
	struct user_dirent *u = (struct user_dirent *)buf;
	size_t name = KMIN(d->len, (size_t)255);
	size_t len = ROUND_UP(sizeof(*u) + name + 1, 8);

	if (len > room)
		return 0;
	u->ino = d->ino;
	u->off = (int64_t)d->next;
	u->reclen = (uint16_t)len;
	u->type = d->type;
	memcpy(u->name, d->name, name);
	return copy_to_user(to, buf, len) ? -EFAULT : (int64_t)len;
}

/* Entries of one reply; advances f->pos. Bytes put, or -errno. */
static int64_t put_dirents(struct file *f, const uint8_t *rep, size_t len, uint64_t to,
			   uint64_t room)
{
	const struct file_readdir_reply *h = (const void *)rep;
	size_t at = sizeof(*h);
	uint64_t done = 0;

	for (uint32_t i = 0; i < le32_get(h->n); i++) {
		const struct file_dirent *d = (const void *)(rep + at);
		int64_t n;

		if (len - at < sizeof(*d) || len - at - sizeof(*d) < le16_get(d->len))
			return -EPROTO;
		n = dirent_put(to + done, room - done,
			       &(struct dirent_info){ d->name, le16_get(d->len), le64_get(d->ino),
						      le64_get(d->cookie), d->type });
		if (n <= 0)
			return done ? (int64_t)done : n ? n : -EINVAL;
		done += n;
		f->pos = le64_get(d->cookie);
		at += sizeof(*d) + le16_get(d->len);
	}
	return (int64_t)done;
}

static int64_t list_remote(struct file *f, uint64_t to, uint64_t room)
{
	uint8_t *rep = kmalloc(FIT_MSG_MAX);
	size_t len;
	int64_t ret;

	if (!rep)
		return -ENOMEM;
	ret = file_readdir(f->object, f->pos, rep, &len);
	if (!ret)
		ret = put_dirents(f, rep, len, to, room);
	kfree(rep);
	return ret;
}

static int64_t sys_getdents64(struct syscall_args *a)
{
	struct file *f = fd_get((int)a->a[0]);
	int64_t ret = -ENOTDIR;

	if (!f)
		return -EBADF;
	mutex_lock(&f->pos_lock);
	if (file_is_path(f))
		ret = -EBADF;
	else if (pseudo_place_of(f))
		ret = pseudo_getdents(f, a->a[1], (uint32_t)a->a[2]);
	else if (f->object)
		ret = list_remote(f, a->a[1], (uint32_t)a->a[2]);
	mutex_unlock(&f->pos_lock);
	file_put(f);
	return ret;
}
SYSCALL_DEFINE(__NR_getdents64, "getdents64", sys_getdents64);
