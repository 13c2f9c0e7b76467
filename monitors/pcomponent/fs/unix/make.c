// SPDX-License-Identifier: GPL-2.0-only
/* socket(AF_UNIX) and socketpair(). */
#include <kern/log.h>
#include "net/family.h"

int64_t unix_socket(struct syscall_args *a)
{
	return -EAFNOSUPPORT;
}

int64_t unix_socketpair(struct syscall_args *a)
{
	return -EAFNOSUPPORT;
}
