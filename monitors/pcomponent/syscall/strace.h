/* SPDX-License-Identifier: GPL-2.0-only */
/* The system call tracer; see strace.c. In the calling thread, around the handler. */
#pragma once

#include "syscall/table.h"

struct strace;
/* Notes the call and its arguments; NULL: there is nothing to tell afterwards. */
struct strace *strace_enter(const struct syscall_args *a);
void strace_leave(struct strace *s, int64_t result);
