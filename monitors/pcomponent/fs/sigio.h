/* SPDX-License-Identifier: GPL-2.0-only */
/* SIGIO and SIGURG: see sigio.c. */
#pragma once

#include "fs/file.h"

void sigio_init(void);
/* F_SETOWN, by the calling process: type F_OWNER_*, pid 0: nobody. 0, -ESRCH. */
int __must_check sigio_set_owner(struct file *f, int type, int pid);
/* The same; a negative number is a group's. */
int __must_check sigio_set_who(struct file *f, int who);
/* Who is it? 0: nobody, or he has ended. */
int sigio_owner(struct file *f);
int sigio_who(struct file *f);
/* FASYNC may have changed; by way of this descriptor. */
void sigio_flags_changed(struct file *f, int fd);
/* The file ends; nobody uses it any more. */
void sigio_forget(struct file *f);
