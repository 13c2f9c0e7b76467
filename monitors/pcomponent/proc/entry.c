/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel calls for user mode: system calls, faults, exceptions, the way back. */
#include <kern/string.h>

#define LOG_SUBSYS "proc"
#include <kern/log.h>

#include "excache/aspace.h"
#include "excache/excache.h"
#include "proc/proc.h"
#include "syscall/table.h"

#define STACK_KEPT (128ULL << 10) /* arguments and environment are always there */

/* SDM vol. 3A table 6-1 */
#define VEC_DE 0
#define VEC_DB 1
#define VEC_BP 3
#define VEC_UD 6
#define VEC_SS 12
#define VEC_MF 16
#define VEC_AC 17
#define VEC_XM 19

static void raise(int sig, int code, uint64_t addr)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	info.si_addr = (void *)(uintptr_t)addr;
	uthread_signal_self(sig, &info);
}

static uint32_t access_of(uint32_t code)
{
	if (code & FAULT_WRITE)
		return MEM_WRITE;
	return code & FAULT_EXEC ? MEM_EXEC : MEM_READ;
}

/* The stack's place is mapped as a whole; how much of it may be used can be made less. */
static bool beyond_stack(const struct aspace *as, uint64_t addr)
{
	if (addr < as->stack_low || addr >= as->stack_high)
		return false;
	return as->stack_high - addr > KMAX(task_rlimit(RLIMIT_STACK), STACK_KEPT);
}

static bool on_fault(struct uregs *r, uint64_t addr, uint32_t code)
{
	struct uthread *ut = uthread_current();
	bool mapped;
	int err;

	if (!ut || !ut->as)
		return false;
	mapped = false;
	err = beyond_stack(ut->as, addr) ? -EFAULT :
		aspace_fault(ut->as, addr, access_of(code), ut->page, &mapped);
	if (!err)
		return true;
	if (!(code & FAULT_USER))
		return false;
	if (err == -EFAULT) {
		counter_add(excache, fault_segv, 1);
		raise(SIGSEGV, mapped ? SEGV_ACCERR : SEGV_MAPERR, addr);
		return false;
	}
	if (err == -ENOMEM) {
		counter_add(excache, fault_nomem, 1);
		if (!fatal_pending())
			log_warn("%s[%d]: killed, no memory for it", ut->task->comm,
				 ut->task->pid);
		task_signal(ut->task, SIGKILL, NULL);
		return false;
	}
	counter_add(excache, fault_bus, 1);
	if (err != -ENXIO)
		log_warn("pid %d: a miss at 0x%llx failed: %d", ut->task->pid,
			 (unsigned long long)addr, err);
	raise(SIGBUS, BUS_ADRERR, addr);
	return false;
}

static void on_exception(struct uregs *r)
{
	switch (r->vector) {
	case VEC_DE:
		raise(SIGFPE, FPE_INTDIV, r->rip);
		break;
	case VEC_MF:
	case VEC_XM:
		raise(SIGFPE, FPE_FLTINV, r->rip);
		break;
	case VEC_DB:
		raise(SIGTRAP, TRAP_TRACE, r->rip);
		break;
	case VEC_BP:
		raise(SIGTRAP, SI_KERNEL, 0);
		break;
	case VEC_UD:
		raise(SIGILL, ILL_ILLOPN, r->rip);
		break;
	case VEC_SS:
	case VEC_AC:
		raise(SIGBUS, BUS_ADRALN, 0);
		break;
	default: /* overflow, bound, general protection */
		raise(SIGSEGV, SI_KERNEL, 0);
	}
}

static const struct uspace_ops ops = {
	.syscall = syscall_dispatch,
	.fault = on_fault,
	.exception = on_exception,
	.leave = signal_leave,
};

void entry_init(void)
{
	uspace_set_ops(&ops);
}

struct aspace *uthread_set_aspace(struct uthread *ut, struct aspace *as)
{
	struct aspace *old;

	preempt_disable();
	spin_lock(&tasks_lock); /* others look at it by /proc/PID */
	old = ut->as;
	ut->as = as;
	spin_unlock(&tasks_lock);
	upt_activate(as ? as->upt : NULL);
	preempt_enable();
	return old;
}
