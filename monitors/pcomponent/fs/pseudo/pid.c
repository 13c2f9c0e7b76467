// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/PID and /proc/PID/task/TID: what is known of a process. Formats: proc(5). CPU time is all
 * user time here, and a process has no kernel stack, faults or terminal to tell of: those fields
 * are 0.
 */
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <linux/auxvec.h>
#include "fs/fs.h"
#include "fs/pseudo.h"
#include "fs/pseudo/proc.h"
#include "proc/proc.h"

#define TICK_NS (NSEC_PER_SEC / 100)

int proc_number(const char *name)
{
	uint64_t n;

	if (name[0] < '1' || name[0] > '9') {
		if (name[0] != '0' || name[1])
			return -1;
	}
	return kstrtou64(name, 10, &n) || n > INT32_MAX ? -1 : (int)n;
}

int proc_may_look(const struct task *t)
{
	const struct task *me = task_current();

	return me == t || me->cred.euid == 0 ||
	       (me->cred.euid == t->cred.uid && me->cred.egid == t->cred.gid) ? 0 : -EACCES;
}

/* ---- a picture of a process or thread, taken under its locks ---- */

struct picture {
	int pid, tid, ppid, pgid, sid, exit_signal;
	unsigned threads;
	char state, comm[TASK_COMM_LEN];
	struct cred cred;
	struct cputimes times, child_times;
	uint64_t start_ns, size, resident;
	int nice;
	sigmask_t pending, shared_pending, blocked, ignored, caught;
	struct rlimit64 rlim[RLIM_NLIMITS];
	uint32_t umask;
};

static void take_signals(struct task *t, struct uthread *ut, struct picture *p)
{
	p->shared_pending = t->sig.pending.set;
	for (unsigned i = 0; i < NSIG_K; i++) {
		uint64_t h = t->sig.action[i].handler;

		p->ignored |= h == 1 ? 1ULL << i : 0;
		p->caught |= h > 1 ? 1ULL << i : 0;
	}
	if (ut) {
		p->pending = ut->pending.set;
		p->blocked = ut->blocked;
	}
}

static char state_of(struct task *t, struct uthread *only)
{
	struct uthread *ut;

	if (t->state != TASK_LIVE || (!t->nthreads && t->exiting))
		return 'Z';
	if (t->stopped)
		return 'T';
	LIST_FOREACH(ut, &t->threads, link)
		if ((!only || ut == only) && atomic_load(&ut->cpu) >= 0)
			return 'R';
	return 'S';
}

static struct uthread *find_thread_locked(struct task *t, int tid)
{
	struct uthread *ut;

	LIST_FOREACH(ut, &t->threads, link)
		if (ut->tid == tid)
			return ut;
	return NULL;
}

static void take_locked(const struct pseudo_place *at, struct picture *p)
{
	struct task *t = at->task;
	struct uthread *ut = find_thread_locked(t, at->tid ? at->tid : t->pid);
	uint64_t flags = spin_lock_irqsave(&t->lock);

	p->pid = t->pid;
	p->tid = at->tid ? at->tid : t->pid;
	p->ppid = t->parent ? t->parent->pid : t->pid == 1 ? 0 : 1;
	p->pgid = t->pgid;
	p->sid = t->sid;
	p->threads = t->nthreads;
	p->exit_signal = t->exit_signal;
	p->state = state_of(t, at->tid ? ut : NULL);
	memcpy(p->comm, t->comm, sizeof(p->comm));
	p->cred = t->cred;
	p->times = at->tid && ut ? uthread_times(ut) : task_times(t);
	p->child_times = t->child_times;
	p->nice = t->nice;
	p->start_ns = t->start_ns;
	p->umask = t->umask;
	memcpy(p->rlim, t->rlim, sizeof(p->rlim));
	take_signals(t, ut, p);
	spin_unlock_irqrestore(&t->lock, flags);
}

static void take(const struct pseudo_place *at, struct picture *p)
{
	memset(p, 0, sizeof(*p));
	spin_lock(&tasks_lock);
	take_locked(at, p);
	spin_unlock(&tasks_lock);
	proc_memory(at->task, &p->size, &p->resident);
}

/* ---- files ---- */

static int show_stat(const struct pseudo_place *at, struct text *t)
{
	struct picture p;

	take(at, &p);
	text_add(t, "%d (%s) %c %d %d %d 0 -1 4194304 0 0 0 0 %llu %llu %llu %llu %d %d %u 0 %llu ",
		 p.tid, p.comm, p.state, p.ppid, p.pgid, p.sid,
		 (unsigned long long)(p.times.user_ns / TICK_NS),
		 (unsigned long long)(p.times.sys_ns / TICK_NS),
		 (unsigned long long)(p.child_times.user_ns / TICK_NS),
		 (unsigned long long)(p.child_times.sys_ns / TICK_NS), 20 + p.nice, p.nice,
		 p.threads, (unsigned long long)(p.start_ns / TICK_NS));
	text_add(t, "%llu %llu 18446744073709551615 0 0 0 0 0 %llu %llu %llu %llu 0 0 0 %d 0 0 0 0 "
		 "0 0 0 0 0 0 0 0 0 0\n", (unsigned long long)(p.size * PAGE_SIZE),
		 (unsigned long long)p.resident, (unsigned long long)p.pending,
		 (unsigned long long)p.blocked, (unsigned long long)p.ignored,
		 (unsigned long long)p.caught, p.exit_signal);
	return 0;
}

static int show_statm(const struct pseudo_place *at, struct text *t)
{
	uint64_t size, resident;

	proc_memory(at->task, &size, &resident);
	text_add(t, "%llu %llu 0 0 0 %llu 0\n", (unsigned long long)size,
		 (unsigned long long)resident, (unsigned long long)size);
	return 0;
}

static const char *state_name(char state)
{
	switch (state) {
	case 'R':
		return "R (running)";
	case 'T':
		return "T (stopped)";
	case 'Z':
		return "Z (zombie)";
	default:
		return "S (sleeping)";
	}
}

static void show_signals(struct text *t, const struct picture *p)
{
	const struct { const char *name; sigmask_t set; } rows[] = {
		{ "SigPnd", p->pending }, { "ShdPnd", p->shared_pending },
		{ "SigBlk", p->blocked }, { "SigIgn", p->ignored }, { "SigCgt", p->caught },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		text_add(t, "%s:\t%016llx\n", rows[i].name, (unsigned long long)rows[i].set);
}

/* Who is uid 0 may do everything here; nobody has capabilities otherwise. */
static void show_capabilities(struct text *t, const struct picture *p)
{
	unsigned long long all = 0x1ffffffffffULL, have = p->cred.euid ? 0 : all;

	text_add(t, "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\n"
		 "CapAmb:\t%016llx\n", 0ULL, have, have, all, 0ULL);
}

static int show_status(const struct pseudo_place *at, struct text *t)
{
	struct picture p;
	const struct cred *c = &p.cred;
	unsigned long long kib, rss;

	take(at, &p);
	kib = p.size * (PAGE_SIZE / 1024);
	rss = p.resident * (PAGE_SIZE / 1024);
	text_add(t, "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\n", p.comm,
		 p.umask, state_name(p.state), p.pid, p.tid);
	text_add(t, "PPid:\t%d\nTracerPid:\t0\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n",
		 p.ppid, c->uid, c->euid, c->suid, c->fsuid, c->gid, c->egid, c->sgid, c->fsgid);
	text_add(t, "FDSize:\t64\nGroups:\t");
	for (unsigned i = 0; i < c->ngroups; i++)
		text_add(t, "%u ", c->groups[i]);
	text_add(t, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", p.pid, p.tid, p.pgid,
		 p.sid);
	if (p.state != 'Z')
		text_add(t, "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t       0 kB\n"
			 "VmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\nVmData:\t%8llu kB\n"
			 "VmSwap:\t       0 kB\n", kib, kib, rss, rss, kib);
	text_add(t, "Threads:\t%u\nSigQ:\t0/%u\n", p.threads, SIGQUEUE_MAX);
	show_signals(t, &p);
	show_capabilities(t, &p);
	text_add(t, "NoNewPrivs:\t0\nSeccomp:\t0\nCpus_allowed:\t%x\n"
		 "Cpus_allowed_list:\t0-%d\nvoluntary_ctxt_switches:\t0\n"
		 "nonvoluntary_ctxt_switches:\t0\n", (1u << cpu_count()) - 1, cpu_count() - 1);
	return 0;
}

static int show_comm(const struct pseudo_place *at, struct text *t)
{
	struct picture p;

	take(at, &p);
	text_add(t, "%s\n", p.comm);
	return 0;
}

static int store_comm(const struct pseudo_place *at, const char *data, size_t len)
{
	struct task *t = at->task;
	uint64_t flags;
	int err = proc_may_look(t);

	if (err)
		return err;
	if (len && data[len - 1] == '\n')
		len--;
	len = KMIN(len, sizeof(t->comm) - 1);
	flags = spin_lock_irqsave(&t->lock);
	memset(t->comm, 0, sizeof(t->comm));
	memcpy(t->comm, data, len);
	spin_unlock_irqrestore(&t->lock, flags);
	return 0;
}

static void limit_value(char *buf, size_t size, uint64_t v)
{
	if (v == RLIM64_INFINITY)
		(void)kstrcpy(buf, "unlimited", size);
	else
		snprintf(buf, size, "%llu", (unsigned long long)v);
}

static int show_limits(const struct pseudo_place *at, struct text *t)
{
	static const struct { const char *name, *unit; } rows[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = { "Max cpu time", "seconds" },
		[RLIMIT_FSIZE] = { "Max file size", "bytes" },
		[RLIMIT_DATA] = { "Max data size", "bytes" },
		[RLIMIT_STACK] = { "Max stack size", "bytes" },
		[RLIMIT_CORE] = { "Max core file size", "bytes" },
		[RLIMIT_RSS] = { "Max resident set", "bytes" },
		[RLIMIT_NPROC] = { "Max processes", "processes" },
		[RLIMIT_NOFILE] = { "Max open files", "files" },
		[RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
		[RLIMIT_AS] = { "Max address space", "bytes" },
		[RLIMIT_LOCKS] = { "Max file locks", "locks" },
		[RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
		[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
		[RLIMIT_NICE] = { "Max nice priority", "" },
		[RLIMIT_RTPRIO] = { "Max realtime priority", "" },
		[RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
	};
	struct picture p;
	char soft[24], hard[24];

	take(at, &p);
	text_add(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (unsigned i = 0; i < RLIM_NLIMITS; i++) {
		limit_value(soft, sizeof(soft), p.rlim[i].rlim_cur);
		limit_value(hard, sizeof(hard), p.rlim[i].rlim_max);
		text_add(t, "%-25s %-20s %-20s %-10s\n", rows[i].name, soft, hard, rows[i].unit);
	}
	return 0;
}

/* ---- where it runs and what runs ---- */

static ssize_t_k read_exe(const struct pseudo_place *at, char *buf, size_t size)
{
	struct task *t = at->task;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	size_t n = KMIN(strlen(t->exe), size);

	memcpy(buf, t->exe, n);
	spin_unlock_irqrestore(&t->lock, flags);
	return n ? (ssize_t_k)n : -ENOENT;
}

static struct file *get_cwd(const struct pseudo_place *at)
{
	struct task *t = at->task;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct file *f = t->cwd ? file_get(t->cwd) : NULL;

	spin_unlock_irqrestore(&t->lock, flags);
	return f;
}

static ssize_t_k read_cwd(const struct pseudo_place *at, char *buf, size_t size)
{
	int err = proc_may_look(at->task);
	struct file *f;
	ssize_t_k n;

	if (err)
		return err;
	f = get_cwd(at);
	if (!f)
		return kstrcpy(buf, "/", size);
	n = file_name(f, buf, size);
	file_put(f);
	return n;
}

static struct file *follow_cwd(const struct pseudo_place *at, int *err)
{
	*err = proc_may_look(at->task);
	return *err ? NULL : get_cwd(at);
}

static int find_thread(struct pseudo_place *dir, struct pseudo_node *out);

static void list_threads(const struct pseudo_place *dir, struct text *names)
{
	char name[PSEUDO_NAME];
	struct uthread *ut;

	spin_lock(&tasks_lock);
	LIST_FOREACH(ut, &dir->task->threads, link) {
		snprintf(name, sizeof(name), "%d", ut->tid);
		pseudo_list_name(names, S_IFDIR >> 12, name);
	}
	spin_unlock(&tasks_lock);
}

static int show_mounts(const struct pseudo_place *at, struct text *t)
{
	text_add(t, "rack / 9p rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec 0 0\n"
		 "devtmpfs /dev devtmpfs rw,nosuid 0 0\ntmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0\n"
		 "sysfs /sys sysfs ro,nosuid,nodev,noexec 0 0\n");
	return 0;
}

static int show_mountinfo(const struct pseudo_place *at, struct text *t)
{
	text_add(t, "20 1 0:16 / / rw,relatime - 9p rack rw\n"
		 "21 20 0:20 / /proc rw,nosuid,nodev,noexec - proc proc rw\n"
		 "22 20 0:21 / /dev rw,nosuid - devtmpfs devtmpfs rw\n"
		 "23 22 0:16 / /dev/shm rw,nosuid,nodev - tmpfs tmpfs rw\n"
		 "24 20 0:22 / /sys ro,nosuid,nodev,noexec - sysfs sysfs ro\n");
	return 0;
}

/* There is no killing for lack of memory that could be told to spare one. */
static int store_away(const struct pseudo_place *at, const char *data, size_t len)
{
	return 0;
}

#define PROC_WRITABLE(name_, text_, store_)                                                       \
	{ .name = (name_), .mode = S_IFREG | 0644, .text = (text_), .store = (store_) }

#define THREAD_FILES                                                                              \
	PSEUDO_FILE("stat", show_stat), PSEUDO_FILE("statm", show_statm),                         \
	PSEUDO_FILE("status", show_status), PSEUDO_FILE("cmdline", proc_show_cmdline),            \
	{ .name = "comm", .mode = S_IFREG | 0644, .show = show_comm, .store = store_comm },       \
	PSEUDO_FILE("limits", show_limits), PSEUDO_FILE("maps", proc_show_maps),                  \
	{ .name = "environ", .mode = S_IFREG | 0400, .show = proc_show_environ },                 \
	{ .name = "auxv", .mode = S_IFREG | 0400, .show = proc_show_auxv },                       \
	PSEUDO_FILE("smaps_rollup", proc_show_smaps_rollup),                                      \
	PSEUDO_FILE("mounts", show_mounts), PSEUDO_FILE("mountinfo", show_mountinfo),             \
	PSEUDO_TEXT("cgroup", "0::/\n"), PSEUDO_TEXT("wchan", "0"),                               \
	PSEUDO_TEXT("setgroups", "allow\n"), PSEUDO_TEXT("loginuid", "4294967295"),               \
	PROC_WRITABLE("oom_score_adj", "0\n", store_away), PSEUDO_TEXT("oom_score", "0\n"),       \
	PROC_WRITABLE("oom_adj", "0\n", store_away),                                              \
	PROC_WRITABLE("coredump_filter", "00000033\n", store_away),                               \
	{ .name = "exe", .mode = S_IFLNK | 0777, .readlink = read_exe },                          \
	{ .name = "cwd", .mode = S_IFLNK | 0777, .readlink = read_cwd, .follow = follow_cwd },    \
	PSEUDO_SYMLINK("root", "/"),                                                              \
	{ .name = "net", .mode = S_IFDIR | 0555, .lookup = proc_net_lookup,                       \
	  .list = proc_net_list },                                                                \
	{ .name = "fd", .mode = S_IFDIR | 0500, .lookup = proc_fd_lookup, .list = proc_fd_list }, \
	{ .name = "fdinfo", .mode = S_IFDIR | 0555, .lookup = proc_fdinfo_lookup,                 \
	  .list = proc_fd_list }

static const struct pseudo_def thread_files[] = { THREAD_FILES };
static const struct pseudo_def thread_dir = PSEUDO_DIR(NULL, thread_files);

static int find_thread(struct pseudo_place *dir, struct pseudo_node *out)
{
	int tid = proc_number(out->name);
	bool there;

	spin_lock(&tasks_lock);
	there = tid > 0 && find_thread_locked(dir->task, tid);
	spin_unlock(&tasks_lock);
	if (!there)
		return -ENOENT;
	dir->tid = out->num = tid;
	out->def = &thread_dir;
	return 0;
}

static const struct pseudo_def pid_files[] = {
	THREAD_FILES,
	{ .name = "task", .mode = S_IFDIR | 0555, .lookup = find_thread, .list = list_threads },
};
const struct pseudo_def proc_pid_dir = PSEUDO_DIR(NULL, pid_files);
