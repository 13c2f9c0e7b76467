// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who asks, and what he may do (path_resolution(7), chown(2), utime(2)): uid 0 everything, others
 * by the permissions of owner, group and the rest. What a request says of its caller's
 * supplementary groups stands at the end of its message and is looked at where it is, so a struct
 * cred is good while its handler runs.
 */
#include <kern/mode.h>
#include "file_req.h"
#include "job.h"

struct cred file_req_cred(const struct file_path *at)
{
	struct cred c = { .uid = le32_get(at->uid), .gid = le32_get(at->gid) };
	const struct job *j = job_now();
	size_t size = le16_get(at->ngroups) * sizeof(le32_t);

	if (size && size <= j->len - sizeof(*at)) {
		c.groups = (const le32_t *)((const uint8_t *)j->msg + j->len - size);
		c.ngroups = le16_get(at->ngroups);
	}
	return c;
}

bool cred_in_group(struct cred cred, uint32_t gid)
{
	if (cred.gid == gid)
		return true;
	for (unsigned i = 0; i < cred.ngroups; i++)
		if (le32_get(cred.groups[i]) == gid)
			return true;
	return false;
}

int inode_permission(const struct inode *i, struct cred cred, unsigned want)
{
	unsigned shift = cred.uid == i->uid ? 6 : cred_in_group(cred, i->gid) ? 3 : 0;

	if (cred.uid == 0)
		return (want & 1) && S_ISREG(i->mode) && !(i->mode & 0111) ? -EACCES : 0;
	return (i->mode >> shift & want) == want ? 0 : -EACCES;
}

/* Without the group's execute bit S_ISGID means mandatory locks, and members keep it (chown(2)). */
static uint32_t drop_set_ids(uint32_t mode, uint32_t gid, struct cred cred)
{
	if (S_ISDIR(mode))
		return mode;
	if ((mode & S_IXGRP) || (cred.uid && !cred_in_group(cred, gid)))
		mode &= ~(uint32_t)S_ISGID;
	return mode & ~(uint32_t)S_ISUID;
}

/* A name of one's own for another's file: only for what could be read and written anyway. */
int inode_may_link(const struct inode *i, struct cred cred)
{
	if (!cred.uid || cred.uid == i->uid)
		return 0;
	if (!S_ISREG(i->mode) || (i->mode & S_ISUID) ||
	    (i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return -EPERM;
	return inode_permission(i, cred, 6) ? -EPERM : 0;
}

/* Whoever may write a file may set its times to now. */
static bool touches_only(const struct file_setattr *m)
{
	return !(le32_get(m->valid) & ~(FILE_SET_ATIME | FILE_SET_MTIME)) &&
	       le64_get(m->atime_ns) == UINT64_MAX && le64_get(m->mtime_ns) == UINT64_MAX;
}

int inode_may_set(const struct inode *i, const struct file_setattr *m, struct cred cred)
{
	uint32_t valid = le32_get(m->valid);

	if (i->fs->read_only)
		return -EROFS;
	if (!cred.uid || valid == FILE_SET_PRIV)
		return 0;
	if (cred.uid != i->uid)
		return touches_only(m) ? inode_permission(i, cred, 2) : -EPERM;
	if ((valid & FILE_SET_UID) && le32_get(m->uid) != i->uid)
		return -EPERM;
	if ((valid & FILE_SET_GID) && le32_get(m->gid) != i->gid &&
	    !cred_in_group(cred, le32_get(m->gid)))
		return -EPERM;
	return 0;
}

/* The permissions that a change leads to. */
uint32_t inode_new_mode(const struct inode *i, const struct file_setattr *m, struct cred cred)
{
	uint32_t valid = le32_get(m->valid), mode = i->mode;

	if (valid & FILE_SET_MODE) {
		mode = (mode & S_IFMT) | (le32_get(m->mode) & 07777);
		if (cred.uid && !cred_in_group(cred, i->gid))
			mode &= ~(uint32_t)S_ISGID;
	}
	if (valid & (FILE_SET_UID | FILE_SET_GID | FILE_SET_PRIV))
		mode = drop_set_ids(mode, i->gid, cred);
	return mode;
}
