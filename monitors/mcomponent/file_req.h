/* SPDX-License-Identifier: GPL-2.0-only */
/* Decoding of requests that carry a struct file_path. */
#pragma once

#include <proto/file.h>
#include "path.h"

/* Good while the handler runs. */
struct cred file_req_cred(const struct file_path *at);
/*
 * Walks the path (text, at most `room` bytes) by WALK_*. 0: *w is to be given to file_req_end().
 * -EBADMSG: the path is longer than the message.
 */
int file_req_walk(const struct file_path *at, const void *text, size_t room, unsigned flags,
		  struct walk **w);
void file_req_end(struct walk *w);

/* May a new name be made where w ended? 0, -EEXIST, -EACCES and so on. */
int name_may_create(const struct walk *w, struct cred cred);
/* The group of what is made in dir. */
uint32_t name_gid(const struct inode *dir, struct cred cred);
