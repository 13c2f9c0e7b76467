/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User page tables and their shoot-down.
 *
 * A switch to a kernel thread leaves the user table in CR3 ("lazy"): coming back to the same
 * process then costs no TLB. gen counts the flushes of a table and upt_gen of a CPU says which of
 * them it has done. Either the flusher sees that a CPU is active and interrupts it, or the
 * CPU, on becoming active, sees the new gen and reloads: each side writes first and reads then.
 * Lazy CPUs are interrupted only before tables are freed under them.
 */
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <kern/uspace.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

#define INVLPG_MAX 32 /* above, reloading CR3 is cheaper */
#define USER_SLOTS 256
#define TRIM_BATCH 32

struct upt {
	upte_t *pml4;
	uint64_t cr3;
	_Atomic uint64_t gen;
};

static upte_t *table_of(uint64_t e)
{
	return (upte_t *)(DIRECT_MAP + (e & UPTE_ADDR));
}

static unsigned index(uint64_t addr, unsigned level)
{
	return (addr >> (PAGE_SHIFT + 9 * level)) & 511;
}

static uint64_t span(unsigned level) /* of one entry at this level */
{
	return PAGE_SIZE << 9 * level;
}

struct upt *upt_create(void)
{
	struct upt *t = kzalloc(sizeof(*t));
	if (!t)
		return NULL;
	t->pml4 = page_alloc_zeroed(0);
	if (!t->pml4) {
		kfree(t);
		return NULL;
	}
	memcpy((void *)(t->pml4 + USER_SLOTS), (void *)(DIRECT_MAP + kernel_cr3 + PAGE_SIZE / 2),
	       PAGE_SIZE / 2);
	t->cr3 = (uint64_t)t->pml4 - DIRECT_MAP;
	return t;
}

/* ---- flushing ---- */

struct flush {
	struct upt *t;
	uint64_t addr, npages, gen;
};

/* Interrupts off. */
static void flush_here(void *arg)
{
	const struct flush *f = arg;
	struct arch_cpu *c = this_cpu();

	if (atomic_load(&c->upt) != f->t || c->upt_gen >= f->gen)
		return;
	if (f->npages <= INVLPG_MAX && c->upt_gen + 1 == f->gen) {
		for (uint64_t i = 0; i < f->npages; i++)
			invlpg(f->addr + i * PAGE_SIZE);
		c->upt_gen = f->gen;
		return;
	}
	c->upt_gen = atomic_load(&f->t->gen);
	write_cr3(f->t->cr3);
}

static void flush_cpus(struct flush *f, bool lazy_too, void (*fn)(void *))
{
	uint32_t mask = 0, self;

	preempt_disable();
	self = 1u << percpu()->id;
	for (unsigned i = 0; i < arch_cpu_count(); i++)
		if (atomic_load(&arch_cpus[i].upt) == f->t &&
		    (lazy_too || !atomic_load(&arch_cpus[i].upt_lazy)))
			mask |= 1u << i;
	if (mask & self) {
		uint64_t flags = irq_save();
		fn(f);
		irq_restore(flags);
	}
	if (mask & ~self)
		ipi_call_mask(mask & ~self, fn, f);
	preempt_enable();
}

void upt_flush(struct upt *t, uint64_t addr, uint64_t npages)
{
	/* it does not, but where it may not, waiting for other CPUs may not be either */
	might_sleep();
	struct flush f = { t, addr, npages, atomic_fetch_add(&t->gen, 1) + 1 };
	flush_cpus(&f, false, flush_here);
}

void upt_activate(struct upt *t)
{
	uint64_t flags = irq_save();
	struct arch_cpu *c = this_cpu();

	if (!t) {
		atomic_store_explicit(&c->upt_lazy, true, memory_order_release);
	} else {
		bool same = atomic_load_explicit(&c->upt, memory_order_relaxed) == t;
		atomic_store_explicit(&c->upt, t, memory_order_relaxed);
		atomic_store(&c->upt_lazy, false);
		uint64_t gen = atomic_load(&t->gen);
		if (!same || c->upt_gen != gen) {
			c->upt_gen = gen;
			write_cr3(t->cr3);
		}
	}
	irq_restore(flags);
}

/* ---- tables ---- */

upte_t *upt_entry(struct upt *t, uint64_t addr, bool alloc)
{
	upte_t *table = t->pml4;

	if (addr >= USER_ADDR_MAX)
		return NULL;
	for (unsigned level = 3; level > 0; level--) {
		upte_t *slot = &table[index(addr, level)];
		uint64_t e = atomic_load_explicit(slot, memory_order_acquire);
		if (!(e & UPTE_P)) {
			upte_t *page = alloc ? page_alloc_zeroed(0) : NULL;
			if (!page)
				return NULL;
			uint64_t made = ((uint64_t)page - DIRECT_MAP) | UPTE_P | UPTE_W | UPTE_U;
			if (atomic_compare_exchange_strong(slot, &e, made))
				e = made;
			else
				page_free(page, 0); /* another thread was first */
		}
		table = table_of(e);
	}
	return &table[index(addr, 0)];
}

struct each {
	uint64_t start, end;
	void (*fn)(uint64_t addr, upte_t *e, void *arg);
	void *arg;
};

/* The entries of one table, whose first is for base, as far as they lie in the range. */
static void each_level(const struct each *x, upte_t *table, unsigned level, uint64_t base)
{
	uint64_t step = span(level), all = 512 * step;
	uint64_t i = x->start > base ? (x->start - base) / step : 0;
	uint64_t stop = x->end - base < all ? DIV_ROUND_UP(x->end - base, step) : 512;

	for (; i < stop; i++) {
		uint64_t e = atomic_load_explicit(&table[i], memory_order_acquire);
		if (!e)
			continue;
		if (level)
			each_level(x, table_of(e), level - 1, base + i * step);
		else
			x->fn(base + i * step, &table[i], x->arg);
	}
}

void upt_each(struct upt *t, uint64_t start, uint64_t end,
	      void (*fn)(uint64_t addr, upte_t *e, void *arg), void *arg)
{
	struct each x = { ROUND_DOWN(start, PAGE_SIZE), KMIN(end, USER_ADDR_MAX), fn, arg };

	if (x.start < x.end)
		each_level(&x, t->pml4, 3, 0);
}

struct trim {
	struct upt *t;
	uint64_t start, end;
	unsigned n;
	void *pages[TRIM_BATCH];
};

/* CPUs may walk a table until they are flushed, the lazy ones too: so flush, then free. */
static void trim_free(struct trim *tr)
{
	if (!tr->n)
		return;
	struct flush f = { tr->t, 0, UPT_ALL, atomic_fetch_add(&tr->t->gen, 1) + 1 };
	flush_cpus(&f, true, flush_here);
	while (tr->n)
		page_free(tr->pages[--tr->n], 0);
}

static bool all_zero(upte_t *table)
{
	for (unsigned i = 0; i < 512; i++)
		if (atomic_load_explicit(&table[i], memory_order_relaxed))
			return false;
	return true;
}

static void trim_level(struct trim *tr, upte_t *table, unsigned level, uint64_t base)
{
	for (unsigned i = 0; i < (level == 3 ? USER_SLOTS : 512); i++) {
		uint64_t from = base + i * span(level), to = from + span(level);
		uint64_t e = atomic_load_explicit(&table[i], memory_order_relaxed);
		if (!(e & UPTE_P) || to <= tr->start || from >= tr->end)
			continue;
		if (level > 1)
			trim_level(tr, table_of(e), level - 1, from);
		if (from < tr->start || to > tr->end || !all_zero(table_of(e)))
			continue;
		atomic_store(&table[i], 0);
		tr->pages[tr->n++] = table_of(e);
		if (tr->n == TRIM_BATCH)
			trim_free(tr);
	}
}

void upt_trim(struct upt *t, uint64_t start, uint64_t end)
{
	struct trim tr = { .t = t, .start = start, .end = end };

	if (end - start < span(1))
		return;
	trim_level(&tr, t->pml4, 3, 0);
	trim_free(&tr);
}

/* Interrupts off, on a CPU that has the table in CR3 but no longer uses it. */
static void drop_here(void *arg)
{
	const struct flush *f = arg;
	struct arch_cpu *c = this_cpu();

	if (atomic_load(&c->upt) != f->t)
		return;
	write_cr3(kernel_cr3);
	atomic_store(&c->upt, NULL);
}

static void free_level(upte_t *table, unsigned level)
{
	for (unsigned i = 0; level > 0 && i < (level == 3 ? USER_SLOTS : 512); i++) {
		uint64_t e = atomic_load_explicit(&table[i], memory_order_relaxed);
		if (e & UPTE_P)
			free_level(table_of(e), level - 1);
	}
	page_free(table, 0);
}

void upt_destroy(struct upt *t)
{
	struct flush f = { .t = t };

	flush_cpus(&f, true, drop_here);
	free_level(t->pml4, 3);
	kfree(t);
}
