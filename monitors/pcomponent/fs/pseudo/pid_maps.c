// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/PID/maps, and the sums over it. Ranges come from what this board was told of its spaces
 * (excache/grants.h): a range it could not keep for lack of memory is missing.
 */
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include "excache/aspace.h"
#include "fs/fs.h"
#include "fs/inode.h"
#include "fs/pseudo.h"
#include "fs/pseudo/proc.h"

struct aspace *proc_get_memory(struct task *t)
{
	struct uthread *ut;
	struct aspace *as = NULL;

	spin_lock(&tasks_lock);
	LIST_FOREACH(ut, &t->threads, link)
		if (ut->as && !as)
			as = aspace_get(ut->as);
	spin_unlock(&tasks_lock);
	return as;
}

/* A copy of the ranges; g->g is to be freed. */
static int copy_ranges(struct aspace *as, struct grants *g)
{
	int err;

	grants_init(g);
	spin_lock(&as->lock);
	err = grants_copy(g, &as->grants);
	spin_unlock(&as->lock);
	return err;
}

static uint64_t sum_pages(const struct grants *g)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < g->n; i++)
		pages += (g->g[i].end - g->g[i].start) / PAGE_SIZE;
	return pages;
}

void proc_memory(struct task *t, uint64_t *size, uint64_t *resident)
{
	struct aspace *as = proc_get_memory(t);
	struct grants g;

	*size = *resident = 0;
	if (!as)
		return;
	if (!copy_ranges(as, &g))
		*size = sum_pages(&g);
	grants_free(&g);
	*resident = KMIN((uint64_t)atomic_load(&as->resident), *size);
	aspace_put(as);
}

static const char *range_name(struct task *t, const struct aspace *as, const struct grant *g)
{
	if (g->object)
		return g->object == t->layout.exe_object ? t->exe : NULL;
	if (g->start <= t->layout.stack && g->end > t->layout.stack)
		return "[stack]";
	return as->brk > as->brk_start && g->start < as->brk && g->end > as->brk_start ? "[heap]" :
											  NULL;
}

static void show_range(struct text *t, struct task *task, const struct aspace *as,
		       const struct grant *g)
{
	const char *name = range_name(task, as, g);
	char path[FILE_PATH_MAX];
	ssize_t_k n = g->object && !name ? inode_name(g->object, path, sizeof(path)) : 0;

	path[KMAX(n, 0)] = '\0';
	text_add(t, "%08llx-%08llx %c%c%c%c %08llx 00:%02x %-10llu%s%.800s\n",
		 (unsigned long long)g->start, (unsigned long long)g->end,
		 g->prot & MEM_READ ? 'r' : '-', g->prot & MEM_WRITE ? 'w' : '-',
		 g->prot & MEM_EXEC ? 'x' : '-', g->shared ? 's' : 'p',
		 (unsigned long long)(g->index * PAGE_SIZE), g->object ? 0x10 : 0,
		 (unsigned long long)(g->object & 0xffffffffffffULL),
		 name || n > 0 ? "                 " : "", name ? name : path);
}

int proc_show_maps(const struct pseudo_place *at, struct text *t)
{
	int err = proc_may_look(at->task);
	struct aspace *as = err ? NULL : proc_get_memory(at->task);
	struct grants g;

	if (!as)
		return err;
	err = copy_ranges(as, &g);
	for (unsigned i = 0; i < g.n; i++)
		show_range(t, at->task, as, &g.g[i]);
	grants_free(&g);
	aspace_put(as);
	return err;
}

int proc_show_smaps_rollup(const struct pseudo_place *at, struct text *t)
{
	uint64_t size, resident;

	proc_memory(at->task, &size, &resident);
	text_add(t, "00400000-7ffffffff000 ---p 00000000 00:00 0                          "
		 "[rollup]\nRss:            %8llu kB\nPss:            %8llu kB\n"
		 "Private_Dirty:  %8llu kB\nAnonHugePages:         0 kB\n"
		 "Swap:                  0 kB\n",
		 (unsigned long long)resident * 4, (unsigned long long)resident * 4,
		 (unsigned long long)resident * 4);
	return 0;
}
