/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User mode of x86-64, for the pComponent only: entry and exit, user page tables, checked access
 * to user memory, FPU state. Mechanism without policy: which page is where and what a syscall
 * does is the pComponent's. SMEP and SMAP are on; the AC flag is clear except inside the
 * accessors below and is cleared on every trap and switch.
 */
#pragma once

#include <kern/thread.h>
#include <kern/types.h>

/* Registers at a trap or syscall, as the assembly saves them. */
struct uregs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
	uint64_t rax, rcx, rdx, rsi, rdi;
	uint64_t orig_rax; /* syscall number, or UINT64_MAX for a trap */
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Page-fault error code bits (SDM vol. 3A 4.7). */
#define FAULT_PRESENT 1u
#define FAULT_WRITE 2u
#define FAULT_USER 4u
#define FAULT_EXEC 16u

struct uspace_ops {
	/* A syscall: arguments rdi rsi rdx r10 r8 r9, number orig_rax; sets rax. Interrupts on. */
	void (*syscall)(struct uregs *r);
	/*
	 * A fault on a user address, from user mode or from a kernel accessor (then !FAULT_USER).
	 * Interrupts on, may sleep. True: retry the instruction. False: for an accessor it returns
	 * -EFAULT; for user mode the callee has queued a signal.
	 */
	bool (*fault)(struct uregs *r, uint64_t addr, uint32_t code);
	/* Another exception in user mode (SDM vector number). The callee queues a signal. */
	void (*exception)(struct uregs *r);
	/* Before every return to user mode, interrupts on: signals, rescheduling of state. */
	void (*leave)(struct uregs *r);
};
void uspace_set_ops(const struct uspace_ops *ops);
/* Leaves the kernel with these registers, on a thread whose ops load its page table. */
__noreturn void uspace_enter(const struct uregs *r);
/*
 * Makes a thread that is in user mode on this CPU pass through leave() soon. Who wants something of
 * a running thread sets its flag, then kicks its CPU; a thread that is not running passes by
 * itself.
 */
void uspace_kick(int cpu);
/* The registers of the current thread's user mode while it is in the kernel. */
struct uregs *uspace_regs(void);
/* What AT_HWCAP tells a program: CPUID leaf 1, EDX. */
uint32_t uspace_hwcap(void);
/* In an interrupt handler: did the interrupt come in user mode? */
bool uspace_interrupted(void);
/* First user registers with sane segments and flags; rip and rsp given, others 0. */
void uregs_init(struct uregs *r, uint64_t rip, uint64_t rsp);
/* Of this CPU: the thread's owner keeps them and sets them in every switch_in. */
void uspace_set_fsbase(uint64_t v);
void uspace_set_gsbase(uint64_t v);
uint64_t uspace_get_fsbase(void);
uint64_t uspace_get_gsbase(void);

#define USER_ADDR_MIN 0x10000ULL
#define USER_ADDR_MAX 0x00007ffffffff000ULL /* first address that is not the user's */

/* ---- a page for every program ---- */
/*
 * Shows a page of the kernel's, read-only and executable, to all programs, at the address
 * returned. Once, before the first upt_create().
 */
uint64_t uspace_share_page(void *page);
/* May a program's rip be this? Its own memory, or the shared page. */
bool uspace_rip_ok(uint64_t rip);
/* How the clocks follow from the time-stamp counter; and makes RDTSCP give the CPU's number. */
struct uspace_clock {
	uint64_t tsc_boot, tsc_to_ns; /* 32.32 fixed point */
	uint64_t wall_ns;             /* wall - monotonic */
	bool has_rdtscp;
};
struct uspace_clock uspace_clock(void);

/* ---- user page tables: leaf entries are the owner's, intermediate tables are managed here ---- */
struct upt; /* one address space */
typedef _Atomic uint64_t upte_t;

#define UPTE_P (1ULL << 0)
#define UPTE_W (1ULL << 1)
#define UPTE_U (1ULL << 2)
#define UPTE_A (1ULL << 5)
#define UPTE_D (1ULL << 6)
#define UPTE_SW0 (1ULL << 9) /* three bits free for the owner in present entries; */
#define UPTE_SW1 (1ULL << 10) /* bits 1 to 63 are free in entries that are not present */
#define UPTE_SW2 (1ULL << 11)
#define UPTE_NX (1ULL << 63)
#define UPTE_ADDR 0x000ffffffffff000ULL

struct upt *upt_create(void); /* NULL: no memory; kernel half is shared */
/* All leaf entries are already dealt with by the owner; not active on any CPU. */
void upt_destroy(struct upt *t);
/* Leaf entry for addr; NULL when its table is missing and (alloc false or no memory). */
upte_t *upt_entry(struct upt *t, uint64_t addr, bool alloc);
/* Calls fn for every non-zero leaf entry in [start, end). */
void upt_each(struct upt *t, uint64_t start, uint64_t end,
	      void (*fn)(uint64_t addr, upte_t *e, void *arg), void *arg);
/* Frees intermediate tables whose range lies in [start, end) and is all zero. */
void upt_trim(struct upt *t, uint64_t start, uint64_t end);
/* Loads t (NULL: the kernel's own) on this CPU. Called from thread_ops.switch_in/out. */
void upt_activate(struct upt *t);
/*
 * Invalidates the range on every CPU where t is or was active and waits for them. Interrupts on,
 * no spinlock held. UPT_ALL as npages: everything.
 */
void upt_flush(struct upt *t, uint64_t addr, uint64_t npages);
#define UPT_ALL UINT64_MAX

/* ---- checked access; all may sleep in the fault handler; 0 or -EFAULT ---- */
int __must_check copy_from_user(void *dst, uint64_t src, size_t n);
int __must_check copy_to_user(uint64_t dst, const void *src, size_t n);
int __must_check zero_user(uint64_t dst, size_t n);
/* Length without the NUL, -ENAMETOOLONG when there is none in size bytes, or -EFAULT. */
ssize_t_k __must_check strncpy_from_user(char *dst, uint64_t src, size_t size);
/* *addr: if == expect, becomes desired; *old gets what was there. */
int __must_check cmpxchg_user_u32(uint64_t addr, uint32_t expect, uint32_t desired, uint32_t *old);
int __must_check read_user_u32(uint64_t addr, uint32_t *out); /* one load, atomic */

/* ---- FPU: legacy FXSAVE area (x87 + SSE; CR4.OSXSAVE stays off, so programs see no AVX) ---- */
struct fpu_state { alignas(16) uint8_t area[512]; };
void fpu_init(struct fpu_state *f);
void fpu_save(struct fpu_state *f);
void fpu_load(const struct fpu_state *f);
/* Makes bytes that a program wrote (a signal frame) safe for fpu_load(). */
void fpu_sanitize(struct fpu_state *f);
