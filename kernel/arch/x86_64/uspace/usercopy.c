/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checked access to user memory: the range here, the mapping by the fault handler of the owner
 * while the instructions of usercopy.S run. All may sleep in it.
 */
#include <kern/thread.h>

#include "arch/x86_64/uspace/uspace_arch.h"

static bool in_user(uint64_t addr, size_t n)
{
	return n <= USER_ADDR_MAX && addr <= USER_ADDR_MAX - n;
}

int copy_from_user(void *dst, uint64_t src, size_t n)
{
	might_sleep();
	return in_user(src, n) ? user_copy(dst, (const void *)src, n) : -EFAULT;
}

int copy_to_user(uint64_t dst, const void *src, size_t n)
{
	might_sleep();
	return in_user(dst, n) ? user_copy((void *)dst, src, n) : -EFAULT;
}

int zero_user(uint64_t dst, size_t n)
{
	might_sleep();
	return in_user(dst, n) ? user_zero((void *)dst, n) : -EFAULT;
}

ssize_t_k strncpy_from_user(char *dst, uint64_t src, size_t size)
{
	might_sleep();
	if (size == 0)
		return -ENAMETOOLONG;
	if (src >= USER_ADDR_MAX)
		return -EFAULT;
	size_t room = USER_ADDR_MAX - src;
	ssize_t_k n = user_strncpy(dst, src, size < room ? size : room);
	return n == -ENAMETOOLONG && room < size ? -EFAULT : n;
}

int cmpxchg_user_u32(uint64_t addr, uint32_t expect, uint32_t desired, uint32_t *old)
{
	might_sleep();
	return in_user(addr, 4) ? user_cmpxchg_u32(addr, expect, desired, old) : -EFAULT;
}

int read_user_u32(uint64_t addr, uint32_t *out)
{
	might_sleep();
	return in_user(addr, 4) ? user_read_u32(addr, out) : -EFAULT;
}
