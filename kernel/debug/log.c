/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The text log. A line is built on the stack of its writer, so that only whole lines meet on the
 * port; the lock is held for the write. Any context. After a panic began, the lock is only tried,
 * for a bounded time. Shared with linux/.
 */
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/spinlock.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <kern/timer.h>

#include "arch.h"
#include "debug/log.h"

#define LINE_MAX 512
#define PANIC_LOCK_TRIES 1000000

static struct spinlock lock = SPINLOCK_INIT("log");
static char board[24] = "board";
static enum log_level max_level = LOG_INFO;
static _Atomic bool panicking;

void log_set_board(const char *name)
{
	kstrcpy(board, name, sizeof(board));
}

void log_set_level(enum log_level level)
{
	max_level = level;
}

void log_set_panic(void)
{
	atomic_store(&panicking, true);
}

void log_init(void)
{
	static const char *const names[] = { "err", "warn", "info", "debug" };
	const char *name = cmdline_get("name"), *level = cmdline_get("log");

	if (name && *name)
		log_set_board(name);
	for (unsigned i = 0; level && i < ARRAY_SIZE(names); i++) {
		if (!strcmp(level, names[i]))
			max_level = (enum log_level)i;
	}
}

static void write_line(const char *line, size_t n)
{
	uint64_t flags;

	if (atomic_load_explicit(&panicking, memory_order_relaxed)) {
		bool locked = false;

		for (int i = 0; i < PANIC_LOCK_TRIES && !locked; i++)
			locked = spin_trylock(&lock);
		arch_serial_write(line, n);
		if (locked)
			spin_unlock(&lock);
		return;
	}
	flags = spin_lock_irqsave(&lock);
	arch_serial_write(line, n);
	spin_unlock_irqrestore(&lock, flags);
}

void log_print(enum log_level level, const char *subsys, const char *fmt, ...)
{
	char line[LINE_MAX];
	uint64_t us = clock_mono_ns() / NSEC_PER_USEC;
	va_list ap;
	int n, m;

	if (level > max_level)
		return;
	n = snprintf(line, sizeof(line), "[%s %4llu.%06llu] %s: ", board,
		     (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000),
		     subsys);
	n = KMIN(n, LINE_MAX / 2);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n = KMIN(n + m, LINE_MAX - 2);
	line[n++] = '\n';
	write_line(line, (size_t)n);
}

