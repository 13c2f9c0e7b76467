/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first stack of a program, as the x86-64 ABI has it (3.4.1): strings at the top, below them
 * auxv, environment, arguments, argc. Made in the kernel, copied out in one piece.
 */
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/string.h>
#include <linux/auxvec.h>

#include "mem_client.h"
#include "proc/proc.h"

#define AUX_ENTRIES 22
#define PLATFORM "x86_64"
#define SIGSTACK_MIN 2048

struct stack {
	uint8_t *buf;      /* image of [low, high) */
	uint64_t low, high, sp;
};

static uint64_t push_bytes(struct stack *s, const void *p, size_t n)
{
	s->sp -= n;
	memcpy(s->buf + (s->sp - s->low), p, n);
	return s->sp;
}

static unsigned add_aux(uint64_t *aux, unsigned n, uint64_t type, uint64_t value)
{
	kassert(n + 2 <= 2 * AUX_ENTRIES);
	aux[n] = type;
	aux[n + 1] = value;
	return n + 2;
}

static unsigned make_aux(uint64_t *aux, struct stack *s, const struct exec_args *x,
			 const struct mem_exec_reply *m)
{
	const struct cred *c = &task_current()->cred;
	const char *name = exec_shown(x);
	uint8_t rnd[16];
	unsigned n = 0;

	random_bytes(rnd, sizeof(rnd));
	n = add_aux(aux, n, AT_SYSINFO_EHDR, vdso_address());
	n = add_aux(aux, n, AT_PHDR, le64_get(m->phdr));
	n = add_aux(aux, n, AT_PHENT, le32_get(m->phent));
	n = add_aux(aux, n, AT_PHNUM, le32_get(m->phnum));
	n = add_aux(aux, n, AT_PAGESZ, PAGE_SIZE);
	n = add_aux(aux, n, AT_BASE, le64_get(m->interp_base));
	n = add_aux(aux, n, AT_FLAGS, 0);
	n = add_aux(aux, n, AT_ENTRY, le64_get(m->program_entry));
	n = add_aux(aux, n, AT_UID, c->uid);
	n = add_aux(aux, n, AT_EUID, c->euid);
	n = add_aux(aux, n, AT_GID, c->gid);
	n = add_aux(aux, n, AT_EGID, c->egid);
	n = add_aux(aux, n, AT_SECURE, c->uid != c->euid || c->gid != c->egid);
	n = add_aux(aux, n, AT_CLKTCK, 100);
	n = add_aux(aux, n, AT_HWCAP, uspace_hwcap());
	n = add_aux(aux, n, AT_HWCAP2, 0);
	n = add_aux(aux, n, AT_MINSIGSTKSZ, SIGSTACK_MIN);
	n = add_aux(aux, n, AT_PLATFORM, push_bytes(s, PLATFORM, sizeof(PLATFORM)));
	n = add_aux(aux, n, AT_RANDOM, push_bytes(s, rnd, sizeof(rnd)));
	n = add_aux(aux, n, AT_EXECFN, push_bytes(s, name, strlen(name) + 1));
	return add_aux(aux, n, AT_NULL, 0);
}

/* argc, argv[], NULL, envp[], NULL, auxv: below the strings, sp a multiple of 16 (ABI 3.4.1). */
static void push_vectors(struct stack *s, const struct exec_args *x, uint64_t strings,
			 const uint64_t *aux, unsigned naux)
{
	size_t words = 1 + x->argc + 1 + x->envc + 1 + naux;
	const char *p = x->strings;
	uint64_t *v;

	s->sp = ROUND_DOWN(s->sp, 16UL) - ROUND_UP(words * 8, 16UL);
	v = (uint64_t *)(s->buf + (s->sp - s->low));
	*v++ = x->argc;
	for (unsigned i = 0; i < x->argc + x->envc; i++) {
		if (i == x->argc)
			*v++ = 0;
		*v++ = strings + (uint64_t)(p - x->strings);
		p += strlen(p) + 1;
	}
	if (!x->envc)
		*v++ = 0;
	*v++ = 0;
	memcpy(v, aux, naux * 8);
}

/* Where things are, for /proc. */
static void note_layout(const struct exec_args *x, uint64_t strings, uint64_t sp, unsigned naux)
{
	struct task *t = task_current();
	const char *end = x->strings;
	uint64_t flags;

	for (unsigned i = 0; i < x->argc; i++)
		end += strlen(end) + 1;
	flags = spin_lock_irqsave(&t->lock);
	t->layout.arg_start = strings;
	t->layout.arg_end = t->layout.env_start = strings + (uint64_t)(end - x->strings);
	t->layout.env_end = strings + x->len;
	t->layout.auxv = sp + (1 + x->argc + 1 + x->envc + 1) * 8UL;
	t->layout.auxv_len = naux * 8UL;
	t->layout.stack = sp;
	spin_unlock_irqrestore(&t->lock, flags);
}

int exec_make_stack(const struct exec_args *x, const struct mem_exec_reply *m, uint64_t *sp)
{
	struct stack s = { .high = le64_get(m->stack_high) };
	uint64_t aux[2 * AUX_ENTRIES], strings, size;
	unsigned naux;
	int err;

	size = ROUND_UP(x->len + (x->argc + x->envc) * 8UL + sizeof(aux) + FILE_PATH_MAX + 256,
			PAGE_SIZE);
	if (size > s.high - le64_get(m->stack_low))
		return -E2BIG;
	s.low = s.high - size;
	s.sp = s.high - 8;
	s.buf = kzalloc(size);
	if (!s.buf)
		return -ENOMEM;
	strings = push_bytes(&s, x->strings, x->len);
	naux = make_aux(aux, &s, x, m);
	push_vectors(&s, x, strings, aux, naux);
	err = copy_to_user(s.sp, s.buf + (s.sp - s.low), s.high - s.sp);
	*sp = s.sp;
	note_layout(x, strings, s.sp, naux);
	kfree(s.buf);
	return err;
}
