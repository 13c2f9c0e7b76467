/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way into user mode and out of it, in C: syscalls, exceptions and the last steps before a
 * return. entry.S saves the registers; the operations of the owner (the pComponent) do the work.
 *
 *   user --trap--> trap_user ----> ops->fault / ops->exception --\
 *   user --int---> irq_dispatch ----------------------------------> uspace_leave --> IRET
 *   user --SYSCALL> uspace_syscall -> ops->syscall ---------------> uspace_leave --> SYSRET or IRET
 */
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/thread.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/uspace/uspace_arch.h"
#include "arch/x86_64/x86.h"

/* What a program may choose in its flags. */
#define USER_FLAGS                                                                                \
	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | X86_EFLAGS_SF |          \
	 X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_OF | X86_EFLAGS_NT | X86_EFLAGS_RF |          \
	 X86_EFLAGS_AC | X86_EFLAGS_ID)
/* Cleared by SYSCALL. */
#define SYSCALL_MASK                                                                              \
	(X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_DF | X86_EFLAGS_IOPL | X86_EFLAGS_NT |        \
	 X86_EFLAGS_RF | X86_EFLAGS_AC | X86_EFLAGS_ID)

#define IRQ_FIRST 32 /* vectors below are the processor's (SDM vol. 3A 6.2) */

const struct uspace_ops *uspace_ops;

extern char syscall_entry[];
__noreturn void uspace_enter_top(struct uregs *top);
bool uspace_syscall(struct uregs *r);
void trap_user(struct uregs *r);

void uspace_set_ops(const struct uspace_ops *ops)
{
	__atomic_store_n(&uspace_ops, ops, __ATOMIC_RELEASE);
}

void syscall_init(void)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (uint64_t)SEL_USER32 << 48 | (uint64_t)SEL_KCODE << 32);
	wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
	wrmsr(MSR_SFMASK, SYSCALL_MASK);
}

bool uspace_syscall(struct uregs *r)
{
	uspace_ops->syscall(r);
	return uspace_leave(r);
}

/* From entry.S, interrupts off, an exception in user mode. */
void trap_user(struct uregs *r)
{
	if (r->vector == TRAP_PF) {
		uint64_t addr = read_cr2();
		sti();
		(void)uspace_ops->fault(r, addr, (uint32_t)r->error);
	} else {
		sti();
		uspace_ops->exception(r);
	}
	(void)uspace_leave(r);
}

/*
 * IRET with a bad rip would fault in the kernel with the user's GS, SYSRET even with the user's
 * stack: neither gets to see one. Segments are ours alone.
 */
static bool make_returnable(struct uregs *r)
{
	r->cs = SEL_UCODE;
	r->ss = SEL_UDATA;
	r->rflags = (r->rflags & USER_FLAGS) | X86_EFLAGS_IF | X86_EFLAGS_FIXED;
	return likely(r->rip < USER_ADDR_MAX) || uspace_rip_ok(r->rip);
}

bool uspace_leave(struct uregs *r)
{
	for (;;) {
		/*
		 * What another CPU wants of this thread is seen by leave(), or comes with an
		 * interrupt after CLI. Only if the thread was switched out in between, the sender
		 * found it not running and sent none: then leave() has to look again.
		 */
		const struct arch_cpu *cpu = this_cpu();
		uint64_t switches = __atomic_load_n(&cpu->switches, __ATOMIC_RELAXED);

		sti();
		uspace_ops->leave(r);
		if (unlikely(!make_returnable(r))) {
			r->vector = TRAP_GP;
			r->error = 0;
			uspace_ops->exception(r);
			continue;
		}
		cli();
		if (percpu()->need_resched | percpu()->deferred)
			sched_irq_exit();
		if (likely(this_cpu() == cpu && cpu->switches == switches))
			break;
	}
	return r->vector == VEC_SYSCALL && r->rcx == r->rip && r->r11 == r->rflags &&
	       !(r->rflags & (X86_EFLAGS_RF | X86_EFLAGS_TF));
}

struct uregs *uspace_regs(void)
{
	uint64_t top;
	__asm__ volatile("movq %%gs:%c1, %0" : "=r"(top) : "i"(PCPU_KSTACK_TOP));
	return (struct uregs *)top - 1;
}

uint32_t uspace_hwcap(void)
{
	return cpuid(1, 0).d;
}

/* Whatever else brings a thread into the kernel is a trap or SYSCALL. */
bool uspace_interrupted(void)
{
	uint64_t vector = uspace_regs()->vector;

	return vector >= IRQ_FIRST && vector < VEC_SYSCALL;
}

void uspace_enter(const struct uregs *r)
{
	struct uregs *top = uspace_regs();

	kassert(uspace_ops && preemptible());
	*top = *r; /* arch_thread_init() kept this place free */
	cli();
	uspace_enter_top(top);
}

void uspace_kick(int cpu)
{
	arch_ipi_resched((unsigned)cpu);
}

void uregs_init(struct uregs *r, uint64_t rip, uint64_t rsp)
{
	*r = (struct uregs){ .rip = rip, .rsp = rsp, .cs = SEL_UCODE, .ss = SEL_UDATA,
		.rflags = X86_EFLAGS_IF | X86_EFLAGS_FIXED, .orig_rax = UINT64_MAX };
}

/*
 * A program can only make its base 0 (by loading a selector), so a base that was 0 still is. An
 * address that is not the user's is never loaded: WRMSR would fault.
 */
static void set_base(uint32_t msr, uint64_t *cached, uint64_t v)
{
	if (v >= USER_ADDR_MAX)
		v = 0;
	if (v == 0 && *cached == 0)
		return;
	*cached = v;
	wrmsr(msr, v);
}

void uspace_set_fsbase(uint64_t v)
{
	uint64_t flags = irq_save();
	set_base(MSR_FS_BASE, &this_cpu()->fsbase, v);
	irq_restore(flags);
}

void uspace_set_gsbase(uint64_t v)
{
	uint64_t flags = irq_save();
	set_base(MSR_KERNEL_GS_BASE, &this_cpu()->gsbase, v);
	irq_restore(flags);
}

uint64_t uspace_get_fsbase(void)
{
	return rdmsr(MSR_FS_BASE);
}

uint64_t uspace_get_gsbase(void)
{
	return rdmsr(MSR_KERNEL_GS_BASE);
}
