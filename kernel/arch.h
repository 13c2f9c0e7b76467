/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kernel/ (mm, sched, lib, debug) and kernel/arch/x86_64 offer each other, and nobody else.
 *
 * Boot: arch enters long mode, maps all RAM, finds CPUs by ACPI, then calls kernel_main() on CPU 0
 * with interrupts off. kernel_main() sets up page_alloc, sched, timers, calls arch_smp_start();
 * each other CPU calls kernel_ap_main(cpu). Both end in the CPU's idle loop. When everything
 * is up a thread "main" runs: pci_init() (weak, absent in images without drivers),
 * self-tests if asked for, then board_main() (each image defines one).
 */
#pragma once

#include <kern/types.h>

#define MAX_CPUS 16
#define KSTACK_ORDER 3 /* 32 KiB; lowest page unmapped as a guard */

/* Address space: all RAM at DIRECT_MAP (mm's kva_to_phys() and phys_to_kva() compute with these),
 * device registers and kernel stacks in windows, the image at KERNEL_BASE + its physical address.
 */
#define DIRECT_MAP 0xffff888000000000ULL
#define DIRECT_MAP_END 0xffffc80000000000ULL
#define MMIO_WINDOW 0xffffc90000000000ULL
#define KSTACK_WINDOW 0xffffca0000000000ULL
#define KERNEL_BASE 0xffffffff80000000ULL

/* ---- provided by arch ---- */
/* usable RAM, page aligned, kernel and archive cut out */
struct arch_mem_region { uint64_t phys, len; };
unsigned arch_mem_regions(const struct arch_mem_region **out);
const char *arch_cmdline(void);                  /* NUL-terminated */
const void *arch_boot_archive(size_t *size);     /* kva, or NULL */
unsigned arch_cpu_count(void);                   /* found in the MADT, at most MAX_CPUS */
/* starts the others; returns when all are in kernel_ap_main */
void arch_smp_start(void);

/* Per CPU: arch keeps a pointer to this at %gs:0; preempt and need_resched are at fixed offsets. */
struct thread;
struct percpu {
	struct percpu *self;      /* %gs:0 */
	struct thread *current;   /* %gs:8 */
	uint32_t id;              /* %gs:16 */
	uint32_t preempt_count;   /* %gs:20 */
	uint32_t need_resched;    /* %gs:24 */
	uint32_t irq_depth;       /* %gs:28 */
	uint64_t kstack_top;      /* %gs:32, of current: where user mode enters */
	uint64_t user_rsp;        /* %gs:40, scratch of the syscall entry */
	void *arch;               /* TSS, GDT, APIC id */
	void *sched;              /* run queue */
	uint32_t deferred;        /* a woken thread waits here although another CPU idles */
};
static inline struct percpu *percpu(void)
{
	struct percpu *p;
	__asm__ volatile("movq %%gs:0, %0" : "=r"(p));
	return p;
}
/* defined by arch; self and id set before kernel code runs */
extern struct percpu percpu_area[MAX_CPUS];

/* A thread's saved state; the first member of nothing, just embedded in struct thread. */
struct arch_thread {
	uint64_t rsp;
	uint64_t kstack_top; /* 0 for idle threads, which never enter user mode */
};
/* First switch to it calls sched_thread_entry(). */
void arch_thread_init(struct arch_thread *t, void *kstack_base, size_t size);
/*
 * Saves the present state in from, continues to; interrupts off. Clears AC. Updates percpu
 * kstack_top and TSS.
 */
void arch_switch(struct arch_thread *from, struct arch_thread *to);
void *arch_kstack_alloc(void); /* with guard page; NULL: no memory */
void arch_kstack_free(void *base);

/* sti; hlt, entered with interrupts off, returns with them off */
void arch_idle(void);
void arch_ipi_resched(unsigned cpu);     /* makes cpu run sched_irq_exit() soon */
/* all other CPUs run fn in interrupt context; waits. irqs on */
void arch_ipi_call(void (*fn)(void *), void *arg);
/* one-shot on this CPU; UINT64_MAX: none; past: at once */
void arch_timer_set(uint64_t deadline_ns);
uint64_t arch_clock_ns(void);            /* TSC since boot, synchronised */
uint64_t arch_rtc_seconds(void);         /* CMOS clock as UTC seconds since 1970 */
bool arch_random(void *buf, size_t n);   /* RDRAND; false: not there */
void arch_serial_write(const char *s, size_t n); /* COM1, polled with a bound */
/* isa-debug-exit at 0xf4 (host sees (status<<1)|1), then hlt */
__noreturn void arch_exit(int status);
__noreturn void arch_halt(void);
void arch_stop_others(void);             /* NMI to all other CPUs: they halt. For panic. */
/* Return addresses from a frame pointer, newest first. */
unsigned arch_backtrace(uint64_t fp, uint64_t *out, unsigned max);

/* ---- called by arch ---- */
void kernel_main(void);
void kernel_ap_main(unsigned cpu);
/* interrupts off; enables them, runs the thread, never returns */
void sched_thread_entry(void);
void sched_timer_irq(void);              /* LAPIC timer */
void sched_irq_enter(void);              /* first of every interrupt: ends the time asleep */
/*
 * At the end of every interrupt and before user mode, interrupts off, irq_depth back at what it
 * was before: switches if need_resched, irq_depth and preempt_count allow; returns with them off.
 */
void sched_irq_exit(void);
/*
 * What a timer interrupt interrupted, where it was not the idle loop (debug/sample.c). Irq context.
 */
void sample_pc(uint64_t pc, bool user);
__noreturn void trap_panic(const char *what, uint64_t rip, uint64_t rsp, uint64_t rbp,
			   uint64_t error, uint64_t addr);

/* Name and offset of the function at addr ("name+0x12"), from the table the link put in. */
void ksym_format(uint64_t addr, char *buf, size_t size);
