/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * System calls with pointers to where nothing is, to kernel addresses, to read-only memory and
 * across the end of a page: each must fail with EFAULT, and the program and the system go on.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "check.h"

/* In an argument list: the wild pointer stands here. */
#define BAD 0xbadbadULL
#define ARGS_MAX 6

enum {
	READS = 1,  /* from the pointer: read-only memory is as good as any */
	WRITES = 2, /* through it */
};

static int out[2];                   /* a pipe that holds bytes to read */
static int zero, ep, file;
static uint64_t good[512];           /* memory in which nothing is wrong */
static const char path[] = "/tmp";

struct call {
	const char *name;
	long nr;
	int does;
	uint64_t a[ARGS_MAX];
};

static uint64_t p(const void *q)
{
	return (uintptr_t)q;
}

static void call_all(const struct call *c, size_t n, uint64_t bad, bool writable)
{
	for (size_t k = 0; k < n; k++) {
		uint64_t a[ARGS_MAX];

		if (!writable && !(c[k].does & WRITES))
			continue;
		for (int i = 0; i < ARGS_MAX; i++)
			a[i] = c[k].a[i] == BAD ? bad : c[k].a[i];
		errno = 0;
		long r = syscall(c[k].nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (r == -1 && errno == EPERM && geteuid())
			continue; /* setgroups looks at who asks first */
		if (r != -1 || errno != EFAULT)
			FAIL("%s with %#llx gives %ld, errno %d (%s)", c[k].name,
			     (unsigned long long)bad, r, errno, strerror(errno));
	}
}

#define C(name, does, ...) { #name, SYS_##name, does, { __VA_ARGS__ } }

static void with_pointer(uint64_t bad, bool writable)
{
	const struct call calls[] = {
		C(read, WRITES, out[0], BAD, 16),
		C(read, WRITES, zero, BAD, 16),
		C(pread64, WRITES, file, BAD, 16, 0),
		C(write, READS, out[1], BAD, 16),
		C(pwrite64, READS, file, BAD, 16, 0),
		C(readv, READS, out[0], BAD, 1),
		C(writev, READS, out[1], BAD, 1),
		C(open, READS, BAD, O_RDONLY),
		C(openat, READS, AT_FDCWD, BAD, O_RDONLY),
		C(stat, READS, BAD, p(good)),
		C(stat, WRITES, p(path), BAD),
		C(lstat, WRITES, p(path), BAD),
		C(fstat, WRITES, file, BAD),
		C(newfstatat, WRITES, AT_FDCWD, p(path), BAD, 0),
		C(access, READS, BAD, R_OK),
		C(mkdir, READS, BAD, 0700),
		C(rmdir, READS, BAD),
		C(unlink, READS, BAD),
		C(rename, READS, BAD, p(path)),
		C(rename, READS, p(path), BAD),
		C(symlink, READS, BAD, p(path)),
		C(readlink, READS, BAD, p(good), 16),
		C(readlink, WRITES, p("/proc/self/exe"), BAD, 16),
		C(chdir, READS, BAD),
		C(chmod, READS, BAD, 0700),
		C(truncate, READS, BAD, 0),
		C(getcwd, WRITES, BAD, 256),
		C(pipe, WRITES, BAD),
		C(pipe2, WRITES, BAD, 0),
		C(poll, READS, BAD, 1, 0),
		C(select, READS, 1, BAD, 0, 0, 0),
		C(epoll_ctl, READS, ep, EPOLL_CTL_ADD, out[0], BAD),
		C(clock_gettime, WRITES, CLOCK_MONOTONIC, BAD),
		C(clock_getres, WRITES, CLOCK_MONOTONIC, BAD),
		C(gettimeofday, WRITES, BAD, 0),
		C(time, WRITES, BAD),
		C(times, WRITES, BAD),
		C(nanosleep, READS, BAD, 0),
		C(clock_nanosleep, READS, CLOCK_MONOTONIC, 0, BAD, 0),
		C(getitimer, WRITES, 0, BAD),
		C(setitimer, READS, 0, BAD, 0),
		C(rt_sigaction, READS, SIGUSR1, BAD, 0, 8),
		C(rt_sigaction, WRITES, SIGUSR1, 0, BAD, 8),
		C(rt_sigprocmask, READS, SIG_BLOCK, BAD, 0, 8),
		C(rt_sigprocmask, WRITES, SIG_BLOCK, 0, BAD, 8),
		C(rt_sigpending, WRITES, BAD, 8),
		C(rt_sigsuspend, READS, BAD, 8),
		C(rt_sigtimedwait, READS, BAD, 0, 0, 8),
		C(sigaltstack, READS, BAD, 0),
		C(sigaltstack, WRITES, 0, BAD),
		C(futex, READS, BAD, FUTEX_WAIT, 0, 0, 0, 0),
		C(futex, READS, p(good), FUTEX_WAIT, 0, BAD, 0, 0),
		C(execve, READS, BAD, 0, 0),
		C(execve, READS, p("/bin/sh"), BAD, 0),
		C(uname, WRITES, BAD),
		C(sysinfo, WRITES, BAD),
		C(getrandom, WRITES, BAD, 16, 0),
		C(getrlimit, WRITES, 7, BAD),
		C(setrlimit, READS, 7, BAD),
		C(prlimit64, WRITES, 0, 7, 0, BAD),
		C(getrusage, WRITES, 0, BAD),
		C(setgroups, READS, 1, BAD),
		C(getresuid, WRITES, BAD, p(good), p(good)),
		C(sched_getaffinity, WRITES, 0, 128, BAD),
		C(sched_setaffinity, READS, 0, 8, BAD),
		C(sched_getparam, WRITES, 0, BAD),
		C(getcpu, WRITES, BAD, 0, 0),
		C(prctl, READS, 15, BAD), /* PR_SET_NAME */
		C(prctl, WRITES, 16, BAD), /* PR_GET_NAME */
		C(getdents64, WRITES, file + 1, BAD, 512),
		C(ioctl, WRITES, out[0], 0x541b, BAD), /* FIONREAD */
	};

	call_all(calls, sizeof(calls) / sizeof(calls[0]), bad, writable);
}

/* Calls whose effect a second look shows: nothing was lost or done by half. */
static void check_effects(char *edge)
{
	struct { uint64_t base, len; } v[2] = { { p(good), 4 }, { 0x1000, 4 } };
	int fd[2], status;

	/* a write of which the first bytes can be read writes those, as Linux does, or none */
	CHECK(!pipe(fd));
	memcpy(edge - 3, "abc", 3);
	long n = syscall(SYS_write, fd[1], edge - 3, 16);
	CHECK(n == 3 || (n == -1 && errno == EFAULT));
	memcpy(good, "1234", 4);
	n = syscall(SYS_writev, fd[1], v, 2);
	CHECK(n == 4 || (n == -1 && errno == EFAULT));
	CHECK(!close(fd[0]) && !close(fd[1]));
	/* a status that cannot be stored: Linux has reaped the child all the same */
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(0);
	CHECK_ERRNO(syscall(SYS_wait4, pid, 0x1000, 0, 0), EFAULT);
	CHECK_ERRNO(waitpid(pid, &status, WNOHANG), ECHILD);
	/* a name that ends at the edge of memory is a name; one that does not end is not */
	memcpy(edge - 5, "/tmp", 5);
	CHECK(!access(edge - 5, F_OK));
	memcpy(edge - 4, "/tmp", 4);
	CHECK_ERRNO(access(edge - 4, F_OK), EFAULT);
}

int main(void)
{
	char name[64], *pages, *ro;

	pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* one page that may be touched, then one that may not, which keeps its place */
	CHECK(pages != MAP_FAILED && !mprotect(pages + 4096, 4096, PROT_NONE));
	memset(pages, 0x55, 4096);
	CHECK(ro != MAP_FAILED && !pipe(out) && write(out[1], good, 64) == 64);
	zero = open("/dev/zero", O_RDONLY);
	ep = epoll_create1(0);
	snprintf(name, sizeof(name), "/tmp/badptr-%d", (int)getpid());
	file = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(zero >= 0 && ep >= 0 && file >= 0 && !unlink(name) && write(file, good, 64) == 64);
	CHECK_EQ(open("/", O_RDONLY | O_DIRECTORY), file + 1);

	with_pointer(0x1000, true);                /* below every mapping */
	with_pointer((uintptr_t)pages + 4096, true); /* PROT_NONE */
	with_pointer(0x00007ffffffff000ULL, true); /* first address that is not the user's */
	with_pointer(0xdeadbeefdeadbeecULL, true); /* not canonical */
	with_pointer(0xffff800000000000ULL, true); /* the kernel's half */
	with_pointer(0xffffffff80000000ULL, true); /* its image */
	with_pointer(0xfffffffffffffff0ULL, true); /* wraps around */
	with_pointer((uintptr_t)ro, false);        /* may not be written */
	check_effects(pages + 4096);
	return all_ok("badptr");
}
