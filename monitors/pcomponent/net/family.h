/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Families of sockets. socket(2) and socketpair(2) go by the number (family.c has the table); a
 * call on a descriptor goes to the family of its file: file_ops.socket_call where there is one,
 * else the sockets of this folder.
 */
#pragma once

#include "fs/file.h"
#include "syscall/table.h"

/* Like SYSCALL_DEFINE, for a call whose first argument is a socket. */
#define SOCKET_CALL_DEFINE(nr_, name_, fn_)                                                       \
	static int64_t any_##fn_(struct syscall_args *a) { return family_call(a, fn_); }          \
	SYSCALL_DEFINE(nr_, name_, any_##fn_)

int64_t family_call(struct syscall_args *a, syscall_fn inet);

/* socket() and socketpair(), without a look at the family. */
int64_t inet_socket(struct syscall_args *a);
int64_t inet_socketpair(struct syscall_args *a);
int64_t netlink_socket(struct syscall_args *a);
int64_t netlink_socketpair(struct syscall_args *a);
int64_t unix_socket(struct syscall_args *a);     /* fs/unix/ */
int64_t unix_socketpair(struct syscall_args *a);
