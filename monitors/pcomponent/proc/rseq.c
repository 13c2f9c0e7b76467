/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Restartable sequences (rseq(2)): a thread registers a word that always tells its CPU, and
 * critical sections that are begun anew when the thread was interrupted in one. A switch marks the
 * thread; on its way to user mode the word is written and a section it was in is left.
 */
#include <linux/rseq.h>

#include "proc/proc.h"
#include "syscall/table.h"

#define RSEQ_SIZE 32 /* of the first version, which is the only one offered */

/* Out of the critical section, to its abort handler. 0 or -EFAULT, -EINVAL. */
static int leave_section(struct uthread *ut, struct uregs *r)
{
	uint64_t at = ut->rseq + offsetof(struct rseq, rseq_cs), section, none = 0;
	struct rseq_cs cs;
	uint32_t sig;

	if (copy_from_user(&section, at, sizeof(section)))
		return -EFAULT;
	if (!section)
		return 0;
	if (copy_from_user(&cs, section, sizeof(cs)))
		return -EFAULT;
	if (cs.version || cs.start_ip + cs.post_commit_offset < cs.start_ip ||
	    cs.abort_ip - cs.start_ip < cs.post_commit_offset)
		return -EINVAL;
	if (r->rip - cs.start_ip < cs.post_commit_offset) {
		if (read_user_u32(cs.abort_ip - sizeof(sig), &sig))
			return -EFAULT;
		if (sig != ut->rseq_sig)
			return -EINVAL;
		r->rip = cs.abort_ip;
	}
	return copy_to_user(at, &none, sizeof(none));
}

void rseq_resume(struct uthread *ut, struct uregs *r)
{
	while (ut->rseq && ut->rseq_moved) {
		uint32_t cpu[2];

		ut->rseq_moved = false; /* a switch from here on marks it again */
		cpu[0] = cpu[1] = (uint32_t)cpu_id();
		if (!copy_to_user(ut->rseq, cpu, sizeof(cpu)) && !leave_section(ut, r))
			continue;
		ut->rseq = 0;
		uthread_signal_self(SIGSEGV, NULL);
	}
}

static int64_t sys_rseq(struct syscall_args *a)
{
	struct uthread *ut = uthread_current();
	const uint32_t none[2] = { 0, (uint32_t)RSEQ_CPU_ID_UNINITIALIZED };
	uint64_t at = a->a[0];
	uint32_t sig = (uint32_t)a->a[3];

	if (a->a[2] & RSEQ_FLAG_UNREGISTER) {
		if (a->a[2] != RSEQ_FLAG_UNREGISTER || !ut->rseq || ut->rseq != at ||
		    a->a[1] != RSEQ_SIZE)
			return -EINVAL;
		if (sig != ut->rseq_sig)
			return -EPERM;
		ut->rseq = 0;
		return copy_to_user(at, none, sizeof(none));
	}
	if (a->a[2])
		return -EINVAL;
	if (ut->rseq)
		return ut->rseq != at || a->a[1] != RSEQ_SIZE ? -EINVAL :
			sig != ut->rseq_sig ? -EPERM : -EBUSY;
	if (at % RSEQ_SIZE || a->a[1] != RSEQ_SIZE)
		return -EINVAL;
	if (at >= USER_ADDR_MAX)
		return -EFAULT;
	ut->rseq = at;
	ut->rseq_sig = sig;
	ut->rseq_moved = true;
	return 0;
}
SYSCALL_DEFINE(__NR_rseq, "rseq", sys_rseq);
