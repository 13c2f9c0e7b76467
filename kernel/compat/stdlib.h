/* SPDX-License-Identifier: GPL-2.0-only */
/* For uthash.h, which asks for <stdlib.h>; its memory comes from kmalloc, see <kern/hash.h>. */
#pragma once
#include <kern/mm.h>
#ifndef uthash_malloc
#define uthash_malloc(sz) kmalloc(sz)
#define uthash_free(ptr, sz) kfree(ptr)
#define HASH_NONFATAL_OOM 1
#endif
