// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys: as much as C libraries and servers ask for: which CPUs there are, how large pages are, and
 * that there are no control groups.
 */
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/thread.h>
#include "fs/pseudo.h"

static int show_cpus(const struct pseudo_place *at, struct text *t)
{
	if (cpu_count() == 1)
		text_add(t, "0\n");
	else
		text_add(t, "0-%d\n", cpu_count() - 1);
	return 0;
}

static int show_cpu_number(const struct pseudo_place *at, struct text *t)
{
	text_add(t, "%d\n", at->node[at->depth - 3].num);
	return 0;
}

static int show_cpu_mask(const struct pseudo_place *at, struct text *t)
{
	text_add(t, "%x\n", 1u << at->node[at->depth - 3].num);
	return 0;
}

static const struct pseudo_def topology[] = {
	PSEUDO_FILE("core_id", show_cpu_number),
	PSEUDO_TEXT("physical_package_id", "0\n"),
	PSEUDO_FILE("thread_siblings", show_cpu_mask),
	PSEUDO_FILE("core_siblings", show_cpu_mask),
};
static const struct pseudo_def one_cpu_children[] = {
	PSEUDO_DIR("topology", topology),
	PSEUDO_TEXT("online", "1\n"),
};
static const struct pseudo_def one_cpu = PSEUDO_DIR(NULL, one_cpu_children);

static int find_cpu(struct pseudo_place *dir, struct pseudo_node *out)
{
	uint64_t n;

	if (strncmp(out->name, "cpu", 3) || kstrtou64(out->name + 3, 10, &n) ||
	    n >= (uint64_t)cpu_count() || (out->name[3] == '0' && out->name[4]))
		return -ENOENT;
	out->def = &one_cpu;
	out->num = (int)n;
	return 0;
}

static void list_cpus(const struct pseudo_place *dir, struct text *names)
{
	char name[PSEUDO_NAME];

	for (int i = 0; i < cpu_count(); i++) {
		snprintf(name, sizeof(name), "cpu%d", i);
		pseudo_list_name(names, S_IFDIR >> 12, name);
	}
}

static const struct pseudo_def cpu_files[] = {
	PSEUDO_FILE("online", show_cpus),
	PSEUDO_FILE("possible", show_cpus),
	PSEUDO_FILE("present", show_cpus),
	PSEUDO_TEXT("offline", "\n"),
	PSEUDO_TEXT("kernel_max", "15\n"),
};
static const struct pseudo_def node_zero[] = {
	PSEUDO_FILE("cpulist", show_cpus),
};
static const struct pseudo_def nodes[] = {
	PSEUDO_TEXT("online", "0\n"),
	PSEUDO_TEXT("possible", "0\n"),
	PSEUDO_DIR("node0", node_zero),
};
static const struct pseudo_def system_dirs[] = {
	{ .name = "cpu", .mode = S_IFDIR | 0555, .children = cpu_files,
	  .nchildren = ARRAY_SIZE(cpu_files), .lookup = find_cpu, .list = list_cpus },
	PSEUDO_DIR("node", nodes),
};
static const struct pseudo_def devices[] = { PSEUDO_DIR("system", system_dirs) };

static const struct pseudo_def huge[] = {
	PSEUDO_TEXT("enabled", "always madvise [never]\n"),
	PSEUDO_TEXT("defrag", "always defer defer+madvise madvise [never]\n"),
	PSEUDO_TEXT("hpage_pmd_size", "2097152\n"),
};
static const struct pseudo_def mm[] = { PSEUDO_DIR("transparent_hugepage", huge) };
static const struct pseudo_def kernel[] = { PSEUDO_DIR("mm", mm) };
static const struct pseudo_def trees[] = {
	PSEUDO_DIR("devices", devices),
	PSEUDO_DIR("kernel", kernel),
	{ .name = "fs", .mode = S_IFDIR | 0555 },
	{ .name = "class", .mode = S_IFDIR | 0555 },
};
const struct pseudo_def pseudo_sys = PSEUDO_DIR("sys", trees);
