/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside proc/: what its files offer each other. The rest of the monitor uses task.h. */
#pragma once

#include <proto/file.h>

#include "proc/task.h"

/* ---- task.c ---- */
void task_init(void);
/* A process without threads, with pid; not yet in the table. NULL: no memory or no number. */
struct task *task_alloc(void);
/* Gives up one that was never published. */
void task_discard(struct task *t);
/*
 * Puts it into the tables, under parent (NULL: none). false: many processes were signalled since
 * task_group_signals() was `seen`; t may have been meant and has heard nothing.
 */
bool task_publish(struct task *t, struct task *parent, uint64_t seen);
uint64_t task_group_signals(void);
/* task_each() for who signals many processes: those that are being made are not missed. */
void task_each_signal(void (*fn)(struct task *t, void *arg), void *arg);
/* Out of the tables; tasks_lock held. The table's reference goes to the caller. */
void task_unlink_locked(struct task *t);
struct task *task_find_locked(int pid);
/* Reference to a thread by its number, or NULL. */
struct uthread *uthread_find(int tid);
struct uthread *uthread_get(struct uthread *ut);
void uthread_put(struct uthread *ut);
int tid_alloc(void); /* -EAGAIN: none left */
void tid_free(int tid);
/* A thread of t, not started; start registers zero. NULL: no memory. as: reference taken over. */
struct uthread *uthread_alloc(struct task *t, struct aspace *as, int tid);
/* Into t's list and the table, then running. -EAGAIN: the process is ending. 0. */
int uthread_start(struct uthread *ut);
/* Out of the list; the number of threads left. */
unsigned uthread_unlink(struct uthread *ut);
/* One that was never started. */
void uthread_discard(struct uthread *ut);
/* exec by a thread that is not the first: it becomes the first. */
void uthread_become_leader(struct uthread *ut);

/* ---- cputime.c ---- */
void cputime_init(void);
/* From the scheduler's switch, interrupts off. */
void cputime_switch_in(struct uthread *ut);
void cputime_switch_out(struct uthread *ut);
uint64_t uthread_run_ns(struct uthread *ut);
uint64_t task_run_ns(struct task *t);
struct cputimes uthread_times(struct uthread *ut);
struct cputimes task_times(struct task *t);

/* ---- itimer.c, ptimer.c ---- */
void itimer_exit(struct task *t);
/* A tick of this length, in user mode or not; interrupt context, t->lock held. */
void itimer_tick_locked(struct task *t, uint64_t ns, bool user);
void ptimer_tick_locked(struct task *t, struct uthread *ut);
/* exec and the end: no POSIX timers any more. */
void ptimer_exit(struct task *t);

/* ---- entry.c: uspace_ops ---- */
void entry_init(void);
/* The calling thread now lives in as (reference taken over); returns the old one. */
struct aspace *uthread_set_aspace(struct uthread *ut, struct aspace *as);

/* ---- signal.c ---- */
void sigpending_init(struct sigpending *p);
void sigpending_flush(struct sigpending *p, sigmask_t which);
/* task->lock held. Recomputes sig_wake of ut. */
void signal_recalc_locked(struct uthread *ut);
void signal_recalc_all_locked(struct task *t);
/* The same, and every thread looks. */
void signal_wake_all_locked(struct task *t);
/* One thread only (tgkill). 0, -EAGAIN. */
/* On its way to user mode it goes to a CPU that it may use. */
void uthread_move(struct uthread *ut);
int uthread_signal(struct uthread *ut, int sig, const siginfo_t *info);
/*
 * A signal whose entry is the sender's: to the process, or to ut alone. Still queued from before,
 * it counts one more overrun. t->lock held; any context.
 */
void signal_send_kept_locked(struct task *t, struct uthread *ut, struct sigqueue_entry *e);
void signal_forget_kept_locked(struct sigqueue_entry *e);
/* To the process, without siginfo; t->lock held, any context. */
void signal_send_locked(struct task *t, int sig);
int task_signal_try(struct task *t, int sig, const siginfo_t *info);
/* The end of task_sigmask_temp() by hand: the old mask is back. */
void task_sigmask_restore(void);
/* The next signal to handle, removed; 0: none. */
int signal_dequeue(struct uthread *ut, sigmask_t from, siginfo_t *info);
/* Forgets a pending signal, of the process and of every thread. */
void signal_discard_locked(struct task *t, int sig);
bool signal_default_ignored(int sig);
bool signal_default_stops(int sig);
/* Every thread of t is to end; the first caller's status counts. Any context. */
void task_begin_exit(struct task *t, int wait_status);
void task_begin_exit_locked(struct task *t, int wait_status);
void signal_exec_reset(struct task *t);
/* Handlers go, ignored signals stay. t->lock held, or t is not published yet. */
void signal_handlers_reset(struct task *t);
/* sigframe.c */
int sigframe_push(struct uthread *ut, struct uregs *r, int sig, const siginfo_t *info,
		  const struct ksigaction *act, sigmask_t old);
/* deliver.c: on the way to user mode */
void signal_leave(struct uregs *r);

/* ---- sigcalls.c ---- */
/* What the caller says of itself when it sends a signal. */
void signal_own_info(siginfo_t *info, int sig, int code);
/* By the caller, if it may; sig 0: only that. 0, -EINVAL, -ESRCH, -EPERM, -EAGAIN. */
int task_kill(struct task *t, int sig, const siginfo_t *info);

/* ---- pidfd.c ---- */
void pidfd_init(void);
/* A process has ended. */
void pidfd_notify(void);
/* A new descriptor of the caller's, or -errno; flags: PIDFD_NONBLOCK. */
int pidfd_create(struct task *t, uint32_t flags);
/* Reference to the process of a descriptor, or NULL (EBADF). */
struct task *pidfd_task(int fd, bool *nonblock);

/* ---- exit.c ---- */
__noreturn void uthread_exit(void);
void task_notify_parent(struct task *t, int code, int status);
/* vfork: the child has stopped using its parent's memory. */
void vfork_release(struct task *t);
#define W_EXITED(code) (((code) & 0xff) << 8)

/* ---- exec.c ---- */
struct exec_args {
	char *strings;      /* argv then envp, each with its NUL */
	size_t len;
	unsigned argc, envc;
	char path[FILE_PATH_MAX];   /* what is opened: in the end an ELF file */
	char shown[FILE_PATH_MAX];  /* what the caller named (AT_EXECFN); empty: path */
	struct file *dir;           /* a relative path starts there, an empty one is it; or NULL */
	bool nofollow;              /* of the first path */
	bool closes_dir;            /* dir is closed by exec: a script could not be opened again */
};
/*
 * Replaces the calling thread's program; regs are set. Before the point of no return -errno and
 * nothing changed but x.
 */
int exec_load(struct exec_args *x, struct uregs *r);
void exec_args_free(struct exec_args *x);
const char *exec_shown(const struct exec_args *x);
struct mem_exec_reply;
/* Writes the first stack into the calling thread's space, which is new; *sp: where it begins. */
int exec_make_stack(const struct exec_args *x, const struct mem_exec_reply *m, uint64_t *sp);

/* ---- vdso/install.c ---- */
void vdso_init(void);
uint64_t vdso_address(void); /* AT_SYSINFO_EHDR */

/* ---- futex.c ---- */
void futex_init(void);
int64_t futex_wake_addr(uint64_t addr, int n, bool private);
void futex_exit(struct uthread *ut); /* robust list and clear_child_tid */

/* ---- rseq.c ---- */
/* The thread goes on in user mode, after a switch or before a handler. */
void rseq_resume(struct uthread *ut, struct uregs *r);

/* ---- memory_end.c: any context that may take tasks_lock ---- */
/* After aspaces_lose(): programs whose memory is not whole any more get SIGBUS. */
void memory_lost(const char *board);
/* An mComponent is full: of those with memory there the largest program gets SIGKILL. */
void memory_short(uint16_t node);

/* ---- spawn.c ---- */
void spawn_init(void);
void spawn_ended(struct task *t, int wait_status);
