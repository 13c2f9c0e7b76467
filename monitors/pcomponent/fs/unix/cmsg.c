// SPDX-License-Identifier: GPL-2.0-only
/* Ancillary data of AF_UNIX (unix(7), cmsg(3)): open files and credentials. */
#include "fs/unix/unix.h"

#include <asm/socket.h>
#include <kern/mm.h>
#include <kern/uspace.h>
#include "fs/fs.h"
#include "net/abi.h"
#include "proc/task.h"

#define SCM_RIGHTS 1
#define SCM_CREDENTIALS 2
#define MSG_CMSG_CLOEXEC 0x40000000
#define CONTROL_MAX 16384

/* ---- what sendmsg() was given ---- */

void unix_scm_free(struct unix_scm *scm)
{
	for (unsigned i = 0; i < scm->nfiles; i++)
		file_put(scm->files[i]);
	kfree(scm->files);
	scm->files = NULL;
	scm->nfiles = 0;
}

static int add_file(struct unix_scm *scm, int fd)
{
	struct file *f;

	if (!scm->files)
		scm->files = kmalloc(UNIX_FDS_MAX * sizeof(scm->files[0]));
	if (!scm->files)
		return -ENOMEM;
	if (scm->nfiles == UNIX_FDS_MAX)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	scm->files[scm->nfiles++] = f;
	return 0;
}

static int read_rights(struct unix_scm *scm, uint64_t addr, uint64_t len)
{
	int fd, err = 0;

	for (uint64_t i = 0; i + sizeof(fd) <= len && !err; i += sizeof(fd)) {
		err = copy_from_user(&fd, addr + i, sizeof(fd));
		if (!err)
			err = add_file(scm, fd);
	}
	if (!err && unix_too_many_inflight(scm->nfiles))
		err = -ETOOMANYREFS;
	return err;
}

/* Who is not privileged may only tell the truth. */
static int read_cred(struct unix_scm *scm, uint64_t addr, uint64_t len)
{
	const struct cred *c = &task_current()->cred;
	struct unix_cred u;

	if (len != sizeof(u))
		return -EINVAL;
	if (copy_from_user(&u, addr, sizeof(u)))
		return -EFAULT;
	if (!task_privileged() &&
	    (u.pid != task_current()->pid ||
	     (u.uid != c->uid && u.uid != c->euid && u.uid != c->suid) ||
	     (u.gid != c->gid && u.gid != c->egid && u.gid != c->sgid)))
		return -EPERM;
	scm->cred = u;
	scm->has_cred = true;
	return 0;
}

static int read_one(struct unix_scm *scm, const struct user_cmsghdr *c, uint64_t data)
{
	if (c->level != SOL_SOCKET)
		return 0; /* not for us */
	switch (c->type) {
	case SCM_RIGHTS:
		return read_rights(scm, data, c->len - sizeof(*c));
	case SCM_CREDENTIALS:
		return read_cred(scm, data, c->len - sizeof(*c));
	}
	return -EINVAL;
}

int unix_scm_read(const struct user_msghdr *h, struct unix_scm *scm)
{
	uint64_t left = h->controllen, at = h->control;
	int err = 0;

	if (left > CONTROL_MAX)
		return -ENOBUFS;
	while (!err && left >= sizeof(struct user_cmsghdr)) {
		struct user_cmsghdr c;

		if (copy_from_user(&c, at, sizeof(c)))
			err = -EFAULT;
		else if (c.len < sizeof(c) || c.len > left)
			err = -EINVAL;
		else
			err = read_one(scm, &c, at + sizeof(c));
		if (err)
			break;
		if (ROUND_UP(c.len, 8) >= left)
			break;
		at += ROUND_UP(c.len, 8);
		left -= ROUND_UP(c.len, 8);
	}
	if (err)
		unix_scm_free(scm);
	return err;
}

/* ---- what recvmsg() gives ---- */

/* Room that is left; advances by a message of n bytes, cut to what fits. */
static int put_cmsg(struct user_msghdr *h, uint64_t *used, int type, const void *data, size_t n)
{
	struct user_cmsghdr c = { .len = sizeof(c) + n, .level = SOL_SOCKET, .type = type };
	uint64_t room = h->controllen - *used;

	if (room < sizeof(c)) {
		h->flags |= MSG_CTRUNC;
		return 0;
	}
	if (c.len > room) {
		h->flags |= MSG_CTRUNC;
		c.len = room;
	}
	if (copy_to_user(h->control + *used, &c, sizeof(c)) ||
	    copy_to_user(h->control + *used + sizeof(c), data, c.len - sizeof(c)))
		return -EFAULT;
	*used += KMIN(ROUND_UP(c.len, 8), room);
	return 0;
}

/* Descriptors for as many files as there is room for; the rest is closed by who frees scm. */
static int put_files(struct unix_scm *scm, uint32_t flags, struct user_msghdr *h, uint64_t *used)
{
	uint64_t room = h->controllen - *used;
	unsigned fit = room > sizeof(struct user_cmsghdr) ?
			       (unsigned)((room - sizeof(struct user_cmsghdr)) / sizeof(int)) : 0;
	unsigned n = KMIN(fit, scm->nfiles), i;
	int fds[UNIX_FDS_MAX];

	for (i = 0; i < n; i++) {
		fds[i] = fd_install(scm->files[i], 0, flags & MSG_CMSG_CLOEXEC);
		if (fds[i] < 0)
			break;
		file_get(scm->files[i]); /* the descriptor took ours */
	}
	if (i < scm->nfiles)
		h->flags |= MSG_CTRUNC;
	return i ? put_cmsg(h, used, SCM_RIGHTS, fds, i * sizeof(int)) : 0;
}

int unix_scm_write(struct unix_scm *scm, bool passcred, uint32_t flags, struct user_msghdr *h)
{
	uint64_t used = 0;
	int err = 0;

	if (!h->control)
		h->controllen = 0;
	if (passcred)
		err = put_cmsg(h, &used, SCM_CREDENTIALS, &scm->cred, sizeof(scm->cred));
	if (!err && scm->nfiles)
		err = put_files(scm, flags, h, &used);
	h->controllen = used;
	return err;
}
