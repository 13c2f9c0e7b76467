/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text log on the serial port: "[board   12.345678] subsystem: text". Any context. A file defines
 * LOG_SUBSYS before including this header. Panic is only for our own broken invariant, never for
 * something that came from outside.
 */
#pragma once

#include <kern/types.h>

#ifndef LOG_SUBSYS
#define LOG_SUBSYS "kernel"
#endif

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_print(enum log_level level, const char *subsys, const char *fmt, ...) __printf(3, 4);
/* Board name shown in every line; default "board". */
void log_set_board(const char *name);
/* Highest level printed; cmdline "log=err|warn|info|debug", default info. */
void log_set_level(enum log_level level);

#define log_err(...) log_print(LOG_ERR, LOG_SUBSYS, __VA_ARGS__)
#define log_warn(...) log_print(LOG_WARN, LOG_SUBSYS, __VA_ARGS__)
#define log_info(...) log_print(LOG_INFO, LOG_SUBSYS, __VA_ARGS__)
#define log_debug(...) log_print(LOG_DEBUG, LOG_SUBSYS, __VA_ARGS__)

__noreturn void panic(const char *fmt, ...) __printf(1, 2);
#define kassert(cond)                                                                             \
	do {                                                                                      \
		if (unlikely(!(cond)))                                                            \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond);          \
	} while (0)

/* Ends the machine with this exit status for the host (isa-debug-exit); on Linux, exit(). */
__noreturn void board_exit(int status);
