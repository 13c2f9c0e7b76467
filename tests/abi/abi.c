// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs cases (abi.h): all, or those whose names are given, or with a trailing * begin so.
 *
 *	abi [-l] [NAME | PREFIX*]...
 *
 * Output, for abilib.py: "@@ NAME", the case's lines, "@@ NAME: how it ended"; "@@@ N" is the end.
 * Cases run one after another, but those that mostly wait (WAITING_CASE), which begin together.
 * A case that does not end is killed with its process group, and that is how it ended.
 */
#include <dirent.h>
#include <ftw.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include "abi.h"

#define MOST_OUTPUT 100000
#define WAITING_MAX 25 /* their pipes are below the descriptors that a case begins without */

extern const struct abi_case __start_abi_cases[], __stop_abi_cases[];
void *abi_bad = (void *)8, *abi_kernel = (void *)0xffff800000001000;

/* ---- what cases print with ---------------------------------------------------------------- */

void say(const char *fmt, ...)
{
	char line[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n] = '\n';
	if (write(1, line, (size_t)n + 1) < 0)
		_exit(98);
}

const char *errno_name(int err)
{
	const char *s = strerrorname_np(err);

	return s ? s : "?";
}

const char *signal_name(int sig)
{
	static char rt[16];
	const char *s = sigabbrev_np(sig);

	if (s)
		return s;
	snprintf(rt, sizeof(rt), "RT+%d", sig - SIGRTMIN);
	return rt;
}

long say_result(const char *text, long value, int err)
{
	if (value == -1)
		say("%s = -1 %s", text, errno_name(err));
	else
		say("%s = %ld", text, value);
	errno = err;
	return value;
}

long say_success(const char *text, long value, int err)
{
	if (value == -1)
		say("%s = -1 %s", text, errno_name(err));
	else
		say("%s = ok", text);
	errno = err;
	return value;
}

void say_bytes(const char *what, const void *data, size_t len)
{
	const unsigned char *p = data;
	char line[2000];
	size_t n = 0, run;

	for (size_t i = 0; i < len && n < sizeof(line) - 40; i += run) {
		for (run = 1; i + run < len && p[i + run] == p[i]; run++)
			;
		if (p[i] >= ' ' && p[i] < 127)
			n += (size_t)snprintf(line + n, sizeof(line) - n, "%c", p[i]);
		else
			n += (size_t)snprintf(line + n, sizeof(line) - n, "\\x%02x", p[i]);
		if (run > 3)
			n += (size_t)snprintf(line + n, sizeof(line) - n, "*%zu ", run);
		else
			run = 1;
	}
	line[n] = 0;
	say("%s: %zu \"%s\"", what, len, line);
}

void say_stat(const char *path, int fd)
{
	struct stat st;
	const char *what = path ? path : "descriptor";

	if (path ? lstat(path, &st) : fstat(fd, &st)) {
		say("%s: %s", what, errno_name(errno));
		return;
	}
	if (S_ISDIR(st.st_mode)) /* a folder's size is the file system's own */
		st.st_size = 0;
	say("%s: mode %o nlink %lu uid %u gid %u size %ld", what, st.st_mode,
	    (unsigned long)st.st_nlink, st.st_uid, st.st_gid, (long)st.st_size);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

void say_folder(const char *path)
{
	static const char types[] = "?pc?d?b?-?l?s???";
	struct dirent **list;
	int n = scandir(path, &list, NULL, by_name);

	say("%s: %d entries", path, n);
	for (int i = 0; i < n; i++) {
		say("  %c %s", types[list[i]->d_type & 15], list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

void say_status(const char *what, int status)
{
	if (WIFEXITED(status))
		say("%s: exit %d", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		say("%s: signal %s", what, signal_name(WTERMSIG(status)));
	else if (WIFSTOPPED(status))
		say("%s: stopped %s", what, signal_name(WSTOPSIG(status)));
	else
		say("%s: status %x", what, status);
}

int make_file(const char *name, const void *data, size_t len)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	NEED(fd >= 0 && write(fd, data, len) == (ssize_t)len && !lseek(fd, 0, SEEK_SET));
	return fd;
}

void sleep_ms(unsigned ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void settle(void)
{
	sleep_ms(150);
}

/* ---- running them ------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	chmod(path, 0700);
	return remove(path), 0;
}

static void be_case(const struct abi_case *c, const char *folder, int out)
{
	int null = open("/dev/null", O_RDWR);

	for (int sig = 1; sig < SIGRTMIN; sig++)
		signal(sig, SIG_DFL);
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	umask(022);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, RLIM_INFINITY });
	if (chdir(folder))
		_exit(97);
	c->fn();
	_exit(0);
}

/* Passes the case's lines on until it and all that hold its output have ended, or it was enough. */
static bool pass_on(int fd, uint64_t deadline)
{
	char buf[4096];
	size_t total = 0;

	for (;;) {
		uint64_t now = now_ms();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (now >= deadline || total > MOST_OUTPUT)
			return false;
		if (poll(&p, 1, (int)(deadline - now)) <= 0)
			continue;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return true;
		if (write(1, buf, (size_t)n) != n)
			exit(2);
		total += (size_t)n;
	}
}

struct running {
	const struct abi_case *c;
	char folder[20];
	uint64_t deadline;
	int out;
	pid_t pid; /* 0: it could not begin */
};

static void begin(struct running *r, const struct abi_case *c)
{
	int out[2];

	*r = (struct running){ .c = c, .folder = "/tmp/abi-XXXXXX" };
	if (!mkdtemp(r->folder) || chmod(r->folder, 0777) || pipe(out))
		return;
	r->pid = fork();
	if (!r->pid)
		be_case(c, r->folder, out[1]);
	close(out[1]);
	r->out = out[0];
	r->deadline = now_ms() + CASE_SECONDS * 1000;
}

static void finish(struct running *r)
{
	const struct abi_case *c = r->c;
	int status = 0;
	bool ended;

	say("@@ %s", c->name);
	if (!r->pid) {
		say("@@ %s: no folder or pipe", c->name);
		return;
	}
	ended = pass_on(r->out, r->deadline);
	kill(-r->pid, SIGKILL);
	close(r->out);
	for (int i = 0; i < 220 && waitpid(r->pid, &status, WNOHANG) != r->pid; i++) {
		if (i > 150)
			kill(r->pid, SIGKILL);
		sleep_ms(i < 20 ? 1 : 10);
		status = -1;
	}
	nftw(r->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (!ended)
		say("@@ %s: no end", c->name);
	else if (status == -1)
		say("@@ %s: cannot be killed", c->name);
	else if (WIFSIGNALED(status))
		say("@@ %s: signal %s", c->name, signal_name(WTERMSIG(status)));
	else
		say("@@ %s: exit %d", c->name, WEXITSTATUS(status));
}

static bool wanted(const char *name, char **list)
{
	if (!*list)
		return true;
	for (; *list; list++) {
		size_t n = strlen(*list);

		if (n && (*list)[n - 1] == '*' ? !strncmp(name, *list, n - 1)
					       : !strcmp(name, *list))
			return true;
	}
	return false;
}

static unsigned run_waiting(char **names)
{
	struct running r[WAITING_MAX];
	unsigned n = 0;

	for (const struct abi_case *c = __start_abi_cases; c < __stop_abi_cases; c++) {
		if (!c->waits || !wanted(c->name, names))
			continue;
		if (n == WAITING_MAX)
			exit(2);
		begin(&r[n++], c);
	}
	for (unsigned i = 0; i < n; i++)
		finish(&r[i]);
	return n;
}

static unsigned run_others(char **names)
{
	struct running r;
	unsigned n = 0;

	for (const struct abi_case *c = __start_abi_cases; c < __stop_abi_cases; c++) {
		if (c->waits || !wanted(c->name, names))
			continue;
		begin(&r, c);
		finish(&r);
		n++;
	}
	return n;
}

static void list(void)
{
	for (const struct abi_case *c = __start_abi_cases; c < __stop_abi_cases; c++)
		say("%s", c->name);
}

/* weak: the fuzzer has another */
__attribute__((weak)) int main(int argc, char **argv)
{
	unsigned n;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], "-l")) {
		list();
		return 0;
	}
	n = run_waiting(argv + 1);
	n += run_others(argv + 1);
	say("@@@ %u", n);
	return 0;
}
