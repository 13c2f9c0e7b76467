/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Self-tests of user mode: entry and exit, faults, accessors, SMAP, shoot-down. Each builds an
 * address space of one code page and up to two data pages and runs a program of ktest_user.S on a
 * thread of its own. The operations of the board are put back afterwards.
 */
#define LOG_SUBSYS "uspace"
#include <kern/ktest.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <kern/timer.h>

#include "arch/x86_64/uspace/uspace_arch.h"
#include "arch/x86_64/x86.h"

#define CODE 0x400000ULL
#define DATA 0x800000ULL
#define DATA_SIZE (512 * PAGE_SIZE)
#define STACK_TOP 0x700000ULL /* never mapped: the programs push nothing */
#define WAIT_NS (5 * NSEC_PER_SEC)

extern const char ktest_user_start[], ktest_user_end[], ktest_user_regs[], ktest_user_touch[],
	ktest_user_bad_rip[], ktest_user_ud[], ktest_user_loop[], ktest_user_null[],
	ktest_user_exit[], ktest_user_walk[], ktest_user_mix[];
int ktest_touch_without_stac(uint64_t addr);

/* One run; written by the operations, read by the test after the thread was joined. */
static struct {
	struct upt *t;
	const struct uspace_ops *board_ops;
	uint64_t *page[3]; /* code, data 0, data 1 */
	bool map_on_fault; /* data 0, at the page of the fault */
	_Atomic int64_t status; /* of the last thread to exit, but never 0 after another */
	_Atomic unsigned exits;
	unsigned faults;
	uint64_t fault_addr, vector, leaves;
	uint32_t fault_code;
	_Atomic bool stop;
} u;

static uint64_t user_addr(const char *in_blob)
{
	return CODE + (uint64_t)(in_blob - ktest_user_start);
}

static void map(uint64_t addr, const void *page, uint64_t flags)
{
	upte_t *e = upt_entry(u.t, addr, true);
	kassert(e);
	atomic_store(e, kva_to_phys(page) | UPTE_P | UPTE_U | flags);
}

static void op_syscall(struct uregs *r)
{
	switch (r->orig_rax) {
	case 1:
		r->rax = r->rdi + r->rsi;
		break;
	case 2:
		r->rip = 1ULL << 63;
		break;
	case 3:
		r->rax = 0;
		break;
	case 60:
		if (r->rdi)
			u.status = (int64_t)r->rdi;
		u.exits++;
		thread_exit();
	}
}

static bool op_fault(struct uregs *r, uint64_t addr, uint32_t code)
{
	u.faults++;
	u.fault_addr = addr;
	u.fault_code = code;
	if (u.map_on_fault && addr >= DATA && addr < DATA + DATA_SIZE) {
		map(addr, u.page[1], UPTE_W | UPTE_NX);
		return true;
	}
	if (code & FAULT_USER) {
		r->rip = user_addr(ktest_user_exit);
		r->rdi = 99;
	}
	return false;
}

static void op_exception(struct uregs *r)
{
	u.vector = r->vector;
	r->rip = user_addr(ktest_user_exit);
	r->rdi = 98;
}

static void op_leave(struct uregs *r)
{
	u.leaves++;
	if (u.stop)
		thread_exit();
}

static const struct uspace_ops test_ops = { op_syscall, op_fault, op_exception, op_leave };

static void switch_in(struct thread *t)
{
	upt_activate(u.t);
}

static void switch_out(struct thread *t)
{
	upt_activate(NULL);
}

static const struct thread_ops thread_test_ops = { switch_in, switch_out };

static bool setup(void)
{
	memset(&u, 0, sizeof(u));
	u.board_ops = uspace_ops;
	u.t = upt_create();
	for (int i = 0; i < 3; i++)
		u.page[i] = page_alloc_zeroed(0);
	if (!u.t || !u.page[0] || !u.page[1] || !u.page[2])
		return false;
	memcpy(u.page[0], ktest_user_start, (size_t)(ktest_user_end - ktest_user_start));
	map(CODE, u.page[0], 0);
	uspace_set_ops(&test_ops);
	return true;
}

static void teardown(void)
{
	uspace_set_ops(u.board_ops);
	upt_destroy(u.t);
	for (int i = 0; i < 3; i++)
		page_free(u.page[i], 0);
}

static void user_thread(void *program)
{
	struct uregs r;

	uregs_init(&r, user_addr(program), STACK_TOP);
	r.rdi = DATA;
	uspace_enter(&r);
}

static struct thread *start(void (*fn)(void *), const char *program, int cpu)
{
	struct thread *t = thread_create("user-test", fn, (void *)program, cpu);
	kassert(t);
	thread_set_ops(t, &thread_test_ops);
	thread_start(t);
	return t;
}

static void run(void (*fn)(void *), const char *program)
{
	struct thread *t = start(fn, program, CPU_ANY);
	thread_join(t);
	thread_put(t);
}

KTEST(uspace, syscall_keeps_registers)
{
	KT_ASSERT(setup());
	run(user_thread, ktest_user_regs);
	teardown();
	KT_ASSERT(u.status == 0);
	KT_ASSERT(u.leaves >= 2); /* uspace_enter, the first syscall */
}

KTEST(uspace, fault_is_handled)
{
	KT_ASSERT(setup());
	u.map_on_fault = true;
	run(user_thread, ktest_user_touch);
	uint64_t seen = *u.page[1];
	teardown();
	KT_ASSERT(u.status == 0x77 && seen == 0x77);
	KT_ASSERT(u.faults == 1 && u.fault_addr == DATA);
	KT_ASSERT(u.fault_code == (FAULT_WRITE | FAULT_USER));
}

KTEST(uspace, fault_is_refused)
{
	KT_ASSERT(setup());
	run(user_thread, ktest_user_touch);
	teardown();
	KT_ASSERT(u.status == 99 && u.faults == 1);
}

KTEST(uspace, exception_reaches_owner)
{
	KT_ASSERT(setup());
	run(user_thread, ktest_user_ud);
	teardown();
	KT_ASSERT(u.status == 98 && u.vector == 6);
}

KTEST(uspace, bad_rip_is_an_exception)
{
	KT_ASSERT(setup());
	run(user_thread, ktest_user_bad_rip);
	teardown();
	KT_ASSERT(u.status == 98 && u.vector == TRAP_GP);
}

/* ---- accessors, on a thread that has the address space but stays in the kernel ---- */

static struct {
	int unmapped, kernel, mapped, wrap, zero, cmpxchg, bare;
	int64_t len, len_short;
	uint32_t old, value;
	char text[16];
} acc;

static void accessor_thread(void *arg)
{
	uint32_t word = 0;

	memset(&acc, 0, sizeof(acc));
	acc.unmapped = copy_from_user(&word, DATA + DATA_SIZE, sizeof(word));
	acc.kernel = copy_from_user(&word, (uint64_t)&acc, sizeof(word));
	acc.wrap = copy_to_user(UINT64_MAX - 1, &word, sizeof(word));
	acc.mapped = copy_to_user(DATA + 5, "hello, page", 12); /* mapped by the fault it takes */
	acc.len = strncpy_from_user(acc.text, DATA + 5, sizeof(acc.text));
	acc.len_short = strncpy_from_user(acc.text + 12, DATA + 5, 4);
	acc.zero = zero_user(DATA + 64, 13);
	acc.cmpxchg = cmpxchg_user_u32(DATA + 64, 0, 7, &acc.old);
	if (read_user_u32(DATA + 64, &acc.value) != 0)
		acc.value = 0;
	acc.bare = ktest_touch_without_stac(DATA);
}

KTEST(uspace, accessors)
{
	KT_ASSERT(setup());
	u.map_on_fault = true;
	memset((char *)u.page[1] + 60, 0xff, 30);
	run(accessor_thread, NULL);
	const uint8_t *p = (const uint8_t *)u.page[1];
	bool zeroed = p[63] == 0xff && p[68] == 0 && p[76] == 0 && p[77] == 0xff;
	teardown();
	KT_ASSERT(acc.unmapped == -EFAULT && acc.kernel == -EFAULT && acc.wrap == -EFAULT);
	/* the refused one and the mapped one */
	KT_ASSERT(u.faults == 2 && u.fault_code == FAULT_WRITE);
	KT_ASSERT(acc.mapped == 0 && acc.len == 11 && acc.len_short == -ENAMETOOLONG);
	KT_ASSERT(!memcmp(acc.text, "hello, page", 12));
	KT_ASSERT(acc.zero == 0 && zeroed);
	KT_ASSERT(acc.cmpxchg == 0 && acc.old == 0 && acc.value == 7);
}

KTEST(uspace, smap_stops_stray_access)
{
	if (!cpu_features.smap)
		KT_SKIP("the CPU has no SMAP");
	KT_ASSERT(read_cr4() & X86_CR4_SMAP);
	KT_ASSERT(setup());
	u.map_on_fault = true;
	run(accessor_thread, NULL);
	teardown();
	KT_ASSERT(acc.mapped == 0 && acc.bare == -EFAULT);
}

KTEST(uspace, smep_is_on)
{
	if (!cpu_features.smep)
		KT_SKIP("the CPU has no SMEP");
	KT_ASSERT(read_cr4() & X86_CR4_SMEP);
}

static bool word_becomes(const uint64_t *p, uint64_t v)
{
	for (uint64_t end = clock_mono_ns() + WAIT_NS; clock_mono_ns() < end;
	     thread_sleep_ns(100000))
		if (__atomic_load_n(p, __ATOMIC_ACQUIRE) == v)
			return true;
	return false;
}

/* A program on another CPU must see a changed and then a cleared entry after upt_flush(). */
KTEST(uspace, shootdown_reaches_other_cpu)
{
	if (cpu_count() < 2)
		KT_SKIP("one CPU");
	KT_ASSERT(setup());
	uint64_t *second = page_alloc_zeroed(0);
	kassert(second);
	*u.page[1] = 1;
	*second = 2;
	map(DATA, u.page[1], UPTE_NX);
	map(DATA + PAGE_SIZE, u.page[2], UPTE_W | UPTE_NX);
	struct thread *t = start(user_thread, ktest_user_loop, cpu_id() ? 0 : 1);
	bool one = word_becomes(u.page[2], 1);
	map(DATA, second, UPTE_NX);
	upt_flush(u.t, DATA, 1);
	bool two = word_becomes(u.page[2], 2);
	atomic_store(upt_entry(u.t, DATA, false), 0);
	upt_flush(u.t, DATA, 1);
	thread_join(t);
	thread_put(t);
	page_free(second, 0);
	teardown();
	KT_ASSERT(one && two);
	KT_ASSERT(u.status == 99 && u.fault_addr == DATA && u.fault_code == FAULT_USER);
}

/* A program that never enters the kernel by itself still passes through leave(). */
KTEST(uspace, kick_reaches_a_loop)
{
	if (cpu_count() < 2)
		KT_SKIP("one CPU");
	KT_ASSERT(setup());
	*u.page[1] = 1;
	map(DATA, u.page[1], UPTE_NX);
	map(DATA + PAGE_SIZE, u.page[2], UPTE_W | UPTE_NX);
	int cpu = cpu_id() ? 0 : 1;
	struct thread *t = start(user_thread, ktest_user_loop, cpu);
	bool looping = word_becomes(u.page[2], 1);
	u.stop = true;
	uspace_kick(cpu);
	thread_join(t);
	thread_put(t);
	teardown();
	KT_ASSERT(looping);
}

/* Threads on all CPUs keep running rightly while their page is taken away again and again. */
KTEST(uspace, threads_under_shootdown)
{
	struct thread *t[4];
	unsigned flushes = 0;

	KT_ASSERT(setup());
	u.map_on_fault = true;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		t[i] = start(user_thread, ktest_user_mix, CPU_ANY);
	for (uint64_t end = clock_mono_ns() + WAIT_NS;
	     u.exits < ARRAY_SIZE(t) && clock_mono_ns() < end; flushes++) {
		upte_t *e = upt_entry(u.t, DATA, false);
		if (e)
			atomic_store(e, 0);
		upt_flush(u.t, DATA, flushes % 2 ? 1 : UPT_ALL);
		thread_sleep_ns(flushes % 8 * 50000);
	}
	bool ended = u.exits == ARRAY_SIZE(t);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		thread_join(t[i]);
		thread_put(t[i]);
	}
	teardown();
	KT_ASSERT(ended && u.status == 0);
	KT_ASSERT(u.faults > 0 && flushes > 0);
}

KTEST(uspace, trim_frees_tables)
{
	KT_ASSERT(setup());
	struct mm_stats before, with, after;
	mm_stats(&before);
	KT_ASSERT(upt_entry(u.t, 0x7f0000000000, true) != NULL);
	mm_stats(&with);
	upt_trim(u.t, 0x7e0000000000, USER_ADDR_MAX);
	mm_stats(&after);
	teardown();
	KT_ASSERT(before.free_pages - with.free_pages >= 2);
	KT_ASSERT(with.free_pages < after.free_pages);
}

KTEST(uspace, cost_of_a_fault)
{
	KT_ASSERT(setup());
	u.map_on_fault = true;
	uint64_t start_ns = clock_mono_ns();
	run(user_thread, ktest_user_walk);
	log_info("page fault: %lu ns", (clock_mono_ns() - start_ns) / 512);
	teardown();
	KT_ASSERT(u.status == 0 && u.faults == 512);
}

KTEST(uspace, cost_of_a_syscall)
{
	KT_ASSERT(setup());
	uint64_t start_ns = clock_mono_ns();
	run(user_thread, ktest_user_null);
	log_info("null system call: %lu ns", (clock_mono_ns() - start_ns) / 10000);
	teardown();
	KT_ASSERT(u.status == 0);
}
