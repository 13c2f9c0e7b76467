/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tracer of `rack run --strace`: one line for each system call of a traced program and its
 * children, on the program's stderr as the operator sees it (not through its descriptors, which
 * may lead elsewhere). Arguments are written before the call, since execve leaves none behind.
 * What is not in the table is shown as six hexadecimal numbers.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/fcntl.h>
#include <mon/ctl.h>
#include <proto/ctl.h>

#include "proc/task.h"
#include "syscall/strace.h"

#define LINE_MAX 512
#define TEXT_MAX 48 /* of a string or buffer */

/*
 * Arguments: d number, x hex, o octal, s string, f descriptor or AT_FDCWD, b buffer whose length is
 * the next argument, p pointer. A leading '>': the result is an address.
 */
static const struct { uint16_t nr; const char *args; } table[] = {
	{ __NR_read, "dpd" }, { __NR_write, "dbd" }, { __NR_open, "sxo" }, { __NR_close, "d" },
	{ __NR_stat, "sp" }, { __NR_fstat, "dp" }, { __NR_lstat, "sp" }, { __NR_poll, "pdd" },
	{ __NR_lseek, "ddd" }, { __NR_mmap, ">pdxxdx" }, { __NR_mprotect, "pdx" },
	{ __NR_munmap, "pd" }, { __NR_brk, ">p" }, { __NR_rt_sigaction, "dppd" },
	{ __NR_rt_sigprocmask, "dppd" }, { __NR_ioctl, "dxp" }, { __NR_pread64, "dpdd" },
	{ __NR_pwrite64, "dbdd" }, { __NR_readv, "dpd" }, { __NR_writev, "dpd" },
	{ __NR_access, "so" }, { __NR_pipe, "p" }, { __NR_sched_yield, "" },
	{ __NR_mremap, ">pddxp" }, { __NR_madvise, "pdd" }, { __NR_dup, "d" },
	{ __NR_dup2, "dd" }, { __NR_nanosleep, "pp" }, { __NR_getpid, "" },
	{ __NR_socket, "ddd" }, { __NR_connect, "dpd" }, { __NR_accept, "dpp" },
	{ __NR_sendto, "dbdxpd" }, { __NR_recvfrom, "dpdxpp" }, { __NR_sendmsg, "dpx" },
	{ __NR_recvmsg, "dpx" }, { __NR_shutdown, "dd" }, { __NR_bind, "dpd" },
	{ __NR_listen, "dd" }, { __NR_setsockopt, "dddpd" }, { __NR_getsockopt, "dddpp" },
	{ __NR_clone, "xpppp" }, { __NR_fork, "" }, { __NR_vfork, "" }, { __NR_execve, "spp" },
	{ __NR_exit, "d" }, { __NR_wait4, "dpxp" }, { __NR_rt_sigreturn, "" },
	{ __NR_kill, "dd" }, { __NR_uname, "p" },
	{ __NR_fcntl, "ddx" }, { __NR_ftruncate, "dd" }, { __NR_getcwd, "pd" },
	{ __NR_chdir, "s" }, { __NR_rename, "ss" }, { __NR_mkdir, "so" }, { __NR_rmdir, "s" },
	{ __NR_link, "ss" }, { __NR_unlink, "s" }, { __NR_symlink, "ss" },
	{ __NR_readlink, "spd" }, { __NR_chmod, "so" }, { __NR_chown, "sdd" },
	{ __NR_getuid, "" }, { __NR_geteuid, "" }, { __NR_getgid, "" }, { __NR_getegid, "" },
	{ __NR_getppid, "" }, { __NR_setsid, "" }, { __NR_statfs, "sp" },
	{ __NR_prctl, "dxxxx" }, { __NR_arch_prctl, "xp" }, { __NR_gettid, "" },
	{ __NR_futex, "pxdppx" }, { __NR_getdents64, "dpd" }, { __NR_set_tid_address, "p" },
	{ __NR_clock_gettime, "dp" }, { __NR_clock_nanosleep, "dxpp" },
	{ __NR_exit_group, "d" }, { __NR_epoll_wait, "dpdd" }, { __NR_epoll_ctl, "dddp" },
	{ __NR_tgkill, "ddd" }, { __NR_openat, "fsxo" }, { __NR_mkdirat, "fso" },
	{ __NR_newfstatat, "fspx" }, { __NR_unlinkat, "fsx" }, { __NR_renameat, "fsfs" },
	{ __NR_readlinkat, "fspd" }, { __NR_faccessat, "fso" }, { __NR_faccessat2, "fsox" },
	{ __NR_set_robust_list, "pd" }, { __NR_epoll_pwait, "dpddp" }, { __NR_accept4, "dppx" },
	{ __NR_epoll_create1, "x" }, { __NR_dup3, "ddx" }, { __NR_pipe2, "px" },
	{ __NR_prlimit64, "ddpp" }, { __NR_getrandom, "pdx" }, { __NR_statx, "fsxxp" },
	{ __NR_rseq, "pdxx" }, { __NR_clone3, "pd" }, { __NR_eventfd2, "dx" },
	{ __NR_sendfile, "ddpd" }, { __NR_socketpair, "dddp" }, { __NR_execveat, "fsppx" },
};

static const char *const errors[] = {
	[1] = "EPERM", [2] = "ENOENT", [3] = "ESRCH", [4] = "EINTR", [5] = "EIO", [6] = "ENXIO",
	[7] = "E2BIG", [8] = "ENOEXEC", [9] = "EBADF", [10] = "ECHILD", [11] = "EAGAIN",
	[12] = "ENOMEM", [13] = "EACCES", [14] = "EFAULT", [16] = "EBUSY", [17] = "EEXIST",
	[18] = "EXDEV", [19] = "ENODEV", [20] = "ENOTDIR", [21] = "EISDIR", [22] = "EINVAL",
	[23] = "ENFILE", [24] = "EMFILE", [25] = "ENOTTY", [26] = "ETXTBSY", [27] = "EFBIG",
	[28] = "ENOSPC", [29] = "ESPIPE", [30] = "EROFS", [31] = "EMLINK", [32] = "EPIPE",
	[34] = "ERANGE", [35] = "EDEADLK", [36] = "ENAMETOOLONG", [38] = "ENOSYS",
	[39] = "ENOTEMPTY", [40] = "ELOOP", [61] = "ENODATA", [80] = "ELIBBAD",
	[88] = "ENOTSOCK", [92] = "ENOPROTOOPT", [93] = "EPROTONOSUPPORT", [95] = "EOPNOTSUPP",
	[97] = "EAFNOSUPPORT", [98] = "EADDRINUSE", [99] = "EADDRNOTAVAIL",
	[101] = "ENETUNREACH", [103] = "ECONNABORTED", [104] = "ECONNRESET", [106] = "EISCONN",
	[107] = "ENOTCONN", [110] = "ETIMEDOUT", [111] = "ECONNREFUSED", [113] = "EHOSTUNREACH",
	[114] = "EALREADY", [115] = "EINPROGRESS", [ERESTARTSYS] = "ERESTARTSYS",
	[ERESTARTNOINTR] = "ERESTARTNOINTR", [ERESTARTNOHAND] = "ERESTARTNOHAND",
	[ERESTART_RESTARTBLOCK] = "ERESTART_RESTARTBLOCK",
};

struct line {
	size_t n;
	char text[LINE_MAX];
};

__attribute__((format(printf, 2, 3)))
static void add(struct line *l, const char *format, ...)
{
	size_t room = sizeof(l->text) - l->n;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(l->text + l->n, room, format, ap);
	va_end(ap);
	l->n += KMIN((size_t)n, room - 1);
}

static void add_quoted(struct line *l, const char *p, size_t n, bool more)
{
	add(l, "\"");
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n')
			add(l, "\\n");
		else if (p[i] >= ' ' && p[i] < 127)
			add(l, "%c", p[i]);
		else
			add(l, "\\%o", (uint8_t)p[i]);
	}
	add(l, more ? "\"..." : "\"");
}

static void add_string(struct line *l, uint64_t addr)
{
	char buf[TEXT_MAX];
	ssize_t_k n = strncpy_from_user(buf, addr, sizeof(buf));

	if (n == -EFAULT)
		add(l, "0x%llx", (unsigned long long)addr);
	else
		add_quoted(l, buf, n < 0 ? sizeof(buf) : (size_t)n, n < 0);
}

static void add_buffer(struct line *l, uint64_t addr, uint64_t len)
{
	char buf[TEXT_MAX];
	size_t n = KMIN(len, (uint64_t)sizeof(buf));

	if (copy_from_user(buf, addr, n))
		add(l, "0x%llx", (unsigned long long)addr);
	else
		add_quoted(l, buf, n, n < len);
}

static void add_argument(struct line *l, char kind, const uint64_t *v)
{
	switch (kind) {
	case 'd':
		/* an int has whatever above its 32 bits */
		add(l, "%lld", *v <= UINT32_MAX ? (long long)(int)*v : (long long)*v);
		break;
	case 'o':
		add(l, "0%llo", (unsigned long long)*v);
		break;
	case 's':
		add_string(l, *v);
		break;
	case 'b':
		add_buffer(l, *v, v[1]);
		break;
	case 'f':
		if ((int)*v == AT_FDCWD)
			add(l, "AT_FDCWD");
		else
			add(l, "%d", (int)*v);
		break;
	default:
		add(l, *v ? "0x%llx" : "%llu", (unsigned long long)*v);
	}
}

static const char *arguments_of(uint64_t nr)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].nr == nr)
			return table[i].args;
	return "xxxxxx";
}

struct strace { struct line line; const char *args; };

struct strace *strace_enter(const struct syscall_args *a)
{
	struct strace *s = kmalloc(sizeof(*s));
	const char *kinds;

	if (!s)
		return NULL;
	s->line.n = 0;
	s->args = kinds = arguments_of(a->nr);
	kinds += *kinds == '>';
	add(&s->line, "[%d] %s(", uthread_current()->tid, syscall_name(a->nr));
	for (unsigned i = 0; kinds[i]; i++) {
		if (i)
			add(&s->line, ", ");
		add_argument(&s->line, kinds[i], &a->a[i]);
	}
	if (a->nr == __NR_exit || a->nr == __NR_exit_group) { /* they do not come back */
		add(&s->line, ") = ?\n");
		(void)!ctl_send(CTL_STDERR, task_current()->token, s->line.text, s->line.n);
		kfree(s);
		return NULL;
	}
	return s;
}

void strace_leave(struct strace *s, int64_t result)
{
	struct line *l = &s->line;

	if (result < 0 && result >= -(int64_t)ARRAY_SIZE(errors)) {
		const char *name = -result < (int64_t)ARRAY_SIZE(errors) ? errors[-result] : NULL;

		if (name)
			add(l, ") = -1 %s\n", name);
		else
			add(l, ") = -1 errno %lld\n", (long long)-result);
	} else {
		add(l, *s->args == '>' ? ") = 0x%llx\n" : ") = %lld\n", (long long)result);
	}
	(void)!ctl_send(CTL_STDERR, task_current()->token, l->text, l->n);
	kfree(s);
}
