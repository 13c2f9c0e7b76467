/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cases of the differential tests. A case is a function that makes system calls and prints what
 * came back; the same static program runs on a Linux VM and on a pComponent, and what a case
 * printed and how it ended must be the same there and here:
 *
 *	CASE(open_excl)
 *	{
 *		R(open("a", O_CREAT | O_EXCL, 0600));
 *	}
 *
 * Each case runs in a process, a session and an empty working folder of its own, with descriptors 0
 * to 2 open, umask 022 and all signals at their default; it has CASE_SECONDS. It prints nothing
 * that may differ: no pids, addresses, times, inode numbers, ports.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CASE_SECONDS 15

struct abi_case {
	const char *name;
	void (*fn)(void);
	bool waits;
};

#define ABI_CASE(fn_, case_, text_, waits_)                                                       \
	static void fn_(void);                                                                    \
	static const struct abi_case case_                                                        \
		__attribute__((used, aligned(8), section("abi_cases"))) = { text_, fn_, waits_ }; \
	static void fn_(void)
#define CASE(name_) ABI_CASE(case_##name_, abi_case_##name_, #name_, false)
/* One that waits more than it works: these run first, at the same time. */
#define WAITING_CASE(name_) ABI_CASE(case_##name_, abi_case_##name_, #name_, true)

/* One line of the case's output, in one write. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "TEXT = VALUE", or "TEXT = -1 ENAME" */
long say_result(const char *text, long value, int err);
/* The same for calls whose good value may differ: only that it is not -1. */
long say_success(const char *text, long value, int err);
/* Bytes in quotes, the unprintable ones as \xNN, long runs as X*N. */
void say_bytes(const char *what, const void *data, size_t len);
/* "what: mode nlink uid gid size" of a path (not followed), or of a descriptor with path NULL. */
void say_stat(const char *path, int fd);
/* Names in a folder, sorted. */
void say_folder(const char *path);
/* How a child ended. */
void say_status(const char *what, int status);
const char *errno_name(int err);
const char *signal_name(int sig);

/* Calls, prints the call's own text with its result, and is the result. */
#define R(call)                                                                                   \
	({                                                                                        \
		errno = 0;                                                                        \
		long r_ = (long)(call);                                                           \
		say_result(#call, r_, errno);                                                     \
	})
#define OK(call)                                                                                  \
	({                                                                                        \
		errno = 0;                                                                        \
		long r_ = (long)(call);                                                           \
		say_success(#call, r_, errno);                                                    \
	})
/* A system call by number, without the C library's opinion: X(read, fd, BAD, 1) */
#define X(name, ...)                                                                              \
	({                                                                                        \
		errno = 0;                                                                        \
		long r_ = syscall(SYS_##name, ##__VA_ARGS__);                                     \
		say_result(#name "(" #__VA_ARGS__ ")", r_, errno);                                \
	})
#define XOK(name, ...)                                                                            \
	({                                                                                        \
		errno = 0;                                                                        \
		long r_ = syscall(SYS_##name, ##__VA_ARGS__);                                     \
		say_success(#name "(" #__VA_ARGS__ ")", r_, errno);                               \
	})

/* Ends the case when what it needs is not there. */
#define NEED(cond)                                                                                \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			say("needed: %s: %s", #cond, errno_name(errno));                          \
			_exit(99);                                                                \
		}                                                                                 \
	} while (0)

/* Pointers that are never the program's: unmapped, the kernel's. Variables: no compiler warns. */
extern void *abi_bad, *abi_kernel;
#define BAD abi_bad
#define KERNEL_PTR abi_kernel

/* Runs body in a child and prints how it ended. */
#define CHILD(...)                                                                                \
	do {                                                                                      \
		pid_t pid_ = fork();                                                              \
		int status_ = 0;                                                                  \
		if (!pid_) {                                                                      \
			__VA_ARGS__;                                                              \
			_exit(0);                                                                 \
		}                                                                                 \
		NEED(pid_ > 0 && waitpid(pid_, &status_, 0) == pid_);                             \
		say_status("child", status_);                                                     \
	} while (0)

/* A new file with this content; its descriptor, read-write, at offset 0. */
int make_file(const char *name, const void *data, size_t len);
void sleep_ms(unsigned ms);
uint64_t now_ms(void);
/* Waits until thread or process id sleeps in the kernel: long enough for a blocking call. */
void settle(void);
