// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/sys: limits and names as programs ask for them. Nothing here can be set; drop_caches
 * forgets the files that nobody has open.
 */
#include <kern/thread.h>
#include <kern/mode.h>
#include <kern/random.h>
#include <kern/string.h>
#include <mon/board.h>
#include "fs/fs.h"
#include "fs/inode.h"
#include "fs/pseudo.h"
#include "fs/pseudo/proc.h"

static int show_hostname(const struct pseudo_place *at, struct text *t)
{
	text_add(t, "%s\n", board_self() ? board_self()->name : "p");
	return 0;
}

static int show_pid_max(const struct pseudo_place *at, struct text *t)
{
	text_add(t, "%d\n", PID_MAX);
	return 0;
}

/* RFC 9562 5.4: version 4. */
static void add_uuid(struct text *t, const uint8_t r[16])
{
	for (unsigned i = 0; i < 16; i++) {
		uint8_t v = i == 6 ? (r[6] & 15) | 0x40 : i == 8 ? (r[8] & 63) | 0x80 : r[i];

		text_add(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", v);
	}
	text_add(t, "\n");
}

static int show_uuid(const struct pseudo_place *at, struct text *t)
{
	uint8_t r[16];

	random_bytes(r, sizeof(r));
	add_uuid(t, r);
	return 0;
}

static int show_boot_id(const struct pseudo_place *at, struct text *t)
{
	static uint8_t id[16];
	static _Atomic int made;
	int none = 0;

	if (atomic_compare_exchange_strong(&made, &none, 1)) {
		random_bytes(id, sizeof(id));
		made = 2;
	}
	while (made != 2)
		cpu_relax();
	add_uuid(t, id);
	return 0;
}

static const struct pseudo_def random_files[] = {
	PSEUDO_FILE("uuid", show_uuid),
	PSEUDO_FILE("boot_id", show_boot_id),
	PSEUDO_TEXT("entropy_avail", "256\n"),
	PSEUDO_TEXT("poolsize", "256\n"),
};
static const struct pseudo_def kernel_files[] = {
	PSEUDO_TEXT("ostype", "Linux\n"),
	PSEUDO_TEXT("osrelease", RELEASE "\n"),
	PSEUDO_TEXT("version", "#1 rack\n"),
	PSEUDO_FILE("hostname", show_hostname),
	PSEUDO_TEXT("domainname", "(none)\n"),
	PSEUDO_FILE("pid_max", show_pid_max),
	PSEUDO_FILE("threads-max", show_pid_max),
	PSEUDO_TEXT("cap_last_cap", "40\n"),
	PSEUDO_TEXT("ngroups_max", "65536\n"),
	PSEUDO_TEXT("randomize_va_space", "2\n"),
	PSEUDO_TEXT("core_pattern", "core\n"),
	PSEUDO_TEXT("overflowuid", "65534\n"),
	PSEUDO_TEXT("overflowgid", "65534\n"),
	PSEUDO_TEXT("sched_rt_runtime_us", "950000\n"),
	PSEUDO_TEXT("shmmax", "18446744073692774399\n"),
	PSEUDO_DIR("random", random_files),
};
/* Whatever number is written. */
static int drop_caches(const struct pseudo_place *at, const char *data, size_t len)
{
	if (!task_privileged())
		return -EPERM;
	inode_forget_idle();
	return file_drop_caches();
}

static const struct pseudo_def vm_files[] = {
	{ .name = "drop_caches", .mode = S_IFREG | 0200, .store = drop_caches },
	PSEUDO_TEXT("overcommit_memory", "1\n"),
	PSEUDO_TEXT("overcommit_ratio", "50\n"),
	PSEUDO_TEXT("max_map_count", "65530\n"),
	PSEUDO_TEXT("mmap_min_addr", "65536\n"),
	PSEUDO_TEXT("swappiness", "60\n"),
	PSEUDO_TEXT("nr_hugepages", "0\n"),
};
static const struct pseudo_def pipe_and_file[] = {
	PSEUDO_TEXT("file-max", "1048576\n"),
	PSEUDO_TEXT("nr_open", "1048576\n"),
	PSEUDO_TEXT("file-nr", "0\t0\t1048576\n"),
	PSEUDO_TEXT("pipe-max-size", "1048576\n"),
	PSEUDO_TEXT("pipe-user-pages-soft", "16384\n"),
	PSEUDO_TEXT("aio-max-nr", "0\n"),
};
static const struct pseudo_def core_files[] = {
	PSEUDO_TEXT("somaxconn", "4096\n"),
	PSEUDO_TEXT("rmem_max", "4194304\n"),
	PSEUDO_TEXT("wmem_max", "4194304\n"),
	PSEUDO_TEXT("rmem_default", "212992\n"),
	PSEUDO_TEXT("wmem_default", "212992\n"),
};
static const struct pseudo_def ipv4_files[] = {
	PSEUDO_TEXT("ip_local_port_range", "32768\t60999\n"),
	PSEUDO_TEXT("tcp_rmem", "4096\t131072\t4194304\n"),
	PSEUDO_TEXT("tcp_wmem", "4096\t16384\t4194304\n"),
	PSEUDO_TEXT("tcp_fastopen", "0\n"),
	PSEUDO_TEXT("ip_unprivileged_port_start", "1024\n"),
};
static const struct pseudo_def unix_files[] = {
	PSEUDO_TEXT("max_dgram_qlen", "512\n"),
};
static const struct pseudo_def net_dirs[] = {
	PSEUDO_DIR("core", core_files),
	PSEUDO_DIR("ipv4", ipv4_files),
	PSEUDO_DIR("unix", unix_files),
};
const struct pseudo_def proc_sys_children[PROC_SYS_CHILDREN] = {
	PSEUDO_DIR("kernel", kernel_files),
	PSEUDO_DIR("vm", vm_files),
	PSEUDO_DIR("fs", pipe_and_file),
	PSEUDO_DIR("net", net_dirs),
};
