/* SPDX-License-Identifier: GPL-2.0-only */
/* The system call table; see table.h. */
#include "syscall/table.h"

#include <kern/counter.h>

#define LOG_SUBSYS "syscall"
#include <kern/log.h>

#include "proc/task.h"
#include "syscall/strace.h"

#define SYSCALL_COUNTERS(X) X(calls) X(unknown)
COUNTERS_DECLARE(syscall, SYSCALL_COUNTERS);
COUNTERS_DEFINE(syscall, SYSCALL_COUNTERS);

extern const struct syscall_def *const __start_syscalls[], *const __stop_syscalls[];

static const struct syscall_def *table[SYSCALL_MAX];
static _Atomic bool seen[SYSCALL_MAX]; /* unknown numbers that were logged */

void syscall_table_init(void)
{
	for (const struct syscall_def *const *d = __start_syscalls; d < __stop_syscalls; d++) {
		kassert((*d)->nr < SYSCALL_MAX && !table[(*d)->nr]);
		table[(*d)->nr] = *d;
	}
}

const char *syscall_name(uint64_t nr)
{
	return nr < SYSCALL_MAX && table[nr] ? table[nr]->name : "?";
}

static int64_t unknown(uint64_t nr)
{
	counter_add(syscall, unknown, 1);
	if (nr < SYSCALL_MAX && !atomic_exchange(&seen[nr], true))
		log_warn("system call %llu is not there", (unsigned long long)nr);
	return -ENOSYS;
}

static int64_t call(struct syscall_args *a)
{
	if (likely(a->nr < SYSCALL_MAX && table[a->nr]))
		return table[a->nr]->fn(a);
	return unknown(a->nr);
}

static int64_t traced(struct syscall_args *a)
{
	struct strace *s = strace_enter(a);
	int64_t r = call(a);

	if (s)
		strace_leave(s, r);
	return r;
}

void syscall_dispatch(struct uregs *r)
{
	struct syscall_args a = {
		.a = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 },
		.nr = r->orig_rax, .regs = r,
	};

	counter_add(syscall, calls, 1);
	r->rax = (uint64_t)(unlikely(task_current()->traced) ? traced(&a) : call(&a));
}
