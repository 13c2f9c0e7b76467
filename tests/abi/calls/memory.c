// SPDX-License-Identifier: GPL-2.0-only
/* Memory of one process: mmap and its relatives, faults with their signal's details. */
#include <setjmp.h>
#include "abi.h"

#define PAGE 4096UL

static sigjmp_buf back;
static volatile siginfo_t seen;

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	seen = *si;
	siglongjmp(back, 1);
}

static void catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

/* Touches one byte; says which signal came, with code and address relative to base. */
static void touch(const char *what, char *base, size_t off, bool write)
{
	if (sigsetjmp(back, 1)) {
		say("%s %s: SIG%s code %d at +%ld", what, write ? "write" : "read",
		    signal_name(seen.si_signo), seen.si_code, (long)((char *)seen.si_addr - base));
		return;
	}
	if (write)
		*(volatile char *)(base + off) = 1;
	else
		(void)*(volatile char *)(base + off);
	say("%s %s: ok", what, write ? "write" : "read");
}

static char *map(size_t len, int prot, int flags, int fd)
{
	char *m = mmap(NULL, len, prot, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	NEED(m != MAP_FAILED);
	return m;
}

CASE(mmap_arguments)
{
	int fd = make_file("a", "0123456789", 10), ro = open("a", O_RDONLY),
	    wo = open("a", O_WRONLY);

#define TRY(...)                                                                                   \
	say(#__VA_ARGS__ ": %s", mmap(__VA_ARGS__) == MAP_FAILED ? errno_name(errno) : "ok")
	TRY(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY(NULL, 1, PROT_READ, MAP_ANONYMOUS, -1, 0);
	TRY(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TRY(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1);
	TRY(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 1);
	TRY(NULL, 1, PROT_READ, MAP_PRIVATE, -1, 0);
	TRY(NULL, 1, PROT_READ, MAP_PRIVATE, 99, 0);
	TRY(NULL, -1UL, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY(NULL, 1UL << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY((void *)1, 1, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY((void *)(1UL << 60), 1, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY(NULL, 1, PROT_WRITE, MAP_SHARED, ro, 0);
	TRY(NULL, 1, PROT_WRITE, MAP_PRIVATE, ro, 0);
	TRY(NULL, 1, PROT_READ, MAP_SHARED, wo, 0);
	TRY(NULL, 1, PROT_READ, MAP_PRIVATE, wo, 0);
	TRY(NULL, 1, PROT_READ, MAP_PRIVATE, 0, 0);
	TRY(NULL, 1, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
}

CASE(mmap_fixed)
{
	char *m = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);

	catch_faults();
	memset(m, 'a', 8 * PAGE);
	R(mmap(m + 2 * PAGE, 2 * PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	  m + 2 * PAGE);
	say("%d %d %d %d", m[2 * PAGE - 1], m[2 * PAGE], m[4 * PAGE - 1], m[4 * PAGE]);
	touch("replaced", m, 2 * PAGE, true);
	R(mmap(m, PAGE, PROT_READ, MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	  MAP_FAILED);
	say("%s", errno_name(errno));
	R(munmap(m, PAGE));
	R(mmap(m, PAGE, PROT_READ, MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == m);
	R(mmap(m + 1, PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	  MAP_FAILED);
	say("%s", errno_name(errno));
	R(munmap(m + 8 * PAGE - 1, 1) < 0 ? errno : 0);
}

CASE(munmap_ranges)
{
	char *m = map(6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);

	catch_faults();
	memset(m, 'x', 6 * PAGE);
	R(munmap(m + 2 * PAGE, PAGE));
	touch("hole", m, 2 * PAGE, false);
	touch("before", m, PAGE, false);
	touch("after", m, 3 * PAGE, false);
	R(munmap(m + 2 * PAGE, PAGE));
	R(munmap(m, 6 * PAGE));
	touch("gone", m, 0, false);
	R(munmap(m, 0));
	R(munmap(m + 1, PAGE));
	R(munmap((void *)(1UL << 60), PAGE));
	R(munmap(NULL, 1UL << 61));
}

CASE(fault_details)
{
	char *m = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);

	catch_faults();
	R(mprotect(m + PAGE, PAGE, PROT_READ));
	R(mprotect(m + 2 * PAGE, PAGE, PROT_NONE));
	R(munmap(m + 3 * PAGE, PAGE));
	touch("rw", m, 5, true);
	touch("ro", m, PAGE + 7, false);
	touch("ro", m, PAGE + 7, true);
	touch("none", m, 2 * PAGE + 9, false);
	touch("none", m, 2 * PAGE + 9, true);
	touch("unmapped", m, 3 * PAGE + 11, false);
	touch("unmapped", m, 3 * PAGE + 11, true);
	touch("null", NULL, 0, false);
	touch("null", NULL, 100, true);
	if (!sigsetjmp(back, 1))
		(void)*(volatile char *)0xffff888000000000;
	say("kernel: SIG%s code %d", signal_name(seen.si_signo), seen.si_code);
	if (!sigsetjmp(back, 1))
		(void)*(volatile char *)0x8000000000000000;
	say("non-canonical: SIG%s code %d addr %lx", signal_name(seen.si_signo), seen.si_code,
	    (unsigned long)seen.si_addr);
	if (!sigsetjmp(back, 1))
		((void (*)(void))(m + 16))();
	say("no execute: SIG%s code %d at +%ld", signal_name(seen.si_signo), seen.si_code,
	    (long)((char *)seen.si_addr - m));
}

CASE(mprotect_calls)
{
	char *m = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	int fd = make_file("a", "0123456789", 10), ro = open("a", O_RDONLY);
	char *s;

	catch_faults();
	memset(m, 'y', 4 * PAGE);
	R(mprotect(m, 4 * PAGE, PROT_NONE));
	touch("none", m, 0, false);
	R(write(fd, m, 1));
	R(mprotect(m, 4 * PAGE, PROT_READ));
	say("%c", m[3 * PAGE]);
	R(read(fd, m, 1));
	touch("ro", m, 0, true);
	R(mprotect(m, 4 * PAGE, PROT_READ | PROT_WRITE));
	touch("rw", m, 0, true);
	R(mprotect(m + 1, PAGE, PROT_READ));
	R(mprotect(m, 0, PROT_READ));
	R(mprotect(m, PAGE, 0x40));
	munmap(m + 2 * PAGE, PAGE);
	R(mprotect(m, 4 * PAGE, PROT_READ));
	touch("before the hole", m, 0, true);
	touch("after the hole", m, 3 * PAGE, true);
	s = map(PAGE, PROT_READ, MAP_SHARED, ro);
	R(mprotect(s, PAGE, PROT_READ | PROT_WRITE));
	R(mprotect((void *)(1UL << 60), PAGE, PROT_READ));
}

CASE(execute_memory)
{
	static const unsigned char ret42[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	char *m = map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);

	memcpy(m, ret42, sizeof(ret42));
	R(mprotect(m, PAGE, PROT_READ | PROT_EXEC));
	R(((int (*)(void))m)());
	R(mprotect(m, PAGE, PROT_READ | PROT_WRITE));
	m[1] = 43;
	R(mprotect(m, PAGE, PROT_READ | PROT_EXEC));
	R(((int (*)(void))m)());
}

CASE(mremap_calls)
{
	char *m = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1), *n, *o;

	catch_faults();
	for (int i = 0; i < 4; i++)
		m[i * PAGE] = (char)('0' + i);
	R(mremap(m, 4 * PAGE, 2 * PAGE, 0) == m);
	touch("cut off", m, 2 * PAGE, false);
	n = mremap(m, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	say("%s %c %c %d", n == MAP_FAILED ? "failed" : "ok", n[0], n[PAGE], n[63 * PAGE]);
	n[63 * PAGE] = 'z';
	o = map(64 * PAGE, PROT_NONE, MAP_PRIVATE, -1);
	R(mremap(n, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, o) == o);
	say("%c %c", o[0], o[63 * PAGE]);
	touch("old place", n, 0, false);
	R(mremap(o + 1, PAGE, PAGE, 0) == MAP_FAILED);
	say("%s", errno_name(errno));
	R(mremap(o, PAGE, 0, 0) == MAP_FAILED);
	say("%s", errno_name(errno));
	R(mremap(n, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	say("%s", errno_name(errno));
	R(mremap(o, PAGE, PAGE, MREMAP_FIXED, m) == MAP_FAILED);
	say("%s", errno_name(errno));
	R(mremap(o, PAGE, PAGE, 0x100) == MAP_FAILED);
	say("%s", errno_name(errno));
	R(mremap(o, 8 * PAGE, 9 * PAGE, 0) == MAP_FAILED);
	say("%s", errno_name(errno));
	/* overlapping */
	R(mremap(o, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, o + PAGE) == MAP_FAILED);
	say("%s", errno_name(errno));
}

CASE(madvise_calls)
{
	char *m = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	int fd = make_file("a", "0123456789", 10);
	char *f = map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);

	memset(m, 'k', 4 * PAGE);
	R(madvise(m + PAGE, 2 * PAGE, MADV_DONTNEED));
	say("%d %d %d %d", m[0], m[PAGE], m[3 * PAGE - 1], m[3 * PAGE]);
	m[PAGE] = 'n';
	R(madvise(m, 4 * PAGE, MADV_WILLNEED));
	R(madvise(m, 4 * PAGE, MADV_SEQUENTIAL));
	say("%d", m[PAGE]);
	f[0] = 'F';
	R(madvise(f, PAGE, MADV_DONTNEED));
	say("%c", f[0]);
	R(madvise(m, 4 * PAGE, MADV_FREE));
	R(madvise(m, 4 * PAGE, 12345));
	R(madvise(m + 1, PAGE, MADV_NORMAL));
	R(madvise(m, 0, MADV_NORMAL));
	R(madvise(m, PAGE, MADV_HUGEPAGE) && errno != EINVAL);
	munmap(m + PAGE, PAGE);
	R(madvise(m, 4 * PAGE, MADV_DONTNEED));
	say("%d %d", m[0], m[2 * PAGE]);
	R(madvise(m, PAGE, MADV_DONTFORK));
}

CASE(brk_calls)
{
	char *start = sbrk(0), *now;

	catch_faults();
	R(brk(start + 3 * PAGE));
	R((char *)sbrk(0) - start);
	start[2 * PAGE] = 'b';
	say("%d %d", start[2 * PAGE], start[3 * PAGE - 1]);
	R(brk(start + PAGE));
	R(brk(start + 3 * PAGE));
	say("%d", start[2 * PAGE]); /* zero again */
	now = (char *)syscall(SYS_brk, 0);
	R(now - start);
	R((char *)syscall(SYS_brk, 1) - start); /* refused: where it is */
	R((char *)syscall(SYS_brk, 1UL << 46) - start);
	R(setrlimit(RLIMIT_DATA, &(struct rlimit){ PAGE, PAGE }));
	R(brk(start + (1 << 20)));
}

CASE(mincore_call)
{
	unsigned char v[4] = { 9, 9, 9, 9 };
	char *m = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);

	m[PAGE] = 1;
	R(mincore(m, 4 * PAGE, v));
	say("%d", v[1] & 1);
	R(mincore(m + 1, PAGE, v));
	R(mincore(m, PAGE, BAD));
	munmap(m, PAGE);
	R(mincore(m, PAGE, v));
	R(mincore(m + PAGE, 0, v));
}

CASE(mlock_calls)
{
	char *m = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);

	R(mlock(m, 4 * PAGE));
	R(munlock(m, 4 * PAGE));
	munmap(m + PAGE, PAGE);
	R(mlock(m, 4 * PAGE));
	R(mlockall(MCL_CURRENT));
	R(mlockall(0));
	R(munlockall());
	R(mlock2(m, PAGE, 77));
}

CASE(stack_growth)
{
	CHILD({
		volatile char *p = (volatile char *)__builtin_frame_address(0);

		for (int i = 0; i < 1000; i++) /* 4 MB down, page by page */
			p[-(long)PAGE * i] = 1;
		say("grown");
	});
	CHILD({
		/* with a limit of 256 KiB it ends there */
		setrlimit(RLIMIT_STACK, &(struct rlimit){ 256 << 10, 256 << 10 });
		volatile char *p = (volatile char *)__builtin_frame_address(0);

		for (int i = 0; i < 1000; i++)
			p[-(long)PAGE * i] = 1;
		say("not stopped");
	});
}

CASE(address_space_limit)
{
	void *m;

	R(setrlimit(RLIMIT_AS, &(struct rlimit){ 64 << 20, 64 << 20 }));
	m = mmap(NULL, 256 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("%s", m == MAP_FAILED ? errno_name(errno) : "ok");
	m = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("%s", m == MAP_FAILED ? errno_name(errno) : "ok");
	R(malloc(200 << 20) == NULL);
}

/* Files are read and written up to the page that is missing; pipes and sockets not at all. */
CASE(fault_in_part)
{
	char *m = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1), b[32] = "";
	int fd = make_file("a", "0123456789", 10), p[2], s[2];
	struct iovec v[2] = { { m + PAGE - 3, 3 }, { m + PAGE - 2, 8 } };

	NEED(!pipe(p) && !socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	munmap(m + PAGE, PAGE);
	R(pread(fd, m + PAGE - 4, 10, 0));
	say_bytes("read", m + PAGE - 4, 4);
	R(pread(fd, m + PAGE, 10, 0));
	R(preadv(fd, v, 2, 0));
	say_bytes("read", m + PAGE - 3, 3);
	memcpy(m + PAGE - 4, "abcd", 4);
	R(write(fd, m + PAGE - 4, 10));
	R(lseek(fd, 0, SEEK_CUR));
	say_bytes("written", b, (size_t)R(pread(fd, b, 32, 0)));
	R(write(fd, m + PAGE, 10));
	R(write(p[1], "pipe data", 9));
	R(read(p[0], m + PAGE - 4, 9));
	say_bytes("still there", b, (size_t)R(read(p[0], b, 32)));
	R(write(p[1], m + PAGE - 4, 9));
	R(write(s[1], "stream", 6));
	R(read(s[0], m + PAGE - 4, 6));
	R(write(s[1], m + PAGE - 4, 6));
}

CASE(fault_in_call)
{
	char *m = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	struct timespec *ts = (void *)(m + PAGE - 8);
	int fd = make_file("a", "0123456789", 10);

	munmap(m + PAGE, PAGE);
	/* structures and strings that begin on the last bytes of what is mapped */
	X(clock_getres, CLOCK_MONOTONIC, ts);
	R(nanosleep(ts, NULL));
	memcpy(m + PAGE - 4, "a\0\0", 4);
	R(access(m + PAGE - 4, F_OK));
	memset(m + PAGE - 4, 'a', 4);
	R(access(m + PAGE - 4, F_OK));
	R(open(m + PAGE - 1, O_RDONLY));
	R(read(fd, m + PAGE - 4, 4));
	R(read(fd, m + PAGE - 4, 4));
	R(pread(fd, m + PAGE - 4, 10, 0) > 0 ? 0 : errno);
	R(write(fd, m + PAGE - 4, 4));
	X(pipe, m + PAGE - 4);
	X(gettimeofday, BAD, 0);
	X(uname, BAD);
	X(times, BAD);
	X(getrlimit, 0, BAD);
	X(getcwd, BAD, 100);
	X(rt_sigaction, SIGUSR1, BAD, 0, 8);
	X(rt_sigprocmask, 0, BAD, 0, 8);
	X(poll, BAD, 1, 0);
	X(select, 1, BAD, 0, 0, 0);
	X(futex, BAD, 0, 0, 0);
	X(futex, BAD, 1, 1);
	X(wait4, -1, BAD, 0, 0);
	X(execve, BAD, 0, 0);
	X(getrandom, BAD, 8, 0);
	X(sysinfo, BAD);
	XOK(set_tid_address, BAD);
}
