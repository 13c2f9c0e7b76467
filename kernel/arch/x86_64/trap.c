/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exceptions in kernel mode (those of user mode are in uspace/trap.c). One kind is lawful: a fault
 * of an accessor of user memory, found in the exception table. Everything else is a bug of ours.
 */
#include <kern/string.h>
#include <kern/uspace.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/uspace/uspace_arch.h"
#include "arch/x86_64/x86.h"

static_assert(sizeof(struct uregs) == UREGS_SIZE, "asm.h");
static_assert(offsetof(struct uregs, r11) == UREGS_R11, "asm.h");
static_assert(offsetof(struct uregs, rax) == UREGS_RAX, "asm.h");
static_assert(offsetof(struct uregs, rcx) == UREGS_RCX, "asm.h");
static_assert(offsetof(struct uregs, rip) == UREGS_RIP, "asm.h");
static_assert(offsetof(struct uregs, cs) == UREGS_CS, "asm.h");
static_assert(offsetof(struct percpu, id) == 16 && offsetof(struct percpu, need_resched) == 24 &&
	      offsetof(struct percpu, kstack_top) == PCPU_KSTACK_TOP &&
	      offsetof(struct percpu, user_rsp) == PCPU_USER_RSP &&
	      offsetof(struct percpu, arch) == PCPU_ARCH, "asm.h");
static_assert(offsetof(struct arch_thread, rsp) == ATHREAD_RSP &&
	      offsetof(struct arch_thread, kstack_top) == ATHREAD_KSTACK_TOP, "asm.h");

void trap_kernel(struct uregs *r);
__noreturn void trap_fatal(struct uregs *r);

static const char *const trap_names[32] = {
	"divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "invalid opcode",
	"no FPU", "double fault", "9", "invalid TSS", "segment not present", "stack fault",
	"general protection", "page fault", "15", "x87 error", "alignment check", "machine check",
	"SIMD error", "20", "control protection", "22", "23", "24", "25", "26", "27", "28", "29",
	"30", "31",
};

struct extable_entry { uint64_t insn, fixup; };
extern const struct extable_entry extable_start[], extable_end[];

uint64_t extable_find(uint64_t rip)
{
	for (const struct extable_entry *e = extable_start; e < extable_end; e++)
		if (e->insn == rip)
			return e->fixup;
	return 0;
}

void trap_fatal(struct uregs *r)
{
	trap_panic(trap_names[r->vector & 31], r->rip, r->rsp, r->rbp, r->error, read_cr2());
}

/*
 * A fault on a user address. AC in the interrupted flags says that an accessor meant it; without
 * it SMAP stopped a stray access. True: go on at r->rip.
 */
static bool user_access_fault(struct uregs *r, uint64_t addr)
{
	const struct uspace_ops *ops = &uspace_ops ? uspace_ops : NULL;
	uint64_t fixup = extable_find(r->rip);
	bool meant = !cpu_features.smap || (r->rflags & X86_EFLAGS_AC);

	if (!fixup)
		return false;
	if (meant && ops && (r->rflags & X86_EFLAGS_IF)) {
		sti();
		bool retry = ops->fault(r, addr, (uint32_t)r->error);
		cli();
		if (retry)
			return true;
	}
	r->rip = fixup;
	return true;
}

void trap_kernel(struct uregs *r)
{
	uint64_t addr = 0;

	if (r->vector == TRAP_PF) {
		addr = read_cr2();
		if (addr < USER_ADDR_MAX && user_access_fault(r, addr))
			return;
	}
	trap_panic(trap_names[r->vector & 31], r->rip, r->rsp, r->rbp, r->error, addr);
}
