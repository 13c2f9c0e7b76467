/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frame a handler runs on, and the way back (rt_sigreturn). Layout of the x86-64 ABI: return
 * address, ucontext, siginfo, above them the FXSAVE area. Nothing in a frame that comes back is
 * trusted.
 */
#include <asm/sigcontext.h>
#include <kern/string.h>

#include "proc/proc.h"
#include "syscall/table.h"

struct kucontext {
	uint64_t flags, link;
	struct { uint64_t sp; int32_t flags; uint32_t pad; uint64_t size; } stack;
	struct sigcontext mc;
	sigmask_t mask;
};
struct sigframe {
	uint64_t restorer;
	struct kucontext uc;
	siginfo_t info;
};
static_assert(offsetof(struct kucontext, mc) == 40, "ucontext of x86-64");

#define UC_SS 6u               /* UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
#define RED_ZONE 128
#define RFLAGS_USER 0x50dd5ULL /* flags a program may choose: CF PF AF ZF SF TF DF OF RF AC */
#define RFLAGS_DF (1ULL << 10)
#define RFLAGS_TF (1ULL << 8)

static bool on_altstack(const struct uthread *ut, uint64_t sp)
{
	return sp > ut->alt.sp && sp - ut->alt.sp <= ut->alt.size;
}

static void save_regs(struct sigcontext *mc, const struct uregs *r)
{
	mc->r8 = r->r8;
	mc->r9 = r->r9;
	mc->r10 = r->r10;
	mc->r11 = r->r11;
	mc->r12 = r->r12;
	mc->r13 = r->r13;
	mc->r14 = r->r14;
	mc->r15 = r->r15;
	mc->rdi = r->rdi;
	mc->rsi = r->rsi;
	mc->rbp = r->rbp;
	mc->rbx = r->rbx;
	mc->rdx = r->rdx;
	mc->rax = r->rax;
	mc->rcx = r->rcx;
	mc->rsp = r->rsp;
	mc->rip = r->rip;
	mc->eflags = r->rflags;
	mc->cs = (uint16_t)r->cs;
	mc->ss = (uint16_t)r->ss;
	mc->err = r->error;
	mc->trapno = r->vector;
}

static void load_regs(struct uregs *r, const struct sigcontext *mc)
{
	r->r8 = mc->r8;
	r->r9 = mc->r9;
	r->r10 = mc->r10;
	r->r11 = mc->r11;
	r->r12 = mc->r12;
	r->r13 = mc->r13;
	r->r14 = mc->r14;
	r->r15 = mc->r15;
	r->rdi = mc->rdi;
	r->rsi = mc->rsi;
	r->rbp = mc->rbp;
	r->rbx = mc->rbx;
	r->rdx = mc->rdx;
	r->rax = mc->rax;
	r->rcx = mc->rcx;
	r->rsp = mc->rsp;
	r->rip = mc->rip;
	r->rflags = (r->rflags & ~RFLAGS_USER) | (mc->eflags & RFLAGS_USER);
	r->orig_rax = UINT64_MAX;
}

int sigframe_push(struct uthread *ut, struct uregs *r, int sig, const siginfo_t *info,
		  const struct ksigaction *act, sigmask_t old)
{
	struct sigframe f = { .restorer = act->restorer, .info = *info };
	uint64_t sp = r->rsp - RED_ZONE, fp;
	struct fpu_state fpu;
	bool in_alt = on_altstack(ut, r->rsp);

	f.uc.stack.sp = ut->alt.sp;
	f.uc.stack.size = ut->alt.size;
	f.uc.stack.flags = in_alt ? SS_ONSTACK : (int32_t)ut->alt.flags;
	if ((act->flags & SA_ONSTACK) && !in_alt && ut->alt.size)
		sp = ut->alt.sp + ut->alt.size;
	fp = ROUND_DOWN(sp - sizeof(fpu), 64UL);
	sp = ROUND_DOWN(fp - sizeof(f), 16UL) - 8;
	f.uc.flags = UC_SS;
	f.uc.mask = old;
	save_regs(&f.uc.mc, r);
	f.uc.mc.oldmask = old;
	f.uc.mc.cr2 = sig == SIGSEGV || sig == SIGBUS ? (uint64_t)(uintptr_t)info->si_addr : 0;
	f.uc.mc.fpstate = (struct _fpstate *)(uintptr_t)fp;
	fpu_save(&fpu);
	/* bytes 464 to 511 are the kernel's to fill (software reserved) */
	memset(fpu.area + 464, 0, 48);
	if (!(act->flags & SA_RESTORER) || copy_to_user(fp, &fpu, sizeof(fpu)) ||
	    copy_to_user(sp, &f, sizeof(f)))
		return -EFAULT;
	r->rsp = sp;
	r->rip = act->handler;
	r->rdi = (uint64_t)sig;
	r->rsi = sp + offsetof(struct sigframe, info);
	r->rdx = sp + offsetof(struct sigframe, uc);
	r->rax = 0;
	r->rflags &= ~(RFLAGS_DF | RFLAGS_TF);
	return 0;
}

static int64_t sys_rt_sigreturn(struct syscall_args *a)
{
	struct uthread *ut = uthread_current();
	struct uregs *r = a->regs;
	struct sigframe f;
	struct fpu_state fpu;
	uint64_t flags, fp;

	/* the handler's ret has taken the restorer address off */
	if (copy_from_user(&f, r->rsp - 8, sizeof(f)))
		goto bad;
	fp = (uint64_t)(uintptr_t)f.uc.mc.fpstate;
	if (fp && copy_from_user(&fpu, fp, sizeof(fpu)))
		goto bad;
	if (!uspace_rip_ok(f.uc.mc.rip))
		goto bad;
	if (fp) {
		fpu_sanitize(&fpu);
		fpu_load(&fpu);
	}
	load_regs(r, &f.uc.mc);
	flags = spin_lock_irqsave(&ut->task->lock);
	ut->blocked = f.uc.mask & ~SIGMASK_UNBLOCKABLE;
	ut->alt = (struct altstack){ f.uc.stack.sp, f.uc.stack.size,
				     (uint32_t)f.uc.stack.flags & ~SS_ONSTACK };
	signal_recalc_locked(ut);
	spin_unlock_irqrestore(&ut->task->lock, flags);
	return (int64_t)r->rax;
bad:
	uthread_signal_self(SIGSEGV, NULL);
	return 0;
}
SYSCALL_DEFINE(__NR_rt_sigreturn, "rt_sigreturn", sys_rt_sigreturn);
