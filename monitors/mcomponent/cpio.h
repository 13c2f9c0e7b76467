/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <kern/types.h>

/* Fills the ramfs from a cpio archive ("newc", as the Linux initramfs documentation describes it).
 * Files made, or -EBADMSG (with the offset in the log), -ENOMEM. */
int cpio_unpack(const void *archive, size_t size);
