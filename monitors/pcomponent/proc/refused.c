/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls that a program may try and that are not for it, answered as a container without privileges
 * answers them, quietly. EPERM: what only an operator of the machine may do. ENOSYS: what a kernel
 * may be built without; C libraries and programs then take another way.
 */
#include "proc/proc.h"
#include "syscall/table.h"

static int64_t not_permitted(struct syscall_args *a)
{
	return -EPERM;
}

static int64_t not_built(struct syscall_args *a)
{
	return -ENOSYS;
}

#define REFUSE(name, fn) SYSCALL_DEFINE(__NR_##name, #name, fn)

REFUSE(acct, not_permitted);
REFUSE(delete_module, not_permitted);
REFUSE(finit_module, not_permitted);
REFUSE(init_module, not_permitted);
REFUSE(ioperm, not_permitted);
REFUSE(iopl, not_permitted);
REFUSE(kexec_load, not_permitted);
REFUSE(kexec_file_load, not_permitted);
REFUSE(mount, not_permitted);
REFUSE(move_mount, not_permitted);
REFUSE(open_by_handle_at, not_permitted);
REFUSE(open_tree, not_permitted);
REFUSE(perf_event_open, not_permitted);
REFUSE(pivot_root, not_permitted);
REFUSE(ptrace, not_permitted);
REFUSE(quotactl, not_permitted);
REFUSE(reboot, not_permitted);
REFUSE(setdomainname, not_permitted);
REFUSE(setns, not_permitted);
REFUSE(swapoff, not_permitted);
REFUSE(swapon, not_permitted);
REFUSE(umount2, not_permitted);
REFUSE(unshare, not_permitted);
REFUSE(vhangup, not_permitted);
REFUSE(bpf, not_permitted);
REFUSE(adjtimex, not_permitted);
REFUSE(clock_adjtime, not_permitted);

REFUSE(add_key, not_built);
REFUSE(fanotify_init, not_built);
REFUSE(fanotify_mark, not_built);
REFUSE(fsconfig, not_built);
REFUSE(fsmount, not_built);
REFUSE(fsopen, not_built);
REFUSE(fspick, not_built);
REFUSE(futex_waitv, not_built);
REFUSE(get_mempolicy, not_built);
REFUSE(io_cancel, not_built);
REFUSE(io_destroy, not_built);
REFUSE(io_getevents, not_built);
REFUSE(io_pgetevents, not_built);
REFUSE(io_setup, not_built);
REFUSE(io_submit, not_built);
REFUSE(io_uring_enter, not_built);
REFUSE(io_uring_register, not_built);
REFUSE(io_uring_setup, not_built);
REFUSE(kcmp, not_built);
REFUSE(keyctl, not_built);
REFUSE(landlock_add_rule, not_built);
REFUSE(landlock_create_ruleset, not_built);
REFUSE(landlock_restrict_self, not_built);
REFUSE(mbind, not_built);
REFUSE(memfd_secret, not_built);
REFUSE(migrate_pages, not_built);
REFUSE(modify_ldt, not_built);
REFUSE(move_pages, not_built);
REFUSE(mq_getsetattr, not_built);
REFUSE(mq_notify, not_built);
REFUSE(mq_open, not_built);
REFUSE(mq_timedreceive, not_built);
REFUSE(mq_timedsend, not_built);
REFUSE(mq_unlink, not_built);
REFUSE(msgctl, not_built);
REFUSE(msgget, not_built);
REFUSE(msgrcv, not_built);
REFUSE(msgsnd, not_built);
REFUSE(name_to_handle_at, not_built);
REFUSE(pkey_alloc, not_built);
REFUSE(pkey_free, not_built);
REFUSE(pkey_mprotect, not_built);
REFUSE(inotify_add_watch, not_built);
REFUSE(inotify_init, not_built);
REFUSE(inotify_init1, not_built);
REFUSE(inotify_rm_watch, not_built);
REFUSE(mount_setattr, not_built);
REFUSE(quotactl_fd, not_built);
REFUSE(process_madvise, not_built);
REFUSE(process_mrelease, not_built);
REFUSE(process_vm_readv, not_built);
REFUSE(process_vm_writev, not_built);
REFUSE(remap_file_pages, not_built);
REFUSE(request_key, not_built);
REFUSE(seccomp, not_built);
REFUSE(set_mempolicy, not_built);
REFUSE(set_mempolicy_home_node, not_built);
REFUSE(sysfs, not_built);
REFUSE(uselib, not_built);
REFUSE(userfaultfd, not_built);
REFUSE(ustat, not_built);
