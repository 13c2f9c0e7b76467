/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system call table. Each area registers its calls beside their code:
 *
 *	static int64_t sys_dup(struct syscall_args *a) { return fd_dup((int)a->a[0]); }
 *	SYSCALL_DEFINE(__NR_dup, "dup", sys_dup);
 *
 * The table is put together at boot and asserts that a slot was empty. A number without a handler
 * is logged once and returns -ENOSYS. Numbers come from <asm/unistd.h>.
 *
 * A handler runs in the calling thread, interrupts on, may sleep; it returns a value or -errno. A
 * call that a signal ended returns one of the ERESTART values of <proc/task.h>, never -EINTR by
 * hand unless Linux never restarts it.
 */
#pragma once

#include <asm/unistd.h>
#include <kern/types.h>
#include <kern/uspace.h>

#define SYSCALL_MAX 512

struct syscall_args {
	uint64_t a[6];
	uint64_t nr;
	struct uregs *regs;
};
typedef int64_t (*syscall_fn)(struct syscall_args *a);

struct syscall_def {
	uint32_t nr;
	const char *name;
	syscall_fn fn;
};
/* A handler may serve several numbers. */
#define SYSCALL_DEFINE(nr_, name_, fn_)                                                           \
	static const struct syscall_def syscall_def_##nr_ = { (nr_), (name_), (fn_) };            \
	static const struct syscall_def *const syscall_ptr_##nr_                                  \
		__attribute__((used, section("syscalls"))) = &syscall_def_##nr_

/* Builds the table. Once, before the first program. */
void syscall_table_init(void);
/* uspace_ops.syscall */
void syscall_dispatch(struct uregs *r);
/* "openat", or "?" for numbers without a handler. */
const char *syscall_name(uint64_t nr);
