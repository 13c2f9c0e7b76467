/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes (struct task) and their threads (struct uthread). A uthread is a kernel thread that
 * spends its life in user mode; thread_private() of it is the uthread. Thread ids and process ids
 * share one number space; a process has the number of its first thread.
 *
 *            fork, spawn          last thread gone        wait, or nobody to wait
 *   (none) -------------> LIVE -------------------> ZOMBIE ------------------> (none)
 *                          ^ |
 *              SIGCONT     | | SIGSTOP...   (task.stopped: threads wait on their way to user mode)
 *
 * Waiting in a system call: wait_event_signal() below. It returns 0, -ETIMEDOUT, or -ERESTARTSYS
 * when a signal wants to be handled; the handler gives that value back (or turns it into another
 * of the ERESTART values) after it has undone what it began. A signal that is only pending for a
 * blocked mask does not end waits.
 *
 * Locks: tasks_lock (spinlock) over task.lock (spinlock, irqsave: signals are sent from any
 * context).
 */
#pragma once

#include <kern/log.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <kern/types.h>
#include <kern/uspace.h>
#include <kern/wait.h>
#include <linux/resource.h>
#include <sys/queue.h>

#include "proc/signal.h"

#define PID_MAX 16384       /* numbers for processes and threads of this board */
#define TASK_COMM_LEN 16    /* with the NUL, as prctl(PR_SET_NAME) */
#define TASK_GROUPS_MAX 32  /* supplementary groups */
#define TASK_PATH_MAX 256   /* shown as /proc/PID/exe and by ps */

/* Results of a call that a signal interrupted; never seen by the program (Linux has the same). */
#define ERESTARTSYS 512           /* restart if SA_RESTART or no handler ran, else EINTR */
#define ERESTARTNOINTR 513        /* always restart */
#define ERESTARTNOHAND 514        /* restart if no handler ran, else EINTR */
#define ERESTART_RESTARTBLOCK 516 /* like NOHAND, but by uthread.restart */

struct aspace;  /* excache/aspace.h */
struct fdtable; /* fs/: opaque here */
struct file;    /* fs/file.h */
struct uthread;

struct cred {
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	uint32_t ngroups;
	uint32_t groups[TASK_GROUPS_MAX];
};

struct cputimes { uint64_t user_ns, sys_ns; };

enum task_state { TASK_LIVE, TASK_ZOMBIE, TASK_REAPED };

struct task {
	_Atomic uint32_t refs;
	int pid;                    /* constant */
	uint16_t home;              /* mComponent of its address space; constant */
	uint8_t data_mode;          /* enum proto_data_mode of the program; constant after spawn */
	bool spawned;               /* started by GPM: its end is reported under token */
	uint64_t token;             /* of the program, inherited by children */
	uint64_t start_ns;
	uint32_t personality;       /* own threads; ADDR_NO_RANDOMIZE counts, the rest is kept */
	bool traced;                /* rack run --strace; inherited */
	bool no_new_privs;          /* never cleared */
	bool keep_caps, not_dumpable;
	int membarriers;            /* MEMBARRIER_CMD_REGISTER_* done */
	int nice;                   /* shown, without effect */

	/* guarded by tasks_lock */
	enum task_state state;
	struct task *parent;        /* NULL: nobody waits */
	LIST_HEAD(, task) children;
	LIST_ENTRY(task) sibling;
	LIST_ENTRY(task) all;
	int pgid, sid;
	LIST_HEAD(, uthread) threads; /* changed with both locks held */
	unsigned nthreads;
	int wait_status;            /* of a zombie */
	int stop_report;            /* signal that stopped it, not yet seen by wait(); 0: none */
	bool cont_report;
	int exit_signal;            /* to the parent at the end; 0: none */
	_Atomic bool vfork_busy;    /* the parent waits for exec or the end, on child_wq */
	struct cputimes child_times; /* run time of children waited for */
	uint64_t max_resident;      /* lines, when its memory was let go; own and children's */
	uint64_t child_max_resident;
	int pdeath_sig;             /* PR_SET_PDEATHSIG; 0: none */
	bool subreaper;             /* PR_SET_CHILD_SUBREAPER */

	/* guarded by lock */
	struct spinlock lock;
	struct cred cred;
	struct sighand sig;
	bool exiting;               /* every thread leaves */
	int exit_code;              /* wait status when exiting */
	bool stopped;
	int stop_sig;               /* that stopped it; 0 once the parent knows that it goes on */
	struct rlimit64 rlim[RLIM_NLIMITS];
	char comm[TASK_COMM_LEN];
	char exe[TASK_PATH_MAX];
	struct task_layout {        /* of its memory, for /proc; user addresses */
		uint64_t arg_start, arg_end, env_start, env_end, auxv, auxv_len, stack;
		uint64_t exe_object; /* the file it runs */
	} layout;
	char *cmdline;              /* argv with its NULs, for /proc and ps */
	size_t cmdline_len;
	struct itimers {
		struct timer timer; /* ITIMER_REAL */
		uint64_t next_ns, interval_ns;
		struct { uint64_t left_ns, interval_ns; } cpu[2]; /* VIRTUAL, PROF */
	} itimer;
	LIST_HEAD(, ptimer) ptimers;
	unsigned nptimers;
	uint64_t xcpu_sec;          /* second of run time in which RLIMIT_CPU was last told of */

	_Atomic int next_ptimer;
	_Atomic uint64_t run_ns;    /* of all its threads, ended ones too; cputime.c */
	_Atomic uint64_t user_ticks, sys_ticks;

	/* owned by the file system (fs/), own locks there */
	struct fdtable *files;
	struct file *cwd;           /* directory; NULL: the root. task_cwd_get(), task_cwd_set() */
	uint32_t umask;

	struct waitq child_wq;      /* wait4: a child changed state */
	struct waitq stop_wq;       /* stopped threads; exec waiting for the others to go */
};

/* Where a call with a timeout goes on when no handler ran. */
struct restart {
	int64_t (*fn)(struct restart *r);
	uint64_t arg[5];
};

struct uthread {
	struct thread *thread;
	struct task *task;
	struct aspace *as;          /* own reference; NULL while it ends */
	int tid;
	LIST_ENTRY(uthread) link;   /* tasks_lock */
	_Atomic uint32_t refs;

	/* own use only */
	struct uregs start;         /* first registers */
	uint64_t fsbase, gsbase;
	uint64_t clear_child_tid;   /* user address */
	uint64_t robust_list;
	uint64_t rseq;              /* user address; 0: not registered */
	uint32_t rseq_sig;
	struct restart restart;
	void *page;                 /* 4 KiB + reply header: replies to misses land here */
	void (*first)(struct uthread *ut, void *arg); /* runs in the new thread before user mode */
	void *first_arg;

	/* guarded by task->lock */
	struct sigpending pending;
	sigmask_t blocked;
	sigmask_t awaited;          /* by sigtimedwait(): blocked but for that */
	sigmask_t saved_blocked;    /* to be put back on the way to user mode */
	bool restore_blocked;
	bool move;                  /* it may be on a CPU that it may not use */
	bool dying;                 /* this thread alone ends (exec by another, exit) */
	_Atomic bool sig_wake;      /* has something to handle; follows masks and queues */
	struct altstack { uint64_t sp, size; uint32_t flags; } alt;

	/* set in switch_in and switch_out */
	bool rseq_moved;            /* since it last told its CPU */
	_Atomic int cpu;            /* it runs on, or -1 */
	uint64_t run_since_ns;      /* 0: not running */
	_Atomic uint64_t run_ns;
	_Atomic uint64_t user_ticks, sys_ticks;
	struct fpu_state fpu;
};

extern struct spinlock tasks_lock;

/* The calling user thread and its process. NULL in threads that are no process's. */
struct uthread *uthread_current(void);
struct task *task_current(void);

struct task *task_get(struct task *t);
void task_put(struct task *t);
/* Reference to a live or zombie process, or NULL. */
struct task *task_find(int pid);
/* Calls fn for every process, tasks_lock held. */
void task_each(void (*fn)(struct task *t, void *arg), void *arg);

/* A signal to a whole process (si_code SI_KERNEL when info is NULL). Any context. */
void task_signal(struct task *t, int sig, const struct siginfo_k *info);
/* To the calling thread: the result of what it did itself (SIGPIPE, SIGSEGV). */
void uthread_signal_self(int sig, const struct siginfo_k *info);
/* To all processes of a group; 0, or -ESRCH when there is none. For terminals and kill(). */
int pgrp_signal(int pgid, int sig, const struct siginfo_k *info);

/*
 * The calling thread has a signal to handle or is to end: a wait must end. False in kernel
 * threads.
 */
bool signal_pending(void);
/* Only for what must not be given up but when the thread dies (SIGKILL, exit of the process). */
bool fatal_pending(void);
/*
 * ppoll, pselect6, epoll_pwait, sigsuspend: this mask until the call has returned (and a handler
 * that interrupts it has begun); then the old one comes back by itself.
 */
void task_sigmask_temp(sigmask_t mask);
/* Reads a user sigset_t; 0, -EFAULT, -EINVAL (size is not 8). */
int __must_check sigmask_from_user(sigmask_t *out, uint64_t addr, uint64_t size);

/*
 * Sleeps until cond; deadline 0: no limit. 0, -ETIMEDOUT, -ERESTARTSYS. cond is evaluated without
 * locks. Any number of interruptible waits may follow each other in one call: a signal once seen
 * stays seen.
 */
#define wait_event_signal(q, cond, deadline_ns)                                                   \
	({                                                                                        \
		int sig_ret_;                                                                     \
		for (;;) {                                                                        \
			sig_ret_ = wait_event_intr((q), (cond) || signal_pending(),               \
						   (deadline_ns));                                \
			if (cond) {                                                               \
				sig_ret_ = 0;                                                     \
				break;                                                            \
			}                                                                         \
			if (signal_pending()) {                                                   \
				sig_ret_ = -ERESTARTSYS;                                          \
				break;                                                            \
			}                                                                         \
			if (sig_ret_ == -ETIMEDOUT)                                               \
				break;                                                            \
		}                                                                                 \
		sig_ret_;                                                                         \
	})

/* -EINTR of an interruptible FIT call or wait as the restart value; others unchanged. */
static inline int64_t restart_result(int64_t r)
{
	return r == -EINTR ? -ERESTARTSYS : r;
}

/* Reference to the working directory of the current process, or NULL for the root. */
struct file *task_cwd_get(void);
/* Takes over the reference. */
void task_cwd_set(struct file *dir);
/* Soft limit of the current process. */
uint64_t task_rlimit(unsigned resource);
/* Is the caller uid 0 (as far as names and signals go)? */
bool task_privileged(void);

/* ---- what fs/ provides ---- */
/* A signal was queued for a process or thread; any context, task.lock may be held. */
void signalfd_notify(void);
struct fdtable *fdtable_create(void);                    /* one reference; NULL: no memory */
struct fdtable *fdtable_get(struct fdtable *t);          /* CLONE_FILES */
struct fdtable *fdtable_fork(struct fdtable *t);         /* a copy; NULL: no memory */
void fdtable_put(struct fdtable *t);                     /* last: closes all; sleeps */
/* execve: closes O_CLOEXEC descriptors; a shared table is replaced by a copy. 0 or -ENOMEM. */
int __must_check fdtable_exec(struct fdtable **t);
/*
 * Descriptors 0, 1, 2 of a program started by GPM: its stdio on the control channel with stream =
 * token. flags: SPAWN_*. 0 or -errno.
 */
int __must_check stdio_attach(struct fdtable *t, uint64_t token, unsigned flags);
/*
 * The program of this token has ended: no more stdin; all its output has been written before this
 * returns.
 */
void stdio_end(uint64_t token);
/* At boot, before the first program, after the board has joined. */
void fs_init(void);
void net_init(void);
