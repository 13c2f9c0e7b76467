/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uthash on the kernel's allocator, the same in a monitor and on a Linux process. Running out of
 * memory is not fatal: after HASH_ADD*, HASH_ADDED() tells whether the element is in the table.
 */
#pragma once

#include <kern/mm.h>
#include <kern/string.h>

#define uthash_malloc(sz) kmalloc(sz)
#define uthash_free(ptr, sz) kfree(ptr)
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define HASH_ADDED(elt) ((elt)->hh.tbl != NULL)
