// SPDX-License-Identifier: GPL-2.0-only
/* socket() and socketpair() for every family, and the way of other calls to theirs. */
#include "net/abi.h"
#include "net/family.h"

static const struct family {
	int number;
	syscall_fn socket, pair;
} families[] = {
	{ AF_UNIX, unix_socket, unix_socketpair },
	{ AF_INET, inet_socket, inet_socketpair },
	{ AF_INET6, inet_socket, inet_socketpair },
	{ AF_NETLINK, netlink_socket, netlink_socketpair },
};

static const struct family *find(uint64_t number)
{
	for (unsigned i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i].number == (int)number)
			return &families[i];
	return NULL;
}

static int64_t sys_socket(struct syscall_args *a)
{
	const struct family *f = find(a->a[0]);

	return f ? f->socket(a) : -EAFNOSUPPORT;
}
SYSCALL_DEFINE(__NR_socket, "socket", sys_socket);

static int64_t sys_socketpair(struct syscall_args *a)
{
	const struct family *f = find(a->a[0]);

	return f ? f->pair(a) : -EAFNOSUPPORT;
}
SYSCALL_DEFINE(__NR_socketpair, "socketpair", sys_socketpair);

int64_t family_call(struct syscall_args *a, syscall_fn inet)
{
	struct file *f = fd_get((int)a->a[0]);
	int64_t ret;

	if (!f)
		return -EBADF;
	ret = f->ops->socket_call ? f->ops->socket_call(f, a) : inet(a);
	file_put(f);
	return ret;
}
