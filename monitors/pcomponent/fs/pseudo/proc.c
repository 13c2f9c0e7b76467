// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc: what is there for the whole board, and the list of processes. Memory is this board's own:
 * what programs' memory is kept in belongs to the mComponents, and only the caches count here.
 */
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include "fs/pseudo.h"
#include "fs/pseudo/proc.h"
#include "proc/proc.h"

#define HZ 100 /* unit of times in /proc: USER_HZ */
#define NET_FILES_MAX 24

/* ---- memory ---- */

static int show_meminfo(const struct pseudo_place *at, struct text *t)
{
	static const struct {
		const char *name;
		unsigned of; /* 0: none, 1: total, 2: free, 3: slab */
	} rows[] = {
		{ "MemTotal:", 1 }, { "MemFree:", 2 }, { "MemAvailable:", 2 }, { "Buffers:", 0 },
		{ "Cached:", 0 }, { "SwapCached:", 0 }, { "Active:", 0 }, { "Inactive:", 0 },
		{ "SwapTotal:", 0 }, { "SwapFree:", 0 }, { "Dirty:", 0 }, { "Writeback:", 0 },
		{ "AnonPages:", 0 }, { "Mapped:", 0 }, { "Shmem:", 0 }, { "Slab:", 3 },
		{ "CommitLimit:", 1 }, { "Committed_AS:", 0 }, { "VmallocTotal:", 0 },
		{ "AnonHugePages:", 0 }, { "HugePages_Total:", 0 },
	};
	struct mm_stats mm;
	uint64_t kib[4];

	mm_stats(&mm);
	kib[0] = 0;
	kib[1] = mm.total_pages * (PAGE_SIZE / 1024);
	kib[2] = mm.free_pages * (PAGE_SIZE / 1024);
	kib[3] = mm.slab_bytes / 1024;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		text_add(t, "%-15s %8llu kB\n", rows[i].name,
			 (unsigned long long)kib[rows[i].of]);
	text_add(t, "Hugepagesize:       2048 kB\n");
	return 0;
}

static int show_vmstat(const struct pseudo_place *at, struct text *t)
{
	struct mm_stats mm;

	mm_stats(&mm);
	text_add(t, "nr_free_pages %llu\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n",
		 (unsigned long long)mm.free_pages);
	return 0;
}

/* ---- processors ---- */

static void cpuid(uint32_t leaf, uint32_t r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(0));
}

static void brand(char name[49])
{
	uint32_t r[4];

	memset(name, 0, 49);
	cpuid(0x80000000, r);
	if (r[0] < 0x80000004)
		return;
	for (uint32_t i = 0; i < 3; i++)
		cpuid(0x80000002 + i, (uint32_t *)(void *)(name + i * 16));
}

static int show_cpuinfo(const struct pseudo_place *at, struct text *t)
{
	uint32_t id[4], v[4];
	char name[49], vendor[13] = { 0 };

	cpuid(0, id);
	memcpy(vendor, &id[1], 4);
	memcpy(vendor + 4, &id[3], 4);
	memcpy(vendor + 8, &id[2], 4);
	cpuid(1, v);
	brand(name);
	for (int i = 0; i < cpu_count(); i++) {
		text_add(t, "processor\t: %d\nvendor_id\t: %s\ncpu family\t: %u\n"
			 "model\t\t: %u\n", i, vendor, v[0] >> 8 & 15,
			 (v[0] >> 4 & 15) | (v[0] >> 12 & 0xf0));
		text_add(t, "model name\t: %s\nstepping\t: %u\nphysical id\t: 0\nsiblings\t: %d\n",
			 name, v[0] & 15, cpu_count());
		text_add(t, "core id\t\t: %d\ncpu cores\t: %d\nfpu\t\t: yes\n", i, cpu_count());
		text_add(t, "flags\t\t: fpu tsc cx8 cmov mmx fxsr sse sse2 syscall nx lm"
			 " constant_tsc%s%s%s%s\nbogomips\t: 2000.00\n\n", v[2] & 1 ? " pni" : "",
			 v[2] & 1u << 9 ? " ssse3" : "", v[2] & 1u << 19 ? " sse4_1" : "",
			 v[2] & 1u << 20 ? " sse4_2" : "");
	}
	return 0;
}

static uint64_t ticks(uint64_t ns)
{
	return ns / (NSEC_PER_SEC / HZ);
}

static void cpu_line(struct text *t, const char *name, uint64_t busy, uint64_t idle)
{
	text_add(t, "%s %llu 0 0 %llu 0 0 0 0 0 0\n", name, (unsigned long long)ticks(busy),
		 (unsigned long long)ticks(idle));
}

struct counts { unsigned processes, threads, running; int last; };

static void count_task(struct task *t, void *arg)
{
	struct counts *c = arg;
	struct uthread *ut;

	c->processes++;
	c->last = KMAX(c->last, t->pid);
	LIST_FOREACH(ut, &t->threads, link) {
		c->threads++;
		c->running += atomic_load(&ut->cpu) >= 0;
	}
}

static int show_stat(const struct pseudo_place *at, struct text *t)
{
	uint64_t up = clock_mono_ns(), busy = 0;
	struct counts c = { 0 };
	char name[8];

	for (int i = 0; i < cpu_count(); i++)
		busy += KMIN(cpu_busy_ns(i), up);
	cpu_line(t, "cpu ", busy, up * (uint64_t)cpu_count() - busy);
	for (int i = 0; i < cpu_count(); i++) {
		busy = KMIN(cpu_busy_ns(i), up);
		snprintf(name, sizeof(name), "cpu%d", i);
		cpu_line(t, name, busy, up - busy);
	}
	task_each(count_task, &c);
	text_add(t, "intr 0\nctxt 0\nbtime %llu\nprocesses %d\nprocs_running %u\nprocs_blocked 0\n",
		 (unsigned long long)((clock_wall_ns() - up) / NSEC_PER_SEC), c.last, c.running);
	return 0;
}

static int show_uptime(const struct pseudo_place *at, struct text *t)
{
	uint64_t up = clock_mono_ns(), idle = 0;

	for (int i = 0; i < cpu_count(); i++)
		idle += up - KMIN(cpu_busy_ns(i), up);
	text_add(t, "%llu.%02llu %llu.%02llu\n", (unsigned long long)(up / NSEC_PER_SEC),
		 (unsigned long long)(ticks(up) % HZ), (unsigned long long)(idle / NSEC_PER_SEC),
		 (unsigned long long)(ticks(idle) % HZ));
	return 0;
}

/* Nobody averages here: the load is what runs now. */
static int show_loadavg(const struct pseudo_place *at, struct text *t)
{
	struct counts c = { 0 };

	task_each(count_task, &c);
	text_add(t, "%u.00 %u.00 %u.00 %u/%u %d\n", c.running, c.running, c.running, c.running,
		 c.threads, c.last);
	return 0;
}

/* ---- names ---- */

static int show_version(const struct pseudo_place *at, struct text *t)
{
	text_add(t, "Linux version " RELEASE " (rack) #1 rack\n");
	return 0;
}

/* ---- /proc/net, filled by who has sockets ---- */

static struct pseudo_def net_files[NET_FILES_MAX];
static _Atomic unsigned net_count;

void pseudo_net_file(const char *name, int (*show)(const struct pseudo_place *at, struct text *t))
{
	unsigned n = net_count;

	kassert(n < NET_FILES_MAX);
	net_files[n] = (struct pseudo_def)PSEUDO_FILE(name, show);
	net_count = n + 1;
}

int proc_net_lookup(struct pseudo_place *dir, struct pseudo_node *out)
{
	for (unsigned i = 0; i < net_count; i++)
		if (!strcmp(net_files[i].name, out->name))
			out->def = &net_files[i];
	return out->def ? 0 : -ENOENT;
}

void proc_net_list(const struct pseudo_place *dir, struct text *names)
{
	for (unsigned i = 0; i < net_count; i++)
		pseudo_list_name(names, S_IFREG >> 12, net_files[i].name);
}

/* ---- processes ---- */

static ssize_t_k read_self(const struct pseudo_place *at, char *buf, size_t size)
{
	return snprintf(buf, size, "%d", task_current()->pid);
}

static ssize_t_k read_thread_self(const struct pseudo_place *at, char *buf, size_t size)
{
	return snprintf(buf, size, "%d/task/%d", task_current()->pid, uthread_current()->tid);
}

static int find_process(struct pseudo_place *dir, struct pseudo_node *out)
{
	struct uthread *ut;
	int pid = proc_number(out->name);
	struct task *t = pid > 0 ? task_find(pid) : NULL;

	if (!t && pid > 0) { /* the number of a thread is a name as well, though not listed */
		ut = uthread_find(pid);
		t = ut ? task_get(ut->task) : NULL;
		if (ut)
			uthread_put(ut);
	}
	if (!t)
		return -ENOENT;
	dir->task = t;
	dir->task_depth = dir->depth + 1;
	out->def = &proc_pid_dir;
	out->num = pid;
	return 0;
}

static void list_process(struct task *t, void *arg)
{
	char name[PSEUDO_NAME];

	snprintf(name, sizeof(name), "%d", t->pid);
	pseudo_list_name(arg, S_IFDIR >> 12, name);
}

static void list_processes(const struct pseudo_place *dir, struct text *names)
{
	task_each(list_process, names);
}

static const struct pseudo_def root_files[] = {
	{ .name = "self", .mode = S_IFLNK | 0777, .readlink = read_self },
	{ .name = "thread-self", .mode = S_IFLNK | 0777, .readlink = read_thread_self },
	PSEUDO_SYMLINK("mounts", "self/mounts"),
	PSEUDO_SYMLINK("net", "self/net"),
	PSEUDO_FILE("meminfo", show_meminfo),
	PSEUDO_FILE("vmstat", show_vmstat),
	PSEUDO_FILE("cpuinfo", show_cpuinfo),
	PSEUDO_FILE("stat", show_stat),
	PSEUDO_FILE("uptime", show_uptime),
	PSEUDO_FILE("loadavg", show_loadavg),
	PSEUDO_FILE("version", show_version),
	PSEUDO_TEXT("filesystems", "nodev\tproc\nnodev\tsysfs\nnodev\ttmpfs\nnodev\tdevtmpfs\n"
		    "nodev\t9p\n"),
	PSEUDO_TEXT("cmdline", "rack\n"),
	PSEUDO_TEXT("devices", "Character devices:\n  1 mem\n  5 /dev/tty\n\nBlock devices:\n"),
	PSEUDO_TEXT("diskstats", ""),
	PSEUDO_TEXT("partitions", "major minor  #blocks  name\n\n"),
	PSEUDO_TEXT("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
	PSEUDO_TEXT("modules", ""),
	PSEUDO_TEXT("cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"),
	{ .name = "sys", .mode = S_IFDIR | 0555, .children = proc_sys_children,
	  .nchildren = PROC_SYS_CHILDREN },
};
const struct pseudo_def pseudo_proc = {
	.name = "proc", .mode = S_IFDIR | 0555, .children = root_files,
	.nchildren = ARRAY_SIZE(root_files), .lookup = find_process, .list = list_processes,
};
