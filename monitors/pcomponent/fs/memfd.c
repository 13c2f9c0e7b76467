// SPDX-License-Identifier: GPL-2.0-only
/*
 * memfd_create(2): a file in /dev/shm whose name is taken away at once. Its seals are kept on
 * this board (inode.c), as nobody else can have it.
 */
#include <kern/random.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include "fs/fs.h"
#include "fs/inode.h"
#include "proc/task.h"
#include "syscall/table.h"

#define NAME_MAX_K 249 /* memfd_create(2) */

struct file *memfd_make(int *err)
{
	struct path_arg p;
	struct file *f;
	char path[64];

	snprintf(path, sizeof(path), "/dev/shm/.memfd-%016llx%016llx",
		 (unsigned long long)random_u64(), (unsigned long long)random_u64());
	*err = path_from_kernel(&p, path, NULL);
	if (*err)
		return NULL;
	f = path_open(&p, O_RDWR | O_CREAT | O_EXCL | O_LARGEFILE, 0777, err);
	path_put(&p);
	if (!f)
		return NULL;
	*err = path_from_kernel(&p, path, NULL);
	if (!*err) {
		*err = path_remove(&p, OP_FILE_UNLINK);
		path_put(&p);
	}
	if (!*err)
		return f;
	file_put(f);
	return NULL;
}

static int64_t sys_memfd_create(struct syscall_args *a)
{
	char name[NAME_MAX_K + 1];
	ssize_t_k n;
	struct file *f;
	int err;

	if (a->a[1] & ~(uint64_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	n = strncpy_from_user(name, a->a[0], sizeof(name));
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	f = memfd_make(&err);
	if (!f)
		return err;
	(void)regular_add_seals(f, INODE_SEALABLE |
				   (a->a[1] & MFD_ALLOW_SEALING ? 0 : F_SEAL_SEAL));
	return fd_install_or_put(f, a->a[1] & MFD_CLOEXEC);
}
SYSCALL_DEFINE(__NR_memfd_create, "memfd_create", sys_memfd_create);
