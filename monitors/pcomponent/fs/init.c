// SPDX-License-Identifier: GPL-2.0-only
/* Start of fs/, before the first program. */
#include "fs/fs.h"
#include "fs/inode.h"
#include "fs/sigio.h"
#include "ipc/ipc.h"
#include "proc/task.h"

void fs_init(void)
{
	file_init();
	sigio_init();
	fdtable_init();
	inode_infos_init();
	regular_init();
	pipe_init();
	eventfd_init();
	timerfd_init();
	signalfd_init();
	epoll_init();
	locks_init();
	unix_init();
	stdio_init();
	ipc_init();
}
