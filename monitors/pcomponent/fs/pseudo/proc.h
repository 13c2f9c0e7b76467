/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files that make /proc share. */
#pragma once

#include "fs/pseudo.h"
#include "proc/task.h"

struct aspace;

#define RELEASE "6.1.0-rack" /* as uname(2) says */

extern const struct pseudo_def proc_pid_dir;       /* /proc/PID, also of a thread's number */
#define PROC_SYS_CHILDREN 4
extern const struct pseudo_def proc_sys_children[PROC_SYS_CHILDREN]; /* /proc/sys */

/* A decimal number without leading zeros, or -1. */
int proc_number(const char *name);
int proc_net_lookup(struct pseudo_place *dir, struct pseudo_node *out);
void proc_net_list(const struct pseudo_place *dir, struct text *names);

/* pid_fd.c: /proc/PID/fd and fdinfo */
int proc_fd_lookup(struct pseudo_place *dir, struct pseudo_node *out);
int proc_fdinfo_lookup(struct pseudo_place *dir, struct pseudo_node *out);
void proc_fd_list(const struct pseudo_place *dir, struct text *names);

/* May the caller look into this process? 0 or -EACCES. */
int proc_may_look(const struct task *t);
/* pid_mem.c */
int proc_show_cmdline(const struct pseudo_place *at, struct text *t);
int proc_show_environ(const struct pseudo_place *at, struct text *t);
int proc_show_auxv(const struct pseudo_place *at, struct text *t);
/* pid_maps.c */
/* Reference to the memory of a process, or NULL when it has none any more. */
struct aspace *proc_get_memory(struct task *t);
int proc_show_maps(const struct pseudo_place *at, struct text *t);
int proc_show_smaps_rollup(const struct pseudo_place *at, struct text *t);
/* Pages mapped, pages of them in exCache. 0, 0 where there is no memory. */
void proc_memory(struct task *t, uint64_t *size, uint64_t *resident);
