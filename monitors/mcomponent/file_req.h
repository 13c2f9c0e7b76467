/* SPDX-License-Identifier: GPL-2.0-only */
/* Decoding of requests that carry a struct file_path. */
#pragma once

#include <proto/file.h>
#include "path.h"

static inline struct cred file_req_cred(const struct file_path *at)
{
	return (struct cred){ le32_get(at->uid), le32_get(at->gid) };
}
/*
 * Walks the path (text, at most `room` bytes). 0: *w is to be given to file_req_end(). -EBADMSG:
 * the path is longer than the message.
 */
int file_req_walk(const struct file_path *at, const void *text, size_t room, bool follow,
		  struct walk **w);
void file_req_end(struct walk *w);

/* May a new name be made where w ended? 0, -EEXIST, -EACCES and so on. */
int name_may_create(const struct walk *w, struct cred cred);
/* The group of what is made in dir. */
uint32_t name_gid(const struct inode *dir, struct cred cred);
